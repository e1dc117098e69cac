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

/// What spilled records have in common.
#[derive(Default)]
pub(in crate::engine) struct Twins {
    /// Match keys that several of them share: tier and key to the records.
    shared: HashMap<(usize, String), Vec<Twin>>,
    /// Records that were read more than once, by hash, with the place (from 1) of the last reading.
    last: HashMap<u64, usize>,
}

impl Twins {
    /// Of a record that was read twice (a listing shifts while it is read) the last reading counts, also if it says that
    /// the record is gone. `place` goes on from chunk to chunk.
    pub fn last_readings(&self, mut chunk: Vec<Newcomer>, place: &mut usize) -> Vec<Newcomer> {
        chunk.retain(|newcomer| {
            *place += 1;
            let hash = super::claim(newcomer.side, &newcomer.fresh.observation.id);
            self.last.get(&hash).is_none_or(|last| *last == *place) && !newcomer.fresh.observation.gone
        });
        chunk
    }
}

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
                        let (source, target) =
                            if side == Side::Source { (own, &candidate.id) } else { (&candidate.id, own) };
                        let kept_apart = self.engine.ledger.are_apart(&pipeline.name, source, target).await?;
                        hits.candidates.push(Candidate { kept_apart, ..candidate });
                    }
                }
            }
            for twin in twins.shared.get(&(tier, text)).into_iter().flatten().filter(|twin| twin.id != *own) {
                let ranked = pipeline.unique.is_some() && side == Side::Source;
                let behind = ranked && twin.rank > unique_rank(pipeline, side, &newcomer.fresh);
                if !behind && !hits.rivals.iter().any(|rival| rival.id == twin.id) && hits.rivals.len() < SHOWN {
                    let (id, label) = (twin.id.clone(), twin.label.clone());
                    hits.rivals.push(Candidate {
                        id,
                        label,
                        linked_with: None,
                        admitted: true,
                        kept_apart: false,
                        gone: None,
                    });
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
            let whole = |side: Side| !link.mark(side).gone && link.mark(side).merged.is_none();
            let gone = Side::BOTH.into_iter().find(|gone| {
                let mark = link.mark(*gone);
                mark.gone && mark.merged.is_none() && whole(gone.other())
            });
            return Ok(Some(Candidate { id, label: link.label, linked_with, admitted: true, kept_apart: false, gone }));
        }
        let fresh = self
            .engine
            .ledger
            .fresh(&pipeline.name, side, std::slice::from_ref(&id))
            .await?
            .into_iter()
            .next()
            .flatten();
        let Some(fresh) = fresh else { return Ok(None) };
        let verdict = self.verdict(pipeline, side, &fresh.observation).await?;
        let label = fresh.observation.label;
        let admitted = verdict == Verdict::Admitted;
        Ok(Some(Candidate { id, label, linked_with: None, admitted, kept_apart: false, gone: None }))
    }
}

/// Counts match keys and ids by hash, so that memory holds eight bytes for each, and texts only for the few keys that
/// are really shared.
#[derive(Debug, Default)]
pub(in crate::engine) struct KeyCount {
    keys: Vec<u64>,
    ids: Vec<u64>,
}

impl KeyCount {
    /// Counts a record and its keys.
    pub fn count(&mut self, side: Side, id: &RecordId, keys: &[(usize, String)]) {
        self.ids.push(super::claim(side, id));
        self.keys.extend(keys.iter().map(Self::hash));
    }

    /// The keys that were counted more than once.
    fn shared(&mut self) -> HashSet<u64> {
        self.keys.sort_unstable();
        self.keys.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect()
    }

    /// The records that were counted more than once, with the place (from 1) of the last time.
    fn repeated(&self) -> HashMap<u64, usize> {
        let mut places: Vec<(u64, usize)> = self.ids.iter().copied().zip(1..).collect();
        places.sort_unstable();
        places.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[1]).collect()
    }

    fn hash((tier, text): &(usize, String)) -> u64 {
        xxhash_rust::xxh3::xxh3_64_with_seed(text.as_bytes(), *tier as u64)
    }
}

impl Run<'_> {
    /// Which of the readings of spilled records count.
    pub(super) fn readings(&mut self, pipeline: &Pipeline) -> Twins {
        let last = self.spilled_keys.remove(&pipeline.name).map(|keys| keys.repeated()).unwrap_or_default();
        Twins { last, ..Twins::default() }
    }

    /// The spilled records that share a match key with another one.
    pub(super) fn twins(&mut self, pipeline: &Pipeline, spill: &Spill<Newcomer>) -> Result<Twins, EngineError> {
        let mut twins = Twins::default();
        let Some(mut keys) = self.spilled_keys.remove(&pipeline.name) else { return Ok(twins) };
        twins.last = keys.repeated();
        let shared = keys.shared();
        drop(keys);
        if shared.is_empty() {
            return Ok(twins);
        }
        let mut place = 0;
        for chunk in spill.chunks(CHUNK) {
            for newcomer in twins.last_readings(chunk?, &mut place) {
                let seen = &newcomer.fresh.observation;
                for key in keys_of(pipeline, newcomer.side, &seen.projection) {
                    if !shared.contains(&KeyCount::hash(&key)) {
                        continue;
                    }
                    let group = twins.shared.entry(key).or_default();
                    if group.len() <= SHOWN {
                        let rank = unique_rank(pipeline, newcomer.side, &newcomer.fresh);
                        group.push(Twin { id: seen.id.clone(), label: seen.label.clone(), rank });
                    }
                }
            }
        }
        Ok(twins)
    }
}
