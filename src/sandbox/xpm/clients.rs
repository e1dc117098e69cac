//! Clients and their contacts.

use chrono::{DateTime, Utc};

use super::{
    document::{Element, Node},
    practice::{Kind, Member, Practice, Record, number, yes_no},
};

/// Plain elements of a client, in the order in which they are shown.
pub(crate) const TEXTS: &[&str] = &[
    "Name",
    "Title",
    "Gender",
    "FirstName",
    "LastName",
    "OtherName",
    "Email",
    "Address",
    "City",
    "Region",
    "PostCode",
    "Country",
    "PostalAddress",
    "PostalCity",
    "PostalRegion",
    "PostalPostCode",
    "PostalCountry",
    "Phone",
    "Fax",
    "ReferralSource",
    "ExportCode",
    "CompanyNumber",
    "BusinessNumber",
    "BusinessStructure",
    "Industry",
    "BalanceMonth",
    "GSTBasis",
    "ProvisionalTaxBasis",
    "ProvisionalTaxRatio",
    "TaxAgent",
    "AgencyStatus",
    "ReturnType",
];

/// Elements that hold `Yes` or `No`.
const FLAGS: &[&str] = &[
    "IsProspect",
    "PrepareGST",
    "GSTRegistered",
    "SignedTaxAuthority",
    "PrepareActivityStatement",
    "PrepareTaxReturn",
];

/// Whom a client refers to, and the element that says so in a request.
const OTHERS: &[(&str, &str, Kind)] = &[
    ("AccountManager", "AccountManagerUUID", Kind::Staff),
    ("JobManager", "JobManagerUUID", Kind::Staff),
    ("BillingClient", "BillingClientUUID", Kind::Clients),
];

impl Practice {
    /// Takes what a request says of a client, or nothing of it.
    pub(crate) fn write_client(
        &mut self,
        id: Option<&str>,
        element: &Element,
        now: DateTime<Utc>,
    ) -> Result<String, String> {
        let mut client = match id {
            Some(id) => self.find(Kind::Clients, id)?.clone(),
            None => self.new_record(now),
        };
        Self::take_texts(&mut client, Kind::Clients, element);
        if client.texts.get("Name").is_none_or(String::is_empty) {
            return Err("Name is required".to_owned()); // guess: the wording
        }
        for name in FLAGS {
            if let Some(text) = element.value(name) {
                let word = if yes_no(text, name)? { "Yes" } else { "No" };
                client.texts.insert((*name).to_owned(), word.to_owned());
            }
        }
        // Read as `Website`, written as `WebSite`.
        if let Some(text) = element.value("WebSite") {
            client.texts.insert("Website".to_owned(), text.to_owned());
        }
        if let Some(text) = element.value("TaxNumber") {
            client.texts.insert("TaxNumber".to_owned(), text.to_owned());
        }
        // Written as a number, read as words.
        if let Some(text) = element.value("GSTPeriod") {
            let words = match text {
                "1" => "Monthly",
                "2" => "2 Monthly",
                "6" => "6 Monthly",
                "" => "",
                _ => return Err("GSTPeriod must be 1, 2 or 6".to_owned()),
            };
            client.texts.insert("GSTPeriod".to_owned(), words.to_owned());
        }
        if let Some(text) = element.value("BalanceMonth") {
            client.texts.insert("BalanceMonth".to_owned(), month(text)?);
        }
        if let Some(text) = element.value("ProvisionalTaxRatio") {
            number(text, "ProvisionalTaxRatio")?;
        }
        if let Some(text) = element.value("DateOfBirth").filter(|text| !text.is_empty()) {
            let day = text.parse::<chrono::NaiveDate>().map_err(|_| "DateOfBirth is not a date".to_owned())?;
            client.texts.insert("DateOfBirth".to_owned(), format!("{day}T00:00:00"));
        }
        for (what, written, kind) in OTHERS {
            match element.value(written) {
                None => {}
                Some("") => drop(client.references.remove(what)),
                Some(uuid) => {
                    self.find(*kind, uuid)?;
                    client.references.insert(what, uuid.to_owned());
                }
            }
        }
        client.changed = now;
        // Contacts are taken when a client is added, and never again.
        if id.is_none() {
            for contact in element.child("Contacts").into_iter().flat_map(|list| &list.children) {
                let member = self.write_contact(None, contact, now)?;
                let primary = yes_no(contact.value("IsPrimary").unwrap_or_default(), "IsPrimary")?;
                if primary {
                    client.members.iter_mut().for_each(|member| member.primary = false);
                }
                let position = contact.value("Position").unwrap_or_default().to_owned();
                client.members.push(Member { uuid: member, position, primary });
            }
        }
        let uuid = client.uuid.clone();
        match id {
            Some(_) => *self.find_mut(Kind::Clients, &uuid)? = client,
            None => self.clients.push(client),
        }
        Ok(uuid)
    }

