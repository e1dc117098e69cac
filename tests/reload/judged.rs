//! Edits judged by what they do to records: through a daemon in this process, on its own clock, with systems in memory.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf, sync::Arc, time::Duration};

use reconciled::{
    clock::Clock,
    config::{Config, ConnectionName, PipelineName, Snapshot},
    connector::Connector,
    daemon::{
        Daemon, DaemonSettings, DaemonStatus, Handle,
        protocol::{Failure, FailureKind, Request, Response},
        reload::{Connect, HeldEdit, IntegrationOutcome, ReloadReport, Reloading, boot},
    },
    engine::{Engine, Mode, RunReport, RunRequest},
    record::RecordId,
    store::{Ledger, MemoryStore, Store},
};
use serde_json::json;

use crate::{
    support::of,
    systems::{CONNECTORS, Fake, NoEnv, start},
};

/// What can be edited, part by part.
#[derive(Clone)]
pub struct Yaml {
    pub table: &'static str,
    pub direction: &'static str,
    pub key: &'static str,
    pub filter: &'static str,
    pub more: &'static str,
    pub note: &'static str,
    pub fields: &'static str,
    pub guards: &'static str,
}

pub const BASE: Yaml = Yaml {
    table: "rows: { Perth: PER, Sydney: SYD }",
    direction: "source-to-target",
    key: "$.email",
    filter: "[ { path: $.note, not_equals: far } ]",
    more: "on_leave: release",
    note: "",
    fields: "",
    guards: "config_edit: 15",
};

impl Yaml {
    /// The pipelines of an integration, indented by so many spaces.
    fn pipelines(&self, indent: usize) -> String {
        let Self { direction, key, filter, more, note, fields, guards, .. } = self;
        let text = format!(
            "pipelines:
  contacts:
    source: shop/contacts
    target: books/contacts
    direction: {direction}
    match: [ {{ source: {key}, target: {key} }} ]
    filters: {{ source: {filter} }}
    {more}
    guards: {{ {guards} }}
    fields:
      - {{ source: $.email, target: $.email, write: on-create }}
      - {{ source: $.name, target: $.name, direction: source-to-target }}
      - {{ source: $.phone, target: $.phone }}
      - {{ source: $.city, target: $.city, lookup: cities, direction: source-to-target }}
      - {{ source: $.note, target: $.note, direction: source-to-target{note} }}
      {fields}
  known:
    source: shop/contacts
    target: books/contacts
    direction: target-to-source
    creates: none
    match: [ {{ source: {key}, target: {key} }} ]
    fields: [ {{ source: $.other_id, target: $.other_id }} ]
"
        );
        text.lines().map(|line| format!("{:indent$}{line}\n", "")).collect()
    }

    fn tables(&self) -> String {
        format!("tables:\n  cities: {{ {} }}\n", self.table)
    }

    pub fn plain(&self) -> String {
        let head = "integrations:\n  acme:\n    automatic: false\n    first_run: { apply: automatic, differences: source-wins }\n";
        format!("{}{head}{}", self.tables(), self.pipelines(4))
    }

    fn templated(&self) -> String {
        let end = "integrations:\n  acme:\n    template: shop\n    automatic: false\n    first_run: { apply: automatic, differences: source-wins }\n";
        format!("{}templates:\n  shop:\n{}{end}", self.tables(), self.pipelines(4))
    }
}

/// A daemon on a folder, and its systems.
pub struct Live {
    pub home: tempfile::TempDir,
    pub etc: PathBuf,
    pub store: Arc<MemoryStore>,
    pub clock: Clock,
    pub shop: Arc<Fake>,
    pub books: Arc<Fake>,
    pub daemon: Handle,
}

