//! Dates and instants as connectors hand them over.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime};

/// A calendar date: `2026-06-01`, or a midnight as some systems write their dates (`2026-06-01T00:00:00`), whatever
/// zone it names.
#[must_use]
pub fn date(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    if text.len() == 10 {
        return NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    }
    let local = match DateTime::parse_from_rfc3339(text) {
        Ok(instant) => instant.naive_local(),
        Err(_) => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?,
    };
    (local.time() == NaiveTime::MIN).then(|| local.date())
}

/// An instant, which names its zone.
#[must_use]
pub fn instant(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_midnight_is_a_date_and_a_time_of_day_is_not() {
        let first = NaiveDate::from_ymd_opt(2026, 6, 1);
        for text in [
            "2026-06-01",
            " 2026-06-01 ",
            "2026-06-01T00:00:00",
            "2026-06-01T00:00:00.000Z",
            "2026-06-01T00:00:00+12:00",
        ] {
            assert_eq!(date(text), first, "{text}");
        }
        for text in ["2026-06-01T09:00:00Z", "2026-6-1", "01/06/2026", "2026-02-30", "", "junk junk "] {
            assert_eq!(date(text), None, "{text}");
        }
        assert!(instant("2026-06-01T09:00:00").is_none());
    }
}
