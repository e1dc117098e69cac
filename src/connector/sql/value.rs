//! One value between the text of a column and the decoded form.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use super::dialect::Dialect;
use crate::{
    connector::{
        FieldType, WireFormat,
        file::read_text,
        http::{from_wire, to_wire},
    },
    record::{Kind, number, time::earliest_wall},
};

/// How databases write a time.
const WALL: &str = "%Y-%m-%d %H:%M:%S%.f";

/// What the text of a column stands for.
///
/// # Errors
///
/// Why it is none of its kind.
pub(super) fn read(
    field: &FieldType,
    (dialect, column, zone): (Dialect, &str, Tz),
    text: Option<String>,
) -> Result<Value, String> {
    let zone = if dialect.keeps_instants(column) { Tz::UTC } else { zone };
    let Some(text) = text else { return Ok(Value::Null) };
    let kind = field.kind();
    match (kind, field.format) {
        (Kind::Any | Kind::Text, _) => Ok(Value::String(text)),
        (Kind::Datetime, WireFormat::Plain) => match instant(&text, zone) {
            Some(instant) => Ok(Value::String(instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))),
            None if text.starts_with("0000-00-00") => Ok(Value::Null),
            None => Err(format!("`{text}` is no time")),
        },
        (Kind::Boolean, WireFormat::Plain) if matches!(text.as_str(), "t" | "f") => Ok(Value::Bool(text == "t")),
        // Databases write floats with an exponent.
        (Kind::Decimal | Kind::Integer, WireFormat::Plain) if text.contains(['e', 'E']) => {
            let plain = number::plain(&text).filter(|plain| kind == Kind::Decimal || plain.parse::<i128>().is_ok());
            match plain.and_then(|plain| serde_json::from_str(&plain).ok()) {
                Some(number) => Ok(Value::Number(number)),
                None => read_text(field, text),
            }
        }
        (_, format) => {
            let number = matches!(format, WireFormat::EpochSeconds | WireFormat::EpochMillis);
            let stored = if number { serde_json::from_str(&text).unwrap_or(Value::Null) } else { text.clone().into() };
            match from_wire(&stored, format, kind) {
                Some(value) => Ok(value),
                None if number => Err(format!("`{text}` is no time")),
                None => read_text(field, text),
            }
        }
    }
}

/// An instant as databases write it: `2026-06-01 02:00:00.5+00`, or without a zone by the clocks of this one.
pub(super) fn instant(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    let mut text = text.trim().replacen(' ', "T", 1);
    // An offset of hours alone.
    if text.rfind(['+', '-']).is_some_and(|at| at > 10 && text.len() - at == 3) {
        text.push_str(":00");
    }
    if let Ok(instant) = DateTime::parse_from_rfc3339(&text) {
        return Some(instant.to_utc());
    }
    let local = NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M"))
        .ok()?;
    zone.from_local_datetime(&local).earliest().map(|instant| instant.to_utc())
}

/// The text that a column of this type takes for a value; `None` for nothing.
///
/// # Errors
///
/// Why there is none.
pub(super) fn write(
    field: &FieldType,
    (dialect, kind, zone): (Dialect, &str, Tz),
    value: &Value,
) -> Result<Option<String>, String> {
    let format = field.write_format.unwrap_or(field.format);
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) if field.kind() == Kind::Datetime && format == WireFormat::Plain => {
            let instant = DateTime::parse_from_rfc3339(text).map_err(|_| format!("`{text}` is no time"))?;
            stamp(instant.to_utc(), (dialect, kind, zone))
        }
        Value::Array(_) | Value::Object(_) => return Err("a column has no place for lists and objects".to_owned()),
        plain => match to_wire(plain, format, field.kind()).unwrap_or_else(|| plain.clone()) {
            Value::Bool(yes) if dialect == Dialect::Postgres => yes.to_string(),
            Value::Bool(yes) => if yes { "1" } else { "0" }.to_owned(),
            Value::String(text) => text,
            other => other.to_string(),
        },
    };
    if text.contains('\0') {
        return Err("it holds a zero byte, which a database does not keep in text".to_owned());
    }
    Ok(Some(text))
}

/// An instant for a column of this type.
pub(super) fn stamp(instant: DateTime<Utc>, (dialect, kind, zone): (Dialect, &str, Tz)) -> String {
    let with_zone = dialect.keeps_instants(kind);
    let local = if with_zone { instant.naive_utc() } else { instant.with_timezone(&zone).naive_local() };
    let text = local.format(WALL).to_string();
    if with_zone && dialect == Dialect::Postgres { format!("{text}+00") } else { text }
}

