//! Bodies, and what an answer says apart from its status.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

use crate::record::Path;

/// How bodies are written.
#[derive(Clone, Debug, Default)]
pub struct Bodies {
    /// Of answers.
    pub read: BodyKind,
    /// Of requests.
    pub write: BodyKind,
    /// What XML does not say by itself.
    pub xml: XmlRules,
}

/// Kinds of body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyKind {
    /// JSON.
    #[default]
    Json,
    /// XML; the root element is the answer itself, as `$`.
    Xml,
    /// `a=1&b[c]=2`; only of requests.
    Form,
    /// A head line and one record a line; only of answers.
    Csv,
}

impl BodyKind {
    /// Whether every value is text.
    #[must_use]
    pub const fn is_textual(self) -> bool {
        matches!(self, Self::Xml | Self::Form | Self::Csv)
    }
}

/// What XML does not say by itself. Names are without their prefix.
#[derive(Clone, Debug, Default)]
pub struct XmlRules {
    /// Elements that stand for a list, with the name of their elements: `Contacts: Contact`.
    pub lists: BTreeMap<String, String>,
    /// Elements that may come several times without an element around them: always a list, even of one.
    pub repeated: BTreeSet<String>,
}

/// Something an answer says: all that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct AnswerMatch {
    /// Its status is one of these; any if empty.
    pub statuses: Vec<u16>,
    /// Where to look in its body.
    pub path: Option<Path>,
    /// The values there that mean so. With [`AnswerMatch::not`], every other value that is there.
    pub values: Vec<Value>,
    /// See [`AnswerMatch::values`].
    pub not: bool,
    /// A pattern in the text there, or in the whole body where no path is given.
    pub text: Option<Regex>,
}

impl AnswerMatch {
    /// Whether an answer says so.
    #[must_use]
    pub fn fits(&self, status: u16, body: Option<&Value>, text: &str) -> bool {
        if !self.statuses.is_empty() && !self.statuses.contains(&status) {
            return false;
        }
        let Some(path) = &self.path else {
            return self.text.as_ref().is_none_or(|pattern| pattern.is_match(text));
        };
        let found = body.map(|body| path.read_all(body)).unwrap_or_default();
        let says = |value: &&Value| {
            let named = self.values.is_empty() || self.values.contains(value) != self.not;
            let worded = self.text.as_ref().is_none_or(|pattern| match value {
                Value::String(text) => pattern.is_match(text),
                other => pattern.is_match(&other.to_string()),
            });
            named && worded
        };
        found.iter().any(says)
    }
}
