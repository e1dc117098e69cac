//! Black-out windows: times in which nothing is written to any system, as the end of a month.
//!
//! A window begins at local times and ends at local times of the integration's zone. It is open when the last beginning
//! came after the last end; so windows that overlap are one, and a window over a change to or from daylight saving is as
//! long as it is. A local time that is skipped comes when the gap ends; one that comes twice begins a window the first
//! time and ends it the second time.

use chrono::{
    DateTime, Datelike as _, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc,
    Weekday,
};
use chrono_tz::Tz;

/// Days that are looked back and ahead: any time of a month comes within them.
const FAR: u64 = 63;

/// When something happens: once, or every month, week or day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// `2026-06-30 18:00`.
    Once(NaiveDateTime),
    /// `28 18:00`; a month that has no such day has it on its last.
    Monthly(u32, NaiveTime),
    /// `last 18:00`: on the last day of each month.
    MonthEnd(NaiveTime),
    /// `fri 18:00`.
    Weekly(Weekday, NaiveTime),
    /// `18:00`.
    Daily(NaiveTime),
}

/// Times in which nothing is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blackout {
    /// When they begin.
    pub from: Moment,
    /// When they end.
    pub to: Moment,
}

/// Which of two times of a doubled hour is meant.
#[derive(Clone, Copy)]
enum Doubled {
    First,
    Second,
}

impl Moment {
    /// Reads it. The error says what is wrong.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let time = |text: &str| match NaiveTime::parse_from_str(text, "%H:%M") {
            Ok(time) if text.len() == 5 => Ok(time),
            _ => Err("the time is not one like 18:00"),
        };
        let Some((day, at)) = text.split_once(' ') else { return time(text).map(Self::Daily) };
        let at = time(at.trim())?;
        if day == "last" {
            return Ok(Self::MonthEnd(at));
        }
        if day.len() == 3
            && let Ok(day) = day.parse::<Weekday>()
        {
            return Ok(Self::Weekly(day, at));
        }
        if let Ok(day) = day.parse::<u32>() {
            return if (1..=31).contains(&day) { Ok(Self::Monthly(day, at)) } else { Err("a month has days 1 to 31") };
        }
        let date = NaiveDate::parse_from_str(day, "%Y-%m-%d");
        date.map(|date| Self::Once(date.and_time(at)))
            .map_err(|_| "the day is no date, day of the month, `last`, or weekday like `fri`")
    }

    /// Whether it happens once.
    #[must_use]
    pub const fn is_once(self) -> bool {
        matches!(self, Self::Once(_))
    }

    /// When it happens on a day, by the clocks there.
    fn on(self, day: NaiveDate) -> Option<NaiveDateTime> {
        let last = || day.checked_add_days(Days::new(1)).is_none_or(|next| next.month() != day.month());
        let time = match self {
            Self::Once(at) => return (at.date() == day).then_some(at),
            Self::Monthly(wanted, at) => (day.day() == wanted || (wanted > day.day() && last())).then_some(at),
            Self::MonthEnd(at) => last().then_some(at),
            Self::Weekly(weekday, at) => (day.weekday() == weekday).then_some(at),
            Self::Daily(at) => Some(at),
        };
        time.map(|at| day.and_time(at))
    }

    /// The last time it happened, at the latest now.
    fn before(self, zone: Tz, now: DateTime<Utc>, doubled: Doubled) -> Option<DateTime<Utc>> {
        if let Self::Once(at) = self {
            return instant(zone, at, doubled).filter(|at| *at <= now);
        }
        // Tomorrow's local times have not come anywhere.
        let today = now.with_timezone(&zone).date_naive();
        let days = (0..=FAR).filter_map(|back| today.checked_sub_days(Days::new(back)));
        days.filter_map(|day| instant(zone, self.on(day)?, doubled)).find(|at| *at <= now)
    }

    /// The next time it happens.
    fn after(self, zone: Tz, now: DateTime<Utc>, doubled: Doubled) -> Option<DateTime<Utc>> {
        if let Self::Once(at) = self {
            return instant(zone, at, doubled).filter(|at| *at > now);
        }
        let today = now.with_timezone(&zone).date_naive();
        let days = (0..=FAR).filter_map(|ahead| today.checked_add_days(Days::new(ahead)));
        days.filter_map(|day| instant(zone, self.on(day)?, doubled)).find(|at| *at > now)
    }
}

/// When a local time happens.
fn instant(zone: Tz, local: NaiveDateTime, doubled: Doubled) -> Option<DateTime<Utc>> {
    let mut at = local;
    // No gap is longer than a day.
    for _ in 0..=24 * 60 {
        match (zone.from_local_datetime(&at), doubled) {
            (LocalResult::Single(one) | LocalResult::Ambiguous(one, _), Doubled::First)
            | (LocalResult::Single(one) | LocalResult::Ambiguous(_, one), Doubled::Second) => {
                return Some(one.to_utc());
            }
            (LocalResult::None, _) => at += TimeDelta::minutes(1),
        }
    }
    None
}

