//! Putting back what a run overwrote, where it is still as that run left it.

use super::{
    Context, FieldState, FieldWrite, Finding, FindingKind, Link, RecordWrite, Why, calls, decide::shown,
    observe::carried, view::View,
};
use crate::{
    config::FieldId,
    record::{Cell, RecordId, Side},
};

/// What a run did to one field of one record: the value before its first write, and the value of its last.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The side written.
    pub side: Side,
    /// The record written, on that side.
    pub record: RecordId,
    /// The field.
    pub field: FieldId,
    /// The value before.
    pub before: Cell,
    /// The value the run wrote.
    pub wrote: Cell,
}

/// The writes that put the images back, at most one per side and call, and what is not put back with the reason.
///
/// Neither side's value is taken for an edit afterwards: the field is put aside until one of them changes.
#[must_use]
pub fn revert_link(context: &Context<'_>, link: &Link, images: &[Image]) -> (Vec<RecordWrite>, Vec<Finding>) {
    let mut writes = [Vec::new(), Vec::new()];
    let mut findings = Vec::new();
    if let Some(side) = Side::BOTH.into_iter().find(|side| link.mark(*side).gone) {
        findings.push(left(None, format!("the record is gone from the {side}; nothing is put back")));
        return (Vec::new(), findings);
    }
    let unknown = FieldState::default();
    for image in images {
        let Some(field) = context.pipeline.fields.iter().find(|field| field.id == image.field) else {
            findings
                .push(left(None, format!("the pipeline no longer has the field that held {}", shown(&image.before))));
            continue;
        };
        let state = link.fields.get(&field.id).unwrap_or(&unknown);
        let view = View::new(context.pipeline, context.lookups, link, field, state);
        let side = image.side;
        if image.record != *link.id(side) {
            let (before, record) = (shown(&image.before), &image.record);
            let message = format!(
                "not put back: {record} on the {side} had {before}, and by now {} is linked in its place",
                link.id(side)
            );
            findings.push(left(Some(field.name.clone()), message));
            continue;
        }
        let present = view.before(side);
        if view.same(side, present, &image.before) {
            continue;
        }
        let unread =
            carried(context.pipeline, field, side).is_some_and(|(path, _)| !link.mark(side).carried.contains_key(path));
        let reason = if !view.same(side, present, &image.wrote) {
            format!(
                "it was {}, the run wrote {}, and by now it is {}",
                shown(&image.before),
                shown(&image.wrote),
                shown(present)
            )
        } else if !view.writable(side) || calls::unchangeable(context.pipeline, field, side).is_some() {
            format!("it was {}; by now this field cannot be written on the {side}", shown(&image.before))
        } else if unread {
            format!(
                "it was {}; the list it stands in has to be read first: try again after a run",
                shown(&image.before)
            )
        } else {
            writes[side.index()].push(FieldWrite {
                field: field.id,
                value: image.before.clone(),
                before: present.clone(),
                from: view.present(side.other()).clone(),
                why: Why::Reverted,
            });
            continue;
        };
        findings.push(left(Some(field.name.clone()), format!("not put back: {reason}")));
    }
    let writes = Side::BOTH.into_iter().zip(writes);
    let writes = writes.flat_map(|(side, fields)| calls::by_call(context.pipeline, link, side, fields));
    (writes.collect(), findings)
}

fn left(field: Option<String>, message: String) -> Finding {
    Finding { kind: FindingKind::Skipped, field, message }
}
