//! How a connector manifest lists a collection and reads one record.

use std::{borrow::Cow, time::Duration};

use chrono_tz::Tz;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{At, Decode, Named, OneOrMany, Raw, or_short, or_word, words, written};
use crate::{
    config::{
        diagnostic::Report,
        tree::{Node, NodeValue},
    },
    record::Path,
};

written! {
    /// How to list a collection.
    ListW as "list" {
        /// Path below the base URL. It may hold `{page}`, `{size}`, `{changed_since}` and `{parent}`.
        need get: At<String>,
        /// Query parameters; the values may hold the same.
        may query: Named<At<String>>,
        /// Where the records are in the answer. Default: $.
        may records: At<Path>,
        /// How the listing goes on.
        may page: PageW,
        /// An answer that says that there is no record to list: { status: 204 }.
        may empty: MatchW,
        /// An answer that says that a page token is too old; the listing begins again.
        may expired: MatchW,
        /// Windows of dates, for lists that want a span and no longer one than this.
        may windows: WindowsW,
        /// How to ask for changes only.
        may changed_since: ChangedSinceW,
        /// The list holds less than the records: `one-by-one`, or how to read many at once.
        may detail: DetailW,
        /// The records are listed per record of another resource.
        may parents: ParentsW,
        /// A feed of deleted records, read after each listing of changes.
        may deleted: DeletedW,
    }
}

words! {
    /// Kinds of paging.
    PageKindW as "kind of paging" {
        None = "none", Number = "number", Offset = "offset", Cursor = "cursor", Link = "link", Keyset = "keyset",
    }
}
written! {
    /// How a listing goes on.
    PageW as "page" {
        /// none, number, offset (records to skip), cursor, link (the address of the next page) or keyset (stamp and id
        /// of the last record).
        need kind: At<PageKindW>,
        /// Query parameter of the number, offset, cursor or stamp, where `{page}` stands nowhere.
        may param: At<String>,
        /// Number or offset of the first page. Default: 1 for number, 0 for offset.
        may first: At<u32>,
        /// Query parameter and value of the size.
        may size: SizeW,
        /// How the last page is known. Default: short-page.
        may end: EndW,
        /// cursor, link: where the next one is.
        may next: At<Path>,
        /// link: the header with the next one (RFC 8288's Link, or a bare address).
        may next_header: At<String>,
        /// link: the address names the record after which the page begins, in an order that no edit changes, and not a
        /// number or an offset. Default: false.
        may stable: At<bool>,
        /// keyset: query parameter of the id.
        may id_param: At<String>,
        /// number: go on by a cursor after some page.
        may then: ThenCursorW,
    }
}
written! {
    /// A cursor that takes over from page numbers.
    ThenCursorW as "then" {
        /// Query parameter of the cursor.
        need param: At<String>,
        /// Where it is.
        need next: At<Path>,
        /// The last page that can be asked for by its number.
        need after: At<u32>,
    }
}
written! {
    /// Query parameter and value of the page size.
    SizeW as "size" {
        /// Query parameter; none where the size cannot be chosen.
        may param: At<String>,
        /// How many records.
        need value: At<u32>,
    }
}
words! {
    /// How the last page is known.
    EndWordW as "end" { ShortPage = "short-page", EmptyPage = "empty-page", }
}
written! {
    /// How the last page is known.
    EndMapW as "end" {
        /// `short-page`: it has fewer records than asked for; `empty-page`: it has none.
        may word: At<EndWordW>,
        /// Where the answer says how many pages there are.
        may page_count: At<Path>,
        /// The header that says how many pages there are.
        may page_count_header: At<String>,
        /// Where the answer says how many records there are.
        may total: At<Path>,
        /// The header that says how many records there are.
        may total_header: At<String>,
        /// Where the answer says that there is more.
        may more: At<Path>,
        /// Where the answer says that this is the last page.
        may last: At<Path>,
        /// The value that means so, for `more` and `last`. Default: true.
        may equals: At<Raw>,
    }
}
or_word! {
    /// How the last page is known: a word, or where the answer says so.
    EndW, EndMapW, word: EndWordW
}

