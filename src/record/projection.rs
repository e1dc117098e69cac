//! One read of a record at all the paths a pipeline needs.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3Default;

use super::{Cell, Path};

/// Position of a slot in a [`ProjectionSpec`], and of its cell in a [`Projection`].
pub type SlotIndex = usize;

/// One thing that a pipeline reads from a record of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The value at a path.
    Value(Path),
    /// The number of values at a path (`exists`, and "this path never hit anything").
    Count(Path),
    /// Whether a predicate holds (`where:`); read as a boolean cell.
    Test(Path),
}

/// What a pipeline reads from the records of one side. Slots are shared: a path that is a field, a match key and a
/// filter input is read once.
#[derive(Clone, Debug, Default)]
pub struct ProjectionSpec {
    /// What to read, in order.
    pub slots: Vec<Slot>,
}

/// The cells read from one record, in the order of the spec's slots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Projection {
    /// One cell per slot.
    pub cells: Vec<Cell>,
}

impl ProjectionSpec {
    /// Reads `record` at every slot.
    #[must_use]
    pub fn read(&self, record: &Value) -> Projection {
        Projection { cells: self.slots.iter().map(|slot| slot.read(record)).collect() }
    }

    /// The index of `slot`, which is added if it is new.
    pub fn slot(&mut self, slot: Slot) -> SlotIndex {
        if let Some(index) = self.slots.iter().position(|known| *known == slot) {
            return index;
        }
        self.slots.push(slot);
        self.slots.len() - 1
    }
}

impl Slot {
    /// Reads the slot of one record.
    fn read(&self, record: &Value) -> Cell {
        match self {
            Self::Value(path) => path.read(record),
            Self::Count(path) => Cell::Value(path.count(record).into()),
            Self::Test(path) => Cell::Value(path.hits(record).into()),
        }
    }
}

impl Projection {
    /// The cell of a slot; absent for a slot added to the spec after this projection was stored.
    #[must_use]
    pub fn cell(&self, slot: SlotIndex) -> &Cell {
        const ABSENT: &Cell = &Cell::Absent;
        self.cells.get(slot).unwrap_or(ABSENT)
    }

    /// A hash over all cells, stable across runs and builds. Exact: `1.0` and `1.00` differ, which at worst has a
    /// record looked at once more.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut hasher = Xxh3Default::new();
        for cell in &self.cells {
            match cell {
                Cell::Absent => hasher.update(b"-"),
                Cell::Several(count) => {
                    hasher.update(b"*");
                    feed_length(&mut hasher, *count);
                }
                Cell::Value(value) => feed(&mut hasher, value),
            }
        }
        hasher.digest()
    }
}

/// Feeds a value so that no two different ones feed the same bytes: each begins with its kind, and texts and
/// containers with their length.
fn feed(hasher: &mut Xxh3Default, value: &Value) {
    match value {
        Value::Null => hasher.update(b"0"),
        Value::Bool(false) => hasher.update(b"f"),
        Value::Bool(true) => hasher.update(b"t"),
        Value::Number(number) => feed_text(hasher, b"n", number.as_str()),
        Value::String(text) => feed_text(hasher, b"s", text),
        Value::Array(items) => {
            hasher.update(b"a");
            feed_length(hasher, items.len());
            for item in items {
                feed(hasher, item);
            }
        }
        Value::Object(members) => {
            hasher.update(b"o");
            feed_length(hasher, members.len());
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| name.as_str());
            for (name, member) in members {
                feed_text(hasher, b"m", name);
                feed(hasher, member);
            }
        }
    }
}

fn feed_text(hasher: &mut Xxh3Default, kind: &[u8], text: &str) {
    hasher.update(kind);
    feed_length(hasher, text.len());
    hasher.update(text.as_bytes());
}

fn feed_length(hasher: &mut Xxh3Default, length: usize) {
    hasher.update(&(length as u64).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    #[test]
    fn a_spec_reads_values_counts_and_tests_and_shares_equal_slots() {
        let mut spec = ProjectionSpec::default();
        assert_eq!(spec.slot(Slot::Value(path("$.email"))), 0);
        assert_eq!(spec.slot(Slot::Count(path("$.lines[*]"))), 1);
        assert_eq!(spec.slot(Slot::Test(Path::predicate("@.balance > 10").unwrap())), 2);
        assert_eq!(spec.slot(Slot::Value(path("$.email"))), 0);
        let row = spec.read(&json!({ "email": "a@b", "lines": [1, 2, 3], "balance": 11 }));
        assert_eq!(row.cells, [Cell::from("a@b"), Cell::Value(json!(3)), Cell::Value(json!(true))]);
        assert_eq!(row.cell(7), &Cell::Absent);
    }

    #[test]
    fn the_hash_is_stable_and_tells_neighbours_apart() {
        let hash = |cells: &[Cell]| Projection { cells: cells.to_vec() }.hash();
        let value = |text: &str| Cell::Value(serde_json::from_str(text).unwrap());
        // Pinned: hashes are stored, and a change of the encoding would make every record look changed.
        assert_eq!(hash(&[]), 0x2d06_8005_38d3_94c2);
        let rows: Vec<Vec<Cell>> = vec![
            vec![],
            vec![Cell::Absent],
            vec![value("null")],
            vec![value("\"\"")],
            vec![value("[]")],
            vec![value("{}")],
            vec![value("1")],
            vec![value("\"1\"")],
            vec![value("1.0")],
            vec![value("1.00")],
            vec![value("[1]")],
            vec![value("[1]"), value("2")],
            vec![value("[1,2]")],
            vec![Cell::from("ab"), Cell::from("c")],
            vec![Cell::from("a"), Cell::from("bc")],
            vec![Cell::Several(2)],
            vec![Cell::Several(3)],
        ];
        let mut hashes: Vec<u64> = rows.iter().map(|row| hash(row)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), rows.len());
        assert_eq!(hash(&[value(r#"{"a":1,"b":2}"#)]), hash(&[value(r#"{"b":2,"a":1}"#)]));
    }
}
