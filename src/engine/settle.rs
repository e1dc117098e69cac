//! From a remote's answer to what is remembered.

mod beside;

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use beside::Beside;
pub(super) use beside::Made;

use chrono::TimeDelta;

use super::{
    EngineError,
    apply::Item,
    deliver::{keys_of_linked, note_keys, observation, projection_of, reindex},
    elements::record_to_read,
    neighbours::Births,
    run::Run,
    step::Newcomer,
};
use crate::{
    config::{Content, Pipeline, PipelineName},
    connector::{Answer, CallError, ItemAnswer, RemoteRecord, WriteKind},
    record::{RecordId, Side},
    store::{Changes, Due, Intent, IntentItem, Ledger},
    sync::{
        Change, Context, Finding, FindingKind, Link, Observation, ParkCode, Settled, keep_undeleted, observe,
        park_refused, settle_create, settle_update,
    },
};

/// What a system said of a record that was asked for by its id.
pub(super) type Heard = Result<Option<RemoteRecord>, CallError>;

impl Run<'_> {
    /// Settles an answered call item by item, then closes its intent unless an item's outcome is unknown. Links come
    /// before the end of the intent in the commit order, so a crash in between only settles the same items again.
    pub(super) async fn settle(
        &mut self,
        pipeline: &Arc<Pipeline>,
        number: &str,
        mut intent: Intent,
        newcomers: Vec<Option<Newcomer>>,
        answer: Answer,
    ) -> Result<(), EngineError> {
        let mut changes = Changes::new();
        let mut items = std::mem::take(&mut intent.items);
        let mut beside = self.beside_answer(pipeline, &intent, &items, &answer).await?.into_iter();
        let mut answers = answer.items.into_iter();
        let mut newcomers = newcomers.into_iter();
        let mut made: HashSet<RecordId> = HashSet::new();
        let mut births = Births::default();
        for item in &mut items {
            let newcomer = newcomers.next().flatten();
            let answer = answers.next().unwrap_or_else(|| ItemAnswer::Unknown {
                reason: "the answer has fewer items than the request".to_owned(),
            });
            if item.done {
                // Settled from the first answer, and what is remembered is newer than this one.
                continue;
            }
            let answer = self.confirmed(pipeline, &intent, item, answer).await?;
            let item = {
                item.done = !matches!(answer, ItemAnswer::Unknown { .. });
                &*item
            };
            match answer {
                ItemAnswer::Written { record, body } => match intent.call.kind {
                    WriteKind::Delete => {
                        self.settle_deleted(&mut changes, pipeline, intent.side, &item.origin).await?;
                    }
                    WriteKind::Update => {
                        self.settle_updated(&mut changes, pipeline, intent.side, item, &record, body).await?;
                    }
                    WriteKind::Create => {
                        let mut known = beside.next();
                        if !made.insert(record.id.clone()) {
                            // The same id twice: the first link must be seen when the second is settled.
                            self.engine.ledger.commit(std::mem::take(&mut changes)).await?;
                            known = None;
                        }
                        let beside = match known {
                            Some(known) => known,
                            None => self.beside_one(pipeline, intent.side, (&item.origin, &record.id)).await?,
                        };
                        let answered = body.then(|| observation(pipeline, intent.side, &record, TimeDelta::zero()));
                        let made = Made { id: record.id.clone(), answered, beside };
                        if body {
                            births.told.push(*record);
                        } else {
                            births.untold = true;
                        }
                        self.settle_created(&mut changes, pipeline, intent.side, item, newcomer, made).await?;
                    }
                },
                ItemAnswer::Refused { message, duplicate, stale } => {
                    self.engine.ledger.commit(std::mem::take(&mut changes)).await?;
                    if stale {
                        self.read_again(pipeline, intent.side, item).await?;
                        continue;
                    }
                    let item = Item {
                        origin: item.origin.clone(),
                        label: item.label.clone(),
                        write: item.write.clone(),
                        newcomer,
                    };
                    self.refused(pipeline, intent.call.kind, item, &message, duplicate).await?;
                }
                ItemAnswer::Unknown { reason } => {
                    tracing::warn!(event = "write.unknown", pipeline = %pipeline.name, record = %item.origin, %reason);
                    if let Some(newcomer) = newcomer {
                        self.keep_newcomer(
                            &mut changes,
                            pipeline,
                            newcomer,
                            "the outcome of its last write is unknown",
                        );
                    }
                }
            }
        }
        if items.iter().all(|item| item.done) {
            changes.together(|atomic| atomic.close_intent(&intent.connection, number));
            self.engine.ledger.commit(changes).await?;
            return self.tell_neighbours(pipeline, intent.side, births).await;
        }
        self.engine.ledger.commit(changes).await?;
        self.tell_neighbours(pipeline, intent.side, births).await?;
        intent.items = items;
        self.keep_open(pipeline, number, intent).await
    }

    /// What is remembered beside each create that was carried out, in the order of the answer.
    async fn beside_answer(
        &self,
        pipeline: &Pipeline,
        intent: &Intent,
        items: &[IntentItem],
        answer: &Answer,
    ) -> Result<Vec<Beside>, EngineError> {
        if intent.call.kind != WriteKind::Create {
            return Ok(Vec::new());
        }
        let written = items.iter().zip(&answer.items).filter(|(item, _)| !item.done);
        let (origins, made): (Vec<_>, Vec<_>) = written
            .filter_map(|(item, answer)| match answer {
                ItemAnswer::Written { record, .. } => Some((item.origin.clone(), record.id.clone())),
                ItemAnswer::Refused { .. } | ItemAnswer::Unknown { .. } => None,
            })
            .unzip();
        self.beside(pipeline, intent.side, (&origins, &made)).await
    }

    pub(super) async fn settle_updated(
        &mut self,
        changes: &mut Changes,
        pipeline: &Arc<Pipeline>,
        side: Side,
        item: &IntentItem,
        record: &RemoteRecord,
        body: bool,
    ) -> Result<(), EngineError> {
        let Some(link) = self.engine.ledger.link(&pipeline.name, Side::Source, &item.origin).await? else {
            return Ok(());
        };
        let answered = body.then(|| observation(pipeline, side, record, TimeDelta::zero()));
        let known = self.known_about(pipeline, &link, answered.as_ref().map(|seen| (side, seen))).await?;
        let context = Context { pipeline, lookups: &known, now: self.engine.clock.now() };
        let old_keys = keys_of_linked(pipeline, &link);
        let mut settled = settle_update(&context, &link, &item.write, answered.as_ref());
        if let Some(seen) = answered.as_ref().filter(|seen| side == Side::Target && !seen.gone) {
            note_keys(pipeline, &mut settled.link, &seen.projection);
        }
        let new_keys = keys_of_linked(pipeline, &settled.link);
        self.report_of(&pipeline.name).tally.updated[side.index()] += 1;
        let listed = !self.engine.ledger.parked(&pipeline.name, Side::Source, &link.source).await?.is_empty();
        let answered = self.answered_now(pipeline, side);
        self.remember_settled(changes, pipeline, settled, |atomic, link| {
            answered.remember(atomic, link.id(side));
            atomic.relink(&pipeline.name, link);
            if listed {
                atomic.unpark(&pipeline.name, Side::Source, &link.source);
            }
            atomic.done(&pipeline.name, Side::Source, &link.source);
            reindex(atomic, &pipeline.name, Side::Target, &link.target, &old_keys, &new_keys);
        })
        .await
    }

    /// Links a record with the one that was made of it: its id, and how it was read, if it was.
    pub(super) async fn settle_created(
        &mut self,
        changes: &mut Changes,
        pipeline: &Arc<Pipeline>,
        side: Side,
        item: &IntentItem,
        newcomer: Option<Newcomer>,
        Made { id, answered, beside }: Made,
    ) -> Result<(), EngineError> {
        let origin_side = side.other();
        if let Some(link) = beside.made_link {
            if *link.id(origin_side) == item.origin {
                return Ok(()); // settled before a crash
            }
            let message =
                format!("the answer to creating it names {id}, which is linked with {} already", link.id(origin_side));
            let finding = Finding { kind: FindingKind::Parked(ParkCode::IdTaken), field: None, message };
            return self.park_newcomer(changes, pipeline, origin_side, item, newcomer, &finding).await;
        }
        if let Some(link) = beside.origin_link {
            // The link stays; the record that was made is found as any other, and listed if it is the same again.
            let other = link.id(side);
            tracing::warn!(event = "create.surplus", pipeline = %pipeline.name, made = %id, linked = %other);
            return Ok(());
        }
        let known = beside.origin;
        let meanwhile = self.read_meanwhile.contains_key(&(pipeline.name.clone(), origin_side, item.origin.clone()));
        let newer = known.as_ref().filter(|_| meanwhile).map(|known| known.fresh.observation.clone());
        let newcomer = match (newcomer, known) {
            (Some(newcomer), Some(known)) => Some(Newcomer { stored: true, old_keys: known.old_keys, ..newcomer }),
            (newcomer, known) => newcomer.or(known),
        };
        let made = beside.made;
        let origin = match &newcomer {
            Some(newcomer) => Cow::Borrowed(&newcomer.fresh.observation),
            None => Cow::Owned(bare(pipeline, origin_side, item)),
        };
        let known = self.known_of(pipeline, [(origin_side, Some(&*origin)), (side, answered.as_ref())]).await?;
        let context = Context { pipeline, lookups: &known, now: self.engine.clock.now() };
        let mut settled = settle_create(&context, &origin, &item.write, &id, answered.as_ref());
        // Without the record it was made from (a crash came in between) the rest of its values is read again.
        settled.again |= newcomer.is_none();
        // As it was read under another configuration nothing is known of what was made, and it is read again.
        settled.again |= beside.made_outdated;
        let read = made.as_ref().filter(|_| !beside.made_outdated).map(|made| &made.fresh.observation);
        // What was read of either of the two after the call was sent is newer than the answer.
        let latest = [(origin_side, newer.as_ref()), (side, read)];
        for (side, seen) in latest {
            if let Some(seen) = seen {
                settled.again |= observe(pipeline, &mut settled.link, side, seen, false) == Change::Moved;
            }
        }
        let target = match side {
            Side::Target => read.or(answered.as_ref()),
            Side::Source => Some(newer.as_ref().unwrap_or(&*origin)),
        };
        if let Some(seen) = target {
            note_keys(pipeline, &mut settled.link, &seen.projection);
        }
        let keys = keys_of_linked(pipeline, &settled.link);
        let old_keys = newcomer.as_ref().map(|newcomer| newcomer.old_keys.clone()).unwrap_or_default();
        let made_keys = made.map(|made| made.old_keys);
        let stored = beside.outdated || newcomer.as_ref().is_none_or(|newcomer| newcomer.stored);
        self.report_of(&pipeline.name).tally.created[side.index()] += 1;
        self.state_mut(&pipeline.name).await?.links += 1;
        self.wake(changes, pipeline, &settled.link).await?;
        let answered = self.answered_now(pipeline, side);
        self.remember_settled(changes, pipeline, settled, |atomic, link| {
            answered.remember(atomic, link.id(side));
            atomic.link(&pipeline.name, link);
            if stored {
                atomic.forget_fresh(&pipeline.name, origin_side, &item.origin);
                atomic.done(&pipeline.name, origin_side, &item.origin);
                atomic.unpark(&pipeline.name, origin_side, &item.origin);
            }
            // Read and remembered before it was known what it is.
            if let Some(made_keys) = &made_keys {
                atomic.forget_fresh(&pipeline.name, side, link.id(side));
                atomic.done(&pipeline.name, side, link.id(side));
                atomic.unpark(&pipeline.name, side, link.id(side));
                reindex(atomic, &pipeline.name, side, link.id(side), made_keys, &[]);
            }
            // A linked record is found by its target's keys only.
            reindex(atomic, &pipeline.name, origin_side, &item.origin, &old_keys, &[]);
            reindex(atomic, &pipeline.name, Side::Target, &link.target, &[], &keys);
        })
        .await
    }

    /// Remembers a settled link in one group with everything that follows from it.
    async fn remember_settled(
        &mut self,
        changes: &mut Changes,
        pipeline: &Arc<Pipeline>,
        settled: Settled,
        also: impl FnOnce(&mut crate::store::Atomic, &Link),
    ) -> Result<(), EngineError> {
        let Settled { link, findings, again } = settled;
        self.list_findings(pipeline, Side::Source, &link.source, &link.label, &findings);
        let parked = if findings.is_empty() { Vec::new() } else { self.parked_of(pipeline, &link, &findings).await? };
        let now = self.engine.clock.now();
        changes.together(|atomic| {
            also(atomic, &link);
            if !parked.is_empty() {
                atomic.park(&pipeline.name, Side::Source, &link.source, &parked);
            }
            if again || !parked.is_empty() {
                let why = "its last write was answered".to_owned();
                atomic.due(&pipeline.name, Side::Source, &link.source, &Due { at: now, why });
            }
        });
        Ok(())
    }

    /// The remote refused an item: what it said is kept with the record, and the rest goes on.
    pub(super) async fn refused(
        &mut self,
        pipeline: &Arc<Pipeline>,
        kind: WriteKind,
        item: Item,
        message: &str,
        duplicate: bool,
    ) -> Result<(), EngineError> {
        let finding = Self::refusal(pipeline, &item.write, message);
        let mut changes = Changes::new();
        match kind {
            WriteKind::Update | WriteKind::Delete => {
                let Some(link) = self.engine.ledger.link(&pipeline.name, Side::Source, &item.origin).await? else {
                    return Ok(());
                };
                let link = if item.write.delete {
                    keep_undeleted(&link, item.write.side, message, pipeline.hash)
                } else {
                    park_refused(&link, &item.write, message, pipeline.hash)
                };
                self.list_findings(pipeline, Side::Source, &link.source, &link.label, std::slice::from_ref(&finding));
                let mut parked = self.parked_of(pipeline, &link, std::slice::from_ref(&finding)).await?;
                parked.extend(self.parked_beside(pipeline, &link, &item.write).await?);
                let at = parked.iter().filter_map(|parked| parked.next_try).min();
                changes.together(|atomic| {
                    atomic.relink(&pipeline.name, &link);
                    atomic.park(&pipeline.name, Side::Source, &link.source, &parked);
                    if let Some(at) = at {
                        let why = "refused before".to_owned();
                        atomic.due(&pipeline.name, Side::Source, &link.source, &Due { at, why });
                    }
                });
            }
            WriteKind::Create => {
                let side = item.write.side.other();
                let Some(mut newcomer) = item.newcomer else { return Ok(()) };
                let can_suffix = pipeline.fields.iter().any(|field| {
                    matches!(&field.content, Content::Mapped { join: Some(join), .. } if join.unique_suffix.is_some())
                });
                if duplicate && can_suffix && !newcomer.fresh.suffixed && !newcomer.fresh.doubted {
                    // The name is taken and the configuration says what to do about it: try again with the suffix.
                    newcomer.fresh.suffixed = true;
                    self.keep_newcomer(&mut changes, pipeline, newcomer, "its name is taken");
                } else {
                    let entry = IntentItem { origin: item.origin, label: item.label, write: item.write, done: false };
                    self.park_newcomer(&mut changes, pipeline, side, &entry, Some(newcomer), &finding).await?;
                }
            }
        }
        self.engine.ledger.commit(changes).await?;
        Ok(())
    }

    async fn park_newcomer(
        &mut self,
        changes: &mut Changes,
        pipeline: &Arc<Pipeline>,
        side: Side,
        item: &IntentItem,
        newcomer: Option<Newcomer>,
        finding: &Finding,
    ) -> Result<(), EngineError> {
        self.list_findings(pipeline, side, &item.origin, &item.label, std::slice::from_ref(finding));
        let newcomer = match newcomer {
            Some(newcomer) => Some(newcomer),
            None => self.remembered(pipeline, side, &item.origin).await?,
        };
        let old = self.engine.ledger.parked(&pipeline.name, side, &item.origin).await?;
        let parked = vec![self.parked_entry(&old, &item.label, finding, Vec::new())];
        let again = parked.iter().filter_map(|parked| parked.next_try).min();
        match newcomer {
            Some(newcomer) => self.leave(changes, pipeline, newcomer, &parked, &[], again),
            None => changes.together(|atomic| atomic.park(&pipeline.name, side, &item.origin, &parked)),
        }
        Ok(())
    }

    /// A stale version: the record is read again, so that the next round decides from what is really there.
    pub(super) async fn read_again(
        &mut self,
        pipeline: &Arc<Pipeline>,
        side: Side,
        item: &IntentItem,
    ) -> Result<(), EngineError> {
        let Some(link) = self.engine.ledger.link(&pipeline.name, Side::Source, &item.origin).await? else {
            return Ok(());
        };
        self.read_record(pipeline, side, &link.id(side).clone()).await
    }

    /// Reads one record by id and lays it beside its link.
    pub(super) async fn read_record(
        &mut self,
        pipeline: &Arc<Pipeline>,
        side: Side,
        id: &RecordId,
    ) -> Result<(), EngineError> {
        let answer = self.ask_for(pipeline, side, id).await?;
        self.hear_of(pipeline, (side, id), answer).await
    }

    /// What its system says of a record. The outer error is ours, the inner one the remote's.
    pub(super) async fn ask_for(&self, pipeline: &Pipeline, side: Side, id: &RecordId) -> Result<Heard, EngineError> {
        let end = pipeline.end(side);
        let connector = self.connector(&end.connection.name)?;
        Ok(connector.get(&end.resource, &record_to_read(end, id)).await)
    }

    /// Takes in what a system said of a record.
    pub(super) async fn hear_of(
        &mut self,
        pipeline: &Arc<Pipeline>,
        (side, id): (Side, &RecordId),
        answer: Heard,
    ) -> Result<(), EngineError> {
        let attached = super::pull::Attached { pipeline: pipeline.clone(), side, spill: false };
        match answer {
            Ok(Some(record)) => self.deliver(&attached, &[record], TimeDelta::zero()).await?,
            Ok(None) => self.mark_gone(pipeline, side, id).await?,
            // The connection is as well as before; what is not known of this record stays so until it comes again.
            Err(CallError::Removed(message)) => {
                let link = self.engine.ledger.link(&pipeline.name, side, id).await?;
                let (source, label) =
                    link.map_or_else(|| (id.clone(), String::new()), |link| (link.source, link.label));
                let finding = Finding { kind: FindingKind::Skipped, field: None, message };
                self.list_findings(pipeline, Side::Source, &source, &label, &[finding]);
            }
            Err(error) => self.trouble(&pipeline.end(side).connection.name, &error),
        }
        Ok(())
    }

    /// Has whoever waited for this link looked at again, in this run.
    pub(super) async fn wake(
        &self,
        changes: &mut Changes,
        pipeline: &Pipeline,
        link: &Link,
    ) -> Result<(), EngineError> {
        if !self.is_needed(&pipeline.name) {
            return Ok(());
        }
        for side in Side::BOTH {
            let id = link.id(side);
            let waiting = self.engine.ledger.waiting_for(&pipeline.name, id).await?;
            let at = self.engine.clock.now();
            for (name, waiting_side, waiting_id) in &waiting {
                let due = Due { at, why: format!("{} is linked now", link.label) };
                changes.together(|atomic| atomic.due(name, *waiting_side, waiting_id, &due));
            }
            Ledger::forget_waits(changes, (&pipeline.name, id), &waiting);
        }
        Ok(())
    }

    fn is_needed(&self, name: &PipelineName) -> bool {
        self.engine.config.pipelines().any(|(_, pipeline)| pipeline.needs.contains(name))
    }

    async fn known_about(
        &self,
        pipeline: &Pipeline,
        link: &Link,
        seen: Option<(Side, &Observation)>,
    ) -> Result<super::lookups::Known, EngineError> {
        let mut questions = super::lookups::Questions::new(pipeline);
        for side in Side::BOTH {
            questions.about(side, link.id(side), &projection_of(pipeline, side, link));
        }
        if let Some((side, seen)) = seen {
            questions.about(side, &seen.id, &seen.projection);
        }
        self.fetch(questions).await
    }

    async fn known_of(
        &self,
        pipeline: &Pipeline,
        seen: [(Side, Option<&Observation>); 2],
    ) -> Result<super::lookups::Known, EngineError> {
        let mut questions = super::lookups::Questions::new(pipeline);
        for (side, seen) in seen {
            if let Some(seen) = seen {
                questions.about(side, &seen.id, &seen.projection);
            }
        }
        self.fetch(questions).await
    }
}

/// The record an item was made from as far as the intent remembers it: the values it sent.
fn bare(pipeline: &Pipeline, side: Side, item: &IntentItem) -> Observation {
    let mut cells = vec![crate::record::Cell::Absent; pipeline.end(side).spec.slots.len()];
    for write in &item.write.fields {
        let Some(field) = pipeline.fields.iter().find(|field| field.id == write.field) else { continue };
        if let [slot] = field.end(side).slots.as_slice()
            && let Some(cell) = cells.get_mut(*slot)
        {
            *cell = write.from.clone();
        }
    }
    Observation {
        id: item.origin.clone(),
        projection: crate::record::Projection { cells },
        label: item.label.clone(),
        version: None,
        edited_at: None,
        gone: false,
        merged: None,
    }
}
