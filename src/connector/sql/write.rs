//! Writing rows: one transaction a call, with a savepoint for each record, so that a bad one takes nothing with it.
//!
//! Until the answer to COMMIT is waited for, a failure means that nothing was done; when that answer is lost, nobody
//! knows, and the records are looked up.

use std::time::Duration;

use serde_json::{Map, Value};
use sqlx::{AnyConnection, Executor as _};
use tokio::time::timeout;

use super::{
    login::{Failed, in_the_way},
    read,
    table::{Table, text},
    value,
};
use crate::{
    connector::{
        Answer, CallError, Ids, ItemAnswer, RemoteRecord, Resource, WriteKind,
        file::{Item, version},
        http::extract::id_of,
    },
    record::{Cell, RecordId},
};

/// Why a record has no answer of its own.
enum Broken {
    /// Nothing of the call can be done now.
    All(String),
    /// Only this record cannot be written.
    One(ItemAnswer),
}

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(said) if !in_the_way(&error) => Self::One(ItemAnswer::Refused {
                message: said.message().to_owned(),
                duplicate: said.is_unique_violation(),
                stale: false,
            }),
            _ => Self::All(error.to_string()),
        }
    }
}

impl From<String> for Broken {
    fn from(message: String) -> Self {
        Self::One(ItemAnswer::Refused { message, duplicate: false, stale: false })
    }
}

/// Carries out a call, in which nothing may take longer than `patience`. The connection must not be used by anybody
/// afterwards.
///
/// # Errors
///
/// When nothing was done, or when it is not known whether the transaction was committed.
pub(super) async fn write(
    by: &mut AnyConnection,
    table: &Table,
    resource: &Resource,
    kind: WriteKind,
    (items, patience): (&[Item], Duration),
) -> Result<Answer, CallError> {
    let nothing = |why: String| CallError::NotDone(format!("nothing was written to {}: {why}", table.name));
    let silent = |_| nothing(format!("the database said nothing for {}", humantime::format_duration(patience)));
    timeout(patience, by.execute(table.dialect.begin()))
        .await
        .map_err(silent)?
        .map_err(|error| nothing(error.to_string()))?;
    let mut answers = Vec::with_capacity(items.len());
    for item in items {
        let answer = timeout(patience, one(by, table, resource, (kind, item))).await.map_err(silent)?;
        answers.push(answer.map_err(nothing)?);
    }
    match timeout(patience, by.execute("COMMIT")).await {
        Ok(Ok(_)) => Ok(Answer { items: answers }),
        Ok(Err(error)) => Err(uncommitted(&error)),
        Err(_) => {
            let patience = humantime::format_duration(patience);
            Err(CallError::Unknown(format!("no answer came to COMMIT for {patience}")))
        }
    }
}

/// One record behind a savepoint, or why nothing of the call can be done.
async fn one(
    by: &mut AnyConnection,
    table: &Table,
    resource: &Resource,
    (kind, item): (WriteKind, &Item),
) -> Result<ItemAnswer, String> {
    by.execute("SAVEPOINT item").await.map_err(|error| error.to_string())?;
    let done = match kind {
        WriteKind::Create => create(by, table, resource, item).await,
        WriteKind::Update => update(by, table, resource, item).await,
        WriteKind::Delete => delete(by, table, resource, item).await,
    };
    let (answer, end) = match done {
        Ok(answer) => (answer, "RELEASE SAVEPOINT item"),
        Err(Broken::One(answer)) => (answer, "ROLLBACK TO SAVEPOINT item"),
        Err(Broken::All(why)) => return Err(why),
    };
    by.execute(end).await.map_err(|error| error.to_string())?;
    Ok(answer)
}

/// What it means that COMMIT failed. Only a database that says it broke a rule is known to have done nothing; a proxy in
/// between, or a server that is going down, answers with an error, too, when the transaction may be there.
fn uncommitted(error: &sqlx::Error) -> CallError {
    let sqlx::Error::Database(said) = error else {
        return CallError::Unknown(format!("no answer came to COMMIT: {error}"));
    };
    match after_commit(&said.code().unwrap_or_default()) {
        AfterCommit::Refused => CallError::Refused { status: 409, message: said.message().to_owned() },
        AfterCommit::InTheWay => CallError::NotDone(format!("nothing was written: {}", said.message())),
        AfterCommit::Unknown => CallError::Unknown(format!("COMMIT failed: {}", said.message())),
    }
}

/// What the code of an error says of a transaction that was to be committed.
#[derive(Debug, PartialEq, Eq)]
enum AfterCommit {
    /// A rule that is looked at last was broken: it was taken back.
    Refused,
    /// Another transaction was in the way: it was taken back, and may be tried again.
    InTheWay,
    Unknown,
}

