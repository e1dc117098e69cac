//! How a collection is listed, and how one record is read.

use std::time::Duration;

use chrono_tz::Tz;
use serde_json::Value;

use super::AnswerMatch;
use crate::record::Path;

/// How to list a collection.
#[derive(Clone, Debug)]
pub struct List {
    /// Path below the base URL. Like the values of `query`, it may hold `{page}`, `{size}`, `{changed_since}` and
    /// `{parent}`.
    pub path: String,
    /// Fixed query parameters.
    pub query: Vec<(String, String)>,
    /// Where the records are in the body.
    pub records: Path,
    /// How to go on.
    pub paging: Paging,
    /// An answer that says that there is no record to list (Zoho: status 204).
    pub empty: Option<AnswerMatch>,
    /// An answer that says that a page token is too old: the listing begins again.
    pub expired: Option<AnswerMatch>,
    /// Windows of dates that a listing is cut into.
    pub windows: Option<Windows>,
    /// How to ask for changes only.
    pub changed_since: Option<ChangedSince>,
    /// The list holds less than the records: each is read once more.
    pub detail: Option<Detail>,
    /// The records are listed per record of another resource.
    pub parents: Option<Parents>,
    /// A second list, of records that were deleted.
    pub deleted: Option<DeletedFeed>,
}

/// How a listing goes on.
#[derive(Clone, Debug)]
pub enum Paging {
    /// One answer holds everything.
    None,
    /// Numbered pages.
    Number {
        /// Query parameter of the page; `None` where `{page}` stands in the path or the query.
        param: Option<String>,
        /// The number of the first page.
        first: u64,
        /// How many records a page has.
        size: Option<PageSize>,
        /// How the last page is known.
        end: PageEnd,
        /// From some page on the listing goes on by a cursor.
        then: Option<ThenCursor>,
    },
    /// The number of records to skip, or of the first record.
    Offset {
        /// Query parameter of the offset; `None` where `{page}` stands in the path or the query.
        param: Option<String>,
        /// The offset of the first record: 0 or 1.
        first: u64,
        /// How many records a page has.
        size: Option<PageSize>,
        /// How the last page is known.
        end: PageEnd,
    },
    /// A cursor in the body of each answer.
    Cursor {
        /// Query parameter; `None` where `{page}` stands in the path or the query.
        param: Option<String>,
        /// Where the next cursor is; absent, null or empty ends the listing.
        next: Path,
        /// How many records a page has.
        size: Option<PageSize>,
        /// Where the answer says whether there is more, for remotes that give a cursor with the last page, too.
        end: Option<PageEnd>,
    },
    /// The address of the next page in each answer. It is never followed to another host.
    Link {
        /// Where the address is; absent, null or empty ends the listing. In a header it is RFC 8288's `rel="next"`.
        next: Place,
        /// How many records a page has.
        size: Option<PageSize>,
        /// Whether the address names a record after which the page begins, in an order that no edit changes.
        stable: bool,
    },
    /// The next page begins after the stamp and the id of the last record.
    Keyset {
        /// Query parameter of the stamp, in the form of `changed_since`.
        param: String,
        /// Query parameter of the id.
        id_param: String,
        /// How many records a page has.
        size: Option<PageSize>,
        /// How the last page is known.
        end: PageEnd,
    },
}

impl Paging {
    /// Whether pages are told by their place: when a record moves to another one while the listing is read, those behind
    /// it move up, and one of them is on no page that is asked for. Links mostly hold a number or an offset, so they are
    /// taken for that unless the manifest knows better.
    #[must_use]
    pub const fn shifts(&self) -> bool {
        matches!(self, Self::Number { .. } | Self::Offset { .. } | Self::Link { stable: false, .. })
    }
}

/// How many records a page has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageSize {
    /// Query parameter; `None` where the size cannot be chosen, or `{size}` stands in the path or the query.
    pub param: Option<String>,
    /// How many.
    pub value: u32,
}

