//! The steps of a path that is followed directly.

use std::fmt::Write as _;

use serde_json::Value;

/// One step from a value to those below it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// The member of this name.
    Name(String),
    /// The element at this position, from the end if negative.
    Index(i64),
    /// Every element (or member) that fulfils all conditions.
    Select(Vec<Condition>),
}

/// An element's member (of a member) that must equal a literal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    /// The names down to the member; none for the element itself.
    pub(super) members: Vec<String>,
    /// The literal.
    pub(super) equals: Value,
}

impl Condition {
    pub(super) fn holds(&self, element: &Value) -> bool {
        let mut at = element;
        for member in &self.members {
            match at.get(member) {
                Some(value) => at = value,
                None => return false,
            }
        }
        equal(at, &self.equals)
    }
}

/// The equality of `jsonpath-rust`: numbers as floating point, all else exactly.
fn equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < f64::EPSILON,
        _ => a == b,
    }
}

/// Whether all conditions hold.
pub(super) fn selects(conditions: &[Condition], element: &Value) -> bool {
    conditions.iter().all(|condition| condition.holds(element))
}

/// The element of `items` at `index`, counted from the end if negative.
fn at_index(items: &[Value], index: i64) -> Option<&Value> {
    let position = usize::try_from(index.unsigned_abs()).ok()?;
    if index < 0 { items.get(items.len().checked_sub(position)?) } else { items.get(position) }
}

/// Calls `found` with every value that `steps` lead to from `value`.
pub(super) fn visit<'v, F: FnMut(&'v Value)>(steps: &[Step], value: &'v Value, found: &mut F) {
    let mut at = value;
    for (position, step) in steps.iter().enumerate() {
        let next = match step {
            Step::Name(name) => at.get(name),
            Step::Index(index) => at.as_array().and_then(|items| at_index(items, *index)),
            Step::Select(conditions) => {
                let rest = steps.get(position + 1..).unwrap_or_default();
                match at {
                    Value::Array(items) => {
                        for item in items.iter().filter(|item| selects(conditions, item)) {
                            visit(rest, item, found);
                        }
                    }
                    Value::Object(members) => {
                        for item in members.values().filter(|item| selects(conditions, item)) {
                            visit(rest, item, found);
                        }
                    }
                    _ => {}
                }
                return;
            }
        };
        match next {
            Some(next) => at = next,
            None => return,
        }
    }
    found(at);
}

/// The steps as `JSONPath`.
pub(super) fn render(steps: &[Step]) -> String {
    let mut text = "$".to_owned();
    for step in steps {
        match step {
            Step::Name(name) => render_name(&mut text, name),
            Step::Index(index) => {
                let _ = write!(text, "[{index}]");
            }
            Step::Select(conditions) => {
                text.push_str("[?");
                for (position, condition) in conditions.iter().enumerate() {
                    text.push_str(if position == 0 { "@" } else { " && @" });
                    condition.members.iter().for_each(|member| render_name(&mut text, member));
                    text.push_str("==");
                    match &condition.equals {
                        Value::String(literal) => quote(&mut text, literal),
                        other => {
                            let _ = write!(text, "{other}");
                        }
                    }
                }
                text.push(']');
            }
        }
    }
    text
}

fn render_name(text: &mut String, name: &str) {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain {
        text.push('.');
        text.push_str(name);
    } else {
        text.push('[');
        quote(text, name);
        text.push(']');
    }
}

fn quote(text: &mut String, literal: &str) {
    text.push('\'');
    for c in literal.chars() {
        match c {
            '\'' | '\\' => text.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('\'');
}
