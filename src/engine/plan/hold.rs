//! What is not written now: left alone with its reason, held by a guard, or kept for a later run.

use chrono::{DateTime, Utc};

use super::{CHUNK, Planned, notes::note_parked};
use crate::{
    config::{Pipeline, PipelineName},
    engine::{
        EngineError, HeldReport, Mode,
        deliver::{keys_of_unlinked, reindex},
        run::Run,
        step::{Newcomer, Step},
    },
    record::{RecordId, Side},
    store::{Approval, Changes, Due, HeldRun, Hold, Parked, Spill, Stage},
    sync::{Damage, Held, judge},
};

impl Run<'_> {
    /// Remembers a record that is left alone, with why.
    #[expect(clippy::needless_pass_by_value, reason = "whoever hands a newcomer over is done with it")]
    pub(in crate::engine) fn leave(
        &self,
        changes: &mut Changes,
        pipeline: &Pipeline,
        newcomer: Newcomer,
        parked: &[Parked],
        waits_for: &[(PipelineName, RecordId)],
        again: Option<DateTime<Utc>>,
    ) {
        let side = newcomer.side;
        let id = newcomer.fresh.observation.id.clone();
        // A rejected source record of a one-way pipeline can be nobody's candidate; it needs no match keys. One that may
        // enter, where nothing is made of it, is to be found by whoever comes.
        let invites = newcomer.fresh.admitted && !pipeline.creates.on(side.other());
        let matchable = !parked.is_empty() || pipeline.writes(side) || !waits_for.is_empty() || invites;
        let keys = if matchable { keys_of_unlinked(pipeline, side, &newcomer.fresh) } else { Vec::new() };
        let meanwhile = self.was_read_again(pipeline, &newcomer);
        changes.together(|atomic| {
            if (!newcomer.stored || newcomer.changed) && !meanwhile {
                atomic.fresh(&pipeline.name, side, &newcomer.fresh);
            }
            reindex(atomic, &pipeline.name, side, &id, &newcomer.old_keys, &keys);
            if invites {
                // It may have been known before as one that may not enter.
                reindex(atomic, &pipeline.name, side, &id, &[], &keys);
            }
            if newcomer.stored || !parked.is_empty() {
                note_parked(atomic, pipeline, side, &id, parked);
            }
            for (awaited, awaited_id) in waits_for {
                atomic.wait((awaited, awaited_id), (&pipeline.name, side, &id));
            }
            match again {
                Some(at) => atomic.due(&pipeline.name, side, &id, &Due { at, why: "to be tried again".to_owned() }),
                None if newcomer.stored => atomic.done(&pipeline.name, side, &id),
                None => {}
            }
        });
    }

    /// Remembers everything a plan would have applied, as seen and due: the plan is held, or may not be applied.
    pub(in crate::engine) async fn keep_planned(
        &mut self,
        pipeline: &Pipeline,
        steps: Spill<Step>,
    ) -> Result<(), EngineError> {
        for chunk in steps.chunks(CHUNK) {
            let mut changes = Changes::new();
            for step in chunk? {
                match step {
                    Step::Create { newcomer, .. } | Step::Succeed { newcomer, .. } => {
                        self.keep_newcomer(&mut changes, pipeline, *newcomer, "held");
                    }
                    Step::Link { newcomers, .. } => {
                        for newcomer in *newcomers {
                            self.keep_newcomer(&mut changes, pipeline, newcomer, "held");
                        }
                    }
                    // The link and its due entry are in the store already.
                    Step::Update { .. } => {}
                }
            }
            self.engine.ledger.commit(changes).await?;
        }
        Ok(())
    }

    /// Remembers what was spilled for a pipeline that cannot be planned.
    pub(in crate::engine) async fn keep_spilled(&mut self, pipeline: &Pipeline) -> Result<(), EngineError> {
        let Some(spill) = self.spills.remove(&pipeline.name) else { return Ok(()) };
        let readings = self.readings(pipeline);
        let mut place = 0;
        for chunk in spill.chunks(CHUNK) {
            let mut changes = Changes::new();
            for newcomer in readings.last_readings(chunk?, &mut place) {
                self.keep_newcomer(&mut changes, pipeline, newcomer, "new");
            }
            self.engine.ledger.commit(changes).await?;
        }
        Ok(())
    }

    /// Remembers a newcomer as seen and due now.
    #[expect(clippy::needless_pass_by_value, reason = "whoever hands a newcomer over is done with it")]
    pub(in crate::engine) fn keep_newcomer(
        &self,
        changes: &mut Changes,
        pipeline: &Pipeline,
        newcomer: Newcomer,
        why: &str,
    ) {
        if newcomer.stored && newcomer.old_keys.is_empty() && !pipeline.writes(newcomer.side.other()) {
            return;
        }
        let (side, id) = (newcomer.side, newcomer.fresh.observation.id.clone());
        if self.was_read_again(pipeline, &newcomer) {
            return; // remembered as it was read last, and due
        }
        let keys = keys_of_unlinked(pipeline, side, &newcomer.fresh);
        let at = self.engine.clock.now();
        changes.together(|atomic| {
            atomic.fresh(&pipeline.name, side, &newcomer.fresh);
            reindex(atomic, &pipeline.name, side, &id, &newcomer.old_keys, &keys);
            if pipeline.writes(side.other()) {
                atomic.due(&pipeline.name, side, &id, &Due { at, why: why.to_owned() });
            }
        });
    }

    /// Judges the counts of a plan. `Some` holds it.
    pub(in crate::engine) async fn guard(
        &mut self,
        pipeline: &Pipeline,
        planned: &Planned,
    ) -> Result<Option<HeldReport>, EngineError> {
        if planned.is_empty() {
            if self.state_mut(&pipeline.name).await?.stage == Stage::Running {
                self.release_held(pipeline).await?;
            }
            return Ok(None);
        }
        let now = self.engine.clock.now();
        let damage = sum(&planned.damage);
        let what = self.kind_of_hold();
        let state = self.state_mut(&pipeline.name).await?.clone();
        let keep = self.engine.config.settings.reload.keep_held;
        // What waited too long, or was answered too long ago, is asked anew. A first run is approved as a whole.
        let waits = |old: &HeldRun| state.stage == Stage::Unapproved || old.waits_until(keep) > now;
        let old = self.engine.ledger.held(&pipeline.name, what).await?.filter(waits);
        // The rest of a run that was held is no smaller because it is planned again.
        let before = old.as_ref().filter(|old| old.config == pipeline.hash).map(|old| old.earlier).unwrap_or_default();
        let written = self.damage.get(&pipeline.name).copied().unwrap_or_default();
        let earlier = [before[0] + written[0], before[1] + written[1]];
        let guards = match state.stage {
            Stage::Unapproved => Vec::new(),
            Stage::Approved | Stage::Running => {
                // A first run that a person approved may do anything but delete: that is no part of a first run.
                let exempt = |held: &Held| state.stage == Stage::Approved && held.guard != "deletes";
                let mut tripped = Vec::new();
                for side in Side::BOTH {
                    let damage = planned.damage[side.index()] + earlier[side.index()];
                    let judged = judge(&pipeline.guards, damage, state.links);
                    tripped.extend(judged.into_iter().filter(|held| !exempt(held)));
                }
                if tripped.is_empty() {
                    // What an approved first run writes is no part of what later rounds are judged by, but deletions.
                    let counted = match state.stage {
                        Stage::Approved => planned.damage.map(|it| Damage { deletes: it.deletes, ..Damage::default() }),
                        Stage::Unapproved | Stage::Running => planned.damage,
                    };
                    self.count_damage(pipeline, counted);
                    self.release_held(pipeline).await?;
                    return Ok(None);
                }
                tripped
            }
        };
        if old.as_ref().is_some_and(|old| old.config == pipeline.hash && is_approved(old, planned, damage)) {
            self.release_held(pipeline).await?;
            return Ok(None);
        }
        let id = short_id(pipeline, what, (&damage, planned.number));
        let (since, approval) = match &old {
            Some(old) if old.id == id => (old.since, old.approval),
            // A person who said no is not asked again because it does less by now.
            Some(old) if old.approval == Approval::Rejected && old.config == pipeline.hash => {
                if no_more_than(&damage, &old.damage) { (old.since, old.approval) } else { (now, Approval::Waiting) }
            }
            _ => (now, Approval::Waiting),
        };
        let again = match &old {
            Some(old) if old.id == id => old.message.clone(),
            Some(old) if old.approval == Approval::Approved => Some(format!(
                "it was approved when the plan was another one: {}; `reconciled approve {id}` approves the present one",
                changed(&old.damage, &damage)
            )),
            _ => None,
        };
        let put_back = state.put_back.then(|| {
            format!(
                "what is remembered is of an earlier time (the store was put back, or another copy of it ran); \
                 `reconciled plan {0}` shows what would be written, `reconciled approve {0}` goes on",
                pipeline.name
            )
        });
        let message = self.request.revert.as_ref().map(|revert| {
            let over: Vec<_> = guards.iter().map(|held| format!("{} {}", held.count, held.guard)).collect();
            let over = if over.is_empty() { "its first run is not approved".to_owned() } else { over.join(", ") };
            format!(
                "taking back {} is over a guard ({over}); `reconciled approve {id}`, then the same `revert` again",
                revert.run
            )
        });
        let message = message.or(put_back).or(again);
        let held = HeldRun {
            id: id.clone(),
            pipeline: pipeline.name.clone(),
            what,
            message: message.clone(),
            since,
            damage,
            guards: guards.clone(),
            earlier,
            config: pipeline.hash,
            plan: Some(planned.number),
            except: Vec::new(),
            approval,
        };
        if self.request.mode == Mode::Sync {
            let mut changes = Changes::new();
            changes.together(|atomic| atomic.hold(&held));
            self.engine.ledger.commit(changes).await?;
        }
        Ok(Some(HeldReport { id, guards, damage, earlier: sum(&earlier), message }))
    }

    /// What is written now counts when the next round is judged.
    fn count_damage(&mut self, pipeline: &Pipeline, damage: [Damage; 2]) {
        if self.request.mode == Mode::Sync {
            let counted = self.damage.entry(pipeline.name.clone()).or_default();
            *counted = [counted[0] + damage[0], counted[1] + damage[1]];
        }
    }

    pub(in crate::engine) async fn release_held(&self, pipeline: &Pipeline) -> Result<(), EngineError> {
        let what = self.kind_of_hold();
        if self.request.mode == Mode::Sync && self.engine.ledger.held(&pipeline.name, what).await?.is_some() {
            let mut changes = Changes::new();
            changes.together(|atomic| atomic.release(&pipeline.name, what));
            self.engine.ledger.commit(changes).await?;
        }
        Ok(())
    }

    /// What a guard of this run holds.
    const fn kind_of_hold(&self) -> Hold {
        if self.request.revert.is_some() { Hold::Revert } else { Hold::Plan }
    }
}

