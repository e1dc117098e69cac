//! Taking over from runs that are under way, on systems in this process that can be made to hang.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use reconciled::{
    clock::Clock,
    config::{Connection, EnvSource, IntegrationName, Snapshot},
    connector::{
        Answer, CallError, Connector, Page, PreparedCall, PullCursor, RemoteRecord, Requests, Resource, WriteItem,
        WriteKind,
    },
    daemon::{
        Daemon, DaemonSettings, DaemonStatus, Handle, Phase,
        protocol::{Failure, Request, Response},
        reload::{Connect, IntegrationOutcome, Reloading, boot},
    },
    engine::{Engine, Mode, RunReport, RunRequest},
    record::RecordId,
    store::{Ledger, MemoryStore, Store},
};
use serde_json::json;
use tokio::sync::watch;

use crate::support::of;

/// A system of one connection: it has one record at most, and may hang when it is read, or written.
struct System {
    connection: Arc<Connection>,
    shut: watch::Receiver<bool>,
    closed: watch::Receiver<bool>,
    calls: Arc<Mutex<Vec<String>>>,
}

impl System {
    async fn call(&self) -> Result<(), CallError> {
        let text = format!("{} {}", self.connection.name, self.connection.base_url.path());
        self.calls.lock().unwrap().push(text);
        let _ = self.shut.clone().wait_for(|shut| !*shut).await;
        Ok(())
    }
}

#[async_trait]
impl Connector for System {
    fn resource(&self, name: &str) -> Option<&Resource> {
        self.connection.manifest.resources.get(name).map(AsRef::as_ref)
    }
    async fn pull(&self, _: &Resource, _: &PullCursor) -> Result<Page, CallError> {
        self.call().await?;
        let records = if self.connection.name.as_str() == "b-one" { vec![jane()] } else { Vec::new() };
        Ok(Page { records, ..Page::default() })
    }
    async fn get(&self, _: &Resource, _: &RecordId) -> Result<Option<RemoteRecord>, CallError> {
        self.call().await?;
        Ok(None)
    }
    fn prepare(
        &self,
        resource: &Resource,
        kind: WriteKind,
        of: &[WriteItem],
        _: &str,
    ) -> Result<PreparedCall, CallError> {
        let (resource, method, target) = (resource.name.clone(), "POST".into(), "/".into());
        let (headers, body, ids) = (Vec::new(), String::new(), vec![None; of.len()]);
        Ok(PreparedCall { resource, kind, method, target, headers, body, ids, key_lives: None })
    }
    async fn send(&self, _: &Resource, _: &PreparedCall) -> Result<Answer, CallError> {
        self.calls.lock().unwrap().push(format!("{} is written", self.connection.name));
        let _ = self.closed.clone().wait_for(|closed| !*closed).await;
        Err(CallError::NotDone("nothing is written here".into()))
    }
    fn requests(&self) -> Requests {
        Requests::default()
    }
}

fn jane() -> RemoteRecord {
    let body = json!({ "id": "jane", "first_name": "Jane", "last_name": "Doe", "email": "jane@doe.example" });
    let id = RecordId::from("jane");
    RemoteRecord { id, body, label: "Jane".into(), updated_at: None, version: None, gone: false, merged_into: None }
}

struct NoEnv;

impl EnvSource for NoEnv {
    fn var(&self, _: &str) -> Option<String> {
        None
    }
}

/// A daemon in this process: two integrations on accounts of their own, and two that share one.
struct Here {
    home: tempfile::TempDir,
    etc: PathBuf,
    daemon: Handle,
    store: Arc<MemoryStore>,
    doors: Arc<Mutex<BTreeMap<String, watch::Sender<bool>>>>,
    calls: Arc<Mutex<Vec<String>>>,
    made: Arc<Mutex<BTreeMap<String, u32>>>,
}

fn accounts(names: &[(&str, &str)]) -> String {
    let one = |(name, path): &(&str, &str)| {
        format!("  {name}: {{ connector: website, base_url: \"http://127.0.0.1:9/{path}\", auth: {{ token: t }} }}\n")
    };
    format!("connections:\n{}", names.iter().map(one).collect::<String>())
}

