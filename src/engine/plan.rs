//! Deciding about everything that is new or due, chunk by chunk.

mod hits;
mod hold;
mod notes;

use std::{collections::HashSet, sync::Arc};

pub(super) use notes::field_name;

use hits::{Twins, twins};
use notes::{next_try, note_parked};

use super::{
    EngineError, Mode, Verb,
    deliver::keys_of,
    lookups::{Known, Questions},
    run::Run,
    step::{Newcomer, Step},
};
use crate::{
    config::{Content, Pipeline, PipelineName},
    record::{RecordId, Side},
    store::{Changes, Due, Spill},
    sync::{Born, Context, Damage, Fresh, FreshDecision, Link, decide_link, decide_new, link_matched},
};

/// Records decided together; bounds memory.
const CHUNK: usize = 500;
/// Candidates and rivals listed for a person.
const SHOWN: usize = 20;

/// The steps of one plan, and what they would do to each side.
pub(super) struct Planned {
    pub steps: Spill<Step>,
    pub damage: [Damage; 2],
    /// Records that a step of this plan links, by hash: they are not linked in the store yet, and nothing else may be
    /// decided about them. A collision only puts a record off to the next round.
    claimed: HashSet<u64>,
}

fn claim(side: Side, id: &RecordId) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(id.as_str().as_bytes(), side.index() as u64)
}

impl Run<'_> {
    /// One round for one pipeline. Returns whether anything was written, so that another round may find work.
    pub(super) async fn plan_and_apply(&mut self, pipeline: &Arc<Pipeline>, round: usize) -> Result<bool, EngineError> {
        let mut planned =
            Planned { steps: Spill::new(&self.engine.temp), damage: [Damage::default(); 2], claimed: HashSet::new() };
        if round == 0 {
            self.plan_spilled(pipeline, &mut planned).await?;
        }
        self.plan_due(pipeline, &mut planned).await?;
        let steps = planned.steps.len() as u64;
        self.report_of(&pipeline.name).planned += steps;
        if let Some(held) = self.guard(pipeline, &planned).await? {
            self.report_of(&pipeline.name).held = Some(held);
            if self.request.mode == Mode::Sync {
                self.keep_planned(pipeline, planned.steps).await?;
            }
            return Ok(false);
        }
        if self.request.mode != Mode::Sync || steps == 0 {
            return Ok(false);
        }
        if self.integration.apply == crate::config::ApplyMode::Observe {
            self.keep_planned(pipeline, planned.steps).await?;
            return Ok(false);
        }
        self.apply(pipeline, planned.steps).await?;
        Ok(true)
    }

    async fn plan_spilled(&mut self, pipeline: &Arc<Pipeline>, planned: &mut Planned) -> Result<(), EngineError> {
        let Some(spill) = self.spills.remove(&pipeline.name) else { return Ok(()) };
        let twins = twins(pipeline, &spill)?;
        for chunk in spill.chunks(CHUNK) {
            let chunk = chunk?;
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
                        newcomers.push(Newcomer { side, fresh, stored: true, old_keys });
                    }
                    // Not known (any more), or read under another spec: the pull that reads it makes it due again.
                    _ => changes.together(|atomic| atomic.done(&pipeline.name, side, id)),
                }
            }
        }
        self.engine.ledger.commit(changes).await?;
        self.plan_links(pipeline, links, planned).await?;
        self.plan_newcomers(pipeline, newcomers, &Twins::new(), planned).await
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
        for link in links {
            if self.is_busy(&pipeline.name, &link) {
                continue;
            }
            let decision = decide_link(&context, &link);
            let moved = decision.link.is_some();
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
                note_parked(atomic, pipeline, Side::Source, &link.source, &parked);
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
                    None => atomic.done(&pipeline.name, Side::Source, &link.source),
                }
            });
            for write in decision.writes {
                self.note_step(pipeline, planned, &link.label, &link.source, Verb::Update, &write);
                planned.steps.push(&Step::Update { source: link.source.clone(), label: link.label.clone(), write })?;
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
        if !self.read_by_id.insert((pipeline.name.clone(), link.source.clone())) {
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
        for newcomer in newcomers {
            let (side, id) = (newcomer.side, newcomer.fresh.observation.id.clone());
            if planned.claimed.contains(&claim(side, &id)) {
                continue;
            }
            if self.busy.contains(&(pipeline.name.clone(), side, id.clone())) {
                self.keep_newcomer(&mut changes, pipeline, newcomer, "the outcome of its last write is unknown");
                continue;
            }
            let hits = self.hits(pipeline, &newcomer, indexed, twins).await?;
            match decide_new(&context, side, &newcomer.fresh, &hits) {
                FreshDecision::Create(write) => {
                    let label = &newcomer.fresh.observation.label;
                    self.note_step(pipeline, planned, label, &id, Verb::Create, &write);
                    planned.steps.push(&Step::Create { newcomer: Box::new(newcomer), write })?;
                }
                FreshDecision::Link { with } => {
                    let other = self.engine.ledger.fresh(&pipeline.name, side.other(), &[with.clone()]).await?;
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
                    self.leave(&mut changes, pipeline, newcomer, &parked, &waits_for, again);
                }
            }
        }
        self.engine.ledger.commit(changes).await?;
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
        let other = Newcomer { side: newcomer.side.other(), fresh: other, stored: true, old_keys: other_keys };
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
        planned.steps.push(&Step::Link { link: Box::new(link.clone()), newcomers: Box::new(both) })?;
        for write in decision.writes {
            self.note_step(pipeline, planned, &link.label, &link.source, Verb::Update, &write);
            planned.steps.push(&Step::Update { source: link.source.clone(), label: link.label.clone(), write })?;
        }
        Ok(())
    }

    async fn known_for_links(&self, pipeline: &Pipeline, links: &[Link]) -> Result<Known, EngineError> {
        let mut questions = Questions::new(pipeline);
        for field in &pipeline.fields {
            let Content::Mapped { reference: Some(referred), .. } = &field.content else { continue };
            for state in links.iter().filter_map(|link| link.fields.get(&field.id)) {
                for side in Side::BOTH {
                    if let Some(cell) = state.present(side) {
                        questions.about_cell(referred, side, cell);
                    }
                }
            }
        }
        self.fetch(questions).await
    }

    fn is_busy(&self, pipeline: &PipelineName, link: &Link) -> bool {
        Side::BOTH.iter().any(|side| self.busy.contains(&(pipeline.clone(), *side, link.id(*side).clone())))
    }
}
