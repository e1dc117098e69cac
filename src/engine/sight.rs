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
    pages: u64,
    /// From when on changes were listed; `None` where everything was.
    since: Option<DateTime<Utc>>,
    /// From when on whatever changed is to be listed again; `None` where nothing was ever read before.
    before: Option<DateTime<Utc>>,
    /// When it began, by the remote's clock.
    pub began: Option<DateTime<Utc>>,
    /// What changed, as it was listed, in its order.
    marks: Vec<u64>,
    ids: HashSet<u64>,
    /// A record was listed twice.
    pub twice: bool,
    /// The last stamp of what changed; of a record without one, it is later than any.
    latest: Option<DateTime<Utc>>,
}

impl Sight {
    /// Before the first page. `stored` is where the last pull ended.
    pub(super) fn of(
        order: &PullOrder<'_>,
        (full, stored): (bool, Option<DateTime<Utc>>),
        since: Option<DateTime<Utc>>,
    ) -> Self {
        let list = order.resource.list.as_ref();
        let shifts = list.is_some_and(|list| list.paging.shifts() && list.changed_since.is_some());
        Self { shifts, since, before: if full { stored } else { since }, ..Self::default() }
    }

    /// Takes note of a page.
    pub(super) fn page(&mut self, page: &Page) {
        self.pages += 1;
        if !self.shifts || self.since.is_none() {
            return;
        }
        for record in &page.records {
            self.marks.push(mark(record));
            self.twice |= !self.ids.insert(id_hash(&record.id));
            self.latest = self.latest.max(Some(record.updated_at.unwrap_or(DateTime::<Utc>::MAX_UTC)));
        }
    }

    /// Whether it may lack records: one page is one moment.
    fn may_lack(&self) -> bool {
        self.shifts && self.pages > 1
    }

    /// Whether it says again what another one said, and perhaps more that came since.
    fn confirms(&self, other: &Self) -> bool {
        self.marks.starts_with(&other.marks)
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
        let sight = match self.list(order).await? {
            Ok(sight) if sight.may_lack() => sight,
            Ok(_) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        };
        let whole = match sight.before {
            Some(since) => self.settled(order, since, sight).await?.map(|_| ()),
            None => self.read_twice_if_it_moved(order, sight).await?,
        };
        if whole.is_err() {
            // The next run begins where this one did.
            match before {
                Some(before) => self.pulled.insert(order.key(), before),
                None => self.pulled.remove(&order.key()),
            };
        }
        Ok(whole)
    }

    /// Lists what changed until two listings in a row say the same; three, where a record is listed twice: its pages may
    /// have no order at all.
    async fn settled(
        &mut self,
        order: &PullOrder<'_>,
        since: DateTime<Utc>,
        first: Sight,
    ) -> Result<Result<Sight, CallError>, EngineError> {
        let order = PullOrder { attached: order.attached.clone(), full: false, since: Some(since), ..*order };
        let mut last = Some(first).filter(|first| first.since == Some(since));
        let mut alike = 0;
        for _ in 0..LOOKS {
            self.looked_again += 1;
            let sight = match self.list(&order).await? {
                Ok(sight) => sight,
                Err(error) => return Ok(Err(error)),
            };
            alike = if last.as_ref().is_some_and(|last| sight.confirms(last)) { alike + 1 } else { 0 };
            if !sight.may_lack() || alike > usize::from(sight.twice) {
                return Ok(Ok(sight));
            }
            last = Some(sight);
        }
        let message = format!(
            "the pages of {}/{} change while they are read: what changed was listed {LOOKS} times, never twice the same, so that \
             records may be missing. The next run reads it again, and nothing is written meanwhile. If this goes on: have the \
             manifest ask for an order that does not change (`sort`), or for larger pages",
            order.connection.name, order.resource.name
        );
        Ok(Err(CallError::BadAnswer(message)))
    }

    /// After everything was read for the first time: once more, if something moved meanwhile. What both readings lack is
    /// found by a later one.
    async fn read_twice_if_it_moved(
        &mut self,
        order: &PullOrder<'_>,
        first: Sight,
    ) -> Result<Result<(), CallError>, EngineError> {
        // Stamps are given to the second.
        let Some(began) = first.began.and_then(|began| began.with_nanosecond(0)) else { return Ok(Ok(())) };
        let since = match self.settled(order, began, Sight::default()).await? {
            Ok(sight) => sight,
            Err(error) => return Ok(Err(error)),
        };
        let moved = since.latest.is_some_and(|latest| latest >= began);
        if !moved && !first.twice {
            return Ok(Ok(()));
        }
        self.looked_again += 1;
        let again = PullOrder { attached: order.attached.clone(), full: true, ..*order };
        Ok(self.list(&again).await?.map(|_| ()))
    }
}
