//! A manifest: how to speak to one kind of system, resolved from its YAML (LANGUAGE section 5).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono_tz::Tz;
use regex::Regex;
use serde_json::Value;

pub use self::{
    also::{Also, First, ListChanges, OwnWrite},
    file_table::{FileFormat, FileTable, Group, Holds},
    inbox_table::{InboxTable, Signature},
    oauth::{AccountIn, Accounts, ClientAuth, HostIn, OAuth, TokenHostIn},
    reading::{
        ChangedSince, DeletedFeed, Detail, GetOne, List, PageEnd, PageSize, Paging, Parents, Place, SinceFormat,
        SincePlace, ThenCursor, Windows,
    },
    require::Require,
    sql_table::{Ids, SqlTable},
    webhooks::{Signed, Told, Webhooks},
    wire::{AnswerMatch, Bodies, BodyKind, XmlRules},
};
use crate::record::{Canon, Kind, Path};

mod also;
mod file_table;
mod inbox_table;
mod oauth;
mod reading;
mod require;
mod sql_table;
mod webhooks;
mod wire;

/// How to speak to one kind of system.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Name, as in `connector: xero`.
    pub name: String,
    /// Version; connections may pin it (`xero@1`).
    pub version: u32,
    /// Settings a connection may or must give.
    pub settings: BTreeMap<String, Setting>,
    /// Base URL unless the connection gives one; may hold `${settings.x}`.
    pub base_url: Option<String>,
    /// Headers sent with every request; values may hold `${settings.x}` and `${tenant}`. A header whose value refers
    /// to something the connection does not give is left out.
    pub headers: Vec<(String, String)>,
    /// Query parameters sent with every request.
    pub query: Vec<(String, String)>,
    /// How bodies are written.
    pub bodies: Bodies,
    /// Login kinds the system takes.
    pub auth: Vec<AuthKind>,
    /// Limits of the account.
    pub limits: Vec<Limit>,
    /// How the system says "too many requests".
    pub throttled: Throttled,
    /// Answers that are refusals whatever their status says: of a success that is none, or of a server error that
    /// is the remote's last word.
    pub refused_when: Vec<AnswerMatch>,
    /// Answers that are worth another try whatever their status says; of a write, the outcome is unknown then.
    pub retry_when: Vec<AnswerMatch>,
    /// How long a call that timed out may still take effect.
    pub in_doubt: Duration,
    /// How long a reading may show a record as it was before a write. Zero where writes are seen at once.
    pub lag: Duration,
    /// Longest time to wait for an answer.
    pub timeout: Duration,
    /// Where messages are in an error answer, tried in order.
    pub error_messages: Vec<Path>,
    /// How the system tells of changes, if it does.
    pub webhooks: Option<Webhooks>,
    /// Its collections.
    pub resources: BTreeMap<String, Arc<Resource>>,
}

/// Something a connection gives.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What kind of text.
    pub kind: SettingKind,
    /// Whether it must be given.
    pub required: bool,
    /// Used when it is not given.
    pub default: Option<String>,
    /// For people.
    pub description: String,
}

/// The kinds of setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// Any text.
    Text,
    /// An http or https URL.
    Url,
    /// One of these.
    Enum(Vec<String>),
}

/// Kinds of login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthKind {
    /// No login.
    None,
    /// A bearer token.
    Bearer,
    /// User and password.
    Basic,
    /// A key in this header.
    Header(String),
    /// A key in this header, beside a login by consent (MYOB's company file).
    Beside(String),
    /// A login that a person consents to.
    OAuth2(Box<OAuth>),
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many requests in any span of this length.
    Requests {
        /// How many.
        count: u32,
        /// In how long.
        per: Duration,
        /// Who shares it.
        scope: Scope,
    },
    /// So many requests under way at once.
    InFlight(u32),
}

/// Who shares a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything with the same login.
    Key,
    /// One account.
    Tenant,
    /// Everything on the same host.
    Host,
    /// Every connection made with this connector.
    App,
}