/// SQLSTATE (`PostgreSQL` appendix A: class 23 is a broken constraint, 44 WITH CHECK OPTION, P0001 what a trigger raised, 40
/// a rollback, but for 40003, which is "statement completion unknown"), or a result code of `SQLite` (sqlite.org/rescode.html).
fn after_commit(code: &str) -> AfterCommit {
    if let Some(primary) = code.parse::<u32>().ok().filter(|_| code.len() != 5).map(|code| code & 0xff) {
        return match primary {
            5 | 6 => AfterCommit::InTheWay,
            19 => AfterCommit::Refused,
            _ => AfterCommit::Unknown,
        };
    }
    match code {
        "40003" => AfterCommit::Unknown,
        "P0001" | "40002" => AfterCommit::Refused,
        code if code.starts_with("23") || code.starts_with("44") => AfterCommit::Refused,
        code if code.starts_with("40") => AfterCommit::InTheWay,
        _ => AfterCommit::Unknown,
    }
}

/// The row with this id, kept until the transaction ends.
async fn there(
    by: &mut AnyConnection,
    table: &Table,
    resource: &Resource,
    id: &RecordId,
) -> Result<Option<RemoteRecord>, Broken> {
    match read::one_raw(by, table, resource, id, true).await? {
        Some(Ok(Ok(record))) => Ok(Some(record).filter(|record| record.id == *id)),
        Some(Ok(Err(unread))) => Err(Broken::from(format!("the row cannot be read: {}", unread.reason))),
        Some(Err(Failed::Said(why) | Failed::Gone(why) | Failed::Login(why))) => Err(Broken::All(why)),
        None => Ok(None),
    }
}

async fn create(by: &mut AnyConnection, table: &Table, resource: &Resource, item: &Item) -> Result<ItemAnswer, Broken> {
    let wanted = members(&item.body)?;
    let given = resource.id.find(&item.body).and_then(id_of);
    if given.is_none() && table.ids == Ids::Record {
        return Err(Broken::from(format!("a new row needs `{}`; map a field to it", table.id)));
    }
    if let Some(id) = &given
        && let Some(there) = there(by, table, resource, id).await?
    {
        // The call came before, and its answer was lost.
        if agrees(resource, wanted, &there.body) {
            return Ok(written(there));
        }
        let message = format!("there is a row with the {} `{id}` already", table.id);
        return Ok(ItemAnswer::Refused { message, duplicate: true, stale: false });
    }
    let (columns, values) = texts(table, resource, wanted)?;
    let dialect = table.dialect;
    let row = if columns.is_empty() {
        dialect.nothing_but_defaults().to_owned()
    } else {
        let names: Vec<String> = columns.iter().map(|name| dialect.quote(name)).collect();
        let mut number = 0;
        let places = columns.iter().zip(&values).map(|(name, value)| place(table, name, value.as_ref(), &mut number));
        let places: Vec<String> = places.collect();
        format!("({}) VALUES ({})", names.join(", "), places.join(", "))
    };
    let insert = format!("INSERT INTO {} {row}", table.name);
    let id = match given {
        Some(id) => {
            bound(&insert, values).execute(&mut *by).await?;
            id
        }
        None if dialect == super::Dialect::MySql => {
            let done = bound(&insert, values).execute(&mut *by).await?;
            let id = done.last_insert_id().filter(|id| *id > 0).ok_or_else(|| {
                format!("the database makes no numbers for `{}`; say ids: us or ids: record below `sql`", table.id)
            })?;
            RecordId::from(id.to_string())
        }
        None => {
            let statement = format!("{insert} RETURNING {}", dialect.text(&dialect.quote(&table.id)));
            let row = bound(&statement, values).fetch_one(&mut *by).await?;
            let id = text(&row, 0).ok().flatten().ok_or_else(|| {
                format!("the database makes no `{}`; say ids: us or ids: record below `sql`", table.id)
            })?;
            RecordId::from(id)
        }
    };
    let record = there(by, table, resource, &id).await?;
    record.map(written).ok_or_else(|| Broken::from("the new row cannot be seen by this login".to_owned()))
}

async fn update(by: &mut AnyConnection, table: &Table, resource: &Resource, item: &Item) -> Result<ItemAnswer, Broken> {
    let id = RecordId::from(item.id.clone().unwrap_or_default());
    let wanted = members(&item.body)?;
    let Some(now) = there(by, table, resource, &id).await? else {
        return Err(Broken::from(format!("there is no row with the {} `{id}` any more", table.id)));
    };
    // Also where the call came before, and its answer was lost.
    if agrees(resource, wanted, &now.body) {
        return Ok(written(now));
    }
    if let Some(stale) = stale(table, item, &now, &id) {
        return Ok(stale);
    }
    let (columns, mut values) = texts(table, resource, wanted)?;
    if columns.contains(&&table.id) {
        return Err(Broken::from(format!("the {} `{id}` cannot be changed", table.id)));
    }
    let mut number = 0;
    let sets: Vec<String> = columns
        .iter()
        .zip(&values)
        .map(|(name, value)| {
            format!("{} = {}", table.dialect.quote(name), place(table, name, value.as_ref(), &mut number))
        })
        .collect();
    let condition = table.compared(&table.id, "=", number + 1);
    let statement = format!("UPDATE {} SET {} WHERE {condition}", table.name, sets.join(", "));
    values.push(Some(id.as_str().to_owned()));
    let done = bound(&statement, values).execute(&mut *by).await?;
    only_one(table, &id, done.rows_affected())?;
    let record = there(by, table, resource, &id).await?;
    record.map(written).ok_or_else(|| Broken::from("the changed row cannot be seen by this login any more".to_owned()))
}

