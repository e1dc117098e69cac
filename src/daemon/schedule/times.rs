//! Local times as instants: the grid of polls and the lines of a timetable, through daylight saving.
//!
//! A local time that is skipped in spring happens at the end of the gap, once however many were skipped. A local time
//! that comes twice in autumn happens the first time it comes. Only a poll whose interval fits into the doubled span
//! goes on through both, because a pause of an hour would be no rhythm.

use std::time::Duration;

use chrono::{DateTime, Days, LocalResult, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

/// Longest span that clocks are put back or forward by, with room.
const SHIFT: TimeDelta = TimeDelta::hours(3);
/// What a doubled span is in practice; polls at most this far apart go on through it.
const DOUBLED: TimeDelta = TimeDelta::hours(1);

/// `at` plus a span, or the end of time.
pub(super) fn plus(at: DateTime<Utc>, span: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(span).ok().and_then(|span| at.checked_add_signed(span)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The first poll after `after`: polls sit on multiples of `interval` from local midnight (intervals over a day: from
/// the midnight of 1 January 1970).
pub(super) fn next_poll(zone: Tz, interval: Duration, after: DateTime<Utc>) -> DateTime<Utc> {
    let span = TimeDelta::from_std(interval.max(Duration::from_millis(1))).unwrap_or(TimeDelta::MAX);
    let local = after.with_timezone(&zone).naive_local();
    let next = grid_after(span, local);
    let offset = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local() - at.naive_utc();
    let guess = after.checked_add_signed(next - local);
    let Some(guess) = guess else { return DateTime::<Utc>::MAX_UTC };
    let quiet = match (after.checked_sub_signed(SHIFT), guess.checked_add_signed(SHIFT)) {
        (Some(before), Some(behind)) => offset(before) == offset(after) && offset(after) == offset(behind),
        _ => true,
    };
    if quiet {
        return guess;
    }
    let (mut nominal, mut found) = (grid_after(span, local - SHIFT), None::<DateTime<Utc>>);
    loop {
        let [first, second] = instants(zone, nominal);
        let second = second.filter(|_| span <= DOUBLED);
        for at in [first, second].into_iter().flatten().filter(|at| *at > after) {
            found = Some(found.map_or(at, |best| best.min(at)));
        }
        match found {
            Some(found) if nominal > local + SHIFT => return found,
            _ => nominal = grid_after(span, nominal),
        }
        if nominal == NaiveDateTime::MAX {
            return found.unwrap_or(DateTime::<Utc>::MAX_UTC);
        }
    }
}

/// The first time of the timetable after `after`.
pub(super) fn next_cron(zone: Tz, schedule: &cron::Schedule, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    // The schedule is walked in local time as if it were UTC; what a local time means is decided here alone.
    let local = after.with_timezone(&zone).naive_local().and_utc();
    schedule.after(&local).filter_map(|nominal| instants(zone, nominal.naive_utc())[0]).find(|at| *at > after)
}

/// When a local time happens: the first time, and the second time if there is one.
fn instants(zone: Tz, nominal: NaiveDateTime) -> [Option<DateTime<Utc>>; 2] {
    let mut at = nominal;
    for _ in 0..=24 * 60 {
        match zone.from_local_datetime(&at) {
            LocalResult::Single(one) => return [Some(one.to_utc()), None],
            LocalResult::Ambiguous(first, second) => return [Some(first.to_utc()), Some(second.to_utc())],
            // Skipped: the first whole minute that exists again.
            LocalResult::None => {
                let minute = at.with_second(0).and_then(|at| at.with_nanosecond(0)).unwrap_or(at);
                at = minute + TimeDelta::minutes(1);
            }
        }
    }
    [None, None]
}

/// The first point of the grid after a local time.
fn grid_after(span: TimeDelta, local: NaiveDateTime) -> NaiveDateTime {
    let within_day = span <= TimeDelta::days(1);
    let origin = if within_day { local.date().and_time(NaiveTime::MIN) } else { DateTime::UNIX_EPOCH.naive_utc() };
    let since = (local - origin).num_milliseconds();
    let step = span.num_milliseconds().max(1);
    let next = (since.div_euclid(step) + 1).checked_mul(step).and_then(TimeDelta::try_milliseconds);
    let next = next.and_then(|next| origin.checked_add_signed(next)).unwrap_or(NaiveDateTime::MAX);
    let midnight = local.date().checked_add_days(Days::new(1)).map(|day| day.and_time(NaiveTime::MIN));
    match midnight {
        Some(midnight) if within_day => next.min(midnight),
        _ => next,
    }
}
