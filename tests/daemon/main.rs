//! The running daemon on a clock that only the test moves, with systems in memory and a store that can fail.
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

#[path = "../support/mod.rs"]
mod support;

mod gate;
mod jumps;
mod people;
mod queued;
mod refusals;
mod snapshots;
mod stop;
mod timing;
mod trouble;
mod watchdog;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use gate::Gate;
use reconciled::{
    config::{ConnectionName, IntegrationName},
    connector::Connector,
    daemon::{
        Daemon, DaemonSettings, Handle,
        protocol::{Request, Response},
    },
    engine::{Engine, Mode, RunRequest},
    store::RunRecord,
};
use support::World;

/// One integration that polls the shop every two minutes and has a window of two.
const SHOP: &str = r"
integrations:
  acme:
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
      sales:
        source: shop/sales
        target: books/sales
        direction: source-to-target
        match: [ { source: $.number, target: $.number } ]
        fields:
          - { source: $.number, target: $.number, write: on-create }
          - { source: $.total, target: $.total }
";

/// A daemon in a world.
struct Live {
    world: World,
    shop: Arc<Gate>,
    books: Arc<Gate>,
    engine: Engine,
    daemon: Handle,
}

impl Live {
    async fn start(world: World) -> Self {
        Self::start_with(world, DaemonSettings { socket: None, stop_deadline: Duration::from_secs(30) }).await
    }

    async fn start_with(world: World, settings: DaemonSettings) -> Self {
        Self::start_among(world, settings, []).await
    }

    async fn start_among<const N: usize>(
        world: World,
        settings: DaemonSettings,
        more: [(&str, Arc<dyn Connector>); N],
    ) -> Self {
        let (shop, books) = (Gate::before(world.shop.clone()), Gate::before(world.books.clone()));
        let mut engine = world.engine();
        let mut connectors = (*engine.connectors).clone();
        connectors.insert(connection("shop"), shop.clone() as Arc<dyn Connector>);
        connectors.insert(connection("books"), books.clone() as Arc<dyn Connector>);
        connectors.extend(more.map(|(name, system)| (connection(name), system)));
        engine.connectors = Arc::new(connectors);
        let daemon = Daemon::start(engine.clone(), settings).await.unwrap();
        Self { world, shop, books, engine, daemon }
    }

    async fn until(&self, time: &str) {
        bounded(self.daemon.run_until(at(time))).await;
    }

    /// The runs so far, oldest first.
    async fn runs(&self, name: &str) -> Vec<RunRecord> {
        let mut runs = self.engine.ledger.runs(&integration(name), 1_000).await.unwrap();
        runs.reverse();
        runs
    }

    async fn told(&self, name: &str) -> Vec<String> {
        self.runs(name).await.iter().map(|run| format!("{} {}", run.started.format("%d %H:%M:%S"), run.why)).collect()
    }

    async fn call(&self, request: Request) -> Response {
        bounded(self.daemon.call(request)).await.unwrap()
    }
}

/// A test that hangs fails. Far longer than anything here takes, for a machine that is busy with other things.
async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(5), work).await.expect("this hangs")
}

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-06-{}Z", text.replace(' ', "T")).parse().unwrap()
}

fn connection(name: &str) -> ConnectionName {
    ConnectionName::parse(name).unwrap()
}

fn integration(name: &str) -> IntegrationName {
    IntegrationName::parse(name).unwrap()
}

fn by_hand(name: &str, mode: Mode) -> RunRequest {
    RunRequest {
        integration: integration(name),
        pipelines: Vec::new(),
        connection: None,
        mode,
        full: false,
        limit: None,
        revert: None,
        list: false,
        why: "by hand".into(),
    }
}
