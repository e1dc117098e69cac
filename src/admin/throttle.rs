//! How often somebody may try to log in.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

/// Failures are counted for so long.
const WINDOW: TimeDelta = TimeDelta::minutes(15);
/// So many from one address.
const OF_ADDRESS: usize = 10;
/// So many of one name, wherever they come from: whoever knows a name must not keep its owner out easily.
const OF_NAME: usize = 50;
/// Most addresses and names that are counted; more than that is an attack, and then everybody waits.
const MOST: usize = 10_000;

/// What failures are counted of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Of {
    Address(String),
    Name(String),
}

/// Failed attempts to log in.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<Of, Vec<DateTime<Utc>>>>);

impl Throttle {
    /// Whether this one may try now; else how long they have to wait.
    pub fn may_try(&self, address: &str, name: &str, now: DateTime<Utc>) -> Result<(), TimeDelta> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.retain(|_, times| times.iter().any(|at| *at + WINDOW > now));
        }
        if all.len() >= MOST {
            return Err(WINDOW);
        }
        for (of, most) in [(Of::Address(address.to_owned()), OF_ADDRESS), (Of::Name(name.to_owned()), OF_NAME)] {
            let Some(times) = all.get_mut(&of) else { continue };
            times.retain(|at| *at + WINDOW > now);
            if times.len() >= most {
                return Err(times.first().map_or(WINDOW, |first| *first + WINDOW - now));
            }
        }
        Ok(())
    }

    /// They tried in vain.
    pub fn failed(&self, address: &str, name: &str, now: DateTime<Utc>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for of in [Of::Address(address.to_owned()), Of::Name(name.to_owned())] {
            all.entry(of).or_default().push(now);
        }
    }

    /// They are who they say.
    pub fn succeeded(&self, address: &str, name: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&Of::Address(address.to_owned()));
        all.remove(&Of::Name(name.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_fails_too_often_waits() {
        let throttle = Throttle::default();
        let now = DateTime::UNIX_EPOCH;
        for _ in 0..OF_ADDRESS {
            assert!(throttle.may_try("10.0.0.1", "anna", now).is_ok());
            throttle.failed("10.0.0.1", "anna", now);
        }
        assert_eq!(throttle.may_try("10.0.0.1", "anna", now + TimeDelta::minutes(5)), Err(TimeDelta::minutes(10)));
        assert!(throttle.may_try("10.0.0.2", "anna", now).is_ok(), "anna herself, elsewhere, may");
        assert!(throttle.may_try("10.0.0.1", "anna", now + WINDOW).is_ok());
    }

    #[test]
    fn a_name_is_guarded_against_many_addresses() {
        let throttle = Throttle::default();
        let now = DateTime::UNIX_EPOCH;
        for number in 0..OF_NAME {
            throttle.failed(&format!("10.0.0.{number}"), "anna", now);
        }
        assert!(throttle.may_try("10.9.9.9", "anna", now).is_err());
        assert!(throttle.may_try("10.9.9.9", "bert", now).is_ok());
        throttle.succeeded("10.0.0.1", "anna");
        assert!(throttle.may_try("10.9.9.9", "anna", now).is_ok());
    }
}
