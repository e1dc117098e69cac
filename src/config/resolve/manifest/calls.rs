//! The calls that a manifest describes.

use std::time::Duration;

use serde_json::Value;

use super::entries;
use crate::{
    config::{
        diagnostic::{Report, error},
        nearest::suggest,
        resolve::value,
        source::Span,
        written::{
            AnswerW, At, BatchW, ChangedSinceW, GetMapW, IdempotencyW, ListW, Named, PageKindW, PageW, Raw, SinceW,
            VersionW, WriteCallW,
        },
    },
    connector::{
        AnswerKind, Batch, ChangedSince, FieldTable, GetOne, Idempotency, ItemOk, List, PageEnd, Paging, SinceFormat,
        SincePlace, VersionHeader, Write,
    },
    record::{Kind, Path},
};

/// `$`, the whole of an answer.
pub(super) fn whole() -> Option<Path> {
    Path::parse("$").ok()
}

pub(super) fn pairs(named: Option<&Named<At<String>>>) -> Vec<(String, String)> {
    entries(named).map(|entry| (entry.name.value.clone(), entry.value.value.clone())).collect()
}

pub(super) fn status(written: &At<u32>, report: &Report) -> u16 {
    u16::try_from(written.value).ok().filter(|status| (100..600).contains(status)).unwrap_or_else(|| {
        report.add(
            error("config::bad_value", written.span, format!("{} is no HTTP status", written.value))
                .help("write 100 to 599"),
        );
        429
    })
}

/// The values of `equals` and `in`.
pub(super) fn values(
    equals: Option<&At<Raw>>,
    is_in: Option<&Vec<At<Raw>>>,
    span: Span,
    report: &Report,
) -> Vec<Value> {
    let written: Vec<&At<Raw>> = equals.into_iter().chain(is_in.into_iter().flatten()).collect();
    if written.is_empty() {
        report.add(
            error("config::missing_key", span, "`equals` or `in` is missing")
                .help("write { path: $.status, equals: deleted }"),
        );
    }
    written.into_iter().flat_map(|raw| value::forms(Kind::Any, raw, report)).collect()
}

pub(super) fn list(written: &ListW, fields: &FieldTable, report: &Report) -> Option<List> {
    let paging = match &written.page {
        Some(page) => paging(page, report)?,
        None => Paging::None,
    };
    Some(List {
        path: written.get.as_ref()?.value.clone(),
        query: pairs(written.query.as_ref()),
        records: written.records.as_ref().map(|path| path.value.clone()).or_else(whole)?,
        paging,
        changed_since: written.changed_since.as_ref().and_then(|since| changed_since(since, fields, report)),
    })
}

fn paging(written: &PageW, report: &Report) -> Option<Paging> {
    let need = |given: bool, key: &str| {
        if !given {
            report.add(
                error("config::missing_key", written.span, format!("this kind of paging needs `{key}`"))
                    .help("write { kind: number, param: page, size: { param: per_page, value: 100 }, end: short-page } or { kind: cursor, param: cursor, next: $.next }"),
            );
        }
        given.then_some(())
    };
    let size =
        written.size.as_ref().and_then(|size| Some((size.param.as_ref()?.value.clone(), size.value.as_ref()?.value)));
    match written.kind.as_ref()?.value {
        PageKindW::None => Some(Paging::None),
        PageKindW::Number => {
            need(written.param.is_some(), "param")?;
            let end = if let Some(path) = written.end.as_ref().and_then(|end| end.0.page_count.as_ref()) {
                PageEnd::PageCount(path.value.clone())
            } else {
                need(size.is_some(), "size")?;
                PageEnd::ShortPage
            };
            Some(Paging::Number { param: written.param.as_ref()?.value.clone(), size, end })
        }
        PageKindW::Cursor => {
            need(written.param.is_some(), "param")?;
            need(written.next.is_some(), "next")?;
            let (param, next) = (written.param.as_ref()?.value.clone(), written.next.as_ref()?.value.clone());
            Some(Paging::Cursor { param, next, size })
        }
    }
}

fn changed_since(written: &ChangedSinceW, fields: &FieldTable, report: &Report) -> Option<ChangedSince> {
    let place = match (&written.param, &written.header) {
        (Some(param), None) => SincePlace::Param(param.value.clone()),
        (None, Some(header)) => SincePlace::Header(header.value.clone()),
        _ => {
            report.add(
                error("config::bad_value", written.span, "either `param` or `header` says where the instant goes")
                    .help("write { param: updated_since } or { header: If-Modified-Since }"),
            );
            return None;
        }
    };
    let misses = written.misses.as_deref().unwrap_or_default();
    for missed in misses {
        let first = missed.value.split('.').next().unwrap_or_default();
        if !fields.open && !fields.fields.contains_key(first) {
            report.add(
                error("config::unknown_field", missed.span, format!("there is no field `{}`", missed.value))
                    .maybe_help(suggest(first, fields.fields.keys().map(String::as_str))),
            );
        }
    }
    Some(ChangedSince {
        place,
        format: match written.format.as_ref().map(|format| format.value) {
            None | Some(SinceW::Rfc3339) => SinceFormat::Rfc3339,
            Some(SinceW::IsoSeconds) => SinceFormat::IsoSeconds,
            Some(SinceW::EpochSeconds) => SinceFormat::EpochSeconds,
        },
        overlap: written.overlap.as_ref().map_or(Duration::ZERO, |overlap| overlap.value),
        misses: misses.iter().map(|missed| missed.value.clone()).collect(),
    })
}

