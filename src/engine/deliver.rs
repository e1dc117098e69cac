//! Delivering what was read: laid beside a link, or remembered as seen, or spilled.

use chrono::TimeDelta;
use serde_json::Value;

use super::{EngineError, elements::readings, lookups::Questions, pull::Attached, run::Run, step::Newcomer};
use crate::{
    config::{OnLeave, Pipeline, PipelineName},
    connector::RemoteRecord,
    mapping::{Verdict, admit, match_key},
    record::{Projection, RecordId, Side},
    store::{Atomic, Changes, Due, MatchKey},
    sync::{Change, Fresh, Link, Observation, observe},
};

/// So many records of one key are looked at again when another one comes; more could not be told apart anyway.
const SHOWN: usize = 20;

/// A reading of one end of a pipeline.
pub(super) fn observation(pipeline: &Pipeline, side: Side, record: &RemoteRecord, skew: TimeDelta) -> Observation {
    Observation {
        id: record.id.clone(),
        projection: pipeline.end(side).spec.read(&record.body),
        label: record.label.clone(),
        version: record.version.clone(),
        edited_at: record.updated_at.map(|stamp| stamp + skew),
        gone: record.gone,
        merged: record.merged_into.clone(),
    }
}

/// The match keys a projection is found by: tier and text.
pub(super) fn keys_of(pipeline: &Pipeline, side: Side, projection: &Projection) -> Vec<(usize, String)> {
    let tiers = pipeline.tiers.iter().enumerate();
    tiers.filter_map(|(tier, keys)| match_key(keys, side, projection).map(|text| (tier, text))).collect()
}

/// What is known of the projection of a linked record: its fields' present values.
pub(super) fn projection_of(pipeline: &Pipeline, side: Side, link: &Link) -> Projection {
    projection_at(pipeline, side, link, |_| true)
}

/// As [`projection_of`], of the `wanted` slots alone.
fn projection_at(pipeline: &Pipeline, side: Side, link: &Link, wanted: impl Fn(usize) -> bool) -> Projection {
    let slots = pipeline.end(side).spec.slots.len();
    let mut cells = vec![crate::record::Cell::Absent; slots];
    for field in &pipeline.fields {
        let slots = &field.end(side).slots;
        if !slots.iter().any(|slot| wanted(*slot)) {
            continue;
        }
        let Some(present) = link.fields.get(&field.id).and_then(|state| state.present(side)) else { continue };
        if let [slot] = slots.as_slice() {
            if let Some(cell) = cells.get_mut(*slot) {
                *cell = present.clone();
            }
        } else if let Some(Value::Array(values)) = present.value() {
            for (slot, value) in slots.iter().zip(values) {
                if let Some(cell) = cells.get_mut(*slot) {
                    *cell = crate::record::Cell::Value(value.clone());
                }
            }
        }
    }
    Projection { cells }
}

/// Whether a record was read under another configuration: its values lie in other places.
pub(super) fn is_outdated(pipeline: &Pipeline, side: Side, fresh: &Fresh) -> bool {
    fresh.spec_hash != pipeline.end(side).spec_hash
}

/// The match keys under which a record without a link can be found: none, where it was read under another configuration.
pub(super) fn keys_of_unlinked(pipeline: &Pipeline, side: Side, fresh: &Fresh) -> Vec<(usize, String)> {
    if is_outdated(pipeline, side, fresh) {
        return Vec::new();
    }
    keys_of(pipeline, side, &fresh.observation.projection)
}

