//! The calls of a connector manifest.

use std::time::Duration;

use regex::Regex;
use schemars::Schema;

use super::{At, BodyWordW, FromText, Named, OneOrMany, Raw, words, written};
use crate::record::Path;

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
/// Where the version of a record is.
#[derive(Clone, Debug)]
pub(crate) struct VersionPlace(pub Path);

impl FromText for VersionPlace {
    const WANTED: &'static str = "the place of a version in a record";
    const HELP: &'static str = "write the path of the version in the record's body, as $.version";
    fn from_text(text: &str, plain: bool) -> Result<Self, (String, usize)> {
        if text == "etag" {
            return Err(("versions from the ETag header are not in this version".to_owned(), 0));
        }
        Path::from_text(text, plain).map(Self)
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
        /// Where the version is in a record. (`etag`, the header of an answer, is not in this version.)
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
    }
}
