//! An API unlike the others, connected by YAML alone, and kept in step with a website by the engine.
//!
//! Its bodies are XML with ids and keys in attributes; the address of the next page is an attribute, too; stamps are
//! seconds since 1970, numbers are text, the version goes back in the body, and parts of a batch are told apart by
//! their keys, in no order.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
};

use axum::{
    Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use reconciled::{
    clock::Clock,
    config::{self, Config},
    connector::{Connector, HttpConnector, LimitRegistry, PullCursor, Requests},
    engine::{Engine, Mode, RunReport, RunRequest},
    sandbox::{Website, WebsiteOptions},
    store::{Ledger, MemoryStore},
};
use serde_json::json;

const CONNECTOR: &str = r#"
connectors:
  guild:
    settings: { base_url: { type: url, required: true } }
    base_url: "${settings.base_url}"
    auth: { kind: header, header: X-Guild }
    body: { read: xml, write: xml, lists: { people: person, items: item }, repeated: [ result ] }
    error_messages: [ $.why ]
    refused_when: [ { status: 200, path: "$['@state']", equals: bad } ]
    resources:
      people:
        id: "$['@id']"
        label: "{label}"
        updated_at: { path: $.at, format: epoch-seconds }
        fields:
          "@id": { type: id, read_only: true }
          label: text
          mail: { type: text, ignore_case: true }
          worth: { type: decimal }
          at: { type: datetime, read_only: true }
          rev: { type: integer, read_only: true }
        list:
          get: /people
          records: $.people
          page: { kind: link, next: "$.more['@href']" }
          expired: { status: 400, text: "page is too old" }
          changed_since: { param: since, format: epoch-seconds, overlap: 2s }
        get: "/people/{id}"
        create:
          post: /people
          wrap: op
          only_creates: true
          batch: { array: items, wrap: person, constants: { "@do": add }, max: 2, correlate: number, key: "$['@key']", items: $.result, ok: { path: "$['@state']", equals: ok }, record: $.person, messages: $.why }
        update: { put: "/people/{id}", wrap: person, only_updates: true, version: { from: $.rev, stale: 409 } }
"#;

const PIPELINE: &str = r"
pipelines:
  people:
    source: site/contacts
    target: guild/people
    direction: two-way
    first_run: { apply: automatic, differences: fill-blanks }
    match: [ { source: $.email, target: $.mail, normalize: [trim, lowercase] } ]
    fields:
      - { source: $.email, target: $.mail, normalize: [trim, lowercase] }
      - { source: $.first_name, target: $.label }
";

#[derive(Clone)]
struct Person {
    label: String,
    mail: String,
    worth: String,
    at: i64,
    rev: u64,
}

struct Guild {
    clock: Clock,
    people: Mutex<BTreeMap<String, Person>>,
    writes: Mutex<Vec<String>>,
    /// How many pages after a first one are forgotten before they are asked for.
    forgets: AtomicU32,
    /// Who is edited when the first page was given.
    moves: Mutex<Option<String>>,
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    text.split_once(before)?.1.split_once(after).map(|(inner, _)| inner)
}

impl Guild {
    fn shown(id: &str, person: &Person) -> String {
        let Person { label, mail, worth, at, rev } = person;
        let (label, mail) = (escaped(label), escaped(mail));
        format!(
            "<person id=\"{id}\"><label>{label}</label><mail>{mail}</mail><worth>{worth}</worth><at>{at}</at><rev>{rev}</rev></person>"
        )
    }

    fn add(&self, label: &str, mail: &str) -> String {
        let mut people = self.people.lock().unwrap();
        let id = format!("p{:03}", people.len() + 1);
        let at = self.clock.now().timestamp();
        let person = Person { label: label.into(), mail: mail.into(), worth: "12.50".into(), at, rev: 1 };
        people.insert(id.clone(), person);
        id
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Person)) {
        let mut people = self.people.lock().unwrap();
        let person = people.get_mut(id).unwrap();
        change(person);
        person.rev += 1;
        person.at = self.clock.now().timestamp();
    }

    fn labels(&self) -> Vec<String> {
        let mut labels: Vec<String> = self.people.lock().unwrap().values().map(|person| person.label.clone()).collect();
        labels.sort();
        labels
    }
}

