//! Laying a reading beside what is remembered.

use super::{
    FieldState, Link, Mark, Observation,
    answer::{disprove, takes_back},
    expect,
    view::{has_end, observed, same},
};
use crate::{
    config::{Content, Field, Pipeline},
    record::{Cell, Side, Slot},
};

/// What a reading told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing new; the link is untouched.
    Nothing,
    /// Something to remember (version, carried array), nothing to decide.
    Noted,
    /// A value to decide about.
    Moved,
}

impl Change {
    fn noted_if(condition: bool) -> Self {
        if condition { Self::Noted } else { Self::Nothing }
    }
}

/// Lays a reading of `side` beside the link: a value that differs from this side's base becomes pending, one that is
/// back at the base is no longer pending. Never moves a base. `own_write` says that the reading is the answer to our
/// own write, whose stamp is nobody's edit.
///
/// Of a record that is gone only that is remembered: an emptied body is nobody's edit.
pub fn observe(pipeline: &Pipeline, link: &mut Link, side: Side, observation: &Observation, own_write: bool) -> Change {
    let hash = observation.projection.hash();
    let mark = link.mark(side);
    let same = mark.hash == hash && mark.gone == observation.gone;
    let known = same && up_to_date(pipeline, link, side);
    let mut change = note(link, side, observation, same);
    if !known {
        change = change.max(lay(pipeline, link, side, observation, own_write));
        let mark = mark_mut(link, side);
        change = change.max(Change::noted_if(mark.hash != hash));
        mark.hash = hash;
    }
    if change != Change::Nothing {
        link.revision += 1;
    }
    change
}

/// Whether every field of the pipeline, as it is defined now, has a value on this side.
fn up_to_date(pipeline: &Pipeline, link: &Link, side: Side) -> bool {
    link.fields.len() == pipeline.fields.len()
        && expect::up_to_date(pipeline, link, side)
        && pipeline.fields.iter().all(|field| {
            link.fields.get(&field.id).is_some_and(|state| {
                state.definition == field.definition && (!has_end(field, side) || state.present(side).is_some())
            })
        })
}

/// Remembers the version and the name. A reading that tells no version (a list, where it is an entity tag) takes the known
/// one away only if it shows another record: a write under it is refused if it was not the last.
fn note(link: &mut Link, side: Side, observation: &Observation, same: bool) -> Change {
    let mut change = Change::Nothing;
    let mark = mark_mut(link, side);
    if mark.version != observation.version && !(same && observation.version.is_none()) {
        mark.version.clone_from(&observation.version);
        change = Change::Noted;
    }
    if mark.merged != observation.merged {
        mark.merged.clone_from(&observation.merged);
        change = Change::Noted;
    }
    if std::mem::take(&mut mark.missing) {
        change = Change::Noted;
    }
    let names = side == Side::Source || link.label.is_empty();
    if names && !observation.gone && !observation.label.is_empty() && link.label != observation.label {
        link.label.clone_from(&observation.label);
        change = Change::Noted;
    }
    change
}

/// Lays every value beside its field.
fn lay(pipeline: &Pipeline, link: &mut Link, side: Side, observation: &Observation, own_write: bool) -> Change {
    let mut change = tidy(pipeline, link);
    let mark = mark_mut(link, side);
    // The first reading after a write that was not answered is the answer to it.
    let own_write = own_write || mark.hash == 0;
    if mark.gone != observation.gone {
        mark.gone = observation.gone;
        change = Change::Moved;
        if !observation.gone {
            came_back(link, side);
        }
    }
    if observation.gone {
        return change;
    }
    change = change.max(carry(pipeline, mark_mut(link, side), side, observation));
    if expect::remember(pipeline, link, side, &observation.projection) {
        change = Change::Moved;
    }
    let mut moved = false;
    for field in &pipeline.fields {
        let state = link.fields.entry(field.id).or_default();
        if redefine(field, state) {
            change = Change::Moved;
        }
        moved |= match lay_field(pipeline, field, state, side, observation) {
            Change::Moved => true,
            other => {
                change = change.max(other);
                false
            }
        };
    }
    if !moved {
        return change;
    }
    // The stamp of our own write is nobody's edit; whose edit came with it, and when, is unknown.
    let edited_at = if own_write { None } else { observation.edited_at };
    mark_mut(link, side).edited_at = edited_at;
    Change::Moved
}

