//! `${params.x}` and `${client}`: put into the tree, never into text that is parsed again. A value that takes a whole
//! place may be anything, a list as well; inside a text it is text, and what it holds has no further meaning.

use super::{
    Origins,
    params::{Value, Values},
    read::Template,
};
use crate::config::{
    diagnostic::{Finding, Report, error},
    nearest::suggest,
    placeholders::{self, EnvSource},
    source::Span,
    tree::{Key, Map, Node, NodeValue, Scalar},
    written::text_of,
};

/// Fills in a template for one client.
pub(super) struct Filler<'a> {
    pub values: &'a Values,
    pub client: &'a Key,
    pub env: &'a dyn EnvSource,
    pub report: &'a Report,
}

/// A placeholder of templates in a text: where it is, and what stands in it.
struct Hole<'t> {
    start: usize,
    end: usize,
    name: &'t str,
}

/// The placeholders of templates in a text. They may stand inside others: `${file:secrets/${client}}`.
fn holes(text: &str) -> Vec<Hole<'_>> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices("${") {
        let rest = text.get(start + 2..).unwrap_or_default();
        let Some(length) = rest.find('}') else { continue };
        let name = rest.get(..length).unwrap_or_default();
        if name == "client" || name.starts_with("params.") {
            found.push(Hole { start, end: start + 3 + length, name });
        }
    }
    found
}

impl Filler<'_> {
    /// A map, filled in.
    pub(super) fn map(&self, map: &Map, origins: &mut Origins) -> Map {
        let entries = map.entries.iter().filter_map(|(key, value)| {
            let node = self.entry(value, origins)?;
            Some((key.clone(), node))
        });
        Map { entries: entries.collect(), flow: map.flow }
    }

    /// A node, filled in.
    pub(super) fn node(&self, node: &Node, origins: &mut Origins) -> Node {
        self.entry(node, origins).unwrap_or_else(|| nothing(node.span))
    }

    /// A node, filled in; `None` where it stands for a parameter that was left out.
    fn entry(&self, node: &Node, origins: &mut Origins) -> Option<Node> {
        let value = match &node.value {
            NodeValue::Map(map) => NodeValue::Map(self.map(map, origins)),
            NodeValue::Seq(items) => {
                NodeValue::Seq(items.iter().filter_map(|item| self.entry(item, origins)).collect())
            }
            NodeValue::Scalar(scalar) => return self.scalar(scalar, node, origins),
        };
        Some(Node { span: node.span, owner: node.owner, value })
    }

    fn scalar(&self, scalar: &Scalar, node: &Node, origins: &mut Origins) -> Option<Node> {
        let mut filled = node.clone();
        let holes = holes(&scalar.text);
        let whole = match holes.as_slice() {
            [hole] if hole.start == 0 && hole.end == scalar.text.len() => hole.name.strip_prefix("params."),
            _ => None,
        };
        if let Some(name) = whole {
            let Some(value) = self.values.by_name.get(name) else {
                self.report.add(unknown(name, node.span, self.values.by_name.keys().map(String::as_str)));
                return Some(nothing(node.span));
            };
            let value = value.as_ref()?;
            if value.given {
                origins.given(value.node.span, node.span);
            }
            let mut graft = if value.given { value.node.clone() } else { self.default(&value.node) };
            graft.owner = graft.owner.or(node.owner);
            return Some(graft);
        }
        let mut from_client = None;
        let (mut text, mut shown, mut at) = (String::new(), String::new(), 0);
        for hole in &holes {
            let before = scalar.text.get(at..hole.start).unwrap_or_default();
            text.push_str(before);
            shown.push_str(before);
            at = hole.end;
            let Some(name) = hole.name.strip_prefix("params.") else {
                text.push_str(&self.client.text);
                shown.push_str(&self.client.text);
                continue;
            };
            let Some(value) = self.values.by_name.get(name) else {
                self.report.add(unknown(name, node.span, self.values.by_name.keys().map(String::as_str)));
                continue;
            };
            let Some(value) = value else { continue };
            let Some(inner) = self.inside(name, value, node.span) else { continue };
            text.push_str(&inner.text);
            shown.push_str(inner.shown());
            if value.given {
                from_client = Some(value.node.span);
            }
        }
        let rest = scalar.text.get(at..).unwrap_or_default();
        text.push_str(rest);
        shown.push_str(rest);
        let hidden = text != shown;
        filled.value = NodeValue::Scalar(Scalar {
            text,
            written: None,
            holes: Vec::new(),
            plain: scalar.plain && holes.is_empty(),
        });
        placeholders::fill(&mut filled, self.env, false, self.report);
        if let NodeValue::Scalar(result) = &mut filled.value
            && hidden
        {
            result.written = Some(shown);
        }
        if let Some(place) = from_client {
            origins.given(place, node.span);
            filled.span = place;
        }
        Some(filled)
    }

    /// A value that stands inside a text.
    fn inside(&self, name: &str, value: &Value, span: Span) -> Option<Scalar> {
        let refuse = |why: &str, help: String| {
            let finding =
                error("config::placeholder", span, format!("`${{params.{name}}}` cannot stand inside a text: {why}"));
            self.report.add(finding.also(value.node.span, "its value").help(help));
        };
        if value.secret {
            refuse("a secret must be the whole value", format!("write \"${{params.{name}}}\" and nothing around it"));
            return None;
        }
        let default = (!value.given).then(|| self.default(&value.node));
        let scalar = text_of(default.as_ref().unwrap_or(&value.node), "text", self.report)?;
        if scalar.text.contains("${") {
            refuse("its value holds `${`", "write the value without placeholders of its own".to_owned());
            return None;
        }
        Some(scalar.clone())
    }

    /// A default stands in the template, where nothing was filled in yet.
    fn default(&self, node: &Node) -> Node {
        let mut node = node.clone();
        name_client(&mut node, &self.client.text);
        placeholders::fill(&mut node, self.env, false, self.report);
        node
    }
}

