//! Fields and transforms.

use std::borrow::Cow;

use rust_decimal::Decimal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    At, BlanksW, ConflictsW, Decode, DifferencesW, DirectionW, OneOrMany, Raw, as_map, not_a_word, or_placeholder,
    text_of, words, written,
};
use crate::{
    config::{
        diagnostic::{Report, error},
        source::Span,
        tree::{Node, NodeValue},
    },
    record::Path,
};

written! {
    /// What corresponds: `source` and `target`, or `value` and `target`, or `at` or `each` with `fields`.
    FieldW as "a field" {
        /// Path on the source; several are joined.
        may source: OneOrMany<At<Path>>,
        /// Path on the target.
        may target: At<Path>,
        /// Which way it flows; the pipeline's direction unless given.
        may direction: At<DirectionW>,
        /// When it is written.
        may write: At<WriteW>,
        /// Differences that do not count, on both sides.
        may normalize: OneOrMany<TransformW>,
        /// How a source value becomes a target value.
        may transform: OneOrMany<TransformW>,
        /// How a target value becomes a source value, where `transform` cannot be turned round.
        may reverse: OneOrMany<TransformW>,
        /// What stands between several source values.
        may join: At<String>,
        /// The several source values are numbers and are multiplied instead: quantity by price.
        may product: At<bool>,
        /// Appended when the target already has a record of this value; `{id}` is the source id.
        may unique_suffix: At<String>,
        /// A table to look the value up in.
        may lookup: At<String>,
        /// What to do with a key that is not in the table.
        may unknown: UnknownW,
        /// The value is the id of a record of this pipeline.
        may reference: At<String>,
        /// A constant for the target.
        may value: At<Raw>,
        /// The constant is the id of a record of this resource of the target, which is looked up before anything is sent.
        may one_of: At<String>,
        /// What happens when both sides changed it.
        may conflicts: ConflictsW,
        /// What a cleared value does.
        may blanks: At<BlanksW>,
        /// What happens when the sides differ and there is no history.
        may differences: At<DifferencesW>,
        /// Another pipeline writes this path too, and both merge through the record.
        may shared: At<bool>,
        /// Where the paths of `fields` begin.
        may at: AtW,
        /// A list, mapped element by element by `fields`.
        may each: EachW,
        /// The fields below `at` or `each`.
        may fields: Vec<FieldW>,
    }
}

written! {
    /// Where the paths of `fields` begin.
    AtW as "at" {
        /// On the source; `$` unless given.
        may source: At<Path>,
        /// On the target; `$` unless given.
        may target: At<Path>,
    }
}

written! {
    /// A list, mapped element by element.
    EachW as "each" {
        /// The list on the source.
        need source: At<Path>,
        /// The list on the target.
        need target: At<Path>,
        /// What names an element on each side.
        need key: KeyW,
        /// Whether elements of the target that the source does not have are removed: all (true), those that came from the
        /// source (ours) or none (false). Default: false.
        may removes: At<RemovesW>,
        /// What becomes of an element whose reference is not linked yet. Default: wait, and the record waits with it.
        may unlinked: At<UnlinkedW>,
    }
}

written! {
    /// What names an element on each side, relative to the element.
    KeyW as "key" {
        /// On the source.
        need source: At<Path>,
        /// On the target.
        need target: At<Path>,
    }
}

/// Which elements of the target are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemovesW {
    /// None of them, or all that the source does not have.
    Any(bool),
    /// Those that came from the source.
    Ours,
}

impl Decode for At<RemovesW> {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        let scalar = text_of(node, "a choice for removes", report)?;
        let value = match scalar.text.as_str() {
            "true" => RemovesW::Any(true),
            "false" => RemovesW::Any(false),
            "ours" => RemovesW::Ours,
            _ => {
                not_a_word("choice for removes", scalar.shown(), node.span, &["true", "false", "ours"], report);
                return None;
            }
        };
        Some(Self { value, span: node.span })
    }
}

impl JsonSchema for At<RemovesW> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "choice for removes".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        or_placeholder(&json_schema!({ "enum": [true, false, "ours"] }))
    }
}

words! {
    /// What becomes of an element that refers to a record which is not linked yet.
    UnlinkedW as "choice for unlinked" { Wait = "wait", LeaveOut = "leave-out", }
}

words! {
    /// When a field is written.
    WriteW as "way to write" { Always = "always", OnCreate = "on-create", IfBlank = "if-blank", }
}

/// What to do with a key that is not in a table.
#[derive(Clone, Debug)]
pub(crate) enum UnknownW {
    /// Park the field.
    Park,
    /// Pass the key through.
    Keep,
    /// Use this.
    Value(String),
}

