//! Canonical form: which differences a system can hold, and so which differences count.

use std::{borrow::Cow, fmt::Write as _};

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Cell, number::Number, text, time};

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
#[allow(clippy::struct_excessive_bools)] // Independent equivalences, each named as in a manifest.
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
    pub fn same(&self, a: &Cell, b: &Cell) -> bool {
        if a == b {
            return true;
        }
        match (a.is_blank(), b.is_blank()) {
            (true, true) => !self.blanks_distinct || self.same_blank(a, b),
            (false, false) => self.key(a) == self.key(b),
            _ => false,
        }
    }

    /// Whether the cell holds nothing a person would call a value. To a system with distinct blanks there are several
    /// such nothings.
    #[must_use]
    pub fn is_blank(&self, cell: &Cell) -> bool {
        cell.is_blank()
    }

    /// The cell in canonical form, as text for keys and hashes; `None` when blank. Two cells that are not blank have
    /// the same key if and only if they are the same.
    ///
    /// A value of the declared kind is written plainly (`jane@example.com`, `1.5`, `2026-06-01`); any other begins with
    /// a NUL and a letter for what it is, so that it cannot be mistaken.
    #[must_use]
    pub fn key(&self, cell: &Cell) -> Option<String> {
        if cell.is_blank() {
            return None;
        }
        match cell {
            Cell::Absent => None,
            Cell::Several(count) => Some(format!("\0*{count}")),
            Cell::Value(value) => Some(self.value_key(value)),
        }
    }

    /// The equivalences of both: what either system cannot keep apart is the same. Used to match records across.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let least = |a: Option<u32>, b: Option<u32>| a.into_iter().chain(b).min();
        Self {
            kind: self.kind.union(other.kind),
            blanks_distinct: self.blanks_distinct && other.blanks_distinct,
            trim: self.trim || other.trim,
            collapse_spaces: self.collapse_spaces || other.collapse_spaces,
            ignore_case: self.ignore_case || other.ignore_case,
            phone: self.phone || other.phone,
            places: least(self.places, other.places),
            precision_ms: self.precision_ms.max(other.precision_ms),
            max: self.max.into_iter().chain(other.max).min(),
        }
    }

    fn same_blank(&self, a: &Cell, b: &Cell) -> bool {
        match (a, b) {
            (Cell::Value(Value::String(a)), Cell::Value(Value::String(b))) => self.text(a) == self.text(b),
            _ => a == b,
        }
    }

    fn value_key(&self, value: &Value) -> String {
        match (value, self.kind) {
            (Value::String(text), kind) => self.text_key(text, kind),
            (Value::Number(number), Kind::Text) => plain(&self.text(number.as_str())),
            (Value::Number(number), Kind::Id) => number.as_str().to_owned(),
            (Value::Number(number), Kind::Decimal | Kind::Integer) => {
                self.number(number.as_str()).unwrap_or_else(|| format!("\0n{number}"))
            }
            (Value::Number(number), _) => {
                format!("\0n{}", self.number(number.as_str()).unwrap_or_else(|| number.to_string()))
            }
            (Value::Bool(truth), Kind::Boolean | Kind::Id) => truth.to_string(),
            (Value::Bool(truth), Kind::Text) => self.text(if *truth { "true" } else { "false" }).into_owned(),
            (Value::Bool(truth), _) => format!("\0b{truth}"),
            (Value::Null | Value::Array(_) | Value::Object(_), _) => {
                let mut key = "\0j".to_owned();
                self.deep(value, &mut key);
                key
            }
        }
    }

    fn text_key(&self, text: &str, kind: Kind) -> String {
        let of_kind = match kind {
            Kind::Any | Kind::Text => return plain(&self.text(text)),
            Kind::Id => return plain(text),
            Kind::Decimal | Kind::Integer => self.number(text.trim()),
            Kind::Boolean => boolean(text).map(|truth| truth.to_string()),
            Kind::Date => time::date(text).map(|date| date.to_string()),
            Kind::Datetime => time::instant(text).and_then(|instant| self.instant(instant)),
            Kind::Object | Kind::List => None,
        };
        of_kind.unwrap_or_else(|| format!("\0t{}", self.text(text)))
    }

    /// Text without the differences that do not count.
    fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.kind == Kind::Id {
            return Cow::Borrowed(text);
        }
        let mut text = Cow::Borrowed(text);
        if self.trim {
            text = map(text, |text| Cow::Borrowed(text.trim()));
        }
        if self.collapse_spaces {
            text = map(text, text::collapse_spaces);
        }
        if let Some(max) = self.max {
            text = map(text, |text| Cow::Borrowed(text::cut(text, max)));
            if self.trim {
                text = map(text, |text| Cow::Borrowed(text.trim_end()));
            }
        }
        if self.phone {
            text = map(text, text::phone);
        }
        if self.ignore_case {
            text = map(text, text::lowercase);
        }
        text
    }

    fn number(&self, text: &str) -> Option<String> {
        let number = Number::parse(text)?;
        match self.places {
            Some(places) if self.kind != Kind::Integer => Some(number.round(places)?.to_string()),
            _ => Some(number.to_string()),
        }
    }

    /// The instant in UTC, in whole units of the system's precision.
    fn instant(&self, instant: DateTime<FixedOffset>) -> Option<String> {
        const SECOND: i128 = 1_000_000_000;
        let mut nanos = i128::from(instant.timestamp()) * SECOND + i128::from(instant.timestamp_subsec_nanos());
        if let Some(unit) = self.precision_ms.filter(|unit| *unit > 0) {
            let unit = i128::from(unit) * 1_000_000;
            nanos = nanos.div_euclid(unit) * unit;
        }
        let seconds = i64::try_from(nanos.div_euclid(SECOND)).ok()?;
        let rest = u32::try_from(nanos.rem_euclid(SECOND)).ok()?;
        Some(DateTime::<Utc>::from_timestamp(seconds, rest)?.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }

    /// Writes a container so that it is the same for all that compare as the same: members in the order of their
    /// names, numbers by value, blank members left out unless blanks are distinct.
    fn deep(&self, value: &Value, key: &mut String) {
        match value {
            value if !self.blanks_distinct && blank(value) => key.push_str("null"),
            Value::Null | Value::Bool(_) | Value::String(_) => {
                let _ = write!(key, "{value}");
            }
            Value::Number(number) => match Number::parse(number.as_str()) {
                Some(number) => {
                    let _ = write!(key, "{number}");
                }
                None => key.push_str(number.as_str()),
            },
            Value::Array(items) => {
                key.push('[');
                for item in items {
                    self.deep(item, key);
                    key.push(',');
                }
                key.push(']');
            }
            Value::Object(members) => {
                let mut members: Vec<_> =
                    members.iter().filter(|(_, member)| self.blanks_distinct || !blank(member)).collect();
                members.sort_unstable_by_key(|(name, _)| name.as_str());
                key.push('{');
                for (name, member) in members {
                    let _ = write!(key, "{}:", Value::from(name.as_str()));
                    self.deep(member, key);
                    key.push(',');
                }
                key.push('}');
            }
        }
    }
}

impl Kind {
    /// The kind under which values of both kinds are compared.
    fn union(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (number @ (Self::Decimal | Self::Integer), Self::Decimal | Self::Integer | Self::Text | Self::Id)
            | (Self::Text | Self::Id, number @ (Self::Decimal | Self::Integer)) => number,
            (Self::Any, kind)
            | (kind, Self::Any)
            | (kind @ (Self::Boolean | Self::Date | Self::Datetime), Self::Text)
            | (Self::Text, kind @ (Self::Boolean | Self::Date | Self::Datetime)) => kind,
            _ => Self::Text,
        }
    }
}

/// Applies a step to text that may or may not have been copied already.
fn map<'t>(text: Cow<'t, str>, step: impl for<'a> Fn(&'a str) -> Cow<'a, str>) -> Cow<'t, str> {
    match text {
        Cow::Borrowed(text) => step(text),
        Cow::Owned(text) => Cow::Owned(step(&text).into_owned()),
    }
}

/// Text as a key. One that begins with a NUL is marked, since a NUL marks what is not of the declared kind.
fn plain(text: &str) -> String {
    if text.starts_with('\0') { format!("\0t{text}") } else { text.to_owned() }
}

/// Xero documents its booleans as text, and answers with either.
fn boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
