//! Records and the rules that all systems have for them.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use uuid::Uuid;

/// What a system makes ids of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// 1, 2, 3 as JSON numbers.
    Number,
    /// 1, 2, 3 as text.
    Text,
    /// UUIDs.
    Uuid,
    /// What the caller says.
    Given,
}

/// A rule for a record, and for how it was before.
pub(crate) type Finish = fn(&mut Map<String, Value>, Option<&Map<String, Value>>) -> Result<(), Problem>;

/// The shape of a resource.
pub(crate) struct Shape {
    /// As the manifest calls it.
    pub(crate) name: &'static str,
    /// As the system's paths or queries call it.
    pub(crate) called: &'static str,
    pub(crate) id: &'static str,
    pub(crate) ids: Ids,
    /// Where the stamps of making and of the last change are, dotted.
    pub(crate) stamps: [Option<&'static str>; 2],
    /// Where the version is.
    pub(crate) version: Option<&'static str>,
    /// What a record cannot be without.
    pub(crate) required: &'static [&'static str],
    /// What only one record may have.
    pub(crate) unique: &'static [&'static str],
    /// What is not taken from a write.
    pub(crate) read_only: &'static [&'static str],
    /// A list whose elements get an id, and where.
    pub(crate) lines: Option<(&'static str, &'static str)>,
    /// Works out what the system works out, and refuses what it refuses; with the record of before.
    pub(crate) finish: Finish,
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A shape of which little is said.
pub(crate) const PLAIN: Shape = Shape {
    name: "",
    called: "",
    id: "id",
    ids: Ids::Number,
    stamps: [None, None],
    version: None,
    required: &[],
    unique: &[],
    read_only: &[],
    lines: None,
    finish: |_, _| Ok(()),
};

/// What a record breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// This must be there.
    Missing(&'static str),
    /// Another record has it.
    Taken(&'static str),
    /// The version is not that of the record.
    Stale,
    /// There is no such record.
    NotFound,
    /// Something else.
    Other(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "{name} is required"),
            Self::Taken(name) => write!(f, "{name} is in use already"),
            Self::Stale => f.write_str("the record was changed meanwhile"),
            Self::NotFound => f.write_str("there is no such record"),
            Self::Other(message) => f.write_str(message),
        }
    }
}

/// A record.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) body: Map<String, Value>,
    pub(crate) changed: DateTime<Utc>,
    pub(crate) version: u64,
    pub(crate) deleted: Option<DateTime<Utc>>,
}

/// How a write changes a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// What is not named stays.
    Partly,
    /// What is not named goes.
    Wholly,
}

/// All records of an account.
#[derive(Debug)]
pub(crate) struct Books {
    shelves: Vec<(&'static Shape, Vec<Record>)>,
    stamp: fn(DateTime<Utc>) -> Value,
    ids: fastrand::Rng,
    lines: u64,
    /// Answers that are given again for the same key.
    pub(crate) replays: BTreeMap<String, (u16, String)>,
}

impl Books {
    pub(crate) fn new(shapes: &'static [Shape], stamp: fn(DateTime<Utc>) -> Value, seed: u64) -> Self {
        let shelves = shapes.iter().map(|shape| (shape, Vec::new())).collect();
        Self { shelves, stamp, ids: fastrand::Rng::with_seed(seed ^ 0x626f_6f6b), lines: 0, replays: BTreeMap::new() }
    }

    /// The shape that the manifest calls so.
    pub(crate) fn shape(&self, name: &str) -> Option<&'static Shape> {
        self.shelves.iter().map(|(shape, _)| *shape).find(|shape| shape.name == name)
    }

