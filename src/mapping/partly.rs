//! Filters over a record of which only some values are known.

use super::{Lookups, Verdict, admit};
use crate::{
    config::Filter,
    record::{Cell, Projection, ProjectionSpec, RecordId, SlotIndex},
};

/// What was once read of a record, laid out for another spec: `None` where nothing is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Partly {
    cells: Vec<Option<Cell>>,
}

impl Partly {
    /// What is known for `spec` of a reading made under the spec `read`: what both have in common.
    #[must_use]
    pub fn of(spec: &ProjectionSpec, read: &ProjectionSpec, projection: &Projection) -> Self {
        let known = |slot| read.slots.iter().position(|there| there == slot);
        Self { cells: spec.slots.iter().map(|slot| known(slot).map(|at| projection.cell(at).clone())).collect() }
    }

    /// Also known: the cell of a slot.
    pub fn learn(&mut self, slot: SlotIndex, cell: Cell) {
        if let Some(known) = self.cells.get_mut(slot) {
            *known = Some(cell);
        }
    }

    /// What is known here, laid out for `spec`, and beside it what is known of `other`, laid out for `its`.
    #[must_use]
    pub fn or(mut self, spec: &ProjectionSpec, other: &Self, its: &ProjectionSpec) -> Self {
        for (slot, cell) in spec.slots.iter().zip(&mut self.cells) {
            if cell.is_none() {
                let there = its.slots.iter().position(|known| known == slot);
                *cell = there.and_then(|at| other.cells.get(at)).cloned().flatten();
            }
        }
        self
    }

    /// Nothing is known of any slot of `spec`.
    #[must_use]
    pub fn nothing(spec: &ProjectionSpec) -> Self {
        Self { cells: vec![None; spec.slots.len()] }
    }

    fn knows(&self, slot: SlotIndex) -> bool {
        self.cells.get(slot).is_some_and(Option::is_some)
    }

    /// As a reading in which all that is not known is absent.
    #[must_use]
    pub fn projection(&self) -> Projection {
        Projection { cells: self.cells.iter().map(|cell| cell.clone().unwrap_or_default()).collect() }
    }
}

/// Whether a record passes `filter`, as far as what is known of it decides; `None` if it does not.
#[must_use]
pub fn admit_partly(filter: &Filter, id: &RecordId, known: &Partly, lookups: &dyn Lookups) -> Option<bool> {
    let part = |part| admit_partly(part, id, known, lookups);
    match filter {
        Filter::All(parts) => all(parts.iter().map(part)),
        Filter::Any(parts) => all(parts.iter().map(|p| part(p).map(|holds| !holds))).map(|none| !none),
        Filter::Not(inner) => part(inner).map(|holds| !holds),
        Filter::Test(test) if !known.knows(test.slot) => None,
        Filter::Where(slot) if !known.knows(*slot) => None,
        leaf => match admit(leaf, id, &known.projection(), lookups) {
            Verdict::Admitted => Some(true),
            Verdict::Rejected { .. } => Some(false),
            Verdict::Unknown { .. } => None,
        },
    }
}

/// One part that fails decides, whatever is not known of the others.
fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut whole = Some(true);
    for part in parts {
        match part {
            Some(false) => return Some(false),
            None => whole = None,
            Some(true) => {}
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_that_fails_decides_and_an_unknown_one_does_not() {
        let check = |parts: &[Option<bool>], expected| assert_eq!(all(parts.iter().copied()), expected, "{parts:?}");
        check(&[], Some(true));
        check(&[Some(true), None], None);
        check(&[None, Some(false)], Some(false));
        check(&[Some(true), Some(true)], Some(true));
    }
}
