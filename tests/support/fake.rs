//! A system in memory, behind the engine's own trait: quick to drive, easy to make misbehave.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use reconciled::{
    clock::Clock,
    connector::{
        Answer, CallError, Connector, ItemAnswer, Manifest, Page, PreparedCall, PullCursor, RemoteRecord, Requests,
        Resource, WriteItem, WriteKind,
    },
    record::RecordId,
};
use serde_json::{Value, json};

/// What goes wrong with the next write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is refused.
    NotDone,
    /// The remote fails before it does anything, and does not say so.
    LostBefore,
    /// The remote does it, and the answer is lost.
    LostAfter,
    /// The answer lacks its last item.
    ShortAnswer,
    /// The answer is lost, and the remote does it only so much later.
    LostLate(Duration),
}

/// When a hook is called; never while the system is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    BeforeRead,
    AfterRead,
    BeforeWrite,
    AfterWrite,
}

/// What happens around calls: people edit, time passes, calls fail.
pub type Hook = Box<dyn FnMut(Moment) -> Option<Fault> + Send>;

/// What a remote does with the values it is given: `(record as it is, values given) -> record as it becomes`.
pub type OnWrite = Box<dyn Fn(&Value, &Value) -> Value + Send + Sync>;

#[derive(Clone)]
struct Stored {
    body: Value,
    updated: DateTime<Utc>,
    version: u64,
}

#[derive(Default)]
struct State {
    resources: BTreeMap<String, BTreeMap<String, Stored>>,
    next_id: u64,
    requests: Requests,
    faults: VecDeque<Fault>,
    remembered: HashMap<String, (DateTime<Utc>, String, Vec<Value>)>,
    on_write: Option<OnWrite>,
    refuse: Option<Box<dyn Fn(&Value) -> Option<String> + Send + Sync>>,
    before_answer: Option<Box<dyn FnMut(&mut Value) + Send>>,
    log: Vec<(WriteKind, String, Value)>,
    page: usize,
    masked: Option<(&'static str, &'static str)>,
    unreadable: Option<String>,
    versions: bool,
    answer_creates_with: Option<String>,
    keeps_deleted: bool,
    ids_alone: bool,
    /// Calls whose answer was lost, and when they are carried out, which no clock that is set moves.
    late: Vec<(Duration, PreparedCall)>,
    stamps: Option<Box<dyn Fn(DateTime<Utc>) -> DateTime<Utc> + Send + Sync>>,
    /// How far its clock is ahead of what the daemon's would be if nobody had set it.
    own_time: Option<(DateTime<Utc>, Duration)>,
    /// Nothing is read by id.
    silent_by_id: bool,
    /// Listings in an order that is another one for every page: how many there were.
    unstable: Option<u64>,
    /// Readings show everything as it was so long ago.
    lag: Option<chrono::TimeDelta>,
    /// What was there before each change, with the time, which no clock that is set moves: resource, id, and the record if
    /// there was one.
    past: Vec<(Duration, String, String, Option<Stored>)>,
}

impl State {
    /// Keeps what a record is before it changes, for readings that lag.
    fn keep(&mut self, resource: &str, id: &str, now: Duration) {
        if self.lag.is_some() {
            let old = self.resources.get(resource).and_then(|all| all.get(id)).cloned();
            self.past.push((now, resource.to_owned(), id.to_owned(), old));
        }
    }

    /// The records of a resource as a reading now shows them.
    fn shown(&self, resource: &str, now: Duration) -> BTreeMap<String, Stored> {
        let mut all = self.resources.get(resource).cloned().unwrap_or_default();
        let Some(lag) = self.lag.and_then(|lag| lag.to_std().ok()) else { return all };
        for (at, _, id, old) in self.past.iter().rev().filter(|past| past.1 == resource) {
            if *at + lag <= now {
                break;
            }
            match old {
                Some(old) => drop(all.insert(id.clone(), old.clone())),
                None => drop(all.remove(id)),
            }
        }
        all
    }

    /// What a record's stamp says of this instant.
    fn stamp(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.stamps.as_ref().map_or(at, |stamps| stamps(at))
    }
}

/// The system.
pub struct Fake {
    manifest: Arc<Manifest>,
    clock: Clock,
    prefix: &'static str,
    key_lives: Option<Duration>,
    state: Mutex<State>,
    hook: Mutex<Option<Hook>>,
}

