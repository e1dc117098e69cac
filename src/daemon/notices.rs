//! Telling people what goes wrong, and when it is right again.
//!
//! 1. **Facts** (`facts`): how everything stands now, as a list of what is wrong, fine, or not known yet (a connection that
//!    nobody has used since the start).
//! 2. **Judge** (`judge`, pure): beside what somebody was told already, what is worth a message. Whatever goes on is told
//!    once, and once more when it is over; nothing is told that ended before anybody could have read it.
//! 3. **Book** (`book`): what was told and what waits to be sent, in the store, one value for each who is told. It is durable
//!    before anything is sent, so that a message outlives a restart and is sent once as far as can be known.
//! 4. **Courier** (`courier`): one message at a time for each, in order, again with back-off. Nothing of it is in the way of
//!    a run.

mod book;
mod courier;
mod facts;
mod judge;
mod message;
mod send;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use message::{Message, State};
pub(super) use send::send;

use self::{book::Book, courier::Courier, facts::Watch};
use super::{
    control::{Shared, Stop},
    protocol::{Failure, FailureKind},
};
use crate::{
    config::{Config, IntegrationName, Notification},
    store::{Ledger, StoreError},
};

/// Whatever happens, it is looked this often; in real time, as a remote that is down is down in real time.
const LOOK: Duration = Duration::from_secs(30);
/// Many changes in a row are looked at once.
const REST: Duration = Duration::from_millis(500);
/// How long a stop waits for messages under way.
const FAREWELL: Duration = Duration::from_secs(5);

/// How one who is told stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationNow {
    /// The name.
    pub name: String,
    /// `webhook`, `email` or `command`.
    pub kind: String,
    /// What they were told and is still so, one sentence each.
    pub told: Vec<String>,
    /// Messages that wait to be sent.
    pub waiting: usize,
    /// Until when, at least.
    pub next: Option<DateTime<Utc>>,
    /// Why the last attempt failed, if it did.
    pub failing: Option<String>,
    /// Messages given up because they were too old.
    pub dropped: u64,
}

/// How everybody stands, for `notifications list`.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<BTreeMap<String, NotificationNow>>);

impl Board {
    fn put(&self, books: &BTreeMap<String, Book>, config: &Config) {
        let now = |name: &String, told: &Arc<Notification>| {
            let mut now = NotificationNow::unused(told);
            if let Some(book) = books.get(name) {
                book.show(&mut now);
            }
            (name.clone(), now)
        };
        let all = config.notifications.iter().map(|(name, told)| now(name, told)).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// How they stand, as configured now.
    pub fn all(&self, config: &Config) -> Vec<NotificationNow> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = config.notifications.iter();
        all.map(|(name, told)| known.get(name).cloned().unwrap_or_else(|| NotificationNow::unused(told))).collect()
    }
}

impl NotificationNow {
    /// One who was told nothing yet.
    pub(super) fn unused(of: &Notification) -> Self {
        let (name, kind) = (of.name.clone(), of.channel.kind().to_owned());
        Self { name, kind, told: Vec::new(), waiting: 0, next: None, failing: None, dropped: 0 }
    }
}

/// Sends one message to try it, at once.
pub(super) async fn try_out(config: &Config, name: &str, now: DateTime<Utc>) -> Result<(), Failure> {
    let Some(notification) = config.notifications.get(name) else {
        let known: Vec<&str> = config.notifications.keys().map(String::as_str).collect();
        let known =
            if known.is_empty() { "there is none".to_owned() } else { format!("there are {}", known.join(", ")) };
        return Err(Failure::new(FailureKind::NoSuch, format!("there is no notification named `{name}`; {known}")));
    };
    let sent = send(notification, &Message::test(name, now)).await;
    sent.map_err(|why| Failure::new(FailureKind::NotPossible, format!("`{name}` could not be told: {why}")))
}

/// Nothing is told of this integration any more.
///
/// # Errors
///
/// When the store fails.
pub(super) async fn leave_out(ledger: &Ledger, integration: &IntegrationName) -> Result<(), StoreError> {
    let mut changed = Vec::new();
    for (name, mut book) in Book::all(ledger).await? {
        let before = book.clone();
        book.leave_out(integration);
        if book != before {
            changed.push((name, book));
        }
    }
    Book::write(ledger, changed.iter().map(|(name, book)| (name.as_str(), book))).await
}

/// Works until the daemon stops.
pub(super) async fn work(shared: Arc<Shared>) {
    let mut stirred = shared.stirred.subscribe();
    let mut judged = shared.judged.subscribe();
    let mut failed = shared.health.failures();
    let (mut watch, mut courier) = (Watch::default(), Courier::default());
    loop {
        let config = shared.engine().config;
        let now = shared.clock.now();
        let mut next = None;
        if config.notifications.is_empty() {
            shared.board.put(&BTreeMap::new(), &config);
        } else {
            courier.load(&shared, &config).await;
            courier.leave_out(&std::mem::take(&mut *shared.forgotten.lock().unwrap_or_else(PoisonError::into_inner)));
            let facts = watch.look(&shared, &config).await;
            for notification in config.notifications.values() {
                courier.judge(notification, &facts, now);
            }
            next = courier.post(&shared, &config, now).await;
            shared.board.put(courier.books(), &config);
        }
        let wait = next.and_then(|at: DateTime<Utc>| (at - now).to_std().ok()).map_or(LOOK, |wait| wait.min(LOOK));
        tokio::select! {
            () = shared.stopped(Stop::Finishing) => break,
            Some(sent) = courier.sent() => courier.note(sent, shared.clock.now()),
            Ok(()) = stirred.changed() => {}
            Ok(()) = judged.changed() => {}
            Ok(()) = failed.changed() => {}
            () = tokio::time::sleep(wait.max(REST)) => continue,
        }
        tokio::select! {
            () = shared.stopped(Stop::Finishing) => break,
            () = tokio::time::sleep(REST) => {}
        }
    }
    // What arrives now must not be sent again at the next start.
    let last = async {
        while let Some(sent) = courier.sent_or_none().await {
            courier.note(sent, shared.clock.now());
        }
    };
    let _ = tokio::time::timeout(FAREWELL, last).await;
    courier.keep(&shared, &shared.engine().config).await;
}