/// The least that a column of this type can hold for an instant from `since` on.
pub(super) fn least_stamp(since: DateTime<Utc>, form: (Dialect, &str, Tz)) -> String {
    let (dialect, kind, zone) = form;
    if dialect.keeps_instants(kind) { stamp(since, form) } else { earliest_wall(since, zone).format(WALL).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Canon;

    #[test]
    fn floats_are_read_with_their_exponents() {
        let read = |kind: Kind, text: &str| {
            let field = FieldType { canon: Canon { kind, ..Canon::default() }, ..FieldType::default() };
            read(&field, (Dialect::Postgres, "real", Tz::UTC), Some(text.to_owned()))
        };
        for (kind, text, plain) in [
            (Kind::Decimal, "1e+06", "1000000"),
            (Kind::Decimal, "1.0e-05", "0.00001"),
            (Kind::Decimal, "-2.5E3", "-2500"),
            (Kind::Decimal, "1e+300", "1e300"),
            (Kind::Integer, "1.5e+01", "15"),
            (Kind::Text, "1e5", "\"1e5\""),
        ] {
            assert_eq!(read(kind, text), Ok(serde_json::from_str(plain).unwrap()), "{text}");
        }
        for (kind, text) in [
            (Kind::Integer, "1.5e0"),
            (Kind::Integer, "1e300"),
            (Kind::Decimal, "e5"),
            (Kind::Decimal, "1e"),
            (Kind::Decimal, "1e99999999999999999999"),
        ] {
            assert!(read(kind, text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_stamped_after_the_clocks_went_back_is_not_too_early() {
        let (auckland, berlin) = (chrono_tz::Pacific::Auckland, chrono_tz::Europe::Berlin);
        for (since, zone, least) in [
            // Back at 14:00Z.
            ("2026-04-04T10:59:00Z", auckland, "2026-04-04 23:59:00"),
            ("2026-04-04T11:00:00Z", auckland, "2026-04-04 23:00:00"),
            ("2026-04-04T13:54:00Z", auckland, "2026-04-05 01:54:00"),
            ("2026-04-04T14:00:00Z", auckland, "2026-04-05 02:00:00"),
            ("2026-10-25T00:59:30Z", berlin, "2026-10-25 01:59:30"),
            // Forward at 14:00Z.
            ("2026-09-26T13:54:00Z", auckland, "2026-09-27 01:54:00"),
            ("2026-04-04T13:54:00Z", Tz::UTC, "2026-04-04 13:54:00"),
        ] {
            let since = since.parse().unwrap();
            assert_eq!(least_stamp(since, (Dialect::MySql, "datetime", zone)), least);
        }
        let since = "2026-04-04T13:54:00Z".parse().unwrap();
        let instants = (Dialect::Postgres, "timestamp with time zone", auckland);
        assert_eq!(least_stamp(since, instants), "2026-04-04 13:54:00+00");
        assert!(!least_stamp(DateTime::<Utc>::MAX_UTC, (Dialect::Sqlite, "TEXT", Tz::UTC)).is_empty());
    }

    #[test]
    fn times_are_read_as_each_database_writes_them() {
        let at = |text: &str| instant(text, chrono_tz::Pacific::Auckland).map(|at| at.to_rfc3339());
        for text in [
            "2026-06-01 02:00:00+00",
            "2026-06-01T02:00:00Z",
            "2026-06-01 14:00:00.000000",
            "2026-06-01 14:00",
            "2026-06-01 07:30:00+05:30",
        ] {
            assert_eq!(at(text).as_deref(), Some("2026-06-01T02:00:00+00:00"), "{text}");
        }
        assert_eq!(at("soon"), None);
        assert_eq!(at("2026-06-01"), None);
    }

    #[test]
    fn times_are_written_as_their_column_keeps_them() {
        let instant = DateTime::parse_from_rfc3339("2026-06-01T02:00:00.5Z").unwrap().to_utc();
        let zone = chrono_tz::Pacific::Auckland;
        let to = |dialect, kind| stamp(instant, (dialect, kind, zone));
        assert_eq!(to(Dialect::Postgres, "timestamp with time zone"), "2026-06-01 02:00:00.500+00");
        assert_eq!(to(Dialect::Postgres, "timestamp without time zone"), "2026-06-01 14:00:00.500");
        assert_eq!(to(Dialect::MySql, "timestamp(6)"), "2026-06-01 02:00:00.500");
        assert_eq!(to(Dialect::MySql, "datetime"), "2026-06-01 14:00:00.500");
        assert_eq!(to(Dialect::Sqlite, "TEXT"), "2026-06-01 14:00:00.500");
    }
}
