//! Before-images: what writes replaced, so that it can be looked at and put back.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    config::IntegrationName,
    record::{RecordId, Side},
    sync::FieldWrite,
};

/// The name of a run for people and commands: its integration and a short hash of when it began.
#[must_use]
pub fn run_id(integration: &IntegrationName, started: DateTime<Utc>) -> String {
    let text = format!("{integration} {}", started.timestamp_micros());
    format!("{integration}-{:08x}", xxh3_64(text.as_bytes()) & 0xffff_ffff)
}

/// What one call was about to overwrite; recorded with its intent, in the same flush.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overwritten {
    /// The run, as [`run_id`] names it.
    pub run: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The side written.
    pub side: Side,
    /// The records.
    pub items: Vec<OverwrittenItem>,
}

/// What was about to be overwritten of one record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverwrittenItem {
    /// The source id of its link.
    pub origin: RecordId,
    /// The record that was written.
    pub id: RecordId,
    /// Name for people.
    pub label: String,
    /// Per field: the value before, the value sent, and the rule by which it was sent.
    pub fields: Vec<FieldWrite>,
}
