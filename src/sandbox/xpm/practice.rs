//! What a practice holds.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    custom::Definition,
    document::{Element, Node},
};

/// The kinds of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Clients,
    Contacts,
    Groups,
    Jobs,
    Leads,
    Staff,
}

impl Kind {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "clients" => Self::Clients,
            "contacts" => Self::Contacts,
            "groups" => Self::Groups,
            "jobs" => Self::Jobs,
            "leads" => Self::Leads,
            "staff" => Self::Staff,
            _ => return None,
        })
    }

    /// The element of one record, and of a list of them.
    pub(crate) const fn elements(self) -> (&'static str, &'static str) {
        match self {
            Self::Clients => ("Client", "Clients"),
            Self::Contacts => ("Contact", "Contacts"),
            Self::Groups => ("Group", "Groups"),
            Self::Jobs => ("Job", "Jobs"),
            Self::Leads => ("Lead", "Leads"),
            Self::Staff => ("Staff", "StaffList"),
        }
    }

    /// Elements that are plain text, in the order in which they are shown.
    pub(crate) const fn texts(self) -> &'static [&'static str] {
        match self {
            Self::Clients => super::clients::TEXTS,
            Self::Contacts => &["Name", "Salutation", "Addressee", "Mobile", "Email", "Phone"],
            Self::Groups => &["Name"],
            Self::Jobs => &["Name", "Description", "Budget"],
            Self::Leads => &["Name", "Description", "EstimatedValue"],
            Self::Staff => &["Name", "Email", "Phone", "Mobile", "Address", "PayrollCode"],
        }
    }
}

/// A record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// UUID; of a job its number.
    pub(crate) id: String,
    pub(crate) uuid: String,
    /// Plain elements as they are kept.
    pub(crate) texts: BTreeMap<String, String>,
    /// UUIDs of other records by what they are to this one.
    pub(crate) references: BTreeMap<&'static str, String>,
    /// Of a client its contacts, of a group its clients.
    pub(crate) members: Vec<Member>,
    /// Of a client the values of its custom fields, by the field's UUID.
    pub(crate) custom: Vec<(String, String)>,
    pub(crate) archived: bool,
    pub(crate) deleted: bool,
    pub(crate) created: DateTime<Utc>,
    /// When the record itself changed last. Nobody is told; `modifiedsince` goes by it.
    pub(crate) changed: DateTime<Utc>,
}

/// A record that belongs to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) uuid: String,
    pub(crate) position: String,
    pub(crate) primary: bool,
}

/// All records of a practice.
#[derive(Debug)]
pub(crate) struct Practice {
    pub(crate) clients: Vec<Record>,
    pub(crate) contacts: Vec<Record>,
    pub(crate) groups: Vec<Record>,
    pub(crate) jobs: Vec<Record>,
    pub(crate) leads: Vec<Record>,
    pub(crate) staff: Vec<Record>,
    pub(crate) definitions: Vec<Definition>,
    ids: fastrand::Rng,
}

impl Practice {
    pub(crate) fn new(seed: u64) -> Self {
        let ids = fastrand::Rng::with_seed(seed ^ 0x7870_6d00);
        let (clients, contacts, groups, jobs, leads, staff) = (vec![], vec![], vec![], vec![], vec![], vec![]);
        Self { clients, contacts, groups, jobs, leads, staff, definitions: vec![], ids }
    }

    pub(crate) fn of(&self, kind: Kind) -> &Vec<Record> {
        match kind {
            Kind::Clients => &self.clients,
            Kind::Contacts => &self.contacts,
            Kind::Groups => &self.groups,
            Kind::Jobs => &self.jobs,
            Kind::Leads => &self.leads,
            Kind::Staff => &self.staff,
        }
    }

    pub(crate) fn of_mut(&mut self, kind: Kind) -> &mut Vec<Record> {
        match kind {
            Kind::Clients => &mut self.clients,
            Kind::Contacts => &mut self.contacts,
            Kind::Groups => &mut self.groups,
            Kind::Jobs => &mut self.jobs,
            Kind::Leads => &mut self.leads,
            Kind::Staff => &mut self.staff,
        }
    }

