//! Match keys.

use std::fmt::Write as _;

use super::transform::normalized;
use crate::{
    config::{Tier, Transform},
    record::{Cell, Projection, Side},
};

/// The text under which a record of `side` is found by `tier`: all values normalised and in canonical form, joined
/// so that no two different rows of values give the same text. `None` if any of them is blank: blank never matches.
///
/// What either side cannot keep apart is the same for both, or a record would not be found on the side that is exact.
#[must_use]
pub fn match_key(tier: &Tier, side: Side, projection: &Projection) -> Option<String> {
    let mut row = String::new();
    for pair in &tier.keys {
        let slot = *pair.slots.get(side.index())?;
        let [source, target] = &pair.canons;
        let key = source.union(target).key(&normalize(&pair.normalize, projection.cell(slot)))?;
        // Where neither system declares what it holds, one's number may be the other's text.
        let key = key.strip_prefix("\0n").or(key.strip_prefix("\0b")).map(str::to_owned).unwrap_or(key);
        if let [_] = tier.keys.as_slice() {
            return Some(key);
        }
        let _ = write!(row, "{}:{key}", key.len());
    }
    (!tier.keys.is_empty()).then_some(row)
}

/// Applies normalising transforms; a value they cannot be applied to is returned as it is.
#[must_use]
pub fn normalize(steps: &[Transform], cell: &Cell) -> Cell {
    let mut cell = cell.clone();
    for step in steps {
        if let Some(text) = normalized(step, &cell) {
            cell = Cell::Value(text.into());
        }
    }
    cell
}