async fn daemon(
    etc: &std::path::Path,
    store: &Arc<MemoryStore>,
    clock: &Clock,
    fakes: Option<(Arc<Fake>, Arc<Fake>)>,
    temp: &std::path::Path,
) -> (Handle, Arc<Fake>, Arc<Fake>) {
    let ledger = Ledger::new(store.clone() as Arc<dyn Store>);
    let boot = boot(&Snapshot::read(etc), &NoEnv, &ledger, clock.now()).await.unwrap();
    let (shop, books) = fakes.unwrap_or_else(|| systems(&boot.config, clock));
    let of_name = BTreeMap::from([("shop", shop.clone()), ("books", books.clone())]);
    let connect: Connect =
        Arc::new(move |connection| Ok(of_name[connection.name.as_str()].clone() as Arc<dyn Connector>));
    let connectors = boot.config.connections.iter();
    let connectors = connectors.map(|(name, made)| (name.clone(), connect(made).unwrap())).collect();
    let engine = Engine {
        config: boot.config.clone(),
        ledger,
        connectors: Arc::new(connectors),
        clock: clock.clone(),
        temp: temp.to_path_buf(),
        seed: 1,
    };
    let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_millis(200) };
    let reloading = Reloading { boot, env: Arc::new(NoEnv), connect };
    (Daemon::start_reloading(engine, settings, reloading).await.unwrap(), shop, books)
}

fn systems(config: &Config, clock: &Clock) -> (Arc<Fake>, Arc<Fake>) {
    let made = |name: &str, prefix| {
        let manifest = config.connections[&ConnectionName::parse(name).unwrap()].manifest.clone();
        Fake::new(manifest, clock.clone(), prefix, Some(Duration::from_secs(360)))
    };
    (made("shop", "s"), made("books", "b"))
}

impl Live {
    /// 25 linked contacts, and 25 that may not enter.
    pub async fn start(yaml: &str) -> Self {
        let live = Self::empty(yaml).await;
        live.people(25);
        live.agreed().await;
        live
    }

    pub async fn empty(yaml: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let etc = home.path().join("etc");
        fs::create_dir(&etc).unwrap();
        fs::write(etc.join("reconciled.toml"), "[reload]\nwatch = false\nsettle = \"1ms\"\n").unwrap();
        fs::write(etc.join("connectors.yaml"), CONNECTORS).unwrap();
        fs::write(etc.join("acme.yaml"), yaml).unwrap();
        let (store, clock) = (Arc::new(MemoryStore::new()), Clock::manual(start()));
        let (daemon, shop, books) = daemon(&etc, &store, &clock, None, home.path()).await;
        Self { home, etc, store, clock, shop, books, daemon }
    }

    /// Another daemon on the same folder and store.
    pub async fn restart(&mut self) {
        self.daemon.stop().await;
        let fakes = Some((self.shop.clone(), self.books.clone()));
        self.daemon = daemon(&self.etc, &self.store, &self.clock, fakes, self.home.path()).await.0;
    }

    pub fn people(&self, number: usize) {
        let already = self.shop.count("contacts");
        for n in already..already + number {
            let city = if n % 5 == 0 { "Sydney" } else { "Perth" };
            let contact = |note: &str, n: usize| {
                json!({ "name": format!("N{n}"), "email": format!("n{n}@x.example"), "phone": format!("{n}"),
                        "city": city, "note": note, "customer": n < 3 })
            };
            self.shop.insert("contacts", contact("near", n));
            self.shop.insert("contacts", contact("far", n + 10_000));
            let own = json!({ "name": format!("Own {n}"), "email": format!("own{n}@y.example") });
            self.books.insert("contacts", own);
        }
    }

