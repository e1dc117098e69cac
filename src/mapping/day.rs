//! The day that a value says.

use chrono::NaiveDate;

use super::Lookups;
use crate::record::{Kind, time};

/// The day of a text: of an instant, the one it is in the integration's time zone. What is declared to be a date is one
/// also where its system writes it as a midnight, whatever zone that names.
pub(super) fn day(kind: Kind, text: &str, lookups: &dyn Lookups) -> Option<NaiveDate> {
    let date = || time::date(text);
    let instant = || time::instant(text).map(|instant| lookups.day(instant.to_utc()));
    if kind == Kind::Date { date().or_else(instant) } else { instant().or_else(date) }
}
