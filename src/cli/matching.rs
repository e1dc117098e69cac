//! `match`: what a first run would link, create and park.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    args::MatchArgs,
    exit::{CliError, Exit},
    names::Names,
    output::Output,
    report::short_field,
    setup::Office,
    text::{Paint, Table, count, number, one_line, wrap},
};
use crate::{
    config::PipelineName,
    daemon::protocol::{Request, Response},
    engine::{Mode, ParkedItem, RunReport, Verb},
    record::{RecordId, Side},
    sync::FindingKind,
};

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It is linked with a record that exists.
    Link,
    /// Its counterpart is created.
    Create,
    /// A person decides.
    Park,
    /// It waits for another record.
    Wait,
    /// It is left alone by rule.
    Leave,
}

impl Fate {
    const fn word(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Create => "create",
            Self::Park => "park",
            Self::Wait => "wait",
            Self::Leave => "leave",
        }
    }
}

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// What becomes of it.
    pub fate: Fate,
    /// Name for people.
    pub label: String,
    /// Its id on the source, if it is there.
    pub source: Option<RecordId>,
    /// Its id on the target, if it is there.
    pub target: Option<RecordId>,
    /// Why, or on which connection it is created.
    pub why: String,
}

/// Plans and prints what would become of each record.
///
/// # Errors
///
/// When a name is wrong or the state cannot be used.
pub async fn run(office: &mut Office, args: &MatchArgs, out: &Output) -> Result<Exit, CliError> {
    let mut reports = Vec::new();
    for (integration, pipelines) in office.chosen(std::slice::from_ref(&args.pipeline))? {
        let request = super::sync::request(integration, pipelines, Mode::Plan, false, None);
        reports.push(office.run(request, out).await?);
    }
    let names = Names::of(&office.config);
    let mut rows: Vec<Row> = reports.iter().flat_map(|report| rows(report, &names)).collect();
    for pipeline in office.pipelines(Some(&args.pipeline))? {
        let request = Request::Parked { pipeline: Some(pipeline) };
        let Response::Parked(items) = office.ask(request).await? else { return Err(Office::astray()) };
        add_parked(&mut rows, &items);
    }
    if out.json {
        out.json(&rows);
    } else if args.csv {
        out.data(&csv(&rows));
    } else {
        out.data(&render(&reports, &rows, args.report, out.paint));
    }
    for pipeline in reports.iter().flat_map(|report| &report.pipelines) {
        let listed = pipeline.items.len() as u64;
        if pipeline.planned > listed && (out.json || args.report) {
            let (of, listed) = (number(pipeline.planned), number(listed));
            out.talk(&format!("{}: only the first {listed} of {of} planned steps are listed", pipeline.pipeline));
        }
    }
    let failed = reports.iter().any(|report| report.exit_code() == 1);
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// The rows of a report. Updates of linked records are none: they are what `plan` shows.
#[must_use]
pub fn rows(report: &RunReport, names: &Names) -> Vec<Row> {
    let mut rows = Vec::new();
    for pipeline in &report.pipelines {
        let name = &pipeline.pipeline;
        for item in &pipeline.items {
            let (fate, source, target, why) = match (item.verb, item.side) {
                (Verb::Update | Verb::Delete, _) => continue,
                (Verb::Link, _) => (Fate::Link, Some(item.origin.clone()), item.id.clone(), "they match".to_owned()),
                (Verb::Create, Side::Target) => {
                    (Fate::Create, Some(item.origin.clone()), None, format!("new on {}", names.on(name, item.side)))
                }
                (Verb::Create, Side::Source) => {
                    (Fate::Create, None, Some(item.origin.clone()), format!("new on {}", names.on(name, item.side)))
                }
            };
            rows.push(Row { pipeline: name.clone(), fate, label: one_line(&item.label), source, target, why });
        }
        for finding in &pipeline.findings {
            let fate = match &finding.kind {
                FindingKind::Parked(_) => Fate::Park,
                FindingKind::Waiting(_) => Fate::Wait,
                FindingKind::Pending | FindingKind::Rejected | FindingKind::Skipped => Fate::Leave,
            };
            let id = Some(finding.id.clone());
            let (source, target) = if finding.side == Side::Source { (id, None) } else { (None, id) };
            let field = finding.field.as_ref().map(|field| format!("{}: ", short_field(field))).unwrap_or_default();
            let why = format!("{field}{}", one_line(&finding.message));
            rows.push(Row { pipeline: name.clone(), fate, label: one_line(&finding.label), source, target, why });
        }
    }
    rows
}

/// Adds what an earlier run put aside: a plan speaks only of what is new or due.
pub fn add_parked(rows: &mut Vec<Row>, items: &[ParkedItem]) {
    let planned = rows.len();
    for item in items {
        let id = Some(item.id.clone());
        let (source, target) = if item.side == Side::Source { (id, None) } else { (None, id) };
        let known = |row: &Row| {
            row.pipeline == item.pipeline && row.fate == Fate::Park && row.source == source && row.target == target
        };
        if rows.iter().take(planned).any(known) {
            continue;
        }
        let field = item.parked.field.as_ref().map(|field| format!("{}: ", short_field(field))).unwrap_or_default();
        let candidates: Vec<String> = item
            .parked
            .candidates
            .iter()
            .map(|choice| format!("{} ({})", one_line(&choice.label), choice.id))
            .collect();
        let could_be =
            if candidates.is_empty() { String::new() } else { format!("; could be {}", candidates.join(" or ")) };
        rows.push(Row {
            pipeline: item.pipeline.clone(),
            fate: Fate::Park,
            label: one_line(&item.parked.label),
            source,
            target,
            why: format!("{field}{}{could_be}", one_line(&item.parked.message)),
        });
    }
}

/// The counts, and with `list` every record.
#[must_use]
pub fn render(reports: &[RunReport], rows: &[Row], list: bool, paint: Paint) -> String {
    let mut out = String::new();
    for pipeline in reports.iter().flat_map(|report| &report.pipelines) {
        let _ = writeln!(out, "{}", paint.bold(pipeline.pipeline.as_str()));
        if let Some(reason) = &pipeline.skipped {
            out.push_str(&paint.red(&wrap(&one_line(reason), 2)));
            continue;
        }
        let (counts, tally) = (pipeline.counts, pipeline.tally);
        let own: Vec<&Row> = rows.iter().filter(|row| row.pipeline == pipeline.pipeline).collect();
        let parked = own.iter().filter(|row| row.fate == Fate::Park).count() as u64;
        let text = format!(
            "would link {}, create {}; {} parked, {} waiting, {} not admitted by a filter, {} left out by rule",
            count(counts.links, "pair", "pairs"),
            number(counts.creates.iter().sum()),
            number(parked),
            number(tally.waiting),
            number(tally.rejected),
            number(tally.skipped)
        );
        out.push_str(&wrap(&text, 2));
        if list {
            let mut table = Table::new(&["", "RECORD", "SOURCE ID", "TARGET ID", "WHY"]);
            let id = |id: &Option<RecordId>| id.as_ref().map(ToString::to_string).unwrap_or_default();
            for row in &own {
                let fate = row.fate.word().to_owned();
                table.row(vec![fate, row.label.clone(), id(&row.source), id(&row.target), row.why.clone()]);
            }
            if !own.is_empty() {
                out.push_str(&table.render(2, paint));
            }
            let listed = pipeline.items.len() as u64;
            if pipeline.planned > listed {
                let _ = writeln!(out, "  … and {} more", number(pipeline.planned - listed));
            }
        }
    }
    if !list {
        out.push_str("`--report` lists every record, `--report --csv` for a spreadsheet\n");
    }
    out
}

/// The rows as CSV (RFC 4180).
#[must_use]
pub fn csv(rows: &[Row]) -> String {
    let mut out = "pipeline,what,record,source,target,why\r\n".to_owned();
    for row in rows {
        let id = |id: &Option<RecordId>| id.as_ref().map(ToString::to_string).unwrap_or_default();
        let cells = [
            row.pipeline.to_string(),
            row.fate.word().to_owned(),
            row.label.clone(),
            id(&row.source),
            id(&row.target),
            row.why.clone(),
        ];
        out.push_str(&cells.map(|cell| quoted(&cell)).join(","));
        out.push_str("\r\n");
    }
    out
}

/// A cell; text that a spreadsheet would run as a formula is made plain text first.
fn quoted(cell: &str) -> String {
    let guarded = if cell.starts_with(['=', '+', '-', '@', '\t']) { format!("'{cell}") } else { cell.to_owned() };
    if guarded.contains([',', '"', '\n', '\r']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_never_becomes_a_formula_or_a_second_cell() {
        for (cell, text) in [
            ("Jane", "Jane"),
            ("Doe, Jane", "\"Doe, Jane\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "'=1+1"),
            ("@SUM(A1,B1)", "\"'@SUM(A1,B1)\""),
        ] {
            assert_eq!(quoted(cell), text);
        }
    }
}
