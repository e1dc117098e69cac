//! What an edit of the configuration changes about a linked pair: the decision under the new configuration beside the
//! one under the old.

use super::{
    Context, FieldPark, FieldState, FindingKind, Link, ParkCode, RecordWrite, decide::decide_link, view::View,
};
use crate::{
    config::{FieldId, Pipeline},
    record::Side,
};

/// What an edit changes about a linked pair.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEffect {
    /// Nothing: the same is written, or nothing, as without the edit.
    Nothing,
    /// Values are written that would not be written without it. All writes of the pair are given, also those that would
    /// happen anyway.
    Rewritten(Vec<RecordWrite>),
    /// Fields are put aside that were not.
    Parked,
    /// A value that decides was never read.
    Unread,
}

/// What the edit from `old` to `new` changes about a pair, as far as is remembered of it.
#[must_use]
pub fn effect_on_link(old: &Context<'_>, new: &Context<'_>, link: &Link) -> LinkEffect {
    let before = decide_link(old, link);
    let after = decide_link(new, &as_edited(old.pipeline, new.pipeline, link));
    let known = |side: Side, write: &super::FieldWrite| {
        let mut writes = before.writes.iter().filter(|known| known.side == side).flat_map(|known| &known.fields);
        writes.any(|known| known.field == write.field && known.value == write.value)
    };
    let moved = |write: &RecordWrite| write.fields.iter().any(|field| !known(write.side, field));
    if after.writes.iter().any(moved) {
        return LinkEffect::Rewritten(after.writes);
    }
    if after.unread && !before.unread {
        return LinkEffect::Unread;
    }
    let parked = |kind: &FindingKind| matches!(kind, FindingKind::Parked(_));
    let was = |name: &Option<String>| before.findings.iter().any(|f| parked(&f.kind) && f.field == *name);
    if after.findings.iter().any(|finding| parked(&finding.kind) && !was(&finding.field)) {
        return LinkEffect::Parked;
    }
    LinkEffect::Nothing
}

/// Puts aside every value that would be written to the pair: a person approved an edit but for this record. It stays so
/// until one of its values changes, the configuration is edited again, or a person decides. `None` if nothing would be
/// written.
#[must_use]
pub fn leave_out(context: &Context<'_>, link: &Link) -> Option<Link> {
    let decision = decide_link(context, link);
    let fields: Vec<FieldId> =
        decision.writes.iter().flat_map(|write| &write.fields).map(|written| written.field).collect();
    if fields.is_empty() {
        return None;
    }
    let unknown = FieldState::default();
    let mut left = link.clone();
    for field in context.pipeline.fields.iter().filter(|field| fields.contains(&field.id)) {
        let view =
            View::new(context.pipeline, context.lookups, link, field, link.fields.get(&field.id).unwrap_or(&unknown));
        let park = FieldPark {
            code: ParkCode::LeftOut,
            message: "left out when the edit of the configuration was approved".to_owned(),
            seen: Side::BOTH.map(|side| view.present(side).clone()),
            config: context.pipeline.hash,
        };
        left.fields.entry(field.id).or_default().parked = Some(park);
    }
    left.revision += 1;
    Some(left)
}

/// A field that the remote refused is tried again after any edit; that is no effect of what was edited. So such a field
/// counts as put aside under the new configuration too, if its definition is the same.
fn as_edited(old: &Pipeline, new: &Pipeline, link: &Link) -> Link {
    let mut link = link.clone();
    for field in &new.fields {
        let same = old.fields.iter().any(|known| known.id == field.id && known.definition == field.definition);
        let park = link.fields.get_mut(&field.id).filter(|_| same).and_then(|state| state.parked.as_mut());
        if let Some(park) = park.filter(|park| park.config == old.hash && of_the_remote(park.code)) {
            park.config = new.hash;
        }
    }
    link
}

/// Whether it is the remote that keeps a field from being written.
const fn of_the_remote(code: ParkCode) -> bool {
    match code {
        ParkCode::Refused
        | ParkCode::NotTaken
        | ParkCode::Unchangeable
        | ParkCode::Reshaped
        | ParkCode::Unknown
        | ParkCode::IdTaken
        | ParkCode::FlipFlop
        | ParkCode::Expectation => true,
        ParkCode::Conflict
        | ParkCode::Difference
        | ParkCode::Ambiguous
        | ParkCode::Taken
        | ParkCode::Proposed
        | ParkCode::Unmappable
        | ParkCode::Reverted
        | ParkCode::LeftOut
        | ParkCode::TwoWriters
        | ParkCode::Unreadable
        | ParkCode::DeletedAndEdited => false,
    }
}
