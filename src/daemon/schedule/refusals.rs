//! Systems that refused us (a login that was taken back, a right that is missing), and when each is asked again.
//!
//! Mostly a person has to mend that, and then a run starts at once. But an owner may give a right back at the system
//! itself, where nobody tells us; so it is asked now and then. Seldom: a login that is tried too often may be locked.
//!
//! - One that let us do nothing is not polled any more. A single poll asks it: it only reads.
//! - One that let us do something (reads, but no writes) goes on being polled. Only a run can tell whether it takes the
//!   rest by now.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};

use super::times::plus;
use crate::config::ConnectionName;

/// First wait before a system that refused us is asked again.
const FIRST: Duration = Duration::from_mins(5);
/// Longest wait.
const MOST: Duration = Duration::from_hours(1);

/// The systems that refused us, until a run that needs them came to its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(BTreeMap<ConnectionName, Refusal>);

#[derive(Clone, Debug)]
struct Refusal {
    asked: u32,
    at: DateTime<Utc>,
    partly: bool,
}

impl Refusal {
    /// It is asked now, whatever comes of it.
    fn asked(&mut self, now: DateTime<Utc>) {
        let doublings = 2_u32.saturating_pow(self.asked);
        self.at = plus(now, FIRST.saturating_mul(doublings).min(MOST));
        self.asked = self.asked.saturating_add(1);
    }
}

impl Refusals {
    /// It refused us (again), `partly` if it let us do something else.
    pub fn refused(&mut self, connection: &ConnectionName, partly: bool, now: DateTime<Utc>) {
        let one = self.0.entry(connection.clone()).or_insert_with(|| {
            let mut new = Refusal { asked: 0, at: now, partly };
            new.asked(now);
            new
        });
        one.partly = partly;
    }

    /// Somebody else who needs it asked, and was refused.
    pub fn asked(&mut self, connection: &ConnectionName, now: DateTime<Utc>) {
        if let Some(one) = self.0.get_mut(connection) {
            one.asked(now);
        }
    }

    /// It did what we wanted, or is not used any more.
    pub fn forget(&mut self, connection: &ConnectionName) {
        self.0.remove(connection);
    }

    /// Keeps those of connections that are still used.
    pub fn retain(&mut self, used: impl Fn(&ConnectionName) -> bool) {
        self.0.retain(|connection, _| used(connection));
    }

    pub fn contains(&self, connection: &ConnectionName) -> bool {
        self.0.contains_key(connection)
    }

    /// Whether it let us do nothing, so that it is not polled.
    pub fn rests(&self, connection: &ConnectionName) -> bool {
        self.0.get(connection).is_some_and(|one| !one.partly)
    }

    /// One that is to be asked now. The next time is later, whatever comes of it.
    pub fn take_due(&mut self, now: DateTime<Utc>) -> Option<ConnectionName> {
        let (connection, one) = self.0.iter_mut().find(|(_, one)| one.at <= now)?;
        one.asked(now);
        Some(connection.clone())
    }

    /// When each is asked again.
    pub fn times(&self) -> impl Iterator<Item = (&ConnectionName, DateTime<Utc>)> {
        self.0.iter().map(|(connection, one)| (connection, one.at))
    }

    /// Somebody put the clock back: no wait is longer than the longest.
    pub fn follow_back(&mut self, now: DateTime<Utc>) {
        self.0.values_mut().for_each(|one| one.at = one.at.min(plus(now, MOST)));
    }
}
