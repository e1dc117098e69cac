//! Connector manifests (LANGUAGE section 5).

use std::{borrow::Cow, time::Duration};

use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{At, Decode, Later, Named, OneOrMany, Raw, words, written};
use crate::{
    config::{
        diagnostic::Report,
        tree::{Node, NodeValue},
    },
    record::Path,
};

written! {
    /// How to speak to one kind of system. Without `resources`, it changes the built-in connector of that name.
    ManifestW as "a connector" {
        /// Connections pin it as `name@1`. An upgrade that changes meaning is a new version.
        may version: At<u32>,
        /// A variant of another connector. Not in this version.
        may extends: Later,
        /// What a connection may give.
        may settings: Named<SettingW>,
        /// Where the system is; may hold ${settings.x}.
        may base_url: At<String>,
        /// Headers of every request; may hold ${settings.x} and ${tenant}.
        may headers: Named<At<String>>,
        /// Query parameters of every request.
        may query: Named<At<String>>,
        /// Logins the system takes.
        may auth: OneOrMany<AuthKindW>,
        /// Limits of an account.
        may limits: Vec<LimitW>,
        /// How the system says "too many requests".
        may throttled: ThrottledW,
        /// How long a call that timed out may still take effect. Default: 60s.
        may in_doubt: At<Duration>,
        /// Longest time to wait for an answer. Default: 60s.
        may timeout: At<Duration>,
        /// Where messages are in an error answer, tried in order.
        may error_messages: OneOrMany<At<Path>>,
        /// Its collections of records.
        may resources: Named<ResourceW>,
    }
}

words! {
    /// Kinds of setting.
    SettingKindW as "kind of setting" { Text = "text", Url = "url", Enum = "enum", }
}
written! {
    /// Something a connection gives.
    SettingW as "a setting" {
        /// text, url or enum. Default: text.
        may is_type ["type"]: At<SettingKindW>,
        /// The values of an enum.
        may values: Vec<At<String>>,
        /// Whether it must be given. Default: false.
        may required: At<bool>,
        /// Used when it is not given.
        may default: At<String>,
        /// For people.
        may description: At<String>,
    }
}

words! {
    /// Kinds of login.
    AuthWordW as "kind of login" { None = "none", Bearer = "bearer", Basic = "basic", Header = "header", }
}
written! {
    /// A kind of login.
    AuthKindW as "auth" {
        /// none, bearer, basic or header.
        need kind: At<AuthWordW>,
        /// The header of a header login.
        may header: At<String>,
    }
}

words! {
    /// Who shares a limit.
    ScopeW as "scope" { Key = "key", Tenant = "tenant", Host = "host", App = "app", }
}
written! {
    /// A limit: `requests` with `per`, or `in_flight`.
    LimitW as "a limit" {
        /// How many requests.
        may requests: At<u32>,
        /// In how long.
        may per: At<Duration>,
        /// Who shares it. Default: tenant.
        may scope: At<ScopeW>,
        /// How many requests at once.
        may in_flight: At<u32>,
    }
}

written! {
    /// How the system says "too many requests".
    ThrottledW as "throttled" {
        /// The status. Default: 429.
        may status: At<u32>,
        /// `retry-after`, or a duration.
        may wait: At<String>,
        /// Headers that say how many requests are left, with the span they speak of.
        may remaining: Named<At<Duration>>,
    }
}

written! {
    /// A collection of records.
    ResourceW as "a resource" {
        /// Where the id is.
        need id: At<Path>,
        /// Where the stamp of the last change is.
        may updated_at: UpdatedAtW,
        /// What to call a record: "{first_name} {last_name}".
        may label: At<String>,
        /// Address of a record in the system's own pages, with {id}.
        may web_url: At<String>,
        /// Its fields.
        may fields: Named<FieldTypeW>,
        /// Whether there are fields not listed. Default: false, or true where none is listed.
        may open: At<bool>,
        /// How to list.
        may list: ListW,
        /// How to read one.
        may get: GetW,
        /// How to create.
        may create: WriteCallW,
        /// How to update.
        may update: WriteCallW,
        /// When a record counts as deleted although it is there.
        may gone_when: GoneWhenW,
        /// Where a merged record names its survivor.
        may merged_into: At<Path>,
    }
}

