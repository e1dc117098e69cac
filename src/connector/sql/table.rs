//! A table as the database knows it.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use sqlx::{AnyPool, Row as _, any::AnyRow};

use super::{
    dialect::Dialect,
    login::{Failed, failed},
};
use crate::connector::{Ids, Resource, SqlTable};

/// A table, and those of its columns that are fields.
#[derive(Debug)]
pub(super) struct Table {
    pub dialect: Dialect,
    /// Its name as statements have it.
    pub name: String,
    pub id: String,
    pub changed_at: Option<String>,
    pub ids: Ids,
    pub zone: Tz,
    /// Name and type, in the order of names.
    pub columns: BTreeMap<String, String>,
}

/// Asks the database what the table of a resource is made of.
///
/// # Errors
///
/// When there is no such table, or it lacks a column that is a field.
pub(super) async fn ask(
    pool: &AnyPool,
    dialect: Dialect,
    resource: &Resource,
    sql: &SqlTable,
) -> Result<Table, Failed> {
    let quoted: Vec<String> = sql.table.iter().map(|part| dialect.quote(part)).collect();
    let (schema, table) = match sql.table.as_slice() {
        [schema, table] => (Some(schema), table),
        [table, ..] => (None, table),
        [] => return Err(Failed::Said("no table is named".to_owned())),
    };
    let name = quoted.join(".");
    let query = sqlx::query(dialect.columns(schema.is_some()));
    let query = match (dialect, schema) {
        (Dialect::Postgres, _) => query.bind(name.clone()),
        (_, Some(schema)) => query.bind(table.clone()).bind(schema.clone()),
        (_, None) => query.bind(table.clone()),
    };
    let rows = query.fetch_all(pool).await.map_err(|error| failed(&error))?;
    let mut there = BTreeMap::new();
    for row in &rows {
        if let (Some(name), Some(kind)) = (text(row, 0)?, text(row, 1)?) {
            there.insert(name, kind);
        }
    }
    let shown = sql.table.join(".");
    if there.is_empty() {
        return Err(Failed::Said(format!("there is no table `{shown}` that this login can read")));
    }
    let mut columns = BTreeMap::new();
    for field in resource.fields.fields.keys() {
        let Some(kind) = there.get(field) else {
            let names: Vec<&str> = there.keys().map(String::as_str).collect();
            let text = format!("the table `{shown}` has no column `{field}`; its columns are {}", names.join(", "));
            return Err(Failed::Said(text));
        };
        columns.insert(field.clone(), kind.clone());
    }
    if resource.create.is_some() {
        check_engine(pool, dialect, sql).await?;
    }
    Ok(Table {
        dialect,
        name,
        id: sql.id.clone(),
        changed_at: sql.changed_at.clone(),
        ids: sql.ids,
        zone: sql.zone,
        columns,
    })
}

/// What is written row by row without a transaction cannot be taken back, and a call that broke off would be done twice.
async fn check_engine(pool: &AnyPool, dialect: Dialect, sql: &SqlTable) -> Result<(), Failed> {
    let (schema, table) = match sql.table.as_slice() {
        [schema, table] => (Some(schema), table),
        [table, ..] => (None, table),
        [] => return Ok(()),
    };
    let Some(statement) = dialect.engine(schema.is_some()) else { return Ok(()) };
    let query = sqlx::query(statement).bind(table.clone());
    let query = schema.into_iter().fold(query, |query, schema| query.bind(schema.clone()));
    let Some(row) = query.fetch_optional(pool).await.map_err(|error| failed(&error))? else { return Ok(()) };
    match (text(&row, 0)?, text(&row, 1)?.as_deref()) {
        (_, Some("YES")) | (None, _) => Ok(()),
        (Some(engine), _) => Err(Failed::Said(format!(
            "the table `{}` is kept by {engine}, which has no transactions: what broke off could not be taken back, and \
             would be written twice; ALTER TABLE {} ENGINE=InnoDB, or remove `write: true`",
            sql.table.join("."),
            sql.table.join("."),
        ))),
    }
}

/// A value of a row, which is text or nothing.
///
/// # Errors
///
/// When it is neither.
pub(super) fn text(row: &AnyRow, at: usize) -> Result<Option<String>, Failed> {
    if let Ok(text) = row.try_get::<Option<String>, _>(at) {
        return Ok(text);
    }
    // Long texts come as bytes from MySQL.
    let bytes = row.try_get::<Option<Vec<u8>>, _>(at).map_err(|error| failed(&error))?;
    let text = bytes.map(String::from_utf8).transpose();
    text.map_err(|_| Failed::Said("a value is no text in UTF-8".to_owned()))
}

impl Table {
    /// The type of a column.
    pub fn kind(&self, column: &str) -> &str {
        self.columns.get(column).map_or("text", String::as_str)
    }

    /// Every column as text.
    pub fn selected(&self) -> String {
        let columns: Vec<String> =
            self.columns.keys().map(|name| self.dialect.text(&self.dialect.quote(name))).collect();
        columns.join(", ")
    }

    /// A column compared with the parameter of this number.
    pub fn compared(&self, column: &str, operator: &str, number: usize) -> String {
        let kind = self.kind(column);
        let column = self.dialect.comparable(self.dialect.quote(column), kind);
        format!("{column} {operator} {}", self.dialect.parameter(number, kind))
    }

    /// As [`Self::compared`], by the size of numbers.
    pub fn numbered(&self, column: &str, operator: &str, number: usize) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("CAST({} AS NUMERIC) {operator} CAST(? AS NUMERIC)", self.dialect.quote(column)),
            Dialect::Postgres | Dialect::MySql => self.compared(column, operator, number),
        }
    }
}
