//! A pipeline: two resources, and what it means that they are the same.

use std::{sync::Arc, time::Duration};

use chrono::NaiveDate;

use super::{Connection, Elements, Expectation, Field, Filter, Transform};
use crate::{
    config::{ConnectionName, IntegrationName, PipelineName},
    connector::Resource,
    record::{Canon, Kind, ProjectionSpec, RecordId, Side, SlotIndex},
};

/// Keeps the records of two resources the same.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Full name.
    pub name: PipelineName,
    /// The integration it belongs to.
    pub integration: IntegrationName,
    /// The name it had before.
    pub moved_from: Option<PipelineName>,
    /// Source end, target end.
    pub ends: [End; 2],
    /// Whether the pipeline as a whole may write to the target, to the source.
    pub flow: super::Flow,
    /// How records that are not linked find each other, strongest tier first. All tiers are looked up.
    pub tiers: Vec<Tier>,
    /// Opt-in: of several source records with the same value only one enters.
    pub unique: Option<Unique>,
    /// What corresponds.
    pub fields: Vec<Field>,
    /// Checks on the remote's own figures.
    pub expect: Vec<Expectation>,
    /// Which sides records may be created on.
    pub creates: Creates,
    /// Which deletions are carried over.
    pub deletes: Deletes,
    /// What happens to a link whose record leaves its filter.
    pub on_leave: OnLeave,
    /// What happens to an edit of the target of a one-way pipeline.
    pub drift: Drift,
    /// How the first run goes.
    pub first_run: FirstRun,
    /// Limits on damage.
    pub guards: Guards,
    /// Source records of former days are ignored.
    pub cut_over: Option<CutOver>,
    /// Pipelines whose links this one looks up (`reference`) or that must come first (`needs`).
    pub needs: Vec<PipelineName>,
    /// Pipelines whose references into this one's source decide about entering (`referenced_by`, `awaited_by`).
    pub referenced_by: Vec<PipelineName>,
    /// Those of them whose records count before their day has come (`awaited_by`).
    pub awaited_by: Vec<PipelineName>,
    /// Pipelines that write the same values of the same resource. No record may be linked by both.
    pub co_writers: Vec<CoWriter>,
    /// Constants that must be known to the target before anything is sent.
    pub known: Vec<KnownConstant>,
    /// Hash of all that decides how records are treated; stored with parked records and held runs.
    pub hash: u64,
}

/// The day from which on source records count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutOver {
    /// Where a source record has its date.
    pub slot: SlotIndex,
    /// What the system declares it to be.
    pub kind: Kind,
    /// The day.
    pub from: NaiveDate,
}

/// A constant that is the id of a record of the target (`one_of`).
#[derive(Clone, Debug)]
pub struct KnownConstant {
    /// The field it is written to, for people.
    pub field: String,
    /// The id.
    pub id: RecordId,
    /// Where a record of this id must be; on the target's connection.
    pub resource: Arc<Resource>,
}

/// Another pipeline that writes values which this one writes, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoWriter {
    /// The other one.
    pub pipeline: PipelineName,
    /// The side of this pipeline that both write.
    pub side: Side,
    /// Which side that is of the other one.
    pub theirs: Side,
}

impl Pipeline {
    /// The end on `side`.
    #[must_use]
    pub const fn end(&self, side: Side) -> &End {
        match side {
            Side::Source => &self.ends[0],
            Side::Target => &self.ends[1],
        }
    }

    /// Whether `side` may be written at all.
    #[must_use]
    pub const fn writes(&self, side: Side) -> bool {
        self.flow.writes(side)
    }

    /// What a full read of `side` was for: another spec, or a field that was not there, needs one again. Never 0.
    #[must_use]
    pub fn read_mark(&self, side: Side) -> u32 {
        let mut ids: Vec<u32> = self.fields.iter().map(|field| field.id.0).collect();
        ids.sort_unstable();
        let mut bytes = self.end(side).spec_hash.to_le_bytes().to_vec();
        bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
        let hash = xxhash_rust::xxh3::xxh3_64(&bytes);
        u32::try_from(hash & u64::from(u32::MAX)).unwrap_or(1).max(1)
    }

    /// Whether records of `side` need to be listed: as the origin of changes, for matching, or for drift.
    #[must_use]
    pub fn reads(&self, side: Side) -> bool {
        self.flow.writes(side.other())
            || !self.tiers.is_empty()
            || self.drift != Drift::Leave
            || self.fields.iter().any(|field| field.flow.writes(side.other()))
    }

    /// Whether one of its sides is on this account.
    #[must_use]
    pub fn uses(&self, connection: &ConnectionName) -> bool {
        self.ends.iter().any(|end| end.connection.name == *connection)
    }
}

/// One end of a pipeline.
#[derive(Clone, Debug)]
pub struct End {
    /// The account.
    pub connection: Arc<Connection>,
    /// The collection.
    pub resource: Arc<Resource>,
    /// What is read from its records.
    pub spec: ProjectionSpec,
    /// Which of its records may enter.
    pub filter: Filter,
    /// Its records are the elements of the resource's records.
    pub elements: Option<Elements>,
    /// Hash of `spec` and `elements`, kept with stored projections: one read under another spec must be read again.
    pub spec_hash: u32,
}

