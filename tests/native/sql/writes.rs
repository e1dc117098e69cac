//! Writing rows: each with its own outcome.

use reconciled::{
    connector::{Connector, ItemAnswer, PullCursor, Resource, SqlConnector, WriteItem, WriteKind},
    record::RecordId,
};
use serde_json::{Value, json};

use super::Database;

const PEOPLE: &str = "      people:
        id: $.id
        label: \"{name}\"
        fields: { name: text, email: text, balance: decimal, born: date, seen: datetime, active: boolean }
        sql: { table: people, write: true }
      keyed:
        id: $.code
        fields: { code: id, name: text }
        sql: { table: keyed, write: true, ids: us }";

fn new(body: Value) -> WriteItem {
    WriteItem { id: None, body, version: None, now: None }
}

async fn send(connector: &SqlConnector, resource: &Resource, kind: WriteKind, items: &[WriteItem]) -> Vec<ItemAnswer> {
    let call = connector.prepare(resource, kind, items, "key-1").unwrap();
    let answer = connector.send(resource, &call).await.unwrap();
    assert_eq!(answer.items.len(), items.len());
    answer.items
}

fn said(answer: &ItemAnswer) -> String {
    match answer {
        ItemAnswer::Written { record, .. } => format!("written {}", record.body),
        ItemAnswer::Refused { duplicate, stale, message } => {
            assert!(!message.is_empty());
            format!("refused{}{}", if *duplicate { " duplicate" } else { "" }, if *stale { " stale" } else { "" })
        }
        ItemAnswer::Unknown { reason } => format!("unknown: {reason}"),
    }
}

pub async fn items(database: &Database) {
    let check = if database.kind() == "sqlite" { ", CHECK (length(name) <= 10)" } else { "" };
    database
        .run(&format!(
            "CREATE TABLE people (id {{id}}, name varchar(10) NOT NULL, email varchar(40) UNIQUE, balance decimal(20,2), born date, seen {{time}}, active {{boolean}}{check})"
        ))
        .await;
    let connector = database.connector(PEOPLE);
    let people = connector.resource("people").unwrap();
    let balance: Value = serde_json::from_str("12345678901234.05").unwrap();
    let jane = json!({ "name": "Jane", "email": "jane@doe.example", "balance": balance, "born": "1990-02-28", "seen": "2026-06-01T02:00:00.5Z", "active": false });
    // Good and bad ones in one call: the bad take nothing with them.
    let answers = send(
        &connector,
        people,
        WriteKind::Create,
        &[
            new(jane),
            new(json!({ "name": "John", "email": "jane@doe.example" })),
            new(json!({ "name": "A name that is too long", "email": "long@doe.example" })),
            new(json!({ "email": "nameless@doe.example", "name": null })),
            new(json!({ "name": "Ann", "email": null })),
        ],
    )
    .await;
    let lines: Vec<String> = answers.iter().map(said).collect();
    assert!(lines[0].starts_with("written") && lines[4].starts_with("written"), "{lines:?}");
    assert_eq!((lines[1].as_str(), lines[2].as_str(), lines[3].as_str()), ("refused duplicate", "refused", "refused"));
    assert_eq!(database.count("people").await, 2);
    let ItemAnswer::Written { record: jane, body: true } = &answers[0] else { panic!() };
    if database.kind() != "sqlite" {
        // SQLite keeps no decimals of that size.
        assert_eq!(jane.body["balance"].to_string(), "12345678901234.05");
    }
    assert_eq!(jane.body["seen"], "2026-06-01T02:00:00.500Z");
    assert_eq!((&jane.body["born"], &jane.body["active"]), (&json!("1990-02-28"), &json!(false)));
    // A change by version; the same call again; a version that is old.
    let change = |version: &Option<String>, name: &str| WriteItem {
        id: Some(jane.id.clone()),
        body: json!({ "name": name }),
        version: version.clone(),
        now: None,
    };
    let answers = send(&connector, people, WriteKind::Update, &[change(&jane.version, "Janet")]).await;
    let ItemAnswer::Written { record: janet, .. } = &answers[0] else { panic!("{answers:?}") };
    assert_eq!((&janet.body["name"], &janet.body["email"]), (&json!("Janet"), &json!("jane@doe.example")));
    let again = send(&connector, people, WriteKind::Update, &[change(&jane.version, "Janet")]).await;
    assert!(said(&again[0]).starts_with("written"), "the answer was lost, say");
    let stale = send(&connector, people, WriteKind::Update, &[change(&jane.version, "Joan")]).await;
    assert_eq!(said(&stale[0]), "refused stale");
    let gone = WriteItem { id: Some(RecordId::from("77")), body: json!({ "name": "x" }), version: None, now: None };
    let answers = send(&connector, people, WriteKind::Update, &[gone, change(&janet.version, "Jill")]).await;
    assert_eq!(said(&answers[0]), "refused");
    let ItemAnswer::Written { record: jill, .. } = &answers[1] else { panic!("{answers:?}") };
    // Deleting, and deleting again.
    let delete = |version: &Option<String>| WriteItem {
        id: Some(jane.id.clone()),
        body: json!({}),
        version: version.clone(),
        now: None,
    };
    assert_eq!(said(&send(&connector, people, WriteKind::Delete, &[delete(&janet.version)]).await[0]), "refused stale");
    for _ in 0..2 {
        let answers = send(&connector, people, WriteKind::Delete, &[delete(&jill.version)]).await;
        assert!(matches!(&answers[0], ItemAnswer::Written { record, .. } if record.gone));
    }
    assert_eq!(database.count("people").await, 1);
}

