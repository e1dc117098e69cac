//! What a person wrote: the shape of every map, one type per map.
//!
//! [`written!`](macro@written) declares a map once; the decoder, the list of its keys and its JSON Schema come from
//! that one declaration. A decoder never stops at a mistake: it reports and goes on, and what could not be decoded
//! is `None`.

mod admin;
mod basics;
mod calls;
mod connections;
mod field_types;
mod fields;
mod files;
mod filters;
mod forms;
mod grants;
mod inbox;
mod integrations;
mod listing;
mod manifest;
mod notifications;
mod pipelines;
mod policies;
mod sources;
mod sql;
mod templates;
mod top;
mod webhooks;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};

pub(crate) use admin::*;
pub(crate) use basics::*;
pub(crate) use calls::*;
pub(crate) use connections::*;
pub(crate) use field_types::*;
pub(crate) use fields::*;
pub(crate) use files::*;
pub(crate) use filters::*;
pub(crate) use forms::{or_short, or_word, short_or_long};
pub(crate) use grants::*;
pub(crate) use inbox::*;
pub(crate) use integrations::*;
pub(crate) use listing::*;
pub(crate) use manifest::*;
pub(crate) use notifications::*;
pub(crate) use pipelines::*;
pub(crate) use policies::*;
pub(crate) use sources::*;
pub(crate) use sql::*;
pub(crate) use templates::*;
pub(crate) use top::*;
pub(crate) use webhooks::*;

use super::{
    diagnostic::{Report, error},
    nearest::{nearest, suggest},
    resolve::node_hash,
    source::Span,
    tree::{Key, Map, Node, NodeValue},
};

/// Something that can be decoded from a node of the tree.
pub(crate) trait Decode: Sized + JsonSchema {
    /// Decodes; every mistake is reported. `None` only when nothing usable is there.
    fn decode(node: &Node, report: &Report) -> Option<Self>;
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    /// The value.
    pub value: T,
    /// Where it is.
    pub span: Span,
}

/// A map with names that the user chooses.
#[derive(Clone, Debug)]
pub(crate) struct Named<T> {
    /// Name and value, in the order written, and whether the value holds mistakes.
    pub entries: Vec<Entry<T>>,
    /// Names whose value could not be read at all.
    pub failed: Vec<At<String>>,
    /// Mistakes in values of any kind.
    pub errors: usize,
}

/// One entry of a [`Named`].
#[derive(Clone, Debug)]
pub(crate) struct Entry<T> {
    /// The name.
    pub name: At<String>,
    /// The value.
    pub value: T,
    /// How many mistakes the decoder found in the value.
    pub errors: usize,
    /// Hash of what was written, layout left out.
    pub hash: u64,
    /// Hash of the key `filters` of it.
    pub filters_hash: u64,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), failed: Vec::new(), errors: 0 }
    }
}

impl<T: Decode> Decode for Named<T> {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        let map = as_map(node, report, "names with what they stand for", None)?;
        let mut found = Self::default();
        let at_first = report.errors();
        for (key, value) in &map.entries {
            let before = report.errors();
            let Some(decoded) = T::decode(value, report) else {
                found.failed.push(at(key));
                continue;
            };
            let filters_hash = value.map().and_then(|map| map.get("filters")).map_or(0, node_hash);
            found.entries.push(Entry {
                name: at(key),
                value: decoded,
                errors: report.errors() - before + report.misread(key.span, value),
                hash: node_hash(value),
                filters_hash,
            });
        }
        found.errors = report.errors() - at_first + report.misread(node.span, node);
        Some(found)
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Map of {}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        schemars::json_schema!({ "type": "object", "additionalProperties": value })
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        let NodeValue::Seq(items) = &node.value else {
            report.add(
                error("config::wrong_shape", node.span, format!("a list is wanted here, not {}", node.kind()))
                    .help("write [ … ], or one item a line, each after `- `"),
            );
            return None;
        };
        Some(items.iter().filter_map(|item| T::decode(item, report)).collect())
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        T::decode(node, report).map(Box::new)
    }
}

/// One item, or a list of them.
#[derive(Clone, Debug)]
pub(crate) struct OneOrMany<T>(pub Vec<T>);

impl<T: Decode> Decode for OneOrMany<T> {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        match &node.value {
            NodeValue::Seq(_) => Vec::decode(node, report).map(Self),
            _ => T::decode(node, report).map(|one| Self(vec![one])),
        }
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("One or many {}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [item.clone(), { "type": "array", "items": item }] })
    }
}

/// The place and text of a key.
pub(crate) fn at(key: &Key) -> At<String> {
    At { value: key.text.clone(), span: key.span }
}

/// The node as a map, or a report of what is wanted.
pub(crate) fn as_map<'n>(node: &'n Node, report: &Report, wanted: &str, forms: Option<&str>) -> Option<&'n Map> {
    let map = node.map();
    if map.is_none() {
        report.add(
            error("config::wrong_shape", node.span, format!("a map of {wanted} is wanted here, not {}", node.kind()))
                .help(forms.unwrap_or("write { key: value, … }, or one `key: value` a line, indented")),
        );
    }
    map
}

