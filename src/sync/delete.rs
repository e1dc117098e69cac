//! Carrying a deletion over to the record that is left.

use super::{
    Born, Context, Decision, FieldState, FieldWrite, Finding, FindingKind, Link, ParkCode, RecordWrite, Undeleted, Why,
    view::{View, has_end},
};
use crate::{
    config::{Content, OnLeave},
    mapping,
    record::{Cell, Side},
};

/// Decides about the record that is left when its counterpart is `gone`. `false` where this pipeline has nothing to
/// say about it: then the record is kept, and what was edited is listed.
///
/// An edit beats a deletion: the record goes only if it is as it was when both sides agreed. A record that was merged
/// into another was not deleted, and one that was brought back is not deleted again.
pub(super) fn decide(context: &Context<'_>, link: &Link, gone: Side, decision: &mut Decision) -> bool {
    let left = gone.other();
    let pipeline = context.pipeline;
    if link.mark(left).gone || !pipeline.deletes.on(left) || !pipeline.writes(left) {
        return false;
    }
    if let Some(kept) = kept(context, link, gone) {
        decision.findings.push(Finding { kind: FindingKind::Skipped, field: None, message: kept });
        return false;
    }
    let mut edited = Vec::new();
    let mut lost = Vec::new();
    let unknown = FieldState::default();
    for field in pipeline.fields.iter().filter(|field| has_end(field, left)) {
        let state = link.fields.get(&field.id).unwrap_or(&unknown);
        let view = View::new(pipeline, context.lookups, link, field, state);
        let Some(value) = view.known(left) else {
            decision.unread = true;
            continue;
        };
        if was_edited(&view, left) {
            edited.push(field.name.clone());
        }
        if !value.is_absent() {
            let (before, from) = (view.before(left).clone(), view.present(gone).clone());
            let (field, value, why) = (field.id, Cell::Absent, Why::Deleted(gone));
            lost.push(FieldWrite { field, value, before, from, why });
        }
    }
    if decision.unread {
        return true;
    }
    if !edited.is_empty() {
        let message = format!("deleted on the {gone}, and edited on the {left} ({}): it is kept", edited.join(", "));
        let kind = FindingKind::Parked(ParkCode::DeletedAndEdited);
        decision.findings.push(Finding { kind, field: None, message });
        return true;
    }
    if let Some(refused) = refused(context, link, left) {
        let message = format!("deleted on the {gone}, and not on the {left}: {}", refused.message);
        decision.findings.push(Finding { kind: FindingKind::Parked(ParkCode::Refused), field: None, message });
        return true;
    }
    let (id, version) = (Some(link.id(left).clone()), link.mark(left).version.clone());
    decision.writes.push(RecordWrite { side: left, id, version, fields: lost, delete: true });
    true
}

/// Why this pair's deletion is not carried over, whatever was edited.
fn kept(context: &Context<'_>, link: &Link, gone: Side) -> Option<String> {
    let (pipeline, left) = (context.pipeline, gone.other());
    if link.deleted.is_some() {
        return Some(format!(
            "both were deleted, and it was brought back on the {left}: it stays there, and is not created on the {gone}"
        ));
    }
    if let Some(into) = &link.mark(gone).merged {
        return Some(format!(
            "was merged into {into} on the {gone}, which is no deletion: the record on the {left} stays"
        ));
    }
    if pipeline.on_leave == OnLeave::Pause && link.marks.iter().any(|mark| mark.paused) {
        return Some(format!("gone from the {gone}; kept on the {left} while it does not pass its filter"));
    }
    let born = match link.born {
        Born::OnSource => Some(Side::Source),
        Born::OnTarget => Some(Side::Target),
        Born::Matched | Born::ByHand => None,
    };
    let only = pipeline.deletes.only.filter(|only| born != Some(*only))?;
    Some(format!("gone from the {gone}; kept on the {left}, as it was not born on the {only} (`deletes: only`)"))
}

/// Whether the record that is left holds something that both sides never agreed on.
fn was_edited(view: &View<'_>, left: Side) -> bool {
    let Some(base) = &view.base else {
        return !view.blank(left, view.present(left)) && !view.equal();
    };
    match (&view.field.content, left) {
        // Elements that are not ours count here, too: an accountant's line would be lost with the rest.
        (Content::Each(_), Side::Target) => {
            let whole = |cell: &Cell| mapping::same(view.field, left, &base[left.index()], cell);
            view.changed(left) || !whole(view.before(left))
        }
        _ => view.changed(left),
    }
}

/// What the remote said when it refused to delete this record, as it is now, under this configuration.
fn refused<'l>(context: &Context<'_>, link: &'l Link, left: Side) -> Option<&'l Undeleted> {
    let refused = link.undeleted.as_deref()?;
    (refused.config == context.pipeline.hash && refused.hash == link.mark(left).hash).then_some(refused)
}

/// The link after the record of `side` was deleted too: it stays as the memory of both, for good.
#[must_use]
pub fn settle_delete(link: &Link, side: Side) -> Link {
    let mut link = link.clone();
    super::observe::mark_mut(&mut link, side).gone = true;
    link.deleted = Some(side);
    link.undeleted = None;
    link.revision += 1;
    link
}

/// The link after the remote refused to delete the record of `side`, in its own words. It is tried again when the
/// record or the configuration (`config` is the pipeline's hash) changes, or a person asks for it.
#[must_use]
pub fn keep_undeleted(link: &Link, side: Side, message: &str, config: u64) -> Link {
    let mut link = link.clone();
    let hash = link.mark(side).hash;
    link.undeleted = Some(Box::new(Undeleted { message: message.to_owned(), hash, config }));
    link.revision += 1;
    link
}
