//! Bodies, and what answers say apart from their status.

use super::{calls, entries};
use crate::{
    config::{
        diagnostic::{Report, error},
        resolve::value,
        written::{At, BodyMapW, BodyWordW, MatchW, OneOrMany},
    },
    connector::{AnswerMatch, Bodies, BodyKind, XmlRules},
    record::Kind,
};

/// How bodies are written.
pub(super) fn bodies(written: &BodyMapW, report: &Report) -> Bodies {
    let read = match &written.read {
        Some(word) if word.value == BodyWordW::Form => {
            report.add(
                error("config::bad_value", word.span, "answers are not read as forms")
                    .help("write body: { read: json, write: form }"),
            );
            BodyKind::Json
        }
        Some(word) => kind(word.value),
        None => BodyKind::Json,
    };
    let write = match &written.write {
        Some(word) => request_kind(word, report),
        None if read == BodyKind::Csv => BodyKind::Json,
        None => read,
    };
    let lists = entries(written.lists.as_ref()).map(|entry| (entry.name.value.clone(), entry.value.value.clone()));
    let repeated = written.repeated.iter().flatten().map(|name| name.value.clone());
    Bodies { read, write, xml: XmlRules { lists: lists.collect(), repeated: repeated.collect() } }
}

/// The kind of a request's body.
pub(super) fn request_kind(word: &At<BodyWordW>, report: &Report) -> BodyKind {
    if word.value == BodyWordW::Csv {
        report.add(error("config::bad_value", word.span, "requests are not written as CSV").help("json, xml or form"));
        return BodyKind::Json;
    }
    kind(word.value)
}

const fn kind(word: BodyWordW) -> BodyKind {
    match word {
        BodyWordW::Json => BodyKind::Json,
        BodyWordW::Xml => BodyKind::Xml,
        BodyWordW::Form => BodyKind::Form,
        BodyWordW::Csv => BodyKind::Csv,
    }
}

/// Several conditions.
pub(super) fn matches(written: Option<&OneOrMany<MatchW>>, report: &Report) -> Vec<AnswerMatch> {
    written.into_iter().flat_map(|many| &many.0).filter_map(|one| answer_match(one, report)).collect()
}

/// A condition on an answer.
pub(super) fn answer_match(written: &MatchW, report: &Report) -> Option<AnswerMatch> {
    const FORMS: &str = "write { status: 403, text: RateLimit } or { path: $.Status, not_equals: OK }";
    let values: Vec<_> = written.equals.iter().chain(written.is_in.iter().flatten()).collect();
    let named = !values.is_empty() || written.not_equals.is_some();
    if written.status.is_none() && written.path.is_none() && written.text.is_none() && written.keys.is_empty() {
        report.add(error("config::bad_value", written.span, "this fits every answer").help(FORMS));
        return None;
    }
    if let Some((key, span)) = written.nulls.first() {
        report.add(
            error("config::bad_value", *span, format!("`{key}` stands for nothing")).label("no value").help(FORMS),
        );
        return None;
    }
    if named && written.path.is_none() {
        report
            .add(error("config::missing_key", written.span, "a value needs `path`, the place to look at").help(FORMS));
        return None;
    }
    let not = written.not_equals.is_some();
    let values = values.into_iter().chain(&written.not_equals);
    Some(AnswerMatch {
        statuses: written.status.iter().flat_map(|many| &many.0).map(|status| calls::status(status, report)).collect(),
        path: written.path.as_ref().map(|path| path.value.clone()),
        values: values.flat_map(|raw| value::forms(Kind::Any, raw, report)).collect(),
        not,
        text: written.text.as_ref().map(|pattern| pattern.value.clone()),
    })
}
