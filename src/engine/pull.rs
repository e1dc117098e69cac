//! Reading a resource once, for every pipeline that uses it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    EngineError,
    deliver::{keys_of, reindex},
    elements::record_to_read,
    listing::Lacks,
    run::Run,
    sight::Sight,
    unread::Doubts,
};
use crate::{
    config::{Connection, ConnectionName, Pipeline},
    connector::{CallError, PullCursor, Resource, Way},
    record::{RecordId, Side},
    store::{Changes, Cursor, News},
    sync::Fresh,
};

/// Unlinked records that a full listing lacks and that are looked at by id, per listing.
const SECOND_LOOKS: usize = 100;

/// How often a listing begins again because the remote forgot where it stood.
const RESTARTS: u32 = 3;

/// A resource of a connection.
pub(super) type ResourceKey = (ConnectionName, String);

/// A finished pull of this run.
#[derive(Clone, Debug)]
pub(super) struct Pulled {
    /// The cursor to store when the run has ended.
    pub cursor: Cursor,
    /// What the system told of and was looked at; forgotten with the cursor.
    pub told: Vec<News>,
    /// When the pull began, on the monotonic clock: what was read may be older than what is there now.
    pub at: Duration,
    /// How far our clock is ahead of the remote's.
    pub ahead: TimeDelta,
    /// Everything was listed in this run.
    pub full: bool,
}

/// One end of a pipeline that uses a resource.
#[derive(Clone)]
pub(super) struct Attached {
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// Which of its ends.
    pub side: Side,
    /// Whether records without a link are spilled (the pipeline is planned in this run) instead of stored.
    pub spill: bool,
}

/// What to read.
pub(super) struct PullOrder<'a> {
    /// The account.
    pub connection: &'a Arc<Connection>,
    /// The collection.
    pub resource: &'a Resource,
    /// Who gets the records.
    pub attached: Vec<Attached>,
    /// Everything, or what changed.
    pub full: bool,
    /// What changed since then, by the remote's clock, in place of where the last pull ended.
    pub since: Option<DateTime<Utc>>,
}

impl PullOrder<'_> {
    /// What is read.
    pub(super) fn key(&self) -> ResourceKey {
        (self.connection.name.clone(), self.resource.name.clone())
    }

    /// The collection, with the members of their own calls that somebody maps who gets the records.
    pub(super) fn as_it_is_mapped(&self) -> Resource {
        let mut resource = self.resource.clone();
        resource.also.clear();
        for also in self.attached.iter().flat_map(|at| &at.pipeline.end(at.side).resource.also) {
            if resource.also.iter().all(|known| known.member != also.member) {
                resource.also.push(also.clone());
            }
        }
        resource
    }
}