/// Reports a key that a map does not have. Gives the key that was probably meant or spoilt by it, of which nothing
/// more needs to be said.
pub(crate) fn unknown_key(
    key: &Key,
    value: &Node,
    map: &Map,
    known: &[&'static str],
    what: &str,
    report: &Report,
) -> Option<&'static str> {
    if map.flow && value.is_null() && value.span.end <= value.span.start.max(key.span.end) {
        // `{ cron: 0 6,18 * * * }`: the comma ends the value, and the rest becomes a key without a value.
        let before = map.entries.iter().take_while(|(other, _)| other != key).last();
        if let Some((first, start)) = before {
            let text = start.scalar().map_or("…", |scalar| scalar.shown());
            let whole = format!("{}: \"{text},{}\"", first.text, key.text);
            report.add(
                error("config::split_text", key.span, format!("`{}` is read as a key of its own", key.text))
                    .label("the comma before this ended the value")
                    .also(start.span, "the value so far")
                    .help(format!("text with a comma needs quotes between braces: {whole}")),
            );
            return known.iter().copied().find(|known| *known == first.text);
        }
    }
    report.add(
        error("config::unknown_key", key.span, format!("{what} has no key `{}`", key.text))
            .label("not known")
            .maybe_help(suggest(&key.text, known.iter().copied())),
    );
    nearest(&key.text, known.iter().copied()).and_then(|near| known.iter().copied().find(|known| *known == near))
}

/// Reports a key that must be there.
pub(crate) fn missing_key(span: Span, key: &str, what: &str, why: &str, report: &Report) {
    report.add(
        error("config::missing_key", span, format!("{what} needs `{key}`"))
            .label(format!("`{key}` is missing"))
            .help(if why.is_empty() { format!("add `{key}:`") } else { why.to_owned() }),
    );
}

/// Declares a map: its fields, keys and documentation. `need` keys must be there; `may` keys need not.
macro_rules! written {
    (
        $(#[doc = $about:literal])*
        $name:ident as $what:literal {
            $( $(#[doc = $doc:literal])* $need:ident $field:ident $([$key:literal])? : $type:ty, )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, Default)]
        #[allow(dead_code, reason = "every map knows its place, not every one is asked for it")]
        pub(crate) struct $name {
            /// Where it is.
            pub span: $crate::config::source::Span,
            /// Keys that were given (or probably meant) but hold mistakes.
            pub broken: Vec<&'static str>,
            /// Where the keys are.
            pub keys: Vec<(&'static str, $crate::config::source::Span)>,
            /// Those that stand for nothing.
            pub nulls: Vec<(&'static str, $crate::config::source::Span)>,
            $( $(#[doc = $doc])* pub $field: Option<$type>, )*
        }

        impl $name {
            /// Every key.
            pub(crate) const KEYS: &'static [&'static str] = &[ $( written!(@key $field $($key)?) ),* ];

            /// The keys that were given, with their places.
            #[allow(dead_code, reason = "only some maps have keys that exclude each other")]
            pub(crate) fn given(&self) -> &[(&'static str, $crate::config::source::Span)] {
                &self.keys
            }
        }

        impl $crate::config::written::Decode for $name {
            fn decode(
                node: &$crate::config::tree::Node,
                report: &$crate::config::diagnostic::Report,
            ) -> Option<Self> {
                use $crate::config::written::{as_map, missing_key, unknown_key};
                let keys = Self::KEYS.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
                let forms = format!("{} is a map with any of {keys}", $what);
                let map = as_map(node, report, "settings", Some(&forms))?;
                let mut broken = Vec::new();
                let (mut keys, mut nulls) = (Vec::new(), Vec::new());
                for (key, value) in &map.entries {
                    match Self::KEYS.iter().find(|known| **known == key.text) {
                        Some(known) => {
                            keys.push((*known, key.span));
                            nulls.extend(value.is_null().then_some((*known, key.span)));
                        }
                        None => broken.extend(unknown_key(key, value, map, Self::KEYS, $what, report)),
                    }
                }
                Some(Self {
                    span: node.whole(),
                    $( $field: {
                        let value = map.get(written!(@key $field $($key)?)).filter(|node| !node.is_null());
                        let spoiled = broken.contains(&written!(@key $field $($key)?));
                        if written!(@needed $need) && value.is_none() && !spoiled {
                            missing_key(node.whole(), written!(@key $field $($key)?), $what, "", report);
                        }
                        let decoded = value.filter(|_| !spoiled).and_then(|node| $crate::config::written::Decode::decode(node, report));
                        if value.is_some() && decoded.is_none() {
                            broken.push(written!(@key $field $($key)?));
                        }
                        decoded
                    }, )*
                    broken,
                    keys,
                    nulls,
                })
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).trim_end_matches('W').into()
            }
            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut properties = serde_json::Map::new();
                let mut required: Vec<&str> = Vec::new();
                $(
                    let schema = generator.subschema_for::<$type>();
                    let text = concat!($($doc, "\n"),*).trim().to_owned();
                    properties.insert(
                        written!(@key $field $($key)?).to_owned(),
                        $crate::config::written::described(schema, text),
                    );
                    if written!(@needed $need) {
                        required.push(written!(@key $field $($key)?));
                    }
                )*
                schemars::json_schema!({
                    "type": "object",
                    "description": concat!($($about, "\n"),*).trim(),
                    "properties": properties,
                    "required": required,
                    "additionalProperties": false,
                })
            }
        }
    };
    (@key $field:ident $key:literal) => { $key };
    (@key $field:ident) => { stringify!($field) };
    (@needed need) => { true };
    (@needed may) => { false };
}
pub(crate) use written;

/// A schema with a description beside it.
pub(crate) fn described(mut schema: Schema, text: String) -> serde_json::Value {
    if !text.is_empty() {
        schema.insert("description".to_owned(), text.into());
    }
    schema.to_value()
}
