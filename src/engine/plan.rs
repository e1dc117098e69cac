//! Deciding about everything that is new or due, chunk by chunk.

mod doubt;
mod hits;
mod hold;
mod left_out;
mod notes;
mod retry;
mod succeed;
mod writers;

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};

pub(super) use notes::field_name;

use doubt::Made;
pub(super) use hits::KeyCount;
use hits::Twins;
use left_out::LeftOut;
pub(super) use left_out::held_back;
use notes::{next_try, note_parked};
pub(super) use writers::second_writer;
use writers::to_be_linked;

use super::{
    EngineError, Mode,
    apply::Baskets,
    deliver::keys_of,
    elements::record_to_read,
    lookups::{Known, Questions},
    run::Run,
    step::{Newcomer, Step},
};
use crate::{
    config::{ApplyMode, Pipeline, PipelineName},
    record::{RecordId, Side},
    store::{Changes, Due, Pack as _, Spill, Stage},
    sync::{
        Born, Context, Damage, Finding, FindingKind, Fresh, FreshDecision, Link, ParkCode, RecordWrite, decide_link,
        decide_new, link_matched, needs_hits,
    },
};

/// Records decided together; bounds memory.
const CHUNK: usize = 500;
/// Candidates and rivals listed for a person.
const SHOWN: usize = 20;
/// A record that could not be read by id, or was read and told nothing new, is read again after so long.
const READ_AGAIN: TimeDelta = TimeDelta::minutes(10);

/// Where the steps of a plan go.
enum Steps {
    /// To a file, until the guards have judged all of them.
    Spilled(Spill<Step>),
    /// Straight to be applied: nothing is left for a guard to judge (an approved first run).
    Direct(Vec<Step>),
}

/// The steps of one plan, and what they would do to each side.
pub(super) struct Planned {
    steps: Steps,
    count: u64,
    pub damage: [Damage; 2],
    /// A number for exactly these writes, in whatever order they were decided.
    pub number: u64,
    /// Records that a step of this plan writes, links or makes a counterpart for, by hash, and the match keys of those
    /// it makes: the store does not know of it yet, and nothing else may be decided about them. A collision only puts
    /// a record off to the next round.
    claimed: HashSet<u64>,
    /// Of those, links with a record that is gone for which nothing is to be written: a new record may take its place.
    at_rest: HashSet<u64>,
    /// What a person left out of an approval.
    left_out: LeftOut,
}

/// A number for exactly this write.
fn number_of(origin: &RecordId, write: &RecordWrite) -> u64 {
    // The version that it was decided from is left out: it may change with what no pipeline looks at.
    let RecordWrite { side, id, fields, delete, version: _ } = write;
    let mut bytes = Vec::new();
    origin.pack(&mut bytes);
    side.pack(&mut bytes);
    id.pack(&mut bytes);
    delete.pack(&mut bytes);
    fields.pack(&mut bytes);
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

fn claim(side: Side, id: &RecordId) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(id.as_str().as_bytes(), side.index() as u64)
}

/// The claim of a record to be made: nobody else of this key may be made by the same plan, on either side.
fn claim_key(tier: usize, text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(text.as_bytes(), 2 + tier as u64)
}

impl Planned {
    fn new(steps: Steps) -> Self {
        Self {
            steps,
            count: 0,
            damage: [Damage::default(); 2],
            number: 0,
            claimed: HashSet::new(),
            at_rest: HashSet::new(),
            left_out: LeftOut::default(),
        }
    }

    pub(super) fn push(&mut self, step: Step) -> Result<(), EngineError> {
        self.count += 1;
        match &mut self.steps {
            Steps::Spilled(spill) => spill.push(&step)?,
            Steps::Direct(steps) => steps.push(step),
        }
        Ok(())
    }

