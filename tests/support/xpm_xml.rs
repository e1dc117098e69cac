//! XML of Practice Manager, read by the types of its `OpenAPI` file. On purpose neither the connector's reader nor the
//! practice system's.

use quick_xml::{
    Reader as Xml,
    escape::{resolve_xml_entity, unescape},
    events::{BytesStart, Event},
};
use serde_json::{Map, Value};

/// An element.
#[derive(Debug, Default)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// Reads a document; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut xml = Xml::from_str(text);
        let mut open = vec![Self::default()];
        loop {
            match xml.read_event().ok()? {
                Event::Start(start) => open.push(Self::start(&start)?),
                Event::Empty(start) => open.last_mut()?.children.push(Self::start(&start)?),
                Event::End(_) => {
                    let element = open.pop()?;
                    open.last_mut()?.children.push(element);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::GeneralRef(entity) => {
                    let known = match entity.resolve_char_ref().ok()? {
                        Some(character) => character.to_string(),
                        None => resolve_xml_entity(&entity.xml10_content())?.to_owned(),
                    };
                    open.last_mut()?.text.push_str(&known);
                }
                Event::Decl(_) => {}
                Event::Eof if open.len() == 1 => {
                    let mut roots = open.pop()?.children.into_iter();
                    return roots.next().filter(|_| roots.next().is_none());
                }
                _ => return None,
            }
        }
    }

    fn start(start: &BytesStart<'_>) -> Option<Self> {
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.ok()?;
            let value = unescape(&attribute.value).ok()?.into_owned();
            attributes.push((attribute.key.local_name().into_inner().to_owned(), value));
        }
        Some(Self { name: start.local_name().into_inner().to_owned(), attributes, ..Self::default() })
    }

    fn is_bare(&self) -> bool {
        self.children.is_empty() && self.attributes.is_empty() && self.text.trim().is_empty()
    }
}

/// Lists and the elements in them, by the pages.
const LISTS: [(&str, &str); 13] = [
    ("Clients", "Client"),
    ("Contacts", "Contact"),
    ("Groups", "Group"),
    ("Jobs", "Job"),
    ("StaffList", "Staff"),
    ("CustomFields", "CustomField"),
    ("CustomFieldDefinitions", "CustomFieldDefinition"),
    ("Notes", "Note"),
    ("Relationships", "Relationship"),
    ("Tasks", "Task"),
    ("Milestones", "Milestone"),
    ("Assigned", "Staff"),
    ("Comments", "Comment"),
];

/// Reads elements as the values that the file describes. What has no place there stays, so that the file refuses it.
pub struct Reader<'c> {
    components: &'c Map<String, Value>,
    pub faults: Vec<String>,
    /// Whether attributes stood for members, as they may in the two lists that say who joins and leaves a group.
    pub attributes: bool,
}

impl<'c> Reader<'c> {
    pub fn new(components: &'c Map<String, Value>) -> Self {
        Self { components, faults: Vec::new(), attributes: false }
    }

    /// The root of a message as this component.
    pub fn read(&mut self, root: &Element, component: &str) -> Value {
        let components = self.components;
        let schema = &components[component];
        // The custom fields of one record are the root themselves.
        let list = schema["properties"].as_object().unwrap().iter().find(|(name, _)| spelt(name) == root.name);
        match list {
            Some((name, list)) => Map::from_iter([(name.clone(), self.value(root, list))]).into(),
            None => self.members(root, schema).into(),
        }
    }

    fn resolved<'s>(&self, schema: &'s Value) -> &'s Value
    where
        'c: 's,
    {
        let schema = match schema["oneOf"].as_array().map(Vec::as_slice) {
            Some([one]) => one,
            Some(_) => panic!("one of several is not understood"),
            None => schema,
        };
        match schema["$ref"].as_str() {
            Some(to) => &self.components[to.rsplit('/').next().unwrap()],
            None => schema,
        }
    }

    fn value(&mut self, element: &Element, schema: &Value) -> Value {
        let components = self.components;
        let lent = Self::new(components);
        let schema = lent.resolved(schema);
        let text = element.text.as_str();
        match schema["type"].as_str() {
            Some("array") => self.items(element, &schema["items"]),
            Some("object") if element.is_bare() => Value::Null,
            Some("object") => self.members(element, schema).into(),
            _ if !element.children.is_empty() || !element.attributes.is_empty() => raw(element),
            Some("integer" | "number" | "boolean") if text.is_empty() => Value::Null,
            Some("integer" | "number") => match serde_json::from_str::<serde_json::Number>(text) {
                Ok(number) => Value::Number(number),
                Err(_) => Value::String(text.to_owned()),
            },
            Some("boolean") => text.parse().map_or_else(|_| Value::String(text.to_owned()), Value::Bool),
            Some("string") => Value::String(text.to_owned()),
            other => panic!("a value of type {other:?} is not understood"),
        }
    }

    fn items(&mut self, list: &Element, items: &Value) -> Value {
        let known = LISTS.iter().find(|(name, _)| *name == list.name).map(|(_, item)| *item);
        let known = known.unwrap_or_else(|| panic!("what <{}> lists is not known", list.name));
        if !list.text.trim().is_empty() || !list.attributes.is_empty() {
            self.faults.push(format!("<{}> is no list", list.name));
        }
        let items = list.children.iter().map(|item| {
            if item.name != known {
                self.faults.push(format!("<{}> lists <{}>", list.name, item.name));
            }
            self.value(item, items)
        });
        items.collect()
    }

    fn members(&mut self, element: &Element, schema: &Value) -> Map<String, Value> {
        let none = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&none);
        let mut members = Map::new();
        for (name, value) in &element.attributes {
            let known = matches!(element.name.as_str(), "add" | "remove") && name == "uuid";
            self.attributes |= known;
            if !known {
                self.faults.push(format!("<{}> has an attribute `{name}`", element.name));
            }
            members.insert(name.clone(), Value::String(value.clone()));
        }
        for child in &element.children {
            if let Some(actions) =
                properties.get(&child.name).filter(|_| matches!(child.name.as_str(), "add" | "remove"))
            {
                let value = self.value(child, &actions["items"]);
                let list = members.entry(child.name.clone()).or_insert_with(|| Value::Array(Vec::new()));
                list.as_array_mut().unwrap().push(value);
                continue;
            }
            let (name, value) = match properties.iter().find(|(name, _)| spelt(name) == child.name) {
                Some((name, property)) => (name.clone(), self.value(child, property)),
                None => (child.name.clone(), raw(child)),
            };
            if members.insert(name, value).is_some() {
                self.faults.push(format!("<{}> has two <{}>", element.name, child.name));
            }
        }
        if !element.text.trim().is_empty() {
            self.faults.push(format!("<{}> holds a text", element.name));
        }
        members
    }
}

/// How a name of the file is spelt in XML: `gstRegistered` as `GSTRegistered`, `accountManagerUuid` as
/// `AccountManagerUUID`, `id` as `ID`.
fn spelt(name: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for letter in name.chars() {
        match words.last_mut() {
            Some(word) if !letter.is_uppercase() => word.push(letter),
            _ => words.push(letter.to_uppercase().collect()),
        }
    }
    let spelt = words.into_iter().map(|word| match word.as_str() {
        "Uuid" | "Gst" | "Id" => word.to_uppercase(),
        _ => word,
    });
    spelt.collect()
}

/// An element of which the file knows nothing.
fn raw(element: &Element) -> Value {
    if element.children.is_empty() {
        return Value::String(element.text.clone());
    }
    element.children.iter().map(|child| (child.name.clone(), raw(child))).collect::<Map<_, _>>().into()
}
