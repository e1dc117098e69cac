//! Wire formats: how a remote writes instants, dates and numbers, and what the rest of the program sees.
//!
//! A table of declared fields is compiled once into the few conversions that it needs, so that a page of records
//! costs nothing for the fields that JSON already says right. A value that is not what was declared is left as it is:
//! the remote may break its own rules, and a changed value would be worse than an odd one.

use std::collections::BTreeMap;

use serde_json::Value;

pub(super) use super::format::instant;
use super::format::{from_wire, to_wire};
use crate::{
    connector::{BodyKind, FieldTable, FieldType, WireFormat},
    record::Kind,
};

/// The conversions of one resource, for reading and for writing.
#[derive(Debug, Default)]
pub(super) struct Codec {
    read: Vec<Step>,
    write: Vec<Step>,
    moves: Vec<Move>,
}

/// What to do with one member of an object.
#[derive(Debug)]
struct Step {
    name: String,
    format: WireFormat,
    kind: Kind,
    /// Values that are written in other words.
    words: BTreeMap<String, String>,
    children: Vec<Self>,
}

/// A value that is written at another place than it is read at.
#[derive(Debug)]
struct Move {
    from: Vec<String>,
    to: String,
}

type Convert = fn(&Value, WireFormat, Kind) -> Option<Value>;

impl Codec {
    /// Compiles a table for bodies of these kinds.
    pub(super) fn new(table: &FieldTable, read: BodyKind, write: BodyKind) -> Self {
        let reads = move |field: &FieldType| {
            let format = textual(field.format, field.kind(), read);
            let wanted = format != WireFormat::Plain || matches!(field.kind(), Kind::Date | Kind::Datetime);
            (wanted.then_some(format), false)
        };
        let writes = move |field: &FieldType| {
            let format = field.write_format.unwrap_or(field.format);
            let format = textual(format, field.kind(), write);
            let wanted = format != WireFormat::Plain || matches!(field.kind(), Kind::Decimal | Kind::Integer);
            (wanted.then_some(format), true)
        };
        let mut moves = Vec::new();
        find_moves(table, &mut Vec::new(), &mut moves);
        Self { read: compile(table, &reads), write: compile(table, &writes), moves }
    }

    /// From the wire to the decoded form.
    pub(super) fn decode(&self, record: &mut Value) {
        run(&self.read, record, from_wire);
    }

    /// From the decoded form to the wire.
    pub(super) fn encode(&self, record: &mut Value) {
        run(&self.write, record, to_wire);
        for step in &self.moves {
            if let Some(value) = take_out(record, &step.from)
                && let Value::Object(members) = record
            {
                members.insert(step.to.clone(), value);
            }
        }
    }
}

/// Where every value is text, a number or a boolean is written as text unless something else is declared.
fn textual(format: WireFormat, kind: Kind, body: BodyKind) -> WireFormat {
    match (format, kind) {
        (WireFormat::Plain, Kind::Decimal | Kind::Integer) if body.is_textual() => WireFormat::NumberText,
        (WireFormat::Plain, Kind::Boolean) if body.is_textual() => WireFormat::TrueFalse,
        _ => format,
    }
}

/// For each field: the format of its conversion, if it needs one, and whether its words are written anew.
fn compile(table: &FieldTable, wanted: &impl Fn(&FieldType) -> (Option<WireFormat>, bool)) -> Vec<Step> {
    let step = |(name, field): (&String, &FieldType)| {
        let children = field.children.as_ref().map(|table| compile(table, wanted)).unwrap_or_default();
        let (format, writes) = wanted(field);
        let words = if writes { field.write_values.clone() } else { BTreeMap::new() };
        let (format, kind) = format.map_or((WireFormat::Plain, Kind::Any), |format| (format, field.kind()));
        let idle = kind == Kind::Any && format == WireFormat::Plain && children.is_empty() && words.is_empty();
        (!idle).then(|| Step { name: name.clone(), format, kind, words, children })
    };
    table.fields.iter().filter_map(step).collect()
}

fn find_moves(table: &FieldTable, at: &mut Vec<String>, moves: &mut Vec<Move>) {
    for (name, field) in &table.fields {
        at.push(name.clone());
        if let Some(to) = &field.write_as {
            moves.push(Move { from: at.clone(), to: to.clone() });
        }
        if let Some(children) = field.children.as_ref().filter(|_| field.kind() != Kind::List) {
            find_moves(children, at, moves);
        }
        at.pop();
    }
}

