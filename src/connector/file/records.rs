//! Rows as records: values of their kinds, and rows of the same id put together.

use std::collections::HashMap;

use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64;

use super::{rows::Sheet, text};
use crate::{
    connector::{
        FieldTable, FileFormat, FileTable, Group, RemoteRecord, Resource, Unread,
        http::extract::{id_of, label},
    },
    record::RecordId,
};

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub records: Vec<RemoteRecord>,
    pub unread: Vec<Unread>,
}

/// A record that is being put together.
struct Draft {
    line: u64,
    body: Map<String, Value>,
    fault: Option<(u64, String)>,
}

/// Makes records of the rows of a file. A record of several rows is read whole or not at all.
///
/// # Errors
///
/// When the file lacks a column that is declared: nothing of it may be used then.
pub(super) fn read(resource: &Resource, table: &FileTable, name: &str, rows: Sheet) -> Result<Contents, String> {
    if let FileFormat::Csv { .. } = table.format {
        check_columns(resource, table, &rows.columns)?;
    }
    let place = |line: u64| format!("{name}, line {line}");
    let mut contents = Contents::default();
    let mut drafts: Vec<Draft> = Vec::new();
    let mut known: HashMap<RecordId, usize> = HashMap::new();
    for row in rows.rows {
        let line = row.line;
        let typed = row.values.map(|values| typed(resource, table, values));
        let (id, body, fault) = match typed {
            Ok((values, fault)) => {
                let body = Value::Object(values);
                let id = resource.id.find(&body).and_then(id_of);
                let Value::Object(values) = body else { continue };
                (id, values, fault)
            }
            Err(fault) => (None, Map::new(), Some(fault)),
        };
        let Some(id) = id else {
            let reason = fault.unwrap_or_else(|| format!("it has no id at `{}`", resource.id.as_str()));
            contents.unread.push(Unread { place: place(line), reason });
            continue;
        };
        let draft = Draft { line, body, fault: fault.map(|fault| (line, fault)) };
        match known.get(&id).and_then(|at| drafts.get_mut(*at)) {
            None => {
                known.insert(id, drafts.len());
                drafts.push(started(table.group.as_ref(), draft));
            }
            Some(first) => join(table.group.as_ref(), first, draft, &id),
        }
    }
    // Each may lack a line that nobody can say whose it is, and one that is too short would be taken for the truth.
    let whole = table.group.is_none() || contents.unread.is_empty();
    if !whole {
        let count = drafts.len();
        let also = format!("; it may belong to any of the {count} records of this file, and none of them is read");
        contents.unread.iter_mut().for_each(|unread| unread.reason.push_str(&also));
    }
    for draft in drafts {
        match draft.fault {
            Some((line, reason)) => contents.unread.push(Unread { place: place(line), reason }),
            None if whole => {
                let body = Value::Object(draft.body);
                match table.require.iter().try_for_each(|require| require.check(&body)) {
                    Ok(()) => contents.records.extend(remote(resource, body)),
                    Err(reason) => contents.unread.push(Unread { place: place(draft.line), reason }),
                }
            }
            None => {}
        }
    }
    Ok(contents)
}

/// A lost column would read as if every value in it had been cleared.
fn check_columns(resource: &Resource, table: &FileTable, columns: &[String]) -> Result<(), String> {
    let grouped = table.group.as_ref();
    let own = resource.fields.fields.keys().filter(|name| grouped.is_none_or(|group| group.into != **name));
    let all = own.chain(grouped.iter().flat_map(|group| &group.columns));
    match all.into_iter().find(|name| !columns.contains(name)) {
        Some(name) => Err(format!("it has no column `{name}`; its columns are {}", columns.join(", "))),
        None => Ok(()),
    }
}

/// Values of their kinds, and the first that is none.
fn typed(resource: &Resource, table: &FileTable, values: Map<String, Value>) -> (Map<String, Value>, Option<String>) {
    let lines = table.group.as_ref().and_then(|group| {
        let children = resource.fields.fields.get(&group.into)?.children.as_ref();
        Some((group, children))
    });
    let mut fault = None;
    let mut read = Map::new();
    for (name, value) in values {
        let fields: Option<&FieldTable> = match lines {
            Some((group, children)) if group.columns.contains(&name) => children,
            _ => Some(&resource.fields),
        };
        let field = fields.and_then(|fields| fields.fields.get(&name));
        match text::read(table, field, value) {
            Ok(value) => {
                read.insert(name, value);
            }
            Err(why) => {
                fault.get_or_insert_with(|| format!("{name}: {why}"));
            }
        }
    }
    (read, fault)
}

/// The first row of a record; where rows are grouped, with its line in the list.
fn started(group: Option<&Group>, mut draft: Draft) -> Draft {
    if let Some(group) = group {
        let line = taken(group, &mut draft.body);
        draft.body.insert(group.into.clone(), Value::Array(vec![line]));
    }
    draft
}

fn taken(group: &Group, body: &mut Map<String, Value>) -> Value {
    let line = group.columns.iter().filter_map(|name| Some((name.clone(), body.remove(name)?)));
    Value::Object(line.collect())
}

/// Another row of a record.
fn join(group: Option<&Group>, first: &mut Draft, mut draft: Draft, id: &RecordId) {
    let fault = |first: &mut Draft, line, text| {
        first.fault.get_or_insert((line, text));
    };
    if let Some((line, text)) = draft.fault {
        return fault(first, line, text);
    }
    let Some(group) = group else {
        let text = format!("the id `{id}` is on line {}, too; neither is used", first.line);
        return fault(first, draft.line, text);
    };
    let line = taken(group, &mut draft.body);
    let differs = draft.body.iter().find(|(name, value)| first.body.get(*name) != Some(value));
    if let Some((name, _)) = differs {
        let text = format!("`{name}` differs from line {} of the same `{id}`; the record is not used", first.line);
        return fault(first, draft.line, text);
    }
    if let Some(Value::Array(lines)) = first.body.get_mut(&group.into) {
        lines.push(line);
    }
}

/// A record with its version: what it holds.
pub(in crate::connector) fn remote(resource: &Resource, body: Value) -> Option<RemoteRecord> {
    let id = resource.id.find(&body).and_then(id_of)?;
    let gone = resource.gone_when.as_ref().is_some_and(|gone| gone.says(&body));
    let stamp = resource.updated_at.as_ref().and_then(|path| path.find(&body)?.as_str());
    let updated_at = stamp.and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
    Some(RemoteRecord {
        label: label(&resource.label, &body, &id),
        updated_at: updated_at.map(|stamp| stamp.to_utc()),
        version: Some(version(&body)),
        gone,
        merged_into: None,
        id,
        body,
    })
}

/// The same for the same members, in whatever order they stand.
pub(in crate::connector) fn version(body: &Value) -> String {
    format!("{:016x}", xxh3_64(sorted(body).to_string().as_bytes()))
}

/// The same with its members in the order of their names.
pub(in crate::connector) fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut pairs: Vec<_> = members.iter().collect();
            pairs.sort_unstable_by_key(|(name, _)| name.as_str());
            Value::Object(pairs.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}
