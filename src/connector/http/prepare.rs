//! Making the exact bytes of a write.

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use super::{address, body, decode::Codec, list::static_query, member};
use crate::{
    config::Connection,
    connector::{
        Batch, BodyKind, Correlate, Idempotency, KeyPlace, PreparedCall, Resource, VersionPlace, Write, WriteItem,
        WriteKind,
    },
    record::{Cell, Path},
};

/// Makes the call that writes `items`. The same input makes the same bytes: members are in the order of their names.
///
/// # Errors
///
/// When the manifest has no way to write this.
pub(super) fn prepare(
    connection: &Connection,
    resource: &Resource,
    codec: &Codec,
    kind: WriteKind,
    items: &[WriteItem],
    key: &str,
) -> Result<PreparedCall, String> {
    let Some(write) = resource.write(kind) else {
        return Err(format!("the manifest has no `{}` for it", name(kind)));
    };
    let most = resource.batch_size(kind);
    if items.is_empty() || items.len() > most {
        return Err(format!("one call writes 1 to {most} records, not {}", items.len()));
    }
    let batch = batch_of(write, items.len());
    // Also in the envelope of a batch, one header can guard one record.
    let single = if batch.is_none() || items.len() == 1 { items } else { &[] };
    let part = Part { resource, write, codec, kind, batched: batch.is_some(), alone: !single.is_empty() };
    let bodies = items.iter().map(|item| part.body(item)).collect::<Result<Vec<_>, _>>()?;
    let kinds = &connection.manifest.bodies;
    let form = write.body.unwrap_or(kinds.write);
    let (path, body) = if let Some(batch) = batch {
        (batch.path.as_ref().unwrap_or(&write.path), in_batch(batch, bodies)?)
    } else {
        let body = bodies.into_iter().next().unwrap_or_default();
        // XML's root element is no member of what it holds.
        match write.wrap.as_ref().filter(|_| form != BodyKind::Xml) {
            Some(name) => (&write.path, wrapped(name, body)),
            None => (&write.path, body),
        }
    };
    let fitted = write.idempotency.as_ref().map(|idempotency| (idempotency, fitting(key, idempotency)));
    let mut target = target(connection, path, single)?;
    if let Some((Idempotency { place: KeyPlace::Param(name), .. }, key)) = &fitted {
        target = address::with_query(&target, &[(name.clone(), key.clone())]);
    }
    let silent = write.method == "DELETE";
    let mut headers = Vec::new();
    if !silent {
        headers.push(("content-type".to_owned(), body::content_type(form).to_owned()));
    }
    if let Some((Idempotency { place: KeyPlace::Header(name), .. }, key)) = fitted {
        headers.push((name.clone(), key));
    }
    headers.extend(version_header(write, single));
    Ok(PreparedCall {
        resource: resource.name.clone(),
        kind,
        method: write.method.clone(),
        target,
        headers,
        body: if silent { String::new() } else { body::write(form, kinds, write.wrap.as_deref(), &body)? },
        ids: items.iter().map(|item| item.id.clone()).collect(),
        key_lives: write.idempotency.as_ref().map(|idempotency| idempotency.keeps),
    })
}

/// The body of a batch. Members of an item beside its record are the operation, its number and the like.
fn in_batch(batch: &Batch, bodies: Vec<Value>) -> Result<Value, String> {
    let mut items = Vec::with_capacity(bodies.len());
    for (position, body) in bodies.into_iter().enumerate() {
        let mut item = match &batch.wrap {
            Some(name) => wrapped(name, body),
            None => body,
        };
        constants(&batch.constants, &mut item)?;
        if let Correlate::Number(path) = &batch.correlate {
            path.write(&mut item, &Cell::from(number(position).as_str())).map_err(|error| error.to_string())?;
        }
        items.push(item);
    }
    let array = Value::Array(items);
    Ok(match &batch.array {
        Some(name) => wrapped(name, array),
        None => array,
    })
}

/// The number of an item in its batch, as text: remotes take it for an opaque name.
pub(super) fn number(position: usize) -> String {
    (position + 1).to_string()
}

fn wrapped(name: &str, value: Value) -> Value {
    Value::Object([(name.to_owned(), value)].into_iter().collect())
}

fn constants(constants: &[(Path, Value)], body: &mut Value) -> Result<(), String> {
    constants
        .iter()
        .try_for_each(|(path, value)| path.write(body, &Cell::from(value.clone())).map_err(|error| error.to_string()))
}

/// The batch form of a call, where it has one for so many items: a single item uses the plain form if that has a
/// path of its own.
pub(super) fn batch_of(write: &Write, items: usize) -> Option<&Batch> {
    write.batch.as_ref().filter(|batch| items > 1 || batch.path.is_none())
}

const fn name(kind: WriteKind) -> &'static str {
    match kind {
        WriteKind::Create => "create",
        WriteKind::Update => "update",
        WriteKind::Delete => "delete",
    }
}

