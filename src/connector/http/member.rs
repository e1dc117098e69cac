//! What the calls send that write one member of a record.

use serde_json::{Map, Value};

use crate::{
    connector::{First, ListChanges, WriteItem},
    record::{Canon, Cell, Kind, Path},
};

/// The keys of the elements that come, and of those that go: the list as it is to be beside the list as it was read right
/// before.
pub(super) fn changes(member: &str, changes: &ListChanges, item: &WriteItem) -> Result<Value, String> {
    let now = item.now.as_ref().ok_or("it changes a list, which was not read before")?;
    let (now, wanted) = (keys(member, &changes.key, now)?, keys(member, &changes.key, &item.body)?);
    let mut body = Value::Object(Map::new());
    let missing = |from: &[String], of: &[String]| -> Vec<String> {
        of.iter().filter(|key| !from.contains(key)).cloned().collect()
    };
    list(&changes.add, &changes.at, missing(&now, &wanted), &mut body)?;
    if let Some(remove) = &changes.remove {
        list(remove, &changes.at, missing(&wanted, &now), &mut body)?;
    }
    Ok(body)
}

/// Puts keys as a list at a path; nothing where there is none.
fn list(to: &Path, at: &Path, keys: Vec<String>, body: &mut Value) -> Result<(), String> {
    if keys.is_empty() {
        return Ok(());
    }
    let item = |key: String| -> Result<Value, String> {
        if at.names().is_empty() {
            return Ok(Value::String(key));
        }
        let mut item = Value::Object(Map::new());
        at.write(&mut item, &Cell::from(key.as_str())).map_err(|error| error.to_string())?;
        Ok(item)
    };
    let items = keys.into_iter().map(item).collect::<Result<Vec<_>, _>>()?;
    to.write(body, &Cell::Value(Value::Array(items))).map_err(|error| error.to_string())
}

/// The keys of a list's elements, each once.
fn keys(member: &str, key: &Path, record: &Value) -> Result<Vec<String>, String> {
    let Some(Value::Array(elements)) = record.get(member) else { return Ok(Vec::new()) };
    let mut keys = Vec::with_capacity(elements.len());
    for element in elements {
        let own = Canon { kind: Kind::Id, ..Canon::default() }.key(&key.read(element));
        let own = own.ok_or_else(|| format!("an element of `{member}` has nothing at `{}`", key.as_str()))?;
        if !keys.contains(&own) {
            keys.push(own);
        }
    }
    Ok(keys)
}

/// A new record has the key of the first element in place of the list.
pub(super) fn first(first: &First, asked: &Value, body: &mut Value) -> Result<(), String> {
    let own = keys(&first.member, &first.key, asked)?.into_iter().next();
    let own = own.ok_or_else(|| format!("it is made with the first of its `{}`, and it has none", first.member))?;
    if let Value::Object(members) = body {
        members.remove(&first.member);
        members.insert(first.to.clone(), Value::String(own));
    }
    Ok(())
}

/// The member by itself.
pub(super) fn alone(member: &str, body: Value) -> Value {
    match body {
        Value::Object(mut members) => members.remove(member).unwrap_or_default(),
        other => other,
    }
}
