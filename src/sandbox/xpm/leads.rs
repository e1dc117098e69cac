//! Leads, which `WorkflowMax` has and XPM has not: they are made and read, never changed.

use chrono::{DateTime, Utc};

use super::{
    document::{Element, Node},
    jobs::day,
    practice::{Kind, Practice, Record},
};

/// What a lead refers to, and the element that names it in a request.
const REFERENCES: [(&str, &str, Kind); 3] = [
    ("Client", "ClientUUID", Kind::Clients),
    ("Contact", "ContactUUID", Kind::Contacts),
    ("Owner", "OwnerUUID", Kind::Staff),
];

impl Practice {
    /// Makes a lead.
    pub(crate) fn add_lead(&mut self, element: &Element, now: DateTime<Utc>) -> Result<String, String> {
        let mut lead = self.new_record(now);
        Self::take_texts(&mut lead, Kind::Leads, element);
        if lead.texts.get("Name").is_none_or(String::is_empty) {
            return Err("Name is required".to_owned());
        }
        for (what, named, kind) in REFERENCES {
            if let Some(uuid) = element.value(named).filter(|uuid| !uuid.is_empty()) {
                lead.references.insert(what, self.find(kind, uuid)?.uuid.clone());
            }
        }
        if !lead.references.contains_key("Client") {
            return Err("ClientUUID is required".to_owned());
        }
        lead.texts.insert("State".to_owned(), "Current".to_owned());
        let id = lead.id.clone();
        self.leads.push(lead);
        Ok(id)
    }

    /// A lead in detail.
    pub(crate) fn lead(&self, record: &Record) -> Node {
        let text = |name: &'static str| (name, Node::text(record.texts.get(name).cloned().unwrap_or_default()));
        let mut members = vec![("UUID", Node::text(&record.uuid)), text("Name"), text("Description"), text("State")];
        members.push(text("EstimatedValue"));
        members.push(("Date", Node::text(format!("{}T00:00:00", record.created.date_naive()))));
        members.extend(REFERENCES.map(|(what, _, kind)| (what, self.named(kind, record, what))));
        Node::Members(members)
    }

    /// The leads created in a span of days, both included; the span must be less than a year.
    pub(crate) fn leads_between(&self, from: Option<&str>, to: Option<&str>) -> Result<Vec<Node>, String> {
        let wanted = "from and to are required, as yyyyMMdd";
        let (from, to) = (from.and_then(day).ok_or(wanted)?, to.and_then(day).ok_or(wanted)?);
        if to < from || (to - from).num_days() >= 365 {
            return Err("The date range must be less than a year".to_owned());
        }
        let within = self.leads.iter().filter(|lead| !lead.deleted && (from..=to).contains(&lead.created.date_naive()));
        Ok(within.map(|lead| self.lead(lead)).collect())
    }
}
