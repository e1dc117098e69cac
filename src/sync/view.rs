//! One field of one link, with all that its rules look at.

use std::borrow::Cow;

use super::{FieldState, Link};
use crate::{
    config::{Blanks, Content, Field, Pipeline, PipelineName},
    mapping::{self, Lookups, MapError, each::ElementPair},
    record::{Cell, Projection, RecordId, Side},
};

/// Whether the configuration lets values of `field` flow to `side`.
pub(super) const fn flows(pipeline: &Pipeline, field: &Field, side: Side) -> bool {
    pipeline.flow.writes(side) && field.flow.writes(side)
}

/// Whether `field` may be written on `side`: it flows there, the remote takes it, and what would be sent is a value
/// and not a mask.
pub(super) const fn writable(pipeline: &Pipeline, field: &Field, side: Side) -> bool {
    flows(pipeline, field, side)
        && has_end(field, side)
        && !field.end(side).read_only
        && !field.end(side.other()).masked
}

/// Whether `field` is read on `side` at all; a constant has nothing to read on the source.
pub(super) const fn has_end(field: &Field, side: Side) -> bool {
    matches!(side, Side::Target) || !matches!(field.content, Content::Constant(_))
}

/// The cell of `field` in a reading of `side`. Several values stay visible as such, so that they are parked.
pub(super) fn observed(field: &Field, side: Side, projection: &Projection) -> Cell {
    match mapping::field_cell(field, side, projection) {
        Ok(cell) => cell,
        Err(MapError::Several { count, .. }) => Cell::Several(count),
        Err(_) => Cell::Absent,
    }
}

/// Whether two cells of `side` are the same value to `field`; for a list, as far as its elements are ours.
pub(super) fn same(field: &Field, pairs: &[ElementPair], side: Side, a: &Cell, b: &Cell) -> bool {
    if a == b {
        return true;
    }
    match (&field.content, a, b) {
        (_, Cell::Several(_), _) | (_, _, Cell::Several(_)) => false,
        (Content::Each(_), _, _) => {
            let [a, b] = [a, b].map(|cell| mapping::each::restrict(field, side, cell, pairs));
            mapping::same(field, side, &a, &b)
        }
        _ => mapping::same(field, side, a, b),
    }
}

/// Whether `cell` of `side` holds nothing.
pub(super) fn blank(field: &Field, side: Side, cell: &Cell) -> bool {
    cell.is_blank() || field.end(side).canon.is_blank(cell)
}

/// A field of a link as its rules see it.
pub(super) struct View<'a> {
    pub pipeline: &'a Pipeline,
    pub field: &'a Field,
    pub state: &'a FieldState,
    pub lookups: &'a dyn Lookups,
    /// Both sides' values when they last agreed, under the present definition. Owned if it is not remembered yet.
    pub base: Option<Cow<'a, [Cell; 2]>>,
    /// The present value of both sides.
    present: [Option<Cow<'a, Cell>>; 2],
    /// The target's list as it is now, with the elements that are not ours.
    list: Option<&'a Cell>,
    /// Elements of a list that belong together.
    pub pairs: Cow<'a, [ElementPair]>,
}

/// A value brought across.
pub(super) struct Crossing {
    /// The value, in the form of the other side.
    pub value: Cell,
    /// Whether the other side holds it already.
    pub there: bool,
}

impl<'a> View<'a> {
    pub fn new(
        pipeline: &'a Pipeline,
        lookups: &'a dyn Lookups,
        link: &'a Link,
        field: &'a Field,
        state: &'a FieldState,
    ) -> Self {
        let source = match &field.content {
            Content::Constant(value) => Some(Cow::Owned(Cell::Value(value.clone()))),
            Content::Mapped { .. } | Content::Each(_) => state.present(Side::Source).map(Cow::Borrowed),
        };
        let list = match (&field.content, field.end(Side::Target).paths.first()) {
            (Content::Each(_), Some(path)) => link.mark(Side::Target).carried.get(path.as_str()),
            _ => None,
        };
        let mut view = Self {
            pipeline,
            field,
            state,
            lookups,
            base: state.base.as_ref().filter(|_| state.definition == field.definition).map(Cow::Borrowed),
            present: [source, state.present(Side::Target).map(Cow::Borrowed)],
            list,
            pairs: Cow::Borrowed(&state.pairs),
        };
        view.adopt();
        view.advance();
        view
    }

    /// At the first contact of two lists, elements that are alike belong together.
    fn adopt(&mut self) {
        let first = self.base.is_none() && Side::BOTH.into_iter().all(|side| self.known(side).is_some());
        if let (Content::Each(_), true) = (&self.field.content, first) {
            let [source, target] = [self.present(Side::Source), self.before(Side::Target)];
            if let Ok(pairs) = mapping::each::adopt(self.field, source, target, &self.state.pairs, self.lookups) {
                self.pairs = Cow::Owned(pairs);
            }
        }
    }

