//! Reading XML.
//!
//! The root element is the answer itself. An element with others in it becomes an object, one without becomes text;
//! attributes are members whose names begin with `@`. Lists are told by the manifest, since one element alone does not
//! say that there could be two. Documents that define entities are refused: no business system sends them, and they
//! are how a small document becomes a large one.

use std::ops::Range;

use quick_xml::{
    Reader,
    escape::resolve_xml_entity,
    events::{BytesRef, BytesStart, Event},
};
use serde_json::{Map, Value};

use super::Found;
use crate::connector::XmlRules;

/// Deepest nesting that is read.
const DEEPEST: usize = 64;

/// Reads a document.
///
/// # Errors
///
/// What is wrong, and at which byte.
pub(super) fn parse(rules: &XmlRules, text: &str) -> Result<Value, String> {
    let mut walk = Walk::new(rules, text);
    let (name, element) = walk.root()?;
    let value = walk.content(&name, element, 0)?;
    walk.end()?;
    Ok(value)
}

/// The places of the records at `names`, and the whole without them. `None` where they are not in a list of their own.
///
/// # Errors
///
/// As [`parse`].
pub(super) fn split(rules: &XmlRules, text: &str, names: &[&str]) -> Result<Found, String> {
    let Some(item) = names.last().and_then(|last| rules.lists.get(*last)) else { return Ok(None) };
    let mut walk = Walk::new(rules, text);
    walk.split = Some(Split { names, item, at: 0, records: Vec::new(), found: false });
    let (name, element) = walk.root()?;
    let value = walk.content(&name, element, 0)?;
    walk.end()?;
    Ok(walk.split.filter(|split| split.found).map(|split| (value, split.records)))
}

/// The list whose records are only looked for.
struct Split<'t> {
    names: &'t [&'t str],
    item: &'t str,
    /// How many of the names the walk is inside of.
    at: usize,
    records: Vec<Range<usize>>,
    found: bool,
}

/// An element's start: its attributes, and whether it is empty.
struct Element {
    attributes: Map<String, Value>,
    empty: bool,
    nil: bool,
}

struct Walk<'t> {
    rules: &'t XmlRules,
    reader: Reader<&'t [u8]>,
    split: Option<Split<'t>>,
}

impl<'t> Walk<'t> {
    fn new(rules: &'t XmlRules, text: &'t str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        Self { rules, reader, split: None }
    }

