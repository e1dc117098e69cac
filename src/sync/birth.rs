//! What a record has at its birth that the record it was made from could not give it.

use super::{
    Context, FieldState, Link, RecordWrite, body, calls,
    link::Belief,
    view::{View, blank, flows, observed, writable},
};
use crate::{
    config::{Content, Field, FieldId, Pipeline},
    record::{Cell, Projection, Side},
};

/// A field that flows only from the new record to the one it was made from was not sent, and may differ from the
/// start: a company that is born in Xero has a name of its own there, and the site's first and last name say another.
/// The pair has a history, which begins here: what both have now is the base, so that only a later edit moves it.
/// Where the older record holds nothing, it is filled as ever (an id is written back); and what the remote made up for
/// the new record has no history.
pub(super) fn remember(context: &Context<'_>, link: &mut Link, write: &RecordWrite, answered: bool) {
    let pipeline = context.pipeline;
    to_come(pipeline, link, write);
    let Some(given) = given(context, write) else { return };
    let uneven: Vec<(FieldId, [Cell; 2])> = pipeline
        .fields
        .iter()
        .filter(|field| one_way(context, field, write))
        .filter_map(|field| Some((field.id, pair(context, link, field, (write.side, &given), answered)?)))
        .collect();
    for (id, base) in uneven {
        let state = link.fields.entry(id).or_default();
        (state.pending_source, state.pending_target, state.parked) = (None, None, None);
        state.base = Some(base);
        state.uneven = true;
        if !answered {
            // As after any write without an answer: the next reading tells.
            state.believed =
                Some(Box::new(Belief { side: write.side, base: None, uneven: false, before: Cell::Absent }));
        }
    }
}

/// What the call that made the record could not give it, because it has a call of its own: nothing was agreed on yet, so
/// that the value of the origin is news.
fn to_come(pipeline: &Pipeline, link: &mut Link, write: &RecordWrite) {
    let sent = |field: &Field| write.fields.iter().any(|sent| sent.field == field.id);
    let later = |field: &&Field| {
        calls::own(pipeline, field, write.side).is_some() && writable(pipeline, field, write.side) && !sent(field)
    };
    for field in pipeline.fields.iter().filter(later) {
        let state = link.fields.entry(field.id).or_default();
        if state.base.is_none() && state.pending(write.side).is_none_or(|cell| blank(field, write.side, cell)) {
            *state.pending_mut(write.side) = None;
            state.base = Some([Cell::Absent, Cell::Absent]);
            state.definition = field.definition;
        }
    }
}

/// Whether a field flows from the new record to its origin only.
fn one_way(context: &Context<'_>, field: &Field, write: &RecordWrite) -> bool {
    let pipeline = context.pipeline;
    matches!(field.content, Content::Mapped { .. })
        && flows(pipeline, field, write.side.other())
        && !flows(pipeline, field, write.side)
        && Side::BOTH.into_iter().all(|side| !field.end(side).masked)
}

/// What both sides have, if they differ, the origin holds something, and the new record has what it was given.
fn pair(
    context: &Context<'_>,
    link: &Link,
    field: &Field,
    (made, given): (Side, &Projection),
    answered: bool,
) -> Option<[Cell; 2]> {
    let origin = made.other();
    let given = observed(field, made, given);
    let mut state: FieldState = link.fields.get(&field.id)?.clone();
    if !answered && !blank(field, made, &given) {
        *state.pending_mut(made) = Some(given.clone());
    }
    let view = View::new(context.pipeline, context.lookups, link, field, &state);
    let (there, here) = (view.known(made)?, view.known(origin)?);
    let several = [there, here].iter().any(|cell| matches!(cell, Cell::Several(_)));
    let as_given = view.same(made, there, &given) || (view.blank(made, there) && view.blank(made, &given));
    if view.base.is_some() || several || !as_given || view.blank(origin, here) || view.equal() {
        return None;
    }
    Some(Side::BOTH.map(|side| view.present(side).clone()))
}

/// The new record as it was sent, read as the remote would show it.
fn given(context: &Context<'_>, write: &RecordWrite) -> Option<Projection> {
    let sent = body(context.pipeline, write, None).ok()?;
    Some(context.pipeline.end(write.side).spec.read(&sent))
}
