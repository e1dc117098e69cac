//! Elements that refer to records which are not linked yet, left out of a list until they are (`unlinked: leave-out`).

use std::collections::HashMap;

use serde_json::Value;

use super::{ElementPair, compose, create, elements, key, keyed, of};
use crate::{
    config::{Each, Field, PipelineName},
    mapping::{Lookups, MapError},
    record::{Cell, RecordId},
};

/// The element for the target; `None` if it is left out for now.
pub(super) fn made(each: &Each, origin: &Value, lookups: &dyn Lookups) -> Result<Option<Value>, MapError> {
    match create(each, origin, lookups) {
        Ok(element) => Ok(Some(element)),
        Err(MapError::Waiting { .. }) if each.leaves_out => Ok(None),
        Err(error) => Err(error),
    }
}

/// Elements of the source without a pair whose counterparts have keys already, because the key is a mapped value: by
/// that key. Where the target has such an element, it is theirs.
pub(super) fn named<'w>(
    each: &Each,
    wanted: &'w [(String, &Value)],
    paired: &HashMap<&str, &ElementPair>,
    lookups: &dyn Lookups,
) -> Result<HashMap<String, &'w str>, MapError> {
    let mapped = each.fields.iter().flat_map(|sub| &sub.ends[1].paths).any(|path| *path == each.target_key);
    let mut named = HashMap::new();
    for (source, origin) in wanted.iter().filter(|(source, _)| mapped && !paired.contains_key(source.as_str())) {
        if let Some(own) = made(each, origin, lookups)?.and_then(|element| key(&each.target_key, &element)) {
            named.entry(own).or_insert(source.as_str());
        }
    }
    Ok(named)
}

/// The records that elements of the source wait for, each once.
#[must_use]
pub fn left_out(field: &Field, source: &Cell, lookups: &dyn Lookups) -> Vec<(PipelineName, RecordId)> {
    let (Ok(each), Ok(elements)) = (of(field), elements(source)) else { return Vec::new() };
    let mut waits: Vec<(PipelineName, RecordId)> = Vec::new();
    for origin in elements.iter().filter(|_| each.leaves_out) {
        if let Err(MapError::Waiting { pipeline, id }) = create(each, origin, lookups)
            && !waits.contains(&(pipeline.clone(), id.clone()))
        {
            waits.push((pipeline, id));
        }
    }
    waits
}

/// Whether an element of the source that was left out need not be any more.
#[must_use]
pub fn arrives(field: &Field, source: &Cell, pairs: &[ElementPair], lookups: &dyn Lookups) -> bool {
    let Ok(each) = of(field) else { return false };
    let known = |key: &str| pairs.iter().any(|pair| pair.source == key);
    each.leaves_out
        && keyed(each, source)
            .is_ok_and(|wanted| wanted.iter().any(|(key, origin)| !known(key) && create(each, origin, lookups).is_ok()))
}

/// The first element that can be sent, as a list of its own on each side; `None` if there is none.
///
/// # Errors
///
/// As [`compose`].
pub fn first(field: &Field, source: &Cell, lookups: &dyn Lookups) -> Result<Option<[Cell; 2]>, MapError> {
    let each = of(field)?;
    let composed = compose(field, source, None, None, &[], lookups)?;
    let (Some(element), Some(Some(own))) = (elements(&composed.array)?.first(), composed.order.first()) else {
        return Ok(None);
    };
    let wanted = keyed(each, source)?;
    let origin = wanted.iter().find(|(key, _)| key == own).map(|(_, origin)| (*origin).clone());
    Ok(origin.map(|origin| [Value::Array(vec![origin]), Value::Array(vec![element.clone()])].map(Cell::Value)))
}
