//! The connector as the engine sees it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::{InboxConnector, Resource, Traffic};
use crate::{grant::Keeper, record::RecordId, store::Store};

/// A record as a remote gave it, decoded: stamps are RFC 3339, dates `YYYY-MM-DD`, decimals keep their text.
#[derive(Clone, Debug)]
pub struct RemoteRecord {
    /// Its id.
    pub id: RecordId,
    /// The decoded body.
    pub body: Value,
    /// Name for people, from the manifest's `label`.
    pub label: String,
    /// The remote's own stamp of the last change, where there is one.
    pub updated_at: Option<DateTime<Utc>>,
    /// Version token for a guarded write, where there is one.
    pub version: Option<String>,
    /// The remote says that this record is deleted, archived or voided (`gone_when`).
    pub gone: bool,
    /// The remote says that this record was merged into another.
    pub merged_into: Option<RecordId>,
}

/// Where a pull stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullCursor {
    /// Only records changed at or after this instant of the server's clock; `None` reads everything.
    pub since: Option<DateTime<Utc>>,
    /// The page to ask for next, as the connector understands it; `None` is the first.
    pub page: Option<String>,
}

/// One page of records.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The records, as listed.
    pub records: Vec<RemoteRecord>,
    /// The next page, or `None` when the listing ended properly.
    pub next: Option<String>,
    /// An instant of the server's clock (its `Date` header) at or before which it began to answer, for the next
    /// `since`: the time that the answer took is taken off already.
    pub server_time: Option<DateTime<Utc>>,
    /// What is not listed may be there nevertheless: the listing tells what came, not all there is.
    pub partial: bool,
    /// What is there and cannot be read. Where there is any, nothing may be concluded from what is not listed.
    pub unread: Vec<Unread>,
}

/// Something in a listing that is no record: a bad row of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Where it is, for people: `sales.csv, line 17`.
    pub place: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What became of a record that was listed, in one pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The record that was listed.
    pub of: RecordId,
    /// What became something: that record, or an element of it.
    pub id: RecordId,
    /// The pipeline.
    pub pipeline: String,
    /// How it stands.
    pub standing: Standing,
    /// A sentence; of a link, the id on the other side.
    pub message: String,
}

/// How a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has a counterpart, and nothing about it is open.
    Linked,
    /// It, or a field of it, is put aside for a reason.
    Parked,
    /// It is looked at again without a hand.
    Waiting,
    /// A filter keeps it out.
    LeftOut,
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Linked => "linked",
            Self::Parked => "parked",
            Self::Waiting => "waiting",
            Self::LeftOut => "left out",
        })
    }
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteKind {
    /// Makes new records; must not touch an existing one.
    Create,
    /// Changes existing records.
    Update,
    /// Deletes existing records, as far as the remote can: some only archive or void.
    Delete,
}

/// One record to write.
#[derive(Clone, Debug)]
pub struct WriteItem {
    /// The record to change; `None` for a create.
    pub id: Option<RecordId>,
    /// Only the values to write, at their places, in decoded form. For a deletion, the record as it was read.
    pub body: Value,
    /// The version the plan was made from.
    pub version: Option<String>,
    /// The record as it was read right before, decoded, where the call needs it ([`super::Write::replaces`]).
    pub now: Option<Value>,
}

/// A call ready to be sent, less the login. Stored in an intent, so that exactly these bytes can be sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedCall {
    /// The resource's name.
    pub resource: String,
    /// Create, update or delete.
    pub kind: WriteKind,
    /// HTTP method (or the native connector's verb).
    pub method: String,
    /// Path and query, below the connection's base URL.
    pub target: String,
    /// Headers, without any secret.
    pub headers: Vec<(String, String)>,
    /// The exact body; empty where the call has none.
    pub body: String,
    /// Ids of the items in order; `None` for creates.
    pub ids: Vec<Option<RecordId>>,
    /// How long the idempotency key of this call lives from its first sending; `None` where the remote has none.
    pub key_lives: Option<Duration>,
}

/// The answer to a write, item by item, in the order of the call.
#[derive(Clone, Debug)]
pub struct Answer {
    /// One per item.
    pub items: Vec<ItemAnswer>,
}

/// What became of one item of a write.
#[derive(Clone, Debug)]
pub enum ItemAnswer {
    /// It was written. `body` says whether `record` is the remote's own word or only echoes the id.
    Written {
        /// The record as answered; its body is an empty object where the remote answers nothing.
        record: Box<RemoteRecord>,
        /// Whether the answer holds the record.
        body: bool,
    },
    /// The remote refused it.
    Refused {
        /// The remote's own words.
        message: String,
        /// The remote says that such a record exists already.
        duplicate: bool,
        /// The version was stale: read again and merge.
        stale: bool,
    },
    /// The answer does not say (short or reordered reply, cached server error).
    Unknown {
        /// Why.
        reason: String,
    },
}