/// A map, or a single value that stands for one key of it.
macro_rules! or_short {
    ($(#[doc = $doc:literal])* $name:ident, $map:ident, $key:ident: $type:ty) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name(pub $map);

        impl Decode for $name {
            fn decode(node: &Node, report: &Report) -> Option<Self> {
                match &node.value {
                    NodeValue::Map(_) => $map::decode(node, report).map(Self),
                    _ => At::<$type>::decode(node, report).map(|value| {
                        Self($map { span: node.span, $key: Some(value), ..$map::default() })
                    }),
                }
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let (short, long) = (generator.subschema_for::<At<$type>>(), generator.subschema_for::<$map>());
                schemars::json_schema!({ "anyOf": [short, long] })
            }
        }
    };
}

words! {
    /// How a stamp is written.
    StampW as "format" {
        Rfc3339 = "rfc3339", MsDate = "ms-date", EpochSeconds = "epoch-seconds", IsoNoZone = "iso-no-zone",
    }
}
written! {
    /// Where the stamp of the last change is.
    UpdatedAtMapW as "updated_at" {
        /// The path.
        need path: At<Path>,
        /// How it is written. Default: as the field says, else rfc3339.
        may format: At<StampW>,
    }
}
or_short! {
    /// Where the stamp of the last change is.
    UpdatedAtW, UpdatedAtMapW, path: Path
}

words! {
    /// Kinds of value.
    KindW as "type" {
        Any = "any", Text = "text", Decimal = "decimal", Integer = "integer", Boolean = "boolean", Date = "date",
        Datetime = "datetime", Id = "id", Object = "object", List = "list", Phone = "phone",
    }
}
words! {
    /// Wire formats.
    FormatW as "format" {
        Plain = "plain", MsDate = "ms-date", NumberText = "number-text", EpochSeconds = "epoch-seconds",
        IsoNoZone = "iso-no-zone",
    }
}
written! {
    /// The type of a field.
    FieldTypeMapW as "a field's type" {
        /// text, decimal, integer, boolean, date, datetime, id, object, list, phone or any. Default: any.
        may is_type ["type"]: At<KindW>,
        /// How it is written on the wire. Default: plain.
        may format: At<FormatW>,
        /// The remote refuses or ignores writes.
        may read_only: At<bool>,
        /// The remote answers with a mask instead of the value.
        may masked: At<bool>,
        /// Longest text the remote keeps.
        may max: At<u32>,
        /// Places a decimal is kept with.
        may places: At<u32>,
        /// White space around text does not count.
        may trim: At<bool>,
        /// Runs of white space count as one space.
        may collapse_spaces: At<bool>,
        /// Case does not count.
        may ignore_case: At<bool>,
        /// Absent, null and empty are different things to this system.
        may distinct_blanks: At<bool>,
        /// Stamps are kept in units of this length.
        may precision: At<Duration>,
        /// For people and editors.
        may description: At<String>,
        /// Of an object, or of the elements of a list.
        may fields: Named<FieldTypeW>,
        /// Whether there are fields not listed.
        may open: At<bool>,
    }
}
/// The type of a field: a word, or a map.
#[derive(Clone, Debug)]
pub(crate) struct FieldTypeW(pub FieldTypeMapW);

impl Decode for FieldTypeW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        match &node.value {
            NodeValue::Map(_) => FieldTypeMapW::decode(node, report).map(Self),
            _ => At::<KindW>::decode(node, report)
                .map(|kind| Self(FieldTypeMapW { span: node.span, is_type: Some(kind), ..FieldTypeMapW::default() })),
        }
    }
}

impl JsonSchema for FieldTypeW {
    fn schema_name() -> Cow<'static, str> {
        "FieldType".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (short, long) = (generator.subschema_for::<At<KindW>>(), generator.subschema_for::<FieldTypeMapW>());
        schemars::json_schema!({ "anyOf": [short, long] })
    }
}

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
        /// number: `short-page`, or { page_count: PATH }. Default: short-page.
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
written! {
    /// A guard against overwriting a newer version.
    VersionW as "version" {
        /// The request header.
        need header: At<String>,
        /// Where the version is in a record.
        need from: At<Path>,
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