async fn list(
    State(guild): State<Arc<Guild>>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<String, (StatusCode, &'static str)> {
    let forgotten = |left: u32| left.checked_sub(1);
    if query.contains_key("skip") && guild.forgets.fetch_update(SeqCst, SeqCst, forgotten).is_ok() {
        return Err((StatusCode::BAD_REQUEST, "<e><why>this page is too old</why></e>"));
    }
    let since: i64 = query.get("since").map_or(0, |since| since.parse().unwrap());
    let skip: usize = query.get("skip").map_or(0, |skip| skip.parse().unwrap());
    let people = guild.people.lock().unwrap().clone();
    let mut rest: Vec<_> = people.iter().filter(|(_, person)| person.at >= since).collect();
    rest.sort_by_key(|(_, person)| person.at);
    let mut xml = String::from("<page><people>");
    for (id, person) in rest.iter().skip(skip).take(2) {
        xml.push_str(&Guild::shown(id, person));
    }
    xml.push_str("</people>");
    if rest.len() > skip + 2 {
        let _ = write!(xml, "<more href=\"/guild/people?skip={}&amp;since={since}\"/>", skip + 2);
    }
    if let Some(id) = guild.moves.lock().unwrap().take() {
        guild.change(&id, |_| {});
    }
    Ok(xml + "</page>")
}

async fn one(State(guild): State<Arc<Guild>>, Path(id): Path<String>) -> Result<String, StatusCode> {
    let people = guild.people.lock().unwrap();
    people.get(&id).map(|person| Guild::shown(&id, person)).ok_or(StatusCode::NOT_FOUND)
}

async fn add(State(guild): State<Arc<Guild>>, body: String) -> String {
    guild.writes.lock().unwrap().push(body.clone());
    let mut results = Vec::new();
    for item in body.split("<item ").skip(1) {
        let key = between(item, "key=\"", "\"").unwrap();
        assert!(item.contains("do=\"add\""), "{item}");
        let (label, mail) = (between(item, "<label>", "<").unwrap_or_default(), between(item, "<mail>", "<").unwrap());
        if label == "bad" {
            results.push(format!("<result key=\"{key}\" state=\"bad\"><why>no such label</why></result>"));
        } else {
            let id = guild.add(label, mail);
            let shown = Guild::shown(&id, &guild.people.lock().unwrap()[&id]);
            results.push(format!("<result key=\"{key}\" state=\"ok\">{shown}</result>"));
        }
    }
    results.reverse();
    format!("<results>{}</results>", results.concat())
}

async fn put(State(guild): State<Arc<Guild>>, Path(id): Path<String>, body: String) -> Result<String, StatusCode> {
    guild.writes.lock().unwrap().push(body.clone());
    let rev: u64 = between(&body, "<rev>", "<").expect("a version").parse().unwrap();
    if guild.people.lock().unwrap()[&id].rev != rev {
        return Err(StatusCode::CONFLICT);
    }
    guild.change(&id, |person| {
        if let Some(label) = between(&body, "<label>", "<") {
            label.clone_into(&mut person.label);
        }
        if let Some(mail) = between(&body, "<mail>", "<") {
            mail.clone_into(&mut person.mail);
        }
    });
    Ok(Guild::shown(&id, &guild.people.lock().unwrap()[&id]))
}

/// The server's clock is the test's.
async fn dated(State(clock): State<Clock>, mut response: Response) -> Response {
    let date = clock.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    response.headers_mut().insert("date", date.parse().unwrap());
    response
}

struct World {
    clock: Clock,
    site: Website,
    guild: Arc<Guild>,
    config: Arc<Config>,
    store: Arc<MemoryStore>,
    connectors: BTreeMap<config::ConnectionName, Arc<dyn Connector>>,
    dir: tempfile::TempDir,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl World {
    async fn start() -> Self {
        let clock = Clock::manual("2026-06-01T04:00:00Z".parse().unwrap());
        let site = Website::start(WebsiteOptions::new(clock.clone())).await.unwrap();
        let guild = Guild {
            clock: clock.clone(),
            people: Mutex::default(),
            writes: Mutex::default(),
            forgets: AtomicU32::new(0),
            moves: Mutex::default(),
        };
        let guild = Arc::new(guild);
        let routes = Router::new()
            .route("/guild/people", get(list))
            .route("/guild/people", post(add))
            .route("/guild/people/{id}", get(one).put(put))
            .layer(axum::middleware::map_response_with_state(clock.clone(), dated))
            .with_state(Arc::clone(&guild));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let dir = tempfile::tempdir().unwrap();
        let connections = format!(
            "{CONNECTOR}\nconnections:\n  site: {{ connector: website, base_url: \"{}\", auth: {{ token: \"{}\" }} }}\n  guild: {{ connector: guild, base_url: \"http://{address}/guild\", auth: {{ header: secret }} }}\n{PIPELINE}",
            site.url(),
            site.token(),
        );
        std::fs::write(dir.path().join("all.yaml"), connections).unwrap();
        let loaded = config::load(dir.path(), &HashMap::<String, String>::new());
        assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
        let config = Arc::new(loaded.config);
        let limits = Arc::new(LimitRegistry::new(clock.clone()));
        let connectors = config.connections.iter().map(|(name, connection)| {
            let made = HttpConnector::new(Arc::clone(connection), clock.clone(), &limits).unwrap();
            (name.clone(), Arc::new(made) as Arc<dyn Connector>)
        });
        let connectors = connectors.collect();
        Self { clock, site, guild, config, store: Arc::new(MemoryStore::new()), connectors, dir, serving }
    }

    /// A run in which both systems do their part.
    async fn run(&self, mode: Mode, full: bool) -> RunReport {
        let report = self.try_run(mode, full).await;
        assert_eq!(report.troubles, [], "{report:#?}");
        report
    }

    async fn try_run(&self, mode: Mode, full: bool) -> RunReport {
        let engine = Engine {
            config: Arc::clone(&self.config),
            ledger: Ledger::new(self.store.clone()),
            connectors: Arc::new(self.connectors.clone()),
            clock: self.clock.clone(),
            temp: self.dir.path().to_path_buf(),
            seed: 7,
        };
        let request = RunRequest {
            integration: self.config.integrations.keys().next().unwrap().clone(),
            pipelines: Vec::new(),
            connection: None,
            mode,
            full,
            limit: None,
            revert: None,
            list: false,
            why: "test".into(),
        };
        let report = engine.run(request).await.unwrap();
        self.clock.advance(std::time::Duration::from_secs(60));
        report
    }

    /// A quiet run plans nothing and sends no write.
    async fn settled(&self) {
        let writes = |world: &Self| -> u64 {
            world.connectors.values().map(|one| one.requests()).map(|Requests { writes, .. }| writes).sum()
        };
        let before = writes(self);
        assert!(self.run(Mode::Plan, false).await.is_empty_plan());
        self.run(Mode::Sync, false).await;
        self.run(Mode::Sync, true).await;
        assert_eq!(writes(self), before);
    }
}

#[tokio::test]
async fn a_made_up_api_is_kept_in_step_by_yaml_alone() {
    let world = World::start().await;
    let contact = |name: &str, mail: &str| json!({ "first_name": name, "last_name": "x", "email": mail });
    for (name, mail) in
        [("Ann & Co", "ann@a.example"), ("Bob", "bob@a.example"), ("Cid", "cid@a.example"), ("bad", "bad@a.example")]
    {
        world.site.insert("contacts", contact(name, mail)).unwrap();
    }
    let ann = world.guild.add("Ann & Co", "ANN@a.example");
    world.guild.add("Dee", "dee@a.example");
    world.guild.add("Eve", "eve@a.example");

    world.run(Mode::Sync, false).await;
    assert_eq!(
        world.guild.labels(),
        ["Ann &amp; Co", "Bob", "Cid", "Dee", "Eve"].map(|label| label.replace("&amp;", "&"))
    );
    assert_eq!(world.site.count("contacts"), 6);
    world.settled().await;

    // An edit on either side goes to the other, guarded by the version in the body.
    world.guild.change(&ann, |person| person.label = "Ann".into());
    let bob = world.site.list("contacts").into_iter().find(|record| record["first_name"] == "Bob").unwrap();
    world.site.edit("contacts", bob["id"].as_str().unwrap(), json!({ "first_name": "Bobby" })).unwrap();
    world.run(Mode::Sync, false).await;
    assert_eq!(world.guild.labels(), ["Ann", "Bobby", "Cid", "Dee", "Eve"]);
    assert!(world.site.list("contacts").iter().any(|record| record["first_name"] == "Ann"));
    let sent = world.guild.writes.lock().unwrap().last().unwrap().clone();
    assert!(sent.contains("<rev>1</rev>") && sent.contains("<label>Bobby</label>"), "{sent}");
    world.settled().await;

    // Numbers that are text on the wire are numbers here.
    let guild = &world.connectors[&config::ConnectionName::parse("guild").unwrap()];
    let people = guild.resource("people").unwrap();
    let page = guild.pull(people, &PullCursor { since: None, page: None }).await.unwrap();
    assert_eq!(page.records[0].body["worth"].to_string(), "12.50");
    assert!(page.records[0].updated_at.is_some() && page.next.is_some());
}

#[tokio::test]
async fn a_listing_that_the_remote_forgot_begins_again_and_does_not_begin_for_ever() {
    let world = World::start().await;
    for name in ["Ann", "Bob", "Cid", "Dee", "Eve"] {
        world.guild.add(name, &format!("{name}@a.example"));
    }
    world.guild.forgets.store(2, SeqCst);
    world.run(Mode::Sync, false).await;
    assert_eq!(world.site.count("contacts"), 5);
    world.settled().await;

    world.guild.add("Fay", "fay@a.example");
    world.guild.forgets.store(100, SeqCst);
    let report = world.try_run(Mode::Sync, true).await;
    assert_eq!(report.troubles.len(), 1, "{report:#?}");
    assert!(world.guild.forgets.load(SeqCst) > 90, "it gives up soon");
    world.guild.forgets.store(0, SeqCst);
    world.run(Mode::Sync, true).await;
    assert_eq!(world.site.count("contacts"), 6);
    world.settled().await;
}

/// Ann goes to the end of the list when its first page was read, and Cid moves up to that page.
#[tokio::test]
async fn a_record_that_moves_up_between_pages_of_links_is_not_made_again() {
    let world = World::start().await;
    let ann = world.guild.add("Ann", "ann@a.example");
    world.guild.add("Bob", "bob@a.example");
    world.guild.add("Cid", "cid@a.example");
    let cid = json!({ "first_name": "Cid", "last_name": "x", "email": "cid@a.example" });
    world.site.insert("contacts", cid).unwrap();
    world.clock.advance(std::time::Duration::from_secs(60));
    *world.guild.moves.lock().unwrap() = Some(ann);
    world.run(Mode::Sync, false).await;
    assert_eq!(world.guild.labels(), ["Ann", "Bob", "Cid"]);
    assert_eq!(world.site.count("contacts"), 3);
    world.settled().await;
}
