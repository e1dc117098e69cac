//! The calls that a manifest describes.

use serde_json::Value;

use super::{answers, entries};
use crate::{
    config::{
        diagnostic::{Report, error},
        resolve::value,
        source::Span,
        written::{AnswerW, At, BatchW, CorrelateW, IdempotencyW, Named, Raw, VersionW, WriteCallW},
    },
    connector::{AnswerKind, Batch, Correlate, Idempotency, ItemOk, KeyPlace, VersionHeader, Write},
    record::{Kind, Path},
};

/// `$`, the whole of an answer.
pub(super) fn whole() -> Option<Path> {
    Path::parse("$").ok()
}

pub(in crate::config::resolve) fn pairs(named: Option<&Named<At<String>>>) -> Vec<(String, String)> {
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
    let replaces = written.replaces.as_ref().filter(|replaces| replaces.value);
    if let (Some(flag), true) = (replaces, create) {
        report.add(
            error("config::misplaced_key", flag.span, "a new record replaces nothing")
                .help("put replaces: true under `update`"),
        );
    }
    let only = if create { &written.only_creates } else { &written.only_updates };
    Some(Write {
        method: (*method).to_owned(),
        path: path.value.clone(),
        only: only.as_ref().is_some_and(|only| only.value),
        replaces: replaces.is_some(),
        id_in_body: written.id_in_body.as_ref().map(|path| path.value.clone()),
        batch,
        body: written.body.as_ref().map(|body| answers::request_kind(body, report)),
        wrap: written.wrap.as_ref().map(|name| name.value.clone()),
        constants: constants(written.constants.as_ref(), report),
        id_header: written.id_header.as_ref().map(|name| name.value.clone()),
        read_back: written.read_back.as_ref().is_some_and(|read| read.value),
        answer: match written.answer.as_ref().map(|answer| answer.value) {
            None | Some(AnswerW::Body) => AnswerKind::Body,
            Some(AnswerW::Id) => AnswerKind::Id,
            Some(AnswerW::Empty) => AnswerKind::Empty,
        },
        record: written.record.as_ref().map(|path| path.value.clone()).or_else(whole)?,
        idempotency: written.idempotency.as_ref().and_then(|key| idempotency(key, report)),
        version: written.version.as_ref().map(|version| self::version(version, report)),
        duplicate: written.duplicate.as_ref().map(|pattern| pattern.value.clone()),
        deletion: None,
        member: None,
        firsts: Vec::new(),
    })
}

/// Values by their paths.
fn constants(written: Option<&Named<At<Raw>>>, report: &Report) -> Vec<(Path, Value)> {
    let constant = |entry: &crate::config::written::Entry<At<Raw>>| {
        let text = &entry.name.value;
        let plain = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
        let path = Path::parse(&match text.starts_with('$') {
            true => text.clone(),
            false if plain => format!("$.{text}"),
            false => format!("$['{text}']"),
        });
        match path {
            Ok(path) => Some((path, value::one(Kind::Any, &entry.value, report)?)),
            Err(cause) => {
                report.add(
                    error("config::bad_path", entry.name.span, format!("`{text}` names no place: {cause}"))
                        .help("write the name of a member, or its path: { sparse: true } or { $.a.b: 1 }"),
                );
                None
            }
        }
    };
    entries(written).filter_map(constant).collect()
}

pub(super) fn idempotency(written: &IdempotencyW, report: &Report) -> Option<Idempotency> {
    let place = match (&written.header, &written.param) {
        (Some(header), None) => KeyPlace::Header(header.value.clone()),
        (None, Some(param)) => KeyPlace::Param(param.value.clone()),
        _ => {
            report.add(
                error("config::bad_value", written.span, "either `header` or `param` says where the key goes")
                    .help("write { header: Idempotency-Key, max: 64, keeps: 24h } or { param: requestid, max: 50, keeps: 24h }"),
            );
            return None;
        }
    };
    Some(Idempotency {
        place,
        max: usize::try_from(written.max.as_ref()?.value).ok()?,
        keeps: written.keeps.as_ref()?.value,
    })
}

pub(super) fn version(written: &VersionW, report: &Report) -> VersionHeader {
    let etag = written.from.as_ref().filter(|from| from.value.0.is_none());
    if let (Some(from), None) = (etag, &written.header) {
        report.add(
            error("config::missing_key", from.span, "a version from the ETag header goes back in a header")
                .label("in which?")
                .help("write version: { header: If-Match, from: etag }"),
        );
    }
    VersionHeader {
        header: written.header.as_ref().map(|header| header.value.clone()),
        stale_text: written.stale_text.as_ref().map(|pattern| pattern.value.clone()),
        stale: written.stale.as_ref().map_or(412, |at| status(at, report)),
    }
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

fn correlate(written: &BatchW, report: &Report) -> Correlate {
    let Some(word) = &written.correlate else { return Correlate::Position };
    match (word.value, &written.key) {
        (CorrelateW::Position, _) => Correlate::Position,
        (CorrelateW::Number, Some(key)) => Correlate::Number(key.value.clone()),
        (CorrelateW::Field, Some(key)) => Correlate::Field(key.value.clone()),
        (CorrelateW::ObjectKey, Some(key)) => Correlate::ObjectKey(key.value.clone()),
        (_, None) => {
            report.add(
                error("config::missing_key", word.span, "this way to tell the items apart needs `key`")
                    .label("by what?")
                    .help("write correlate: number, key: $.bId, or correlate: field, key: $.code"),
            );
            Correlate::Position
        }
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
        wrap: written.wrap.as_ref().map(|name| name.value.clone()),
        constants: constants(written.constants.as_ref(), report),
        correlate: correlate(written, report),
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
