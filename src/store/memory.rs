//! A store for tests that forgets like a power cut.
//!
//! Killing a process keeps what the operating system already has, so it cannot show a missing flush. This double
//! keeps apart what is committed and what is durable: [`MemoryStore::crash`] keeps any prefix of the groups that
//! were never flushed, from none to all, as the [`Store`] promises. It can also fail the k-th operation, and counts
//! what it was asked.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{Group, Key, Store, StoreError};

type Entries = BTreeMap<Key, Vec<u8>>;

/// A [`Store`] in memory. Share it in an `Arc`.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    committed: Entries,
    durable: Entries,
    unflushed: VecDeque<Group>,
    counts: Counts,
    fault: Option<Fault>,
    crashed: bool,
}

/// A kind of operation of a [`Store`], to count and to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// [`Store::get`].
    Get,
    /// [`Store::scan`].
    Scan,
    /// [`Store::commit`].
    Commit,
    /// [`Store::flush`].
    Flush,
}

/// How often each operation was asked for, failed ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of [`Store::get`].
    pub gets: u64,
    /// Calls of [`Store::scan`].
    pub scans: u64,
    /// Calls of [`Store::commit`].
    pub commits: u64,
    /// Calls of [`Store::flush`].
    pub flushes: u64,
    /// Groups that were committed.
    pub groups: u64,
    /// Keys that those groups held.
    pub keys_written: u64,
}

impl Counts {
    /// Operations of all kinds: the upper end of a loop that fails each in turn.
    #[must_use]
    pub const fn operations(&self) -> u64 {
        self.gets + self.scans + self.commits + self.flushes
    }
}

#[derive(Debug)]
struct Fault {
    on: Option<Operation>,
    /// Matching operations that still succeed.
    after: u64,
    stays: bool,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The power fails: the store that a restart finds, with what was flushed and a prefix of the groups that were
    /// not. `seed` chooses its length, from none to all. Whoever still holds this store gets errors from now on.
    #[must_use = "the store that a restart finds"]
    pub fn crash(&self, seed: u64) -> Self {
        let unflushed = self.unflushed();
        self.crash_keeping(fastrand::Rng::with_seed(seed).usize(0..=unflushed))
    }

    /// As [`MemoryStore::crash`], keeping exactly the first `groups` groups that were not flushed.
    #[must_use = "the store that a restart finds"]
    pub fn crash_keeping(&self, groups: usize) -> Self {
        let mut state = self.lock();
        state.crashed = true;
        let mut found = state.durable.clone();
        for group in state.unflushed.iter().take(groups) {
            apply(&mut found, group);
        }
        Self(Mutex::new(State { committed: found.clone(), durable: found, ..State::default() }))
    }

    /// Groups committed since the last flush.
    #[must_use]
    pub fn unflushed(&self) -> usize {
        self.lock().unflushed.len()
    }

    /// The `k`-th operation from now fails (1 is the next), once. Of the kind `on`, or of any kind. A failing commit
    /// commits the first half of its groups; a failing flush makes nothing durable.
    pub fn fail_at(&self, on: Option<Operation>, k: u64) {
        self.lock().fault = Some(Fault { on, after: k.saturating_sub(1), stays: false });
    }

    /// As [`MemoryStore::fail_at`], and so do all later ones until [`MemoryStore::heal`]: a full disk.
    pub fn fail_from(&self, on: Option<Operation>, k: u64) {
        self.lock().fault = Some(Fault { on, after: k.saturating_sub(1), stays: true });
    }

    /// No operation fails any more.
    pub fn heal(&self) {
        self.lock().fault = None;
    }

    /// What was asked of this store so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Every entry, in key order: to compare stores in tests.
    #[must_use]
    pub fn entries(&self) -> Vec<(Key, Vec<u8>)> {
        self.lock().committed.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// A poisoned lock means that a test's thread panicked between two map operations; the maps are still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts one operation and says whether it may go on.
    fn enter(&mut self, operation: Operation) -> Result<(), StoreError> {
        let (count, action) = match operation {
            Operation::Get => (&mut self.counts.gets, "read"),
            Operation::Scan => (&mut self.counts.scans, "scan"),
            Operation::Commit => (&mut self.counts.commits, "commit"),
            Operation::Flush => (&mut self.counts.flushes, "flush"),
        };
        *count += 1;
        if self.crashed {
            return Err(StoreError::failed(action, "this store has crashed"));
        }
        let Some(fault) = self.fault.as_mut().filter(|fault| fault.on.is_none_or(|on| on == operation)) else {
            return Ok(());
        };
        if fault.after > 0 {
            fault.after -= 1;
            return Ok(());
        }
        if !fault.stays {
            self.fault = None;
        }
        Err(StoreError::failed(action, "a test asked for this failure"))
    }

    fn commit(&mut self, groups: impl IntoIterator<Item = Group>) {
        for group in groups {
            self.counts.groups += 1;
            self.counts.keys_written += group.writes.len() as u64;
            apply(&mut self.committed, &group);
            self.unflushed.push_back(group);
        }
    }
}

fn apply(entries: &mut Entries, group: &Group) {
    for (key, value) in &group.writes {
        match value {
            Some(value) => entries.insert(key.clone(), value.clone()),
            None => entries.remove(key),
        };
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut state = self.lock();
        state.enter(Operation::Get)?;
        Ok(keys.iter().map(|key| state.committed.get(key).cloned()).collect())
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
        let mut state = self.lock();
        state.enter(Operation::Scan)?;
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        Ok(state
            .committed
            .range::<Key, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.as_bytes().starts_with(prefix.as_bytes()))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    async fn commit(&self, mut groups: Vec<Group>) -> Result<(), StoreError> {
        let mut state = self.lock();
        let entered = state.enter(Operation::Commit);
        if entered.is_err() && !state.crashed {
            groups.truncate(groups.len() / 2);
        }
        if !state.crashed {
            for group in groups {
                group.check()?;
                state.commit([group]);
            }
        }
        entered
    }

    async fn flush(&self) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.enter(Operation::Flush)?;
        for group in std::mem::take(&mut state.unflushed) {
            apply(&mut state.durable, &group);
        }
        Ok(())
    }

    async fn size_on_disk(&self) -> Result<u64, StoreError> {
        let state = self.lock();
        Ok(state.committed.iter().map(|(key, value)| (key.as_bytes().len() + value.len()) as u64).sum())
    }
}
