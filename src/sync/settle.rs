//! What the remote made of a write.

use super::{Context, Finding, Link, Observation, RecordWrite};
use crate::record::RecordId;

/// A link after a write was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The link to remember.
    pub link: Link,
    /// What is to be listed (not taken, reshaped, expectation).
    pub findings: Vec<Finding>,
    /// There is something left to decide (a value the answer told us): plan this link again.
    pub again: bool,
}

/// The link after an update was answered. `link` is the link as it is remembered now (it may have moved since the
/// plan). `answer` is the written side as the remote answered, or `None` where it answers nothing: then the sent
/// values are believed until the next reading.
#[must_use]
pub fn settle_update(
    _context: &Context<'_>,
    _link: &Link,
    _write: &RecordWrite,
    _answer: Option<&Observation>,
) -> Settled {
    unimplemented!()
}

/// The link after a create was answered with `id`. `origin` is the record it was made from.
#[must_use]
pub fn settle_create(
    _context: &Context<'_>,
    _origin: &Observation,
    _write: &RecordWrite,
    _id: &RecordId,
    _answer: Option<&Observation>,
) -> Settled {
    unimplemented!()
}
