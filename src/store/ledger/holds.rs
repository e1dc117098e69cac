//! What waits for a person's approval.

use super::{Ledger, keys::held_key};
use crate::{
    config::PipelineName,
    store::{HeldRun, Hold, Key, Space, StoreError, frame},
};

impl Ledger {
    /// What is held of a pipeline for this reason.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn held(&self, pipeline: &PipelineName, what: Hold) -> Result<Option<HeldRun>, StoreError> {
        self.read_one(held_key(pipeline, what)).await
    }

    /// Everything that is held of a pipeline.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn holds(&self, pipeline: &PipelineName) -> Result<Vec<HeldRun>, StoreError> {
        self.all_held(&Key::new(Space::Held, &[pipeline.as_str()])).await
    }

    /// Everything that is held.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn list_held(&self) -> Result<Vec<HeldRun>, StoreError> {
        self.all_held(&Key::new(Space::Held, &[])).await
    }

    async fn all_held(&self, prefix: &Key) -> Result<Vec<HeldRun>, StoreError> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let (entries, next) = self.list(prefix, after.as_ref(), frame::decode).await?;
            all.extend(entries.into_iter().map(|(_, held)| held));
            match next {
                Some(key) => after = Some(key),
                None => return Ok(all),
            }
        }
    }
}
