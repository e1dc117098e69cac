//! Checks on the remote's own figures.

use rust_decimal::Decimal;

use super::{Finding, FindingKind, Link, ParkCode};
use crate::{
    config::Pipeline,
    record::{Cell, Projection, Side, SlotIndex},
};

/// The checks that do not hold after a write to `written`, which answered with `answer`. The other side's figures are
/// those of `origin`, or as far as the link remembers them. A figure that is missing is not judged.
pub(super) fn check(
    pipeline: &Pipeline,
    link: &Link,
    written: Side,
    answer: &Projection,
    origin: Option<&Projection>,
) -> Vec<Finding> {
    let figure = |side: Side, slot: SlotIndex| {
        if side == written {
            return decimal(answer.cell(slot));
        }
        match origin {
            Some(origin) => decimal(origin.cell(slot)),
            None => decimal(remembered(pipeline, link, side, slot)?),
        }
    };
    pipeline
        .expect
        .iter()
        .filter_map(|expectation| {
            let source = figure(Side::Source, expectation.source)?;
            let target = figure(Side::Target, expectation.target)?;
            let gap = source.checked_sub(target).map(|gap| gap.abs());
            if gap.is_some_and(|gap| gap <= expectation.within) {
                return None;
            }
            let message = format!("{}: {source} on the source, {target} on the target", expectation.name);
            Some(Finding { kind: FindingKind::Parked(ParkCode::Expectation), field: None, message })
        })
        .collect()
}

/// The present value of a slot that is a field of its own.
fn remembered<'l>(pipeline: &Pipeline, link: &'l Link, side: Side, slot: SlotIndex) -> Option<&'l Cell> {
    let field = pipeline.fields.iter().find(|field| field.end(side).slots == [slot])?;
    link.fields.get(&field.id)?.present(side)
}

fn decimal(cell: &Cell) -> Option<Decimal> {
    let value = cell.value()?;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let text = text.trim();
    text.parse().or_else(|_| Decimal::from_scientific(text)).ok()
}
