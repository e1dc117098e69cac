//! Parameters: what a client gives to a template, each of a kind.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::read::{Template, Use};
use crate::config::{
    diagnostic::{Report, error},
    nearest::suggest,
    placeholders::is_placeholder,
    source::Sources,
    tree::{Key, Node, NodeValue, Scalar},
    written::{At, Decode, FromText as _, as_map, at, text_of, words, written},
};

words! {
    /// Kinds of parameter.
    ParamKindW as "kind of parameter" {
        String = "string", Integer = "integer", Boolean = "boolean", Duration = "duration", Url = "url", List = "list",
        Map = "map", Secret = "secret", Enum = "enum",
    }
}

/// Any value at all.
#[derive(Clone)]
pub(crate) struct AnyNode(pub Node);

impl Decode for AnyNode {
    fn decode(node: &Node, _: &Report) -> Option<Self> {
        Some(Self(node.clone()))
    }
}

impl std::fmt::Debug for AnyNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AnyNode").field(&self.0.span).finish()
    }
}

impl JsonSchema for AnyNode {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Any".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}

written! {
    /// A value that each client of a template gives.
    ParamW as "a parameter" {
        /// string, integer, boolean, duration, url, list, map, secret or enum. Default: string.
        may is_type ["type"]: At<ParamKindW>,
        /// Used by clients that do not give it. Without it, every client must.
        may default: AnyNode,
        /// `false`: a client that does not give it leaves out what it stands for. Default: true.
        may required: At<bool>,
        /// The values of an enum.
        may values: Vec<At<String>>,
        /// What a string must look like, from its beginning to its end.
        may pattern: At<Regex>,
        /// For people and editors.
        may description: At<String>,
    }
}

/// A parameter.
#[derive(Clone)]
pub(super) struct Param {
    /// Its name.
    pub name: At<String>,
    /// What it is.
    pub written: ParamW,
}

impl Param {
    /// Whether its values are secrets, or nobody knows of what kind they are.
    pub(super) fn may_be_secret(&self) -> bool {
        self.kind() == ParamKindW::Secret || self.written.broken.contains(&"type")
    }

    fn kind(&self) -> ParamKindW {
        self.written.is_type.as_ref().map_or(ParamKindW::String, |kind| kind.value)
    }

    /// Whether a client has to give it.
    fn is_required(&self) -> bool {
        self.written.default.is_none() && self.written.required.as_ref().is_none_or(|required| required.value)
    }
}

/// Reads `params:`; a parameter without any settings is a required string.
pub(super) fn read(node: &Node, report: &Report, sources: &mut Sources) -> Vec<Param> {
    if node.is_null() {
        return Vec::new();
    }
    let Some(map) = as_map(node, report, "parameters", Some("write params: { site: { type: url } }")) else {
        return Vec::new();
    };
    let mut params = Vec::new();
    for (key, value) in &map.entries {
        let written = if value.is_null() { Some(ParamW::default()) } else { ParamW::decode(value, report) };
        let Some(written) = written else { continue };
        let param = Param { name: at(key), written };
        if let (Some(AnyNode(default)), true) = (&param.written.default, param.may_be_secret()) {
            hide(default, sources);
        }
        if !is_name(&key.text) {
            report.add(
                error("config::bad_name", key.span, format!("`{}` is no name for a parameter", key.text))
                    .help("use lowercase letters, digits, `_` and `-`, as pull_payments"),
            );
            continue;
        }
        if param.kind() == ParamKindW::Enum && param.written.values.is_none() {
            report.add(
                error("config::missing_key", key.span, format!("the enum `{}` needs `values`", key.text))
                    .help("add values: [ au, nz ]"),
            );
        }
        if let Some(AnyNode(default)) = &param.written.default {
            check(&param, default, report);
        }
        params.push(param);
    }
    params
}

/// Lowercase letters, digits, `_` and `-`.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
}

/// The values of a template's parameters for one client.
pub(super) struct Values {
    /// By name. `None` is a parameter that may be left out and was.
    pub by_name: BTreeMap<String, Option<Value>>,
}

/// A value.
pub(super) struct Value {
    /// What it is.
    pub node: Node,
    /// Whether the client gave it, and not the template's default.
    pub given: bool,
    /// Whether it is a secret.
    pub secret: bool,
}

