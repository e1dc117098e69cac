//! Lists mapped element by element (`each:`), from the source to the target.
//!
//! Elements of the two sides belong together by a pair of keys. The target's key is made by the remote, so a pair is
//! learned from the answer to the write that created its element, and kept in the link. Two views of a list keep apart
//! what is ours and what is not:
//!
//! - [`restrict`] reduces a list to its mapped values, the target's to the elements that are paired. Bases and
//!   comparisons are made of these, so a line that an accountant added, or an unmapped property, is no difference.
//! - [`compose`] makes the whole list to write: the target's elements as they are, the mapped values in them changed.
//!
//! A base counts per element and value: what did not change on the source since leaves the target's value as it is,
//! and [`rebase`] keeps such a value at what was agreed, so that an edit of the target stays one.
//!
//! Only the way to the target exists; the order of elements is not mapped.

mod base;
mod pairs;
mod view;
mod waiting;

#[cfg(test)]
mod tests;

pub use base::rebase;
pub use pairs::{adopt, holds, learn};
pub use view::{restrict, same};
pub use waiting::{arrives, first, left_out};

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Lookups, MapError, put, transform::unfit, translate, translate::gather};
use crate::{
    config::{Blanks, Content, Each, Field, Removes, WriteWhen},
    record::{Canon, Cell, Kind, Path, Side},
};

/// The keys of two elements that belong together. Kept in the link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElementPair {
    /// The key on the source.
    pub source: String,
    /// The key on the target; `None` if the element was sent and the answer did not tell which one it became.
    pub target: Option<String>,
}

/// A list made ready to be written to the target.
#[derive(Clone, Debug, PartialEq)]
pub struct Composed {
    /// The whole list.
    pub array: Cell,
    /// For each of its elements the key of its source element; `None` for those that are not ours.
    pub order: Vec<Option<String>>,
    /// Whether it differs from what the target has.
    pub changed: bool,
}

/// The list that makes the target agree with `source`: elements that the target has now (`present`) stay in their
/// order with all that is not mapped, mapped values are changed where they differ, elements of the source that are not
/// paired are added at the end, without a key unless it is one of the mapped values. What the source does not have is
/// kept unless the field `removes`; what refers to a record that is not linked yet is left out where the field says so.
///
/// With a `base` (both lists when they last agreed) a value of an element that is in both of its lists is only brought
/// across if it changed on the source since; without one every value is.
///
/// With `present` absent (the record is being created, or the target was not read) elements are written from scratch,
/// under their keys where those are known.
///
/// # Errors
///
/// When a value has no counterpart, an element has no key or two have the same, or it cannot be told whether the
/// target has an element already.
pub fn compose(
    field: &Field,
    source: &Cell,
    present: Option<&Cell>,
    base: Option<&[Cell; 2]>,
    pairs: &[ElementPair],
    lookups: &dyn Lookups,
) -> Result<Composed, MapError> {
    let each = of(field)?;
    let wanted = keyed(each, source)?;
    let now = elements(present.unwrap_or(&Cell::Absent))?;
    let adopted;
    let pairs = if present.is_some() && pairs.iter().any(|pair| pair.target.is_none()) {
        adopted = pairs::adopt_sent(each, source, now, pairs, lookups)?;
        adopted.as_slice()
    } else {
        pairs
    };
    let by_source: HashMap<&str, &ElementPair> = pairs.iter().map(|pair| (pair.source.as_str(), pair)).collect();
    let by_target: HashMap<&str, &ElementPair> =
        pairs.iter().filter_map(|pair| Some((pair.target.as_deref()?, pair))).collect();
    let origins: HashMap<&str, &Value> = wanted.iter().map(|(key, origin)| (key.as_str(), *origin)).collect();
    let named = waiting::named(each, &wanted, &by_source, lookups)?;
    let base = base.map(|base| base::Agreed::new(each, base));

    let mut composed = Composed { array: Cell::Absent, order: Vec::new(), changed: false };
    let (mut array, mut done, mut foreign) = (Vec::new(), HashSet::new(), false);
    for element in now {
        let own = key(&each.target_key, element);
        let owner = own.as_deref().and_then(|own| by_target.get(own)).map(|pair| pair.source.as_str());
        let owner = owner.or_else(|| named.get(own.as_deref()?).copied());
        match owner.and_then(|owner| origins.get_key_value(owner)) {
            // Two elements of the target cannot stand for one of the source: the first does.
            Some((key, origin)) if done.insert(*key) => {
                let mut element = element.clone();
                let since = base.as_ref().and_then(|base| base.element(key, own.as_deref()));
                composed.changed |= match update(each, origin, since.map(|[source, _]| source), &mut element, lookups) {
                    Err(MapError::Waiting { .. }) if each.leaves_out => false,
                    updated => updated?,
                };
                array.push(element);
                composed.order.push(Some((*key).to_owned()));
            }
            _ if each.removes == Removes::All || (each.removes == Removes::Ours && owner.is_some()) => {
                composed.changed = true;
            }
            _ => {
                foreign |= owner.is_none();
                array.push(element.clone());
                composed.order.push(owner.map(str::to_owned));
            }
        }
    }
    for (key, origin) in wanted.iter().filter(|(key, _)| !done.contains(key.as_str())) {
        let pair = by_source.get(key.as_str());
        if foreign && pair.is_some_and(|pair| pair.target.is_none()) {
            return Err(MapError::Unfit {
                value: key.clone(),
                expected: "the key of an element that can be told from the others on the target",
            });
        }
        let Some(mut element) = waiting::made(each, origin, lookups)? else { continue };
        if let (None, Some(known)) = (present, pair.and_then(|pair| pair.target.as_deref())) {
            // A plain value is its own key.
            if !each.target_key.is_whole() {
                let written = each.target_key.write(&mut element, &known.into());
                written.map_err(|_| unfit(&element, "an element with a key"))?;
            }
        }
        array.push(element);
        composed.order.push(Some(key.clone()));
        composed.changed = true;
    }
    composed.array = Cell::Value(Value::Array(array));
    Ok(composed)
}

