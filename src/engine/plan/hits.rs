//! What the match tiers find for a record.

use std::collections::{HashMap, HashSet};

use super::{CHUNK, SHOWN};
use crate::{
    config::Pipeline,
    engine::{EngineError, deliver::keys_of, run::Run, step::Newcomer},
    mapping::Verdict,
    record::{RecordId, Side},
    store::{MatchKey, Spill},
    sync::{Candidate, Fresh, TierHits, UniqueRank, unique_rank},
};

/// Match keys that several spilled records share: tier and key to the records.
pub(super) type Twins = HashMap<(usize, String), Vec<Twin>>;

/// A spilled record that shares a match key with another.
pub(super) struct Twin {
    id: RecordId,
    label: String,
    rank: UniqueRank,
}

impl Run<'_> {
    /// What every tier finds for a newcomer.
    pub(in crate::engine) async fn hits(
        &self,
        pipeline: &Pipeline,
        newcomer: &Newcomer,
        indexed: [bool; 2],
        twins: &Twins,
    ) -> Result<Vec<TierHits>, EngineError> {
        let side = newcomer.side;
        let own = &newcomer.fresh.observation.id;
        let mut all = Vec::new();
        for (tier, text) in keys_of(pipeline, side, &newcomer.fresh.observation.projection) {
            let mut hits = TierHits { tier, ..TierHits::default() };
            for at_side in Side::BOTH {
                if !indexed[at_side.index()] {
                    continue;
                }
                let at = MatchKey { pipeline: &pipeline.name, side: at_side, tier, text: &text };
                let ids = self.engine.ledger.matches(&at, SHOWN).await?;
                for id in ids.into_iter().filter(|id| at_side != side || id != own) {
                    let Some(candidate) = self.candidate(pipeline, at_side, id).await? else { continue };
                    if at_side == side {
                        if self.outranks(pipeline, side, &candidate, &newcomer.fresh).await? {
                            hits.rivals.push(candidate);
                        }
                    } else {
                        hits.candidates.push(candidate);
                    }
                }
            }
            for twin in twins.get(&(tier, text)).into_iter().flatten().filter(|twin| twin.id != *own) {
                let ranked = pipeline.unique.is_some() && side == Side::Source;
                let behind = ranked && twin.rank > unique_rank(pipeline, side, &newcomer.fresh);
                if !behind && !hits.rivals.iter().any(|rival| rival.id == twin.id) && hits.rivals.len() < SHOWN {
                    let (id, label) = (twin.id.clone(), twin.label.clone());
                    hits.rivals.push(Candidate { id, label, linked_with: None, admitted: true });
                }
            }
            all.push(hits);
        }
        Ok(all)
    }

    /// Whether another record of the same key is a rival. Under `unique:` only one that comes first is: linked, or
    /// earlier in the order.
    pub(in crate::engine) async fn outranks(
        &self,
        pipeline: &Pipeline,
        side: Side,
        other: &Candidate,
        fresh: &Fresh,
    ) -> Result<bool, EngineError> {
        if pipeline.unique.is_none() || side != Side::Source || other.linked_with.is_some() {
            return Ok(true);
        }
        let others = self.engine.ledger.fresh(&pipeline.name, side, std::slice::from_ref(&other.id)).await?;
        let rank = unique_rank(pipeline, side, fresh);
        Ok(others.into_iter().flatten().any(|other| unique_rank(pipeline, side, &other) < rank))
    }

    pub(in crate::engine) async fn candidate(
        &self,
        pipeline: &Pipeline,
        side: Side,
        id: RecordId,
    ) -> Result<Option<Candidate>, EngineError> {
        if let Some(link) = self.engine.ledger.link(&pipeline.name, side, &id).await? {
            let linked_with = Some(link.id(side.other()).clone());
            return Ok(Some(Candidate { id, label: link.label, linked_with, admitted: true }));
        }
        let fresh = self.engine.ledger.fresh(&pipeline.name, side, &[id.clone()]).await?.into_iter().next().flatten();
        let Some(fresh) = fresh else { return Ok(None) };
        let verdict = self.verdict(pipeline, side, &fresh.observation).await?;
        let label = fresh.observation.label;
        Ok(Some(Candidate { id, label, linked_with: None, admitted: verdict == Verdict::Admitted }))
    }
}

/// Finds spilled records that share a match key with another one. Keys are counted by hash first, so that memory holds
/// texts only for the few that really are shared.
pub(super) fn twins(pipeline: &Pipeline, spill: &Spill<Newcomer>) -> Result<Twins, EngineError> {
    let mut twins = Twins::new();
    if pipeline.tiers.is_empty() {
        return Ok(twins);
    }
    let hash = |tier: usize, text: &str| xxhash_rust::xxh3::xxh3_64_with_seed(text.as_bytes(), tier as u64);
    let mut once = HashSet::new();
    let mut often = HashSet::new();
    for chunk in spill.chunks(CHUNK) {
        for newcomer in chunk? {
            for (tier, text) in keys_of(pipeline, newcomer.side, &newcomer.fresh.observation.projection) {
                let hash = hash(tier, &text);
                if !once.insert(hash) {
                    often.insert(hash);
                }
            }
        }
    }
    if often.is_empty() {
        return Ok(twins);
    }
    for chunk in spill.chunks(CHUNK) {
        for newcomer in chunk? {
            let seen = &newcomer.fresh.observation;
            for (tier, text) in keys_of(pipeline, newcomer.side, &seen.projection) {
                if often.contains(&hash(tier, &text)) {
                    let group = twins.entry((tier, text)).or_default();
                    if group.len() <= SHOWN {
                        let rank = unique_rank(pipeline, newcomer.side, &newcomer.fresh);
                        group.push(Twin { id: seen.id.clone(), label: seen.label.clone(), rank });
                    }
                }
            }
        }
    }
    Ok(twins)
}
