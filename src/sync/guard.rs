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
    pub fn add(&mut self, write: &RecordWrite) {
        match write.id {
            None => self.creates += 1,
            Some(_) => self.touched += 1,
        }
        let blanked = write.fields.iter().filter(|sent| sent.value.is_blank() && !sent.before.is_blank()).count();
        self.blanked += blanked as u64;
    }
}

impl std::ops::Add for Damage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            creates: self.creates + other.creates,
            touched: self.touched + other.touched,
            blanked: self.blanked + other.blanked,
            deletes: self.deletes + other.deletes,
        }
    }
}

/// A guard that a plan trips.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which: `creates`, `touched`, `blanked`, `deletes`.
    pub guard: String,
    /// How many the plan has, with what its run wrote before.
    pub count: u64,
    /// How many are allowed.
    pub allowed: u64,
}

/// The guards that `damage` trips, with `links` linked records. A first run that a person approved is exempt; the
/// caller knows.
#[must_use]
pub fn judge(guards: &Guards, damage: Damage, links: u64) -> Vec<Held> {
    let limits = [
        ("creates", damage.creates, guards.creates),
        ("touched", damage.touched, Some(guards.touched)),
        ("blanked", damage.blanked, Some(guards.blanked)),
        ("deletes", damage.deletes, Some(guards.deletes)),
    ];
    limits
        .into_iter()
        .filter_map(|(guard, count, amount)| Some((guard, count, amount?.allowed(links))))
        .filter(|(_, count, allowed)| count > allowed)
        .map(|(guard, count, allowed)| Held { guard: guard.to_owned(), count, allowed })
        .collect()
}
