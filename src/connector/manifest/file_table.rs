//! A collection that is kept in files.

use std::time::Duration;

use chrono_tz::Tz;
use encoding_rs::Encoding;

use super::Require;

/// How the files of a collection are named, read and written.
#[derive(Clone, Debug)]
pub struct FileTable {
    /// Path below the connection's folder. The last part may hold `*`, where records come in several files.
    pub path: String,
    /// What a row is.
    pub format: FileFormat,
    /// Character set; a byte order mark counts more.
    pub encoding: &'static Encoding,
    /// Decimals are written `1.234,50` instead of `1234.50`.
    pub decimal_comma: bool,
    /// How dates are written, in the way of `strftime`; ISO unless given.
    pub date_format: Option<String>,
    /// How instants are written, and by the clocks of which zone; RFC 3339 unless given.
    pub datetime_format: Option<(String, Tz)>,
    /// The columns of a file without a head line, or of one that is made.
    pub columns: Vec<String>,
    /// Whether the first line of a CSV file names its columns.
    pub head: bool,
    /// Rows of the same id are one record.
    pub group: Option<Group>,
    /// What it means that a record is not there.
    pub holds: Holds,
    /// A file is read once it has been left alone for this long.
    pub steady: Duration,
    /// A file is read only if there is one of its name with this at the end.
    pub marker: Option<String>,
    /// Folder below the connection's, to which files are moved when they were taken.
    pub done: Option<String>,
    /// Folder below the connection's, into which it is written what became of each row.
    pub results: Option<String>,
    /// What values must be.
    pub require: Vec<Require>,
    /// Whether records are written.
    pub write: bool,
}

/// What a row of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Values with this byte between them.
    Csv {
        /// The byte.
        delimiter: u8,
    },
    /// One JSON object a line.
    JsonLines,
}

/// Rows of the same id are one record with a list of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The field of the list.
    pub into: String,
    /// The columns that each line has for itself; the others say the same in each row of a record.
    pub columns: Vec<String>,
}

/// What it means that a record is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// The file is all there is: the record is gone.
    Snapshot,
    /// Files only add and change: nothing.
    Additions,
}
