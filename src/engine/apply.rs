//! Carrying a plan out: batches are filled, recorded, flushed, sent and settled.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    EngineError,
    own::{Way, resource_of},
    plan::field_name,
    pull::{Attached, PullOrder},
    run::Run,
    step::{Newcomer, Step},
};
use crate::{
    config::{Content, Pipeline},
    connector::{CallError, Connector, LONGEST_WAIT, Resource, WriteItem, WriteKind},
    crash,
    record::{Cell, RecordId, Side},
    store::{Changes, Due, Intent, IntentItem, Spill},
    sync::{Born, Finding, FindingKind, Link, ParkCode, RecordWrite, body},
};

/// A run applies this soon after its pull of the written side, else it pulls again (DESIGN decision 7).
pub(super) const FRESH_FOR: Duration = Duration::from_secs(10);
/// Waits before an identical call is sent again after a lost answer.
const RESEND_AFTER: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(15)];
/// Steps read from the spill at a time.
const CHUNK: usize = 500;

/// One item on its way into a batch.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// The record it is made from.
    pub origin: RecordId,
    /// Name for people.
    pub label: String,
    /// The write.
    pub write: RecordWrite,
    /// The newcomer, for creates.
    pub newcomer: Option<Newcomer>,
}

/// Items waiting for their batch to fill, by the way they go; creates go first, deletions last.
#[derive(Debug, Default)]
pub(super) struct Baskets(BTreeMap<Way, Vec<Item>>);

/// Where a batch goes.
pub(super) struct Destination {
    pub connector: Arc<dyn Connector>,
    pub resource: Arc<Resource>,
    pub side: Side,
    pub timeout: Duration,
}

