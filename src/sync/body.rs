//! The record to send.

use serde_json::{Map, Value};

use super::{Mark, RecordWrite, observe::carried_cell};
use crate::{
    config::{Content, Pipeline},
    mapping,
    record::{Cell, WriteError},
};

/// The body of a write: only the values it writes, at their places, arrays carried whole. `mark` is what was last
/// observed of the written side (`None` for a create).
///
/// # Errors
///
/// When a value cannot be put at its path, or the pipeline no longer has the field.
pub fn body(pipeline: &Pipeline, write: &RecordWrite, mark: Option<&Mark>) -> Result<Value, WriteError> {
    let mut body = Value::Object(Map::new());
    for sent in &write.fields {
        let field = pipeline.fields.iter().find(|field| field.id == sent.field).ok_or_else(|| WriteError {
            path: format!("field {}", sent.field.0),
            message: "the pipeline no longer has this field".to_owned(),
        })?;
        // The value of a list is the whole array already.
        let carried = match field.content {
            Content::Each(_) => None,
            _ => mark.and_then(|mark| carried_cell(pipeline, field, write.side, mark)),
        };
        // What is absent is not sent at all; a value to be cleared is sent as null.
        let null = Cell::Value(Value::Null);
        let value = if sent.value == Cell::Absent { &null } else { &sent.value };
        mapping::put(field, write.side, value, carried, &mut body)?;
    }
    Ok(body)
}
