//! From an answer's JSON to records.

use serde_json::Value;

use super::decode::{self, Codec};
use crate::{
    connector::{LabelPart, LabelTemplate, RemoteRecord, Resource},
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
    let id = resource.id.read(&body).value().and_then(id_of);
    let id = id.ok_or_else(|| format!("has no id at `{}`", resource.id.as_str()))?;
    codec.decode(&mut body);
    let text = |path: &Option<Path>| path.as_ref().and_then(|path| path.read(&body).value().and_then(text_of));
    let gone = resource
        .gone_when
        .as_ref()
        .is_some_and(|gone| gone.path.read(&body).value().is_some_and(|value| gone.values.contains(value)));
    let merged_into = resource.merged_into.as_ref().and_then(|path| path.read(&body).value().and_then(id_of));
    Ok(RemoteRecord {
        label: label(&resource.label, &body, &id),
        updated_at: resource.updated_at.as_ref().and_then(|path| path.read(&body).value().and_then(decode::instant)),
        version: text(&resource.version),
        gone,
        merged_into: merged_into.filter(|survivor| *survivor != id),
        id,
        body,
    })
}

/// The id a value stands for; an id of zeros is how Xero says that there is none.
pub(super) fn id_of(value: &Value) -> Option<RecordId> {
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
fn label(template: &LabelTemplate, body: &Value, id: &RecordId) -> String {
    let mut text = String::new();
    for part in &template.parts {
        match part {
            LabelPart::Text(literal) => text.push_str(literal),
            LabelPart::Value(path) => text.extend(path.read(body).value().and_then(text_of)),
        }
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { id.as_str().to_owned() } else { text }
}

/// Takes the array at a path out of an answer, without a copy where the path is a chain of names.
pub(super) fn take_array(path: &Path, body: &mut Value) -> Option<Vec<Value>> {
    let mut place = body;
    let rest = path.as_str().strip_prefix('$')?;
    let simple = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if rest.is_empty() || rest.strip_prefix('.').is_some_and(|names| names.split('.').all(simple)) {
        for name in rest.split('.').skip(1) {
            place = place.get_mut(name)?;
        }
        match place.take() {
            Value::Array(items) => Some(items),
            _ => None,
        }
    } else {
        path.read(place).value().and_then(Value::as_array).cloned()
    }
}
