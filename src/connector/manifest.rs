//! A manifest: how to speak to one kind of system, resolved from its YAML (LANGUAGE section 5).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use regex::Regex;
use serde_json::Value;

use crate::record::{Canon, Kind, Path};

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
    /// Login kinds the system takes.
    pub auth: Vec<AuthKind>,
    /// Limits of the account.
    pub limits: Vec<Limit>,
    /// How the system says "too many requests".
    pub throttled: Throttled,
    /// How long a call that timed out may still take effect.
    pub in_doubt: Duration,
    /// Longest time to wait for an answer.
    pub timeout: Duration,
    /// Where messages are in an error answer, tried in order.
    pub error_messages: Vec<Path>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// The status.
    pub status: u16,
    /// How long to wait.
    pub wait: ThrottleWait,
    /// Headers that say how many requests are left, with the span they speak of (`X-MinLimit-Remaining`: 1 minute).
    /// Where several limits have the same span, the headers of that span are in the order of the limits: for Xero, the
    /// tenant's minute before the app's.
    pub remaining: Vec<(String, Duration)>,
}

/// How to learn the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottleWait {
    /// The `Retry-After` header; where it is missing, a back-off from one second.
    RetryAfter,
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
    /// Where a version token is (a body path), for `update.version`.
    pub version: Option<Path>,
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
    /// When a record counts as deleted although it is still there.
    pub gone_when: Option<GoneWhen>,
    /// Where a merged record names its survivor.
    pub merged_into: Option<Path>,
}

impl Resource {
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
    /// Wire format where it is not the plain JSON one.
    pub format: WireFormat,
    /// The remote refuses or ignores writes.
    pub read_only: bool,
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
    /// ISO date and time without a zone, meant as UTC.
    IsoNoZone,
}

/// How to list a collection.
#[derive(Clone, Debug)]
pub struct List {
    /// Path below the base URL.
    pub path: String,
    /// Fixed query parameters.
    pub query: Vec<(String, String)>,
    /// Where the records are in the body.
    pub records: Path,
    /// How to go on.
    pub paging: Paging,
    /// How to ask for changes only.
    pub changed_since: Option<ChangedSince>,
}

/// How a listing goes on.
#[derive(Clone, Debug)]
pub enum Paging {
    /// One answer holds everything.
    None,
    /// Numbered pages from 1.
    Number {
        /// Query parameter of the page.
        param: String,
        /// Query parameter and value of the size.
        size: Option<(String, u32)>,
        /// How the last page is known.
        end: PageEnd,
    },
    /// A cursor in the body of each answer.
    Cursor {
        /// Query parameter.
        param: String,
        /// Where the next cursor is; absent, null or empty ends the listing.
        next: Path,
        /// Query parameter and value of the size.
        size: Option<(String, u32)>,
    },
}

/// How the last numbered page is known.
#[derive(Clone, Debug)]
pub enum PageEnd {
    /// It has fewer records than asked for.
    ShortPage,
    /// The answer says how many pages there are.
    PageCount(Path),
}

/// How to ask for changes only.
#[derive(Clone, Debug)]
pub struct ChangedSince {
    /// Where the instant goes.
    pub place: SincePlace,
    /// How it is written.
    pub format: SinceFormat,
    /// Read this much again, against late commits and coarse stamps.
    pub overlap: Duration,
    /// Fields whose change the feed does not tell; a full read finds them.
    pub misses: Vec<String>,
}

/// Where the instant of a change feed goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SincePlace {
    /// A query parameter.
    Param(String),
    /// A header.
    Header(String),
}

/// How the instant of a change feed is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinceFormat {
    /// RFC 3339 in UTC with milliseconds.
    Rfc3339,
    /// `2026-06-01T00:00:00`, UTC, seconds (Xero).
    IsoSeconds,
    /// Seconds since 1970.
    EpochSeconds,
}

/// How to read one record.
#[derive(Clone, Debug)]
pub struct GetOne {
    /// Path below the base URL, with `{id}`.
    pub path: String,
    /// Where the record is in the answer (`$`, or `$.Contacts[0]`).
    pub record: Path,
}

/// How to write records.
#[derive(Clone, Debug)]
pub struct Write {
    /// `POST`, `PUT` or `PATCH`.
    pub method: String,
    /// Path below the base URL, with `{id}` for single updates; may hold a fixed query.
    pub path: String,
    /// The call only ever creates (or only ever updates): it can never do the other by mistake.
    pub only: bool,
    /// Where an update puts the id into the item's body; `None` where it is in the path.
    pub id_in_body: Option<Path>,
    /// Several records a call.
    pub batch: Option<Batch>,
    /// What the answer holds.
    pub answer: AnswerKind,
    /// Where the record is in a single answer (`$` unless said).
    pub record: Path,
    /// Idempotency key.
    pub idempotency: Option<Idempotency>,
    /// Header for the version the plan was made from, and the status that says it is stale.
    pub version: Option<VersionHeader>,
    /// Text in a refusal which says that such a record exists already.
    pub duplicate: Option<Regex>,
}

/// Several records a call.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Path of the batch call; `None` if it is the same as for one.
    pub path: Option<String>,
    /// Name of the array in the request's body; `None` for a bare array.
    pub array: Option<String>,
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
    /// Header.
    pub header: String,
    /// Longest key.
    pub max: usize,
    /// How long the remote remembers it.
    pub keeps: Duration,
}

/// A version guard on writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionHeader {
    /// Request header (`If-Match`).
    pub header: String,
    /// Status of a stale version.
    pub stale: u16,
}

/// When a record counts as deleted although it is still there.
#[derive(Clone, Debug)]
pub struct GoneWhen {
    /// Where to look.
    pub path: Path,
    /// Values that mean gone.
    pub values: Vec<Value>,
}
