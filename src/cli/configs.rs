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
use crate::{
    daemon::reload::{ConfigDiff, DiffKind, IntegrationDiff},
    engine::EffectCounts,
};

/// Records shown of each pipeline.
const SHOWN: usize = 10;

/// Carries out `config …`.
///
/// # Errors
///
/// When the state cannot be used, or a file cannot be written.
pub async fn run(
    dir: &Path,
    (command, client): (&ConfigCommand, Option<&str>),
    out: &Output,
) -> Result<Exit, CliError> {
    match command {
        ConfigCommand::Diff => diff(dir, client, out).await,
        ConfigCommand::Restore(args) => restore(dir, args, out).await,
    }
}

async fn diff(dir: &Path, client: Option<&str>, out: &Output) -> Result<Exit, CliError> {
    let mut judge = Judge::open(dir, out).await?;
    let mut diff = judge.diff(BTreeMap::new()).await?;
    if let Some(client) = client {
        super::client::only_of(&mut diff, client);
    }
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
    for group in grouped(&diff.integrations) {
        match group.as_slice() {
            [one] => out.push_str(&integration(one, paint)),
            many => out.push_str(&clients(many, paint)),
        }
    }
    out
}

/// Integrations to which the same happens, those of one template most often, stand together; the order is that of the
/// first of each.
fn grouped(all: &[IntegrationDiff]) -> Vec<Vec<&IntegrationDiff>> {
    let mut groups: Vec<Vec<&IntegrationDiff>> = Vec::new();
    for one in all {
        let same = |group: &&mut Vec<&IntegrationDiff>| group.first().is_some_and(|first| is_alike(first, one));
        match groups.iter_mut().find(same) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}

/// The same edit of two integrations, of which both or none would wait for approval.
fn is_alike(a: &IntegrationDiff, b: &IntegrationDiff) -> bool {
    let told = |of: &IntegrationDiff| of.edited.iter().map(|text| short(of, text)).collect::<Vec<_>>();
    a.change == b.change
        && a.why == b.why
        && a.turn == b.turn
        && a.effect.is_over() == b.effect.is_over()
        && told(a) == told(b)
}

/// What was edited, without the name of the integration before that of the pipeline.
fn short(of: &IntegrationDiff, text: &str) -> String {
    let own = text.strip_prefix(of.integration.as_str()).and_then(|rest| rest.strip_prefix('/'));
    own.unwrap_or(text).to_owned()
}

/// Several integrations to which the same happens.
fn clients(many: &[&IntegrationDiff], paint: Paint) -> String {
    /// Names shown.
    const NAMES: usize = 8;
    let Some(first) = many.first() else { return String::new() };
    let names: Vec<&str> = many.iter().take(NAMES).map(|one| one.integration.as_str()).collect();
    let more = if many.len() > NAMES { format!(" and {} more", many.len() - NAMES) } else { String::new() };
    let why = first.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let head = format!("{} integrations {}{why}", super::text::number(many.len() as u64), word(first.change, true));
    let mut out = format!("{}\n", paint.bold(&head));
    out.push_str(&wrap(&format!("{}{more}", names.join(", ")), 2));
    for edited in &first.edited {
        out.push_str(&wrap(&short(first, edited), 2));
    }
    let mut sum = EffectCounts::default();
    let effects = many.iter().flat_map(|one| &one.effect.pipelines);
    effects.for_each(|pipeline| sum.add(&pipeline.counts));
    if first.change == DiffKind::Changed || sum.total() > 0 {
        let touched = many.iter().filter(|one| !one.effect.pipelines.is_empty()).count() as u64;
        let told = if touched == 0 {
            "it changes no record\n".to_owned()
        } else {
            format!("in {} of them, together: {sum}", super::text::number(touched))
        };
        out.push_str(&wrap(&told, 2));
    }
    if let Some(turn) = &first.turn {
        out.push_str(&paint.yellow(&wrap(&format!("they would wait for their turn: {turn}"), 2)));
    }
    if first.effect.is_over() {
        out.push_str(&paint.yellow("  each would wait for approval; `config diff --client NAME` shows the records\n"));
    }
    out
}

/// What happens to an integration, or to several.
const fn word(change: DiffKind, many: bool) -> &'static str {
    match (change, many) {
        (DiffKind::Added, _) => "would be added",
        (DiffKind::Removed, false) => "would run no more; its links are kept for a while",
        (DiffKind::Removed, true) => "would run no more; their links are kept for a while",
        (DiffKind::Tuned, false) => "would get another timetable",
        (DiffKind::Tuned, true) => "would get other timetables",
        (DiffKind::Changed, _) => "would change",
        (DiffKind::Kept, false) => "goes on as it is",
        (DiffKind::Kept, true) => "go on as they are",
        (DiffKind::LeftOut, _) => "cannot run",
    }
}