    /// The cities that the sync wrote to the target.
    pub fn cities(&self) -> Vec<String> {
        let all = self.books.all("contacts").into_iter();
        let ours = all.filter(|contact| contact["email"].as_str().unwrap().ends_with("x.example"));
        ours.map(|contact| contact["city"].as_str().unwrap().to_owned()).collect()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.etc.join(name), text).unwrap();
    }

    pub async fn call(&self, request: Request) -> Result<Response, Failure> {
        // Time passes while a person waits: a look that has to rest before it begins would else never begin.
        let tick = async {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                self.clock.advance(Duration::from_millis(1));
            }
        };
        let answer = async {
            tokio::select! {
                answer = self.daemon.call(request) => answer,
                _ = tick => unreachable!("time passes for ever"),
            }
        };
        tokio::time::timeout(Duration::from_mins(5), answer).await.expect("this hangs")
    }

    pub async fn reload(&self) -> ReloadReport {
        match self.call(Request::Reload { wait: true, force: false }).await.unwrap() {
            Response::Reloaded(report) => *report,
            other => panic!("{other:?}"),
        }
    }

    /// Writes, reloads, and says what came of `acme`.
    pub async fn edit(&self, yaml: &str) -> (Option<IntegrationOutcome>, String) {
        self.write("acme.yaml", yaml);
        self.outcome(&self.reload().await)
    }

    pub fn outcome(&self, report: &ReloadReport) -> (Option<IntegrationOutcome>, String) {
        let found = report.integrations.iter().find(|result| result.integration.as_str() == "acme");
        let mistakes: Vec<_> = report.files.iter().flat_map(|file| &file.mistakes).collect();
        assert!(mistakes.is_empty(), "{mistakes:?}");
        (found.map(|found| found.outcome), found.and_then(|found| found.why.clone()).unwrap_or_default())
    }

    async fn run(&self, mode: Mode) -> RunReport {
        let integration = self.daemon.status().integrations[0].integration.clone();
        let request = RunRequest {
            integration,
            pipelines: Vec::new(),
            connection: None,
            mode,
            full: false,
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

    pub async fn sync(&self) -> RunReport {
        let report = self.run(Mode::Sync).await;
        assert_eq!(report.troubles, [], "{report:#?}");
        self.clock.advance(Duration::from_secs(60));
        report
    }

    pub fn writes(&self) -> (usize, usize) {
        (self.shop.written().len(), self.books.written().len())
    }

    /// Syncs, and again: nothing is left to do, and nothing is written.
    pub async fn agreed(&self) {
        self.sync().await;
        self.sync().await;
        let writes = self.writes();
        let plan = self.run(Mode::Plan).await;
        assert!(plan.is_empty_plan(), "something is left to do: {plan:#?}");
        self.sync().await;
        assert_eq!(self.writes(), writes, "a quiet run wrote");
    }

    pub async fn held(&self) -> Vec<HeldEdit> {
        match self.call(Request::Status).await.unwrap() {
            Response::Status(status) => status.edits,
            other => panic!("{other:?}"),
        }
    }

    pub async fn approve(&self, what: &str, except: &[&str]) -> Result<HeldEdit, Failure> {
        let except = except.iter().map(|id| RecordId::from(*id)).collect();
        match self.call(Request::Approve { what: what.into(), except }).await? {
            Response::EditAnswered(held) => Ok(*held),
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass, so many seconds at once, until it stands as it should.
    async fn passes_time(&self, what: &str, seconds: u64, is: impl Fn(&DaemonStatus) -> bool) {
        let wait = async {
            while !is(&self.daemon.status()) {
                self.clock.advance(Duration::from_secs(seconds));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(5), wait).await.unwrap_or_else(|_| panic!("waiting for {what}"));
    }

    pub fn running(&self) -> String {
        of(&self.daemon.status(), "acme").unwrap().running.clone()
    }

    /// Lets time pass until another configuration of `acme` runs.
    pub async fn taken_over(&self, before: &str) {
        let wait = async {
            while self.running() == before {
                self.clock.advance(Duration::from_millis(5));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(5), wait).await.expect("the edit takes over");
    }
}

/// Ids are another on each build.
fn without_id(why: &str, held: &[HeldEdit]) -> String {
    held.iter().fold(why.to_owned(), |text, held| text.replace(&held.id, "ID"))
}

#[tokio::test]
async fn whatever_key_was_edited_its_effect_is_what_counts() {
    let live = Live::start(&BASE.plain()).await;
    assert_eq!(live.cities().len(), 25, "the others may not enter");
    let (running, writes) = (live.running(), live.writes());
    let template = BASE.templated();
    let moved = CONNECTORS.replacen("auth: { token: b }", "base_url: \"http://127.0.0.1:2\", auth: { token: b }", 1);
    let elsewhere = ("connectors.yaml", moved.as_str());
    let cases: Vec<(&str, Yaml)> = vec![
        ("a lookup row", Yaml { table: "rows: { Perth: PRT, Sydney: SYD }", ..BASE }),
        ("a lookup row that few records have", Yaml { table: "rows: { Perth: PER, Sydney: SDY }", ..BASE }),
        ("a lookup row removed", Yaml { table: "rows: { Sydney: SYD }", ..BASE }),
        ("a transform", Yaml { note: ", transform: [ { prefix: \"note: \" } ]", ..BASE }),
        ("a field", Yaml { fields: "- { source: $.other_id, target: $.other_id }", ..BASE }),
        ("the path of a field", Yaml { fields: "- { source: $.phone, target: $.other_id }", ..BASE }),
        ("a constant", Yaml { fields: "- { value: x, target: $.other_id, write: on-create }", ..BASE }),
        ("a filter made wider", Yaml { filter: "[ { path: $.note, not_equals: x } ]", ..BASE }),
        ("a filter made narrower", Yaml { filter: "[ { path: $.note, equals: other } ]", ..BASE }),
        ("a filter on what was never read", Yaml { filter: "[ { path: $.customer, equals: true } ]", ..BASE }),
        ("a filter that pauses", Yaml { filter: "[ { path: $.note, equals: x } ]", more: "on_leave: pause", ..BASE }),
        ("a filter that keeps", Yaml { filter: "[ { path: $.note, equals: x } ]", more: "on_leave: keep", ..BASE }),
        ("the key", Yaml { key: "$.name", ..BASE }),
        ("guards", Yaml { guards: "config_edit: 15, touched: 31%", ..BASE }),
        (
            "a lookup row, under a wider guard",
            Yaml { table: "rows: { Perth: PRT, Sydney: SYD }", guards: "config_edit: 90%", ..BASE },
        ),
    ];
    let mut told = String::new();
    for (what, yaml) in &cases {
        let (outcome, why) = live.edit(&yaml.plain()).await;
        let held = live.held().await;
        let _ = writeln!(told, "{what}: {outcome:?} {}", without_id(&why, &held));
        if outcome == Some(IntegrationOutcome::Held) {
            assert_eq!(live.running(), running, "{what}: the old one goes on");
            assert_eq!(held.len(), 1, "{what}");
            live.sync().await;
        }
        assert_eq!(live.writes(), writes, "{what}");
        live.edit(&BASE.plain()).await;
        assert_eq!((live.held().await, live.running()), (Vec::new(), running.clone()), "{what}: taken back");
    }
    // The same through a template, and for the account.
    assert_eq!(live.edit(&template).await.0, None, "it comes to the same");
    let row = Yaml { table: "rows: { Perth: PRT, Sydney: SYD }", ..BASE };
    let (outcome, why) = live.edit(&row.templated()).await;
    let _ = writeln!(told, "a table under a template: {outcome:?} {}", without_id(&why, &live.held().await));
    live.edit(&template).await;
    live.write(elsewhere.0, elsewhere.1);
    let (outcome, why) = live.outcome(&live.reload().await);
    let _ = writeln!(told, "the account: {outcome:?} {}", without_id(&why, &live.held().await));
    live.write("connectors.yaml", CONNECTORS);
    live.edit(&BASE.plain()).await;
    // A person edits every record on the target; nothing flows back until the direction is changed.
    for (n, contact) in live.books.all("contacts").iter().enumerate() {
        live.books.edit("contacts", contact["id"].as_str().unwrap(), json!({ "phone": format!("9{n}") }));
    }
    live.sync().await;
    let (outcome, why) = live.edit(&Yaml { direction: "two-way", ..BASE }.plain()).await;
    let _ = writeln!(told, "the direction: {outcome:?} {}", without_id(&why, &live.held().await));
    assert_eq!(live.writes(), writes);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("effects", told);
    });
    live.daemon.stop().await;
}

/// Rewrites all 25.
const ALL: Yaml = Yaml { table: "rows: { Perth: XXX, Sydney: XXX }, reverse: { XXX: Perth }", ..BASE };

#[tokio::test]
async fn an_approved_edit_takes_over_and_what_it_rewrites_is_not_held_again() {
    let live = Live::start(&BASE.plain()).await;
    let (before, writes) = (live.running(), live.writes());
    assert_eq!(live.edit(&ALL.plain()).await.0, Some(IntegrationOutcome::Held));
    let [held] = live.held().await.try_into().unwrap();
    let effect = &held.effect.pipelines[0];
    assert_eq!((effect.counts.rewrites, effect.links), (25, 25));
    assert_eq!(effect.items[0].fields[0].after.as_str(), Some("XXX"));
    live.approve(&held.id, &[]).await.unwrap();
    live.taken_over(&before).await;
    let report = live.sync().await;
    assert!(report.pipelines.iter().all(|pipeline| pipeline.held.is_none()), "{report:#?}");
    assert_eq!(live.writes(), (writes.0, writes.1 + 25));
    assert!(live.cities().iter().all(|city| city == "XXX"));
    live.agreed().await;
    assert_eq!(live.held().await, []);
    live.daemon.stop().await;
}

#[tokio::test]
async fn a_record_that_was_left_out_stays_as_it_is_and_is_listed() {
    let live = Live::start(&BASE.plain()).await;
    let (before, writes) = (live.running(), live.writes());
    live.edit(&ALL.plain()).await;
    let [held] = live.held().await.try_into().unwrap();
    let failure = live.approve(&held.id, &["nobody"]).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NoSuch, "{failure}");
    // One by its id on the source, one by its id on the target.
    let linked = |n: usize| held.effect.pipelines[0].items[n].id.as_str().to_owned();
    let other = live
        .books
        .all("contacts")
        .into_iter()
        .find(|c| c["name"] == live.shop.get_body("contacts", &linked(1))["name"]);
    let other = other.unwrap()["id"].as_str().unwrap().to_owned();
    live.approve(&held.id, &[&linked(0), &other]).await.unwrap();
    live.taken_over(&before).await;
    live.sync().await;
    assert_eq!(live.writes(), (writes.0, writes.1 + 23));
    assert_ne!(live.books.get_body("contacts", &other)["city"], "XXX");
    let pipeline = PipelineName::parse("acme/contacts").unwrap();
    let Response::Conflicts(listed) = live.call(Request::Conflicts { pipeline: Some(pipeline) }).await.unwrap() else {
        panic!("conflicts")
    };
    assert_eq!(listed.len(), 2, "{listed:#?}");
    assert!(listed.iter().all(|item| item.message.contains("left out")), "{listed:#?}");
    live.agreed().await;
    // Its owner edits it: then it follows the new configuration.
    let city = live.shop.get_body("contacts", &linked(0))["city"].clone();
    live.shop.edit("contacts", &linked(0), json!({ "city": if city == "Perth" { "Sydney" } else { "Perth" } }));
    live.agreed().await;
    assert_eq!(live.writes(), (writes.0, writes.1 + 24));
    live.daemon.stop().await;
}

#[tokio::test]
async fn a_rejected_edit_is_not_asked_about_again_until_it_changes() {
    let mut live = Live::start(&BASE.plain()).await;
    let running = live.running();
    live.edit(&ALL.plain()).await;
    let [held] = live.held().await.try_into().unwrap();
    live.call(Request::Reject { what: held.id.clone() }).await.unwrap();
    for round in 0..2 {
        let (outcome, why) = live.outcome(&live.reload().await);
        assert_eq!(outcome, Some(IntegrationOutcome::Held));
        assert!(why.contains("rejected by a person"), "{why}");
        if round == 0 {
            live.restart().await;
        }
    }
    assert_eq!(live.held().await[0].id, held.id, "over a restart, too");
    let again = Yaml { table: "rows: { Perth: YYY, Sydney: YYY }, reverse: { YYY: Perth }", ..BASE };
    let (outcome, why) = live.edit(&again.plain()).await;
    assert_eq!(outcome, Some(IntegrationOutcome::Held));
    let [other] = live.held().await.try_into().unwrap();
    assert!(why.contains(&other.id) && other.id != held.id, "{why}");
    assert_eq!(live.running(), running);
    live.daemon.stop().await;
}

#[tokio::test]
async fn an_approval_is_for_no_more_than_was_shown_and_not_for_ever() {
    let live = Live::start(&BASE.plain()).await;
    let running = live.running();
    live.edit(&ALL.plain()).await;
    let [held] = live.held().await.try_into().unwrap();
    // The old configuration goes on: five more are linked.
    live.people(5);
    live.sync().await;
    assert_eq!(live.cities().len(), 30);
    live.approve(&held.id, &[]).await.unwrap();
    let (outcome, why) = live.outcome(&live.reload().await);
    assert_eq!((outcome, live.running()), (Some(IntegrationOutcome::Held), running.clone()));
    let [more] = live.held().await.try_into().unwrap();
    assert!(why.contains("rewrites 30") && more.id != held.id, "{why}");
    let failure = live.approve(&held.id, &[]).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NoSuch, "{failure}");
    // Nobody answers for eight days.
    live.clock.advance(Duration::from_hours(8 * 24));
    let failure = live.approve(&more.id, &[]).await.unwrap_err();
    assert!(failure.message.contains("is judged anew"), "{failure}");
    live.reload().await;
    let [anew] = live.held().await.try_into().unwrap();
    assert_ne!(anew.id, more.id);
    live.approve("acme", &[]).await.unwrap();
    live.taken_over(&running).await;
    live.agreed().await;
    assert!(live.cities().iter().all(|city| city == "XXX"));
    live.daemon.stop().await;
}

#[tokio::test]
async fn what_was_edited_while_no_daemon_ran_is_judged_at_the_start() {
    let mut live = Live::start(&BASE.plain()).await;
    let (running, writes) = (live.running(), live.writes());
    // Whoever asks before is told the same, of the file and of a text that is in no file yet.
    let texts = [("acme.yaml".to_owned(), ALL.plain())].into();
    let Response::ConfigDiff(asked) = live.call(Request::ConfigDiff { texts }).await.unwrap() else { panic!("diff") };
    assert_eq!((asked.is_held(), asked.integrations[0].effect.pipelines[0].counts.rewrites), (true, 25), "{asked:#?}");
    live.write("acme.yaml", &ALL.plain());
    let none = Request::ConfigDiff { texts: BTreeMap::new() };
    let Response::ConfigDiff(written) = live.call(none).await.unwrap() else { panic!("diff") };
    assert_eq!(written, asked);
    assert_eq!(live.held().await, [], "asking holds nothing");
    live.restart().await;
    assert_eq!(live.running(), running, "the old one runs");
    let pending = loop {
        if let Some(pending) = of(&live.daemon.status(), "acme").unwrap().pending.clone() {
            break pending;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    assert!(pending.contains("rewrites 25"), "{pending}");
    live.sync().await;
    assert_eq!(live.writes(), writes);
    let [held] = live.held().await.try_into().unwrap();
    live.approve(&held.id, &[]).await.unwrap();
    // It is cut off before it could take over.
    live.restart().await;
    assert_ne!(live.running(), running);
    live.agreed().await;
    assert_eq!(live.writes(), (writes.0, writes.1 + 25));
    live.restart().await;
    live.agreed().await;
    live.daemon.stop().await;
}

#[tokio::test]
async fn an_approval_is_for_exactly_the_records_and_values_that_were_shown() {
    let live = Live::start(&BASE.plain()).await;
    let running = live.running();
    live.edit(&ALL.plain()).await;
    let [held] = live.held().await.try_into().unwrap();
    // As many as before, but one of them holds another value by now.
    let id = held.effect.pipelines[0].items[0].id.as_str();
    let city = live.shop.get_body("contacts", id)["city"].clone();
    live.shop.edit("contacts", id, json!({ "city": if city == "Perth" { "Sydney" } else { "Perth" } }));
    live.sync().await;
    let writes = live.writes();
    live.approve(&held.id, &[]).await.unwrap();
    let (outcome, why) = live.outcome(&live.reload().await);
    assert_eq!((outcome, live.running()), (Some(IntegrationOutcome::Held), running.clone()), "{why}");
    assert!(why.contains("was approved when it was another plan") && why.contains("rewrites 25"), "{why}");
    let [again] = live.held().await.try_into().unwrap();
    assert_eq!(again.effect.pipelines[0].counts, held.effect.pipelines[0].counts);
    assert_ne!(again.id, held.id);
    assert_eq!(live.writes(), writes);
    // Who is asked again and says yes is not asked a third time.
    live.approve(&again.id, &[]).await.unwrap();
    live.taken_over(&running).await;
    live.agreed().await;
    assert_eq!(live.writes(), (writes.0, writes.1 + 25));
    live.daemon.stop().await;
}

#[tokio::test]
async fn a_store_that_fails_while_nothing_runs_is_got_over() {
    // Without any integration, and with one that rests and was not there when it failed.
    for yaml in [String::new(), BASE.plain()] {
        let live = Live::empty(&yaml).await;
        live.reload().await;
        live.store.fail_from(None, 1);
        // Somebody meets it: it is looked for what may be forgotten.
        live.passes_time("the store to fail", 60, |status| status.store_failing.is_some()).await;
        live.clock.advance(Duration::from_secs(60));
        live.store.heal();
        live.passes_time("a store that works", 1, |status| status.store_failing.is_none()).await;
        live.daemon.stop().await;
    }
}
