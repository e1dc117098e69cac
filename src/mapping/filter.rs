//! Filters admit records.

use chrono::NaiveDate;

use super::Lookups;
use crate::{
    config::{Filter, PipelineName},
    record::{Projection, RecordId},
};

/// Whether a record may enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Admitted,
    /// It may not.
    Rejected {
        /// The condition that does not hold, for people: `IsCustomer is not true`.
        reason: String,
        /// The first day on which time alone may change the answer.
        until: Option<NaiveDate>,
    },
    /// Not known yet.
    Unknown {
        /// The pipeline that has not been read in full.
        waits_for: PipelineName,
    },
}

/// Whether the record `id` with this projection passes `filter`.
#[must_use]
pub fn admit(_filter: &Filter, _id: &RecordId, _projection: &Projection, _lookups: &dyn Lookups) -> Verdict {
    unimplemented!()
}
