//! One suite for every built-in connector, against the practice system that behaves as the real one is documented.
//! `conformance_<connector>_<what>`; `docs/connectors.md` has the table.

use std::{
    collections::HashMap,
    fs,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use reconciled::{
    clock::Clock,
    config,
    connector::{
        Answer, CallError, Connector as _, ItemAnswer, PageSize, Paging, PullCursor, RemoteRecord, WriteItem, WriteKind,
    },
    record::RecordId,
    sandbox::{Fault, FaultRule, Website, WebsiteOptions, Xero, XeroOptions, Xpm, XpmOptions},
};
use serde_json::{Value, json};

use crate::{
    server::{Server, say},
    setup::{CREATE, Shop, UPDATE, item, new_item},
};

/// The systems.
#[derive(Clone, Copy, PartialEq, Eq)]
enum System {
    Website,
    Xero,
    Xpm,
}

/// A practice system, its faults, and a hand on its records.
enum Practice {
    Website(Website),
    Xero(Xero),
    Xpm(Xpm),
}

struct Rig {
    system: System,
    practice: Practice,
    shop: Shop,
    keys: AtomicU64,
}

/// A shop for a built-in connector at this address.
fn connected(system: System, clock: Clock, url: &str, token: &str, tenant: &str, resource: &str) -> Shop {
    let dir = tempfile::tempdir().unwrap();
    let name = match system {
        System::Website => "website",
        System::Xero => "xero",
        System::Xpm => "xpm",
    };
    let tenant = if system == System::Website { String::new() } else { format!("tenant: {tenant}, ") };
    let text = format!(
        "connections:\n  it: {{ connector: {name}, base_url: \"{url}\", {tenant}auth: {{ token: \"{token}\" }} }}\n"
    );
    fs::write(dir.path().join("it.yaml"), text).unwrap();
    let loaded = config::load(dir.path(), &HashMap::<String, String>::new());
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
    let connection = loaded.config.connections.values().next().unwrap();
    let resource = connection.manifest.resources[resource].as_ref().clone();
    Shop::on(clock, connection.as_ref().clone(), resource)
}

impl Rig {
    async fn start(system: System) -> Self {
        Self::of(system, if system == System::Xpm { "clients" } else { "contacts" }).await
    }

    async fn of(system: System, resource: &str) -> Self {
        let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
        let (practice, url, token, tenant) = match system {
            System::Website => {
                let site = Website::start(WebsiteOptions::new(clock.clone())).await.unwrap();
                let (url, token) = (site.url(), site.token().to_owned());
                (Practice::Website(site), url, token, String::new())
            }
            System::Xero => {
                let xero = Xero::start(XeroOptions::new(clock.clone())).await.unwrap();
                let (url, token, tenant) = (xero.url(), xero.token().to_owned(), xero.tenant().to_owned());
                (Practice::Xero(xero), url, token, tenant)
            }
            System::Xpm => {
                let xpm = Xpm::start(XpmOptions::new(clock.clone())).await.unwrap();
                let (url, token, tenant) = (xpm.url(), xpm.token().to_owned(), xpm.tenant().to_owned());
                (Practice::Xpm(xpm), url, token, tenant)
            }
        };
        Self {
            system,
            practice,
            shop: connected(system, clock, &url, &token, &tenant, resource),
            keys: AtomicU64::new(0),
        }
    }

    fn fault(&self, rule: FaultRule) {
        let faults = match &self.practice {
            Practice::Website(site) => site.faults(),
            Practice::Xero(xero) => xero.faults(),
            Practice::Xpm(xpm) => xpm.faults(),
        };
        faults.add(rule);
    }

    /// A person makes a record of this name.
    fn insert(&self, name: &str) -> String {
        match &self.practice {
            Practice::Website(site) => site.insert("contacts", body(self.system, name)).unwrap(),
            Practice::Xero(xero) => xero.insert("Contacts", body(self.system, name)).unwrap(),
            Practice::Xpm(xpm) if self.shop.resource.name == "contacts" => {
                xpm.insert("contacts", &format!("<Contact><Name>{name}</Name></Contact>")).unwrap()
            }
            Practice::Xpm(xpm) => xpm.insert("clients", &format!("<Client><Name>{name}</Name></Client>")).unwrap(),
        }
    }

    /// A person deletes a record, or does what comes nearest.
    fn delete(&self, id: &str) {
        match &self.practice {
            Practice::Website(site) => site.remove("contacts", id).unwrap(),
            Practice::Xero(xero) => xero.edit("Contacts", id, json!({ "ContactStatus": "ARCHIVED" })).unwrap(),
            Practice::Xpm(xpm) => xpm.delete(&self.shop.resource.name, id),
        }
    }

    fn count(&self) -> usize {
        match &self.practice {
            Practice::Website(site) => site.count("contacts"),
            Practice::Xero(xero) => xero.count("Contacts"),
            Practice::Xpm(xpm) => xpm.ids(&self.shop.resource.name).len(),
        }
    }

    fn name<'r>(&self, record: &'r RemoteRecord) -> &'r str {
        record.body[name_of(self.system)].as_str().unwrap_or_default()
    }

    async fn write_one(&self, kind: WriteKind, write: WriteItem) -> ItemAnswer {
        self.write(kind, &[write]).await.unwrap().items.remove(0)
    }

    /// Writes under a key of its own, as every call of the engine has.
    async fn write(&self, kind: WriteKind, items: &[WriteItem]) -> Result<Answer, CallError> {
        let key = format!("key-{}", self.keys.fetch_add(1, Ordering::Relaxed));
        let call = self.shop.connector.prepare(&self.shop.resource, kind, items, &key)?;
        self.shop.run(self.shop.connector.send(&self.shop.resource, &call)).await
    }
}