impl End {
    /// For people: `acme-xero/contacts`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.connection.name, self.resource.name)
    }
}

/// One way for unlinked records to find each other; all its pairs must agree.
#[derive(Clone, Debug)]
pub struct Tier {
    /// Values that must be the same. Blank never matches.
    pub keys: Vec<KeyPair>,
    /// What a single candidate means.
    pub then: Then,
}

/// A pair of values compared by a tier.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// Slots, source and target.
    pub slots: [SlotIndex; 2],
    /// How each side compares.
    pub canons: [Canon; 2],
    /// Applied to both before comparing.
    pub normalize: Vec<Transform>,
    /// The paths as written, for messages.
    pub names: [String; 2],
}

/// What a single candidate of a tier means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Link it.
    Link,
    /// A person decides.
    Propose,
}

/// Of several source records with the same value, one enters and the rest are listed.
#[derive(Clone, Debug)]
pub struct Unique {
    /// The value.
    pub by: SlotIndex,
    /// How it compares.
    pub canon: Canon,
    /// Which one.
    pub keep: Keep,
    /// Order among those not linked; then by id.
    pub order: Vec<SlotIndex>,
}

/// Which of several records of the same value enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The one that is linked already, else the first in order.
    LinkedThenFirst,
}

/// Which sides records may be created on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Creates {
    /// On the target, for source records that pass `filters.source`.
    pub to_target: bool,
    /// On the source, for target records that pass `filters.target`.
    pub to_source: bool,
}

impl Creates {
    /// Whether records may be created on `side`.
    #[must_use]
    pub const fn on(self, side: Side) -> bool {
        match side {
            Side::Source => self.to_source,
            Side::Target => self.to_target,
        }
    }
}

/// Which deletions are carried over. By default none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deletes {
    /// What was deleted on the source is deleted on the target.
    pub to_target: bool,
    /// What was deleted on the target is deleted on the source.
    pub to_source: bool,
    /// Only of pairs whose first record was on this side, the other made of it. Pairs that matched were born on neither.
    pub only: Option<Side>,
}

impl Deletes {
    /// Whether records may be deleted on `side`.
    #[must_use]
    pub const fn on(self, side: Side) -> bool {
        match side {
            Side::Source => self.to_source,
            Side::Target => self.to_target,
        }
    }
}

/// What a cleared value does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blanks {
    /// It stays cleared where it was cleared, is listed, and is neither sent nor refilled.
    Keep,
    /// The other side is cleared too.
    Propagate,
}

/// What happens when both sides changed a field to different values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflicts {
    /// Park the field with both values.
    Park,
    /// The source's value goes to the target.
    SourceWins,
    /// The target's value goes to the source.
    TargetWins,
    /// The later edit by each side's own stamp, corrected by that server's clock; within `skew`, `otherwise`.
    NewestWins {
        /// Stamps closer than this decide nothing.
        skew: Duration,
        /// What then.
        otherwise: Fallback,
    },
}

/// What `newest-wins` falls back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Park the field.
    Park,
    /// The source's value.
    SourceWins,
    /// The target's value.
    TargetWins,
}

/// What happens to a linked pair that differs and has no history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differences {
    /// Equal is agreed, blank is filled, else parked.
    FillBlanks,
    /// Parked unless equal.
    Park,
    /// The source's value goes to the target.
    SourceWins,
    /// The target's value goes to the source.
    TargetWins,
}

/// What happens to a link whose record no longer passes the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLeave {
    /// It keeps syncing.
    Keep,
    /// It waits until the record passes again.
    Pause,
    /// The link is dissolved; both records stay.
    Release,
}

/// What happens to an edit on the side that a one-way pipeline writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// Nothing; it is not even read.
    Leave,
    /// It is listed.
    Report,
    /// The source's value is put back.
    PutBack,
}

/// How the first run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstRun {
    /// Whether it waits for a person (`approve`) or goes by itself.
    pub approve: bool,
}

/// Limits on damage. A run over one of them is held with its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// Deletions.
    pub deletes: Amount,
    /// Creations.
    pub creates: Option<Amount>,
    /// Fields blanked.
    pub blanked: Amount,
    /// Linked records written.
    pub touched: Amount,
    /// Records that an edit of the configuration changes.
    pub config_edit: Amount,
    /// Values overwritten by which records are matched, or refer to others.
    pub keys: Amount,
}

/// An absolute number, or percent of the links with a floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// At most this many.
    Count(u64),
    /// At most this percentage of the links, but never held below `at_least`.
    Percent {
        /// Percent, 0 to 100.
        percent: u8,
        /// Below this many the guard does not hold.
        at_least: u64,
    },
}

impl Amount {
    /// How many are allowed with this many links.
    #[must_use]
    pub fn allowed(self, links: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Percent { percent, at_least } => (links.saturating_mul(u64::from(percent)) / 100).max(at_least),
        }
    }
}
