//! Whether a listing that came in several pages is all there was.
//!
//! Where pages are told by their places, a record that leaves its place while the listing is read (somebody edits, archives
//! or deletes it) has those behind it move up, and one of them is on no page that is asked for. Nothing is concluded from
//! such a listing until a second one says the same; why that is enough is told in `docs/decisions/moving-pages.md`.

use std::collections::HashSet;

use chrono::{DateTime, Timelike, Utc};
use xxhash_rust::xxh3::Xxh3;

use super::{
    EngineError,
    pull::{PullOrder, id_hash},
    run::Run,
};
use crate::connector::{CallError, Page, RemoteRecord};

/// So often is what changed listed before it is left to the next run.
const LOOKS: usize = 6;

/// What one reading saw, from its first page to its last.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// Whether its pages are told by their places, and what changed can be asked for.
    shifts: bool,
    /// Whether somebody who gets the records had not read all of them before, as they are read now.
    pub news: bool,
    pages: u64,
    records: u64,
    /// From when on changes were listed; `None` where everything was.
    since: Option<DateTime<Utc>>,
    /// From when on whatever changed is to be listed again; `None` where nothing was ever read before.
    before: Option<DateTime<Utc>>,
    /// When it began, by the remote's clock.
    pub began: Option<DateTime<Utc>>,
    /// What changed, as it was listed, in its order.
    marks: Vec<u64>,
    /// The ids of what was listed, by hash.
    listed: HashSet<u64>,
    /// Whether what was not listed is not there.
    pub tells_absence: bool,
    /// The last stamp of what changed; of a record without one, it is later than any.
    latest: Option<DateTime<Utc>>,
}

impl Sight {
    /// Before the first page. `stored` is where the last pull ended.
    pub(super) fn of(order: &PullOrder<'_>, stored: Option<DateTime<Utc>>, since: Option<DateTime<Utc>>) -> Self {
        let list = order.resource.list.as_ref();
        let shifts = list.is_some_and(|list| list.paging.shifts() && list.changed_since.is_some());
        Self { shifts, since, before: since.or(stored), ..Self::default() }
    }

    /// Takes note of a page.
    pub(super) fn page(&mut self, page: &Page) {
        self.pages += 1;
        self.records += page.records.len() as u64;
        if !self.is_full() && !self.shifts {
            return;
        }
        for record in &page.records {
            self.listed.insert(id_hash(&record.id));
            if !self.is_full() {
                self.marks.push(mark(record));
                self.latest = self.latest.max(Some(record.updated_at.unwrap_or(DateTime::<Utc>::MAX_UTC)));
            }
        }
    }

    /// Whether everything was listed.
    fn is_full(&self) -> bool {
        self.since.is_none()
    }

    /// Whether a record was listed twice.
    fn has_twice(&self) -> bool {
        self.records > self.listed.len() as u64
    }

    /// Whether it may lack records: one page is one moment.
    fn may_lack(&self) -> bool {
        self.shifts && self.pages > 1
    }

    /// What was listed in either reading is there.
    fn and(&mut self, again: Self) {
        self.listed.extend(again.listed);
        self.tells_absence &= again.tells_absence;
    }
}

/// A record as it is listed.
fn mark(record: &RemoteRecord) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(record.id.as_str().as_bytes());
    match (&record.version, record.updated_at) {
        (None, None) => hash.update(record.body.to_string().as_bytes()),
        (version, stamp) => {
            hash.update(version.as_deref().unwrap_or_default().as_bytes());
            hash.update(&stamp.map(|stamp| stamp.timestamp_micros()).unwrap_or_default().to_le_bytes());
        }
    }
    hash.update(&[0, u8::from(record.gone)]);
    hash.digest()
}

impl Run<'_> {
    /// Pulls a resource and delivers it, so that nothing is missing that was there when it began. The outer error is ours,
    /// the inner one the remote's.
    pub(super) async fn pull(&mut self, order: &PullOrder<'_>) -> Result<Result<(), CallError>, EngineError> {
        let before = self.pulled.get(&order.key()).cloned();
        let pulled = self.pull_whole(order).await?;
        if pulled.is_err() {
            // The next run begins where this one did.
            match before {
                Some(before) => self.pulled.insert(order.key(), before),
                None => self.pulled.remove(&order.key()),
            };
        }
        Ok(pulled)
    }

    async fn pull_whole(&mut self, order: &PullOrder<'_>) -> Result<Result<(), CallError>, EngineError> {
        let mut sight = match self.list(order).await? {
            Ok(sight) => sight,
            Err(error) => return Ok(Err(error)),
        };
        if sight.may_lack()
            && let Err(error) = self.complete(order, &mut sight).await?
        {
            return Ok(Err(error));
        }
        if !sight.is_full() {
            return Ok(Ok(()));
        }
        for attached in order.attached.iter().filter(|_| sight.tells_absence) {
            if let Err(error) = self.look_for_absent(order, attached, &sight.listed).await? {
                return Ok(Err(error));
            }
        }
        for attached in &order.attached {
            self.mark_read_in_full(attached, sight.records).await?;
        }
        Ok(Ok(()))
    }

    /// Lists what changed, and everything once more where that is new to somebody and something moved meanwhile: what both
    /// of these readings lack is found by a later one.
    async fn complete(
        &mut self,
        order: &PullOrder<'_>,
        sight: &mut Sight,
    ) -> Result<Result<(), CallError>, EngineError> {
        // Stamps are given to the second.
        let Some(began) = sight.began.and_then(|began| began.with_nanosecond(0)) else { return Ok(Ok(())) };
        let changes = match self.settled(order, sight.before.unwrap_or(began), sight).await? {
            Ok(changes) => changes,
            Err(error) => return Ok(Err(error)),
        };
        let moved = sight.has_twice() || changes.latest.is_some_and(|latest| latest >= began);
        if !sight.news || !moved {
            return Ok(Ok(()));
        }
        self.looked_again += 1;
        let again = PullOrder { attached: order.attached.clone(), full: true, ..*order };
        Ok(self.list(&again).await?.map(|again| sight.and(again)))
    }

    /// Lists what changed until two listings in a row say the same, the second perhaps more; three, where a record is listed
    /// twice: its pages may have no order at all.
    async fn settled(
        &mut self,
        order: &PullOrder<'_>,
        since: DateTime<Utc>,
        first: &mut Sight,
    ) -> Result<Result<Sight, CallError>, EngineError> {
        let order = PullOrder { attached: order.attached.clone(), full: false, since: Some(since), ..*order };
        let mut last = (first.since == Some(since)).then(|| std::mem::take(&mut first.marks));
        let mut alike = 0;
        for _ in 0..LOOKS {
            self.looked_again += 1;
            let mut sight = match self.list(&order).await? {
                Ok(sight) => sight,
                Err(error) => return Ok(Err(error)),
            };
            alike = if last.is_some_and(|last| sight.marks.starts_with(&last)) { alike + 1 } else { 0 };
            if !sight.may_lack() || alike > usize::from(sight.has_twice()) {
                return Ok(Ok(sight));
            }
            last = Some(std::mem::take(&mut sight.marks));
        }
        let message = format!(
            "the pages of {}/{} change while they are read: what changed was listed {LOOKS} times, never twice the same, so that \
             records may be missing. The next run reads it again, and nothing is written meanwhile. If this goes on: have the \
             manifest ask for an order that edits do not change (`query` of the list, if the system can sort), or for larger pages",
            order.connection.name, order.resource.name
        );
        Ok(Err(CallError::BadAnswer(message)))
    }
}
