//! What a run did, did not do, and why: data that commands print and the store keeps.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    config::{ConnectionName, IntegrationName, PipelineName},
    connector::Requests,
    record::{Cell, RecordId, Side},
    sync::{Damage, FindingKind, Held},
};

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Pull, plan, apply, settle.
    Sync,
    /// Pull and plan; nothing is written to any system.
    Plan,
    /// Pull only: look whether anything changed.
    Poll,
}

/// What to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRequest {
    /// The integration.
    pub integration: IntegrationName,
    /// Only these of its pipelines; empty means all.
    #[serde(default)]
    pub pipelines: Vec<PipelineName>,
    /// Only poll this connection (for [`Mode::Poll`]).
    #[serde(default)]
    pub connection: Option<ConnectionName>,
    /// What for.
    pub mode: Mode,
    /// Read everything, whatever the cursors say.
    #[serde(default)]
    pub full: bool,
    /// Write at most this many records.
    #[serde(default)]
    pub limit: Option<u64>,
    /// Take a run back, instead of deciding about what changed.
    #[serde(default)]
    pub revert: Option<Revert>,
    /// Every item and finding is told while the run goes on, however many there are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub list: bool,
    /// Why, for people: `by hand`, `window closed`, `idle for 24h`.
    pub why: String,
}

/// A run to take back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revert {
    /// Its name ([`crate::store::run_id`]).
    pub run: String,
    /// Only the record with this id, of either side.
    #[serde(default)]
    pub record: Option<String>,
}

/// Something a plan does or does not do, told while the plan is being made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listed {
    /// What it does.
    Item(PipelineName, Box<PlanItem>),
    /// What it does not do.
    Finding(PipelineName, Box<FindingItem>),
}

/// Who is told of everything that a plan lists.
pub type Listing = Arc<dyn Fn(Listed) + Send + Sync>;

/// A remote that did not do its part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The connection.
    pub connection: ConnectionName,
    /// What happened and what it means.
    pub message: String,
    /// Whether it passes by itself (time-out, limit) or needs a person (login).
    pub temporary: bool,
    /// Whether something else could be read there in the same run.
    #[serde(default)]
    pub partly: bool,
}

/// What a plan does with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Makes a new record.
    Create,
    /// Changes a record.
    Update,
    /// Links two existing records.
    Link,
    /// Deletes a record, because its counterpart was deleted.
    Delete,
}

/// One value that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field's name for people.
    pub field: String,
    /// The present value there.
    pub before: Cell,
    /// The value to write; absent where the record is deleted.
    pub after: Cell,
    /// Why, a sentence.
    pub why: String,
}

/// One thing a plan would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanItem {
    /// What.
    pub verb: Verb,
    /// The side written to.
    pub side: Side,
    /// Name for people.
    pub label: String,
    /// The record it starts from.
    pub origin: RecordId,
    /// The record written, if it exists.
    pub id: Option<RecordId>,
    /// The values.
    pub fields: Vec<FieldChange>,
}

/// One thing a plan does not do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingItem {
    /// The side of the record.
    pub side: Side,
    /// Its id.
    pub id: RecordId,
    /// Name for people.
    pub label: String,
    /// What kind.
    pub kind: FindingKind,
    /// The field, if one.
    pub field: Option<String>,
    /// A sentence.
    pub message: String,
}

/// Records counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Records read.
    pub read: u64,
    /// Of those, with nothing new.
    pub unchanged: u64,
    /// Pairs linked because they match.
    pub linked: u64,
    /// Records created, per side written (source, target).
    pub created: [u64; 2],
    /// Records updated, per side written.
    pub updated: [u64; 2],
    /// Records deleted because their counterpart was, per side written.
    #[serde(default)]
    pub deleted: [u64; 2],
    /// Records or fields put aside in this run.
    pub parked: u64,
    /// Records that wait for another.
    pub waiting: u64,
    /// Values kept and not sent.
    pub pending: u64,
    /// Records the filter does not admit.
    pub rejected: u64,
    /// Records left out by rule.
    pub skipped: u64,
    /// Items whose outcome is unknown for now.
    pub unknown: u64,
    /// Fields that two systems kept changing to and fro and that were put aside for it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub flip_flops: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Tally {
    /// Writes of any kind.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.created[0] + self.created[1] + self.updated[0] + self.updated[1] + self.deleted[0] + self.deleted[1]
    }

    /// Findings that are listed. What a filter does not admit is only counted.
    #[must_use]
    pub const fn found(&self) -> u64 {
        self.parked + self.pending + self.waiting + self.skipped
    }
}

