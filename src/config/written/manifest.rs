//! Connector manifests (LANGUAGE section 5).

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{
    AlsoW, At, AuthKindW, Decode, DeleteCallW, FieldTypeW, FileW, GetW, GoneWhenW, InboxW, ListW, MatchW, Named,
    OneOrMany, Raw, SqlW, WebhooksW, WriteCallW, or_short, or_word, words, written,
};
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
        /// The connector that this one is a variant of, as `xero@1`: what is given here is laid over it.
        may extends: At<String>,
        /// What a connection may give.
        may settings: Named<SettingW>,
        /// Where the system is; may hold ${settings.x}.
        may base_url: At<String>,
        /// Headers of every request; may hold ${settings.x} and ${tenant}.
        may headers: Named<At<String>>,
        /// Query parameters of every request.
        may query: Named<At<String>>,
        /// How bodies are written. Default: json.
        may body: BodyW,
        /// Logins the system takes.
        may auth: OneOrMany<AuthKindW>,
        /// Limits of an account.
        may limits: Vec<LimitW>,
        /// How the system says "too many requests".
        may throttled: ThrottledW,
        /// Answers that are refusals whatever their status says.
        may refused_when: OneOrMany<MatchW>,
        /// Answers that are worth another try whatever their status says.
        may retry_when: OneOrMany<MatchW>,
        /// How long a call that timed out may still take effect. Default: 60s.
        may in_doubt: At<Duration>,
        /// How long a reading may show a record as it was before a write (a replica that is behind). Default: 0s.
        may lag: At<Duration>,
        /// Longest time to wait for an answer. Default: 60s.
        may timeout: At<Duration>,
        /// Where messages are in an error answer, tried in order.
        may error_messages: OneOrMany<At<Path>>,
        /// How the system tells of changes.
        may webhooks: WebhooksW,
        /// Its collections of records.
        may resources: Named<ResourceW>,
    }
}

words! {
    /// Kinds of body.
    BodyWordW as "kind of body" { Json = "json", Xml = "xml", Form = "form", Csv = "csv", }
}
written! {
    /// How bodies are written.
    BodyMapW as "body" {
        /// Answers: json, xml or csv. Default: json.
        may read: At<BodyWordW>,
        /// Requests: json, xml or form. Default: as answers, or json.
        may write: At<BodyWordW>,
        /// XML elements that stand for a list, with the name of their elements: { Contacts: Contact }.
        may lists: Named<At<String>>,
        /// XML elements that may come several times without an element around them.
        may repeated: Vec<At<String>>,
    }
}
or_word! {
    /// How bodies are written: a word for both ways, or a map.
    BodyW, BodyMapW, read: BodyWordW
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
    AuthWordW as "kind of login" { None = "none", Bearer = "bearer", Basic = "basic", Header = "header", OAuth2 = "oauth2", }
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
        /// What an answer of that status must say besides: where to look in its body.
        may path: At<Path>,
        /// The value there.
        may equals: At<Raw>,
        /// A pattern in the text there; in the whole body without a path.
        may text: At<regex::Regex>,
        /// `retry-after`, `backoff` (from a second, doubling), or a duration.
        may wait: At<String>,
        /// The header with the second since 1970 at which to go on.
        may reset_header: At<String>,
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
        /// What to call a record: `"{first_name} {last_name}"`.
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
        /// Members of a record that have calls of their own, with {id}: they are made where a pipeline maps them.
        may also: Named<AlsoW>,
        /// How to create.
        may create: WriteCallW,
        /// How to update.
        may update: WriteCallW,
        /// How to delete.
        may delete: DeleteCallW,
        /// When a record counts as deleted although it is there.
        may gone_when: GoneWhenW,
        /// Where a merged record names its survivor.
        may merged_into: At<Path>,
        /// The files that hold it, instead of calls.
        may file: FileW,
        /// It is posted to us, instead of being asked for.
        may inbox: InboxW,
        /// The table of a database that holds it, instead of calls.
        may sql: SqlW,
    }
}

words! {
    /// How a stamp is written.
    StampW as "format" {
        Rfc3339 = "rfc3339", MsDate = "ms-date", EpochSeconds = "epoch-seconds", EpochMillis = "epoch-millis",
        IsoNoZone = "iso-no-zone", IsoLocal = "iso-local",
    }
}
written! {
    /// Where the stamp of the last change is.
    UpdatedAtMapW as "updated_at" {
        /// The path.
        need path: At<Path>,
        /// How it is written. Default: as the field says, else rfc3339.
        may format: At<StampW>,
        /// iso-local: the zone.
        may zone: At<chrono_tz::Tz>,
    }
}
or_short! {
    /// Where the stamp of the last change is.
    UpdatedAtW, UpdatedAtMapW, path: Path
}