/// The match keys under which a linked record of the target can be found: from what is known of its values, and for
/// tiers that look at values which are not fields, as it was read last.
/// Where both records are gone there is nothing left to be found.
pub(super) fn keys_of_linked(pipeline: &Pipeline, link: &Link) -> Vec<(usize, String)> {
    if link.marks.iter().all(|mark| mark.gone) {
        return Vec::new();
    }
    let looked_at = |slot| {
        let mut pairs = pipeline.tiers.iter().flat_map(|tier| &tier.keys);
        pairs.any(|pair| pair.slots[Side::Target.index()] == slot)
    };
    let mut keys = keys_of(pipeline, Side::Target, &projection_at(pipeline, Side::Target, link, looked_at));
    keys.retain(|(tier, _)| !is_beside(pipeline, *tier));
    keys.extend(link.beside.iter().filter(|(tier, _)| is_beside(pipeline, *tier)).cloned());
    keys
}

/// Remembers with a link the match keys of its target that its fields do not tell.
pub(super) fn note_keys(pipeline: &Pipeline, link: &mut Link, target: &Projection) {
    if (0..pipeline.tiers.len()).any(|tier| is_beside(pipeline, tier)) {
        link.beside = keys_of(pipeline, Side::Target, target);
        link.beside.retain(|(tier, _)| is_beside(pipeline, *tier));
    }
}

/// Whether a tier looks at a value of the target that no field of its own holds.
fn is_beside(pipeline: &Pipeline, tier: usize) -> bool {
    let told = |slot: usize| {
        pipeline.fields.iter().any(|field| {
            let end = field.end(Side::Target);
            end.slots == [slot] && !end.masked
        })
    };
    pipeline.tiers.get(tier).is_some_and(|tier| tier.keys.iter().any(|pair| !told(pair.slots[Side::Target.index()])))
}

