//! Somebody else is in the middle of a transaction with the same rows.

use std::time::{Duration, Instant};

use reconciled::connector::{
    CallError, Connector, ItemAnswer, PullCursor, RemoteRecord, SqlConnector, WriteItem, WriteKind,
};
use serde_json::json;
use sqlx::{Any, Executor as _, Row as _, Transaction};

use super::{Database, connector};

const TABLE: &str = "      held: { id: $.id, fields: { name: text }, sql: { table: held, write: true } }";

/// Somebody else's transaction, which has changed a row.
async fn theirs(database: &Database, id: u8) -> Transaction<'static, Any> {
    let mut theirs = database.pool.begin().await.unwrap();
    if database.kind() == "postgres" {
        // Who looks for deadlocks first is whom they end.
        theirs.execute("SET LOCAL deadlock_timeout = '10min'").await.unwrap();
    }
    theirs.execute(&*format!("UPDATE held SET name = 'theirs' WHERE id = {id}")).await.unwrap();
    theirs
}

/// Waits until somebody waits for a lock.
async fn blocked(database: &Database) {
    let waiting = match database.kind() {
        "postgres" => "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
        _ => "SELECT COUNT(*) FROM information_schema.innodb_lock_waits",
    };
    let begin = Instant::now();
    loop {
        let found: i64 = sqlx::query(waiting).fetch_one(&database.pool).await.unwrap().get(0);
        if found > 0 {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "nobody waits for a lock");
        // InnoDB looks anew at its locks ten times a second at most.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

async fn rows(connector: &SqlConnector) -> Vec<RemoteRecord> {
    let resource = connector.resource("held").unwrap();
    connector.pull(resource, &PullCursor { since: None, page: None }).await.unwrap().records
}

fn change(row: &RemoteRecord) -> WriteItem {
    WriteItem { id: Some(row.id.clone()), body: json!({ "name": "ours" }), version: row.version.clone(), now: None }
}

async fn send(connector: &SqlConnector, items: &[WriteItem]) -> Result<Vec<ItemAnswer>, CallError> {
    let resource = connector.resource("held").unwrap();
    let call = connector.prepare(resource, WriteKind::Update, items, "key-1").unwrap();
    connector.send(resource, &call).await.map(|answer| answer.items)
}

async fn suite(kind: &str) {
    let database = Database::start(kind).await;
    database
        .run("CREATE TABLE held (id {id}, name varchar(40)); INSERT INTO held (id, name) VALUES (1, 'a'), (2, 'b')")
        .await;
    // A row that is being changed is waited for, and is then another one than was read.
    let ours = database.connector(TABLE);
    let read = rows(&ours).await;
    let mut holder = theirs(&database, 1).await;
    let items = [change(&read[0])];
    let (answers, ()) = tokio::join!(send(&ours, &items), async {
        blocked(&database).await;
        holder.commit().await.unwrap();
    });
    let answers = answers.unwrap();
    assert!(matches!(answers[..], [ItemAnswer::Refused { stale: true, .. }]), "{answers:?}");
    assert_eq!(database.count("held WHERE name = 'theirs'").await, 1, "it was not overwritten");
    // One that stays so for longer than a connection waits ends the call, and of its other rows nothing is held on to.
    let patient = connector(&database.config(&format!("{TABLE}\n    timeout: 6s"), "", None));
    let read = rows(&ours).await;
    holder = theirs(&database, 2).await;
    let items = [change(&read[0]), change(&read[1])];
    let (answers, ()) = tokio::join!(send(&patient, &items), blocked(&database));
    assert!(matches!(answers, Err(CallError::NotDone(_))), "{answers:?}");
    holder.rollback().await.unwrap();
    let mut next = database.pool.acquire().await.unwrap();
    let wait = match kind {
        "postgres" => "SET lock_timeout = '20s'",
        _ => "SET innodb_lock_wait_timeout = 20",
    };
    next.execute(wait).await.unwrap();
    next.execute("UPDATE held SET name = 'free' WHERE id = 1").await.expect("nobody holds the row any more");
    drop(next);
    assert_eq!(database.count("held WHERE name = 'ours'").await, 0, "nothing of it was done");
    if kind == "postgres" {
        deadlock(&database, &ours).await;
    }
}

/// Whom the database ends for standing in another's way has done nothing, and tries again: that is no fault of the record.
async fn deadlock(database: &Database, ours: &SqlConnector) {
    let read = rows(ours).await;
    let mut holder = theirs(database, 2).await;
    let items = [change(&read[0]), change(&read[1])];
    let (answers, ()) = tokio::join!(send(ours, &items), async {
        blocked(database).await;
        holder.execute("UPDATE held SET name = 'theirs' WHERE id = 1").await.unwrap();
        holder.commit().await.unwrap();
    });
    assert!(matches!(answers, Err(CallError::NotDone(_))), "{answers:?}");
    assert_eq!(database.count("held WHERE name = 'theirs'").await, 2);
    let read = rows(ours).await;
    let answers = send(ours, &[change(&read[0]), change(&read[1])]).await.unwrap();
    assert!(answers.iter().all(|answer| matches!(answer, ItemAnswer::Written { .. })), "{answers:?}");
}

#[tokio::test]
async fn conformance_postgres_locks_of_others_are_waited_for_and_ours_end_with_the_call() {
    suite("postgres").await;
}

#[tokio::test]
async fn conformance_mariadb_locks_of_others_are_waited_for_and_ours_end_with_the_call() {
    suite("mariadb").await;
}