impl Values {
    /// Checks what a client gives. `None` when something is missing or wrong.
    pub(super) fn check(template: &Template, used: &Use, client: &Key, report: &Report) -> Option<Self> {
        let before = report.errors();
        for (key, _) in &used.with.entries {
            if template.params.iter().all(|param| param.name.value != key.text) {
                let names = template.params.iter().map(|param| param.name.value.as_str());
                report.add(
                    error(
                        "config::unknown_param",
                        key.span,
                        format!("the template `{}` has no parameter `{}`", template.name.value, key.text),
                    )
                    .label("not known")
                    .also(template.name.span, "the template")
                    .maybe_help(suggest(&key.text, names).or_else(|| Some("it has no parameters".to_owned()))),
                );
            }
        }
        let mut by_name = BTreeMap::new();
        for param in &template.params {
            let name = &param.name.value;
            let given = used.with.get(name).filter(|node| !node.is_null());
            if let Some(node) = given {
                let secret = param.kind() == ParamKindW::Secret;
                check(param, node, report);
                by_name.insert(name.clone(), Some(Value { node: node.clone(), given: true, secret }));
                continue;
            }
            if param.is_required() {
                let about =
                    param.written.description.as_ref().map_or(String::new(), |text| format!(": {}", text.value));
                report.add(
                    error("config::missing_param", used.with_span, format!("`{}` needs `{name}`{about}", client.text))
                        .label(format!("`{name}` is missing"))
                        .also(param.name.span, "the template asks for it here")
                        .help(format!("add with: {{ {name}: … }}")),
                );
            }
            let default = param.written.default.as_ref();
            let secret = param.kind() == ParamKindW::Secret;
            by_name
                .insert(name.clone(), default.map(|AnyNode(node)| Value { node: node.clone(), given: false, secret }));
        }
        (report.errors() == before).then_some(Self { by_name })
    }
}

/// What may be a secret is not shown in snippets, whatever its parameter is called.
pub(super) fn hide(node: &Node, sources: &mut Sources) {
    match &node.value {
        NodeValue::Scalar(scalar) if is_placeholder(scalar.shown()) => {}
        NodeValue::Scalar(_) => sources.hide(node.span),
        NodeValue::Seq(items) => items.iter().for_each(|item| hide(item, sources)),
        NodeValue::Map(map) => map.entries.iter().for_each(|(_, value)| hide(value, sources)),
    }
}

/// Checks that a value is of its parameter's kind.
fn check(param: &Param, node: &Node, report: &Report) {
    let name = &param.name.value;
    let wrong = |what: &str, help: &str| {
        let found = node.scalar().map_or_else(|| node.kind().to_owned(), |scalar| format!("`{}`", scalar.shown()));
        report.add(
            error("config::bad_param", node.span, format!("`{name}` is {what}, and {found} is not"))
                .also(param.name.span, "the parameter")
                .help(help.to_owned()),
        );
    };
    let text = |wanted: &str| -> Option<Scalar> { text_of(node, wanted, report).cloned() };
    match param.kind() {
        ParamKindW::List if !matches!(node.value, NodeValue::Seq(_)) => wrong("a list", "write [ a, b ]"),
        ParamKindW::Map if node.map().is_none() => wrong("a map", "write { a: 1, b: 2 }"),
        ParamKindW::List | ParamKindW::Map => {}
        ParamKindW::Secret => {
            if node.scalar().is_none() {
                wrong("a secret", "write \"${file:secrets/name}\", \"${credential:name}\" or \"${env:NAME}\"");
            }
        }
        ParamKindW::String => {
            let Some(scalar) = text("text") else { return };
            if let Some(pattern) = &param.written.pattern
                && !whole_match(&pattern.value, &scalar.text)
            {
                wrong(&format!("text like /{}/", pattern.value.as_str()), "write it as the template asks");
            }
        }
        ParamKindW::Integer => {
            if text("a whole number").is_some_and(|scalar| scalar.text.parse::<i64>().is_err()) {
                wrong("a whole number", "write digits only, as 30");
            }
        }
        ParamKindW::Boolean => {
            if text("true or false").is_some_and(|scalar| !matches!(scalar.text.as_str(), "true" | "false")) {
                wrong("true or false", "write true or false");
            }
        }
        ParamKindW::Duration => {
            if text("a duration").is_some_and(|scalar| Duration::from_text(&scalar.text, scalar.plain).is_err()) {
                wrong("a duration", "write a number and a unit, as 2m");
            }
        }
        ParamKindW::Url => {
            let sound = |text: &str| {
                url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            };
            if text("an address").is_some_and(|scalar| !sound(&scalar.text)) {
                wrong("an http or https address", "write the whole address: https://shop.example/sync/v1");
            }
        }
        ParamKindW::Enum => {
            let values: Vec<&str> = param.written.values.iter().flatten().map(|value| value.value.as_str()).collect();
            if let Some(scalar) = text("a word")
                && !values.contains(&scalar.text.as_str())
            {
                let help = suggest(&scalar.text, values.iter().copied()).unwrap_or_default();
                wrong(&format!("one of {}", values.join(", ")), &help);
            }
        }
    }
}

fn whole_match(pattern: &Regex, text: &str) -> bool {
    Regex::new(&format!("^(?:{})$", pattern.as_str())).is_ok_and(|whole| whole.is_match(text))
}
