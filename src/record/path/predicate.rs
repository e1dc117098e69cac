//! Whether a condition holds for a record.

use jsonpath_rust::{
    parser::model::{Filter, FilterAtom},
    query::{Query, state::State},
};
use serde_json::Value;

/// Whether `filter` holds with `@` (and `$`) being the record.
///
/// The crate can only ask this of the elements of an array, which would mean to copy the record into one. Its
/// comparisons and tests can be asked of any value, so only the `&&`, `||` and `!` around them are done here.
pub(super) fn holds(filter: &Filter, record: &Value) -> bool {
    match filter {
        Filter::Or(parts) => parts.iter().any(|part| holds(part, record)),
        Filter::And(parts) => parts.iter().all(|part| holds(part, record)),
        Filter::Atom(FilterAtom::Filter { expr, not }) => holds(expr, record) != *not,
        Filter::Atom(atom) => {
            atom.process(State::root(record)).ok_val().as_ref().and_then(Value::as_bool).unwrap_or_default()
        }
    }
}