    fn next(&mut self) -> Result<Event<'t>, String> {
        let event = self.reader.read_event().map_err(|error| self.at(&error))?;
        match event {
            Event::DocType(_) => Err(self.at(&"it defines a document type, which is not read")),
            event => Ok(event),
        }
    }

    fn at(&self, error: &dyn std::fmt::Display) -> String {
        format!("{error}, at byte {}", self.reader.buffer_position())
    }

    fn place(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    fn root(&mut self) -> Result<(String, Element), String> {
        loop {
            match self.next()? {
                Event::Start(start) => return self.element(&start, false),
                Event::Empty(start) => return self.element(&start, true),
                Event::Eof => return Err(self.at(&"there is no element in it")),
                Event::Text(text) if !text.xml10_content().trim().is_empty() => {
                    return Err(self.at(&"it begins with text"));
                }
                _ => {}
            }
        }
    }

    fn end(&mut self) -> Result<(), String> {
        loop {
            match self.next()? {
                Event::Eof => return Ok(()),
                Event::Start(_) | Event::Empty(_) => return Err(self.at(&"there is a second root element")),
                _ => {}
            }
        }
    }

    fn element(&self, start: &BytesStart<'_>, empty: bool) -> Result<(String, Element), String> {
        let (mut attributes, mut nil) = (Map::new(), false);
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| self.at(&error))?;
            let key: &str = attribute.key.as_ref();
            if key == "xmlns" || key.starts_with("xmlns:") {
                continue;
            }
            let text = unescape(&attribute.value).map_err(|error| self.at(&error))?;
            let name: &str = attribute.key.local_name().into_inner();
            if name == "nil" && key != "nil" {
                nil = matches!(text.as_str(), "true" | "1");
                continue;
            }
            attributes.insert(format!("@{name}"), Value::String(text));
        }
        Ok((start.local_name().into_inner().to_owned(), Element { attributes, empty, nil }))
    }

    /// The value of an element whose start was read.
    fn content(&mut self, name: &str, element: Element, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err(self.at(&format!("it is nested deeper than {DEEPEST} elements")));
        }
        let list = (depth > 0).then(|| self.rules.lists.get(name)).flatten();
        let (mut text, mut items) = (String::new(), Vec::new());
        let mut members = element.attributes;
        let target = self.enters(name, depth);
        let mut open = !element.empty;
        while open {
            let before = self.place();
            match self.next()? {
                Event::Start(start) => {
                    let (inner, start) = self.element(&start, false)?;
                    self.child(&inner, start, depth, list, before, &mut members, &mut items)?;
                }
                Event::Empty(start) => {
                    let (inner, start) = self.element(&start, true)?;
                    self.child(&inner, start, depth, list, before, &mut members, &mut items)?;
                }
                Event::End(_) => open = false,
                Event::Eof => return Err(self.at(&format!("`{name}` does not end"))),
                Event::Text(more) => text.push_str(&more.xml10_content()),
                Event::CData(more) => text.push_str(&more.xml10_content()),
                Event::GeneralRef(entity) => text.push_str(&self.entity(&entity)?),
                _ => {}
            }
        }
        if target && let Some(split) = &mut self.split {
            split.at -= 1;
        }
        // A list that holds text is not what the rule says it is.
        if list.is_some() && text.trim().is_empty() {
            return Ok(Value::Array(items));
        }
        if element.nil {
            return Ok(Value::Null);
        }
        if members.is_empty() {
            return Ok(Value::String(text));
        }
        if !text.trim().is_empty() {
            members.insert("#text".to_owned(), Value::String(text));
        }
        Ok(Value::Object(members))
    }

    #[allow(clippy::too_many_arguments)] // All of it is the state of one element.
    fn child(
        &mut self,
        name: &str,
        element: Element,
        depth: usize,
        list: Option<&String>,
        before: usize,
        members: &mut Map<String, Value>,
        items: &mut Vec<Value>,
    ) -> Result<(), String> {
        let record = self
            .split
            .as_ref()
            .is_some_and(|split| split.at == split.names.len() && depth == split.at && split.item == name);
        let inside = self.split.as_ref().map(|split| split.at);
        if record && let Some(split) = &mut self.split {
            // Nothing inside of a record is looked for.
            split.at = usize::MAX;
        }
        let value = self.content(name, element, depth + 1)?;
        let after = self.place();
        if let (Some(split), Some(inside)) = (&mut self.split, inside) {
            split.at = inside;
            if record {
                split.records.push(before..after);
                return Ok(());
            }
        }
        if list.is_some_and(|item| item == name) {
            items.push(value);
            return Ok(());
        }
        match members.get_mut(name) {
            None if self.rules.repeated.contains(name) => {
                members.insert(name.to_owned(), Value::Array(vec![value]));
            }
            None => {
                members.insert(name.to_owned(), value);
            }
            Some(Value::Array(known)) if !self.rules.lists.contains_key(name) => known.push(value),
            Some(known) => {
                let first = known.take();
                *known = Value::Array(vec![first, value]);
            }
        }
        Ok(())
    }

    /// Whether this element is the next of the names that lead to the records.
    fn enters(&mut self, name: &str, depth: usize) -> bool {
        let Some(split) = &mut self.split else { return false };
        let next = depth > 0 && split.at == depth - 1 && split.names.get(split.at).is_some_and(|next| *next == name);
        if next {
            split.at += 1;
            split.found |= split.at == split.names.len();
        }
        next
    }

    fn entity(&self, entity: &BytesRef<'_>) -> Result<String, String> {
        if let Some(character) = entity.resolve_char_ref().map_err(|error| self.at(&error))? {
            return Ok(character.to_string());
        }
        let name = entity.xml10_content();
        let known = resolve_xml_entity(&name).ok_or_else(|| self.at(&format!("`&{name};` is not known")))?;
        Ok(known.to_owned())
    }
}

