//! An integration: what is switched on and off together, with one batch window and one schedule.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{MadeFrom, Pipeline};
use crate::{
    config::{Blackout, ConnectionName, IntegrationName, blackout},
    record::Side,
};

/// Pipelines between the same connections that run together.
#[derive(Clone, Debug)]
pub struct Integration {
    /// Its name.
    pub name: IntegrationName,
    /// The name it had before.
    pub moved_from: Option<IntegrationName>,
    /// How it was made from a template, if it was.
    pub made: Option<MadeFrom>,
    /// Whether anything starts by itself; `sync` by hand always works.
    pub automatic: bool,
    /// Whether runs write.
    pub apply: ApplyMode,
    /// The zone in which schedules and `today` are meant.
    pub timezone: Tz,
    /// The batch window; `None` runs at once when a change is seen.
    pub debounce: Option<Debounce>,
    /// When nothing is written.
    pub blackouts: Vec<Blackout>,
    /// When to look.
    pub schedule: Schedule,
    /// In reference order: a pipeline comes after those it refers to or needs.
    pub pipelines: Vec<Arc<Pipeline>>,
}

impl Integration {
    /// Whether records of this account are listed, and not only written.
    #[must_use]
    pub fn reads(&self, connection: &ConnectionName) -> bool {
        let listed =
            |pipeline: &Pipeline, side| pipeline.end(side).connection.name == *connection && pipeline.reads(side);
        self.pipelines.iter().any(|pipeline| Side::BOTH.into_iter().any(|side| listed(pipeline, side)))
    }

    /// Until when nothing is written; `None` if something may be.
    #[must_use]
    pub fn blacked_out(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        blackout::until(&self.blackouts, self.timezone, now)
    }
}

/// Whether runs write to remotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyMode {
    /// Plan and apply.
    Automatic,
    /// Plan on schedule, write nothing.
    Observe,
}

/// The batch window: opens when a change is seen, `wait` restarts with each further one, `max_wait` caps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debounce {
    /// Quiet time that closes the window.
    pub wait: Duration,
    /// Longest time the window stays open; at least `wait`.
    pub max_wait: Duration,
}

/// When an integration looks at its connections.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// Poll interval per connection; polls sit on multiples of it from local midnight.
    pub poll: BTreeMap<ConnectionName, Duration>,
    /// A run this long after the end of the last one.
    pub after_idle: Option<Duration>,
    /// Runs at these local times.
    pub cron: Vec<Cron>,
    /// How much later than `cron` says it starts, so that many integrations do not start at once.
    pub spread: Option<Spread>,
    /// Every so often the next run reads everything and compares. `None`: never by itself.
    pub full_read: Option<Duration>,
}

/// The place of an integration in a time that starts are spread over. It follows from the integration's name alone, so
/// it is the same after every restart, on every machine, and whoever else comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The time that starts are spread over.
    pub over: Duration,
    /// How long after the times of `cron` this integration starts; whole seconds, less than `over`.
    pub offset: Duration,
}

impl Spread {
    /// The place of the integration of this name.
    #[must_use]
    pub fn of(name: &IntegrationName, over: Duration) -> Self {
        let hash = xxhash_rust::xxh3::xxh3_64(name.as_str().as_bytes());
        Self { over, offset: Duration::from_secs(hash % over.as_secs().max(1)) }
    }
}

/// A crontab(5) line (five fields, Sunday is 0 or 7), as written and translated for the `cron` crate.
#[derive(Clone, Debug)]
pub struct Cron {
    /// As the user wrote it.
    pub written: String,
    /// The compiled schedule (seconds first, weekdays by name).
    pub schedule: Box<cron::Schedule>,
}
