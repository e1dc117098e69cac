//! One value across.

use serde_json::Value;
use thiserror::Error;

use super::Lookups;
use crate::{
    config::{Field, PipelineName, Transform},
    record::{Cell, Projection, RecordId, Side, WriteError},
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
/// absent ones). A constant's source cell is the constant itself.
///
/// # Errors
///
/// When a path names several values.
pub fn field_cell(_field: &Field, _side: Side, _projection: &Projection) -> Result<Cell, MapError> {
    unimplemented!()
}

/// What `cell` of the side `from` is on the other side. Not for `each` fields. Blank stays blank unless a transform
/// says otherwise.
///
/// # Errors
///
/// When it has no counterpart.
pub fn translate(_field: &Field, _from: Side, _cell: &Cell, _lookups: &dyn Lookups) -> Result<Cell, MapError> {
    unimplemented!()
}

/// Whether two cells of `side` are the same value to this field: under the side's canonical form and the field's own
/// normalising steps.
#[must_use]
pub fn same(_field: &Field, _side: Side, _a: &Cell, _b: &Cell) -> bool {
    unimplemented!()
}

/// Puts a cell of `side` into `body` at the field's path. A write into an array starts from `carried`, the array as
/// the remote has it now, so that the rest of it goes back unchanged.
///
/// # Errors
///
/// When the place cannot be created.
pub fn put(
    _field: &Field,
    _side: Side,
    _cell: &Cell,
    _carried: Option<&Cell>,
    _body: &mut Value,
) -> Result<(), WriteError> {
    unimplemented!()
}

/// The steps that lead back, or `None` if one of them is lossy.
#[must_use]
pub fn invert(_steps: &[Transform]) -> Option<Vec<Transform>> {
    unimplemented!()
}
