//! `plan`: what a sync would do, writing nothing.

use serde_json::json;

use super::{
    args::PlanArgs,
    estimate::Estimate,
    exit::{CliError, Exit},
    names::Names,
    output::Output,
    report,
    setup::Office,
    text::{Paint, number},
};
use crate::engine::{Mode, RunReport, Unlisted};

/// Plans and prints.
///
/// # Errors
///
/// When a name is wrong or the state cannot be used.
pub async fn run(office: &mut Office, args: &PlanArgs, out: &Output) -> Result<Exit, CliError> {
    let mut reports = Vec::new();
    for (integration, pipelines) in office.chosen(&args.pipelines)? {
        let request = super::sync::request(integration, pipelines, Mode::Plan, args.full, None);
        reports.push(office.run(request, out).await?);
    }
    let estimate = Estimate::of(&office.config, &reports);
    if out.json {
        for pipeline in reports.iter().flat_map(|report| &report.pipelines) {
            let left_out = pipeline.unlisted;
            if left_out != Unlisted::default() {
                out.talk(&format!(
                    "{}: the list ends after {} records to write and {} others; {} and {} more are only counted",
                    pipeline.pipeline,
                    number(pipeline.items.len() as u64),
                    number(pipeline.findings.len() as u64),
                    number(left_out.items),
                    number(left_out.findings),
                ));
            }
        }
        out.json(&json!({ "estimate": estimate, "plans": reports }));
    } else {
        out.data(&render(&reports, &estimate, &Names::of(&office.config), out.paint));
    }
    Ok(exit(&reports, args.detailed_exitcode))
}

fn exit(reports: &[RunReport], detailed: bool) -> Exit {
    let failed = |report: &RunReport| {
        !report.troubles.is_empty() || report.pipelines.iter().any(|pipeline| pipeline.skipped.is_some())
    };
    if reports.iter().any(failed) {
        Exit::Failed
    } else if !detailed || reports.iter().all(RunReport::is_empty_plan) {
        Exit::Done
    } else if reports.iter().any(|report| report.pipelines.iter().any(|pipeline| pipeline.held.is_some())) {
        Exit::Held
    } else {
        Exit::Changes
    }
}

/// The plan in words; it begins with what a sync would take.
#[must_use]
pub fn render(reports: &[RunReport], estimate: &Estimate, names: &Names, paint: Paint) -> String {
    let mut out = format!("a sync would take {}\n{}\n", estimate.render(), estimate.parts());
    for report in reports {
        out.push_str(&report::plan(report, names, paint));
    }
    let all_planned = reports.iter().flat_map(|report| &report.pipelines).all(|pipeline| pipeline.skipped.is_none());
    if all_planned && reports.iter().all(RunReport::is_empty_plan) {
        out.push_str("nothing is to be written\n");
    }
    out
}
