//! Records: JSON objects with an id, read and written at paths.
//!
//! A record is never compared whole. A pipeline reads it at its own paths, once, into a [`Projection`]: a row of
//! [`Cell`]s, one per [`Slot`] of the pipeline's [`ProjectionSpec`]. From there on matching, merging and filtering
//! work on cells alone, so the planner needs no JSON and no path again. Cells are compared under the [`Canon`] that
//! the connector's manifest declares for the field: what a system cannot keep apart is no difference.

mod canon;
mod cell;
mod ids;
pub(crate) mod number;
mod path;
mod projection;
pub mod text;
pub mod time;

pub use canon::{Canon, Kind};
pub use cell::Cell;
pub use ids::{RecordId, Side};
pub use path::{Path, PathError, WriteError};
pub use projection::{Projection, ProjectionSpec, Slot, SlotIndex};
