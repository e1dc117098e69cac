//! PostgreSQL and MariaDB over TLS: the server's own certificate is checked as the address asks, and what is wrong with it is
//! told apart. Where TLS is asked for and cannot be had, nothing is said in its place.

use std::{
    collections::HashMap,
    fs,
    sync::{Arc, Mutex},
};

use reconciled::{
    config,
    connector::{Connector as _, Page, PullCursor},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{Database, Server, connector};

/// What a kind of database calls it.
struct Words {
    kind: &'static str,
    scheme: &'static str,
    mode: &'static str,
    root: &'static str,
    /// Without TLS, with it where there is any, and with it or not at all.
    plain: &'static str,
    prefer: &'static str,
    require: &'static str,
    /// With a certificate that somebody known signed, and for this host.
    signed: &'static str,
    host: &'static str,
    /// How the connection that asks is encrypted, as the server sees it.
    how: &'static str,
    /// What is said to a server before it is known to have TLS.
    first: &'static [u8],
}

const POSTGRES: Words = Words {
    kind: "postgres",
    scheme: "postgres",
    mode: "sslmode",
    root: "sslrootcert",
    plain: "disable",
    prefer: "prefer",
    require: "require",
    signed: "verify-ca",
    host: "verify-full",
    how: "CREATE VIEW how AS SELECT 1 AS id, CASE WHEN ssl THEN 'tls' ELSE 'plain' END AS line \
          FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    // SSLRequest: its length, and 80877103.
    first: &[0, 0, 0, 8, 4, 210, 22, 47],
};

const MARIADB: Words = Words {
    kind: "mariadb",
    scheme: "mysql",
    mode: "ssl-mode",
    root: "ssl-ca",
    plain: "DISABLED",
    prefer: "PREFERRED",
    require: "REQUIRED",
    signed: "VERIFY_CA",
    host: "VERIFY_IDENTITY",
    how: "CREATE VIEW how AS SELECT 1 AS id, CASE WHEN variable_value = '' THEN 'plain' ELSE 'tls' END AS line \
          FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'",
    // The server speaks first, and says what it can.
    first: &[],
};

impl Words {
    fn says(&self, mode: &str) -> String {
        format!("{}={mode}", self.mode)
    }

    fn by(&self, mode: &str, root: &str) -> String {
        format!("{}={mode}&{}={root}", self.mode, self.root)
    }

    /// Reads how a connection is encrypted, by an address with these parameters.
    async fn read(&self, (host, port): (&str, u16), parameters: &str) -> Result<Page, String> {
        let url = format!("{}://{host}:{port}/shop?{parameters}", self.scheme);
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
}

/// Every address against a server with a certificate.
async fn checks(words: Words) {
    sqlx::any::install_default_drivers();
    let server = Server::start_encrypted(words.kind).await;
    let pool = sqlx::any::AnyPoolOptions::new().max_connections(1).connect(&server.url(true, None)).await.unwrap();
    let database = Database { server, pool };
    database.run(words.how).await;
    let (ca, other) = (database.server.file("ca.pem"), database.server.file("other.pem"));
    let own = ("127.0.0.1", database.server.port());
    let local = ("localhost", own.1);
    for (parameters, expected) in [
        (words.by(words.host, &ca), "tls"),
        (words.by(words.signed, &ca), "tls"),
        (words.says(words.require), "tls"),
        (words.says(words.prefer), "tls"),
        (words.says(words.plain), "plain"),
    ] {
        let page = words.read(own, &parameters).await.unwrap_or_else(|why| panic!("{parameters}: {why}"));
        assert_eq!(page.records[0].body["line"], json!(expected), "{parameters}");
    }
    let nobody = words.read(own, &words.by(words.host, &other)).await.unwrap_err();
    assert!(
        nobody.starts_with("db cannot be logged in to: its certificate is signed by nobody who is known here")
            && nobody.contains(&format!("{}=", words.root)),
        "{nobody}"
    );
    let stranger = words.read(own, &words.by(words.signed, &other)).await.unwrap_err();
    assert_eq!(stranger, nobody);
    let bare = words.read(own, &words.says(words.signed)).await.unwrap_err();
    assert!(bare.contains("signed by nobody who is known here"), "the system's authorities do not know it: {bare}");
    let renamed = words.read(local, &words.by(words.host, &ca)).await.unwrap_err();
    assert!(renamed.contains("is for another name") && renamed.contains("127.0.0.1"), "{renamed}");
    // The driver is stricter than its word: it looks at the name all the same.
    let signed = words.read(local, &words.by(words.signed, &ca)).await.unwrap_err();
    assert_eq!(signed, renamed);
    let lost = words.read(own, &words.by(words.host, "no-such.pem")).await.unwrap_err();
    assert!(lost.contains("no-such.pem, which cannot be read"), "{lost}");
    for told in [nobody, bare, renamed, lost] {
        assert!(!told.contains("canary"), "{told}");
    }
}

/// Passes everything on to a server, and remembers what it was told.
async fn listening(port: u16) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (own, heard) = (listener.local_addr().unwrap().port(), Arc::default());
    let all = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let ((mut asked, mut back), (mut answered, mut on)) = (client.into_split(), server.into_split());
            let heard: Arc<Mutex<Vec<u8>>> = Arc::clone(&all);
            tokio::spawn(async move { tokio::io::copy(&mut answered, &mut back).await });
            tokio::spawn(async move {
                let mut bytes = vec![0; 8 << 10];
                while let Ok(count @ 1..) = asked.read(&mut bytes).await {
                    heard.lock().unwrap().extend(&bytes[..count]);
                    if on.write_all(&bytes[..count]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    (own, heard)
}

/// A server that has none, whoever took it away.
async fn without(words: Words) {
    let database = Database::start(words.kind).await;
    database.run(words.how).await;
    let (port, heard) = listening(database.server.port()).await;
    let page = words.read(("127.0.0.1", port), &words.says(words.prefer)).await.unwrap();
    assert_eq!(page.records[0].body["line"], "plain", "that is what it asks for");
    assert!(heard.lock().unwrap().windows(3).any(|part| part == b"app"), "what is said in the clear is heard here");
    let ca = tempfile::NamedTempFile::new().unwrap();
    fs::write(ca.path(), AUTHORITY).unwrap();
    let ca = ca.path().display().to_string();
    for parameters in [words.says(words.require), words.by(words.signed, &ca), words.by(words.host, &ca)] {
        // By a way of its own: a driver says farewell to connections that nobody needs any more.
        let (port, heard) = listening(database.server.port()).await;
        let said = words.read(("127.0.0.1", port), &parameters).await.unwrap_err();
        assert!(
            said.contains("no encrypted connection came about") && said.contains(&words.says(words.prefer)),
            "{parameters}: {said}"
        );
        let heard = heard.lock().unwrap().clone();
        assert!(heard.chunks(8).all(|said| said == words.first), "{parameters}: {:?}", String::from_utf8_lossy(&heard));
    }
}

/// An authority of nobody: `openssl req -x509 -newkey ed25519 -nodes -keyout /dev/null -subj /CN=nobody -days 36500`.
const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIBODCB66ADAgECAhRrH99ntZz+K06ncGOp51O9/w7DnzAFBgMrZXAwETEPMA0G\n\
    A1UEAwwGbm9ib2R5MCAXDTI2MTEyOTE4NDMwOVoYDzIxMjYxMTA1MTg0MzA5WjAR\n\
    MQ8wDQYDVQQDDAZub2JvZHkwKjAFBgMrZXADIQB1DORbuA4EoVatGc6sNf8B9nY6\n\
    kGwNBJLlilpyaN6RU6NTMFEwHQYDVR0OBBYEFF9bUYm8OMpxxNYqquOqYE0UtyYy\n\
    MB8GA1UdIwQYMBaAFF9bUYm8OMpxxNYqquOqYE0UtyYyMA8GA1UdEwEB/wQFMAMB\n\
    Af8wBQYDK2VwA0EA+LavFPE29tObxCgASG7n2nyhZ+FUV2xSHGOyYakLbtl+Ej3n\n\
    jz5VHGDX4xHPQCyzXRXTZsQUWwWSY0zuRvfaDA==\n\
    -----END CERTIFICATE-----\n";

#[tokio::test]
async fn conformance_postgres_over_tls_checks_the_certificate_as_asked_and_says_what_is_wrong_with_it() {
    checks(POSTGRES).await;
}

#[tokio::test]
async fn conformance_mariadb_over_tls_checks_the_certificate_as_asked_and_says_what_is_wrong_with_it() {
    checks(MARIADB).await;
}

#[tokio::test]
async fn conformance_postgres_without_tls_is_told_nothing_where_tls_is_asked_for() {
    without(POSTGRES).await;
}

#[tokio::test]
async fn conformance_mariadb_without_tls_is_told_nothing_where_tls_is_asked_for() {
    without(MARIADB).await;
}
