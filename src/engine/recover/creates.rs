//! Creates of unknown outcome: what they made is looked for, and only what two looks did not find is made again.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    config::{Pipeline, PipelineName, Then},
    connector::CallError,
    engine::{
        EngineError,
        deliver::{is_outdated, keys_of},
        pull::{Attached, PullOrder, ResourceKey},
        run::Run,
        sent::{holds_alike, may_come_of, tells_apart},
        settle::{Heard, Made},
    },
    record::{RecordId, Side},
    store::{Changes, Choice, Due, Intent, IntentItem, MatchKey},
    sync::{Finding, FindingKind, Fresh, ParkCode, RecordWrite, body},
};

/// The second look for what a create made begins so long before its call: clocks are read to the second, and a remote
/// may stamp what it makes with the beginning of its own work.
const BEFORE_THE_CALL: TimeDelta = TimeDelta::minutes(10);

/// Why a record that has the key of a create is not taken for what that made.
const A_STRANGER: &str = "a record has its key, but holds other values, and may be another one";

/// Why a create is not repeated although nothing was found that is what it sent.
const WHAT_CAME_SINCE: &str = "what it made may have been edited since: a record that came later holds a part of it";

impl Run<'_> {
    /// Creates whose outcome never became known and that cannot take effect any more: what they made is looked up
    /// among the records without a link, by the match keys that were sent, or where there are none by all values.
    /// What is not there is made again; where nothing can be told, a person looks.
    pub(in crate::engine) async fn look_up_creates(
        &mut self,
        failed: &HashSet<ResourceKey>,
    ) -> Result<(), EngineError> {
        let unseen = self.look_twice(failed).await?;
        let doubtful = std::mem::take(&mut self.doubtful);
        let mut open = Twins::of(&doubtful);
        for (number, mut intent) in doubtful {
            let Some((_, pipeline)) = self.engine.config.pipeline(&intent.pipeline) else { continue };
            let pipeline = pipeline.clone();
            let side = intent.side;
            let key = (intent.connection.clone(), intent.call.resource.clone());
            let failed = failed.contains(&key) || unseen.contains(&key);
            let unread = pipeline.reads(side) && (failed || !self.pulled.contains_key(&key));
            if unread || !self.is_planned(&pipeline.name) || self.has_other_readings(&pipeline, &intent).await? {
                self.leave_open(&pipeline, &intent);
                continue;
            }
            let mut changes = Changes::new();
            for at in 0..intent.items.len() {
                let Some(item) = intent.items.get(at).filter(|item| !item.done).cloned() else { continue };
                let origin = side.other();
                let linked = self.engine.ledger.link(&pipeline.name, origin, &item.origin).await?.is_some();
                let (found, by_key) =
                    if linked { (Vec::new(), true) } else { self.made_by(&pipeline, side, &item).await? };
                let alike = |one: &Fresh| holds_alike(&pipeline, side, &one.observation.projection, &item.write);
                // Equal creates made equal records: which of them is whose cannot be told, and makes no difference.
                let twins = open.count(&pipeline, &item);
                let dealt = found.len() <= twins && found.iter().all(alike);
                let sure = linked || (!found.is_empty() && found.iter().all(alike));
                let edited = if sure { Vec::new() } else { self.late(&pipeline, side, (&item, &found)).await? };
                let asks = match found.as_slice() {
                    _ if !edited.is_empty() => Some(WHAT_CAME_SINCE),
                    [one] if by_key && !alike(one) => {
                        let made =
                            |write: &RecordWrite| may_come_of(&pipeline, side, &one.observation.projection, write);
                        let of_another = one.late && open.others(&pipeline, &item).any(made);
                        (of_another || self.is_stranger(&pipeline, side, &item, one).await?).then_some(A_STRANGER)
                    }
                    _ => None,
                };
                if let Some(what) = asks {
                    let may_be = [found, edited].concat();
                    self.park_unknown(&mut changes, &pipeline, &intent, (&item, what), &may_be).await?;
                    continue;
                }
                let mut now = None;
                match (found.as_slice(), by_key) {
                    ([one, rest @ ..], _) if rest.is_empty() || dealt => {
                        let id = one.observation.id.clone();
                        let beside = self.beside_one(&pipeline, side, (&item.origin, &id)).await?;
                        // It is archived or deleted by now; or nothing is known of it but what was sent.
                        if beside.origin.is_none() && pipeline.end(origin).resource.get.is_some() {
                            now = Some(self.ask_for(&pipeline, origin, &item.origin).await?);
                        }
                        if self.is_trouble(&pipeline, origin, now.as_ref()) {
                            self.leave_open(&pipeline, &intent);
                            break;
                        }
                        let made = Made { id, answered: Some(one.observation.clone()), beside };
                        self.settle_created(&mut changes, &pipeline, side, &item, None, made).await?;
                    }
                    ([], true) => {
                        let due =
                            Due { at: self.engine.clock.now(), why: "its last write was not carried out".to_owned() };
                        let known = self.remembered(&pipeline, origin, &item.origin).await?;
                        changes.together(|atomic| {
                            if let Some(mut known) = known.map(|known| known.fresh) {
                                known.doubted = true;
                                atomic.fresh(&pipeline.name, origin, &known);
                            }
                            atomic.due(&pipeline.name, origin, &item.origin, &due);
                        });
                    }
                    _ => {
                        let what = if found.is_empty() {
                            "there is no key to look it up by"
                        } else {
                            "several records may be it"
                        };
                        self.park_unknown(&mut changes, &pipeline, &intent, (&item, what), &found).await?;
                        continue;
                    }
                }
                open.end(&pipeline, &item);
                if let Some(item) = intent.items.get_mut(at) {
                    item.done = true;
                }
                self.engine.ledger.commit(std::mem::take(&mut changes)).await?;
                // (A run that dies here has not moved its cursor, so that the next one lists the record once more.)
                if let Some(now) = now {
                    self.hear_of(&pipeline, (origin, &item.origin), now).await?;
                }
            }
            changes.together(|atomic| {
                if intent.items.iter().all(|item| item.done) {
                    atomic.close_intent(&intent.connection, &number);
                } else {
                    atomic.intent(&number, &intent);
                }
            });
            self.engine.ledger.commit(changes).await?;
        }
        Ok(())
    }

    /// Whether a record that was asked for cannot be read now.
    fn is_trouble(&mut self, pipeline: &Pipeline, side: Side, answer: Option<&Heard>) -> bool {
        match answer {
            None | Some(Ok(_) | Err(CallError::Removed(_))) => false,
            Some(Err(error)) => {
                self.trouble(&pipeline.end(side).connection.name, error);
                true
            }
        }
    }

    /// A listing that shifts while it is read (somebody edits, archives or deletes what stands before) lacks records that
    /// are there. So what was not found is looked for once more, in what changed since the call. Returns what could not
    /// be read a second time.
    async fn look_twice(&mut self, failed: &HashSet<ResourceKey>) -> Result<HashSet<ResourceKey>, EngineError> {
        let mut wanted: BTreeMap<ResourceKey, (Arc<Pipeline>, Side, DateTime<Utc>)> = BTreeMap::new();
        let open = Twins::of(&self.doubtful);
        for (_, intent) in &self.doubtful {
            let Some((_, pipeline)) = self.engine.config.pipeline(&intent.pipeline) else { continue };
            let key = (intent.connection.clone(), intent.call.resource.clone());
            if !pipeline.reads(intent.side) || failed.contains(&key) || !self.pulled.contains_key(&key) {
                continue;
            }
            if self.lacks_any(pipeline, intent, &open).await? {
                let first = (pipeline.clone(), intent.side, intent.first_sent);
                let wanted = wanted.entry(key).or_insert(first);
                wanted.2 = wanted.2.min(intent.first_sent);
            }
        }
        let mut unseen = HashSet::new();
        for (key, (pipeline, side, first_sent)) in wanted {
            let Some(pulled) = self.pulled.get(&key) else { continue };
            let end = pipeline.end(side);
            let called = first_sent - pulled.ahead - BEFORE_THE_CALL;
            let since = pulled.cursor.since.map(|since| since.min(called));
            let attached = self.ends_using(&key).into_iter();
            let attached = attached.map(|(pipeline, side)| Attached { pipeline, side, spill: false }).collect();
            let (connection, resource) = (end.connection.clone(), end.resource.clone());
            let order = PullOrder { connection: &connection, resource: &resource, attached, full: false, since };
            self.pulled_again += 1;
            if let Err(error) = self.pull(&order).await? {
                self.trouble(&key.0, &error);
                unseen.insert(key);
            }
        }
        Ok(unseen)
    }

    /// Whether fewer records were found than an intent's creates may have made.
    async fn lacks_any(&self, pipeline: &Pipeline, intent: &Intent, open: &Twins) -> Result<bool, EngineError> {
        for item in intent.items.iter().filter(|item| !item.done) {
            if self.engine.ledger.link(&pipeline.name, intent.side.other(), &item.origin).await?.is_some() {
                continue;
            }
            let (found, by_key) = self.made_by(pipeline, intent.side, item).await?;
            if by_key && found.len() < open.count(pipeline, item) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether records without a link, or those that the creates were made from, are remembered as they were read under
    /// another spec: they cannot be found by what they hold, nor is that known. The next run reads everything.
    async fn has_other_readings(&mut self, pipeline: &Pipeline, intent: &Intent) -> Result<bool, EngineError> {
        let (side, origin) = (intent.side, intent.side.other());
        let open = intent.items.iter().filter(|item| !item.done);
        let origins: Vec<RecordId> = open.map(|item| item.origin.clone()).collect();
        let made_from = self.engine.ledger.fresh(&pipeline.name, origin, &origins).await?;
        if made_from.iter().flatten().any(|fresh| is_outdated(pipeline, origin, fresh)) {
            self.state_mut(&pipeline.name).await?.read[origin.index()] = 0;
            return Ok(true);
        }
        let mut after = None;
        loop {
            let (page, next) = self.engine.ledger.list_fresh(&pipeline.name, side, after.as_ref()).await?;
            if page.iter().any(|fresh| is_outdated(pipeline, side, fresh)) {
                self.state_mut(&pipeline.name).await?.read[side.index()] = 0;
                return Ok(true);
            }
            match next {
                Some(key) => after = Some(key),
                None => return Ok(false),
            }
        }
    }

    /// Records without a link that a create may have made, and whether it could be found by a key.
    async fn made_by(
        &self,
        pipeline: &Pipeline,
        side: Side,
        item: &IntentItem,
    ) -> Result<(Vec<Fresh>, bool), EngineError> {
        let mut found: Vec<Fresh> = Vec::new();
        // The configuration may have lost a field since.
        let mut write = item.write.clone();
        write.fields.retain(|sent| pipeline.fields.iter().any(|field| field.id == sent.field));
        let sent = body(pipeline, &write, None).map(|body| pipeline.end(side).spec.read(&body));
        let keys = sent.map(|sent| keys_of(pipeline, side, &sent)).unwrap_or_default();
        let sure = |tier: usize| pipeline.tiers.get(tier).is_some_and(|tier| tier.then == Then::Link);
        let keys: Vec<_> = keys.into_iter().filter(|(tier, _)| sure(*tier)).collect();
        for (tier, text) in &keys {
            let at = MatchKey { pipeline: &pipeline.name, side, tier: *tier, text };
            let ids = self.engine.ledger.matches(&at, 20).await?;
            let linked = self.engine.ledger.links_of(&pipeline.name, side, &ids).await?;
            for (fresh, link) in self.engine.ledger.fresh(&pipeline.name, side, &ids).await?.into_iter().zip(linked) {
                if let (Some(fresh), None) = (fresh, link)
                    && !found.iter().any(|known| known.observation.id == fresh.observation.id)
                {
                    found.push(fresh);
                }
            }
        }
        // A remote that keeps the key in another form is not found by it, and that is no proof that nothing was made.
        let telling = item.write.fields.iter().any(|sent| tells_apart(pipeline, sent));
        if keys.is_empty() || (found.is_empty() && telling) {
            let mut after = None;
            loop {
                let (page, next) = self.engine.ledger.list_fresh(&pipeline.name, side, after.as_ref()).await?;
                let made = |fresh: &Fresh| holds_alike(pipeline, side, &fresh.observation.projection, &item.write);
                found.extend(page.into_iter().filter(made));
                match next {
                    Some(key) => after = Some(key),
                    None => break,
                }
            }
        }
        Ok((found, !keys.is_empty()))
    }

    /// Whether a record that has the key of a create, and holds other values than were sent, may be another one: what it would
    /// be linked to has another key by now, so that the two would not match.
    async fn is_stranger(
        &mut self,
        pipeline: &Pipeline,
        side: Side,
        item: &IntentItem,
        found: &Fresh,
    ) -> Result<bool, EngineError> {
        let Some(known) = self.remembered(pipeline, side.other(), &item.origin).await? else { return Ok(false) };
        let there = keys_of(pipeline, side, &found.observation.projection);
        let here = keys_of(pipeline, side.other(), &known.fresh.observation.projection);
        Ok(!here.iter().any(|key| there.contains(key)))
    }

    /// Other records that came since a create, hold a part of what it sent, and have no link: somebody may have edited what it
    /// made before anybody read it, so that it is found by nothing.
    async fn late(
        &self,
        pipeline: &Pipeline,
        side: Side,
        (item, known): (&IntentItem, &[Fresh]),
    ) -> Result<Vec<Fresh>, EngineError> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = self.engine.ledger.list_fresh(&pipeline.name, side, after.as_ref()).await?;
            let is_known = |fresh: &Fresh| known.iter().any(|one| one.observation.id == fresh.observation.id);
            let may_be = |fresh: &Fresh| {
                fresh.late
                    && !is_known(fresh)
                    && may_come_of(pipeline, side, &fresh.observation.projection, &item.write)
            };
            found.extend(page.into_iter().filter(may_be));
            match next {
                Some(key) => after = Some(key),
                None => return Ok(found),
            }
        }
    }

    /// There is no way to find out: a person looks. The intent stays open: it is what keeps the record from being
    /// created again.
    async fn park_unknown(
        &mut self,
        changes: &mut Changes,
        pipeline: &Arc<Pipeline>,
        intent: &Intent,
        (item, what): (&IntentItem, &str),
        found: &[Fresh],
    ) -> Result<(), EngineError> {
        let side = intent.side.other();
        let message = format!(
            "{} was asked to create it at {}, the answer was lost, and {what}",
            intent.connection, intent.first_sent
        );
        let finding = Finding { kind: FindingKind::Parked(ParkCode::Unknown), field: None, message };
        self.list_findings(pipeline, side, &item.origin, &item.label, std::slice::from_ref(&finding));
        let choices = found.iter().take(20).map(|fresh| Choice {
            id: fresh.observation.id.clone(),
            label: fresh.observation.label.clone(),
            linked_with: None,
        });
        let old = self.engine.ledger.parked(&pipeline.name, side, &item.origin).await?;
        let mut parked = self.parked_entry(&old, &item.label, &finding, choices.collect());
        parked.next_try = None;
        changes.together(|atomic| atomic.park(&pipeline.name, side, &item.origin, &[parked]));
        self.busy.insert((pipeline.name.clone(), side, item.origin.clone()));
        self.unknown.insert((pipeline.name.clone(), side, item.origin.clone()));
        self.open_creates.push((pipeline.name.clone(), intent.side, Some(item.write.clone())));
        Ok(())
    }
}

