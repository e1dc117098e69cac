//! Making the exact bytes of a write.

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use super::{address, decode::Codec, list::static_query};
use crate::{
    config::Connection,
    connector::{Batch, Idempotency, PreparedCall, Resource, VersionPlace, Write, WriteItem, WriteKind},
    record::Cell,
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
    let single = if batch.is_none() { items } else { &[] };
    let part = Part { resource, write, codec, kind, batched: batch.is_some() };
    let bodies = items.iter().map(|item| part.body(item)).collect::<Result<Vec<_>, _>>()?;
    let (path, body) = match batch {
        Some(batch) => {
            let array = Value::Array(bodies);
            let body = match &batch.array {
                Some(name) => Value::Object([(name.clone(), array)].into_iter().collect()),
                None => array,
            };
            (batch.path.as_ref().unwrap_or(&write.path), body)
        }
        None => (&write.path, bodies.into_iter().next().unwrap_or_default()),
    };
    let silent = write.method == "DELETE";
    Ok(PreparedCall {
        resource: resource.name.clone(),
        kind,
        method: write.method.clone(),
        target: target(connection, path, single)?,
        headers: headers(write, single, key),
        body: if silent { String::new() } else { body.to_string() },
        ids: items.iter().map(|item| item.id.clone()).collect(),
        key_lives: write.idempotency.as_ref().map(|idempotency| idempotency.keeps),
    })
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
}

impl Part<'_> {
    fn body(&self, item: &WriteItem) -> Result<Value, String> {
        let mut body = match &self.write.deletion {
            Some(deletion) => Value::Object(deletion.body_of(&item.body).iter().cloned().collect()),
            None => item.body.clone(),
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
        Ok(body)
    }

    /// One header cannot guard several records, so in a batch each item carries its version where the record has it.
    fn guard(&self, body: &mut Value, item: &WriteItem) -> Result<(), String> {
        let (Some(_), Some(version), true) = (&self.write.version, &item.version, self.batched) else { return Ok(()) };
        let Some(VersionPlace::Body(path)) = &self.resource.version else {
            return Err("a batch of guarded writes needs the place of the version in a record".to_owned());
        };
        path.write(body, &Cell::from(version.as_str())).map_err(|error| error.to_string())
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

fn headers(write: &Write, single: &[WriteItem], key: &str) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    if write.method != "DELETE" {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    if let Some(idempotency) = &write.idempotency {
        headers.push((idempotency.header.clone(), fitting(key, idempotency)));
    }
    if let Some(version) = &write.version
        && let Some(known) = single.first().and_then(|item| item.version.as_ref())
    {
        // RFC 9110: an entity tag is quoted; a version taken from a body is not.
        let tag = version.header.eq_ignore_ascii_case("if-match") && !known.ends_with('"');
        headers.push((version.header.clone(), if tag { format!("\"{known}\"") } else { known.clone() }));
    }
    headers
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
