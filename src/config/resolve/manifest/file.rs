//! Collections that are kept in files.

use std::time::Duration;

use chrono::format::{Item, StrftimeItems};
use encoding_rs::Encoding;

use super::{native, require::require};
use crate::{
    config::{
        diagnostic::{Report, error},
        source::Span,
        written::{At, DecimalW, FileFormatW, FileW, GroupW, HoldsW, ResourceW},
    },
    connector::{FileFormat, FileTable, Group, Holds, Resource, VersionPlace},
};

/// Records a write.
const BATCH: usize = 500;

/// How long a file must have been left alone unless something else is said.
const STEADY: Duration = Duration::from_secs(10);

/// The calls that a resource in files has.
pub(super) fn resource(made: Resource, written: &ResourceW, file: &FileW, report: &Report) -> Option<Resource> {
    let help = "; with `write: true` below `file`, records are written";
    if !native::has_no_calls(written, file.span, "in a file", help, report)
        || !native::one_name(&made, written, file.span, "write id: $.number", report)
    {
        return None;
    }
    let mut table = table(file, report)?;
    table.require = require(&made, file.require.as_ref(), report);
    check_table(&made, &table, file, report);
    let whole = native::whole()?;
    let feed = (table.holds == Holds::Additions).then_some(Duration::ZERO);
    let call = |method: &str| table.write.then(|| native::write(&table.path, &made.id, &whole, method, BATCH));
    Some(Resource {
        version: Some(VersionPlace::Etag),
        list: Some(native::list(&table.path, &whole, feed)),
        get: Some(native::get(&table.path, &whole)),
        create: call("ADD"),
        update: call("CHANGE"),
        delete: call("REMOVE"),
        file: Some(table.clone()),
        ..made
    })
}

fn table(written: &FileW, report: &Report) -> Option<FileTable> {
    let path = written.path.as_ref()?;
    below(path, report);
    let several = path.value.contains('*');
    if path.value.rsplit_once('/').is_some_and(|(folder, _)| folder.contains('*')) {
        report.add(
            error("config::bad_value", path.span, "only the name of a file may hold `*`, not a folder above it")
                .help("write path: sales-*.csv, and put the folder into the connection's `base_url`"),
        );
    }
    let flag = |at: &Option<At<bool>>, default| at.as_ref().map_or(default, |at| at.value);
    let write = flag(&written.write, false);
    let ready = written.ready.as_ref();
    let steady = ready.and_then(|ready| ready.steady.as_ref()).map(|at| at.value);
    for folder in [&written.done, &written.results].into_iter().flatten() {
        below(folder, report);
    }
    Some(FileTable {
        format: format(written, path, report)?,
        encoding: encoding(written.encoding.as_ref(), report)?,
        decimal_comma: written.decimal.as_ref().is_some_and(|decimal| decimal.value == DecimalW::Comma),
        date_format: written.date_format.as_ref().map(|form| self::form(form, report)),
        datetime_format: written.datetime_format.as_ref().and_then(|form| {
            let Some(zone) = &written.zone else {
                report.add(
                    error("config::missing_key", form.span, "a local time needs `zone`")
                        .help("add zone: Pacific/Auckland"),
                );
                return None;
            };
            Some((self::form(form, report), zone.value))
        }),
        columns: written.columns.iter().flatten().map(|column| column.value.clone()).collect(),
        head: flag(&written.head, true),
        group: written.group.as_ref().and_then(group),
        holds: match written.holds.as_ref().map(|holds| holds.value) {
            Some(HoldsW::Additions) => Holds::Additions,
            None if several => Holds::Additions,
            Some(HoldsW::Everything) | None => Holds::Snapshot,
        },
        steady: steady.unwrap_or(if write { Duration::ZERO } else { STEADY }),
        marker: ready.and_then(|ready| ready.marker.as_ref()).map(|marker| marker.value.clone()),
        done: written.done.as_ref().map(|done| done.value.clone()),
        results: written.results.as_ref().map(|results| results.value.clone()),
        require: Vec::new(),
        write,
        path: path.value.clone(),
    })
}