async fn delete(by: &mut AnyConnection, table: &Table, resource: &Resource, item: &Item) -> Result<ItemAnswer, Broken> {
    let id = RecordId::from(item.id.clone().unwrap_or_default());
    if let Some(now) = there(by, table, resource, &id).await? {
        if let Some(stale) = stale(table, item, &now, &id) {
            return Ok(stale);
        }
        let statement = format!("DELETE FROM {} WHERE {}", table.name, table.compared(&table.id, "=", 1));
        let done = bound(&statement, vec![Some(id.as_str().to_owned())]).execute(&mut *by).await?;
        only_one(table, &id, done.rows_affected())?;
    }
    let record = RemoteRecord {
        label: id.as_str().to_owned(),
        id,
        body: Value::Object(Map::new()),
        updated_at: None,
        version: None,
        gone: true,
        merged_into: None,
    };
    Ok(written(record))
}

/// Several rows with one id are several things, and were meant by nobody. None is what a view with triggers says.
fn only_one(table: &Table, id: &RecordId, rows: u64) -> Result<(), Broken> {
    if rows < 2 {
        return Ok(());
    }
    let id_name = &table.id;
    Err(Broken::from(format!(
        "{rows} rows have the {id_name} `{id}`, and none was written; give each its own, and `{id_name}` a unique index"
    )))
}

fn stale(table: &Table, item: &Item, now: &RemoteRecord, id: &RecordId) -> Option<ItemAnswer> {
    let changed = item.version.as_ref().is_some_and(|known| *known != version(&now.body));
    changed.then(|| ItemAnswer::Refused {
        message: format!("the row with the {} `{id}` was changed meanwhile", table.id),
        duplicate: false,
        stale: true,
    })
}

fn written(record: RemoteRecord) -> ItemAnswer {
    ItemAnswer::Written { record: Box::new(record), body: true }
}

fn members(body: &Value) -> Result<&Map<String, Value>, Broken> {
    body.as_object().ok_or_else(|| Broken::from("the record is no object".to_owned()))
}

/// Whether a row holds what is wanted of it already.
fn agrees(resource: &Resource, wanted: &Map<String, Value>, there: &Value) -> bool {
    wanted.iter().all(|(name, value)| {
        let same = |field: &crate::connector::FieldType| {
            let cell = |value: &Value| Cell::from(value.clone());
            field.canon.same(&cell(value), &cell(there.get(name).unwrap_or(&Value::Null)))
        };
        resource.fields.fields.get(name).is_some_and(same)
    })
}

/// Columns with the texts of their values.
fn texts<'v>(
    table: &Table,
    resource: &Resource,
    wanted: &'v Map<String, Value>,
) -> Result<(Vec<&'v String>, Vec<Option<String>>), Broken> {
    let mut columns = Vec::with_capacity(wanted.len());
    let mut values = Vec::with_capacity(wanted.len());
    for (name, value) in wanted {
        let field = resource.fields.fields.get(name).filter(|_| table.columns.contains_key(name));
        let field = field.ok_or_else(|| format!("the table has no column `{name}`"))?;
        let form = (table.dialect, table.kind(name), table.zone);
        values.push(value::write(field, form, value).map_err(|why| format!("{name}: {why}"))?);
        columns.push(name);
    }
    Ok((columns, values))
}

/// Where a value stands in a statement; nothing stands there as NULL.
fn place(table: &Table, column: &str, value: Option<&String>, number: &mut usize) -> String {
    if value.is_none() {
        return "NULL".to_owned();
    }
    *number += 1;
    table.dialect.parameter(*number, table.kind(column))
}

fn bound(
    statement: &str,
    values: Vec<Option<String>>,
) -> sqlx::query::Query<'_, sqlx::Any, sqlx::any::AnyArguments<'_>> {
    values.into_iter().flatten().fold(sqlx::query(statement), sqlx::query::Query::bind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_database_that_took_it_back_is_believed() {
        for code in ["23505", "23000", "23503", "44000", "P0001", "787", "1811"] {
            assert_eq!(after_commit(code), AfterCommit::Refused, "{code}");
        }
        for code in ["40001", "40P01", "5", "6", "261", "517"] {
            assert_eq!(after_commit(code), AfterCommit::InTheWay, "{code}");
        }
        for code in ["57P01", "08006", "08P01", "40003", "HY000", "53100", "XX000", "70100", "10", "778", "13", ""] {
            assert_eq!(after_commit(code), AfterCommit::Unknown, "{code}");
        }
    }
}
