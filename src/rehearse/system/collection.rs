//! The records of a resource.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};

use crate::{
    connector::{FieldTable, RemoteRecord, Resource, VersionPlace, WriteKind, id_of, label},
    record::{Cell, Kind, RecordId},
};

/// A record as the system keeps it.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub body: Value,
    pub updated: DateTime<Utc>,
    pub version: u64,
}

/// The records of a resource, and which were deleted when.
#[derive(Debug, Default)]
pub(super) struct Collection {
    pub records: BTreeMap<RecordId, Stored>,
    deleted: Vec<(RecordId, DateTime<Utc>)>,
    made: u64,
}

/// Lays values over a record: objects name by name, everything else whole.
pub(in crate::rehearse) fn merge(into: &mut Value, values: &Value) {
    match (into, values) {
        (Value::Object(into), Value::Object(values)) => {
            for (name, value) in values {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (into, value) => *into = value.clone(),
    }
}

/// As [`merge`], but null is a value as any other.
fn overwrite(into: &mut Value, values: &Value) {
    match (into, values) {
        (Value::Object(into), Value::Object(values)) => {
            for (name, value) in values {
                overwrite(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, value) => *into = value.clone(),
    }
}

impl Collection {
    pub fn bodies(&self) -> Vec<(RecordId, Value)> {
        self.records.iter().map(|(id, stored)| (id.clone(), stored.body.clone())).collect()
    }

    /// Adds a record; without an id it gets one that says where it was made: `xero-contacts-1`.
    pub fn insert(&mut self, resource: &Resource, connection: &str, mut body: Value, now: DateTime<Utc>) -> RecordId {
        let id = resource.id.find(&body).and_then(id_of).unwrap_or_else(|| {
            self.made += 1;
            let connection = connection.rsplit('/').next().unwrap_or(connection);
            RecordId::from(format!("{connection}-{}-{}", resource.name, self.made))
        });
        // An id at a place that cannot be written is one that the manifest made up.
        let _ = resource.id.write(&mut body, &Cell::from(id.as_str()));
        let mut stored = Stored { body, updated: now, version: 0 };
        stored.changed(resource, &id, Some(now));
        self.records.insert(id.clone(), stored);
        id
    }

    /// A person's edit. The feed does not tell of values that the manifest says it misses.
    pub fn edit(&mut self, resource: &Resource, id: &RecordId, values: &Value, now: DateTime<Utc>) -> Option<()> {
        let stored = self.records.get_mut(id)?;
        let feed = resource.list.as_ref().and_then(|list| list.changed_since.as_ref());
        let missed = |name: &String| feed.is_some_and(|feed| feed.misses.contains(name));
        let silent = values.as_object().is_some_and(|values| !values.is_empty() && values.keys().all(missed));
        overwrite(&mut stored.body, values);
        stored.changed(resource, id, (!silent).then_some(now));
        Some(())
    }

    pub fn write(&mut self, resource: &Resource, id: &RecordId, values: &Value, now: DateTime<Utc>) {
        if let Some(stored) = self.records.get_mut(id) {
            overwrite(&mut stored.body, values);
            stored.changed(resource, id, Some(now));
        }
    }

    pub fn remove(&mut self, id: &RecordId, now: DateTime<Utc>) -> Option<()> {
        self.records.remove(id)?;
        self.deleted.push((id.clone(), now));
        Some(())
    }

    /// Deletes as the manifest's call does: some systems only mark the record.
    pub fn delete_as_asked(&mut self, resource: &Resource, id: &RecordId, now: DateTime<Utc>) {
        let deletion = resource.write(WriteKind::Delete).and_then(|write| write.deletion.as_ref());
        let Some(stored) = self.records.get_mut(id) else { return };
        let marks: Vec<(String, Value)> =
            deletion.map(|deletion| deletion.body_of(&stored.body).to_vec()).unwrap_or_default();
        if marks.is_empty() {
            self.remove(id, now);
            return;
        }
        overwrite(&mut stored.body, &Value::Object(marks.into_iter().collect()));
        stored.changed(resource, id, Some(now));
    }

    /// What a feed of deleted records tells.
    pub fn deleted_since(&self, since: Option<DateTime<Utc>>) -> impl Iterator<Item = RemoteRecord> {
        let told = self.deleted.iter().filter(move |(_, at)| since.is_none_or(|since| *at >= since));
        told.map(|(id, _)| Stored::gone(id))
    }
}

impl Stored {
    /// What the system itself does to a record that was written: stamp, version, ids of its parts.
    fn changed(&mut self, resource: &Resource, id: &RecordId, now: Option<DateTime<Utc>>) {
        self.version += 1;
        if let Some(now) = now {
            self.updated = now;
            if let Some(path) = &resource.updated_at {
                let _ =
                    path.write(&mut self.body, &Cell::from(now.to_rfc3339_opts(SecondsFormat::AutoSi, true).as_str()));
            }
        }
        if let Some(VersionPlace::Body(path)) = &resource.version {
            let _ = path.write(&mut self.body, &Cell::Value(self.version.into()));
        }
        number_parts(&mut self.body, &resource.fields, id.as_str());
    }

    /// A record that is not there any more: nothing but its id is known.
    pub fn gone(id: &RecordId) -> RemoteRecord {
        RemoteRecord {
            id: id.clone(),
            body: Value::Object(Map::new()),
            label: id.as_str().to_owned(),
            updated_at: None,
            version: None,
            gone: true,
            merged_into: None,
        }
    }

    /// The record as the program sees it. `alone` is an answer that holds this one record.
    pub fn read(&self, resource: &Resource, id: &RecordId, alone: bool) -> RemoteRecord {
        let mut body = self.body.clone();
        for (name, _) in resource.fields.fields.iter().filter(|(_, field)| field.masked) {
            if let Some(Value::String(text)) = body.get_mut(name).filter(|value| value.as_str() != Some("")) {
                let shown: String = text.chars().skip(text.chars().count().saturating_sub(3)).collect();
                *text = format!("***{shown}");
            }
        }
        let gone = resource.gone_when.as_ref().is_some_and(|gone| gone.says(&body));
        let version = match &resource.version {
            Some(VersionPlace::Etag) => alone.then(|| self.version.to_string()),
            Some(VersionPlace::Body(_)) => Some(self.version.to_string()),
            None => None,
        };
        let merged_into = resource.merged_into.as_ref().and_then(|path| path.find(&body)).and_then(id_of);
        RemoteRecord {
            label: label(&resource.label, &body, id),
            updated_at: resource.updated_at.is_some().then_some(self.updated),
            version,
            gone,
            merged_into: merged_into.filter(|survivor| survivor != id),
            id: id.clone(),
            body,
        }
    }
}

/// Elements of lists get the ids that the system makes itself.
fn number_parts(body: &mut Value, table: &FieldTable, under: &str) {
    let Some(members) = body.as_object_mut() else { return };
    for (name, field) in &table.fields {
        let (Some(Value::Array(items)), Some(children)) = (members.get_mut(name), &field.children) else { continue };
        let made = children.fields.iter().find(|(_, child)| child.read_only && child.kind() == Kind::Id);
        let Some((member, _)) = made else { continue };
        let mut known: BTreeSet<String> =
            items.iter().filter_map(|item| item.get(member)?.as_str().map(str::to_owned)).collect();
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            if item.get(member).is_some_and(|id| !id.is_null()) {
                continue;
            }
            let most = known.len() + 1;
            let id = (1..=most).map(|number| format!("{under}-{number}")).find(|id| !known.contains(id));
            let Some(id) = id else { continue };
            known.insert(id.clone());
            item.insert(member.clone(), Value::String(id));
        }
    }
}
