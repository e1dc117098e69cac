//! Text as written to a value of the kind that a field has.

use chrono::{DateTime, NaiveDate};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::{
    config::{
        diagnostic::{Report, error},
        written::{At, Raw},
    },
    record::Kind,
};

/// Every form that the text may stand for. One where the field's kind is known; for a field of unknown kind, text
/// that could also be a number or a truth value stands for both, so that `equals: true` holds for `true` and `"true"`.
pub(crate) fn forms(kind: Kind, raw: &At<Raw>, report: &Report) -> Vec<Value> {
    let text = Value::String(raw.value.text.clone());
    match kind {
        Kind::Any => match typed(&raw.value) {
            Some(value) => vec![value, text],
            None => vec![text],
        },
        _ => one(kind, raw, report).into_iter().collect(),
    }
}

/// The one value to write. In a field of unknown kind, text without quotes that is a number or a truth value in JSON
/// is that; everything else is text.
pub(crate) fn one(kind: Kind, raw: &At<Raw>, report: &Report) -> Option<Value> {
    let text = raw.value.text.as_str();
    let wrong = |wanted: &str, help: &str| {
        report.add(
            error(
                "config::wrong_kind",
                raw.span,
                format!("`{text}` is not {wanted}, and the field holds nothing else"),
            )
            .help(help.to_owned()),
        );
        None
    };
    match kind {
        Kind::Any => Some(typed(&raw.value).unwrap_or_else(|| text.into())),
        Kind::Text | Kind::Id => Some(text.into()),
        Kind::Boolean => match text {
            "true" => Some(true.into()),
            "false" => Some(false.into()),
            _ => wrong("true or false", "write true or false"),
        },
        Kind::Decimal | Kind::Integer => match text.parse::<Decimal>() {
            Ok(number) if kind == Kind::Decimal || number.fract().is_zero() => {
                serde_json::from_str(&number.to_string()).ok()
            }
            _ => wrong("a number", "write digits, as 100 or 0.5"),
        },
        Kind::Date => match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            Ok(_) => Some(text.into()),
            Err(_) => wrong("a date", "write year-month-day: 2026-07-01"),
        },
        Kind::Datetime => match DateTime::parse_from_rfc3339(text) {
            Ok(_) => Some(text.into()),
            Err(_) => wrong("an instant", "write it with a zone: 2026-07-01T08:30:00Z"),
        },
        Kind::Object | Kind::List => wrong("an object or a list", "name a value inside it"),
    }
}

fn typed(raw: &Raw) -> Option<Value> {
    if !raw.plain {
        return None;
    }
    match serde_json::from_str::<Value>(&raw.text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::source::Span;

    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "a table reads better with values")]
    fn check(kind: Kind, text: &str, plain: bool, expected: Option<Value>) {
        let report = Report::default();
        let raw = At { value: Raw { text: text.to_owned(), plain }, span: Span::default() };
        assert_eq!(one(kind, &raw, &report), expected, "{kind:?} {text}");
        assert_eq!(report.errors(), usize::from(expected.is_none()));
    }

    #[test]
    fn text_becomes_what_the_field_holds() {
        for text in ["090", "NO", "y", "1.10", "2026-07-01", "true", "null"] {
            check(Kind::Text, text, true, Some(json!(text)));
        }
        check(Kind::Boolean, "true", true, Some(json!(true)));
        check(Kind::Boolean, "yes", true, None);
        check(Kind::Decimal, "090", true, Some(json!(90)));
        check(Kind::Decimal, "1.10", true, Some(serde_json::from_str("1.10").unwrap()));
        check(Kind::Integer, "1.5", true, None);
        check(Kind::Any, "true", true, Some(json!(true)));
        check(Kind::Any, "true", false, Some(json!("true")));
        check(Kind::Any, "090", true, Some(json!("090")));
        check(Kind::Any, "NO", true, Some(json!("NO")));
        check(Kind::Date, "2026-02-30", true, None);
        check(Kind::Datetime, "2026-02-03", true, None);
    }
}
