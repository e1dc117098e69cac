//! What fields mean, whatever a system calls them: the words of the built-in connectors, and of most others.

use std::collections::BTreeMap;

use crate::{
    connector::{FieldTable, FieldType, LabelPart, Resource},
    record::Kind,
};

/// What a field of a person or company is. In the order in which fields are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    First,
    Last,
    /// First and last name in one, or the name of a company.
    Whole,
    Company,
    Email,
    Phone,
    Mobile,
    Street,
    City,
    Region,
    Postcode,
    Country,
    /// When the record was made.
    Made,
}

/// A field that is known by its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its `JSONPath`.
    pub path: String,
    /// Whether it can be written.
    pub writable: bool,
}

/// The fields of a resource, by their meaning.
pub type Fields = BTreeMap<Meaning, Known>;

/// Names in small letters without `_` and `-`, the likeliest first.
const WORDS: &[(Meaning, &[&str])] = &[
    (Meaning::First, &["firstname", "givenname", "forename", "profile.firstname"]),
    (Meaning::Last, &["lastname", "familyname", "surname", "profile.lastname"]),
    (Meaning::Whole, &["name", "displayname", "fullname", "profile.name"]),
    (Meaning::Company, &["company", "companyname", "organisation", "organization", "profile.company"]),
    (Meaning::Email, &["email", "emailaddress", "mail", "primaryemailaddr.address", "profile.email"]),
    (Meaning::Phone, &["phone", "telephone", "phonenumber", "primaryphone.freeformnumber", "profile.workphone"]),
    (Meaning::Mobile, &["mobile", "cellphone", "mobile.freeformnumber", "profile.cellphone"]),
    (Meaning::Made, &["createdat", "created", "createdtime", "datecreated", "metadata.createtime"]),
];

/// Street, city, region, postcode and country of one address. Their parts are not mixed.
const ADDRESSES: &[[&str; 5]] = &[
    ["postal.line1", "postal.city", "postal.region", "postal.postcode", "postal.country"],
    ["billaddr.line1", "billaddr.city", "billaddr.countrysubdivisioncode", "billaddr.postalcode", "billaddr.country"],
    ["address.address", "address.city", "address.state", "address.postalcode", "address.country"],
    ["postaladdress", "postalcity", "postalregion", "postalpostcode", "postalcountry"],
    ["mailingstreet", "mailingcity", "mailingstate", "mailingzip", "mailingcountry"],
    ["address1", "city", "state", "postcode", "country"],
    ["street", "city", "state", "zipcode", "country"],
    ["address", "city", "region", "postcode", "country"],
];

const PARTS: [Meaning; 5] = [Meaning::Street, Meaning::City, Meaning::Region, Meaning::Postcode, Meaning::Country];

/// A field in a list whose elements are told apart by another field: the list, that field, its value, and the fields.
struct InList {
    list: &'static str,
    by: &'static str,
    is: &'static str,
    fields: &'static [(Meaning, &'static str)],
}

const IN_LISTS: &[InList] = &[
    InList { list: "Phones", by: "PhoneType", is: "'DEFAULT'", fields: &[(Meaning::Phone, "PhoneNumber")] },
    InList { list: "Phones", by: "PhoneType", is: "'MOBILE'", fields: &[(Meaning::Mobile, "PhoneNumber")] },
    InList {
        list: "Addresses",
        by: "AddressType",
        is: "'POBOX'",
        fields: &[
            (Meaning::Street, "AddressLine1"),
            (Meaning::City, "City"),
            (Meaning::Region, "Region"),
            (Meaning::Postcode, "PostalCode"),
            (Meaning::Country, "Country"),
        ],
    },
    InList {
        list: "Addresses",
        by: "Location",
        is: "1",
        fields: &[
            (Meaning::Email, "Email"),
            (Meaning::Phone, "Phone1"),
            (Meaning::Street, "Street"),
            (Meaning::City, "City"),
            (Meaning::Region, "State"),
            (Meaning::Postcode, "PostCode"),
            (Meaning::Country, "Country"),
        ],
    },
    InList { list: "patient_phone_numbers", by: "phone_type", is: "'Home'", fields: &[(Meaning::Phone, "number")] },
    InList { list: "patient_phone_numbers", by: "phone_type", is: "'Mobile'", fields: &[(Meaning::Mobile, "number")] },
];

/// The fields of a resource that are known by their meaning.
#[must_use]
pub fn fields(resource: &Resource) -> Fields {
    let mut plain = BTreeMap::new();
    walk(&resource.fields, ("", "$"), true, &mut plain);
    let mut found = Fields::new();
    for (meaning, words) in WORDS {
        if let Some(known) = words.iter().find_map(|word| plain.get(*word)) {
            found.insert(*meaning, known.clone());
        }
    }
    if let Some(address) = ADDRESSES.iter().find(|address| plain.contains_key(address[0])) {
        let parts = PARTS.into_iter().zip(address);
        found.extend(parts.filter_map(|(part, word)| Some((part, plain.get(*word)?.clone()))));
    }
    for kind in IN_LISTS {
        let Some(list) = resource.fields.fields.get(kind.list) else { continue };
        let Some(table) = list.children.as_ref().filter(|table| table.fields.contains_key(kind.by)) else { continue };
        for (meaning, name) in kind.fields {
            let Some(field) = table.fields.get(*name) else { continue };
            let path = format!("$.{}[?(@.{}=={})].{name}", kind.list, kind.by, kind.is);
            let known = Known { path, writable: takes_changes(list) && takes_changes(field) };
            found.entry(*meaning).or_insert(known);
        }
    }
    found
}

/// Whether a field can be written as often as it changes.
const fn takes_changes(field: &FieldType) -> bool {
    !field.read_only && !field.create_only
}

fn walk(table: &FieldTable, (above, place): (&str, &str), writable: bool, found: &mut BTreeMap<String, Known>) {
    for (name, field) in &table.fields {
        let said: String = name.chars().filter(|c| !matches!(c, '_' | '-')).collect::<String>().to_lowercase();
        let word = if above.is_empty() { said } else { format!("{above}.{said}") };
        let simple = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let path = if simple { format!("{place}.{name}") } else { format!("{place}['{name}']") };
        let writable = writable && takes_changes(field);
        match (&field.children, field.kind()) {
            (Some(children), Kind::Object) => walk(children, (&word, &path), writable, found),
            (_, Kind::Object | Kind::List) => {}
            _ => {
                found.entry(word).or_insert(Known { path, writable });
            }
        }
    }
}

/// Whether its records are people or companies: they have an e-mail address, and are called by nothing but names.
#[must_use]
pub fn is_of_people(resource: &Resource) -> bool {
    let fields = fields(resource);
    let names = [Meaning::First, Meaning::Last, Meaning::Whole, Meaning::Company];
    let is_name = |path: &str| names.iter().any(|name| fields.get(name).is_some_and(|known| known.path == path));
    let called = resource.label.parts.iter().all(|part| match part {
        LabelPart::Text(_) => true,
        LabelPart::Value(path) => is_name(path.as_str()),
    });
    fields.contains_key(&Meaning::Email) && names.iter().any(|name| fields.contains_key(name)) && called
}
