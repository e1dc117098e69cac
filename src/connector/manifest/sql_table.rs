//! A collection that is kept in a table of a database.

use chrono_tz::Tz;

/// The table of a collection. Its columns are the fields of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlTable {
    /// Schema, if one is named, and table.
    pub table: Vec<String>,
    /// The column of the id.
    pub id: String,
    /// The column of the last change, if there is one.
    pub changed_at: Option<String>,
    /// Who makes the ids of new records.
    pub ids: Ids,
    /// Of times that are kept without a zone.
    pub zone: Tz,
    /// Whether records are written.
    pub write: bool,
}

/// Who makes the ids of new records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// The database. A call without an answer cannot be sent again: the record is looked up.
    Database,
    /// This program, as UUIDs that belong to the call.
    Us,
    /// They are mapped.
    Record,
}
