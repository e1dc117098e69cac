//! Where posts are kept: each record once, in its last version, and a row of numbers in the order of coming.
//!
//! The number of a version is an instant in microseconds, but one that only grows, whatever the clock does: it is
//! later than every version's and every listing's before it. So a listing of what came since an earlier one lacks
//! nothing.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    connector::{RemoteRecord, file::sorted},
    record::RecordId,
    store::{Group, Key, Space, Store, StoreError, frame},
};

/// Numbers are given one after the other, in the whole process: an inbox that is replaced by an edited one may still be
/// at work.
static TURN: Mutex<()> = Mutex::const_new(());

/// What is kept for one resource of a connection.
pub(super) struct Shelf {
    store: Arc<dyn Store>,
    connection: String,
    resource: String,
}

/// The last version of a record.
#[derive(Serialize, Deserialize)]
struct Row {
    at: DateTime<Utc>,
    body: Value,
    /// What is left of a body that was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    removed: Option<Removed>,
}

/// What tells a removed body from another one.
#[derive(Serialize, Deserialize)]
struct Removed {
    hash: String,
    /// Its own stamp, where its kind has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stamp: Option<DateTime<Utc>>,
}

impl Row {
    /// Whether this is what a record says, or later than that.
    fn knows(&self, record: &RemoteRecord, older: impl Fn(&Value) -> bool) -> bool {
        match &self.removed {
            None => self.body == record.body || older(&self.body),
            Some(removed) => {
                let older = record.updated_at.zip(removed.stamp).is_some_and(|(new, there)| new < there);
                removed.hash == hash(&record.body) || older
            }
        }
    }
}

/// What is there of a record.
pub(super) enum There {
    /// Its last version.
    Body(Value),
    /// It was there, and is too old.
    Removed,
    /// Nothing was ever posted.
    Nothing,
}

fn hash(body: &Value) -> String {
    format!("{:032x}", xxh3_128(sorted(body).to_string().as_bytes()))
}

/// What is known of all of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Known {
    /// The last number that was given to a version or a listing.
    last: DateTime<Utc>,
    refused: Option<Refused>,
}

/// Posts that could not be used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Refused {
    pub count: u64,
    pub at: DateTime<Utc>,
    pub reason: String,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is kept, as a new one or a newer version.
    New,
    /// It was kept like that before, or in a newer version.
    Known,
}

/// What stands right before this instant in the row of numbers.
pub(super) fn before(since: DateTime<Utc>) -> String {
    number(since - TimeDelta::microseconds(1))
}

fn number(at: DateTime<Utc>) -> String {
    format!("{:020}", at.timestamp_micros().max(0))
}

impl Shelf {
    pub fn new(store: Arc<dyn Store>, connection: &str, resource: &str) -> Self {
        Self { store, connection: connection.to_owned(), resource: resource.to_owned() }
    }

    fn key(&self, kind: &str, rest: Option<&str>) -> Key {
        let mut parts = vec![self.connection.as_str(), self.resource.as_str(), kind];
        parts.extend(rest);
        Key::new(Space::Inbox, &parts)
    }

    async fn one<T: for<'de> Deserialize<'de>>(&self, key: Key) -> Result<Option<T>, StoreError> {
        let found = self.store.get(std::slice::from_ref(&key)).await?.pop().flatten();
        found.map(|bytes| frame::decode(&key, &bytes)).transpose()
    }

    async fn known(&self) -> Result<Known, StoreError> {
        Ok(self.one(self.key("n", None)).await?.unwrap_or_default())
    }

    /// Keeps a record unless it is known; `older` says whether what is there is newer. Not durable before a flush.
    pub async fn put(
        &self,
        record: &RemoteRecord,
        older: impl Fn(&Value) -> bool,
        now: DateTime<Utc>,
    ) -> Result<Put, StoreError> {
        let _turn = TURN.lock().await;
        let row_key = self.key("r", Some(record.id.as_str()));
        let there: Option<Row> = self.one(row_key.clone()).await?;
        if there.as_ref().is_some_and(|there| there.knows(record, older)) {
            return Ok(Put::Known);
        }
        let known = self.known().await?;
        let at = now.max(known.last + TimeDelta::microseconds(1));
        let mut group = Group::default();
        if let Some(there) = there {
            group.delete(self.key("s", Some(&number(there.at))));
        }
        group.put(row_key, frame::encode(&Row { at, body: record.body.clone(), removed: None }));
        group.put(self.key("s", Some(&number(at))), frame::encode(record.id.as_str()));
        group.put(self.key("n", None), frame::encode(&Known { last: at, ..known }));
        self.store.commit(vec![group]).await?;
        Ok(Put::New)
    }

