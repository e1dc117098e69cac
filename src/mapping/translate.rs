//! One value across.

use rust_decimal::Decimal;
use serde_json::Value;
use thiserror::Error;

use super::{
    Lookups, each,
    key::normalize,
    transform::{apply, decimal, is_normalising, number, text_of, unfit},
};
use crate::{
    config::{Content, Field, Join, PipelineName, Reference, Transform},
    record::{Cell, Kind, Projection, RecordId, Side, WriteError, text},
};

/// Why a value has no counterpart. The field is parked (or waits), never guessed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MapError {
    /// A path that must name one value names several.
    #[error("`{path}` names {count} values; a field needs one")]
    Several {
        /// The path.
        path: String,
        /// How many.
        count: usize,
    },
    /// The table has no such row.
    #[error("table `{table}` has no row for `{key}`")]
    UnknownKey {
        /// The table.
        table: String,
        /// The key.
        key: String,
    },
    /// The value is not of the kind the step needs.
    #[error("`{value}` is not {expected}")]
    Unfit {
        /// The value, shortened.
        value: String,
        /// What was needed: `a number`.
        expected: &'static str,
    },
    /// The referred record is not linked yet.
    #[error("waiting for {pipeline}: {id}")]
    Waiting {
        /// The pipeline that would link it.
        pipeline: PipelineName,
        /// The referred record.
        id: RecordId,
    },
    /// The field does not flow that way.
    #[error("the field has no way back to the source")]
    OneWay,
}

/// The cell of `field` on `side`: the value of its slot, or for several slots an array of their values (null for
/// absent ones), absent if all are blank. A constant's source cell is the constant itself.
///
/// # Errors
///
/// When a path names several values.
pub fn field_cell(field: &Field, side: Side, projection: &Projection) -> Result<Cell, MapError> {
    let end = field.end(side);
    if let (Content::Constant(value), Side::Source) = (&field.content, side) {
        return Ok(Cell::Value(value.clone()));
    }
    if let [slot] = end.slots.as_slice() {
        let cell = projection.cell(*slot);
        return one_value(field, side, 0, cell).map(|()| cell.clone());
    }
    let cells = end.slots.iter().map(|slot| projection.cell(*slot));
    gather(field, side, cells)
}

/// The cells of several paths as one array; absent if all are blank.
pub(super) fn gather<'c>(field: &Field, side: Side, cells: impl Iterator<Item = &'c Cell>) -> Result<Cell, MapError> {
    let (mut values, mut blank) = (Vec::new(), true);
    for (position, cell) in cells.enumerate() {
        one_value(field, side, position, cell)?;
        blank &= cell.is_blank();
        values.push(cell.value().cloned().unwrap_or_default());
    }
    Ok(if blank { Cell::Absent } else { Cell::Value(Value::Array(values)) })
}

fn one_value(field: &Field, side: Side, position: usize, cell: &Cell) -> Result<(), MapError> {
    match cell {
        Cell::Several(count) => {
            let path = field.end(side).paths.get(position).map_or(field.name.as_str(), |path| path.as_str());
            Err(MapError::Several { path: path.to_owned(), count: *count })
        }
        Cell::Absent | Cell::Value(_) => Ok(()),
    }
}

/// What `cell` of the side `from` is on the other side. Not for `each` fields (see [`each::compose`]). Blank stays
/// blank unless a transform says otherwise.
///
/// # Errors
///
/// When it has no counterpart.
pub fn translate(field: &Field, from: Side, cell: &Cell, lookups: &dyn Lookups) -> Result<Cell, MapError> {
    let Content::Mapped { join, forward, backward, reference } = &field.content else {
        return match (&field.content, from) {
            (Content::Constant(value), Side::Source) => Ok(Cell::Value(value.clone())),
            _ => Err(MapError::OneWay),
        };
    };
    one_value(field, from, 0, cell)?;
    let value = match (from, join, backward) {
        (Side::Source, join, _) => {
            refer(field, reference.as_ref(), from, stepped(join.as_ref(), forward, cell)?, lookups)
        }
        (Side::Target, None, Some(backward)) => {
            let value = refer(field, reference.as_ref(), from, cell.clone(), lookups)?;
            backward.iter().try_fold(value, |cell, step| apply(step, cell))
        }
        (Side::Target, _, _) => Err(MapError::OneWay),
    };
    whole(field, from.other(), value?)
}

/// A source's value after its steps on the way to the target; of a reference, the id that is looked up.
pub(super) fn stepped(join: Option<&Join>, forward: &[Transform], cell: &Cell) -> Result<Cell, MapError> {
    let joined = match join {
        Some(join) => joined(join, cell)?,
        None => cell.clone(),
    };
    forward.iter().try_fold(joined, |cell, step| apply(step, cell))
}

/// The id of a record in a cell, if it holds one.
pub(super) fn id_in(cell: &Cell) -> Option<RecordId> {
    match cell.value()? {
        Value::String(id) if !cell.is_blank() => Some(RecordId::from(id.as_str())),
        Value::Number(id) => Some(RecordId::from(id.as_str())),
        _ => None,
    }
}

/// What a side gets that takes whole numbers alone: 3 for `3.0`, and nothing for half a number.
fn whole(field: &Field, to: Side, cell: Cell) -> Result<Cell, MapError> {
    let Cell::Value(value @ (Value::Number(_) | Value::String(_))) = &cell else { return Ok(cell) };
    if field.end(to).canon.kind != Kind::Integer {
        return Ok(cell);
    }
    match decimal(value) {
        Ok(exact) if !exact.fract().is_zero() => Err(unfit(value, "a whole number")),
        Ok(exact) if exact.scale() > 0 => number(Some(exact), value).map(Cell::Value),
        // What is no number at all is for the remote to judge.
        Ok(_) | Err(_) => Ok(cell),
    }
}

