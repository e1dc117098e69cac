//! Which elements belong together.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{Composed, ElementPair, elements, key, keyed, of, read, waiting::made};
use crate::{
    config::{Each, Field, Removes, WriteWhen},
    mapping::{Lookups, MapError, same},
    record::{Cell, Side},
};

/// The pairs after an answer to a write: `answered` is the list as the remote has it now. Elements are known by their
/// keys and new ones by their position, as long as the answer has the order that was sent; otherwise new ones are
/// known by their values. One that cannot be found is kept without a target key.
#[must_use]
pub fn learn(field: &Field, composed: &Composed, answered: &Cell) -> Vec<ElementPair> {
    let (Ok(each), Ok(sent), Ok(answered)) = (of(field), elements(&composed.array), elements(answered)) else {
        return Vec::new();
    };
    let keys: Vec<Option<String>> = answered.iter().map(|element| key(&each.target_key, element)).collect();
    let sent_keys: Vec<Option<String>> = sent.iter().map(|element| key(&each.target_key, element)).collect();
    let in_order = keys.len() == sent_keys.len()
        && sent_keys.iter().zip(&keys).all(|(sent, answered)| sent.is_none() || sent == answered);

    let mut taken: Vec<bool> = keys.iter().map(|key| key.is_some() && sent_keys.contains(key)).collect();
    let mut pairs = Vec::new();
    for (position, (element, owner)) in sent.iter().zip(&composed.order).enumerate() {
        let Some(source) = owner.clone() else { continue };
        let sent_key = sent_keys.get(position).cloned().flatten();
        let target = match sent_key {
            Some(known) => Some(known),
            None if in_order => keys.get(position).cloned().flatten(),
            None => {
                let found = answered
                    .iter()
                    .enumerate()
                    .find(|(at, answer)| taken.get(*at) == Some(&false) && alike(each, element, answer))
                    .map(|(at, _)| at);
                if let Some(slot) = found.and_then(|at| taken.get_mut(at)) {
                    *slot = true;
                }
                found.and_then(|at| keys.get(at).cloned().flatten())
            }
        };
        pairs.push(ElementPair { source, target });
    }
    pairs
}

/// Adds pairs for elements that are not paired yet and have the same mapped values, first come first served: two
/// elements that are alike in all that is mapped may stand for each other. For the first contact of two lists.
///
/// # Errors
///
/// When a value of the source has no counterpart, or its elements cannot be told apart.
pub fn adopt(
    field: &Field,
    source: &Cell,
    target: &Cell,
    pairs: &[ElementPair],
    lookups: &dyn Lookups,
) -> Result<Vec<ElementPair>, MapError> {
    let each = of(field)?;
    let known: HashSet<&str> = pairs.iter().map(|pair| pair.source.as_str()).collect();
    let new = keyed(each, source)?.into_iter().map(|(key, _)| key).filter(|key| !known.contains(key.as_str()));
    let mut sent = pairs.to_vec();
    sent.extend(new.map(|source| ElementPair { source, target: None }));
    let mut adopted = adopt_sent(each, source, elements(target)?, &sent, lookups)?;
    // What found nothing was not sent by us, and must not pass for it.
    adopted.retain(|pair| pair.target.is_some() || known.contains(pair.source.as_str()));
    Ok(adopted)
}

/// Finds the target keys of pairs that have none by the values of their elements.
pub(super) fn adopt_sent(
    each: &Each,
    source: &Cell,
    target: &[Value],
    pairs: &[ElementPair],
    lookups: &dyn Lookups,
) -> Result<Vec<ElementPair>, MapError> {
    let mut pairs = pairs.to_vec();
    let paired: HashSet<String> = pairs.iter().filter_map(|pair| pair.target.clone()).collect();
    let mut free: Vec<(String, &Value)> = target
        .iter()
        .filter_map(|element| Some((key(&each.target_key, element)?, element)))
        .filter(|(key, _)| !paired.contains(key))
        .collect();
    let origins: HashMap<String, &Value> = keyed(each, source)?.into_iter().collect();
    for pair in pairs.iter_mut().filter(|pair| pair.target.is_none()) {
        let Some(origin) = origins.get(&pair.source) else { continue };
        let Some(made) = made(each, origin, lookups)? else { continue };
        if let Some(found) = free.iter().position(|(_, element)| alike(each, &made, element)) {
            pair.target = Some(free.remove(found).0);
        }
    }
    Ok(pairs)
}

/// Whether a reading of the target's list has what was sent to it, as far as that can be told: where every element of it
/// has a key, those and no others of ours. An element that the remote gives its key cannot be told from one that is
/// not there, and one too many is worse than a value that a person looks at: then it counts as there.
#[must_use]
pub fn holds(field: &Field, sent: &Cell, got: &Cell) -> bool {
    let (Ok(each), Ok(sent), Ok(got)) = (of(field), elements(sent), elements(got)) else { return true };
    let keyed = |elements: &[Value]| {
        elements.iter().map(|element| key(&each.target_key, element)).collect::<Option<HashSet<String>>>()
    };
    let (Some(sent_keys), Some(got_keys)) = (keyed(sent), keyed(got)) else { return true };
    if each.removes != Removes::None && got_keys.difference(&sent_keys).next().is_some() {
        return false;
    }
    sent.iter().all(|element| {
        let own = key(&each.target_key, element);
        got.iter().any(|there| key(&each.target_key, there) == own && alike(each, element, there))
    })
}

/// Whether two elements of the target have the same mapped values.
fn alike(each: &Each, a: &Value, b: &Value) -> bool {
    each.fields.iter().filter(|sub| sub.flow.writes(Side::Target) && sub.write == WriteWhen::Always).all(|sub| {
        match (read(sub, Side::Target, a), read(sub, Side::Target, b)) {
            (Ok(a), Ok(b)) => same(sub, Side::Target, &a, &b),
            _ => false,
        }
    })
}