/// What the body of each item depends on.
struct Part<'a> {
    resource: &'a Resource,
    write: &'a Write,
    codec: &'a Codec,
    kind: WriteKind,
    batched: bool,
    alone: bool,
}

impl Part<'_> {
    fn body(&self, item: &WriteItem) -> Result<Value, String> {
        let mut body = match &self.write.deletion {
            Some(deletion) => Value::Object(deletion.body_of(&item.body).iter().cloned().collect()),
            None if self.write.replaces && self.kind == WriteKind::Update => {
                let now = item.now.clone().ok_or("it replaces the record, which was not read before")?;
                self.whole(now, &item.body)
            }
            None => match self.write.member.as_ref().and_then(|member| Some((member, member.changes.as_ref()?))) {
                Some((member, changes)) => member::changes(&member.member, changes, item)?,
                None => item.body.clone(),
            },
        };
        if !body.is_object() {
            return Err("a record to write must be an object".to_owned());
        }
        if self.kind != WriteKind::Create {
            let id = item.id.as_ref().ok_or("it needs the record's id")?;
            // Where the plain form has the id in its path, only items of a batch need it in their bodies.
            if let Some(path) = &self.write.id_in_body
                && (self.batched || !self.write.path.contains("{id}"))
            {
                path.write(&mut body, &Cell::from(id.as_str())).map_err(|error| error.to_string())?;
            }
            self.guard(&mut body, item)?;
        }
        self.codec.encode(&mut body);
        constants(&self.write.constants, &mut body)?;
        for first in &self.write.firsts {
            member::first(first, &item.body, &mut body)?;
        }
        Ok(match &self.write.member {
            Some(member) if member.alone => member::alone(&member.member, body),
            _ => body,
        })
    }

    /// The record as it was read, less what the remote does not take, with the values to write laid over it.
    fn whole(&self, mut now: Value, changes: &Value) -> Value {
        let id = self.resource.id.names().first().copied();
        if let Value::Object(members) = &mut now {
            let fields = &self.resource.fields.fields;
            let takes = |name: &String| fields.get(name).is_none_or(|field| !field.read_only && !field.create_only);
            members.retain(|name, _| id == Some(name) || takes(name));
        }
        lay(changes, &mut now);
        now
    }

    /// One header cannot guard several records, so in a batch each item carries its version where the record has it;
    /// where no header takes the version, always.
    fn guard(&self, body: &mut Value, item: &WriteItem) -> Result<(), String> {
        let (Some(guard), Some(version)) = (&self.write.version, &item.version) else { return Ok(()) };
        if guard.header.is_some() && self.alone {
            return Ok(());
        }
        let Some(VersionPlace::Body(path)) = &self.resource.version else {
            return Err("a write that carries its version needs the version's place in a record".to_owned());
        };
        path.write(body, &Cell::from(version.as_str())).map_err(|error| error.to_string())
    }
}

/// Puts the values of an object over those of another.
fn lay(changes: &Value, over: &mut Value) {
    match (changes, over) {
        (Value::Object(changes), Value::Object(over)) => {
            for (name, change) in changes {
                lay(change, over.entry(name.clone()).or_insert(Value::Null));
            }
        }
        (change, over) => *over = change.clone(),
    }
}

fn target(connection: &Connection, path: &str, single: &[WriteItem]) -> Result<String, String> {
    let path =
        address::fill_path(path, connection).ok_or_else(|| format!("`{path}` needs a setting that is not given"))?;
    let path = if path.contains("{id}") {
        let id = single.first().and_then(|item| item.id.as_ref());
        address::with_id(&path, id.ok_or_else(|| format!("`{path}` needs the id of one record"))?)?
    } else {
        path
    };
    let target = address::with_query(&path, &static_query(connection));
    address::below(&connection.base_url, &target)?;
    Ok(target)
}

/// The version the plan was made from, where a header takes it.
fn version_header(write: &Write, single: &[WriteItem]) -> Option<(String, String)> {
    let header = write.version.as_ref()?.header.as_ref()?;
    let known = single.first()?.version.as_ref()?;
    // RFC 9110: an entity tag is quoted; a version taken from a body is not.
    let tag = header.eq_ignore_ascii_case("if-match") && !known.ends_with('"');
    Some((header.clone(), if tag { format!("\"{known}\"") } else { known.clone() }))
}

/// The key as the remote takes it: itself where it fits, else a hash of all of it, so that long keys that begin alike
/// stay different.
fn fitting(key: &str, idempotency: &Idempotency) -> String {
    if key.len() <= idempotency.max && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return key.to_owned();
    }
    let hash = format!("{:032x}", xxh3_128(key.as_bytes()));
    hash.get(..idempotency.max.min(hash.len())).unwrap_or(&hash).to_owned()
}
