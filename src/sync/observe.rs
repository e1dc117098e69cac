//! Laying a reading beside what is remembered.

use super::{Link, Observation};
use crate::{config::Pipeline, record::Side};

/// What a reading told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing new; the link is untouched.
    Nothing,
    /// Something to remember (version, carried array), nothing to decide.
    Noted,
    /// A value to decide about.
    Moved,
}

/// Lays a reading of `side` beside the link: a value that differs from this side's base becomes pending, one that is
/// back at the base is no longer pending. Never moves a base. `own_write` says that the reading is the answer to our
/// own write, whose stamp is nobody's edit.
pub fn observe(
    _pipeline: &Pipeline,
    _link: &mut Link,
    _side: Side,
    _observation: &Observation,
    _own_write: bool,
) -> Change {
    unimplemented!()
}
