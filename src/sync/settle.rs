//! What the remote made of a write.

use std::collections::BTreeMap;

use super::{
    Born, Context, FieldPark, FieldState, FieldWrite, Finding, Link, Observation, ParkCode, RecordWrite, decide_link,
    expect,
    observe::{observe, redefine},
    refuse::seen,
    view::{has_end, observed, same},
};
use crate::{
    config::{Content, Field},
    mapping::{self, each::compose},
    record::{Cell, Projection, RecordId, Side},
};

/// A link after a write was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The link to remember. What the answer showed to be equal on both sides is agreed already.
    pub link: Link,
    /// What is to be listed of this link now, as [`decide_link`] would list it, and checks that do not hold.
    pub findings: Vec<Finding>,
    /// There is something left to do (a value the answer told us, an id to write back): plan this link again.
    pub again: bool,
}

/// The link after an update was answered. `link` is the link as it is remembered now (it may have moved since the
/// plan). `answer` is the written side as the remote answered, or `None` where it answers nothing: then the sent
/// values are believed until the next reading.
///
/// Sent and answered are compared: the same under the canonical form is agreed, as answered; the value before the
/// write was not taken, any other was reshaped, and both are put aside. Everything else in the answer is merged like
/// any other reading, for a person may have edited meanwhile.
#[must_use]
pub fn settle_update(context: &Context<'_>, link: &Link, write: &RecordWrite, answer: Option<&Observation>) -> Settled {
    settle(context, link.clone(), write, answer, None)
}

/// The link after a create was answered with `id`. `origin` is the record it was made from.
#[must_use]
pub fn settle_create(
    context: &Context<'_>,
    origin: &Observation,
    write: &RecordWrite,
    id: &RecordId,
    answer: Option<&Observation>,
) -> Settled {
    let label = match (write.side, answer) {
        (Side::Source, Some(answer)) => &answer.label,
        _ => &origin.label,
    };
    let mut link = match write.side {
        Side::Target => blank_link(&origin.id, id, Born::OnSource, label),
        Side::Source => blank_link(id, &origin.id, Born::OnTarget, label),
    };
    observe(context.pipeline, &mut link, write.side.other(), origin, false);
    settle(context, link, write, answer, Some(&origin.projection))
}

/// A link of which nothing is known yet.
pub(super) fn blank_link(source: &RecordId, target: &RecordId, born: Born, label: &str) -> Link {
    Link {
        source: source.clone(),
        target: target.clone(),
        born,
        label: label.to_owned(),
        revision: 0,
        marks: Default::default(),
        fields: BTreeMap::new(),
    }
}

fn settle(
    context: &Context<'_>,
    mut link: Link,
    write: &RecordWrite,
    answer: Option<&Observation>,
    origin: Option<&Projection>,
) -> Settled {
    let pipeline = context.pipeline;
    let revision = link.revision;
    // An answer that says the record is gone says nothing about its values.
    let values = answer.filter(|answer| !answer.gone).map(|answer| &answer.projection);
    for sent in &write.fields {
        if let Some(field) = pipeline.fields.iter().find(|field| field.id == sent.field) {
            let state = link.fields.entry(field.id).or_default();
            settle_field(context, field, state, write, sent, values);
        }
    }
    if let Some(answer) = answer {
        observe(pipeline, &mut link, write.side, answer, true);
    }
    let decision = decide_link(context, &link);
    let mut link = decision.link.unwrap_or(link);
    link.revision = revision + 1;
    let mut findings = decision.findings;
    if let Some(values) = values {
        findings.extend(expect::check(pipeline, &link, write.side, values, origin));
    }
    Settled { link, findings, again: !decision.writes.is_empty() || !decision.waits_for.is_empty() }
}

/// What became of one sent value.
fn settle_field(
    context: &Context<'_>,
    field: &Field,
    state: &mut FieldState,
    write: &RecordWrite,
    sent: &FieldWrite,
    answer: Option<&Projection>,
) {
    let written = write.side;
    redefine(field, state);
    state.winner = None;
    state.parked = None;
    let answer = answer.filter(|_| !field.end(written).masked);
    let got = answer.map(|answer| observed(field, written, answer));
    if let Content::Each(_) = &field.content {
        learn(context, field, state, write, sent, got.as_ref());
    }
    let Some(got) = got else {
        believe(field, state, written, sent);
        return;
    };
    if taken(context, field, state, written, sent, &got) {
        agree(field, state, written, &sent.from, got);
        *state.pending_mut(written) = None;
        return;
    }
    let not_taken = same(field, &state.pairs, written, &sent.before, &got);
    let (code, message) = if not_taken {
        (ParkCode::NotTaken, format!("the {written} took the write and kept the value it had"))
    } else {
        (ParkCode::Reshaped, format!("the {written} answered with another value than was sent"))
    };
    let at_base =
        state.base.as_ref().is_some_and(|base| same(field, &state.pairs, written, &base[written.index()], &got));
    let seen = seen(written, sent.from.clone(), got.clone());
    *state.pending_mut(written) = (!at_base).then_some(got);
    state.parked = Some(FieldPark { code, message, seen, config: context.pipeline.hash });
}

/// Whether the remote has what was sent.
fn taken(
    context: &Context<'_>,
    field: &Field,
    state: &FieldState,
    written: Side,
    sent: &FieldWrite,
    got: &Cell,
) -> bool {
    match field.content {
        // New elements are sent without the key that the remote gives them: ask whether anything is left to change.
        Content::Each(_) => {
            compose(field, &sent.from, Some(got), &state.pairs, context.lookups).is_ok_and(|composed| !composed.changed)
        }
        _ => same(field, &state.pairs, written, &sent.value, got),
    }
}

/// Learns which element of the answer came of which element of the source; without an answer, which were sent.
fn learn(
    context: &Context<'_>,
    field: &Field,
    state: &mut FieldState,
    write: &RecordWrite,
    sent: &FieldWrite,
    got: Option<&Cell>,
) {
    let before = write.id.as_ref().map(|_| &sent.before);
    if let Ok(composed) = compose(field, &sent.from, before, &state.pairs, context.lookups) {
        state.pairs = mapping::each::learn(field, &composed, got.unwrap_or(&sent.value));
    }
}

/// Without a word of the remote the sent value is believed, unless another one was read there since the plan.
fn believe(field: &Field, state: &mut FieldState, written: Side, sent: &FieldWrite) {
    let newer = state.present(written).cloned().filter(|cell| {
        !field.end(written).masked
            && ![&sent.before, &sent.value].into_iter().any(|known| same(field, &state.pairs, written, known, cell))
    });
    agree(field, state, written, &sent.from, sent.value.clone());
    *state.pending_mut(written) = newer;
}

/// Both sides agreed on `from` and `there`. What the other side holds by now, if it has moved on, stays pending.
fn agree(field: &Field, state: &mut FieldState, written: Side, from: &Cell, there: Cell) {
    let origin = written.other();
    let moved_on = state
        .present(origin)
        .filter(|cell| has_end(field, origin) && !same(field, &state.pairs, origin, cell, from))
        .cloned();
    *state.pending_mut(origin) = moved_on;
    state.base = Some(seen(written, from.clone(), there));
}