fn name_of(system: System) -> &'static str {
    match system {
        System::Website => "first_name",
        System::Xero | System::Xpm => "Name",
    }
}

fn body(system: System, name: &str) -> Value {
    json!({ name_of(system): name })
}

fn written(answer: ItemAnswer) -> RemoteRecord {
    match answer {
        ItemAnswer::Written { record, body: true } => *record,
        other => panic!("{other:?}"),
    }
}

/// Records come and go between two pages: whoever was there all the time is listed, or found by a second look.
async fn paging(system: System) {
    let mut rig = Rig::of(system, "contacts").await;
    let two = |size: &mut Option<PageSize>| size.as_mut().unwrap().value = 2;
    match &mut rig.shop.resource.list.as_mut().unwrap().paging {
        Paging::Number { size, .. } | Paging::Link { size, .. } => two(size),
        other => panic!("{other:?}"),
    }
    let mut there: Vec<String> = (0..7).map(|number| rig.insert(&format!("N{number}"))).collect();
    let first = rig.shop.page(None, None).await.unwrap();
    assert_eq!(first.records.len(), 2);
    let gone = first.records[0].id.to_string();
    rig.delete(&gone);
    rig.insert("late");
    there.retain(|id| *id != gone);
    let (mut page, mut listed) = (first.next, crate::yaml::ids(&first.records));
    while page.is_some() {
        let read = rig.shop.page(None, page).await.unwrap();
        listed.extend(crate::yaml::ids(&read.records));
        page = read.next;
    }
    let missing: Vec<&String> = there.iter().filter(|id| !listed.contains(id)).collect();
    assert!(missing.len() <= 1, "one page moved by one record: {missing:?}");
    for id in missing {
        assert!(rig.shop.one(id).await.unwrap().is_some(), "{id} is there");
    }
}

/// Two changes at one instant, and one in the very second of the cursor: none of them is missed.
async fn incremental(system: System) {
    let rig = Rig::start(system).await;
    rig.insert("old");
    rig.shop.clock.advance(Duration::from_secs(3600));
    let listed = rig.shop.page(None, None).await.unwrap();
    let began = listed.server_time.unwrap();
    // Right after the listing, at one instant: ties with each other and with the cursor.
    let new = [rig.insert("tie a"), rig.insert("tie b")];
    let overlap = rig.shop.resource.list.as_ref().unwrap().changed_since.as_ref().unwrap().overlap;
    let since = began - chrono::TimeDelta::from_std(overlap).unwrap();
    rig.shop.clock.advance(Duration::from_secs(60));
    let cursor = PullCursor { since: Some(since), page: None };
    let page = rig.shop.run(rig.shop.connector.pull(&rig.shop.resource, &cursor)).await.unwrap();
    let names: Vec<&str> = page.records.iter().map(|record| rig.name(record)).collect();
    assert!(new.iter().all(|id| page.records.iter().any(|record| record.id.as_str() == id)), "{names:?}");
    assert!(!names.contains(&"old"), "{names:?}");
}

