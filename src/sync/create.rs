//! Creating the counterpart of a record.

use super::{
    Context, FieldWrite, Finding, FindingKind, Fresh, FreshDecision, ParkCode, RecordWrite, Why, calls,
    fresh::{leave, skip},
    view::{blank, observed, writable},
};
use crate::{
    config::{Content, Field, PipelineName},
    connector::Also,
    mapping::{self, MapError},
    record::{Cell, RecordId, Side},
};

/// The record to create for `record` of `side`, complete or not at all: a value without a counterpart parks it.
pub(super) fn create(context: &Context<'_>, side: Side, record: &Fresh) -> FreshDecision {
    let to = side.other();
    let mut fields = Vec::new();
    let mut waits = Vec::new();
    for field in context.pipeline.fields.iter().filter(|field| writable(context.pipeline, field, to)) {
        let from = observed(field, side, &record.observation.projection);
        if let Some(also) = calls::own(context.pipeline, field, to) {
            // The rest of it goes by its own call, once there is a record.
            match first_of(context, field, also, &from) {
                Ok(Some([from, value])) => {
                    fields.push(FieldWrite { field: field.id, value, before: Cell::Absent, from, why: Why::Created });
                }
                Ok(None) if also.first.is_some() => {
                    waits.extend(mapping::each::left_out(field, &from, context.lookups));
                }
                Ok(None) => {}
                Err(MapError::Waiting { pipeline, id }) => waits.push((pipeline, id)),
                Err(error) => {
                    let message = format!("{}: {error}", field.name);
                    return leave(FindingKind::Parked(ParkCode::Unmappable), message);
                }
            }
            continue;
        }
        match value(context, side, record, field, &from) {
            Ok(value) if blank(field, to, &value) => {}
            Ok(value) => {
                fields.push(FieldWrite { field: field.id, value, before: Cell::Absent, from, why: Why::Created });
            }
            Err(MapError::Waiting { pipeline, id }) => waits.push((pipeline, id)),
            Err(error) => {
                let message = format!("{}: {error}", field.name);
                return leave(FindingKind::Parked(ParkCode::Unmappable), message);
            }
        }
    }
    if let Some(waiting) = waiting(waits) {
        return waiting;
    }
    if fields.is_empty() {
        return skip(format!("has no value that could be written on the {to}"));
    }
    FreshDecision::Create(RecordWrite { side: to, id: None, version: None, fields, delete: false })
}

/// The first element of a list that a new record takes no more of.
fn first_of(context: &Context<'_>, field: &Field, also: &Also, from: &Cell) -> Result<Option<[Cell; 2]>, MapError> {
    match field.content {
        Content::Each(_) if also.first.is_some() => mapping::each::first(field, from, context.lookups),
        _ => Ok(None),
    }
}

/// What `from` is on the other side.
fn value(context: &Context<'_>, side: Side, record: &Fresh, field: &Field, from: &Cell) -> Result<Cell, MapError> {
    if let Cell::Several(count) = from {
        let path = field.end(side).paths.first().map_or(field.name.as_str(), |path| path.as_str());
        return Err(MapError::Several { path: path.to_owned(), count: *count });
    }
    let value = match &field.content {
        Content::Constant(constant) => Cell::Value(constant.clone()),
        Content::Each(_) if side == Side::Target => return Err(MapError::OneWay),
        Content::Each(_) => mapping::each::compose(field, from, None, None, &[], context.lookups)?.array,
        Content::Mapped { .. } => mapping::translate(field, side, from, context.lookups)?,
    };
    Ok(match side {
        Side::Source if record.suffixed => mapping::with_unique_suffix(field, &value, &record.observation.id),
        _ => value,
    })
}

/// A record that refers to others which are not linked yet.
fn waiting(waits: Vec<(PipelineName, RecordId)>) -> Option<FreshDecision> {
    let (pipeline, _) = waits.first()?;
    let kind = FindingKind::Waiting(pipeline.clone());
    let names: Vec<_> = waits.iter().map(|(pipeline, id)| format!("{pipeline}: {id}")).collect();
    let finding = Finding { kind, field: None, message: format!("waiting for {}", names.join(", ")) };
    Some(FreshDecision::Leave { finding, candidates: Vec::new(), waits_for: waits, again_on: None })
}
