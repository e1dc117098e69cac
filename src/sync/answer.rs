//! What became of one value that was sent.

use super::{
    FieldPark, FieldState, ParkCode,
    link::Belief,
    view::{has_end, same},
};
use crate::{
    config::{Content, Field},
    mapping::each::rebase,
    record::{Cell, Side},
};

/// A value that was sent.
pub(super) struct Sent<'a> {
    /// The side written to.
    pub written: Side,
    /// The other side's value it was made from.
    pub from: &'a Cell,
    /// The value.
    pub value: &'a Cell,
    /// The value there before.
    pub before: &'a Cell,
    /// Of a list only what changed since the base was sent.
    pub changes: bool,
}

impl Sent<'_> {
    /// The remote has `got`; `taken` says that this is what was sent. `config` is the pipeline's hash.
    pub fn answered(&self, field: &Field, state: &mut FieldState, got: Cell, taken: bool, config: u64) {
        let written = self.written;
        if taken {
            self.agree(field, state, got);
            return;
        }
        let (code, message) = if same(field, &state.pairs, written, self.before, &got) {
            (ParkCode::NotTaken, format!("the {written} took the write and kept the value it had"))
        } else {
            (ParkCode::Reshaped, format!("the {written} made another value of what was sent"))
        };
        let seen = seen(written, self.from.clone(), got.clone());
        *state.pending_mut(written) = unless_at_base(field, state, written, got);
        state.parked = Some(FieldPark { code, message, seen, config });
    }

    /// Without a word of the remote the sent value is believed, unless another one was read there since the plan. The
    /// next reading tells.
    pub fn believe(&self, field: &Field, state: &mut FieldState) {
        let written = self.written;
        let known = [self.before, self.value];
        let newer = state.present(written).filter(|cell| {
            !field.end(written).masked && !known.iter().any(|known| same(field, &state.pairs, written, known, cell))
        });
        let newer = newer.cloned();
        let told = field.end(written).masked || newer.is_some() || matches!(field.content, Content::Each(_));
        let earlier = state.believed.take().filter(|belief| belief.side == written);
        if !told {
            let (base, uneven) = (state.base.clone(), state.uneven);
            let belief = Belief { side: written, base, uneven, before: self.before.clone() };
            state.believed = Some(earlier.unwrap_or_else(|| Box::new(belief)));
        }
        self.agree(field, state, self.value.clone());
        if newer.is_some() {
            *state.pending_mut(written) = newer;
        }
    }

    /// The remote has what a person put back. Nobody agreed on anything: neither value is an edit to be carried over, and
    /// both are listed until one of them changes.
    pub fn reverted(&self, field: &Field, state: &mut FieldState, there: Cell, config: u64) {
        let written = self.written;
        let seen = seen(written, self.from.clone(), there.clone());
        *state.pending_mut(written) = unless_at_base(field, state, written, there);
        state.believed = None;
        let message = format!("a person took back what was written to the {written}");
        state.parked = Some(FieldPark { code: ParkCode::Reverted, message, seen, config });
    }

    /// Both sides agreed on `from` and `there`. What the other side holds by now, if it has moved on, stays pending; so
    /// does what of a list was not sent because only the target had changed it.
    fn agree(&self, field: &Field, state: &mut FieldState, there: Cell) {
        let origin = self.written.other();
        let present = state.present(origin).cloned();
        let agreed = match (&field.content, &state.base) {
            (Content::Each(_), Some(base)) if self.changes => rebase(field, base, self.from, &there, &state.pairs),
            _ => there.clone(),
        };
        state.base = Some(seen(self.written, self.from.clone(), agreed));
        state.uneven = false;
        *state.pending_mut(self.written) = unless_at_base(field, state, self.written, there);
        let moved_on = present.and_then(|cell| unless_at_base(field, state, origin, cell));
        *state.pending_mut(origin) = moved_on.filter(|_| has_end(field, origin));
    }
}

/// The first reading after a write that was not answered is its answer. Says whether it was not as believed; then the
/// field is as if the write had been answered so, and `got` is laid beside it.
pub(super) fn disprove(field: &Field, state: &mut FieldState, side: Side, got: &Cell, config: u64) -> bool {
    if state.believed.as_ref().is_none_or(|belief| belief.side != side) {
        return false;
    }
    let (Some(belief), Some(believed)) = (state.believed.take(), state.base.take()) else { return false };
    if same(field, &state.pairs, side, &believed[side.index()], got) {
        state.base = Some(believed);
        return false;
    }
    let origin = side.other();
    let present = state.pending_mut(origin).take().unwrap_or_else(|| believed[origin.index()].clone());
    state.base = belief.base;
    state.uneven = belief.uneven;
    *state.pending_mut(origin) = unless_at_base(field, state, origin, present).filter(|_| has_end(field, origin));
    let (from, value) = (&believed[origin.index()], &believed[side.index()]);
    let sent = Sent { written: side, from, value, before: &belief.before, changes: false };
    sent.answered(field, state, got.clone(), false, config);
    true
}

/// What the remote made another value of was delivered all the same. Who goes back from there to what both had before
/// has edited it, and not left it alone: else the value that somebody typed last would count as untouched, and the other
/// side's would overwrite it. Nor is the other side's value nobody's (a person may have typed it while the write was
/// answered), so the pair has no history from then on. Says whether `got` is such an edit.
pub(super) fn takes_back(field: &Field, state: &mut FieldState, side: Side, got: &Cell) -> bool {
    let reshaped = state.parked.as_ref().filter(|park| park.code == ParkCode::Reshaped);
    let Some(delivered) = reshaped.map(|park| &park.seen[side.index()]) else { return false };
    let is_delivered = |cell: &Cell| same(field, &state.pairs, side, cell, delivered);
    let was = state.present(side).is_some_and(is_delivered);
    if !was || is_delivered(got) || matches!(field.content, Content::Each(_)) {
        return false;
    }
    let other = side.other();
    *state.pending_mut(other) = state.present(other).cloned().filter(|_| has_end(field, other));
    *state.pending_mut(side) = Some(got.clone());
    (state.base, state.parked, state.uneven) = (None, None, false);
    true
}

/// The cell, unless it is the same as the base of its side.
fn unless_at_base(field: &Field, state: &FieldState, side: Side, cell: Cell) -> Option<Cell> {
    let at_base = |base: &[Cell; 2]| same(field, &state.pairs, side, &base[side.index()], &cell);
    (!state.base.as_ref().is_some_and(at_base)).then_some(cell)
}

/// Source value and target value, of a write to `written`.
pub(super) fn seen(written: Side, from: Cell, there: Cell) -> [Cell; 2] {
    match written {
        Side::Target => [from, there],
        Side::Source => [there, from],
    }
}
