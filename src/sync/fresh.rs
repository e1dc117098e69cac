//! A record without a link: link it, create its counterpart, or say why not.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    Context, Finding, FindingKind, Fresh, Link, Observation, ParkCode, RecordWrite, create, observe::observe,
    settle::blank_link,
};
use crate::{
    config::{Pipeline, PipelineName, Then},
    mapping::{self, Verdict},
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
    /// A person took their link apart.
    pub kept_apart: bool,
    /// The one record of its link that is gone, if it is linked and the other one is there.
    pub gone: Option<Side>,
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
    /// It takes the place of the record that is linked with that one and is gone: a remote gave the same thing a new id,
    /// or a person made it anew.
    Succeed {
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
///
/// Under `unique:` the rivals of a source record must be those with the same [`super::unique_key`] that are linked or
/// of a lesser [`super::unique_rank`]: it steps back for them.
#[must_use]
pub fn decide_new(context: &Context<'_>, side: Side, record: &Fresh, hits: &[TierHits]) -> FreshDecision {
    let pipeline = context.pipeline;
    let observation = &record.observation;
    if observation.gone {
        return skip(format!("deleted on the {side}"));
    }
    if let Some(left) = before_cut_over(context, side, observation) {
        return left;
    }
    let found = Found::gather(context.pipeline, side, hits);
    if let (Some(_), Side::Source, Some(kept)) = (&pipeline.unique, side, found.rivals.values().next()) {
        return skip(format!("{} has the same value and is the one to keep", kept.label));
    }
    let verdict = mapping::admit(&pipeline.end(side).filter, &observation.id, &observation.projection, context.lookups);
    if found.candidates.is_empty() {
        return found.create(context, side, record, verdict);
    }
    found.link(pipeline, side, verdict)
}

/// Whether what the tiers find for `record` can change what [`decide_new`] says of it. It cannot where the filter rejects
/// it and its side is never written: then it is neither matched nor created, whoever shares its keys.
#[must_use]
pub fn needs_hits(context: &Context<'_>, side: Side, record: &Fresh) -> bool {
    let (pipeline, seen) = (context.pipeline, &record.observation);
    let ranked = pipeline.unique.is_some() && side == Side::Source;
    let admit = || mapping::admit(&pipeline.end(side).filter, &seen.id, &seen.projection, context.lookups);
    pipeline.writes(side) || ranked || !matches!(admit(), Verdict::Rejected { .. })
}

/// The link of two records that matched, nothing agreed yet: every value is pending, so that [`super::decide_link`]
/// applies the first-run rule.
#[must_use]
pub fn link_matched(context: &Context<'_>, source: &Observation, target: &Observation, born: super::Born) -> Link {
    let label = if source.label.is_empty() { &target.label } else { &source.label };
    let mut link = blank_link(&source.id, &target.id, born, label);
    observe(context.pipeline, &mut link, Side::Source, source, false);
    observe(context.pipeline, &mut link, Side::Target, target, false);
    link
}

/// The link when `seen` takes the place of its record of `side`, which is gone. Where both are as was agreed last, they stay
/// agreed. A field that flows both ways and differs has no history: nobody can tell what was typed after the other, nor
/// whether the newcomer is somebody else who shares the key, so the rule for two records that match applies.
#[must_use]
pub fn succeed(pipeline: &Pipeline, link: &Link, side: Side, seen: &Observation) -> Link {
    let mut link = link.clone();
    match side {
        Side::Source => link.source = seen.id.clone(),
        Side::Target => link.target = seen.id.clone(),
    }
    // Still gone: that it is there again is what the reading tells.
    let gone = link.mark(side).gone;
    link.marks[side.index()] = super::Mark { gone, ..super::Mark::default() };
    observe(pipeline, &mut link, side, seen, false);
    for field in pipeline.fields.iter().filter(|field| Side::BOTH.iter().all(|side| field.flow.writes(*side))) {
        let Some(state) = link.fields.get_mut(&field.id).filter(|state| state.pairs.is_empty()) else { continue };
        if state.base.is_some() && (state.pending_source.is_some() || state.pending_target.is_some()) {
            [state.pending_source, state.pending_target] = Side::BOTH.map(|side| state.present(side).cloned());
            state.base = None;
        }
    }
    link
}

/// Records dated before the cut-over are left alone; one without a date is for a person to judge.
fn before_cut_over(context: &Context<'_>, side: Side, observation: &Observation) -> Option<FreshDecision> {
    let cut_over = context.pipeline.cut_over.as_ref().filter(|_| side == Side::Source)?;
    let day = cut_over.from;
    match mapping::cut_over_day(cut_over, &observation.projection, context.lookups) {
        Some(date) if date < day => Some(skip(format!("dated {date}, before the cut-over on {day}"))),
        Some(_) => None,
        None => {
            let message = format!("has no date to compare with the cut-over on {day}");
            Some(leave(FindingKind::Parked(ParkCode::Unmappable), message))
        }
    }
}

/// What all tiers found together.
struct Found<'a> {
    candidates: BTreeMap<&'a RecordId, &'a Candidate>,
    rivals: BTreeMap<&'a RecordId, &'a Candidate>,
    /// Records of the same side and key that are gone: they stand in nobody's way, and their counterparts are there.
    gone: BTreeMap<&'a RecordId, &'a Candidate>,
    tiers: Vec<usize>,
}

impl<'a> Found<'a> {
    /// A tier that only proposes names records a person may want to look at. It is no claim that they are the same,
    /// so a candidate that is linked already is no proposal, and its rivals stand in nobody's way (a family shares
    /// name and postcode).
    fn gather(pipeline: &Pipeline, side: Side, hits: &'a [TierHits]) -> Self {
        let (candidates, rivals, gone) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut found = Self { candidates, rivals, gone, tiers: Vec::new() };
        for hit in hits {
            let proposed = pipeline.tiers.get(hit.tier).is_some_and(|tier| tier.then == Then::Propose);
            let candidates = hit.candidates.iter().filter(|c| !proposed || c.linked_with.is_none());
            let candidates: Vec<_> = candidates.map(|candidate| (&candidate.id, candidate)).collect();
            if !candidates.is_empty() {
                found.tiers.push(hit.tier);
            }
            found.candidates.extend(candidates);
            if !proposed {
                for rival in &hit.rivals {
                    let among = if rival.gone == Some(side) { &mut found.gone } else { &mut found.rivals };
                    among.insert(&rival.id, rival);
                }
            }
        }
        found
    }

    /// Link the one candidate, or say why not.
    fn link(&self, pipeline: &Pipeline, side: Side, verdict: Verdict) -> FreshDecision {
        let enters = verdict == Verdict::Admitted && pipeline.writes(side.other());
        let invited = pipeline.writes(side) && self.candidates.values().any(|candidate| candidate.admitted);
        if !enters && !invited {
            return not_admitted(verdict, || {
                format!("it matches {}, and neither of them may enter", names(&self.candidates))
            });
        }
        let park = |code, message| park(code, message, &self.candidates);
        let mut candidates = self.candidates.values();
        let (Some(candidate), None) = (candidates.next(), candidates.next()) else {
            return park(ParkCode::Ambiguous, format!("matches several records: {}", names(&self.candidates)));
        };
        if candidate.kept_apart {
            let message = format!("matches {}, from which a person took it apart", candidate.label);
            return park(ParkCode::Proposed, message);
        }
        if candidate.gone == Some(side) && self.rivals.is_empty() {
            return FreshDecision::Succeed { with: candidate.id.clone() };
        }
        if let Some(other) = &candidate.linked_with {
            if pipeline.unique.is_some() && side == Side::Source {
                let kept = &candidate.label;
                return skip(format!("{kept} is linked with another of the same value, which is the one to keep"));
            }
            let message = format!("matches {}, which is linked with {} already", candidate.label, self.name(other));
            return park(ParkCode::Taken, message);
        }
        if !self.rivals.is_empty() {
            let rivals = names(&self.rivals);
            return park(ParkCode::Ambiguous, format!("matches {}, and so does {rivals}", candidate.label));
        }
        let proposed = self.tiers.iter().all(|tier| pipeline.tiers.get(*tier).is_some_and(|t| t.then == Then::Propose));
        if proposed {
            return park(ParkCode::Proposed, format!("may be the same as {}", candidate.label));
        }
        FreshDecision::Link { with: candidate.id.clone() }
    }

    /// Create the counterpart, or say why not.
    fn create(&self, context: &Context<'_>, side: Side, record: &Fresh, verdict: Verdict) -> FreshDecision {
        let (pipeline, other) = (context.pipeline, side.other());
        if let Verdict::Rejected { .. } = verdict {
            return not_admitted(verdict, String::new);
        }
        if let Some(with) = self.place_of_one_that_is_gone() {
            return FreshDecision::Succeed { with: with.clone() };
        }
        if !(pipeline.creates.on(other) && pipeline.writes(other)) {
            return skip(format!("matches nothing, and nothing is created on the {other} (`creates:`, `direction:`)"));
        }
        if verdict != Verdict::Admitted {
            return not_admitted(verdict, String::new);
        }
        if let Some(linked) = self.rivals.values().find(|rival| rival.linked_with.is_some()) {
            let message = format!("{} has the same key and is linked already", linked.label);
            return park(ParkCode::Taken, message, &self.rivals);
        }
        if let Some(gone) = self.gone.values().next() {
            let message = format!("{} had the same key and is gone, and its counterpart is still there", gone.label);
            return park(ParkCode::Taken, message, &self.gone);
        }
        if self.rivals.values().any(|rival| rival.admitted) {
            let message = format!("shares its key with {}", names(&self.rivals));
            return park(ParkCode::Ambiguous, message, &self.rivals);
        }
        if record.released {
            let message = format!("was linked, was released (`on_leave`), and matches nothing on the {other} now");
            return park(ParkCode::Proposed, message, &self.rivals);
        }
        create::create(context, side, record)
    }

    /// The counterpart of the one record of this side and key that is gone. (A linked record is found by its target's keys
    /// only, so a new target finds its predecessor, and not the source that goes with it.)
    fn place_of_one_that_is_gone(&self) -> Option<&'a RecordId> {
        let mut gone = self.gone.values();
        match (gone.next(), gone.next()) {
            (Some(predecessor), None) if self.rivals.is_empty() => predecessor.linked_with.as_ref(),
            _ => None,
        }
    }

    /// The name of a record of this side, if it is among those found.
    fn name(&self, id: &'a RecordId) -> &str {
        self.rivals.get(id).map_or(id.as_str(), |rival| &rival.label)
    }
}

