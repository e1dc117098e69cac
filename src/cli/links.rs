//! `links`: which records are the same thing.

mod pairs;

use std::path::Path;

use serde::Serialize;

use super::{
    args::LinksCommand,
    exit::{CliError, Exit},
    names::Names,
    output::Output,
    setup::Office,
    text::{Paint, Table, count, one_line},
};
use crate::{
    config::PipelineName,
    daemon::protocol::{Request, Response},
    record::{RecordId, Side},
    sync::{Born, Link},
};

/// A link as programs read it.
#[derive(Serialize)]
struct Listed<'l> {
    source: &'l RecordId,
    target: &'l RecordId,
    label: &'l str,
    born: Born,
    /// The sides whose record is gone.
    gone: Vec<Side>,
}

impl<'l> Listed<'l> {
    fn of(link: &'l Link) -> Self {
        let gone = Side::BOTH.into_iter().filter(|side| link.mark(*side).gone).collect();
        Self { source: &link.source, target: &link.target, label: &link.label, born: link.born, gone }
    }
}

/// Carries out `links list`, `add`, `remove` or `import`.
///
/// # Errors
///
/// When a name or a file is wrong, a record cannot be linked, or the state cannot be used.
pub async fn run(office: &mut Office, command: &LinksCommand, out: &Output) -> Result<Exit, CliError> {
    match command {
        LinksCommand::List { pipeline } => {
            let pipeline = office.one_pipeline(pipeline)?;
            let request = Request::Links { pipeline: pipeline.clone() };
            let Response::Links(links) = office.ask(request).await? else { return Err(Office::astray()) };
            if out.json {
                out.json(&links.iter().map(Listed::of).collect::<Vec<_>>());
            } else {
                out.data(&render(&links, &pipeline, &Names::of(&office.config), out.paint));
            }
        }
        LinksCommand::Add { pipeline, source, target } => {
            let pipeline = office.one_pipeline(pipeline)?;
            let link = add(office, &pipeline, source, target).await?;
            out.talk(&format!("{} is linked; the next run compares it", one_line(&link.label)));
        }
        LinksCommand::Remove { pipeline, record } => {
            let pipeline = office.one_pipeline(pipeline)?;
            let request = Request::LinkRemove { pipeline, record: RecordId::from(record.as_str()) };
            let Response::Unlinked(link) = office.ask(request).await? else { return Err(Office::astray()) };
            let label = one_line(&link.label);
            out.talk(&format!("{label} is no longer linked; both records stay as they are"));
            out.talk("they are not linked again by matching; `links add` joins them again");
        }
        LinksCommand::Import { file, pipeline } => {
            let pipeline = office.one_pipeline(pipeline)?;
            return import(office, file, &pipeline, out).await;
        }
    }
    Ok(Exit::Done)
}

async fn add(office: &mut Office, pipeline: &PipelineName, source: &str, target: &str) -> Result<Link, CliError> {
    let request =
        Request::LinkAdd { pipeline: pipeline.clone(), source: RecordId::from(source), target: RecordId::from(target) };
    match office.ask(request).await? {
        Response::Linked(link) => Ok(*link),
        _ => Err(Office::astray()),
    }
}

/// Links pair by pair; one that cannot be linked is told and does not hold up the others.
async fn import(office: &mut Office, file: &Path, pipeline: &PipelineName, out: &Output) -> Result<Exit, CliError> {
    let text = std::fs::read_to_string(file).map_err(|source| CliError::File {
        action: "read",
        path: file.to_owned(),
        source,
    })?;
    let pairs =
        pairs::read(&text, pipeline).map_err(|message| CliError::Other(format!("{}: {message}", file.display())))?;
    let spinner = out.spinner(&format!("linking {}", count(pairs.len() as u64, "pair", "pairs")));
    let mut failed = 0_u64;
    let total = pairs.len() as u64;
    for pair in pairs {
        if let Err(error) = add(office, pipeline, &pair.source, &pair.target).await {
            failed += 1;
            out.talk(&format!("line {}: {error}", pair.line));
        }
    }
    drop(spinner);
    out.talk(&format!("{} linked, {failed} refused", count(total - failed, "pair was", "pairs were")));
    Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
}

/// The links with both ids.
#[must_use]
pub fn render(links: &[Link], pipeline: &PipelineName, names: &Names, paint: Paint) -> String {
    if links.is_empty() {
        return format!("nothing is linked in {pipeline}\n");
    }
    let mut table = Table::new(&["RECORD", "SOURCE ID", "TARGET ID", "HOW"]);
    for link in links {
        let how = match link.born {
            Born::Matched => "matched",
            Born::OnSource => "created on the target",
            Born::OnTarget => "created on the source",
            Born::ByHand => "by hand",
        };
        let gone = Side::BOTH.into_iter().find(|side| link.mark(*side).gone);
        let how = gone.map_or_else(|| how.to_owned(), |side| format!("{how}; gone from {}", names.on(pipeline, side)));
        table.row(vec![one_line(&link.label), link.source.to_string(), link.target.to_string(), how]);
    }
    let mut out = format!(
        "{}: {} (source) and {} (target)\n",
        count(links.len() as u64, "link", "links"),
        names.on(pipeline, Side::Source),
        names.on(pipeline, Side::Target)
    );
    out.push_str(&table.render(0, paint));
    out
}
