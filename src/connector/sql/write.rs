//! Writing rows: one transaction a call, with a savepoint for each record, so that a bad one takes nothing with it.
//!
//! Until the answer to COMMIT is waited for, a failure means that nothing was done; when that answer is lost, nobody
//! knows, and the records are looked up.

use serde_json::{Map, Value};
use sqlx::{AnyConnection, Executor as _};

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

/// Carries out a call. The connection must not be used by anybody afterwards.
///
/// # Errors
///
/// When nothing was done, or when it is not known whether the transaction was committed.
pub(super) async fn write(
    by: &mut AnyConnection,
    table: &Table,
    resource: &Resource,
    kind: WriteKind,
    items: &[Item],
) -> Result<Answer, CallError> {
    let nothing = |why: String| CallError::NotDone(format!("nothing was written to {}: {why}", table.name));
    by.execute(table.dialect.begin()).await.map_err(|error| nothing(error.to_string()))?;
    let mut answers = Vec::with_capacity(items.len());
    for item in items {
        by.execute("SAVEPOINT item").await.map_err(|error| nothing(error.to_string()))?;
        let done = match kind {
            WriteKind::Create => create(by, table, resource, item).await,
            WriteKind::Update => update(by, table, resource, item).await,
            WriteKind::Delete => delete(by, table, resource, item).await,
        };
        let (answer, end) = match done {
            Ok(answer) => (answer, "RELEASE SAVEPOINT item"),
            Err(Broken::One(answer)) => (answer, "ROLLBACK TO SAVEPOINT item"),
            Err(Broken::All(why)) => return Err(nothing(why)),
        };
        by.execute(end).await.map_err(|error| nothing(error.to_string()))?;
        answers.push(answer);
    }
    match by.execute("COMMIT").await {
        Ok(_) => Ok(Answer { items: answers }),
        // The database said no, as for a constraint that is looked at last: nothing was done.
        Err(sqlx::Error::Database(said)) => Err(CallError::Refused { status: 409, message: said.message().to_owned() }),
        Err(error) => Err(CallError::Unknown(format!("no answer came to COMMIT: {error}"))),
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
    bound(&statement, values).execute(&mut *by).await?;
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
        bound(&statement, vec![Some(id.as_str().to_owned())]).execute(&mut *by).await?;
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
