//! `test --record`: what the next sync is about to do, as a test.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use crate::{
    cli::{
        exit::{CliError, Exit},
        output::Output,
        setup::Office,
        sync,
        text::count,
    },
    daemon::protocol::{Request, Response},
    engine::Mode,
    rehearse::{RecordFrom, gather, told_as_test},
};

/// Plans, reads what the plan is about, and prints it as a test. Writes nothing to any system.
///
/// # Errors
///
/// When the name is wrong, nothing is to be written, or something cannot be read.
pub async fn record(
    office: &mut Office,
    (dir, name, limit): (&Path, &str, usize),
    out: &Output,
) -> Result<Exit, CliError> {
    let name = name.to_owned();
    let Some((integration, pipelines)) = office.chosen(std::slice::from_ref(&name))?.into_iter().next() else {
        return Err(CliError::Usage(format!("there is no integration `{name}`")));
    };
    let config = Arc::clone(&office.config);
    let Some(integration) = config.integrations.get(&integration) else {
        return Err(CliError::Config(format!("`{integration}` is not in the files, or they hold a mistake")));
    };
    let mut request = sync::request(integration.name.clone(), pipelines, Mode::Plan, false, None);
    request.list = true;
    let plan = office.run(request, out).await?;
    if let Some(trouble) = plan.troubles.first() {
        return Err(CliError::Other(format!("{}: {}", trouble.connection, trouble.message)));
    }
    let mut links = BTreeMap::new();
    for pipeline in &integration.pipelines {
        let request = Request::Links { pipeline: pipeline.name.clone() };
        let Response::Links(found) = office.ask(request).await? else { return Err(Office::astray()) };
        links.insert(pipeline.name.clone(), found);
    }
    let connectors = office.connectors(out);
    let from =
        RecordFrom { config: &config, integration, plan: &plan.pipelines, links: &links, connectors: &connectors };
    let recorded = gather(from, office.now(), limit).await.map_err(|error| CliError::Other(error.to_string()))?;
    if recorded.is_empty() {
        let text = format!("a sync of {name} would write nothing, so there is nothing to record; edit a record first");
        return Err(CliError::Other(text));
    }
    let (records, left_out, dir) = (recorded.len(), recorded.left_out, dir.to_owned());
    // Its daemon has a runtime of its own.
    let told = tokio::task::spawn_blocking(move || told_as_test(&recorded, &dir, fastrand::u64(..))).await;
    let told = told.map_err(|error| CliError::Other(error.to_string()))?.map_err(CliError::Other)?;
    if out.json {
        out.json(&serde_json::json!({ "test": told.text }));
    } else {
        out.data(&told.text);
    }
    let writes = count(told.writes as u64, "write", "writes");
    out.talk(&format!("{} and {writes}", count(records as u64, "record", "records")));
    if left_out > 0 {
        out.talk(&format!("{left_out} more would be written; --limit {} records them all", limit + left_out));
    }
    let planned: u64 = plan.pipelines.iter().map(|pipeline| pipeline.planned).sum();
    if left_out == 0 && told.writes as u64 != planned {
        let planned = count(planned, "record", "records");
        out.talk(&format!(
            "the plan has {planned} to write: what a system works out by itself, or what was written back, is not in the recording"
        ));
    }
    for failure in &told.failures {
        out.talk(&failure.render());
    }
    Ok(if told.failures.is_empty() { Exit::Done } else { Exit::Failed })
}
