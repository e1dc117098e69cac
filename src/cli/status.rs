//! `status`: how everything stands.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::{
    exit::{CliError, Exit},
    output::Output,
    report::said_by,
    setup::Office,
    text::{Paint, Table, ago, count, number, one_line, until, wrap},
};
use crate::{
    daemon::{
        ConnectionTrouble, HookNow, IntegrationNow, Pause, Phase, PublicNow, WaitReason,
        protocol::{Request, Response, Status},
        reload::ConfigNow,
    },
    engine::{IntegrationStatus, PipelineStatus},
    store::{Approval, Stage},
};

/// Asks and prints.
///
/// # Errors
///
/// When the state cannot be used.
pub async fn run(office: &mut Office, out: &Output) -> Result<Exit, CliError> {
    let Response::Status(mut status) = office.ask(Request::Status).await? else { return Err(Office::astray()) };
    if let Some(client) = office.client() {
        super::client::only(&mut status, client);
    }
    if out.json {
        out.json(&status);
    } else {
        out.data(&render(&status, office.now(), out.paint));
    }
    Ok(Exit::Done)
}

fn public_text(public: &PublicNow, paint: Paint) -> String {
    match (&public.failing, &public.url) {
        (Some(cause), _) => paint.red(&wrap(&format!("! no hook, inbox or login can come in: {}", one_line(cause)), 0)),
        (None, Some(url)) => format!("listening for the world at {}, reached as {url}\n", public.address),
        (None, None) => format!("listening for the world at {}\n", public.address),
    }
}

/// How everything stands, in words.
#[must_use]
pub fn render(status: &Status, now: DateTime<Utc>, paint: Paint) -> String {
    let mut out = String::new();
    match &status.daemon {
        None => out.push_str("no daemon is running; nothing starts by itself\n"),
        Some(daemon) => {
            let since = ago(now, daemon.started);
            let _ = writeln!(out, "daemon {}, process {}, started {since}", daemon.version, daemon.pid);
            if daemon.stopping {
                out.push_str("it is stopping: it ends when the current runs have\n");
            }
            if let Some(cause) = &daemon.store_failing {
                let text = format!("! the store fails, so nothing is written to any system: {}", one_line(cause));
                out.push_str(&paint.red(&wrap(&text, 0)));
            }
            if let Some(public) = &daemon.public {
                out.push_str(&public_text(public, paint));
            }
            if let Some(config) = &daemon.config {
                out.push_str(&config_text(config, now, paint));
            }
        }
    }
    out.push_str(&super::connect::todo(&status.connections, now, paint));
    for rollout in &status.rollouts {
        out.push_str(&paint.yellow(&wrap(&format!("! template {}: {rollout}", rollout.template), 0)));
    }
    if status.integrations.is_empty() {
        out.push_str("there is no integration\n");
        if let Some(config) = status.daemon.as_ref().and_then(|daemon| daemon.config.as_ref()) {
            let dir = config.dir.display();
            out.push_str(&wrap(
                &format!("put a file that ends in .yaml into {dir}: it is taken over without a restart"),
                0,
            ));
        }
    }
    for integration in &status.integrations {
        let live = status
            .daemon
            .as_ref()
            .and_then(|daemon| daemon.integrations.iter().find(|live| live.integration == integration.integration));
        let paused: Vec<&Pause> = status.paused.iter().filter(|pause| concerns(pause, integration)).collect();
        out.push('\n');
        out.push_str(&integration_text(integration, live, &paused, now, paint));
        let edit = status.edits.iter().find(|edit| edit.integration == integration.integration);
        // A daemon says so itself, among what it runs.
        if let Some(edit) = edit.filter(|_| live.is_none()) {
            out.push_str(&paint.red(&wrap(&format!("! {}", edit.told()), 2)));
        }
    }
    out
}

fn hook_text(hook: &HookNow, now: DateTime<Utc>) -> String {
    let span = |seconds| humantime::format_duration(std::time::Duration::from_secs(seconds)).to_string();
    let every = hook.polled_every.map(|every| format!("; polled every {}", span(every)));
    format!("last hook of {} {}{}", hook.connection, ago(now, hook.at), every.unwrap_or_default())
}

