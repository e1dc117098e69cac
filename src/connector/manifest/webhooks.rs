//! How a system tells of changes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::record::{Path, RecordId};

/// How a system tells of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhooks {
    /// How a delivery shows who sent it.
    pub signed: Signed,
    /// Where the parts are that are about one account each; the whole body unless given.
    pub parts: Option<Path>,
    /// Where the events are in a part; the part itself unless given.
    pub events: Option<Path>,
    /// Where the account is, in an event or else in its part; every connection is meant unless given.
    pub account: Option<Path>,
    /// Where the id of the record is, in an event.
    pub id: Path,
    /// Where the name of the resource is, in an event.
    pub resource: Path,
    /// What these names mean.
    pub names: BTreeMap<String, String>,
}

/// How a delivery shows who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signed {
    /// HMAC-SHA256 of the body as it was sent, in a header.
    Hmac {
        /// The header.
        header: String,
        /// Whether it is written in hexadecimal digits, instead of base64.
        hex: bool,
        /// What stands before it.
        prefix: String,
    },
    /// The key is repeated here in the body.
    Token(Path),
    /// The key is the last step of the address.
    SecretPath,
}

/// A record that a delivery names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// The account, as the system names it; `None` if every connection is meant.
    pub account: Option<String>,
    /// The resource.
    pub resource: String,
    /// The record.
    pub id: RecordId,
}

/// Longest id that is believed to be one.
const LONGEST: usize = 200;

impl Webhooks {
    /// The records that a delivery names, each once. What is no event of a known resource is passed over.
    #[must_use]
    pub fn read(&self, body: &Value) -> BTreeSet<Told> {
        let mut told = BTreeSet::new();
        for part in all(self.parts.as_ref(), body) {
            for event in all(self.events.as_ref(), part) {
                let account = self.account.as_ref().map(|path| path.find(event).or_else(|| path.find(part)));
                let account = match account.map(|found| found.and_then(text)) {
                    // It should say which, and does not.
                    Some(None) => continue,
                    Some(account) => account,
                    None => None,
                };
                let name = self.resource.find(event).and_then(text);
                let Some(resource) = name.and_then(|name| self.names.get(&name)) else { continue };
                let ids = self.id.read_all(event).into_iter().flat_map(|found| match found {
                    Value::Array(several) => several.iter().collect(),
                    one => vec![one],
                });
                for id in ids.filter_map(text).filter(|id| !id.is_empty() && id.len() <= LONGEST) {
                    told.insert(Told { account: account.clone(), resource: resource.clone(), id: RecordId::from(id) });
                }
            }
        }
        told
    }
}

fn all<'v>(path: Option<&Path>, value: &'v Value) -> Vec<&'v Value> {
    path.map_or_else(|| vec![value], |path| path.read_all(value))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    fn told(account: &str, resource: &str, id: &str) -> Told {
        Told { account: Some(account.to_owned()), resource: resource.to_owned(), id: RecordId::from(id) }
    }

    #[test]
    fn intuits_form_is_read_part_by_part() {
        let hooks = Webhooks {
            signed: Signed::SecretPath,
            parts: Some(path("$.eventNotifications[*]")),
            events: Some(path("$.dataChangeEvent.entities[*]")),
            account: Some(path("$.realmId")),
            id: path("$.id"),
            resource: path("$.name"),
            names: BTreeMap::from([("Customer".to_owned(), "customers".to_owned())]),
        };
        let entity = |name: &str, id: Value| json!({ "name": name, "id": id, "operation": "Update" });
        let body = json!({ "eventNotifications": [
            { "realmId": "1", "dataChangeEvent": { "entities": [entity("Customer", json!("58")), entity("Customer", json!("58")), entity("Bill", json!("7"))] } },
            { "realmId": "2", "dataChangeEvent": { "entities": [entity("Customer", json!(9)), entity("Customer", json!(null))] } },
            { "dataChangeEvent": { "entities": [entity("Customer", json!("of nobody"))] } },
            "nonsense",
        ] });
        let read: Vec<_> = hooks.read(&body).into_iter().collect();
        assert_eq!(read, [told("1", "customers", "58"), told("2", "customers", "9")]);
        assert!(hooks.read(&json!([1, "x", null])).is_empty());
    }

    #[test]
    fn ids_may_come_as_a_list_and_without_an_account() {
        let hooks = Webhooks {
            signed: Signed::Token(path("$.token")),
            parts: None,
            events: None,
            account: None,
            id: path("$.ids"),
            resource: path("$.module"),
            names: BTreeMap::from([("Contacts".to_owned(), "contacts".to_owned())]),
        };
        let read = hooks.read(&json!({ "module": "Contacts", "ids": ["1", "2"], "token": "t" }));
        let ids: Vec<_> = read.iter().map(|told| (told.account.as_deref(), told.id.as_str())).collect();
        assert_eq!(ids, [(None, "1"), (None, "2")]);
    }
}
