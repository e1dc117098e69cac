//! An edit of a template goes live at some of its clients first: through a daemon in this process, on its own clock,
//! with a pair of systems for each client.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use reconciled::{
    clock::Clock,
    config::{IntegrationName, Snapshot},
    connector::Connector,
    daemon::{
        Daemon, DaemonSettings, DaemonStatus, Handle,
        protocol::{Failure, Request, Response, Status},
        reload::{Connect, IntegrationOutcome, ReloadReport, Reloading, Rollout, RolloutStage, boot},
    },
    engine::{Engine, Mode, RunReport, RunRequest},
    store::{Ledger, MemoryStore, Store},
};
use serde_json::json;

use crate::{
    support::of,
    systems::{CONNECTORS, Fake, NoEnv, start},
};

pub const CLIENTS: [&str; 5] = ["alpha", "beta", "delta", "gamma", "omega"];
pub const ROLLOUT: &str = "first: [alpha, beta], wait: 24h";
const PHONE: &str = "- { source: $.phone, target: $.phone }";
const CITY: &str = "- { source: $.city, target: $.city }";

/// The template, with how it is rolled out and more fields.
pub fn template(rollout: &str, fields: &[&str]) -> String {
    let more: String = fields.iter().map(|field| format!("          {field}\n")).collect();
    format!(
        "templates:
  shop:
    params: {{ note: {{ type: string, default: x }} }}
    rollout: {{ {rollout} }}
    first_run: {{ apply: automatic, differences: source-wins }}
    schedule: {{ sync: {{ after_idle: 6h }}, full_read: never }}
    connections:
      shop: {{ connector: shop, auth: {{ token: a }} }}
      books: {{ connector: books, auth: {{ token: b }} }}
    pipelines:
      contacts:
        source: shop/contacts
        target: books/contacts
        direction: two-way
        match: [ {{ source: $.email, target: $.email }} ]
        filters: {{ source: [ {{ path: $.note, not_equals: \"${{params.note}}\" }} ] }}
        fields:
          - {{ source: $.email, target: $.email, write: on-create }}
          - {{ source: $.name, target: $.name }}
{more}"
    )
}

fn clients(more: &[(&str, &str)]) -> String {
    let one = |name: &&str| {
        let with = more.iter().find(|(client, _)| client == name).map(|(_, with)| *with).unwrap_or_default();
        format!("  {name}: {{ template: shop{with} }}\n")
    };
    format!("integrations:\n{}", CLIENTS.iter().map(one).collect::<String>())
}

type Systems = Arc<Mutex<BTreeMap<String, Arc<Fake>>>>;

pub struct Agency {
    pub home: tempfile::TempDir,
    pub etc: PathBuf,
    pub store: Arc<MemoryStore>,
    pub clock: Clock,
    systems: Systems,
    daemon: Handle,
}

async fn begin(home: &tempfile::TempDir, store: &Arc<MemoryStore>, clock: &Clock, systems: &Systems) -> Handle {
    let ledger = Ledger::new(store.clone() as Arc<dyn Store>);
    let boot = boot(&Snapshot::read(&home.path().join("etc")), &NoEnv, &ledger, clock.now()).await.unwrap();
    let (all, time) = (systems.clone(), clock.clone());
    let connect: Connect = Arc::new(move |connection| {
        let prefix = if connection.name.as_str().ends_with("shop") { "s" } else { "b" };
        let made = || Fake::new(connection.manifest.clone(), time.clone(), prefix, Some(Duration::from_secs(360)));
        let one = all.lock().unwrap().entry(connection.name.to_string()).or_insert_with(made).clone();
        Ok(one as Arc<dyn Connector>)
    });
    let connectors = boot.config.connections.iter();
    let connectors = connectors.map(|(name, made)| (name.clone(), connect(made).unwrap())).collect();
    let engine = Engine {
        config: boot.config.clone(),
        ledger,
        connectors: Arc::new(connectors),
        clock: clock.clone(),
        temp: home.path().to_path_buf(),
        seed: 1,
    };
    let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_millis(200) };
    Daemon::start_reloading(engine, settings, Reloading { boot, env: Arc::new(NoEnv), connect }).await.unwrap()
}

impl Agency {
    /// Five clients with three contacts each, in agreement.
    pub async fn start(rollout: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let etc = home.path().join("etc");
        fs::create_dir(&etc).unwrap();
        fs::write(etc.join("reconciled.toml"), "[reload]\nwatch = false\nsettle = \"1ms\"\n").unwrap();
        fs::write(etc.join("connectors.yaml"), CONNECTORS.split("connections:").next().unwrap()).unwrap();
        fs::write(etc.join("shop.yaml"), template(rollout, &[])).unwrap();
        fs::write(etc.join("clients.yaml"), clients(&[])).unwrap();
        let (store, clock, systems) = (Arc::new(MemoryStore::new()), Clock::manual(start()), Systems::default());
        let daemon = begin(&home, &store, &clock, &systems).await;
        let agency = Self { home, etc, store, clock, systems, daemon };
        for client in CLIENTS {
            for n in 0..3 {
                let contact = json!({ "name": format!("N{n}"), "email": format!("n{n}@x.example"),
                                      "phone": format!("0{n}"), "city": "Perth", "note": "near" });
                agency.system(client, "shop").insert("contacts", contact);
            }
        }
        agency.agreed().await;
        agency
    }

    pub fn system(&self, client: &str, name: &str) -> Arc<Fake> {
        self.systems.lock().unwrap()[&format!("{client}/{name}")].clone()
    }

    pub async fn restart(&mut self) {
        self.daemon.stop().await;
        self.daemon = begin(&self.home, &self.store, &self.clock, &self.systems).await;
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.etc.join(name), text).unwrap();
    }

    pub async fn call(&self, request: Request) -> Result<Response, Failure> {
        let tick = async {
            loop {
                tokio::time::sleep(Duration::from_millis(10)).await;
                self.clock.advance(Duration::from_millis(1));
            }
        };
        let answer = async {
            tokio::select! {
                answer = self.daemon.call(request) => answer,
                never = tick => never,
            }
        };
        tokio::time::timeout(Duration::from_secs(30), answer).await.expect("this takes too long")
    }

    pub async fn reload(&self) -> ReloadReport {
        match self.call(Request::Reload { wait: true, force: false }).await.unwrap() {
            Response::Reloaded(report) => *report,
            other => panic!("{other:?}"),
        }
    }

    async fn edit(&self, rollout: &str, fields: &[&str]) -> ReloadReport {
        self.write("shop.yaml", &template(rollout, fields));
        self.reload().await
    }

    async fn answer(&self, request: Request) -> Rollout {
        match self.call(request).await.unwrap() {
            Response::RolloutAnswered(rollout) => *rollout,
            other => panic!("{other:?}"),
        }
    }

    async fn approve(&self, what: &str) -> Rollout {
        self.answer(Request::Approve { what: what.into(), except: Vec::new() }).await
    }

    async fn reject(&self, what: &str) -> Rollout {
        self.answer(Request::Reject { what: what.into() }).await
    }

    pub async fn sync(&self, client: &str) -> RunReport {
        let request = RunRequest {
            integration: IntegrationName::parse(client).unwrap(),
            pipelines: Vec::new(),
            connection: None,
            mode: Mode::Sync,
            full: true,
            limit: None,
            revert: None,
            list: false,
            why: "by hand".into(),
        };
        match self.call(Request::Run(request)).await.unwrap() {
            Response::Run(report) => *report,
            other => panic!("{other:?}"),
        }
    }

    pub fn writes(&self) -> usize {
        self.systems.lock().unwrap().values().map(|system| system.written().len()).sum()
    }

    /// Everybody syncs, and again: no write is left to do.
    async fn agreed(&self) {
        for _ in 0..2 {
            for client in CLIENTS {
                self.sync(client).await;
            }
            self.clock.advance(Duration::from_secs(60));
        }
        let writes = self.writes();
        for client in CLIENTS {
            let report = self.sync(client).await;
            assert!(report.is_empty_plan(), "something is left to do: {report:#?}");
        }
        assert_eq!(self.writes(), writes, "a quiet run wrote");
    }

    async fn status(&self) -> Status {
        match self.call(Request::Status).await.unwrap() {
            Response::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    async fn rollout(&self) -> Option<Rollout> {
        self.status().await.rollouts.into_iter().next()
    }

    /// Lets time pass, so much at once, until the rollout is as it should be.
    async fn passes(&self, step: Duration, what: &str, is: impl Fn(&Option<Rollout>) -> bool) -> Option<Rollout> {
        let wait = async {
            loop {
                let rollout = self.rollout().await;
                if is(&rollout) {
                    return rollout;
                }
                self.clock.advance(step);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(30), wait).await {
            Ok(rollout) => rollout,
            Err(_) => panic!("waiting for {what}: {:#?}", self.status().await),
        }
    }

    async fn waits(&self) -> Rollout {
        let waits = |rollout: &Option<Rollout>| {
            rollout.as_ref().is_some_and(|rollout| matches!(rollout.stage, RolloutStage::Waiting { .. }))
        };
        self.passes(Duration::from_secs(1), "the first ones to run the edit", waits).await.unwrap()
    }

    /// Lets time pass until all wait for nothing.
    async fn over(&self) {
        self.passes(Duration::from_secs(1), "the end of the rollout", Option::is_none).await;
        let rests = |status: &DaemonStatus| status.integrations.iter().all(|one| one.pending.is_none());
        let wait = async {
            while !rests(&self.daemon.status()) {
                self.clock.advance(Duration::from_secs(1));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.expect("everybody runs what the files say");
    }

    fn running(&self) -> BTreeMap<String, String> {
        let status = self.daemon.status();
        status.integrations.iter().map(|one| (one.integration.to_string(), one.running.clone())).collect()
    }

    /// Those that run something else than then.
    fn changed_since(&self, before: &BTreeMap<String, String>) -> BTreeSet<String> {
        let now = self.running();
        CLIENTS.iter().filter(|name| now[**name] != before[**name]).map(|name| (*name).to_owned()).collect()
    }

    /// The clients whose contacts have this member on the target.
    fn with_member(&self, member: &str) -> Vec<&'static str> {
        let has =
            |client: &&&str| self.system(client, "books").all("contacts").iter().all(|one| !one[member].is_null());
        CLIENTS.iter().filter(has).copied().collect()
    }

    fn pending(&self, client: &str) -> String {
        of(&self.daemon.status(), client).unwrap().pending.clone().unwrap_or_default()
    }
}

const FIRST: [&str; 2] = ["alpha", "beta"];
const MINUTES: Duration = Duration::from_mins(20);

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn an_edit_goes_to_the_first_ones_and_to_the_others_when_a_person_says_so() {
    let agency = Agency::start(ROLLOUT).await;
    let before = agency.running();
    let report = agency.edit(ROLLOUT, &[PHONE]).await;
    assert!(!report.is_rejected(), "to wait for a turn is no failure: {report:#?}");
    let waiting = report.integrations.iter().filter(|one| one.outcome == IntegrationOutcome::Waits);
    assert_eq!(waiting.count(), 3, "{report:#?}");
    assert_eq!(agency.changed_since(&before), set(&FIRST));
    let rollout = agency.waits().await;
    assert_eq!(rollout.first.iter().map(|trial| trial.integration.as_str()).collect::<Vec<_>>(), FIRST);
    let why = agency.pending("gamma");
    assert!(
        why.contains("an edit of the template `shop` is at alpha, beta first; it waits for its turn until"),
        "{why}"
    );
    for client in CLIENTS {
        agency.sync(client).await;
    }
    assert_eq!(agency.with_member("phone"), FIRST, "the others write what they wrote before");
    // A day goes by.
    let until = rollout.calm.unwrap() + chrono::TimeDelta::hours(24);
    let asks = |rollout: &Option<Rollout>| rollout.as_ref().unwrap().stage == RolloutStage::ForApproval;
    agency.passes(MINUTES, "the wait to be over", asks).await;
    assert!(agency.clock.now() >= until, "too early: {} < {until}", agency.clock.now());
    assert_eq!(agency.changed_since(&before), set(&FIRST), "nobody else without a person");
    agency.approve(&rollout.id).await;
    agency.over().await;
    assert_eq!(agency.changed_since(&before), set(&CLIENTS));
    agency.agreed().await;
    assert_eq!(agency.with_member("phone"), CLIENTS);
}

#[tokio::test]
async fn a_rollout_and_its_answers_outlive_restarts() {
    let mut agency = Agency::start("first: [alpha, beta], wait: 24h, then: automatic").await;
    let (before, rollout) = (agency.running(), "first: [alpha, beta], wait: 24h, then: automatic");
    agency.edit(rollout, &[PHONE]).await;
    let waits = agency.waits().await;
    agency.clock.advance(Duration::from_hours(10));
    agency.restart().await;
    let again = agency.waits().await;
    assert_eq!((again.id, again.calm), (waits.id, waits.calm), "the time before counts");
    assert_eq!(agency.changed_since(&before), set(&FIRST));
    // A daemon that begins tells why when it follows its files.
    agency.reload().await;
    assert!(agency.pending("omega").contains("is at alpha, beta first"), "{}", agency.pending("omega"));
    // The rest of the day goes by, a part of it while no daemon runs.
    agency.daemon.stop().await;
    agency.clock.advance(Duration::from_hours(10));
    agency.restart().await;
    assert_eq!(agency.changed_since(&before), set(&FIRST));
    agency.clock.advance(Duration::from_hours(3));
    agency.waits().await;
    agency.clock.advance(Duration::from_hours(1));
    agency.over().await;
    assert_eq!(agency.changed_since(&before), set(&CLIENTS), "by themselves");
    agency.agreed().await;
}

#[tokio::test]
async fn what_goes_wrong_at_the_first_ones_stops_it_and_the_wait_begins_anew() {
    let agency = Agency::start("first: [alpha, beta], wait: 24h, then: automatic").await;
    let (before, rollout) = (agency.running(), "first: [alpha, beta], wait: 24h, then: automatic");
    agency.edit(rollout, &[PHONE]).await;
    agency.waits().await;
    agency.clock.advance(Duration::from_hours(20));
    // Runs fail.
    agency.system("beta", "books").unreadable(Some("contacts"));
    agency.sync("beta").await;
    let stopped = |text: &'static str| move |rollout: &Option<Rollout>| matches!(&rollout.as_ref().unwrap().stage, RolloutStage::Stopped { why } if why.contains(text));
    agency.passes(MINUTES, "it to stop", stopped("runs of `beta` fail")).await;
    assert!(
        agency.pending("gamma").contains("the rollout stopped: runs of `beta` fail"),
        "{}",
        agency.pending("gamma")
    );
    agency.clock.advance(Duration::from_hours(30));
    assert_eq!(agency.changed_since(&before), set(&FIRST), "time alone does not help");
    agency.system("beta", "books").unreadable(None);
    agency.sync("beta").await;
    let anew = agency.waits().await;
    assert!(agency.clock.now() - anew.calm.unwrap() < chrono::TimeDelta::hours(1), "it waits anew: {anew:#?}");
    // A record is parked.
    agency.system("alpha", "books").refuse(|body| (body["phone"] == "bad").then(|| "no such phone".to_owned()));
    let id = agency.system("alpha", "shop").all("contacts")[0]["id"].as_str().unwrap().to_owned();
    agency.clock.advance(Duration::from_secs(1));
    agency.system("alpha", "shop").edit("contacts", &id, json!({ "phone": "bad" }));
    agency.sync("alpha").await;
    agency.passes(MINUTES, "it to stop", stopped("1 more record of `alpha` is parked")).await;
    agency.clock.advance(Duration::from_hours(30));
    assert_eq!(agency.changed_since(&before), set(&FIRST));
    // A person may still let it go on.
    agency.approve("shop").await;
    agency.over().await;
    assert_eq!(agency.changed_since(&before), set(&CLIENTS));
}

#[tokio::test]
async fn a_held_edit_of_a_first_one_stops_it_until_it_is_answered() {
    let agency = Agency::start(ROLLOUT).await;
    let before = agency.running();
    // What is known of no record before it is read counts as all of them: over the guard, everywhere.
    let held = "        guards: { config_edit: 0 }\n        on_leave: release\n        fields:";
    agency.write("shop.yaml", &template(ROLLOUT, &[]).replace("        fields:", held));
    agency.reload().await;
    let is = |rollout: &Option<Rollout>| matches!(&rollout.as_ref().unwrap().stage, RolloutStage::Stopped { why } if why.contains("waits for approval itself"));
    agency.passes(Duration::from_secs(5), "it to stop", is).await;
    assert_eq!(agency.changed_since(&before), set(&[]));
    for edit in agency.status().await.edits {
        assert!(FIRST.contains(&edit.integration.as_str()), "only the first ones are asked about: {edit:?}");
        agency.call(Request::Approve { what: edit.id, except: Vec::new() }).await.unwrap();
    }
    agency.waits().await;
    assert_eq!(agency.changed_since(&before), set(&FIRST));
}

#[tokio::test]
async fn a_second_edit_begins_with_the_first_ones_again_and_the_others_jump_to_the_newest() {
    let agency = Agency::start(ROLLOUT).await;
    let before = agency.running();
    agency.edit(ROLLOUT, &[PHONE]).await;
    let one = agency.waits().await;
    agency.clock.advance(Duration::from_hours(23));
    let middle = agency.running();
    agency.edit(ROLLOUT, &[PHONE, CITY]).await;
    assert_eq!(agency.changed_since(&middle), set(&FIRST));
    let two = agency.waits().await;
    assert_ne!(one.id, two.id);
    assert!(two.calm.unwrap() > one.calm.unwrap() + chrono::TimeDelta::hours(22), "the wait begins anew");
    // An answer to the former edit is none to this one.
    assert!(agency.call(Request::Approve { what: one.id, except: Vec::new() }).await.is_err());
    agency.clock.advance(Duration::from_hours(2));
    agency.reload().await;
    assert_eq!(agency.changed_since(&before), set(&FIRST));
    agency.approve(&two.id).await;
    agency.over().await;
    let each: BTreeSet<String> =
        agency.status().await.daemon.unwrap().integrations.iter().map(|one| one.generation.to_string()).collect();
    assert!(!each.contains("2"), "nobody took the first edit over later: {each:?}");
    agency.agreed().await;
    assert_eq!((agency.with_member("phone"), agency.with_member("city")), (CLIENTS.to_vec(), CLIENTS.to_vec()));
}

#[tokio::test]
async fn a_rejected_edit_is_put_back_and_stays_so() {
    let mut agency = Agency::start(ROLLOUT).await;
    let before = agency.running();
    agency.edit(ROLLOUT, &[PHONE]).await;
    // Also a second one goes back to what ran before the first.
    agency.edit(ROLLOUT, &[PHONE, CITY]).await;
    let rollout = agency.waits().await;
    agency.reject(&rollout.id).await;
    let wait = async {
        while !agency.changed_since(&before).is_empty() {
            agency.clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("the first ones go back");
    agency.clock.advance(Duration::from_hours(50));
    let report = agency.reload().await;
    assert_eq!(agency.changed_since(&before), set(&[]), "{report:#?}");
    for client in CLIENTS {
        assert!(agency.pending(client).contains("was rejected by a person"), "{client}: {}", agency.pending(client));
    }
    agency.restart().await;
    agency.reload().await;
    assert_eq!(agency.changed_since(&before), set(&[]), "also after a restart");
    // What was rejected while no daemon ran is put back as well.
    agency.edit(ROLLOUT, &[CITY]).await;
    let rollout = agency.waits().await;
    agency.daemon.stop().await;
    let ledger = Ledger::new(agency.store.clone() as Arc<dyn Store>);
    let mut engine_config = reconciled::config::load(&agency.etc, &NoEnv).config;
    engine_config.integrations.clear();
    let engine = Engine {
        config: Arc::new(engine_config),
        ledger,
        connectors: Arc::default(),
        clock: agency.clock.clone(),
        temp: agency.home.path().to_path_buf(),
        seed: 1,
    };
    reconciled::daemon::execute(&engine, Request::Reject { what: rollout.id }).await.unwrap();
    agency.restart().await;
    assert_eq!(agency.changed_since(&before), set(&[]), "put back at the start");
    // The file is put back: nothing is left of it.
    agency.edit(ROLLOUT, &[]).await;
    agency.over().await;
    assert_eq!(agency.changed_since(&before), set(&[]));
    agency.agreed().await;
}

#[tokio::test]
async fn a_clients_own_edit_waits_for_nobody_and_one_client_can_be_let_go() {
    let agency = Agency::start(ROLLOUT).await;
    let before = agency.running();
    agency.write("clients.yaml", &clients(&[("gamma", ", with: { note: far }")]));
    let report = agency.reload().await;
    assert_eq!(agency.changed_since(&before), set(&["gamma"]), "{report:#?}");
    assert!(agency.rollout().await.is_none());
    // While an edit of the template is at the first ones, it comes along when its turn comes.
    agency.edit(ROLLOUT, &[PHONE]).await;
    agency.waits().await;
    let middle = agency.running();
    agency.write("clients.yaml", &clients(&[("gamma", ", with: { note: far }"), ("omega", ", with: { note: near }")]));
    agency.reload().await;
    assert_eq!(agency.changed_since(&middle), set(&[]));
    let answered = agency.approve("omega").await;
    assert!(answered.let_go.iter().any(|name| name.as_str() == "omega"));
    let wait = async {
        while agency.changed_since(&middle) != set(&["omega"]) {
            agency.clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("omega alone takes it over");
    // An edit that changes nothing of the first ones still waits for a person.
    let rollout = agency.rollout().await.unwrap();
    assert_eq!(rollout.waiting.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["delta", "gamma"]);
    agency.approve("shop").await;
    agency.over().await;
    agency.agreed().await;
    // A template that went everywhere is the start of the next own edit.
    let before = agency.running();
    agency.write("clients.yaml", &clients(&[("gamma", ", with: { note: far }")]));
    agency.reload().await;
    assert_eq!(agency.changed_since(&before), set(&["omega"]));
    assert!(agency.rollout().await.is_none());
}

#[tokio::test]
async fn a_rollout_that_met_a_failing_store_goes_on_when_the_store_works() {
    let agency = Agency::start(ROLLOUT).await;
    let edits: [&[&str]; 2] = [&[PHONE], &[]];
    for (k, fields) in (1..=16).zip(edits.into_iter().cycle()) {
        agency.store.fail_at(None, k);
        agency.edit(ROLLOUT, fields).await;
        agency.waits().await;
        agency.store.heal();
        agency.approve("shop").await;
        agency.over().await;
    }
}
