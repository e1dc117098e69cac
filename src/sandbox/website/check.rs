//! Whether a written value fits its property; pure.

use chrono::{DateTime, NaiveDate};
use rust_decimal::Decimal;
use serde_json::{Map, Number, Value};

use super::fields::{Field, Kind};

/// A write that the website will not take, and the property it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) field: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None }
    }

    pub(crate) fn at(self, field: &str) -> Self {
        Self { field: Some(field.to_owned()), ..self }
    }

    fn invalid(field: &str, expected: &str) -> Self {
        Self::new(422, "invalid_value", format!("`{field}` must be {expected}")).at(field)
    }
}

/// Checks every property of a write. `exists` says whether a resource holds a record with an id.
pub(crate) fn check_object(
    fields: &[Field],
    object: &Map<String, Value>,
    above: &str,
    exists: &dyn Fn(&str, &str) -> bool,
) -> Result<(), Problem> {
    for (name, value) in object {
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            return Err(Problem::new(422, "unknown_property", format!("unknown property `{path}`")).at(&path));
        };
        check_value(field.kind, value, &path, exists)?;
    }
    Ok(())
}

fn check_value(kind: Kind, value: &Value, path: &str, exists: &dyn Fn(&str, &str) -> bool) -> Result<(), Problem> {
    let fine = match (kind, value) {
        (_, Value::Null) | (Kind::Flag, Value::Bool(_)) => return Ok(()),
        (Kind::Text(max), Value::String(text)) => text.chars().count() <= max,
        (Kind::Email, Value::String(text)) => is_email(text),
        (Kind::Integer, Value::Number(number)) => number.as_i64().is_some(),
        (Kind::Decimal, Value::Number(number)) => decimal(number).is_some_and(|amount| amount.normalize().scale() <= 4),
        (Kind::Day, Value::String(text)) => text.len() == 10 && text.parse::<NaiveDate>().is_ok(),
        (Kind::Moment, Value::String(text)) => DateTime::parse_from_rfc3339(text).is_ok(),
        (Kind::Choice(choices), Value::String(text)) => choices.contains(&text.as_str()),
        (Kind::Link(to), Value::String(id)) => return check_link(to, id, path, exists),
        (Kind::Links(to), Value::Array(ids)) => {
            for id in ids {
                let Value::String(id) = id else { return Err(Problem::invalid(path, &words(kind))) };
                check_link(to, id, path, exists)?;
            }
            true
        }
        (Kind::Object(fields), Value::Object(object)) => return check_object(fields, object, path, exists),
        (Kind::Custom(max), Value::Object(object)) => {
            for (name, value) in object {
                check_value(Kind::Text(max), value, &format!("{path}.{name}"), exists)?;
            }
            true
        }
        (Kind::Lines(fields), Value::Array(lines)) => {
            for (index, line) in lines.iter().enumerate() {
                let path = format!("{path}[{index}]");
                let Value::Object(line) = line else { return Err(Problem::invalid(&path, "an object")) };
                check_object(fields, line, &path, exists)?;
            }
            true
        }
        _ => false,
    };
    if fine { Ok(()) } else { Err(Problem::invalid(path, &words(kind))) }
}

fn check_link(to: &str, id: &str, path: &str, exists: &dyn Fn(&str, &str) -> bool) -> Result<(), Problem> {
    if exists(to, id) {
        return Ok(());
    }
    Err(Problem::new(422, "unknown_reference", format!("`{path}`: no record `{id}` in {to}")).at(path))
}

fn words(kind: Kind) -> String {
    match kind {
        Kind::Text(max) => format!("text of at most {max} characters, or null"),
        Kind::Email => "an e-mail address, or null".to_owned(),
        Kind::Flag => "true, false or null".to_owned(),
        Kind::Integer => "a whole number, or null".to_owned(),
        Kind::Decimal => "a JSON number with at most four decimal places, or null".to_owned(),
        Kind::Day => "a date like 2026-06-01, or null".to_owned(),
        Kind::Moment => "an RFC 3339 time with an offset, or null".to_owned(),
        Kind::Choice(choices) => format!("one of {}, or null", choices.join(", ")),
        Kind::Link(to) => format!("the id of a record in {to}, or null"),
        Kind::Links(to) => format!("a list of ids of records in {to}, or null"),
        Kind::Object(_) | Kind::Custom(_) => "an object, or null".to_owned(),
        Kind::Lines(_) => "a list of objects, or null".to_owned(),
    }
}

