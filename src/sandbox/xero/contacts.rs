//! Contacts: what a write may do to them. Texts marked "guess" are not documented.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    filter::Cell,
    org::{Mode, Org, Rejected, Taken, Who, Write, given_id},
    shelf::Row,
    text::{fold, given, given_text},
};

/// Lookup by folded name, among active contacts only.
pub(crate) const BY_NAME: u8 = 0;
/// Lookup by folded `ContactNumber`.
pub(crate) const BY_NUMBER: u8 = 1;
/// Lookup by folded `AccountNumber`.
pub(crate) const BY_ACCOUNT: u8 = 2;

/// Text properties and their longest length.
const TEXTS: [(&str, usize); 17] = [
    ("Name", 255),
    ("FirstName", 255),
    ("LastName", 255),
    ("ContactNumber", 50),
    ("AccountNumber", 50),
    ("CompanyNumber", 50),
    ("EmailAddress", 255),
    ("BankAccountDetails", 255),
    ("TaxNumber", 50),
    ("AccountsReceivableTaxType", 50),
    ("AccountsPayableTaxType", 50),
    ("DefaultCurrency", 3),
    ("SalesDefaultAccountCode", 10),
    ("PurchasesDefaultAccountCode", 10),
    ("SalesDefaultLineAmountType", 9),
    ("PurchasesDefaultLineAmountType", 9),
    ("XeroNetworkKey", 255),
];
const WHOLE: [&str; 3] = ["PaymentTerms", "SalesTrackingCategories", "PurchasesTrackingCategories"];
const ADDRESS: [(&str, usize); 9] = [
    ("AddressLine1", 500),
    ("AddressLine2", 500),
    ("AddressLine3", 500),
    ("AddressLine4", 500),
    ("City", 255),
    ("Region", 255),
    ("PostalCode", 50),
    ("Country", 50),
    ("AttentionTo", 255),
];
const PHONE: [(&str, usize); 3] = [("PhoneNumber", 50), ("PhoneAreaCode", 10), ("PhoneCountryCode", 20)];

/// One contact.
#[derive(Clone, Debug)]
pub(crate) struct Contact {
    pub(crate) id: Uuid,
    /// What was written: texts, `Addresses`, `Phones` and `ContactPersons` in their full form.
    pub(crate) fields: Map<String, Value>,
    pub(crate) archived: bool,
    pub(crate) is_customer: bool,
    pub(crate) is_supplier: bool,
    pub(crate) merged_to: Option<Uuid>,
    pub(crate) updated: DateTime<Utc>,
}

impl Contact {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn blank(id: Uuid, now: DateTime<Utc>) -> Self {
        let mut fields = Map::new();
        fields.insert("EmailAddress".to_owned(), "".into());
        fields.insert("BankAccountDetails".to_owned(), "".into());
        fields.insert("ContactPersons".to_owned(), json!([]));
        fields.insert("Addresses".to_owned(), json!([blank_address("STREET"), blank_address("POBOX")]));
        let phones: Vec<Value> = ["DDI", "DEFAULT", "FAX", "MOBILE"].into_iter().map(blank_phone).collect();
        fields.insert("Phones".to_owned(), Value::Array(phones));
        Self { id, fields, archived: false, is_customer: false, is_supplier: false, merged_to: None, updated: now }
    }

    /// Sets what `element` gives and lists what is wrong with it.
    fn set(&mut self, element: &Map<String, Value>) -> Rejected {
        let mut wrong = Vec::new();
        for (name, max) in TEXTS {
            let Some(text) = given_text(element, name) else { continue };
            if text.chars().count() > max {
                wrong.push(too_long(name, max));
            } else if text.is_empty() && !matches!(name, "EmailAddress" | "BankAccountDetails" | "Name") {
                self.fields.remove(name);
            } else {
                self.fields.insert(name.to_owned(), Value::String(text));
            }
        }
        for name in WHOLE {
            if let Some(value) = given(element, name) {
                self.fields.insert(name.to_owned(), value.clone());
            }
        }
        self.set_typed(element, "Addresses", "AddressType", &ADDRESS, blank_address, &mut wrong);
        self.set_typed(element, "Phones", "PhoneType", &PHONE, blank_phone, &mut wrong);
        if let Some(Value::Array(persons)) = given(element, "ContactPersons") {
            if persons.len() > 5 {
                wrong.push("A contact can have a maximum of 5 contact persons".to_owned()); // guess
            }
            // Persons have no id: those not sent are gone.
            self.fields.insert("ContactPersons".to_owned(), Value::Array(persons.iter().map(person).collect()));
        }
        wrong
    }

