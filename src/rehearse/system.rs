//! A system in memory that does what its connector's manifest says: ids, stamps, versions, pages, change feeds with their
//! gaps, batches, idempotency keys, records that are gone and still there. It keeps records as the program sees them;
//! how they look on the wire is the business of the connector's own checks (`connectors try`).
//!
//! What a system works out by itself (a total, whether a contact is a customer) nobody can know from a manifest: a
//! test says what is added to new records, and what happens to others then (`own_doing`).

mod collection;
mod faults;
mod own_doing;

use std::{
    collections::{BTreeMap, HashMap},
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::sync::watch;

use self::{
    collection::{Collection, Stored},
    faults::Faults,
    own_doing::News,
};
use super::scenario::{Behaviour, Consequence, CrashAt, Mishap, Trouble};
use crate::{
    clock::Clock,
    config::Connection,
    connector::{
        Answer, CallError, Connector, Holds, ItemAnswer, Page, PreparedCall, PullCursor, RemoteRecord, Requests,
        Resource, WriteItem, WriteKind,
    },
    record::RecordId,
};

pub(super) use collection::merge;

/// A record that was written by the daemon.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub resource: String,
    pub kind: WriteKind,
    pub id: RecordId,
    /// The values that were sent.
    pub values: Value,
}

#[derive(Default)]
struct State {
    collections: BTreeMap<String, Collection>,
    requests: Requests,
    log: Vec<Written>,
    faults: Faults,
    /// Answers by idempotency key, with when they were given first.
    remembered: HashMap<String, (DateTime<Utc>, Vec<ItemAnswer>)>,
    ahead: TimeDelta,
    adds: BTreeMap<String, Value>,
    page: BTreeMap<String, usize>,
    page_of_all: usize,
    /// What the system does by itself, by the resource whose records bring it about.
    then: BTreeMap<String, Vec<Consequence>>,
    news: News,
}

/// The system behind a connection.
pub(super) struct System {
    connection: Arc<Connection>,
    clock: Clock,
    /// Told when the daemon dies in the middle of a call.
    died: watch::Sender<bool>,
    state: Mutex<State>,
}

impl System {
    pub fn new(connection: Arc<Connection>, clock: Clock, died: watch::Sender<bool>) -> Arc<Self> {
        let state = Mutex::new(State { page_of_all: 100, ..State::default() });
        Arc::new(Self { connection, clock, died, state })
    }