/// Blank is allowed: a form that clears the field sends "".
fn is_email(text: &str) -> bool {
    let Some((user, host)) = text.split_once('@') else { return text.is_empty() };
    text.len() <= 255 && !user.is_empty() && !host.is_empty() && !text.contains(char::is_whitespace)
}

/// A JSON number as an exact amount.
pub(crate) fn decimal(number: &Number) -> Option<Decimal> {
    let text = number.to_string();
    text.parse().ok().or_else(|| Decimal::from_scientific(&text).ok())
}

/// The null of every property, so that an answer names all of them.
pub(crate) fn complete(fields: &[Field], object: &mut Map<String, Value>) {
    for field in fields {
        let value = object.entry(field.name).or_insert(Value::Null);
        match (field.kind, value) {
            (Kind::Object(inner), Value::Object(object)) => complete(inner, object),
            (Kind::Lines(inner), Value::Array(lines)) => {
                for line in lines.iter_mut().filter_map(Value::as_object_mut) {
                    complete(inner, line);
                }
            }
            _ => {}
        }
    }
}

/// Merges a partial write into a record as RFC 7396 says, save that a cleared property stays, as null.
pub(crate) fn merge(record: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match (record.get_mut(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, value) => {
                record.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIELDS: &[Field] = &[
        Field { name: "text", kind: Kind::Text(3) },
        Field { name: "email", kind: Kind::Email },
        Field { name: "money", kind: Kind::Decimal },
        Field { name: "whole", kind: Kind::Integer },
        Field { name: "day", kind: Kind::Day },
        Field { name: "moment", kind: Kind::Moment },
        Field { name: "contact_id", kind: Kind::Link("contacts") },
        Field { name: "inner", kind: Kind::Object(&[Field { name: "a", kind: Kind::Flag }]) },
        Field { name: "custom", kind: Kind::Custom(3) },
        Field { name: "lines", kind: Kind::Lines(&[Field { name: "n", kind: Kind::Integer }]) },
    ];

    #[track_caller]
    fn check(written: &Value, expected_field: Option<&str>) {
        let found = check_object(FIELDS, written.as_object().unwrap(), "", &|_, id| id == "c1");
        match (found, expected_field) {
            (Ok(()), None) => {}
            (Err(problem), Some(field)) => {
                assert_eq!(problem.field.as_deref(), Some(field), "{written}");
                assert!(problem.message.contains(field), "{}", problem.message);
            }
            (found, _) => panic!("{written}: {found:?}"),
        }
    }

    #[test]
    fn each_kind_takes_what_it_may_and_names_what_it_refuses() {
        check(&json!({"text": "äöü", "email": "", "money": 1.2345, "whole": -3}), None);
        check(&json!({"text": null, "email": null, "inner": null, "lines": null}), None);
        check(&json!({"text": "abcd"}), Some("text"));
        check(&json!({"text": 7}), Some("text"));
        check(&json!({"email": "a@b"}), None);
        check(&json!({"email": "a b@c"}), Some("email"));
        check(&json!({"money": "1.00"}), Some("money"));
        check(&json!({"money": 1.23456}), Some("money"));
        check(&json!({"whole": 1.5}), Some("whole"));
        check(&json!({"day": "2026-02-30"}), Some("day"));
        check(&json!({"day": "2026-06-01"}), None);
        check(&json!({"moment": "2026-06-01T00:00:00"}), Some("moment"));
        check(&json!({"moment": "2026-06-01T00:00:00+12:00"}), None);
        check(&json!({"contact_id": "c1"}), None);
        check(&json!({"contact_id": "c2"}), Some("contact_id"));
        check(&json!({"inner": {"a": true}}), None);
        check(&json!({"inner": {"b": true}}), Some("inner.b"));
        check(&json!({"lines": [{"n": 1}, {"n": "x"}]}), Some("lines[1].n"));
        check(&json!({"custom": {"any name": "abc", "other": null}}), None);
        check(&json!({"custom": {"any name": "abcd"}}), Some("custom.any name"));
        check(&json!({"custom": {"any name": 1}}), Some("custom.any name"));
        check(&json!({"other": 1}), Some("other"));
    }

    #[test]
    fn a_merge_reaches_into_objects_and_replaces_lists() {
        let mut record = json!({"a": {"x": 1, "y": 2}, "l": [1, 2], "t": "t"}).as_object().unwrap().clone();
        merge(&mut record, json!({"a": {"x": null}, "l": [3]}).as_object().unwrap().clone());
        assert_eq!(Value::Object(record), json!({"a": {"x": null, "y": 2}, "l": [3], "t": "t"}));
    }
}
