//! PostgreSQL over TLS: the server's own certificate is checked as the address asks, and what is wrong with it is told apart.

use std::{collections::HashMap, fs};

use reconciled::{
    config,
    connector::{Connector as _, Page, PullCursor},
};
use serde_json::json;

use super::{Database, Server, connector};

/// How the connection that asks is encrypted, as the server sees it.
const HOW: &str = "CREATE VIEW how AS SELECT 1 AS id, CASE WHEN ssl THEN 'tls' ELSE 'plain' END AS line \
                   FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/// Reads it by an address with these parameters.
async fn read(server: &Server, host: &str, parameters: &str) -> Result<Page, String> {
    let url = format!("postgres://{host}:{}/shop?{parameters}", server.port());
    let yaml = format!(
        "connectors:\n  shop:\n    resources:\n      how: {{ id: $.id, fields: {{ line: text }}, sql: {{ table: how }} }}\n\
         connections:\n  db: {{ connector: shop, base_url: \"{url}\", auth: {{ user: app, password: canary-pass }} }}\n"
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.yaml"), yaml).unwrap();
    let loaded = config::load(folder.path(), &HashMap::<String, String>::new());
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
    let connector = connector(&loaded.config);
    let page = connector.pull(connector.resource("how").unwrap(), &PullCursor { since: None, page: None }).await;
    page.map_err(|error| error.to_string())
}

#[tokio::test]
async fn conformance_postgres_over_tls_checks_the_certificate_as_asked_and_says_what_is_wrong_with_it() {
    sqlx::any::install_default_drivers();
    let server = Server::start_encrypted().await;
    let pool = sqlx::any::AnyPoolOptions::new().max_connections(1).connect(&server.url(true, None)).await.unwrap();
    let database = Database { server, pool };
    database.run(HOW).await;
    let server = &database.server;
    let (ca, other) = (server.file("ca.pem"), server.file("other.pem"));
    for (parameters, expected) in [
        (format!("sslmode=verify-full&sslrootcert={ca}"), "tls"),
        (format!("sslmode=verify-ca&sslrootcert={ca}"), "tls"),
        ("sslmode=require".to_owned(), "tls"),
        ("sslmode=prefer".to_owned(), "tls"),
        ("sslmode=disable".to_owned(), "plain"),
    ] {
        let page = read(server, "127.0.0.1", &parameters).await.unwrap_or_else(|why| panic!("{parameters}: {why}"));
        assert_eq!(page.records[0].body["line"], json!(expected), "{parameters}");
    }
    let nobody = read(server, "127.0.0.1", &format!("sslmode=verify-full&sslrootcert={other}")).await.unwrap_err();
    assert!(
        nobody.starts_with("db cannot be logged in to: its certificate is signed by nobody who is known here")
            && nobody.contains("sslrootcert=/etc/reconciled/ca.pem"),
        "{nobody}"
    );
    let bare = read(server, "127.0.0.1", "sslmode=verify-ca").await.unwrap_err();
    assert!(bare.contains("signed by nobody who is known here"), "the system's authorities do not know it: {bare}");
    let renamed = read(server, "localhost", &format!("sslmode=verify-full&sslrootcert={ca}")).await.unwrap_err();
    assert!(renamed.contains("is for another name") && renamed.contains("127.0.0.1"), "{renamed}");
    // The driver is stricter than its word: it looks at the name all the same.
    let signed = read(server, "localhost", &format!("sslmode=verify-ca&sslrootcert={ca}")).await.unwrap_err();
    assert_eq!(signed, renamed);
    let lost = read(server, "127.0.0.1", "sslmode=verify-full&sslrootcert=no-such.pem").await.unwrap_err();
    assert!(lost.contains("no-such.pem, which cannot be read"), "{lost}");
    for told in [nobody, bare, renamed, lost] {
        assert!(!told.contains("canary"), "{told}");
    }
}

#[tokio::test]
async fn conformance_postgres_without_tls_is_told_apart_from_one_that_is_not_there() {
    let database = Database::start("postgres").await;
    let said = read(&database.server, "127.0.0.1", "sslmode=require").await.unwrap_err();
    assert!(said.contains("no encrypted connection came about") && said.contains("sslmode=prefer"), "{said}");
}
