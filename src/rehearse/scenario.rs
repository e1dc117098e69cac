//! A test, understood: names are resources, values are what their fields say, times are instants.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use crate::{
    config::{ConnectionName, IntegrationName, PipelineName, Place},
    connector::{Resource, WriteKind},
    record::{Path, RecordId, Side},
};

/// A test of a configuration.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it shows, for people.
    pub about: Option<String>,
    /// Where it is written.
    pub place: Place,
    /// The integrations that run in it.
    pub integrations: Vec<IntegrationName>,
    pub(super) at: DateTime<Utc>,
    pub(super) zone: Tz,
    pub(super) first_run_waits: bool,
    pub(super) behaviours: Vec<Behaviour>,
    pub(super) given: Vec<(Spot, Value)>,
    pub(super) links: Vec<Pair>,
    pub(super) steps: Vec<Step>,
    pub(super) expect: Option<Expect>,
}

impl Scenario {
    /// Whether its configuration is edited on the way.
    #[must_use]
    pub fn edits_the_configuration(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.act, Act::Config { .. }))
    }

    /// The same, expecting nothing.
    pub(super) fn without_expectations(&self) -> Self {
        let mut scenario = self.clone();
        scenario.steps.retain(|step| !matches!(step.act, Act::Expect(_)));
        scenario.expect = Some(Expect { parked: Wanted::Any, held: Wanted::Any, ..Expect::default() });
        scenario
    }
}

/// Two records that are linked from the beginning, and where it is written.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub place: Place,
    pub pipeline: PipelineName,
    pub source: RecordId,
    pub target: RecordId,
}

/// A resource of a connection.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub connection: ConnectionName,
    pub resource: Arc<Resource>,
    /// As it is written, for people.
    pub shown: String,
}

/// How a system behaves beyond its manifest.
#[derive(Clone, Debug)]
pub(super) struct Behaviour {
    pub connection: ConnectionName,
    /// `None`: the whole connection.
    pub resource: Option<String>,
    pub adds: Option<Value>,
    pub page: Option<usize>,
    pub ahead: Option<Duration>,
    pub then: Vec<Consequence>,
}

/// What a system changes elsewhere by itself when a record is made or changed.
#[derive(Clone, Debug)]
pub(super) struct Consequence {
    /// Of the record that changes.
    pub resource: Arc<Resource>,
    /// Where its id is in the record that was made or changed.
    pub of: Path,
    pub values: Value,
}

/// Something that happens, and where it is written.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub place: Place,
    pub act: Act,
}

/// What happens.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Create(Vec<(Spot, Value)>),
    Edit(Vec<(Spot, RecordId, Value)>),
    Delete(Vec<(Spot, RecordId)>),
    Advance(Duration),
    Until(Clocks),
    Sync { full: bool, pipelines: BTreeMap<IntegrationName, Vec<PipelineName>> },
    Hook(Vec<ConnectionName>),
    Trouble(ConnectionName, Trouble),
    WorksAgain(Option<ConnectionName>),
    CrashNow,
    CrashAt { connection: ConnectionName, crash: CrashAt },
    Config { file: String, replace: String, with: String },
    Approve(String),
    Reject(String),
    Resolve { pipeline: PipelineName, record: RecordId, field: Option<String>, winner: Side },
    Retry(PipelineName),
    Expect(Box<Expect>),
}

impl Act {
    /// Whether people or systems change something that the daemon has yet to carry over.
    pub const fn leaves_work(&self) -> bool {
        matches!(
            self,
            Self::Create(_)
                | Self::Edit(_)
                | Self::Delete(_)
                | Self::Config { .. }
                | Self::Approve(_)
                | Self::Resolve { .. }
                | Self::Retry(_)
        )
    }

    /// Whether the daemon has its turn.
    pub const fn gives_the_turn(&self) -> bool {
        matches!(self, Self::Advance(_) | Self::Until(_) | Self::Sync { .. } | Self::Hook(_))
    }
}

/// What clocks show.
#[derive(Clone, Copy, Debug)]
pub(super) enum Clocks {
    /// The next time that they show this.
    Time(chrono::NaiveTime),
    /// This day and time.
    Instant(DateTime<Utc>),
}

/// When the daemon dies.
#[derive(Clone, Debug)]
pub(super) struct CrashAt {
    pub resource: Option<String>,
    pub after: bool,
}

/// What goes wrong with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    Down,
    NoAnswer,
    LostAnswer,
    Refused,
    Limit,
    Login,
}

/// Calls that go wrong.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub resource: Option<String>,
    pub mishap: Mishap,
    /// How many calls are left; `None` is all.
    pub calls: Option<u64>,
    pub lasts: Option<Duration>,
    pub reads: bool,
    pub writes: bool,
    pub of: Option<Value>,
    pub says: Option<String>,
}

/// What must be so.
#[derive(Clone, Debug, Default)]
pub(super) struct Expect {
    pub records: Vec<ExpectedRecords>,
    pub writes: Option<ExpectedWrites>,
    pub parked: Wanted<ExpectedParked>,
    pub held: Wanted<PipelineName>,
    pub runs: Wanted<String>,
}

/// What is wanted of a list.
#[derive(Clone, Debug, Default)]
pub(super) enum Wanted<T> {
    /// Nothing is said.
    #[default]
    Unsaid,
    /// Whatever there is.
    Any,
    /// Exactly these.
    These(Listed<T>),
}

/// Things with the place of each, and of the list.
#[derive(Clone, Debug)]
pub(super) struct Listed<T> {
    pub place: Place,
    pub items: Vec<(Place, T)>,
}

/// What a resource must hold.
#[derive(Clone, Debug)]
pub(super) struct ExpectedRecords {
    pub place: Place,
    pub spot: Spot,
    /// How many there are; `None` where others may be there.
    pub count: Option<usize>,
    pub records: Vec<(Place, Value)>,
}

/// What must have been written.
#[derive(Clone, Debug)]
pub(super) struct ExpectedWrites {
    pub place: Place,
    pub by_spot: Vec<WritesTo>,
}

/// What must have been written to one resource.
#[derive(Clone, Debug)]
pub(super) struct WritesTo {
    pub place: Place,
    pub spot: Spot,
    pub count: usize,
    pub writes: Vec<(Place, ExpectedWrite)>,
}

/// A write.
#[derive(Clone, Debug)]
pub(super) struct ExpectedWrite {
    pub kind: WriteKind,
    pub id: Option<RecordId>,
    pub values: Option<Value>,
}

/// Something put aside.
#[derive(Clone, Debug, Default)]
pub(super) struct ExpectedParked {
    pub pipeline: Option<PipelineName>,
    pub record: Option<String>,
    pub field: Option<String>,
    pub code: Option<String>,
    pub says: Option<String>,
}