fn integration(one: &IntegrationDiff, paint: Paint) -> String {
    let word = word(one.change, false);
    let why = one.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let hashes = match (&one.running, &one.written) {
        (Some(running), Some(written)) => format!(" ({running} -> {written})"),
        (Some(one), None) | (None, Some(one)) => format!(" ({one})"),
        (None, None) => String::new(),
    };
    let name = one.integration.as_str();
    let line = wrap(&format!("{name}{hashes} {word}{why}"), 0);
    let mut out = line.strip_prefix(name).map_or_else(|| line.clone(), |rest| paint.bold(name) + rest);
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
    if let Some(turn) = &one.turn {
        out.push_str(&paint.yellow(&wrap(&format!("it would wait for its turn: {turn}"), 2)));
    }
    if one.effect.is_over() {
        out.push_str(&paint.yellow("  it would wait for approval\n"));
    }
    out
}

fn allowed(amount: u64) -> String {
    if amount == u64::MAX { "any number".to_owned() } else { super::text::number(amount) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{IntegrationName, PipelineName},
        engine::{EditEffect, PipelineEffect},
        sync::Damage,
    };

    /// A client in which an edit of the template rewrites so many records.
    fn client(name: &str, rewrites: u64) -> IntegrationDiff {
        let pipeline = PipelineName::parse(&format!("{name}/contacts")).unwrap();
        let effect = PipelineEffect {
            memory: pipeline.clone(),
            links: 100,
            counts: EffectCounts { rewrites, ..EffectCounts::default() },
            allowed: 20,
            damage: Damage::default(),
            plan: 0,
            items: Vec::new(),
            pipeline,
        };
        IntegrationDiff {
            integration: IntegrationName::parse(name).unwrap(),
            change: DiffKind::Changed,
            running: Some("3fa9c10b77de".to_owned()),
            written: Some("81ed04c2a9b5".to_owned()),
            why: None,
            turn: None,
            edited: vec![format!("{name}/contacts: + phone -> Phone")],
            effect: EditEffect { pipelines: if rewrites > 0 { vec![effect] } else { Vec::new() } },
        }
    }

    #[test]
    fn clients_of_one_template_are_told_together_but_those_that_wait_apart() {
        let mut all: Vec<IntegrationDiff> = (1..=9).map(|number| client(&format!("client-{number}"), number)).collect();
        all.push(client("idle", 0));
        all.extend([client("large", 400), client("larger", 1_200)]);
        let mut other = client("other", 3);
        other.edited.push("other/sales: removed".to_owned());
        all.push(other);
        let text = render(&ConfigDiff { integrations: all, mistakes: Vec::new() }, Paint::Plain);
        assert_eq!(
            text,
            "10 integrations would change
  client-1, client-2, client-3, client-4, client-5, client-6, client-7, client-8 and 2 more
  contacts: + phone -> Phone
  in 9 of them, together: rewrites 45
2 integrations would change
  large, larger
  contacts: + phone -> Phone
  in 2 of them, together: rewrites 1,600
  each would wait for approval; `config diff --client NAME` shows the records
other (3fa9c10b77de -> 81ed04c2a9b5) would change
  other/contacts: + phone -> Phone
  other/sales: removed
  other/contacts rewrites 3; 20 are allowed without approval
    and 3 more
"
        );
    }
}
