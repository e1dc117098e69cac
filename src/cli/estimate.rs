//! What a sync of a plan would take: calls, time and share of a day's limit.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use serde::Serialize;

use super::text::{count, number, span};
use crate::{
    config::{Config, Connection},
    connector::{Limit, WriteKind},
    engine::{PipelineReport, RunReport},
    record::Side,
};

const DAY: Duration = Duration::from_hours(24);

/// What a sync would take of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Takes {
    /// Reads: as many as the plan itself made.
    pub reads: u64,
    /// Writes, with batches filled.
    pub writes: u64,
    /// Seconds that the limit of the account makes it last at least.
    pub seconds: u64,
    /// Requests a day that the account allows; `None` where no such limit is known.
    pub allowed_a_day: Option<u64>,
}

/// What a sync would take, by connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Estimate(pub BTreeMap<String, Takes>);

impl Estimate {
    /// The estimate for applying these plans.
    #[must_use]
    pub fn of(config: &Config, reports: &[RunReport]) -> Self {
        let mut calls: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for report in reports {
            for (connection, made) in &report.requests {
                calls.entry(connection.to_string()).or_default().0 += made.reads;
            }
            for pipeline in &report.pipelines {
                for (connection, writes) in writes_of(config, pipeline) {
                    calls.entry(connection).or_default().1 += writes;
                }
            }
        }
        let takes = calls.into_iter().map(|(name, (reads, writes))| {
            let connection = config.connections.values().find(|connection| connection.name.as_str() == name);
            let (seconds, allowed_a_day) = connection.map_or((0, None), |of| limits(of, reads + writes));
            (name, Takes { reads, writes, seconds, allowed_a_day })
        });
        Self(takes.collect())
    }

    /// One line: `412 calls, at least 7 min, 8 % of a day's limit`.
    #[must_use]
    pub fn render(&self) -> String {
        let calls: u64 = self.0.values().map(|takes| takes.reads + takes.writes).sum();
        let mut line = count(calls, "call", "calls");
        let seconds = self.0.values().map(|takes| takes.seconds).max().unwrap_or(0);
        if seconds > 1 {
            let least = chrono::TimeDelta::seconds(i64::try_from(seconds).unwrap_or(i64::MAX / 1_000));
            let _ = write!(line, ", at least {}", span(least));
        }
        let tightest = self.0.values().filter_map(share_of_day).max();
        if let Some(percent) = tightest {
            let share = if percent == 0 { "under 1".to_owned() } else { percent.to_string() };
            let _ = write!(line, ", {share} % of a day's limit");
        }
        line
    }

    /// Each connection's part, one a line.
    #[must_use]
    pub fn parts(&self) -> String {
        let parts = self.0.iter().map(|(name, takes)| {
            let (reads, writes) = (number(takes.reads), count(takes.writes, "write", "writes"));
            format!("  {name}: {reads} to read, {writes}\n")
        });
        parts.collect()
    }
}

fn share_of_day(takes: &Takes) -> Option<u64> {
    let allowed = takes.allowed_a_day.filter(|allowed| *allowed > 0)?;
    Some((takes.reads + takes.writes).saturating_mul(100) / allowed)
}

fn writes_of(config: &Config, report: &PipelineReport) -> Vec<(String, u64)> {
    let Some((_, pipeline)) = config.pipeline(&report.pipeline) else { return Vec::new() };
    let writes = Side::BOTH.map(|side| {
        let end = pipeline.end(side);
        let calls = |of: u64, kind| of.div_ceil((end.resource.batch_size(kind) as u64).max(1));
        let creates = calls(report.counts.creates[side.index()], WriteKind::Create);
        let updates = calls(report.counts.updates[side.index()], WriteKind::Update);
        let deletes = calls(report.counts.deletes[side.index()], WriteKind::Delete);
        (end.connection.name.to_string(), creates + updates + deletes)
    });
    writes.into_iter().filter(|(_, writes)| *writes > 0).collect()
}

/// Seconds that `calls` last at least under the account's limits, and what it allows a day.
fn limits(connection: &Connection, calls: u64) -> (u64, Option<u64>) {
    let (mut seconds, mut a_day) = (0, None::<u64>);
    if connection.unlimited {
        return (0, None);
    }
    for limit in &connection.manifest.limits {
        let Limit::Requests { count, per, .. } = limit else { continue };
        if *per >= DAY {
            let allowed = u64::from(*count);
            a_day = Some(a_day.map_or(allowed, |known| known.min(allowed)));
        } else if let Some(windows) = calls.saturating_sub(1).checked_div(u64::from(*count)) {
            seconds = seconds.max(windows * per.as_secs());
        }
    }
    (seconds, a_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_says_calls_time_and_share() {
        let takes = |reads, writes, seconds, allowed_a_day| Takes { reads, writes, seconds, allowed_a_day };
        let estimate = Estimate(BTreeMap::from([
            ("acme-website".to_owned(), takes(4, 0, 0, None)),
            ("acme-xero".to_owned(), takes(8, 400, 360, Some(5_000))),
        ]));
        assert_eq!(estimate.render(), "412 calls, at least 6 min, 8 % of a day's limit");
        assert_eq!(estimate.parts(), "  acme-website: 4 to read, 0 writes\n  acme-xero: 8 to read, 400 writes\n");
        assert_eq!(Estimate::default().render(), "0 calls");
    }
}
