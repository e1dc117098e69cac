//! The three-way merge of a linked pair, field by field.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{Finding, Link, Why};
use crate::{
    config::{FieldId, Pipeline, PipelineName},
    mapping::Lookups,
    record::{Cell, RecordId, Side},
};

/// What a decision may know beyond the records themselves.
pub struct Context<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// Links and references of other records, fetched beforehand, and today's date.
    pub lookups: &'a dyn Lookups,
    /// The present instant; only for stamps that are compared under a stated skew.
    pub now: DateTime<Utc>,
}

/// One value to write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldWrite {
    /// The field.
    pub field: FieldId,
    /// The value to write, in the form of the written side.
    pub value: Cell,
    /// The written side's present value (a before-image).
    pub before: Cell,
    /// The other side's value that this was made from.
    pub from: Cell,
    /// Why.
    pub why: Why,
}

/// Everything to write to one record in one go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordWrite {
    /// The side written to.
    pub side: Side,
    /// The record; `None` creates one.
    pub id: Option<RecordId>,
    /// The version it was decided from.
    pub version: Option<String>,
    /// The values, in the order of the pipeline's fields.
    pub fields: Vec<FieldWrite>,
}

/// What to do about a linked pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The link as it should be remembered before anything is written: agreements found moved into the base, fields
    /// parked. Equal to the input (revision included) if nothing moved.
    pub link: Link,
    /// At most one write per side.
    pub writes: Vec<RecordWrite>,
    /// What is not done, and why.
    pub findings: Vec<Finding>,
    /// Linked records it waits for: pipeline, side of the id, id.
    pub waits_for: Vec<(PipelineName, RecordId)>,
    /// A field was never observed on this side: read it in full before deciding.
    pub unread: bool,
    /// The day on which it must be looked at again without any change.
    pub again_on: Option<NaiveDate>,
}

/// Decides about a linked pair.
#[must_use]
pub fn decide_link(_context: &Context<'_>, _link: &Link) -> Decision {
    unimplemented!()
}
