//! Pages, changes, and what a database may say instead.

use std::collections::BTreeSet;

use reconciled::{
    connector::{CallError, Connector, ItemAnswer, PullCursor, WriteItem, WriteKind},
    record::RecordId,
};
use serde_json::json;

use super::{Database, all};

const CUSTOMERS: &str = "      customers:
        id: $.id
        label: \"{name}\"
        updated_at: $.changed_at
        fields: { name: text, balance: decimal, active: boolean, since: date, changed_at: datetime }
        sql: { table: customers, write: true }";

/// 1,203 rows, stamped two by two.
async fn filled(database: &Database) {
    database
        .run("CREATE TABLE customers (id {id}, name varchar(40), balance decimal(20,2), active {boolean}, since date, changed_at {time}, other text)")
        .await;
    let rows: Vec<String> = (1..=1203)
        .map(|at| {
            let (minute, second) = ((at / 2) / 60, (at / 2) % 60);
            let active = if database.kind() == "postgres" { "true" } else { "1" };
            format!("({at}, 'Customer {at}', 10.50, {active}, '2026-01-31', '2026-06-01 02:{minute:02}:{second:02}')")
        })
        .collect();
    // By the clocks of the connection, which are meant to be UTC.
    let columns = "id, name, balance, active, since, changed_at";
    let zone = if database.kind() == "postgres" { "SET TIME ZONE 'UTC'" } else { "SELECT 1" };
    let mut connection = database.pool.acquire().await.unwrap();
    sqlx::query(zone).execute(&mut *connection).await.unwrap();
    let insert = format!("INSERT INTO customers ({columns}) VALUES {}", rows.join(", "));
    sqlx::query(&insert).execute(&mut *connection).await.unwrap();
    if database.kind() == "postgres" {
        sqlx::query("SELECT setval(pg_get_serial_sequence('customers', 'id'), 1203)")
            .execute(&mut *connection)
            .await
            .unwrap();
        sqlx::query("SET TIME ZONE 'Pacific/Auckland'").execute(&mut *connection).await.unwrap();
    }
}

pub async fn pages(database: &Database) {
    filled(database).await;
    let connector = database.connector(CUSTOMERS);
    let resource = connector.resource("customers").unwrap();
    let whole = PullCursor { since: None, page: None };
    let first = connector.pull(resource, &whole).await.unwrap();
    assert_eq!(first.records.len(), 500);
    assert!(first.server_time.is_some() && !first.partial);
    let one = &first.records[0];
    assert_eq!(one.id.as_str(), "1");
    let text = serde_json::to_string(&one.body).unwrap();
    // SQLite keeps a number, and the others a decimal with its places.
    let balance = if database.kind() == "sqlite" { "10.5" } else { "10.50" };
    assert_eq!(
        text,
        format!(
            "{{\"active\":true,\"balance\":{balance},\"changed_at\":\"2026-06-01T02:00:00Z\",\"id\":\"1\",\"name\":\"Customer 1\",\"since\":\"2026-01-31\"}}"
        ),
        "a column that is no field is not read"
    );
    // Rows go and come between the pages: everybody who was there all the time is listed, once.
    database.run("DELETE FROM customers WHERE id IN (3, 700); UPDATE customers SET name = 'x' WHERE id = 900").await;
    database.run("INSERT INTO customers (name, balance) VALUES ('Newcomer', 0.1)").await;
    let rest = all(&connector, resource, PullCursor { page: first.next.clone(), ..whole.clone() }).await;
    let ids: Vec<&str> = first.records.iter().chain(&rest).map(|record| record.id.as_str()).collect();
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!((ids.len(), distinct.len()), (1203, 1203), "less 700, and with the newcomer");
    let by_id = |id: &'static str| connector.get(resource, Box::leak(Box::new(RecordId::from(id))));
    assert_eq!(by_id("900").await.unwrap().unwrap().label, "x");
    assert!(by_id("700").await.unwrap().is_none());
    assert!(by_id("0").await.unwrap().is_none());
}

pub async fn changes(database: &Database) {
    let connector = database.connector(CUSTOMERS);
    let resource = connector.resource("customers").unwrap();
    let since = "2026-06-01T02:01:40Z".parse().unwrap();
    let changed = all(&connector, resource, PullCursor { since: Some(since), page: None }).await;
    // From the 100th second on, with both rows of that second; those stamped alike lie on both sides of page ends.
    let ids: BTreeSet<u32> = changed.iter().map(|record| record.id.as_str().parse().unwrap()).collect();
    let expected: BTreeSet<u32> = (200..=1203).filter(|id| *id != 700).collect();
    assert_eq!(ids, expected);
    assert_eq!(changed.len(), ids.len(), "each once");
    let overlap = resource.list.as_ref().unwrap().changed_since.as_ref().unwrap().overlap;
    assert_eq!(overlap.as_secs(), 60, "transactions may be stamped before they are seen");
}