/// Why a record may not enter.
fn not_admitted(verdict: Verdict, otherwise: impl FnOnce() -> String) -> FreshDecision {
    match verdict {
        Verdict::Rejected { reason, until } => {
            let finding = Finding { kind: FindingKind::Rejected, field: None, message: reason };
            FreshDecision::Leave { finding, candidates: Vec::new(), waits_for: Vec::new(), again_on: until }
        }
        Verdict::Unknown { waits_for } => {
            let message = format!("waits until {waits_for} has been read in full");
            leave(FindingKind::Waiting(waits_for), message)
        }
        Verdict::Admitted => leave(FindingKind::Rejected, otherwise()),
    }
}

fn names(records: &BTreeMap<&RecordId, &Candidate>) -> String {
    records.values().map(|record| record.label.as_str()).collect::<Vec<_>>().join(", ")
}

pub(super) fn leave(kind: FindingKind, message: String) -> FreshDecision {
    let finding = Finding { kind, field: None, message };
    FreshDecision::Leave { finding, candidates: Vec::new(), waits_for: Vec::new(), again_on: None }
}

pub(super) fn skip(message: String) -> FreshDecision {
    leave(FindingKind::Skipped, message)
}

fn park(code: ParkCode, message: String, shown: &BTreeMap<&RecordId, &Candidate>) -> FreshDecision {
    let finding = Finding { kind: FindingKind::Parked(code), field: None, message };
    let candidates = shown.values().map(|candidate| (*candidate).clone()).collect();
    FreshDecision::Leave { finding, candidates, waits_for: Vec::new(), again_on: None }
}
