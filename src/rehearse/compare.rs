//! Comparing what is there with what was wanted. Only what is wanted is looked at.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use crate::{
    connector::{FieldTable, FieldType},
    record::{Canon, Cell, Kind},
};

/// A value that is not as wanted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Difference {
    /// Its place in the record: `LineItems[0].Quantity`.
    pub path: String,
    pub wanted: Value,
    pub found: Value,
}

/// Whether a record holds these values, whatever else it holds.
pub(super) fn holds(found: &Value, wanted: &Value) -> bool {
    differences(found, wanted, None).is_empty()
}

/// The values of `wanted` that `found` does not hold. Null stands for nothing at all: absent, null or empty.
pub(super) fn differences(found: &Value, wanted: &Value, table: Option<&FieldTable>) -> Vec<Difference> {
    let mut all = Vec::new();
    object(found, wanted, table, "", &mut all);
    all
}

/// How many single values are wanted.
pub(super) fn leaves(wanted: &Value) -> usize {
    match wanted {
        Value::Object(members) => members.values().map(leaves).sum(),
        Value::Array(items) if !items.is_empty() => items.iter().map(leaves).sum(),
        _ => 1,
    }
}

fn object(found: &Value, wanted: &Value, table: Option<&FieldTable>, at: &str, all: &mut Vec<Difference>) {
    let Some(members) = wanted.as_object() else { return };
    for (name, wanted) in members {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let field = table.and_then(|table| table.fields.get(name));
        value(found.get(name).unwrap_or(&Value::Null), wanted, field, &path, all);
    }
}

fn value(found: &Value, wanted: &Value, field: Option<&FieldType>, path: &str, all: &mut Vec<Difference>) {
    let children = field.and_then(|field| field.children.as_ref());
    match (wanted, found) {
        (Value::Object(_), Value::Object(_)) => object(found, wanted, children, path, all),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            let element = FieldType { children: children.cloned(), ..FieldType::default() };
            for (index, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                value(found, wanted, Some(&element), &format!("{path}[{index}]"), all);
            }
        }
        _ if same(found, wanted, field) => {}
        _ => all.push(Difference { path: path.to_owned(), wanted: wanted.clone(), found: found.clone() }),
    }
}

/// Text is compared letter by letter; numbers, dates and times by what they mean.
fn same(found: &Value, wanted: &Value, field: Option<&FieldType>) -> bool {
    let (found, wanted) = (Cell::Value(found.clone()), Cell::Value(wanted.clone()));
    if wanted.is_blank() || found.is_blank() {
        return wanted.is_blank() && found.is_blank();
    }
    let declared = field.map_or(Kind::Any, FieldType::kind);
    let kind = match declared {
        Kind::Decimal | Kind::Integer | Kind::Date | Kind::Datetime | Kind::Boolean => declared,
        _ => Kind::Any,
    };
    Canon { kind, ..Canon::default() }.same(&found, &wanted)
}

/// Wanted things and what was found, paired so that as little as possible differs. The difference of a pair says how many
/// values differ; a pair that has nothing in common is none.
pub(super) struct Pairs {
    /// For each wanted thing, its counterpart.
    pub of: Vec<Option<usize>>,
    /// What is found and not wanted.
    pub rest: Vec<usize>,
}

/// Pairs `wanted` things with `found` ones. `distance` gives how far two are apart, `None` if they cannot be a pair. As many
/// as can be have a counterpart that is exactly as wanted; the nearest of what is left are pairs, too.
pub(super) fn pair(wanted: usize, found: usize, distance: impl Fn(usize, usize) -> Option<usize>) -> Pairs {
    let mut near: Vec<(usize, usize, usize)> = Vec::new();
    for left in 0..wanted {
        near.extend((0..found).filter_map(|right| distance(left, right).map(|far| (far, left, right))));
    }
    near.sort_unstable();
    let mut owners = exact(&near);
    let mut of: Vec<Option<usize>> = vec![None; wanted];
    for (right, left) in &owners {
        if let Some(place) = of.get_mut(*left) {
            *place = Some(*right);
        }
    }
    for (_, left, right) in near {
        if let Some(place @ None) = of.get_mut(left)
            && !owners.contains_key(&right)
        {
            *place = Some(right);
            owners.insert(right, left);
        }
    }
    let rest = (0..found).filter(|right| !owners.contains_key(right)).collect();
    Pairs { of, rest }
}

