//! Whether the store works. While it does not, nothing is started, and it is probed with back-off until it does.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use super::protocol::chain;
use crate::store::{Group, Key, Space, Store, StoreError, frame};

/// First wait before the store is probed.
const FIRST: Duration = Duration::from_secs(5);
/// Longest wait before the store is probed.
const MOST: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
pub(super) struct Health {
    failing: Mutex<Option<Failing>>,
    /// How often it began to fail.
    failures: watch::Sender<u64>,
    /// One probe at a time, whoever makes it.
    probing: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
struct Failing {
    message: String,
    attempts: u32,
    next: DateTime<Utc>,
}

impl Health {
    /// The store failed.
    pub fn failed(&self, error: &StoreError, now: DateTime<Utc>) {
        let mut failing = self.lock();
        let attempts = failing.as_ref().map_or(0, |failing| failing.attempts);
        let begins = failing.is_none();
        if failing.as_ref().is_some_and(|failing| failing.next > now) {
            return;
        }
        let message = chain(error);
        tracing::error!(event = "store.failing", attempts, error = %message, "nothing is written to any system until it works");
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(attempts)).min(MOST);
        let next = now + TimeDelta::from_std(wait).unwrap_or_default();
        *failing = Some(Failing { message, attempts: attempts.saturating_add(1), next });
        drop(failing);
        if begins {
            self.failures.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Somebody met an error of the store. A damaged value is no failure of the store, which nobody else has to wait for:
    /// whoever needs the value says that it cannot be used.
    pub fn met(&self, error: &StoreError, now: DateTime<Utc>) {
        if is_damage(error) {
            tracing::error!(event = "store.damaged", error = %chain(error), "whoever needs this value waits for it");
        } else {
            self.failed(error, now);
        }
    }

    /// Tells when it begins to fail.
    pub fn failures(&self) -> watch::Receiver<u64> {
        self.failures.subscribe()
    }

    /// How often it began to fail.
    pub fn times_failed(&self) -> u64 {
        *self.failures.borrow()
    }

    /// When it is probed next; `None` while it works.
    pub fn next_probe(&self) -> Option<DateTime<Utc>> {
        self.lock().as_ref().map(|failing| failing.next)
    }

    /// What is wrong with it.
    pub fn message(&self) -> Option<String> {
        self.lock().as_ref().map(|failing| failing.message.clone())
    }

    /// The right to probe the store, one at a time; `None` if it works, or if its time has not come.
    pub async fn turn(&self, now: DateTime<Utc>) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let turn = self.probing.lock().await;
        self.next_probe().is_some_and(|next| next <= now).then_some(turn)
    }

    /// The store works again.
    pub fn works(&self) {
        tracing::info!(event = "store.works", "the store works again");
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether one value cannot be used, while the store works.
pub(super) const fn is_damage(error: &StoreError) -> bool {
    matches!(error, StoreError::Damaged { .. })
}

/// Writes and flushes a value of no meaning. A store that failed for good is opened anew: that one is given.
///
/// # Errors
///
/// When the store does not work yet.
pub(super) async fn probe(store: &dyn Store, now: DateTime<Utc>) -> Result<Option<Arc<dyn Store>>, StoreError> {
    let mut group = Group::default();
    group.put(Key::new(Space::Meta, &["probe"]), frame::encode(&now.to_rfc3339()));
    let written = match store.commit(vec![group]).await {
        Ok(()) => store.flush().await,
        Err(error) => Err(error),
    };
    match written {
        Ok(()) => Ok(None),
        Err(error) => store.reopened().await?.map_or(Err(error), |new| Ok(Some(new))),
    }
}
