//! Guards: limits on damage.

use serde::{Deserialize, Serialize};

use super::RecordWrite;
use crate::config::Guards;

/// What a plan would do to one side's data, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Records created.
    pub creates: u64,
    /// Linked records written.
    pub touched: u64,
    /// Fields whose value is overwritten by nothing.
    pub blanked: u64,
    /// Records deleted.
    pub deletes: u64,
}

impl Damage {
    /// Adds a write.
    pub fn add(&mut self, _write: &RecordWrite) {
        unimplemented!()
    }
}

/// A guard that a plan trips.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which: `creates`, `touched`, `blanked`, `deletes`.
    pub guard: String,
    /// How many the plan has.
    pub count: u64,
    /// How many are allowed.
    pub allowed: u64,
}

/// The guards that `damage` trips, with `links` linked records. A first run that a person approved is exempt; the
/// caller knows.
#[must_use]
pub fn judge(_guards: &Guards, _damage: Damage, _links: u64) -> Vec<Held> {
    unimplemented!()
}
