//! The website's HTTP contract: what each method and path does.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{
    check::Problem,
    fields::RESOURCES,
    shelf::{Ask, Shelf},
};
use crate::{
    clock::Clock,
    sandbox::{
        call::{Answer, Call},
        server::System,
    },
};

/// The most records a page may hold.
const MAX_PER_PAGE: usize = 1000;
/// The most items a batch may hold.
const MAX_BATCH: usize = 100;
/// How long an answer is kept for its idempotency key.
const KEY_LIFE: TimeDelta = TimeDelta::hours(24);

/// The website's state behind its HTTP side and its hand for tests.
#[derive(Debug)]
pub(crate) struct Site {
    clock: Clock,
    token: Mutex<String>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) shelves: Vec<Shelf>,
    kept: HashMap<String, Kept>,
}

/// An answer that a repeated key gets again.
#[derive(Debug)]
struct Kept {
    fingerprint: u128,
    until: DateTime<Utc>,
    answer: Answer,
}

impl Site {
    pub(crate) fn new(clock: Clock, token: String) -> Self {
        let shelves = RESOURCES.iter().map(Shelf::new).collect();
        Self { clock, token: Mutex::new(token), state: Mutex::new(State { shelves, kept: HashMap::new() }) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_token(&self, token: String) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    fn check_token(&self, call: &Call) -> Result<(), Problem> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if call.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) == Some(token.as_str()) {
            return Ok(());
        }
        Err(Problem::new(401, "unauthorized", "the bearer token is missing or not known"))
    }
}

impl System for Site {
    fn answer(&self, call: &Call) -> Answer {
        if let Err(problem) = self.check_token(call) {
            return problem.answer();
        }
        let now = self.clock.now();
        let mut state = self.state();
        let keyed = matches!(call.method, Method::POST | Method::PATCH);
        let Some(key) = call.header("idempotency-key").filter(|_| keyed) else { return state.serve(call, now) };
        if key.is_empty() || key.len() > 255 {
            return Problem::new(422, "invalid_key", "`Idempotency-Key` must have 1 to 255 characters").answer();
        }
        let fingerprint = call.fingerprint();
        if let Some(kept) = state.kept.get(key).filter(|kept| now < kept.until) {
            if kept.fingerprint == fingerprint {
                return kept.answer.clone().with("idempotency-replayed", "true");
            }
            let message = format!("`Idempotency-Key` {key} was used for another request");
            return Problem::new(422, "key_reused", message).answer();
        }
        let answer = state.serve(call, now);
        if answer.status < 500 {
            let kept = Kept { fingerprint, until: now + KEY_LIFE, answer: answer.clone() };
            state.kept.insert(key.to_owned(), kept);
        }
        answer
    }

    fn refuse(&self, status: u16, retry_after: Option<u64>) -> Answer {
        let (code, message) = match status {
            429 => ("too_many_requests", "too many requests: slow down"),
            503 => ("unavailable", "the website is being maintained"),
            413 => ("too_large", "the body is larger than 10 MB"),
            _ => ("internal", "something went wrong"),
        };
        let answer = Problem::new(status, code, message).answer();
        match retry_after {
            Some(seconds) => answer.with("retry-after", seconds.to_string()),
            None => answer,
        }
    }

    fn replaced(&self, _call: &Call, _answer: &Answer) {
        // The website keeps its own answer for a key, never an error on the way.
    }
}

impl Problem {
    fn value(&self) -> Value {
        json!({ "code": self.code, "message": self.message, "field": self.field })
    }

    pub(crate) fn answer(&self) -> Answer {
        Answer::json(self.status, json!({ "error": self.value() }).to_string(), 0)
    }
}

impl State {
    pub(crate) fn shelf(&self, name: &str) -> Option<usize> {
        self.shelves.iter().position(|stock| stock.resource.name == name)
    }

    fn serve(&mut self, call: &Call, now: DateTime<Utc>) -> Answer {
        self.route(call, now).unwrap_or_else(|problem| problem.answer())
    }

