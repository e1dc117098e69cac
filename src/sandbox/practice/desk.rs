//! Who may call, how often, and what is said to whom.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::books::{Books, How, Shape};
use crate::{
    clock::Clock,
    sandbox::{
        call::{Answer, Call},
        logins::{Caller, Doors, Logins},
        server::System,
    },
};

/// What makes a system unlike the others.
pub(crate) trait Api: fmt::Debug + Send + Sync {
    /// What it keeps.
    fn shapes(&self) -> &'static [Shape];

    /// How it writes an instant.
    fn stamp(&self) -> fn(DateTime<Utc>) -> Value;

    /// Where its base URL leads to.
    fn base(&self) -> &'static str;

    /// What a client must send.
    fn token(&self) -> &'static str;

    /// The account.
    fn tenant(&self) -> &'static str {
        ""
    }

    /// Where a person consents to logins; `None` where a key is all there is.
    fn doors(&self) -> Option<Doors> {
        None
    }

    /// What the way back from a consent and a token answer say in passing; the system is at `host`.
    fn told(&self, _host: &str) -> [Vec<(&'static str, String)>; 2] {
        [Vec::new(), Vec::new()]
    }

    /// Whether the call comes from a client of it; one that was logged in brings a token that was given to it.
    fn admits(&self, call: &Call, logged_in: bool) -> bool {
        logged_in || call.header("authorization") == Some(&format!("Bearer {}", self.token()))
    }

    /// So many calls in any span of this length.
    fn limits(&self) -> Vec<(usize, TimeDelta)>;

    /// Applies the request and answers it.
    fn answer(&self, books: &mut Books, ask: &Ask<'_>) -> Answer;

    /// A refusal in its own words; "too many requests" ends after `wait` seconds.
    fn refuse(&self, status: u16, wait: Option<u64>, now: DateTime<Utc>) -> Answer;
}

/// A request, taken apart.
pub(crate) struct Ask<'a> {
    pub(crate) call: &'a Call,
    /// The steps of the path below the base.
    pub(crate) path: Vec<&'a str>,
    pub(crate) query: &'a [(String, String)],
    pub(crate) now: DateTime<Utc>,
    /// The host, for links.
    pub(crate) host: &'a str,
}

impl Ask<'_> {
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str, default: usize) -> usize {
        self.query(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    /// The body as JSON; null where it is none.
    pub(crate) fn body(&self) -> Value {
        serde_json::from_slice(&self.call.body).unwrap_or_default()
    }

    /// This very address with other parameters.
    pub(crate) fn link(&self, change: &[(&str, String)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let kept = self.query.iter().filter(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
        query.extend_pairs(kept.map(|(name, value)| (name.as_str(), value.as_str())));
        query.extend_pairs(change.iter().map(|(name, value)| (*name, value.as_str())));
        format!("{}{}?{}", self.host, self.call.path, query.finish())
    }
}

/// A practice system behind its HTTP side and its hand for tests.
#[derive(Debug)]
pub(crate) struct Desk {
    api: Box<dyn Api>,
    clock: Clock,
    limited: bool,
    pub(crate) logins: Option<Logins>,
    host: OnceLock<String>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    books: Books,
    calls: VecDeque<DateTime<Utc>>,
}

impl Desk {
    pub(crate) fn new(api: Box<dyn Api>, clock: Clock, limited: bool, seed: u64) -> Self {
        let state = State { books: Books::new(api.shapes(), api.stamp(), seed), calls: VecDeque::new() };
        let logins = api.doors().map(|doors| Logins::new(doors, None, clock.clone()));
        Self { api, clock, limited, logins, host: OnceLock::new(), state: Mutex::new(state) }
    }

    pub(crate) fn reach_at(&self, host: &str) {
        self.host.get_or_init(|| host.to_owned());
        if let Some(logins) = &self.logins {
            let [way_back, answer] = self.api.told(host);
            logins.tell(way_back, answer);
        }
    }

    pub(crate) fn base(&self) -> &'static str {
        self.api.base()
    }

    pub(crate) fn token(&self) -> &'static str {
        self.api.token()
    }

    pub(crate) fn tenant(&self) -> &'static str {
        self.api.tenant()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shape(&self, resource: &str) -> Result<&'static Shape, String> {
        self.state().books.shape(resource).ok_or_else(|| format!("there is no `{resource}`"))
    }

    pub(crate) fn insert(&self, resource: &str, record: Value) -> Result<String, String> {
        let shape = self.shape(resource)?;
        self.state().books.make(shape, record, self.clock.now()).map_err(|problem| problem.to_string())
    }

    pub(crate) fn edit(&self, resource: &str, id: &str, change: Value) -> Result<(), String> {
        let shape = self.shape(resource)?;
        let changed = self.state().books.change(shape, (id, None), (How::Partly, change), self.clock.now());
        changed.map(drop).map_err(|problem| problem.to_string())
    }

    pub(crate) fn remove(&self, resource: &str, id: &str) -> Result<(), String> {
        let shape = self.shape(resource)?;
        self.state().books.remove(shape, id, self.clock.now()).map_err(|problem| problem.to_string())
    }

    pub(crate) fn shown(&self, resource: &str, id: &str) -> Option<Value> {
        let shape = self.shape(resource).ok()?;
        self.state().books.find(shape, id).map(|record| Value::Object(record.body.clone()))
    }

    pub(crate) fn all(&self, resource: &str) -> Vec<Value> {
        let Ok(shape) = self.shape(resource) else { return Vec::new() };
        self.state().books.living(shape).map(|record| Value::Object(record.body.clone())).collect()
    }
}

