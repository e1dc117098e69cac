//! Histories of the example folder as it is: real HTTP between two practice systems that misbehave, a store on disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use chrono::{TimeZone, Utc};
use reconciled::{
    clock::Clock,
    config::{self, Config, ConnectionName, EnvSource, IntegrationName, Pipeline},
    connector::{Connector, HttpConnector, LimitRegistry},
    engine::{Desk, Engine, Mode, RunReport, RunRequest},
    mapping,
    record::{RecordId, Side},
    sandbox::{Fault, FaultRule, Sandbox, WebsiteOptions, XeroOptions},
    store::{Ledger, SledStore, Space, Store},
};
use serde_json::{Value, json};

use crate::ledger;

struct Env(BTreeMap<&'static str, String>);

impl EnvSource for Env {
    fn var(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

/// The example folder, but with a token in place of the login by consent: a login that ends when an answer is lost and nobody
/// comes back in time needs a person, who is not here (`tests/grants` has those).
fn folder(state: &Path) -> PathBuf {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/configs/website-xero/website-xero.yaml");
    let text = fs::read_to_string(example).unwrap();
    let (before, login) = text.split_once("grants:\n").unwrap();
    let (_, after) = login.split_once("\nconnections:\n").unwrap();
    let (first, rest) = after.split_once("    grant: office").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    let token = "    tenant: \"${env:XERO_TENANT}\"\n    auth: { token: \"${env:XERO_TOKEN}\" }\n";
    let folder = state.join("config");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("website-xero.yaml"), format!("{before}connections:\n{first}{token}{rest}")).unwrap();
    folder
}

struct History {
    sandbox: Sandbox,
    clock: Clock,
    config: Arc<Config>,
    store: Arc<dyn Store>,
    rng: fastrand::Rng,
    next: u32,
    /// How often the daemon was started.
    starts: u64,
    story: Vec<String>,
    state: tempfile::TempDir,
}

impl History {
    async fn start(seed: u64) -> Self {
        let clock = Clock::manual(Utc.with_ymd_and_hms(2026, 6, 1, 4, 0, 0).unwrap());
        let website = WebsiteOptions { seed, ..WebsiteOptions::new(clock.clone()) };
        let xero = XeroOptions { seed, ..XeroOptions::new(clock.clone()) };
        let sandbox = Sandbox::start_with(website, xero).await.unwrap();
        let env = Env(BTreeMap::from([
            ("WEBSITE_URL", sandbox.website.url()),
            ("WEBSITE_TOKEN", sandbox.website.token().to_owned()),
            ("XERO_URL", sandbox.xero.url()),
            ("XERO_TOKEN", sandbox.xero.token().to_owned()),
            ("XERO_TENANT", sandbox.xero.tenant().to_owned()),
        ]));
        let state = tempfile::tempdir().unwrap();
        let loaded = config::load(&folder(state.path()), &env);
        assert!(!loaded.has_errors(), "{:#?}", loaded.diagnostics);
        let store: Arc<dyn Store> = Arc::new(SledStore::open(&state.path().join("store"), 8 << 20).unwrap());
        let rng = fastrand::Rng::with_seed(seed);
        let (config, story) = (Arc::new(loaded.config), Vec::new());
        Self { sandbox, clock, config, store, rng, next: 0, starts: 0, story, state }
    }

    /// A daemon that has just started: nothing in memory.
    fn engine(&mut self) -> Engine {
        self.starts += 1;
        let limits = Arc::new(LimitRegistry::new(self.clock.clone()));
        let mut connectors: BTreeMap<ConnectionName, Arc<dyn Connector>> = BTreeMap::new();
        for connection in self.config.connections.values() {
            let connector = HttpConnector::new(connection.clone(), self.clock.clone(), &limits).unwrap();
            connectors.insert(connection.name.clone(), Arc::new(connector.with_seed(self.starts)));
        }
        Engine {
            config: self.config.clone(),
            ledger: Ledger::new(self.store.clone()),
            connectors: Arc::new(connectors),
            clock: self.clock.clone(),
            temp: self.state.path().to_path_buf(),
            seed: self.starts,
        }
    }

    fn request(mode: Mode, full: bool) -> RunRequest {
        let integration = IntegrationName::parse("website-xero").unwrap();
        let (pipelines, why) = (Vec::new(), "test".to_owned());
        RunRequest { integration, pipelines, connection: None, mode, full, limit: None, revert: None, list: false, why }
    }

    /// Runs; whenever the run waits for the clock, the clock jumps there. Now and then the run is killed where it
    /// waits.
    async fn run(&mut self, engine: &Engine, request: RunRequest, may_die: bool) -> Option<RunReport> {
        let clock = self.clock.clone();
        let mut sleeps = clock.sleeps().unwrap();
        let mut run = pin!(engine.run(request));
        let driven = async {
            loop {
                tokio::select! {
                    biased;
                    report = &mut run => return Some(report.unwrap()),
                    waiting = sleeps.wait_for(|all| !all.is_empty()) => {
                        let first = waiting.unwrap().values().min().copied().unwrap();
                        if may_die && self.rng.u8(..12) == 0 {
                            return None;
                        }
                        clock.advance(first.saturating_sub(clock.monotonic()));
                        tokio::task::yield_now().await;
                    }
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), driven).await.expect("the run ends")
    }

    fn marker(&mut self) -> String {
        self.next += 1;
        format!("Marker{:04}", self.next)
    }

    fn say(&mut self, text: String) {
        self.story.push(text);
    }

    fn any(&mut self, records: &[Value], member: &str) -> Option<String> {
        if records.is_empty() {
            return None;
        }
        let at = self.rng.usize(..records.len());
        records[at][member].as_str().map(str::to_owned)
    }

    /// One thing that a person does at the website or in Xero.
    fn act(&mut self) {
        let contacts = self.sandbox.website.list("contacts");
        let there = self.sandbox.xero.list("Contacts");
        let n = self.next;
        let what = self.rng.u8(..16);
        let done = match what {
            0..4 => {
                let name = self.marker();
                // One in four has no address by which it could be found again.
                let email = if self.rng.u8(..4) == 0 { Value::Null } else { json!(format!("{name}@x.example")) };
                let record = json!({ "first_name": "Web", "last_name": name, "email": email });
                let id = self.sandbox.website.insert("contacts", record);
                if let Ok(id) = &id
                    && self.rng.u8(..4) > 0
                {
                    self.sale(id);
                }
                format!("website: {name} {id:?}")
            }
            4..6 => {
                let name = self.marker();
                let record = json!({ "Name": format!("Xero {name}"), "FirstName": "Xero", "LastName": name,
                    "EmailAddress": format!("{name}@x.example") });
                let id = self.sandbox.xero.insert("Contacts", record);
                if let Ok(id) = &id
                    && self.rng.bool()
                {
                    self.customer(id);
                }
                format!("xero: {name} {id:?}")
            }
            6 => {
                // Known to both before anything was linked.
                let name = self.marker();
                let email = format!("{name}@x.example");
                let here = json!({ "first_name": "Both", "last_name": name, "email": email });
                let id = self.sandbox.website.insert("contacts", here).unwrap();
                self.sale(&id);
                let record = json!({ "Name": format!("Both {name}"), "LastName": name, "EmailAddress": email });
                format!("both: {name} {id} {:?}", self.sandbox.xero.insert("Contacts", record))
            }
            7 | 8 => {
                let Some(id) = self.any(&contacts, "id") else { return };
                self.sale(&id);
                format!("website: a sale of {id}")
            }
            9 => {
                let Some(id) = self.any(&there, "ContactID") else { return };
                self.customer(&id);
                format!("xero: an invoice of {id}")
            }
            10 | 11 => {
                let Some(id) = self.any(&contacts, "id") else { return };
                let patch = match self.rng.u8(..4) {
                    0 => json!({ "mobile": format!("021 {n}") }),
                    1 => json!({ "postal": { "city": format!("City {n}") } }),
                    2 => json!({ "first_name": format!("First{n}") }),
                    _ => json!({ "notes": format!("note {n}"), "mobile": null }),
                };
                self.next += 1;
                format!("website: {id} {patch} {:?}", self.sandbox.website.edit("contacts", &id, patch.clone()))
            }
            12 | 13 => {
                let Some(id) = self.any(&there, "ContactID") else { return };
                let patch = match self.rng.u8(..3) {
                    0 => json!({ "FirstName": format!("First{n}") }),
                    1 => json!({ "EmailAddress": format!("new{n}@x.example") }),
                    _ => json!({ "Phones": [{ "PhoneType": "MOBILE", "PhoneNumber": format!("027 {n}") }] }),
                };
                self.next += 1;
                format!("xero: {id} {patch} {:?}", self.sandbox.xero.edit("Contacts", &id, patch.clone()))
            }
            14 => {
                let Some(id) = self.any(&there, "ContactID") else { return };
                format!("xero: archive {id} {:?}", self.sandbox.xero.archive(&id))
            }
            _ => {
                let Some(id) = self.any(&contacts, "id") else { return };
                format!("website: delete {id} {:?}", self.sandbox.website.remove("contacts", &id))
            }
        };
        self.say(done);
    }

    fn sale(&mut self, contact: &str) {
        self.next += 1;
        let cents = 1_000 + self.next;
        let sale = json!({
            "number": format!("S-{}", self.next), "contact_id": contact, "sold_at": "2026-05-31T02:00:00.000Z",
            "due_on": "2026-06-20", "currency": "NZD", "status": "open", "total": f64::from(cents) / 100.0,
            "lines": [{ "line_no": 1, "title": "Goods", "quantity": 1, "cents": cents, "income": "goods" }],
        });
        self.sandbox.website.insert("sales", sale).unwrap();
    }

    fn customer(&mut self, contact: &str) {
        let invoice = json!({
            "Type": "ACCREC", "Contact": { "ContactID": contact }, "Status": "AUTHORISED",
            "Date": "2026-05-30", "DueDate": "2026-06-20",
            "LineItems": [{ "Description": "Work", "Quantity": 1, "UnitAmount": 10, "AccountCode": "200" }],
        });
        let _ = self.sandbox.xero.insert("Invoices", invoice);
    }

    fn trouble(&mut self) {
        for faults in [self.sandbox.website.faults().clone(), self.sandbox.xero.faults().clone()] {
            for _ in 0..self.rng.usize(..3) {
                let fault = match self.rng.u8(..13) {
                    0 => Fault::StatusRetryAfter(429, 7),
                    1 => Fault::Status(500),
                    2 => Fault::Status(503),
                    3 => Fault::DropBefore,
                    4 | 5 => Fault::DropAfter,
                    6 => Fault::ApplyThenStatus(500),
                    7 => Fault::Truncate,
                    8 => Fault::CloseMidBody,
                    9 => Fault::ReverseBatch,
                    10 => Fault::ShortBatch(1),
                    11 => Fault::HtmlPage,
                    _ => Fault::Twice,
                };
                let method = if self.rng.u8(..3) == 0 { "*" } else { "WRITE" };
                self.say(format!("  fault {fault:?} on {method}"));
                let chance = [0.2, 0.5, 1.0][self.rng.usize(..3)];
                faults.add(FaultRule::new(fault).on(method, "*").probability(chance).times(self.rng.u64(1..4)));
            }
        }
    }

    fn calm(&self) {
        self.sandbox.website.faults().clear();
        self.sandbox.xero.faults().clear();
    }

    async fn live(&mut self) {
        let engine = self.engine();
        self.run(&engine, Self::request(Mode::Sync, false), false).await;
        let _ = Desk::new(&engine).approve("website-xero").await;
        for _ in 0..self.rng.usize(2..6) {
            for _ in 0..self.rng.usize(..6) {
                self.act();
            }
            let span = match self.rng.u8(..4) {
                0 | 1 => self.rng.u64(..300),
                2 => self.rng.u64(..4_000),
                _ => self.rng.u64(..200_000),
            };
            self.clock.advance(Duration::from_secs(span));
            self.trouble();
            let mode = [Mode::Plan, Mode::Poll, Mode::Sync, Mode::Sync, Mode::Sync][self.rng.usize(..5)];
            let full = self.rng.u8(..5) == 0;
            self.say(format!("+{span}s {mode:?}, full: {full}"));
            let engine = self.engine();
            if self.run(&engine, Self::request(mode, full), true).await.is_none() {
                self.say("  killed".to_owned());
            }
            self.calm();
            // A guard may hold what people did; a person lets it go.
            let _ = Desk::new(&engine).approve("website-xero").await;
        }
    }

    /// Time passes without trouble until everything that waits has had its turn.
    async fn rest(&mut self) {
        for hours in [0_u64, 1, 25, 26, 0, 0] {
            self.clock.advance(Duration::from_secs(hours * 3_600 + 120));
            let engine = self.engine();
            self.run(&engine, Self::request(Mode::Sync, false), false).await;
            let _ = Desk::new(&engine).approve("website-xero").await;
        }
    }

    fn writes(&self) -> u64 {
        self.sandbox.website.log().writes() + self.sandbox.xero.log().writes()
    }

    async fn check(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        let engine = self.engine();
        let before = self.writes();
        for (mode, full) in [(Mode::Plan, false), (Mode::Sync, false), (Mode::Sync, true)] {
            let report = self.run(&engine, Self::request(mode, full), false).await.unwrap();
            if !report.is_empty_plan() || self.writes() != before {
                wrong.push(format!("{mode:?} (full: {full}) is not quiet: {:#?}", report.pipelines));
            }
        }
        let real = |pipeline: &Pipeline, side: Side, id: &RecordId| self.real(pipeline, side, id);
        wrong.extend(ledger::faults(&engine, real).await);
        if self.sandbox.website.log().entries().iter().any(|call| !call.is_read() && call.path.contains("/sales")) {
            wrong.push("the source of a one-way pipeline was written".to_owned());
        }
        let rows = |space| ledger::rows(&engine.ledger, space);
        let parked: BTreeSet<(String, String)> =
            rows(Space::Parked).await.into_iter().map(|row| (row[1].clone(), row[2].clone())).collect();
        let listed = |side: &str, id: &str| parked.contains(&(side.to_owned(), id.to_owned()));
        for name in ["website", "xero"] {
            let connection = ConnectionName::parse(name).unwrap();
            for (_, intent) in engine.ledger.intents(&connection).await.unwrap() {
                let side = &intent.side.other().to_string()[..1];
                for item in intent.items.iter().filter(|item| !item.done && !listed(side, item.origin.as_str())) {
                    wrong.push(format!("{} has an open intent since {}", item.label, intent.first_sent));
                }
            }
        }
        self.records(&listed, &mut wrong);
        self.values(&engine, &mut wrong).await;
        wrong
    }

    fn real(&self, pipeline: &Pipeline, side: Side, id: &RecordId) -> Option<Value> {
        let end = pipeline.end(side);
        match end.connection.name.as_str() {
            "website" => self.sandbox.website.get(&end.resource.name, id.as_str()),
            _ if end.resource.name == "contacts" => self.sandbox.xero.get("Contacts", id.as_str()),
            _ => self.sandbox.xero.get("Invoices", id.as_str()).map(days),
        }
    }

    /// No marker twice, none missing.
    fn records(&self, listed: &impl Fn(&str, &str) -> bool, wrong: &mut Vec<String>) {
        let here = self.sandbox.website.list("contacts");
        let there = self.sandbox.xero.list("Contacts");
        let sales = self.sandbox.website.list("sales");
        let invoices = self.sandbox.xero.list("Invoices");
        let with = |all: &[Value], member: &str, marker: &str| all.iter().filter(|r| r[member] == marker).count();
        for n in 0..=self.next {
            let marker = format!("Marker{n:04}");
            // Two that a person made, and made unlike before they could meet.
            let made = self.story.iter().find_map(|line| line.strip_prefix(&format!("both: {marker} ")));
            let id = made.and_then(|ids| ids.split('"').nth(1));
            let apart = |line: &String| {
                let edit =
                    line.strip_prefix("xero: ").filter(|_| line.contains("archive") || line.contains("EmailAddress"));
                edit.is_some_and(|edit| id.is_some_and(|id| edit.contains(id)))
            };
            // What a person archived before we knew that it was made cannot be found again.
            let archived = there.iter().any(|c| c["LastName"] == *marker && c["ContactStatus"] == "ARCHIVED");
            if archived || self.story.iter().any(apart) {
                continue;
            }
            let (web, xero) = (with(&here, "last_name", &marker), with(&there, "LastName", &marker));
            if web > 1 || xero > 1 {
                wrong.push(format!("{marker} is there {web} and {xero} times"));
            }
        }
        for contact in &here {
            let (id, marker) = (contact["id"].as_str().unwrap(), contact["last_name"].as_str().unwrap_or_default());
            let sold = sales.iter().any(|sale| sale["contact_id"] == id);
            if sold && with(&there, "LastName", marker) == 0 && !listed("s", id) {
                wrong.push(format!("website contact {id} {marker} is not in Xero and not listed"));
            }
        }
        for contact in there.iter().filter(|c| c["IsCustomer"] == true && c["ContactStatus"] == "ACTIVE") {
            let (id, marker) = (contact["ContactID"].as_str().unwrap(), contact["LastName"].as_str().unwrap());
            // A contact whose website record was deleted is linked with what was there, and not made again.
            if with(&here, "last_name", marker) == 0 && !listed("t", id) && !self.was_deleted(id) {
                wrong.push(format!("Xero customer {id} {marker} is not on the website and not listed"));
            }
        }
        for sale in &sales {
            let number = sale["number"].as_str().unwrap();
            let count = with(&invoices, "InvoiceNumber", number);
            let contact = here.iter().any(|contact| contact["id"] == sale["contact_id"]);
            if count > 1
                || (count == 0 && contact && !listed("s", sale["id"].as_str().unwrap()))
                    && !listed("s", sale["contact_id"].as_str().unwrap())
            {
                wrong.push(format!("sale {number} is in Xero {count} times"));
            }
        }
    }

    /// Whether a person deleted website records, among them the one that knew this contact.
    fn was_deleted(&self, _contact: &str) -> bool {
        self.story.iter().any(|line| line.starts_with("website: delete"))
    }

    /// What is remembered of linked records is what is there, and both sides agree or are listed.
    async fn values(&self, engine: &Engine, wrong: &mut Vec<String>) {
        for (_, pipeline) in self.config.pipelines() {
            for link in ledger::links(&engine.ledger, &pipeline.name).await {
                if link.marks.iter().any(|mark| mark.gone) {
                    continue;
                }
                for side in Side::BOTH {
                    let Some(body) = self.real(pipeline, side, link.id(side)) else {
                        wrong.push(format!("{} is linked and not there", link.id(side)));
                        continue;
                    };
                    if !pipeline.writes(side.other()) {
                        continue; // drift of a one-way target is not read
                    }
                    let projection = pipeline.end(side).spec.read(&body);
                    for field in &pipeline.fields {
                        let Some(state) = link.fields.get(&field.id) else { continue };
                        let (Ok(cell), Some(present)) =
                            (mapping::field_cell(field, side, &projection), state.present(side))
                        else {
                            continue;
                        };
                        if !mapping::same(field, side, &cell, present) && !(cell.is_blank() && present.is_blank()) {
                            wrong.push(format!(
                                "{} of {} on the {side}: {cell:?} is there, {present:?} remembered",
                                field.name, link.label
                            ));
                        }
                        let open = state.pending(side).is_some_and(|cell| !cell.is_blank());
                        let other = state.pending(side.other()).is_some_and(reconciled::record::Cell::is_blank);
                        if open && state.parked.is_none() && !other {
                            wrong.push(format!("{} of {} is open and not listed: {state:?}", field.name, link.label));
                        }
                    }
                }
            }
        }
    }

    fn calls(&self) -> Vec<String> {
        let logs = [self.sandbox.website.log(), self.sandbox.xero.log()];
        let entries = logs.into_iter().flat_map(reconciled::sandbox::RequestLog::entries);
        // A connection that was cut is noticed sooner or later, so waits, and with them stamps, may differ a little.
        let entries = entries.filter(|call| !call.is_read());
        entries.map(|call| format!("{} {} {} {:?}", call.method, call.path, call.body, call.status)).collect()
    }
}

/// Xero writes days as milliseconds, which are read as days.
fn days(mut invoice: Value) -> Value {
    for name in ["Date", "DueDate"] {
        let text = invoice[name].as_str().and_then(|text| text.strip_prefix("/Date(")?.strip_suffix("+0000)/"));
        if let Some(day) = text.and_then(|text| chrono::DateTime::from_timestamp_millis(text.parse().ok()?)) {
            invoice[name] = day.format("%F").to_string().into();
        }
    }
    invoice
}

async fn live(seed: u64) -> Vec<String> {
    let mut history = History::start(seed).await;
    history.live().await;
    history.rest().await;
    let wrong = history.check().await;
    assert!(
        wrong.is_empty(),
        "WEB_SEED={seed} WEB_HISTORIES=1 shows it again\n{}\n\n{}",
        history.story.join("\n"),
        wrong.join("\n")
    );
    history.calls()
}

fn on_its_own(seed: u64) -> Option<Vec<String>> {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live(seed))
    };
    std::thread::spawn(run).join().ok()
}

#[test]
fn whatever_happens_between_a_website_and_xero_nothing_is_lost_or_made_twice() {
    let first = crate::number("WEB_SEED", 1);
    let count = crate::number("WEB_HISTORIES", 40);
    let failed: Vec<_> = (first..first + count).filter(|seed| on_its_own(*seed).is_none()).collect();
    assert!(failed.is_empty(), "{} of {count} histories went wrong, seeds {failed:?}", failed.len());
}

#[test]
fn the_same_seed_sends_the_same_requests() {
    assert_eq!(on_its_own(2).unwrap(), on_its_own(2).unwrap());
}
