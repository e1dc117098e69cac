//! The steps of a mapping, applied to one value.

use std::borrow::Cow;

use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Number, Value};

use super::MapError;
use crate::{
    config::{Lookup, Transform, UnknownKey},
    record::{Cell, text, time},
};

/// Applies one step. Blank stays as it is, unless the step is a default.
pub(super) fn apply(step: &Transform, cell: Cell) -> Result<Cell, MapError> {
    if cell.is_blank() {
        return Ok(match step {
            Transform::Default(value) => Cell::Value(value.clone()),
            _ => cell,
        });
    }
    let Cell::Value(value) = &cell else {
        return Ok(cell);
    };
    let changed = match step {
        Transform::Trim
        | Transform::Lowercase
        | Transform::Uppercase
        | Transform::CollapseSpaces
        | Transform::Phone => match normalized(step, &cell) {
            Some(text) => Value::String(text),
            None => return Ok(cell),
        },
        Transform::Divide(by) => number(decimal(value)?.checked_div(*by), value)?,
        Transform::Multiply(by) => number(decimal(value)?.checked_mul(*by), value)?,
        Transform::Round(places) => round(value, *places)?,
        Transform::Prefix(prefix) => Value::String(format!("{prefix}{}", text_of(value)?)),
        Transform::Suffix(suffix) => Value::String(format!("{}{suffix}", text_of(value)?)),
        Transform::StripPrefix(prefix) => {
            let text = text_of(value)?;
            let rest = text.strip_prefix(prefix).ok_or_else(|| unfit(value, "text with the prefix in front"))?;
            Value::String(rest.to_owned())
        }
        Transform::StripSuffix(suffix) => {
            let text = text_of(value)?;
            let rest = text.strip_suffix(suffix).ok_or_else(|| unfit(value, "text with the suffix behind"))?;
            Value::String(rest.to_owned())
        }
        Transform::Date(zone) => {
            let text = value.as_str().ok_or_else(|| unfit(value, A_DATE))?;
            // An instant is asked for first: at midnight UTC it is another day elsewhere.
            let date = time::instant(text)
                .map(|instant| instant.with_timezone(zone).date_naive())
                .or_else(|| time::date(text))
                .ok_or_else(|| unfit(value, A_DATE))?;
            Value::String(date.to_string())
        }
        Transform::Replace { pattern, with } => {
            Value::String(pattern.replace_all(&text_of(value)?, with.as_str()).into_owned())
        }
        Transform::Split { on, index } => match text_of(value)?.split(on.as_str()).nth(*index) {
            Some(part) => Value::String(part.to_owned()),
            None => return Ok(Cell::Absent),
        },
        Transform::Truncate(max) => Value::String(text::cut(&text_of(value)?, *max).to_owned()),
        Transform::Default(_) => return Ok(cell),
        Transform::Text => Value::String(text_of(value)?.into_owned()),
        Transform::Number => to_number(value)?,
        Transform::Words { yes, no } => words(value, yes, no)?,
        Transform::Lookup(lookup) => look_up(lookup, value)?,
    };
    Ok(Cell::Value(changed))
}

const A_DATE: &str = "a date, or an instant with its zone";

/// The text that a normalising step makes of a text; `None` for other values and other steps.
pub(super) fn normalized(step: &Transform, cell: &Cell) -> Option<String> {
    let text = cell.as_str()?;
    let normal = match step {
        Transform::Trim => Cow::Borrowed(text.trim()),
        Transform::Lowercase => text::lowercase(text),
        Transform::Uppercase => Cow::Owned(text.to_uppercase()),
        Transform::CollapseSpaces => text::collapse_spaces(text),
        Transform::Phone => text::phone(text),
        _ => return None,
    };
    Some(normal.into_owned())
}

/// Whether the step only takes away differences that do not count, so that the way back is to do nothing.
#[must_use]
pub const fn is_normalising(step: &Transform) -> bool {
    matches!(
        step,
        Transform::Trim | Transform::Lowercase | Transform::Uppercase | Transform::CollapseSpaces | Transform::Phone
    )
}

/// The steps that lead back, or `None` if one of them is lossy.
#[must_use]
pub fn invert(steps: &[Transform]) -> Option<Vec<Transform>> {
    steps.iter().rev().filter(|step| !is_normalising(step)).map(back).collect()
}

fn back(step: &Transform) -> Option<Transform> {
    Some(match step {
        Transform::Divide(by) => Transform::Multiply(*by),
        Transform::Multiply(by) => Transform::Divide(*by),
        Transform::Prefix(prefix) => Transform::StripPrefix(prefix.clone()),
        Transform::StripPrefix(prefix) => Transform::Prefix(prefix.clone()),
        Transform::Suffix(suffix) => Transform::StripSuffix(suffix.clone()),
        Transform::StripSuffix(suffix) => Transform::Suffix(suffix.clone()),
        Transform::Text => Transform::Number,
        Transform::Number => Transform::Text,
        // Told apart by what comes in: truth or word.
        Transform::Words { yes, no } => Transform::Words { yes: yes.clone(), no: no.clone() },
        Transform::Lookup(lookup) => Transform::Lookup(lookup_back(lookup)?),
        _ => return None,
    })
}

