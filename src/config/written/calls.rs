//! The calls of a connector manifest.

use std::{borrow::Cow, time::Duration};

use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{At, BodyWordW, FromText, MatchW, Named, OneOrMany, Raw, or_short, words, written};
use crate::{
    config::{
        diagnostic::Report,
        tree::{Node, NodeValue},
    },
    record::Path,
};

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
        /// Of an update: what is not sent is cleared, so the record is read and sent back whole. Default: false.
        may replaces: At<bool>,
        /// Where an update puts the id into the body, where it is not in the path.
        may id_in_body: At<Path>,
        /// Several records a call.
        may batch: BatchW,
        /// How its body is written, where it is not as the manifest says for all.
        may body: At<BodyWordW>,
        /// Name around a record: the root element in XML, else the one member of the body.
        may wrap: At<String>,
        /// Values that every record is sent with, by their paths.
        may constants: Named<At<Raw>>,
        /// body, id or empty. Default: body.
        may answer: At<AnswerW>,
        /// Header of the answer with the new id, or with an address whose last part it is (Location).
        may id_header: At<String>,
        /// Read the record where the answer does not hold it. Default: false.
        may read_back: At<bool>,
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
    /// A member of a record that calls of its own read or write.
    AlsoMapW as "also" {
        /// Path of the call that reads it, with {id}. Without it, whatever reads the record has it.
        may path: At<String>,
        /// Where the value is in the answer. Default: $.
        may record: At<Path>,
        /// An answer that says that there is none, beside the statuses 404 and 410.
        may missing: MatchW,
        /// The call that writes it, to a record that is there: other calls do not take it.
        may update: WriteCallW,
        /// The call wants the elements that come and go, not the list.
        may changes: ChangesW,
        /// Member that a new record is made with instead: the key of the first element.
        may first: At<String>,
        /// The body of the call is the member by itself, not a record that has it. Default: false.
        may alone: At<bool>,
    }
}
or_short! {
    /// A member of a record that calls of its own read or write.
    AlsoW, AlsoMapW, path: String
}
written! {
    /// A list that is written by the elements that come and go.
    ChangesW as "changes" {
        /// What tells the elements apart, in an element.
        need key: At<Path>,
        /// Where in the body the keys of those that come are listed.
        need add: At<Path>,
        /// Where those are listed that go; without it none ever goes.
        may remove: At<Path>,
        /// Where the key is in an item of these lists. Default: $, the item itself.
        may at: At<Path>,
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
        /// Name around a record: the root element in XML, else the one member of the body.
        may wrap: At<String>,
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
    CorrelateW as "correlate" {
        Position = "position", Number = "number", Field = "field", ObjectKey = "object-key",
    }
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
        /// Name around each item's record, in a list of operations.
        may wrap: At<String>,
        /// Values that every item has beside its record, by their paths.
        may constants: Named<At<Raw>>,
        /// How items and answers belong together: position, number (made up, put at `key`), field (the value at `key`)
        /// or object-key (the answer is an object named by the values at `key`). Default: position.
        may correlate: At<CorrelateW>,
        /// Where the number, or the value that tells the items apart, is.
        may key: At<Path>,
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
        may header: At<String>,
        /// The query parameter.
        may param: At<String>,
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
        /// The request header. Without it, the version goes back to its own place in the body.
        may header: At<String>,
        /// Where the version is: a path in the record, or `etag`, the header of the answer with that one record.
        need from: At<VersionPlace>,
        /// The status of a stale version. Default: 412.
        may stale: At<u32>,
        /// What an answer of that status must say besides.
        may stale_text: At<Regex>,
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
        /// false: whatever stands there means gone, as the instant of a deletion does.
        may blank: At<bool>,
    }
}