fn between(name: &str, source: &str, target: &str, mark: &str, more: &str) -> String {
    format!(
        "integrations:
  {name}:
    automatic: false{more}
    first_run: {{ apply: automatic }}
    pipelines:
      contacts:
        source: {source}/contacts
        target: {target}/contacts
        direction: source-to-target
        match: [ {{ source: $.email, target: $.email }} ]
        filters: {{ source: [ {{ path: $.last_name, not_equals: {mark} }} ] }}
        fields:
          - {{ source: $.first_name, target: $.first_name }}
"
    )
}

const ACCOUNTS: [(&str, &str); 5] = [("a-one", "1"), ("a-two", "1"), ("b-one", "1"), ("b-two", "1"), ("shared", "1")];

impl Here {
    async fn start(drain: &str) -> Self {
        Self::on(drain, Clock::system()).await
    }

    async fn on(drain: &str, clock: Clock) -> Self {
        let home = tempfile::tempdir().unwrap();
        let etc = home.path().join("etc");
        fs::create_dir(&etc).unwrap();
        let toml = format!("[reload]\nwatch = false\nsettle = \"1ms\"\ndrain = \"{drain}\"\n");
        fs::write(etc.join("reconciled.toml"), toml).unwrap();
        fs::write(etc.join("accounts.yaml"), accounts(&ACCOUNTS)).unwrap();
        fs::write(etc.join("a.yaml"), between("a", "a-one", "a-two", "x", "")).unwrap();
        fs::write(etc.join("b.yaml"), between("b", "b-one", "b-two", "x", "")).unwrap();
        fs::write(etc.join("c.yaml"), between("c", "a-one", "shared", "x", "")).unwrap();
        fs::write(etc.join("d.yaml"), between("d", "b-one", "shared", "w", "")).unwrap();
        let store = Arc::new(MemoryStore::new());
        let ledger = Ledger::new(store.clone() as Arc<dyn Store>);
        let boot = boot(&Snapshot::read(&etc), &NoEnv, &ledger, clock.now()).await.unwrap();
        let doors: Arc<Mutex<BTreeMap<String, watch::Sender<bool>>>> = Arc::default();
        let calls: Arc<Mutex<Vec<String>>> = Arc::default();
        let made: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
        let (at_doors, told, counted) = (doors.clone(), calls.clone(), made.clone());
        let connect: Connect = Arc::new(move |connection| {
            let name = connection.name.to_string();
            *counted.lock().unwrap().entry(name.clone()).or_default() += 1;
            let mut doors = at_doors.lock().unwrap();
            let mut door = |name: String| doors.entry(name).or_insert_with(|| watch::Sender::new(false)).subscribe();
            let (shut, closed) = (door(name.clone()), door(format!("{name} is written")));
            let (connection, calls) = (connection.clone(), told.clone());
            Ok(Arc::new(System { connection, shut, closed, calls }) as Arc<dyn Connector>)
        });
        let connectors = boot.config.connections.iter();
        let connectors = connectors.map(|(name, made)| (name.clone(), connect(made).unwrap())).collect();
        let engine = Engine {
            config: boot.config.clone(),
            ledger,
            connectors: Arc::new(connectors),
            clock,
            temp: home.path().to_path_buf(),
            seed: 1,
        };
        let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_millis(200) };
        let reloading = Reloading { boot, env: Arc::new(NoEnv), connect };
        let daemon = Daemon::start_reloading(engine, settings, reloading).await.unwrap();
        Self { home, etc, daemon, store, doors, calls, made }
    }

    /// All at once: a daemon that looks at half a file looks again after a while, which never passes by a clock that stands
    /// still.
    fn write(&self, name: &str, text: &str) {
        let new = self.home.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.etc.join(name)).unwrap();
    }

    fn shut(&self, connection: &str, shut: bool) {
        self.doors.lock().unwrap()[connection].send_replace(shut);
    }

    async fn reload(&self, wait: bool) -> reconciled::daemon::reload::ReloadReport {
        let request = Request::Reload { wait, force: false };
        match bounded(self.daemon.call(request)).await.unwrap() {
            Response::Reloaded(report) => *report,
            other => panic!("{other:?}"),
        }
    }

    fn outcome(report: &reconciled::daemon::reload::ReloadReport, name: &str) -> Option<IntegrationOutcome> {
        report.integrations.iter().find(|result| result.integration.as_str() == name).map(|result| result.outcome)
    }

    fn run(&self, name: &str) -> tokio::task::JoinHandle<Result<Box<RunReport>, String>> {
        let request = RunRequest {
            integration: IntegrationName::parse(name).unwrap(),
            pipelines: Vec::new(),
            connection: None,
            mode: Mode::Sync,
            full: false,
            limit: None,
            revert: None,
            list: false,
            why: "by hand".into(),
        };
        let daemon = self.daemon.clone();
        tokio::spawn(async move {
            match daemon.call(Request::Run(request)).await {
                Ok(Response::Run(report)) => Ok(report),
                Ok(other) => panic!("{other:?}"),
                Err(failure) => Err(failure.message),
            }
        })
    }

    async fn until(&self, is: impl Fn(&DaemonStatus) -> bool) -> DaemonStatus {
        bounded(async {
            loop {
                let status = self.daemon.status();
                if is(&status) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await
    }

    /// Starts a run that hangs at a connection.
    async fn stuck(&self, name: &str, connection: &str) -> tokio::task::JoinHandle<Result<Box<RunReport>, String>> {
        self.shut(connection, true);
        let before = self.calls.lock().unwrap().len();
        let run = self.run(name);
        bounded(async {
            while !self.calls.lock().unwrap()[before..].iter().any(|call| call.starts_with(connection)) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        run
    }

    /// A reload that waits for everybody to take over.
    fn reload_meanwhile(&self) -> tokio::task::JoinHandle<Result<Response, Failure>> {
        let daemon = self.daemon.clone();
        tokio::spawn(async move { daemon.call(Request::Reload { wait: true, force: false }).await })
    }

    /// Moves the clock to where it is looked whether a run got any answer, once somebody waits for that.
    async fn a_sixth_of_the_hour(&self, clock: &Clock) {
        let mut sleeps = clock.sleeps().unwrap();
        let looking = clock.monotonic() + Duration::from_mins(10);
        bounded(sleeps.wait_for(|sleeps| sleeps.values().any(|until| *until == looking))).await.unwrap();
        clock.advance(Duration::from_mins(10));
    }

    fn running(&self, name: &str) -> String {
        of(&self.daemon.status(), name).unwrap().running.clone()
    }
}

async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(5), work).await.expect("this hangs")
}

#[tokio::test]
async fn a_run_ends_with_the_configuration_it_began_with() {
    let here = Here::start("1h").await;
    let before = here.running("a");
    let run = here.stuck("a", "a-one").await;
    here.write("a.yaml", &between("a", "a-one", "a-two", "y", ""));
    let report = here.reload(false).await;
    assert_eq!(Here::outcome(&report, "a"), Some(IntegrationOutcome::Draining));
    assert_eq!(here.running("a"), before, "it goes on while its run does");
    assert!(of(&here.daemon.status(), "a").unwrap().pending.is_some());
    here.shut("a-one", false);
    let report = bounded(run).await.unwrap().unwrap();
    assert_eq!(report.troubles, [], "the run came to its end");
    here.until(|status| of(status, "a").is_some_and(|now| now.running != before)).await;
    bounded(here.run("a")).await.unwrap().unwrap();
    here.daemon.stop().await;
}

#[tokio::test]
async fn a_stuck_remote_delays_nobody_else_and_is_given_up() {
    let clock = Clock::manual(chrono::DateTime::UNIX_EPOCH);
    let here = Here::on("1h", clock.clone()).await;
    let (a, b) = (here.running("a"), here.running("b"));
    let run = here.stuck("a", "a-one").await;
    here.write("a.yaml", &between("a", "a-one", "a-two", "y", ""));
    here.write("b.yaml", &between("b", "b-one", "b-two", "y", ""));
    let waiting = here.reload_meanwhile();
    here.until(|status| of(status, "b").is_some_and(|now| now.running != b)).await;
    assert_eq!(here.running("a"), a, "`a` is stuck still");
    // One more edit of `b` while `a` is stuck.
    let b = here.running("b");
    here.write("b.yaml", &between("b", "b-one", "b-two", "z", ""));
    let more = here.reload_meanwhile();
    here.until(|status| of(status, "b").is_some_and(|now| now.running != b)).await;
    assert!(!waiting.is_finished() && !more.is_finished(), "who waits for everything waits for `a`");
    assert_eq!(here.running("a"), a);
    here.a_sixth_of_the_hour(&clock).await;
    here.until(|status| of(status, "a").is_some_and(|now| now.running != a)).await;
    bounded(waiting).await.unwrap().unwrap();
    let report = bounded(run).await.unwrap().unwrap();
    assert!(report.troubles[0].message.contains("the configuration was edited"), "{report:?}");
    let told = of(&here.daemon.status(), "a").unwrap().troubles.clone();
    assert_eq!(told, [], "that is no trouble of the system's");
    here.shut("a-one", false);
    bounded(here.run("a")).await.unwrap().unwrap();
    here.daemon.stop().await;
}

#[tokio::test]
async fn whoever_gets_no_answer_is_not_waited_for_until_the_deadline() {
    let clock = Clock::manual(chrono::DateTime::UNIX_EPOCH);
    let here = Here::on("1h", clock.clone()).await;
    let before = here.running("a");
    let run = here.stuck("a", "a-one").await;
    here.write("a.yaml", &between("a", "a-one", "a-two", "y", ""));
    let asked = here.reload_meanwhile();
    here.a_sixth_of_the_hour(&clock).await;
    here.until(|status| of(status, "a").is_some_and(|now| now.running != before)).await;
    let report = bounded(run).await.unwrap().expect("it came to its end");
    assert!(report.troubles[0].message.contains("the configuration was edited"), "{report:?}");
    bounded(asked).await.unwrap().unwrap();
    here.daemon.stop().await;
}

#[tokio::test]
async fn whoever_had_no_answer_for_long_before_the_edit_is_not_waited_for() {
    let clock = Clock::manual(chrono::DateTime::UNIX_EPOCH);
    let here = Here::on("1h", clock.clone()).await;
    let before = here.running("a");
    let run = here.stuck("a", "a-one").await;
    clock.advance(Duration::from_mins(11));
    here.write("a.yaml", &between("a", "a-one", "a-two", "y", ""));
    let asked = here.reload_meanwhile();
    // The clock stands still from here on.
    here.until(|status| of(status, "a").is_some_and(|now| now.running != before)).await;
    let report = bounded(run).await.unwrap().expect("it came to its end");
    assert!(report.troubles[0].message.contains("the configuration was edited"), "{report:?}");
    bounded(asked).await.unwrap().unwrap();
    here.daemon.stop().await;
}

#[tokio::test]
async fn a_write_without_an_answer_is_waited_for_until_the_deadline_and_then_dropped() {
    let here = Here::start("1ms").await;
    let before = here.running("b");
    here.shut("b-two is written", true);
    let run = here.run("b");
    bounded(async {
        while !here.calls.lock().unwrap().iter().any(|call| call == "b-two is written") {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    here.write("b.yaml", &between("b", "b-one", "b-two", "y", ""));
    here.reload(true).await;
    assert_ne!(here.running("b"), before);
    let failure = bounded(run).await.unwrap().unwrap_err();
    assert!(failure.contains("the configuration was edited"), "{failure}");
    here.daemon.stop().await;
}

#[tokio::test]
async fn a_timetable_changes_while_a_run_goes_on_and_forgets_nothing() {
    let here = Here::start("30s").await;
    bounded(here.run("a")).await.unwrap().unwrap();
    let last = of(&here.daemon.status(), "a").unwrap().last_run;
    assert!(last.is_some());
    let run = here.stuck("a", "a-one").await;
    let before = here.running("a");
    here.write("a.yaml", &between("a", "a-one", "a-two", "x", "\n    schedule: { poll: { a-one: 7m } }"));
    let report = here.reload(true).await;
    assert_eq!(Here::outcome(&report, "a"), Some(IntegrationOutcome::Tuned));
    let status = here.daemon.status();
    let now = of(&status, "a").unwrap();
    assert_ne!(now.running, before);
    assert!(matches!(now.phase, Phase::Running { .. }), "its run goes on: {now:?}");
    assert_eq!(now.last_run, last);
    here.shut("a-one", false);
    assert_eq!(bounded(run).await.unwrap().unwrap().troubles, []);
    here.daemon.stop().await;
}

#[tokio::test]
async fn an_account_that_moves_moves_for_everybody_at_once_and_its_connector_alone_is_made_anew() {
    let here = Here::start("1h").await;
    assert!(here.made.lock().unwrap().values().all(|made| *made == 1));
    let (c, d) = (here.running("c"), here.running("d"));
    let run = here.stuck("c", "a-one").await;
    let mut moved = ACCOUNTS;
    moved[4].1 = "elsewhere";
    here.write("accounts.yaml", &accounts(&moved));
    here.reload(false).await;
    assert_eq!((here.running("c"), here.running("d")), (c.clone(), d.clone()), "`d` waits for `c`: they share it");
    here.shut("a-one", false);
    bounded(run).await.unwrap().unwrap();
    let is = |status: &DaemonStatus, name: &str, was: &str| of(status, name).is_some_and(|now| now.running != was);
    here.until(|status| is(status, "c", &c) && is(status, "d", &d)).await;
    let made = here.made.lock().unwrap().clone();
    let others = made.iter().filter(|(name, _)| name.as_str() != "shared").all(|(_, made)| *made == 1);
    assert!(others && made["shared"] == 2, "limits of the others live on: {made:?}");
    let old = here.calls.lock().unwrap().iter().position(|call| call == "shared /elsewhere");
    assert_eq!(old, None);
    bounded(here.run("d")).await.unwrap().unwrap();
    let calls = here.calls.lock().unwrap().clone();
    assert!(calls.contains(&"shared /elsewhere".to_owned()), "{calls:?}");
    // Back, while `c` has a mistake: then nobody moves.
    let (c, d) = (here.running("c"), here.running("d"));
    here.write("accounts.yaml", &accounts(&ACCOUNTS));
    here.write("c.yaml", "integrations: [");
    let report = here.reload(true).await;
    assert_eq!(Here::outcome(&report, "d"), Some(IntegrationOutcome::Kept), "{report:#?}");
    assert_eq!((here.running("c"), here.running("d")), (c, d));
    here.daemon.stop().await;
}

#[tokio::test]
async fn what_is_removed_runs_no_more_and_what_it_remembered_stays() {
    let here = Here::start("30s").await;
    bounded(here.run("b")).await.unwrap().unwrap();
    let entries = |here: &Here| {
        let all = here.store.entries();
        let of_pipeline =
            all.into_iter().filter(|(key, _)| key.parts().first().is_some_and(|part| part == "b/contacts"));
        of_pipeline.collect::<Vec<_>>()
    };
    let remembered = entries(&here);
    assert!(!remembered.is_empty());
    let calls = here.calls.lock().unwrap().len();
    fs::rename(here.etc.join("b.yaml"), here.home.path().join("aside")).unwrap();
    let report = here.reload(true).await;
    assert_eq!(Here::outcome(&report, "b"), Some(IntegrationOutcome::Removed));
    assert!(of(&here.daemon.status(), "b").is_none());
    let failure = bounded(here.run("b")).await.unwrap().unwrap_err();
    assert!(failure.contains("no integration named `b`"), "{failure}");
    assert_eq!((entries(&here), here.calls.lock().unwrap().len()), (remembered, calls));
    fs::rename(here.home.path().join("aside"), here.etc.join("b.yaml")).unwrap();
    let report = here.reload(true).await;
    assert_eq!(Here::outcome(&report, "b"), Some(IntegrationOutcome::Added));
    bounded(here.run("b")).await.unwrap().unwrap();
    here.daemon.stop().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_what_wants_to_take_over() {
    let here = Here::start("1h").await;
    let run = here.stuck("a", "a-one").await;
    here.write("a.yaml", &between("a", "a-one", "a-two", "y", ""));
    here.reload(false).await;
    bounded(here.daemon.stop()).await;
    assert!(bounded(run).await.unwrap().unwrap_err().contains("stopping"));
}
