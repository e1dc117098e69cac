//! The calls of a connector manifest.

use std::{borrow::Cow, time::Duration};

use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{At, Decode, FromText, Named, OneOrMany, Raw, or_short, words, written};
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
        /// Path below the base URL.
        need get: At<String>,
        /// Query parameters.
        may query: Named<At<String>>,
        /// Where the records are in the answer. Default: $.
        may records: At<Path>,
        /// How the listing goes on.
        may page: PageW,
        /// How to ask for changes only.
        may changed_since: ChangedSinceW,
    }
}

words! {
    /// Kinds of paging.
    PageKindW as "kind of paging" { None = "none", Number = "number", Cursor = "cursor", }
}
written! {
    /// How a listing goes on.
    PageW as "page" {
        /// none, number or cursor.
        need kind: At<PageKindW>,
        /// Query parameter of the page number or cursor.
        may param: At<String>,
        /// Query parameter and value of the size.
        may size: SizeW,
        /// number: `short-page`, or `{ page_count: PATH }`. Default: short-page.
        may end: EndW,
        /// cursor: where the next one is.
        may next: At<Path>,
    }
}
written! {
    /// Query parameter and value of the page size.
    SizeW as "size" {
        /// Query parameter.
        need param: At<String>,
        /// How many records.
        need value: At<u32>,
    }
}
words! {
    /// How the last page is known.
    EndWordW as "end" { ShortPage = "short-page", }
}
written! {
    /// How the last page is known.
    EndMapW as "end" {
        /// It has fewer records than asked for.
        may word: At<EndWordW>,
        /// Where the answer says how many pages there are.
        may page_count: At<Path>,
    }
}
/// How the last page is known: a word, or where the number of pages is.
#[derive(Clone, Debug)]
pub(crate) struct EndW(pub EndMapW);

impl Decode for EndW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        match &node.value {
            NodeValue::Map(_) => EndMapW::decode(node, report).map(Self),
            _ => At::<EndWordW>::decode(node, report)
                .map(|word| Self(EndMapW { span: node.span, word: Some(word), ..EndMapW::default() })),
        }
    }
}

impl JsonSchema for EndW {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "End".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (short, long) = (generator.subschema_for::<At<EndWordW>>(), generator.subschema_for::<EndMapW>());
        schemars::json_schema!({ "anyOf": [short, long] })
    }
}

words! {
    /// How the instant of a change feed is written.
    SinceW as "format" { Rfc3339 = "rfc3339", IsoSeconds = "iso-seconds", EpochSeconds = "epoch-seconds", }
}
written! {
    /// How to ask for changes only: by `param` or `header`.
    ChangedSinceW as "changed_since" {
        /// Query parameter.
        may param: At<String>,
        /// Header.
        may header: At<String>,
        /// How the instant is written. Default: rfc3339.
        may format: At<SinceW>,
        /// Read this much again. Default: 0s.
        may overlap: At<Duration>,
        /// Fields whose change the feed does not tell.
        may misses: Vec<At<String>>,
    }
}

written! {
    /// How to read one record.
    GetMapW as "get" {
        /// Path below the base URL, with {id}.
        need path: At<String>,
        /// Where the record is in the answer. Default: $.
        may record: At<Path>,
    }
}
or_short! {
    /// How to read one record.
    GetW, GetMapW, path: String
}

words! {
    /// What the answer to a write holds.
    AnswerW as "answer" { Body = "body", Id = "id", Empty = "empty", }
}
written! {
    /// How to write: one of `post`, `put` and `patch` with the path.
    WriteCallW as "a write" {
        /// POST to this path.
        may post: At<String>,
        /// PUT to this path.
        may put: At<String>,
        /// PATCH this path.
        may patch: At<String>,
        /// The call never changes an existing record. Default: false.
        may only_creates: At<bool>,
        /// The call never makes a new record. Default: false.
        may only_updates: At<bool>,
        /// Where an update puts the id into the body, where it is not in the path.
        may id_in_body: At<Path>,
        /// Several records a call.
        may batch: BatchW,
        /// body, id or empty. Default: body.
        may answer: At<AnswerW>,
        /// Where the record is in the answer to a single write. Default: $.
        may record: At<Path>,
        /// A key that makes a repeated call harmless.
        may idempotency: IdempotencyW,
        /// A guard against overwriting a newer version.
        may version: VersionW,
        /// Text in a refusal which says that such a record exists already.
        may duplicate: At<Regex>,
    }
}

