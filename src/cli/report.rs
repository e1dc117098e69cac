//! A run in words: what it would do, or what it did, record by record and in sum.

use std::fmt::Write as _;

use super::{
    names::Names,
    text::{Paint, cell, count, cut, number, one_line, span, wrap},
};
use crate::{
    config::PipelineName,
    engine::{FieldChange, FindingItem, HeldReport, PipelineReport, PlanItem, RunReport, Trouble, Verb},
    record::Side,
    sync::FindingKind,
};

/// Records and findings shown of each pipeline; the rest is counted (and is in `--json`).
const SHOWN: usize = 40;

/// What a plan would do, pipeline by pipeline.
#[must_use]
pub fn plan(report: &RunReport, names: &Names, paint: Paint) -> String {
    let mut out = String::new();
    for pipeline in &report.pipelines {
        let _ = writeln!(out, "{}", paint.bold(pipeline.pipeline.as_str()));
        if let Some(reason) = &pipeline.skipped {
            out.push_str(&wrap(&format!("not planned: {}", one_line(reason)), 2));
            continue;
        }
        out.push_str(&wrap(&format!("would {}", intended(pipeline, names)), 2));
        out.push_str(&wrap(&left_alone(pipeline), 2));
        if let Some(held) = &pipeline.held {
            out.push_str(&paint.yellow(&held_text(&pipeline.pipeline, held, "would be held", 2)));
        }
        out.push_str(&items(pipeline, names, paint));
        out.push_str(&findings(pipeline, paint));
    }
    out.push_str(&troubles(&report.troubles, paint));
    out
}

/// What a sync did, pipeline by pipeline. With `details`, every record it set out to write is listed.
#[must_use]
pub fn outcome(report: &RunReport, names: &Names, details: bool, paint: Paint) -> String {
    let mut out = String::new();
    let took = span(report.ended - report.started);
    let _ = writeln!(out, "{}: {}, {took}, {}", paint.bold(report.integration.as_str()), report.why, requests(report));
    for pipeline in &report.pipelines {
        let _ = writeln!(out, "  {}", paint.bold(pipeline.pipeline.as_str()));
        if let Some(reason) = &pipeline.skipped {
            out.push_str(&paint.red(&wrap(&format!("not run: {}", one_line(reason)), 4)));
            continue;
        }
        out.push_str(&wrap(&done(pipeline, names), 4));
        out.push_str(&wrap(&left_alone(pipeline), 4));
        if let Some(held) = &pipeline.held {
            out.push_str(&paint.yellow(&held_text(&pipeline.pipeline, held, "held", 4)));
        }
        if details && pipeline.held.is_none() {
            out.push_str(&items(pipeline, names, paint));
        }
        if details {
            out.push_str(&findings(pipeline, paint));
        }
    }
    if let Some(end) = report.blackout {
        let end = end.format("%Y-%m-%d %H:%M UTC");
        let text = format!("this is a black-out: nothing is written before {end}; what is left goes then");
        out.push_str(&paint.yellow(&wrap(&text, 2)));
    }
    out.push_str(&troubles(&report.troubles, paint));
    out
}

/// One line for one planned item: `Jane Doe: email: jane@old → jane@new, written to acme-xero`.
#[must_use]
pub fn in_one_line(pipeline: &PipelineName, item: &PlanItem, names: &Names) -> String {
    let on = names.on(pipeline, item.side);
    let label = one_line(&item.label);
    match item.verb {
        Verb::Create => format!("{label}: created on {on}"),
        Verb::Link => format!("{label}: linked, the same record on both sides"),
        Verb::Delete => format!("{label}: deleted on {on}, as it was on the other side"),
        Verb::Update => {
            let changes: Vec<String> = item.fields.iter().map(change).collect();
            format!("{label}: {}, written to {on}", changes.join(", "))
        }
    }
}

fn change(field: &FieldChange) -> String {
    format!("{}: {} → {}", short_field(&field.field), cell(&field.before), cell(&field.after))
}

