//! The tree of a file: every value with its place, every scalar with its text as written.
//!
//! No value is given a type here. `090`, `NO` and `1.10` stay what they are; whoever decodes a place knows what is
//! wanted there.

use super::source::Span;

/// A value with its place.
#[derive(Clone)]
pub(crate) struct Node {
    /// Where it is.
    pub span: Span,
    /// The key of a block map or list: the better place for what the whole lacks.
    pub owner: Option<Span>,
    /// What it is.
    pub value: NodeValue,
}

/// What a node is.
#[derive(Clone)]
pub(crate) enum NodeValue {
    /// A scalar.
    Scalar(Scalar),
    /// A sequence.
    Seq(Vec<Node>),
    /// A mapping, in the order written; no key twice.
    Map(Map),
}

/// A mapping.
#[derive(Clone)]
pub(crate) struct Map {
    /// Keys and values.
    pub entries: Vec<(Key, Node)>,
    /// Written as `{ … }`.
    pub flow: bool,
}

/// A key of a mapping.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// Its text.
    pub text: String,
    /// Where it is.
    pub span: Span,
}

/// A scalar.
#[derive(Clone)]
pub(crate) struct Scalar {
    /// Its text; environment placeholders are filled in. May hold a secret.
    pub text: String,
    /// Its text as written, where it held placeholders.
    pub written: Option<String>,
    /// Placeholders that are not plain environment values.
    pub holes: Vec<Hole>,
    /// Written without quotes.
    pub plain: bool,
}

/// A placeholder that a plain value cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hole {
    /// `${env:X}` where X is not set and there is no default.
    MissingEnv(String),
    /// `${file:…}`, `${credential:…}` or `${command:…}`, as written.
    SecretOnly(String),
}

impl Scalar {
    /// The text as it may be shown: as written, never what a placeholder stands for.
    pub(crate) fn shown(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.text)
    }

    /// Whether it stands for nothing: empty, `~` or `null` without quotes.
    pub(crate) fn is_null(&self) -> bool {
        self.plain && self.written.is_none() && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

impl Node {
    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            NodeValue::Scalar(scalar) if scalar.is_null() => "nothing",
            NodeValue::Scalar(_) => "a single value",
            NodeValue::Seq(_) => "a list",
            NodeValue::Map(_) => "a map",
        }
    }

    /// Where to say what it lacks.
    pub(crate) fn whole(&self) -> Span {
        self.owner.unwrap_or(self.span)
    }

    /// The scalar, if it is one that is not null.
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            NodeValue::Scalar(scalar) if !scalar.is_null() => Some(scalar),
            _ => None,
        }
    }

    /// Whether it is nothing at all.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, NodeValue::Scalar(scalar) if scalar.is_null())
    }

    /// Whether a piece of a text lies in it, also where an alias brought in what is written elsewhere.
    pub(crate) fn holds(&self, piece: Span) -> bool {
        self.span.holds(piece)
            || match &self.value {
                NodeValue::Scalar(_) => false,
                NodeValue::Seq(items) => items.iter().any(|item| item.holds(piece)),
                NodeValue::Map(map) => map.entries.iter().any(|(key, value)| key.span == piece || value.holds(piece)),
            }
    }

    /// The mapping, if it is one.
    pub(crate) const fn map(&self) -> Option<&Map> {
        match &self.value {
            NodeValue::Map(map) => Some(map),
            _ => None,
        }
    }
}

impl Map {
    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|(k, _)| k.text == key).map(|(_, node)| node)
    }
}
