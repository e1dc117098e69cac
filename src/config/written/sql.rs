//! Collections that are kept in tables of databases.

use std::time::Duration;

use super::{At, words, written};

words! {
    /// Who makes the ids of new records.
    IdsW as "who makes ids" { Database = "database", Us = "us", Record = "record", }
}
written! {
    /// The table of a collection.
    SqlW as "sql" {
        /// The table or view, with its schema if need be: `shop.customers`.
        need table: At<String>,
        /// Who makes the ids of new records: database (a number that counts up, a default), us (a UUID), or record (a
        /// field is mapped to it). Default: database.
        may ids: At<IdsW>,
        /// With `updated_at`: how much is read again each time, for transactions that were stamped before they were
        /// committed. Default: 1m.
        may overlap: At<Duration>,
        /// Of times that the table keeps without a zone. Default: UTC.
        may zone: At<chrono_tz::Tz>,
        /// Whether records are written. Default: false.
        may write: At<bool>,
    }
}
