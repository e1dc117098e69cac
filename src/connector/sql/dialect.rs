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
            Self::Sqlite => format!("CAST({expression} AS TEXT)"),
        }
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