    /// Counts a write in, with what it is made from and what it overwrites.
    pub(super) fn count_in(&mut self, origin: &RecordId, write: &RecordWrite) {
        self.number = self.number.wrapping_add(number_of(origin, write));
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// An empty plan whose steps go to a file.
    pub(super) fn spilled(spill: Spill<Step>) -> Self {
        Self::new(Steps::Spilled(spill))
    }

    /// Number of steps.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// The steps, if they went to a file.
    pub(super) fn into_spill(self) -> Option<Spill<Step>> {
        match self.steps {
            Steps::Spilled(spill) => Some(spill),
            Steps::Direct(_) => None,
        }
    }
}

impl Run<'_> {
    /// One round for one pipeline. Returns whether anything was written, so that another round may find work.
    pub(super) async fn plan_and_apply(&mut self, pipeline: &Arc<Pipeline>, round: usize) -> Result<bool, EngineError> {
        let mut wrote = false;
        if round == 0 && self.writes_at_once(pipeline).await? {
            wrote = self.plan_and_apply_spilled(pipeline).await?;
        }
        let mut planned = Planned::new(Steps::Spilled(Spill::new(&self.engine.temp)));
        planned.left_out = self.left_out_of(pipeline).await?;
        if round == 0 {
            self.plan_spilled(pipeline, &mut planned).await?;
        }
        self.plan_due(pipeline, &mut planned).await?;
        self.report_of(&pipeline.name).planned += planned.count;
        self.meter.planned(planned.count);
        let held = self.guard(pipeline, &planned).await?;
        self.keep_left_out(pipeline, std::mem::take(&mut planned.left_out)).await?;
        let Steps::Spilled(steps) = planned.steps else { return Ok(wrote) };
        if let Some(held) = held {
            self.report_of(&pipeline.name).held = Some(held);
            if self.request.mode == Mode::Sync {
                self.keep_planned(pipeline, steps).await?;
            }
            return Ok(wrote);
        }
        if self.request.mode != Mode::Sync || steps.is_empty() {
            return Ok(wrote);
        }
        if self.only_looks() {
            self.keep_planned(pipeline, steps).await?;
            return Ok(wrote);
        }
        self.apply(pipeline, steps).await?;
        Ok(true)
    }

    /// Whether nothing is written: its integration only observes, or this is a time in which it does not write.
    pub(super) fn only_looks(&self) -> bool {
        self.integration.apply == ApplyMode::Observe || self.blacked_out().is_some()
    }

    /// Until when its integration writes nothing.
    pub(super) fn blacked_out(&self) -> Option<DateTime<Utc>> {
        self.integration.blacked_out(self.engine.clock.now())
    }

    /// Whether no guard has to see the whole plan before its first write: an approved first run is exempt.
    async fn writes_at_once(&mut self, pipeline: &Pipeline) -> Result<bool, EngineError> {
        let approved = self.state_mut(&pipeline.name).await?.stage == Stage::Approved;
        Ok(approved && self.request.mode == Mode::Sync && !self.only_looks())
    }

    /// Decides about what was spilled and applies it chunk by chunk, batches filled across chunks.
    async fn plan_and_apply_spilled(&mut self, pipeline: &Arc<Pipeline>) -> Result<bool, EngineError> {
        let Some(spill) = self.spills.remove(&pipeline.name) else { return Ok(false) };
        let twins = self.twins(pipeline, &spill)?;
        let mut planned = Planned::new(Steps::Direct(Vec::new()));
        planned.left_out = self.left_out_of(pipeline).await?;
        let mut baskets = Baskets::default();
        let mut place = 0;
        for chunk in spill.chunks(CHUNK) {
            let chunk = twins.last_readings(chunk?, &mut place);
            self.plan_newcomers(pipeline, chunk, &twins, &mut planned).await?;
            if let Steps::Direct(steps) = &mut planned.steps {
                let steps = std::mem::take(steps);
                self.meter.planned(steps.len() as u64);
                self.apply_steps(pipeline, &mut baskets, steps).await?;
            }
        }
        self.apply_rest(pipeline, baskets).await?;
        self.report_of(&pipeline.name).planned += planned.count;
        self.keep_left_out(pipeline, std::mem::take(&mut planned.left_out)).await?;
        Ok(planned.count > 0)
    }