impl Run<'_> {
    /// Lists a resource from its first page to its last and delivers what is there. The outer error is ours, the inner one
    /// the remote's. Whether the listing lacks something is for [`Run::pull`] to find out.
    pub(super) async fn list(&mut self, order: &PullOrder<'_>) -> Result<Result<Sight, CallError>, EngineError> {
        let key = order.key();
        let resource = &order.as_it_is_mapped();
        let account = order.connection.account();
        let stored = self.engine.ledger.cursor(&key.0, &key.1).await?;
        let stored = stored.filter(|cursor| cursor.account.is_empty() || cursor.account == account).unwrap_or_default();
        let stored = self.pulled.get(&key).map_or(stored, |pulled| pulled.cursor.clone());
        let mut told = Box::pin(self.told_of(&key)).await?;
        let feed = order.resource.list.as_ref().and_then(|list| list.changed_since.as_ref());
        let full = order.full || stored.since.is_none() || feed.is_none() || told.is_a_flood();
        let mut position = PullCursor { since: if full { None } else { order.since.or(stored.since) }, page: None };
        let connector = self.connector(&key.0)?;
        let (at, wall) = (self.engine.clock.monotonic(), self.engine.clock.now());
        let mut began: Option<DateTime<Utc>> = None;
        let mut restarts = 0;
        let mut doubts = Doubts::default();
        let mut sight = Sight::of(order, stored.since, position.since);
        for attached in &order.attached {
            // (Of a neighbour no run prepared it.)
            self.stand_between(&attached.pipeline).await?;
        }
        for attached in order.attached.iter().filter(|_| full) {
            let read = self.state_mut(&attached.pipeline.name).await?.read[attached.side.index()];
            sight.news |= read != attached.pipeline.read_mark(attached.side);
        }
        let mut way = Way::of(resource);
        let mut ahead;
        loop {
            let page = match connector.pull(resource, &position).await {
                Ok(page) => page,
                // What was read stays read; records that come a second time are found unchanged.
                Err(CallError::PageExpired) if restarts < RESTARTS && position.page.is_some() => {
                    restarts += 1;
                    position.page = None;
                    way = Way::of(resource);
                    continue;
                }
                Err(error) => return Ok(Err(error)),
            };
            if let Err(error) = way.page(&resource.name, &page) {
                return Ok(Err(error));
            }
            let server = page.server_time.unwrap_or_else(|| self.engine.clock.now());
            // The server's `Date` is that of its answer; what changed while the call was under way was not in it.
            began.get_or_insert_with(|| {
                let took = self.engine.clock.monotonic().saturating_sub(at);
                server - TimeDelta::from_std(took).unwrap_or_else(|_| TimeDelta::hours(1))
            });
            ahead = self.engine.clock.now() - server;
            sight.page(&page);
            self.meter.page(page.records.len());
            for attached in &order.attached {
                let old_news = Box::pin(self.deliver_counting(attached, &page.records, ahead)).await?;
                if !full {
                    self.meter.echoes(&attached.pipeline.name, old_news);
                }
            }
            told.came(&page.records);
            doubts.of(&page);
            crate::crash::point("page-delivered");
            match page.next {
                Some(next) => position.page = Some(next),
                None => break,
            }
        }
        if let Err(error) = Box::pin(self.look_at_told(order, full, &mut told)).await? {
            return Ok(Err(error));
        }
        for attached in &order.attached {
            self.park_unread(attached, &doubts).await?;
        }
        // What a replica that is behind does not show yet is asked for once more.
        let overlap = feed.map_or(Duration::ZERO, |feed| feed.overlap).max(order.connection.manifest.lag);
        let overlap = TimeDelta::from_std(overlap).unwrap_or_else(|_| TimeDelta::hours(1));
        let cursor = Cursor {
            since: began.map(|began| began - overlap),
            full_at: if full { Some(wall) } else { stored.full_at },
            account,
        };
        let before = self.pulled.remove(&key);
        let full = full || before.as_ref().is_some_and(|before| before.full);
        let mut looked_at = before.map(|before| before.told).unwrap_or_default();
        looked_at.extend(told.done());
        self.pulled.insert(key, Pulled { cursor, told: looked_at, at, ahead, full });
        (sight.began, sight.tells_absence) = (began, doubts.absence_tells());
        Ok(Ok(sight))
    }

    /// Remembers that every record of an end was read under its present spec.
    pub(super) async fn mark_read_in_full(&mut self, attached: &Attached, records: u64) -> Result<(), EngineError> {
        let mark = attached.pipeline.read_mark(attached.side);
        let written = attached.pipeline.writes(attached.side);
        let state = self.state_mut(&attached.pipeline.name).await?;
        state.read[attached.side.index()] = mark;
        if written && records == 0 && !state.put_back && state.stage == crate::store::Stage::Unapproved {
            // Nothing can be duplicated or overwritten on an empty side, so nobody needs to look first.
            state.stage = crate::store::Stage::Approved;
        }
        Ok(())
    }

    /// After a full listing that ended properly: linked records that were not in it get a second look by id. Only
    /// where both agree is the record gone, and even then nothing is deleted: the link is marked and kept.
    pub(super) async fn look_for_absent(
        &mut self,
        order: &PullOrder<'_>,
        attached: &Attached,
        listed: &HashSet<u64>,
    ) -> Result<Result<(), CallError>, EngineError> {
        let (pipeline, side) = (&attached.pipeline, attached.side);
        let end = pipeline.end(side);
        let mut absent: Vec<RecordId> = Vec::new();
        let mut links = 0_usize;
        let mut after = None;
        loop {
            let (page, next) = self.engine.ledger.list_links(&pipeline.name, after.as_ref()).await?;
            links += page.len();
            for link in page {
                if !link.mark(side).gone && !listed.contains(&id_hash(&record_to_read(end, link.id(side)))) {
                    absent.push(link.id(side).clone());
                }
            }
            match next {
                Some(key) => after = Some(key),
                None => break,
            }
        }
        // Counted anew: a crash may have come between a link and the count.
        self.state_mut(&pipeline.name).await?.links = links as u64;
        let lacks = Lacks {
            links: (absent.len(), links),
            seen: self.seen_and_absent(attached, listed).await?,
            listed: listed.len(),
        };
        if let Some(message) = self.disbelieved(order, attached, lacks).await? {
            return Ok(Err(CallError::BadAnswer(message)));
        }
        if let Err(error) = self.forget_absent_newcomers(order, attached, listed).await? {
            return Ok(Err(error));
        }
        if absent.is_empty() {
            return Ok(Ok(()));
        }
        let connector = self.connector(&order.connection.name)?;
        let mut looked: HashMap<RecordId, bool> = HashMap::new();
        for id in absent {
            if order.resource.get.is_none() {
                self.note_missing(pipeline, side, &id).await?;
                continue;
            }
            // A parent tells about all of its elements at once.
            let asked = record_to_read(end, &id);
            let is_there = match looked.get(&asked) {
                Some(is_there) => *is_there,
                None => match connector.get(&end.resource, &asked).await {
                    Ok(Some(record)) => {
                        self.deliver(attached, &[record], TimeDelta::zero()).await?;
                        true
                    }
                    Ok(None) => false,
                    Err(error) => return Ok(Err(error)),
                },
            };
            if !is_there {
                self.mark_gone(pipeline, side, &id).await?;
            }
            looked.insert(asked, is_there);
        }
        Ok(Ok(()))
    }
}

