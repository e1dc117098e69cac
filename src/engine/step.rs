//! Steps of a plan between deciding and applying; spilled, so that memory does not grow with a plan.

use serde::{Deserialize, Serialize};

use crate::{
    record::{RecordId, Side},
    sync::{Fresh, Link, RecordWrite},
};

/// A record without a link, on its way through a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Newcomer {
    /// Its side.
    pub side: Side,
    /// The record.
    pub fresh: Fresh,
    /// Whether it has an entry in the store already.
    pub stored: bool,
    /// Whether it was read with other values than the entry in the store has.
    pub changed: bool,
    /// Match keys (tier, text) the stored entry is found by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old_keys: Vec<(usize, String)>,
}

/// One step of a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Step {
    /// Create the counterpart of a record.
    Create {
        /// The record.
        newcomer: Box<Newcomer>,
        /// The write.
        write: RecordWrite,
    },
    /// Remember a link of two records that match.
    Link {
        /// The link as it is to be remembered.
        link: Box<Link>,
        /// Both records.
        newcomers: Box<[Newcomer; 2]>,
    },
    /// Write to a linked record, or delete it.
    Update {
        /// The link's source id.
        source: RecordId,
        /// Name for people.
        label: String,
        /// The write.
        write: RecordWrite,
    },
}