    /// The shape that the system calls so.
    pub(crate) fn called(&self, name: &str) -> Option<&'static Shape> {
        self.shelves.iter().map(|(shape, _)| *shape).find(|shape| shape.called.eq_ignore_ascii_case(name))
    }

    /// All records, deleted ones too, oldest first.
    pub(crate) fn all(&self, shape: &Shape) -> &[Record] {
        self.shelves.iter().find(|(known, _)| known.name == shape.name).map_or(&[], |(_, records)| records)
    }

    fn all_mut(&mut self, shape: &Shape) -> Result<&mut Vec<Record>, Problem> {
        let found = self.shelves.iter_mut().find(|(known, _)| known.name == shape.name);
        found.map(|(_, records)| records).ok_or(Problem::NotFound)
    }

    pub(crate) fn living<'b>(&'b self, shape: &'b Shape) -> impl Iterator<Item = &'b Record> {
        self.all(shape).iter().filter(|record| record.deleted.is_none())
    }

    pub(crate) fn find(&self, shape: &Shape, id: &str) -> Option<&Record> {
        self.all(shape).iter().find(|record| record.id.eq_ignore_ascii_case(id) && record.deleted.is_none())
    }

    /// Makes a record, and gives its id.
    pub(crate) fn make(&mut self, shape: &'static Shape, body: Value, now: DateTime<Utc>) -> Result<String, Problem> {
        let Value::Object(mut body) = body else { return Err(Problem::Other("a record is an object".to_owned())) };
        let given = body.get(shape.id).and_then(Value::as_str).map(str::to_owned);
        body.retain(|name, _| !shape.read_only.contains(&name.as_str()) && name != shape.id);
        let number = self.all(shape).len() + 1;
        let (id, value) = match shape.ids {
            Ids::Number => (number.to_string(), Value::from(number)),
            Ids::Text => (number.to_string(), Value::from(number.to_string())),
            Ids::Uuid => {
                let uuid = Uuid::from_u64_pair(self.ids.u64(..), self.ids.u64(..)).to_string();
                (uuid.clone(), Value::from(uuid))
            }
            Ids::Given => {
                let id = given.filter(|id| !id.is_empty()).ok_or(Problem::Missing(shape.id))?;
                if self.find(shape, &id).is_some() {
                    return Err(Problem::Taken(shape.id));
                }
                (id.clone(), Value::from(id))
            }
        };
        body.insert(shape.id.to_owned(), value);
        if let Some(at) = shape.stamps[0] {
            put(&mut body, at, (self.stamp)(now));
        }
        self.judge(shape, &id, &mut body, None)?;
        let mut record = Record { id: id.clone(), body, changed: now, version: 0, deleted: None };
        self.sign(shape, &mut record, now);
        self.all_mut(shape)?.push(record);
        Ok(id)
    }

    /// Changes a record. A `version` that is not the record's is refused.
    pub(crate) fn change(
        &mut self,
        shape: &'static Shape,
        (id, version): (&str, Option<&str>),
        (how, body): (How, Value),
        now: DateTime<Utc>,
    ) -> Result<String, Problem> {
        let Value::Object(body) = body else { return Err(Problem::Other("a record is an object".to_owned())) };
        let mut record = self.find(shape, id).cloned().ok_or(Problem::NotFound)?;
        if version.is_some_and(|version| version != record.version.to_string()) {
            return Err(Problem::Stale);
        }
        let before = record.body.clone();
        let kept = |name: &String| shape.read_only.contains(&name.as_str()) || name == shape.id;
        if how == How::Wholly {
            record.body.retain(|name, _| kept(name));
        }
        for (name, value) in body.into_iter().filter(|(name, _)| !kept(name)) {
            merge(record.body.entry(name).or_insert(Value::Null), value, how);
        }
        self.judge(shape, &record.id, &mut record.body, Some(&before))?;
        record.version += 1;
        self.sign(shape, &mut record, now);
        let id = record.id.clone();
        if let Some(there) = self.all_mut(shape)?.iter_mut().find(|there| there.id == id) {
            *there = record;
        }
        Ok(id)
    }

    pub(crate) fn remove(&mut self, shape: &Shape, id: &str, now: DateTime<Utc>) -> Result<(), Problem> {
        let found = self.all_mut(shape)?.iter_mut().find(|record| record.id == id && record.deleted.is_none());
        let record = found.ok_or(Problem::NotFound)?;
        (record.deleted, record.changed) = (Some(now), now);
        Ok(())
    }

    /// Stamps and version of a record that was written.
    fn sign(&self, shape: &Shape, record: &mut Record, now: DateTime<Utc>) {
        record.changed = now;
        if let Some(at) = shape.stamps[1] {
            put(&mut record.body, at, (self.stamp)(now));
        }
        if let Some(at) = shape.version {
            put(&mut record.body, at, Value::from(record.version.to_string()));
        }
    }

    fn judge(
        &mut self,
        shape: &Shape,
        id: &str,
        body: &mut Map<String, Value>,
        before: Option<&Map<String, Value>>,
    ) -> Result<(), Problem> {
        let blank = |value: Option<&Value>| value.is_none_or(|v| v.is_null() || v.as_str() == Some(""));
        if let Some(name) = shape.required.iter().find(|name| blank(body.get(**name))) {
            return Err(Problem::Missing(name));
        }
        for name in shape.unique {
            let same = |record: &Record| record.id != id && record.body.get(*name) == body.get(*name);
            if !blank(body.get(*name)) && self.living(shape).any(same) {
                return Err(Problem::Taken(name));
            }
        }
        (shape.finish)(body, before)?;
        if let Some((list, line_id)) = shape.lines
            && let Some(Value::Array(lines)) = body.get_mut(list)
        {
            for line in lines.iter_mut().filter_map(Value::as_object_mut) {
                if blank(line.get(line_id)) {
                    self.lines += 1;
                    line.insert(line_id.to_owned(), Value::from(self.lines.to_string()));
                }
            }
        }
        Ok(())
    }
}

/// Puts a value over another; a null takes it away.
fn merge(over: &mut Value, value: Value, how: How) {
    match (over, value) {
        (Value::Object(over), Value::Object(value)) if how == How::Partly => {
            for (name, value) in value {
                merge(over.entry(name).or_insert(Value::Null), value, how);
            }
        }
        (over, value) => *over = value,
    }
}

/// Puts a value at a dotted place.
pub(crate) fn put(body: &mut Map<String, Value>, at: &str, value: Value) {
    match at.split_once('.') {
        None => {
            body.insert(at.to_owned(), value);
        }
        Some((name, rest)) => {
            let inner = body.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// The sum of a member over the elements of a list.
pub(crate) fn sum(body: &Map<String, Value>, list: &str, member: &str) -> Value {
    let lines = body.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let amount = |line: &Value| line.get(member).and_then(|amount| amount.to_string().parse::<Decimal>().ok());
    let total: Decimal = lines.iter().filter_map(amount).sum();
    serde_json::from_str(&total.normalize().to_string()).unwrap_or_default()
}
