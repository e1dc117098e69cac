//! Secrets stay secret, requests stay on their host, and answers stay within bounds.

use std::io::Write as _;

use reconciled::{
    config::{Auth, Connection, Secret, SecretCommand},
    connector::{CallError, Connector as _, HttpConnector, LimitRegistry, PullCursor},
    record::RecordId,
};
use secrecy::SecretString;
use serde_json::json;

use crate::{
    server::{Act, Got, Server, json, say},
    setup::{CANARY, CREATE, Shop, connection, customers, manifest, new_item},
};

const START: PullCursor = PullCursor { since: None, page: None };

impl Shop {
    /// Everything that this connector says when a pull, a read and a write fail.
    async fn complaints(&self) -> String {
        let pull = self.run(self.connector.pull(&self.resource, &START)).await;
        let get = self.run(self.connector.get(&self.resource, &RecordId::from("1"))).await;
        let call = self.connector.prepare(&self.resource, CREATE, &[new_item(json!({}))], "k").unwrap();
        let sent = self.run(self.connector.send(&self.resource, &call)).await;
        let errors: Vec<String> = [pull.err(), get.err(), sent.as_ref().err().cloned()]
            .into_iter()
            .flatten()
            .map(|error| format!("{error} {error:?}"))
            .collect();
        let stored = serde_json::to_string(&call).unwrap();
        format!("{errors:?} {sent:?} {stored} {:?} {:?}", self.connector, self.connector.requests())
    }
}

/// A server that repeats everything it was sent in its complaint.
fn parrot(status: u16) -> impl Fn(usize, &Got) -> Act + Send + Sync + 'static {
    move |_, got| {
        let location = got.header("authorization").or(got.header("x-key")).unwrap_or_default().replace("Bearer ", "");
        let location = format!("location: https://user:{location}@evil.example/{location}?key={location}\r\n");
        // The secret stands where a long message is cut, too.
        let filler = "x".repeat(500 - 14);
        say(status, &location, &json!({ "problem": [format!("{filler}{CANARY}"), got.head] }).to_string())
    }
}

#[tokio::test]
async fn no_error_holds_the_secret_even_if_the_remote_repeats_it() {
    let secret = || Secret::Known(SecretString::from(CANARY));
    let logins = [
        Auth::Bearer(secret()),
        Auth::Header { name: "x-key".to_owned(), value: secret() },
        Auth::Basic { user: "someone".to_owned(), password: secret() },
    ];
    // `someone:canary-7f3a-secret` in base64.
    let coded = "c29tZW9uZTpjYW5hcnktN2YzYS1zZWNyZXQ=";
    for auth in logins {
        for status in [200, 302, 400, 401, 403, 404, 409, 500] {
            let server = Server::start(parrot(status)).await;
            let mut connection = connection(&server.url(), manifest(customers()));
            connection.auth = auth.clone();
            let said = Shop::of(connection, customers()).complaints().await;
            assert!(!said.contains(&CANARY[..11]) && !said.contains(coded), "{status}: {said}");
            let request = &server.requests()[0];
            assert!(request.head.contains(CANARY) || request.head.contains(coded), "it was used: {request:?}");
        }
    }
}