impl Run<'_> {
    /// Delivers records of one end. Nothing here is durable before the next flush, and nothing needs to be: the
    /// cursor moves later still.
    pub(super) async fn deliver(
        &mut self,
        attached: &Attached,
        records: &[RemoteRecord],
        skew: TimeDelta,
    ) -> Result<(), EngineError> {
        Box::pin(self.deliver_counting(attached, records, skew)).await.map(drop)
    }

    /// As [`Run::deliver`]; says how many linked records are just as they were left.
    pub(super) async fn deliver_counting(
        &mut self,
        attached: &Attached,
        records: &[RemoteRecord],
        skew: TimeDelta,
    ) -> Result<u64, EngineError> {
        let (pipeline, side) = (attached.pipeline.clone(), attached.side);
        let (observations, parents) = readings(&pipeline, side, records, skew);
        let read = observations.len() as u64;
        let ids: Vec<RecordId> = observations.iter().map(|seen| seen.id.clone()).collect();
        let links = self.engine.ledger.links_of(&pipeline.name, side, &ids).await?;
        let unlinked: Vec<RecordId> =
            ids.iter().zip(&links).filter(|(_, link)| link.is_none()).map(|(id, _)| id.clone()).collect();
        let mut remembered = self.engine.ledger.fresh(&pipeline.name, side, &unlinked).await?.into_iter();
        let in_run = self.is_planned(&pipeline.name);
        let old = self.may_be_old(&pipeline, side, &ids).await?;
        let mut changes = Changes::new();
        let (mut moved, mut as_left) = (0_u64, 0_u64);
        for ((observation, link), old) in observations.into_iter().zip(links).zip(old) {
            let told = if let Some(link) = link {
                if old {
                    continue;
                }
                let told = self.deliver_linked(&mut changes, attached, link, &observation).await?;
                as_left += u64::from(!told);
                told
            } else {
                let old = remembered.next().flatten();
                self.deliver_unlinked(&mut changes, attached, observation, old).await?
            };
            moved += u64::from(told);
        }
        if in_run {
            let tally = &mut self.report_of(&pipeline.name).tally;
            tally.read += read;
            tally.unchanged += read - moved;
        }
        self.changes_seen |= moved > 0;
        self.engine.ledger.commit(changes).await?;
        for parent in parents {
            self.settle_parent(&pipeline, side, parent).await?;
        }
        Ok(as_left)
    }

    /// Returns whether there is anything to decide.
    async fn deliver_linked(
        &mut self,
        changes: &mut Changes,
        attached: &Attached,
        mut link: Link,
        seen: &Observation,
    ) -> Result<bool, EngineError> {
        let (pipeline, side) = (&*attached.pipeline, attached.side);
        if link.mark(side).hash == seen.projection.hash() && link.mark(side).gone == seen.gone {
            let change = observe(pipeline, &mut link, side, seen, false);
            if change != Change::Nothing {
                let due = Due { at: self.engine.clock.now(), why: format!("read anew on the {side}") };
                changes.together(|atomic| {
                    atomic.relink(&pipeline.name, &link);
                    // The same record, but other fields of it: a configuration came and went.
                    if change == Change::Moved {
                        atomic.due(&pipeline.name, Side::Source, &link.source, &due);
                        let keys = keys_of_linked(pipeline, &link);
                        reindex(atomic, &pipeline.name, Side::Target, &link.target, &[], &keys);
                    }
                });
            }
            return Ok(change == Change::Moved);
        }
        let was_paused = link.mark(side).paused;
        let old_keys = keys_of_linked(pipeline, &link);
        let old_reference = self.references(pipeline, side, &projection_of(pipeline, side, &link));
        let change = observe(pipeline, &mut link, side, seen, false);
        let mut moved = change == Change::Moved;
        // A record that is gone has not left its filter: what is left of its body says nothing.
        if pipeline.on_leave != OnLeave::Keep && change != Change::Nothing && !seen.gone {
            let rejected = self.rejects(pipeline, side, seen).await?;
            if rejected && pipeline.on_leave == OnLeave::Release {
                self.release(changes, pipeline, (&link, &old_keys), side, seen).await?;
                return Ok(true);
            }
            link.marks[side.index()].paused = rejected;
            moved |= was_paused != rejected;
        }
        if change == Change::Nothing {
            return Ok(false);
        }
        if side == Side::Target && !seen.gone {
            note_keys(pipeline, &mut link, &seen.projection);
        }
        let new_keys = keys_of_linked(pipeline, &link);
        let now = self.engine.clock.now();
        changes.together(|atomic| {
            atomic.relink(&pipeline.name, &link);
            if moved {
                let why = format!("changed on the {side}");
                atomic.due(&pipeline.name, Side::Source, &link.source, &Due { at: now, why });
            }
            if old_keys != new_keys {
                reindex(atomic, &pipeline.name, Side::Target, &link.target, &old_keys, &new_keys);
            }
        });
        if side == Side::Source {
            self.note_references(changes, pipeline, seen, &old_reference).await?;
        }
        Ok(moved)
    }

    /// Dissolves a link whose record left its filter. Both records stay known, so that they find each other again, and
    /// neither has a counterpart made for it: it has one. All of that in one group: a power cut that left one of them
    /// unknown would have it taken for new.
    async fn release(
        &mut self,
        changes: &mut Changes,
        pipeline: &Pipeline,
        (link, old_keys): (&Link, &[(usize, String)]),
        side: Side,
        seen: &Observation,
    ) -> Result<(), EngineError> {
        let other = Observation {
            id: link.id(side.other()).clone(),
            projection: projection_of(pipeline, side.other(), link),
            label: link.label.clone(),
            version: None,
            edited_at: None,
            gone: link.mark(side.other()).gone,
            merged: None,
        };
        changes.together(|atomic| {
            atomic.unlink(&pipeline.name, link);
            atomic.unpark(&pipeline.name, Side::Source, &link.source);
            atomic.done(&pipeline.name, Side::Source, &link.source);
            reindex(atomic, &pipeline.name, Side::Target, &link.target, old_keys, &[]);
            for (side, observation) in [(side, seen.clone()), (side.other(), other)] {
                if observation.gone {
                    continue;
                }
                let keys = keys_of(pipeline, side, &observation.projection);
                let (spec_hash, id) = (pipeline.end(side).spec_hash, observation.id.clone());
                let fresh = Fresh { released: true, ..Fresh::new(observation, spec_hash) };
                atomic.fresh(&pipeline.name, side, &fresh);
                reindex(atomic, &pipeline.name, side, &id, &[], &keys);
            }
        });
        let state = self.state_mut(&pipeline.name).await?;
        state.links = state.links.saturating_sub(1);
        self.released.insert(pipeline.name.clone());
        Ok(())
    }

    /// Whether it is unknown what became of a create of this pipeline on this side.
    fn create_is_open(&self, pipeline: &Pipeline, side: Side) -> bool {
        self.open_creates.iter().any(|(name, written, _)| *name == pipeline.name && *written == side)
            || self.doubtful.iter().any(|(_, open)| open.pipeline == pipeline.name && open.side == side)
    }

    async fn deliver_unlinked(
        &mut self,
        changes: &mut Changes,
        attached: &Attached,
        observation: Observation,
        old: Option<Fresh>,
    ) -> Result<bool, EngineError> {
        let (pipeline, side) = (attached.pipeline.clone(), attached.side);
        let end = pipeline.end(side);
        let same_spec = old.as_ref().is_some_and(|old| old.spec_hash == end.spec_hash);
        let old_keys = match &old {
            Some(old) if same_spec => keys_of(&pipeline, side, &old.observation.projection),
            _ => Vec::new(),
        };
        if observation.gone {
            // A deleted record can neither enter nor be matched.
            if old.is_some() {
                changes.together(|atomic| {
                    atomic.forget_fresh(&pipeline.name, side, &observation.id);
                    atomic.done(&pipeline.name, side, &observation.id);
                    atomic.unpark(&pipeline.name, side, &observation.id);
                    reindex(atomic, &pipeline.name, side, &observation.id, &old_keys, &[]);
                });
            }
            // Of what is spilled the last reading counts, which may be yet to come.
            if self.pulled_again > 0 && !attached.spill {
                self.read_meanwhile.insert((pipeline.name.clone(), side, observation.id.clone()), true);
            }
            // This run may have read it before, while it was there.
            if attached.spill && self.spilled_keys.contains_key(&pipeline.name) {
                let fresh = Fresh::new(observation, end.spec_hash);
                self.spill(&pipeline, &Newcomer { side, fresh, stored: false, changed: true, old_keys: Vec::new() })?;
            }
            return Ok(false);
        }
        if same_spec && old.as_ref().is_some_and(|old| old.observation.projection == observation.projection) {
            return Ok(false);
        }
        let stored = old.is_some();
        let suffixed = old.as_ref().is_some_and(|old| old.suffixed);
        let released = old.as_ref().is_some_and(|old| old.released);
        let doubted = old.as_ref().is_some_and(|old| old.doubted);
        let late = old.as_ref().map_or_else(|| self.create_is_open(&pipeline, side), |old| old.late);
        let old_reference = old.map(|old| self.references(&pipeline, side, &old.observation.projection));
        if side == Side::Source {
            self.note_references(changes, &pipeline, &observation, &old_reference.unwrap_or_default()).await?;
        }
        let fresh = Fresh { suffixed, released, doubted, late, ..Fresh::new(observation, end.spec_hash) };
        // Creates of unknown outcome are looked up in the store, and what they were made from is taken from there.
        let awaited = self.doubtful.iter().any(|(_, open)| open.pipeline == pipeline.name);
        if attached.spill && !awaited {
            self.spill(&pipeline, &Newcomer { side, fresh, stored, changed: true, old_keys })?;
            return Ok(true);
        }
        let originates = pipeline.writes(side.other());
        if self.pulled_again > 0 {
            self.read_meanwhile.insert((pipeline.name.clone(), side, fresh.observation.id.clone()), false);
        }
        let keys = keys_of(&pipeline, side, &fresh.observation.projection);
        let now = self.engine.clock.now();
        changes.together(|atomic| {
            atomic.fresh(&pipeline.name, side, &fresh);
            reindex(atomic, &pipeline.name, side, &fresh.observation.id, &old_keys, &keys);
            if originates {
                let why = if stored { "changed" } else { "new" }.to_owned();
                atomic.due(&pipeline.name, side, &fresh.observation.id, &Due { at: now, why });
            }
        });
        if !originates && !pipeline.creates.on(side) {
            let told = keys.iter().filter(|key| !old_keys.contains(key));
            self.look_for_who_waits(changes, &pipeline, side, told, &fresh.observation.label).await?;
        }
        Ok(originates)
    }

    /// Where nothing is made on `side`, records of the other one are left alone until they match something. Whoever comes,
    /// or takes another key, has them looked at again.
    async fn look_for_who_waits(
        &self,
        changes: &mut Changes,
        pipeline: &Pipeline,
        side: Side,
        keys: impl Iterator<Item = &(usize, String)>,
        label: &str,
    ) -> Result<(), EngineError> {
        for (tier, text) in keys {
            let at = MatchKey { pipeline: &pipeline.name, side: side.other(), tier: *tier, text };
            for id in self.engine.ledger.matches(&at, SHOWN).await? {
                let due = Due { at: self.engine.clock.now(), why: format!("{label} came on the {side}") };
                changes.together(|atomic| atomic.due(&pipeline.name, side.other(), &id, &due));
            }
        }
        Ok(())
    }

    /// Whether the filter of this end rejects the reading for certain.
    pub(super) async fn rejects(
        &self,
        pipeline: &Pipeline,
        side: Side,
        seen: &Observation,
    ) -> Result<bool, EngineError> {
        Ok(matches!(self.verdict(pipeline, side, seen).await?, Verdict::Rejected { .. }))
    }

    /// What the filter of this end says of a reading.
    pub(super) async fn verdict(
        &self,
        pipeline: &Pipeline,
        side: Side,
        seen: &Observation,
    ) -> Result<Verdict, EngineError> {
        let mut questions = Questions::new(pipeline);
        questions.about(side, &seen.id, &seen.projection);
        let known = self.fetch(questions).await?;
        Ok(admit(&pipeline.end(side).filter, &seen.id, &seen.projection, &known))
    }

    /// Marks a linked record as gone from a side, or forgets an unlinked one.
    pub(super) async fn mark_gone(
        &mut self,
        pipeline: &Pipeline,
        side: Side,
        id: &RecordId,
    ) -> Result<(), EngineError> {
        let Some(mut link) = self.engine.ledger.link(&pipeline.name, side, id).await? else { return Ok(()) };
        if self.may_be_old(pipeline, side, std::slice::from_ref(id)).await?.contains(&true) {
            return Ok(());
        }
        let old_keys = keys_of_linked(pipeline, &link);
        link.marks[side.index()].gone = true;
        link.revision += 1;
        let new_keys = keys_of_linked(pipeline, &link);
        let mut changes = Changes::new();
        let due = Due { at: self.engine.clock.now(), why: format!("gone from the {side}") };
        changes.together(|atomic| {
            atomic.relink(&pipeline.name, &link);
            atomic.due(&pipeline.name, Side::Source, &link.source, &due);
            reindex(atomic, &pipeline.name, Side::Target, &link.target, &old_keys, &new_keys);
        });
        self.changes_seen = true;
        self.engine.ledger.commit(changes).await?;
        Ok(())
    }
}

/// Moves a record from its old match keys to its new ones.
pub(super) fn reindex(
    atomic: &mut Atomic,
    pipeline: &PipelineName,
    side: Side,
    id: &RecordId,
    old: &[(usize, String)],
    new: &[(usize, String)],
) {
    for (tier, text) in old.iter().filter(|key| !new.contains(key)) {
        atomic.forget_match_key(&MatchKey { pipeline, side, tier: *tier, text }, id);
    }
    for (tier, text) in new.iter().filter(|key| !old.contains(key)) {
        atomic.match_key(&MatchKey { pipeline, side, tier: *tier, text }, id);
    }
}