/// The first half of `phone -> Phones[…].PhoneNumber`: what a person calls the field.
#[must_use]
pub fn short_field(name: &str) -> &str {
    name.split(" -> ").next().unwrap_or(name)
}

fn on_sides(counts: [u64; 2], pipeline: &PipelineName, names: &Names) -> Option<String> {
    let parts: Vec<String> = [Side::Target, Side::Source]
        .into_iter()
        .filter(|side| counts[side.index()] > 0)
        .map(|side| format!("{} on {}", number(counts[side.index()]), names.on(pipeline, side)))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

fn intended(report: &PipelineReport, names: &Names) -> String {
    let counts = report.counts;
    let mut parts = Vec::new();
    if counts.links > 0 {
        parts.push(format!("link {}", count(counts.links, "pair", "pairs")));
    }
    parts.extend(on_sides(counts.creates, &report.pipeline, names).map(|text| format!("create {text}")));
    parts.extend(on_sides(counts.updates, &report.pipeline, names).map(|text| format!("update {text}")));
    parts.extend(on_sides(counts.deletes, &report.pipeline, names).map(|text| format!("delete {text}")));
    if parts.is_empty() { "write nothing".to_owned() } else { parts.join(", ") }
}

fn done(report: &PipelineReport, names: &Names) -> String {
    let tally = report.tally;
    let mut parts = Vec::new();
    if tally.linked > 0 {
        parts.push(format!("linked {}", count(tally.linked, "pair", "pairs")));
    }
    parts.extend(on_sides(tally.created, &report.pipeline, names).map(|text| format!("created {text}")));
    parts.extend(on_sides(tally.updated, &report.pipeline, names).map(|text| format!("updated {text}")));
    parts.extend(on_sides(tally.deleted, &report.pipeline, names).map(|text| format!("deleted {text}")));
    if tally.unknown > 0 {
        parts.push(format!("{} with unknown outcome, looked up in the next run", number(tally.unknown)));
    }
    if parts.is_empty() { "nothing was written".to_owned() } else { parts.join(", ") }
}

fn left_alone(report: &PipelineReport) -> String {
    let tally = report.tally;
    let mut parts = match (tally.read, tally.unchanged) {
        (0, _) => vec!["nothing new was read".to_owned()],
        (read, 0) => vec![format!("read {}", count(read, "record", "records"))],
        (read, unchanged) => {
            vec![format!("read {}, {} of them as last read", count(read, "record", "records"), number(unchanged))]
        }
    };
    let rest = [
        (tally.parked, "parked"),
        (tally.waiting, "waiting for another record"),
        (tally.pending, "kept and not sent"),
        (tally.rejected, "not admitted by a filter"),
        (tally.skipped, "left out by rule"),
    ];
    parts.extend(rest.into_iter().filter(|(of, _)| *of > 0).map(|(of, what)| format!("{} {what}", number(of))));
    parts.join(" · ")
}

fn held_text(pipeline: &PipelineName, held: &HeldReport, what: &str, indent: usize) -> String {
    if held.guards.is_empty() {
        let text =
            format!("{what}: its first run waits for a person; `reconciled approve {pipeline}` lets it go ahead");
        return wrap(&text, indent);
    }
    if let Some(message) = &held.message {
        return wrap(&format!("{what}: {}", one_line(message)), indent);
    }
    let reasons: Vec<String> = held
        .guards
        .iter()
        .map(|guard| format!("{} {} where {} are allowed", number(guard.count), guard.guard, number(guard.allowed)))
        .collect();
    let earlier = match held.earlier.creates + held.earlier.touched + held.earlier.deletes {
        0 => String::new(),
        written => format!(" (with {} written before)", count(written, "record", "records")),
    };
    let reasons = reasons.join(", ");
    wrap(&format!("{what}: {reasons}{earlier}; `reconciled approve {}` lets it go ahead", held.id), indent)
}

fn items(report: &PipelineReport, names: &Names, paint: Paint) -> String {
    let mut out = String::new();
    for item in report.items.iter().take(SHOWN) {
        let on = names.on(&report.pipeline, item.side);
        let label = cut(&one_line(&item.label), 50);
        let (mark, what) = match item.verb {
            Verb::Create => (paint.green("+"), format!("create {label} on {on}")),
            Verb::Update => (paint.yellow("~"), format!("update {label} on {on}")),
            Verb::Link => (paint.dim("="), format!("link {label}: the same record on both sides")),
            Verb::Delete => (paint.red("-"), format!("delete {label} on {on}, as it was on the other side")),
        };
        let _ = writeln!(out, "    {mark} {}", cut(&what, 94));
        if item.verb == Verb::Delete {
            let held = item.fields.iter().filter(|field| !field.before.is_blank());
            let held: Vec<String> =
                held.map(|field| format!("{}: {}", short_field(&field.field), cell(&field.before))).collect();
            if !held.is_empty() {
                out.push_str(&wrap(&format!("it holds {}", held.join(", ")), 8));
            }
        }
        if item.verb == Verb::Update {
            for field in &item.fields {
                out.push_str(&wrap(&format!("{} ({})", change(field), field.why), 8));
            }
        }
    }
    if report.planned > report.items.len().min(SHOWN) as u64 {
        let _ = writeln!(out, "    … and {} more", number(report.planned - report.items.len().min(SHOWN) as u64));
    }
    out
}

fn findings(report: &PipelineReport, paint: Paint) -> String {
    let mut out = String::new();
    for finding in report.findings.iter().take(SHOWN) {
        out.push_str(&paint.yellow(&wrap(&finding_line(finding), 4)));
    }
    let more = report.findings.len().saturating_sub(SHOWN) as u64 + report.unlisted.findings;
    if more > 0 {
        let _ = writeln!(out, "    … and {} more that are not written", number(more));
    }
    out
}

/// `! Jane Doe, phone: parked (difference): …`
#[must_use]
pub fn finding_line(finding: &FindingItem) -> String {
    let field = finding.field.as_ref().map(|field| format!(", {}", short_field(field))).unwrap_or_default();
    let kind = match &finding.kind {
        FindingKind::Parked(code) => format!("parked ({code})"),
        FindingKind::Pending => "kept, not sent".to_owned(),
        FindingKind::Waiting(pipeline) => format!("waits for {pipeline}"),
        FindingKind::Rejected => "not admitted".to_owned(),
        FindingKind::Skipped => "left out".to_owned(),
    };
    format!("! {}{field}: {kind}: {}", one_line(&finding.label), one_line(&finding.message))
}

/// `12 calls (acme-website 4, acme-xero 8)`.
#[must_use]
pub fn requests(report: &RunReport) -> String {
    let all: u64 = report.requests.values().map(|made| made.reads + made.writes).sum();
    let parts: Vec<String> = report
        .requests
        .iter()
        .map(|(name, made)| {
            let writes = count(made.writes, "write", "writes");
            format!("{name}: {}, {writes}", count(made.reads, "read", "reads"))
        })
        .collect();
    let calls = count(all, "call", "calls");
    if parts.is_empty() { calls } else { format!("{calls} ({})", parts.join("; ")) }
}

/// What remotes did not do, one line each.
#[must_use]
pub fn troubles(troubles: &[Trouble], paint: Paint) -> String {
    let lines = troubles.iter().map(|trouble| {
        let end = if trouble.temporary { "it is tried again" } else { "it needs a person" };
        paint.red(&wrap(&format!("! {}; {end}", said_by(trouble.connection.as_str(), &trouble.message)), 0))
    });
    lines.collect()
}

/// A message with the connection it is about, named once.
#[must_use]
pub fn said_by(connection: &str, message: &str) -> String {
    let message = one_line(message);
    if message.starts_with(connection) { message } else { format!("{connection}: {message}") }
}