fn merge(into: &mut Value, values: &Value) {
    match (into, values) {
        (Value::Object(into), Value::Object(values)) => {
            for (name, value) in values {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, value) => *into = value.clone(),
    }
}

impl Fake {
    pub fn new(manifest: Arc<Manifest>, clock: Clock, prefix: &'static str, key_lives: Option<Duration>) -> Arc<Self> {
        let state = Mutex::new(State { page: 100, ..State::default() });
        Arc::new(Self { manifest, clock, prefix, key_lives, state, hook: Mutex::new(None) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap();
        let now = self.clock.monotonic();
        let (mut due, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.late).into_iter().partition(|(at, _)| *at <= now);
        state.late = rest;
        due.sort_by_key(|(at, _)| *at);
        for (at, call) in due {
            // Found only now, and carried out then: by now a replica may show it.
            self.carry_out(&mut state, &call, at);
        }
        state
    }

    /// What time it is on its own machine.
    fn now(&self, state: &State) -> DateTime<Utc> {
        let Some((began, at)) = state.own_time else { return self.clock.now() };
        began + chrono::TimeDelta::from_std(self.clock.monotonic() - at).unwrap()
    }

    /// From now on it has a clock of its own, so far ahead of the daemon's, that goes on when that is set.
    pub fn own_time(&self, ahead: chrono::TimeDelta) {
        let own = (self.clock.now() + ahead, self.clock.monotonic());
        self.state().own_time = Some(own);
    }

    /// The order of a listing is another one for every page, or is not any more.
    pub fn unstable(&self, unstable: bool) {
        self.state().unstable = unstable.then_some(0);
    }

    /// Readings show everything as it was so long ago: a replica that is behind. Writes are answered as ever.
    pub fn lag(&self, lag: chrono::TimeDelta) {
        self.state().lag = Some(lag);
    }

    /// A call waits where a caller may be dropped.
    async fn wait(&self, what: &'static str) {
        super::awaits::wait(what).await;
    }

    /// Whether a call whose answer was lost is yet to be carried out.
    pub fn has_late_calls(&self) -> bool {
        !self.state().late.is_empty()
    }

    /// Calls this around every read and write, outside of the lock.
    pub fn hook(&self, hook: Option<Hook>) {
        *self.hook.lock().unwrap() = hook;
    }

    fn at(&self, moment: Moment) -> Option<Fault> {
        self.hook.lock().unwrap().as_mut().and_then(|hook| hook(moment))
    }

    /// What the stamps of its records say, instead of the truth.
    pub fn stamps(&self, stamps: impl Fn(DateTime<Utc>) -> DateTime<Utc> + Send + Sync + 'static) {
        self.state().stamps = Some(Box::new(stamps));
    }

    /// Records carry a version, and a write of an older one is refused.
    pub fn versions(&self) {
        self.state().versions = true;
    }

    /// A person makes a record. Returns its id.
    pub fn insert(&self, resource: &str, mut body: Value) -> String {
        let mut state = self.state();
        state.next_id += 1;
        let id = format!("{}{}", self.prefix, state.next_id);
        body["id"] = json!(id);
        let updated = state.stamp(self.now(&state));
        state.keep(resource, &id, self.clock.monotonic());
        state.resources.entry(resource.into()).or_default().insert(id.clone(), Stored { body, updated, version: 1 });
        id
    }

    /// A person edits a record.
    pub fn edit(&self, resource: &str, id: &str, values: Value) {
        let mut state = self.state();
        let updated = state.stamp(self.now(&state));
        state.keep(resource, id, self.clock.monotonic());
        let stored = state.resources.get_mut(resource).unwrap().get_mut(id).unwrap();
        merge(&mut stored.body, &values);
        stored.updated = updated;
        stored.version += 1;
    }

    /// A value changes without its stamp (what a feed misses).
    pub fn edit_silently(&self, resource: &str, id: &str, values: Value) {
        let mut state = self.state();
        state.keep(resource, id, self.clock.monotonic());
        merge(&mut state.resources.get_mut(resource).unwrap().get_mut(id).unwrap().body, &values);
    }

    /// A record that was deleted is there again, as it was.
    pub fn put_back(&self, resource: &str, body: Value) {
        let id = body["id"].as_str().unwrap().to_owned();
        let mut state = self.state();
        let updated = self.now(&state);
        state.keep(resource, &id, self.clock.monotonic());
        state.resources.get_mut(resource).unwrap().insert(id, Stored { body, updated, version: 1 });
    }

    /// A person deletes a record.
    pub fn delete(&self, resource: &str, id: &str) {
        let mut state = self.state();
        state.keep(resource, id, self.clock.monotonic());
        state.resources.get_mut(resource).unwrap().remove(id);
    }

    pub fn get_body(&self, resource: &str, id: &str) -> Value {
        self.state().resources[resource][id].body.clone()
    }

    pub fn all(&self, resource: &str) -> Vec<Value> {
        let state = self.state();
        state.resources.get(resource).map(|all| all.values().map(|s| s.body.clone()).collect()).unwrap_or_default()
    }

    pub fn count(&self, resource: &str) -> usize {
        self.all(resource).len()
    }

    pub fn fail_next(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    /// What this remote makes of the values it is given.
    pub fn on_write(&self, f: impl Fn(&Value, &Value) -> Value + Send + Sync + 'static) {
        self.state().on_write = Some(Box::new(f));
    }

    /// Refuses values for which this gives a message.
    pub fn refuse(&self, f: impl Fn(&Value) -> Option<String> + Send + Sync + 'static) {
        self.state().refuse = Some(Box::new(f));
    }

    pub fn refuse_nothing(&self) {
        self.state().refuse = None;
    }

    /// Somebody edits a record between our write and its answer, once per write.
    pub fn before_answer(&self, f: impl FnMut(&mut Value) + Send + 'static) {
        self.state().before_answer = Some(Box::new(f));
    }

    pub fn behave(&self) {
        let mut state = self.state();
        state.before_answer = None;
        state.on_write = None;
        state.refuse = None;
        state.faults.clear();
    }

    /// Answers `mask` for the member `name`, whatever it holds.
    pub fn mask(&self, name: &'static str, mask: &'static str) {
        self.state().masked = Some((name, mask));
    }

    /// Takes every create for a change of this record, as a remote that tells records by their names does.
    pub fn answer_creates_with(&self, id: &str) {
        self.state().answer_creates_with = Some(id.to_owned());
    }

    /// Answers writes by no more than the id of what was written.
    pub fn answer_ids_alone(&self) {
        self.state().ids_alone = true;
    }

    /// Answers that it deleted a record, and keeps it.
    pub fn keep_deleted(&self, keep: bool) {
        self.state().keeps_deleted = keep;
    }

    /// Listing this resource fails, until told otherwise.
    pub fn unreadable(&self, resource: Option<&str>) {
        self.state().unreadable = resource.map(str::to_owned);
    }

    /// Readings by id fail, or do not any more.
    pub fn silent_by_id(&self, silent: bool) {
        self.state().silent_by_id = silent;
    }

    pub fn page_size(&self, size: usize) {
        self.state().page = size;
    }

    /// Every item written so far: kind, id, values.
    pub fn written(&self) -> Vec<(WriteKind, String, Value)> {
        self.state().log.clone()
    }

    fn record(&self, resource: &Resource, state: &State, stored: &Stored) -> RemoteRecord {
        let mut body = stored.body.clone();
        if let Some((name, mask)) = state.masked
            && body.get(name).is_some()
        {
            body[name] = json!(mask);
        }
        let id = body["id"].as_str().unwrap_or_default().to_owned();
        let label = body["name"].as_str().or(body["number"].as_str()).unwrap_or(&id).to_owned();
        let gone = resource
            .gone_when
            .as_ref()
            .is_some_and(|gone| gone.path.read(&body).value().is_some_and(|value| gone.values.contains(value)));
        let id = RecordId::from(id);
        let version = state.versions.then(|| stored.version.to_string());
        let merged_into = body["merged_into"].as_str().map(RecordId::from);
        let gone = gone || merged_into.is_some();
        RemoteRecord { id, body, label, updated_at: Some(stored.updated), version, gone, merged_into }
    }

    fn list(&self, resource: &Resource, cursor: &PullCursor) -> Page {
        let mut state = self.state();
        state.requests.reads += 1;
        let size = state.page;
        if let Some(listings) = &mut state.unstable {
            *listings += 1;
        }
        let all = state.shown(&resource.name, self.clock.monotonic());
        let mut wanted: Vec<&Stored> =
            all.values().filter(|stored| cursor.since.is_none_or(|since| stored.updated >= since)).collect();
        wanted.sort_by(|a, b| (a.updated, a.body["id"].as_str()).cmp(&(b.updated, b.body["id"].as_str())));
        if let Some(listing) = state.unstable {
            wanted.sort_by_key(|stored| {
                xxhash_rust::xxh3::xxh3_64_with_seed(stored.body["id"].as_str().unwrap_or_default().as_bytes(), listing)
            });
        }
        let start: usize = cursor.page.as_deref().map_or(0, |page| page.parse().unwrap());
        let records: Vec<_> =
            wanted.iter().skip(start).take(size).map(|stored| self.record(resource, &state, stored)).collect();
        let next = (start + size < wanted.len()).then(|| (start + size).to_string());
        Page { records, next, ..Page::default() }
    }

    fn answer(&self, resource: &Resource, call: &PreparedCall, fault: Option<Fault>) -> Result<Answer, CallError> {
        let mut state = self.state();
        state.requests.writes += 1;
        let now = self.now(&state);
        let fault = fault.or_else(|| state.faults.pop_front());
        match fault {
            Some(Fault::NotDone) => return Err(CallError::NotDone("connection refused".into())),
            Some(Fault::LostBefore) => return Err(CallError::Unknown("time-out".into())),
            Some(Fault::LostLate(span)) => {
                state.late.push((self.clock.monotonic() + span, call.clone()));
                return Err(CallError::Unknown("time-out".into()));
            }
            _ => {}
        }
        let key = &call.headers[0].1;
        if self.key_lives.is_some() && state.late.iter().any(|(_, late)| late.headers[0].1 == *key) {
            return Err(CallError::Unknown("a call with this key is under way".into()));
        }
        let answers = self.carry_out(&mut state, call, self.clock.monotonic());
        if fault == Some(Fault::LostAfter) {
            return Err(CallError::Unknown("the connection was lost".into()));
        }
        let mut items: Vec<ItemAnswer> = answers
            .iter()
            .map(|answer| {
                if let Some(id) = answer["deleted"].as_str() {
                    let stored = Stored { body: json!({ "id": id }), updated: now, version: 0 };
                    ItemAnswer::Written { record: Box::new(self.record(resource, &state, &stored)), body: false }
                } else if answer["written"].is_string() {
                    // Remembered word for word, as a real answer is.
                    let stamp = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
                    let updated = stamp("updated").parse().unwrap();
                    let version = stamp("version").parse().unwrap();
                    let body = match state.ids_alone {
                        true => json!({ "id": answer["written"] }),
                        false => answer["body"].clone(),
                    };
                    let stored = Stored { body, updated, version };
                    let record = Box::new(self.record(resource, &state, &stored));
                    ItemAnswer::Written { record, body: !state.ids_alone }
                } else {
                    ItemAnswer::Refused {
                        message: answer["refused"].as_str().unwrap_or_default().to_owned(),
                        duplicate: false,
                        stale: answer["stale"] == true,
                    }
                }
            })
            .collect();
        if fault == Some(Fault::ShortAnswer) {
            items.pop();
        }
        Ok(Answer { items })
    }

    /// Does what a call asks for at an instant of the monotonic clock, or gives what it answered the first time.
    fn carry_out(&self, state: &mut State, call: &PreparedCall, at: Duration) -> Vec<Value> {
        let ago = chrono::TimeDelta::from_std(self.clock.monotonic() - at).unwrap();
        let now = self.now(state) - ago;
        let key = call.headers[0].1.clone();
        let lives = self.key_lives.unwrap_or_default();
        if let Some((first, body, answers)) = state.remembered.get(&key)
            && (now - *first).to_std().unwrap_or_default() < lives
        {
            assert_eq!(*body, call.body, "a key was used for another request");
            return answers.clone();
        }
        let items: Vec<Value> = serde_json::from_str(&call.body).unwrap();
        let mut answers = Vec::new();
        for item in items {
            let values = item["values"].clone();
            if let Some(message) = state.refuse.as_ref().and_then(|refuse| refuse(&values)) {
                answers.push(json!({ "refused": message }));
                continue;
            }
            let id = match item["id"].as_str().or(state.answer_creates_with.as_deref()) {
                Some(id) => id.to_owned(),
                None => {
                    state.next_id += 1;
                    format!("{}{}", self.prefix, state.next_id)
                }
            };
            state.keep(&call.resource, &id, at);
            let all = state.resources.entry(call.resource.clone()).or_default();
            let old = all.get(&id);
            if call.kind == WriteKind::Delete {
                let version = old.map(|stored| stored.version.to_string());
                let stale = state.versions && version.is_some() && item["version"].as_str() != version.as_deref();
                if stale {
                    answers.push(json!({ "refused": "changed meanwhile", "stale": true }));
                    continue;
                }
                if !state.keeps_deleted {
                    all.remove(&id);
                }
                state.log.push((call.kind, id.clone(), values));
                answers.push(json!({ "deleted": id }));
                continue;
            }
            if call.kind == WriteKind::Update && old.is_none() {
                answers.push(json!({ "refused": "there is no such record" }));
                continue;
            }
            let version = old.map_or(0, |stored| stored.version);
            if state.versions && item["version"].as_str().is_some_and(|sent| sent != version.to_string()) {
                answers.push(json!({ "refused": "changed meanwhile", "stale": true }));
                continue;
            }
            let old = old.map_or_else(|| json!({ "id": id }), |stored| stored.body.clone());
            let mut new = state.on_write.as_ref().map_or_else(
                || {
                    let mut new = old.clone();
                    merge(&mut new, &values);
                    new
                },
                |on_write| on_write(&old, &values),
            );
            if let Some(f) = state.before_answer.as_mut() {
                f(&mut new);
            }
            state.log.push((call.kind, id.clone(), values));
            let version = version + 1;
            answers.push(json!({
                "written": id, "body": new, "updated": now.to_rfc3339(), "version": version.to_string(),
            }));
            let stored = Stored { body: new, updated: state.stamp(now), version };
            state.resources.entry(call.resource.clone()).or_default().insert(id, stored);
        }
        state.remembered.insert(key, (now, call.body.clone(), answers.clone()));
        answers
    }
}

#[async_trait]
impl Connector for Fake {
    fn resource(&self, name: &str) -> Option<&Resource> {
        self.manifest.resources.get(name).map(|resource| &**resource)
    }

    async fn pull(&self, resource: &Resource, cursor: &PullCursor) -> Result<Page, CallError> {
        self.wait("before a listing").await;
        if self.at(Moment::BeforeRead).is_some() {
            return Err(CallError::Unknown("the connection was lost".into()));
        }
        if self.state().unreadable.as_ref() == Some(&resource.name) {
            return Err(CallError::BadAnswer("not a page".into()));
        }
        let page = self.list(resource, cursor);
        self.wait("after a listing").await;
        if self.at(Moment::AfterRead).is_some() {
            return Err(CallError::Unknown("the connection was lost".into()));
        }
        // As a `Date` header: made when the answer is.
        let now = self.now(&self.state());
        Ok(Page { server_time: Some(now), ..page })
    }

    async fn get(&self, resource: &Resource, id: &RecordId) -> Result<Option<RemoteRecord>, CallError> {
        self.wait("before a reading by id").await;
        if self.state().silent_by_id {
            return Err(CallError::NotDone("the system is busy".into()));
        }
        let found = {
            let mut state = self.state();
            state.requests.reads += 1;
            let shown = state.shown(&resource.name, self.clock.monotonic());
            shown.get(id.as_str()).map(|stored| self.record(resource, &state, stored))
        };
        self.wait("after a reading by id").await;
        Ok(found)
    }

    fn prepare(
        &self,
        resource: &Resource,
        kind: WriteKind,
        items: &[WriteItem],
        key: &str,
    ) -> Result<PreparedCall, CallError> {
        let replaces = kind == WriteKind::Update && resource.update.as_ref().is_some_and(|update| update.replaces);
        let values = |item: &WriteItem| {
            let mut whole = item.now.clone().filter(|_| replaces).unwrap_or_else(|| json!({}));
            whole.as_object_mut().unwrap().extend(item.body.as_object().cloned().unwrap_or_default());
            whole
        };
        let bodies: Vec<_> = items
            .iter()
            .map(|item| json!({"id": item.id.as_ref().map(RecordId::as_str), "values": values(item), "version": item.version}))
            .collect();
        Ok(PreparedCall {
            resource: resource.name.clone(),
            kind,
            method: "WRITE".into(),
            target: resource.name.clone(),
            headers: vec![("key".into(), key.into())],
            body: Value::Array(bodies).to_string(),
            ids: items.iter().map(|item| item.id.clone()).collect(),
            key_lives: self.key_lives,
        })
    }

    async fn send(&self, resource: &Resource, call: &PreparedCall) -> Result<Answer, CallError> {
        self.wait("before a write").await;
        let fault = self.at(Moment::BeforeWrite);
        let result = self.answer(resource, call, fault);
        self.wait("after a write").await;
        if self.at(Moment::AfterWrite).is_some() && result.is_ok() {
            return Err(CallError::Unknown("the connection was lost".into()));
        }
        result
    }

    fn requests(&self) -> Requests {
        self.state().requests
    }
}