impl Blackout {
    /// Until when it lasts, if it lasts at this time. One that begins and never ends lasts to the end of time.
    #[must_use]
    pub fn until(&self, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let began = self.from.before(zone, now, Doubled::First)?;
        let ended = self.to.before(zone, now, Doubled::Second);
        ended
            .is_none_or(|ended| ended < began)
            .then(|| self.to.after(zone, now, Doubled::Second).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }
}

/// Until when nothing is written, over all of these; `None` if something may be.
#[must_use]
pub fn until(blackouts: &[Blackout], zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let mut end: Option<DateTime<Utc>> = None;
    // One may begin before another has ended.
    for _ in 0..=blackouts.len() {
        let at = end.unwrap_or(now);
        match blackouts.iter().filter_map(|blackout| blackout.until(zone, at)).max() {
            Some(later) if later > at => end = Some(later),
            _ => break,
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: Tz, text: &str) -> DateTime<Utc> {
        let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
        zone.from_local_datetime(&local).earliest().unwrap().to_utc()
    }

    #[track_caller]
    fn check(zone: Tz, (from, to): (&str, &str), now: &str, expected: Option<&str>) {
        let blackout = Blackout { from: Moment::parse(from).unwrap(), to: Moment::parse(to).unwrap() };
        let found = until(&[blackout], zone, at(zone, now))
            .map(|end| end.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string());
        assert_eq!(found.as_deref(), expected, "{from} to {to} at {now}");
    }

    #[test]
    fn a_window_lasts_from_its_beginning_to_its_end() {
        let zone = chrono_tz::Pacific::Auckland;
        let month_end = ("last 18:00", "2 08:00");
        check(zone, month_end, "2026-06-30 17:59", None);
        check(zone, month_end, "2026-06-30 18:00", Some("2026-07-02 08:00"));
        check(zone, month_end, "2026-07-02 07:59", Some("2026-07-02 08:00"));
        check(zone, month_end, "2026-07-02 08:00", None);
        check(zone, month_end, "2027-02-28 19:00", Some("2027-03-02 08:00"));
        check(zone, ("31 00:00", "1 00:00"), "2026-06-30 12:00", Some("2026-07-01 00:00"));
        check(zone, ("fri 18:00", "mon 08:00"), "2026-06-07 12:00", Some("2026-06-08 08:00"));
        check(zone, ("fri 18:00", "mon 08:00"), "2026-06-08 12:00", None);
        check(zone, ("22:00", "06:00"), "2026-06-08 03:00", Some("2026-06-08 06:00"));
        check(zone, ("22:00", "06:00"), "2026-06-08 12:00", None);
        check(zone, ("2026-06-29 18:00", "2026-07-04 09:00"), "2026-07-01 00:00", Some("2026-07-04 09:00"));
        check(zone, ("2026-06-29 18:00", "2026-07-04 09:00"), "2027-07-01 00:00", None);
    }

    #[test]
    fn daylight_saving_leaves_no_hole_and_no_window_without_an_end() {
        // Clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 back to 02:00 on 25 October.
        let zone = chrono_tz::Europe::Berlin;
        check(zone, ("02:30", "04:00"), "2026-03-29 03:15", Some("2026-03-29 04:00"));
        check(zone, ("01:00", "02:30"), "2026-03-29 01:30", Some("2026-03-29 03:00"));
        let night = Blackout { from: Moment::parse("02:30").unwrap(), to: Moment::parse("02:45").unwrap() };
        let first = zone.with_ymd_and_hms(2026, 10, 25, 2, 50, 0).earliest().unwrap().to_utc();
        let second = zone.with_ymd_and_hms(2026, 10, 25, 2, 45, 0).latest().unwrap().to_utc();
        assert_eq!(until(&[night], zone, first), Some(second), "it ends the second time");
        assert_eq!(until(&[night], zone, second), None);
    }

    #[test]
    fn windows_that_touch_or_overlap_are_one() {
        let zone = chrono_tz::UTC;
        let one =
            |from: &str, to: &str| Blackout { from: Moment::parse(from).unwrap(), to: Moment::parse(to).unwrap() };
        let all = [one("last 18:00", "1 12:00"), one("1 10:00", "2 08:00"), one("2 08:00", "2 09:00")];
        assert_eq!(until(&all, zone, at(zone, "2026-06-30 20:00")), Some(at(zone, "2026-07-02 09:00")));
        assert_eq!(until(&all, zone, at(zone, "2026-07-02 09:00")), None);
        assert_eq!(until(&[], zone, at(zone, "2026-07-02 09:00")), None);
    }

    #[test]
    fn what_is_no_moment_says_why() {
        for text in
            ["", "8:00", "25:00", "32 10:00", "0 10:00", "someday 10:00", "2026-02-30 10:00", "last", "friday 10:00"]
        {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }
}