/// How the last page is known.
#[derive(Clone, Debug)]
pub enum PageEnd {
    /// It has fewer records than asked for.
    ShortPage,
    /// It has no record.
    EmptyPage,
    /// The answer says how many pages there are.
    PageCount(Place),
    /// The answer says how many records there are in all.
    Total(Place),
    /// The answer says whether there is more.
    Flag {
        /// Where.
        path: Path,
        /// The values that mean so.
        values: Vec<Value>,
        /// Whether they mean that this is the last page (else: that there is another).
        last: bool,
    },
}

/// Where an answer says something.
#[derive(Clone, Debug)]
pub enum Place {
    /// In its body.
    Body(Path),
    /// In this header.
    Header(String),
}

/// Numbered pages up to a limit, a cursor after it (Zoho CRM: 2,000 records).
#[derive(Clone, Debug)]
pub struct ThenCursor {
    /// Query parameter of the cursor; it takes the place of the page's.
    pub param: String,
    /// Where the cursor is.
    pub next: Path,
    /// The last page that can be asked for by its number.
    pub after: u64,
}

/// Windows of dates: a listing that wants a span, and no longer one than this.
#[derive(Clone, Debug)]
pub struct Windows {
    /// Query parameter of the first day.
    pub from: String,
    /// Query parameter of the last day.
    pub to: String,
    /// How the days are written.
    pub format: SinceFormat,
    /// Longest span.
    pub span: Duration,
    /// The first day of all, `YYYY-MM-DD`; may hold `${settings.x}`.
    pub start: String,
}

/// How to ask for changes only.
#[derive(Clone, Debug)]
pub struct ChangedSince {
    /// Where the instant goes.
    pub place: SincePlace,
    /// The text around the instant, which stands for `{since}`: `LastModified gt datetime'{since}'`.
    pub text: String,
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
    /// Where `{changed_since}` stands in the path or the query; nothing stands there in a full read.
    Text,
    /// Nowhere: the list begins with the newest change, and ends with the first page that is older.
    NewestFirst,
    /// The first window of dates begins there.
    Windows,
}

/// How the instant of a change feed is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinceFormat {
    /// RFC 3339 in UTC with milliseconds.
    Rfc3339,
    /// RFC 3339 in UTC, whole seconds (`2026-06-01T00:00:00Z`).
    Rfc3339Seconds,
    /// `2026-06-01T00:00:00`, UTC, seconds (Xero).
    IsoSeconds,
    /// `2026-06-01T00:00:00` by the clocks of a zone.
    IsoLocal(Tz),
    /// `2026-06-01`.
    Date,
    /// `20260601`.
    CompactDate,
    /// Seconds since 1970.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMillis,
    /// `Mon, 01 Jun 2026 00:00:00 GMT`.
    HttpDate,
}

/// A list that holds less than the records.
#[derive(Clone, Debug)]
pub enum Detail {
    /// Each record is read by itself, by the resource's `get`.
    One,
    /// Many are read with one call.
    Many {
        /// Path below the base URL.
        path: String,
        /// Query parameter of the ids, with commas between them.
        param: String,
        /// Most ids a call takes.
        max: usize,
        /// Where the records are in the answer.
        records: Path,
    },
}

/// Records that are listed per record of another resource.
#[derive(Clone, Debug)]
pub struct Parents {
    /// The other resource. Its id stands for `{parent}` in the path or the query.
    pub resource: String,
    /// Where the parent's id is put into each record.
    pub into: Option<Path>,
}

/// A list of records that were deleted, read after an incremental listing.
#[derive(Clone, Debug)]
pub struct DeletedFeed {
    /// How it is listed.
    pub list: Box<List>,
    /// Where a record's id is; of an address, its last part counts.
    pub id: Path,
    /// Which of its records were deleted; all unless given.
    pub when: Option<AnswerMatch>,
    /// How far back it goes. What lies further back is left to full reads.
    pub reaches: Option<Duration>,
}

/// How to read one record.
#[derive(Clone, Debug)]
pub struct GetOne {
    /// Path below the base URL, with `{id}`.
    pub path: String,
    /// Where the record is in the answer (`$`, or `$.Contacts[0]`).
    pub record: Path,
    /// An answer that says that there is no such record, beside the statuses 404 and 410.
    pub missing: Option<AnswerMatch>,
}
