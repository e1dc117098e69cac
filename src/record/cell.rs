//! The value found at one path of one record.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::Value;

/// What a path finds in a record. Absent, `null` and `""` are three different things; whether a system can tell them
/// apart is the business of [`super::Canon`].
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cell {
    /// The path names nothing.
    #[default]
    Absent,
    /// Exactly one value, `null` included.
    Value(Value),
    /// The path hit this many values (at least two) where a field needs one.
    Several(usize),
}

impl Cell {
    /// The value, if there is exactly one.
    #[must_use]
    pub const fn value(&self) -> Option<&Value> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Several(_) => None,
        }
    }

    /// Whether there is no value at all.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The text, if the value is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.value().and_then(Value::as_str)
    }

    /// Whether there is nothing a person would call a value: absent, null, empty text or an empty array.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Absent | Self::Value(Value::Null) => true,
            Self::Value(Value::String(text)) => text.trim().is_empty(),
            Self::Value(Value::Array(items)) => items.is_empty(),
            Self::Value(_) | Self::Several(_) => false,
        }
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Value(Value::String(text.to_owned()))
    }
}

// Stored as an array so that no value can be mistaken for absence: `[]`, `[value]`, `[null, count]`.
impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent => [(); 0].serialize(serializer),
            Self::Value(value) => [value].serialize(serializer),
            Self::Several(count) => ((), count).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Parts)
    }
}

struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cell: an array of at most two parts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Cell, A::Error> {
        let Some(value) = parts.next_element()? else { return Ok(Cell::Absent) };
        let Some(count) = parts.next_element()? else { return Ok(Cell::Value(value)) };
        match parts.next_element::<IgnoredAny>()? {
            None => Ok(Cell::Several(count)),
            Some(_) => Err(A::Error::custom("a cell has at most two parts")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn keeps(cell: &Cell) {
        let text = serde_json::to_string(cell).unwrap();
        assert_eq!(&serde_json::from_str::<Cell>(&text).unwrap(), cell, "stored as {text}");
    }

    #[test]
    fn absent_null_empty_and_nested_arrays_stay_distinct_in_storage() {
        keeps(&Cell::Absent);
        keeps(&Cell::Value(Value::Null));
        keeps(&Cell::from(""));
        keeps(&Cell::Value(json!([])));
        keeps(&Cell::Value(json!([null, 2])));
        keeps(&Cell::Several(2));
        keeps(&Cell::Value(serde_json::from_str("1.10").unwrap()));
    }
}