pub async fn odd_names_and_values(database: &Database) {
    database.run("CREATE TABLE keyed (code varchar(40) PRIMARY KEY, name varchar(400))").await;
    let connector = database.connector(PEOPLE);
    let keyed = connector.resource("keyed").unwrap();
    let nasty = "'); DROP TABLE keyed; -- \\' \" ` $1 ? \u{1F600} \u{fc}";
    let items = [new(json!({ "name": nasty })), new(json!({ "name": "two" }))];
    let first = send(&connector, keyed, WriteKind::Create, &items).await;
    let ItemAnswer::Written { record, .. } = &first[0] else { panic!("{first:?}") };
    assert_eq!(record.body["name"], nasty);
    // An id made by us belongs to the call: the same call makes the same rows, and another one others.
    let again = send(&connector, keyed, WriteKind::Create, &items).await;
    assert_eq!(said(&again[0]), said(&first[0]));
    assert_eq!(database.count("keyed").await, 2);
    let other =
        send(&connector, keyed, WriteKind::Create, &[new(json!({ "code": record.id.as_str(), "name": "other" }))])
            .await;
    assert_eq!(said(&other[0]), "refused duplicate");
    // Some databases keep a zero byte in a text, some end the text there, and some refuse it.
    let zero = send(&connector, keyed, WriteKind::Create, &[new(json!({ "code": "zero", "name": "a\u{0}b" }))]).await;
    assert!(
        matches!(&zero[0], ItemAnswer::Refused { message, .. } if message.contains("it holds a zero byte")),
        "{zero:?}"
    );
    let id = Some(record.id.clone());
    let moved = WriteItem { id, body: json!({ "code": "another" }), version: None, now: None };
    let moved = send(&connector, keyed, WriteKind::Update, &[moved]).await;
    assert!(
        matches!(&moved[0], ItemAnswer::Refused { message, .. } if message.contains("cannot be changed")),
        "{moved:?}"
    );
    assert_eq!(database.count("keyed").await, 2);
    // Words of the language and quotation marks are names like others.
    let quote = if database.kind() == "mariadb" { '`' } else { '"' };
    let q = |name: &str| format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")));
    let (table, column) = (q("order"), q("group by \"x` y"));
    database.run(&format!("CREATE TABLE {table} (id {{id}}, {column} varchar(20))")).await;
    let odd = database
        .connector("      odd: { id: $.id, fields: { 'group by \"x` y': text }, sql: { table: order, write: true } }");
    let resource = odd.resource("odd").unwrap();
    let made = send(&odd, resource, WriteKind::Create, &[new(json!({ "group by \"x` y": "z" }))]).await;
    assert_eq!(said(&made[0]), r#"written {"group by \"x` y":"z","id":"1"}"#);
}

/// Nobody knows which row is meant.
pub async fn an_id_that_is_there_twice(database: &Database) {
    database
        .run("CREATE TABLE twice (id bigint, name varchar(40)); INSERT INTO twice VALUES (1, 'a'), (1, 'b'), (2, 'c')")
        .await;
    let connector =
        database.connector("      twice: { id: $.id, fields: { name: text }, sql: { table: twice, write: true } }");
    let twice = connector.resource("twice").unwrap();
    let page = connector.pull(twice, &PullCursor { since: None, page: None }).await.unwrap();
    let ids: Vec<&str> = page.records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids, ["2"]);
    assert_eq!(page.unread[0].reason, "2 rows have this `id`, and none of them is used");
    let item =
        |id: &str| WriteItem { id: Some(RecordId::from(id)), body: json!({ "name": "x" }), version: None, now: None };
    for kind in [WriteKind::Update, WriteKind::Delete] {
        let answers = send(&connector, twice, kind, &[item("1"), item("2")]).await;
        let ItemAnswer::Refused { message, .. } = &answers[0] else { panic!("{answers:?}") };
        assert!(message.starts_with("2 rows have the id `1`, and none was written"), "{message}");
        assert!(matches!(answers[1], ItemAnswer::Written { .. }), "{answers:?}");
        assert_eq!(database.count("twice WHERE id = 1 AND name <> 'x'").await, 2);
    }
    assert_eq!(database.count("twice").await, 2);
}