/// Takes a value out of an object, and with it the objects that it leaves empty.
fn take_out(record: &mut Value, names: &[String]) -> Option<Value> {
    let (name, rest) = names.split_first()?;
    let members = record.as_object_mut()?;
    if rest.is_empty() {
        return members.remove(name);
    }
    let inner = members.get_mut(name)?;
    let value = take_out(inner, rest)?;
    if inner.as_object().is_some_and(serde_json::Map::is_empty) {
        members.remove(name);
    }
    Some(value)
}

fn run(steps: &[Step], record: &mut Value, convert: Convert) {
    let Value::Object(members) = record else { return };
    for step in steps {
        if let Some(value) = members.get_mut(&step.name) {
            apply(step, value, convert);
        }
    }
}

fn apply(step: &Step, value: &mut Value, convert: Convert) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| apply(step, item, convert)),
        Value::Object(_) => run(&step.children, value, convert),
        _ => {
            if let Some(converted) = convert(value, step.format, step.kind) {
                *value = converted;
            }
            if let Some(word) = value.as_str().and_then(|text| step.words.get(text)) {
                *value = Value::String(word.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{connector::FieldType, record::Canon};

    fn table(format: WireFormat, kind: Kind) -> FieldTable {
        let field = FieldType { canon: Canon { kind, ..Canon::default() }, format, ..FieldType::default() };
        FieldTable { fields: [("x".to_owned(), field)].into(), open: true }
    }

    #[track_caller]
    fn reads(format: WireFormat, kind: Kind, wire: &Value, expected: &Value) {
        let mut record = json!({ "x": wire });
        Codec::new(&table(format, kind), BodyKind::Json, BodyKind::Json).decode(&mut record);
        assert_eq!(record, json!({ "x": expected }));
    }

    #[track_caller]
    fn writes(format: WireFormat, kind: Kind, value: &Value, expected: &Value) {
        let mut record = json!({ "x": value });
        Codec::new(&table(format, kind), BodyKind::Json, BodyKind::Json).encode(&mut record);
        assert_eq!(record, json!({ "x": expected }));
    }

    fn raw(number: &str) -> Value {
        serde_json::from_str(number).unwrap()
    }

    #[test]
    fn instants_become_rfc_3339_in_utc() {
        use WireFormat::{EpochSeconds, IsoNoZone, MsDate, Plain};
        let day = "2024-06-01T00:00:00Z";
        reads(MsDate, Kind::Datetime, &json!("/Date(1717200000000+0000)/"), &json!(day));
        reads(MsDate, Kind::Datetime, &json!("/Date(1717200000123)/"), &json!("2024-06-01T00:00:00.123Z"));
        reads(MsDate, Kind::Datetime, &json!("/Date(-1000+0000)/"), &json!("1969-12-31T23:59:59Z"));
        reads(MsDate, Kind::Datetime, &json!("/Date(1717200000000-1000)/"), &json!(day));
        reads(MsDate, Kind::Datetime, &json!("2024-06-01T00:00:00"), &json!(day));
        reads(IsoNoZone, Kind::Datetime, &json!("2024-06-01T00:00:00.5164000"), &json!("2024-06-01T00:00:00.516400Z"));
        reads(EpochSeconds, Kind::Datetime, &raw("1717200000"), &json!(day));
        reads(EpochSeconds, Kind::Datetime, &raw("1717200000.25"), &json!("2024-06-01T00:00:00.250Z"));
        reads(Plain, Kind::Datetime, &json!("2024-06-01T12:00:00+12:00"), &json!(day));
    }

    #[test]
    fn dates_are_the_day_that_the_remote_means() {
        use WireFormat::{EpochSeconds, MsDate, Plain};
        let day = json!("2024-06-01");
        reads(MsDate, Kind::Date, &json!("/Date(1717200000000+0000)/"), &day);
        // Midnight in Auckland is the day before in UTC.
        reads(MsDate, Kind::Date, &json!("/Date(1717156800000+1200)/"), &day);
        reads(MsDate, Kind::Date, &json!("2024-06-01T00:00:00"), &day);
        reads(EpochSeconds, Kind::Date, &raw("1717200000"), &day);
        reads(Plain, Kind::Date, &json!("2024-06-01T00:00:00+12:00"), &day);
        reads(Plain, Kind::Date, &day, &day);
    }

    #[test]
    fn what_is_not_as_declared_stays_as_it_is() {
        for odd in [json!(null), json!(""), json!("soon"), json!("/Date(x)/"), json!("/Date(1+)/"), json!(true)] {
            for format in [WireFormat::MsDate, WireFormat::IsoNoZone, WireFormat::EpochSeconds, WireFormat::Plain] {
                reads(format, Kind::Datetime, &odd, &odd);
                writes(format, Kind::Date, &odd, &odd);
            }
            reads(WireFormat::NumberText, Kind::Decimal, &odd, &odd);
            writes(WireFormat::Plain, Kind::Decimal, &odd, &odd);
        }
        reads(
            WireFormat::MsDate,
            Kind::Datetime,
            &json!("/Date(99999999999999999999)/"),
            &json!("/Date(99999999999999999999)/"),
        );
        reads(WireFormat::EpochSeconds, Kind::Datetime, &raw("1e400"), &raw("1e400"));
    }

    #[test]
    fn numbers_keep_their_digits_both_ways() {
        reads(WireFormat::NumberText, Kind::Decimal, &json!("1.10"), &raw("1.10"));
        reads(
            WireFormat::NumberText,
            Kind::Decimal,
            &json!("12345678901234567890.000001"),
            &raw("12345678901234567890.000001"),
        );
        writes(WireFormat::NumberText, Kind::Decimal, &raw("1.10"), &json!("1.10"));
        writes(WireFormat::Plain, Kind::Decimal, &json!("1.10"), &raw("1.10"));
        writes(WireFormat::Plain, Kind::Text, &json!("1.10"), &json!("1.10"));
    }

    #[test]
    fn digits_in_text_stay_text_where_some_values_have_other_words() {
        for kind in [Kind::Text, Kind::Any, Kind::Id] {
            let mut spoken = table(WireFormat::Plain, kind);
            for field in spoken.fields.values_mut() {
                field.write_values = [("2".to_owned(), "two".to_owned())].into();
            }
            let codec = Codec::new(&spoken, BodyKind::Json, BodyKind::Json);
            for (value, expected) in [("12", "12"), (" 1.10", " 1.10"), ("2", "two")] {
                let mut record = json!({ "x": value });
                codec.encode(&mut record);
                assert_eq!(record, json!({ "x": expected }), "{kind:?}");
            }
        }
        // A list of texts whose elements are declared as objects.
        let list = FieldType { children: Some(table(WireFormat::Plain, Kind::Decimal)), ..FieldType::default() };
        let lines = FieldTable { fields: [("lines".to_owned(), list)].into(), open: true };
        let mut record = json!({ "lines": ["12", { "x": "1.10" }] });
        Codec::new(&lines, BodyKind::Json, BodyKind::Json).encode(&mut record);
        assert_eq!(record, serde_json::from_str::<Value>(r#"{ "lines": ["12", { "x": 1.10 }] }"#).unwrap());
    }

    #[test]
    fn stamps_are_written_as_the_remote_wants_them() {
        use WireFormat::{EpochSeconds, IsoNoZone, MsDate};
        writes(MsDate, Kind::Date, &json!("2024-06-01"), &json!("2024-06-01"));
        writes(MsDate, Kind::Datetime, &json!("2024-06-01T00:00:00Z"), &json!("2024-06-01T00:00:00Z"));
        writes(IsoNoZone, Kind::Datetime, &json!("2024-06-01T12:00:00.500+12:00"), &json!("2024-06-01T00:00:00.500"));
        writes(EpochSeconds, Kind::Datetime, &json!("2024-06-01T00:00:00Z"), &raw("1717200000"));
    }

    #[test]
    fn children_of_objects_and_of_lists_are_converted() {
        let mut inner = table(WireFormat::MsDate, Kind::Date);
        inner.open = false;
        let list = FieldType { children: Some(inner), ..FieldType::default() };
        let codec = Codec::new(
            &FieldTable { fields: [("lines".to_owned(), list)].into(), open: true },
            BodyKind::Json,
            BodyKind::Json,
        );
        let mut record = json!({ "lines": [{ "x": "/Date(0)/" }, null, { "y": 1 }] });
        codec.decode(&mut record);
        assert_eq!(record, json!({ "lines": [{ "x": "1970-01-01" }, null, { "y": 1 }] }));
    }
}