    /// Replaces the entries of the types that were sent, whole; types not sent stay. (How Xero treats a part of an
    /// entry is not documented; losing the rest is the harder case for a client.)
    fn set_typed(
        &mut self,
        element: &Map<String, Value>,
        list: &str,
        type_name: &str,
        parts: &[(&str, usize)],
        blank: fn(&str) -> Value,
        wrong: &mut Rejected,
    ) {
        let Some(Value::Array(sent)) = given(element, list) else { return };
        let Some(Value::Array(entries)) = self.fields.get_mut(list) else { return };
        for sent in sent.iter().filter_map(Value::as_object) {
            let kind = given_text(sent, type_name).unwrap_or_else(|| "DEFAULT".to_owned());
            let mut entry = blank(&kind);
            for (name, max) in parts {
                let Some(text) = given_text(sent, name) else { continue };
                if text.chars().count() > *max {
                    wrong.push(too_long(name, *max));
                }
                if let Some(slot) = entry.get_mut(*name) {
                    *slot = Value::String(text);
                } else if let Some(entry) = entry.as_object_mut() {
                    entry.insert((*name).to_owned(), Value::String(text));
                }
            }
            match entries.iter_mut().find(|old| old.get(type_name).and_then(Value::as_str) == Some(&kind)) {
                Some(old) => *old = entry,
                None if matches!(kind.as_str(), "OFFICE") => entries.push(entry),
                None => wrong.push(format!("{type_name} '{kind}' is not valid")), // guess
            }
        }
    }
}

fn too_long(name: &str, max: usize) -> String {
    format!("{name} must not be more than {max} characters long") // guess
}

fn blank_address(kind: &str) -> Value {
    json!({ "AddressType": kind, "City": "", "Region": "", "PostalCode": "", "Country": "" })
}

fn blank_phone(kind: &str) -> Value {
    json!({ "PhoneType": kind, "PhoneNumber": "", "PhoneAreaCode": "", "PhoneCountryCode": "" })
}

fn person(sent: &Value) -> Value {
    let mut kept = Map::new();
    for name in ["FirstName", "LastName", "EmailAddress"] {
        if let Some(text) = sent.get(name).and_then(Value::as_str) {
            kept.insert(name.to_owned(), text.into());
        }
    }
    let included = sent.get("IncludeInEmails").and_then(Value::as_bool).unwrap_or(false);
    kept.insert("IncludeInEmails".to_owned(), included.into());
    Value::Object(kept)
}

impl Row for Contact {
    fn id(&self) -> Uuid {
        self.id
    }

    fn updated(&self) -> DateTime<Utc> {
        self.updated
    }

    fn hidden(&self) -> bool {
        self.archived
    }

    fn keys(&self) -> Vec<(u8, String)> {
        let mut keys = Vec::with_capacity(3);
        if !self.archived {
            keys.push((BY_NAME, fold(self.text("Name"))));
        }
        for (index, name) in [(BY_NUMBER, "ContactNumber"), (BY_ACCOUNT, "AccountNumber")] {
            let text = self.text(name);
            if !text.is_empty() {
                keys.push((index, fold(text)));
            }
        }
        keys
    }

    fn cell(&self, path: &str) -> Option<Cell> {
        Some(match path {
            "contactid" => Cell::Text(self.id.to_string()),
            "contactstatus" => Cell::Text(self.status().to_owned()),
            "iscustomer" => Cell::Flag(self.is_customer),
            "issupplier" => Cell::Flag(self.is_supplier),
            "updateddateutc" => Cell::Moment(self.updated.timestamp_millis()),
            _ => {
                let (name, _) = TEXTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(path))?;
                self.fields.get(*name).and_then(Value::as_str).map_or(Cell::Null, |text| Cell::Text(text.to_owned()))
            }
        })
    }
}

impl Contact {
    pub(crate) fn status(&self) -> &'static str {
        if self.archived { "ARCHIVED" } else { "ACTIVE" }
    }
}

impl Org {
    pub(crate) fn write_contact(&mut self, element: &Map<String, Value>, write: Write) -> Result<Taken, Rejected> {
        let found = self.target_contact(element, write.mode)?;
        let mut contact = match found {
            Some(id) => self.contacts.get(id).cloned().ok_or_else(no_contact)?,
            None => Contact::blank(self.id(), write.now),
        };
        let before = contact.clone();
        let mut wrong = contact.set(element);
        match given_text(element, "ContactStatus").as_deref() {
            Some("ARCHIVED") => contact.archived = true,
            // Whether the API can bring a contact back is not documented; here it is ignored. The screen can.
            Some("ACTIVE") if write.who == Who::Person => contact.archived = false,
            None | Some("ACTIVE") => {}
            Some(other) => wrong.push(format!("ContactStatus '{other}' is not valid")), // guess
        }
        self.check_contact(&contact, (found.is_some()).then_some(&before), &mut wrong);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        contact.updated = write.now;
        let id = contact.id;
        self.contacts.put(contact);
        Ok(Taken::new(id))
    }