written! {
    /// A body for records in a certain state.
    BodyIfW as "body_if" {
        /// Where the state is, in the record as it was read.
        need path: At<Path>,
        /// The value that means it.
        may equals: At<Raw>,
        /// The values that mean it.
        may is_in ["in"]: Vec<At<Raw>>,
        /// What is written then, by field.
        need body: Named<At<Raw>>,
    }
}
written! {
    /// How to delete: by `delete`, or by writing a status with one of `post`, `put` and `patch`.
    DeleteCallW as "a deletion" {
        /// DELETE this path.
        may delete: At<String>,
        /// POST to this path.
        may post: At<String>,
        /// PUT to this path.
        may put: At<String>,
        /// PATCH this path.
        may patch: At<String>,
        /// What is written, by field: { Status: DELETED }.
        may body: Named<At<Raw>>,
        /// What is written instead to records in another state; the first that applies.
        may body_if: OneOrMany<BodyIfW>,
        /// Where the id goes in the body, where it is not in the path.
        may id_in_body: At<Path>,
        /// Several records a call.
        may batch: BatchW,
        /// body, id or empty. Default: empty for `delete`, else body.
        may answer: At<AnswerW>,
        /// Where the record is in the answer to a single call. Default: $.
        may record: At<Path>,
        /// A key that makes a repeated call harmless.
        may idempotency: IdempotencyW,
        /// A guard against deleting a newer version.
        may version: VersionW,
        /// Statuses which say that there is no such record any more. Default: 404 and 410.
        may gone: OneOrMany<At<u32>>,
    }
}

words! {
    /// How items and answers belong together.
    CorrelateW as "correlate" { Position = "position", }
}
written! {
    /// Several records a call.
    BatchW as "batch" {
        /// Path of the batch call, where it is another than for one record.
        may path: At<String>,
        /// Name of the array in the body; a bare array unless given.
        may array: At<String>,
        /// Most records a call takes.
        need max: At<u32>,
        /// Where the items are in the answer. Default: the array of the same name.
        may items: At<Path>,
        /// How items and answers belong together: position.
        may correlate: At<CorrelateW>,
        /// Where the record is in an item of the answer. Default: $.
        may record: At<Path>,
        /// How an item says that it went well. Default: it holds an id.
        may ok: OkW,
        /// Where an item's messages are.
        may messages: OneOrMany<At<Path>>,
    }
}
written! {
    /// How an item says that it went well.
    OkW as "ok" {
        /// Where to look.
        need path: At<Path>,
        /// The value that means yes.
        may equals: At<Raw>,
        /// The values that mean yes.
        may is_in ["in"]: Vec<At<Raw>>,
    }
}
written! {
    /// A key that makes a repeated call harmless.
    IdempotencyW as "idempotency" {
        /// The header.
        need header: At<String>,
        /// Longest key.
        need max: At<u32>,
        /// How long the remote remembers it.
        need keeps: At<Duration>,
    }
}
/// Where the version of a record is: a path in its body, or `None` for the `ETag` header of an answer.
#[derive(Clone, Debug)]
pub(crate) struct VersionPlace(pub Option<Path>);

impl FromText for VersionPlace {
    const WANTED: &'static str = "the place of a version in a record";
    const HELP: &'static str =
        "write the path of the version in the record's body, as $.version, or `etag` for the header of an answer";
    fn from_text(text: &str, plain: bool) -> Result<Self, (String, usize)> {
        if text == "etag" {
            return Ok(Self(None));
        }
        Path::from_text(text, plain).map(|path| Self(Some(path)))
    }
    fn schema() -> Schema {
        Path::schema()
    }
}

written! {
    /// A guard against overwriting a newer version.
    VersionW as "version" {
        /// The request header.
        need header: At<String>,
        /// Where the version is: a path in the record, or `etag`, the header of the answer with that one record.
        need from: At<VersionPlace>,
        /// The status of a stale version. Default: 412.
        may stale: At<u32>,
    }
}
written! {
    /// When a record counts as deleted although it is there.
    GoneWhenW as "gone_when" {
        /// Where to look.
        need path: At<Path>,
        /// The value that means gone.
        may equals: At<Raw>,
        /// The values that mean gone.
        may is_in ["in"]: Vec<At<Raw>>,
    }
}
