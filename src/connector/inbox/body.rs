//! From the body of a post to records.

use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    connector::{
        FieldTable, FieldType, InboxTable, RemoteRecord, Resource,
        file::{read_text, remote, sorted},
        http::from_wire,
    },
    record::Kind,
};

/// Records a post may hold.
const MOST: usize = 1000;

/// The objects of a body.
///
/// # Errors
///
/// Why it is no object, and no list of objects.
pub(super) fn bodies(content_type: Option<&str>, bytes: &[u8]) -> Result<Vec<Value>, String> {
    let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let body = match kind.as_str() {
        "application/x-www-form-urlencoded" => form(bytes)?,
        "" | "text/plain" | "application/json" => json(bytes)?,
        other if other.ends_with("+json") => json(bytes)?,
        other => return Err(format!("`{other}` cannot be read; post application/json or a form")),
    };
    let bodies = match body {
        Value::Array(items) => items,
        one => vec![one],
    };
    if bodies.is_empty() || bodies.len() > MOST {
        return Err(format!("a post holds from 1 to {MOST} records, and this one holds {}", bodies.len()));
    }
    if let Some(at) = bodies.iter().position(|body| !body.is_object()) {
        return Err(if bodies.len() == 1 {
            "the body is no object".to_owned()
        } else {
            format!("record {} is no object", at + 1)
        });
    }
    Ok(bodies)
}

fn json(bytes: &[u8]) -> Result<Value, String> {
    if bytes.is_empty() {
        return Err("the body is empty".to_owned());
    }
    serde_json::from_slice(bytes).map_err(|error| format!("the body is no JSON: {error}"))
}

/// A form is an object of texts.
fn form(bytes: &[u8]) -> Result<Value, String> {
    let mut members = Map::new();
    for (name, value) in url::form_urlencoded::parse(bytes) {
        if members.contains_key(name.as_ref()) {
            return Err(format!("the form holds `{}` twice", shown(&name)));
        }
        members.insert(name.into_owned(), Value::String(value.into_owned()));
    }
    if members.is_empty() {
        return Err("the form is empty".to_owned());
    }
    Ok(Value::Object(members))
}

/// The record that a posted object stands for.
///
/// # Errors
///
/// Which value is none of its field, or that there is no id.
pub(super) fn record(resource: &Resource, table: &InboxTable, mut body: Value) -> Result<RemoteRecord, String> {
    typed(&resource.fields, &mut body, "")?;
    for require in &table.require {
        require.check(&body)?;
    }
    if resource.id.find(&body).is_none_or(Value::is_null)
        && table.id_by_content
        && let Some(name) = resource.id.names().first().map(|name| (*name).to_owned())
        && let Value::Object(members) = &mut body
    {
        members.remove(&name);
        let hash = xxh3_128(sorted(&Value::Object(members.clone())).to_string().as_bytes());
        members.insert(name, Value::String(format!("{hash:032x}")));
    }
    remote(resource, body).ok_or_else(|| format!("it has no id at `{}`", resource.id.as_str()))
}

/// Values become those of their fields. Whoever posts may write numbers as text, and text as numbers.
fn typed(fields: &FieldTable, body: &mut Value, at: &str) -> Result<(), String> {
    let Value::Object(members) = body else { return Ok(()) };
    for (name, value) in members.iter_mut() {
        let Some(field) = fields.fields.get(name) else { continue };
        let place = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        one(field, value, &place)?;
    }
    Ok(())
}

fn one(field: &FieldType, value: &mut Value, at: &str) -> Result<(), String> {
    let wrong = |why: String| format!("`{at}`: {why}");
    if let (Value::String(text), Kind::List | Kind::Object) = (&*value, field.kind()) {
        // A form has no other way to say a list.
        let text = text.trim();
        *value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(text).map_err(|_| wrong("this is no list or object in JSON".to_owned()))?
        };
    }
    match (field.kind(), &mut *value) {
        (_, Value::Null) | (Kind::Any, _) => Ok(()),
        (Kind::List, Value::Array(items)) => {
            let Some(children) = &field.children else { return Ok(()) };
            for (number, item) in items.iter_mut().enumerate() {
                typed(children, item, &format!("{at}[{number}]"))?;
            }
            Ok(())
        }
        (Kind::Object, Value::Object(_)) => field.children.as_ref().map_or(Ok(()), |table| typed(table, value, at)),
        (Kind::List, _) => Err(wrong("a list is wanted here".to_owned())),
        (Kind::Object, _) => Err(wrong("an object is wanted here".to_owned())),
        (_, Value::Array(_) | Value::Object(_)) => Err(wrong("one value is wanted here".to_owned())),
        (Kind::Text | Kind::Id, Value::Number(number)) => {
            *value = Value::String(number.to_string());
            Ok(())
        }
        (kind, plain) => {
            let decoded = from_wire(plain, field.format, kind);
            let text = match decoded.unwrap_or_else(|| plain.take()) {
                Value::Number(number) if matches!(kind, Kind::Decimal | Kind::Integer) => number.to_string(),
                Value::Bool(yes) if kind == Kind::Boolean => yes.to_string(),
                Value::String(text) => text,
                other => return Err(wrong(format!("`{}` is none of its kind", shown(&other.to_string())))),
            };
            *value = read_text(field, text).map_err(wrong)?;
            Ok(())
        }
    }
}

/// The beginning of a text, for messages.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}
