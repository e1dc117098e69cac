//! Polls of connections whose systems tell of changes: the backstop, which may be slower as long as hooks come.
//!
//! Whether hooks work can only be seen by what they bring. One that came is trusted for a day: until then the connection
//! is polled at a tenth of its rhythm, at least once an hour. A day without one, or a poll that finds what no hook had told
//! of, and it is polled as the configuration says until the next one comes. So is it after a restart: nothing of this is
//! remembered.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::times::{self, plus};
use crate::{config::ConnectionName, daemon::HookNow};

/// How long a hook that came speaks for the next one.
const TRUSTED: Duration = Duration::from_hours(24);
/// How much slower the polls are meanwhile.
const SLOWER: u32 = 10;
/// Longest interval that polls are slowed down to.
const SLOWEST: Duration = Duration::from_hours(1);

/// Connections whose hooks came.
#[derive(Clone, Debug, Default)]
pub(super) struct Hooked(BTreeMap<ConnectionName, Last>);

/// The last hook of a connection.
#[derive(Clone, Copy, Debug)]
struct Last {
    at: DateTime<Utc>,
    /// Nothing was found since that it should have told.
    trusted: bool,
}

impl Hooked {
    pub fn came(&mut self, connection: &ConnectionName, at: DateTime<Utc>) {
        self.0.insert(connection.clone(), Last { at, trusted: true });
    }

    pub fn missed(&mut self, connection: &ConnectionName) {
        if let Some(last) = self.0.get_mut(connection) {
            last.trusted = false;
        }
    }

    /// Somebody put the clock back: what came later than now would be trusted too long.
    pub fn follow_back(&mut self, now: DateTime<Utc>) {
        self.0.values_mut().for_each(|last| last.at = last.at.min(now));
    }

    /// Until when hooks are trusted.
    fn until(&self, connection: &ConnectionName) -> Option<DateTime<Utc>> {
        self.0.get(connection).filter(|last| last.trusted).map(|last| plus(last.at, TRUSTED))
    }

    /// The interval of polls at this instant.
    pub fn interval(&self, connection: &ConnectionName, interval: Duration, now: DateTime<Utc>) -> Duration {
        match self.until(connection) {
            Some(until) if now < until => slower(interval),
            _ => interval,
        }
    }

    /// The first poll after `polled`.
    pub fn next_poll(
        &self,
        zone: Tz,
        connection: &ConnectionName,
        interval: Duration,
        polled: DateTime<Utc>,
    ) -> DateTime<Utc> {
        let Some(until) = self.until(connection) else { return times::next_poll(zone, interval, polled) };
        let slow = times::next_poll(zone, slower(interval), polled);
        if slow <= until { slow } else { times::next_poll(zone, interval, polled.max(until)) }
    }

    /// How it stands, for people.
    pub fn now(&self, polls: &BTreeMap<ConnectionName, Duration>, now: DateTime<Utc>) -> Vec<HookNow> {
        let hook = |(connection, last): (&ConnectionName, &Last)| HookNow {
            connection: connection.clone(),
            at: last.at,
            polled_every: polls.get(connection).map(|every| self.interval(connection, *every, now).as_secs()),
        };
        self.0.iter().map(hook).collect()
    }
}

fn slower(interval: Duration) -> Duration {
    interval.saturating_mul(SLOWER).min(SLOWEST).max(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-06-{text}Z").replace(' ', "T").parse().unwrap()
    }

    fn next(hooked: &Hooked, every: u64, polled: &str) -> DateTime<Utc> {
        let xero = ConnectionName::parse("xero").unwrap();
        hooked.next_poll(chrono_tz::UTC, &xero, Duration::from_mins(every), at(polled))
    }

    #[test]
    fn polls_slow_down_while_hooks_come_and_come_back_after_a_day_or_when_one_was_missed() {
        let xero = ConnectionName::parse("xero").unwrap();
        let mut hooked = Hooked::default();
        assert_eq!(next(&hooked, 2, "01 10:00:00"), at("01 10:02:00"));
        hooked.came(&xero, at("01 10:01:00"));
        assert_eq!(next(&hooked, 2, "01 10:00:00"), at("01 10:20:00"), "a tenth");
        assert_eq!(next(&hooked, 30, "01 10:00:00"), at("01 11:00:00"), "once an hour");
        assert_eq!(next(&hooked, 120, "01 10:00:00"), at("01 12:00:00"), "never more often than was asked for");
        // The last slow poll within the day is at 10:00; from 10:01 on the old rhythm is back.
        assert_eq!(next(&hooked, 2, "02 09:40:00"), at("02 10:00:00"));
        assert_eq!(next(&hooked, 2, "02 10:00:00"), at("02 10:02:00"));
        assert_eq!(next(&hooked, 2, "02 12:00:00"), at("02 12:02:00"));
        hooked.came(&xero, at("02 12:01:00"));
        hooked.missed(&xero);
        assert_eq!(next(&hooked, 2, "02 12:02:00"), at("02 12:04:00"));
        let now = hooked.now(&[(xero.clone(), Duration::from_mins(2))].into(), at("02 12:03:00"));
        assert_eq!((now[0].at, now[0].polled_every), (at("02 12:01:00"), Some(120)));
        hooked.came(&xero, at("02 13:00:00"));
        let now = hooked.now(&BTreeMap::new(), at("02 13:00:00"));
        assert_eq!((now[0].at, now[0].polled_every), (at("02 13:00:00"), None));
        assert_eq!(next(&hooked, 2, "02 13:00:00"), at("02 13:20:00"));
        hooked.follow_back(at("01 00:00:00"));
        assert_eq!(next(&hooked, 2, "02 13:00:00"), at("02 13:02:00"), "a clock that was put back trusts no longer");
    }
}
