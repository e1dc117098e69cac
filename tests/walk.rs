//! A new user's way through the program, from an own connector for a small REST API to a daemon that runs, with the
//! mistakes that people make: each command from outside, with its exit code and the words that matter.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use assert_cmd::Command as Checked;
use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const MINUTE: Duration = Duration::from_secs(60);

/// A shop's API as small shops have them: pages of ten, a bearer token, words when it refuses.
#[derive(Default)]
struct Shop {
    token: &'static str,
    prefix: &'static str,
    records: BTreeMap<String, Value>,
    made: u64,
    writes: u64,
    clock: u64,
}

type Shared = Arc<Mutex<Shop>>;

impl Shop {
    /// A stamp that moves with every write; two of the same instant would hide the second one.
    fn stamp(&mut self) -> String {
        self.clock += 1;
        let at = chrono::Utc::now() + chrono::TimeDelta::microseconds(i64::try_from(self.clock).unwrap());
        at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
    }

    fn insert(&mut self, mut record: Value) -> Value {
        self.made += 1;
        let id = format!("{}{:03}", self.prefix, self.made);
        record["id"] = id.clone().into();
        record["updated_at"] = self.stamp().into();
        self.records.insert(id, record.clone());
        record
    }

    fn edit(&mut self, id: &str, values: &Value) -> Option<Value> {
        let stamp = self.stamp();
        let record = self.records.get_mut(id)?;
        for (name, value) in values.as_object()? {
            record[name] = value.clone();
        }
        record["updated_at"] = stamp.into();
        Some(record.clone())
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}

fn complaint(status: StatusCode, words: &str) -> Response {
    answer(status, &json!({ "message": words }))
}

async fn only_with_token(State(shop): State<Shared>, request: Request, next: Next) -> Response {
    let token = format!("Bearer {}", shop.lock().unwrap().token);
    if request.headers().get("authorization").is_none_or(|given| given.as_bytes() != token.as_bytes()) {
        return complaint(StatusCode::UNAUTHORIZED, "who are you?");
    }
    next.run(request).await
}

async fn list(State(shop): State<Shared>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let number = |name: &str, otherwise| query.get(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (page, size): (usize, usize) = (number("page", 1), number("size", 10));
    let since = query.get("since").cloned().unwrap_or_default();
    let shop = shop.lock().unwrap();
    let changed = shop.records.values().filter(|record| record["updated_at"].as_str() >= Some(&since));
    let items: Vec<_> = changed.skip((page - 1) * size).take(size).collect();
    answer(StatusCode::OK, &json!({ "items": items }))
}

async fn create(State(shop): State<Shared>, body: Bytes) -> Response {
    let record: Value = serde_json::from_slice(&body).unwrap();
    let mut shop = shop.lock().unwrap();
    shop.writes += 1;
    if record["email"].as_str().is_some_and(|email| !email.contains('@')) {
        return complaint(StatusCode::UNPROCESSABLE_ENTITY, "this is no e-mail address");
    }
    let made = shop.insert(record);
    answer(StatusCode::CREATED, &made)
}

async fn read(State(shop): State<Shared>, Path(id): Path<String>) -> Response {
    match shop.lock().unwrap().records.get(&id) {
        Some(record) => answer(StatusCode::OK, record),
        None => complaint(StatusCode::NOT_FOUND, "nobody of that id"),
    }
}

async fn update(State(shop): State<Shared>, Path(id): Path<String>, body: Bytes) -> Response {
    let mut shop = shop.lock().unwrap();
    shop.writes += 1;
    match shop.edit(&id, &serde_json::from_slice(&body).unwrap()) {
        Some(record) => answer(StatusCode::OK, &record),
        None => complaint(StatusCode::NOT_FOUND, "nobody of that id"),
    }
}

/// A shop on a port of its own; it can be stopped, and started again where it was.
struct Server {
    shop: Shared,
    address: SocketAddr,
    running: Option<tokio::runtime::Runtime>,
}

impl Server {
    fn start(token: &'static str, prefix: &'static str) -> Self {
        let shop = Shared::new(Mutex::new(Shop { token, prefix, ..Shop::default() }));
        let mut server = Self { shop, address: SocketAddr::from(([127, 0, 0, 1], 0)), running: None };
        server.go_on();
        server
    }

    fn go_on(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(self.address)).unwrap();
        self.address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/people", get(list).post(create))
            .route("/people/{id}", get(read).patch(update))
            .layer(middleware::from_fn_with_state(self.shop.clone(), only_with_token))
            .with_state(self.shop.clone());
        runtime.spawn(async move { axum::serve(listener, routes).await });
        self.running = Some(runtime);
    }

    fn stop(&mut self) {
        drop(self.running.take());
    }

    fn insert(&self, name: &str, email: &str, city: &str) -> String {
        let person = json!({ "name": name, "email": email, "city": city });
        self.shop.lock().unwrap().insert(person)["id"].as_str().unwrap().to_owned()
    }

    fn edit(&self, id: &str, values: &Value) {
        self.shop.lock().unwrap().edit(id, values).unwrap();
    }

    fn id_of(&self, email: &str) -> String {
        let shop = self.shop.lock().unwrap();
        let mut found = shop.records.values().filter(|record| record["email"] == email);
        let id = found.next().unwrap_or_else(|| panic!("{email} is not there"))["id"].as_str().unwrap().to_owned();
        assert!(found.next().is_none(), "{email} is there twice");
        id
    }

    fn city(&self, id: &str) -> String {
        self.shop.lock().unwrap().records[id]["city"].as_str().unwrap().to_owned()
    }

    fn count(&self) -> usize {
        self.shop.lock().unwrap().records.len()
    }

    fn writes(&self) -> u64 {
        self.shop.lock().unwrap().writes
    }
}

/// A folder as a user writes it, for two shops that are like each other.
struct Walk {
    dir: TempDir,
    crm: Server,
    news: Server,
}

impl Walk {
    fn begin() -> Self {
        let (crm, news) = (Server::start("crm-secret", "c"), Server::start("news-secret", "n"));
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("reconciled.toml"), "state_dir = \"state\"\nsocket = \"daemon.sock\"\n").unwrap();
        let walk = Self { dir, crm, news };
        walk.write(&walk.sound());
        walk
    }