/// How the system says "too many requests".
#[derive(Clone, Debug)]
pub struct Throttled {
    /// The status. 429 always means so.
    pub status: u16,
    /// What an answer of that status must say besides (MYOB's 403 is a limit or a missing right).
    pub when: Option<AnswerMatch>,
    /// How long to wait.
    pub wait: ThrottleWait,
    /// Headers that say how many requests are left, with the span they speak of (`X-MinLimit-Remaining`: 1 minute).
    /// Where several limits have the same span, the headers of that span are in the order of the limits: for Xero, the
    /// tenant's minute before the app's.
    pub remaining: Vec<(String, Duration)>,
}

/// How to learn the wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThrottleWait {
    /// The `Retry-After` header; where it is missing, a back-off from one second.
    RetryAfter,
    /// A header with the instant at which to go on, in seconds since 1970; where it is missing, a back-off.
    EpochHeader(String),
    /// From one second, doubling with each answer of the kind.
    Backoff,
    /// Always this long.
    Fixed(Duration),
}

/// A collection of records.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its name, as in `xero/contacts`.
    pub name: String,
    /// Where the id is.
    pub id: Path,
    /// Where the stamp of the last change is.
    pub updated_at: Option<Path>,
    /// Where a version token is, for the `version` of writes.
    pub version: Option<VersionPlace>,
    /// Name for people, with `{path.to.field}` places.
    pub label: LabelTemplate,
    /// Address of a record in the system's own pages, with `{id}`.
    pub web_url: Option<String>,
    /// The declared fields of a record.
    pub fields: FieldTable,
    /// How to list.
    pub list: Option<List>,
    /// Path of one record, with `{id}`; and where the record is in the answer.
    pub get: Option<GetOne>,
    /// How to create.
    pub create: Option<Write>,
    /// How to update.
    pub update: Option<Write>,
    /// How to delete.
    pub delete: Option<Write>,
    /// When a record counts as deleted although it is still there.
    pub gone_when: Option<GoneWhen>,
    /// Where a merged record names its survivor.
    pub merged_into: Option<Path>,
    /// Members of a record that have a call of their own. An end of a pipeline has those that it maps, and only they are
    /// read.
    pub also: Vec<Also>,
    /// The files that hold it; `None` where it is elsewhere.
    pub file: Option<FileTable>,
    /// What a post must be, where it is posted to us.
    pub inbox: Option<InboxTable>,
    /// The table of a database that holds it.
    pub sql: Option<SqlTable>,
}

impl Manifest {
    /// Whether its records are in files.
    #[must_use]
    pub fn is_of_files(&self) -> bool {
        self.resources.values().any(|resource| resource.file.is_some())
    }

    /// Whether its records are posted to us.
    #[must_use]
    pub fn is_of_posts(&self) -> bool {
        self.resources.values().any(|resource| resource.inbox.is_some())
    }

    /// Whether its records are in tables of a database.
    #[must_use]
    pub fn is_of_tables(&self) -> bool {
        self.resources.values().any(|resource| resource.sql.is_some())
    }
}

impl Resource {
    /// Whether a listing of it may hold what nobody can read: rows of files and tables, posts that were refused.
    #[must_use]
    pub const fn may_be_unreadable(&self) -> bool {
        self.file.is_some() || self.inbox.is_some() || self.sql.is_some()
    }

    /// How many items one call of this kind takes; 0 if there is no such call.
    #[must_use]
    pub fn batch_size(&self, kind: super::WriteKind) -> usize {
        self.write(kind).map_or(0, |write| write.batch.as_ref().map_or(1, |batch| batch.max))
    }

    /// The call of this kind.
    #[must_use]
    pub const fn write(&self, kind: super::WriteKind) -> Option<&Write> {
        match kind {
            super::WriteKind::Create => self.create.as_ref(),
            super::WriteKind::Update => self.update.as_ref(),
            super::WriteKind::Delete => self.delete.as_ref(),
        }
    }
}

/// A label: literal text and places, `"{first_name} {last_name}"`. Blank places leave no double spaces; a label that
/// comes out blank falls back to the id.
#[derive(Clone, Debug, Default)]
pub struct LabelTemplate {
    /// Text and paths in order.
    pub parts: Vec<LabelPart>,
}

/// A part of a label.
#[derive(Clone, Debug)]
pub enum LabelPart {
    /// Text as it is.
    Text(String),
    /// The value at a path.
    Value(Path),
}

