//! The record to send.

use serde_json::Value;

use super::{Mark, RecordWrite};
use crate::{config::Pipeline, record::WriteError};

/// The body of a write: only the values it writes, at their places, arrays carried whole. `mark` is what was last
/// observed of the written side (`None` for a create).
///
/// # Errors
///
/// When a value cannot be put at its path.
pub fn body(_pipeline: &Pipeline, _write: &RecordWrite, _mark: Option<&Mark>) -> Result<Value, WriteError> {
    unimplemented!()
}