    fn write(&self, yaml: &str) {
        fs::write(self.dir.path().join("people.yaml"), yaml).unwrap();
    }

    fn sound(&self) -> String {
        format!(
            r#"
connectors:
  peopledb:
    version: 1
    settings: {{ base_url: {{ type: url, required: true }} }}
    base_url: "${{settings.base_url}}"
    auth: {{ kind: bearer }}
    error_messages: [ $.message ]
    in_doubt: 1s
    resources:
      people:
        id: $.id
        updated_at: $.updated_at
        label: "{{name}}"
        fields:
          id: {{ type: id, read_only: true }}
          name: text
          email: {{ type: text, ignore_case: true }}
          city: text
          updated_at: {{ type: datetime, read_only: true }}
        list:
          get: /people
          records: $.items
          page: {{ kind: number, param: page, size: {{ param: size, value: 10 }}, end: short-page }}
          changed_since: {{ param: since, format: rfc3339 }}
        get: "/people/{{id}}"
        create: {{ post: /people }}
        update: {{ patch: "/people/{{id}}" }}
connections:
  crm:  {{ connector: peopledb, base_url: "http://{}", auth: {{ token: "${{env:CRM_TOKEN}}" }} }}
  news: {{ connector: peopledb, base_url: "http://{}", auth: {{ token: "${{env:NEWS_TOKEN}}" }} }}
integrations:
  office:
    debounce: 1s
    schedule: {{ poll: {{ crm: 1s }}, sync: {{ after_idle: 24h }} }}
    pipelines:
      people:
        source: crm/people
        target: news/people
        direction: two-way
        match: [ {{ source: $.email, target: $.email }} ]
        fields:
          - {{ source: $.name, target: $.name }}
          - {{ source: $.email, target: $.email }}
          - {{ source: $.city, target: $.city }}
"#,
            self.crm.address, self.news.address
        )
    }

    fn command(&self) -> Checked {
        let mut command = Checked::new(env!("CARGO_BIN_EXE_reconciled"));
        command.timeout(MINUTE).current_dir(self.dir.path()).env_remove("RECONCILED_LOG").env("NO_COLOR", "1");
        command
            .env("RECONCILED_CONFIG", self.dir.path())
            .env("CRM_TOKEN", "crm-secret")
            .env("NEWS_TOKEN", "news-secret");
        command
    }

    /// Runs a command and gives what it printed and said.
    #[track_caller]
    fn exits(&self, line: &str, code: i32) -> (String, String) {
        self.exits_with(line, code, |command| command)
    }

