//! Reading rows: a page of a listing, and one row.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::{Any, AnyPool, Executor, any::AnyRow};

use super::{
    dialect::Dialect,
    login::{Failed, failed},
    table::{Table, text},
    value,
};
use crate::{
    connector::{FieldType, Page, PullCursor, RemoteRecord, Resource, Unread, WireFormat, file::remote},
    record::RecordId,
};

/// Rows a page.
const PAGE: usize = 500;

/// Where a listing goes on: behind the row with this stamp and this id, as the database writes them.
#[derive(Debug, Serialize, Deserialize)]
struct Spot {
    stamp: Option<String>,
    id: String,
}

/// A page of a listing. It walks along the columns that it compares, so that rows which come and go meanwhile move
/// nothing past it.
///
/// # Errors
///
/// When the database does not answer with rows.
pub(super) async fn page(
    pool: &AnyPool,
    table: &Table,
    resource: &Resource,
    cursor: &PullCursor,
) -> Result<Page, Failed> {
    let dialect = table.dialect;
    let spot: Option<Spot> = match &cursor.page {
        Some(token) => Some(serde_json::from_str(token).map_err(|error| Failed::Said(error.to_string()))?),
        None => None,
    };
    let mut page = Page::default();
    if spot.is_none() {
        let row = sqlx::query(dialect.now()).fetch_one(pool).await.map_err(|error| failed(&error))?;
        page.server_time = text(&row, 0)?.and_then(|now| value::instant(&now, chrono_tz::UTC));
    }
    let stamped = table.changed_at.as_deref().filter(|_| cursor.since.is_some());
    let mut bound = Vec::new();
    let mut conditions = Vec::new();
    if let (Some(column), Some(since)) = (stamped, cursor.since) {
        let (condition, values) = since_when(table, resource.fields.fields.get(column), column, since);
        conditions.push(condition);
        bound.extend(values);
    }
    if let Some(spot) = &spot {
        conditions.push(behind(table, stamped, spot, &mut bound));
    }
    let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    // With the table's name: alone, PostgreSQL would take it for the text that is selected, and order by that.
    let column = |name: &str| dialect.comparable(format!("{}.{}", table.name, dialect.quote(name)), table.kind(name));
    let order: Vec<String> = stamped.into_iter().chain([table.id.as_str()]).map(column).collect();
    let statement =
        format!("SELECT {} FROM {}{filter} ORDER BY {} LIMIT {PAGE}", table.selected(), table.name, order.join(", "));
    let query = bound.into_iter().fold(sqlx::query(&statement), sqlx::query::Query::bind);
    let rows = query.fetch_all(pool).await.map_err(|error| failed(&error))?;
    for row in &rows {
        match record(table, resource, row)? {
            Ok(record) => page.records.push(record),
            Err(unread) => page.unread.push(unread),
        }
    }
    twice(&table.id, resource, &mut page);
    if let Some(last) = rows.last().filter(|_| rows.len() == PAGE) {
        let of = |column: &str| position(table, column).map_or(Ok(None), |at| text(last, at));
        let stamp = match stamped {
            Some(column) => of(column)?,
            None => None,
        };
        let spot = Spot { stamp, id: of(&table.id)?.unwrap_or_default() };
        page.next = serde_json::to_string(&spot).ok();
    }
    Ok(page)
}

/// Rows of one id are no record: nobody knows which is meant.
fn twice(id: &str, resource: &Resource, page: &mut Page) {
    let mut counted: BTreeMap<RecordId, usize> = BTreeMap::new();
    for record in &page.records {
        *counted.entry(record.id.clone()).or_default() += 1;
    }
    page.records.retain(|record| counted.get(&record.id) == Some(&1));
    for (twice, rows) in counted.into_iter().filter(|(_, rows)| *rows > 1) {
        page.unread.push(Unread {
            place: format!("{}, {id} {twice}", resource.name),
            reason: format!("{rows} rows have this `{id}`, and none of them is used"),
        });
    }
}

