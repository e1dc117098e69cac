//! Webhooks, through the daemon and its public listener.

use std::{collections::BTreeMap, fs, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reconciled::{
    config::{ConnectionName, IntegrationName, load},
    connector::Connector,
    daemon::{Daemon, DaemonSettings, Handle},
    engine::{Engine, Mode, RunRequest},
    sandbox::{Fault, Website, WebsiteOptions, Xero},
    store::{Ledger, MemoryStore},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::setup::{Office, start};

const KEY: &str = "canary-hook-key";

/// Customers of a Xero go to a website; nothing is polled.
pub(super) struct Shop {
    pub office: Office,
    website: Website,
    folder: TempDir,
}

impl Shop {
    pub async fn open() -> (Self, Handle) {
        Self::looking("{ sync: { after_idle: 20d } }").await
    }

    /// With this timetable.
    async fn looking(schedule: &str) -> (Self, Handle) {
        let mut office = Office::new().await;
        let website = Website::start(WebsiteOptions::new(office.clock.clone())).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let yaml = format!(
            "{}  shop: {{ connector: website, base_url: \"{}\", auth: {{ token: {} }} }}\n\
             integrations:\n  acme-shop:\n    debounce: {{ wait: 2m, max_wait: 2m }}\n    schedule: {schedule}\n\
             \x20   first_run: {{ apply: automatic }}\n    pipelines:\n      people:\n        source: acme/contacts\n        target: shop/contacts\n\
             \x20       direction: source-to-target\n        guards: {{ touched: unlimited }}\n        match: [ {{ source: $.EmailAddress, target: $.email }} ]\n        fields:\n\
             \x20         - {{ source: $.EmailAddress, target: $.email }}\n          - {{ source: $.Name, target: $.last_name }}\n\
             \x20         - {{ source: $.IsCustomer, target: $.primary }}\n",
            office.yaml(&format!("    webhook_key: {KEY}\n")),
            website.url(),
            website.token(),
        );
        fs::write(folder.path().join("x.yaml"), yaml).unwrap();
        fs::write(folder.path().join("reconciled.toml"), "[listen]\npublic = \"127.0.0.1:0\"\n").unwrap();
        let loaded = load(folder.path(), &std::collections::HashMap::<String, String>::new());
        assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
        office.config = loaded.config;
        office.consent(None).await.unwrap();
        let shop = Self { office, website, folder };
        let daemon = shop.daemon().await;
        daemon.run_until(start()).await;
        (shop, daemon)
    }

    pub fn engine(&self) -> Engine {
        let connectors = self
            .office
            .config
            .connections
            .keys()
            .map(|name| (name.clone(), Arc::new(self.office.connector(name.as_str())) as Arc<dyn Connector>));
        let connectors: BTreeMap<ConnectionName, Arc<dyn Connector>> = connectors.collect();
        Engine {
            config: Arc::new(self.office.config.clone()),
            ledger: Ledger::new(self.office.store.clone()),
            connectors: Arc::new(connectors),
            clock: self.office.clock.clone(),
            temp: self.folder.path().to_path_buf(),
            seed: 1,
        }
    }

    async fn daemon(&self) -> Handle {
        let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_secs(30) };
        Daemon::start(self.engine(), settings).await.unwrap()
    }

    fn url(&self, daemon: &Handle, path: &str) -> String {
        format!("http://{}/hooks/{path}", daemon.status().public.unwrap().address)
    }

    /// Xero tells what changed.
    pub async fn tell(&self, daemon: &Handle, events: &[Value]) -> u16 {
        self.office.xero.tell(&self.url(daemon, "office"), KEY, events).await
    }

    /// Says anything to the listener, and gives what it answers.
    async fn say(&self, daemon: &Handle, head: &str, body: &str) -> String {
        let address = daemon.status().public.unwrap().address;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let length = body.len();
        let text = format!("{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// So many minutes pass.
    pub async fn minutes(&self, daemon: &Handle, minutes: i64) {
        let until = self.office.clock.now() + chrono::TimeDelta::minutes(minutes);
        tokio::time::timeout(Duration::from_mins(5), daemon.run_until(until)).await.expect("this hangs");
    }

    fn person(&self, email: &str) -> Option<Value> {
        self.website.list("contacts").into_iter().find(|person| person["email"] == email)
    }

    async fn runs(&self) -> usize {
        let name = IntegrationName::parse("acme-shop").unwrap();
        Ledger::new(self.office.store.clone()).runs(&name, 100).await.unwrap().len()
    }

    /// What waits is carried over, and then nothing is left to do.
    pub async fn at_rest_after_a_run(&self) {
        let daemon = self.daemon().await;
        self.minutes(&daemon, 5).await;
        daemon.stop().await;
        assert!(self.person("rua@kea.example").is_some());
        self.at_rest().await;
    }

    /// Nothing is left to do, and a run by hand writes nothing.
    pub async fn at_rest(&self) {
        let request = |mode| RunRequest {
            integration: IntegrationName::parse("acme-shop").unwrap(),
            pipelines: Vec::new(),
            connection: None,
            mode,
            full: true,
            limit: None,
            revert: None,
            list: false,
            why: "test".into(),
        };
        let before = self.website.log().writes();
        let engine = self.engine();
        assert!(engine.run(request(Mode::Plan)).await.unwrap().is_empty_plan());
        engine.run(request(Mode::Sync)).await.unwrap();
        assert_eq!(self.website.log().writes(), before);
    }
}

fn contact(email: &str) -> Value {
    json!({ "Name": email.split('@').next(), "EmailAddress": email })
}

#[tokio::test]
async fn a_hook_brings_a_change_that_nobody_polled_for() {
    let (shop, daemon) = Shop::open().await;
    shop.office.xero.insert("Contacts", contact("rua@kea.example")).unwrap();
    shop.minutes(&daemon, 60).await;
    assert_eq!(shop.person("rua@kea.example"), None, "nobody looks");
    assert_eq!(shop.tell(&daemon, &shop.office.xero.news()).await, 200);
    shop.minutes(&daemon, 1).await;
    assert_eq!(shop.person("rua@kea.example"), None, "the window is open");
    shop.minutes(&daemon, 1).await;
    assert_eq!(shop.person("rua@kea.example").unwrap()["last_name"], "rua");
    let runs = shop.runs().await;
    shop.minutes(&daemon, 600).await;
    assert_eq!(shop.runs().await, runs);
    daemon.stop().await;
    shop.at_rest().await;
}

#[tokio::test]
async fn what_the_feed_of_changes_misses_is_read_by_id() {
    let (shop, daemon) = Shop::open().await;
    let id = shop.office.xero.insert("Contacts", contact("rua@kea.example")).unwrap();
    shop.tell(&daemon, &shop.office.xero.news()).await;
    shop.minutes(&daemon, 2).await;
    assert_eq!(shop.person("rua@kea.example").unwrap()["primary"], false);
    shop.minutes(&daemon, 60).await;
    becomes_customer(&shop.office.xero, &id);
    let mut event = shop.office.xero.news().remove(0);
    (event["eventCategory"], event["resourceId"]) = (json!("CONTACT"), json!(id));
    shop.tell(&daemon, &[event]).await;
    shop.minutes(&daemon, 2).await;
    assert_eq!(shop.person("rua@kea.example").unwrap()["primary"], true);
    let asked =
        |log: &reconciled::sandbox::RequestLog| log.entries().iter().filter(|entry| entry.path.ends_with(&id)).count();
    assert_eq!(asked(shop.office.xero.log()), 1, "it was looked at once");
    daemon.stop().await;
    shop.at_rest().await;
    assert_eq!(asked(shop.office.xero.log()), 1, "and is forgotten");
}

#[tokio::test]
async fn whoever_does_not_sign_is_turned_away_and_xero_is_believed_to_be_received() {
    let (shop, daemon) = Shop::open().await;
    let xero = &shop.office.xero;
    assert!(xero.means_to_receive(&shop.url(&daemon, "office"), KEY).await);
    xero.insert("Contacts", contact("rua@kea.example")).unwrap();
    let news = xero.news();
    let runs = shop.runs().await;
    assert_eq!(xero.tell(&shop.url(&daemon, "office"), "another", &news).await, 401);
    assert_eq!(xero.tell(&shop.url(&daemon, "acme"), KEY, &news).await, 404, "the connection gives no key of its own");
    assert_eq!(xero.tell(&shop.url(&daemon, "nobody"), KEY, &news).await, 404);
    let looking = shop.say(&daemon, "GET /hooks/office HTTP/1.1", "").await;
    assert!(looking.starts_with("HTTP/1.1 405 "), "{looking}");
    let many: Vec<Value> = std::iter::repeat_n(news[0].clone(), 4_000).collect();
    assert_eq!(xero.tell(&shop.url(&daemon, "office"), KEY, &many).await, 0, "too large, and it is said why");
    shop.minutes(&daemon, 60).await;
    assert_eq!(shop.runs().await, runs, "nothing was begun");
    daemon.stop().await;
}

#[tokio::test]
async fn whoever_may_speak_and_is_not_understood_makes_everybody_look() {
    let (shop, daemon) = Shop::open().await;
    shop.office.xero.insert("Contacts", contact("rua@kea.example")).unwrap();
    let body = "this is no JSON";
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, KEY.as_bytes());
    let signature = BASE64_STANDARD.encode(ring::hmac::sign(&key, body.as_bytes()));
    let head = format!("POST /hooks/office HTTP/1.1\r\nx-xero-signature: {signature}");
    let answer = shop.say(&daemon, &head, body).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    shop.minutes(&daemon, 3).await;
    assert!(shop.person("rua@kea.example").is_some());
    daemon.stop().await;
    shop.at_rest().await;
}

/// Becoming a customer does not stamp the contact: no feed of changes tells of it.
fn becomes_customer(xero: &Xero, id: &str) {
    let line = json!([{ "Description": "Advice", "Quantity": 1, "UnitAmount": 10, "AccountCode": "200" }]);
    let invoice = json!({ "Type": "ACCREC", "Contact": { "ContactID": id }, "LineItems": line, "Status": "AUTHORISED",
        "Date": "2026-06-01", "DueDate": "2026-06-20" });
    xero.insert("Invoices", invoice).unwrap();
}

fn event(xero: &Xero, id: &str) -> Value {
    json!({ "resourceId": id, "eventCategory": "CONTACT", "tenantId": xero.tenant() })
}

#[tokio::test]
async fn what_is_told_while_it_is_looked_at_is_looked_at_again() {
    let (shop, daemon) = Shop::open().await;
    let xero = &shop.office.xero;
    let id = xero.insert("Contacts", contact("rua@kea.example")).unwrap();
    shop.tell(&daemon, &xero.news()).await;
    shop.minutes(&daemon, 60).await;
    assert_eq!(shop.person("rua@kea.example").unwrap()["primary"], false);
    // What is read by its id is answered late, as it was before.
    let path = format!("*/Contacts/{id}");
    xero.faults().once(Fault::SlowAfter(Duration::from_secs(2)), "GET", &path);
    let asked = || xero.log().matching("GET", &path).len();
    let before = asked();
    assert_eq!(shop.tell(&daemon, &[event(xero, &id)]).await, 200);
    let meanwhile = async {
        while asked() == before {
            tokio::task::yield_now().await;
        }
        becomes_customer(xero, &id);
        assert_eq!(shop.tell(&daemon, &[event(xero, &id)]).await, 200);
    };
    tokio::join!(shop.minutes(&daemon, 3), meanwhile);
    shop.minutes(&daemon, 5).await;
    assert_eq!(shop.person("rua@kea.example").unwrap()["primary"], true);
    daemon.stop().await;
    shop.at_rest().await;
}

#[tokio::test]
async fn more_than_can_be_read_by_id_at_once_is_read_all_the_same() {
    let (shop, daemon) = Shop::open().await;
    let xero = &shop.office.xero;
    let ids: Vec<String> =
        (0..110).map(|number| xero.insert("Contacts", contact(&format!("c{number}@kea.example"))).unwrap()).collect();
    shop.tell(&daemon, &xero.news()).await;
    shop.minutes(&daemon, 60).await;
    ids.iter().for_each(|id| becomes_customer(xero, id));
    let events: Vec<Value> = ids.iter().map(|id| event(xero, id)).collect();
    assert_eq!(shop.tell(&daemon, &events).await, 200);
    shop.minutes(&daemon, 3).await;
    let customers = || shop.website.list("contacts").iter().filter(|person| person["primary"] == true).count();
    // Whatever makes it look again, should a run not have come to the end of it.
    assert_eq!(shop.tell(&daemon, &[event(xero, &ids[0])]).await, 200);
    shop.minutes(&daemon, 3).await;
    assert_eq!(customers(), 110);
    daemon.stop().await;
    shop.at_rest().await;
}

#[tokio::test]
async fn what_comes_twice_late_or_for_somebody_else_does_no_harm() {
    let (shop, daemon) = Shop::open().await;
    let xero = &shop.office.xero;
    let id = xero.insert("Contacts", contact("rua@kea.example")).unwrap();
    let first = xero.news();
    shop.office.clock.advance(Duration::from_secs(1));
    xero.edit("Contacts", &id, json!({ "Name": "Rua Kea" })).unwrap();
    let second = xero.news();
    let unknown = json!({ "resourceId": "00000000-0000-4000-8000-000000000000", "eventCategory": "CONTACT",
        "tenantId": xero.tenant() });
    for events in [&second, &first, &second, &first, &vec![unknown, json!(7), json!({ "eventCategory": "CREDITNOTE" })]]
    {
        assert_eq!(shop.tell(&daemon, events).await, 200);
    }
    shop.minutes(&daemon, 3).await;
    assert_eq!(shop.person("rua@kea.example").unwrap()["last_name"], "Rua Kea");
    let (runs, writes) = (shop.runs().await, shop.website.log().writes());
    assert_eq!(writes, 2, "Kea, who was there before, and Rua");
    // Of an organisation that nobody here speaks to.
    let mut foreign = second[0].clone();
    foreign["tenantId"] = json!("5ac1e3f0-7d0b-4a53-9c58-3f0f3f6f0002");
    // And of what no pipeline reads.
    let mut unread = second[0].clone();
    unread["eventCategory"] = json!("INVOICE");
    assert_eq!(shop.tell(&daemon, &[foreign, unread]).await, 200);
    shop.minutes(&daemon, 60).await;
    assert_eq!((shop.runs().await, shop.website.log().writes()), (runs, writes));
    daemon.stop().await;
    shop.at_rest().await;
}

#[tokio::test]
async fn a_hook_that_was_answered_survives_a_crash_and_one_that_cannot_be_kept_is_not_answered() {
    let (mut shop, daemon) = Shop::open().await;
    shop.office.xero.insert("Contacts", contact("rua@kea.example")).unwrap();
    let news = shop.office.xero.news();
    shop.office.store.fail_from(None, 1);
    assert_eq!(shop.tell(&daemon, &news).await, 503);
    shop.office.store.heal();
    shop.minutes(&daemon, 5).await;
    assert_eq!(shop.tell(&daemon, &news).await, 200);
    // The power fails before the window closes.
    let store: MemoryStore = shop.office.store.crash_keeping(0);
    daemon.stop().await;
    shop.office.restart(store);
    let daemon = shop.daemon().await;
    shop.minutes(&daemon, 3).await;
    assert!(shop.person("rua@kea.example").is_some());
    daemon.stop().await;
    shop.at_rest().await;
}

#[tokio::test]
async fn polls_slow_down_while_hooks_come_and_come_back_when_one_was_missed() {
    let (shop, daemon) = Shop::looking("{ poll: { acme: 2m }, sync: { after_idle: 20d } }").await;
    let xero = &shop.office.xero;
    let hooks = || daemon.status().integrations[0].hooks.clone();
    let asked = || xero.log().matching("GET", "*/Contacts*").len();
    shop.minutes(&daemon, 5).await;
    let before = asked();
    shop.minutes(&daemon, 60).await;
    assert_eq!((asked() - before, hooks().len()), (30, 0), "as the configuration says");
    // A hook comes: its change is brought, and for a day polls are ten times rarer.
    xero.insert("Contacts", contact("rua@kea.example")).unwrap();
    assert_eq!(shop.tell(&daemon, &xero.news()).await, 200);
    shop.minutes(&daemon, 3).await;
    assert!(shop.person("rua@kea.example").is_some());
    let told = hooks();
    assert_eq!((told.len(), told[0].connection.as_str(), told[0].polled_every), (1, "acme", Some(1200)), "{told:?}");
    let before = asked();
    shop.minutes(&daemon, 60).await;
    assert_eq!(asked() - before, 3, "the backstop goes on");
    // A change of which no hook tells: the next slow poll finds it, and the old rhythm is back.
    xero.insert("Contacts", contact("ana@kea.example")).unwrap();
    shop.minutes(&daemon, 25).await;
    assert!(shop.person("ana@kea.example").is_some());
    assert_eq!(hooks()[0].polled_every, Some(120));
    let before = asked();
    shop.minutes(&daemon, 60).await;
    assert_eq!(asked() - before, 30);
    daemon.stop().await;
    shop.at_rest().await;
}