    #[track_caller]
    fn exits_with(&self, line: &str, code: i32, with: impl Fn(&mut Checked) -> &mut Checked) -> (String, String) {
        let mut command = self.command();
        let output = with(&mut command).args(line.split_whitespace()).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "`{line}` printed\n{out}\nand said\n{err}");
        assert!(!out.contains("-secret") && !err.contains("-secret"), "`{line}` shows a secret:\n{out}\n{err}");
        (out, err)
    }

    /// The JSON that a command prints, and nothing but that.
    #[track_caller]
    fn json(&self, line: &str, code: i32) -> Value {
        let (out, _) = self.exits(&format!("{line} --json"), code);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("`{line} --json` is no JSON ({error}):\n{out}"))
    }

    /// Three people on both sides and nine on one, synced.
    fn synced() -> Self {
        let walk = Self::begin();
        for n in 0..12 {
            walk.crm.insert(&format!("Person {n}"), &format!("p{n}@example.com"), "Nelson");
        }
        for n in 0..3 {
            walk.news.insert(&format!("Person {n}"), &format!("p{n}@example.com"), "Nelson");
        }
        walk.exits("match office", 0);
        walk.exits("approve office/people", 0);
        walk.exits("sync", 0);
        assert_eq!((walk.crm.count(), walk.news.count()), (12, 12));
        walk
    }
}

fn without_secrets(command: &mut Checked) -> &mut Checked {
    command.env_remove("CRM_TOKEN").env_remove("NEWS_TOKEN")
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    // Wherever the lines were broken.
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(flat.contains(word), "`{word}` is not said in:\n{text}");
    }
}

#[test]
fn the_report_of_a_first_run_is_edited_and_imported() {
    let walk = Walk::begin();
    for n in 0..5 {
        walk.crm.insert(&format!("Person {n}"), &format!("p{n}@example.com"), "Nelson");
    }
    for n in 0..3 {
        walk.news.insert(&format!("Person {n}"), &format!("p{n}@example.com"), "Nelson");
    }
    walk.write(&walk.sound());
    // Somebody knows better: Person 4 is whom news calls p0, and Person 0 is nobody there.
    let (report, _) = walk.exits("match office --report --csv", 0);
    let id = |email: &str| walk.crm.id_of(email);
    let (zero, four, known) = (id("p0@example.com"), id("p4@example.com"), walk.news.id_of("p0@example.com"));
    let edited: Vec<String> = report
        .lines()
        .filter(|row| !row.contains(&format!(",{zero},")))
        .map(|row| row.replace(&format!(",{four},,"), &format!(",{four},{known},")))
        .collect();
    fs::write(walk.dir.path().join("edited.csv"), edited.join("\r\n")).unwrap();
    says(&walk.exits("links import edited.csv office/people", 0).1, &["3 pairs were linked, 0 refused"]);
    let linked = walk.json("links list office", 0).as_array().unwrap().clone();
    assert!(
        linked.iter().any(|link| link["source"] == four.as_str() && link["target"] == known.as_str()),
        "{linked:?}"
    );
    assert_eq!(walk.news.writes(), 0);
}

