//! Systems that refused us (a login that was taken back, a right that is missing), and when each is asked again.
//!
//! Mostly a person has to mend that, and then a run starts at once. But an owner may give a right back at the system
//! itself, where nobody tells us; so it is asked now and then. Seldom: a login that is tried too often may be locked.

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
    attempts: u32,
    at: DateTime<Utc>,
}

impl Refusal {
    fn wait(&mut self, now: DateTime<Utc>) {
        let doublings = 2_u32.saturating_pow(self.attempts.saturating_sub(1));
        self.at = plus(now, FIRST.saturating_mul(doublings).min(MOST));
    }
}

impl Refusals {
    /// It refused us (again). A run that had another reason was an attempt, too.
    pub fn refused(&mut self, connection: &ConnectionName, now: DateTime<Utc>) {
        let one = self.0.entry(connection.clone()).or_insert(Refusal { attempts: 0, at: now });
        one.attempts = one.attempts.saturating_add(1);
        one.wait(now);
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

    /// One that is to be asked now; the next time is later, whatever comes of it.
    pub fn take_due(&mut self, now: DateTime<Utc>) -> Option<ConnectionName> {
        let (connection, one) = self.0.iter_mut().find(|(_, one)| one.at <= now)?;
        one.wait(now);
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
