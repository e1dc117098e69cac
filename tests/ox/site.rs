//! The example folder, running against practice systems.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use chrono::{DateTime, TimeZone, Utc};
use reconciled::{
    clock::Clock,
    config::{self, Config, ConnectionName, IntegrationName},
    connector::{Connector, HttpConnector, LimitRegistry},
    daemon::{Daemon, DaemonSettings, Handle},
    engine::{Desk, Engine, FindingItem, Mode, RunReport, RunRequest},
    sandbox::{Sandbox, WebsiteOptions, XeroOptions},
    store::{Ledger, SledStore, Store},
};
use serde_json::{Value, json};

struct Env(BTreeMap<&'static str, String>);

impl config::EnvSource for Env {
    fn var(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

/// The example folder `website-xero`, two practice systems, a store on disk, and a clock.
pub struct Site {
    pub sandbox: Sandbox,
    pub clock: Clock,
    pub config: Arc<Config>,
    pub engine: Engine,
    state: tempfile::TempDir,
}

impl Site {
    /// Starts at 4:00 pm on 1 June 2026 in Auckland.
    pub async fn start() -> Self {
        Self::start_at(afternoon(16, 0)).await
    }

    /// Starts at an instant.
    pub async fn start_at(now: DateTime<Utc>) -> Self {
        let clock = Clock::manual(now);
        let sandbox =
            Sandbox::start_with(WebsiteOptions::new(clock.clone()), XeroOptions::new(clock.clone()).unlimited())
                .await
                .unwrap();
        let state = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SledStore::open(&state.path().join("store"), 8 << 20).unwrap());
        let config = load(&sandbox, str::to_owned);
        let engine = engine(config.clone(), Ledger::new(store), &clock, state.path());
        Self { sandbox, clock, config, engine, state }
    }

    /// As [`Site::start`], with first runs approved.
    pub async fn running() -> Self {
        let site = Self::start().await;
        site.sync().await;
        site.approve().await;
        site
    }

    /// From now on with an edited configuration, as after a restart; the store is the same.
    pub fn reconfigure(&mut self, edit: impl Fn(&str) -> String) {
        self.config = load(&self.sandbox, edit);
        self.engine = engine(self.config.clone(), self.engine.ledger.clone(), &self.clock, self.state.path());
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
        IntegrationName::parse("website-xero").unwrap()
    }

    fn request(&self, mode: Mode, full: bool) -> RunRequest {
        RunRequest {
            integration: self.integration(),
            pipelines: Vec::new(),
            connection: None,
            mode,
            full,
            limit: None,
            revert: None,
            why: "test".into(),
        }
    }

    /// A sync by hand, then a minute passes.
    pub async fn sync(&self) -> RunReport {
        let report = self.engine.run(self.request(Mode::Sync, false)).await.unwrap();
        assert_eq!(report.troubles, [], "{report:#?}");
        self.clock.advance(Duration::from_secs(60));
        report
    }

    /// A sync that reads everything, then a minute passes.
    pub async fn sync_full(&self) -> RunReport {
        let report = self.engine.run(self.request(Mode::Sync, true)).await.unwrap();
        assert_eq!(report.troubles, [], "{report:#?}");
        self.clock.advance(Duration::from_secs(60));
        report
    }

    /// Approves the first run.
    pub async fn approve(&self) {
        let _ = Desk::new(&self.engine).approve("website-xero").await;
    }

    fn writes(&self) -> u64 {
        self.sandbox.website.log().writes() + self.sandbox.xero.log().writes()
    }

    /// Syncs until nothing is left, then shows that nothing is: an empty plan, and no write in a quiet and a full run.
    pub async fn settled(&self) {
        self.sync().await;
        let before = self.writes();
        let plan = self.engine.run(self.request(Mode::Plan, false)).await.unwrap();
        assert!(plan.is_empty_plan(), "something is left to do: {plan:#?}");
        let quiet = self.sync().await;
        assert_eq!(self.writes(), before, "a quiet run wrote: {quiet:#?}");
        let full = self.sync_full().await;
        assert_eq!(self.writes(), before, "a full read wrote: {full:#?}");
    }

    /// A website contact with a sale, as a shop has it. Returns the contact's id.
    pub fn customer(&self, first: &str, last: &str) -> String {
        let contact = self.contact(first, last);
        self.sale(&contact, &format!("S-{first}"));
        contact
    }

    /// A website contact without a sale.
    pub fn contact(&self, first: &str, last: &str) -> String {
        let email = format!("{}@{}.example", first.to_lowercase(), last.to_lowercase());
        self.sandbox
            .website
            .insert("contacts", json!({ "first_name": first, "last_name": last, "email": email }))
            .unwrap()
    }

    /// A sale of one line, $115 including tax.
    pub fn sale(&self, contact: &str, number: &str) -> String {
        self.sandbox
            .website
            .insert(
                "sales",
                json!({
                    "number": number, "contact_id": contact, "sold_at": "2026-05-31T02:00:00.000Z", "due_on": "2026-06-20",
                    "currency": "NZD", "status": "open",
                    "lines": [{ "line_no": 1, "title": "Goods", "quantity": 1, "cents": 11500, "income": "goods" }],
                    "total": 115,
                }),
            )
            .unwrap()
    }

    /// A Xero contact with an invoice to it, which makes it a customer. Returns its id.
    pub fn xero_customer(&self, name: &str, email: &str) -> String {
        let contact = self.xero_contact(name, email);
        self.xero_invoice(&contact, "ACCREC");
        contact
    }

    /// A bare Xero contact.
    pub fn xero_contact(&self, name: &str, email: &str) -> String {
        let (first, last) = name.split_once(' ').unwrap_or((name, ""));
        self.sandbox
            .xero
            .insert("Contacts", json!({ "Name": name, "FirstName": first, "LastName": last, "EmailAddress": email }))
            .unwrap()
    }

    /// An invoice (`ACCREC`) or bill (`ACCPAY`) of a Xero contact.
    pub fn xero_invoice(&self, contact: &str, kind: &str) -> String {
        self.sandbox
            .xero
            .insert(
                "Invoices",
                json!({
                    "Type": kind, "Contact": { "ContactID": contact }, "Status": "AUTHORISED",
                    "Date": "2026-05-30", "DueDate": "2026-06-20",
                    "LineItems": [{ "Description": "Work", "Quantity": 1, "UnitAmount": 10, "AccountCode": "200" }],
                }),
            )
            .unwrap()
    }

    /// A receipt of so many dollars for a sale. Returns its id.
    pub fn receipt(&self, sale: &str, number: &str, method: &str, dollars: u32) -> String {
        let received = "2026-05-31T22:00:00.000Z";
        let receipt = json!({
            "number": number, "sale_id": sale, "received_at": received, "amount": dollars, "currency": "NZD", "method": method,
        });
        self.sandbox.website.insert("receipts", receipt).unwrap()
    }

    /// A payment of so many dollars that somebody enters in Xero. Returns its id.
    pub fn xero_payment(&self, invoice: &str, dollars: u32, account: &str, reference: &str) -> String {
        let payment = json!({
            "Invoice": { "InvoiceID": invoice }, "Account": { "Code": account }, "Date": "2026-06-01", "Amount": dollars,
            "Reference": reference,
        });
        self.sandbox.xero.insert("Payments", payment).unwrap()
    }

    pub fn website(&self, resource: &str) -> Vec<Value> {
        self.sandbox.website.list(resource)
    }

    pub fn xero(&self, resource: &str) -> Vec<Value> {
        self.sandbox.xero.list(resource)
    }

    /// The one record that has this text at a member.
    #[track_caller]
    pub fn one(records: &[Value], member: &str, text: &str) -> Value {
        let found: Vec<_> = records.iter().filter(|record| record[member] == text).collect();
        assert_eq!(found.len(), 1, "{member} {text} among {records:#?}");
        found[0].clone()
    }
}

/// What a run lists for a pipeline of the example.
pub fn findings<'r>(report: &'r RunReport, pipeline: &str) -> &'r [FindingItem] {
    let name = format!("website-xero/{pipeline}");
    &report.pipelines.iter().find(|report| report.pipeline.as_str() == name).unwrap().findings
}

