//! Checks on figures that each system works out by itself: a total that is not as on the other side is told until it is.

use rust_decimal::Decimal;

use super::{Finding, FindingKind, Link, ParkCode};
use crate::{
    config::{Expectation, Pipeline},
    record::{Cell, Projection, Side, SlotIndex},
};

/// The checks that do not hold, by the figures that were read last. A figure that is missing is not judged.
pub(super) fn check(pipeline: &Pipeline, link: &Link) -> Vec<Finding> {
    pipeline
        .expect
        .iter()
        .filter_map(|expectation| {
            let [source, target] = link.figures.get(&expectation.name)?;
            let (source, target) = (decimal(source)?, decimal(target)?);
            let gap = source.checked_sub(target).map(|gap| gap.abs());
            if gap.is_some_and(|gap| gap <= expectation.within) {
                return None;
            }
            let message = format!("{}: {source} on the source, {target} on the target", expectation.name);
            Some(Finding { kind: FindingKind::Parked(ParkCode::Expectation), field: None, message })
        })
        .collect()
}

/// Remembers the figures of one side; whether one of them is another than before.
pub(super) fn remember(pipeline: &Pipeline, link: &mut Link, side: Side, projection: &Projection) -> bool {
    let known = link.figures.len();
    link.figures.retain(|name, _| pipeline.expect.iter().any(|expectation| expectation.name == *name));
    let mut moved = link.figures.len() != known;
    for expectation in &pipeline.expect {
        let figure = projection.cell(slot(expectation, side));
        let both = link.figures.entry(expectation.name.clone()).or_default();
        if both[side.index()] != *figure {
            both[side.index()] = figure.clone();
            moved = true;
        }
    }
    moved
}

/// The figures of a side are not known any more: it was written to, and did not say what came of it.
pub(super) fn forget(link: &mut Link, side: Side) {
    for both in link.figures.values_mut() {
        both[side.index()] = Cell::Absent;
    }
}

/// Whether every check of the pipeline has its figure of this side.
pub(super) fn up_to_date(pipeline: &Pipeline, link: &Link, side: Side) -> bool {
    let known = |expectation: &Expectation| {
        link.figures.get(&expectation.name).is_some_and(|both| !both[side.index()].is_absent())
    };
    link.figures.len() == pipeline.expect.len() && pipeline.expect.iter().all(known)
}

const fn slot(expectation: &Expectation, side: Side) -> SlotIndex {
    match side {
        Side::Source => expectation.source,
        Side::Target => expectation.target,
    }
}

fn decimal(cell: &Cell) -> Option<Decimal> {
    let value = cell.value()?;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let text = text.trim();
    text.parse().or_else(|_| Decimal::from_scientific(text)).ok()
}
