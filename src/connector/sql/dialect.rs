//! What the three kinds of database say in different ways.

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Postgres,
    /// `MySQL` and `MariaDB`.
    MySql,
    Sqlite,
}

impl Dialect {
    pub fn of(scheme: &str) -> Option<Self> {
        match scheme {
            "postgres" | "postgresql" => Some(Self::Postgres),
            "mysql" | "mariadb" => Some(Self::MySql),
            "sqlite" => Some(Self::Sqlite),
            _ => None,
        }
    }

    /// What a connection is told first: times in UTC and in ISO form, and values that do not fit are refused instead of
    /// being cut.
    pub const fn habits(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["SET TIME ZONE 'UTC'", "SET datestyle = 'ISO, YMD'", "SET statement_timeout = '120s'"],
            Self::MySql => &[
                "SET time_zone = '+00:00'",
                "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES,NO_ZERO_DATE')",
            ],
            Self::Sqlite => &["PRAGMA busy_timeout = 20000", "PRAGMA foreign_keys = ON"],
        }
    }

    /// A name as a statement has it: any text can be one.
    pub fn quote(self, name: &str) -> String {
        match self {
            Self::MySql => format!("`{}`", name.replace('`', "``")),
            Self::Postgres | Self::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// A value as text.
    pub fn text(self, expression: &str) -> String {
        match self {
            Self::Postgres => format!("CAST({expression} AS text)"),
            Self::MySql => format!("CAST({expression} AS CHAR)"),
            // As bytes: the driver refuses a whole page for a text that is no UTF-8.
            Self::Sqlite => format!("CAST(CAST({expression} AS TEXT) AS BLOB)"),
        }
    }

    /// What a column is compared and ordered by. `SQLite` compares a column without a type, as `id + 0` in a view is,
    /// with any text as if they were never equal, and every text as the greater one.
    pub fn comparable(self, quoted: String, kind: &str) -> String {
        if self == Self::Sqlite && untyped(kind) { format!("CAST({quoted} AS TEXT)") } else { quoted }
    }

    /// The parameter of this number, from 1, for a column of this type. What is bound is text.
    pub fn parameter(self, number: usize, kind: &str) -> String {
        match self {
            // Without its length, so that a text that is too long is refused and not cut.
            Self::Postgres if kind == "character" => format!("CAST(${number} AS bpchar)"),
            Self::Postgres => format!("CAST(${number} AS {kind})"),
            Self::MySql => match cast(kind) {
                Some(cast) => format!("CAST(? AS {cast})"),
                None => "?".to_owned(),
            },
            Self::Sqlite => "?".to_owned(),
        }
    }

    /// How a transaction begins that will write.
    pub const fn begin(self) -> &'static str {
        match self {
            Self::Postgres => "BEGIN",
            Self::MySql => "START TRANSACTION",
            Self::Sqlite => "BEGIN IMMEDIATE",
        }
    }

    /// What keeps a row as it was read until the transaction ends.
    pub const fn for_update(self) -> &'static str {
        match self {
            Self::Postgres | Self::MySql => " FOR UPDATE",
            // The whole file is ours from the beginning.
            Self::Sqlite => "",
        }
    }

    /// A row of defaults only.
    pub const fn nothing_but_defaults(self) -> &'static str {
        match self {
            Self::Postgres | Self::Sqlite => "DEFAULT VALUES",
            Self::MySql => "() VALUES ()",
        }
    }

    /// The present by the database's clock, in UTC.
    pub const fn now(self) -> &'static str {
        match self {
            Self::Postgres => "SELECT CAST(clock_timestamp() AS text)",
            Self::MySql => "SELECT CAST(UTC_TIMESTAMP(6) AS CHAR)",
            Self::Sqlite => "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
        }
    }

    /// The engine that keeps a table, and `YES` if it knows transactions; its parameters are the table, and its schema
    /// if there is one. Only one kind of database has several.
    pub const fn engine(self, with_schema: bool) -> Option<&'static str> {
        match (self, with_schema) {
            (Self::MySql, false) => Some(
                "SELECT CAST(t.engine AS CHAR), CAST(e.transactions AS CHAR) FROM information_schema.tables t \
                 JOIN information_schema.engines e ON e.engine = t.engine \
                 WHERE t.table_name = ? AND t.table_schema = DATABASE()",
            ),
            (Self::MySql, true) => Some(
                "SELECT CAST(t.engine AS CHAR), CAST(e.transactions AS CHAR) FROM information_schema.tables t \
                 JOIN information_schema.engines e ON e.engine = t.engine \
                 WHERE t.table_name = ? AND t.table_schema = ?",
            ),
            (Self::Postgres | Self::Sqlite, _) => None,
        }
    }

    /// Whether a column of this type keeps instants and not the time of a wall clock.
    pub fn keeps_instants(self, kind: &str) -> bool {
        match self {
            Self::Postgres => kind == "timestamp with time zone",
            // A connection's zone is UTC, and a TIMESTAMP is shown by it.
            Self::MySql => kind.to_ascii_lowercase().starts_with("timestamp"),
            Self::Sqlite => false,
        }
    }

    /// Names and types of the columns of a table; its parameters are the table, and its schema if there is one.
    pub const fn columns(self, with_schema: bool) -> &'static str {
        match (self, with_schema) {
            // The table is one parameter, quoted, with its schema.
            (Self::Postgres, _) => {
                "SELECT CAST(attname AS text), CAST(format_type(atttypid, NULL) AS text) FROM pg_attribute \
                 WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped"
            }
            (Self::MySql, false) => {
                "SELECT CAST(column_name AS CHAR), CAST(column_type AS CHAR) FROM information_schema.columns \
                 WHERE table_name = ? AND table_schema = DATABASE()"
            }
            (Self::MySql, true) => {
                "SELECT CAST(column_name AS CHAR), CAST(column_type AS CHAR) FROM information_schema.columns \
                 WHERE table_name = ? AND table_schema = ?"
            }
            (Self::Sqlite, false) => "SELECT name, type FROM pragma_table_info(?)",
            (Self::Sqlite, true) => "SELECT name, type FROM pragma_table_info(?, ?)",
        }
    }
}