/// What a plan holds, counted, however long it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanCounts {
    /// Pairs to link.
    pub links: u64,
    /// Records to create, per side written (source, target).
    pub creates: [u64; 2],
    /// Records to update, per side written (source, target).
    pub updates: [u64; 2],
    /// Records to delete, per side written (source, target).
    #[serde(default)]
    pub deletes: [u64; 2],
}

/// A run that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldReport {
    /// For `approve`.
    pub id: String,
    /// Why it is held: guards, or (empty) a first run that waits for approval.
    pub guards: Vec<Held>,
    /// What it would do.
    pub damage: Damage,
    /// What was written before it tripped the guard; it counts, too.
    #[serde(default)]
    pub earlier: Damage,
    /// What is wrong, and what to do about it, where the guards do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a run did for one pipeline.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PipelineReport {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// Counts.
    pub tally: Tally,
    /// What it does (at most [`PipelineReport::MOST`], for printing; the tally counts all).
    pub items: Vec<PlanItem>,
    /// How many planned items there were in all.
    pub planned: u64,
    /// The planned items counted by what they do.
    #[serde(default)]
    pub counts: PlanCounts,
    /// What it does not do (at most [`PipelineReport::MOST`]).
    pub findings: Vec<FindingItem>,
    /// How many items and findings there were that are not listed.
    #[serde(default)]
    pub unlisted: Unlisted,
    /// It is held.
    pub held: Option<HeldReport>,
    /// Records whose writes stay held, because a person left them out of an approval.
    #[serde(default)]
    pub left_out: u64,
    /// Why it was not run at all.
    pub skipped: Option<String>,
}

/// What a report left out of its lists; the counts hold all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlisted {
    /// Items.
    pub items: u64,
    /// Findings.
    pub findings: u64,
}

impl PipelineReport {
    /// Most items and most findings a report holds.
    pub const MOST: usize = 1_000;

    /// An empty report.
    #[must_use]
    pub fn new(pipeline: PipelineName) -> Self {
        Self {
            pipeline,
            tally: Tally::default(),
            items: Vec::new(),
            planned: 0,
            counts: PlanCounts::default(),
            findings: Vec::new(),
            unlisted: Unlisted::default(),
            held: None,
            left_out: 0,
            skipped: None,
        }
    }

    /// Lists at most `most` items and findings, and says how many are left out.
    pub fn cut_to(&mut self, most: usize) {
        self.items.truncate(most);
        self.findings.truncate(most);
        self.unlisted = Unlisted {
            items: self.planned.saturating_sub(self.items.len() as u64),
            findings: self.tally.found().saturating_sub(self.findings.len() as u64),
        };
    }
}

/// What a run did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// The integration.
    pub integration: IntegrationName,
    /// What for.
    pub mode: Mode,
    /// Why.
    pub why: String,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// Pipeline by pipeline, in the order they ran.
    pub pipelines: Vec<PipelineReport>,
    /// Requests made, per connection.
    pub requests: BTreeMap<ConnectionName, Requests>,
    /// Pulls repeated: the apply took longer than the freshness of what was read, or pages moved while they were read.
    pub pulled_again: u64,
    /// Whether anything new was seen on any side.
    pub changes_seen: bool,
    /// Remotes that did not do their part.
    pub troubles: Vec<Trouble>,
    /// Until when nothing is written, if it ended in such a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blackout: Option<DateTime<Utc>>,
}

impl RunReport {
    /// Lists what was told while the run went on in place of the part of it that the report holds.
    pub fn list_all(&mut self, listed: Vec<Listed>) {
        for pipeline in &mut self.pipelines {
            (pipeline.items, pipeline.findings) = (Vec::new(), Vec::new());
        }
        for item in listed {
            let (Listed::Item(name, _) | Listed::Finding(name, _)) = &item;
            let Some(pipeline) = self.pipelines.iter_mut().find(|pipeline| pipeline.pipeline == *name) else {
                continue;
            };
            match item {
                Listed::Item(_, item) => pipeline.items.push(*item),
                Listed::Finding(_, finding) => pipeline.findings.push(*finding),
            }
        }
        for pipeline in &mut self.pipelines {
            pipeline.cut_to(usize::MAX);
        }
    }

    /// The exit code of `sync`: 0 agreed, 4 some parked, 5 held, 1 failed.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if !self.troubles.is_empty() || self.pipelines.iter().any(|p| p.skipped.is_some()) {
            1
        } else if self.pipelines.iter().any(|p| p.held.is_some() || p.left_out > 0) {
            5
        } else if self.pipelines.iter().any(|p| p.tally.parked > 0 || p.tally.unknown > 0) {
            4
        } else {
            0
        }
    }

    /// Whether the plan has nothing to write anywhere.
    #[must_use]
    pub fn is_empty_plan(&self) -> bool {
        self.pipelines.iter().all(|pipeline| pipeline.planned == 0)
    }
}
