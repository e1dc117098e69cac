//! The part of a list that is mapped.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{ElementPair, key, of, read};
use crate::{
    config::{Content, Each, Field, Removes, WriteWhen},
    record::{Cell, Side},
};

/// The mapped view of a list, for bases and comparisons: an element per key of the source, in the order of keys, with
/// the cells of its mapped values. Of the target only paired elements are in it, unless the field `removes` the
/// others. A cell that is not a list is returned as it is, a blank one as absent.
#[must_use]
pub fn restrict(field: &Field, side: Side, cell: &Cell, pairs: &[ElementPair]) -> Cell {
    let (Ok(each), Cell::Value(Value::Array(items))) = (of(field), cell) else {
        return if cell.is_blank() { Cell::Absent } else { cell.clone() };
    };
    let by_target: HashMap<&str, &ElementPair> =
        pairs.iter().filter_map(|pair| Some((pair.target.as_deref()?, pair))).collect();
    let mut rows: Vec<(String, Value)> = Vec::new();
    for item in items {
        let own = match side {
            Side::Source => key(&each.source_key, item),
            Side::Target => key(&each.target_key, item),
        };
        let name = match (side, own) {
            (Side::Source, own) => own.unwrap_or_default(),
            (Side::Target, own) => {
                match own.as_deref().and_then(|own| by_target.get(own)) {
                    Some(pair) => pair.source.clone(),
                    // A NUL keeps what is not ours apart from every key of the source.
                    None if each.removes == Removes::All => format!("\0{}", own.unwrap_or_default()),
                    None => continue,
                }
            }
        };
        let values: Vec<Value> = viewed(each, side).map(|sub| store(&cell_of(sub, side, item))).collect();
        rows.push((name, Value::Array(values)));
    }
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    if rows.is_empty() {
        return Cell::Absent;
    }
    Cell::Value(rows.into_iter().map(|(key, values)| json!({ "key": key, "values": values })).collect())
}

/// Whether two mapped views (made by [`restrict`]) of `side` are the same, each value under its own field's canonical
/// form.
#[must_use]
pub fn same(each: &Each, side: Side, a: &Cell, b: &Cell) -> bool {
    if a == b || a.is_blank() && b.is_blank() {
        return true;
    }
    let (Cell::Value(Value::Array(a)), Cell::Value(Value::Array(b))) = (a, b) else {
        return false;
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_row(each, side, a, b))
}

fn same_row(each: &Each, side: Side, a: &Value, b: &Value) -> bool {
    if a.get("key") != b.get("key") {
        return false;
    }
    let values = |row: &Value| row.get("values").and_then(Value::as_array).cloned();
    let (Some(a), Some(b)) = (values(a), values(b)) else {
        return false;
    };
    let subs: Vec<&Field> = viewed(each, side).collect();
    a.len() == subs.len()
        && b.len() == subs.len()
        && subs
            .iter()
            .zip(a.iter().zip(&b))
            .all(|(sub, (a, b))| a == b || crate::mapping::same(sub, side, &restore(a), &restore(b)))
}

/// The sub-fields whose values count on `side`: those that flow to the target after an element was created.
pub(super) fn viewed(each: &Each, side: Side) -> impl Iterator<Item = &Field> {
    each.fields.iter().filter(move |sub| {
        let counts = match sub.write {
            WriteWhen::Always => true,
            WriteWhen::OnCreate => false,
            WriteWhen::IfBlank => side == Side::Source,
        };
        let constant = matches!((&sub.content, side), (Content::Constant(_), Side::Source));
        counts && !constant && sub.flow.writes(Side::Target)
    })
}

fn cell_of(sub: &Field, side: Side, element: &Value) -> Cell {
    match read(sub, side, element) {
        Ok(cell) => cell,
        Err(crate::mapping::MapError::Several { count, .. }) => Cell::Several(count),
        Err(_) => Cell::Absent,
    }
}

/// A cell as it is stored: no value, one, or the number of several.
fn store(cell: &Cell) -> Value {
    match cell {
        Cell::Absent => json!([]),
        Cell::Value(value) => Value::Array(vec![value.clone()]),
        Cell::Several(count) => json!([null, count]),
    }
}

fn restore(stored: &Value) -> Cell {
    match stored.as_array().map(Vec::as_slice) {
        Some([value]) => Cell::Value(value.clone()),
        Some([_, count]) => Cell::Several(count.as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(2)),
        _ => Cell::Absent,
    }
}
