//! One value between the wire and the decoded form.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Number, Value};

use crate::{connector::WireFormat, record::Kind};

/// What a value on the wire stands for; `None` leaves it as it is.
pub(in crate::connector) fn from_wire(value: &Value, format: WireFormat, kind: Kind) -> Option<Value> {
    match format {
        WireFormat::NumberText => number(value.as_str()?),
        WireFormat::EpochSeconds => stamp(epoch(value)?, kind),
        WireFormat::EpochMillis => stamp(DateTime::from_timestamp_millis(integer(value)?)?, kind),
        WireFormat::IsoLocal(zone) => stamp(local(value.as_str()?, zone)?, kind),
        WireFormat::CompactDate => {
            let day = NaiveDate::parse_from_str(value.as_str()?.trim(), "%Y%m%d").ok()?;
            Some(Value::String(day.to_string()))
        }
        WireFormat::YesNo => match value.as_str()? {
            "Yes" | "yes" | "YES" => Some(Value::Bool(true)),
            "No" | "no" | "NO" => Some(Value::Bool(false)),
            _ => None,
        },
        WireFormat::TrueFalse => match value.as_str()? {
            "true" | "True" | "TRUE" => Some(Value::Bool(true)),
            "false" | "False" | "FALSE" => Some(Value::Bool(false)),
            _ => None,
        },
        WireFormat::MsDate => match ms_date(value.as_str()?) {
            Some((instant, offset)) if kind == Kind::Date => stamp(instant.checked_add_signed(offset)?, kind),
            Some((instant, _)) => stamp(instant, kind),
            None => plain(value.as_str()?, kind),
        },
        WireFormat::LinkId => {
            let path = value.as_str()?.split(['?', '#']).next()?.trim_end_matches('/');
            path.rsplit_once('/').map(|(_, id)| Value::String(id.to_owned()))
        }
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

/// How a value stands on the wire; `None` leaves it as it is.
pub(in crate::connector) fn to_wire(value: &Value, format: WireFormat, kind: Kind) -> Option<Value> {
    match (format, kind) {
        (WireFormat::NumberText, _) => value.is_number().then(|| Value::String(value.to_string())),
        (WireFormat::YesNo, _) => Some(Value::String(if value.as_bool()? { "Yes" } else { "No" }.to_owned())),
        (WireFormat::TrueFalse, _) => Some(Value::String(value.as_bool()?.to_string())),
        (WireFormat::CompactDate, _) => {
            Some(Value::String(iso(value.as_str()?)?.date_naive().format("%Y%m%d").to_string()))
        }
        (WireFormat::EpochMillis, _) => Some(Value::Number(iso(value.as_str()?)?.timestamp_millis().into())),
        (WireFormat::IsoLocal(zone), _) => {
            let local = iso(value.as_str()?)?.with_timezone(&zone).naive_local();
            Some(Value::String(local.format("%Y-%m-%dT%H:%M:%S%.f").to_string()))
        }
        // The manifest says that this is a JSON number; text comes from a system that writes numbers as text.
        (WireFormat::Plain, Kind::Decimal | Kind::Integer) => number(value.as_str()?),
        // Relations are read only. Digits in any other field are text: a house number, a code.
        (WireFormat::LinkId | WireFormat::Plain, _) => None,
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

/// A wall time of a zone. One that the clocks skipped counts as the first after the gap, a doubled one as its first.
fn local(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text.trim()) {
        return Some(instant.to_utc());
    }
    let naive = iso(text)?.naive_utc();
    (0..=4_i32).find_map(|quarters| {
        let later = naive.checked_add_signed(TimeDelta::minutes(i64::from(quarters) * 30))?;
        later.and_local_timezone(zone).earliest().map(|instant| instant.to_utc())
    })
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_i64(),
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

    #[track_caller]
    fn both(format: WireFormat, kind: Kind, wire: &Value, decoded: &Value) {
        assert_eq!(from_wire(wire, format, kind).as_ref(), Some(decoded), "{format:?}");
        assert_eq!(to_wire(decoded, format, kind).as_ref(), Some(wire), "{format:?}");
    }

    #[test]
    fn each_format_is_read_and_written() {
        let zone = chrono_tz::Pacific::Auckland;
        both(
            WireFormat::EpochMillis,
            Kind::Datetime,
            &json!(1_717_200_000_123_i64),
            &json!("2024-06-01T00:00:00.123Z"),
        );
        both(WireFormat::IsoLocal(zone), Kind::Datetime, &json!("2024-06-01T12:00:00"), &json!("2024-06-01T00:00:00Z"));
        both(WireFormat::CompactDate, Kind::Date, &json!("20240601"), &json!("2024-06-01"));
        both(WireFormat::YesNo, Kind::Boolean, &json!("Yes"), &json!(true));
        both(WireFormat::YesNo, Kind::Boolean, &json!("No"), &json!(false));
        both(WireFormat::TrueFalse, Kind::Boolean, &json!("false"), &json!(false));
        let link = |text: &str| from_wire(&json!(text), WireFormat::LinkId, Kind::Id);
        assert_eq!(link("https://a.example/v1/patients/82/?x=1"), Some(json!("82")));
        assert_eq!(link("82"), None, "an id is one already");
        for format in [WireFormat::EpochMillis, WireFormat::IsoLocal(zone), WireFormat::CompactDate, WireFormat::YesNo]
        {
            assert_eq!(from_wire(&json!("soon"), format, Kind::Any), None, "{format:?}");
        }
    }

    #[test]
    fn a_wall_time_that_was_skipped_or_doubled_is_still_an_instant() {
        let zone = chrono_tz::Pacific::Auckland;
        // 29 September 2024, 2:00 became 3:00; 7 April 2024, 3:00 became 2:00.
        assert_eq!(local("2024-09-29T02:30:00", zone), local("2024-09-29T03:00:00", zone));
        assert_eq!(local("2024-04-07T02:30:00", zone), iso("2024-04-06T13:30:00"));
    }
}