/// A column that knows no cases finds a row by an id that is another one.
pub async fn cases(database: &Database) {
    let cases = match database.kind() {
        "sqlite" => " COLLATE NOCASE",
        // By itself MariaDB knows none.
        _ => "",
    };
    let create = format!("CREATE TABLE cases (code varchar(40){cases} PRIMARY KEY, name varchar(40))");
    database.run(&format!("{create}; INSERT INTO cases VALUES ('kea', 'Kea')")).await;
    let connector = database.connector(
        "      cases: { id: $.code, fields: { code: id, name: text }, sql: { table: cases, write: true, ids: record } }",
    );
    let resource = connector.resource("cases").unwrap();
    let id = |id: &str| RecordId::from(id);
    assert!(connector.get(resource, &id("kea")).await.unwrap().is_some());
    assert!(connector.get(resource, &id("KEA")).await.unwrap().is_none());
    let item = |code: &str| WriteItem { id: Some(id(code)), body: json!({ "name": "x" }), version: None, now: None };
    assert_eq!(said(&send(&connector, resource, WriteKind::Update, &[item("KEA")]).await[0]), "refused");
    // What is not there is gone already.
    assert!(said(&send(&connector, resource, WriteKind::Delete, &[item("KEA")]).await[0]).starts_with("written"));
    assert_eq!(database.count("cases WHERE name = 'Kea'").await, 1);
}

/// What cannot be taken back is not written.
pub async fn no_transactions(database: &Database) {
    if database.kind() != "mariadb" {
        return;
    }
    database
        .run("CREATE TABLE plain (id {id}, name varchar(40)) ENGINE=MyISAM; INSERT INTO plain (name) VALUES ('a')")
        .await;
    let connector = database.connector(
        "      read: { id: $.id, fields: { name: text }, sql: { table: plain } }
      plain: { id: $.id, fields: { name: text }, sql: { table: plain, write: true } }",
    );
    let whole = PullCursor { since: None, page: None };
    assert_eq!(connector.pull(connector.resource("read").unwrap(), &whole).await.unwrap().records.len(), 1);
    let plain = connector.resource("plain").unwrap();
    let error = connector.pull(plain, &whole).await.unwrap_err();
    assert!(error.to_string().contains("`plain` is kept by MyISAM, which has no transactions"), "{error}");
    let call = connector.prepare(plain, WriteKind::Create, &[new(json!({ "name": "b" }))], "key-1").unwrap();
    connector.send(plain, &call).await.unwrap_err();
    assert_eq!(database.count("plain").await, 1);
}
