//! Records that a system told of by itself. What a listing brings is looked at with it; the rest is read by id, because a
//! feed of changes may miss what the system told (Xero: whether a contact is a customer). Nothing that was told is believed:
//! it only says where to look.

use std::collections::{BTreeSet, HashSet};

use chrono::TimeDelta;

use super::{
    EngineError,
    pull::{PullOrder, ResourceKey},
    run::Run,
};
use crate::{
    connector::{CallError, RemoteRecord},
    record::RecordId,
    store::{Changes, Group, News},
};

/// Records that are read by id for one pull; the rest waits for the next.
const LOOKS: usize = 100;

/// From so many on, reading everything is the shorter way.
const MANY: usize = 1_000;

/// What was told of one resource before it was pulled.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    news: Vec<News>,
    /// Records that were told of and not read yet.
    unread: BTreeSet<RecordId>,
}

impl Told {
    /// Whether there is so much that everything is read.
    pub fn is_a_flood(&self) -> bool {
        self.news.len() >= MANY
    }

    /// Takes out what came by itself.
    pub fn came(&mut self, records: &[RemoteRecord]) {
        if !self.unread.is_empty() {
            for record in records {
                self.unread.remove(&record.id);
            }
        }
    }

    /// What was looked at, and can be forgotten.
    pub fn done(self) -> impl Iterator<Item = News> {
        let Self { news, unread } = self;
        news.into_iter().filter(move |news| !unread.contains(&news.id))
    }
}

/// Forgets what was looked at.
pub(super) fn forget(changes: &mut Changes, told: &[News]) {
    for some in told.chunks(Group::MAX) {
        changes.together(|atomic| some.iter().for_each(|news| atomic.forget_news(news)));
    }
}

impl Run<'_> {
    /// What was told of a resource.
    pub(super) async fn told_of(&self, key: &ResourceKey) -> Result<Told, EngineError> {
        let mut news = self.engine.ledger.news(&key.0, &key.1, MANY).await?;
        if let Some(before) = self.pulled.get(key).filter(|before| !before.told.is_empty()) {
            let looked_at: HashSet<&News> = before.told.iter().collect();
            news.retain(|news| !looked_at.contains(news));
        }
        let unread = news.iter().map(|news| news.id.clone()).collect();
        Ok(Told { news, unread })
    }

    /// Reads by id what was told of and did not come in the listing. One that is not there is no concern of this: only a
    /// full listing tells what is gone.
    pub(super) async fn look_at_told(
        &mut self,
        order: &PullOrder<'_>,
        full: bool,
        told: &mut Told,
    ) -> Result<Result<(), CallError>, EngineError> {
        // All that there is was listed; or nothing can be read by id, and the listing is all that can be done.
        if full || order.resource.get.is_none() {
            told.unread.clear();
            return Ok(Ok(()));
        }
        let connector = self.connector(&order.connection.name)?;
        let resource = order.as_it_is_mapped();
        let ids: Vec<RecordId> = told.unread.iter().take(LOOKS).cloned().collect();
        for id in ids {
            match connector.get(&resource, &id).await {
                Ok(Some(record)) => {
                    for attached in &order.attached {
                        self.deliver(attached, std::slice::from_ref(&record), TimeDelta::zero()).await?;
                    }
                }
                Ok(None) => {}
                Err(error) => return Ok(Err(error)),
            }
            told.unread.remove(&id);
        }
        Ok(Ok(()))
    }
}