/// Whether a pause is of this integration or of one of its pipelines.
fn concerns(pause: &Pause, integration: &IntegrationStatus) -> bool {
    pause.what == integration.integration.as_str()
        || integration.pipelines.iter().any(|pipeline| pause.what == pipeline.pipeline.as_str())
}

fn config_text(config: &ConfigNow, now: DateTime<Utc>, paint: Paint) -> String {
    let last = &config.last_reload;
    let text = format!("configuration {}, read {} ({}): {}", config.generation, ago(now, last.at), last.why, last.text);
    let mut out = wrap(&text, 0);
    for mistake in &config.mistakes {
        out.push_str(&paint.red(&wrap(&format!("! {}", mistake.told()), 0)));
    }
    if let Some(vanished) = &config.vanished {
        out.push_str(&paint.red(&wrap(&format!("! {vanished}"), 0)));
    }
    if !config.needs_restart.is_empty() {
        let text = format!("! a restart is needed for {}", config.needs_restart.join(", "));
        out.push_str(&paint.yellow(&wrap(&text, 0)));
    }
    if !config.watching {
        out.push_str("the files are not followed (`[reload] watch = false`): `reconciled reload` takes edits over\n");
    }
    out
}

fn integration_text(
    integration: &IntegrationStatus,
    live: Option<&IntegrationNow>,
    paused: &[&Pause],
    now: DateTime<Utc>,
    paint: Paint,
) -> String {
    let mut out = paint.bold(integration.integration.as_str());
    let of = |name: &str| paused.iter().find(|pause| pause.what == name);
    let whole = of(integration.integration.as_str());
    match (whole, integration.automatic) {
        (Some(pause), _) => {
            let _ = writeln!(out, "  paused by {} {}", pause.by, ago(now, pause.at));
        }
        (None, false) => out.push_str("  by hand only\n"),
        (None, true) => out.push('\n'),
    }
    let last = match (integration.last_run, &integration.last_why) {
        (Some(at), Some(why)) => format!("last run {}: {}", ago(now, at), one_line(why)),
        (Some(at), None) => format!("last run {}", ago(now, at)),
        _ => "no run yet".to_owned(),
    };
    let _ = writeln!(out, "  {last}");
    if let Some(live) = live {
        out.push_str(&phase(&live.phase, now));
        for wait in live.waits.iter().take(4) {
            let _ = writeln!(out, "  {}", wait_text(wait, now));
        }
        for hook in &live.hooks {
            out.push_str(&wrap(&hook_text(hook, now), 2));
        }
        for trouble in &live.troubles {
            out.push_str(&paint.red(&trouble_text(trouble, now)));
        }
        if let Some(pending) = &live.pending {
            let text = format!("! it runs {}, not what the files say: {pending}", live.running);
            out.push_str(&paint.red(&wrap(&text, 2)));
        }
        if let Some(failure) = &live.failure {
            out.push_str(&paint.red(&wrap(&format!("! the last run failed: {}", one_line(failure)), 2)));
        }
    }
    let mut table = Table::new(&["PIPELINE", "LINKS#", "PARKED#", "DUE#", "STATE"]);
    for pipeline in &integration.pipelines {
        table.row(vec![
            pipeline.pipeline.to_string(),
            number(pipeline.links),
            number(pipeline.parked),
            number(pipeline.due),
            of(pipeline.pipeline.as_str())
                .filter(|_| whole.is_none())
                .map_or_else(|| state(pipeline, now), |pause| format!("paused by {} {}", pause.by, ago(now, pause.at))),
        ]);
    }
    out.push_str(&table.render(2, paint));
    for pipeline in &integration.pipelines {
        if let Some(next) = next_step(pipeline) {
            out.push_str(&paint.yellow(&wrap(&next, 2)));
        }
    }
    out
}

