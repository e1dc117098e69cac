//! `explain`: why a record is as it is.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::{
    args::ExplainArgs,
    exit::{CliError, Exit},
    names::Names,
    output::Output,
    parked,
    setup::Office,
    text::{Paint, ago, cell, one_line, until, wrap},
};
use crate::{
    daemon::protocol::{Request, Response},
    engine::{Explanation, FieldExplanation, Whereabouts},
    record::{Cell, Side},
};

/// Asks and prints.
///
/// # Errors
///
/// When nothing is known by that name, or the state cannot be used.
pub async fn run(office: &mut Office, args: &ExplainArgs, out: &Output) -> Result<Exit, CliError> {
    let pipeline = office.one_pipeline(&args.pipeline)?;
    let Some(record) = args.record.clone() else {
        let text = "which record? Name an id of either side, or a name, e-mail address or number";
        return Err(CliError::Usage(text.to_owned()));
    };
    let request = Request::Explain { pipeline, record };
    let Response::Explained(found) = office.ask(request).await? else { return Err(Office::astray()) };
    if out.json {
        out.json(&found);
    } else {
        out.data(&render(&found, &Names::of(&office.config), office.now(), out.paint));
    }
    Ok(Exit::Done)
}

/// Everything about each record found.
#[must_use]
pub fn render(found: &[Explanation], names: &Names, now: DateTime<Utc>, paint: Paint) -> String {
    let mut out = String::new();
    for (index, one) in found.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        out.push_str(&explanation(one, names, now, paint));
    }
    out
}

fn explanation(one: &Explanation, names: &Names, now: DateTime<Utc>, paint: Paint) -> String {
    let on = |side| names.on(&one.pipeline, side);
    let mut out = format!("{} in {}\n", paint.bold(&one_line(&one.label)), one.pipeline);
    match &one.stands {
        Whereabouts::Linked { source, target, born, fields, gone, deleted, next } => {
            let (source_name, target_name) = (on(Side::Source), on(Side::Target));
            out.push_str(&wrap(&format!("{source_name} {source} and {target_name} {target} are linked: {born}"), 2));
            if let Some(side) = deleted {
                let text = format!("it was deleted on {}, and therefore on {}, too", on(side.other()), on(*side));
                out.push_str(&paint.yellow(&wrap(&text, 2)));
            } else if let Some(side) = gone {
                let text = format!("it is gone from {}, where it is never created anew", on(*side));
                out.push_str(&paint.yellow(&wrap(&text, 2)));
            }
            for field in fields {
                out.push_str(&field_text(field, source_name, target_name, paint));
            }
            out.push_str("  next:\n");
            if next.is_empty() {
                out.push_str("    nothing; both sides agree, or what does not is listed above\n");
            }
            for step in next {
                out.push_str(&wrap(&one_line(step), 4));
            }
        }
        Whereabouts::Seen { side, id, filter } => {
            out.push_str(&wrap(&format!("{} {id} is not linked: {}", on(*side), one_line(filter)), 2));
        }
    }
    if !one.overwritten.is_empty() {
        out.push_str("  overwritten lately (`reconciled revert RUN` puts back):\n");
    }
    for image in &one.overwritten {
        let (before, wrote) = (cell(&image.before), cell(&image.wrote));
        let field = super::report::short_field(&image.field);
        let text = format!(
            "{} on {}, {}: {before} → {wrote} ({}; {})",
            ago(now, image.at),
            on(image.side),
            one_line(field),
            one_line(&image.why),
            image.run
        );
        out.push_str(&wrap(&text, 4));
    }
    for entry in &one.parked {
        out.push_str(&paint.yellow(&parked::entry(entry, entry.code.remedy(), now, 2)));
    }
    if let Some(due) = &one.due {
        let _ = writeln!(out, "  looked at again {}: {}", until(now, due.at), one_line(&due.why));
    }
    out
}

fn field_text(field: &FieldExplanation, source: &str, target: &str, paint: Paint) -> String {
    let shown = |value: &Option<Cell>| value.as_ref().map_or_else(|| "not read yet".to_owned(), cell);
    let mut out = String::new();
    let agreed = match &field.agreed {
        None => "never agreed".to_owned(),
        Some(_) if field.note.is_some() => "each side has its own".to_owned(),
        Some([ours, theirs]) if field.source.as_ref() == Some(ours) && field.target.as_ref() == Some(theirs) => {
            "agreed".to_owned()
        }
        Some([ours, theirs]) if ours == theirs => format!("last agreed on {}", cell(ours)),
        Some([ours, theirs]) => format!("last agreed on {} and {}", cell(ours), cell(theirs)),
    };
    out.push_str(&wrap(&format!("{}: {agreed}", field.field), 4));
    out.push_str(&wrap(&format!("{source}: {}", shown(&field.source)), 6));
    out.push_str(&wrap(&format!("{target}: {}", shown(&field.target)), 6));
    if let Some(note) = &field.note {
        out.push_str(&wrap(&one_line(note), 6));
    }
    if let Some(reason) = &field.parked {
        out.push_str(&paint.yellow(&wrap(&format!("parked: {}", one_line(reason)), 6)));
    }
    out
}
