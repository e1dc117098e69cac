//! Large answers, kept as they came while their records are read in portions.
//!
//! XPM gives its whole list of clients in one answer of up to 50 MB; as values, that would be ten times as much.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};

use super::spot::Spot;
use crate::connector::{CallError, Page, Resource, http::HttpConnector, http::body::Parts};

/// Records of one portion.
const PORTION: usize = 500;

/// Answers kept at once; a listing that nobody goes on with makes room for the next.
const KEPT: usize = 2;

/// The answers that are kept.
#[derive(Default)]
pub(in crate::connector::http) struct Shelf(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    number: u64,
    answers: VecDeque<(String, Arc<Large>)>,
}

struct Large {
    parts: Parts,
    next: Option<String>,
    server_time: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shelf")
    }
}

impl Shelf {
    /// Keeps an answer, and gives the ticket it is found by.
    pub(super) fn keep(&self, parts: Parts, next: Option<String>, server_time: Option<DateTime<Utc>>) -> String {
        let mut kept = self.lock();
        kept.number += 1;
        let ticket = kept.number.to_string();
        kept.answers.push_back((ticket.clone(), Arc::new(Large { parts, next, server_time })));
        while kept.answers.len() > KEPT {
            kept.answers.pop_front();
        }
        ticket
    }

    fn find(&self, ticket: &str) -> Option<Arc<Large>> {
        let kept = self.lock();
        kept.answers.iter().find(|(known, _)| known == ticket).map(|(_, large)| Arc::clone(large))
    }

    fn forget(&self, ticket: &str) {
        self.lock().answers.retain(|(known, _)| known != ticket);
    }

    // Nothing is done under the lock that could leave it half done.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpConnector {
    /// A portion of a large answer. One that is not kept any more has to be asked for again.
    pub(super) async fn pull_portion(&self, resource: &Resource, ticket: &str, from: usize) -> Result<Page, CallError> {
        let Some(large) = self.shared.shelf.find(ticket) else { return Err(CallError::PageExpired) };
        let reading = Arc::clone(&large);
        let items = tokio::task::spawn_blocking(move || reading.parts.read(from, PORTION)).await;
        let items = items.map_err(|error| CallError::NotDone(format!("reading the records failed: {error}")))?;
        let fail = |message: String| CallError::BadAnswer(format!("`{}`: {message}", resource.name));
        let records = self.records_of(resource, items.map_err(fail)?).map_err(fail)?;
        let after = from + PORTION;
        let next = if after < large.parts.len() {
            Some(Spot::Portion { ticket: ticket.to_owned(), from: after }.to_string())
        } else {
            self.shared.shelf.forget(ticket);
            large.next.clone()
        };
        Ok(Page { records, next, server_time: large.server_time, ..Page::default() })
    }
}
