//! Filters.

use super::{At, OneOrMany, Raw, written};
use crate::record::Path;

written! {
    /// Which records may enter.
    FiltersW as "filters" {
        /// Which source records may be linked or created on the target.
        may source: OneOrMany<FilterW>,
        /// Which target records may be linked or created on the source.
        may target: OneOrMany<FilterW>,
    }
}

written! {
    /// A condition: a path with one operator (two for a range), or a condition made of others.
    FilterW as "a filter" {
        /// What to look at.
        may path: At<Path>,
        /// The same value, as text as written.
        may equals: At<Raw>,
        /// Another value, or none.
        may not_equals: At<Raw>,
        /// One of these.
        may is_in ["in"]: Vec<At<Raw>>,
        /// Whether the path is there.
        may exists: At<bool>,
        /// Whether there is nothing a person would call a value.
        may blank: At<bool>,
        /// A regular expression that finds something.
        may matches: At<regex::Regex>,
        /// A number above this.
        may greater_than: At<rust_decimal::Decimal>,
        /// A number below this.
        may less_than: At<rust_decimal::Decimal>,
        /// A date not after this: 2026-07-01, today, today+7d.
        may on_or_before: At<String>,
        /// A date not before this: 2026-07-01, today, today-30d.
        may on_or_after: At<String>,
        /// At least one of these.
        may any: Vec<FilterW>,
        /// All of these.
        may all: Vec<FilterW>,
        /// Not this.
        may not: Box<FilterW>,
        /// A `JSONPath` predicate.
        may is_where ["where"]: At<String>,
        /// A source record of that pipeline, which passes its filter, points here.
        may referenced_by: At<String>,
        /// A source record of that pipeline points here, and passes its filter or will do so on a day to come.
        may awaited_by: At<String>,
    }
}