    fn route(&mut self, call: &Call, now: DateTime<Utc>) -> Result<Answer, Problem> {
        let segments = call.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let unknown = || Problem::new(404, "not_found", format!("there is nothing at {}", call.path));
        let (name, rest) = segments.split_first().ok_or_else(unknown)?;
        let stock = self.shelf(name).ok_or_else(unknown)?;
        if call.method != Method::GET && !call.query.is_empty() {
            return Err(Problem::new(422, "unknown_parameter", "a write takes no query parameters"));
        }
        match (&call.method, rest) {
            (&Method::GET, []) => self.list(stock, call),
            (&Method::GET, [id]) => self.one(stock, id, 200),
            (&Method::POST, []) => {
                let id = self.create(stock, object(parse(call)?)?, now)?;
                self.one(stock, &id, 201)
            }
            (&Method::POST, ["batch"]) => self.batch(
                call,
                |state, item| {
                    let id = state.create(stock, object(item)?, now)?;
                    Ok((201, id))
                },
                stock,
            ),
            (&Method::PATCH, ["batch"]) => self.batch(
                call,
                |state, item| {
                    let mut item = object(item)?;
                    let Some(Value::String(id)) = item.remove("id") else {
                        return Err(Problem::new(422, "invalid_value", "`id` must name the record to change").at("id"));
                    };
                    state.patch(stock, &id, item, None, now)?;
                    Ok((200, id))
                },
                stock,
            ),
            (&Method::PATCH, [id]) => {
                let expected = if_match(call)?;
                self.patch(stock, id, object(parse(call)?)?, expected, now)?;
                self.one(stock, id, 200)
            }
            (&Method::DELETE, [id]) => {
                let expected = if_match(call)?;
                let stock = self.shelves.get_mut(stock).ok_or_else(unknown)?;
                let stale = matches!((stock.text(id), expected), (Some((_, at)), Some(seen)) if at != seen);
                if stale {
                    return Err(Problem::new(412, "stale_version", format!("`{id}` has changed: read it again")));
                }
                stock.remove(id)?;
                Ok(Answer::empty(204))
            }
            _ => Err(Problem::new(405, "not_allowed", format!("{} is not offered at {}", call.method, call.path))),
        }
    }

    fn list(&self, stock: usize, call: &Call) -> Result<Answer, Problem> {
        let Some(stock) = self.shelves.get(stock) else { return Ok(Answer::empty(500)) };
        let mut page = 1_usize;
        let mut per_page = 100_usize;
        let mut since = None;
        let mut key: Option<(usize, String)> = None;
        for (name, value) in call.parameters() {
            let invalid = |expected: &str| {
                Problem::new(422, "invalid_parameter", format!("`{name}` must be {expected}")).at(&name)
            };
            let count = || value.parse().ok().filter(|count| *count > 0).ok_or_else(|| invalid("a number from 1"));
            match name.as_str() {
                "page" => page = count()?,
                "per_page" => per_page = count()?.min(MAX_PER_PAGE),
                "updated_since" => {
                    let at = DateTime::parse_from_rfc3339(&value).map_err(|_| invalid("an RFC 3339 time"))?;
                    since = Some(at.timestamp_millis());
                }
                _ => match stock.resource.keys.iter().position(|key| *key == name) {
                    Some(found) if key.is_none() => key = Some((found, value)),
                    Some(_) => return Err(invalid("the only filter")),
                    None => {
                        let message = format!("unknown parameter `{name}`");
                        return Err(Problem::new(422, "unknown_parameter", message).at(&name));
                    }
                },
            }
        }
        let skip = (page - 1).saturating_mul(per_page);
        let key = key.as_ref().map(|(key, value)| (*key, value.as_str()));
        let found = stock.page(Ask { skip, take: per_page, since, key });
        let pages = found.total.div_ceil(per_page).max(1);
        let size = found.texts.iter().map(|text| text.len() + 1).sum::<usize>();
        let mut body = String::with_capacity(size + 96);
        body.push_str("{\"items\":[");
        for (index, text) in found.texts.iter().enumerate() {
            if index > 0 {
                body.push(',');
            }
            body.push_str(text);
        }
        let total = found.total;
        body.push_str("],");
        body.push_str(format!("\"page\":{page},\"pages\":{pages},\"total\":{total}}}").as_str());
        Ok(Answer::json(200, body, found.texts.len()))
    }

