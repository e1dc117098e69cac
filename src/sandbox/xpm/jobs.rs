//! Jobs.

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    document::{Element, Node},
    practice::{Kind, Practice, Record, number},
};

impl Practice {
    /// Takes what a request says of a job. An update does not move it to another client.
    pub(crate) fn write_job(
        &mut self,
        id: Option<&str>,
        element: &Element,
        now: DateTime<Utc>,
    ) -> Result<String, String> {
        let mut job = if let Some(id) = id { self.find(Kind::Jobs, id)?.clone() } else { self.new_job(element, now)? };
        Self::take_texts(&mut job, Kind::Jobs, element);
        if let Some(number) = element.value("ClientNumber") {
            job.texts.insert("ClientOrderNumber".to_owned(), number.to_owned());
        }
        if job.texts.get("Name").is_none_or(String::is_empty) {
            return Err("Name is required".to_owned());
        }
        number(element.value("Budget").unwrap_or_default(), "Budget")?;
        for name in ["StartDate", "DueDate"] {
            if let Some(text) = element.value(name).filter(|text| !text.is_empty()) {
                let day = day(text).ok_or_else(|| format!("{name} must be written as yyyyMMdd"))?;
                job.texts.insert(name.to_owned(), format!("{day}T00:00:00"));
            }
        }
        job.changed = now;
        let id = job.id.clone();
        match self.jobs.iter_mut().find(|known| known.id == id) {
            Some(known) => *known = job,
            None => self.jobs.push(job),
        }
        Ok(id)
    }

    fn new_job(&mut self, element: &Element, now: DateTime<Utc>) -> Result<Record, String> {
        let mut job = self.new_record(now);
        let number = format!("J{:06}", self.jobs.len() + 1);
        job.id = element.value("ID").filter(|id| !id.is_empty()).map_or(number, str::to_owned);
        if self.find(Kind::Jobs, &job.id).is_ok() {
            return Err("Job number already exists".to_owned()); // guess: the wording
        }
        let client = element.value("ClientUUID").unwrap_or_default();
        job.references.insert("Client", self.find(Kind::Clients, client)?.uuid.clone());
        job.texts.insert("State".to_owned(), "Planned".to_owned());
        Ok(job)
    }

    /// A job in detail.
    pub(crate) fn job(&self, record: &Record) -> Node {
        let text = |name: &'static str| (name, Node::text(record.texts.get(name).cloned().unwrap_or_default()));
        Node::Members(vec![
            ("ID", Node::text(&record.id)),
            ("UUID", Node::text(&record.uuid)),
            text("Name"),
            text("Description"),
            text("State"),
            text("ClientOrderNumber"),
            text("Budget"),
            text("StartDate"),
            text("DueDate"),
            ("Client", self.named(Kind::Clients, record, "Client")),
            ("Assigned", Node::List("Staff", vec![])),
            ("Tasks", Node::List("Task", vec![])),
        ])
    }

    /// The jobs created in a span of days, both included; the span must be less than a year.
    pub(crate) fn jobs_between(&self, from: Option<&str>, to: Option<&str>) -> Result<Vec<Node>, String> {
        let wanted = "from and to are required, as yyyyMMdd";
        let from = from.and_then(day).ok_or(wanted)?;
        let to = to.and_then(day).ok_or(wanted)?;
        if to < from || (to - from).num_days() >= 365 {
            return Err("The date range must be less than a year".to_owned());
        }
        let within = |job: &&Record| (from..=to).contains(&job.created.date_naive());
        Ok(self.jobs.iter().filter(|job| !job.deleted).filter(within).map(|job| self.job(job)).collect())
    }
}

/// A day as yyyyMMdd.
pub(super) fn day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y%m%d").ok().filter(|_| text.len() == 8)
}