#[test]
fn from_a_first_file_with_mistakes_to_a_first_sync() {
    let walk = Walk::begin();
    for n in 0..12 {
        walk.crm.insert(&format!("Person {n}"), &format!("p{n}@example.com"), "Nelson");
    }
    for n in 0..3 {
        walk.news.insert(&format!("Person {n}"), &format!("p{n}@example.com"), "Nelson");
    }
    // Three mistakes in one file are told at once, each with its place and what would be right.
    let wrong = walk.sound().replace("two-way", "twoway").replace("$.city, target", "$.town, target");
    walk.write(&wrong.replace("changed_since", "changed_sinse"));
    let (out, err) = walk.exits("validate", 78);
    says(
        &err,
        &["people.yaml:", "`twoway`", "did you mean `two-way`?", "changed_sinse", "did you mean `changed_since`?"],
    );
    assert!(!out.contains("twoway"));
    assert_eq!(walk.json("validate", 78)["valid"], false);
    let (_, err) = walk.exits("sync", 78);
    says(&err, &["nothing can run"]);
    walk.write(&wrong.replace("twoway", "two-way"));
    says(&walk.exits("validate", 78).1, &["town", "crm/people has no field `town`"]);
    walk.write(&walk.sound());
    // No secrets are needed for that, and none is asked for.
    says(&walk.exits_with("validate", 0, without_secrets).0, &["crm: 86,4", "looks"]);
    says(&walk.exits_with("plan", 1, without_secrets).0, &["environment variable NEWS_TOKEN is not set"]);

    let (out, _) = walk.exits("plan", 0);
    says(&out, &["would link 3 pairs, create 9 on news", "first run", "approve office/people"]);
    walk.exits("plan --detailed-exitcode", 5);
    says(&walk.exits("match office", 0).0, &["would link 3 pairs, create 9"]);
    says(&walk.exits("match office/people --report", 0).0, &["Person 11", "they match", "new on news"]);
    assert_eq!(walk.exits("match office --report --csv", 0).0.lines().count(), 13);
    walk.json("match office", 0);
    // Nothing is written before it is approved.
    says(&walk.exits("sync", 5).0, &["held: its first run waits for a person"]);
    assert_eq!(walk.news.writes(), 0);
    says(&walk.exits("status", 0).0, &["first run waits for approval", "`reconciled match office/people --report`"]);
    says(&walk.exits("approve nonsense", 1).1, &["nothing named `nonsense` waits"]);
    says(&walk.exits("approve office", 0).1, &["approved: office/people"]);
    // A careful first step.
    let (out, _) = walk.exits("sync --limit 2", 0);
    says(&out, &["linked 3 pairs, created 2 on news", "`--limit 2` is reached"]);
    assert_eq!(out.matches("create Person 8").count(), 1, "each record is listed once:\n{out}");
    assert_eq!(walk.news.count(), 5);
    walk.exits("plan --detailed-exitcode", 2);
    says(&walk.exits("sync", 0).0, &["created 7 on news"]);
    assert_eq!(walk.news.count(), 12);
    let writes = (walk.crm.writes(), walk.news.writes());
    walk.exits("plan --detailed-exitcode", 0);
    walk.exits("plan --full --detailed-exitcode", 0);
    says(&walk.exits("sync --full", 0).0, &["nothing was written"]);
    assert_eq!((walk.crm.writes(), walk.news.writes()), writes);
    let runs = walk.json("runs", 0);
    assert!(runs.to_string().contains("by hand"), "{runs}");
    says(&walk.exits("runs office -n 2", 0).0, &["by hand"]);
}

#[test]
fn trouble_is_told_with_its_place_and_goes_away_with_its_cause() {
    let mut walk = Walk::synced();
    // A wrong token, a wrong path, a server that is down.
    let (out, _) = walk.exits_with("sync", 1, |command| command.env("CRM_TOKEN", "wrong"));
    says(&out, &["crm cannot be logged in to: it answered 401: who are you?", "it needs a person"]);
    walk.write(&walk.sound().replace("get: /people\n", "get: /peple\n"));
    says(&walk.exits("plan", 1).0, &["`GET /peple`: answered 404"]);
    walk.write(&walk.sound());
    walk.news.stop();
    walk.crm.edit("c001", &json!({ "city": "Oslo" }));
    let (out, _) = walk.exits("sync", 1);
    says(&out, &["no connection to http://127.0.0.1:", "Connection refused", "it is tried again"]);
    walk.news.go_on();
    walk.exits("sync", 0);
    assert_eq!(walk.news.city(&walk.news.id_of("p0@example.com")), "Oslo");
    // A mistake in the settings: never on another state folder.
    let toml = walk.dir.path().join("reconciled.toml");
    fs::write(&toml, "state_dr = \"state\"\n").unwrap();
    for command in ["status", "sync", "run", "export out.jsonl"] {
        says(&walk.exits(command, 78).1, &["reconciled.toml:1:1", "did you mean `state_dir`?"]);
    }
    fs::write(&toml, "state_dir = \"state\"\nsocket = \"daemon.sock\"\n").unwrap();
    // An emptied account is not believed.
    let kept = std::mem::take(&mut walk.news.shop.lock().unwrap().records);
    says(&walk.exits("sync --full", 1).0, &["lacks 12 of 12 linked records", "nothing is marked as gone"]);
    walk.news.shop.lock().unwrap().records = kept;
    walk.exits("sync --full", 0);
    assert_eq!((walk.crm.count(), walk.news.count()), (12, 12));
}