words! {
    /// How the instant of a change feed is written.
    SinceW as "format" {
        Rfc3339 = "rfc3339", Rfc3339Seconds = "rfc3339-seconds", IsoSeconds = "iso-seconds", IsoLocal = "iso-local",
        Date = "date", CompactDate = "compact-date", EpochSeconds = "epoch-seconds", EpochMillis = "epoch-millis",
        HttpDate = "http-date",
    }
}
written! {
    /// How to ask for changes only: by `param`, by `header`, by a text for `{changed_since}`, or by reading newest first.
    ChangedSinceW as "changed_since" {
        /// Query parameter.
        may param: At<String>,
        /// Header.
        may header: At<String>,
        /// The text around the instant {since}; without param and header it stands for `{changed_since}`.
        may text: At<String>,
        /// The list begins with the newest change: read it until one is older. Default: false.
        may newest_first: At<bool>,
        /// The first window of dates begins there. Default: false.
        may windows: At<bool>,
        /// How the instant is written. Default: rfc3339.
        may format: At<SinceW>,
        /// iso-local: the zone.
        may zone: At<Tz>,
        /// Read this much again. Default: 0s.
        may overlap: At<Duration>,
        /// Fields whose change the feed does not tell.
        may misses: Vec<At<String>>,
    }
}
written! {
    /// Windows of dates, for lists that want a span and no longer one than this.
    WindowsW as "windows" {
        /// Query parameter of the first day.
        need from: At<String>,
        /// Query parameter of the last day.
        need to: At<String>,
        /// How a day is written: date or compact-date. Default: date.
        may format: At<SinceW>,
        /// Longest span.
        need longest ["span"]: At<Duration>,
        /// The first day of all, as 2020-01-01; may hold ${settings.x}.
        need start: At<String>,
    }
}

words! {
    /// How the records of a thin list are read.
    DetailWordW as "detail" { One = "one-by-one", }
}
written! {
    /// How many records are read with one call.
    DetailMapW as "detail" {
        /// Each by itself, with the resource's `get`.
        may word: At<DetailWordW>,
        /// Path below the base URL.
        may get: At<String>,
        /// Query parameter of the ids, with commas between them.
        may param: At<String>,
        /// Most ids a call takes.
        may max: At<u32>,
        /// Where the records are in the answer. Default: as in the list.
        may records: At<Path>,
    }
}
or_word! {
    /// How the records of a thin list are read: `one-by-one`, or many with one call.
    DetailW, DetailMapW, word: DetailWordW
}

written! {
    /// Records that are listed per record of another resource.
    ParentsW as "parents" {
        /// The other resource. Its id stands for {parent} in the path or the query.
        need resource: At<String>,
        /// Where the parent's id is put into each record.
        may into: At<Path>,
    }
}
written! {
    /// A feed of deleted records.
    DeletedW as "deleted" {
        /// Path below the base URL.
        need get: At<String>,
        /// Where its records are. Default: as in the list.
        may records: At<Path>,
        /// Where a record's id is; of an address, its last part counts. Default: as in the resource.
        may id: At<Path>,
        /// Query parameters; the values may hold what those of the list may hold.
        may query: Named<At<String>>,
        /// How the feed goes on.
        may page: PageW,
        /// Query parameter of the instant. Default: none.
        may param: At<String>,
        /// Header of the instant.
        may header: At<String>,
        /// The text around the instant {since}; without param and header it stands for `{changed_since}`.
        may text: At<String>,
        /// An answer that says that nothing was deleted.
        may empty: MatchW,
        /// Which of its records were deleted, where it lists others, too.
        may when: MatchW,
        /// How far back the feed goes. Default: without end.
        may reaches: At<Duration>,
    }
}

written! {
    /// How to read one record.
    GetMapW as "get" {
        /// Path below the base URL, with {id}.
        need path: At<String>,
        /// Where the record is in the answer. Default: $.
        may record: At<Path>,
        /// An answer that says that there is no such record, beside the statuses 404 and 410.
        may missing: MatchW,
    }
}
or_short! {
    /// How to read one record.
    GetW, GetMapW, path: String
}

written! {
    /// Something an answer says; all that is given must hold.
    MatchW as "a condition on an answer" {
        /// The status, or several.
        may status: OneOrMany<At<u32>>,
        /// Where to look in the body.
        may path: At<Path>,
        /// The value there.
        may equals: At<Raw>,
        /// One of these values is there.
        may is_in ["in"]: Vec<At<Raw>>,
        /// Another value than this is there.
        may not_equals: At<Raw>,
        /// A pattern in the text there; in the whole body without a path.
        may text: At<regex::Regex>,
    }
}
