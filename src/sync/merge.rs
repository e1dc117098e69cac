//! The rules of one field of a linked pair.

use chrono::{DateTime, Utc};

use super::{ParkCode, Why, view::View};
use crate::{
    config::{Conflicts, Content, Differences, Drift, Fallback, PipelineName, WriteWhen},
    mapping::MapError,
    record::{Cell, RecordId, Side},
};

/// What becomes of a field.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Both sides are at their base.
    Quiet,
    /// Both sides hold the same: that is the new base.
    Agree,
    /// They differ, and the rules say that this is nobody's business.
    Leave,
    /// One side was never observed.
    Unread,
    /// Put aside before, and nothing has changed since.
    StillParked,
    /// Put aside.
    Park(ParkCode, String),
    /// Kept where it is, and listed.
    Pending(String),
    /// Waits for another record to be linked.
    Wait { pipeline: PipelineName, id: RecordId, message: String },
    /// To be written.
    Write { to: Side, value: Cell, why: Why },
}

/// When each side was last edited, and the present instant.
#[derive(Clone, Copy)]
pub(super) struct Stamps {
    pub edited: [Option<DateTime<Utc>>; 2],
    pub now: DateTime<Utc>,
}

/// Decides about one field.
pub(super) fn merge(view: &View<'_>, stamps: Stamps) -> Outcome {
    let [Some(source), Some(target)] = [view.known(Side::Source), view.known(Side::Target)] else {
        return unknown(view);
    };
    let changed = Side::BOTH.map(|side| view.changed(side));
    if view.base.is_some() && changed == [false, false] {
        return Outcome::Quiet;
    }
    let on_create = view.field.write == WriteWhen::OnCreate;
    if let (false, Some(message)) = (on_create, several(view, [source, target])) {
        return Outcome::Park(ParkCode::Unmappable, message);
    }
    if view.equal() {
        return Outcome::Agree;
    }
    let constant = matches!(view.field.content, Content::Constant(_));
    if on_create || (constant && view.base.is_none()) {
        return Outcome::Leave;
    }
    if still_parked(view, [source, target]) {
        return Outcome::StillParked;
    }
    if let Some(winner) = view.state.winner {
        return resolved(view, winner);
    }
    if view.field.write == WriteWhen::IfBlank && !Side::BOTH.into_iter().any(|side| view.is_blank(side)) {
        return Outcome::Leave;
    }
    match (&view.base, changed) {
        (None, _) => first(view),
        (Some(_), [_, false]) => edited(view, Side::Source),
        (Some(_), [false, true]) => edited(view, Side::Target),
        (Some(_), [true, true]) => both(view, stamps),
    }
}

/// One side was never observed. It must be read, unless its value cannot make a difference.
fn unknown(view: &View<'_>) -> Outcome {
    let irrelevant = view.field.write == WriteWhen::OnCreate || matches!(view.field.content, Content::Constant(_));
    // A blank that is not sent, and nothing could come back for it.
    let nothing_to_send = view.base.is_none()
        && view.pipeline.drift == Drift::Leave
        && view.field.differences == Differences::FillBlanks
        && view.keeps_blanks()
        && view.known(Side::Source).is_some_and(|cell| view.blank(Side::Source, cell))
        && !view.flows(Side::Source);
    if irrelevant || nothing_to_send { Outcome::Leave } else { Outcome::Unread }
}

/// A side on which the path names several values.
fn several(view: &View<'_>, present: [&Cell; 2]) -> Option<String> {
    Side::BOTH.into_iter().find_map(|side| match present[side.index()] {
        Cell::Several(count) => {
            let path = view.field.end(side).paths.first().map_or(view.field.name.as_str(), |path| path.as_str());
            Some(MapError::Several { path: format!("{path} ({side})"), count: *count }.to_string())
        }
        Cell::Absent | Cell::Value(_) => None,
    })
}

/// Whether the field was put aside in view of these very values, under this configuration.
fn still_parked(view: &View<'_>, present: [&Cell; 2]) -> bool {
    view.state.winner.is_none()
        && view.state.parked.as_ref().is_some_and(|park| {
            // What a person took back is not written again because of an edit of the configuration.
            (park.config == view.pipeline.hash || park.code == ParkCode::Reverted)
                && Side::BOTH.into_iter().all(|side| {
                    let index = side.index();
                    view.same(side, &park.seen[index], present[index])
                })
        })
}

/// A person chose a side.
fn resolved(view: &View<'_>, winner: Side) -> Outcome {
    if view.writable(winner.other()) {
        return send(view, winner, Why::Resolved(winner));
    }
    Outcome::Pending(format!("the {winner} was chosen, but this field cannot be written on the {}", winner.other()))
}

/// Only `side` was edited, or its edits are all that counts.
fn edited(view: &View<'_>, side: Side) -> Outcome {
    if view.writable(side.other()) {
        return send(view, side, Why::Changed(side));
    }
    let one_way = !view.flows(side.other()) && view.flows(side);
    if !one_way {
        let other = side.other();
        return Outcome::Pending(format!("edited on the {side}; this field cannot be written on the {other}"));
    }
    match view.pipeline.drift {
        Drift::Leave => Outcome::Leave,
        Drift::Report => Outcome::Pending(format!("edited on the {side}, against the direction; left as it is")),
        Drift::PutBack if view.writable(side) => send(view, side.other(), Why::PutBack),
        Drift::PutBack => Outcome::Pending(format!("edited on the {side}, which cannot be written")),
    }
}

