//! The ledger: the store with types. Knows which keys a thing has, so that a link and its indexes are always written
//! in one group.

mod anew;
mod changes;
mod history;
mod holds;
mod keys;
mod news;
mod runs;
mod settling;
mod whole;

use std::sync::Arc;

use serde::de::DeserializeOwned;

pub use changes::{Atomic, Changes};
pub use keys::MatchKey;
pub use news::News;

use keys::{
    apart_key, cursor_key, due_key, fresh_key, link_key, parked_key, part_side, reference_key, side_part, state_key,
    target_key, wait_key,
};

use super::{Cursor, Due, Intent, Key, Pack, Parked, PipelineState, Space, Store, StoreError, frame};
use crate::{
    config::{ConnectionName, PipelineName},
    record::{RecordId, Side},
    sync::{Fresh, Link},
};

/// Most entries read in one scan.
const SCAN: usize = 1_000;

/// From so many keys on it is worth a look whether there are any.
const MANY: usize = 16;

/// The store with types.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn Store>,
}

/// How a framed value is read.
type Decode<T> = fn(&Key, &[u8]) -> Result<T, StoreError>;

/// A page of a listing: the entries, and where to go on.
pub type Listed<T> = (Vec<T>, Option<Key>);

impl Ledger {
    /// A ledger in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The store behind it.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Commits changes in the order they were gathered. Not durable before [`Ledger::flush`].
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn commit(&self, changes: Changes) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.store.commit(changes.groups).await
    }

    /// Makes everything committed durable.
    ///
    /// # Errors
    ///
    /// When the store fails; then no remote call may be made.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.store.flush().await
    }

    async fn read<T>(&self, keys: &[Key], decode: Decode<T>) -> Result<Vec<Option<T>>, StoreError> {
        let values = self.store.get(keys).await?;
        keys.iter().zip(values).map(|(key, value)| value.map(|bytes| decode(key, &bytes)).transpose()).collect()
    }

    /// As [`Ledger::read`], of keys below `prefix`. Of many records it is asked first whether there is anything at all: a
    /// first sync would look for each of them in vain.
    async fn read_below<T>(&self, prefix: Key, keys: &[Key], decode: Decode<T>) -> Result<Vec<Option<T>>, StoreError> {
        if keys.len() >= MANY && self.store.scan(&prefix, None, 1).await?.is_empty() {
            return Ok(keys.iter().map(|_| None).collect());
        }
        self.read(keys, decode).await
    }

    async fn read_one<T: DeserializeOwned>(&self, key: Key) -> Result<Option<T>, StoreError> {
        Ok(self.read(&[key], frame::decode).await?.into_iter().next().flatten())
    }

    async fn list<T>(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        decode: Decode<T>,
    ) -> Result<Listed<(Vec<String>, T)>, StoreError> {
        let limit = SCAN;
        let entries = self.store.scan(prefix, after, limit).await?;
        let next = if entries.len() < limit { None } else { entries.last().map(|(key, _)| key.clone()) };
        let mut listed = Vec::with_capacity(entries.len());
        for (key, bytes) in entries {
            listed.push((key.parts(), decode(&key, &bytes)?));
        }
        Ok((listed, next))
    }

    /// The links of these source records.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn links(&self, pipeline: &PipelineName, sources: &[RecordId]) -> Result<Vec<Option<Link>>, StoreError> {
        let keys: Vec<_> = sources.iter().map(|id| link_key(pipeline, id)).collect();
        self.read_below(Key::new(Space::Link, &[pipeline.as_str()]), &keys, frame::unpack).await
    }

    /// The link of a record of either side.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn link(&self, pipeline: &PipelineName, side: Side, id: &RecordId) -> Result<Option<Link>, StoreError> {
        Ok(self.links_of(pipeline, side, std::slice::from_ref(id)).await?.into_iter().next().flatten())
    }

    /// The links of these records of `side`.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn links_of(
        &self,
        pipeline: &PipelineName,
        side: Side,
        ids: &[RecordId],
    ) -> Result<Vec<Option<Link>>, StoreError> {
        if side == Side::Source {
            return self.links(pipeline, ids).await;
        }
        let sources = self.sources_of(pipeline, ids).await?;
        let known: Vec<RecordId> = sources.iter().flatten().cloned().collect();
        let mut links = self.links(pipeline, &known).await?.into_iter();
        Ok(sources.into_iter().map(|source| source.and_then(|_| links.next().flatten())).collect())
    }

    /// The source ids that these target ids are linked with.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn sources_of(
        &self,
        pipeline: &PipelineName,
        targets: &[RecordId],
    ) -> Result<Vec<Option<RecordId>>, StoreError> {
        let keys: Vec<_> = targets.iter().map(|id| target_key(pipeline, id)).collect();
        self.read_below(Key::new(Space::LinkByTarget, &[pipeline.as_str()]), &keys, frame::decode).await
    }

    /// Whether a person took these two apart.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn are_apart(
        &self,
        pipeline: &PipelineName,
        source: &RecordId,
        target: &RecordId,
    ) -> Result<bool, StoreError> {
        let found = self.store.get(&[apart_key(pipeline, source, target)]).await?;
        Ok(found.into_iter().flatten().next().is_some())
    }

    /// Links in the order of source ids, a page at a time.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn list_links(&self, pipeline: &PipelineName, after: Option<&Key>) -> Result<Listed<Link>, StoreError> {
        let prefix = Key::new(Space::Link, &[pipeline.as_str()]);
        let (entries, next) = self.list(&prefix, after, frame::unpack).await?;
        Ok((entries.into_iter().map(|(_, link)| link).collect(), next))
    }

    /// The links whose source id begins with a text (the elements of one parent).
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn links_under(&self, pipeline: &PipelineName, begin: &str) -> Result<Vec<Link>, StoreError> {
        self.all_under(&Key::beginning(Space::Link, &[pipeline.as_str(), begin])).await
    }

    /// The unlinked records whose id begins with a text (the elements of one parent).
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn fresh_under(
        &self,
        pipeline: &PipelineName,
        side: Side,
        begin: &str,
    ) -> Result<Vec<Fresh>, StoreError> {
        self.all_under(&Key::beginning(Space::Seen, &[pipeline.as_str(), side_part(side), begin])).await
    }

    async fn all_under<T: Pack + DeserializeOwned>(&self, prefix: &Key) -> Result<Vec<T>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (entries, next) = self.list::<T>(prefix, after.as_ref(), frame::unpack).await?;
            all.extend(entries.into_iter().map(|(_, value)| value));
            match next {
                Some(key) => after = Some(key),
                None => return Ok(all),
            }
        }
    }

    /// What is remembered of these unlinked records.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn fresh(
        &self,
        pipeline: &PipelineName,
        side: Side,
        ids: &[RecordId],
    ) -> Result<Vec<Option<Fresh>>, StoreError> {
        let keys: Vec<_> = ids.iter().map(|id| fresh_key(pipeline, side, id)).collect();
        let prefix = Key::new(Space::Seen, &[pipeline.as_str(), side_part(side)]);
        self.read_below(prefix, &keys, frame::unpack).await
    }

    /// Unlinked records of a side, a page at a time.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn list_fresh(
        &self,
        pipeline: &PipelineName,
        side: Side,
        after: Option<&Key>,
    ) -> Result<Listed<Fresh>, StoreError> {
        let prefix = Key::new(Space::Seen, &[pipeline.as_str(), side_part(side)]);
        let (entries, next) = self.list(&prefix, after, frame::unpack).await?;
        Ok((entries.into_iter().map(|(_, fresh)| fresh).collect(), next))
    }

    /// Up to `limit` records found by a match key.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn matches(&self, at: &MatchKey<'_>, limit: usize) -> Result<Vec<RecordId>, StoreError> {
        let entries = self.store.scan(&at.key(None), None, limit).await?;
        Ok(entries.into_iter().filter_map(|(key, _)| key.parts().pop()).map(RecordId::from).collect())
    }

    /// Forgets all match keys of a pipeline.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn forget_match_keys(&self, pipeline: &PipelineName) -> Result<(), StoreError> {
        self.forget(Space::MatchKey, pipeline).await
    }

    /// Forgets everything about a pipeline's records but its links.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn forget_unlinked(&self, pipeline: &PipelineName) -> Result<(), StoreError> {
        for space in [Space::Seen, Space::MatchKey, Space::Due, Space::Parked, Space::Reference, Space::Held] {
            self.forget(space, pipeline).await?;
        }
        Ok(())
    }

    async fn forget(&self, space: Space, pipeline: &PipelineName) -> Result<(), StoreError> {
        let prefix = Key::new(space, &[pipeline.as_str()]);
        loop {
            let entries = self.store.scan(&prefix, None, SCAN).await?;
            let last = entries.len() < SCAN;
            let mut changes = Changes::new();
            for (key, _) in entries {
                changes.together(|atomic| atomic.0.delete(key));
            }
            self.commit(changes).await?;
            if last {
                return Ok(());
            }
        }
    }

    /// Whether any record of `side` can be found by a match key at all.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn has_match_keys(&self, pipeline: &PipelineName, side: Side) -> Result<bool, StoreError> {
        let prefix = Key::new(Space::MatchKey, &[pipeline.as_str(), side_part(side)]);
        Ok(!self.store.scan(&prefix, None, 1).await?.is_empty())
    }

    /// Records to look at again, a page at a time: side, id, why.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn list_due(
        &self,
        pipeline: &PipelineName,
        after: Option<&Key>,
    ) -> Result<Listed<(Side, RecordId, Due)>, StoreError> {
        let prefix = Key::new(Space::Due, &[pipeline.as_str()]);
        let (entries, next) = self.list::<Due>(&prefix, after, frame::decode).await?;
        Ok((
            entries.into_iter().filter_map(|(parts, due)| side_and_id(&parts).map(|(s, id)| (s, id, due))).collect(),
            next,
        ))
    }

    /// When and why a record is looked at again.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn due(&self, pipeline: &PipelineName, side: Side, id: &RecordId) -> Result<Option<Due>, StoreError> {
        self.read_one(due_key(pipeline, side, id)).await
    }

    /// What is parked of a record.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn parked(&self, pipeline: &PipelineName, side: Side, id: &RecordId) -> Result<Vec<Parked>, StoreError> {
        Ok(self.read_one(parked_key(pipeline, side, id)).await?.unwrap_or_default())
    }

    /// What is parked, a page at a time: side, id, why.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn list_parked(
        &self,
        pipeline: &PipelineName,
        after: Option<&Key>,
    ) -> Result<Listed<(Side, RecordId, Vec<Parked>)>, StoreError> {
        let prefix = Key::new(Space::Parked, &[pipeline.as_str()]);
        let (entries, next) = self.list::<Vec<Parked>>(&prefix, after, frame::decode).await?;
        let entries =
            entries.into_iter().filter_map(|(parts, parked)| side_and_id(&parts).map(|(s, id)| (s, id, parked)));
        Ok((entries.collect(), next))
    }

    /// Whether any record of `pipeline` refers to the record `to` of `referred`.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn is_referenced(
        &self,
        pipeline: &PipelineName,
        referred: &PipelineName,
        to: &RecordId,
    ) -> Result<bool, StoreError> {
        Ok(!self.store.scan(&reference_key(pipeline, referred, to, None), None, 1).await?.is_empty())
    }

    /// Who waits for the record `id` of `pipeline` to be linked, with the keys to remove once they were woken.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn waiting_for(
        &self,
        pipeline: &PipelineName,
        id: &RecordId,
    ) -> Result<Vec<(PipelineName, Side, RecordId)>, StoreError> {
        let entries = self.store.scan(&wait_key((pipeline, id), None), None, SCAN).await?;
        Ok(entries
            .into_iter()
            .filter_map(|(key, _)| {
                let parts = key.parts();
                let [_, _, waiting, side, id] = parts.as_slice() else { return None };
                Some((PipelineName::parse(waiting).ok()?, part_side(side), RecordId::from(id.as_str())))
            })
            .collect())
    }

    /// Forgets who waited for a record.
    pub fn forget_waits(
        changes: &mut Changes,
        awaited: (&PipelineName, &RecordId),
        waiting: &[(PipelineName, Side, RecordId)],
    ) {
        for (pipeline, side, id) in waiting {
            changes.together(|atomic| atomic.0.delete(wait_key(awaited, Some((pipeline, *side, id)))));
        }
    }

    /// Open intents of a connection, oldest first, with their numbers.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn intents(&self, connection: &ConnectionName) -> Result<Vec<(String, Intent)>, StoreError> {
        let prefix = Key::new(Space::Intent, &[connection.as_str()]);
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let (entries, next) = self.list::<Intent>(&prefix, after.as_ref(), frame::unpack).await?;
            all.extend(entries.into_iter().filter_map(|(mut parts, intent)| parts.pop().map(|n| (n, intent))));
            match next {
                Some(key) => after = Some(key),
                None => return Ok(all),
            }
        }
    }

    /// Where pulls of a resource stand.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn cursor(&self, connection: &ConnectionName, resource: &str) -> Result<Option<Cursor>, StoreError> {
        self.read_one(cursor_key(connection, resource)).await
    }

    /// How far a pipeline has come.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn pipeline(&self, pipeline: &PipelineName) -> Result<PipelineState, StoreError> {
        Ok(self.read_one(state_key(pipeline)).await?.unwrap_or_default())
    }

    /// Whether a pipeline has any link.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn has_links(&self, pipeline: &PipelineName) -> Result<bool, StoreError> {
        let prefix = Key::new(Space::Link, &[pipeline.as_str()]);
        Ok(!self.store.scan(&prefix, None, 1).await?.is_empty())
    }
}

fn side_and_id(parts: &[String]) -> Option<(Side, RecordId)> {
    match parts {
        [_, side, id] => Some((part_side(side), RecordId::from(id.as_str()))),
        _ => None,
    }
}
