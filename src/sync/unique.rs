//! Which of several source records of the same value enters (`unique:`).

use rust_decimal::Decimal;

use super::Fresh;
use crate::{
    config::Pipeline,
    record::{Cell, Projection, RecordId, Side},
};

/// Where an unlinked record stands among those of the same value: the least enters, unless one is linked already,
/// which goes before all of these. Values in `order:`, numbers by value and blanks last, then the id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UniqueRank {
    order: Vec<Place>,
    id: RecordId,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Number(Decimal),
    Text(String),
    Blank,
}

/// The value by which source records are told apart, in canonical form; `None` where `unique` is not set, on the
/// target, and for a blank value, which is nobody's double.
#[must_use]
pub fn unique_key(pipeline: &Pipeline, side: Side, projection: &Projection) -> Option<String> {
    let unique = pipeline.unique.as_ref().filter(|_| side == Side::Source)?;
    unique.canon.key(projection.cell(unique.by))
}

/// The rank of an unlinked record under the pipeline's `unique:`. Of records with the same [`unique_key`], those that
/// are linked and those of a lesser rank are the rivals to pass to [`super::decide_new`].
#[must_use]
pub fn unique_rank(pipeline: &Pipeline, side: Side, record: &Fresh) -> UniqueRank {
    let unique = pipeline.unique.as_ref().filter(|_| side == Side::Source);
    let order = unique.map_or(&[][..], |unique| &unique.order);
    UniqueRank {
        order: order.iter().map(|slot| place(record.observation.projection.cell(*slot))).collect(),
        id: record.observation.id.clone(),
    }
}

fn place(cell: &Cell) -> Place {
    match cell.value() {
        Some(value) if !cell.is_blank() => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.parse().map_or(Place::Text(text), Place::Number)
        }
        _ => Place::Blank,
    }
}
