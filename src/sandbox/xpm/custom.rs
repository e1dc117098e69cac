//! Custom fields of clients: a definition says in which element a value stands, and the values of one client are a call.

use chrono::NaiveDate;

use super::{
    document::{Element, Node},
    practice::{Kind, Practice, number},
};

/// A custom field as the practice declares it.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) uuid: String,
    pub(crate) name: String,
    /// `Text`, `Decimal`, `Number`, `Boolean` or `Date`.
    pub(crate) element: &'static str,
}

const ELEMENTS: [&str; 5] = ["Text", "Decimal", "Number", "Boolean", "Date"];

impl Practice {
    pub(crate) fn define(&mut self, name: &str, element: &str) -> String {
        let uuid = self.new_uuid();
        let element = ELEMENTS.into_iter().find(|known| *known == element).unwrap_or("Text");
        self.definitions.push(Definition { uuid: uuid.clone(), name: name.to_owned(), element });
        uuid
    }

    pub(crate) fn customise(&mut self, client: &str, field: &str, value: &str) -> Result<(), String> {
        if self.definitions.iter().all(|definition| definition.uuid != field) {
            return Err("The custom field could not be found".to_owned());
        }
        let client = self.find_mut(Kind::Clients, client)?;
        client.custom.retain(|(known, _)| known != field);
        if !value.is_empty() {
            client.custom.push((field.to_owned(), value.to_owned()));
        }
        Ok(())
    }

    /// What `<CustomFields><CustomField>` names; what it does not name stays (guess: the docs do not say). An empty element
    /// clears a value.
    pub(crate) fn take_custom(&mut self, client: &str, element: &Element) -> Result<(), String> {
        self.find(Kind::Clients, client)?;
        for one in element.children.iter().filter(|child| child.name == "CustomField") {
            let uuid = one.value("UUID").unwrap_or_default().to_owned();
            let definition = self.definitions.iter().find(|definition| definition.uuid == uuid);
            let definition = definition.ok_or("The custom field could not be found")?;
            let value = one.value(definition.element).ok_or_else(|| format!("{} is missing", definition.element))?;
            let value = match definition.element {
                "Date" if !value.is_empty() => NaiveDate::parse_from_str(value, "%Y%m%d")
                    .map_err(|_| "A date must be written as yyyyMMdd".to_owned())?
                    .to_string(),
                // Whole when it is written, whatever may be read.
                "Number" if !value.is_empty() && value.parse::<i32>().is_err() => {
                    return Err("A number must be whole".to_owned());
                }
                "Decimal" => number(value, "Decimal").map(|()| value.to_owned())?,
                "Boolean" if !["", "true", "false"].contains(&value) => {
                    return Err("A boolean must be true or false".to_owned());
                }
                _ => value.to_owned(),
            };
            self.customise(client, &uuid, &value)?;
        }
        Ok(())
    }

    /// Fields without a value are not shown, and their names stand in the definitions alone (guess: the docs show both).
    pub(crate) fn custom_fields(&self, client: &str) -> Result<Node, String> {
        let client = self.find(Kind::Clients, client)?;
        let shown = client.custom.iter().filter_map(|(field, value)| {
            let definition = self.definitions.iter().find(|definition| definition.uuid == *field)?;
            let value = if definition.element == "Date" { format!("{value}T00:00:00") } else { value.clone() };
            Some(Node::Members(vec![("UUID", Node::text(field)), (definition.element, Node::text(value))]))
        });
        Ok(Node::List("CustomField", shown.collect()))
    }

    pub(crate) fn custom_definitions(&self) -> Node {
        let shown = self.definitions.iter().map(|definition| {
            Node::Members(vec![
                ("UUID", Node::text(&definition.uuid)),
                ("Name", Node::text(&definition.name)),
                ("UseClient", Node::text("true")),
                ("ValueElement", Node::text(definition.element)),
            ])
        });
        Node::List("CustomFieldDefinition", shown.collect())
    }

    /// A prospect becomes a client under a new UUID; its contacts, groups and values go with it.
    pub(crate) fn convert(&mut self, prospect: &str, now: chrono::DateTime<chrono::Utc>) -> Result<String, String> {
        let uuid = self.new_uuid();
        let old = self.find_mut(Kind::Clients, prospect)?;
        let mut client = old.clone();
        (old.deleted, old.changed) = (true, now);
        (client.id, client.uuid) = (uuid.clone(), uuid.clone());
        (client.created, client.changed) = (now, now);
        client.texts.insert("IsProspect".to_owned(), "No".to_owned());
        self.clients.push(client);
        for member in self.groups.iter_mut().flat_map(|group| &mut group.members) {
            if member.uuid == prospect {
                member.uuid.clone_from(&uuid);
            }
        }
        Ok(uuid)
    }
}
