//! `parked`: what is put aside, and what to do about it.

pub mod causes;

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::{
    args::ParkedCommand,
    exit::{CliError, Exit},
    names::Names,
    output::Output,
    report::short_field,
    setup::Office,
    text::{Paint, ago, count, cut, one_line, until, wrap},
};
use crate::{
    config::PipelineName,
    daemon::protocol::{Request, Response},
    engine::{ParkedItem, Retried},
    record::RecordId,
    store::Parked,
    sync::ParkCode,
};

/// Carries out `parked list`, `retry` or `ignore`.
///
/// # Errors
///
/// When a name is wrong, nothing of that id is parked, or the state cannot be used.
pub async fn run(office: &mut Office, command: &ParkedCommand, out: &Output) -> Result<Exit, CliError> {
    match command {
        ParkedCommand::List { pipeline, all, causes } => list(office, pipeline.as_deref(), (*all, *causes), out).await,
        ParkedCommand::Retry { pipeline, record } => {
            let pipeline = office.one_pipeline(pipeline)?;
            let request =
                Request::ParkedRetry { pipeline: pipeline.clone(), record: record.as_deref().map(RecordId::from) };
            let Response::Retried(retried) = office.ask(request).await? else { return Err(Office::astray()) };
            out.talk(&told(&pipeline, retried));
            Ok(Exit::Done)
        }
        ParkedCommand::Ignore { pipeline, record } => {
            let pipeline = office.one_pipeline(pipeline)?;
            let record_id = RecordId::from(record.as_str());
            office.ask(Request::ParkedIgnore { pipeline, record: record_id }).await?;
            out.talk(&format!("{record} is off the list until its trouble changes"));
            Ok(Exit::Done)
        }
    }
}

/// What is looked at again, and what is not because a person said so.
fn told(pipeline: &PipelineName, Retried { entries, kept }: Retried) -> String {
    let again = format!("the next run of {pipeline} looks at it again ({})", count(entries as u64, "entry", "entries"));
    let stays = format!(
        "{} as it is, because a person took it back or left it out: `conflicts resolve` chooses a side",
        count(kept as u64, "field stays", "fields stay")
    );
    match (entries, kept) {
        (_, 0) => again,
        (0, _) => stays,
        _ => format!("{again}\n{stays}"),
    }
}

async fn list(
    office: &mut Office,
    only: Option<&str>,
    (all, causes): (bool, bool),
    out: &Output,
) -> Result<Exit, CliError> {
    let mut items = Vec::new();
    for pipeline in office.pipelines(only)? {
        let Response::Parked(some) = office.ask(Request::Parked { pipeline: Some(pipeline) }).await? else {
            return Err(Office::astray());
        };
        items.extend(some.into_iter().filter(|item| all || !item.parked.ignored));
    }
    if causes {
        let causes = causes::of(&items);
        if out.json {
            out.json(&causes);
        } else {
            out.data(&causes::render(&causes, out.paint));
        }
    } else if out.json {
        out.json(&items);
    } else {
        out.data(&render(&items, &Names::of(&office.config), office.now(), out.paint));
    }
    Ok(Exit::Done)
}

/// What is parked, pipeline by pipeline.
#[must_use]
pub fn render(items: &[ParkedItem], names: &Names, now: DateTime<Utc>, paint: Paint) -> String {
    if items.is_empty() {
        return "nothing is parked\n".to_owned();
    }
    let mut out = String::new();
    let mut pipeline = None;
    for item in items {
        if pipeline != Some(&item.pipeline) {
            pipeline = Some(&item.pipeline);
            out.push_str(&paint.bold(item.pipeline.as_str()));
            out.push('\n');
        }
        let field = item.parked.field.as_ref().map(|field| format!(", {}", short_field(field))).unwrap_or_default();
        let ignored = if item.parked.ignored { " (ignored)" } else { "" };
        let label = cut(&one_line(&item.parked.label), 40);
        let whose = format!("{label}{field}{ignored}  ({} {})", names.on(&item.pipeline, item.side), item.id);
        out.push_str(&paint.yellow(&wrap(&whose, 2)));
        out.push_str(&entry(&item.parked, &item.remedy, now, 4));
        out.push_str(&behind(item, 4));
    }
    let _ = writeln!(out, "{} parked", count(items.len() as u64, "entry is", "entries are"));
    out
}

/// Who waits for it.
fn behind(item: &ParkedItem, indent: usize) -> String {
    if item.behind.is_empty() {
        return String::new();
    }
    let mut names: Vec<String> =
        item.behind.iter().map(|one| format!("{} ({})", one_line(&one.label), one.pipeline)).collect();
    if item.more_behind > 0 {
        names.push(count(item.more_behind as u64, "other", "others"));
    }
    wrap(&format!("waiting behind it: {}", names.join(", ")), indent)
}

/// What is wrong, the candidates, what to do, and when it is tried again.
#[must_use]
pub fn entry(parked: &Parked, remedy: &str, now: DateTime<Utc>, indent: usize) -> String {
    let mut out = wrap(&format!("{}: {}", parked.code, one_line(&parked.message)), indent);
    for choice in &parked.candidates {
        let linked = choice.linked_with.as_ref().map(|id| format!(", linked with {id}")).unwrap_or_default();
        out.push_str(&wrap(&format!("could be {} ({}{linked})", one_line(&choice.label), choice.id), indent));
    }
    out.push_str(&wrap(&format!("to do: {remedy}"), indent));
    let again = match parked.next_try {
        None if parked.code == ParkCode::Unknown => "never sent again by itself".to_owned(),
        Some(at) => format!("tried again on any change, and {}", until(now, at)),
        None => "tried again on any change of the record or the configuration".to_owned(),
    };
    let attempts = count(u64::from(parked.attempts), "attempt", "attempts");
    out.push_str(&wrap(&format!("{again}; parked {}, {attempts}", ago(now, parked.since)), indent));
    out
}