    async fn plan_spilled(&mut self, pipeline: &Arc<Pipeline>, planned: &mut Planned) -> Result<(), EngineError> {
        let Some(spill) = self.spills.remove(&pipeline.name) else { return Ok(()) };
        let twins = self.twins(pipeline, &spill)?;
        let mut place = 0;
        for chunk in spill.chunks(CHUNK) {
            let chunk = twins.last_readings(chunk?, &mut place);
            self.plan_newcomers(pipeline, chunk, &twins, planned).await?;
        }
        if self.request.mode == Mode::Plan {
            // Remembered as spilled, so that `finish` keeps the cursor where it was.
            self.spills.insert(pipeline.name.clone(), spill);
        }
        Ok(())
    }

    async fn plan_due(&mut self, pipeline: &Arc<Pipeline>, planned: &mut Planned) -> Result<(), EngineError> {
        let now = self.engine.clock.now();
        let mut after = None;
        loop {
            let (page, next) = self.engine.ledger.list_due(&pipeline.name, after.as_ref()).await?;
            let ready: Vec<_> = page.into_iter().filter(|(_, _, due)| due.at <= now).collect();
            for chunk in ready.chunks(CHUNK) {
                self.plan_due_chunk(pipeline, chunk, planned).await?;
            }
            match next {
                Some(key) => after = Some(key),
                None => return Ok(()),
            }
        }
    }

    async fn plan_due_chunk(
        &mut self,
        pipeline: &Arc<Pipeline>,
        chunk: &[(Side, RecordId, Due)],
        planned: &mut Planned,
    ) -> Result<(), EngineError> {
        let mut newcomers = Vec::new();
        let mut links = Vec::new();
        let mut changes = Changes::new();
        for side in Side::BOTH {
            let ids: Vec<_> = chunk.iter().filter(|(s, _, _)| *s == side).map(|(_, id, _)| id.clone()).collect();
            let found = self.engine.ledger.links_of(&pipeline.name, side, &ids).await?;
            let unlinked: Vec<_> =
                ids.iter().zip(&found).filter(|(_, link)| link.is_none()).map(|(id, _)| id.clone()).collect();
            let fresh = self.engine.ledger.fresh(&pipeline.name, side, &unlinked).await?;
            for (id, link) in ids.iter().zip(found) {
                let Some(link) = link else { continue };
                if side == Side::Target {
                    changes.together(|atomic| atomic.done(&pipeline.name, side, id));
                }
                links.push(link);
            }
            for (id, fresh) in unlinked.iter().zip(fresh) {
                match fresh {
                    Some(fresh) if fresh.spec_hash == pipeline.end(side).spec_hash => {
                        let old_keys = keys_of(pipeline, side, &fresh.observation.projection);
                        newcomers.push(Newcomer { side, fresh, stored: true, changed: false, old_keys });
                    }
                    // Read under another spec, of a configuration that came and went: the next run reads everything.
                    Some(_) => self.state_mut(&pipeline.name).await?.read[side.index()] = 0,
                    // A parent whose elements were parked is looked at again by reading it.
                    None if pipeline.end(side).elements.is_some() && *id == record_to_read(pipeline.end(side), id) => {
                        changes.together(|atomic| atomic.done(&pipeline.name, side, id));
                        self.read_record(pipeline, side, id).await?;
                    }
                    // Not known (any more): the pull that reads it makes it due again.
                    None => changes.together(|atomic| atomic.done(&pipeline.name, side, id)),
                }
            }
        }
        self.engine.ledger.commit(changes).await?;
        self.plan_links(pipeline, links, planned).await?;
        self.plan_newcomers(pipeline, newcomers, &Twins::default(), planned).await
    }

