//! One run with its effects.
//!
//! 1. **recover**: intents left open by a crash or a lost answer are resent (while their key lives) or looked up.
//! 2. **pull**: every resource the run needs is read once, in pages, and delivered to every pipeline that uses it.
//!    A linked record is laid beside its link; what is new becomes pending there and the link *due*. A record that is
//!    not linked becomes *seen* and due — or, on the originating side of a pipeline in this run, is spilled to a
//!    temporary file, because most of those become links within the minute and need no entry of their own.
//! 3. **plan**: everything spilled or due is decided by the pure core, chunk by chunk. What is not written is
//!    remembered at once, with its reason; what is to be written is counted and spilled.
//! 4. **guards**: the counts are judged before the first write.
//! 5. **apply**: batches are filled, recorded as intents, flushed, sent, and settled item by item.
//! 6. **rounds**: answers may leave something to write back; plan again, at most three rounds.
//! 7. **end**: only now do cursors move, and the report is kept.
//!
//! A store that fails ends the run before the next remote write. A remote that fails ends what depends on it.

mod account;
mod apply;
mod before;
mod constants;
mod deletion;
mod deliver;
mod desk;
mod effect;
mod elements;
mod lag;
mod listing;
mod lookups;
mod meter;
mod neighbours;
mod news;
mod outcome;
mod own;
mod plan;
mod prepare;
mod pull;
mod recover;
mod referred;
mod report;
mod revert;
mod run;
mod sent;
mod settle;
mod sight;
mod step;
mod trouble;
mod unread;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use thiserror::Error;

pub(crate) use account::bind;
pub use desk::{
    BeforeImage, Behind, ConflictItem, Desk, DeskError, Explanation, FieldExplanation, IntegrationStatus, ParkedItem,
    PipelineStatus, Retried, Whereabouts,
};
pub(crate) use desk::{meant, on_side};
pub use effect::{EditEffect, EditOf, EffectCounts, EffectItem, EffectKind, PipelineEffect, leave_out_of_edit};
pub use meter::{Meter, Reading};
pub use report::{
    FieldChange, FindingItem, HeldReport, Listed, Listing, Mode, PipelineReport, PlanCounts, PlanItem, Revert,
    RunReport, RunRequest, Tally, Trouble, Unlisted, Verb,
};

use crate::{
    clock::Clock,
    config::{Config, ConnectionName},
    connector::Connector,
    store::{Ledger, StoreError},
};

/// Why a run could not be carried to its end at all.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The store failed: nothing may be written to a remote any more.
    #[error("the store failed; nothing more is written to any system")]
    Store(#[from] StoreError),
    /// What was asked for does not exist.
    #[error("there is no {what} named `{name}`")]
    NoSuch {
        /// `integration` or `pipeline`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A connection has no connector (its configuration is broken).
    #[error("connection `{0}` cannot be used: its configuration has errors")]
    NoConnector(ConnectionName),
    /// What was asked for can be understood in more than one way.
    #[error("{0}")]
    Ambiguous(String),
}

/// The connectors of all connections.
pub type Connectors = BTreeMap<ConnectionName, Arc<dyn Connector>>;

/// Runs pipelines.
#[derive(Clone)]
pub struct Engine {
    /// What to do.
    pub config: Arc<Config>,
    /// What is remembered.
    pub ledger: Ledger,
    /// How to speak to each account.
    pub connectors: Arc<Connectors>,
    /// Time.
    pub clock: Clock,
    /// Folder for temporary files of a run.
    pub temp: PathBuf,
    /// Seed of the keys of calls; random in production, fixed where a history must repeat.
    pub seed: u64,
}