    /// Everything that was put is durable.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.store.flush().await
    }

    /// Counts a post that could not be used.
    pub async fn count_refused(&self, reason: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        let _turn = TURN.lock().await;
        let known = self.known().await?;
        let count = known.refused.as_ref().map_or(0, |refused| refused.count) + 1;
        let reason = reason.chars().take(500).collect();
        let known = Known { refused: Some(Refused { count, at: now, reason }), ..known };
        let mut group = Group::default();
        group.put(self.key("n", None), frame::encode(&known));
        self.store.commit(vec![group]).await
    }

    /// A listing begins: every version that comes from now on has a later number than the one answered.
    pub async fn begin(&self, now: DateTime<Utc>) -> Result<(DateTime<Utc>, Option<Refused>), StoreError> {
        let _turn = TURN.lock().await;
        let known = self.known().await?;
        let now = now.max(known.last);
        let refused = known.refused.clone();
        if now > known.last {
            let mut group = Group::default();
            group.put(self.key("n", None), frame::encode(&Known { last: now, ..known }));
            // Durable before the cursor that is made of it, because commits become durable in their order.
            self.store.commit(vec![group]).await?;
        }
        Ok((now, refused))
    }

    /// Up to `limit` records that came after a number, and where it goes on.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> Result<(Vec<Value>, Option<String>), StoreError> {
        let after = after.map(|after| self.key("s", Some(after)));
        let entries = self.store.scan(&self.key("s", None), after.as_ref(), limit).await?;
        let next = entries.last().filter(|_| entries.len() == limit).and_then(|(key, _)| key.parts().pop());
        let mut numbers = Vec::with_capacity(entries.len());
        let mut keys = Vec::with_capacity(entries.len());
        for (key, bytes) in &entries {
            let id: String = frame::decode(key, bytes)?;
            numbers.push(key.parts().pop().unwrap_or_default());
            keys.push(self.key("r", Some(&id)));
        }
        let rows = self.store.get(&keys).await?;
        let mut bodies = Vec::with_capacity(rows.len());
        for ((key, row), at) in keys.iter().zip(rows).zip(numbers) {
            let row: Option<Row> = row.map(|bytes| frame::decode(key, &bytes)).transpose()?;
            // One that has changed since comes at its new place.
            bodies.extend(row.filter(|row| number(row.at) == at).map(|row| row.body));
        }
        Ok((bodies, next))
    }

    /// The last version of a record.
    pub async fn get(&self, id: &RecordId) -> Result<There, StoreError> {
        let row: Option<Row> = self.one(self.key("r", Some(id.as_str()))).await?;
        Ok(match row {
            None => There::Nothing,
            Some(row) if row.removed.is_some() => There::Removed,
            Some(row) => There::Body(row.body),
        })
    }

    /// Up to `limit` records whose version came before an instant, and where it goes on.
    pub async fn older_than(
        &self,
        instant: DateTime<Utc>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<RecordId>, Option<String>), StoreError> {
        let after = after.map(|after| self.key("s", Some(after)));
        let entries = self.store.scan(&self.key("s", None), after.as_ref(), limit).await?;
        let (end, mut ids) = (number(instant), Vec::new());
        let mut next = entries.last().filter(|_| entries.len() == limit).and_then(|(key, _)| key.parts().pop());
        for (key, bytes) in &entries {
            if key.parts().pop().is_none_or(|number| number >= end) {
                next = None;
                break;
            }
            let id: String = frame::decode(key, bytes)?;
            ids.push(RecordId::from(id));
        }
        Ok((ids, next))
    }

    /// Removes the bodies of records whose version came before an instant.
    pub async fn remove(
        &self,
        ids: &[RecordId],
        before: DateTime<Utc>,
        stamp: impl Fn(&Value) -> Option<DateTime<Utc>>,
    ) -> Result<(), StoreError> {
        let _turn = TURN.lock().await;
        for id in ids {
            let key = self.key("r", Some(id.as_str()));
            let row: Option<Row> = self.one(key.clone()).await?;
            let Some(row) = row.filter(|row| row.removed.is_none() && row.at < before) else { continue };
            let removed = Removed { hash: hash(&row.body), stamp: stamp(&row.body) };
            let mut group = Group::default();
            group.delete(self.key("s", Some(&number(row.at))));
            group.put(key, frame::encode(&Row { at: row.at, body: Value::Null, removed: Some(removed) }));
            self.store.commit(vec![group]).await?;
        }
        Ok(())
    }
}