/// Both sides were edited, to different values.
fn both(view: &View<'_>, stamps: Stamps) -> Outcome {
    match (view.flows(Side::Source), view.flows(Side::Target)) {
        // One way: its origin is the master, there is no conflict.
        (false, true) => return edited(view, Side::Source),
        (true, false) => return edited(view, Side::Target),
        (false, false) => return Outcome::Pending("edited on both sides; neither may be written".to_owned()),
        (true, true) => {}
    }
    if view.keeps_blanks() {
        match Side::BOTH.map(|side| view.cleared(side)) {
            [true, false] => return edited(view, Side::Target),
            [false, true] => return edited(view, Side::Source),
            _ => {}
        }
    }
    match winner(view.field.conflicts, stamps) {
        Some(side) if view.writable(side.other()) => send(view, side, Why::ConflictWon(side)),
        _ => Outcome::Park(ParkCode::Conflict, "edited on both sides, to different values".to_owned()),
    }
}

/// Whose value wins a conflict; `None` is for a person to decide.
fn winner(conflicts: Conflicts, stamps: Stamps) -> Option<Side> {
    match conflicts {
        Conflicts::Park => None,
        Conflicts::SourceWins => Some(Side::Source),
        Conflicts::TargetWins => Some(Side::Target),
        Conflicts::NewestWins { skew, otherwise } => newest(skew, stamps).or(match otherwise {
            Fallback::Park => None,
            Fallback::SourceWins => Some(Side::Source),
            Fallback::TargetWins => Some(Side::Target),
        }),
    }
}

/// The side edited last, if that is beyond doubt: both stamps known, further apart than the skew, none in the future.
fn newest(skew: std::time::Duration, stamps: Stamps) -> Option<Side> {
    let [source, target] = [stamps.edited[0]?, stamps.edited[1]?];
    let skew = chrono::TimeDelta::from_std(skew).ok()?;
    let gap = source.signed_duration_since(target);
    let ahead = source.max(target).signed_duration_since(stamps.now);
    if ahead > skew || gap.abs() <= skew {
        return None;
    }
    Some(if gap > chrono::TimeDelta::zero() { Side::Source } else { Side::Target })
}

/// They differ and have no history.
fn first(view: &View<'_>) -> Outcome {
    if !Side::BOTH.into_iter().any(|side| view.flows(side)) {
        return Outcome::Pending("the sides differ, and this field flows to neither".to_owned());
    }
    let rule = view.field.differences;
    let park = || Outcome::Park(ParkCode::Difference, "the sides differ and have no history".to_owned());
    let preferred = match rule {
        Differences::Park => return park(),
        Differences::FillBlanks => None,
        Differences::SourceWins => Some(Side::Source),
        Differences::TargetWins => Some(Side::Target),
    };
    let fills = |side: Side| match preferred {
        None => true,
        // A blank does not win where blanks are not sent.
        Some(preferred) => preferred == side || view.keeps_blanks(),
    };
    let filled = match Side::BOTH.map(|side| view.is_blank(side)) {
        [false, true] => Some(Side::Source),
        [true, false] => Some(Side::Target),
        // Only a transform can make these differ: a value for blank.
        [true, true] if view.writable(Side::Target) => Some(Side::Source),
        [true, true] => return Outcome::Leave,
        [false, false] => None,
    }
    .filter(|side| fills(*side));
    match (filled, preferred) {
        (Some(side), _) if view.writable(side.other()) => send(view, side, Why::FilledBlank),
        (None, Some(side)) if view.writable(side.other()) => send(view, side, Why::FirstDifference(side)),
        _ => park(),
    }
}

/// Sends the present value of `from` across, unless a rule keeps it.
fn send(view: &View<'_>, from: Side, why: Why) -> Outcome {
    let to = from.other();
    let crossing = if let Why::Changed(_) = why { view.changes(from) } else { view.cross(from) };
    let value = match crossing {
        Ok(crossing) if crossing.there => return Outcome::Agree,
        Ok(crossing) => crossing.value,
        Err(error) => return unmappable(error),
    };
    let by_hand = matches!(why, Why::Resolved(_));
    if view.keeps_blanks() && !by_hand && view.blank(to, &value) {
        let what = if view.cleared(from) { "cleared" } else { "blank" };
        return Outcome::Pending(format!("{what} on the {from}; not sent"));
    }
    if view.field.write == WriteWhen::IfBlank && !by_hand && !view.is_blank(to) {
        return Outcome::Leave;
    }
    Outcome::Write { to, value, why }
}

/// A value without a counterpart.
fn unmappable(error: MapError) -> Outcome {
    let message = error.to_string();
    match error {
        MapError::Waiting { pipeline, id } => Outcome::Wait { pipeline, id, message },
        _ => Outcome::Park(ParkCode::Unmappable, message),
    }
}