const UNKNOWN_FORMS: &str = "write `unknown: park`, `unknown: keep` or `unknown: { value: 200 }`";

impl Decode for UnknownW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        if let NodeValue::Map(map) = &node.value {
            if let [(key, value)] = map.entries.as_slice()
                && key.text == "value"
            {
                return At::<String>::decode(value, report).map(|text| Self::Value(text.value));
            }
            report.add(error("config::bad_value", node.span, "this is no rule for unknown keys").help(UNKNOWN_FORMS));
            return None;
        }
        let scalar = text_of(node, "a rule for unknown keys", report)?;
        match scalar.text.as_str() {
            "park" => Some(Self::Park),
            "keep" => Some(Self::Keep),
            _ => {
                report.add(
                    error("config::bad_word", node.span, format!("`{}` is no rule for unknown keys", scalar.shown()))
                        .help(UNKNOWN_FORMS),
                );
                None
            }
        }
    }
}

impl JsonSchema for UnknownW {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Unknown".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "enum": ["park", "keep"] },
            { "type": "object", "required": ["value"], "additionalProperties": false, "properties": {
                "value": { "type": ["string", "number", "boolean"], "description": "What is written for a key that the table lacks." },
            } },
        ] })
    }
}

/// One step of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct TransformW {
    /// Where it is.
    pub span: Span,
    /// Its name as written.
    pub name: &'static str,
    /// What it does.
    pub step: StepW,
}

/// What a step does.
#[derive(Clone, Debug)]
pub(crate) enum StepW {
    /// A step without parameters.
    Simple,
    /// `divide`, `multiply`.
    Number(At<Decimal>),
    /// `round`, `truncate`.
    Count(At<u32>),
    /// `prefix`, `suffix`.
    Text(At<String>),
    /// `default`.
    Value(At<Raw>),
    /// `date`.
    Date(Box<DateW>),
    /// `replace`.
    Replace(Box<ReplaceW>),
    /// `split`.
    Split(Box<SplitW>),
    /// `words`.
    Words(Box<WordsW>),
    /// `lookup`.
    Lookup(Box<LookupW>),
}

written! {
    /// The calendar date of an instant.
    DateW as "date" {
        /// The time zone in which the day is meant.
        need zone: At<chrono_tz::Tz>,
    }
}

written! {
    /// Replaces every match.
    ReplaceW as "replace" {
        /// A regular expression.
        need pattern: At<regex::Regex>,
        /// What to put there; `$1` is the first group.
        need with: At<String>,
    }
}

written! {
    /// One part of a text.
    SplitW as "split" {
        /// The separator.
        need on: At<String>,
        /// Which part, from 0.
        need index: At<u32>,
    }
}

written! {
    /// Words for true and false.
    WordsW as "words" {
        /// The word for true.
        need yes: At<String>,
        /// The word for false.
        need no: At<String>,
    }
}

written! {
    /// A value found in a table.
    LookupW as "lookup" {
        /// The table.
        need table: At<String>,
        /// What to do with a key that is not in it.
        may unknown: UnknownW,
    }
}

const SIMPLE: [&str; 7] = ["trim", "lowercase", "uppercase", "collapse_spaces", "phone", "text", "number"];
const WITH: [&str; 11] =
    ["divide", "multiply", "round", "truncate", "prefix", "suffix", "default", "date", "replace", "split", "words"];

/// What a step with parameters does.
fn about(name: &str) -> &'static str {
    match name {
        "divide" => "Divides a number: cents become dollars with 100. Turns back by itself.",
        "multiply" => "Multiplies a number. Turns back by itself.",
        "round" => "Rounds a number to so many places.",
        "truncate" => "Cuts a text after so many characters.",
        "prefix" => "Puts a text in front; taken away on the way back.",
        "suffix" => "Puts a text behind; taken away on the way back.",
        "default" => "What is written where there is nothing.",
        "date" => "The calendar date of an instant.",
        "replace" => "Replaces every match of a pattern.",
        "split" => "One part of a text.",
        "words" => "Words for true and false.",
        _ => "The value that a table has for it: the table's name, or a map.",
    }
}

