//! One read of a record at all the paths a pipeline needs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Cell, Path};

/// Position of a slot in a [`ProjectionSpec`], and of its cell in a [`Projection`].
pub type SlotIndex = usize;

/// One thing that a pipeline reads from a record of one side.
#[derive(Clone, Debug)]
pub enum Slot {
    /// The value at a path.
    Value(Path),
    /// The number of values at a path (`exists`, and "this path never hit anything").
    Count(Path),
    /// Whether a predicate holds (`where:`); read as a boolean cell.
    Test(Path),
}

/// What a pipeline reads from the records of one side. Slots are shared: a path that is a field, a match key and a
/// filter input is read once.
#[derive(Clone, Debug, Default)]
pub struct ProjectionSpec {
    /// What to read, in order.
    pub slots: Vec<Slot>,
}

/// The cells read from one record, in the order of the spec's slots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Projection {
    /// One cell per slot.
    pub cells: Vec<Cell>,
}

impl ProjectionSpec {
    /// Reads `record` at every slot.
    #[must_use]
    pub fn read(&self, _record: &Value) -> Projection {
        unimplemented!()
    }

    /// The index of `slot`, which is added if it is new.
    pub fn slot(&mut self, _slot: Slot) -> SlotIndex {
        unimplemented!()
    }
}

impl Projection {
    /// The cell of a slot; absent for a slot added to the spec after this projection was stored.
    #[must_use]
    pub fn cell(&self, slot: SlotIndex) -> &Cell {
        const ABSENT: &Cell = &Cell::Absent;
        self.cells.get(slot).unwrap_or(ABSENT)
    }

    /// A hash over all cells, stable across runs and builds.
    #[must_use]
    pub fn hash(&self) -> u64 {
        unimplemented!()
    }
}
