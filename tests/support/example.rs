//! A folder of `examples/configs`, run as it is: a store on disk, HTTP to practice systems, and a clock that the test moves.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use chrono::{DateTime, TimeZone, Utc};
use reconciled::{
    clock::Clock,
    config::{self, Auth, Config, Connection, ConnectionName, IntegrationName, Secret},
    connector::{Connector, FileConnector, HttpConnector, InboxConnector, LimitRegistry},
    daemon::{
        Daemon, DaemonSettings, Handle,
        protocol::{Request, Response},
    },
    engine::{Desk, Engine, FindingItem, Mode, RunReport, RunRequest},
    grant::{Keeper, Vault},
    store::{Ledger, SledStore, Store},
};

/// What the folder's placeholders `${env:…}` stand for.
#[derive(Clone)]
pub struct Env(pub BTreeMap<&'static str, String>);

impl config::EnvSource for Env {
    fn var(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

/// An example folder `NAME` with its file `NAME.yaml` and its integration `NAME`.
pub struct Example {
    pub name: &'static str,
    pub clock: Clock,
    pub config: Arc<Config>,
    pub engine: Engine,
    env: Env,
    state: tempfile::TempDir,
}

impl Example {
    pub fn start(name: &'static str, clock: &Clock, env: Env) -> Self {
        let state = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SledStore::open(&state.path().join("store"), 8 << 20).unwrap());
        let config = load(name, &env, str::to_owned);
        let engine = engine(config.clone(), Ledger::new(store), clock, state.path());
        Self { name, clock: clock.clone(), config, engine, env, state }
    }

    /// From now on with an edited configuration, as after a restart; the store is the same.
    pub fn reconfigure(&mut self, edit: impl Fn(&str) -> String) {
        self.config = load(self.name, &self.env, edit);
        self.engine = engine(self.config.clone(), self.engine.ledger.clone(), &self.clock, self.state.path());
    }

    /// From now on with another value of a variable, as after a restart.
    pub fn set(&mut self, variable: &'static str, value: &str) {
        self.env.0.insert(variable, value.to_owned());
        self.reconfigure(str::to_owned);
    }

    /// From now on without a variable, as after a restart where nobody set it.
    pub fn unset(&mut self, variable: &'static str) {
        self.env.0.remove(variable);
        self.reconfigure(str::to_owned);
    }

    /// Whoever it concerns consents to every login of the folder.
    pub async fn consent(&self) {
        for connection in self.config.connections.values() {
            let Auth::Grant(grant) = &connection.auth else { continue };
            let keeper = self.engine.connectors[&connection.name].keeper().unwrap();
            let back = Some(connection.name.to_string());
            let url = keeper.begin(grant, grant.redirect.clone(), back).await.unwrap();
            keeper.finish(&crate::browser::consent(&url).await).await.unwrap();
        }
    }

    /// The daemon.
    pub async fn daemon(&self) -> Handle {
        let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_secs(30) };
        Daemon::start(self.engine.clone(), settings).await.unwrap()
    }

    /// The runs so far, oldest first: when in Auckland, and why.
    pub async fn runs(&self) -> Vec<String> {
        let mut runs = self.engine.ledger.runs(&self.integration(), 100).await.unwrap();
        runs.reverse();
        let at = |at: DateTime<Utc>| at.with_timezone(&chrono_tz::Pacific::Auckland).format("%d %H:%M:%S").to_string();
        runs.iter().map(|run| format!("{} {}", at(run.started), run.why)).collect()
    }

    /// What a person asks for with `reconciled sync`.
    pub fn by_hand(&self) -> RunRequest {
        RunRequest { why: "by hand".into(), ..self.request(Mode::Sync, false) }
    }

    pub fn integration(&self) -> IntegrationName {
        IntegrationName::parse(self.name).unwrap()
    }

    pub fn request(&self, mode: Mode, full: bool) -> RunRequest {
        RunRequest {
            integration: self.integration(),
            pipelines: Vec::new(),
            connection: None,
            mode,
            full,
            limit: None,
            revert: None,
            list: false,
            why: "test".into(),
        }
    }

    async fn run(&self, full: bool) -> RunReport {
        let report = self.engine.run(self.request(Mode::Sync, full)).await.unwrap();
        assert_eq!(report.troubles, [], "{report:#?}");
        self.clock.advance(Duration::from_secs(60));
        report
    }

    /// A sync by hand, then a minute passes.
    pub async fn sync(&self) -> RunReport {
        self.run(false).await
    }

    /// A sync that reads everything, then a minute passes.
    pub async fn sync_full(&self) -> RunReport {
        self.run(true).await
    }

    /// Approves the first run.
    pub async fn approve(&self) {
        let _ = Desk::new(&self.engine).approve(self.name).await;
    }

    /// First contact: looked at, approved, carried out.
    pub async fn first_sync(&self) {
        self.sync().await;
        self.approve().await;
        self.sync().await;
    }

    /// Syncs until nothing is left, then shows that nothing is: an empty plan, and no write in a quiet and a full run.
    pub async fn settled_by(&self, writes: impl Fn() -> u64) {
        self.sync().await;
        let before = writes();
        let plan = self.engine.run(self.request(Mode::Plan, false)).await.unwrap();
        assert!(plan.is_empty_plan(), "something is left to do: {plan:#?}");
        let quiet = self.sync().await;
        assert_eq!(writes(), before, "a quiet run wrote: {quiet:#?}");
        let full = self.sync_full().await;
        assert_eq!(writes(), before, "a full read wrote: {full:#?}");
    }

    /// What a run lists for a pipeline of the example.
    pub fn findings<'r>(&self, report: &'r RunReport, pipeline: &str) -> &'r [FindingItem] {
        let name = format!("{}/{pipeline}", self.name);
        &report.pipelines.iter().find(|report| report.pipeline.as_str() == name).unwrap().findings
    }
}

