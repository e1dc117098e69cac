//! An office with a login for a practice Xero.

use std::{collections::HashMap, fs, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use reconciled::{
    clock::Clock,
    config::{Auth, Config, Connection, ConnectionName, Grant, load},
    connector::{CallError, Connector, HttpConnector, LimitRegistry, Page, PullCursor},
    engine::Engine,
    grant::{ConnectionNow, Consented, GrantError, Keeper, Leaving, Vault},
    sandbox::{Xero, XeroOptions},
    store::{Ledger, MemoryStore},
};
use secrecy::SecretString;
use serde_json::json;
use tempfile::TempDir;
use url::Url;

use crate::browser;

/// 32 bytes of nothing.
pub const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

pub fn start() -> DateTime<Utc> {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

/// The practice Xero and what speaks to it. The store can be another after a crash.
pub struct Office {
    pub clock: Clock,
    pub xero: Xero,
    pub store: Arc<MemoryStore>,
    pub keeper: Arc<Keeper>,
    pub config: Config,
    limits: Arc<LimitRegistry>,
    folder: TempDir,
}

impl Office {
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// With further lines in the grant.
    pub async fn with(grant: &str) -> Self {
        let clock = Clock::manual(start());
        let xero = Xero::start(XeroOptions::new(clock.clone()).unlimited()).await.unwrap();
        xero.logins().let_in("app", "canary-app-secret");
        xero.insert("Contacts", json!({ "Name": "Kea" })).unwrap();
        let folder = TempDir::new().unwrap();
        let yaml = yaml(&xero, grant);
        fs::write(folder.path().join("x.yaml"), yaml).unwrap();
        let loaded = load(folder.path(), &HashMap::<String, String>::new());
        assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
        let store = Arc::new(MemoryStore::new());
        let keeper = keeper(&store, &clock);
        let limits = Arc::new(LimitRegistry::new(clock.clone()));
        Self { clock, xero, store, keeper, config: loaded.config, limits, folder }
    }

    /// The grant and its two connections, with further lines in the grant; further connections may follow.
    pub fn yaml(&self, grant: &str) -> String {
        yaml(&self.xero, grant)
    }

    /// With a person's consent.
    pub async fn connected() -> Self {
        let office = Self::new().await;
        let consented = office.consent(None).await.unwrap();
        assert_eq!(consented.accounts.len(), 1, "{consented:?}");
        office
    }

    /// The process begins anew on this store.
    pub fn restart(&mut self, store: MemoryStore) {
        self.store = Arc::new(store);
        self.keeper = keeper(&self.store, &self.clock);
    }

    pub fn connection(&self, name: &str) -> Arc<Connection> {
        Arc::clone(&self.config.connections[&ConnectionName::parse(name).unwrap()])
    }

    pub fn grant(&self) -> Arc<Grant> {
        let Auth::Grant(grant) = &self.connection("acme").auth else { panic!("no grant") };
        Arc::clone(grant)
    }

    /// A person opens the address and consents; their browser follows where it leads.
    pub async fn consent(&self, back: Option<&str>) -> Result<Consented, GrantError> {
        let redirect = Url::parse("http://localhost:8765/callback").unwrap();
        let url = self.keeper.begin(&self.grant(), redirect, back.map(str::to_owned)).await?;
        self.keeper.finish(&browser::consent(&url).await).await
    }

    pub fn connector(&self, name: &str) -> HttpConnector {
        let made = HttpConnector::new(self.connection(name), self.clock.clone(), &self.limits).unwrap();
        made.with_grants(Arc::clone(&self.keeper))
    }

    /// An engine of all connections.
    pub fn engine(&self) -> Engine {
        let made =
            |name: &ConnectionName| (name.clone(), Arc::new(self.connector(name.as_str())) as Arc<dyn Connector>);
        Engine {
            config: Arc::new(self.config.clone()),
            ledger: Ledger::new(self.store.clone()),
            connectors: Arc::new(self.config.connections.keys().map(made).collect()),
            clock: self.clock.clone(),
            temp: self.folder.path().to_path_buf(),
            seed: 1,
        }
    }

    /// Reads a page of contacts.
    pub async fn read(&self, name: &str) -> Result<Page, CallError> {
        let connector = self.connector(name);
        let resource = connector.resource("contacts").unwrap();
        connector.pull(resource, &PullCursor { since: None, page: None }).await
    }

    pub async fn look(&self, name: &str) -> ConnectionNow {
        self.keeper.look(&self.connection(name)).await.unwrap()
    }

    pub async fn disconnect(&self, name: Option<&str>) -> String {
        self.try_disconnect(name).await.unwrap()
    }

    pub async fn try_disconnect(&self, name: Option<&str>) -> Result<String, GrantError> {
        let others = ["acme".to_owned(), "other".to_owned()];
        let leaving = Leaving { connection: name, others: &others, by: "jane" };
        self.keeper.disconnect(&self.grant(), leaving).await
    }

    /// The process begins anew, with another key.
    pub fn with_key(&mut self, key: &str) {
        self.keeper = keeper_with(key, &self.store, &self.clock);
    }

    /// The access token runs out.
    pub fn later(&self) {
        self.clock.advance(Duration::from_secs(31 * 60));
    }
}

fn yaml(xero: &Xero, grant: &str) -> String {
    let (host, url) = (xero.host(), xero.url());
    format!(
        "grants:\n  office:\n    connector: xero\n    client_id: app\n    client_secret: canary-app-secret\n{grant}\
         \x20   endpoints:\n      authorize: {host}/identity/connect/authorize\n      token: {host}/connect/token\n\
         \x20     revoke: {host}/connect/revocation\n      accounts: {host}/connections\n\
         \x20     remove: \"{host}/connections/{{id}}\"\n\
         connections:\n  acme: {{ connector: xero, base_url: \"{url}\", grant: office, unlimited: true }}\n\
         \x20 other: {{ connector: xero, base_url: \"{url}\", grant: office, unlimited: true, tenant: Practice Company (NZ) }}\n"
    )
}

fn keeper(store: &Arc<MemoryStore>, clock: &Clock) -> Arc<Keeper> {
    keeper_with(KEY, store, clock)
}

fn keeper_with(key: &str, store: &Arc<MemoryStore>, clock: &Clock) -> Arc<Keeper> {
    let vault = Vault::new(Some(reconciled::config::Secret::Known(SecretString::from(key))));
    Arc::new(Keeper::new(store.clone(), vault, clock.clone()))
}