fn name_client(node: &mut Node, client: &str) {
    match &mut node.value {
        NodeValue::Scalar(scalar) if scalar.text.contains("${client}") => {
            scalar.text = scalar.text.replace("${client}", client);
        }
        NodeValue::Scalar(_) => {}
        NodeValue::Seq(items) => items.iter_mut().for_each(|item| name_client(item, client)),
        NodeValue::Map(map) => map.entries.iter_mut().for_each(|(_, value)| name_client(value, client)),
    }
}

fn nothing(span: Span) -> Node {
    let scalar = Scalar { text: String::new(), written: None, holes: Vec::new(), plain: true };
    Node { span, owner: None, value: NodeValue::Scalar(scalar) }
}

fn unknown<'n>(name: &str, span: Span, known: impl IntoIterator<Item = &'n str> + Clone) -> Finding {
    error("config::unknown_param", span, format!("the template has no parameter `{name}`"))
        .label("not known")
        .maybe_help(
            suggest(name, known).or_else(|| Some(format!("declare it: params: {{ {name}: {{ type: string }} }}"))),
        )
}

/// Checks the placeholders of a template by name, whether anybody uses it or not.
pub(super) fn check_names(template: &Template, report: &Report) {
    let known: Vec<&str> = template.params.iter().map(|param| param.name.value.as_str()).collect();
    for (_, node) in &template.body.entries {
        names(node, &known, report);
    }
    if let Some(base) = &template.base {
        let given = base.with.entries.iter().map(|(_, node)| node);
        given.chain(&base.overrides).for_each(|node| names(node, &known, report));
    }
}

fn names(node: &Node, known: &[&str], report: &Report) {
    match &node.value {
        NodeValue::Map(map) => {
            for (key, value) in &map.entries {
                placeholders::check_key(key, report);
                names(value, known, report);
            }
        }
        NodeValue::Seq(items) => items.iter().for_each(|item| names(item, known, report)),
        NodeValue::Scalar(scalar) => {
            for hole in holes(&scalar.text) {
                if let Some(name) = hole.name.strip_prefix("params.").filter(|name| !known.contains(name)) {
                    report.add(unknown(name, node.span, known.iter().copied()));
                }
            }
        }
    }
}
