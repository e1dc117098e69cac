//! One resource's records.
//!
//! A record is kept as the text it is answered with: a page of a thousand is then a thousand copies of ready text, and
//! a hundred thousand records fit into some 50 MB.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};

use super::{
    check::{Problem, check_object, complete, decimal, merge},
    fields::Resource,
};

#[derive(Debug)]
struct Stored {
    text: Box<str>,
    updated: i64,
    version: u64,
}

/// Whether another resource holds a record.
pub(crate) type Exists<'a> = dyn Fn(&str, &str) -> bool + 'a;

/// The records of one resource, in the order of their ids.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) resource: &'static Resource,
    next: u64,
    records: BTreeMap<u64, Stored>,
    by_time: BTreeSet<(i64, u64)>,
    by_key: BTreeSet<(usize, Box<str>, u64)>,
}

/// One page of a list, as the texts of its records.
pub(crate) struct Page<'a> {
    pub(crate) texts: Vec<&'a str>,
    pub(crate) total: usize,
}

/// What a list is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) skip: usize,
    pub(crate) take: usize,
    /// Milliseconds since the epoch.
    pub(crate) since: Option<i64>,
    pub(crate) key: Option<(usize, &'a str)>,
}

impl Shelf {
    pub(crate) fn new(resource: &'static Resource) -> Self {
        Self { resource, next: 1, records: BTreeMap::new(), by_time: BTreeSet::new(), by_key: BTreeSet::new() }
    }

    fn number(&self, id: &str) -> Option<u64> {
        let digits = id.strip_prefix(self.resource.letter)?;
        // `c01` and `c+1` are not ids we made.
        if digits.starts_with(['0', '+']) { None } else { digits.parse().ok() }
    }

    pub(crate) fn holds(&self, id: &str) -> bool {
        self.number(id).is_some_and(|number| self.records.contains_key(&number))
    }

