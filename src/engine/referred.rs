//! Who refers to whom: the reverse index behind `referenced_by` and `awaited_by`. It is kept true where records are delivered,
//! when a day has come on which a record passes its filter, and when a configuration was edited.

use std::{collections::BTreeSet, sync::Arc};

use super::{EngineError, deliver::projection_of, lookups::Questions, run::Run};
use crate::{
    config::{DateBound, Field, Filter, Operator, Pipeline, PipelineName, Reference},
    mapping::{Verdict, admit, referred},
    record::{Projection, RecordId, Side},
    store::{Changes, Due},
    sync::Observation,
};

/// The records that a record refers to, each once, with the pipelines they are of.
pub(super) type References = BTreeSet<(PipelineName, RecordId)>;

/// A record and what it says, as far as references go.
struct Referring {
    id: RecordId,
    label: String,
    projection: Projection,
}

impl Run<'_> {
    /// The records a source record refers to, in pipelines that let records in because they are referred to.
    pub(super) fn references(&self, pipeline: &Pipeline, side: Side, projection: &Projection) -> References {
        if side != Side::Source {
            return References::new();
        }
        let counted = |reference: &Reference| self.counts_references(&reference.pipeline, &pipeline.name);
        let fields = pipeline.fields.iter().filter(|field| field.references().into_iter().any(counted));
        fields
            .flat_map(|field| referred(field, side, projection))
            .filter(|(reference, _)| counted(reference))
            .map(|(reference, id)| (reference.pipeline.clone(), id))
            .collect()
    }

    /// Whether records of a pipeline are let in because those of this one refer to them.
    fn lets_in(&self, pipeline: &Pipeline) -> bool {
        let mut references = pipeline.fields.iter().flat_map(Field::references);
        references.any(|reference| self.counts_references(&reference.pipeline, &pipeline.name))
    }

    /// Keeps the reverse index of references true, and has a record looked at that is referred to for the first time:
    /// it may enter now although nothing about it changed.
    pub(super) async fn note_references(
        &self,
        changes: &mut Changes,
        pipeline: &Pipeline,
        seen: &Observation,
        old: &References,
    ) -> Result<(), EngineError> {
        let mut new = self.references(pipeline, Side::Source, &seen.projection);
        if new.is_empty() && old.is_empty() {
            return Ok(());
        }
        if seen.gone {
            new.clear();
        } else {
            let verdict = self.verdict(pipeline, Side::Source, seen).await?;
            new.retain(|(referred, _)| self.counts(referred, pipeline, &verdict));
        }
        for (referred, to) in old.difference(&new) {
            changes.together(|atomic| atomic.forget_reference(&pipeline.name, referred, to, &seen.id));
        }
        for entry in &new {
            self.note(changes, pipeline, entry, (&seen.id, &seen.label));
        }
        Ok(())
    }

    /// Whether a record with this verdict counts as one that refers to a record of `referred`. One that time alone keeps out
    /// is awaited there.
    fn counts(&self, referred: &PipelineName, pipeline: &Pipeline, verdict: &Verdict) -> bool {
        let awaits =
            || self.engine.config.pipeline(referred).is_some_and(|(_, one)| one.awaited_by.contains(&pipeline.name));
        match verdict {
            Verdict::Rejected { until, .. } => until.is_some() && awaits(),
            Verdict::Admitted | Verdict::Unknown { .. } => true,
        }
    }

    fn note(
        &self,
        changes: &mut Changes,
        pipeline: &Pipeline,
        (referred, to): &(PipelineName, RecordId),
        (from, label): (&RecordId, &str),
    ) {
        let due = Due { at: self.engine.clock.now(), why: format!("{label} of {} refers to it", pipeline.name) };
        changes.together(|atomic| {
            atomic.reference(&pipeline.name, referred, to, from);
            atomic.due(referred, Side::Source, to, &due);
        });
    }

    /// Notes what those records of each pipeline refer to whose day has come.
    pub(super) async fn note_whose_days_have_come(&self, pipelines: &[Arc<Pipeline>]) -> Result<(), EngineError> {
        for pipeline in pipelines.iter().filter(|pipeline| !self.foreign.contains(&pipeline.name)) {
            self.note_whose_day_has_come(pipeline).await?;
        }
        Ok(())
    }

    /// A day may have come on which a record passes its filter. Nothing about it changed, so nobody delivers it; and yet it
    /// refers to others from now on.
    async fn note_whose_day_has_come(&self, pipeline: &Pipeline) -> Result<(), EngineError> {
        if !moves(&pipeline.end(Side::Source).filter) || !self.lets_in(pipeline) {
            return Ok(());
        }
        let now = self.engine.clock.now();
        let mut after = None;
        loop {
            let (page, next) = self.engine.ledger.list_due(&pipeline.name, after.as_ref()).await?;
            let ready = |(side, _, due): &(Side, RecordId, Due)| *side == Side::Source && due.at <= now;
            let ids: Vec<RecordId> = page.into_iter().filter(ready).map(|(_, id, _)| id).collect();
            let fresh = self.engine.ledger.fresh(&pipeline.name, Side::Source, &ids).await?;
            let spec = pipeline.end(Side::Source).spec_hash;
            let known = fresh.into_iter().flatten().filter(|fresh| fresh.spec_hash == spec && !fresh.observation.gone);
            self.note_all(pipeline, known.map(|fresh| Referring::seen(fresh.observation)).collect(), false).await?;
            match next {
                Some(key) => after = Some(key),
                None => return Ok(()),
            }
        }
    }

    /// The configuration of `pipeline` was edited. A filter of it may ask since now who refers to its records, and steps or
    /// a filter may have its own records refer to others than before: what is known of all those is gone through.
    pub(super) async fn note_references_anew(&self, pipeline: &Pipeline) -> Result<(), EngineError> {
        for referring in &pipeline.referenced_by {
            let Some((_, referring)) = self.engine.config.pipeline(referring) else { continue };
            self.note_references_of(referring).await?;
        }
        if self.lets_in(pipeline) {
            self.note_references_of(pipeline).await?;
        }
        Ok(())
    }

    async fn note_references_of(&self, referring: &Pipeline) -> Result<(), EngineError> {
        let mut after = None;
        loop {
            let (links, next) = self.engine.ledger.list_links(&referring.name, after.as_ref()).await?;
            let mut changes = Changes::new();
            // A linked record has passed its filter.
            for link in links.iter().filter(|link| !link.mark(Side::Source).gone) {
                let projection = projection_of(referring, Side::Source, link);
                for entry in self.references(referring, Side::Source, &projection) {
                    self.note(&mut changes, referring, &entry, (&link.source, &link.label));
                }
            }
            self.engine.ledger.commit(changes).await?;
            match next {
                Some(key) => after = Some(key),
                None => break,
            }
        }
        let mut after = None;
        loop {
            let (fresh, next) = self.engine.ledger.list_fresh(&referring.name, Side::Source, after.as_ref()).await?;
            let spec = referring.end(Side::Source).spec_hash;
            let known = fresh.into_iter().filter(|fresh| fresh.spec_hash == spec && !fresh.observation.gone);
            self.note_all(referring, known.map(|fresh| Referring::seen(fresh.observation)).collect(), true).await?;
            match next {
                Some(key) => after = Some(key),
                None => return Ok(()),
            }
        }
    }

    /// Notes what those of these unlinked records refer to that count, and `anew` forgets what the others refer to.
    async fn note_all(&self, pipeline: &Pipeline, records: Vec<Referring>, anew: bool) -> Result<(), EngineError> {
        let mut questions = Questions::new(pipeline);
        for record in &records {
            questions.about(Side::Source, &record.id, &record.projection);
        }
        let known = self.fetch(questions).await?;
        let mut changes = Changes::new();
        for record in &records {
            let verdict = admit(&pipeline.end(Side::Source).filter, &record.id, &record.projection, &known);
            for entry in self.references(pipeline, Side::Source, &record.projection) {
                let (referred, to) = &entry;
                if self.counts(referred, pipeline, &verdict) {
                    // Who is referred to already has been looked at for that.
                    if anew || !self.engine.ledger.is_referenced(&pipeline.name, referred, to).await? {
                        self.note(&mut changes, pipeline, &entry, (&record.id, &record.label));
                    }
                } else if anew {
                    changes.together(|atomic| atomic.forget_reference(&pipeline.name, referred, to, &record.id));
                }
            }
        }
        self.engine.ledger.commit(changes).await?;
        Ok(())
    }
}

impl Referring {
    fn seen(observation: Observation) -> Self {
        let Observation { id, label, projection, .. } = observation;
        Self { id, label, projection }
    }
}

/// Whether what a filter says changes as the days go by.
fn moves(filter: &Filter) -> bool {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => parts.iter().any(moves),
        Filter::Not(part) => moves(part),
        Filter::Test(test) => matches!(
            test.operator,
            Operator::OnOrBefore(DateBound::Today(_)) | Operator::OnOrAfter(DateBound::Today(_))
        ),
        Filter::Where(_) | Filter::ReferencedBy(_) | Filter::AwaitedBy(_) => false,
    }
}