    async fn plan_links(
        &mut self,
        pipeline: &Arc<Pipeline>,
        links: Vec<Link>,
        planned: &mut Planned,
    ) -> Result<(), EngineError> {
        let known = self.known_for_links(pipeline, &links).await?;
        let context = Context { pipeline, lookups: &known, now: self.engine.clock.now() };
        let mut changes = Changes::new();
        let mut unread = Vec::new();
        for (link, ripe) in self.ripe(pipeline, links).await? {
            // Due under both its ids it would be decided about twice.
            if self.is_busy(&pipeline.name, &link) || !planned.claimed.insert(claim(Side::Source, &link.source)) {
                continue;
            }
            let decision = decide_link(&context, &link);
            if decision.writes.iter().any(|write| write.delete)
                && let Some(label) = self.successor(pipeline, &link).await?
            {
                let message = format!("deleted; first it is decided whether {label}, of the same key, takes its place");
                let finding = Finding { kind: FindingKind::Skipped, field: None, message };
                self.list_findings(pipeline, Side::Source, &link.source, &link.label, &[finding]);
                planned.claimed.remove(&claim(Side::Source, &link.source));
                continue;
            }
            let moved = decision.link.is_some() || ripe;
            let link = decision.link.unwrap_or(link);
            if decision.unread {
                unread.push(link.clone());
            }
            self.list_findings(pipeline, Side::Source, &link.source, &link.label, &decision.findings);
            let parked = self.parked_of(pipeline, &link, &decision.findings).await?;
            changes.together(|atomic| {
                if moved {
                    atomic.relink(&pipeline.name, &link);
                }
                // What is tried again stays listed, with its attempts, until it is answered.
                if !ripe || decision.writes.is_empty() {
                    note_parked(atomic, pipeline, Side::Source, &link.source, &parked);
                }
                for (awaited, id) in &decision.waits_for {
                    atomic.wait((awaited, id), (&pipeline.name, Side::Source, &link.source));
                }
                let again = decision.again_on.map(|day| self.start_of(day)).or_else(|| next_try(&parked));
                match again {
                    _ if !decision.writes.is_empty() => {}
                    Some(at) => {
                        let why = "to be tried again".to_owned();
                        atomic.due(&pipeline.name, Side::Source, &link.source, &Due { at, why });
                    }
                    // It is read by id below, and looked at again.
                    None if decision.unread => {}
                    None => atomic.done(&pipeline.name, Side::Source, &link.source),
                }
            });
            if decision.writes.is_empty() && Side::BOTH.iter().any(|side| link.mark(*side).gone) {
                planned.at_rest.insert(claim(Side::Source, &link.source));
            }
            for write in decision.writes {
                self.plan_write(pipeline, &link, write, planned)?;
            }
        }
        self.engine.ledger.commit(changes).await?;
        for link in unread {
            self.read_unread(pipeline, &link).await?;
        }
        Ok(())
    }

    /// A value that must be known was never read: the record is read by id, once a run, and decided about in the next
    /// round.
    async fn read_unread(&mut self, pipeline: &Arc<Pipeline>, link: &Link) -> Result<(), EngineError> {
        // Read already, and still not known: it could not be read, or what was shown may be old.
        let first = self.read_by_id.insert((pipeline.name.clone(), link.source.clone()));
        let at = self.engine.clock.now() + if first { TimeDelta::zero() } else { READ_AGAIN };
        let mut changes = Changes::new();
        let due = Due { at, why: "a value of it is not known".to_owned() };
        changes.together(|atomic| atomic.due(&pipeline.name, Side::Source, &link.source, &due));
        self.engine.ledger.commit(changes).await?;
        if !first {
            return Ok(());
        }
        for side in Side::BOTH {
            if pipeline.end(side).resource.get.is_some() && !self.is_down(&pipeline.end(side).connection.name) {
                self.read_record(pipeline, side, link.id(side)).await?;
            }
        }
        Ok(())
    }

