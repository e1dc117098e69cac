//! Writing at a path: objects and selected elements are created on the way.

use serde_json::{Map, Value};

use super::step::{Condition, Step, render, selects};

/// Why these steps cannot be written, if so.
pub(super) fn obstacle(steps: &[Step]) -> Option<String> {
    if steps.is_empty() {
        return Some("it names the whole record".to_owned());
    }
    for (position, step) in steps.iter().enumerate() {
        match step {
            Step::Name(_) => {}
            Step::Index(index) => {
                return Some(format!(
                    "`[{index}]` names an element by its position; select it by what it holds: `[?(@.Type=='POBOX')]`"
                ));
            }
            Step::Select(conditions) => {
                if conditions.iter().any(|condition| condition.members.is_empty()) {
                    return Some("an element is selected by itself, not by a member".to_owned());
                }
                if !created(conditions).is_some_and(|element| selects(conditions, &element)) {
                    return Some("no element can fulfil all its conditions".to_owned());
                }
                let below = steps.get(position + 1..).unwrap_or_default();
                if conditions.iter().any(|condition| overlaps(&condition.members, below)) {
                    return Some("it would change what its element is selected by".to_owned());
                }
            }
        }
    }
    None
}

/// Whether the names that `below` begins with lead to `members`, above or below it.
fn overlaps(members: &[String], below: &[Step]) -> bool {
    !below.is_empty()
        && members.iter().zip(below).all(|(member, step)| matches!(step, Step::Name(name) if name == member))
}

/// A new element with the members it is selected by; `None` if they contradict each other.
fn created(conditions: &[Condition]) -> Option<Value> {
    let mut element = Value::Object(Map::new());
    for condition in conditions {
        let mut at = &mut element;
        for member in &condition.members {
            if at.is_null() {
                *at = Value::Object(Map::new());
            }
            at = at.as_object_mut()?.entry(member.as_str()).or_insert(Value::Null);
        }
        *at = condition.equals.clone();
    }
    Some(element)
}

/// Puts `value` where the steps from `done` on lead to from `at`, creating what is missing. The steps passed
/// [`obstacle`].
pub(super) fn put(steps: &[Step], done: usize, at: &mut Value, value: &Value) -> Result<(), String> {
    let in_the_way = |at: &Value, wanted: &str| {
        let place = render(steps.get(..done).unwrap_or_default());
        Err(format!("`{place}` is {}, not {wanted}", what(at)))
    };
    match steps.get(done) {
        None => {
            at.clone_from(value);
            Ok(())
        }
        Some(Step::Name(name)) => {
            if at.is_null() {
                *at = Value::Object(Map::new());
            }
            match at {
                Value::Object(members) => {
                    put(steps, done + 1, members.entry(name.as_str()).or_insert(Value::Null), value)
                }
                other => in_the_way(other, "an object"),
            }
        }
        Some(Step::Select(conditions)) => {
            if at.is_null() {
                *at = Value::Array(Vec::new());
            }
            let items = match at {
                Value::Array(items) => items,
                other => return in_the_way(other, "a list"),
            };
            if done + 1 == steps.len() && !selects(conditions, value) {
                return Err("the value is not one that the path selects".to_owned());
            }
            let count = items.iter().filter(|item| selects(conditions, item)).count();
            if count > 1 {
                return Err(several(count));
            }
            if count == 0 {
                items.extend(created(conditions));
            }
            match items.iter_mut().find(|item| selects(conditions, item)) {
                Some(item) => put(steps, done + 1, item, value),
                None => Err("no element can fulfil all its conditions".to_owned()),
            }
        }
        Some(Step::Index(index)) => Err(format!("`[{index}]` names an element by its position")),
    }
}

/// Removes what `steps` lead to, if it is there.
pub(super) fn remove(steps: &[Step], at: &mut Value) -> Result<(), String> {
    match (steps, at) {
        ([Step::Name(name)], Value::Object(members)) => {
            members.remove(name);
            Ok(())
        }
        ([Step::Name(name), rest @ ..], Value::Object(members)) => {
            members.get_mut(name).map_or(Ok(()), |member| remove(rest, member))
        }
        ([Step::Select(conditions), rest @ ..], Value::Array(items)) => {
            let mut hits = items.iter().enumerate().filter(|(_, item)| selects(conditions, item));
            match (hits.next(), hits.count()) {
                (None, _) => Ok(()),
                (Some((position, _)), 0) if rest.is_empty() => {
                    items.remove(position);
                    Ok(())
                }
                (Some((position, _)), 0) => items.get_mut(position).map_or(Ok(()), |item| remove(rest, item)),
                (Some(_), more) => Err(several(more + 1)),
            }
        }
        _ => Ok(()),
    }
}

fn several(count: usize) -> String {
    format!("{count} elements are selected; it must be one")
}

fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