    pub(crate) fn text(&self, id: &str) -> Option<(&str, u64)> {
        self.records.get(&self.number(id)?).map(|stored| (&*stored.text, stored.version))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        self.records.values().map(|stored| &*stored.text)
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn page(&self, ask: Ask<'_>) -> Page<'_> {
        let texts = |numbers: &mut dyn Iterator<Item = u64>| -> Vec<&str> {
            numbers.filter_map(|number| self.records.get(&number)).map(|stored| &*stored.text).collect()
        };
        match (ask.key, ask.since) {
            (None, None) => {
                let records = self.records.values().skip(ask.skip).take(ask.take);
                Page { texts: records.map(|stored| &*stored.text).collect(), total: self.records.len() }
            }
            (None, Some(since)) => {
                // By id again: a record that changes while pages are read must not push others across a page's edge.
                let mut changed: Vec<u64> = self.by_time.range((since, 0)..).map(|(_, number)| *number).collect();
                changed.sort_unstable();
                let total = changed.len();
                Page { texts: texts(&mut changed.into_iter().skip(ask.skip).take(ask.take)), total }
            }
            (Some((key, value)), since) => {
                let found: Vec<u64> = self
                    .numbers_with(key, value)
                    .filter(|number| self.records.get(number).is_some_and(|stored| Some(stored.updated) >= since))
                    .collect();
                let total = found.len();
                Page { texts: texts(&mut found.into_iter().skip(ask.skip).take(ask.take)), total }
            }
        }
    }

    fn numbers_with(&self, key: usize, value: &str) -> impl Iterator<Item = u64> {
        let folded: Box<str> = value.to_lowercase().into();
        let until = (key, folded.clone(), u64::MAX);
        self.by_key.range((key, folded, 0)..=until).map(|(_, _, number)| *number)
    }

    /// Makes a record and gives its id.
    pub(crate) fn create(
        &mut self,
        mut record: Map<String, Value>,
        at: DateTime<Utc>,
        exists: &Exists<'_>,
    ) -> Result<String, Problem> {
        refuse_read_only(&record, false)?;
        check_object(self.resource.fields, &record, "", exists)?;
        let number = self.next;
        self.next += 1;
        let id = format!("{}{number}", self.resource.letter);
        complete(self.resource.fields, &mut record);
        self.defaults(&mut record, number);
        record.insert("created_at".to_owned(), stamp(at));
        record.insert("id".to_owned(), Value::String(id.clone()));
        self.put(number, record, at, 1);
        Ok(id)
    }

    /// What the site fills in by itself.
    fn defaults(&self, record: &mut Map<String, Value>, number: u64) {
        if self.resource.name == "sales" && record.get("number").is_none_or(Value::is_null) {
            record.insert("number".to_owned(), Value::String(format!("S-{}", 1000 + number)));
        }
        if record.get("total").is_some_and(Value::is_null)
            && let Some(total) = record.get("lines").and_then(lines_total)
        {
            record.insert("total".to_owned(), total);
        }
    }

    /// Changes the properties that `patch` names. `expected` is the version that the client last saw.
    pub(crate) fn patch(
        &mut self,
        id: &str,
        mut patch: Map<String, Value>,
        expected: Option<u64>,
        at: DateTime<Utc>,
        exists: &Exists<'_>,
    ) -> Result<(), Problem> {
        let number = self.number(id).filter(|number| self.records.contains_key(number));
        let found = number.and_then(|number| Some((number, self.records.get(&number)?)));
        let Some((number, stored)) = found else { return Err(not_found(self.resource.name, id)) };
        refuse_read_only(&patch, true)?;
        let in_body =
            match patch.remove("version") {
                None => None,
                Some(version) => Some(version.as_u64().ok_or_else(|| {
                    Problem::new(422, "invalid_value", "`version` must be a whole number").at("version")
                })?),
            };
        let version = stored.version;
        if expected.or(in_body).is_some_and(|expected| expected != version) {
            let message = format!("`{id}` is at version {version}: read it again");
            return Err(Problem::new(412, "stale_version", message));
        }
        check_object(self.resource.fields, &patch, "", exists)?;
        let Ok(Value::Object(mut record)) = serde_json::from_str(&stored.text) else {
            return Err(Problem::new(500, "broken_record", format!("`{id}` cannot be read")));
        };
        let recount = patch.contains_key("lines") && !patch.contains_key("total");
        merge(&mut record, patch);
        if recount && let Some(total) = record.get("lines").and_then(lines_total) {
            record.insert("total".to_owned(), total);
        }
        complete(self.resource.fields, &mut record);
        self.forget(number);
        self.put(number, record, at, version + 1);
        Ok(())
    }

    pub(crate) fn remove(&mut self, id: &str) -> Result<(), Problem> {
        let number = self.number(id).filter(|number| self.records.contains_key(number));
        let Some(number) = number else { return Err(not_found(self.resource.name, id)) };
        self.forget(number);
        Ok(())
    }

    fn put(&mut self, number: u64, mut record: Map<String, Value>, at: DateTime<Utc>, version: u64) {
        record.insert("updated_at".to_owned(), stamp(at));
        record.insert("version".to_owned(), version.into());
        for (key, name) in self.resource.keys.iter().enumerate() {
            if let Some(Value::String(value)) = record.get(*name)
                && !value.is_empty()
            {
                self.by_key.insert((key, value.to_lowercase().into(), number));
            }
        }
        let updated = at.timestamp_millis();
        self.by_time.insert((updated, number));
        let text = Value::Object(record).to_string().into();
        self.records.insert(number, Stored { text, updated, version });
    }

    /// Takes a record off the shelf and out of the indexes.
    fn forget(&mut self, number: u64) {
        let Some(stored) = self.records.remove(&number) else { return };
        self.by_time.remove(&(stored.updated, number));
        let Ok(Value::Object(record)) = serde_json::from_str(&stored.text) else { return };
        for (key, name) in self.resource.keys.iter().enumerate() {
            if let Some(Value::String(value)) = record.get(*name) {
                self.by_key.remove(&(key, value.to_lowercase().into(), number));
            }
        }
    }
}

fn not_found(resource: &str, id: &str) -> Problem {
    Problem::new(404, "not_found", format!("no record `{id}` in {resource}"))
}

fn refuse_read_only(written: &Map<String, Value>, version_allowed: bool) -> Result<(), Problem> {
    let names: &[&str] = if version_allowed {
        &["id", "created_at", "updated_at"]
    } else {
        &["id", "created_at", "updated_at", "version"]
    };
    match names.iter().find(|name| written.contains_key(**name)) {
        Some(name) => Err(Problem::new(422, "read_only", format!("`{name}` is set by the website")).at(name)),
        None => Ok(()),
    }
}

fn stamp(at: DateTime<Utc>) -> Value {
    Value::String(at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// The sum of quantity times cents, in whole units of the currency; a line without a quantity counts once.
fn lines_total(lines: &Value) -> Option<Value> {
    let mut cents = rust_decimal::Decimal::ZERO;
    for line in lines.as_array()? {
        let amount = |name: &str| line.get(name).and_then(Value::as_number).and_then(decimal);
        let each = amount("cents").unwrap_or_default();
        cents = cents.checked_add(each.checked_mul(amount("quantity").unwrap_or(rust_decimal::Decimal::ONE))?)?;
    }
    let mut total = (cents / rust_decimal::Decimal::ONE_HUNDRED).round_dp(2);
    total.rescale(2);
    total.to_string().parse().ok().map(Value::Number)
}