#[test]
fn what_waits_for_a_person_is_listed_explained_and_decided() {
    let walk = Walk::synced();
    // One record that the other side refuses; the rest goes on.
    let bad = walk.crm.insert("Bad Mail", "nomail", "Nelson");
    walk.crm.insert("Good Mail", "good@example.com", "Nelson");
    let (out, _) = walk.exits("sync", 4);
    says(&out, &["created 1 on news", "Bad Mail: parked (refused): this is no e-mail address"]);
    says(&walk.exits("parked list", 0).0, &["Bad Mail", "this is no e-mail address", "to do:", "tried again"]);
    assert_eq!(walk.json("parked list office", 0).as_array().unwrap().len(), 1);
    says(&walk.exits("explain office nomail", 0).0, &["Bad Mail", "this is no e-mail address"]);
    walk.exits("sync", 4);
    walk.exits(&format!("parked ignore office {bad}"), 0);
    says(&walk.exits("parked list", 0).0, &["nothing is parked"]);
    says(&walk.exits("parked list --all", 0).0, &["Bad Mail (ignored)"]);
    walk.exits("sync", 0);
    walk.exits("parked retry office c999", 1);
    walk.exits("parked retry people", 64);
    walk.crm.edit(&bad, &json!({ "email": "corrected@example.com" }));
    walk.exits("sync", 0);
    walk.news.id_of("corrected@example.com");

    // Both sides edit one field.
    let (ours, theirs) = (walk.crm.id_of("p1@example.com"), walk.news.id_of("p1@example.com"));
    walk.crm.edit(&ours, &json!({ "city": "Here" }));
    walk.news.edit(&theirs, &json!({ "city": "There" }));
    says(&walk.exits("sync", 4).0, &["parked (conflict)"]);
    says(&walk.exits("conflicts list", 0).0, &["crm: Here", "news: There"]);
    assert_eq!(walk.json("conflicts list", 0).as_array().unwrap().len(), 1);
    let (out, _) = walk.exits("explain office/people p1@example.com", 0);
    says(&out, &["last agreed on Nelson", "crm: Here", "news: There", "conflicts resolve"]);
    walk.json("explain office p1@example.com", 0);
    walk.exits(&format!("conflicts resolve office {ours}"), 64);
    says(&walk.exits(&format!("conflicts resolve office {ours} --field town --source"), 1).1, &["these are: city"]);
    walk.exits(&format!("conflicts resolve office {ours} --field city --target"), 0);
    walk.exits("plan --detailed-exitcode", 2);
    walk.exits("sync", 0);
    assert_eq!((walk.crm.city(&ours), walk.news.city(&theirs)), ("There".to_owned(), "There".to_owned()));

    // Links by hand.
    says(&walk.exits("links list office", 0).0, &["14 links", "Person 1", "matched"]);
    assert_eq!(walk.json("links list office", 0).as_array().unwrap().len(), 14);
    walk.exits(&format!("links remove office {ours}"), 0);
    walk.exits(&format!("links remove office {ours}"), 1);
    says(&walk.exits(&format!("links add office {ours} n999"), 1).1, &["news/people has no record n999"]);
    let other = walk.news.id_of("p0@example.com");
    says(&walk.exits(&format!("links add office {ours} {other}"), 1).1, &["is linked with", "already"]);
    fs::write(walk.dir.path().join("pairs.csv"), format!("source,target\n{ours},{theirs}\nc999,{other}\n")).unwrap();
    let (_, err) = walk.exits("links import pairs.csv office", 1);
    says(&err, &["line 3", "1 pair was linked, 1 refused"]);
    walk.exits("sync", 0);
    walk.exits("plan --full --detailed-exitcode", 0);

    // What is remembered moves to another machine.
    walk.exits("export out.jsonl", 0);
    assert!(walk.json("export again.jsonl", 0)["entries"].as_u64().unwrap() > 28);
    says(&walk.exits("import out.jsonl", 1).1, &["not empty", "--replace"]);
    says(&walk.exits("import --replace people.yaml", 1).1, &["people.yaml, line 1", "nothing was imported"]);
    fs::remove_dir_all(walk.dir.path().join("state")).unwrap();
    walk.exits("import out.jsonl", 0);
    let writes = (walk.crm.writes(), walk.news.writes());
    walk.exits("sync --full", 0);
    assert_eq!((walk.crm.writes(), walk.news.writes(), walk.news.count()), (writes.0, writes.1, 14));
    says(&walk.exits("reject office", 1).1, &["nothing named `office` waits"]);
}