/// What is written is what is read back, and answers speak of what they wrote.
async fn create_update_readback(system: System) {
    let rig = Rig::start(system).await;
    let made = written(rig.write_one(CREATE, new_item(body(system, "Kea & Sons"))).await);
    assert_eq!(rig.name(&made), "Kea & Sons");
    let read = rig.shop.one(made.id.as_str()).await.unwrap().unwrap();
    assert_eq!((rig.name(&read), &read.version), ("Kea & Sons", &made.version));
    let write = WriteItem { version: read.version.clone(), ..item(made.id.as_str(), body(system, "Tūī Ltd")) };
    let changed = written(rig.write_one(UPDATE, write).await);
    assert_eq!((rig.name(&changed), &changed.id), ("Tūī Ltd", &made.id));
    assert_eq!(rig.name(&rig.shop.one(made.id.as_str()).await.unwrap().unwrap()), "Tūī Ltd");
    assert_eq!(rig.count(), 1);
    let nobody = "00000000-0000-4000-8000-00000000dead";
    assert!(rig.shop.one(nobody).await.unwrap().is_none(), "a record that is not there is none, not an error");
}

/// A value that the system does not take is seen in its answer.
async fn ignored_fields(system: System) {
    let rig = Rig::start(system).await;
    let id = rig.insert("Kea");
    let (field, value) = match system {
        System::Website => return,
        // Names of persons are taken whole or not at all; the status is not taken by an update of a name.
        System::Xero => ("SkypeUserName", json!("kea")),
        System::Xpm => ("Contacts", json!([{ "Name": "Rua" }])),
    };
    let mut write = body(system, "Kea Ltd");
    write[field] = value.clone();
    let answered = written(rig.write_one(UPDATE, item(&id, write)).await);
    assert_eq!(rig.name(&answered), "Kea Ltd");
    assert_ne!(answered.body.get(field), Some(&value), "the answer says what was taken");
}

/// One bad record is refused in the remote's words, and takes no other with it.
async fn per_item_failure(system: System) {
    let rig = Rig::start(system).await;
    let bad = match system {
        System::Website => json!({ "first_name": 7 }),
        System::Xero | System::Xpm => json!({ "Name": "" }),
    };
    let most = rig.shop.resource.batch_size(CREATE).min(2);
    let items = [new_item(bad), new_item(body(system, "good"))];
    let mut answers = Vec::new();
    for chunk in items.chunks(most) {
        answers.extend(rig.write(CREATE, chunk).await.unwrap().items);
    }
    assert!(matches!(&answers[0], ItemAnswer::Refused { message, .. } if !message.is_empty()), "{answers:?}");
    assert_eq!(rig.name(&written(answers.remove(1))), "good");
    assert_eq!(rig.count(), 1);
}

/// "Too many requests", again and again: the calls wait as long as they are told, and are made.
async fn throttle_storm(system: System) {
    let rig = Rig::start(system).await;
    let id = rig.insert("Kea");
    rig.fault(FaultRule::new(Fault::StatusRetryAfter(429, 2)).times(3));
    let before = rig.shop.clock.now();
    assert!(rig.shop.one(&id).await.unwrap().is_some());
    assert!(rig.shop.clock.now() - before >= chrono::TimeDelta::seconds(6));
    rig.fault(FaultRule::new(Fault::StatusRetryAfter(429, 2)).times(3));
    written(rig.write_one(CREATE, new_item(body(system, "Tui"))).await);
    assert_eq!(rig.count(), 2);
}

/// A write whose answer is lost is unknown, never failed, and not repeated by the connector.
async fn lost_answer(system: System) {
    let rig = Rig::start(system).await;
    rig.fault(FaultRule::new(Fault::DropAfter).on("WRITE", "*").times(1));
    let error = rig.write(CREATE, &[new_item(body(system, "Kea"))]).await.unwrap_err();
    assert!(matches!(error, CallError::Unknown(_)), "{error}");
    assert_eq!(rig.count(), 1);
    rig.fault(FaultRule::new(Fault::DropBefore).on("WRITE", "*").times(1));
    let error = rig.write(CREATE, &[new_item(body(system, "Tui"))]).await.unwrap_err();
    assert!(matches!(error, CallError::Unknown(_)), "{error}");
    assert_eq!(rig.count(), 1);
}

