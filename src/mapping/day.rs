//! The day that a value says.

use chrono::NaiveDate;

use super::Lookups;
use crate::{
    config::CutOver,
    record::{Kind, Projection, time},
};

/// The day of a text: of an instant, the one it is in the integration's time zone. What is declared to be a date is one
/// also where its system writes it as a midnight, whatever zone that names.
pub(super) fn day(kind: Kind, text: &str, lookups: &dyn Lookups) -> Option<NaiveDate> {
    let date = || time::date(text);
    let instant = || time::instant(text).map(|instant| lookups.day(instant.to_utc()));
    if kind == Kind::Date { date().or_else(instant) } else { instant().or_else(date) }
}

/// The day by which the cut-over judges a source record, if it has one. A time that names no zone keeps the day that is
/// written there.
#[must_use]
pub fn cut_over_day(cut_over: &CutOver, source: &Projection, lookups: &dyn Lookups) -> Option<NaiveDate> {
    let text = source.cell(cut_over.slot).as_str()?;
    day(cut_over.kind, text, lookups).or_else(|| text.get(..10)?.parse().ok())
}
