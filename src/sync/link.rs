//! The link: the pair of records that are the same thing, and what is known of their fields.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Motion, ParkCode};
use crate::{
    config::FieldId,
    mapping::each::ElementPair,
    record::{Cell, Projection, RecordId, Side},
};

/// A reading of one record of one side, projected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Its id.
    pub id: RecordId,
    /// Its cells at the pipeline's slots.
    pub projection: Projection,
    /// Name for people.
    pub label: String,
    /// Version token, where the system has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When the system says it was last changed, corrected to our clock by the server's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<DateTime<Utc>>,
    /// The system says that it is deleted, archived or voided.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// The system says that it was merged into that record, which is no deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<RecordId>,
}

/// A record that is not linked, as remembered (`seen`): all that is needed to look at it again without reading it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts that are stored by name")]
pub struct Fresh {
    /// The last reading.
    pub observation: Observation,
    /// The projection spec it was read under; under another one it must be read again.
    pub spec_hash: u32,
    /// Whether the pipeline's filter admits it, when last looked at.
    pub admitted: bool,
    /// A create was refused because its name is taken: create with the field's unique suffix.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suffixed: bool,
    /// It was linked, and its link was dissolved because one of the two left its filter: it has a counterpart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
    /// A create made from it may have been carried out unseen: a name that is taken may be its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubted: bool,
    /// It was first read while the outcome of a create on its side was unknown: it may be what that made, edited since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

impl Fresh {
    /// A record as it was read, of which nothing else is known.
    #[must_use]
    pub const fn new(observation: Observation, spec_hash: u32) -> Self {
        Self { observation, spec_hash, admitted: false, suffixed: false, released: false, doubted: false, late: false }
    }
}

/// How a link came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Born {
    /// Both records existed and matched.
    Matched,
    /// We created the target record.
    OnSource,
    /// We created the source record.
    OnTarget,
    /// A person linked them.
    ByHand,
}

/// What was last observed of one side as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Hash of the projection last laid beside this link: the same hash again is nothing new. 0 is "none yet".
    #[serde(rename = "h", default)]
    pub hash: u64,
    /// Version token.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When a person last edited this side, by its own stamp; a stamp that our own write made does not count.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<DateTime<Utc>>,
    /// The record is gone from this side. Kept for good: the survivor is never created anew.
    #[serde(rename = "g", default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// The record was merged into that one on its own side.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<RecordId>,
    /// A full listing lacked the record, and there was no way to look a second time but the next full listing.
    #[serde(rename = "a", default, skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
    /// The record no longer passes its filter, and `on_leave` is `pause`.
    #[serde(rename = "p", default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Arrays whose rest is carried back with a write, by path.
    #[serde(rename = "c", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub carried: BTreeMap<String, Cell>,
}

/// A base is stored once where both sides hold the same JSON, which is the rule.
mod pair {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    use crate::record::Cell;

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub fn serialize<S: Serializer>(base: &Option<[Cell; 2]>, serializer: S) -> Result<S::Ok, S::Error> {
        match base {
            Some([source, target]) if source == target => [source].serialize(serializer),
            Some(both) => both.serialize(serializer),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[Cell; 2]>, D::Error> {
        let mut cells = Option::<Vec<Cell>>::deserialize(deserializer)?.unwrap_or_default();
        match (cells.pop(), cells.pop()) {
            (Some(target), Some(source)) if cells.is_empty() => Ok(Some([source, target])),
            (Some(both), None) => Ok(Some([both.clone(), both])),
            (None, _) => Ok(None),
            _ => Err(D::Error::custom("a base has one value or two")),
        }
    }
}

/// What is known of one field of a link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FieldState {
    /// Hash of the field's definition under which the base was agreed.
    #[serde(rename = "d", default)]
    pub definition: u32,
    /// The values (source, target) at which both sides last agreed. `None` is "no history", which is not null.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none", with = "pair")]
    pub base: Option<[Cell; 2]>,
    /// Source value observed and not agreed.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub pending_source: Option<Cell>,
    /// Target value observed and not agreed.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub pending_target: Option<Cell>,
    /// Put aside until a value or the configuration changes, or a person decides.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<FieldPark>,
    /// A person decided that this side's value wins (`conflicts resolve`).
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub winner: Option<Side>,
    /// Elements of an `each` field that belong together.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<ElementPair>,
    /// The base is no agreement: it is what both sides had when one record was made from the other, in a field that
    /// flows only the other way. Each keeps its own value until the side that the field flows from is edited.
    #[serde(rename = "n", default, skip_serializing_if = "std::ops::Not::not")]
    pub uneven: bool,
    /// A write that the remote did not answer: the base holds what was sent until the next reading tells.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub believed: Option<Box<Belief>>,
    /// Its writes of the last hour.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub motion: Option<Box<Motion>>,
}

/// What a field was before a write that the remote did not answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Belief {
    /// The side written to.
    #[serde(rename = "w")]
    pub side: Side,
    /// The base before.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub base: Option<[Cell; 2]>,
    /// Whether that base was no agreement.
    #[serde(rename = "n", default, skip_serializing_if = "std::ops::Not::not")]
    pub uneven: bool,
    /// The value there, as last read.
    #[serde(rename = "v")]
    pub before: Cell,
}