/// What hangs fails; the bound is far beyond what a busy machine needs.
pub async fn until(daemon: &Handle, instant: DateTime<Utc>) {
    tokio::time::timeout(Duration::from_mins(5), daemon.run_until(instant)).await.expect("this hangs");
}

/// `reconciled sync`, through the daemon.
pub async fn sync_by_hand(example: &Example, daemon: &Handle) -> RunReport {
    let answer = tokio::time::timeout(Duration::from_mins(5), daemon.call(Request::Run(example.by_hand())));
    let Response::Run(report) = answer.await.expect("this hangs").unwrap() else { panic!() };
    assert_eq!(report.troubles, [], "{report:#?}");
    *report
}

/// A time of 1 June 2026 in Auckland.
pub fn afternoon(hour: u32, minute: u32) -> DateTime<Utc> {
    chrono_tz::Pacific::Auckland.with_ymd_and_hms(2026, 6, 1, hour, minute, 0).unwrap().with_timezone(&Utc)
}

/// The daemon's own settings. Whoever is outside reaches it by the address of a proxy.
const SETTINGS: &str = "[listen]\npublic = \"127.0.0.1:0\"\npublic_url = \"https://sync.example\"\n";

/// The example, edited, for these systems.
fn load(name: &str, env: &Env, edit: impl Fn(&str) -> String) -> Arc<Config> {
    let file = format!("{name}.yaml");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/configs").join(name).join(&file);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(file), edit(&fs::read_to_string(example).unwrap())).unwrap();
    fs::write(folder.path().join("reconciled.toml"), SETTINGS).unwrap();
    let loaded = config::load(folder.path(), env);
    assert!(!loaded.has_errors(), "{}", loaded.render(false));
    Arc::new(loaded.config)
}

fn engine(config: Arc<Config>, ledger: Ledger, clock: &Clock, temp: &Path) -> Engine {
    let limits = Arc::new(LimitRegistry::new(clock.clone()));
    let key = Secret::Known("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned().into());
    let keeper = Arc::new(Keeper::new(Arc::clone(ledger.store()), Vault::new(Some(key)), clock.clone()));
    let mut connectors: BTreeMap<ConnectionName, Arc<dyn Connector>> = BTreeMap::new();
    for connection in config.connections.values() {
        let made = connector(connection, clock, &limits, (ledger.store(), &keeper));
        connectors.insert(connection.name.clone(), made);
    }
    Engine { config, ledger, connectors: Arc::new(connectors), clock: clock.clone(), temp: temp.to_path_buf(), seed: 1 }
}

/// Whatever speaks to the system of a connection.
fn connector(
    connection: &Arc<Connection>,
    clock: &Clock,
    limits: &Arc<LimitRegistry>,
    (store, keeper): (&Arc<dyn Store>, &Arc<Keeper>),
) -> Arc<dyn Connector> {
    let connection = Arc::clone(connection);
    if connection.manifest.is_of_files() {
        Arc::new(FileConnector::new(connection, clock.clone()).unwrap())
    } else if connection.manifest.is_of_posts() {
        Arc::new(InboxConnector::new(connection, clock.clone(), Arc::clone(store)))
    } else {
        Arc::new(HttpConnector::new(connection, clock.clone(), limits).unwrap().with_grants(Arc::clone(keeper)))
    }
}
