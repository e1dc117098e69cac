//! XML as XPM reads and writes it. On purpose not the connector's own: two readers that agree say more than one.

use std::fmt::Write as _;

use quick_xml::{
    Reader,
    escape::{escape, resolve_xml_entity},
    events::Event,
};
use serde_json::{Map, Value};

/// An element: text, members, nothing where members could be, or a list with the name of its elements.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Nothing,
    Text(String),
    Members(Vec<(&'static str, Node)>),
    List(&'static str, Vec<Node>),
}

impl Node {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn yes(yes: bool) -> Self {
        Self::text(if yes { "Yes" } else { "No" })
    }

    /// The element as XML; an empty one is `<Name />`.
    pub(crate) fn xml(&self, name: &str, out: &mut String) {
        match self {
            Self::Nothing => write!(out, "<{name} />"),
            Self::Text(text) if text.is_empty() => write!(out, "<{name} />"),
            Self::Text(text) => write!(out, "<{name}>{}</{name}>", escape(text.as_str())),
            Self::Members(members) => {
                let mut inner = String::new();
                for (name, node) in members {
                    node.xml(name, &mut inner);
                }
                write!(out, "<{name}>{inner}</{name}>")
            }
            Self::List(item, items) => {
                let mut inner = String::new();
                for node in items {
                    node.xml(item, &mut inner);
                }
                if inner.is_empty() { write!(out, "<{name} />") } else { write!(out, "<{name}>{inner}</{name}>") }
            }
        }
        // Writing to a String cannot fail.
        .unwrap_or_default();
    }

    /// The same as JSON, where names begin with a small letter and some values are no texts.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Text(text) => Value::String(text.clone()),
            Self::List(_, items) => items.iter().map(Self::json).collect(),
            Self::Members(members) => {
                let members = members.iter().map(|(name, node)| (camel(name), node.member(name)));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }

    /// The value of the member of this name.
    fn member(&self, name: &str) -> Value {
        match self {
            Self::Text(text) if NUMBERS.contains(&name) => text.parse().map_or(Value::Null, Value::Number),
            Self::Text(text) if BOOLEANS.contains(&name) => text.parse().map_or(Value::Null, Value::Bool),
            _ => self.json(),
        }
    }
}

/// Elements that are numbers in JSON, as the `OpenAPI` file has them.
const NUMBERS: [&str; 5] = ["BalanceMonth", "ProvisionalTaxRatio", "Budget", "Decimal", "Number"];

/// Elements that are `true` or `false` in JSON; others say `Yes` or `No` there, too.
const BOOLEANS: [&str; 2] = ["Boolean", "UseClient"];

/// `GSTRegistered` as `gstRegistered`, `AccountManagerUUID` as `accountManagerUuid`: of capitals in a row the first begins
/// a word, and the last one does if a small letter follows.
fn camel(name: &str) -> String {
    let mut written = String::new();
    let (mut rest, mut before) = (name.chars().peekable(), None::<char>);
    while let Some(letter) = rest.next() {
        let in_a_row = before.is_some_and(char::is_uppercase);
        let begins_word = !in_a_row || rest.peek().is_some_and(|next| next.is_lowercase());
        if before.is_some() && begins_word {
            written.push(letter);
        } else {
            written.extend(letter.to_lowercase());
        }
        before = Some(letter);
    }
    written
}

/// An element as it was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// Reads a document of one element.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Self> = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => open.push(Self::start(&start)?),
                Event::Empty(start) => {
                    let element = Self::start(&start)?;
                    open.last_mut()?.children.push(element);
                }
                Event::End(_) => {
                    let element = open.pop()?;
                    open.last_mut()?.children.push(element);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::GeneralRef(entity) => {
                    let known = match entity.resolve_char_ref().ok()? {
                        Some(character) => character.to_string(),
                        None => resolve_xml_entity(&entity.xml10_content())?.to_owned(),
                    };
                    open.last_mut()?.text.push_str(&known);
                }
                Event::Eof if open.len() == 1 => return open.pop()?.children.into_iter().next(),
                Event::Eof | Event::DocType(_) => return None,
                _ => {}
            }
        }
    }

    fn start(start: &quick_xml::events::BytesStart<'_>) -> Option<Self> {
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.ok()?;
            let value = quick_xml::escape::unescape(&attribute.value).ok()?.into_owned();
            attributes.push((attribute.key.local_name().into_inner().to_owned(), value));
        }
        Some(Self { name: start.local_name().into_inner().to_owned(), attributes, ..Self::default() })
    }

    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of a child, if there is one of this name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// The UUID of a child that stands for another record: `<Client><UUID>…</UUID></Client>`.
    pub(crate) fn reference(&self, name: &str) -> Option<&str> {
        self.child(name).and_then(|child| child.value("UUID"))
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