fn sum(damage: &[Damage; 2]) -> Damage {
    damage[0] + damage[1]
}

/// Whether a person let exactly this plan go ahead, with what was left out of the approval.
fn is_approved(old: &HeldRun, planned: &Planned, damage: Damage) -> bool {
    let (left, number) = planned.left_out.of(&old.except);
    old.approval == Approval::Approved
        && no_more_than(&(damage + left), &old.damage)
        && old.plan.is_none_or(|shown| shown == planned.number.wrapping_add(number))
}

const fn no_more_than(now: &Damage, shown: &Damage) -> bool {
    now.creates <= shown.creates
        && now.touched <= shown.touched
        && now.blanked <= shown.blanked
        && now.deletes <= shown.deletes
        && now.keys <= shown.keys
}

/// How a plan differs from the one that was approved.
fn changed(then: &Damage, now: &Damage) -> String {
    if then == now {
        return "other records, or other values, of the same number".to_owned();
    }
    let told =
        |damage: &Damage| format!("{} creates, {} writes, {} deletes", damage.creates, damage.touched, damage.deletes);
    format!("{} then, {} now", told(then), told(now))
}

/// A short name for a held plan: the same plan of the same configuration has the same name.
fn short_id(pipeline: &Pipeline, what: Hold, (damage, number): (&Damage, u64)) -> String {
    let text = format!("{}:{}:{what:?}:{damage:?}:{number}", pipeline.name, pipeline.hash);
    format!("{:06x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()) & 0xff_ffff)
}
