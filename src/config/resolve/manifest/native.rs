//! What collections have in common that are not spoken to over HTTP.

use crate::{
    config::{
        diagnostic::{Report, error},
        source::Span,
        written::{ManifestW, ResourceW},
    },
    connector::{
        AnswerKind, Batch, ChangedSince, Correlate, Deletion, GetOne, List, Manifest, Paging, Resource, SinceFormat,
        SincePlace, VersionHeader, Write,
    },
    record::Path,
};
use std::time::Duration;

use super::entries;

/// A connector speaks one way.
pub(super) fn check(manifest: &Manifest, written: &ManifestW, report: &Report) {
    type Of = fn(&ResourceW) -> bool;
    let ways: [(bool, Of, &str, &str); 3] = [
        (manifest.is_of_files(), |resource| resource.file.is_none(), "in no file", "file"),
        (manifest.is_of_posts(), |resource| resource.inbox.is_none(), "in no inbox", "inbox"),
        (manifest.is_of_tables(), |resource| resource.sql.is_none(), "in no table", "sql"),
    ];
    for (used, lacks, place, key) in ways {
        for entry in entries(written.resources.as_ref()).filter(|entry| used && lacks(&entry.value)) {
            report.add(
                error(
                    "config::bad_value",
                    entry.name.span,
                    format!("`{}` is {place}, and other resources of this connector are", entry.name.value),
                )
                .help(format!("give it `{key}`, or put it into a connector of its own")),
            );
        }
    }
}

/// Whether a resource has no calls, as it should; one that has is told with its place.
pub(super) fn has_no_calls(written: &ResourceW, span: Span, place: &str, help: &str, report: &Report) -> bool {
    let calls = [
        ("list", written.list.is_some()),
        ("get", written.get.is_some()),
        ("create", written.create.is_some()),
        ("update", written.update.is_some()),
        ("delete", written.delete.is_some()),
        ("merged_into", written.merged_into.is_some()),
        ("also", written.also.is_some()),
    ];
    let given = calls.into_iter().find(|(_, given)| *given);
    if let Some((name, _)) = given {
        report.add(
            error("config::bad_value", span, format!("a resource {place} has no `{name}`"))
                .help(format!("remove `{name}`{help}")),
        );
    }
    given.is_none()
}

/// The one listing there is; with an overlap, changes can be asked for.
pub(super) fn list(path: &str, whole: &Path, overlap: Option<Duration>) -> List {
    let changed_since = overlap.map(|overlap| ChangedSince {
        place: SincePlace::Text,
        text: String::new(),
        format: SinceFormat::Rfc3339,
        overlap,
        misses: Vec::new(),
    });
    List {
        path: path.to_owned(),
        query: Vec::new(),
        records: whole.clone(),
        paging: Paging::None,
        empty: None,
        expired: None,
        windows: None,
        changed_since,
        detail: None,
        parents: None,
        deleted: None,
    }
}

/// Reading one record.
pub(super) fn get(path: &str, whole: &Path) -> GetOne {
    GetOne { path: path.to_owned(), record: whole.clone(), missing: None }
}

/// Writing up to `max` records, each with an answer of its own.
pub(super) fn write(path: &str, id: &Path, whole: &Path, method: &str, max: usize) -> Write {
    let guarded = method != "ADD";
    Write {
        method: method.to_owned(),
        path: path.to_owned(),
        only: true,
        replaces: false,
        id_in_body: Some(id.clone()),
        batch: Some(Batch {
            path: None,
            array: None,
            wrap: None,
            constants: Vec::new(),
            correlate: Correlate::Position,
            items: whole.clone(),
            max,
            item_record: whole.clone(),
            ok: None,
            messages: Vec::new(),
        }),
        body: None,
        wrap: None,
        constants: Vec::new(),
        answer: AnswerKind::Body,
        id_header: None,
        read_back: false,
        record: whole.clone(),
        idempotency: None,
        version: guarded.then(|| VersionHeader { header: None, stale: 412, stale_text: None }),
        duplicate: None,
        deletion: (method == "REMOVE").then(Deletion::default),
        member: None,
        firsts: Vec::new(),
    }
}

/// The path of a whole record.
pub(super) fn whole() -> Option<Path> {
    Path::parse("$").ok()
}

/// Nothing but the id and the calls differ.
pub(super) fn one_name(made: &Resource, written: &ResourceW, span: Span, help: &str, report: &Report) -> bool {
    let one = made.id.names().len() == 1;
    if !one {
        let at = written.id.as_ref().map_or(span, |id| id.span);
        report.add(error("config::bad_value", at, "the id of a row is one of its columns").help(help));
    }
    one
}
