//! Tables of a database: `SQLite`, `PostgreSQL`, `MySQL` and `MariaDB`.
//!
//! What a table is made of is asked of the database itself, so that every name in a statement is a column that is there
//! (`table`); names are quoted, values are bound, and both are said in each system's way (`dialect`). Every value
//! travels as text, so that a decimal keeps its digits (`value`). A listing walks along the id, or along the stamp of the
//! last change and the id (`read`). A write is one transaction with a savepoint for each record (`write`).

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    AnyPool, Executor as _,
    any::{AnyConnectOptions, AnyPoolOptions},
};
use thiserror::Error;
use uuid::Uuid;

use self::{dialect::Dialect, table::Table};
use super::{
    Answer, CallError, Connector, Ids, Page, PreparedCall, PullCursor, RemoteRecord, Requests, Resource, SqlTable,
    WriteItem, WriteKind, file::Item,
};
use crate::{config::Connection, record::RecordId};

mod dialect;
mod login;
mod read;
mod table;
mod value;
mod write;

/// How long a call that may have been carried out is sent again, where doing so twice does no harm.
const KEY_LIVES: Duration = Duration::from_hours(1);
/// How long a database may take to let us in.
const KNOCKING: Duration = Duration::from_secs(10);

/// Why a connection to a database cannot be used at all.
#[derive(Debug, Error)]
#[error("connection `{connection}` cannot be used: {message}")]
pub struct SqlError {
    /// The connection.
    pub connection: String,
    /// The cause, with what to do.
    pub message: String,
}

/// The tables of one database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqlConnector(Arc<Shared>);

struct Shared {
    connection: Arc<Connection>,
    dialect: Dialect,
    /// Made when it is first used, and again when the login has changed.
    pool: tokio::sync::Mutex<Option<(AnyConnectOptions, AnyPool)>>,
    /// What the database said of the tables.
    tables: Mutex<BTreeMap<String, Arc<Table>>>,
    reads: AtomicU64,
    writes: AtomicU64,
}

impl std::fmt::Debug for Shared {
    /// Without the addresses of the pool, which hold the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("connection", &self.connection.name)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

impl SqlConnector {
    /// Makes a connector for a database. Does not connect yet.
    ///
    /// # Errors
    ///
    /// When the connection names no database.
    pub fn new(connection: Arc<Connection>) -> Result<Self, SqlError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let dialect = Dialect::of(connection.base_url.scheme()).ok_or_else(|| SqlError {
            connection: connection.name.as_str().to_owned(),
            message: "its `base_url` is no database; write postgres://host/name, mysql://host/name or sqlite:FILE"
                .to_owned(),
        })?;
        Ok(Self(Arc::new(Shared {
            connection,
            dialect,
            pool: tokio::sync::Mutex::default(),
            tables: Mutex::default(),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        })))
    }
}

impl Shared {
    fn login_failed(&self, message: String) -> CallError {
        CallError::Login { connection: self.connection.name.to_string(), message }
    }

    /// Connections for reading.
    async fn pool(&self) -> Result<AnyPool, CallError> {
        let options = login::options(&self.connection).await.map_err(|why| self.login_failed(why))?;
        let mut kept = self.pool.lock().await;
        if let Some((known, pool)) = kept.as_ref()
            && known.database_url == options.database_url
        {
            return Ok(pool.clone());
        }
        let dialect = self.dialect;
        let made = AnyPoolOptions::new()
            .max_connections(2)
            .acquire_timeout(KNOCKING)
            .idle_timeout(Duration::from_mins(1))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    for habit in dialect.habits() {
                        connection.execute(*habit).await?;
                    }
                    Ok(())
                })
            })
            .connect_lazy_with(options.clone());
        *kept = Some((options, made.clone()));
        Ok(made)
    }

    /// What the database says of the table of a resource.
    async fn table(&self, pool: &AnyPool, resource: &Resource, sql: &SqlTable) -> Result<Arc<Table>, CallError> {
        let known = self.tables.lock().unwrap_or_else(PoisonError::into_inner).get(&resource.name).cloned();
        if let Some(table) = known {
            return Ok(table);
        }
        let table = Arc::new(table::ask(pool, self.dialect, resource, sql).await.map_err(|why| self.told(why))?);
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.insert(resource.name.clone(), Arc::clone(&table));
        Ok(table)
    }

    /// Reads something, and waits no longer than a connection says: whatever is between us and the database may forget
    /// the connection without a word to either.
    async fn patiently<T>(&self, read: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        let patience = self.connection.manifest.timeout;
        if let Ok(answer) = tokio::time::timeout(patience, read).await {
            return answer;
        }
        // Its connections may be as silent; what comes next gets new ones.
        *self.pool.lock().await = None;
        let patience = humantime::format_duration(patience);
        Err(CallError::NotDone(format!("the database said nothing for {patience}; `timeout` is how long is waited")))
    }

    /// What a failed read means.
    fn told(&self, error: login::Failed) -> CallError {
        match error {
            login::Failed::Login(message) => self.login_failed(message),
            login::Failed::Gone(message) => CallError::NotDone(message),
            login::Failed::Said(message) => {
                // The table may have changed.
                self.tables.lock().unwrap_or_else(PoisonError::into_inner).clear();
                CallError::BadAnswer(message)
            }
        }
    }
}