/// Why a call as a whole has no answer.
#[derive(Clone, Debug, Error)]
pub enum CallError {
    /// Certain not to have been carried out (connection refused, limit, cancelled before sending).
    #[error("the request was not carried out: {0}")]
    NotDone(String),
    /// It may or may not have been carried out (time-out, connection lost, 5xx).
    #[error("it is unknown whether the request was carried out: {0}")]
    Unknown(String),
    /// The remote refused it as a whole; nothing was carried out.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The remote's own words.
        message: String,
    },
    /// The login does not work (any more).
    #[error("{connection} cannot be logged in to: {message}")]
    Login {
        /// The connection.
        connection: String,
        /// What it said, and what to do.
        message: String,
    },
    /// The limit is used up until then.
    #[error("the limit of {connection} is used up until {until}")]
    Throttled {
        /// The connection.
        connection: String,
        /// When it is worth trying again.
        until: DateTime<Utc>,
    },
    /// It was there, and is kept no longer: neither gone, nor to be read.
    #[error("{0}")]
    Removed(String),
    /// The remote does not know the page any more: the listing has to begin again, with the same `since`.
    #[error("the remote does not remember where this listing stood")]
    PageExpired,
    /// The answer cannot be understood; for a read, nothing may be concluded from it.
    #[error("the answer cannot be used: {0}")]
    BadAnswer(String),
}

/// Requests made, for reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}

/// What is left of one limit of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The span that the limit is about.
    pub per: Duration,
    /// How many requests it allows.
    pub of: u32,
    /// How many may still be made now.
    pub left: u32,
}

/// One account on one system, ready to be spoken to. Implementations keep the account's limits themselves: a call
/// waits for its turn, and every retry that cannot do harm (reads; writes certain not to have been carried out)
/// happens inside.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The collections it has.
    fn resource(&self, name: &str) -> Option<&Resource>;

    /// Reads one page.
    ///
    /// # Errors
    ///
    /// When the remote does not answer with a page; the listing must then not be taken as complete.
    async fn pull(&self, resource: &Resource, cursor: &PullCursor) -> Result<Page, CallError>;

    /// Reads one record; `None` when the remote says there is none of this id.
    ///
    /// # Errors
    ///
    /// When the remote says neither.
    async fn get(&self, resource: &Resource, id: &RecordId) -> Result<Option<RemoteRecord>, CallError>;

    /// Makes the exact call that writes `items` (at most [`Resource::batch_size`] of them). `key` becomes the
    /// idempotency key where the remote takes one. Sends nothing.
    ///
    /// # Errors
    ///
    /// When the resource cannot be written so.
    fn prepare(
        &self,
        resource: &Resource,
        kind: WriteKind,
        items: &[WriteItem],
        key: &str,
    ) -> Result<PreparedCall, CallError>;

    /// Sends a prepared call, once. Never repeats it by itself unless it is certain not to have been carried out.
    ///
    /// # Errors
    ///
    /// As [`CallError`] says; the difference between "not done" and "unknown" decides about duplicates.
    async fn send(&self, resource: &Resource, call: &PreparedCall) -> Result<Answer, CallError>;

    /// Whoever keeps the login, where it is one that people consent to.
    fn keeper(&self) -> Option<Arc<Keeper>> {
        None
    }

    /// Whatever keeps what is posted to it, where records come that way.
    fn inbox(&self) -> Option<&InboxConnector> {
        None
    }

    /// From now on everything that it keeps is kept in this store, which takes the place of one that failed.
    fn use_store(&self, _store: &Arc<dyn Store>) {}

    /// What was answered to them, and how long that took; `None` where nothing is asked over a network.
    fn traffic(&self) -> Option<Traffic> {
        None
    }

    /// Requests made so far.
    fn requests(&self) -> Requests;

    /// What is left of its limits, where they are kept here.
    fn budgets(&self) -> Vec<Budget> {
        Vec::new()
    }

    /// The records that it has listed and wants to be told of what became of them.
    fn to_tell(&self, _resource: &Resource) -> Vec<RecordId> {
        Vec::new()
    }

    /// What was listed of a resource in this process is remembered durably by now; a file that was taken may be put away.
    /// `outcomes` are those of [`Connector::to_tell`].
    async fn settled(&self, _resource: &Resource, _outcomes: &[Outcome]) {}

    /// The same for calls that a person waits for; `None` where that makes no difference.
    fn for_a_person(&self) -> Option<Arc<dyn Connector>> {
        None
    }
}