/// Whether a column of `SQLite` with this declared type leaves texts and numbers as they come (sqlite.org/datatype3.html,
/// "Determination Of Column Affinity").
fn untyped(kind: &str) -> bool {
    let kind = kind.to_ascii_uppercase();
    let typed = ["INT", "CHAR", "CLOB", "TEXT"].iter().any(|part| kind.contains(part));
    !typed && (kind.is_empty() || kind.contains("BLOB"))
}

/// What `MySQL` must be told a text stands for, so that numbers and times are compared as such and not as floating
/// points. Text is compared as text.
fn cast(kind: &str) -> Option<&'static str> {
    let kind = kind.to_ascii_lowercase();
    let begins = |names: &[&str]| names.iter().any(|name| kind.starts_with(name));
    if begins(&["tinyint", "smallint", "mediumint", "int", "bigint"]) {
        return Some(if kind.contains("unsigned") { "UNSIGNED" } else { "SIGNED" });
    }
    if begins(&["decimal", "numeric"]) {
        return Some("DECIMAL(65,20)");
    }
    if begins(&["datetime", "timestamp"]) {
        return Some("DATETIME(6)");
    }
    (kind == "date").then_some("DATE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_a_name_and_ends_no_quotation() {
        assert_eq!(Dialect::Postgres.quote("a\"; DROP TABLE x; --"), "\"a\"\"; DROP TABLE x; --\"");
        assert_eq!(Dialect::Sqlite.quote("group"), "\"group\"");
        assert_eq!(Dialect::MySql.quote("a`b"), "`a``b`");
    }

    #[test]
    fn texts_are_told_what_they_stand_for() {
        assert_eq!(Dialect::Postgres.parameter(2, "numeric"), "CAST($2 AS numeric)");
        assert_eq!(Dialect::Postgres.parameter(1, "character"), "CAST($1 AS bpchar)");
        assert_eq!(Dialect::MySql.parameter(1, "bigint(20) unsigned"), "CAST(? AS UNSIGNED)");
        assert_eq!(Dialect::MySql.parameter(1, "varchar(20)"), "?");
        assert_eq!(Dialect::Sqlite.parameter(1, "INTEGER"), "?");
    }
}