/// The parts that are not blank, with the separator between them.
fn joined(join: &Join, cell: &Cell) -> Result<Cell, MapError> {
    let Cell::Value(Value::Array(parts)) = cell else {
        return Ok(cell.clone());
    };
    if join.product {
        return product(parts);
    }
    let mut text = String::new();
    for part in parts.iter().filter(|part| !Cell::Value((*part).clone()).is_blank()) {
        if !text.is_empty() {
            text.push_str(&join.separator);
        }
        text.push_str(&text_of(part)?);
    }
    Ok(if text.is_empty() { Cell::Absent } else { Cell::Value(text.into()) })
}

/// The numbers multiplied; nothing as long as one of them is missing.
fn product(parts: &[Value]) -> Result<Cell, MapError> {
    let mut product = Decimal::ONE;
    for part in parts {
        if Cell::Value(part.clone()).is_blank() {
            return Ok(Cell::Absent);
        }
        product = decimal(part)?.checked_mul(product).ok_or_else(|| unfit(part, "a number that can be multiplied"))?;
    }
    number(Some(product), &Value::Null).map(Cell::Value)
}

/// The id linked to the one in `cell`, if the field is a reference.
fn refer(
    field: &Field,
    reference: Option<&Reference>,
    from: Side,
    cell: Cell,
    lookups: &dyn Lookups,
) -> Result<Cell, MapError> {
    let Some(reference) = reference else {
        return Ok(cell);
    };
    if cell.is_blank() {
        return Ok(cell);
    }
    let Some(id) = id_in(&cell) else {
        return match &cell {
            Cell::Value(other) => Err(unfit(other, "the id of a record")),
            Cell::Absent | Cell::Several(_) => Ok(cell),
        };
    };
    let Some(linked) = lookups.linked(&reference.pipeline, reference.side(from), &id) else {
        return Err(MapError::Waiting { pipeline: reference.pipeline.clone(), id });
    };
    // Ids are kept as text; a side that counts its records wants its number back.
    let number = match field.end(from.other()).canon.kind {
        Kind::Integer | Kind::Decimal => linked.as_str().parse::<serde_json::Number>().ok(),
        _ => None,
    };
    Ok(Cell::Value(number.map_or_else(|| Value::from(linked.as_str()), Value::Number)))
}

/// The target's cell with the field's `unique_suffix` behind it, for when the target already has a record of this
/// value. The value gives way where the target has a maximum length: a suffix that is cut off makes nothing unique.
/// Returned as it is if the field has no suffix.
#[must_use]
pub fn with_unique_suffix(field: &Field, cell: &Cell, source_id: &RecordId) -> Cell {
    let (Content::Mapped { join: Some(Join { unique_suffix: Some(suffix), .. }), .. }, Some(value)) =
        (&field.content, cell.as_str())
    else {
        return cell.clone();
    };
    let suffix = suffix.replace("{id}", source_id.as_str());
    let room = field.end(Side::Target).canon.max.map(|max| max.saturating_sub(suffix.chars().count()));
    let value = room.map_or(value, |room| text::cut(value, room));
    Cell::Value(format!("{value}{suffix}").into())
}

/// Whether two cells of `side` are the same value to this field: under the side's canonical form and the field's own
/// normalising steps. The parts of a joined field compare one by one; the cells of an `each` field are the views that
/// [`each::restrict`] makes.
#[must_use]
pub fn same(field: &Field, side: Side, a: &Cell, b: &Cell) -> bool {
    if a == b {
        return true;
    }
    let steps: &[Transform] = match &field.content {
        Content::Each(each) => return each::same(each, side, a, b),
        Content::Constant(_) => &[],
        Content::Mapped { forward, .. } => normalising(forward, side),
    };
    let canon = &field.end(side).canon;
    if let (true, Some(Value::Array(a)), Some(Value::Array(b))) =
        (field.end(side).slots.len() > 1, a.value(), b.value())
    {
        let same = |(a, b): (&Value, &Value)| canon.same(&Cell::Value(a.clone()), &Cell::Value(b.clone()));
        return a.len() == b.len() && a.iter().zip(b).all(same);
    }
    if steps.is_empty() { canon.same(a, b) } else { canon.same(&normalize(steps, a), &normalize(steps, b)) }
}

/// The normalising steps that stand at this side's end of the mapping: what they take away does not count there.
fn normalising(forward: &[Transform], side: Side) -> &[Transform] {
    let kept = match side {
        Side::Source => {
            let count = forward.iter().take_while(|step| is_normalising(step)).count();
            forward.get(..count)
        }
        Side::Target => {
            let count = forward.iter().rev().take_while(|step| is_normalising(step)).count();
            forward.get(forward.len() - count..)
        }
    };
    kept.unwrap_or_default()
}

/// Puts a cell of `side` into `body` at the field's path. A write into an array starts from `carried`, the array as
/// the remote has it now, so that the rest of it goes back unchanged; what an earlier field put there stays.
///
/// # Errors
///
/// When the place cannot be created.
pub fn put(field: &Field, side: Side, cell: &Cell, carried: Option<&Cell>, body: &mut Value) -> Result<(), WriteError> {
    let [path] = field.end(side).paths.as_slice() else {
        let message = format!("the field has no one path on the {side}");
        return Err(WriteError { path: field.name.clone(), message });
    };
    if let (Some(array), Some(now @ Cell::Value(Value::Array(_)))) = (path.carried_array(), carried)
        && !array.hits(body)
    {
        array.write(body, now)?;
    }
    path.write(body, cell)
}