/// The fields of a record or of an object in it.
#[derive(Clone, Debug, Default)]
pub struct FieldTable {
    /// By name.
    pub fields: BTreeMap<String, FieldType>,
    /// Whether names not listed are possible.
    pub open: bool,
}

/// The declared type of one field.
#[derive(Clone, Debug, Default)]
pub struct FieldType {
    /// How values compare.
    pub canon: Canon,
    /// Wire format where it is not the plain one.
    pub format: WireFormat,
    /// Wire format of requests where it is another than that of answers.
    pub write_format: Option<WireFormat>,
    /// Name at the top of a written record, where it is another than the place it is read at.
    pub write_as: Option<String>,
    /// Values that are written in other words than they are read.
    pub write_values: BTreeMap<String, String>,
    /// The remote refuses or ignores writes.
    pub read_only: bool,
    /// The remote takes it when the record is made, and no change of it.
    pub create_only: bool,
    /// The remote answers with a mask.
    pub masked: bool,
    /// Of a list's element: the fields beside it from which the remote works it out. It is not sent back when one of
    /// them changes.
    pub derived_from: Vec<String>,
    /// For objects and for the elements of lists: their fields. `None` says nothing about them.
    pub children: Option<FieldTable>,
    /// For people and editors.
    pub description: String,
}

impl FieldType {
    /// The kind of value.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.canon.kind
    }
}

/// How a value is written on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WireFormat {
    /// As JSON has it.
    #[default]
    Plain,
    /// `/Date(1717200000000+0000)/` on reading (Xero; plain ISO text is accepted too), ISO on writing.
    MsDate,
    /// A decimal or integer as JSON text.
    NumberText,
    /// Seconds since 1970.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMillis,
    /// ISO date and time without a zone, meant as UTC.
    IsoNoZone,
    /// ISO date and time without a zone, by the clocks of this one.
    IsoLocal(Tz),
    /// `20260601`.
    CompactDate,
    /// `Yes` and `No`.
    YesNo,
    /// `true` and `false` as text.
    TrueFalse,
    /// An address whose last part is the id (Cliniko).
    LinkId,
}

/// How to write records.
#[derive(Clone, Debug)]
pub struct Write {
    /// `POST`, `PUT` or `PATCH`; of a deletion also `DELETE`.
    pub method: String,
    /// Path below the base URL, with `{id}` for single updates; may hold a fixed query.
    pub path: String,
    /// The call only ever creates (or only ever updates): it can never do the other by mistake.
    pub only: bool,
    /// Of an update: the remote keeps nothing that is not sent, so the record goes back whole, as it was read right
    /// before ([`super::WriteItem::now`]), with the values to write laid over it.
    pub replaces: bool,
    /// Where an update puts the id into the item's body; `None` where it is in the path.
    pub id_in_body: Option<Path>,
    /// Several records a call.
    pub batch: Option<Batch>,
    /// How its body is written, where it is not as the manifest says for all.
    pub body: Option<BodyKind>,
    /// Name around a record: the root element in XML, else the one member of the body. (A batch has its own.)
    pub wrap: Option<String>,
    /// Values that every record is sent with.
    pub constants: Vec<(Path, Value)>,
    /// What the answer holds.
    pub answer: AnswerKind,
    /// Header of the answer with the new record's id, or with an address whose last part it is.
    pub id_header: Option<String>,
    /// An answer without the record is followed by a read of it.
    pub read_back: bool,
    /// Where the record is in a single answer (`$` unless said).
    pub record: Path,
    /// Idempotency key.
    pub idempotency: Option<Idempotency>,
    /// Where the version goes that the plan was made from, and what says that it is stale.
    pub version: Option<VersionHeader>,
    /// Text in a refusal which says that such a record exists already.
    pub duplicate: Option<Regex>,
    /// Of a deletion, what it sends and how it may fail.
    pub deletion: Option<Deletion>,
    /// It writes this member of a record, and nothing else of it.
    pub member: Option<Box<OwnWrite>>,
    /// Of a create, the members that it does not take whole.
    pub firsts: Vec<First>,
}