/// An answer that is cut, of another kind, or of another shape is never taken for a page.
async fn broken_bodies(system: System) {
    let rig = Rig::start(system).await;
    rig.insert("Kea");
    for fault in [Fault::Truncate, Fault::HtmlPage, Fault::CloseMidBody] {
        rig.fault(FaultRule::new(fault.clone()).on("GET", "*").times(4));
        let error = rig.shop.page(None, None).await.unwrap_err();
        assert!(matches!(error, CallError::BadAnswer(_) | CallError::Unknown(_)), "{fault:?}: {error}");
        assert_eq!(rig.shop.page(None, None).await.unwrap().records.len(), 1, "{fault:?}");
    }
    let odd = match system {
        System::Website => ["{\"items\":{\"a\":1},\"pages\":1}", "{\"items\":[7],\"pages\":1}", "[]", "{}"],
        System::Xero => [
            "{\"Contacts\":{\"a\":1},\"pagination\":{\"pageCount\":1}}",
            "{\"Contacts\":[{\"Name\":\"x\"}],\"pagination\":{\"pageCount\":1}}",
            "[]",
            "{}",
        ],
        System::Xpm => [
            "<Response><Status>OK</Status><Clients>soon</Clients></Response>",
            "<Response><Status>OK</Status><Clients><Client><Name>x</Name></Client></Clients></Response>",
            "<Response><Status>OK</Status></Response>",
            "<Response/>",
        ],
    };
    for text in odd {
        let server = Server::start(move |_, _| say(200, "", text)).await;
        let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
        let shop = connected(
            system,
            clock,
            &server.url(),
            "t",
            "5ac1e3f0-7d0b-4a53-9c58-3f0f3f6f0001",
            &rig.shop.resource.name,
        );
        let page = shop.page(None, None).await;
        assert!(matches!(page, Err(CallError::BadAnswer(_) | CallError::Refused { .. })), "{text}: {page:?}");
    }
}

/// The same call twice makes one record, where the remote promises so; where it does not, the call says so.
async fn idempotency(system: System) {
    let rig = Rig::start(system).await;
    let call = rig.shop.connector.prepare(&rig.shop.resource, CREATE, &[new_item(body(system, "Kea"))], "k-1").unwrap();
    if system == System::Xpm {
        assert_eq!(call.key_lives, None, "no key is documented, so nothing is resent");
        return;
    }
    assert!(call.key_lives.is_some());
    let first = rig.shop.run(rig.shop.connector.send(&rig.shop.resource, &call)).await.unwrap().items.remove(0);
    let second = rig.shop.run(rig.shop.connector.send(&rig.shop.resource, &call)).await.unwrap().items.remove(0);
    assert_eq!(written(first).id, written(second).id);
    assert_eq!(rig.count(), 1);
}

/// A write that was planned from an older version is refused as stale, where the system has versions.
async fn stale_version(system: System) {
    let rig = Rig::start(system).await;
    let id = rig.insert("Kea");
    let read = rig.shop.one(&id).await.unwrap().unwrap();
    if system != System::Website {
        assert_eq!(read.version, None, "no version is documented");
        return;
    }
    let write = |version: &Option<String>| WriteItem { version: version.clone(), ..item(&id, body(system, "Tui")) };
    let newer = written(rig.write_one(UPDATE, write(&read.version)).await);
    let answer = rig.write_one(UPDATE, write(&read.version)).await;
    assert!(matches!(answer, ItemAnswer::Refused { stale: true, .. }), "{answer:?}");
    written(rig.write_one(UPDATE, write(&newer.version)).await);
}

