//! What the values of a record must be, where nobody else looks: in what is posted, and in files.

use serde_json::Value;

/// What a value of a post or a row must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Require {
    /// The names that lead to it; each element of a list on the way has one.
    pub names: Vec<String>,
    /// A number above zero; else it must only be there.
    pub above_zero: bool,
}

impl Require {
    /// Whether a record has it.
    ///
    /// # Errors
    ///
    /// What is missing, or is not above zero, by its place.
    pub(crate) fn check(&self, body: &Value) -> Result<(), String> {
        check(body, &self.names, self.above_zero, "")
    }
}

/// Whether what is required is there.
fn check(value: &Value, names: &[String], above_zero: bool, at: &str) -> Result<(), String> {
    if let (Value::Array(items), false) = (value, at.is_empty()) {
        let mut items = items.iter().enumerate();
        return items.try_for_each(|(number, item)| check(item, names, above_zero, &format!("{at}[{number}]")));
    }
    if let Some((name, rest)) = names.split_first() {
        let place = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        return match value.get(name) {
            // Of a list that is not there, no line lacks anything.
            None | Some(Value::Null) if !rest.is_empty() => Ok(()),
            None | Some(Value::Null) => Err(format!("it has no `{place}`")),
            Some(inner) => check(inner, rest, above_zero, &place),
        };
    }
    match value {
        Value::String(text) if text.trim().is_empty() => Err(format!("`{at}` is empty")),
        Value::Number(number) if above_zero => is_above_zero(number.as_str(), at),
        // In a file a number may be written as text.
        Value::String(text) if above_zero => is_above_zero(text.trim(), at),
        _ => Ok(()),
    }
}

fn is_above_zero(text: &str, at: &str) -> Result<(), String> {
    let nothing = text.starts_with('-')
        || text.split(['e', 'E']).next().is_some_and(|digits| !digits.contains(|c| matches!(c, '1'..='9')));
    if nothing { Err(format!("`{at}` is {text}, and must be above zero")) } else { Ok(()) }
}