impl Run<'_> {
    /// Applies the steps of a plan.
    pub(super) async fn apply(&mut self, pipeline: &Arc<Pipeline>, steps: Spill<Step>) -> Result<(), EngineError> {
        let mut baskets = Baskets::default();
        for chunk in steps.chunks(CHUNK) {
            self.apply_steps(pipeline, &mut baskets, chunk?).await?;
        }
        self.apply_rest(pipeline, baskets).await
    }

    /// Applies steps; a batch goes out when it is full.
    pub(super) async fn apply_steps(
        &mut self,
        pipeline: &Arc<Pipeline>,
        baskets: &mut Baskets,
        steps: Vec<Step>,
    ) -> Result<(), EngineError> {
        for step in steps {
            let (kind, item) = match step {
                Step::Link { link, newcomers } => {
                    self.apply_link(pipeline, *link, &newcomers).await?;
                    continue;
                }
                Step::Succeed { old, link, newcomer } => {
                    self.apply_succession(pipeline, &old, *link, *newcomer).await?;
                    continue;
                }
                Step::Create { newcomer, write } => {
                    let seen = &newcomer.fresh.observation;
                    let (origin, label) = (seen.id.clone(), seen.label.clone());
                    (WriteKind::Create, Item { origin, label, write, newcomer: Some(*newcomer) })
                }
                Step::Update { source, label, write } => {
                    let kind = if write.delete { WriteKind::Delete } else { WriteKind::Update };
                    (kind, Item { origin: source, label, write, newcomer: None })
                }
            };
            let side = item.write.side;
            let most = resource_of(pipeline, side, Some(&item.write)).batch_size(kind).max(1);
            let items = baskets.0.entry(Way::of(pipeline, kind, &item.write)).or_default();
            items.push(item);
            if items.len() >= most {
                let items = std::mem::take(items);
                self.send_all(pipeline, side, kind, items).await?;
            }
        }
        Ok(())
    }

    /// Sends what is left in the baskets.
    pub(super) async fn apply_rest(&mut self, pipeline: &Arc<Pipeline>, baskets: Baskets) -> Result<(), EngineError> {
        for (way, items) in baskets.0 {
            if !items.is_empty() {
                self.send_all(pipeline, way.side, way.kind, items).await?;
            }
        }
        Ok(())
    }

    /// Remembers a link of two records that match.
    async fn apply_link(
        &mut self,
        pipeline: &Arc<Pipeline>,
        mut link: Link,
        newcomers: &[Newcomer; 2],
    ) -> Result<(), EngineError> {
        super::deliver::note_keys(pipeline, &mut link, &newcomers[1].fresh.observation.projection);
        // One of the two was read again since they were laid beside each other: what is known by now counts.
        let mut taken = newcomers.iter().any(|newcomer| self.was_read_again(pipeline, newcomer));
        for side in Side::BOTH {
            taken |= self.engine.ledger.link(&pipeline.name, side, link.id(side)).await?.is_some();
        }
        if taken {
            // One of the two was linked meanwhile, or read; the other is decided about anew.
            let mut changes = Changes::new();
            for newcomer in newcomers {
                if self.engine.ledger.link(&pipeline.name, newcomer.side, link.id(newcomer.side)).await?.is_none() {
                    self.keep_newcomer(&mut changes, pipeline, newcomer.clone(), "its match was taken");
                }
            }
            return Ok(self.engine.ledger.commit(changes).await?);
        }
        let due = Due { at: self.engine.clock.now(), why: "linked".to_owned() };
        let mut changes = Changes::new();
        // A linked record is found by its target's keys only.
        let [source, target] = newcomers;
        let keys = super::deliver::keys_of(pipeline, Side::Target, &target.fresh.observation.projection);
        // Before the link, as everywhere: who is woken too early waits again, who is forgotten waits for ever.
        self.wake(&mut changes, pipeline, &link).await?;
        changes.together(|atomic| {
            atomic.link(&pipeline.name, &link);
            for newcomer in newcomers {
                let id = &newcomer.fresh.observation.id;
                if newcomer.stored {
                    atomic.forget_fresh(&pipeline.name, newcomer.side, id);
                    atomic.unpark(&pipeline.name, newcomer.side, id);
                    atomic.done(&pipeline.name, newcomer.side, id);
                }
            }
            // Decided about again in the next round: what is left to write or to list is found there.
            atomic.due(&pipeline.name, Side::Source, &link.source, &due);
            super::deliver::reindex(atomic, &pipeline.name, Side::Source, &link.source, &source.old_keys, &[]);
            super::deliver::reindex(atomic, &pipeline.name, Side::Target, &link.target, &target.old_keys, &keys);
            // An entry that was remembered without its keys being known here is indexed all the same.
            super::deliver::reindex(atomic, &pipeline.name, Side::Target, &link.target, &[], &keys);
        });
        self.engine.ledger.commit(changes).await?;
        self.state_mut(&pipeline.name).await?.links += 1;
        self.meter.done(1);
        if link.born == Born::Matched {
            self.report_of(&pipeline.name).tally.linked += 1;
        }
        Ok(())
    }

    /// Whether a newcomer was read again by this run after it was planned. It is remembered as it was read last.
    pub(super) fn was_read_again(&self, pipeline: &Pipeline, newcomer: &Newcomer) -> bool {
        let id = newcomer.fresh.observation.id.clone();
        self.read_meanwhile.contains_key(&(pipeline.name.clone(), newcomer.side, id))
    }

    /// Whether a record without a link was found gone by this run after it was planned.
    pub(super) fn is_gone_by_now(&self, pipeline: &Pipeline, side: Side, id: &RecordId) -> bool {
        !self.read_meanwhile.is_empty()
            && self.read_meanwhile.get(&(pipeline.name.clone(), side, id.clone())).is_some_and(|gone| *gone)
    }

    /// Sends items in one call, falling back to single calls when the remote refuses the batch as a whole.
    async fn send_all(
        &mut self,
        pipeline: &Arc<Pipeline>,
        side: Side,
        kind: WriteKind,
        items: Vec<Item>,
    ) -> Result<(), EngineError> {
        let mut queue = VecDeque::from([items]);
        while let Some(items) = queue.pop_front() {
            let many = items.len() > 1;
            match self.send(pipeline, side, kind, items).await? {
                Sent::Done => {}
                Sent::RefusedWhole { items, message } if many => {
                    tracing::info!(event = "batch.split", pipeline = %pipeline.name, %message);
                    queue.extend(items.into_iter().map(|item| vec![item]));
                }
                Sent::RefusedWhole { items, message } => {
                    for item in items {
                        self.refused(pipeline, kind, item, &message, false).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn send(
        &mut self,
        pipeline: &Arc<Pipeline>,
        side: Side,
        kind: WriteKind,
        items: Vec<Item>,
    ) -> Result<Sent, EngineError> {
        let end = pipeline.end(side);
        let name = end.connection.name.clone();
        let used_up = self.request.limit.is_some_and(|limit| self.written >= limit);
        // A black-out may begin in the middle of a run.
        if self.is_down(&name) || used_up || self.blacked_out().is_some() {
            self.put_back(pipeline, items.into_iter().filter_map(|item| item.newcomer)).await?;
            return Ok(Sent::Done);
        }
        self.freshen(pipeline, side).await?;
        if self.is_down(&name) {
            self.put_back(pipeline, items.into_iter().filter_map(|item| item.newcomer)).await?;
            return Ok(Sent::Done);
        }
        let items = self.limit(pipeline, items).await?;
        let resource = resource_of(pipeline, side, items.first().map(|item| &item.write));
        let (items, writes) = match kind {
            WriteKind::Create => self.creates(pipeline, items).await?,
            WriteKind::Update => self.updates(pipeline, (side, &resource), items).await?,
            WriteKind::Delete => self.deletions(pipeline, side, items).await?,
        };
        if items.is_empty() {
            return Ok(Sent::Done);
        }
        let connector = self.connector(&name)?;
        let number = self.next_number();
        let key = uuid::Uuid::from_u64_pair(self.keys.u64(..), self.keys.u64(..)).to_string();
        let call = match connector.prepare(&resource, kind, &writes, &key) {
            Ok(call) => call,
            Err(error) => {
                for item in items {
                    self.refused(pipeline, kind, item, &error.to_string(), false).await?;
                }
                return Ok(Sent::Done);
            }
        };
        let mut newcomers = Vec::with_capacity(items.len());
        let items = items.into_iter().map(|Item { origin, label, write, newcomer }| {
            newcomers.push(newcomer);
            IntentItem { origin, label, write, done: false }
        });
        let items = items.collect();
        let intent = Intent {
            connection: name.clone(),
            account: end.connection.account(),
            pipeline: pipeline.name.clone(),
            config: pipeline.hash,
            side,
            first_sent: self.engine.clock.now(),
            unknown_since: None,
            call,
            items,
        };
        let mut changes = Changes::new();
        self.remember_overwritten(&mut changes, pipeline, &number, &intent);
        crash::point("intent-prepared");
        changes.together(|atomic| atomic.intent(&number, &intent));
        self.engine.ledger.commit(changes).await?;
        // Nothing is sent that a crash could forget.
        self.engine.ledger.flush().await?;
        crash::point("intent-flushed");
        let to = Destination { connector, resource, side, timeout: end.connection.manifest.timeout };
        self.written += intent.items.len() as u64;
        match self.call(&to, &intent).await {
            Ok(answer) => {
                crash::point("answered");
                let items = intent.items.len();
                self.settle(pipeline, &number, intent, newcomers, answer).await?;
                crash::point("settled");
                self.meter.done(items);
                Ok(Sent::Done)
            }
            Err(CallError::Unknown(reason)) => {
                self.trouble(&name, &CallError::Unknown(reason));
                self.keep_open(pipeline, &number, intent).await?;
                // The cursor moves on; what becomes of them is decided from what is remembered.
                self.put_back(pipeline, newcomers.into_iter().flatten()).await?;
                Ok(Sent::Done)
            }
            Err(CallError::Refused { message, .. }) => {
                self.close(&name, &number).await?;
                self.written -= intent.items.len() as u64;
                let items = intent.items.into_iter().zip(newcomers).map(|(item, newcomer)| {
                    let IntentItem { origin, label, write, .. } = item;
                    Item { origin, label, write, newcomer }
                });
                Ok(Sent::RefusedWhole { items: items.collect(), message })
            }
            Err(error) => {
                self.close(&name, &number).await?;
                self.trouble(&name, &error);
                self.put_back(pipeline, newcomers.into_iter().flatten()).await?;
                Ok(Sent::Done)
            }
        }
    }

    /// Sends a recorded call; where the remote remembers its key, a lost answer is asked for again with the very same
    /// bytes.
    pub(super) async fn call(&self, to: &Destination, intent: &Intent) -> Result<crate::connector::Answer, CallError> {
        let mut result = to.connector.send(&to.resource, &intent.call).await;
        for wait in RESEND_AFTER {
            let Err(error @ (CallError::Unknown(_) | CallError::BadAnswer(_))) = &result else { break };
            tracing::warn!(event = "write.unknown", connection = %intent.connection, error = %error);
            let age = (self.engine.clock.now() - intent.first_sent).to_std().unwrap_or_default();
            if !key_is_alive(intent, age + wait, to.timeout) {
                break;
            }
            self.engine.clock.sleep(wait).await;
            result = match to.connector.send(&to.resource, &intent.call).await {
                done @ (Ok(_) | Err(CallError::Refused { .. })) => done,
                // That this time it was not carried out says nothing about the first time.
                Err(error) => Err(CallError::Unknown(error.to_string())),
            };
        }
        match result {
            Err(CallError::BadAnswer(reason)) => Err(CallError::Unknown(reason)),
            other => other,
        }
    }

    /// Keeps items from being decided about while the outcome of their write is unknown.
    pub(super) fn leave_open(&mut self, pipeline: &Pipeline, intent: &Intent) {
        let side = match intent.call.kind {
            WriteKind::Create => intent.side.other(),
            WriteKind::Update | WriteKind::Delete => Side::Source,
        };
        for item in intent.items.iter().filter(|item| !item.done) {
            self.busy.insert((pipeline.name.clone(), side, item.origin.clone()));
            self.report_of(&pipeline.name).tally.unknown += 1;
        }
        if intent.call.kind == WriteKind::Create {
            self.open_creates.push((pipeline.name.clone(), intent.side, None));
        }
    }

    /// As [`Run::leave_open`], right after a call that ended without a full answer: the doubt begins now.
    pub(super) async fn keep_open(
        &mut self,
        pipeline: &Pipeline,
        number: &str,
        mut intent: Intent,
    ) -> Result<(), EngineError> {
        intent.unknown_since = Some(self.engine.clock.now());
        self.leave_open(pipeline, &intent);
        let mut changes = Changes::new();
        changes.together(|atomic| atomic.intent(number, &intent));
        Ok(self.engine.ledger.commit(changes).await?)
    }

    async fn close(&self, connection: &crate::config::ConnectionName, number: &str) -> Result<(), EngineError> {
        let mut changes = Changes::new();
        changes.together(|atomic| atomic.close_intent(connection, number));
        Ok(self.engine.ledger.commit(changes).await?)
    }

    /// Remembers items that were not sent: newcomers as seen and due; links are due already.
    async fn put_back(
        &mut self,
        pipeline: &Pipeline,
        newcomers: impl Iterator<Item = Newcomer>,
    ) -> Result<(), EngineError> {
        let mut changes = Changes::new();
        for newcomer in newcomers {
            self.keep_newcomer(&mut changes, pipeline, newcomer, "not sent yet");
        }
        Ok(self.engine.ledger.commit(changes).await?)
    }

    /// Cuts a batch to what `--limit` still allows.
    async fn limit(&mut self, pipeline: &Pipeline, mut items: Vec<Item>) -> Result<Vec<Item>, EngineError> {
        if let Some(limit) = self.request.limit {
            let left = usize::try_from(limit.saturating_sub(self.written)).unwrap_or(usize::MAX);
            if items.len() > left {
                let rest = items.split_off(left);
                self.put_back(pipeline, rest.into_iter().filter_map(|item| item.newcomer)).await?;
            }
        }
        Ok(items)
    }

    /// Reads the written side again when what was read of it is too old to be written over, or another pipeline made records
    /// there that this one was not told of.
    async fn freshen(&mut self, pipeline: &Arc<Pipeline>, side: Side) -> Result<(), EngineError> {
        let end = pipeline.end(side);
        let key = (end.connection.name.clone(), end.resource.name.clone());
        if !pipeline.reads(side) {
            return Ok(());
        }
        let old = self.age_of(&key).is_some_and(|age| age > FRESH_FOR)
            && end.resource.list.as_ref().is_some_and(|list| list.changed_since.is_some());
        if !old && !self.outdated.contains(&(pipeline.name.clone(), key.clone())) {
            return Ok(());
        }
        self.outdated.retain(|(_, outdated)| *outdated != key);
        let attached =
            self.ends_using(&key).into_iter().map(|(pipeline, side)| Attached { pipeline, side, spill: false });
        let connection = end.connection.clone();
        let resource = end.resource.clone();
        let order = PullOrder {
            connection: &connection,
            resource: &resource,
            attached: attached.collect(),
            full: false,
            since: None,
        };
        self.pulled_again += 1;
        if let Err(error) = self.pull(&order).await? {
            self.trouble(&key.0, &error);
        }
        Ok(())
    }

    /// Creates that may still be made: the record is not linked by now, and no record of the other side matches it.
    async fn creates(
        &mut self,
        pipeline: &Arc<Pipeline>,
        items: Vec<Item>,
    ) -> Result<(Vec<Item>, Vec<WriteItem>), EngineError> {
        let mut kept = Vec::with_capacity(items.len());
        let mut writes = Vec::with_capacity(items.len());
        let Some(origin) = items.first().map(|item| item.write.side.other()) else { return Ok((kept, writes)) };
        let again = self.pulled_again > 0;
        let ids: Vec<RecordId> = items.iter().map(|item| item.origin.clone()).collect();
        let linked = self.engine.ledger.links_of(&pipeline.name, origin, &ids).await?;
        for (item, link) in items.into_iter().zip(linked) {
            if link.is_some() || self.is_gone_by_now(pipeline, origin, &item.origin) {
                continue;
            }
            if again && self.has_new_candidate(pipeline, &item).await? {
                self.put_back(pipeline, item.newcomer.into_iter()).await?;
                continue;
            }
            match body(pipeline, &item.write, None) {
                Ok(body) => {
                    writes.push(WriteItem { id: None, body, version: None, now: None });
                    kept.push(item);
                }
                Err(error) => self.refused(pipeline, WriteKind::Create, item, &error.to_string(), false).await?,
            }
        }
        Ok((kept, writes))
    }

    async fn has_new_candidate(&self, pipeline: &Pipeline, item: &Item) -> Result<bool, EngineError> {
        let Some(newcomer) = &item.newcomer else { return Ok(false) };
        for (tier, text) in super::deliver::keys_of(pipeline, newcomer.side, &newcomer.fresh.observation.projection) {
            let side = newcomer.side.other();
            let at = crate::store::MatchKey { pipeline: &pipeline.name, side, tier, text: &text };
            if !self.engine.ledger.matches(&at, 1).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Updates that may still be made: both values are still what the plan was made from.
    async fn updates(
        &mut self,
        pipeline: &Arc<Pipeline>,
        (side, resource): (Side, &Resource),
        items: Vec<Item>,
    ) -> Result<(Vec<Item>, Vec<WriteItem>), EngineError> {
        let ids: Vec<RecordId> = items.iter().map(|item| item.origin.clone()).collect();
        let links = self.engine.ledger.links(&pipeline.name, &ids).await?;
        let mut kept = Vec::with_capacity(items.len());
        let mut writes = Vec::with_capacity(items.len());
        for (item, link) in items.into_iter().zip(links) {
            let Some(link) = link else { continue };
            let found = self.before_update(pipeline, (side, resource), link).await?;
            // A link that moved is due, and is decided about again; so is one of which a record is gone by now, whose values
            // are not looked at any more.
            let whole = |link: &Link| link.marks.iter().all(|mark| !mark.gone);
            let found = found.filter(|(link, _)| whole(link) && still_holds(pipeline, link, &item.write));
            let Some((link, now)) = found else {
                continue;
            };
            let mark = link.mark(side);
            match body(pipeline, &item.write, Some(mark)) {
                Ok(body) => {
                    let id = Some(link.id(side).clone());
                    writes.push(WriteItem { id, body, version: mark.version.clone(), now });
                    kept.push(item);
                }
                Err(error) => self.refused(pipeline, WriteKind::Update, item, &error.to_string(), false).await?,
            }
        }
        Ok((kept, writes))
    }

    fn next_number(&mut self) -> String {
        let micros = self.engine.clock.now().timestamp_micros();
        format!("{micros:020}-{:08x}", self.keys.u32(..))
    }

    /// A finding about a refused create, in the remote's own words.
    pub(super) fn refusal(pipeline: &Pipeline, write: &RecordWrite, message: &str) -> Finding {
        let field = match write.fields.as_slice() {
            [only] if write.id.is_some() && !write.delete => Some(field_name(pipeline, only.field)),
            _ => None,
        };
        Finding { kind: FindingKind::Parked(ParkCode::Refused), field, message: message.to_owned() }
    }
}

/// What became of a batch as a whole.
enum Sent {
    /// Settled, put back or left open.
    Done,
    /// Refused as a whole; nothing was carried out.
    RefusedWhole { items: Vec<Item>, message: String },
}

/// Whether the remote will still remember a key of this age when the call arrives: a call may wait for its turn
/// ([`LONGEST_WAIT`]) and then take its whole time-out.
pub(super) fn key_is_alive(intent: &Intent, age: Duration, timeout: Duration) -> bool {
    intent.call.key_lives.is_some_and(|lives| age + LONGEST_WAIT + timeout < lives)
}

/// Whether every value the write was made from is still the present one.
fn still_holds(pipeline: &Pipeline, link: &Link, write: &RecordWrite) -> bool {
    write.fields.iter().all(|sent| {
        let Some(state) = link.fields.get(&sent.field) else { return false };
        let field = pipeline.fields.iter().find(|field| field.id == sent.field);
        let constant = field.is_some_and(|field| matches!(field.content, Content::Constant(_)));
        // A list is made from all that is there, also from the elements that are not ours and no difference.
        let list = field.filter(|field| matches!(field.content, Content::Each(_)));
        let list = list.and_then(|field| field.end(write.side).paths.first());
        let list = list.and_then(|path| link.mark(write.side).carried.get(path.as_str()));
        let same = |now: Option<&Cell>, then: &Cell| now.is_none_or(|now| now == then);
        same(list.or_else(|| state.present(write.side)), &sent.before)
            && (constant || same(state.present(write.side.other()), &sent.from))
    })
}