fn phase(phase: &Phase, now: DateTime<Utc>) -> String {
    match phase {
        Phase::Waiting => String::new(),
        Phase::Queued { why, since } => {
            format!("  a run ({}) waits for another to end, since {}\n", one_line(why), ago(now, *since))
        }
        Phase::Running { why, since, .. } => {
            format!("  running ({}), started {}\n", one_line(why), ago(now, *since))
        }
    }
}

fn wait_text(wait: &WaitReason, now: DateTime<Utc>) -> String {
    match wait {
        WaitReason::Window { changes, closes } => {
            format!("{} seen; written {}", count(*changes, "change", "changes"), until(now, *closes))
        }
        WaitReason::Poll { connection, at } => format!("next look at {connection} {}", until(now, *at)),
        WaitReason::Idle { at } => format!("next run, if nothing happens before, {}", until(now, *at)),
        WaitReason::Cron { line, at } => format!("next run of the timetable ({line}) {}", until(now, *at)),
        WaitReason::FullRead { at } => format!("everything is read again {}", until(now, *at)),
        WaitReason::Due { at } => format!("a record is looked at again {}", until(now, *at)),
        WaitReason::Retry { at } => format!("next attempt {}", until(now, *at)),
        WaitReason::Refused { connection, at } => format!("{connection} is asked again {}", until(now, *at)),
        WaitReason::Store { at } => format!("the store is tried again {}", until(now, *at)),
        WaitReason::Blackout { until: end } => {
            format!("a black-out: nothing is written to any system; it ends {}", until(now, *end))
        }
        WaitReason::ByHand => "nothing starts by itself (`automatic: false`)".to_owned(),
        WaitReason::Paused => "it is paused: nothing starts by itself before `reconciled resume`".to_owned(),
    }
}

fn trouble_text(trouble: &ConnectionTrouble, now: DateTime<Utc>) -> String {
    let end = if trouble.temporary { "it is tried again" } else { "it needs a person" };
    let what = said_by(trouble.connection.as_str(), &trouble.message);
    // Nobody has tried a connection that is known to be none.
    let tried = if trouble.attempts == 0 {
        String::new()
    } else {
        let attempts = count(u64::from(trouble.attempts), "attempt", "attempts");
        format!("; since {}, {attempts}", ago(now, trouble.since))
    };
    wrap(&format!("! {what}{tried}; {end}"), 2)
}

fn state(pipeline: &PipelineStatus, now: DateTime<Utc>) -> String {
    let waiting = pipeline.held.as_ref().is_some_and(|held| held.approval == Approval::Waiting);
    match (pipeline.stage, &pipeline.held, pipeline.verified) {
        (Stage::Unapproved, ..) => "first run waits for approval".to_owned(),
        (_, Some(held), _) if waiting => format!("held since {}", ago(now, held.since)),
        (_, Some(_), _) => "held, rejected by a person".to_owned(),
        (Stage::Approved, ..) => "first run approved".to_owned(),
        (Stage::Running, None, Some(at)) => format!("agreed {}", ago(now, at)),
        (Stage::Running, None, None) => "not compared yet".to_owned(),
    }
}

fn next_step(pipeline: &PipelineStatus) -> Option<String> {
    let name = &pipeline.pipeline;
    let held = pipeline.held.as_ref().filter(|held| held.approval == Approval::Waiting);
    if let Some(message) = held.and_then(|held| held.message.as_ref()) {
        return Some(format!("{name}: {}", one_line(message)));
    }
    if pipeline.stage == Stage::Unapproved {
        return Some(format!(
            "{name}: `reconciled match {name} --report` shows what it would do, `reconciled approve {name}` starts it"
        ));
    }
    let held = held?;
    let guards: Vec<String> = held
        .guards
        .iter()
        .map(|guard| format!("{} {} where {} are allowed", number(guard.count), guard.guard, number(guard.allowed)))
        .collect();
    let id = &held.id;
    Some(format!(
        "{name}: {}; `reconciled plan {name}`, then `reconciled approve {id}` or `reject {id}`",
        guards.join(", ")
    ))
}
