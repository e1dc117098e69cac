//! Two tables of a database kept the same.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use reconciled::{
    clock::Clock,
    config::{ConnectionName, IntegrationName},
    connector::Connector,
    engine::{Engine, Mode, RunReport, RunRequest},
    store::{Ledger, MemoryStore},
};

use super::{Database, connector};

const TABLES: &str = "      shop:
        id: $.id
        label: \"{name}\"
        fields: { name: text, email: { type: text, ignore_case: true }, total: { type: decimal, places: 2 } }
        sql: { table: shop, write: true }
      office:
        id: $.id
        label: \"{title}\"
        fields: { title: text, mail: { type: text, ignore_case: true }, amount: { type: decimal, places: 2 } }
        sql: { table: office, write: true }";

const PIPELINE: &str = "integrations:
  both:
    first_run: { apply: automatic, differences: fill-blanks }
    pipelines:
      people:
        source: db/shop
        target: db/office
        direction: two-way
        match: [ { source: $.email, target: $.mail, normalize: [trim, lowercase] } ]
        fields:
          - { source: $.name, target: $.title }
          - { source: $.email, target: $.mail }
          - { source: $.total, target: $.amount }
";

async fn run(engine: &Engine, mode: Mode, full: bool) -> RunReport {
    let request = RunRequest {
        integration: IntegrationName::parse("both").unwrap(),
        pipelines: Vec::new(),
        connection: None,
        mode,
        full,
        limit: None,
        revert: None,
        list: false,
        why: "test".into(),
    };
    let report = engine.run(request).await.unwrap();
    assert_eq!(report.troubles, [], "{report:#?}");
    engine.clock.advance(Duration::from_secs(60));
    report
}

pub async fn two_tables(database: &Database) {
    let column = "varchar(60)";
    database
        .run(&format!(
            "CREATE TABLE shop (id {{id}}, name {column}, email {column}, total decimal(10,2)); CREATE TABLE office (id {{id}}, title {column}, mail {column}, amount decimal(10,2));
             INSERT INTO shop (name, email, total) VALUES ('Jane', 'jane@doe.example', 10), ('Tui', 'tui@bird.example', 0.1);
             INSERT INTO office (title, mail, amount) VALUES ('Jane', 'JANE@doe.example', 10.00), ('Kea', 'kea@bird.example', 5)"
        ))
        .await;
    let config = Arc::new(database.config(TABLES, PIPELINE, None));
    let sql = Arc::new(connector(&config));
    let shared: Arc<dyn Connector> = sql.clone();
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine {
        config,
        ledger: Ledger::new(Arc::new(MemoryStore::new())),
        connectors: Arc::new(BTreeMap::from([(ConnectionName::parse("db").unwrap(), shared)])),
        clock: Clock::manual("2026-06-01T00:00:00Z".parse().unwrap()),
        temp: folder.path().to_path_buf(),
        seed: 1,
    };
    let settled = async || {
        run(&engine, Mode::Sync, false).await;
        let writes = sql.requests().writes;
        assert!(run(&engine, Mode::Plan, false).await.is_empty_plan());
        run(&engine, Mode::Sync, true).await;
        assert_eq!(sql.requests().writes, writes, "nothing is left to write");
    };
    settled().await;
    assert_eq!((database.count("shop").await, database.count("office").await), (3, 3), "Jane is one person");
    database.run("UPDATE office SET amount = 12.5 WHERE title = 'Tui'; UPDATE shop SET name = 'Janet' WHERE email LIKE 'jane%'").await;
    settled().await;
    assert_eq!(database.count("shop WHERE name = 'Tui' AND total = 12.5").await, 1);
    assert_eq!(database.count("office WHERE title = 'Janet'").await, 1);
    assert_eq!((database.count("shop").await, database.count("office").await), (3, 3));
}
