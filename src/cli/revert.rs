//! `revert`: writes back what a run overwrote.

use super::{
    args::RevertArgs,
    exit::{CliError, Exit},
    names::Names,
    output::Output,
    report,
    setup::Office,
};
use crate::{
    config::{IntegrationName, PipelineName},
    daemon::protocol::{Request, Response},
    engine::{Mode, Revert, RunRequest},
};

/// Takes a run back, or shows what that would do.
///
/// # Errors
///
/// When there is no such run or pipeline, or the state cannot be used.
pub async fn run(office: &mut Office, args: &RevertArgs, out: &Output) -> Result<Exit, CliError> {
    let integration = integration_of(office, &args.run).await?;
    let pipelines = match &args.pipeline {
        Some(name) => vec![pipeline_of(office, &integration, name)?],
        None => Vec::new(),
    };
    let request = RunRequest {
        integration,
        pipelines,
        connection: None,
        mode: if args.plan { Mode::Plan } else { Mode::Sync },
        full: false,
        limit: None,
        list: false,
        revert: Some(Revert { run: args.run.clone(), record: args.record.clone() }),
        why: format!("taking back {}", args.run),
    };
    let done = office.run(request, out).await?;
    let names = Names::of(&office.config);
    if out.json {
        out.json(&done);
    } else if args.plan {
        out.data(&report::plan(&done, &names, out.paint));
    } else {
        out.data(&report::outcome(&done, &names, true, out.paint));
    }
    if !out.json {
        out.talk("records that the run created are kept; nothing is deleted");
    }
    Ok(super::sync::worst(&[done]))
}

/// The integration that lists the run. A run keeps the name that its integration had then, which may be another one's by
/// now; one that is listed no longer is looked for where its name says.
async fn integration_of(office: &mut Office, run: &str) -> Result<IntegrationName, CliError> {
    let named = run.rsplit_once('-').map(|(integration, _)| integration);
    let mut known = office.integrations(None)?;
    known.sort_by_key(|known| Some(known.as_str()) != named);
    for integration in &known {
        let request = Request::Runs { integration: integration.clone(), limit: usize::MAX };
        let Response::Runs(runs) = office.ask(request).await? else { return Err(Office::astray()) };
        if runs.iter().any(|listed| listed.id == run) {
            return Ok(integration.clone());
        }
    }
    let known = known.into_iter().find(|known| Some(known.as_str()) == named);
    known.ok_or_else(|| CliError::Usage(format!("there is no run named `{run}`; `reconciled runs` lists them")))
}

fn pipeline_of(office: &Office, integration: &IntegrationName, name: &str) -> Result<PipelineName, CliError> {
    let pipeline = office.one_pipeline(name)?;
    if office.pipelines(Some(integration.as_str()))?.contains(&pipeline) {
        return Ok(pipeline);
    }
    Err(CliError::Usage(format!("`{pipeline}` had no part in that run: it is no pipeline of `{integration}`")))
}
