//! What the engine's tests share: a world of two or more systems in memory, a configuration in YAML, a store.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod awaits;
pub mod fake;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, TimeZone, Utc};
use reconciled::{
    clock::Clock,
    config::{self, Config, ConnectionName, IntegrationName, PipelineName},
    connector::Connector,
    engine::{Desk, Engine, Mode, RunReport, RunRequest},
    store::{Ledger, MemoryStore, Store},
};
use serde_json::Value;

#[allow(unused_imports, reason = "each test binary uses its own part")]
pub use fake::{Fake, Fault};

/// Two systems that have everything: `shop` (contacts, sales) and `books` (contacts, invoices).
pub const CONNECTORS: &str = r#"
connectors:
  shop:
    version: 1
    base_url: "http://127.0.0.1:1"
    auth: { kind: bearer }
    in_doubt: 60s
    resources: &resources
      contacts: &contacts
        id: $.id
        updated_at: $.updated_at
        label: "{name}"
        open: true
        fields:
          id: { type: id }
          name: { type: text }
          email: { type: text }
          phone: { type: text }
          city: { type: text }
          note: { type: text }
          customer: { type: boolean }
          other_id: { type: text }
          phones: { type: list }
        list: { get: /contacts, records: $.items, page: { kind: number, param: page, end: short-page, size: { param: n, value: 100 } }, changed_since: { param: since, format: rfc3339, overlap: 0s, misses: [customer] } }
        get: "/contacts/{id}"
        create: { post: /contacts, batch: { array: items, max: 10, correlate: position }, idempotency: { header: Key, max: 64, keeps: 6m } }
        update: { patch: "/contacts/{id}", id_in_body: $.id, batch: { path: /contacts/batch, array: items, max: 10, correlate: position }, idempotency: { header: Key, max: 64, keeps: 6m } }
        delete: { delete: "/contacts/{id}" }
        gone_when: { path: $.archived, equals: true }
      sales:
        id: $.id
        updated_at: $.updated_at
        label: "{number}"
        open: true
        fields:
          id: { type: id }
          number: { type: text }
          contact_id: { type: text }
          total: { type: decimal }
          lines: { type: list }
        list: { get: /sales, records: $.items, page: { kind: number, param: page, end: short-page, size: { param: n, value: 100 } }, changed_since: { param: since, format: rfc3339, overlap: 0s } }
        get: "/sales/{id}"
        create: { post: /sales, batch: { array: items, max: 10, correlate: position }, idempotency: { header: Key, max: 64, keeps: 6m } }
        update: { patch: "/sales/{id}", id_in_body: $.id, batch: { path: /sales/batch, array: items, max: 10, correlate: position }, idempotency: { header: Key, max: 64, keeps: 6m } }
  books:
    version: 1
    base_url: "http://127.0.0.1:1"
    auth: { kind: bearer }
    in_doubt: 60s
    resources: *resources
connections:
  shop: { connector: shop, auth: { token: a } }
  books: { connector: books, auth: { token: b } }
"#;

/// A configuration, its systems, and an engine.
pub struct World {
    pub config: Arc<Config>,
    pub clock: Clock,
    pub shop: Arc<Fake>,
    pub books: Arc<Fake>,
    pub store: Arc<MemoryStore>,
    dir: tempfile::TempDir,
}

pub fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 6, 1, 4, 0, 0).unwrap()
}

/// No environment variables.
pub struct NoEnv;

impl config::EnvSource for NoEnv {
    fn var(&self, _: &str) -> Option<String> {
        None
    }
}

/// Loads YAML that must be right. What was loaded before is as it was: thousands of worlds have few configurations.
pub fn load(dir: &std::path::Path, yaml: &str) -> Arc<Config> {
    static LOADED: Mutex<BTreeMap<String, Arc<Config>>> = Mutex::new(BTreeMap::new());
    if let Some(config) = LOADED.lock().unwrap().get(yaml) {
        return config.clone();
    }
    let config = load_files(dir, yaml);
    LOADED.lock().unwrap().insert(yaml.to_owned(), config.clone());
    config
}

