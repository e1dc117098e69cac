//! The values of a record in a test: text as written, made what the resource's fields say.

use chrono::{NaiveDateTime, SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Number, Value};

use crate::{
    config::{
        diagnostic::{Report, error},
        nearest::suggest,
        tree::{Node, NodeValue, Scalar},
    },
    connector::{FieldTable, FieldType},
    record::{Kind, time},
};

/// What tells the meaning of values.
#[derive(Clone, Copy)]
pub(super) struct Meaning<'a> {
    /// Where mistakes go.
    pub report: &'a Report,
    /// Times without a zone are by the clocks of this one.
    pub zone: Tz,
}

impl Meaning<'_> {
    /// A record with the fields of `table`.
    pub fn record(&self, node: &Node, table: &FieldTable) -> Value {
        let Some(map) = node.map() else { return Value::Object(Map::new()) };
        let mut record = Map::new();
        for (key, value) in &map.entries {
            let field = table.fields.get(&key.text);
            if field.is_none() && !table.open {
                self.report.add(
                    error("test::unknown_field", key.span, format!("there is no field `{}`", key.text))
                        .label("not known")
                        .maybe_help(suggest(&key.text, table.fields.keys().map(String::as_str))),
                );
                continue;
            }
            record.insert(key.text.clone(), self.value(value, field));
        }
        Value::Object(record)
    }

    fn value(&self, node: &Node, field: Option<&FieldType>) -> Value {
        match &node.value {
            NodeValue::Scalar(scalar) if scalar.is_null() => Value::Null,
            NodeValue::Scalar(scalar) => self.scalar(node, scalar, field.map_or(Kind::Any, FieldType::kind)),
            NodeValue::Seq(items) => {
                // The declared fields of a list are those of its elements.
                let element = field
                    .filter(|field| field.children.is_some())
                    .map(|field| FieldType { children: field.children.clone(), ..FieldType::default() });
                Value::Array(items.iter().map(|item| self.value(item, element.as_ref())).collect())
            }
            NodeValue::Map(_) => {
                let any = FieldTable { open: true, ..FieldTable::default() };
                self.record(node, field.and_then(|field| field.children.as_ref()).unwrap_or(&any))
            }
        }
    }

    fn scalar(&self, node: &Node, scalar: &Scalar, kind: Kind) -> Value {
        let text = scalar.text.as_str();
        let wrong = |wanted: &str, help: &str| {
            self.report.add(
                error("test::bad_value", node.span, format!("`{text}` is not {wanted}, which this field holds"))
                    .help(help),
            );
            Value::Null
        };
        match kind {
            Kind::Boolean => match text {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => wrong("true or false", "write true or false"),
            },
            Kind::Decimal | Kind::Integer => match number(text) {
                Some(number) => Value::Number(number),
                None => wrong("a number", "write it as 100 or 12.50"),
            },
            Kind::Date => match time::date(text) {
                Some(date) => Value::String(date.to_string()),
                None => wrong("a date", "write year-month-day: 2026-06-01"),
            },
            Kind::Datetime => match self.instant(text) {
                Some(instant) => Value::String(instant),
                None => wrong("a time", "write 2026-06-01T16:00:00Z, or by local clocks 2026-06-01 16:00"),
            },
            Kind::Object | Kind::List => {
                wrong(if kind == Kind::List { "a list" } else { "a map" }, "write [ … ] for a list, { … } for a map")
            }
            Kind::Any if scalar.plain => match (text, number(text)) {
                ("true", _) => Value::Bool(true),
                ("false", _) => Value::Bool(false),
                // `090` is a code, not a number.
                (_, Some(number)) => Value::Number(number),
                _ => Value::String(text.to_owned()),
            },
            Kind::Text | Kind::Id | Kind::Any => Value::String(text.to_owned()),
        }
    }

    fn instant(&self, text: &str) -> Option<String> {
        let instant = match time::instant(text) {
            Some(instant) => instant.with_timezone(&Utc),
            None => local(text, self.zone)?,
        };
        Some(instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

/// A time by the clocks of a zone: `2026-06-01 16:00` or `2026-06-01 16:00:30`.
pub(super) fn local(text: &str, zone: Tz) -> Option<chrono::DateTime<Utc>> {
    let text = text.trim().replace('T', " ");
    let naive = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S")
        .or_else(|_| NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M"))
        .ok()?;
    zone.from_local_datetime(&naive).earliest().map(|at| at.with_timezone(&Utc))
}

/// A number as JSON has it; all digits are kept.
fn number(text: &str) -> Option<Number> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Number(number)) => Some(number),
        _ => None,
    }
}