/// What a deletion has beyond any write.
#[derive(Clone, Debug, Default)]
pub struct Deletion {
    /// Values that are sent, by field; none for a plain `DELETE`.
    pub body: Vec<(String, Value)>,
    /// What is sent instead to records in another state; the first that applies.
    pub body_if: Vec<BodyIf>,
    /// Statuses which say that there is no such record any more.
    pub gone: Vec<u16>,
}

impl Deletion {
    /// What is sent for a record as it was read.
    #[must_use]
    pub fn body_of(&self, record: &Value) -> &[(String, Value)] {
        let fits = |case: &&BodyIf| case.path.find(record).is_some_and(|value| case.values.contains(value));
        self.body_if.iter().find(fits).map_or(&self.body, |case| &case.body)
    }
}

/// A body for records in a certain state.
#[derive(Clone, Debug)]
pub struct BodyIf {
    /// Where the state is.
    pub path: Path,
    /// Values that mean it.
    pub values: Vec<Value>,
    /// Values that are sent, by field.
    pub body: Vec<(String, Value)>,
}

/// Where the version of a record is.
#[derive(Clone, Debug)]
pub enum VersionPlace {
    /// In its body; every reading tells it.
    Body(Path),
    /// In the `ETag` header of an answer that holds this one record; a list does not tell it.
    Etag,
}

/// Several records a call.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Path of the batch call; `None` if it is the same as for one.
    pub path: Option<String>,
    /// Name of the array in the request's body; `None` for a bare array.
    pub array: Option<String>,
    /// Name around each item's record, for lists of operations.
    pub wrap: Option<String>,
    /// Values that every item has beside its record.
    pub constants: Vec<(Path, Value)>,
    /// How items and answers belong together.
    pub correlate: Correlate,
    /// Where the items are in the answer.
    pub items: Path,
    /// Most items a call takes.
    pub max: usize,
    /// Where the record is in an answered item (`$` unless said).
    pub item_record: Path,
    /// How an item says that it went well; without it, one that holds an id did.
    pub ok: Option<ItemOk>,
    /// Where an item's messages are.
    pub messages: Vec<Path>,
}

/// How the items of a batch and the parts of its answer belong together.
#[derive(Clone, Debug)]
pub enum Correlate {
    /// By their places.
    Position,
    /// By a number that is put into each item here and comes back at the same place.
    Number(Path),
    /// By a value of the record that comes back at the same place of the answered part.
    Field(Path),
    /// The answer is an object whose names are the records' values at this place.
    ObjectKey(Path),
}

/// How an item of a batch says that it went well.
#[derive(Clone, Debug)]
pub struct ItemOk {
    /// Where to look.
    pub path: Path,
    /// Values that mean yes.
    pub values: Vec<Value>,
}

/// What the answer to a write holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// The record as it is now.
    Body,
    /// The id only.
    Id,
    /// Nothing.
    Empty,
}

/// A key that makes a repeated call harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Where it goes.
    pub place: KeyPlace,
    /// Longest key.
    pub max: usize,
    /// How long the remote remembers it.
    pub keeps: Duration,
}

/// Where an idempotency key goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// A header.
    Header(String),
    /// A query parameter.
    Param(String),
}

/// A version guard on writes.
#[derive(Clone, Debug)]
pub struct VersionHeader {
    /// Request header (`If-Match`); `None` where the version goes back to its own place in the body.
    pub header: Option<String>,
    /// Status of a stale version.
    pub stale: u16,
    /// What an answer of that status must say besides, for remotes that use it for other refusals, too.
    pub stale_text: Option<Regex>,
}

/// When a record counts as deleted although it is still there.
#[derive(Clone, Debug)]
pub struct GoneWhen {
    /// Where to look.
    pub path: Path,
    /// Values that mean gone.
    pub values: Vec<Value>,
    /// Any value at all means gone: the instant of a deletion.
    pub filled: bool,
}

impl GoneWhen {
    /// Whether a decoded record says so.
    #[must_use]
    pub fn says(&self, record: &Value) -> bool {
        let blank = |value: &Value| value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
        let says = |value: &Value| self.values.contains(value) || (self.filled && !blank(value));
        self.path.find(record).is_some_and(says)
    }
}
