//! Whether both practice systems agree, by looking into them rather than at what the engine remembers.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde_json::Value;

use super::systems::Systems;
use crate::{record::RecordId, sync::Link};

/// Linked pairs compared, and what differs, in sentences.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub contacts: u64,
    pub sales: u64,
    pub differences: Vec<String>,
}

/// Fields and records that are listed as parked: they may differ.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// Field by record, of contacts.
    pub fields: BTreeSet<(RecordId, String)>,
    /// Records without a counterpart.
    pub records: BTreeSet<RecordId>,
}

type Get = fn(&Value) -> String;

/// Name, website's value, Xero's value of each mapped field of a contact.
const CONTACT: [(&str, Get, Get); 9] = [
    ("email", |v| text(v, "/email").to_lowercase(), |v| text(v, "/EmailAddress").to_lowercase()),
    ("first_name", |v| text(v, "/first_name"), |v| text(v, "/FirstName")),
    ("last_name", |v| text(v, "/last_name"), |v| text(v, "/LastName")),
    ("phone", |v| text(v, "/phone"), |v| typed(v, "Phones", "PhoneType", "DEFAULT", "PhoneNumber")),
    ("mobile", |v| text(v, "/mobile"), |v| typed(v, "Phones", "PhoneType", "MOBILE", "PhoneNumber")),
    ("line1", |v| text(v, "/postal/line1"), |v| typed(v, "Addresses", "AddressType", "POBOX", "AddressLine1")),
    ("city", |v| text(v, "/postal/city"), |v| typed(v, "Addresses", "AddressType", "POBOX", "City")),
    ("region", |v| text(v, "/postal/region"), |v| typed(v, "Addresses", "AddressType", "POBOX", "Region")),
    ("postcode", |v| text(v, "/postal/postcode"), |v| typed(v, "Addresses", "AddressType", "POBOX", "PostalCode")),
];

fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn typed(value: &Value, list: &str, kind: &str, wanted: &str, field: &str) -> String {
    let items = value.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let item = items.iter().find(|item| item.get(kind).and_then(Value::as_str) == Some(wanted));
    item.and_then(|item| item.get(field)).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Compares every linked pair at the mapped fields, and looks for what is missing or twice.
pub(super) fn compare(systems: &Systems, contacts: &[Link], sales: &[Link], listed: &Listed) -> Comparison {
    let mut found = Comparison::default();
    for link in contacts {
        found.contacts += 1;
        found.contact(systems, link, listed);
    }
    for link in sales {
        found.sales += 1;
        found.sale(systems, link);
    }
    found.missing(systems, contacts, sales, listed);
    found.twice(systems);
    found
}

impl Comparison {
    fn contact(&mut self, systems: &Systems, link: &Link, listed: &Listed) {
        let here = systems.website.get("contacts", link.source.as_str());
        let there = systems.xero.get("Contacts", link.target.as_str());
        let (Some(here), Some(there)) = (here, there) else {
            return self.differences.push(format!("{} is linked, but not on both sides", link.label));
        };
        for (field, ours, theirs) in CONTACT {
            let (ours, theirs) = (ours(&here), theirs(&there));
            let known = listed.fields.iter().any(|(id, name)| *id == link.source && name.contains(field));
            if ours != theirs && !known {
                self.differences.push(format!("{}, {field}: `{ours}` and `{theirs}`", link.label));
            }
        }
    }

    fn sale(&mut self, systems: &Systems, link: &Link) {
        let here = systems.website.get("sales", link.source.as_str());
        let there = systems.xero.get("Invoices", link.target.as_str());
        let (Some(here), Some(there)) = (here, there) else {
            return self.differences.push(format!("{} is linked, but not on both sides", link.label));
        };
        let number = |value: &Value, at: &str| text(value, at).parse::<Decimal>().ok();
        for (field, ours, theirs) in [
            ("number", text(&here, "/number"), text(&there, "/InvoiceNumber")),
            ("lines", lines(&here, "/lines").to_string(), lines(&there, "/LineItems").to_string()),
        ] {
            if ours != theirs {
                self.differences.push(format!("{}, {field}: `{ours}` and `{theirs}`", link.label));
            }
        }
        let (ours, theirs) = (total(&here), number(&there, "/Total"));
        if theirs != Some(ours) {
            self.differences.push(format!("{}, total: {ours} and {theirs:?}", link.label));
        }
    }

    /// Every contact with a sale and every sale must be linked or listed.
    fn missing(&mut self, systems: &Systems, contacts: &[Link], sales: &[Link], listed: &Listed) {
        let linked: BTreeSet<&str> = contacts.iter().map(|link| link.source.as_str()).collect();
        let linked_sales: BTreeSet<&str> = sales.iter().map(|link| link.source.as_str()).collect();
        let is_listed = |id: &str| listed.records.iter().any(|listed| listed.as_str() == id);
        for sale in systems.website.list("sales") {
            let (id, contact) = (text(&sale, "/id"), text(&sale, "/contact_id"));
            if !linked_sales.contains(id.as_str()) && !is_listed(&id) && !is_listed(&contact) {
                self.differences.push(format!("sale {} is neither linked nor listed", text(&sale, "/number")));
            }
            if !linked.contains(contact.as_str()) && !is_listed(&contact) {
                self.differences.push(format!("contact {contact} has a sale, and is neither linked nor listed"));
            }
        }
        let linked: BTreeSet<&str> = contacts.iter().map(|link| link.target.as_str()).collect();
        for contact in systems.xero.list("Contacts") {
            let (id, customer) = (text(&contact, "/ContactID"), contact.get("IsCustomer") == Some(&Value::Bool(true)));
            if customer && !linked.contains(id.as_str()) && !is_listed(&id) {
                let name = text(&contact, "/Name");
                self.differences.push(format!("customer {name} of demo-xero is neither linked nor listed"));
            }
        }
    }

    /// No number and, but for the namesakes on the website, no e-mail address may be there twice.
    fn twice(&mut self, systems: &Systems) {
        for (what, records, at) in [
            ("contacts with the e-mail address", systems.xero.list("Contacts"), "/EmailAddress"),
            ("invoices with the number", systems.xero.list("Invoices"), "/InvoiceNumber"),
        ] {
            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            for record in &records {
                *counts.entry(text(record, at)).or_default() += 1;
            }
            for (value, count) in counts.into_iter().filter(|(value, count)| *count > 1 && !value.is_empty()) {
                self.differences.push(format!("demo-xero has {count} {what} {value}"));
            }
        }
    }
}

fn lines(record: &Value, at: &str) -> usize {
    record.pointer(at).and_then(Value::as_array).map_or(0, Vec::len)
}

/// What the lines of a website's sale add up to; its prices include tax.
fn total(sale: &Value) -> Decimal {
    let lines = sale.get("lines").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let number = |line: &Value, at: &str| text(line, at).parse::<Decimal>().unwrap_or_default();
    lines.iter().map(|line| number(line, "/quantity") * number(line, "/cents") / Decimal::ONE_HUNDRED).sum()
}
