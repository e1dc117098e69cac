//! Places where a run can be dropped. Systems and stores in memory never wait by themselves, so a test that wants to drop a
//! run at any await has them wait once before and once after whatever they do.

use std::{cell::Cell, sync::Arc};

use async_trait::async_trait;
use reconciled::store::{Group, Key, MemoryStore, Store, StoreError};

thread_local! {
    /// Whether this thread's systems and stores wait, and where one did last.
    static PLACE: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// From now on the systems and stores of this thread wait where they can.
pub fn on(on: bool) {
    PLACE.set(on.then_some("nowhere"));
}

/// Where somebody waited last on this thread.
pub fn place() -> &'static str {
    PLACE.get().unwrap_or("nowhere")
}

/// Waits once, if this thread wants that.
pub async fn wait(what: &'static str) {
    if PLACE.get().is_some() {
        PLACE.set(Some(what));
        tokio::task::yield_now().await;
    }
}

/// A store whose callers can be dropped before and after every operation.
pub struct AwaitingStore(pub Arc<MemoryStore>);

#[async_trait]
impl Store for AwaitingStore {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        wait("before a look into the store").await;
        self.0.get(keys).await
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
        wait("before a look into the store").await;
        self.0.scan(prefix, after, limit).await
    }

    async fn commit(&self, groups: Vec<Group>) -> Result<(), StoreError> {
        wait("before a commit").await;
        self.0.commit(groups).await?;
        wait("after a commit").await;
        Ok(())
    }

    async fn flush(&self) -> Result<(), StoreError> {
        wait("before a flush").await;
        self.0.flush().await?;
        wait("after a flush").await;
        Ok(())
    }

    async fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.0.size_on_disk().await
    }
}