    /// Takes what a request says of a contact. A client named in it gets a new contact.
    pub(crate) fn write_contact(
        &mut self,
        id: Option<&str>,
        element: &Element,
        now: DateTime<Utc>,
    ) -> Result<String, String> {
        let mut contact = match id {
            Some(id) => self.find(Kind::Contacts, id)?.clone(),
            None => self.new_record(now),
        };
        Self::take_texts(&mut contact, Kind::Contacts, element);
        if contact.texts.get("Name").is_none_or(String::is_empty) {
            return Err("Name is required".to_owned());
        }
        let uuid = contact.uuid.clone();
        if let Some(client) = element.reference("Client") {
            let member = Member {
                uuid: uuid.clone(),
                position: element.value("Position").unwrap_or_default().to_owned(),
                primary: yes_no(element.value("IsPrimary").unwrap_or_default(), "IsPrimary")?,
            };
            let client = self.find_mut(Kind::Clients, client)?;
            client.members.retain(|known| known.uuid != uuid);
            client.members.push(member);
        }
        match id {
            Some(_) => *self.find_mut(Kind::Contacts, &uuid)? = contact,
            None => self.contacts.push(contact),
        }
        Ok(uuid)
    }

    /// A client; contacts, groups and notes only where it is asked for in detail.
    pub(crate) fn client(&self, record: &Record, detailed: bool) -> Node {
        let text = |name: &str| Node::text(record.texts.get(name).cloned().unwrap_or_default());
        let flag = |name: &str| Node::yes(record.texts.get(name).is_some_and(|text| text == "Yes"));
        let mut members = vec![("UUID", Node::text(&record.uuid))];
        members.extend(TEXTS.iter().map(|name| (*name, text(name))));
        members.extend(FLAGS.iter().map(|name| (*name, flag(name))));
        members.push(("DateOfBirth", text("DateOfBirth")));
        members.push(("Website", text("Website")));
        members.push(("GSTPeriod", text("GSTPeriod")));
        members.push(("TaxNumber", Node::text(masked(record.texts.get("TaxNumber").map_or("", String::as_str)))));
        members.push(("IsArchived", Node::yes(record.archived)));
        members.push(("IsDeleted", Node::yes(record.deleted)));
        members.extend(OTHERS.iter().map(|(what, _, kind)| (*what, self.named(*kind, record, what))));
        let contacts = record.members.iter().filter_map(|member| {
            let contact = self.find(Kind::Contacts, &member.uuid).ok().filter(|contact| !contact.deleted)?;
            let mut shown = Self::plain(Kind::Contacts, contact);
            shown.push(("Position", Node::text(&member.position)));
            shown.push(("IsPrimary", Node::yes(member.primary)));
            shown.push(("IsDeleted", Node::yes(false)));
            Some(Node::Members(shown))
        });
        members.push(("Contacts", Node::List("Contact", contacts.collect())));
        if detailed {
            let within = |group: &&Record| group.members.iter().any(|member| member.uuid == record.uuid);
            let groups = self.groups.iter().filter(within).map(|group| {
                let name = group.texts.get("Name").cloned().unwrap_or_default();
                Node::Members(vec![("UUID", Node::text(&group.uuid)), ("Name", Node::text(name))])
            });
            members.push(("Groups", Node::List("Group", groups.collect())));
            members.push(("Notes", Node::List("Note", vec![])));
            members.push(("Relationships", Node::List("Relationship", vec![])));
        }
        Node::Members(members)
    }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Written as `Mar` or `3`, read as `3`.
fn month(text: &str) -> Result<String, String> {
    let named = MONTHS.iter().zip(1..).find(|(name, _)| name.eq_ignore_ascii_case(text));
    match named.map(|(_, number)| number).or_else(|| text.parse::<u8>().ok().filter(|month| (1..=12).contains(month))) {
        Some(month) => Ok(month.to_string()),
        None if text.is_empty() => Ok(String::new()),
        None => Err("BalanceMonth must be a month".to_owned()),
    }
}

/// Only the last three digits are shown.
fn masked(number: &str) -> String {
    let hidden = number.chars().count().saturating_sub(3);
    number.chars().enumerate().map(|(at, c)| if at < hidden { '*' } else { c }).collect()
}