    fn one(&self, stock: usize, id: &str, status: u16) -> Result<Answer, Problem> {
        let stock = self.shelves.get(stock);
        if let Some((text, version)) = stock.and_then(|stock| stock.text(id)) {
            Ok(Answer::json(status, text.to_owned(), 1).with("etag", format!("\"{version}\"")))
        } else {
            let name = stock.map_or("", |stock| stock.resource.name);
            Err(Problem::new(404, "not_found", format!("no record `{id}` in {name}")))
        }
    }

    fn batch(
        &mut self,
        call: &Call,
        mut apply: impl FnMut(&mut Self, Value) -> Result<(u16, String), Problem>,
        stock: usize,
    ) -> Result<Answer, Problem> {
        let mut body = object(parse(call)?)?;
        let items = body.remove("items");
        if let Some(name) = body.keys().next() {
            return Err(Problem::new(422, "unknown_property", format!("unknown property `{name}`")).at(name));
        }
        let Some(Value::Array(items)) = items else {
            return Err(Problem::new(422, "invalid_value", "`items` must be a list").at("items"));
        };
        if items.len() > MAX_BATCH {
            let message = format!("a batch holds at most {MAX_BATCH} items, not {}", items.len());
            return Err(Problem::new(422, "batch_too_large", message).at("items"));
        }
        let count = items.len();
        let mut answer = String::from("{\"items\":[");
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                answer.push(',');
            }
            let done = apply(self, item);
            let text = match &done {
                Ok((status, id)) => {
                    let text =
                        self.shelves.get(stock).and_then(|stock| stock.text(id)).map_or("null", |(text, _)| text);
                    format!("{{\"status\":{status},\"item\":{text}}}")
                }
                Err(problem) => json!({ "status": problem.status, "error": problem.value() }).to_string(),
            };
            answer.push_str(&text);
        }
        answer.push_str("]}");
        Ok(Answer::json(200, answer, count))
    }

    /// Makes a record in the resource at `stock` and gives its id.
    pub(crate) fn create(
        &mut self,
        stock: usize,
        record: Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<String, Problem> {
        self.with(stock, |stock, exists| stock.create(record, now, exists))
    }

    /// Changes a record in the resource at `stock`.
    pub(crate) fn patch(
        &mut self,
        stock: usize,
        id: &str,
        patch: Map<String, Value>,
        expected: Option<u64>,
        now: DateTime<Utc>,
    ) -> Result<(), Problem> {
        self.with(stock, |stock, exists| stock.patch(id, patch, expected, now, exists))
    }

    /// Lets `change` work on one shelf while it can still look into the others. No resource links to itself.
    fn with<T>(
        &mut self,
        stock: usize,
        change: impl FnOnce(&mut Shelf, &super::shelf::Exists<'_>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let (before, rest) = self.shelves.split_at_mut(stock);
        let Some((stock, after)) = rest.split_first_mut() else {
            return Err(Problem::new(404, "not_found", "no such resource"));
        };
        change(stock, &|name, id| {
            before.iter().chain(after.iter()).any(|other| other.resource.name == name && other.holds(id))
        })
    }
}

fn parse(call: &Call) -> Result<Value, Problem> {
    serde_json::from_slice(&call.body)
        .map_err(|error| Problem::new(400, "bad_json", format!("the body is not JSON: {error}")))
}

fn object(value: Value) -> Result<Map<String, Value>, Problem> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(Problem::new(422, "invalid_value", "a record must be an object")),
    }
}

/// The version that `If-Match` names: `"3"`, `W/"3"` or `3`; `*` names any.
fn if_match(call: &Call) -> Result<Option<u64>, Problem> {
    let Some(text) = call.header("if-match") else { return Ok(None) };
    let bare = text.trim().trim_start_matches("W/").trim_matches('"');
    if bare == "*" {
        return Ok(None);
    }
    bare.parse().map(Some).map_err(|_| Problem::new(412, "stale_version", format!("no version is called {text}")))
}