    async fn plan_newcomers(
        &mut self,
        pipeline: &Arc<Pipeline>,
        newcomers: Vec<Newcomer>,
        twins: &Twins,
        planned: &mut Planned,
    ) -> Result<(), EngineError> {
        let mut questions = Questions::new(pipeline);
        for newcomer in &newcomers {
            questions.about(newcomer.side, &newcomer.fresh.observation.id, &newcomer.fresh.observation.projection);
        }
        let known = self.fetch(questions).await?;
        let context = Context { pipeline, lookups: &known, now: self.engine.clock.now() };
        let indexed = [
            self.engine.ledger.has_match_keys(&pipeline.name, Side::Source).await?,
            self.engine.ledger.has_match_keys(&pipeline.name, Side::Target).await?,
        ];
        let mut changes = Changes::new();
        for mut newcomer in newcomers {
            let (side, id) = (newcomer.side, newcomer.fresh.observation.id.clone());
            if planned.claimed.contains(&claim(side, &id)) || self.is_gone_by_now(pipeline, side, &id) {
                continue;
            }
            if self.busy.contains(&(pipeline.name.clone(), side, id.clone())) {
                self.keep_newcomer(&mut changes, pipeline, newcomer, "the outcome of its last write is unknown");
                continue;
            }
            let hits = if needs_hits(&context, side, &newcomer.fresh) {
                self.hits(pipeline, &newcomer, indexed, twins).await?
            } else {
                Vec::new()
            };
            let decision = decide_new(&context, side, &newcomer.fresh, &hits);
            if let Some(ids) = to_be_linked(&decision, side, &id)
                && let Some(finding) = second_writer(&self.engine.ledger, pipeline, ids).await?
            {
                self.put_aside(&mut changes, pipeline, newcomer, &finding).await?;
                continue;
            }
            let made = self.may_be_made(pipeline, &newcomer, &decision).await?;
            if made != Made::No {
                self.leave_doubtful(&mut changes, pipeline, newcomer, made).await?;
                continue;
            }
            match decision {
                FreshDecision::Create(_) if self.may_be_ours(pipeline, &newcomer) => {
                    let why = "it may be what a write of unknown outcome made";
                    self.keep_newcomer(&mut changes, pipeline, newcomer, why);
                }
                FreshDecision::Create(_) if self.resembles_ours(pipeline, &newcomer) => {
                    let message = "may be what a write of unknown outcome made".to_owned();
                    let finding = Finding { kind: FindingKind::Parked(ParkCode::Proposed), field: None, message };
                    self.put_aside(&mut changes, pipeline, newcomer, &finding).await?;
                }
                FreshDecision::Create(write) => {
                    let keys = keys_of(pipeline, side, &newcomer.fresh.observation.projection);
                    let keys: Vec<u64> = keys.iter().map(|(tier, text)| claim_key(*tier, text)).collect();
                    if keys.iter().any(|key| planned.claimed.contains(key)) {
                        self.keep_newcomer(&mut changes, pipeline, newcomer, "another of the same key is made first");
                        continue;
                    }
                    planned.claimed.extend(keys);
                    planned.claimed.insert(claim(side, &id));
                    self.plan_create(pipeline, newcomer, write, planned)?;
                }
                FreshDecision::Succeed { with } => {
                    self.plan_succession(&mut changes, pipeline, newcomer, &with, planned).await?;
                }
                FreshDecision::Link { with }
                    if self.unknown.contains(&(pipeline.name.clone(), side.other(), with.clone())) =>
                {
                    let message = format!("matches {with}, of which it is unknown whether it has a counterpart");
                    let finding = Finding { kind: FindingKind::Parked(ParkCode::Taken), field: None, message };
                    self.put_aside(&mut changes, pipeline, newcomer, &finding).await?;
                }
                FreshDecision::Link { with } => {
                    let other =
                        self.engine.ledger.fresh(&pipeline.name, side.other(), std::slice::from_ref(&with)).await?;
                    let unknown = self.busy.contains(&(pipeline.name.clone(), side.other(), with.clone()));
                    let other = other.into_iter().next().flatten().filter(|_| !unknown);
                    let (Some(other), false) = (other, planned.claimed.contains(&claim(side.other(), &with))) else {
                        self.keep_newcomer(&mut changes, pipeline, newcomer, "its match is being decided about");
                        continue;
                    };
                    planned.claimed.extend([claim(side, &id), claim(side.other(), &with)]);
                    self.plan_match(pipeline, newcomer, other, planned).await?;
                }
                FreshDecision::Leave { finding, candidates, waits_for, again_on } => {
                    let label = newcomer.fresh.observation.label.clone();
                    self.list_findings(pipeline, side, &id, &label, std::slice::from_ref(&finding));
                    let parked = self.parked_newcomer(pipeline, side, &newcomer.fresh, &finding, &candidates).await?;
                    let again = again_on.map(|day| self.start_of(day)).or_else(|| next_try(&parked));
                    // What waits for another pipeline to be read in full is woken by nobody: ask again in each run.
                    let unread = matches!(finding.kind, FindingKind::Waiting(_)) && waits_for.is_empty();
                    let again = again.or_else(|| unread.then(|| self.engine.clock.now()));
                    newcomer.fresh.admitted = !matches!(finding.kind, FindingKind::Rejected);
                    self.leave(&mut changes, pipeline, newcomer, &parked, &waits_for, again);
                }
            }
        }
        self.engine.ledger.commit(changes).await?;
        Ok(())
    }

