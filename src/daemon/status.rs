//! How a running daemon stands: what runs, what waits and until when, and what is in trouble.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{PublicNow, reload::ConfigNow};
use crate::{
    config::{ConnectionName, IntegrationName},
    engine::{Mode, Reading},
};

/// What an integration waits for. Several may hold at once; the earliest starts first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "kebab-case")]
pub enum WaitReason {
    /// Changes were seen; they are written when the window closes.
    Window {
        /// How often something new was seen since the window opened.
        changes: u64,
        /// When it closes unless more is seen.
        closes: DateTime<Utc>,
    },
    /// The next look at a connection.
    Poll {
        /// The connection.
        connection: ConnectionName,
        /// When.
        at: DateTime<Utc>,
    },
    /// A run after a long time without one.
    Idle {
        /// When.
        at: DateTime<Utc>,
    },
    /// A run of the timetable.
    Cron {
        /// The line, as written.
        line: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// Everything is read again and compared.
    FullRead {
        /// When at the latest.
        at: DateTime<Utc>,
    },
    /// A remembered record is looked at again (a retry, a date that comes).
    Due {
        /// When the first one is.
        at: DateTime<Utc>,
    },
    /// A remote failed for a reason that passes; the next attempt.
    Retry {
        /// When.
        at: DateTime<Utc>,
    },
    /// A system refused us (a login, a right), which mostly needs a person; it is asked again now and then.
    Refused {
        /// The connection.
        connection: ConnectionName,
        /// When.
        at: DateTime<Utc>,
    },
    /// Nothing is written to any system; reads and plans go on.
    Blackout {
        /// Until when.
        until: DateTime<Utc>,
    },
    /// The store failed; it is probed again, and nothing is written to any system before it answers.
    Store {
        /// When.
        at: DateTime<Utc>,
    },
    /// Nothing starts by itself (`automatic: false`).
    ByHand,
    /// A person paused it.
    Paused,
}

impl WaitReason {
    /// The instant it waits for; `None` if only a person can end it.
    #[must_use]
    pub const fn until(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Window { closes: at, .. }
            | Self::Poll { at, .. }
            | Self::Idle { at }
            | Self::Cron { at, .. }
            | Self::FullRead { at }
            | Self::Due { at }
            | Self::Retry { at }
            | Self::Refused { at, .. }
            | Self::Store { at }
            | Self::Blackout { until: at } => Some(*at),
            Self::ByHand | Self::Paused => None,
        }
    }
}

/// What an integration is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing; see what it waits for.
    Waiting,
    /// A run stands in line until another integration is done with a connection they share.
    Queued {
        /// Why it runs.
        why: String,
        /// Since when it stands in line.
        since: DateTime<Utc>,
    },
    /// A run is under way.
    Running {
        /// What for.
        mode: Mode,
        /// Why it runs.
        why: String,
        /// Since when.
        since: DateTime<Utc>,
    },
}

/// A connection that did not do its part when it was last used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionTrouble {
    /// The connection.
    pub connection: ConnectionName,
    /// What happened and what it means.
    pub message: String,
    /// Whether it passes by itself or needs a person.
    pub temporary: bool,
    /// Since when, without a success in between.
    pub since: DateTime<Utc>,
    /// Failed attempts in a row; 0 where it is known that there is no login, and nobody tried.
    pub attempts: u32,
}

/// The last hook of a connection, which its system sends when something changes there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookNow {
    /// The connection.
    pub connection: ConnectionName,
    /// When it came.
    pub at: DateTime<Utc>,
    /// How often the connection is polled now, in seconds, where it is polled: less often while hooks come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polled_every: Option<u64>,
}

/// How an integration stands right now, beside what the store remembers of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrationNow {
    /// The integration.
    pub integration: IntegrationName,
    /// What it does.
    pub phase: Phase,
    /// How far the run under way is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Reading>,
    /// What it waits for, earliest first; those that only a person can end come last.
    pub waits: Vec<WaitReason>,
    /// When its last run ended (a poll is no run).
    pub last_run: Option<DateTime<Utc>>,
    /// Connections in trouble.
    pub troubles: Vec<ConnectionTrouble>,
    /// Connections whose hooks came since the daemon began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookNow>,
    /// Why its last run could not be carried to its end, if so.
    pub failure: Option<String>,
    /// What it runs, as a number that changes with the meaning of its configuration.
    #[serde(default)]
    pub running: String,
    /// The same of what the files say by now; `None` where they cannot be understood, or do not name it any more.
    #[serde(default)]
    pub on_disk: Option<String>,
    /// Why it does not run what the files say, if so.
    #[serde(default)]
    pub pending: Option<String>,
    /// The generation of the configuration that it runs; 0 where nothing is reloaded.
    #[serde(default)]
    pub generation: u64,
}

/// How the daemon as a whole stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// The program's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started: DateTime<Utc>,
    /// What time it is there.
    pub now: DateTime<Utc>,
    /// It takes no new work and ends when the current runs have.
    pub stopping: bool,
    /// Why the store cannot be used, if so.
    pub store_failing: Option<String>,
    /// The integrations, by name.
    pub integrations: Vec<IntegrationNow>,
    /// How the configuration stands; `None` where nothing is reloaded.
    #[serde(default)]
    pub config: Option<ConfigNow>,
    /// How the public listener stands; `None` where there is none.
    #[serde(default)]
    pub public: Option<PublicNow>,
}