macro_rules! conformance {
    ($($name:ident: $check:ident($system:ident);)*) => {
        $(#[tokio::test] async fn $name() { $check(System::$system).await; })*
    };
}

conformance! {
    conformance_website_paging: paging(Website);
    conformance_website_incremental: incremental(Website);
    conformance_website_create_update_readback: create_update_readback(Website);
    conformance_website_per_item_failure: per_item_failure(Website);
    conformance_website_throttle_storm: throttle_storm(Website);
    conformance_website_lost_answer: lost_answer(Website);
    conformance_website_broken_bodies: broken_bodies(Website);
    conformance_website_idempotency: idempotency(Website);
    conformance_website_stale_version: stale_version(Website);
    conformance_xero_paging: paging(Xero);
    conformance_xero_incremental: incremental(Xero);
    conformance_xero_create_update_readback: create_update_readback(Xero);
    conformance_xero_ignored_fields: ignored_fields(Xero);
    conformance_xero_per_item_failure: per_item_failure(Xero);
    conformance_xero_throttle_storm: throttle_storm(Xero);
    conformance_xero_lost_answer: lost_answer(Xero);
    conformance_xero_broken_bodies: broken_bodies(Xero);
    conformance_xero_idempotency: idempotency(Xero);
    conformance_xero_stale_version: stale_version(Xero);
    conformance_xpm_paging: paging(Xpm);
    conformance_xpm_incremental: incremental(Xpm);
    conformance_xpm_create_update_readback: create_update_readback(Xpm);
    conformance_xpm_ignored_fields: ignored_fields(Xpm);
    conformance_xpm_per_item_failure: per_item_failure(Xpm);
    conformance_xpm_throttle_storm: throttle_storm(Xpm);
    conformance_xpm_lost_answer: lost_answer(Xpm);
    conformance_xpm_broken_bodies: broken_bodies(Xpm);
    conformance_xpm_idempotency: idempotency(Xpm);
    conformance_xpm_stale_version: stale_version(Xpm);
}

#[tokio::test]
async fn conformance_xpm_words_differ_between_reading_and_writing() {
    let rig = Rig::start(System::Xpm).await;
    let Practice::Xpm(xpm) = &rig.practice else { return };
    let manager = xpm.insert("staff", "<Staff><Name>Jo Partner</Name></Staff>").unwrap();
    let values = json!({ "Name": "Kea", "Website": "https://kea.example", "GSTPeriod": "2 Monthly", "GSTRegistered": true,
        "AccountManager": { "UUID": manager }, "Contacts": [{ "Name": "Rua", "IsPrimary": true }] });
    let made = written(rig.write_one(CREATE, new_item(values)).await);
    assert_eq!(made.body["Website"], "https://kea.example");
    assert_eq!(made.body["GSTPeriod"], "2 Monthly");
    assert_eq!(made.body["GSTRegistered"], true);
    assert_eq!(made.body["AccountManager"], json!({ "UUID": manager, "Name": "Jo Partner" }));
    assert_eq!(made.body["Contacts"][0]["IsPrimary"], true);
    assert_eq!(made.body["Groups"], json!([]));
    // A deleted client stays in the list, marked.
    xpm.delete("clients", made.id.as_str());
    let page = rig.shop.page(None, None).await.unwrap();
    assert!(page.records[0].gone);
}

#[tokio::test]
async fn conformance_xpm_groups_are_read_with_their_members_and_jobs_by_windows() {
    let rig = Rig::of(System::Xpm, "groups").await;
    let Practice::Xpm(xpm) = &rig.practice else { return };
    let client = xpm.insert("clients", "<Client><Name>Kea</Name></Client>").unwrap();
    xpm.insert("groups", &format!("<Group><Name>Farms</Name><ClientUUID>{client}</ClientUUID></Group>")).unwrap();
    let groups = rig.shop.listed(None).await;
    assert_eq!(groups[0].body["Clients"][0]["UUID"], client.as_str());
    assert_eq!(groups[0].label, "Farms");

    let jobs = connected(System::Xpm, rig.shop.clock.clone(), &xpm.url(), xpm.token(), xpm.tenant(), "jobs");
    let values = json!({ "Name": "Year end", "Client": { "UUID": client }, "StartDate": "2026-05-11", "ClientOrderNumber": "PO 7" });
    let made = written(jobs.write(CREATE, &[new_item(values)]).await.unwrap().items.remove(0));
    assert_eq!((made.id.as_str(), &made.body["StartDate"]), ("J000001", &json!("2026-05-11")));
    assert_eq!(made.body["ClientOrderNumber"], "PO 7");
    let listed = jobs.listed(None).await;
    assert_eq!(crate::yaml::ids(&listed), ["J000001"]);
    assert_eq!(listed[0].body["Client"]["Name"], "Kea");
    let changed = jobs.write(UPDATE, &[item("J000001", json!({ "DueDate": "2026-06-30" }))]).await.unwrap();
    assert_eq!(written(changed.items.into_iter().next().unwrap()).body["DueDate"], "2026-06-30");
    let one = RecordId::from("J000009");
    assert!(jobs.run(jobs.connector.get(&jobs.resource, &one)).await.unwrap().is_none());
}