pub async fn trouble(database: &Database) {
    let read = async |resources: &str| {
        let connector = database.connector(resources);
        let resource = connector.resource("things").unwrap();
        connector.pull(resource, &PullCursor { since: None, page: None }).await
    };
    let things = |fields: &str, table: &str| {
        format!("      things: {{ id: $.id, fields: {{ {fields} }}, sql: {{ table: \"{table}\" }} }}")
    };
    let error = read(&things("name: text", "nothing")).await.unwrap_err();
    assert!(error.to_string().contains("there is no table `nothing` that this login can read"), "{error}");
    let error = read(&things("nmae: text", "customers")).await.unwrap_err();
    assert!(error.to_string().contains("the table `customers` has no column `nmae`; its columns are"), "{error}");
    let error = read(&things("name: text", "customers; DROP TABLE customers")).await.unwrap_err();
    assert!(error.to_string().contains("there is no table"), "{error}");
    // A value that is none of its kind: the row is told, and the others are read.
    database.run("CREATE TABLE odd (id {id}, size varchar(20)); INSERT INTO odd (size) VALUES ('12'), ('large')").await;
    let page = read(&things("size: integer", "odd")).await.unwrap();
    assert_eq!(page.records.len(), 1);
    assert_eq!(
        (page.unread[0].place.as_str(), page.unread[0].reason.as_str()),
        ("things, id 2", "size: `large` is no whole number")
    );
    if database.kind() != "sqlite" {
        let url = database.server.url(false, None);
        let yaml = format!(
            "connectors:\n  shop:\n    resources:\n{}\nconnections:\n  db: {{ connector: shop, base_url: \"{url}\", auth: {{ user: app, password: canary-wrong }} }}\n",
            things("name: text", "customers")
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x.yaml"), yaml).unwrap();
        let loaded = reconciled::config::load(folder.path(), &std::collections::HashMap::<String, String>::new());
        let connector = super::connector(&loaded.config);
        let error = connector
            .pull(connector.resource("things").unwrap(), &PullCursor { since: None, page: None })
            .await
            .unwrap_err();
        assert!(matches!(error, CallError::Login { .. }), "{error:?}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

/// Columns that keep instants and columns that keep a wall clock, of a shop in Auckland.
pub async fn zones(database: &Database) {
    let (instant, wall) = match database.kind() {
        "postgres" => ("timestamptz", "timestamp"),
        "mariadb" => ("timestamp(6) NULL", "datetime(6)"),
        _ => ("text", "text"),
    };
    database.run(&format!("CREATE TABLE seen (id {{id}}, instant {instant}, wall {wall})")).await;
    let connector = database.connector(
        "      seen: { id: $.id, updated_at: $.instant, fields: { instant: datetime, wall: datetime }, sql: { table: seen, write: true, zone: Pacific/Auckland } }
      walls: { id: $.id, updated_at: $.wall, fields: { instant: datetime, wall: datetime }, sql: { table: seen, zone: Pacific/Auckland } }",
    );
    let resource = connector.resource("seen").unwrap();
    let at = "2026-06-01T02:00:00Z";
    let body = json!({ "instant": at, "wall": at });
    let item = [WriteItem { id: None, body, version: None, now: None }];
    let call = connector.prepare(resource, WriteKind::Create, &item, "key-1").unwrap();
    let answer = connector.send(resource, &call).await.unwrap();
    let ItemAnswer::Written { record, .. } = &answer.items[0] else { panic!("{answer:?}") };
    assert_eq!((&record.body["instant"], &record.body["wall"]), (&json!(at), &json!(at)), "as it was written");
    if database.kind() == "sqlite" {
        // Others write each in its own way.
        database.run("INSERT INTO seen (id, instant, wall) VALUES (11, '2026-06-01T02:00:00Z', '2026-06-01 14:00'), (12, '2026-06-01T04:00:00+02:00', '2026-06-01T14:00:00'), (13, '2026-05-31T02:00:00Z', '2026-05-31 14:00'), (14, '2026-05-31T21:00:00-05:00', '2026-06-01 14:00')").await;
    }
    let wanted = if database.kind() == "sqlite" { vec!["1", "11", "12", "14"] } else { vec!["1"] };
    for name in ["seen", "walls"] {
        let resource = connector.resource(name).unwrap();
        let since = async |at: &str| {
            let cursor = PullCursor { since: Some(at.parse().unwrap()), page: None };
            let mut found: Vec<String> =
                all(&connector, resource, cursor).await.iter().map(|record| record.id.to_string()).collect();
            found.sort();
            found
        };
        assert_eq!(since("2026-06-01T01:00:00Z").await, wanted, "{name}: an hour before");
        assert_eq!(since("2026-06-01T03:00:00Z").await, Vec::<String>::new(), "{name}: an hour after");
    }
    // The clocks go back at 14:00Z: what is stamped after that has an earlier time than what was stamped before.
    database.run("INSERT INTO seen (id, wall) VALUES (21, '2026-04-05 02:03:00')").await;
    let cursor = PullCursor { since: Some("2026-04-04T13:54:00Z".parse().unwrap()), page: None };
    let found = all(&connector, connector.resource("walls").unwrap(), cursor).await;
    assert!(found.iter().any(|record| record.id.as_str() == "21"), "{found:?}");
}

/// Databases write floats with an exponent, each from another size on.
pub async fn floats(database: &Database) {
    let float = if database.kind() == "mariadb" { "double" } else { "real" };
    database.run(&format!("CREATE TABLE weights (id {{id}}, weight {float}); INSERT INTO weights (weight) VALUES (1000000), (0.00001), (2.5e30)")).await;
    let connector =
        database.connector("      weights: { id: $.id, fields: { weight: decimal }, sql: { table: weights } }");
    let resource = connector.resource("weights").unwrap();
    let read = all(&connector, resource, PullCursor { since: None, page: None }).await;
    let weights: Vec<f64> = read.iter().map(|record| record.body["weight"].to_string().parse().unwrap()).collect();
    assert_eq!(weights, [1_000_000.0, 0.000_01, 2.5e30]);
    let plain = |record: &reconciled::connector::RemoteRecord| !record.body["weight"].to_string().contains('e');
    assert!(read.iter().all(plain), "{read:?}");
}

/// A text that is none takes its row along, and no other. Only SQLite keeps one.
pub async fn one_bad_cell(database: &Database) {
    if database.kind() != "sqlite" {
        return;
    }
    database.run("CREATE TABLE old (id {id}, name text); INSERT INTO old VALUES (1, CAST(x'4ac3a9' AS TEXT)), (2, CAST(x'4ae9' AS TEXT)), (3, '')").await;
    let connector = database.connector("      old: { id: $.id, fields: { name: text }, sql: { table: old } }");
    let resource = connector.resource("old").unwrap();
    let page = connector.pull(resource, &PullCursor { since: None, page: None }).await.unwrap();
    let names: Vec<&str> = page.records.iter().map(|record| record.body["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["J\u{e9}", ""]);
    assert_eq!(page.unread.len(), 1);
    assert_eq!(
        (page.unread[0].place.as_str(), page.unread[0].reason.as_str()),
        ("old, id 2", "name: a value is no text in UTF-8")
    );
}

/// A view whose columns are expressions has no types in SQLite: nothing of it may be missed for that.
pub async fn no_types(database: &Database) {
    if database.kind() != "sqlite" {
        return;
    }
    database
        .run("CREATE VIEW counted_on AS SELECT id + 0 AS id, name || '' AS name, 1780000000 + id AS at FROM customers")
        .await;
    let connector = database.connector(
        "      on: { id: $.id, updated_at: { path: $.at, format: epoch-seconds }, fields: { name: text, at: { type: datetime, format: epoch-seconds } }, sql: { table: counted_on } }",
    );
    let resource = connector.resource("on").unwrap();
    let count = database.count("customers").await;
    let listed = all(&connector, resource, PullCursor { since: None, page: None }).await;
    assert_eq!(i64::try_from(listed.len()).unwrap(), count);
    let one = connector.get(resource, &RecordId::from("900")).await.unwrap();
    assert_eq!(one.map(|record| record.id.to_string()).as_deref(), Some("900"));
    let since = chrono::DateTime::from_timestamp(1_780_000_600, 0).unwrap();
    let changed = all(&connector, resource, PullCursor { since: Some(since), page: None }).await;
    let wanted: BTreeSet<&str> =
        listed.iter().map(|record| record.id.as_str()).filter(|id| id.parse::<u32>().unwrap() >= 600).collect();
    assert_eq!(changed.iter().map(|record| record.id.as_str()).collect::<BTreeSet<_>>(), wanted);
}
