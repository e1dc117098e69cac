//! What the remote made of a write.

use std::collections::BTreeMap;

use super::{
    Born, Context, FieldState, FieldWrite, Finding, Link, Motion, Observation, RecordWrite, Why,
    answer::Sent,
    birth,
    breaker::Stroke,
    decide_link, expect,
    observe::{carried, mark_mut, observe, redefine},
    view::{observed, same},
};
use crate::{
    config::{Content, Field, Pipeline},
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
    settle(context, link.clone(), write, answer, false)
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
    settle(context, link, write, answer, true)
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
        beside: Vec::new(),
        deleted: None,
        undeleted: None,
        figures: BTreeMap::new(),
    }
}

fn settle(
    context: &Context<'_>,
    mut link: Link,
    write: &RecordWrite,
    answer: Option<&Observation>,
    created: bool,
) -> Settled {
    let pipeline = context.pipeline;
    let revision = link.revision;
    // An answer that says the record is gone says nothing about its values.
    let values = answer.filter(|answer| !answer.gone).map(|answer| &answer.projection);
    for state in link.fields.values_mut() {
        state.motion.take_if(|motion| !motion.is_present(context.now));
    }
    for sent in &write.fields {
        if let Some(field) = pipeline.fields.iter().find(|field| field.id == sent.field) {
            let state = link.fields.entry(field.id).or_default();
            settle_field(context, field, state, write, sent, values);
            if write.id.is_some() {
                let stroke = Stroke { side: write.side, before: &sent.before, value: &sent.value, now: context.now };
                state.motion = Some(Box::new(Motion::after(state.motion.as_deref().copied(), stroke)));
            }
        }
    }
    match answer {
        Some(answer) => {
            observe(pipeline, &mut link, write.side, answer, true);
        }
        None => unanswered(pipeline, &mut link, write),
    }
    if created {
        birth::remember(context, &mut link, write, values.is_some());
    }
    let decision = decide_link(context, &link);
    let mut link = decision.link.unwrap_or(link);
    link.revision = revision + 1;
    Settled { link, findings: decision.findings, again: !decision.writes.is_empty() || !decision.waits_for.is_empty() }
}

/// The next reading is news even if it is what was read before the write: then the write was not taken. The version that
/// was known is that of before. Arrays that
/// were written into must be read before they are written into again.
fn unanswered(pipeline: &Pipeline, link: &mut Link, write: &RecordWrite) {
    expect::forget(link, write.side);
    let mark = mark_mut(link, write.side);
    mark.hash = 0;
    mark.version = None;
    for sent in &write.fields {
        let field = pipeline.fields.iter().find(|field| field.id == sent.field);
        if let Some((path, _)) = field.and_then(|field| carried(pipeline, field, write.side)) {
            mark.carried.remove(path);
        }
    }
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
    redefine(field, state);
    state.winner = None;
    state.parked = None;
    let answer = answer.filter(|_| !field.end(write.side).masked);
    let got = answer.map(|answer| observed(field, write.side, answer));
    if let Content::Each(_) = &field.content {
        learn(context, field, state, write, sent, got.as_ref());
    }
    let changes = matches!(sent.why, Why::Changed(_));
    let reverted = sent.why == Why::Reverted;
    let outcome = Sent { written: write.side, from: &sent.from, value: &sent.value, before: &sent.before, changes };
    match got {
        None if reverted => outcome.reverted(field, state, sent.value.clone(), context.pipeline.hash),
        Some(got) if reverted && taken(context, field, state, write.side, sent, &got) => {
            outcome.reverted(field, state, got, context.pipeline.hash);
        }
        None => outcome.believe(field, state),
        Some(got) => {
            state.believed = None;
            let taken = taken(context, field, state, write.side, sent, &got);
            outcome.answered(field, state, got, taken, context.pipeline.hash);
        }
    }
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
            let composed = compose(field, &sent.from, Some(got), since(state, sent), &state.pairs, context.lookups);
            composed.is_ok_and(|composed| !composed.changed)
        }
        _ => same(field, &state.pairs, written, &sent.value, got),
    }
}

/// The base whose changes were sent; `None` if all was.
fn since<'s>(state: &'s FieldState, sent: &FieldWrite) -> Option<&'s [Cell; 2]> {
    state.base.as_ref().filter(|_| matches!(sent.why, Why::Changed(_)))
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
    if let Ok(composed) = compose(field, &sent.from, before, since(state, sent), &state.pairs, context.lookups) {
        state.pairs = mapping::each::learn(field, &composed, got.unwrap_or(&sent.value));
    }
}