    /// A poisoned lock only means that a panic elsewhere ended the test.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn behave(&self, behaviour: &Behaviour) {
        let mut state = self.state();
        if let Some(ahead) = behaviour.ahead {
            state.ahead = TimeDelta::from_std(ahead).unwrap_or_default();
        }
        match (&behaviour.resource, behaviour.page) {
            (Some(resource), Some(page)) => drop(state.page.insert(resource.clone(), page)),
            (None, Some(page)) => state.page_of_all = page,
            (_, None) => {}
        }
        if let (Some(resource), Some(adds)) = (&behaviour.resource, &behaviour.adds) {
            let all = state.adds.entry(resource.clone()).or_insert_with(|| json!({}));
            merge(all, adds);
        }
        if let Some(resource) = &behaviour.resource {
            state.then.entry(resource.clone()).or_default().extend(behaviour.then.iter().cloned());
        }
    }

    /// A person makes a record, or it is there from the beginning.
    pub fn create(&self, resource: &Resource, values: &Value) -> RecordId {
        let mut state = self.state();
        let now = self.now(&state);
        let collection = state.collections.entry(resource.name.clone()).or_default();
        let id = collection.insert(resource, self.connection.name.as_str(), values.clone(), now);
        self.follow_up(&mut state, &resource.name, &id, now);
        id
    }

    /// A person changes a record; `None` if there is none of this id.
    pub fn edit(&self, resource: &Resource, id: &RecordId, values: &Value) -> Option<()> {
        let mut state = self.state();
        let now = self.now(&state);
        state.collections.entry(resource.name.clone()).or_default().edit(resource, id, values, now)?;
        self.follow_up(&mut state, &resource.name, id, now);
        Some(())
    }

    /// A person deletes a record; `None` if there is none of this id.
    pub fn delete(&self, resource: &Resource, id: &RecordId) -> Option<()> {
        let mut state = self.state();
        let now = self.now(&state);
        state.collections.entry(resource.name.clone()).or_default().remove(id, now)?;
        self.note(&mut state, &resource.name, id);
        Some(())
    }

    /// Calls go wrong from now on.
    pub fn trouble(&self, trouble: &Trouble) {
        let until =
            trouble.lasts.and_then(|lasts| TimeDelta::from_std(lasts).ok()).map(|lasts| self.clock.now() + lasts);
        self.state().faults.add(trouble.clone(), until);
    }

    pub fn work_again(&self) {
        self.state().faults.clear();
    }

    /// The daemon dies at the next write.
    pub fn crash_at(&self, crash: CrashAt) {
        self.state().faults.crash = Some(crash);
    }

    /// Whether a crash was asked for that did not come.
    pub fn is_armed(&self) -> bool {
        self.state().faults.crash.is_some()
    }

    /// Everything the daemon wrote so far.
    pub fn written(&self) -> Vec<Written> {
        self.state().log.clone()
    }

    /// Every record of a resource, in the order of ids.
    pub fn all(&self, resource: &str) -> Vec<(RecordId, Value)> {
        let state = self.state();
        let records = state.collections.get(resource).map(Collection::bodies);
        records.unwrap_or_default()
    }

    fn now(&self, state: &State) -> DateTime<Utc> {
        self.clock.now() + state.ahead
    }

    async fn may_die(&self, resource: &str, after: bool) {
        if self.state().faults.dies(resource, after) {
            self.died.send_replace(true);
            pending::<()>().await;
        }
    }

    /// What goes wrong with a call as a whole.
    fn failure(&self, state: &mut State, resource: &str, write: Option<&[Value]>) -> Option<(Mishap, CallError)> {
        let trouble = state.faults.meet(resource, write, self.clock.now())?;
        let says = |otherwise: &str| trouble.says.clone().unwrap_or_else(|| otherwise.to_owned());
        let error = match trouble.mishap {
            Mishap::Down => CallError::NotDone(says("connection refused")),
            Mishap::NoAnswer => CallError::Unknown(says("time-out")),
            Mishap::LostAnswer => CallError::Unknown(says("the connection was lost")),
            Mishap::Refused => CallError::Refused { status: 400, message: says("refused") },
            Mishap::Limit => CallError::Throttled {
                connection: self.connection.name.as_str().to_owned(),
                until: trouble.until.unwrap_or_else(|| self.clock.now() + TimeDelta::minutes(1)),
            },
            Mishap::Login => CallError::Login {
                connection: self.connection.name.as_str().to_owned(),
                message: says("the token is not valid any more"),
            },
        };
        Some((trouble.mishap, error))
    }

    fn list(&self, state: &State, resource: &Resource, cursor: &PullCursor) -> Page {
        let size = state.page.get(&resource.name).copied().unwrap_or(state.page_of_all);
        let feed = resource.list.as_ref().is_none_or(|list| list.changed_since.is_some());
        let since = cursor.since.filter(|_| feed);
        let empty = Collection::default();
        let collection = state.collections.get(&resource.name).unwrap_or(&empty);
        let mut all: Vec<(&RecordId, &Stored)> =
            collection.records.iter().filter(|(_, stored)| since.is_none_or(|since| stored.updated >= since)).collect();
        all.sort_by(|a, b| (a.1.updated, a.0).cmp(&(b.1.updated, b.0)));
        let start: usize = cursor.page.as_deref().and_then(|page| page.parse().ok()).unwrap_or_default();
        let mut records: Vec<RemoteRecord> =
            all.iter().skip(start).take(size).map(|(id, stored)| stored.read(resource, id, false)).collect();
        let next = (start + size < all.len()).then(|| (start + size).to_string());
        if next.is_none() && resource.list.as_ref().is_some_and(|list| list.deleted.is_some()) {
            records.extend(collection.deleted_since(since));
        }
        let partial = resource.file.as_ref().is_some_and(|file| file.holds == Holds::Additions);
        Page { records, next, server_time: Some(self.now(state)), partial, ..Page::default() }
    }

    fn answer(&self, resource: &Resource, call: &PreparedCall) -> Result<Answer, CallError> {
        let mut state = self.state();
        state.requests.writes += 1;
        let items: Vec<Value> = serde_json::from_str(&call.body)
            .map_err(|error| CallError::BadAnswer(format!("the call cannot be read: {error}")))?;
        let bodies: Vec<Value> = items.iter().map(|item| whole(&state, resource, item)).collect();
        let failure = self.failure(&mut state, &resource.name, Some(&bodies));
        match failure {
            Some((Mishap::LostAnswer, error)) => {
                self.carry_out(&mut state, resource, call, &items, None);
                Err(error)
            }
            Some((Mishap::Refused, CallError::Refused { message, .. })) => {
                Ok(Answer { items: self.carry_out(&mut state, resource, call, &items, Some(&message)) })
            }
            Some((_, error)) => Err(error),
            None => Ok(Answer { items: self.carry_out(&mut state, resource, call, &items, None) }),
        }
    }

    /// Does what a call asks for, or gives what it answered the first time. With `refusal`, those of its items that the
    /// trouble is about are refused.
    fn carry_out(
        &self,
        state: &mut State,
        resource: &Resource,
        call: &PreparedCall,
        items: &[Value],
        refusal: Option<&str>,
    ) -> Vec<ItemAnswer> {
        let now = self.now(state);
        let key = call.headers.first().map(|(_, key)| key.clone()).unwrap_or_default();
        let lives = call.key_lives.unwrap_or_default();
        if let Some((first, answers)) = state.remembered.get(&key)
            && (now - *first).to_std().unwrap_or(Duration::MAX) < lives
        {
            return answers.clone();
        }
        let mut answers = Vec::with_capacity(items.len());
        for item in items {
            let refused = refusal.filter(|_| state.faults.concerns(&resource.name, &whole(state, resource, item)));
            answers.push(match refused {
                Some(message) => refuse(resource, call.kind, message),
                None => self.write(state, resource, call.kind, item, now),
            });
        }
        if !lives.is_zero() {
            state.remembered.insert(key, (now, answers.clone()));
        }
        answers
    }

    fn write(
        &self,
        state: &mut State,
        resource: &Resource,
        kind: WriteKind,
        item: &Value,
        now: DateTime<Utc>,
    ) -> ItemAnswer {
        let values = item.get("values").cloned().unwrap_or_default();
        let adds = state.adds.get(&resource.name).cloned();
        let collection = state.collections.entry(resource.name.clone()).or_default();
        let id = item.get("id").and_then(Value::as_str).map(RecordId::from);
        let id = match (kind, id) {
            (WriteKind::Create, _) | (_, None) => {
                let mut body = adds.unwrap_or_else(|| json!({}));
                merge(&mut body, &values);
                collection.insert(resource, self.connection.name.as_str(), body, now)
            }
            (_, Some(id)) => {
                let Some(stored) = collection.records.get(&id) else {
                    return refuse(resource, kind, "there is no such record");
                };
                let guarded = resource.write(kind).is_some_and(|write| write.version.is_some());
                let sent = item.get("version").and_then(Value::as_str);
                if guarded && sent.is_some_and(|sent| sent != stored.version.to_string()) {
                    return ItemAnswer::Refused {
                        message: "changed meanwhile".to_owned(),
                        duplicate: false,
                        stale: true,
                    };
                }
                if kind == WriteKind::Delete {
                    collection.delete_as_asked(resource, &id, now);
                } else {
                    collection.write(resource, &id, &values, now);
                }
                id
            }
        };
        self.follow_up(state, &resource.name, &id, now);
        let stored = state.collections.get(&resource.name).and_then(|all| all.records.get(&id));
        let record = stored.map_or_else(|| Stored::gone(&id), |stored| stored.read(resource, &id, true));
        state.log.push(Written { resource: resource.name.clone(), kind, id, values });
        ItemAnswer::Written { body: kind != WriteKind::Delete, record: Box::new(record) }
    }
}

