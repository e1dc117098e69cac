//! Wire formats: how a remote writes instants, dates and numbers, and what the rest of the program sees.
//!
//! A table of declared fields is compiled once into the few conversions that it needs, so that a page of records
//! costs nothing for the fields that JSON already says right. A value that is not what was declared is left as it is:
//! the remote may break its own rules, and a changed value would be worse than an odd one.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Number, Value};

use crate::{
    connector::{FieldTable, WireFormat},
    record::Kind,
};

/// The conversions of one resource, for reading and for writing.
#[derive(Debug, Default)]
pub(super) struct Codec {
    read: Vec<Step>,
    write: Vec<Step>,
}

/// What to do with one member of an object.
#[derive(Debug)]
struct Step {
    name: String,
    format: WireFormat,
    kind: Kind,
    children: Vec<Self>,
}

type Convert = fn(&Value, WireFormat, Kind) -> Option<Value>;

impl Codec {
    /// Compiles a table.
    pub(super) fn new(table: &FieldTable) -> Self {
        let reads = |format, kind| format != WireFormat::Plain || matches!(kind, Kind::Date | Kind::Datetime);
        let writes = |format, kind| format != WireFormat::Plain || matches!(kind, Kind::Decimal | Kind::Integer);
        Self { read: compile(table, reads), write: compile(table, writes) }
    }

    /// From the wire to the decoded form.
    pub(super) fn decode(&self, record: &mut Value) {
        run(&self.read, record, from_wire);
    }

    /// From the decoded form to the wire.
    pub(super) fn encode(&self, record: &mut Value) {
        run(&self.write, record, to_wire);
    }
}

fn compile(table: &FieldTable, wanted: fn(WireFormat, Kind) -> bool) -> Vec<Step> {
    let step = |(name, field): (&String, &crate::connector::FieldType)| {
        let children = field.children.as_ref().map(|table| compile(table, wanted)).unwrap_or_default();
        let kind = field.kind();
        let (format, kind) =
            if wanted(field.format, kind) { (field.format, kind) } else { (WireFormat::Plain, Kind::Any) };
        let idle = kind == Kind::Any && format == WireFormat::Plain && children.is_empty();
        (!idle).then(|| Step { name: name.clone(), format, kind, children })
    };
    table.fields.iter().filter_map(step).collect()
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
        }
    }
}

fn from_wire(value: &Value, format: WireFormat, kind: Kind) -> Option<Value> {
    match format {
        WireFormat::NumberText => number(value.as_str()?),
        WireFormat::EpochSeconds => stamp(epoch(value)?, kind),
        WireFormat::MsDate => match ms_date(value.as_str()?) {
            Some((instant, offset)) if kind == Kind::Date => stamp(instant.checked_add_signed(offset)?, kind),
            Some((instant, _)) => stamp(instant, kind),
            None => plain(value.as_str()?, kind),
        },
        WireFormat::IsoNoZone | WireFormat::Plain => plain(value.as_str()?, kind),
    }
}

/// ISO text, with or without a zone. Of a date, only the day as written counts.
fn plain(text: &str, kind: Kind) -> Option<Value> {
    if kind == Kind::Date {
        let (day, _) = text.split_once(['T', ' '])?;
        return NaiveDate::parse_from_str(day, "%Y-%m-%d").ok().map(|day| Value::String(day.to_string()));
    }
    if is_stamp(text) {
        return None;
    }
    stamp(iso(text)?, kind)
}

/// Whether an instant would be written just as it is: `2024-06-01T00:00:00Z`, or with milliseconds that are not zero.
/// (If it is no instant after all, it stays as it is, too.)
fn is_stamp(text: &str) -> bool {
    let form = |form: &[u8]| {
        text.len() == form.len()
            && text
                .bytes()
                .zip(form)
                .all(|(byte, form)| if *form == b'0' { byte.is_ascii_digit() } else { byte == *form })
    };
    form(b"0000-00-00T00:00:00Z") || (form(b"0000-00-00T00:00:00.000Z") && !text.ends_with("000Z"))
}

