//! `sync`: one run now.

use super::{
    args::SyncArgs,
    exit::{CliError, Exit},
    names::Names,
    output::Output,
    report,
    setup::Office,
    text::count,
};
use crate::{
    config::{IntegrationName, PipelineName},
    daemon::protocol::{Request, Response},
    engine::{Mode, RunReport, RunRequest},
};

/// Syncs what was named, one integration after the other, and prints what happened.
///
/// # Errors
///
/// When a name is wrong or the state cannot be used.
pub async fn run(office: &mut Office, args: &SyncArgs, out: &Output) -> Result<Exit, CliError> {
    let names = Names::of(&office.config);
    let mut reports = Vec::new();
    for (integration, pipelines) in office.chosen(&args.pipelines)? {
        let request = request(integration, pipelines, Mode::Sync, args.full, args.limit);
        let done = office.run(request, out).await?;
        if !out.json {
            out.data(&report::outcome(&done, &names, true, out.paint));
            if let Some(limit) = args.limit.filter(|limit| sent(&done) >= *limit) {
                out.data(&format!("`--limit {limit}` is reached: what else is listed is left for the next run\n"));
            }
        }
        reports.push(done);
    }
    if out.json {
        out.json(&reports);
    }
    let exit = worst(&reports);
    let parked = still_parked(office, args).await?;
    if parked > 0 && !out.json {
        out.data(&format!("{} parked: `reconciled parked list`\n", count(parked, "entry is", "entries are")));
    }
    // What an earlier run put aside does not agree either.
    Ok(if exit == Exit::Done && parked > 0 { Exit::Parked } else { exit })
}

/// Records that a run set out to write.
fn sent(report: &RunReport) -> u64 {
    report.pipelines.iter().map(|pipeline| pipeline.tally.written() + pipeline.tally.unknown).sum()
}

/// Entries of these pipelines that wait for a change or a person, from this run or before.
async fn still_parked(office: &mut Office, args: &SyncArgs) -> Result<u64, CliError> {
    let mut parked = 0;
    for (integration, pipelines) in office.chosen(&args.pipelines)? {
        let pipelines = if pipelines.is_empty() { office.pipelines(Some(integration.as_str()))? } else { pipelines };
        for pipeline in pipelines {
            let request = Request::Parked { pipeline: Some(pipeline) };
            let Response::Parked(items) = office.ask(request).await? else { return Err(Office::astray()) };
            parked += items.iter().filter(|item| !item.parked.ignored).count() as u64;
        }
    }
    Ok(parked)
}

/// A run by hand.
#[must_use]
pub fn request(
    integration: IntegrationName,
    pipelines: Vec<PipelineName>,
    mode: Mode,
    full: bool,
    limit: Option<u64>,
) -> RunRequest {
    RunRequest { integration, pipelines, connection: None, mode, full, limit, revert: None, why: "by hand".to_owned() }
}

/// The exit code of several runs: failed before held before parked.
#[must_use]
pub fn worst(reports: &[RunReport]) -> Exit {
    let codes: Vec<u8> = reports.iter().map(RunReport::exit_code).collect();
    if codes.contains(&1) {
        Exit::Failed
    } else if codes.contains(&5) {
        Exit::Held
    } else if codes.contains(&4) {
        Exit::Parked
    } else {
        Exit::Done
    }
}
