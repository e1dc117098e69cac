//! Paths: JSONPath, compiled once, read often, and written where that is well defined.

use serde_json::Value;
use thiserror::Error;

use super::Cell;

/// A compiled JSONPath. Simple member chains (`$.a.b`) are followed directly; everything else goes through
/// `jsonpath-rust`, parsed once.
#[derive(Clone, Debug)]
pub struct Path {}

/// Why a text is not a usable path.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct PathError {
    /// What is wrong, with what would be right.
    pub message: String,
    /// Byte offset into the path's text where the mistake was noticed.
    pub offset: usize,
}

/// Why a value could not be put into a record at a path.
#[derive(Debug, Error)]
#[error("cannot write `{path}`: {message}")]
pub struct WriteError {
    /// The path as written.
    pub path: String,
    /// The cause.
    pub message: String,
}

impl Path {
    /// Compiles `text`, which must begin with `$`.
    ///
    /// # Errors
    ///
    /// When the text is not JSONPath.
    pub fn parse(_text: &str) -> Result<Self, PathError> {
        unimplemented!()
    }

    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        unimplemented!()
    }

    /// Reads the one value at this path.
    #[must_use]
    pub fn read(&self, _record: &Value) -> Cell {
        unimplemented!()
    }

    /// Reads every value at this path, in document order.
    #[must_use]
    pub fn read_all<'v>(&self, _record: &'v Value) -> Vec<&'v Value> {
        unimplemented!()
    }

    /// Whether the path hits anything (for `where:` predicates, given as `?@.x == 1` on the record).
    #[must_use]
    pub fn hits(&self, _record: &Value) -> bool {
        unimplemented!()
    }

    /// Whether [`Path::write`] can create what this path names: member names, and array elements selected by
    /// equality (`[?(@.Type=='POBOX')]`, several joined by `&&`) which are then created with those members.
    ///
    /// # Errors
    ///
    /// Names the part of the path that cannot be created.
    pub fn check_writable(&self) -> Result<(), PathError> {
        unimplemented!()
    }

    /// Puts `cell` at this path, creating objects and selected elements on the way; [`Cell::Absent`] removes it.
    ///
    /// # Errors
    ///
    /// When something that is not an object or array stands in the way, or two elements are selected.
    pub fn write(&self, _record: &mut Value, _cell: &Cell) -> Result<(), WriteError> {
        unimplemented!()
    }

    /// The path of the outermost array that this path goes into (`$.Phones` for
    /// `$.Phones[?(@.PhoneType=='MOBILE')].PhoneNumber`). A system that replaces arrays whole needs the rest of it
    /// carried back unchanged with every write.
    #[must_use]
    pub fn carried_array(&self) -> Option<Self> {
        unimplemented!()
    }

    /// The path that follows `self` when `rest` (which begins with `$`) is read relative to it (for `at:`).
    ///
    /// # Errors
    ///
    /// When the joined text is not JSONPath.
    pub fn join(&self, _rest: &Self) -> Result<Self, PathError> {
        unimplemented!()
    }

    /// The member names along the path, filters and indexes left out (`["Phones", "PhoneNumber"]`): what a
    /// manifest's list of fields can check.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        unimplemented!()
    }
}