impl State {
    /// Seconds to wait, if this call is one too many.
    fn count(&mut self, limits: &[(usize, TimeDelta)], now: DateTime<Utc>) -> Option<u64> {
        let longest = limits.iter().map(|(_, span)| *span).max()?;
        while self.calls.front().is_some_and(|at| now - *at >= longest) {
            self.calls.pop_front();
        }
        for (most, span) in limits {
            let mut within = self.calls.iter().rev().take_while(|at| now - **at < *span);
            if let Some(oldest) = within.nth(most.saturating_sub(1)) {
                let wait = (*oldest + *span - now).num_milliseconds().max(0);
                return Some(u64::try_from(wait).unwrap_or_default().div_ceil(1000));
            }
        }
        self.calls.push_back(now);
        None
    }
}

impl System for Desk {
    fn answer(&self, call: &Call) -> Answer {
        if let Some(answer) = self.logins.as_ref().and_then(|logins| logins.answer(call)) {
            return answer;
        }
        let logged_in = self.logins.as_ref().is_some_and(|logins| logins.caller(call) == Caller::Granted);
        let (now, mut state) = (self.clock.now(), self.state());
        if !self.api.admits(call, logged_in) {
            return self.api.refuse(401, None, now);
        }
        if self.limited
            && let Some(wait) = state.count(&self.api.limits(), now)
        {
            return self.api.refuse(429, Some(wait), now);
        }
        let Some(below) = call.path.strip_prefix(self.api.base()) else { return self.api.refuse(404, None, now) };
        let segments = Call { path: below.to_owned(), ..call.clone() }.segments();
        let query = call.parameters();
        let host = self.host.get().map(String::as_str).unwrap_or_default();
        let path = segments.iter().map(String::as_str).collect();
        self.api.answer(&mut state.books, &Ask { call, path, query: &query, now, host })
    }

    fn refuse(&self, status: u16, retry_after: Option<u64>) -> Answer {
        self.api.refuse(status, retry_after, self.clock.now())
    }

    fn replaced(&self, _: &Call, _: &Answer) {}
}

/// A JSON answer with so many records.
pub(crate) fn say(status: u16, body: &Value, items: usize) -> Answer {
    Answer::json(status, body.to_string(), items)
}
