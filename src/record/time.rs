//! Dates and instants as connectors hand them over.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

/// Longer than clocks are ever put back at once.
const PUT_BACK: TimeDelta = TimeDelta::hours(3);

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

/// The least that the clocks of a zone show from an instant on. Where they are put back soon after it, that is an hour less
/// than they show then: whoever asks for what was stamped since must not miss what is stamped in the hour that comes twice.
#[must_use]
pub(crate) fn earliest_wall(from: DateTime<Utc>, zone: Tz) -> NaiveDateTime {
    let wall = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local();
    let later = from.checked_add_signed(PUT_BACK).and_then(|later| wall(later).checked_sub_signed(PUT_BACK));
    later.map_or_else(|| wall(from), |later| later.min(wall(from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 3:00 became 2:00 in Auckland on 5 April 2026 at 14:00 UTC the day before, and 2:00 became 3:00 on 27 September.
    #[test]
    fn what_is_stamped_in_the_hour_that_comes_twice_is_not_before_the_earliest_time() {
        for (from, earliest) in [
            ("2026-04-04T10:59:59Z", "2026-04-04 23:59:59"),
            ("2026-04-04T11:00:00Z", "2026-04-04 23:00:00"),
            ("2026-04-04T13:54:00Z", "2026-04-05 01:54:00"),
            ("2026-04-04T14:00:00Z", "2026-04-05 02:00:00"),
            ("2026-04-04T14:30:00.5Z", "2026-04-05 02:30:00.500"),
            ("2026-06-01T00:00:00Z", "2026-06-01 12:00:00"),
            ("2026-09-26T13:30:00Z", "2026-09-27 01:30:00"),
            ("2026-09-26T14:00:00Z", "2026-09-27 03:00:00"),
        ] {
            let from: DateTime<Utc> = from.parse().unwrap();
            assert_eq!(earliest_wall(from, chrono_tz::Pacific::Auckland).to_string(), earliest, "{from}");
            assert_eq!(earliest_wall(from, Tz::UTC), from.naive_utc(), "{from}");
        }
    }

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
