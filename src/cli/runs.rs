//! `runs`: what happened lately.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    args::RunsArgs,
    exit::{CliError, Exit},
    output::Output,
    setup::Office,
    text::{Paint, Table, ago, number, span},
};
use crate::{
    config::IntegrationName,
    daemon::protocol::{Request, Response},
    engine::RunReport,
    store::RunRecord,
};

/// Asks and prints.
///
/// # Errors
///
/// When there is no such integration or the state cannot be used.
pub async fn run(office: &mut Office, args: &RunsArgs, out: &Output) -> Result<Exit, CliError> {
    let mut all = Vec::new();
    for integration in office.integrations(args.integration.as_deref())? {
        let request = Request::Runs { integration: integration.clone(), limit: args.last };
        let Response::Runs(runs) = office.ask(request).await? else { return Err(Office::astray()) };
        all.push((integration, runs));
    }
    if out.json {
        let all: Vec<_> = all.iter().map(|(name, runs)| json!({ "integration": name, "runs": runs })).collect();
        out.json(&all);
    } else {
        out.data(&render(&all, office.now(), out.paint));
    }
    Ok(Exit::Done)
}

/// The runs, newest first, integration by integration.
#[must_use]
pub fn render(all: &[(IntegrationName, Vec<RunRecord>)], now: DateTime<Utc>, paint: Paint) -> String {
    let mut out = String::new();
    for (name, runs) in all {
        out.push_str(&paint.bold(name.as_str()));
        out.push('\n');
        if runs.is_empty() {
            out.push_str("  no run yet\n");
            continue;
        }
        let mut table = Table::new(&["RUN", "WHEN", "TOOK#", "CALLS#", "LINKED#", "WRITTEN#", "PARKED#", "WHY"]);
        for run in runs {
            table.row(row(run, now));
        }
        out.push_str(&table.render(2, paint));
    }
    if all.is_empty() {
        out.push_str("there is no integration\n");
    }
    out
}

fn row(run: &RunRecord, now: DateTime<Utc>) -> Vec<String> {
    let (when, took) = (ago(now, run.ended), span(run.ended - run.started));
    // A report that another version of this program wrote may not be readable; the rest of the row is.
    let Ok(report) = serde_json::from_value::<RunReport>(run.report.clone()) else {
        let unknown = || "?".to_owned();
        return vec![run.id.clone(), when, took, unknown(), unknown(), unknown(), unknown(), run.why.clone()];
    };
    let calls: u64 = report.requests.values().map(|made| made.reads + made.writes).sum();
    let sum = |of: fn(&crate::engine::Tally) -> u64| report.pipelines.iter().map(|pipeline| of(&pipeline.tally)).sum();
    let (linked, written, parked): (u64, u64, u64) =
        (sum(|tally| tally.linked), sum(crate::engine::Tally::written), sum(|tally| tally.parked));
    let why = match report.exit_code() {
        1 => format!("{} (failed)", run.why),
        5 => format!("{} (held)", run.why),
        _ => run.why.clone(),
    };
    vec![run.id.clone(), when, took, number(calls), number(linked), number(written), number(parked), why]
}