/// Why a field of a link is put aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldPark {
    /// What kind of trouble.
    pub code: ParkCode,
    /// For people; the remote's own words where there are some.
    pub message: String,
    /// The present values (source, target) when it was parked: another value is a reason to try again.
    pub seen: [Cell; 2],
    /// Hash of the pipeline when it was parked: another configuration is a reason to try again.
    pub config: u64,
}

/// A deletion that the remote refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undeleted {
    /// The remote's own words.
    pub message: String,
    /// Hash of the record when it was refused: another one is a reason to try again.
    pub hash: u64,
    /// Hash of the pipeline when it was refused: another configuration is a reason to try again.
    pub config: u64,
}

/// The pair of records that are the same thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Id on the source.
    #[serde(rename = "s")]
    pub source: RecordId,
    /// Id on the target.
    #[serde(rename = "t")]
    pub target: RecordId,
    /// How it came to be.
    #[serde(rename = "o")]
    pub born: Born,
    /// Name for people: the source's label, else the target's.
    #[serde(rename = "n")]
    pub label: String,
    /// Grows with every change; a step made from an older revision is not applied.
    #[serde(rename = "r")]
    pub revision: u64,
    /// What was last observed, source and target.
    #[serde(rename = "m")]
    pub marks: [Mark; 2],
    /// The fields, by stable number.
    #[serde(rename = "f")]
    pub fields: BTreeMap<FieldId, FieldState>,
    /// Match keys (tier, text) of the target that no field tells.
    #[serde(rename = "k", default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<(usize, String)>,
    /// The side whose record we deleted because the other was gone, or that came back when both were gone. Whoever
    /// brings one of them back meant it: nothing is deleted again before both are there.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Side>,
    /// The record that is left should have been deleted, and the remote refused.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub undeleted: Option<Box<Undeleted>>,
    /// The figures that the pipeline compares (`expect`), by the name of the comparison; absent until they are read.
    #[serde(rename = "x", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, [Cell; 2]>,
}

impl FieldState {
    /// The value observed and not agreed on `side`.
    #[must_use]
    pub const fn pending(&self, side: Side) -> Option<&Cell> {
        match side {
            Side::Source => self.pending_source.as_ref(),
            Side::Target => self.pending_target.as_ref(),
        }
    }

    /// The place of the value observed and not agreed on `side`.
    pub const fn pending_mut(&mut self, side: Side) -> &mut Option<Cell> {
        match side {
            Side::Source => &mut self.pending_source,
            Side::Target => &mut self.pending_target,
        }
    }

    /// The present value of `side`: pending, else base; `None` if it was never observed.
    #[must_use]
    pub fn present(&self, side: Side) -> Option<&Cell> {
        self.pending(side).or_else(|| self.base.as_ref().map(|base| &base[side.index()]))
    }

    /// A person's choice was made in view of both values: it does not cover a value that the losing side takes later.
    pub(super) fn forget_choice(&mut self, moved: Side) {
        if self.winner == Some(moved.other()) {
            self.winner = None;
        }
    }
}

impl Link {
    /// Forgets what both sides last agreed on: the pair stays, and meets as on a first run.
    pub fn forget_agreements(&mut self) {
        for state in self.fields.values_mut() {
            if let Some([source, target]) = state.base.take() {
                state.pending_source.get_or_insert(source);
                state.pending_target.get_or_insert(target);
            }
            (state.believed, state.winner, state.motion) = (None, None, None);
        }
        for mark in &mut self.marks {
            (mark.version, mark.edited_at) = (None, None);
        }
        self.revision += 1;
    }

    /// The id on `side`.
    #[must_use]
    pub const fn id(&self, side: Side) -> &RecordId {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    /// What was last observed of `side`.
    #[must_use]
    pub const fn mark(&self, side: Side) -> &Mark {
        match side {
            Side::Source => &self.marks[0],
            Side::Target => &self.marks[1],
        }
    }
}