/// A record is there again. Alone, it was brought back after both were gone, and whoever did that wants it to stay.
fn came_back(link: &mut Link, side: Side) {
    if link.mark(side.other()).gone {
        link.deleted = link.deleted.or(Some(side));
    } else {
        (link.deleted, link.undeleted) = (None, None);
    }
}

/// Lays one value beside its field.
fn lay_field(
    pipeline: &Pipeline,
    field: &Field,
    state: &mut FieldState,
    side: Side,
    observation: &Observation,
) -> Change {
    if !has_end(field, side) || (field.end(side).masked && state.present(side).is_some()) {
        // A mask tells nothing about the value behind it.
        return Change::Nothing;
    }
    let cell = observed(field, side, &observation.projection);
    let believed = state.believed.is_some();
    if disprove(field, state, side, &cell, pipeline.hash) {
        return Change::Moved;
    }
    let told = Change::noted_if(believed && state.believed.is_none());
    if state.base.as_ref().is_some_and(|base| same(field, &state.pairs, side, &base[side.index()], &cell)) {
        if takes_back(field, state, side, &cell) {
            state.forget_choice(side);
            return Change::Moved;
        }
        let back = state.pending_mut(side).take().is_some();
        if back {
            state.forget_choice(side);
        }
        return if back { Change::Moved } else { told };
    }
    match state.pending(side) {
        Some(pending) if same(field, &state.pairs, side, pending, &cell) => told,
        _ => {
            *state.pending_mut(side) = Some(cell);
            state.forget_choice(side);
            Change::Moved
        }
    }
}

/// Forgets fields that the pipeline no longer has.
fn tidy(pipeline: &Pipeline, link: &mut Link) -> Change {
    let before = link.fields.len();
    link.fields.retain(|id, _| pipeline.fields.iter().any(|field| field.id == *id));
    Change::noted_if(link.fields.len() != before)
}

/// A base agreed under another definition is no base: its values stay, as values not agreed. Says whether anything
/// was changed.
pub(super) fn redefine(field: &Field, state: &mut FieldState) -> bool {
    if state.definition == field.definition {
        return false;
    }
    state.definition = field.definition;
    state.believed = None;
    state.uneven = false;
    if let Some([source, target]) = state.base.take() {
        state.pending_target.get_or_insert(target);
        if has_end(field, Side::Source) {
            state.pending_source.get_or_insert(source);
        }
    }
    true
}

/// Remembers the arrays whose rest goes back with a write, as they are now.
fn carry(pipeline: &Pipeline, mark: &mut Mark, side: Side, observation: &Observation) -> Change {
    let mut change = Change::Nothing;
    for field in &pipeline.fields {
        let Some((path, slot)) = carried(pipeline, field, side) else { continue };
        let cell = observation.projection.cell(slot);
        if mark.carried.get(path) != Some(cell) {
            mark.carried.insert(path.to_owned(), cell.clone());
            change = Change::Noted;
        }
    }
    change
}

/// The array that a write of `field` on `side` goes into: its path as text, and its slot.
pub(super) fn carried<'p>(pipeline: &'p Pipeline, field: &'p Field, side: Side) -> Option<(&'p str, usize)> {
    let end = field.end(side);
    if let (Content::Each(_), Side::Target) = (&field.content, side) {
        return Some((end.paths.first()?.as_str(), *end.slots.first()?));
    }
    let slot = end.carry?;
    match pipeline.end(side).spec.slots.get(slot)? {
        Slot::Value(path) => Some((path.as_str(), slot)),
        Slot::Count(_) | Slot::Test(_) => None,
    }
}

/// The carried array of `field`, as last observed.
pub(super) fn carried_cell<'m>(pipeline: &Pipeline, field: &Field, side: Side, mark: &'m Mark) -> Option<&'m Cell> {
    carried(pipeline, field, side).and_then(|(path, _)| mark.carried.get(path))
}

pub(super) const fn mark_mut(link: &mut Link, side: Side) -> &mut Mark {
    match side {
        Side::Source => &mut link.marks[0],
        Side::Target => &mut link.marks[1],
    }
}