/// The lines of an invoice: description, quantity, amount, account.
pub fn lines(invoice: &Value) -> Vec<(String, String, String, String)> {
    let decimal = |value: &Value, places: usize| format!("{:.places$}", value.as_f64().unwrap());
    let line = |line: &Value| {
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (text("Description"), decimal(&line["Quantity"], 0), decimal(&line["UnitAmount"], 2), text("AccountCode"))
    };
    invoice["LineItems"].as_array().unwrap().iter().map(line).collect()
}

/// A time of 1 June 2026 in Auckland.
pub fn afternoon(hour: u32, minute: u32) -> DateTime<Utc> {
    chrono_tz::Pacific::Auckland.with_ymd_and_hms(2026, 6, 1, hour, minute, 0).unwrap().with_timezone(&Utc)
}

/// The example, edited, for these systems.
fn load(sandbox: &Sandbox, edit: impl Fn(&str) -> String) -> Arc<Config> {
    let env = Env(BTreeMap::from([
        ("WEBSITE_URL", sandbox.website.url()),
        ("WEBSITE_TOKEN", sandbox.website.token().to_owned()),
        ("XERO_URL", sandbox.xero.url()),
        ("XERO_TOKEN", sandbox.xero.token().to_owned()),
        ("XERO_TENANT", sandbox.xero.tenant().to_owned()),
    ]));
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/configs/website-xero/website-xero.yaml");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("website-xero.yaml"), edit(&fs::read_to_string(example).unwrap())).unwrap();
    let loaded = config::load(folder.path(), &env);
    assert!(!loaded.has_errors(), "{}", loaded.render(false));
    Arc::new(loaded.config)
}

fn engine(config: Arc<Config>, ledger: Ledger, clock: &Clock, temp: &Path) -> Engine {
    let limits = Arc::new(LimitRegistry::new(clock.clone()));
    let mut connectors: BTreeMap<ConnectionName, Arc<dyn Connector>> = BTreeMap::new();
    for connection in config.connections.values() {
        let connector = HttpConnector::new(connection.clone(), clock.clone(), &limits).unwrap();
        connectors.insert(connection.name.clone(), Arc::new(connector));
    }
    Engine { config, ledger, connectors: Arc::new(connectors), clock: clock.clone(), temp: temp.to_path_buf(), seed: 1 }
}
