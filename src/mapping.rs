//! Mapping: what the value of one side is on the other, and which records may enter.
//!
//! Pure: cells in, cells out. Looking up a linked record is a question to the [`Lookups`] the caller brings.

mod day;
pub mod each;
mod elements;
mod filter;
mod key;
mod partly;
mod referred;
mod transform;
mod translate;

#[cfg(test)]
mod tests;

pub use day::cut_over_day;
pub use elements::{Element, Expanded, Fault, element_id, expand, parent_of, prefix};
pub use filter::{Verdict, admit};
pub use key::{match_key, normalize};
pub use partly::{Partly, admit_partly};
pub use referred::{referred, referred_in};
pub use transform::{invert, is_normalising};
pub use translate::{MapError, field_cell, put, same, translate, with_unique_suffix};

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    config::PipelineName,
    record::{RecordId, Side},
};

/// What mapping needs to know of the world beyond one record. All answers are fetched before planning begins.
pub trait Lookups: Send + Sync {
    /// The id on the other side of the record `id` that `pipeline` links, where `side` says which side `id` is on.
    fn linked(&self, pipeline: &PipelineName, side: Side, id: &RecordId) -> Option<RecordId>;

    /// Whether a record of `pipeline` that passes its filter points at the record `id`; `None` as long as that
    /// pipeline has not been read in full once.
    fn referenced(&self, pipeline: &PipelineName, id: &RecordId) -> Option<bool>;

    /// The present day in the integration's time zone.
    fn today(&self) -> NaiveDate;

    /// The day of an instant in the integration's time zone. Unless told otherwise, in UTC.
    fn day(&self, instant: DateTime<Utc>) -> NaiveDate {
        instant.date_naive()
    }
}
