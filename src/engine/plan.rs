//! Deciding about everything that is new or due, chunk by chunk.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};

use super::{
    EngineError, FieldChange, FindingItem, HeldReport, Mode, PipelineReport, PlanItem, Verb,
    deliver::{keys_of, reindex},
    lookups::{Known, Questions},
    run::Run,
    step::{Newcomer, Step},
};
use crate::{
    config::{Content, Pipeline, PipelineName},
    mapping::Verdict,
    record::{RecordId, Side},
    store::{Approval, Atomic, Changes, Choice, Due, HeldRun, MatchKey, Parked, Spill, Stage},
    sync::{
        Born, Candidate, Context, Damage, Finding, FindingKind, Fresh, FreshDecision, Link, RecordWrite, TierHits,
        decide_link, decide_new, judge, link_matched,
    },
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

/// Match keys that several spilled records share: tier and key to the records.
type Twins = HashMap<(usize, String), Vec<(RecordId, String)>>;

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
        for link in links {
            if self.is_busy(&pipeline.name, &link) {
                continue;
            }
            let decision = decide_link(&context, &link);
            let moved = decision.link.is_some();
            let link = decision.link.unwrap_or(link);
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

    /// What every tier finds for a newcomer.
    async fn hits(
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
                        hits.rivals.push(candidate);
                    } else {
                        hits.candidates.push(candidate);
                    }
                }
            }
            for (id, label) in twins.get(&(tier, text)).into_iter().flatten().filter(|(id, _)| id != own) {
                if !hits.rivals.iter().any(|rival| rival.id == *id) && hits.rivals.len() < SHOWN {
                    let label = label.clone();
                    hits.rivals.push(Candidate { id: id.clone(), label, linked_with: None, admitted: true });
                }
            }
            all.push(hits);
        }
        Ok(all)
    }

    async fn candidate(&self, pipeline: &Pipeline, side: Side, id: RecordId) -> Result<Option<Candidate>, EngineError> {
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

    /// Remembers a record that is left alone, with why.
    pub(super) fn leave(
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
        // A rejected source record of a one-way pipeline can be nobody's candidate; it needs no match keys.
        let matchable = !parked.is_empty() || pipeline.writes(side) || !waits_for.is_empty();
        let keys = if matchable { keys_of(pipeline, side, &newcomer.fresh.observation.projection) } else { Vec::new() };
        changes.together(|atomic| {
            if !newcomer.stored {
                atomic.fresh(&pipeline.name, side, &newcomer.fresh);
            } else if newcomer.old_keys != keys || again.is_none() {
                atomic.fresh(&pipeline.name, side, &newcomer.fresh);
            }
            reindex(atomic, &pipeline.name, side, &id, &newcomer.old_keys, &keys);
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
    async fn keep_planned(&mut self, pipeline: &Pipeline, steps: Spill<Step>) -> Result<(), EngineError> {
        for chunk in steps.chunks(CHUNK) {
            let mut changes = Changes::new();
            for step in chunk? {
                match step {
                    Step::Create { newcomer, .. } => self.keep_newcomer(&mut changes, pipeline, *newcomer, "held"),
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
    pub(super) async fn keep_spilled(&mut self, pipeline: &Pipeline) -> Result<(), EngineError> {
        let Some(spill) = self.spills.remove(&pipeline.name) else { return Ok(()) };
        for chunk in spill.chunks(CHUNK) {
            let mut changes = Changes::new();
            for newcomer in chunk? {
                self.keep_newcomer(&mut changes, pipeline, newcomer, "new");
            }
            self.engine.ledger.commit(changes).await?;
        }
        Ok(())
    }

    /// Remembers a newcomer as seen and due now.
    pub(super) fn keep_newcomer(&self, changes: &mut Changes, pipeline: &Pipeline, newcomer: Newcomer, why: &str) {
        if newcomer.stored && newcomer.old_keys.is_empty() && !pipeline.writes(newcomer.side.other()) {
            return;
        }
        let (side, id) = (newcomer.side, newcomer.fresh.observation.id.clone());
        let keys = keys_of(pipeline, side, &newcomer.fresh.observation.projection);
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
    async fn guard(&mut self, pipeline: &Pipeline, planned: &Planned) -> Result<Option<HeldReport>, EngineError> {
        if planned.steps.is_empty() {
            return Ok(None);
        }
        let now = self.engine.clock.now();
        let damage = sum(&planned.damage);
        let state = self.state_mut(&pipeline.name).await?.clone();
        let guards = match state.stage {
            Stage::Approved => return Ok(None),
            Stage::Unapproved => Vec::new(),
            Stage::Running => {
                let mut tripped = Vec::new();
                for side in Side::BOTH {
                    tripped.extend(judge(&pipeline.guards, planned.damage[side.index()], state.links));
                }
                if tripped.is_empty() {
                    self.release_held(pipeline).await?;
                    return Ok(None);
                }
                tripped
            }
        };
        let old = self.engine.ledger.held(&pipeline.name).await?;
        if let Some(old) = &old
            && old.approval == Approval::Approved
            && old.config == pipeline.hash
            && no_more_than(&damage, &old.damage)
        {
            self.release_held(pipeline).await?;
            return Ok(None);
        }
        let id = short_id(pipeline, &damage);
        let (since, approval) = match &old {
            Some(old) if old.id == id => (old.since, old.approval),
            _ => (now, Approval::Waiting),
        };
        let held = HeldRun {
            id: id.clone(),
            pipeline: pipeline.name.clone(),
            since,
            damage,
            guards: guards.clone(),
            config: pipeline.hash,
            approval,
        };
        if self.request.mode == Mode::Sync {
            let mut changes = Changes::new();
            changes.together(|atomic| atomic.hold(&held));
            self.engine.ledger.commit(changes).await?;
        }
        Ok(Some(HeldReport { id, guards, damage }))
    }

    async fn release_held(&self, pipeline: &Pipeline) -> Result<(), EngineError> {
        if self.request.mode == Mode::Sync && self.engine.ledger.held(&pipeline.name).await?.is_some() {
            let mut changes = Changes::new();
            changes.together(|atomic| atomic.release(&pipeline.name));
            self.engine.ledger.commit(changes).await?;
        }
        Ok(())
    }

    fn note_link(&mut self, pipeline: &Pipeline, link: &Link) {
        let item = PlanItem {
            verb: Verb::Link,
            side: Side::Target,
            label: link.label.clone(),
            origin: link.source.clone(),
            id: Some(link.target.clone()),
            fields: Vec::new(),
        };
        let report = self.report_of(&pipeline.name);
        report.counts.links += 1;
        if report.items.len() < PipelineReport::MOST {
            report.items.push(item);
        }
    }

    fn note_step(
        &mut self,
        pipeline: &Pipeline,
        planned: &mut Planned,
        label: &str,
        origin: &RecordId,
        verb: Verb,
        write: &RecordWrite,
    ) {
        planned.damage[write.side.index()].add(write);
        let report = self.report_of(&pipeline.name);
        match verb {
            Verb::Create => report.counts.creates[write.side.index()] += 1,
            Verb::Update => report.counts.updates[write.side.index()] += 1,
            Verb::Link => report.counts.links += 1,
        }
        if report.items.len() >= PipelineReport::MOST {
            return;
        }
        let fields = write.fields.iter().map(|field| FieldChange {
            field: field_name(pipeline, field.field),
            before: field.before.clone(),
            after: field.value.clone(),
            why: field.why.to_string(),
        });
        report.items.push(PlanItem {
            verb,
            side: write.side,
            label: label.to_owned(),
            origin: origin.clone(),
            id: write.id.clone(),
            fields: fields.collect(),
        });
    }

    pub(super) fn list_findings(
        &mut self,
        pipeline: &Pipeline,
        side: Side,
        id: &RecordId,
        label: &str,
        findings: &[Finding],
    ) {
        let report = self.report_of(&pipeline.name);
        for finding in findings {
            let tally = &mut report.tally;
            match &finding.kind {
                FindingKind::Parked(_) => tally.parked += 1,
                FindingKind::Pending => tally.pending += 1,
                FindingKind::Waiting(_) => tally.waiting += 1,
                FindingKind::Rejected => tally.rejected += 1,
                FindingKind::Skipped => tally.skipped += 1,
            }
            if finding.kind != FindingKind::Rejected && report.findings.len() < PipelineReport::MOST {
                report.findings.push(FindingItem {
                    side,
                    id: id.clone(),
                    label: label.to_owned(),
                    kind: finding.kind.clone(),
                    field: finding.field.clone(),
                    message: finding.message.clone(),
                });
            }
        }
    }

    /// The parked list of a link, from what was decided now and what was listed before.
    pub(super) async fn parked_of(
        &self,
        pipeline: &Pipeline,
        link: &Link,
        findings: &[Finding],
    ) -> Result<Vec<Parked>, EngineError> {
        let troubles: Vec<_> = findings.iter().filter(|f| matches!(f.kind, FindingKind::Parked(_))).collect();
        let old = self.engine.ledger.parked(&pipeline.name, Side::Source, &link.source).await?;
        Ok(troubles.into_iter().map(|finding| self.parked_entry(&old, &link.label, finding, Vec::new())).collect())
    }

    async fn parked_newcomer(
        &self,
        pipeline: &Pipeline,
        side: Side,
        fresh: &Fresh,
        finding: &Finding,
        candidates: &[Candidate],
    ) -> Result<Vec<Parked>, EngineError> {
        if !matches!(finding.kind, FindingKind::Parked(_)) {
            return Ok(Vec::new());
        }
        let seen = &fresh.observation;
        let old = self.engine.ledger.parked(&pipeline.name, side, &seen.id).await?;
        let choices = candidates.iter().take(SHOWN).map(Choice::from).collect();
        Ok(vec![self.parked_entry(&old, &seen.label, finding, choices)])
    }

    /// An entry of the parked list; the same trouble again counts as another attempt and is tried later and later,
    /// from one hour to a day apart.
    pub(super) fn parked_entry(
        &self,
        old: &[Parked],
        label: &str,
        finding: &Finding,
        candidates: Vec<Choice>,
    ) -> Parked {
        let now = self.engine.clock.now();
        let FindingKind::Parked(code) = finding.kind else { unreachable!("only parked findings are listed") };
        let before = old.iter().find(|parked| parked.code == code && parked.field == finding.field);
        let attempts = before.map_or(1, |before| before.attempts.saturating_add(1));
        let hours = 1_i64 << attempts.saturating_sub(1).min(5);
        Parked {
            code,
            label: label.to_owned(),
            field: finding.field.clone(),
            message: finding.message.clone(),
            candidates,
            since: before.map_or(now, |before| before.since),
            attempts,
            next_try: Some(now + TimeDelta::hours(hours.min(24))),
            ignored: before.is_some_and(|before| before.ignored && before.message == finding.message),
        }
    }

    /// The first instant of a day in the integration's zone.
    fn start_of(&self, day: NaiveDate) -> DateTime<Utc> {
        let midnight = day.and_time(NaiveTime::MIN);
        let zone = self.integration.timezone;
        // A zone may skip midnight; then the day begins an hour later.
        zone.from_local_datetime(&midnight)
            .earliest()
            .or_else(|| zone.from_local_datetime(&(midnight + TimeDelta::hours(1))).earliest())
            .map_or_else(|| midnight.and_utc(), |local| local.with_timezone(&Utc))
    }
}

/// Finds spilled records that share a match key with another one. Keys are counted by hash first, so that memory holds
/// texts only for the few that really are shared.
fn twins(pipeline: &Pipeline, spill: &Spill<Newcomer>) -> Result<Twins, EngineError> {
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
                        group.push((seen.id.clone(), seen.label.clone()));
                    }
                }
            }
        }
    }
    Ok(twins)
}

fn note_parked(atomic: &mut Atomic, pipeline: &Pipeline, side: Side, id: &RecordId, parked: &[Parked]) {
    if parked.is_empty() {
        atomic.unpark(&pipeline.name, side, id);
    } else {
        atomic.park(&pipeline.name, side, id, parked);
    }
}

fn next_try(parked: &[Parked]) -> Option<DateTime<Utc>> {
    parked.iter().filter_map(|parked| parked.next_try).min()
}

pub(super) fn field_name(pipeline: &Pipeline, id: crate::config::FieldId) -> String {
    pipeline.fields.iter().find(|field| field.id == id).map_or_else(|| format!("{:08x}", id.0), |f| f.name.clone())
}

const fn sum(damage: &[Damage; 2]) -> Damage {
    Damage {
        creates: damage[0].creates + damage[1].creates,
        touched: damage[0].touched + damage[1].touched,
        blanked: damage[0].blanked + damage[1].blanked,
        deletes: damage[0].deletes + damage[1].deletes,
    }
}

const fn no_more_than(now: &Damage, shown: &Damage) -> bool {
    now.creates <= shown.creates
        && now.touched <= shown.touched
        && now.blanked <= shown.blanked
        && now.deletes <= shown.deletes
}

/// A short name for a held plan: the same plan of the same configuration has the same name.
fn short_id(pipeline: &Pipeline, damage: &Damage) -> String {
    let text = format!("{}:{}:{damage:?}", pipeline.name, pipeline.hash);
    format!("{:06x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()) & 0xff_ffff)
}