    /// The contact that a write is about; `None` makes a new one.
    fn target_contact(&self, element: &Map<String, Value>, mode: Mode) -> Result<Option<Uuid>, Rejected> {
        if let Mode::Change(id) = mode {
            return Ok(Some(id));
        }
        let number = given_text(element, "ContactNumber").filter(|text| !text.is_empty());
        let name = given_text(element, "Name").filter(|text| !text.is_empty());
        let id = given_id(element, "ContactID").transpose()?;
        if id.is_none() && number.is_none() && name.is_none() {
            return Err(vec![
                "The Contact must contain at least 1 of the following elements to identify the contact: Name, \
                 ContactID, ContactNumber"
                    .to_owned(),
            ]);
        }
        let by_number = number.as_deref().and_then(|number| self.contacts.with_key(BY_NUMBER, &fold(number)).next());
        if mode == Mode::Create {
            return match by_number {
                // guess: the text for a taken ContactNumber is not documented
                Some(_) => Err(vec![format!(
                    "The contact number {} is already assigned to another contact.",
                    number.unwrap_or_default()
                )]),
                None => Ok(None),
            };
        }
        match id {
            Some(id) if self.contacts.get(id).is_some() => Ok(Some(id)),
            Some(_) => Err(no_contact()),
            // POST overwrites a namesake: the order of the two lookups is not documented.
            None => Ok(by_number.or_else(|| self.contact_named(name.as_deref()?))),
        }
    }

    /// The active contact with this name.
    pub(crate) fn contact_named(&self, name: &str) -> Option<Uuid> {
        self.contacts.with_key(BY_NAME, &fold(name)).next()
    }

    fn check_contact(&self, contact: &Contact, before: Option<&Contact>, wrong: &mut Rejected) {
        let name = contact.text("Name");
        let untouched = |property: &str| before.is_some_and(|before| before.text(property) == contact.text(property));
        if name.is_empty() {
            wrong.push("The contact name must be provided.".to_owned()); // guess
        } else if !untouched("Name") || before.is_some_and(|before| before.archived != contact.archived) {
            if name.contains(['<', '>']) {
                wrong.push("The contact name must not contain angle brackets.".to_owned()); // guess
            }
            if name.trim() != name || name.contains("  ") {
                // guess
                wrong.push("The contact name must not have leading, trailing or repeated spaces.".to_owned());
            }
            let taken = !contact.archived && self.contact_named(name).is_some_and(|other| other != contact.id);
            if taken {
                wrong.push(format!(
                    "The contact name {name} is already assigned to another contact. The contact name must be unique \
                     across all active contacts."
                ));
            }
        }
        let email = contact.text("EmailAddress");
        if !untouched("EmailAddress") && !valid_email(email) {
            wrong.push("Email address must be valid".to_owned());
        }
        let account = contact.text("AccountNumber");
        if !account.is_empty() && !untouched("AccountNumber") {
            let mut others = self.contacts.with_key(BY_ACCOUNT, &fold(account));
            if others.any(|other| other != contact.id) {
                wrong.push("The Account Number already exists. Please enter a different Account Number.".to_owned());
            }
        }
    }

    /// What a contact owes us and is owed by us: outstanding and overdue, for sales and bills.
    pub(crate) fn balances(&self, contact: Uuid, now: DateTime<Utc>) -> [[Decimal; 2]; 2] {
        let today = Self::today(now);
        let mut sums = [[Decimal::ZERO; 2]; 2];
        for id in self.invoices.with_key(super::invoices::BY_CONTACT, &contact.to_string()) {
            let Some(invoice) = self.invoices.get(id).filter(|invoice| invoice.is_authorised()) else { continue };
            let [outstanding, overdue] = if invoice.is_sale() { &mut sums[0] } else { &mut sums[1] };
            *outstanding += invoice.due();
            if invoice.due_date.is_some_and(|date| date < today) {
                *overdue += invoice.due();
            }
        }
        sums
    }
}

pub(crate) fn no_contact() -> Rejected {
    // By the documented text for credit notes.
    vec!["An existing Contact with the specified ContactID could not be found".to_owned()]
}

fn valid_email(text: &str) -> bool {
    match text.split_once('@') {
        None => text.is_empty(),
        Some((user, host)) => {
            !user.is_empty() && host.contains('.') && !host.contains('@') && text.is_ascii() && !text.contains(' ')
        }
    }
}
