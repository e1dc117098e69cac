//! The call that deletes.

use serde_json::Value;

use super::{calls, entries};
use crate::{
    config::{
        diagnostic::{Report, error},
        nearest::suggest,
        resolve::value,
        written::{AnswerW, At, DeleteCallW, Named, Raw, ResourceW},
    },
    connector::{AnswerKind, BodyIf, Deletion, FieldTable, Write},
    record::Kind,
};

/// Resolves the call that deletes a record of this resource.
pub(super) fn delete(
    written: &DeleteCallW,
    resource: &ResourceW,
    fields: &FieldTable,
    report: &Report,
) -> Option<Write> {
    const FORMS: &str = "write delete: { delete: \"/contacts/{id}\" } or delete: { post: \"/payments/{id}\", body: { Status: DELETED } }";
    let methods =
        [("DELETE", &written.delete), ("POST", &written.post), ("PUT", &written.put), ("PATCH", &written.patch)];
    let given: Vec<_> =
        methods.into_iter().filter_map(|(method, path)| path.as_ref().map(|path| (method, path))).collect();
    let [(method, path)] = given.as_slice() else {
        let message = "a deletion has one of `delete`, `post`, `put` and `patch`";
        report.add(error("config::bad_value", written.span, message).help(FORMS));
        return None;
    };
    let plain = *method == "DELETE";
    if !path.value.contains("{id}") && (plain || written.id_in_body.is_none()) {
        report.add(
            error("config::bad_value", path.span, "a deletion must say which record it means")
                .label("no {id}")
                .help("put {id} into the path, or give id_in_body: $.id to a deletion by `post`, `put` or `patch`"),
        );
    }
    let batch = written.batch.as_ref().and_then(|batch| calls::batch(batch, report));
    calls::check_etag(written.version.as_ref(), batch.as_ref(), report);
    if batch.is_some() && (plain || written.id_in_body.is_none()) {
        report.add(
            error("config::missing_key", written.span, "a batch of deletions needs `id_in_body`, and a body")
                .help("say where an item's id goes: id_in_body: $.id; a plain `delete` takes one record a call"),
        );
    }
    let body = written.body.as_ref();
    if plain && body.is_some() {
        report.add(error("config::misplaced_key", written.span, "a plain `delete` sends no body").help(FORMS));
    }
    if !plain && body.is_none() {
        report.add(error("config::missing_key", written.span, "a deletion by a write needs a `body`").help(FORMS));
    }
    let told = resource.get.as_ref().is_some_and(|get| get.0.missing.is_some());
    if !plain && resource.gone_when.is_none() && !told {
        report.add(
            error("config::missing_key", written.span, "a deletion by a write needs `gone_when` in its resource")
                .help("say how a deleted record is known: gone_when: { path: $.status, equals: deleted }"),
        );
    }
    Some(Write {
        method: (*method).to_owned(),
        path: path.value.clone(),
        only: false,
        replaces: false,
        id_in_body: written.id_in_body.as_ref().map(|path| path.value.clone()),
        batch,
        body: None,
        wrap: written.wrap.as_ref().map(|name| name.value.clone()),
        constants: Vec::new(),
        id_header: None,
        read_back: false,
        answer: match written.answer.as_ref().map(|answer| answer.value) {
            None if plain => AnswerKind::Empty,
            None | Some(AnswerW::Body) => AnswerKind::Body,
            Some(AnswerW::Id) => AnswerKind::Id,
            Some(AnswerW::Empty) => AnswerKind::Empty,
        },
        record: written.record.as_ref().map(|path| path.value.clone()).or_else(calls::whole)?,
        idempotency: written.idempotency.as_ref().and_then(|key| calls::idempotency(key, report)),
        version: written.version.as_ref().map(|version| calls::version(version, report)),
        duplicate: None,
        deletion: Some(deletion(written, fields, report)),
        member: None,
        firsts: Vec::new(),
    })
}

fn deletion(written: &DeleteCallW, fields: &FieldTable, report: &Report) -> Deletion {
    let cases = written.body_if.iter().flat_map(|cases| &cases.0);
    let body_if = cases.filter_map(|case| {
        Some(BodyIf {
            path: case.path.as_ref()?.value.clone(),
            values: calls::values(case.equals.as_ref(), case.is_in.as_ref(), case.span, report),
            body: values(case.body.as_ref(), fields, report),
        })
    });
    let gone = match &written.gone {
        Some(statuses) => statuses.0.iter().map(|at| calls::status(at, report)).collect(),
        None => vec![404, 410],
    };
    Deletion { body: values(written.body.as_ref(), fields, report), body_if: body_if.collect(), gone }
}

/// Values by field, each in the form that the field has.
fn values(written: Option<&Named<At<Raw>>>, fields: &FieldTable, report: &Report) -> Vec<(String, Value)> {
    let mut values = Vec::new();
    for entry in entries(written) {
        let name = &entry.name;
        let kind = match fields.fields.get(&name.value) {
            Some(field) => field.kind(),
            None if fields.open => Kind::Any,
            None => {
                report.add(
                    error("config::unknown_field", name.span, format!("there is no field `{}`", name.value))
                        .maybe_help(suggest(&name.value, fields.fields.keys().map(String::as_str))),
                );
                continue;
            }
        };
        if let Some(value) = value::one(kind, &entry.value, report) {
            values.push((name.value.clone(), value));
        }
    }
    values
}