/// The text of an attribute.
fn unescape(raw: &str) -> Result<String, String> {
    quick_xml::escape::unescape(raw).map(std::borrow::Cow::into_owned).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rules() -> XmlRules {
        XmlRules {
            lists: [("Clients", "Client"), ("Contacts", "Contact")].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
            repeated: ["Phone".to_owned()].into(),
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &Value) {
        assert_eq!(parse(&rules(), text).as_ref(), Ok(expected), "{text}");
    }

    #[test]
    fn the_root_is_the_answer_and_lists_are_lists_even_of_one() {
        check(
            "<?xml version=\"1.0\"?><Response><Status>OK</Status><Clients><Client><UUID>1</UUID><Fax /><Contacts/></Client></Clients></Response>",
            &json!({ "Status": "OK", "Clients": [{ "UUID": "1", "Fax": "", "Contacts": [] }] }),
        );
        check("<r><Phone>1</Phone></r>", &json!({ "Phone": ["1"] }));
        check("<r><x>1</x><x>2</x><x>3</x></r>", &json!({ "x": ["1", "2", "3"] }));
        check("<r><Clients>soon</Clients></r>", &json!({ "Clients": "soon" }));
        check("<r/>", &json!(""));
    }

    #[test]
    fn text_attributes_and_character_data_are_kept() {
        check("<r><a>Kea &amp; Sons&#10;Ltd &#x41;</a></r>", &json!({ "a": "Kea & Sons\nLtd A" }));
        check("<r><a><![CDATA[<b> & c]]></a></r>", &json!({ "a": "<b> & c" }));
        check("<r xmlns:i=\"u\"><i:a i:nil=\"true\"/></r>", &json!({ "a": null }));
        check("<r><add uuid=\"1 &lt; 2\"/></r>", &json!({ "add": { "@uuid": "1 < 2" } }));
        check("<r><a k=\"v\">text</a></r>", &json!({ "a": { "@k": "v", "#text": "text" } }));
    }

    #[test]
    fn documents_that_break_the_rules_are_refused() {
        let bomb = "<!DOCTYPE r [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><r>&b;</r>";
        for text in [bomb, "<r>&b;</r>", "<r><a></r>", "<r>", "", "text", "<a/><b/>", "<r a=1/>"] {
            assert!(parse(&rules(), text).is_err(), "{text}");
        }
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        assert!(parse(&rules(), &deep).unwrap_err().contains("nested deeper"));
    }

    #[test]
    fn records_are_found_without_reading_the_rest_wrong() {
        let text = "<Response><Status>OK</Status><Clients>\n<Client><UUID>1</UUID><Contacts><Contact><Clients><Client/></Clients></Contact></Contacts></Client>\n<Client><UUID>2</UUID></Client></Clients><Page>1</Page></Response>";
        let (rest, parts) = split(&rules(), text, &["Clients"]).unwrap().unwrap();
        assert_eq!(rest, json!({ "Status": "OK", "Clients": [], "Page": "1" }));
        let read: Vec<Value> = parts.into_iter().map(|part| parse(&rules(), &text[part]).unwrap()).collect();
        let whole = parse(&rules(), text).unwrap();
        assert_eq!(Value::Array(read), whole["Clients"]);
        assert!(split(&rules(), "<Response><Clients><Client>", &["Clients"]).is_err());
        assert_eq!(split(&rules(), "<Response/>", &["Clients"]), Ok(None));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[<>/a&;\"= !\\[\\]-]{0,40}") {
            let _ = parse(&rules(), &text);
            let _ = split(&rules(), &text, &["a"]);
        }
    }
}
