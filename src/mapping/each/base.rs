//! What two lists agreed on, element by element.

use std::collections::HashMap;

use serde_json::Value;

use super::{ElementPair, elements, key, of, read, set, view::viewed};
use crate::{
    config::{Each, Field},
    record::{Cell, Side},
};

/// The elements of both lists of a base, by their keys.
pub(super) struct Agreed<'b>([HashMap<String, &'b Value>; 2]);

impl<'b> Agreed<'b> {
    pub fn new(each: &Each, base: &'b [Cell; 2]) -> Self {
        Self(Side::BOTH.map(|side| by_key(each, side, &base[side.index()])))
    }

    /// The element with these keys, source and target; `None` unless both lists have it.
    pub fn element(&self, source: &str, target: Option<&str>) -> Option<[&'b Value; 2]> {
        Some([*self.0[0].get(source)?, *self.0[1].get(target?)?])
    }
}

/// The target's list of the next base, when `source` was brought to `target` as [`super::compose`] does it with this
/// `base`: the values that did not change on the source are those agreed before, whatever the target has there now.
#[must_use]
pub fn rebase(field: &Field, base: &[Cell; 2], source: &Cell, target: &Cell, pairs: &[ElementPair]) -> Cell {
    let (Ok(each), Cell::Value(Value::Array(items))) = (of(field), target) else {
        return target.clone();
    };
    let agreed = Agreed::new(each, base);
    let origins = by_key(each, Side::Source, source);
    let mut items = items.clone();
    for item in &mut items {
        let own = key(&each.target_key, item);
        let Some(pair) = pairs.iter().find(|pair| pair.target.is_some() && pair.target == own) else { continue };
        let (Some(origin), Some([since, there])) =
            (origins.get(&pair.source), agreed.element(&pair.source, own.as_deref()))
        else {
            continue;
        };
        for sub in viewed(each, Side::Target).filter(|sub| unchanged(sub, since, origin)) {
            if let (Ok(old), Ok(now)) = (read(sub, Side::Target, there), read(sub, Side::Target, item))
                && !crate::mapping::same(sub, Side::Target, &old, &now)
            {
                // What was read from such an element can be written into one.
                let _ = set(sub, &old, item);
            }
        }
    }
    Cell::Value(Value::Array(items))
}

/// Whether a value of the source is the same in two states of an element.
pub(super) fn unchanged(sub: &Field, since: &Value, now: &Value) -> bool {
    match (read(sub, Side::Source, since), read(sub, Side::Source, now)) {
        (Ok(since), Ok(now)) => crate::mapping::same(sub, Side::Source, &since, &now),
        _ => false,
    }
}

fn by_key<'c>(each: &Each, side: Side, cell: &'c Cell) -> HashMap<String, &'c Value> {
    let path = match side {
        Side::Source => &each.source_key,
        Side::Target => &each.target_key,
    };
    elements(cell).unwrap_or_default().iter().filter_map(|element| Some((key(path, element)?, element))).collect()
}
