//! Which records of other pipelines a reading refers to.

use serde_json::Value;

use super::{
    each, field_cell,
    translate::{id_in, stepped},
};
use crate::{
    config::{Content, Field, Reference},
    record::{Cell, Projection, RecordId, Side},
};

/// The records that a reading of `side` refers to by `field`. See [`referred_in`].
#[must_use]
pub fn referred<'f>(field: &'f Field, side: Side, projection: &Projection) -> Vec<(&'f Reference, RecordId)> {
    match field.end(side).slots.as_slice() {
        [slot] => referred_in(field, side, projection.cell(*slot)),
        _ => field_cell(field, side, projection).map_or_else(|_| Vec::new(), |cell| referred_in(field, side, &cell)),
    }
}

/// The records that `cell` of `side` refers to, each by the id that [`super::translate`] looks up: a source's value after
/// the field's steps, a target's before those that lead back. Of a source's list, those of its elements. A value of which
/// the steps make nothing refers to no record.
#[must_use]
pub fn referred_in<'f>(field: &'f Field, side: Side, cell: &Cell) -> Vec<(&'f Reference, RecordId)> {
    match (&field.content, side) {
        (Content::Mapped { join, forward, reference: Some(reference), .. }, Side::Source) => {
            let asked = stepped(join.as_ref(), forward, cell).ok();
            asked.and_then(|asked| id_in(&asked)).map(|id| (reference, id)).into_iter().collect()
        }
        (Content::Mapped { reference: Some(reference), .. }, Side::Target) => {
            id_in(cell).map(|id| (reference, id)).into_iter().collect()
        }
        (Content::Each(each), Side::Source) => {
            let Some(Value::Array(elements)) = cell.value() else { return Vec::new() };
            let mut found = Vec::new();
            for sub in each.fields.iter().filter(|sub| !sub.references().is_empty()) {
                for cell in elements.iter().filter_map(|element| each::read(sub, side, element).ok()) {
                    found.extend(referred_in(sub, side, &cell));
                }
            }
            found
        }
        _ => Vec::new(),
    }
}
