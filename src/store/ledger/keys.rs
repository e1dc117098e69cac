//! Which keys a thing has.

use crate::{
    config::{ConnectionName, PipelineName},
    record::{RecordId, Side},
    store::{Hold, Key, Space},
};

pub(super) const fn side_part(side: Side) -> &'static str {
    match side {
        Side::Source => "s",
        Side::Target => "t",
    }
}

pub(super) fn part_side(part: &str) -> Side {
    if part == "t" { Side::Target } else { Side::Source }
}

/// A place in the index of match keys.
#[derive(Clone, Copy, Debug)]
pub struct MatchKey<'a> {
    /// The pipeline.
    pub pipeline: &'a PipelineName,
    /// The side of the records it finds.
    pub side: Side,
    /// Position of the tier.
    pub tier: usize,
    /// The key's text.
    pub text: &'a str,
}

impl MatchKey<'_> {
    pub(super) fn key(&self, id: Option<&RecordId>) -> Key {
        let tier = self.tier.to_string();
        let mut parts = vec![self.pipeline.as_str(), side_part(self.side), &tier, self.text];
        parts.extend(id.map(RecordId::as_str));
        Key::new(Space::MatchKey, &parts)
    }
}

pub(super) fn link_key(pipeline: &PipelineName, source: &RecordId) -> Key {
    Key::new(Space::Link, &[pipeline.as_str(), source.as_str()])
}

pub(super) fn target_key(pipeline: &PipelineName, target: &RecordId) -> Key {
    Key::new(Space::LinkByTarget, &[pipeline.as_str(), target.as_str()])
}

pub(super) fn fresh_key(pipeline: &PipelineName, side: Side, id: &RecordId) -> Key {
    Key::new(Space::Seen, &[pipeline.as_str(), side_part(side), id.as_str()])
}

pub(super) fn due_key(pipeline: &PipelineName, side: Side, id: &RecordId) -> Key {
    Key::new(Space::Due, &[pipeline.as_str(), side_part(side), id.as_str()])
}

pub(super) fn parked_key(pipeline: &PipelineName, side: Side, id: &RecordId) -> Key {
    Key::new(Space::Parked, &[pipeline.as_str(), side_part(side), id.as_str()])
}

pub(super) fn reference_key(
    pipeline: &PipelineName,
    referred: &PipelineName,
    to: &RecordId,
    from: Option<&RecordId>,
) -> Key {
    let mut parts = vec![pipeline.as_str(), referred.as_str(), to.as_str()];
    parts.extend(from.map(RecordId::as_str));
    Key::new(Space::Reference, &parts)
}

pub(super) fn settling_key(connection: &ConnectionName, resource: &str, id: &RecordId) -> Key {
    Key::new(Space::Settling, &[connection.as_str(), resource, id.as_str()])
}

pub(super) fn wait_key(awaited: (&PipelineName, &RecordId), waiting: Option<(&PipelineName, Side, &RecordId)>) -> Key {
    let mut parts = vec![awaited.0.as_str(), awaited.1.as_str()];
    if let Some((pipeline, side, id)) = waiting {
        parts.extend([pipeline.as_str(), side_part(side), id.as_str()]);
    }
    Key::new(Space::Wait, &parts)
}

pub(super) fn intent_key(connection: &ConnectionName, number: &str) -> Key {
    Key::new(Space::Intent, &[connection.as_str(), number])
}

pub(super) fn cursor_key(connection: &ConnectionName, resource: &str) -> Key {
    Key::new(Space::Cursor, &[connection.as_str(), resource])
}

pub(super) fn state_key(pipeline: &PipelineName) -> Key {
    Key::new(Space::Pipeline, &[pipeline.as_str()])
}

pub(super) fn held_key(pipeline: &PipelineName, what: Hold) -> Key {
    match what.word() {
        Some(word) => Key::new(Space::Held, &[pipeline.as_str(), word]),
        None => Key::new(Space::Held, &[pipeline.as_str()]),
    }
}

/// A pair that a person took apart.
pub(super) fn apart_key(pipeline: &PipelineName, source: &RecordId, target: &RecordId) -> Key {
    Key::new(Space::Pipeline, &[pipeline.as_str(), "apart", source.as_str(), target.as_str()])
}