fn load_files(dir: &std::path::Path, yaml: &str) -> Arc<Config> {
    // A test may bring connectors of its own.
    let connectors = if yaml.contains("\nconnectors:") { "" } else { CONNECTORS };
    std::fs::write(dir.join("connectors.yaml"), connectors).unwrap();
    std::fs::write(dir.join("test.yaml"), yaml).unwrap();
    let loaded = config::load(dir, &NoEnv);
    assert!(
        loaded.diagnostics.is_empty(),
        "{}",
        loaded.diagnostics.iter().map(|d| format!("{:?} {} ({:?})\n", d.place, d.message, d.help)).collect::<String>()
    );
    Arc::new(loaded.config)
}

impl World {
    /// A world with these pipelines, the systems empty.
    pub fn new(yaml: &str) -> Self {
        Self::with_keys(yaml, Some(Duration::from_secs(360)))
    }

    /// As [`World::new`], with remotes that remember keys for so long, or not at all.
    pub fn with_keys(yaml: &str, key_lives: Option<Duration>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = load(dir.path(), yaml);
        let clock = Clock::manual(start());
        let manifest = |name: &str| config.connections[&ConnectionName::parse(name).unwrap()].manifest.clone();
        let shop = Fake::new(manifest("shop"), clock.clone(), "s", key_lives);
        let books = Fake::new(manifest("books"), clock.clone(), "b", key_lives);
        Self { config, clock, shop, books, store: Arc::new(MemoryStore::new()), dir }
    }

    /// Another configuration for the same systems and store.
    pub fn reconfigure(&mut self, yaml: &str) {
        self.config = load(self.dir.path(), yaml);
    }

    pub fn engine(&self) -> Engine {
        let mut connectors: BTreeMap<ConnectionName, Arc<dyn Connector>> = BTreeMap::new();
        connectors.insert(ConnectionName::parse("shop").unwrap(), self.shop.clone());
        connectors.insert(ConnectionName::parse("books").unwrap(), self.books.clone());
        let store: Arc<dyn Store> = self.store.clone();
        Engine {
            config: self.config.clone(),
            ledger: Ledger::new(store),
            connectors: Arc::new(connectors),
            clock: self.clock.clone(),
            temp: self.dir.path().to_path_buf(),
            seed: 7,
        }
    }

    pub fn request(&self, mode: Mode) -> RunRequest {
        RunRequest {
            integration: self.config.integrations.keys().next().unwrap().clone(),
            pipelines: Vec::new(),
            connection: None,
            mode,
            full: false,
            limit: None,
            revert: None,
            list: false,
            why: "test".into(),
        }
    }

    pub async fn run(&self, request: RunRequest) -> RunReport {
        self.engine().run(request).await.unwrap()
    }

    /// One sync; remotes must do their part.
    pub async fn sync(&self) -> RunReport {
        let report = self.run(self.request(Mode::Sync)).await;
        assert_eq!(report.troubles, [], "{report:#?}");
        self.clock.advance(Duration::from_secs(60));
        report
    }

    pub async fn sync_full(&self) -> RunReport {
        let report = self.run(RunRequest { full: true, ..self.request(Mode::Sync) }).await;
        self.clock.advance(Duration::from_secs(60));
        report
    }

    /// Syncs until two runs later nothing may be left to do: plan empty, no write sent.
    pub async fn settled(&self) {
        self.sync().await;
        let writes = (self.shop.written().len(), self.books.written().len());
        let plan = self.run(self.request(Mode::Plan)).await;
        assert!(plan.is_empty_plan(), "something is left to do: {plan:#?}");
        let report = self.sync().await;
        assert_eq!((self.shop.written().len(), self.books.written().len()), writes, "a quiet run wrote: {report:#?}");
        let full = self.sync_full().await;
        assert_eq!((self.shop.written().len(), self.books.written().len()), writes, "a full read wrote: {full:#?}");
    }

    pub async fn desk<T>(&self, ask: impl AsyncFnOnce(&Desk<'_>) -> T) -> T {
        let engine = self.engine();
        ask(&Desk::new(&engine)).await
    }

    pub fn pipeline(&self, name: &str) -> PipelineName {
        PipelineName::parse(name).unwrap()
    }

    pub fn integration(&self, name: &str) -> IntegrationName {
        IntegrationName::parse(name).unwrap()
    }

    /// The one record of a system that has this value at a member.
    pub fn find(system: &Fake, resource: &str, member: &str, value: &str) -> Value {
        let mut found = system.all(resource).into_iter().filter(|record| record[member] == value);
        let one = found.next().unwrap_or_else(|| panic!("no {resource} with {member} {value}"));
        assert!(found.next().is_none(), "several {resource} with {member} {value}");
        one
    }
}