/// The creates of unknown outcome that are looked up in a run, told by what they sent.
struct Twins(Vec<(PipelineName, RecordWrite)>);

impl Twins {
    fn of(doubtful: &[(String, Intent)]) -> Self {
        let open = doubtful.iter().flat_map(|(_, intent)| {
            let items = intent.items.iter().filter(|item| !item.done);
            items.map(|item| (intent.pipeline.clone(), item.write.clone()))
        });
        Self(open.collect())
    }

    /// How many sent what this one did, itself among them.
    fn count(&self, pipeline: &Pipeline, item: &IntentItem) -> usize {
        self.0.iter().filter(|open| is_twin(open, pipeline, item)).count()
    }

    /// What the others on the same side sent.
    fn others<'t>(&'t self, pipeline: &'t Pipeline, item: &'t IntentItem) -> impl Iterator<Item = &'t RecordWrite> {
        let beside = |(name, write): &&(PipelineName, RecordWrite)| {
            *name == pipeline.name && write.side == item.write.side && *write != item.write
        };
        self.0.iter().filter(beside).map(|(_, write)| write)
    }

    /// What became of one of them is known.
    fn end(&mut self, pipeline: &Pipeline, item: &IntentItem) {
        if let Some(at) = self.0.iter().position(|open| is_twin(open, pipeline, item)) {
            self.0.swap_remove(at);
        }
    }
}

fn is_twin((name, write): &(PipelineName, RecordWrite), pipeline: &Pipeline, item: &IntentItem) -> bool {
    let sent = |write: &RecordWrite| -> Vec<_> { write.fields.iter().map(|f| (f.field, f.value.clone())).collect() };
    *name == pipeline.name && write.side == item.write.side && sent(write) == sent(&item.write)
}
