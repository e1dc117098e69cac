//! Collections that are kept in files.

use std::time::Duration;

use super::{At, Named, RequireW, words, written};

words! {
    /// What a row of a file is.
    FileFormatW as "format" { Csv = "csv", JsonLines = "json-lines", }
}
words! {
    /// The mark in decimals.
    DecimalW as "mark in decimals" { Point = "point", Comma = "comma", }
}
words! {
    /// What it means that a record is not there.
    HoldsW as "what the files hold" { Everything = "everything", Additions = "additions", }
}
written! {
    /// Rows of the same id are one record with a list of lines.
    GroupW as "group" {
        /// The field of the list.
        need into: At<String>,
        /// The columns that each line has for itself.
        need columns: Vec<At<String>>,
    }
}
written! {
    /// When a file may be read.
    ReadyW as "ready" {
        /// Once it has been left alone for this long. Default: 10s; 0s where it is written, too.
        may steady: At<Duration>,
        /// If there is a file of its name with this at the end: `.done`.
        may marker: At<String>,
    }
}
written! {
    /// The files of a collection.
    FileW as "file" {
        /// Path below the connection's folder. The last part may hold `*`, where records come in several files.
        need path: At<String>,
        /// csv or json-lines. Default: by the ending of `path`.
        may format: At<FileFormatW>,
        /// CSV: the character between values. Default: a comma.
        may delimiter: At<String>,
        /// Character set, as `windows-1252`. Default: utf-8.
        may encoding: At<String>,
        /// point or comma. Default: point.
        may decimal: At<DecimalW>,
        /// How dates are written, as `%d.%m.%Y`. Default: `%Y-%m-%d`.
        may date_format: At<String>,
        /// How instants are written, as `%d.%m.%Y %H:%M`. Default: RFC 3339.
        may datetime_format: At<String>,
        /// Of `datetime_format`: by the clocks of this zone.
        may zone: At<chrono_tz::Tz>,
        /// CSV: the columns of a file without a head line, or of one that is made.
        may columns: Vec<At<String>>,
        /// CSV: whether the first line names the columns. Default: true.
        may head: At<bool>,
        /// Rows of the same id are one record with a list of lines.
        may group: GroupW,
        /// everything (a record that is not there is gone) or additions. Default: everything; with `*`, additions.
        may holds: At<HoldsW>,
        /// When a file may be read.
        may ready: ReadyW,
        /// Folder below the connection's, to which files are moved once what they hold is remembered. Needs `*`.
        may done: At<String>,
        /// Folder below the connection's, into which a CSV file is written for each one that is read: what became of its rows.
        may results: At<String>,
        /// What the values of a record must be, by name: present or above-zero. `lines.price` means that of each line. A row whose
        /// record lacks it is parked.
        may require: Named<At<RequireW>>,
        /// Whether records are written into the file. Default: false.
        may write: At<bool>,
    }
}