    /// Puts a record aside for what was found about it.
    async fn put_aside(
        &mut self,
        changes: &mut Changes,
        pipeline: &Pipeline,
        newcomer: Newcomer,
        finding: &Finding,
    ) -> Result<(), EngineError> {
        let (side, seen) = (newcomer.side, &newcomer.fresh.observation);
        self.list_findings(pipeline, side, &seen.id, &seen.label, std::slice::from_ref(finding));
        let parked = self.parked_newcomer(pipeline, side, &newcomer.fresh, finding, &[]).await?;
        self.leave(changes, pipeline, newcomer, &parked, &[], next_try(&parked));
        Ok(())
    }

    /// Two records that match: the link is decided about at once, as any link without history.
    async fn plan_match(
        &mut self,
        pipeline: &Arc<Pipeline>,
        newcomer: Newcomer,
        other: Fresh,
        planned: &mut Planned,
    ) -> Result<(), EngineError> {
        let other_keys = keys_of(pipeline, newcomer.side.other(), &other.observation.projection);
        let other =
            Newcomer { side: newcomer.side.other(), fresh: other, stored: true, changed: false, old_keys: other_keys };
        let both = if newcomer.side == Side::Source { [newcomer, other] } else { [other, newcomer] };
        let mut questions = Questions::new(pipeline);
        for newcomer in &both {
            questions.about(newcomer.side, &newcomer.fresh.observation.id, &newcomer.fresh.observation.projection);
        }
        let known = self.fetch(questions).await?;
        let context = Context { pipeline, lookups: &known, now: self.engine.clock.now() };
        let link = link_matched(&context, &both[0].fresh.observation, &both[1].fresh.observation, Born::Matched);
        let decision = decide_link(&context, &link);
        let link = decision.link.unwrap_or(link);
        self.list_findings(pipeline, Side::Source, &link.source, &link.label, &decision.findings);
        self.note_link(pipeline, &link);
        planned.push(Step::Link { link: Box::new(link.clone()), newcomers: Box::new(both) })?;
        for write in decision.writes {
            self.plan_write(pipeline, &link, write, planned)?;
        }
        Ok(())
    }

    /// What deciding about these links needs to know of others.
    pub(super) async fn known_for_links(&self, pipeline: &Pipeline, links: &[Link]) -> Result<Known, EngineError> {
        let mut questions = Questions::new(pipeline);
        for link in links {
            questions.about_link(link);
        }
        self.fetch(questions).await
    }

    pub(super) fn is_busy(&self, pipeline: &PipelineName, link: &Link) -> bool {
        Side::BOTH.iter().any(|side| self.busy.contains(&(pipeline.clone(), *side, link.id(*side).clone())))
    }
}