/// The record that an item is about, as it would be after it.
fn whole(state: &State, resource: &Resource, item: &Value) -> Value {
    let id = item.get("id").and_then(Value::as_str).map(RecordId::from);
    let stored = id.and_then(|id| state.collections.get(&resource.name)?.records.get(&id));
    let mut body = stored.map_or_else(|| json!({}), |stored| stored.body.clone());
    merge(&mut body, item.get("values").unwrap_or(&Value::Null));
    body
}

fn refuse(resource: &Resource, kind: WriteKind, message: &str) -> ItemAnswer {
    let duplicate = resource.write(kind).and_then(|write| write.duplicate.as_ref());
    ItemAnswer::Refused {
        message: message.to_owned(),
        duplicate: duplicate.is_some_and(|pattern| pattern.is_match(message)),
        stale: false,
    }
}

#[async_trait]
impl Connector for System {
    fn resource(&self, name: &str) -> Option<&Resource> {
        self.connection.manifest.resources.get(name).map(|resource| &**resource)
    }

    async fn pull(&self, resource: &Resource, cursor: &PullCursor) -> Result<Page, CallError> {
        let mut state = self.state();
        state.requests.reads += 1;
        match self.failure(&mut state, &resource.name, None) {
            Some((_, error)) => Err(error),
            None => Ok(self.list(&state, resource, cursor)),
        }
    }

    async fn get(&self, resource: &Resource, id: &RecordId) -> Result<Option<RemoteRecord>, CallError> {
        let mut state = self.state();
        state.requests.reads += 1;
        if let Some((_, error)) = self.failure(&mut state, &resource.name, None) {
            return Err(error);
        }
        let stored = state.collections.get(&resource.name).and_then(|all| all.records.get(id));
        Ok(stored.map(|stored| stored.read(resource, id, true)))
    }

    fn prepare(
        &self,
        resource: &Resource,
        kind: WriteKind,
        items: &[WriteItem],
        key: &str,
    ) -> Result<PreparedCall, CallError> {
        let Some(write) = resource.write(kind) else {
            return Err(CallError::NotDone(format!("`{}` has no such call", resource.name)));
        };
        let bodies: Vec<Value> = items
            .iter()
            .map(|item| json!({ "id": item.id.as_ref().map(RecordId::as_str), "values": item.body, "version": item.version }))
            .collect();
        Ok(PreparedCall {
            resource: resource.name.clone(),
            kind,
            method: write.method.clone(),
            target: write.path.clone(),
            headers: vec![("key".to_owned(), key.to_owned())],
            body: Value::Array(bodies).to_string(),
            ids: items.iter().map(|item| item.id.clone()).collect(),
            key_lives: write.idempotency.as_ref().map(|idempotency| idempotency.keeps),
        })
    }

    async fn send(&self, resource: &Resource, call: &PreparedCall) -> Result<Answer, CallError> {
        self.may_die(&resource.name, false).await;
        let answer = self.answer(resource, call);
        self.may_die(&resource.name, true).await;
        answer
    }

    fn requests(&self) -> Requests {
        self.state().requests
    }
}
