//! `conflicts`: fields whose sides disagree.

use super::{
    args::{ConflictsCommand, WinnerArgs},
    exit::{CliError, Exit},
    names::Names,
    output::Output,
    report::short_field,
    setup::Office,
    text::{Paint, cell, count, cut, one_line, wrap},
};
use crate::{
    config::PipelineName,
    daemon::protocol::{Request, Response},
    engine::{ConflictItem, meant},
    record::{RecordId, Side},
};

/// Carries out `conflicts list` or `resolve`.
///
/// # Errors
///
/// When a name is wrong, there is no such conflict, or the state cannot be used.
pub async fn run(office: &mut Office, command: &ConflictsCommand, out: &Output) -> Result<Exit, CliError> {
    match command {
        ConflictsCommand::List { pipeline } => {
            let mut items = Vec::new();
            for pipeline in office.pipelines(pipeline.as_deref())? {
                let request = Request::Conflicts { pipeline: Some(pipeline) };
                let Response::Conflicts(some) = office.ask(request).await? else { return Err(Office::astray()) };
                items.extend(some);
            }
            if out.json {
                out.json(&items);
            } else {
                out.data(&render(&items, &Names::of(&office.config), out.paint));
            }
        }
        ConflictsCommand::Resolve { pipeline, record, field, winner } => {
            let pipeline = office.one_pipeline(pipeline)?;
            let winner = side(*winner);
            let field = match field {
                Some(field) => Some(full_field(office, &pipeline, record, field).await?),
                None => None,
            };
            let winner_name = Names::of(&office.config).on(&pipeline, winner).to_owned();
            let request = Request::ConflictResolve {
                pipeline: pipeline.clone(),
                record: RecordId::from(record.as_str()),
                field,
                winner,
            };
            let Response::Resolved(fields) = office.ask(request).await? else { return Err(Office::astray()) };
            out.talk(&format!(
                "the next run of {pipeline} writes what {winner_name} has ({})",
                count(fields as u64, "field", "fields")
            ));
        }
    }
    Ok(Exit::Done)
}

/// The field that a person means by `phone`: its whole name is `phone -> Phones[…].PhoneNumber`.
async fn full_field(
    office: &mut Office,
    pipeline: &PipelineName,
    record: &str,
    field: &str,
) -> Result<String, CliError> {
    let request = Request::Conflicts { pipeline: Some(pipeline.clone()) };
    let Response::Conflicts(items) = office.ask(request).await? else { return Err(Office::astray()) };
    let (sides, id) = meant(record);
    let is = |item: &ConflictItem, side: &Side| {
        id == *match side {
            Side::Source => &item.source,
            Side::Target => &item.target,
        }
    };
    let of_record = items.into_iter().filter(|item| sides.iter().any(|side| is(item, side)));
    let names: Vec<String> = of_record.map(|item| item.field).collect();
    let meant =
        names.iter().find(|name| *name == field).or_else(|| names.iter().find(|name| short_field(name) == field));
    meant.cloned().ok_or_else(|| {
        let known: Vec<&str> = names.iter().map(|name| short_field(name)).collect();
        let known = if known.is_empty() { "none is".to_owned() } else { format!("these are: {}", known.join(", ")) };
        CliError::Other(format!("{record} has no field `{field}` in conflict in {pipeline}; {known}"))
    })
}

const fn side(winner: WinnerArgs) -> Side {
    // clap makes sure that exactly one of the two was given.
    if winner.source { Side::Source } else { Side::Target }
}

/// The conflicts with both values and the commands that decide them.
#[must_use]
pub fn render(items: &[ConflictItem], names: &Names, paint: Paint) -> String {
    if items.is_empty() {
        return "no field is in conflict\n".to_owned();
    }
    let mut out = String::new();
    for item in items {
        let label = cut(&one_line(&item.label), 40);
        let heading = format!("{label}, {}  ({} {})", short_field(&item.field), item.pipeline, item.source);
        out.push_str(&paint.yellow(&wrap(&heading, 0)));
        out.push_str(&wrap(&format!("{}: {}", names.on(&item.pipeline, Side::Source), cell(&item.source_value)), 2));
        out.push_str(&wrap(&format!("{}: {}", names.on(&item.pipeline, Side::Target), cell(&item.target_value)), 2));
        out.push_str(&wrap(&one_line(&item.message), 2));
    }
    out.push_str("to decide: reconciled conflicts resolve PIPELINE RECORD [--field FIELD] (--source | --target)\n");
    out
}