/// Who has which of the found things, among pairs that differ in nothing: as many as can be. Whoever has one makes room
/// for another who fits nowhere else, if there is room for them elsewhere. A wanted thing that says little would else take
/// what one that says more is about.
fn exact(near: &[(usize, usize, usize)]) -> BTreeMap<usize, usize> {
    let mut fitting: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (_, left, right) in near.iter().filter(|(far, ..)| *far == 0) {
        fitting.entry(*left).or_default().push(*right);
    }
    let (mut owners, mut has) = (BTreeMap::new(), BTreeMap::new());
    for start in fitting.keys() {
        let mut asked_by: BTreeMap<usize, usize> = BTreeMap::new();
        let mut queue = VecDeque::from([*start]);
        while let Some(left) = queue.pop_front() {
            let mut free = None;
            for right in fitting.get(&left).into_iter().flatten() {
                if asked_by.contains_key(right) {
                    continue;
                }
                asked_by.insert(*right, left);
                let Some(owner) = owners.get(right) else {
                    free = Some(*right);
                    break;
                };
                queue.push_back(*owner);
            }
            // Everybody on the way moves up by one.
            let found = free.is_some();
            while let Some(right) = free {
                let Some(left) = asked_by.get(&right).copied() else { break };
                owners.insert(right, left);
                free = has.insert(left, right);
            }
            if found {
                break;
            }
        }
    }
    owners
}

/// A value in one line, for people.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "(nothing)".to_owned(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            let parts: Vec<String> = members.iter().map(|(name, value)| format!("{name}: {}", shown(value))).collect();
            format!("{{ {} }}", parts.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_wanted_is_looked_at() {
        let found = json!({ "name": "Jane", "total": 1.10, "lines": [{ "n": 1, "x": 2 }], "note": "" });
        assert!(holds(&found, &json!({ "name": "Jane", "lines": [{ "n": 1 }], "note": null, "other": null })));
        let wrong = differences(&found, &json!({ "name": "jane", "lines": [{ "n": 2 }], "other": 1 }), None);
        let mut paths: Vec<&str> = wrong.iter().map(|difference| difference.path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["lines[0].n", "name", "other"]);
        assert!(holds(&json!({ "total": 1.5 }), &serde_json::from_str("{ \"total\": 1.50 }").unwrap()));
        assert!(!holds(&json!({ "lines": [1, 2] }), &json!({ "lines": [1] })));
    }

    #[test]
    fn the_nearest_are_pairs() {
        let far = [[Some(2), Some(0)], [Some(0), Some(1)], [None, None]];
        let pairs = pair(3, 2, |left, right| far[left][right]);
        assert_eq!((pairs.of, pairs.rest), (vec![Some(1), Some(0), None], vec![]));
    }

    #[test]
    fn what_says_little_takes_nothing_from_what_says_more() {
        // The first fits everything, the second the first two, the third the first alone.
        let fits = |left: usize, right: usize| (right < 3 - left).then_some(0);
        let pairs = pair(3, 3, fits);
        assert_eq!((pairs.of, pairs.rest), (vec![Some(2), Some(1), Some(0)], vec![]));
        let pairs = pair(3, 2, fits);
        assert_eq!(pairs.of.iter().flatten().count(), 2, "{:?}", pairs.of);
        // As many as can be, whatever is asked: every small case against trying them all.
        for bits in 0..1_u32 << 9 {
            let fit = |left: usize, right: usize| (bits >> (left * 3 + right)) & 1 == 1;
            let most = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
                .map(|order| (0..3).filter(|left| fit(*left, order[*left])).count());
            let pairs = pair(3, 3, |left, right| fit(left, right).then_some(0));
            let made: Vec<(usize, usize)> =
                pairs.of.iter().enumerate().filter_map(|(left, right)| Some((left, (*right)?))).collect();
            assert!(made.iter().all(|(left, right)| fit(*left, *right)), "{bits:b} {made:?}");
            assert_eq!(Some(&made.len()), most.iter().max(), "{bits:b} {made:?}");
            assert_eq!(pairs.rest.len(), 3 - made.len());
        }
    }
}