/// Each step in the form it is written.
fn form(name: &str) -> &'static str {
    match name {
        "divide" => "{ divide: 100 }",
        "multiply" => "{ multiply: 100 }",
        "round" => "{ round: 2 }",
        "truncate" => "{ truncate: 50 }",
        "prefix" => "{ prefix: \"INV-\" }",
        "suffix" => "{ suffix: \" Ltd\" }",
        "default" => "{ default: none }",
        "date" => "{ date: { zone: Pacific/Auckland } }",
        "replace" => "{ replace: { pattern: '[^0-9]', with: \"\" } }",
        "split" => "{ split: { on: \" \", index: 0 } }",
        "words" => "{ words: { yes: Y, no: N } }",
        "lookup" => "{ lookup: table-name } or { lookup: { table: table-name, unknown: park } }",
        _ => "trim",
    }
}

impl Decode for TransformW {
    fn decode(node: &Node, report: &Report) -> Option<Self> {
        let names: Vec<&'static str> = SIMPLE.into_iter().chain(WITH).chain(["lookup"]).collect();
        if let Some(scalar) = node.scalar() {
            let found = text_of(node, "a transform", report)?.text.as_str();
            let Some(name) = names.iter().copied().find(|name| *name == found) else {
                not_a_word("transform", scalar.shown(), node.span, &names, report);
                return None;
            };
            if SIMPLE.contains(&name) {
                return Some(Self { span: node.span, name, step: StepW::Simple });
            }
            report.add(
                error("config::bad_value", node.span, format!("`{name}` needs to be told how"))
                    .help(format!("write {}", form(name))),
            );
            return None;
        }
        let map = as_map(
            node,
            report,
            "one transform",
            Some("write a word as `trim`, or a map of one key as { divide: 100 }"),
        )?;
        let [(key, value)] = map.entries.as_slice() else {
            report.add(
                error(
                    "config::bad_value",
                    node.span,
                    format!("a transform is one key; this map has {}", map.entries.len()),
                )
                .help("write several transforms as a list: [ trim, { divide: 100 } ]"),
            );
            return None;
        };
        let Some(name) = names.iter().copied().find(|name| *name == key.text) else {
            not_a_word("transform", &key.text, key.span, &names, report);
            return None;
        };
        let span = node.span;
        let step = match name {
            "divide" | "multiply" => At::decode(value, report).map(StepW::Number),
            "round" | "truncate" => At::decode(value, report).map(StepW::Count),
            "prefix" | "suffix" => At::decode(value, report).map(StepW::Text),
            "default" => At::decode(value, report).map(StepW::Value),
            "date" => Decode::decode(value, report).map(StepW::Date),
            "replace" => Decode::decode(value, report).map(StepW::Replace),
            "split" => Decode::decode(value, report).map(StepW::Split),
            "words" => Decode::decode(value, report).map(StepW::Words),
            "lookup" => match &value.value {
                NodeValue::Map(_) => Decode::decode(value, report).map(StepW::Lookup),
                _ => At::decode(value, report)
                    .map(|table| StepW::Lookup(Box::new(LookupW { span, table: Some(table), ..LookupW::default() }))),
            },
            _ => {
                report.add(
                    error("config::bad_value", value.span, format!("`{name}` takes nothing"))
                        .help(format!("write `{name}` alone")),
                );
                None
            }
        };
        step.map(|step| Self { span, name, step })
    }
}

impl JsonSchema for TransformW {
    fn schema_name() -> Cow<'static, str> {
        "Transform".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = |key: &str, value: serde_json::Value| {
            let mut value = value;
            if let Some(members) = value.as_object_mut() {
                members.insert("description".to_owned(), format!("{} Written as {}.", about(key), form(key)).into());
            }
            serde_json::json!({
                "type": "object", "properties": { key: value }, "required": [key], "additionalProperties": false,
            })
        };
        let number = serde_json::json!({ "type": ["number", "string"] });
        let count = serde_json::json!({ "type": "integer", "minimum": 0 });
        let text = serde_json::json!({ "type": ["string", "number", "boolean"] });
        let mut forms = vec![serde_json::json!({ "enum": SIMPLE })];
        for name in ["divide", "multiply"] {
            forms.push(one(name, number.clone()));
        }
        for name in ["round", "truncate"] {
            forms.push(one(name, count.clone()));
        }
        for name in ["prefix", "suffix", "default"] {
            forms.push(one(name, text.clone()));
        }
        forms.push(one("date", generator.subschema_for::<DateW>().to_value()));
        forms.push(one("replace", generator.subschema_for::<ReplaceW>().to_value()));
        forms.push(one("split", generator.subschema_for::<SplitW>().to_value()));
        forms.push(one("words", generator.subschema_for::<WordsW>().to_value()));
        let lookup = generator.subschema_for::<LookupW>().to_value();
        forms.push(one("lookup", serde_json::json!({ "anyOf": [{ "type": "string" }, lookup] })));
        json_schema!({ "anyOf": forms })
    }
}
