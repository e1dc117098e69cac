//! A tree as YAML again, each value with the place it came from: what `render` shows.

use std::fmt::Write as _;

use crate::config::{
    source::{Sources, Span},
    tree::{Map, Node, NodeValue, Scalar},
};

/// Writes a tree as block YAML, without the secrets in it. With `places`, every value that stands alone is followed by
/// its place.
pub(crate) fn emit(node: &Node, sources: &Sources, places: bool) -> String {
    let mut out = Emitter { text: String::new(), sources, places };
    match &node.value {
        NodeValue::Map(map) if !map.entries.is_empty() => out.map(map, 0),
        NodeValue::Seq(items) if !items.is_empty() => out.seq(items, 0),
        _ => {
            out.leaf(node);
        }
    }
    out.text
}

struct Emitter<'s> {
    text: String,
    sources: &'s Sources,
    places: bool,
}

impl Emitter<'_> {
    fn indent(&mut self, depth: usize) {
        for _ in 0..depth {
            self.text.push_str("  ");
        }
    }

    fn map(&mut self, map: &Map, depth: usize) {
        for (number, (key, value)) in map.entries.iter().enumerate() {
            // The first key of a map in a list stands behind the dash.
            if number > 0 || !self.text.ends_with("- ") {
                self.indent(depth);
            }
            self.text.push_str(&plain_or_quoted(&key.text));
            self.text.push(':');
            self.below(value, depth);
        }
    }

    fn seq(&mut self, items: &[Node], depth: usize) {
        for item in items {
            self.indent(depth);
            self.text.push_str("- ");
            match &item.value {
                NodeValue::Map(map) if !map.entries.is_empty() => self.map(map, depth + 1),
                NodeValue::Seq(inner) if !inner.is_empty() => {
                    // `- - x` reads badly: an inner list begins on a line of its own.
                    self.text.pop();
                    self.text.push('\n');
                    self.seq(inner, depth + 1);
                }
                _ => self.leaf(item),
            }
        }
    }

    /// What follows a key.
    fn below(&mut self, value: &Node, depth: usize) {
        match &value.value {
            NodeValue::Map(map) if !map.entries.is_empty() => {
                self.text.push('\n');
                self.map(map, depth + 1);
            }
            NodeValue::Seq(items) if !items.is_empty() => {
                self.text.push('\n');
                self.seq(items, depth + 1);
            }
            _ => {
                self.text.push(' ');
                self.leaf(value);
            }
        }
    }

    fn leaf(&mut self, node: &Node) {
        match &node.value {
            NodeValue::Map(_) => self.text.push_str("{}"),
            NodeValue::Seq(_) => self.text.push_str("[]"),
            NodeValue::Scalar(scalar) => {
                let text = self.scalar(scalar, node.span);
                self.text.push_str(&text);
            }
        }
        if self.places {
            let place = self.sources.place(node.span);
            let _ = write!(self.text, "  # {}:{}", place.file, place.line);
        }
        self.text.push('\n');
    }

    fn scalar(&self, scalar: &Scalar, span: Span) -> String {
        // Also where it was written with a placeholder: the default of one may be the secret.
        if self.sources.is_hidden(span) {
            return quoted("(secret)");
        }
        if scalar.plain && scalar.written.is_none() { plain_or_quoted(&scalar.text) } else { quoted(scalar.shown()) }
    }
}

/// As it is where that reads back as the same text, else in quotes. What was plain stays plain where it can: `true`
/// in quotes would be text.
fn plain_or_quoted(text: &str) -> String {
    let safe = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '$' | '+' | '(' | ')' | '=' | '%');
    let first = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.' | '/');
    let simple = text.chars().next().is_some_and(first) && text.chars().all(safe);
    if simple { text.to_owned() } else { quoted(text) }
}

/// In double quotes: JSON's escapes are YAML's as well.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}
