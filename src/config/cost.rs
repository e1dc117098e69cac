//! What the schedules alone cost: calls a day, next to the limit.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Serialize;

use super::{Config, Connection, ConnectionName};
use crate::{
    connector::{Detail, Limit},
    record::Side,
};

const DAY: u64 = 24 * 3600;

/// Calls a day of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The connection.
    pub connection: ConnectionName,
    /// What makes them up, per resource.
    pub lines: Vec<CostLine>,
    /// All of them.
    pub calls_a_day: u64,
    /// The connector's limit for a day, if it has one (and the connection is not `unlimited`).
    pub limit: Option<u64>,
}

/// Calls a day for one resource of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CostLine {
    /// The resource.
    pub resource: String,
    /// Looks a day; each takes one call at least, and more when there is news.
    pub polls: u64,
    /// Runs by `after_idle` and `cron` that look again, where they are not polls.
    pub syncs: u64,
    /// Full reads a day, each one call at least.
    pub full_reads: u64,
    /// Calls besides for each record that any of these brings: members that a pipeline maps and that have calls of their
    /// own, and the record itself where the list holds less than it. How many records there are is not known here.
    pub each_record: u64,
}

impl CostLine {
    const fn total(&self) -> u64 {
        self.polls + self.syncs + self.full_reads
    }
}

/// The least that the schedules will cost, per connection. Pulls are shared: two pipelines of one integration that
/// read the same resource cost one.
#[must_use]
pub fn cost(config: &Config) -> Vec<Cost> {
    let mut found: BTreeMap<ConnectionName, BTreeMap<String, CostLine>> = BTreeMap::new();
    for integration in config.integrations.values().filter(|integration| integration.automatic) {
        let mut read: BTreeMap<(ConnectionName, String), BTreeSet<&str>> = BTreeMap::new();
        for pipeline in &integration.pipelines {
            for side in Side::BOTH.into_iter().filter(|side| pipeline.reads(*side)) {
                let end = pipeline.end(side);
                let calls = read.entry((end.connection.name.clone(), end.resource.name.clone())).or_default();
                let also = end.resource.also.iter().filter(|also| also.get.is_some());
                calls.extend(also.map(|also| also.member.as_str()));
                let detail = end.resource.list.as_ref().and_then(|list| list.detail.as_ref());
                calls.extend(matches!(detail, Some(Detail::One)).then_some("$"));
            }
        }
        let schedule = &integration.schedule;
        let syncs = schedule.after_idle.map_or(0, per_day)
            + schedule.cron.iter().map(|cron| cron_per_day(cron, integration.timezone)).sum::<u64>();
        for ((connection, resource), calls) in read {
            let line = found.entry(connection.clone()).or_default().entry(resource.clone()).or_insert(CostLine {
                resource,
                polls: 0,
                syncs: 0,
                full_reads: 0,
                each_record: 0,
            });
            // The same resource read by two integrations is pulled at the shorter interval.
            line.polls = line.polls.max(schedule.poll.get(&connection).copied().map_or(0, per_day));
            line.syncs = line.syncs.max(syncs);
            line.each_record = line.each_record.max(calls.len() as u64);
            line.full_reads = line.full_reads.max(schedule.full_read.map_or(0, per_day));
        }
    }
    found
        .into_iter()
        .map(|(name, lines)| {
            let lines: Vec<CostLine> = lines.into_values().collect();
            Cost {
                calls_a_day: lines.iter().map(CostLine::total).sum(),
                limit: config.connections.get(&name).and_then(|connection| limit(connection)),
                connection: name,
                lines,
            }
        })
        .collect()
}

/// How often an interval ends in a day, rounded up.
fn per_day(every: Duration) -> u64 {
    let seconds = every.as_secs().max(1);
    DAY.div_ceil(seconds)
}

/// Runs of a crontab line in the busiest of some days (lines may name weekdays), over a week.
fn cron_per_day(cron: &super::Cron, zone: chrono_tz::Tz) -> u64 {
    use chrono::TimeZone as _;
    let Some(start) = zone.with_ymd_and_hms(2026, 6, 1, 0, 0, 0).earliest() else { return 0 };
    let end = start + chrono::Duration::days(7);
    let week = cron.schedule.after(&start).take_while(|at| *at < end).take(7 * 1440).count() as u64;
    week.div_ceil(7)
}

/// The tightest limit for a day.
fn limit(connection: &Connection) -> Option<u64> {
    if connection.unlimited {
        return None;
    }
    let limits = connection.manifest.limits.iter();
    limits
        .filter_map(|limit| match limit {
            Limit::Requests { count, per, .. } if per.as_secs() >= 3600 => {
                Some(u64::from(*count).saturating_mul(DAY) / per.as_secs())
            }
            _ => None,
        })
        .min()
}
