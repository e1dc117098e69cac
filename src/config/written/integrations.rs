//! Integrations: windows and schedules.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{AnyNode, ApplyW, At, CronLine, FirstRunW, FromText, Named, OneOrMany, PipelineW, short_or_long, written};
use crate::config::{
    Moment,
    diagnostic::{Report, error},
    tree::{Node, NodeValue},
};

written! {
    /// Pipelines that are switched on and off together, with one batch window and one schedule.
    IntegrationW as "an integration" {
        /// Whether anything starts by itself. Default: true.
        may automatic: At<bool>,
        /// `automatic` plans and writes; `observe` plans and writes nothing. Default: automatic.
        may apply: At<ApplyW>,
        /// The time zone of schedules and of `today`. Default: UTC.
        may timezone: At<chrono_tz::Tz>,
        /// How long to gather changes before a run.
        may debounce: DebounceW,
        /// When to look.
        may schedule: ScheduleW,
        /// When nothing is written to any system, as the end of a month; reads and plans go on.
        may blackouts: OneOrMany<BlackoutW>,
        /// How the first run of its pipelines goes, unless they say otherwise.
        may first_run: FirstRunW,
        /// The name it had before: what is remembered of it moves along.
        may moved_from: At<String>,
        /// Its pipelines.
        may pipelines: Named<PipelineW>,
        /// The template it is made from.
        may template: At<String>,
        /// Values of the template's parameters.
        may with: Named<AnyNode>,
        /// What is otherwise than in the template, by address: `pipelines.contacts.fields: { $.Website: … }`.
        may overrides: Named<AnyNode>,
    }
}

written! {
    /// A time in which nothing is written, by the clocks of the integration's time zone.
    BlackoutW as "a blackout" {
        /// When it begins: `last 18:00` (of each month), `28 18:00`, `fri 18:00`, `18:00` or `2026-06-30 18:00`.
        need from: At<Moment>,
        /// When it ends: `2 08:00`, `mon 08:00`, `08:00` or `2026-07-02 08:00`.
        need to: At<Moment>,
    }
}

impl FromText for Moment {
    const CODE: &'static str = "config::bad_blackout";
    const WANTED: &'static str = "a time of a blackout";
    const HELP: &'static str = "write `last 18:00`, `28 18:00`, `fri 18:00`, `18:00` or `2026-06-30 18:00`, in quotes";
    fn from_text(text: &str, _: bool) -> Result<Self, (String, usize)> {
        Self::parse(text).map_err(|why| (why.to_owned(), 0))
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["last 18:00", "2 08:00", "fri 18:00", "22:00", "2026-06-30 18:00"] })
    }
}

written! {
    /// The batch window.
    DebounceMapW as "debounce" {
        /// Quiet time that closes it.
        need wait: At<Duration>,
        /// Longest time it stays open. Default: as `wait`.
        may max_wait: At<Duration>,
    }
}
short_or_long! {
    /// The batch window.
    DebounceW, DebounceMapW, wait: Duration, "a batch window",
    "write `debounce: 2m`, or `debounce: { wait: 2m, max_wait: 10m }`"
}

written! {
    /// When to look.
    ScheduleW as "schedule" {
        /// Poll interval per connection.
        may poll: Named<At<Duration>>,
        /// Runs besides those that changes start.
        may sync: SyncW,
        /// Every so often everything is read and compared. Default: 24h.
        may full_read: FullReadW,
    }
}

written! {
    /// Runs besides those that changes start.
    SyncW as "sync" {
        /// So long after the end of the last run.
        may after_idle: At<Duration>,
        /// At these times of the integration's time zone: crontab(5) lines.
        may cron: OneOrMany<At<CronLine>>,
        /// Spreads the starts by `cron` over this time: each integration starts at a moment of its own in it, always the
        /// same.
        may spread: At<Duration>,
    }
}

/// `24h` or `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Every(pub Option<Duration>);

impl FromText for Every {
    const CODE: &'static str = "config::bad_duration";
    const WANTED: &'static str = "a duration or `never`";
    const HELP: &'static str = "write a number and a unit as 24h, or `never`";
    fn from_text(text: &str, plain: bool) -> Result<Self, (String, usize)> {
        if text == "never" { Ok(Self(None)) } else { Duration::from_text(text, plain).map(|every| Self(Some(every))) }
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "examples": ["24h", "never"] })
    }
}

written! {
    /// Every so often everything is read and compared.
    FullReadMapW as "full_read" {
        /// How often, or `never`.
        need every: At<Every>,
    }
}
short_or_long! {
    /// Every so often everything is read and compared.
    FullReadW, FullReadMapW, every: Every, "a duration or `never`",
    "write `full_read: 24h`, `full_read: { every: 24h }` or `full_read: never`"
}
