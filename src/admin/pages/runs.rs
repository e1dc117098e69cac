//! The last runs of an integration.

use maud::{Markup, html};

use super::{Frame, words};
use crate::{
    cli::text,
    config::IntegrationName,
    daemon::protocol::{Failure, Request, Response as Answer},
    engine::{Mode, Revert, RunReport, RunRequest},
    store::RunRecord,
};

/// Runs that are shown.
const MOST: usize = 15;

/// The last ones.
pub(super) async fn draw(frame: &Frame, name: &IntegrationName) -> Result<Markup, Failure> {
    let request = Request::Runs { integration: name.clone(), limit: MOST };
    let runs = match frame.look.lobby.carry_out(frame.visitor(), request).await? {
        Answer::Runs(runs) => runs,
        _ => Vec::new(),
    };
    Ok(html! {
        h2 { "Last runs" }
        @if runs.is_empty() { p.dim { "There was none yet." } }
        @else {
            div.table { table.stack {
                thead { tr { th { "When" } th { "Why" } th { "What it did" } th.number { "Calls" } th { "" } } }
                tbody { @for run in &runs { (row(frame, name, run)) } }
            } }
        }
    })
}

fn row(frame: &Frame, name: &IntegrationName, run: &RunRecord) -> Markup {
    let report: Option<RunReport> = serde_json::from_value(run.report.clone()).ok();
    let took = (run.ended - run.started).num_milliseconds();
    let calls: u64 =
        report.iter().flat_map(|report| report.requests.values()).map(|made| made.reads + made.writes).sum();
    let wrote = report.iter().flat_map(|report| &report.pipelines).any(|pipeline| pipeline.tally.written() > 0);
    let revert = Request::Run(RunRequest {
        integration: name.clone(),
        pipelines: Vec::new(),
        connection: None,
        mode: Mode::Sync,
        full: false,
        limit: None,
        revert: Some(Revert { run: run.id.clone(), record: None }),
        list: false,
        why: "by hand".to_owned(),
    });
    html! {
        tr {
            td { (frame.ago(run.started)) div.small.dim { @if took < 1_000 { "under a second" } @else { (text::span(run.ended - run.started)) } } }
            td data-name="Why" { (text::one_line(&run.why)) }
            td data-name="What it did" {
                @if let Some(report) = &report {
                    @for pipeline in &report.pipelines {
                        div {
                            span.dim { (pipeline.pipeline.as_str().rsplit('/').next().unwrap_or_default()) ": " }
                            @if let Some(why) = &pipeline.skipped { "not run: " (text::one_line(why)) }
                            @else if pipeline.held.is_some() { "held" }
                            @else { (words::did(&pipeline.tally)) }
                        }
                    }
                    @for trouble in &report.troubles { div.small.bad { (trouble.connection) ": " (text::one_line(&trouble.message)) } }
                }
            }
            td.number data-name="Calls" { (text::number(calls)) }
            td { @if wrote && !run.id.is_empty() { (frame.careful_button(&revert, ("Take back", "What this run overwrote is written back, where nobody has changed it since."), "quiet")) } }
        }
    }
}
