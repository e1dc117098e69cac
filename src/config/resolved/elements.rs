//! A source whose records are the elements of other records (`each:` on a source).

use crate::record::Path;

/// What makes several records of one. Their paths begin with `$.parent` or `$.item`.
#[derive(Clone, Debug)]
pub struct Elements {
    /// What there is an element of.
    pub each: EachElement,
    /// What tells the elements of one parent apart, beside the id of the parent.
    pub id: Vec<Path>,
}

/// What stands for one record each.
#[derive(Clone, Debug)]
pub enum EachElement {
    /// The values at a path of the parent.
    List(Path),
    /// Dates: `$.item.date` and `$.item.index`, which counts from 1.
    Dates(Dates),
}

/// A row of dates.
#[derive(Clone, Debug)]
pub struct Dates {
    /// Path of the first, in the parent.
    pub first: Path,
    /// How far apart.
    pub every: Interval,
    /// How many.
    pub count: Count,
    /// Where a month has no such day: its last day, or else the first of the month after.
    pub last_day: bool,
}

/// A number of days or months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// Days.
    Days(u32),
    /// Calendar months, counted from the first date.
    Months(u32),
}

/// How many.
#[derive(Clone, Debug)]
pub enum Count {
    /// So many.
    Number(u32),
    /// As many as the number at this path of the parent.
    Path(Path),
}