/// What goes with what.
fn check_table(made: &Resource, table: &FileTable, written: &FileW, report: &Report) {
    let refuse = |span: Span, what: &str, help: &str| report.add(error("config::bad_value", span, what).help(help));
    let several = table.path.contains('*');
    let csv = matches!(table.format, FileFormat::Csv { .. });
    if let (Some(done), false) = (&written.done, several && table.holds == Holds::Additions) {
        refuse(
            done.span,
            "`done` goes with files that come and add records",
            "give a path with `*`, as sales-*.csv; a file that holds everything stays where it is",
        );
    }
    if let Some(results) = &written.results {
        let own = table.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if results.value == own || table.done.as_ref() == Some(&results.value) {
            refuse(
                results.span,
                "results would be taken for records there",
                "give them a folder of their own, as results: results",
            );
        }
        if table.write {
            refuse(results.span, "`results` goes with files that are only read", "remove it, or `write`");
        }
    }
    if let (Some(group), false) = (&written.group, csv) {
        refuse(group.span, "`group` goes with CSV", "remove it: a JSON object can hold its lines itself");
    }
    if csv && !table.head && table.columns.is_empty() {
        refuse(written.span, "a file without a head line needs `columns`", "add columns: [ number, name ]");
    }
    if table.write && (several || table.group.is_some() || table.holds == Holds::Additions) {
        refuse(
            written.span,
            "only one file that holds everything, one record a row, can be written",
            "remove `write`, or `*`, `group` and `holds`",
        );
    }
    if table.write && csv && table.columns.is_empty() {
        refuse(
            written.span,
            "a CSV file that is written needs `columns`, for the time when it is not there yet",
            "add columns: [ id, name ]",
        );
    }
    let id = made.id.names().first().map(|name| (*name).to_owned()).unwrap_or_default();
    if table.group.as_ref().is_some_and(|group| group.columns.contains(&id)) {
        refuse(written.span, "the id is the same on every line of a record", "take it out of `group: columns`");
    }
}

fn group(written: &GroupW) -> Option<Group> {
    let columns = written.columns.as_ref()?.iter().map(|column| column.value.clone()).collect();
    Some(Group { into: written.into.as_ref()?.value.clone(), columns })
}

/// A path below the folder never leads out of it.
fn below(path: &At<String>, report: &Report) {
    let bad = path.value.split('/').any(|part| matches!(part, "" | "." | "..")) || path.value.contains('\\');
    if bad {
        report.add(
            error("config::bad_value", path.span, format!("`{}` is no path below the folder", path.value))
                .help("write the path from the connection's folder, as sales.csv or in/sales-*.csv"),
        );
    }
}

fn format(written: &FileW, path: &At<String>, report: &Report) -> Option<FileFormat> {
    let delimiter = match &written.delimiter {
        None => b',',
        Some(at) => match at.value.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => *byte,
            _ => {
                report.add(
                    error("config::bad_value", at.span, "the delimiter is one ASCII character")
                        .help("write delimiter: \";\" or delimiter: \"\\t\""),
                );
                return None;
            }
        },
    };
    let ending = path.value.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match (written.format.as_ref().map(|format| format.value), ending.as_deref()) {
        (Some(FileFormatW::Csv), _) | (None, Some("csv" | "txt" | "tsv")) => Some(FileFormat::Csv { delimiter }),
        (Some(FileFormatW::JsonLines), _) | (None, Some("jsonl" | "ndjson")) => Some(FileFormat::JsonLines),
        _ => {
            report.add(
                error("config::missing_key", path.span, "its ending does not tell what is in the file")
                    .help("add format: csv or format: json-lines"),
            );
            None
        }
    }
}

fn encoding(written: Option<&At<String>>, report: &Report) -> Option<&'static Encoding> {
    let Some(at) = written else { return Some(encoding_rs::UTF_8) };
    let known = Encoding::for_label(at.value.as_bytes());
    // What is written is UTF-8 in place of these.
    let known = known.filter(|encoding| encoding.output_encoding() == *encoding);
    if known.is_none() {
        report.add(
            error("config::bad_value", at.span, format!("there is no character set `{}` for files", at.value))
                .help("write encoding: windows-1252, iso-8859-15 or utf-8; UTF-16 is known by its mark"),
        );
    }
    known
}

fn form(written: &At<String>, report: &Report) -> String {
    if written.value.is_empty() || StrftimeItems::new(&written.value).any(|item| item == Item::Error) {
        report.add(
            error("config::bad_value", written.span, format!("`{}` is no form of a date", written.value))
                .help("write %d, %m, %Y, %H, %M and %S where they stand: \"%d.%m.%Y\""),
        );
    }
    written.value.clone()
}
