//! Canonical form: which differences a system can hold, and so which differences count.

use serde::{Deserialize, Serialize};

use super::Cell;

/// What kind of value a field holds, after the connector has decoded the wire form (dates are `2026-06-01`, instants
/// are RFC 3339 in UTC, whatever the remote writes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Not declared: compared as JSON, numbers by value.
    #[default]
    Any,
    /// Text.
    Text,
    /// A decimal number; `1.10`, `1.1` and `"1.1"` are the same.
    Decimal,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A calendar date, `YYYY-MM-DD`.
    Date,
    /// An instant, RFC 3339.
    Datetime,
    /// An identifier: text, but never trimmed or folded.
    Id,
    /// An object.
    Object,
    /// An array.
    List,
}

/// The equivalences under which the values of one field of one system are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Canon {
    /// The kind of value.
    pub kind: Kind,
    /// Absent, null and `""` (and `[]`) are one and the same to this system. True unless the manifest says
    /// `distinct_blanks: true`.
    pub blanks_distinct: bool,
    /// Leading and trailing white space does not count.
    pub trim: bool,
    /// Runs of white space count as one space.
    pub collapse_spaces: bool,
    /// Case does not count.
    pub ignore_case: bool,
    /// Only digits and a leading plus count (telephone numbers).
    pub phone: bool,
    /// Decimals are kept with this many places (banker's rounding is not assumed: half away from zero).
    pub places: Option<u32>,
    /// Datetimes are kept in whole units of this many milliseconds (1000 for second precision).
    pub precision_ms: Option<u32>,
    /// Text longer than this many characters is cut by the remote.
    pub max: Option<usize>,
}

impl Canon {
    /// Whether the two cells are the same value to this system.
    #[must_use]
    pub fn same(&self, _a: &Cell, _b: &Cell) -> bool {
        unimplemented!()
    }

    /// Whether the cell holds nothing, to this system.
    #[must_use]
    pub fn is_blank(&self, _cell: &Cell) -> bool {
        unimplemented!()
    }

    /// The cell in canonical form, as text for keys and hashes; `None` when blank.
    #[must_use]
    pub fn key(&self, _cell: &Cell) -> Option<String> {
        unimplemented!()
    }
}
