//! `reload`: takes over what was edited, and says what came of every file.

use std::{fmt::Write as _, path::Path};

use super::{
    args::ReloadArgs,
    exit::{CliError, Exit},
    output::Output,
    setup::{self, Office},
    text::{Paint, wrap},
};
use crate::daemon::{
    protocol::{Request, Response},
    reload::{FileOutcome, IntegrationOutcome, IntegrationResult, ReloadReport},
};

/// Asks the running daemon, and prints.
///
/// # Errors
///
/// When no daemon runs.
pub async fn run(dir: &Path, args: &ReloadArgs, out: &Output) -> Result<Exit, CliError> {
    let mut client = setup::daemon_only(dir, out).await?;
    let request = Request::Reload { wait: args.wait, force: args.force };
    let Response::Reloaded(report) = client.call(&request).await.map_err(setup::lost)? else {
        return Err(Office::astray());
    };
    if out.json {
        out.json(&report);
    } else {
        out.data(&render(&report, out.paint));
    }
    Ok(exit(&report))
}

/// A mistake weighs more than an edit that only waits for a person.
pub fn exit(report: &ReloadReport) -> Exit {
    if !report.is_rejected() {
        return Exit::Done;
    }
    let integrations = report.integrations.iter().map(|result| result.outcome);
    let refused = integrations.clone().any(|o| matches!(o, IntegrationOutcome::Kept | IntegrationOutcome::LeftOut));
    let files = report.files.iter().any(|file| file.outcome == FileOutcome::Rejected);
    let held = integrations.clone().any(|outcome| outcome == IntegrationOutcome::Held);
    let other = refused || files || !report.mistakes.is_empty() || !report.needs_restart.is_empty();
    if held && !other { Exit::Held } else { Exit::Config }
}

/// What came of it, in words.
#[must_use]
pub fn render(report: &ReloadReport, paint: Paint) -> String {
    let mut out = String::new();
    for file in report.files.iter().filter(|file| file.outcome != FileOutcome::Unchanged) {
        let word = match file.outcome {
            FileOutcome::Unchanged => "unchanged",
            FileOutcome::Taken => "taken",
            FileOutcome::Rejected => "rejected",
            FileOutcome::Gone => "gone",
        };
        let line = format!("{}: {word}", file.file);
        let _ = writeln!(out, "{}", if file.mistakes.is_empty() { line } else { paint.red(&line) });
        for mistake in &file.mistakes {
            out.push_str(&wrap(&mistake.told(), 2));
            out.push_str(&mistake.help.iter().map(|help| wrap(&format!("help: {help}"), 4)).collect::<String>());
        }
    }
    for mistake in &report.mistakes {
        out.push_str(&paint.red(&wrap(&mistake.told(), 0)));
    }
    out.push_str(&waiting(&report.integrations));
    for result in report.integrations.iter().filter(|result| result.outcome != IntegrationOutcome::Waits) {
        let word = match result.outcome {
            IntegrationOutcome::Added => "added",
            IntegrationOutcome::Removed => "removed; its links are kept",
            IntegrationOutcome::Tuned => "its timetable changed",
            IntegrationOutcome::Changed => "changed",
            IntegrationOutcome::Draining => "takes over when the run under way has ended",
            IntegrationOutcome::Kept => "goes on as it was",
            IntegrationOutcome::Held => "held; it goes on as it was",
            IntegrationOutcome::Waits => "waits for its turn; it goes on as it was",
            IntegrationOutcome::LeftOut => "cannot run",
        };
        let why = result.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let hash = result.running.as_ref().map(|hash| format!(" ({hash})")).unwrap_or_default();
        out.push_str(&wrap(&format!("`{}`{hash} {word}{why}", result.integration), 0));
    }
    for connection in &report.reconnected {
        let _ = writeln!(out, "`{connection}` logs in anew");
    }
    if !report.needs_restart.is_empty() {
        let text = format!("a restart is needed for {}", report.needs_restart.join(", "));
        let _ = writeln!(out, "{}", paint.yellow(&text));
    }
    if let Some(vanished) = &report.vanished {
        out.push_str(&paint.red(&wrap(&format!("! {vanished}"), 0)));
    }
    let _ = writeln!(out, "generation {}, {}", report.generation, report.summary().text);
    out
}

/// Those that wait for their turn, told together: they wait for the same.
fn waiting(all: &[IntegrationResult]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for result in all.iter().filter(|result| result.outcome == IntegrationOutcome::Waits) {
        let why = result.why.as_deref().unwrap_or_default();
        match groups.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(result.integration.as_str()),
            None => groups.push((why, vec![result.integration.as_str()])),
        }
    }
    let told = groups.into_iter().map(|(why, names)| {
        let who = match names.as_slice() {
            [one] => format!("`{one}` waits for its turn"),
            many => format!("{} integrations wait for their turn", super::text::number(many.len() as u64)),
        };
        wrap(&format!("{who}: {why}"), 0)
    });
    told.collect()
}
