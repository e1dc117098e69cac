//! A record without a link: link it, create its counterpart, or say why not.

use chrono::NaiveDate;

use super::{Context, Finding, Fresh, Link, Observation, RecordWrite};
use crate::{
    config::PipelineName,
    record::{RecordId, Side},
};

/// Another record that a match key names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its id, on the side stated by where it stands in [`TierHits`].
    pub id: RecordId,
    /// Name for people.
    pub label: String,
    /// The record it is linked with, if any.
    pub linked_with: Option<RecordId>,
    /// Whether its own side's filter admits it.
    pub admitted: bool,
}

/// What one match tier found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TierHits {
    /// The tier's position in the pipeline.
    pub tier: usize,
    /// Records of the other side with this key.
    pub candidates: Vec<Candidate>,
    /// Other records of the same side with this key.
    pub rivals: Vec<Candidate>,
}

/// What to do about a record without a link.
#[derive(Clone, Debug, PartialEq)]
pub enum FreshDecision {
    /// It is the same as that record of the other side.
    Link {
        /// The other side's id.
        with: RecordId,
    },
    /// Create its counterpart.
    Create(RecordWrite),
    /// Nothing now.
    Leave {
        /// Why; parked, waiting, rejected or skipped.
        finding: Finding,
        /// Candidates to show to a person.
        candidates: Vec<Candidate>,
        /// Linked records it waits for.
        waits_for: Vec<(PipelineName, RecordId)>,
        /// The first day on which time alone may change the answer.
        again_on: Option<NaiveDate>,
    },
}

/// Decides about `record` of `side`, which has no link, given what every tier found (one entry per tier whose key is
/// not blank).
#[must_use]
pub fn decide_new(_context: &Context<'_>, _side: Side, _record: &Fresh, _hits: &[TierHits]) -> FreshDecision {
    unimplemented!()
}

/// The link of two records that matched, nothing agreed yet: every value is pending, so that [`super::decide_link`]
/// applies the first-run rule.
#[must_use]
pub fn link_matched(_context: &Context<'_>, _source: &Observation, _target: &Observation, _born: super::Born) -> Link {
    unimplemented!()
}