/// A run that would rewrite too much is held, and a person decides.
#[test]
fn a_run_over_its_guards_waits_for_a_person() {
    let walk = Walk::begin();
    for n in 0..60 {
        walk.crm.insert(&format!("Person {n}"), &format!("p{n}@example.com"), "Nelson");
    }
    walk.exits("sync", 0);
    assert_eq!(walk.news.count(), 60, "a side that is empty needs no approval");
    for n in 0..40 {
        walk.crm.edit(&walk.crm.id_of(&format!("p{n}@example.com")), &json!({ "city": "Moved" }));
    }
    let writes = walk.news.writes();
    walk.exits("plan --detailed-exitcode", 5);
    let (out, _) = walk.exits("sync", 5);
    says(&out, &["held", "approve"]);
    assert_eq!(walk.news.writes(), writes);
    let status = walk.json("status", 0);
    let id = status["integrations"][0]["pipelines"][0]["held"]["id"].as_str().unwrap().to_owned();
    says(&walk.exits("status", 0).0, &[&format!("`reconciled approve {id}`")]);
    walk.exits(&format!("reject {id}"), 0);
    walk.exits("sync", 5);
    says(&walk.exits("status", 0).0, &["rejected by a person"]);
    walk.exits("approve office/people", 0);
    says(&walk.exits("sync", 0).0, &["updated 40 on news"]);
    walk.exits("plan --detailed-exitcode", 0);
}

/// A child that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < MINUTE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_daemon_runs_while_people_make_mistakes() {
    let walk = Walk::synced();
    let mut command = Command::new(env!("CARGO_BIN_EXE_reconciled"));
    command.arg("run").env("RECONCILED_CONFIG", walk.dir.path()).env("RECONCILED_LOG", "info");
    command.env("CRM_TOKEN", "crm-secret").env("NEWS_TOKEN", "news-secret");
    let mut daemon = Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let log = BufReader::new(daemon.0.stderr.take().unwrap());
    let (started, heard) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        log.lines().map_while(Result::ok).fold(String::new(), |all, line| {
            if line.contains("daemon.started") {
                let _ = started.send(());
            }
            all + &line + "\n"
        })
    });
    heard.recv_timeout(MINUTE).unwrap();
    // A change is carried over by itself.
    walk.crm.edit("c004", &json!({ "city": "Oslo" }));
    let theirs = walk.news.id_of("p3@example.com");
    until("the change arriving", || walk.news.city(&theirs) == "Oslo");
    says(&walk.exits("status", 0).0, &["daemon 0.1.0", "next look at crm", "office/people"]);
    // A second one, and what needs the state for itself.
    says(&walk.exits("run", 75).1, &["in use by the daemon", "with process id", "help:"]);
    walk.exits("export out.jsonl", 75);
    // A broken file: the daemon goes on with what it has, and commands still reach it.
    walk.write(&walk.sound().replace("two-way", "twoway"));
    for (line, code) in
        [("status", 0), ("parked list", 0), ("sync office/people", 0), ("explain office p3@example.com", 0)]
    {
        let (_, err) = walk.exits(line, code);
        says(&err, &["did you mean `two-way`?", "the daemon goes on with what was good before"]);
    }
    until("the mistake being noticed", || walk.exits("status", 0).0.contains("INVALID_PENDING people.yaml:40:20"));
    walk.exits("validate", 78);
    walk.exits("sync nonsense", 78);
    assert_eq!(walk.json("status", 0)["integrations"][0]["pipelines"][0]["links"], 12);
    walk.write(&walk.sound());
    // Through the daemon as without one.
    walk.crm.insert("New Person", "new@example.com", "Nelson");
    walk.exits("sync", 0);
    walk.news.id_of("new@example.com");
    walk.exits("plan --detailed-exitcode", 0);
    walk.exits("match office", 0);
    Command::new("kill").args(["-TERM", &daemon.0.id().to_string()]).status().unwrap();
    assert_eq!(daemon.0.wait().unwrap().code(), Some(0));
    let log = reading.join().unwrap();
    assert!(log.contains("daemon.stopped") && !log.contains("-secret"), "{log}");
    says(&walk.exits("status", 0).0, &["no daemon is running"]);
}

#[test]
fn every_command_tells_what_it_is_for() {
    let help = |args: &[&str]| {
        let output = Checked::new(env!("CARGO_BIN_EXE_reconciled")).args(args).arg("--help").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let mut queue = vec![Vec::new()];
    let mut seen = 0;
    while let Some(args) = queue.pop() {
        let text = help(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(text.lines().next().is_some_and(|line| line.len() > 10), "{args:?}:\n{text}");
        seen += 1;
        let listed = text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        for line in listed {
            let (name, about) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            assert!(!about.trim().is_empty(), "{args:?} {name} says nothing");
            if name != "help" {
                queue.push(args.iter().cloned().chain([name.to_owned()]).collect());
            }
        }
    }
    assert!(seen > 25, "{seen}");
}
