//! Filters: which records may enter.

use chrono::NaiveDate;
use regex::Regex;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::{
    config::PipelineName,
    record::{Canon, SlotIndex},
};

/// A condition over one side's projection.
#[derive(Clone, Debug)]
pub enum Filter {
    /// Every part holds; empty admits everything.
    All(Vec<Filter>),
    /// At least one part holds.
    Any(Vec<Filter>),
    /// The part does not hold.
    Not(Box<Filter>),
    /// A test of one slot.
    Test(Test),
    /// A `JSONPath` predicate, read at pull time into a boolean cell.
    Where(SlotIndex),
    /// A source record of that pipeline which passes its filter points at this record.
    ReferencedBy(PipelineName),
    /// A source record of that pipeline points at this record, and passes its filter or will do so on a day to come.
    AwaitedBy(PipelineName),
}

/// An operator on one slot.
#[derive(Clone, Debug)]
pub struct Test {
    /// The slot, a value or (for `Exists`) a count.
    pub slot: SlotIndex,
    /// The path as written, for messages.
    pub path: String,
    /// How values of this field compare.
    pub canon: Canon,
    /// What must be true of it.
    pub operator: Operator,
}

/// What a test asks of a value.
#[derive(Clone, Debug)]
pub enum Operator {
    /// The same value.
    Equals(Value),
    /// Another value, or none.
    NotEquals(Value),
    /// One of these.
    In(Vec<Value>),
    /// The path hits something (or, if false, nothing).
    Exists(bool),
    /// Nothing a person would call a value (or, if false, something).
    Blank(bool),
    /// A regular expression finds a match in the text.
    Matches(Regex),
    /// A number above this.
    GreaterThan(Decimal),
    /// A number below this.
    LessThan(Decimal),
    /// A date not after this.
    OnOrBefore(DateBound),
    /// A date not before this.
    OnOrAfter(DateBound),
}

/// A day, fixed or moving with the calendar of the integration's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateBound {
    /// A fixed day.
    Day(NaiveDate),
    /// Today plus this many days (may be negative).
    Today(i64),
}
