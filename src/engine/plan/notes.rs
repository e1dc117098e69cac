//! What a plan says: its items, its findings, and the parked list.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};

use super::{Planned, SHOWN};
use crate::{
    config::{FieldId, Pipeline},
    engine::{EngineError, FieldChange, FindingItem, Listed, PipelineReport, PlanItem, Verb, run::Run},
    record::{RecordId, Side},
    store::{Atomic, Choice, Parked},
    sync::{Candidate, Finding, FindingKind, Fresh, Link, ParkCode, RecordWrite},
};

impl Run<'_> {
    pub(in crate::engine) fn note_link(&mut self, pipeline: &Pipeline, link: &Link) {
        let item = PlanItem {
            verb: Verb::Link,
            side: Side::Target,
            label: link.label.clone(),
            origin: link.source.clone(),
            id: Some(link.target.clone()),
            fields: Vec::new(),
        };
        self.report_of(&pipeline.name).counts.links += 1;
        self.list_item(pipeline, item);
    }

    /// Whether an item or finding that is made now goes anywhere: `listed` have been kept so far.
    fn has_room(&self, listed: usize) -> bool {
        listed < PipelineReport::MOST || self.listing.is_some()
    }

    fn list_item(&mut self, pipeline: &Pipeline, item: PlanItem) {
        if let Some(listing) = &self.listing {
            listing(Listed::Item(pipeline.name.clone(), Box::new(item.clone())));
        }
        let report = self.report_of(&pipeline.name);
        if report.items.len() < PipelineReport::MOST {
            report.items.push(item);
        }
    }

    pub(in crate::engine) fn note_step(
        &mut self,
        pipeline: &Pipeline,
        planned: &mut Planned,
        label: &str,
        origin: &RecordId,
        verb: Verb,
        write: &RecordWrite,
    ) {
        planned.damage[write.side.index()].add(pipeline, write);
        planned.count_in(origin, write);
        let report = self.report_of(&pipeline.name);
        match verb {
            Verb::Create => report.counts.creates[write.side.index()] += 1,
            Verb::Update => report.counts.updates[write.side.index()] += 1,
            Verb::Delete => report.counts.deletes[write.side.index()] += 1,
            Verb::Link => report.counts.links += 1,
        }
        let listed = report.items.len();
        if !self.has_room(listed) {
            return;
        }
        let fields = write.fields.iter().map(|field| FieldChange {
            field: field_name(pipeline, field.field),
            before: field.before.clone(),
            after: field.value.clone(),
            why: field.why.to_string(),
        });
        let item = PlanItem {
            verb,
            side: write.side,
            label: label.to_owned(),
            origin: origin.clone(),
            id: write.id.clone(),
            fields: fields.collect(),
        };
        self.list_item(pipeline, item);
    }

    pub(in crate::engine) fn list_findings(
        &mut self,
        pipeline: &Pipeline,
        side: Side,
        id: &RecordId,
        label: &str,
        findings: &[Finding],
    ) {
        for finding in findings {
            let report = self.report_of(&pipeline.name);
            let tally = &mut report.tally;
            match &finding.kind {
                FindingKind::Parked(code) => {
                    tally.parked += 1;
                    tally.flip_flops += u64::from(*code == ParkCode::FlipFlop);
                }
                FindingKind::Pending => tally.pending += 1,
                FindingKind::Waiting(_) => tally.waiting += 1,
                FindingKind::Rejected => tally.rejected += 1,
                FindingKind::Skipped => tally.skipped += 1,
            }
            let listed = report.findings.len();
            if finding.kind == FindingKind::Rejected || !self.has_room(listed) {
                continue;
            }
            let item = FindingItem {
                side,
                id: id.clone(),
                label: label.to_owned(),
                kind: finding.kind.clone(),
                field: finding.field.clone(),
                message: finding.message.clone(),
            };
            if let Some(listing) = &self.listing {
                listing(Listed::Finding(pipeline.name.clone(), Box::new(item.clone())));
            }
            if listed < PipelineReport::MOST {
                self.report_of(&pipeline.name).findings.push(item);
            }
        }
    }

    /// The parked list of a link, from what was decided now and what was listed before.
    pub(in crate::engine) async fn parked_of(
        &self,
        pipeline: &Pipeline,
        link: &Link,
        findings: &[Finding],
    ) -> Result<Vec<Parked>, EngineError> {
        let troubles: Vec<_> = findings.iter().filter(|f| matches!(f.kind, FindingKind::Parked(_))).collect();
        let old = self.engine.ledger.parked(&pipeline.name, Side::Source, &link.source).await?;
        Ok(troubles.into_iter().map(|finding| self.parked_entry(&old, &link.label, finding, Vec::new())).collect())
    }

    /// What is listed of a linked record's fields that were not part of this write: its refusal says nothing of them.
    pub(in crate::engine) async fn parked_beside(
        &self,
        pipeline: &Pipeline,
        link: &Link,
        write: &RecordWrite,
    ) -> Result<Vec<Parked>, EngineError> {
        let is_beside = |name: &String| {
            pipeline.fields.iter().any(|field| {
                field.name == *name
                    && write.fields.iter().all(|sent| sent.field != field.id)
                    && link.fields.get(&field.id).is_some_and(|state| state.parked.is_some())
            })
        };
        let mut listed = self.engine.ledger.parked(&pipeline.name, Side::Source, &link.source).await?;
        listed.retain(|parked| parked.field.as_ref().is_some_and(is_beside));
        Ok(listed)
    }

    pub(in crate::engine) async fn parked_newcomer(
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
    /// from one hour to a day apart. Before its time has come, it was only looked at and not tried.
    pub(in crate::engine) fn parked_entry(
        &self,
        old: &[Parked],
        label: &str,
        finding: &Finding,
        candidates: Vec<Choice>,
    ) -> Parked {
        let now = self.engine.clock.now();
        let FindingKind::Parked(code) = finding.kind else { unreachable!("only parked findings are listed") };
        let before = old.iter().find(|parked| parked.code == code && parked.field == finding.field);
        if code == ParkCode::FlipFlop && before.is_none() {
            let field = finding.field.as_deref().unwrap_or_default();
            tracing::warn!(event = "field.flip_flop", record = label, field, "{}", finding.message);
        }
        let waits = |before: &Parked| before.message == finding.message && before.next_try.is_some_and(|at| at > now);
        if let Some(before) = before.filter(|before| waits(before)) {
            return Parked { label: label.to_owned(), candidates, ..before.clone() };
        }
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
    pub(in crate::engine) fn start_of(&self, day: NaiveDate) -> DateTime<Utc> {
        let midnight = day.and_time(NaiveTime::MIN);
        let zone = self.integration.timezone;
        // A zone may skip midnight; then the day begins an hour later.
        zone.from_local_datetime(&midnight)
            .earliest()
            .or_else(|| zone.from_local_datetime(&(midnight + TimeDelta::hours(1))).earliest())
            .map_or_else(|| midnight.and_utc(), |local| local.with_timezone(&Utc))
    }
}

pub(super) fn note_parked(atomic: &mut Atomic, pipeline: &Pipeline, side: Side, id: &RecordId, parked: &[Parked]) {
    if parked.is_empty() {
        atomic.unpark(&pipeline.name, side, id);
    } else {
        atomic.park(&pipeline.name, side, id, parked);
    }
}

pub(super) fn next_try(parked: &[Parked]) -> Option<DateTime<Utc>> {
    parked.iter().filter_map(|parked| parked.next_try).min()
}

pub(in crate::engine) fn field_name(pipeline: &Pipeline, id: FieldId) -> String {
    pipeline.fields.iter().find(|field| field.id == id).map_or_else(|| format!("{:08x}", id.0), |f| f.name.clone())
}