impl Run<'_> {
    /// A linked record that cannot be read by id was not listed: the second time in a row it is gone.
    async fn note_missing(&mut self, pipeline: &Pipeline, side: Side, id: &RecordId) -> Result<(), EngineError> {
        let Some(mut link) = self.engine.ledger.link(&pipeline.name, side, id).await? else { return Ok(()) };
        if self.may_be_old(pipeline, side, std::slice::from_ref(id)).await?.contains(&true) {
            return Ok(());
        }
        if link.mark(side).missing {
            return self.mark_gone(pipeline, side, id).await;
        }
        link.marks[side.index()].missing = true;
        link.revision += 1;
        let mut changes = Changes::new();
        changes.together(|atomic| atomic.relink(&pipeline.name, &link));
        Ok(self.engine.ledger.commit(changes).await?)
    }

    /// Records that were seen, never linked, and are not listed any more can neither enter nor be matched. They get a
    /// second look, too: a listing that shifts while it is read lacks records that are there, and a match that is
    /// forgotten is a record made twice. So many at most; the rest has its turn after the next full reads.
    async fn forget_absent_newcomers(
        &mut self,
        order: &PullOrder<'_>,
        attached: &Attached,
        listed: &HashSet<u64>,
    ) -> Result<Result<(), CallError>, EngineError> {
        let (pipeline, side) = (&attached.pipeline, attached.side);
        let connector = self.connector(&order.connection.name)?;
        let end = pipeline.end(side);
        let mut looks = SECOND_LOOKS;
        let mut looked: HashMap<RecordId, bool> = HashMap::new();
        let mut after = None;
        loop {
            let (page, next) = self.engine.ledger.list_fresh(&pipeline.name, side, after.as_ref()).await?;
            let mut changes = Changes::new();
            let unlisted = |fresh: &&Fresh| !listed.contains(&id_hash(&record_to_read(end, &fresh.observation.id)));
            for fresh in page.iter().filter(unlisted) {
                let id = &fresh.observation.id;
                if order.resource.get.is_some() {
                    let asked = record_to_read(end, id);
                    let is_there = match looked.get(&asked) {
                        Some(is_there) => *is_there,
                        None if looks == 0 => break,
                        None => {
                            looks -= 1;
                            match connector.get(&end.resource, &asked).await {
                                Ok(Some(record)) => {
                                    self.deliver(attached, &[record], TimeDelta::zero()).await?;
                                    true
                                }
                                Ok(None) => false,
                                Err(error) => return Ok(Err(error)),
                            }
                        }
                    };
                    looked.insert(asked, is_there);
                    if is_there {
                        continue;
                    }
                }
                let keys = keys_of(pipeline, side, &fresh.observation.projection);
                changes.together(|atomic| {
                    atomic.forget_fresh(&pipeline.name, side, id);
                    atomic.done(&pipeline.name, side, id);
                    atomic.unpark(&pipeline.name, side, id);
                    reindex(atomic, &pipeline.name, side, id, &keys, &[]);
                });
            }
            self.engine.ledger.commit(changes).await?;
            match next {
                Some(key) => after = Some(key),
                None => return Ok(Ok(())),
            }
        }
    }
}

/// A stable hash of an id; a collision can only hide an absence until the next full read.
pub(super) fn id_hash(id: &RecordId) -> u64 {
    xxhash_rust::xxh3::xxh3_64(id.as_str().as_bytes())
}
