//! Before-images: kept for a while, and never more than so many bytes of them.

use chrono::{DateTime, Utc};

use super::{Atomic, Changes, Ledger, Listed, SCAN};
use crate::{
    config::PipelineName,
    store::{Group, Key, Overwritten, Space, StoreError, frame},
};

/// How a run stands in keys: sortable.
fn stamp(started: DateTime<Utc>) -> String {
    started.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Bytes of all before-images, about: counted anew whenever there seem to be too many.
fn size_key() -> Key {
    Key::new(Space::Meta, &["before-bytes"])
}

impl Atomic {
    /// Remembers what a call of the run that began at `started` is about to overwrite. Gives its size in bytes.
    pub fn overwritten(
        &mut self,
        pipeline: &PipelineName,
        started: DateTime<Utc>,
        number: &str,
        overwritten: &Overwritten,
    ) -> u64 {
        let value = frame::encode(overwritten);
        let bytes = value.len() as u64;
        self.0.put(Key::new(Space::Before, &[pipeline.as_str(), &stamp(started), number]), value);
        bytes
    }
}

impl Ledger {
    /// What was overwritten by a pipeline, oldest first, a page at a time.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn overwritten(
        &self,
        pipeline: &PipelineName,
        after: Option<&Key>,
    ) -> Result<Listed<Overwritten>, StoreError> {
        let prefix = Key::new(Space::Before, &[pipeline.as_str()]);
        let (entries, next) = self.list(&prefix, after, frame::decode).await?;
        Ok((entries.into_iter().map(|(_, overwritten)| overwritten).collect(), next))
    }

    /// Forgets what runs before `limit` overwrote.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn forget_overwritten(&self, pipeline: &PipelineName, limit: DateTime<Utc>) -> Result<(), StoreError> {
        let prefix = Key::new(Space::Before, &[pipeline.as_str()]);
        let limit = Key::new(Space::Before, &[pipeline.as_str(), &stamp(limit)]);
        loop {
            let entries = self.store.scan(&prefix, None, SCAN / 10).await?;
            let old: Vec<Key> = entries.into_iter().map(|(key, _)| key).filter(|key| *key < limit).collect();
            if old.is_empty() {
                return Ok(());
            }
            self.delete_all(old).await?;
        }
    }

    /// Counts `more` bytes of before-images, and drops the oldest, of any pipeline, while there are more than `most`.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn bound_overwritten(&self, more: u64, most: u64) -> Result<(), StoreError> {
        let counted: Option<u64> = self.read_one(size_key()).await?;
        let size = match counted {
            Some(counted) => counted.saturating_add(more),
            None => self.sizes().await?.iter().map(|(_, bytes)| bytes).sum(),
        };
        let size = if size > most { self.drop_oldest(most).await? } else { size };
        self.store.commit(vec![Group { writes: vec![(size_key(), Some(frame::encode(&size)))] }]).await
    }

    /// Entries of before-images were erased by somebody else: they are counted anew.
    pub(in crate::store) async fn overwritten_erased(&self) -> Result<(), StoreError> {
        self.store.commit(vec![Group { writes: vec![(size_key(), None)] }]).await
    }

    async fn drop_oldest(&self, most: u64) -> Result<u64, StoreError> {
        let mut sizes = self.sizes().await?;
        let mut size: u64 = sizes.iter().map(|(_, bytes)| bytes).sum();
        // By run and number, whatever the pipeline.
        sizes.sort_by_cached_key(|(key, _)| key.parts().into_iter().skip(1).collect::<Vec<_>>());
        let mut old = Vec::new();
        // A tenth below, so that not every run has to look again.
        for (key, bytes) in sizes {
            if size <= most / 10 * 9 {
                break;
            }
            size -= bytes;
            old.push(key);
        }
        tracing::info!(event = "history.trimmed", dropped = old.len(), kept_bytes = size);
        self.delete_all(old).await?;
        Ok(size)
    }

    /// Every entry with its size.
    async fn sizes(&self) -> Result<Vec<(Key, u64)>, StoreError> {
        let mut sizes: Vec<(Key, u64)> = Vec::new();
        loop {
            let after = sizes.last().map(|(key, _)| key);
            let entries = self.store.scan(&Key::new(Space::Before, &[]), after, SCAN / 10).await?;
            if entries.is_empty() {
                return Ok(sizes);
            }
            sizes.extend(entries.into_iter().map(|(key, value)| (key, value.len() as u64)));
        }
    }

    async fn delete_all(&self, keys: Vec<Key>) -> Result<(), StoreError> {
        let mut changes = Changes::new();
        for key in keys {
            changes.together(|atomic| atomic.0.delete(key));
        }
        self.commit(changes).await
    }
}