#[tokio::test]
async fn a_missing_secret_is_named_and_nothing_is_sent() {
    let server = Server::start(|_, _| json(&json!({"items": []}))).await;
    let mut connection = connection(&server.url(), manifest(customers()));
    connection.auth = Auth::Bearer(Secret::Missing { what: "environment variable SHOP_TOKEN".to_owned() });
    let shop = Shop::of(connection, customers());
    match shop.connector.pull(&shop.resource, &START).await {
        Err(CallError::Login { connection, message }) => {
            assert_eq!(connection, "shop");
            assert!(message.contains("SHOP_TOKEN"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_command_is_asked_again_when_the_remote_refuses_what_it_said() {
    let accepted = std::sync::Arc::new(std::sync::Mutex::new("one"));
    let known = accepted.clone();
    let server = Server::start(move |_, got| {
        let given = got.header("authorization").unwrap_or_default().to_owned();
        if given == format!("Bearer {}", known.lock().unwrap()) {
            json(&json!({"items": []}))
        } else {
            say(401, "", "{}")
        }
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "one\n").unwrap();
    let mut connection = connection(&server.url(), manifest(customers()));
    connection.auth = Auth::Bearer(Secret::Command(SecretCommand::parse(&format!("cat {}", file.display())).unwrap()));
    let shop = Shop::of(connection, customers());
    shop.connector.pull(&shop.resource, &START).await.unwrap();
    // Rotated: the next request finds out, and nothing is restarted.
    std::fs::write(&file, "two\n").unwrap();
    shop.connector.pull(&shop.resource, &START).await.unwrap();
    assert_eq!(server.requests().len(), 2, "what it said is kept while it is taken");
    *accepted.lock().unwrap() = "two";
    shop.connector.pull(&shop.resource, &START).await.unwrap();
    let given: Vec<String> =
        server.requests().iter().map(|got| got.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(given, ["Bearer one", "Bearer one", "Bearer one", "Bearer two"]);
    // One that says the same is not asked by every request.
    *accepted.lock().unwrap() = "three";
    assert!(matches!(shop.connector.pull(&shop.resource, &START).await, Err(CallError::Login { .. })));
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn a_secret_file_is_read_at_each_use() {
    let server = Server::start(|_, _| json(&json!({"items": []}))).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"one\n").unwrap();
    let mut connection = connection(&server.url(), manifest(customers()));
    connection.auth = Auth::Bearer(Secret::File(file.path().to_owned()));
    let shop = Shop::of(connection, customers());
    shop.connector.pull(&shop.resource, &START).await.unwrap();
    std::fs::write(file.path(), "two\r\n").unwrap();
    shop.connector.pull(&shop.resource, &START).await.unwrap();
    let sent: Vec<_> = server.requests().iter().map(|got| got.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(sent, ["Bearer one", "Bearer two"]);
    std::fs::write(file.path(), "two\nlines").unwrap();
    assert!(matches!(shop.connector.pull(&shop.resource, &START).await, Err(CallError::Login { .. })));
    drop(file);
    assert!(matches!(shop.connector.pull(&shop.resource, &START).await, Err(CallError::Login { .. })));
}

#[tokio::test]
async fn redirects_are_refused_and_named() {
    let elsewhere = Server::start(|_, _| json(&json!({"items": []}))).await;
    let location = format!("location: {}/customers?token=x\r\n", elsewhere.url());
    let server = Server::start(move |_, _| say(302, &location, "")).await;
    let shop = Shop::at(&server);
    match shop.connector.pull(&shop.resource, &START).await {
        Err(CallError::BadAnswer(message)) => {
            assert!(message.contains(&elsewhere.url()) && !message.contains("token"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn answers_that_are_too_large_are_not_read() {
    // Announced, and unannounced.
    let large = format!(r#"{{"items": [], "filler": "{}"}}"#, "x".repeat(5000));
    let unannounced = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{large}").into_bytes();
    let server = Server::script([say(200, "", &large), Act::Say(unannounced), Act::Say(bomb())]).await;
    let shop = Shop::at(&server);
    let small = shop.connector.with_max_body(4096);
    for _ in 0..3 {
        match small.pull(&shop.resource, &START).await {
            Err(CallError::BadAnswer(message)) => assert!(message.contains("larger than"), "{message}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(server.requests().len(), 3, "a large answer is not asked for again");
}

#[tokio::test]
async fn a_packed_answer_that_breaks_off_is_no_answer() {
    let whole = bomb();
    let head = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let half = String::from_utf8_lossy(&whole[..head]).replace(&BOMB.len().to_string(), &(BOMB.len() - 9).to_string());
    let half = [half.as_bytes(), &whole[head..whole.len() - 9]].concat();
    let server = Server::start(move |_, _| Act::Say(half.clone())).await;
    let shop = Shop::at(&server);
    match shop.run(shop.connector.pull(&shop.resource, &START)).await {
        Err(CallError::Unknown(message)) => assert!(message.contains("broke off"), "{message}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.requests().len(), 4);
}

/// A gzip answer of 41 bytes that unpacks to 5,000 spaces.
fn bomb() -> Vec<u8> {
    let packed: &[u8] = &BOMB;
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        packed.len()
    );
    [head.as_bytes(), packed].concat()
}

const BOMB: [u8; 41] = [
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 237, 193, 49, 1, 0, 0, 0, 194, 160, 42, 235, 159, 210, 20, 126, 64, 1, 0, 0, 0, 0,
    111, 3, 96, 44, 11, 135, 136, 19, 0, 0,
];

#[test]
fn a_base_url_that_cannot_be_used_is_refused_without_its_login() {
    let clock = reconciled::clock::Clock::system();
    let limits = std::sync::Arc::new(LimitRegistry::new(clock.clone()));
    let bad = [
        format!("https://user:{CANARY}@a.example/"),
        format!("https://{CANARY}@a.example/"),
        format!("https://a.example/?key={CANARY}"),
        "ftp://a.example/".to_owned(),
    ];
    for url in bad {
        let connection: Connection = connection(&url, manifest(customers()));
        let error = HttpConnector::new(connection.into(), clock.clone(), &limits).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
    }
}
