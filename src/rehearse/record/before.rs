//! A record as it was when both sides last agreed: as it is now, with the values that were agreed in their places.

use serde_json::{Value, json};

use crate::{
    config::{Content, Field, Pipeline},
    mapping::{each::restrict, field_cell, same},
    record::{Cell, RecordId, Side},
    sync::{FieldState, Link},
};

/// The record before what happened since the last sync; `None` if it is in no link. What cannot be put back stays as it is now.
pub(super) fn before(linked: &[(&Pipeline, Side, &Link)], id: &RecordId, now: Option<&Value>) -> Option<Value> {
    let (first, side, _) = linked.first()?;
    let mut body = now.cloned().unwrap_or_else(|| {
        let mut body = json!({});
        let _ = first.end(*side).resource.id.write(&mut body, &Cell::from(id.as_str()));
        body
    });
    for (pipeline, side, link) in linked {
        let projection = pipeline.end(*side).spec.read(&body);
        for field in pipeline.fields.iter().filter(|field| !field.end(*side).paths.is_empty()) {
            let Some(state) = link.fields.get(&field.id).filter(|state| state.definition == field.definition) else {
                continue;
            };
            let Some(base) = &state.base else { continue };
            let agreed = &base[side.index()];
            let present = field_cell(field, *side, &projection).unwrap_or_default();
            if !is(field, *side, (&present, agreed), state) {
                put_back(field, *side, agreed, &mut body);
            }
        }
    }
    Some(body)
}

fn is(field: &Field, side: Side, (present, agreed): (&Cell, &Cell), state: &FieldState) -> bool {
    match &field.content {
        Content::Each(_) => same(field, side, &restrict(field, side, present, &state.pairs), agreed),
        Content::Mapped { .. } | Content::Constant(_) => same(field, side, present, agreed),
    }
}

/// A place that cannot be written holds what it holds.
fn put_back(field: &Field, side: Side, cell: &Cell, body: &mut Value) {
    let paths = &field.end(side).paths;
    match (paths.as_slice(), cell) {
        ([path], cell) => drop(path.write(body, cell)),
        (paths, Cell::Value(Value::Array(values))) => {
            for (path, value) in paths.iter().zip(values) {
                let _ = path.write(body, &Cell::Value(value.clone()));
            }
        }
        (paths, _) => paths.iter().for_each(|path| drop(path.write(body, &Cell::Value(Value::Null)))),
    }
}