fn stamp(instant: DateTime<Utc>, kind: Kind) -> Option<Value> {
    match kind {
        Kind::Date => Some(Value::String(instant.date_naive().to_string())),
        Kind::Datetime | Kind::Any => Some(Value::String(instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))),
        _ => None,
    }
}

fn to_wire(value: &Value, format: WireFormat, kind: Kind) -> Option<Value> {
    match (format, kind) {
        (WireFormat::NumberText, _) => value.is_number().then(|| Value::String(value.to_string())),
        // The manifest says that this is a JSON number; text comes from a system that writes numbers as text.
        (WireFormat::Plain, _) => number(value.as_str()?),
        (WireFormat::EpochSeconds, _) => Some(Value::Number(iso(value.as_str()?)?.timestamp().into())),
        (_, Kind::Date) => Some(Value::String(iso(value.as_str()?)?.date_naive().to_string())),
        (WireFormat::MsDate, _) => {
            Some(Value::String(iso(value.as_str()?)?.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
        }
        (WireFormat::IsoNoZone, _) => {
            Some(Value::String(iso(value.as_str()?)?.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string()))
        }
    }
}

/// A number written as text, digits kept as they are.
fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    // The first byte keeps `null`, `true` and quoted text out.
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        .then(|| serde_json::from_str::<Number>(text).ok())
        .flatten()
        .map(Value::Number)
}

/// An instant in whatever form a declared or undeclared stamp has.
pub(super) fn instant(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::String(text) => ms_date(text).map(|(instant, _)| instant).or_else(|| iso(text)),
        Value::Number(_) => epoch(value),
        _ => None,
    }
}

fn iso(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant.to_utc());
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
        .map(|naive| naive.and_utc())
}

fn epoch(value: &Value) -> Option<DateTime<Utc>> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (seconds, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = DateTime::from_timestamp(seconds.parse().ok()?, 0)?;
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    whole.checked_add_signed(TimeDelta::milliseconds(if seconds.starts_with('-') { -millis } else { millis }))
}

/// `/Date(1717200000000+0000)/`: milliseconds since 1970 in UTC, and the writer's own zone, which does not move the
/// instant but says which day it was there (Xero accounting docs, requests-and-responses).
fn ms_date(text: &str) -> Option<(DateTime<Utc>, TimeDelta)> {
    let inner = text.trim().strip_prefix("/Date(")?.strip_suffix(")/")?;
    let zone_at = inner.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-')).map(|(at, _)| at);
    let (millis, zone) = zone_at.and_then(|at| inner.split_at_checked(at)).unwrap_or((inner, "+0000"));
    let (sign, digits) = zone.split_at_checked(1)?;
    if digits.len() != 4 {
        return None;
    }
    let minutes = digits.get(..2)?.parse::<i64>().ok()? * 60 + digits.get(2..)?.parse::<i64>().ok()?;
    let offset = TimeDelta::minutes(if sign == "-" { -minutes } else { minutes });
    Some((DateTime::from_timestamp_millis(millis.parse().ok()?)?, offset))
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
        Codec::new(&table(format, kind)).decode(&mut record);
        assert_eq!(record, json!({ "x": expected }));
    }

    #[track_caller]
    fn writes(format: WireFormat, kind: Kind, value: &Value, expected: &Value) {
        let mut record = json!({ "x": value });
        Codec::new(&table(format, kind)).encode(&mut record);
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
        let codec = Codec::new(&FieldTable { fields: [("lines".to_owned(), list)].into(), open: true });
        let mut record = json!({ "lines": [{ "x": "/Date(0)/" }, null, { "y": 1 }] });
        codec.decode(&mut record);
        assert_eq!(record, json!({ "lines": [{ "x": "1970-01-01" }, null, { "y": 1 }] }));
    }
}
