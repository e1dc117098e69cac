//! Whether a record holds what was sent.
//!
//! What a create of unknown outcome made is looked for by what it sent. A remote may keep that in a form of its own
//! (capitals, no blanks, other separators), and without the answer nobody was told of it; so a create's values are looked
//! for by their letters and digits.

use serde_json::Value;

use crate::{
    config::{Content, Field, Pipeline},
    mapping::{each, field_cell, same},
    record::{Cell, Projection, Side},
    sync::{FieldWrite, RecordWrite},
};

/// Whether a reading of `side` holds every value of a write, as the remote is known to keep them.
pub(super) fn holds(pipeline: &Pipeline, side: Side, projection: &Projection, write: &RecordWrite) -> bool {
    write.fields.iter().all(|sent| holds_one(pipeline, side, projection, sent, same))
}

/// Whether a reading of `side` holds every value of a create, in whatever form.
pub(super) fn holds_alike(pipeline: &Pipeline, side: Side, projection: &Projection, write: &RecordWrite) -> bool {
    write.fields.iter().all(|sent| resembles(pipeline, side, projection, sent))
}

/// Whether a reading of `side` holds this value, in whatever form.
fn resembles(pipeline: &Pipeline, side: Side, projection: &Projection, sent: &FieldWrite) -> bool {
    holds_one(pipeline, side, projection, sent, |field, side, a, b| same(field, side, a, b) || alike(a, b))
}

/// Whether a record may be what a create made, edited since: it holds one of the values that were sent and tell anything.
/// Where no value tells anything, or one is not read any more because the configuration was edited, any record may be it.
pub(super) fn may_come_of(pipeline: &Pipeline, side: Side, projection: &Projection, write: &RecordWrite) -> bool {
    let is_read = |sent: &FieldWrite| pipeline.fields.iter().any(|field| field.id == sent.field);
    if write.fields.iter().any(|sent| !sent.value.is_blank() && !is_read(sent)) {
        return true;
    }
    let mut told = write.fields.iter().filter(|sent| tells_apart(pipeline, sent)).peekable();
    told.peek().is_none() || told.any(|sent| resembles(pipeline, side, projection, sent))
}

/// Whether a value that was sent says anything about which record it was sent for: blanks and constants do not.
pub(super) fn tells_apart(pipeline: &Pipeline, sent: &FieldWrite) -> bool {
    let field = pipeline.fields.iter().find(|field| field.id == sent.field);
    !sent.value.is_blank() && field.is_some_and(|field| !matches!(field.content, Content::Constant(_)))
}

fn holds_one(
    pipeline: &Pipeline,
    side: Side,
    projection: &Projection,
    sent: &FieldWrite,
    same: impl Fn(&Field, Side, &Cell, &Cell) -> bool,
) -> bool {
    let Some(field) = pipeline.fields.iter().find(|field| field.id == sent.field) else { return true };
    if let (Content::Each(_), Side::Target) = (&field.content, side) {
        return field_cell(field, side, projection).is_ok_and(|got| each::holds(field, &sent.value, &got));
    }
    matches!(field.content, Content::Each(_))
        || field.end(side).masked
        || field_cell(field, side, projection).is_ok_and(|cell| same(field, side, &sent.value, &cell))
}

/// The same letters and digits in the same order, at least one.
fn alike(a: &Cell, b: &Cell) -> bool {
    let (Some(Value::String(a)), Some(Value::String(b))) = (a.value(), b.value()) else { return false };
    let plain =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let (a, b) = (plain(a), plain(b));
    !a.is_empty() && a == b
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn letters_and_digits_make_values_alike() {
        let cell = |value: Value| Cell::Value(value);
        for (a, b, expected) in [
            ("021 345-678", "021345678", true),
            (" Jane ", "JANE", true),
            ("Ärger", "ÄRGER", true),
            ("Jane", "Joan", false),
            ("--", "..", false),
        ] {
            assert_eq!(alike(&cell(json!(a)), &cell(json!(b))), expected, "{a} {b}");
        }
        assert!(!alike(&Cell::Absent, &Cell::Absent) && !alike(&cell(json!(1)), &cell(json!("1"))));
    }
}
