//! Match keys.

use crate::{
    config::{Tier, Transform},
    record::{Cell, Projection, Side},
};

/// The text under which a record of `side` is found by `tier`: all values normalised and in canonical form, joined
/// so that no two different rows of values give the same text. `None` if any of them is blank: blank never matches.
#[must_use]
pub fn match_key(_tier: &Tier, _side: Side, _projection: &Projection) -> Option<String> {
    unimplemented!()
}

/// Applies normalising transforms; a value they cannot be applied to is returned as it is.
#[must_use]
pub fn normalize(_steps: &[Transform], _cell: &Cell) -> Cell {
    unimplemented!()
}
