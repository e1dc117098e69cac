//! `config diff` and `config restore`: what the files would change, and the last good text of one put back.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use super::{
    args::{ConfigCommand, RestoreArgs},
    exit::{CliError, Exit},
    files::{self, Target},
    offline::Judge,
    output::Output,
    text::{Paint, wrap},
};
use crate::daemon::reload::{ConfigDiff, DiffKind, IntegrationDiff};

/// Records shown of each pipeline.
const SHOWN: usize = 10;

/// Carries out `config …`.
///
/// # Errors
///
/// When the state cannot be used, or a file cannot be written.
pub async fn run(dir: &Path, command: &ConfigCommand, out: &Output) -> Result<Exit, CliError> {
    match command {
        ConfigCommand::Diff => diff(dir, out).await,
        ConfigCommand::Restore(args) => restore(dir, args, out).await,
    }
}

async fn diff(dir: &Path, out: &Output) -> Result<Exit, CliError> {
    let mut judge = Judge::open(dir, out).await?;
    let diff = judge.diff(BTreeMap::new()).await?;
    if out.json {
        out.json(&diff);
    } else {
        out.data(&render(&diff, out.paint));
    }
    Ok(exit(&diff))
}

/// As a reload of it would exit.
pub fn exit(diff: &ConfigDiff) -> Exit {
    match (diff.mistakes.is_empty(), diff.is_held()) {
        (false, _) => Exit::Config,
        (true, true) => Exit::Held,
        (true, false) => Exit::Done,
    }
}

async fn restore(dir: &Path, args: &RestoreArgs, out: &Output) -> Result<Exit, CliError> {
    let target = Target::find(dir, &args.file)?;
    let mut judge = Judge::open(dir, out).await?;
    let Some(good) = judge.last_good(&target.name).await? else {
        let text = format!("no other text of {} is remembered that was good", target.name);
        return Err(CliError::Other(text));
    };
    let now = target.text()?.unwrap_or_default();
    let stamp = good.at.format("%Y-%m-%d %H:%M UTC");
    out.talk(&format!("{} as it was in generation {}, taken over {stamp}:", target.name, good.generation));
    out.talk(&files::differences(&now, &good.text));
    if !args.yes && files::ask("Put it back? [y/N] ", out)? != Some('y') {
        out.talk("nothing was changed");
        return Ok(Exit::Failed);
    }
    let aside = target.put_aside()?;
    target.replace(&good.text, Some(now.as_str()))?;
    if let Some(aside) = aside {
        out.talk(&format!("put back; what it held is in {}", aside.display()));
    }
    judge.reload(out).await
}

/// What would change, in words.
#[must_use]
pub fn render(diff: &ConfigDiff, paint: Paint) -> String {
    let mut out = String::new();
    for mistake in &diff.mistakes {
        out.push_str(&paint.red(&wrap(&mistake.told(), 0)));
    }
    if diff.integrations.is_empty() {
        out.push_str("what runs is what the files say\n");
    }
    for one in &diff.integrations {
        out.push_str(&integration(one, paint));
    }
    out
}

fn integration(one: &IntegrationDiff, paint: Paint) -> String {
    let word = match one.change {
        DiffKind::Added => "would be added",
        DiffKind::Removed => "would run no more; its links are kept for a while",
        DiffKind::Tuned => "would get another timetable",
        DiffKind::Changed => "would change",
        DiffKind::Kept => "goes on as it is",
        DiffKind::LeftOut => "cannot run",
    };
    let why = one.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let hashes = match (&one.running, &one.written) {
        (Some(running), Some(written)) => format!(" ({running} -> {written})"),
        (Some(one), None) | (None, Some(one)) => format!(" ({one})"),
        (None, None) => String::new(),
    };
    let mut out = wrap(&format!("{}{hashes} {word}{why}", paint.bold(one.integration.as_str())), 0);
    for edited in &one.edited {
        out.push_str(&wrap(edited, 2));
    }
    let quiet = one.change == DiffKind::Changed && one.effect.pipelines.is_empty();
    if quiet {
        out.push_str("  it changes no record\n");
    }
    for pipeline in &one.effect.pipelines {
        let text = format!("{pipeline}; {} are allowed without approval", allowed(pipeline.allowed));
        let text = wrap(&text, 2);
        out.push_str(&if pipeline.is_over() { paint.yellow(&text) } else { text });
        for item in pipeline.items.iter().take(SHOWN) {
            let kind = serde_json::to_value(item.kind).ok();
            let kind = kind.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
            let fields = item.fields.iter().map(|field| {
                format!("{}: {} -> {}", field.field, super::text::cell(&field.before), super::text::cell(&field.after))
            });
            let fields: Vec<String> = fields.collect();
            let label = if item.label.is_empty() { item.id.as_str() } else { &item.label };
            let what = if fields.is_empty() { kind.to_owned() } else { fields.join(", ") };
            out.push_str(&wrap(&format!("{label} ({}): {what}", item.id), 4));
        }
        let more = pipeline.counts.total().saturating_sub(pipeline.items.len().min(SHOWN) as u64);
        if more > 0 {
            let _ = writeln!(out, "    and {} more", super::text::number(more));
        }
    }
    if one.effect.is_over() {
        out.push_str(&paint.yellow("  it would wait for approval\n"));
    }
    out
}

fn allowed(amount: u64) -> String {
    if amount == u64::MAX { "any number".to_owned() } else { super::text::number(amount) }
}
