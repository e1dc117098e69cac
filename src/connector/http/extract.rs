//! From an answer's JSON to records.

use serde_json::Value;

use super::{
    decode::{self, Codec},
    transport::Reply,
};
use crate::{
    connector::{LabelPart, LabelTemplate, RemoteRecord, Resource, VersionPlace},
    record::{Path, RecordId},
};

/// Makes a record of a body as the wire has it.
///
/// # Errors
///
/// When the body is no object, or has no id.
pub(super) fn record(resource: &Resource, codec: &Codec, mut body: Value) -> Result<RemoteRecord, String> {
    if !body.is_object() {
        return Err("is not an object".to_owned());
    }
    let id = resource.id.find(&body).and_then(id_of);
    let id = id.ok_or_else(|| format!("has no id at `{}`", resource.id.as_str()))?;
    codec.decode(&mut body);
    let find = |path: &Option<Path>| path.as_ref().and_then(|path| path.find(&body));
    let gone = resource.gone_when.as_ref().is_some_and(|gone| gone.says(&body));
    let version = match &resource.version {
        Some(VersionPlace::Body(path)) => path.find(&body).and_then(text_of),
        // The header of the answer, which is not seen here.
        Some(VersionPlace::Etag) | None => None,
    };
    let merged_into = find(&resource.merged_into).and_then(id_of);
    Ok(RemoteRecord {
        label: label(&resource.label, &body, &id),
        updated_at: find(&resource.updated_at).and_then(decode::instant),
        version,
        gone,
        merged_into: merged_into.filter(|survivor| *survivor != id),
        id,
        body,
    })
}

/// The entity tag of an answer that holds one record, where that is the record's version.
pub(super) fn etag(resource: &Resource, reply: &Reply) -> Option<String> {
    let wanted = matches!(resource.version, Some(VersionPlace::Etag));
    let tag = reply.header("etag").filter(|_| wanted)?.trim();
    (!tag.is_empty()).then(|| tag.to_owned())
}

/// The id a value stands for; an id of zeros is how Xero says that there is none.
pub(crate) fn id_of(value: &Value) -> Option<RecordId> {
    let text = text_of(value)?;
    let zeros = text.len() == 36 && text.bytes().all(|byte| matches!(byte, b'0' | b'-'));
    (!text.trim().is_empty() && !zeros).then(|| RecordId::from(text))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The record's name for people.
pub(crate) fn label(template: &LabelTemplate, body: &Value, id: &RecordId) -> String {
    let mut text = String::new();
    for part in &template.parts {
        match part {
            LabelPart::Text(literal) => text.push_str(literal),
            LabelPart::Value(path) => match path.find(body) {
                Some(Value::String(value)) => text.push_str(value),
                Some(Value::Number(number)) => text.push_str(number.as_str()),
                _ => {}
            },
        }
    }
    let mut label = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !label.is_empty() {
            label.push(' ');
        }
        label.push_str(word);
    }
    if label.is_empty() { id.as_str().to_owned() } else { label }
}

/// Takes the array at a path out of an answer, without a copy where the path is a chain of names.
pub(super) fn take_array(path: &Path, body: &mut Value) -> Option<Vec<Value>> {
    match take(path, body)? {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

/// Takes the one value at a path out of an answer, without a copy where the path is a chain of names.
pub(super) fn take(path: &Path, body: &mut Value) -> Option<Value> {
    let rest = path.as_str().strip_prefix('$')?;
    let simple = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if rest.is_empty() || rest.strip_prefix('.').is_some_and(|names| names.split('.').all(simple)) {
        let mut place = body;
        for name in rest.split('.').skip(1) {
            place = place.get_mut(name)?;
        }
        Some(place.take())
    } else {
        path.find(body).cloned()
    }
}
