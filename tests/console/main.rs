//! The console over HTTP: who may do what, what people see, and what comes of a click.
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod browser;
mod fuzzed;
mod login;
mod numbers;
mod pages;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use reconciled::{
    admin::{Console, hash_password, new_token},
    config::{Account, AdminSettings, IntegrationName, Role, Secret},
    daemon::{
        Daemon, DaemonSettings, Handle,
        protocol::{Request, Response},
    },
};
use reqwest::{Client, Method, header::HeaderMap, redirect::Policy};
use secrecy::SecretString;
use serde_json::{Value, json};
use support::World;

/// Two clients of one agency: what the one has does not concern the other.
const CLIENTS: &str = r"
integrations:
  acme: &client
    first_run: { apply: automatic }
    debounce: 2m
    schedule: { poll: { shop: 2m }, sync: { after_idle: 24h } }
    pipelines:
      contacts:
        source: shop/contacts
        target: books/contacts
        direction: two-way
        match: [ { source: $.email, target: $.email } ]
        fields:
          - { source: $.name, target: $.name }
          - { source: $.email, target: $.email }
          - { source: $.phone, target: $.phone }
  bravo:
    automatic: false
    first_run: { apply: approve }
    pipelines:
      sales:
        source: shop/sales
        target: books/sales
        direction: source-to-target
        match: [ { source: $.number, target: $.number } ]
        fields:
          - { source: $.number, target: $.number, write: on-create }
          - { source: $.total, target: $.total }
";

const PASSWORD: &str = "correct horse battery";

/// A daemon with a console, and everybody who may use it.
struct Office {
    world: World,
    daemon: Handle,
    console: Console,
    client: Client,
    dir: tempfile::TempDir,
    /// Tokens by name: `viewer`, `operator`, `admin`, and `acme` (an admin of that client alone).
    tokens: BTreeMap<String, String>,
}

fn account(proof: String, role: Role, clients: Option<&str>) -> Account {
    let clients = clients.map(|name| BTreeSet::from([IntegrationName::parse(name).unwrap()]));
    Account { proof: Secret::Known(SecretString::from(proof)), role, clients }
}

impl Office {
    async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    async fn open_with(change: impl FnOnce(&mut AdminSettings)) -> Self {
        let world = World::new(CLIENTS);
        world.shop.insert("contacts", json!({"name": "Jane Doe", "email": "jane@x.example", "phone": "1"}));
        world.shop.insert("sales", json!({"number": "1042", "total": "120"}));
        // Where the other side is empty, a first run needs nobody.
        world.books.insert("sales", json!({"number": "999", "total": "1"}));
        let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_secs(30) };
        let daemon = Daemon::start(world.engine(), settings).await.unwrap();
        bounded(daemon.run_until(at("01 04:00:00"))).await;
        let mut tokens = BTreeMap::new();
        let mut accounts = BTreeMap::new();
        let roles =
            [("viewer", Role::Viewer), ("operator", Role::Operator), ("admin", Role::Admin), ("acme", Role::Admin)];
        for (name, role) in roles {
            let (token, hash) = new_token().unwrap();
            tokens.insert(name.to_owned(), token);
            accounts.insert(name.to_owned(), account(hash, role, (name == "acme").then_some("acme")));
        }
        let dir = tempfile::tempdir().unwrap();
        let password = hash_password(PASSWORD).unwrap();
        let users = [("vera", Role::Viewer), ("olga", Role::Operator), ("anna", Role::Admin)];
        let mut settings = AdminSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            url: None,
            open: None,
            session: Duration::from_secs(3_600),
            audit: dir.path().join("audit.jsonl"),
            users: users.map(|(name, role)| (name.to_owned(), account(password.clone(), role, None))).into(),
            tokens: accounts,
        };
        change(&mut settings);
        let console = Console::open(&daemon, &settings).await.unwrap();
        let client = client();
        Self { world, daemon, console, client, dir, tokens }
    }

    /// Where changes are remembered.
    fn audit(&self) -> std::path::PathBuf {
        self.dir.path().join("audit.jsonl")
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.console.address())
    }

    /// Asks, and waits for the whole answer.
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Answer {
        let mut request = self.client.request(method, self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = bounded(request.send()).await.unwrap();
        let (code, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { code, headers, text: bounded(response.text()).await.unwrap() }
    }

    /// As a program with this token.
    async fn api(&self, who: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        let token = format!("Bearer {}", self.tokens[who]);
        let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
        self.ask(method, &format!("/api/v1{path}"), &headers, body.map(|body| body.to_string())).await
    }

    async fn get(&self, who: &str, path: &str) -> Value {
        let answer = self.api(who, Method::GET, path, None).await;
        assert_eq!(answer.code, 200, "{path}: {}", answer.text);
        answer.json()["value"].clone()
    }

    async fn post(&self, who: &str, path: &str, body: Value) -> Value {
        let answer = self.api(who, Method::POST, path, Some(body)).await;
        assert_eq!(answer.code, 200, "{path}: {}", answer.text);
        answer.json()["value"].clone()
    }

    /// A field of Jane's is edited on both sides, differently.
    async fn conflict(&self) {
        let shop = World::find(&self.world.shop, "contacts", "email", "jane@x.example");
        let books = World::find(&self.world.books, "contacts", "email", "jane@x.example");
        self.world.shop.edit("contacts", shop["id"].as_str().unwrap(), json!({"phone": "shop-22"}));
        self.world.books.edit("contacts", books["id"].as_str().unwrap(), json!({"phone": "books-33"}));
        self.post("operator", "/run", json!({"integration": "acme", "mode": "sync"})).await;
    }

    /// Runs that were asked for by a click have ended, and another sync has nothing to do and writes nothing.
    async fn settled(&self) {
        self.post("operator", "/run", json!({"integration": "acme", "mode": "sync"})).await;
        let writes = (self.world.shop.written().len(), self.world.books.written().len());
        let plan = self.post("operator", "/run", json!({"integration": "acme", "mode": "plan"})).await;
        assert_eq!(plan["pipelines"][0]["planned"], 0, "{plan}");
        self.post("operator", "/run", json!({"integration": "acme", "mode": "sync"})).await;
        assert_eq!((self.world.shop.written().len(), self.world.books.written().len()), writes);
    }

    async fn end(self) {
        bounded(self.daemon.stop()).await;
        bounded(self.console.ended()).await;
    }
}

fn client() -> Client {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().redirect(Policy::none()).no_proxy().build().unwrap()
}

/// An answer.
struct Answer {
    code: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// Nothing in these tests may take long; a test that hangs fails.
async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("this must not take so long")
}

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-06-{}Z", text.replace(' ', "T")).parse().unwrap()
}

/// What the daemon says of itself.
async fn status(daemon: &Handle) -> reconciled::daemon::protocol::Status {
    match daemon.call(Request::Status).await.unwrap() {
        Response::Status(status) => *status,
        other => panic!("{other:?}"),
    }
}
