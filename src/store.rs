//! What is remembered: a store of keys and values with one promise that everything else leans on, namely that
//! commits become durable in commit order, and that after [`Store::flush`] returns all earlier ones are.
//!
//! The trait is small, asynchronous and takes many keys at once, so that a shared database can stand behind it
//! later. What is here:
//!
//! * [`Key`] and [`Space`]: rows of texts whose order is the order of the keys;
//! * [`Group`]: writes that take effect together; [`Store::commit`] takes many, and is cheapest so;
//! * [`SledStore`], the one on disk, and [`MemoryStore`], the one for tests that forgets what was not flushed: one
//!   suite (`tests/store`) holds both to the same promises;
//! * [`frame`]: the format byte and checksum around every value; [`pack`]: the compact form of the most frequent ones;
//! * [`move_pipeline`]: everything under one name moved to another, and (in the same file) forgotten;
//! * [`transfer`]: the whole store as text and back;
//! * [`Spill`]: long rows of one run, which are not part of the store.
//!
//! Whoever gates a remote call by what is stored commits, flushes, and only then calls. A store that failed stays
//! failed; [`SledStore::reopen`] gives a new one, with which everything begins as after a restart.

pub(crate) mod belongings;
mod entry;
mod flushes;
pub mod frame;
mod history;
mod key;
mod ledger;
pub mod lineage;
mod memory;
pub mod pack;
mod sled;
pub mod snapshot;
mod spill;
pub mod transfer;

pub use self::sled::SledStore;
pub use belongings::{Moved, client::Client, finish_moves, move_connection, move_pipeline};
pub use entry::{
    Approval, Choice, Cursor, Due, HeldRun, Hold, Intent, IntentItem, Parked, PipelineState, RunRecord, Settling, Stage,
};
pub use flushes::{FLUSH_SECONDS, Flushes};
pub use history::{Overwritten, OverwrittenItem, run_id};
pub use key::{Key, Space};
pub use ledger::{Atomic, Changes, Ledger, Listed, MatchKey, News};
pub use memory::{Counts, MemoryStore, Operation};
pub use pack::Pack;
pub use spill::Spill;

use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;

/// The format of the whole store that this program writes. Raised when keys or values change their meaning. Since 2,
/// links, records that are seen and intents are written in a compact form; those of 1 are read as they are.
const FORMAT: u32 = 2;

fn format_key() -> Key {
    Key::new(Space::Meta, &["format"])
}

fn program_key() -> Key {
    Key::new(Space::Meta, &["program"])
}

fn lineage_key() -> Key {
    Key::new(Space::Meta, &["lineage"])
}

fn probe_key() -> Key {
    Key::new(Space::Meta, &["probe"])
}

/// Why the store could not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process holds the store.
    #[error("the store in {path} is in use by another process")]
    Locked {
        /// The folder.
        path: String,
    },
    /// A newer version of this program wrote the store.
    #[error(
        "the store in {path} was written by reconciled {theirs} (format {format}); this is reconciled {}, which knows formats \
         up to {FORMAT}. To go back, run `reconciled export` with {theirs} and `reconciled import` with this one in a new state \
         folder, or put back the folder you saved before the upgrade",
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// The folder.
        path: String,
        /// The version that wrote it last.
        theirs: String,
        /// Its format.
        format: u32,
    },
    /// An import was interrupted: what is there is a part only, and whoever worked on it would make records twice.
    #[error(
        "an import into the store in {path} was interrupted, so that it holds a part only, and working on it would make \
         records twice"
    )]
    Unfinished {
        /// The folder.
        path: String,
    },
    /// The disk or the engine failed.
    #[error("the store failed to {action}")]
    Failed {
        /// What was being done.
        action: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A value is damaged or of a format this program does not know.
    #[error("the store's value at {key} cannot be used: {reason}")]
    Damaged {
        /// The key, readable.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

impl StoreError {
    /// The disk or the engine failed with this cause while doing `action` (an infinitive: "read", "flush").
    pub fn failed(action: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed { action, source: source.into() }
    }
}

/// Puts and deletions that take effect together or not at all. At most [`Group::MAX`] keys.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Key and new value; `None` deletes.
    pub writes: Vec<(Key, Option<Vec<u8>>)>,
}

impl Group {
    /// Most keys a group may hold, so that one group is never a burden for any engine: one record needs few keys.
    pub const MAX: usize = 48;

    /// Adds a put.
    pub fn put(&mut self, key: Key, value: Vec<u8>) {
        self.writes.push((key, Some(value)));
    }

    /// Adds a deletion.
    pub fn delete(&mut self, key: Key) {
        self.writes.push((key, None));
    }

    /// Refuses a group that is too large to be committed: a mistake in the program, not in its data.
    fn check(&self) -> Result<(), StoreError> {
        debug_assert!(self.writes.len() <= Self::MAX, "a group of {} keys", self.writes.len());
        if self.writes.len() > Self::MAX {
            let cause = format!("a group holds {} keys, at most {} are allowed", self.writes.len(), Self::MAX);
            return Err(StoreError::failed("commit", cause));
        }
        Ok(())
    }
}

/// A store of keys and values. Methods are cancel safe in the sense that a commit either happens whole (per group)
/// or not at all.
#[async_trait]
pub trait Store: Send + Sync {
    /// The values of these keys, in their order.
    ///
    /// # Errors
    ///
    /// When the engine fails.
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Up to `limit` entries whose key begins with `prefix`, in key order, those after `after` if given.
    ///
    /// # Errors
    ///
    /// When the engine fails.
    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Vec<u8>)>, StoreError>;

    /// Commits groups in order; each is atomic. Not durable before [`Store::flush`].
    ///
    /// # Errors
    ///
    /// When the engine fails; groups before the failed one have been committed.
    async fn commit(&self, groups: Vec<Group>) -> Result<(), StoreError>;

    /// Returns when everything committed before is durable.
    ///
    /// # Errors
    ///
    /// When the engine fails: then nothing may be built on what was not flushed before.
    async fn flush(&self) -> Result<(), StoreError>;

    /// A store in the place of this one, which failed for good; everything begins on it as after a restart. `None`
    /// where a store has not failed, or gets over its failures by itself.
    ///
    /// # Errors
    ///
    /// When there is no better store (yet); try again later.
    async fn reopened(&self) -> Result<Option<Arc<dyn Store>>, StoreError> {
        Ok(None)
    }

    /// Bytes on disk, for status.
    ///
    /// # Errors
    ///
    /// When the engine fails.
    async fn size_on_disk(&self) -> Result<u64, StoreError>;

    /// How long flushes took since it was opened, where that is measured.
    fn flushes(&self) -> Flushes {
        Flushes::default()
    }
}
