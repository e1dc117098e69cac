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

/// Held comes before empty: what is held for its account or its listing plans nothing, and waits for a person all the same.
fn exit(reports: &[RunReport], detailed: bool) -> Exit {
    match super::sync::worst(reports) {
        Exit::Failed => Exit::Failed,
        _ if !detailed => Exit::Done,
        Exit::Held => Exit::Held,
        _ if reports.iter().all(RunReport::is_empty_plan) => Exit::Done,
        _ => Exit::Changes,
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::DateTime;

    use super::*;
    use crate::{
        config::{IntegrationName, PipelineName},
        engine::{HeldReport, PipelineReport},
        sync::Damage,
    };

    fn plan_of(change: impl FnOnce(&mut PipelineReport)) -> [RunReport; 1] {
        let mut pipeline = PipelineReport::new(PipelineName::parse("acme/contacts").unwrap());
        change(&mut pipeline);
        [RunReport {
            integration: IntegrationName::parse("acme").unwrap(),
            mode: Mode::Plan,
            why: String::new(),
            started: DateTime::UNIX_EPOCH,
            ended: DateTime::UNIX_EPOCH,
            pipelines: vec![pipeline],
            requests: BTreeMap::new(),
            pulled_again: 0,
            changes_seen: false,
            troubles: Vec::new(),
            blackout: None,
        }]
    }

    #[test]
    fn a_plan_that_is_held_exits_5_also_where_it_has_nothing_to_write() {
        let held = || {
            let (id, guards) = ("a1".to_owned(), Vec::new());
            Some(HeldReport { id, guards, damage: Damage::default(), earlier: Damage::default(), message: None })
        };
        let of_nothing = plan_of(|pipeline| pipeline.held = held());
        assert_eq!((exit(&of_nothing, true), exit(&of_nothing, false)), (Exit::Held, Exit::Done));
        let left_out = plan_of(|pipeline| pipeline.left_out = 2);
        assert_eq!((exit(&left_out, true), exit(&left_out, false)), (Exit::Held, Exit::Done));
        let failed = plan_of(|pipeline| (pipeline.held, pipeline.skipped) = (held(), Some("not read".to_owned())));
        assert_eq!(exit(&failed, true), Exit::Failed);
        assert_eq!(exit(&plan_of(|pipeline| pipeline.planned = 1), true), Exit::Changes);
        assert_eq!(exit(&plan_of(|pipeline| pipeline.tally.parked = 1), true), Exit::Done);
    }
}