    /// Where the target's list has all that changed on the source, both agree on that, whatever else differs in it.
    fn advance(&mut self) {
        if let (Content::Each(_), Some(base), Some(source)) =
            (&self.field.content, &self.base, self.known(Side::Source))
            && self.changed(Side::Source)
            && self.changed(Side::Target)
            && self.changes(Side::Source).is_ok_and(|crossing| crossing.there)
        {
            let target = mapping::each::rebase(self.field, base, source, self.before(Side::Target), &self.pairs);
            self.base = Some(Cow::Owned([source.clone(), target]));
        }
    }

    /// The present value of `side`, if it was ever observed.
    pub fn known(&self, side: Side) -> Option<&Cell> {
        self.present[side.index()].as_deref()
    }

    /// The present value of `side`; absent if it was never observed.
    pub fn present(&self, side: Side) -> &Cell {
        const ABSENT: &Cell = &Cell::Absent;
        self.known(side).unwrap_or(ABSENT)
    }

    /// What a write to `side` would overwrite.
    pub fn before(&self, side: Side) -> &Cell {
        match self.list {
            Some(list) if side == Side::Target => list,
            _ => self.present(side),
        }
    }

    pub fn same(&self, side: Side, a: &Cell, b: &Cell) -> bool {
        same(self.field, &self.pairs, side, a, b)
    }

    pub fn blank(&self, side: Side, cell: &Cell) -> bool {
        blank(self.field, side, cell)
    }

    /// Whether `side` holds nothing now.
    pub fn is_blank(&self, side: Side) -> bool {
        self.blank(side, self.present(side))
    }

    /// Whether `side` moved away from its own base.
    pub fn changed(&self, side: Side) -> bool {
        let moved = |base: &[Cell; 2]| !self.same(side, &base[side.index()], self.present(side));
        self.base.as_ref().is_some_and(|base| moved(base) || (side == Side::Source && self.arrives()))
    }

    /// Whether an element of the source's list was left out, and can be sent by now.
    fn arrives(&self) -> bool {
        matches!(self.field.content, Content::Each(_))
            && mapping::each::arrives(self.field, self.present(Side::Source), &self.pairs, self.lookups)
    }

    /// The records that elements of the source's list wait for.
    pub fn left_out(&self) -> Vec<(PipelineName, RecordId)> {
        match self.field.content {
            Content::Each(_) if self.flows(Side::Target) => {
                mapping::each::left_out(self.field, self.present(Side::Source), self.lookups)
            }
            _ => Vec::new(),
        }
    }

    /// Whether `side` held something when both agreed and holds nothing now.
    pub fn cleared(&self, side: Side) -> bool {
        self.is_blank(side) && self.base.as_ref().is_some_and(|base| !self.blank(side, &base[side.index()]))
    }

    /// Whether a value that is nothing stays where it is.
    pub fn keeps_blanks(&self) -> bool {
        self.field.blanks == Blanks::Keep
    }

    pub fn writable(&self, side: Side) -> bool {
        writable(self.pipeline, self.field, side)
    }

    pub fn flows(&self, side: Side) -> bool {
        flows(self.pipeline, self.field, side)
    }

    /// The present value of `from` as it would be written on the other side.
    pub fn cross(&self, from: Side) -> Result<Crossing, MapError> {
        self.cross_since(from, None)
    }

    /// As [`View::cross`], of a list only the values that changed since both sides agreed.
    pub fn changes(&self, from: Side) -> Result<Crossing, MapError> {
        self.cross_since(from, self.base.as_deref())
    }

    fn cross_since(&self, from: Side, base: Option<&[Cell; 2]>) -> Result<Crossing, MapError> {
        let (cell, to) = (self.present(from), from.other());
        match (&self.field.content, from) {
            (Content::Each(_), Side::Source) => {
                let now = Some(self.before(to));
                let composed = mapping::each::compose(self.field, cell, now, base, &self.pairs, self.lookups)?;
                Ok(Crossing { value: composed.array, there: !composed.changed })
            }
            (Content::Each(_), Side::Target) => Err(MapError::OneWay),
            _ => {
                let value = mapping::translate(self.field, from, cell, self.lookups)?;
                let there = self.same(to, &value, self.present(to));
                Ok(Crossing { value, there })
            }
        }
    }

    /// Whether both sides hold the same: one of them, brought across in a direction the field knows, is the other.
    pub fn equal(&self) -> bool {
        let mut ways = Side::BOTH.into_iter().filter(|from| self.field.flow.writes(from.other()));
        ways.any(|from| self.cross(from).is_ok_and(|crossing| crossing.there))
    }
}