pub(super) fn get(written: &GetMapW) -> Option<GetOne> {
    Some(GetOne {
        path: written.path.as_ref()?.value.clone(),
        record: written.record.as_ref().map(|path| path.value.clone()).or_else(whole)?,
    })
}

pub(super) fn write(written: &WriteCallW, create: bool, report: &Report) -> Option<Write> {
    let methods = [("POST", &written.post), ("PUT", &written.put), ("PATCH", &written.patch)];
    let given: Vec<_> =
        methods.into_iter().filter_map(|(method, path)| path.as_ref().map(|path| (method, path))).collect();
    let [(method, path)] = given.as_slice() else {
        report.add(
            error("config::bad_value", written.span, "a write has one of `post`, `put` and `patch`")
                .help("write create: { post: /contacts } or update: { patch: \"/contacts/{id}\" }"),
        );
        return None;
    };
    let batch = written.batch.as_ref().and_then(|batch| self::batch(batch, report));
    check_etag(written.version.as_ref(), batch.as_ref(), report);
    if !create && !path.value.contains("{id}") && written.id_in_body.is_none() {
        report.add(
            error("config::bad_value", path.span, "an update must say which record it means")
                .label("no {id}")
                .help("put {id} into the path, or give id_in_body: $.id"),
        );
    }
    if !create && batch.is_some() && written.id_in_body.is_none() {
        report.add(
            error("config::missing_key", written.span, "a batch of updates needs `id_in_body`")
                .help("say where an item's id goes: id_in_body: $.id"),
        );
    }
    let only = if create { &written.only_creates } else { &written.only_updates };
    Some(Write {
        method: (*method).to_owned(),
        path: path.value.clone(),
        only: only.as_ref().is_some_and(|only| only.value),
        id_in_body: written.id_in_body.as_ref().map(|path| path.value.clone()),
        batch,
        answer: match written.answer.as_ref().map(|answer| answer.value) {
            None | Some(AnswerW::Body) => AnswerKind::Body,
            Some(AnswerW::Id) => AnswerKind::Id,
            Some(AnswerW::Empty) => AnswerKind::Empty,
        },
        record: written.record.as_ref().map(|path| path.value.clone()).or_else(whole)?,
        idempotency: written.idempotency.as_ref().and_then(idempotency),
        version: written.version.as_ref().and_then(|version| self::version(version, report)),
        duplicate: written.duplicate.as_ref().map(|pattern| pattern.value.clone()),
        deletion: None,
    })
}

pub(super) fn idempotency(written: &IdempotencyW) -> Option<Idempotency> {
    Some(Idempotency {
        header: written.header.as_ref()?.value.clone(),
        max: usize::try_from(written.max.as_ref()?.value).ok()?,
        keeps: written.keeps.as_ref()?.value,
    })
}

pub(super) fn version(written: &VersionW, report: &Report) -> Option<VersionHeader> {
    Some(VersionHeader {
        header: written.header.as_ref()?.value.clone(),
        stale: written.stale.as_ref().map_or(412, |at| status(at, report)),
    })
}

/// One header cannot guard several records, and an `ETag` is in no record.
pub(super) fn check_etag(version: Option<&VersionW>, batch: Option<&Batch>, report: &Report) {
    let from = version.and_then(|version| version.from.as_ref()).filter(|from| from.value.0.is_none());
    if let (Some(from), Some(_)) = (from, batch) {
        report.add(
            error("config::bad_value", from.span, "a version from the ETag header guards one record a call")
                .label("and this call takes a batch")
                .help("remove `batch`, or take the version from the record, as $.version"),
        );
    }
}

pub(super) fn batch(written: &BatchW, report: &Report) -> Option<Batch> {
    let max = written.max.as_ref()?;
    if max.value == 0 {
        report
            .add(error("config::bad_value", max.span, "a batch of 0 records writes nothing").help("write at least 1"));
    }
    let array = written.array.as_ref().map(|array| array.value.clone());
    let default_items =
        || Path::parse(&array.as_ref().map_or_else(|| "$".to_owned(), |array| format!("$.{array}"))).ok();
    Some(Batch {
        path: written.path.as_ref().map(|path| path.value.clone()),
        items: written.items.as_ref().map(|path| path.value.clone()).or_else(default_items)?,
        array,
        max: usize::try_from(max.value).ok()?,
        item_record: written.record.as_ref().map(|path| path.value.clone()).or_else(whole)?,
        ok: written.ok.as_ref().and_then(|ok| {
            let values = values(ok.equals.as_ref(), ok.is_in.as_ref(), ok.span, report);
            Some(ItemOk { path: ok.path.as_ref()?.value.clone(), values })
        }),
        messages: written
            .messages
            .as_ref()
            .map(|paths| paths.0.iter().map(|p| p.value.clone()).collect())
            .unwrap_or_default(),
    })
}