/// Brings the mapped values, but those that are as in `since`, into an element of the target. Whether that changed it.
fn update(
    each: &Each,
    origin: &Value,
    since: Option<&Value>,
    element: &mut Value,
    lookups: &dyn Lookups,
) -> Result<bool, MapError> {
    let mut changed: Vec<&str> = Vec::new();
    for sub in each.fields.iter().filter(|sub| sub.flow.writes(Side::Target) && sub.write != WriteWhen::OnCreate) {
        if since.is_some_and(|since| base::unchanged(sub, since, origin)) {
            continue;
        }
        let value = translate(sub, Side::Source, &read(sub, Side::Source, origin)?, lookups)?;
        let now = read(sub, Side::Target, element)?;
        let keep = match sub.write {
            WriteWhen::IfBlank => !now.is_blank(),
            WriteWhen::Always | WriteWhen::OnCreate => value.is_blank() && sub.blanks == Blanks::Keep,
        };
        if !keep && !super::same(sub, Side::Target, &now, &value) {
            set(sub, &value, element)?;
            changed.extend(sub.end(Side::Target).paths.iter().filter_map(|path| path.names().first().copied()));
        }
    }
    if let Some(element) = element.as_object_mut() {
        let stale = each.derived.iter().filter(|(_, from)| from.iter().any(|name| changed.contains(&name.as_str())));
        for (name, _) in stale.filter(|(name, _)| !changed.contains(&name.as_str())) {
            element.remove(name);
        }
    }
    Ok(!changed.is_empty())
}

/// A new element for the target, without a key.
fn create(each: &Each, origin: &Value, lookups: &dyn Lookups) -> Result<Value, MapError> {
    let mut element = Value::Object(Map::new());
    for sub in each.fields.iter().filter(|sub| sub.flow.writes(Side::Target)) {
        let value = translate(sub, Side::Source, &read(sub, Side::Source, origin)?, lookups)?;
        if !value.is_blank() {
            set(sub, &value, &mut element)?;
        }
    }
    Ok(element)
}

fn set(sub: &Field, value: &Cell, element: &mut Value) -> Result<(), MapError> {
    // A plain value is an element as a whole.
    if let (Cell::Value(value), true) = (value, is_plain(sub)) {
        element.clone_from(value);
        return Ok(());
    }
    put(sub, Side::Target, value, None, element).map_err(|_| unfit(element, "an element with a place for each value"))
}

/// Whether the elements of the target are plain values, not objects.
fn is_plain(sub: &Field) -> bool {
    sub.end(Side::Target).paths.iter().any(Path::is_whole)
}

/// The cell of a sub-field in an element.
pub(super) fn read(sub: &Field, side: Side, element: &Value) -> Result<Cell, MapError> {
    if let (Content::Constant(value), Side::Source) = (&sub.content, side) {
        return Ok(Cell::Value(value.clone()));
    }
    if let [path] = sub.end(side).paths.as_slice() {
        return match path.read(element) {
            Cell::Several(count) => Err(MapError::Several { path: path.as_str().to_owned(), count }),
            cell => Ok(cell),
        };
    }
    let cells: Vec<Cell> = sub.end(side).paths.iter().map(|path| path.read(element)).collect();
    gather(sub, side, cells.iter())
}

fn of(field: &Field) -> Result<&Each, MapError> {
    match &field.content {
        Content::Each(each) => Ok(each),
        Content::Mapped { .. } | Content::Constant(_) => Err(MapError::OneWay),
    }
}

/// The elements of a list; none if it is blank.
fn elements(cell: &Cell) -> Result<&[Value], MapError> {
    match cell {
        Cell::Value(Value::Array(items)) => Ok(items),
        Cell::Value(value) if !cell.is_blank() => Err(unfit(value, "a list")),
        Cell::Several(count) => Err(MapError::Unfit { value: format!("{count} values"), expected: "one list" }),
        Cell::Absent | Cell::Value(_) => Ok(&[]),
    }
}

/// The elements of the source with their keys, which must differ.
fn keyed<'c>(each: &Each, source: &'c Cell) -> Result<Vec<(String, &'c Value)>, MapError> {
    let (mut keyed, mut known) = (Vec::new(), HashSet::new());
    for element in elements(source)? {
        let key = key(&each.source_key, element).ok_or_else(|| unfit(element, "an element with a key"))?;
        if !known.insert(key.clone()) {
            return Err(MapError::Unfit { value: key, expected: "a key that only one element has" });
        }
        keyed.push((key, element));
    }
    Ok(keyed)
}

/// The key of an element, as text.
fn key(path: &Path, element: &Value) -> Option<String> {
    match path.read(element) {
        Cell::Several(_) => None,
        cell => Canon { kind: Kind::Id, ..Canon::default() }.key(&cell),
    }
}