/// The way back through a table, if every row has one.
fn lookup_back(lookup: &Lookup) -> Option<Lookup> {
    let (there, back) = rows(lookup);
    if !there.values().all(|value| back.contains_key(value)) {
        return None;
    }
    let unknown = match &lookup.unknown {
        UnknownKey::Keep => UnknownKey::Keep,
        // A value put in for unknown keys says nothing of the key it came from.
        UnknownKey::Park | UnknownKey::Value(_) => UnknownKey::Park,
    };
    Some(Lookup { table: lookup.table.clone(), reversed: !lookup.reversed, unknown })
}

type Rows = std::collections::BTreeMap<String, String>;

/// The rows in the direction of the step, and those of the way back.
fn rows(lookup: &Lookup) -> (&Rows, &Rows) {
    let table = &lookup.table;
    if lookup.reversed { (&table.reverse, &table.rows) } else { (&table.rows, &table.reverse) }
}

fn look_up(lookup: &Lookup, value: &Value) -> Result<Value, MapError> {
    let key = text_of(value)?;
    match (rows(lookup).0.get(key.as_ref()), &lookup.unknown) {
        (Some(found), _) | (None, UnknownKey::Value(found)) => Ok(Value::String(found.clone())),
        (None, UnknownKey::Keep) => Ok(value.clone()),
        (None, UnknownKey::Park) => Err(MapError::UnknownKey { table: lookup.table.name.clone(), key: shorten(&key) }),
    }
}

fn words(value: &Value, yes: &str, no: &str) -> Result<Value, MapError> {
    let word = |truth: bool| Value::from(if truth { yes } else { no });
    let text = match value {
        Value::Bool(truth) => return Ok(word(*truth)),
        other => text_of(other)?,
    };
    let text = text.trim();
    if text == yes || text == no {
        return Ok(Value::Bool(text == yes));
    }
    // Xero documents its booleans as text.
    match () {
        () if text.eq_ignore_ascii_case("true") => Ok(word(true)),
        () if text.eq_ignore_ascii_case("false") => Ok(word(false)),
        () if text.eq_ignore_ascii_case(yes) || text.eq_ignore_ascii_case(no) => {
            Ok(Value::Bool(text.eq_ignore_ascii_case(yes)))
        }
        () => Err(unfit(value, "true, false or one of the two words")),
    }
}

/// A value as text: text itself, or the text of a number or a truth.
pub(super) fn text_of(value: &Value) -> Result<Cow<'_, str>, MapError> {
    match value {
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Number(number) => Ok(Cow::Borrowed(number.as_str())),
        Value::Bool(truth) => Ok(Cow::Borrowed(if *truth { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(unfit(value, "text")),
    }
}

/// A number or numeric text as an exact decimal.
pub(super) fn decimal(value: &Value) -> Result<Decimal, MapError> {
    let text = match value {
        Value::Number(number) => number.as_str(),
        Value::String(text) => text.trim(),
        _ => return Err(unfit(value, "a number")),
    };
    // The crate also takes underscores, which nobody means.
    let written = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    let parsed = match text.contains(['e', 'E']) {
        _ if !written || text.len() > 60 => None,
        true => Decimal::from_scientific(text).ok(),
        false => Decimal::from_str_exact(text).ok(),
    };
    parsed.ok_or_else(|| unfit(value, "a number of at most 28 digits"))
}

/// The result of a calculation as a JSON number, without zeros at its end.
pub(super) fn number(result: Option<Decimal>, from: &Value) -> Result<Value, MapError> {
    let result = result.ok_or_else(|| unfit(from, "a number that can be calculated with"))?;
    json_number(&result.normalize().to_string()).ok_or_else(|| unfit(from, "a number"))
}

fn json_number(text: &str) -> Option<Value> {
    text.parse::<Number>().ok().map(Value::Number)
}

fn round(value: &Value, places: u32) -> Result<Value, MapError> {
    let number = decimal(value)?;
    if number.scale() <= places && value.is_number() {
        return Ok(value.clone());
    }
    let rounded = number.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    json_number(&rounded.to_string()).ok_or_else(|| unfit(value, "a number"))
}

fn to_number(value: &Value) -> Result<Value, MapError> {
    match value {
        Value::Number(_) => Ok(value.clone()),
        // Kept as it is written where JSON allows that (`1.10`), else as the number it means (`007`, `+1`).
        Value::String(text) => match json_number(text.trim()) {
            Some(number) => Ok(number),
            None => number(Some(decimal(value)?), value),
        },
        _ => Err(unfit(value, "a number")),
    }
}

pub(super) fn unfit(value: &Value, expected: &'static str) -> MapError {
    let text = match value {
        Value::String(text) => shorten(text),
        other => shorten(&other.to_string()),
    };
    MapError::Unfit { value: text, expected }
}

/// At most 60 characters, for messages.
pub(super) fn shorten(text: &str) -> String {
    let cut = text::cut(text, 60);
    if cut.len() < text.len() { format!("{cut}…") } else { text.to_owned() }
}
