//! What a practice system was asked, kept for tests and for the demo.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};

use super::{
    call::{Answer, Call},
    faults::{Fault, glob},
};

/// Headers worth keeping: those that say who asks, since when, and under which key.
const KEPT_HEADERS: [&str; 7] =
    ["accept", "authorization", "content-type", "idempotency-key", "if-match", "if-modified-since", "xero-tenant-id"];

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// Counts from 1, in order of arrival.
    pub number: u64,
    /// When it arrived, by the system's clock.
    pub at: DateTime<Utc>,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path as sent.
    pub path: String,
    /// The query as sent, without `?`; empty when there was none.
    pub query: String,
    /// The headers that matter, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body as text; empty when bodies are not kept.
    pub body: String,
    /// The status answered; `None` while in flight, or when the connection was cut instead.
    pub status: Option<u16>,
    /// The body answered as text; empty when answers are not kept, or a fault took it away.
    pub answer: String,
    /// Records in the answer.
    pub items: usize,
    /// The fault that struck it.
    pub fault: Option<Fault>,
}

impl LogEntry {
    /// Whether the request could not change any record. Logging in changes none.
    #[must_use]
    pub fn is_read(&self) -> bool {
        is_read(&self.method) || is_login(&self.path)
    }

    /// Path and query as one text.
    #[must_use]
    pub fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }
}

/// How many requests came in, but for those of logging in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// GET and HEAD.
    pub reads: u64,
    /// Everything else.
    pub writes: u64,
    /// Records in all answers to reads.
    pub items_read: u64,
    /// Records in all answers to writes.
    pub items_written: u64,
    /// Answers with 429.
    pub throttled: u64,
}

impl Counts {
    /// Reads and writes.
    #[must_use]
    pub fn requests(self) -> u64 {
        self.reads + self.writes
    }
}

/// What a log keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// How many requests there were, as a benchmark wants.
    Counts,
    /// Every request with its body.
    Requests,
    /// And what was answered.
    Answers,
}

impl Keep {
    /// Every request, or only their number.
    pub(crate) const fn requests(keep: bool) -> Self {
        if keep { Self::Requests } else { Self::Counts }
    }
}

/// The requests of one practice system; clones share it.
#[derive(Clone, Debug)]
pub struct RequestLog(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    keep: Keep,
    next: u64,
    entries: Vec<LogEntry>,
    /// Those that were cleared, where answers are kept.
    cleared: Vec<LogEntry>,
    counts: Counts,
}

impl RequestLog {
    pub(crate) fn new(keep: Keep) -> Self {
        Self(Arc::new(Mutex::new(State {
            keep,
            next: 1,
            entries: Vec::new(),
            cleared: Vec::new(),
            counts: Counts::default(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn arrived(&self, call: &Call, at: DateTime<Utc>, fault: Option<&Fault>) -> u64 {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        match (is_login(&call.path), is_read(call.method.as_str())) {
            (true, _) => {}
            (false, true) => state.counts.reads += 1,
            (false, false) => state.counts.writes += 1,
        }
        if state.keep != Keep::Counts {
            let headers = KEPT_HEADERS
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), call.header(name)?.to_owned())))
                .collect();
            state.entries.push(LogEntry {
                number,
                at,
                method: call.method.to_string(),
                path: call.path.clone(),
                query: call.query.clone(),
                headers,
                body: String::from_utf8_lossy(&call.body).into_owned(),
                status: None,
                answer: String::new(),
                items: 0,
                fault: fault.cloned(),
            });
        }
        number
    }

    pub(crate) fn answered(&self, number: u64, read: bool, answer: &Answer) {
        let &Answer { status, items, .. } = answer;
        let mut state = self.lock();
        let (count, keep) = (items as u64, state.keep);
        if read {
            state.counts.items_read += count;
        } else {
            state.counts.items_written += count;
        }
        if status == 429 {
            state.counts.throttled += 1;
        }
        if let Ok(at) = state.entries.binary_search_by_key(&number, |entry| entry.number)
            && let Some(entry) = state.entries.get_mut(at)
        {
            entry.status = Some(status);
            entry.items = items;
            if keep == Keep::Answers {
                entry.answer = String::from_utf8_lossy(&answer.body).into_owned();
            }
        }
    }

    /// All entries, oldest first; empty when only counts are kept.
    #[must_use]
    pub fn entries(&self) -> Vec<LogEntry> {
        self.lock().entries.clone()
    }

    /// The entries with this method (`*`: any) whose path fits `path`, where `*` stands for any text.
    #[must_use]
    pub fn matching(&self, method: &str, path: &str) -> Vec<LogEntry> {
        let fits = |entry: &&LogEntry| (method == "*" || entry.method == method) && glob(path, &entry.path);
        self.lock().entries.iter().filter(fits).cloned().collect()
    }

    /// What was counted since the start or the last [`RequestLog::clear`].
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Requests that read.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.counts().reads
    }

    /// Requests that write.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.counts().writes
    }

    /// Everything since the start, what was cleared included, where answers are kept; else as [`RequestLog::entries`].
    #[must_use]
    pub fn since_the_start(&self) -> Vec<LogEntry> {
        let state = self.lock();
        state.cleared.iter().chain(&state.entries).cloned().collect()
    }

    /// Forgets entries and counts.
    pub fn clear(&self) {
        let mut state = self.lock();
        let entries = std::mem::take(&mut state.entries);
        if state.keep == Keep::Answers {
            state.cleared.extend(entries);
        }
        state.counts = Counts::default();
    }
}

/// Whether a path is one of the authorization server's.
fn is_login(path: &str) -> bool {
    ["/connect/", "/identity/connect/", "/oauth/", "/oauth2/", "/v2/oauth2/"]
        .iter()
        .any(|start| path.starts_with(start))
}

fn is_read(method: &str) -> bool {
    matches!(method, "GET" | "HEAD")
}
