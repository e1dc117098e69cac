//! How Xero writes and reads single values: dates, money, text.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Map, Value};

/// A point in time as `/Date(ms+0000)/` (Xero accounting docs, requests-and-responses).
pub(crate) fn stamp(at: DateTime<Utc>) -> Value {
    Value::String(format!("/Date({}+0000)/", at.timestamp_millis()))
}

/// The ISO twin of a stamp, in whole seconds.
pub(crate) fn stamp_string(at: DateTime<Utc>) -> Value {
    Value::String(at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// A calendar date as the midnight that starts it in UTC.
pub(crate) fn day(date: NaiveDate) -> Value {
    stamp(date.and_time(NaiveTime::MIN).and_utc())
}

/// The ISO twin of a calendar date.
pub(crate) fn day_string(date: NaiveDate) -> Value {
    Value::String(format!("{date}T00:00:00"))
}

/// A date as a client may write it: `YYYY-MM-DD`, with a time after it, or `/Date(ms)/`.
pub(crate) fn parse_day(text: &str) -> Option<NaiveDate> {
    if let Some(inner) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        let digits = inner.split_once('+').map_or(inner, |(ms, _)| ms);
        return Some(DateTime::from_timestamp_millis(digits.parse().ok()?)?.date_naive());
    }
    text.get(..10)?.parse().ok().filter(|_| text.len() == 10 || text.as_bytes().get(10) == Some(&b'T'))
}

/// `If-Modified-Since` as Xero takes it: `yyyy-mm-ddThh:mm:ss` in UTC; finer digits are cut off.
pub(crate) fn parse_since(text: &str) -> Option<DateTime<Utc>> {
    let bare = text.trim().trim_end_matches('Z');
    let bare = bare.split_once('.').map_or(bare, |(seconds, _)| seconds);
    if let Ok(at) = NaiveDateTime::parse_from_str(bare, "%Y-%m-%dT%H:%M:%S") {
        return Some(at.and_utc());
    }
    if let Ok(date) = bare.parse::<NaiveDate>() {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc2822(text).ok().map(|at| at.with_timezone(&Utc))
}

/// A number or a numeric text as an exact amount.
pub(crate) fn amount(value: &Value) -> Option<Decimal> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    text.parse().ok().or_else(|| Decimal::from_scientific(&text).ok())
}

/// Rounded half away from zero, as money is.
pub(crate) fn round(amount: Decimal, places: u32) -> Decimal {
    amount.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero)
}

/// Money as a JSON number with two places.
pub(crate) fn money(amount: Decimal) -> Value {
    places(amount, 2)
}

/// A JSON number with exactly so many places.
pub(crate) fn places(amount: Decimal, places: u32) -> Value {
    let mut rounded = round(amount, places);
    rounded.rescale(places);
    // The text of a decimal is always a JSON number.
    rounded.to_string().parse().map_or(Value::Null, Value::Number)
}

/// A property that was sent with a value: Xero takes null for "not sent".
pub(crate) fn given<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// A property as text; numbers and booleans count as their text.
pub(crate) fn given_text(object: &Map<String, Value>, name: &str) -> Option<String> {
    match given(object, name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// How names and numbers are compared: without regard to case.
pub(crate) fn fold(text: &str) -> String {
    text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_every_form_a_client_writes() {
        let expected = NaiveDate::from_ymd_opt(2026, 6, 1);
        for text in ["2026-06-01", "2026-06-01T00:00:00", "/Date(1780272000000)/", "/Date(1780272000000+0000)/"] {
            assert_eq!(parse_day(text), expected, "{text}");
        }
        for text in ["", "01/06/2026", "2026-06-011", "2026-13-01", "/Date(x)/"] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }

    #[test]
    fn a_since_header_counts_whole_seconds() {
        for text in ["2026-06-01T01:02:03", "2026-06-01T01:02:03.999Z", "Mon, 01 Jun 2026 01:02:03 GMT"] {
            assert_eq!(parse_since(text).unwrap().timestamp(), 1_780_275_723, "{text}");
        }
        assert_eq!(parse_since("yesterday"), None);
    }

    #[test]
    fn money_has_two_places() {
        for (amount, expected) in [("1", "1.00"), ("2.005", "2.01"), ("-2.005", "-2.01"), ("1e2", "100.00")] {
            let value = super::amount(&Value::String(amount.to_owned())).unwrap();
            assert_eq!(money(value).to_string(), expected);
        }
    }
}