fn sql(resource: &Resource) -> Result<&SqlTable, CallError> {
    resource.sql.as_ref().ok_or_else(|| CallError::NotDone(format!("`{}` is in no table", resource.name)))
}

#[async_trait]
impl Connector for SqlConnector {
    fn resource(&self, name: &str) -> Option<&Resource> {
        self.0.connection.manifest.resources.get(name).map(AsRef::as_ref)
    }

    async fn pull(&self, resource: &Resource, cursor: &PullCursor) -> Result<Page, CallError> {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        let pool = self.0.pool().await?;
        let read = async {
            let table = self.0.table(&pool, resource, sql(resource)?).await?;
            read::page(&pool, &table, resource, cursor).await.map_err(|why| self.0.told(why))
        };
        self.0.patiently(read).await
    }

    async fn get(&self, resource: &Resource, id: &RecordId) -> Result<Option<RemoteRecord>, CallError> {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        let pool = self.0.pool().await?;
        let read = async {
            let table = self.0.table(&pool, resource, sql(resource)?).await?;
            read::one(&pool, &table, resource, id, false).await.map_err(|why| self.0.told(why))
        };
        match self.0.patiently(read).await? {
            Some(Ok(record)) => Ok(Some(record)),
            Some(Err(why)) => Err(CallError::BadAnswer(why.reason)),
            None => Ok(None),
        }
    }

    fn prepare(
        &self,
        resource: &Resource,
        kind: WriteKind,
        items: &[WriteItem],
        key: &str,
    ) -> Result<PreparedCall, CallError> {
        let table = sql(resource)?;
        let call = resource.write(kind).ok_or_else(|| {
            CallError::NotDone(format!("`{}` is only read; `write: true` lets it be written", resource.name))
        })?;
        let made = |(number, item): (usize, &WriteItem)| {
            let mut body = item.body.clone();
            if kind == WriteKind::Create
                && table.ids == Ids::Us
                && resource.id.find(&body).is_none()
                && let Some(members) = body.as_object_mut()
            {
                // The same call makes the same id, so that sending it twice makes one record.
                let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{key}:{number}").as_bytes());
                members.insert(table.id.clone(), id.to_string().into());
            }
            Item { id: item.id.as_ref().map(|id| id.as_str().to_owned()), version: item.version.clone(), body }
        };
        let made: Vec<Item> = items.iter().enumerate().map(made).collect();
        let twice_is_once = kind != WriteKind::Create || table.ids != Ids::Database;
        Ok(PreparedCall {
            resource: resource.name.clone(),
            kind,
            method: call.method.clone(),
            target: table.table.join("."),
            headers: Vec::new(),
            body: serde_json::to_string(&made).map_err(|error| CallError::NotDone(error.to_string()))?,
            ids: items.iter().map(|item| item.id.clone()).collect(),
            key_lives: twice_is_once.then_some(KEY_LIVES),
        })
    }

    async fn send(&self, resource: &Resource, call: &PreparedCall) -> Result<Answer, CallError> {
        self.0.writes.fetch_add(1, Ordering::Relaxed);
        let items: Vec<Item> =
            serde_json::from_str(&call.body).map_err(|error| CallError::NotDone(error.to_string()))?;
        let pool = self.0.pool().await.map_err(not_done)?;
        let open = async {
            let table = self.0.table(&pool, resource, sql(resource)?).await?;
            let connection = pool.acquire().await.map_err(|error| self.0.told(login::failed(&error)))?;
            Ok((table, connection))
        };
        let (table, mut connection) = self.0.patiently(open).await.map_err(not_done)?;
        // Whatever becomes of the transaction: nobody gets a connection in the middle of one.
        connection.close_on_drop();
        let patience = self.0.connection.manifest.timeout;
        write::write(&mut connection, &table, resource, call.kind, (&items, patience)).await
    }

    fn requests(&self) -> Requests {
        Requests { reads: self.0.reads.load(Ordering::Relaxed), writes: self.0.writes.load(Ordering::Relaxed) }
    }
}

/// Before a transaction begins nothing can have been done.
fn not_done(error: CallError) -> CallError {
    match error {
        CallError::BadAnswer(message) | CallError::Unknown(message) => CallError::NotDone(message),
        other => other,
    }
}