/// Changed at or after an instant.
fn since_when(table: &Table, field: Option<&FieldType>, column: &str, since: DateTime<Utc>) -> (String, Vec<String>) {
    let form = (table.dialect, table.kind(column), table.zone);
    match field.map(|field| field.format) {
        Some(WireFormat::EpochSeconds) => (table.numbered(column, ">=", 1), vec![since.timestamp().to_string()]),
        Some(WireFormat::EpochMillis) => (table.numbered(column, ">=", 1), vec![since.timestamp_millis().to_string()]),
        _ if table.dialect == Dialect::Sqlite => {
            // It keeps times as text in more forms than one; a day number has none, and no more than milliseconds.
            // A stamp with an offset of its own is compared with the instant, one without with our zone's wall clock; one
            // that SQLite cannot read is looked at each time.
            let column = table.dialect.quote(column);
            let condition = format!(
                "(julianday({column}) >= julianday(CASE WHEN {column} GLOB '*[Zz]' \
                 OR {column} GLOB '*[+-][0-9][0-9]:[0-9][0-9]' THEN ? ELSE ? END) - 0.0000001 \
                 OR (julianday({column}) IS NULL AND {column} IS NOT NULL))"
            );
            let utc = since.format("%Y-%m-%d %H:%M:%S%.f").to_string();
            (condition, vec![utc, value::least_stamp(since, form)])
        }
        _ => (table.compared(column, ">=", 1), vec![value::least_stamp(since, form)]),
    }
}

/// Behind a row in the order of the listing.
fn behind(table: &Table, stamped: Option<&str>, spot: &Spot, bound: &mut Vec<String>) -> String {
    let next = bound.len() + 1;
    if let (Some(column), Some(stamp)) = (stamped, &spot.stamp) {
        bound.extend([stamp.clone(), stamp.clone(), spot.id.clone()]);
        return format!(
            "({} OR ({} AND {}))",
            table.compared(column, ">", next),
            table.compared(column, "=", next + 1),
            table.compared(&table.id, ">", next + 2)
        );
    }
    bound.push(spot.id.clone());
    table.compared(&table.id, ">", next)
}

/// One row, or why it cannot be read; `None` if it is not there. `keep` holds it until the transaction ends.
///
/// # Errors
///
/// When the database does not answer.
pub(super) async fn one<'e>(
    by: impl Executor<'e, Database = Any>,
    table: &Table,
    resource: &Resource,
    id: &RecordId,
    keep: bool,
) -> Result<Option<Result<RemoteRecord, Unread>>, Failed> {
    one_raw(by, table, resource, id, keep).await.map_err(|error| failed(&error))?.transpose().map(|found| {
        // A column that knows no cases finds another id than was asked for.
        found.filter(|found| !matches!(found, Ok(record) if record.id != *id))
    })
}

/// As [`one`], with the driver's own error.
pub(super) async fn one_raw<'e>(
    by: impl Executor<'e, Database = Any>,
    table: &Table,
    resource: &Resource,
    id: &RecordId,
    keep: bool,
) -> Result<Option<Result<Result<RemoteRecord, Unread>, Failed>>, sqlx::Error> {
    let statement = format!(
        "SELECT {} FROM {} WHERE {}{}",
        table.selected(),
        table.name,
        table.compared(&table.id, "=", 1),
        if keep { table.dialect.for_update() } else { "" }
    );
    let row = sqlx::query(&statement).bind(id.as_str().to_owned()).fetch_optional(by).await?;
    Ok(row.map(|row| record(table, resource, &row)))
}

fn position(table: &Table, column: &str) -> Option<usize> {
    table.columns.keys().position(|name| name == column)
}

/// The record that a row stands for.
fn record(table: &Table, resource: &Resource, row: &AnyRow) -> Result<Result<RemoteRecord, Unread>, Failed> {
    let mut body = Map::new();
    let mut fault = None;
    for (at, name) in table.columns.keys().enumerate() {
        let Some(field) = resource.fields.fields.get(name) else { continue };
        let text = match text(row, at) {
            Ok(text) => text,
            Err(Failed::Said(why)) => {
                fault.get_or_insert(format!("{name}: {why}"));
                continue;
            }
            Err(other) => return Err(other),
        };
        match value::read(field, (table.dialect, table.kind(name), table.zone), text) {
            Ok(value) => {
                body.insert(name.clone(), value);
            }
            Err(why) => {
                fault.get_or_insert(format!("{name}: {why}"));
            }
        }
    }
    let id = body.get(&table.id).map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    let place = format!("{}, {} {}", resource.name, table.id, id.unwrap_or_default());
    Ok(match fault {
        Some(reason) => Err(Unread { place, reason }),
        None => remote(resource, Value::Object(body))
            .ok_or_else(|| Unread { place, reason: format!("it has no id in `{}`", table.id) }),
    })
}
