//! `validate`: every mistake of every file, and what the schedules will cost.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use super::{
    args::ValidateArgs,
    checkup,
    exit::{CliError, Exit},
    online,
    output::Output,
    text::{Paint, count, number, wrap},
};
use crate::config::{self, Cost, Diagnostic, IntegrationName, Loaded, ProcessEnv, Spread};

/// Checks a configuration folder. Has no effect on anything.
///
/// # Errors
///
/// When there is no such folder.
pub async fn run(dir: &Path, args: &ValidateArgs, out: &Output) -> Result<Exit, CliError> {
    if !dir.is_dir() {
        let message = format!("there is no configuration folder {}; `--config DIR` names another", dir.display());
        return Err(CliError::Config(message));
    }
    let loaded = config::load(dir, &ProcessEnv);
    let costs = config::cost(&loaded.config);
    let spread: Vec<(&IntegrationName, Spread)> = (loaded.config.integrations.values())
        .filter_map(|integration| Some((&integration.name, integration.schedule.spread?)))
        .collect();
    // Without being asked for, no system is.
    let online = if args.online { Some(online::ask(&loaded.config, out).await) } else { None };
    if out.json {
        let left_out: Vec<_> =
            loaded.left_out.iter().map(|left| json!({ "pipeline": left.pipeline, "needs": left.needs })).collect();
        out.json(&json!({
            "valid": !loaded.has_errors(),
            "diagnostics": loaded.diagnostics,
            "left_out": left_out,
            "calls_a_day": costs,
            "online": online,
            "spread": spread.iter().map(|(name, spread)| json!({
                "integration": name, "over_seconds": spread.over.as_secs(), "starts_after_seconds": spread.offset.as_secs(),
            })).collect::<Vec<_>>(),
        }));
    } else {
        if !loaded.diagnostics.is_empty() {
            out.talk(&loaded.render(out.talk_paint == Paint::Colour));
        }
        out.talk(&verdict(&loaded));
        out.data(&render(&costs));
        out.data(&render_spread(&spread));
        if let Some(findings) = &online {
            out.data(&checkup::render(findings, out.paint));
        }
    }
    Ok(if loaded.has_errors() {
        Exit::Config
    } else if online.is_some_and(|findings| checkup::is_bad(&findings)) {
        Exit::Failed
    } else {
        Exit::Done
    })
}

fn verdict(loaded: &Loaded) -> String {
    let errors = loaded.diagnostics.iter().filter(|diagnostic| Diagnostic::is_error(diagnostic)).count() as u64;
    let warnings = loaded.diagnostics.len() as u64 - errors;
    let pipelines = loaded.config.pipelines().count() as u64;
    let mut text = format!(
        "{}, {}; {} can run",
        count(errors, "mistake", "mistakes"),
        count(warnings, "warning", "warnings"),
        count(pipelines, "pipeline", "pipelines")
    );
    for left in &loaded.left_out {
        let _ = write!(text, "\n{} is left out, because it needs {}, which has mistakes", left.pipeline, left.needs);
    }
    text
}

/// When integrations start whose times are spread.
#[must_use]
pub fn render_spread(spread: &[(&IntegrationName, Spread)]) -> String {
    let mut out = String::new();
    for (name, spread) in spread {
        let [over, offset] = [spread.over, spread.offset].map(humantime::format_duration);
        out.push_str(&wrap(&format!("{name}: starts {offset} after the times of its `cron` (spread over {over})"), 0));
    }
    out
}

/// The calls a day that the schedules alone will make, per connection, next to the limit.
#[must_use]
pub fn render(costs: &[Cost]) -> String {
    if costs.is_empty() {
        return "the schedules make no calls\n".to_owned();
    }
    let mut out = "calls a day that the schedules alone make, when nothing changes:\n".to_owned();
    for cost in costs {
        let limit = cost.limit.map(|limit| format!(" of {} allowed", number(limit))).unwrap_or_default();
        out.push_str(&wrap(&format!("{}: {}{limit}", cost.connection, number(cost.calls_a_day)), 2));
        for line in &cost.lines {
            let parts: Vec<String> = [
                (line.polls, "look", "looks"),
                (line.syncs, "sync", "syncs"),
                (line.full_reads, "full read", "full reads"),
            ]
            .into_iter()
            .filter(|(of, ..)| *of > 0)
            .map(|(of, one, many)| count(of, one, many))
            .collect();
            if !parts.is_empty() {
                let more = match line.each_record {
                    0 => String::new(),
                    more => format!("; and {} more for each record that they bring", count(more, "call", "calls")),
                };
                out.push_str(&wrap(&format!("{}: {}{more}", line.resource, parts.join(", ")), 4));
            }
        }
    }
    out
}