    pub(crate) fn find(&self, kind: Kind, id: &str) -> Result<&Record, String> {
        let found = self.of(kind).iter().find(|record| record.id.eq_ignore_ascii_case(id));
        found.ok_or_else(|| not_found(kind))
    }

    pub(crate) fn find_mut(&mut self, kind: Kind, id: &str) -> Result<&mut Record, String> {
        let found = self.of_mut(kind).iter_mut().find(|record| record.id.eq_ignore_ascii_case(id));
        found.ok_or_else(|| not_found(kind))
    }

    pub(crate) fn new_uuid(&mut self) -> String {
        Uuid::from_u64_pair(self.ids.u64(..), self.ids.u64(..)).to_string()
    }

    pub(crate) fn new_record(&mut self, now: DateTime<Utc>) -> Record {
        let uuid = self.new_uuid();
        Record { id: uuid.clone(), uuid, created: now, changed: now, ..Record::default() }
    }

    /// Takes what an element names; what it does not name stays (guess: the docs do not say).
    pub(crate) fn take_texts(record: &mut Record, kind: Kind, element: &Element) {
        for name in kind.texts() {
            if let Some(text) = element.value(name) {
                record.texts.insert((*name).to_owned(), text.to_owned());
            }
        }
    }

    /// `<Manager><UUID/><Name/></Manager>` of a reference, or an empty element.
    pub(crate) fn named(&self, kind: Kind, record: &Record, what: &'static str) -> Node {
        let found = record.references.get(what).and_then(|uuid| self.of(kind).iter().find(|one| one.uuid == *uuid));
        match found {
            Some(found) => Node::Members(vec![
                ("UUID", Node::text(&found.uuid)),
                ("Name", Node::text(found.texts.get("Name").cloned().unwrap_or_default())),
            ]),
            None => Node::Nothing,
        }
    }

    /// A contact or a member of the staff.
    pub(crate) fn plain(kind: Kind, record: &Record) -> Vec<(&'static str, Node)> {
        let mut members = vec![("UUID", Node::text(&record.uuid))];
        let text = |name: &&'static str| (*name, Node::text(record.texts.get(*name).cloned().unwrap_or_default()));
        members.extend(kind.texts().iter().map(text));
        members
    }

    /// A group; its clients only where it is read by itself.
    pub(crate) fn group(&self, record: &Record, whole: bool) -> Node {
        let mut members = Self::plain(Kind::Groups, record);
        members.push(("Taxable", Node::yes(record.texts.get("Taxable").is_some_and(|text| text == "Yes"))));
        if whole {
            let client = |member: &Member| {
                let client = self.find(Kind::Clients, &member.uuid).ok()?;
                let name = client.texts.get("Name").cloned().unwrap_or_default();
                Some(Node::Members(vec![("UUID", Node::text(&client.uuid)), ("Name", Node::text(name))]))
            };
            members.push(("Clients", Node::List("Client", record.members.iter().filter_map(client).collect())));
        }
        Node::Members(members)
    }

    /// A record in full.
    pub(crate) fn shown(&self, kind: Kind, record: &Record) -> Node {
        match kind {
            Kind::Clients => self.client(record, true),
            Kind::Contacts | Kind::Staff => Node::Members(Self::plain(kind, record)),
            Kind::Groups => self.group(record, true),
            Kind::Jobs => self.job(record),
            Kind::Leads => self.lead(record),
        }
    }
}

/// Guess: the docs give no wording.
pub(crate) fn not_found(kind: Kind) -> String {
    format!("The {} could not be found", kind.elements().0.to_lowercase())
}

/// A decimal number, or nothing.
pub(crate) fn number(text: &str, name: &str) -> Result<(), String> {
    let fits = text.is_empty() || text.parse::<rust_decimal::Decimal>().is_ok();
    if fits { Ok(()) } else { Err(format!("{name} must be a number")) }
}

/// `Yes` or `No`, and nothing else.
pub(crate) fn yes_no(text: &str, name: &str) -> Result<bool, String> {
    match text {
        "Yes" => Ok(true),
        "No" | "" => Ok(false),
        _ => Err(format!("{name} must be Yes or No")),
    }
}
