//! The values that are remembered beside links and unlinked records.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    config::{ConnectionName, PipelineName},
    connector::PreparedCall,
    record::{RecordId, Side},
    sync::{Candidate, Damage, Held, ParkCode, RecordWrite},
};

/// How far a pipeline has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Its first run waits for a person: it only matches and reports.
    #[default]
    Unapproved,
    /// Approved; the first run has not come to its end yet, and guards do not hold it.
    Approved,
    /// The first run has ended; guards hold.
    Running,
}

/// What is remembered of a pipeline as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineState {
    /// How far it has come. Stored once, never derived from the number of links.
    pub stage: Stage,
    /// Hash of the configuration it last planned with; under another one everything put aside is looked at again.
    pub config: u64,
    /// Per side, the hash of the projection spec under which every record was last read in full; 0 is "never".
    pub read: [u32; 2],
    /// Number of links, kept so that guards need not count.
    pub links: u64,
    /// When both sides were last found in agreement (or everything that is not was listed).
    #[serde(default)]
    pub verified: Option<DateTime<Utc>>,
    /// The accounts (source, target) that its links and everything else remembered of it speak of.
    #[serde(default)]
    pub accounts: [Option<String>; 2],
    /// The connectors (source, target) that they were read and written through, with their versions (`xero@1`).
    #[serde(default)]
    pub connectors: [Option<String>; 2],
    /// What is remembered is of an earlier time (the store was put back, or copied): nothing is written until a person
    /// approves, whatever the configuration says about first runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub put_back: bool,
}

/// Where the pulls of one resource stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Ask for changes since this instant of the server's clock.
    pub since: Option<DateTime<Utc>>,
    /// When everything was last read, by our clock.
    pub full_at: Option<DateTime<Utc>>,
    /// The account that was read. What another one told since then says nothing.
    #[serde(default)]
    pub account: String,
}

/// A record that was written lately, of a remote that shows old copies for a while (`lag`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settling {
    /// When our last write to it was answered, by our clock.
    pub since: DateTime<Utc>,
    /// It was read since, and not looked at: it is read again when the time has come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
}

/// A record to look at again without any change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// Not before this instant.
    pub at: DateTime<Utc>,
    /// Why, for people: `changed`, `retry`, `contacts/17 was linked`, `2026-07-01 has come`.
    pub why: String,
}

/// A record or field put aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parked {
    /// What kind of trouble.
    pub code: ParkCode,
    /// Name for people.
    pub label: String,
    /// The field, if only a field is parked.
    pub field: Option<String>,
    /// What is wrong, in the remote's own words where there are some.
    pub message: String,
    /// Records to choose from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Choice>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried again without any change.
    pub next_try: Option<DateTime<Utc>>,
    /// A person said that it shall not be listed any more.
    #[serde(default)]
    pub ignored: bool,
}

/// A candidate shown to a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Its id.
    pub id: RecordId,
    /// Its name.
    pub label: String,
    /// The record it is linked with.
    pub linked_with: Option<RecordId>,
}

impl From<&Candidate> for Choice {
    fn from(candidate: &Candidate) -> Self {
        Self { id: candidate.id.clone(), label: candidate.label.clone(), linked_with: candidate.linked_with.clone() }
    }
}

/// A remote write, recorded durably before the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// The connection it goes to.
    pub connection: ConnectionName,
    /// The account that connection stood for: a call recorded for one account is never sent to another.
    #[serde(default)]
    pub account: String,
    /// The pipeline that wants it.
    pub pipeline: PipelineName,
    /// Hash of the pipeline when it was decided.
    pub config: u64,
    /// The side written.
    pub side: Side,
    /// When it was first sent, or was about to be.
    pub first_sent: DateTime<Utc>,
    /// When the last call for it ended without a full answer. `None` while one is under way, and after a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<DateTime<Utc>>,
    /// The exact call.
    pub call: PreparedCall,
    /// What each item of the call is.
    pub items: Vec<IntentItem>,
}

/// One item of an intent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntentItem {
    /// The record it was made from, on the side opposite to the written one.
    pub origin: RecordId,
    /// Name for people.
    pub label: String,
    /// The values.
    pub write: RecordWrite,
    /// What became of it is known and remembered; the intent is open because of others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
}

/// Why something is held. Each holds for itself: approving one of them does not approve another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// What a run would write is over a guard, or it is the first run.
    #[default]
    Plan,
    /// What taking back a run would write is over a guard.
    Revert,
    /// A connection stands for another account than the one the links speak of.
    Account,
    /// A full listing of this side lacked too much to be believed.
    Listing(Side),
    /// Records that a person left out of an approval.
    LeftOut,
}

impl Hold {
    /// Its name in keys; none for a plan.
    pub(super) const fn word(self) -> Option<&'static str> {
        match self {
            Self::Plan => None,
            Self::Revert => Some("revert"),
            Self::Account => Some("account"),
            Self::Listing(Side::Source) => Some("listing-source"),
            Self::Listing(Side::Target) => Some("listing-target"),
            Self::LeftOut => Some("left-out"),
        }
    }
}

/// Something that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRun {
    /// Short id for `approve`.
    pub id: String,
    /// The pipeline.
    pub pipeline: PipelineName,
    /// Why it is held.
    #[serde(default)]
    pub what: Hold,
    /// What is wrong, and what to do about it, where the guards do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What it would do.
    pub damage: Damage,
    /// The guards it trips; empty for a first run that waits for approval.
    pub guards: Vec<Held>,
    /// What earlier rounds of the run had written to each side; it counts, too, until a person decides.
    #[serde(default)]
    pub earlier: [Damage; 2],
    /// Hash of the pipeline's configuration.
    pub config: u64,
    /// A number for exactly these writes, record by record and value by value: an approval is for it. `None` where only
    /// the numbers of `damage` bind, as for what an approved edit brings about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<u64>,
    /// Records that a person left out of the approval; of [`Hold::LeftOut`], all that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<(Side, RecordId)>,
    /// A person's answer.
    pub approval: Approval,
}

impl HeldRun {
    /// Until when an answer counts, if it may wait for so long; after that, it is planned and asked anew.
    #[must_use]
    pub fn waits_until(&self, keep: std::time::Duration) -> DateTime<Utc> {
        let keep = TimeDelta::from_std(keep).ok();
        keep.and_then(|keep| self.since.checked_add_signed(keep)).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// A person's answer to a held run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approval {
    /// None yet.
    #[default]
    Waiting,
    /// Go ahead, as long as the plan does no more than was shown.
    Approved,
    /// Do not; the plan stays held and is not shown as waiting.
    Rejected,
}

/// A finished run, for `runs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its name for `revert` ([`crate::store::run_id`]).
    #[serde(default)]
    pub id: String,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// Why it ran: `by hand`, `window closed`, `idle for 24h`.
    pub why: String,
    /// The report, as JSON.
    pub report: serde_json::Value,
}
