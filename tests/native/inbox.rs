//! The door of an inbox: who gets in, what is kept, and what is said.

use std::time::Duration;

use chrono::TimeDelta;
use reconciled::{
    clock::Clock,
    config::ConnectionName,
    connector::PullCursor,
    daemon::protocol::{Request, Response},
    engine::Mode,
    sandbox::{Fault, FaultRule, Xero, XeroOptions},
    store::move_connection,
};
use serde_json::{Value, json};

use crate::{
    example::{afternoon, until},
    posts::{Office, TOKEN, xero_by_grant},
};

/// The practice Xero must live: a run that begins by itself asks it.
async fn office() -> (Office, Xero) {
    let clock = Clock::manual(afternoon(14, 0));
    let xero = Xero::start(XeroOptions::new(clock.clone()).unlimited()).await.unwrap();
    let env = xero_by_grant(&xero);
    (Office::start("proposals-xero", &clock, env).await, xero)
}

async fn kept(office: &Office, resource: &str) -> Vec<String> {
    let connector = &office.example.engine.connectors[&ConnectionName::parse("proposals").unwrap()];
    let resource = connector.resource(resource).unwrap();
    let page = connector.pull(resource, &PullCursor { since: None, page: None }).await.unwrap();
    page.records.iter().map(|record| format!("{} {}", record.id, record.label)).collect()
}

#[tokio::test]
async fn conformance_inbox_only_who_knows_the_secret_gets_in_and_everything_else_looks_the_same() {
    let (office, _xero) = office().await;
    let body = br#"{"id":"C-1","name":"Kea"}"#;
    for path in [
        "/inbox/proposals/clients/canary-0123456789abcdeX",
        "/inbox/proposals/clients/",
        "/inbox/proposals/clients",
        "/inbox/proposals/nothing/canary-0123456789abcdef",
        "/inbox/xero/contacts/canary-0123456789abcdef",
        "/inbox/nobody/clients/canary-0123456789abcdef",
        "/inbox/",
    ] {
        let answer = office.send(path, "application/json", body, "").await;
        assert_eq!(answer, (404, "there is nothing here".to_owned()), "{path}");
        let asked = office.ask("GET", path, b"", "").await;
        assert_eq!(asked, (405, "records are posted here".to_owned()), "{path}");
    }
    assert_eq!(kept(&office, "clients").await, Vec::<String>::new());
    let path = format!("/inbox/proposals/clients/{TOKEN}");
    assert_eq!(office.send(&path, "application/json", body, "").await, (200, "kept".to_owned()));
    assert_eq!(kept(&office, "clients").await, ["C-1 Kea"]);
    office.daemon.stop().await;
}

#[tokio::test]
async fn conformance_inbox_json_and_forms_are_kept_once_and_a_later_post_is_a_newer_version() {
    let (office, _xero) = office().await;
    let path = format!("/inbox/proposals/clients/{TOKEN}");
    let json = |body: serde_json::Value| body.to_string().into_bytes();
    let form = "application/x-www-form-urlencoded";
    let said = [
        (form, b"id=C-1&name=Kea+%26+Sons&email=a%40b.example".to_vec(), (200, "kept")),
        (form, b"id=C-1&name=Kea+%26+Sons&email=a%40b.example".to_vec(), (200, "known already")),
        (
            "application/json; charset=utf-8",
            json(json!([{ "id": 2, "name": "Tui" }, { "id": "C-1", "name": "Kea Ltd" }])),
            (200, "2 records kept"),
        ),
        ("application/json", json(json!([])), (400, "a post holds from 1 to 1000 records, and this one holds 0")),
        ("application/json", json(json!([{ "id": "3", "name": "x" }, 4])), (400, "record 2 is no object")),
        (
            "application/json",
            b"{\"id\": \"3\"".to_vec(),
            (400, "the body is no JSON: EOF while parsing an object at line 1 column 10"),
        ),
        (form, b"id=3&id=4&name=x".to_vec(), (400, "the form holds `id` twice")),
        ("text/xml", b"<x/>".to_vec(), (400, "`text/xml` cannot be read; post application/json or a form")),
        (
            "application/json",
            json(json!([{ "id": "3", "name": "x" }, { "name": "y" }])),
            (422, "record 2: it has no id at `$.id`"),
        ),
    ];
    for (kind, body, (status, text)) in said {
        assert_eq!(office.send(&path, kind, &body, "").await, (status, text.to_owned()), "{body:?}");
    }
    assert_eq!(kept(&office, "clients").await, ["2 Tui", "C-1 Kea Ltd"], "a refused post leaves nothing behind");
    let large = vec![b'x'; 300 << 10];
    let (status, text) = office.send(&path, "application/json", &large, "").await;
    assert_eq!((status, text.as_str()), (413, "a post may have at most 262144 bytes, and this one has 307200"));
    // What was kept is there after a restart.
    let office = office.restart().await;
    assert_eq!(kept(&office, "clients").await, ["2 Tui", "C-1 Kea Ltd"]);
    office.daemon.stop().await;
}

#[tokio::test]
async fn conformance_inbox_what_is_posted_during_a_listing_or_with_a_clock_put_back_is_in_the_next() {
    let (office, _xero) = office().await;
    let post = |id: usize| json!({ "id": format!("C-{id:04}"), "name": format!("Client {id}") });
    let all: Vec<_> = (0..700).map(post).collect();
    office.post("clients", all.into()).await;
    let connector = office.example.engine.connectors[&ConnectionName::parse("proposals").unwrap()].clone();
    let resource = connector.resource("clients").unwrap();
    let first = connector.pull(resource, &PullCursor { since: None, page: None }).await.unwrap();
    assert_eq!((first.records.len(), first.partial), (500, true));
    // One on the page that was read changes, and another comes.
    office.post("clients", json!([{ "id": "C-0001", "name": "Changed" }, { "id": "C-9999", "name": "New" }])).await;
    let second = connector.pull(resource, &PullCursor { since: None, page: first.next.clone() }).await.unwrap();
    assert_eq!(second.records.len(), 202, "both are at the end");
    assert_eq!(second.next, None);
    // The next listing of changes begins where this one did.
    let since = first.server_time;
    office.example.clock.jump(-chrono::TimeDelta::hours(1));
    office.post("clients", json!({ "id": "C-0002", "name": "By a clock that was put back" })).await;
    let changes = connector.pull(resource, &PullCursor { since, page: None }).await.unwrap();
    let mut ids: Vec<&str> = changes.records.iter().map(|record| record.id.as_str()).collect();
    ids.sort_unstable();
    assert!(["C-0001", "C-0002", "C-9999"].iter().all(|id| ids.contains(id)), "{ids:?}");
    let again = connector.pull(resource, &PullCursor { since: changes.server_time, page: None }).await.unwrap();
    assert!(again.records.len() <= 1, "{:?}", again.records);
    office.daemon.stop().await;
}

#[tokio::test]
async fn conformance_inbox_what_was_posted_goes_along_when_its_connection_is_renamed() {
    let (mut office, _xero) = office().await;
    office.post("clients", json!({ "id": "C-1", "name": "Kea" })).await;
    office.post("clients", json!({ "id": "C-2", "name": "Tui" })).await;
    office.daemon.stop().await;
    office.example.reconfigure(|yaml| {
        let renamed = yaml.replace(
            "  proposals:\n    connector: proposals",
            "  offers:\n    moved_from: proposals\n    connector: proposals",
        );
        let renamed = renamed
            .replace("${env:PROPOSALS_FROM:-proposals}/", "${env:PROPOSALS_FROM:-offers}/")
            .replace("resource: proposals/", "resource: offers/");
        assert_ne!(renamed, yaml);
        renamed
    });
    let [from, to] = ["proposals", "offers"].map(|name| ConnectionName::parse(name).unwrap());
    let ledger = office.example.engine.ledger.clone();
    // A move that was cut off is gone on with, and one that is done twice is the same as once.
    move_connection(&ledger, &from, &to).await.unwrap();
    move_connection(&ledger, &from, &to).await.unwrap();
    let office = Office::of(office.example).await;
    let connector = &office.example.engine.connectors[&to];
    let resource = connector.resource("clients").unwrap();
    let page = connector.pull(resource, &PullCursor { since: None, page: None }).await.unwrap();
    let mut found: Vec<&str> = page.records.iter().map(|record| record.id.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["C-1", "C-2"]);
    let path = format!("/inbox/offers/clients/{TOKEN}");
    let again = office.send(&path, "application/json", br#"{"id":"C-1","name":"Kea"}"#, "").await;
    assert_eq!(again, (200, "known already".to_owned()), "it is known under its new name");
    let old = office
        .send(&format!("/inbox/proposals/clients/{TOKEN}"), "application/json", br#"{"id":"C-3","name":"Moa"}"#, "")
        .await;
    assert_eq!(old.0, 404);
    office.daemon.stop().await;
}

/// An office that keeps posts for thirty days, after its first run.
async fn forgetful_office() -> (Office, Xero) {
    let (mut office, xero) = office().await;
    office.daemon.stop().await;
    office.example.reconfigure(|yaml| {
        let kept =
            yaml.replace("inbox: { require: { name: present } }", "inbox: { keep: 30d, require: { name: present } }");
        kept.replace(
            "inbox:\n          require:\n            client_id",
            "inbox:\n          keep: 30d\n          require:\n            client_id",
        )
    });
    let office = Office::of(office.example).await;
    office.first_sync().await;
    (office, xero)
}

fn client(id: &str) -> Value {
    json!({ "id": id, "name": format!("Client {id}"), "phone": "09 555 0101" })
}

fn proposal(number: &str, client: &str, status: &str, service: &str) -> Value {
    json!({
        "number": number, "client_id": client, "title": "Year end", "status": status, "accepted_on": "2026-06-01",
        "due_on": "2026-06-20",
        "upfront": [{ "line_no": 1, "title": "Work", "quantity": 1, "price": "100.00", "service": service }],
    })
}

#[tokio::test]
async fn conformance_inbox_a_field_that_is_mapped_after_its_post_was_removed_is_told_and_no_trouble() {
    let (office, xero) = forgetful_office().await;
    office.post("clients", client("C-1")).await;
    office.post("proposals", proposal("P-1", "C-1", "accepted", "accounts")).await;
    office.sync().await;
    until(&office.daemon, office.example.clock.now() + TimeDelta::days(33)).await;
    assert_eq!(kept(&office, "clients").await, [""; 0]);
    let mut example = office.example;
    office.daemon.stop().await;
    example.reconfigure(|yaml| {
        let field = "          - { source: $.name, target: $.Name }\n";
        let more = "          - { source: $.phone, target: \"$.Phones[?(@.PhoneType=='MOBILE')].PhoneNumber\" }\n";
        yaml.replacen(field, &format!("{field}{more}"), 1)
    });
    let office = Office::of(example).await;
    let writes = xero.log().writes();
    // A run with a trouble of any connection fails here.
    let report = office.sync().await;
    let told = office
        .example
        .findings(&report, "contacts")
        .iter()
        .any(|finding| finding.message.contains("is old and was removed"));
    assert!(told, "{report:#?}");
    office.settled_by(|| xero.log().writes()).await;
    assert_eq!(xero.log().writes(), writes);
    // It is posted again, and the field has its value.
    office.post("clients", json!({ "id": "C-1", "name": "Client C-1", "phone": "021 555 0102" })).await;
    office.sync().await;
    assert!(xero.list("Contacts")[0].to_string().contains("021"), "{:?}", xero.list("Contacts"));
    office.settled_by(|| xero.log().writes()).await;
    office.daemon.stop().await;
}

#[tokio::test]
async fn conformance_inbox_nothing_is_removed_while_the_outcome_of_a_write_is_unknown() {
    let (office, xero) = forgetful_office().await;
    office.post("clients", client("C-1")).await;
    office.post("proposals", proposal("P-1", "C-1", "accepted", "accounts")).await;
    office.sync().await;
    until(&office.daemon, office.example.clock.now() + TimeDelta::days(28)).await;
    office.daemon.stop().await;
    office.example.clock.advance(Duration::from_hours(72));
    let office = Office::of(office.example).await;
    office.post("proposals", proposal("P-9", "C-1", "accepted", "accounts")).await;
    xero.faults().add(FaultRule::new(Fault::DropAfter).on("WRITE", "*/Invoices*"));
    let full = Request::Run(office.example.request(Mode::Sync, true));
    // The call is tried again while time goes on.
    let a_while = office.example.clock.now() + TimeDelta::minutes(10);
    let (answer, ()) = tokio::join!(office.daemon.call(full), until(&office.daemon, a_while));
    let Response::Run(report) = answer.unwrap() else { panic!() };
    assert!(!report.troubles.is_empty(), "the answer was lost");
    assert_eq!(kept(&office, "proposals").await.len(), 2, "P-1 is old, and stays for now");
    xero.faults().clear();
    until(&office.daemon, office.example.clock.now() + TimeDelta::days(2)).await;
    assert_eq!(kept(&office, "proposals").await, ["P-9 Proposal P-9 (Year end)"]);
    assert_eq!(xero.list("Invoices").len(), 2);
    office.settled_by(|| xero.log().writes()).await;
    office.daemon.stop().await;
}

#[tokio::test]
async fn conformance_inbox_old_posts_are_removed_once_nothing_more_is_to_be_done_with_them() {
    let (office, xero) = forgetful_office().await;
    for id in ["C-1", "C-2"] {
        office.post("clients", client(id)).await;
    }
    office.post("proposals", proposal("P-1", "C-1", "accepted", "accounts")).await;
    office.post("proposals", proposal("P-2", "C-2", "lost", "accounts")).await;
    office.post("proposals", proposal("P-3", "C-1", "accepted", "gardening")).await;
    office.sync().await;
    assert_eq!(xero.list("Invoices").len(), 1);
    let writes = xero.log().writes();
    let day = |days: i64| office.example.clock.now() + chrono::TimeDelta::days(days);
    until(&office.daemon, day(28)).await;
    assert_eq!((kept(&office, "clients").await.len(), kept(&office, "proposals").await.len()), (2, 3), "none is old");
    until(&office.daemon, day(5)).await;
    // Whoever may still be let in by a proposal is kept, and so is what is parked.
    assert_eq!(kept(&office, "clients").await, ["C-2 Client C-2"]);
    assert_eq!(kept(&office, "proposals").await, ["P-3 Proposal P-3 (Year end)"]);
    assert_eq!(xero.log().writes(), writes, "for Xero nothing happened");

    // The same post again is no new record, also after a restart, and a later one is a newer version of the old record.
    let office = office.restart().await;
    let again = office.offer("proposals", &proposal("P-1", "C-1", "accepted", "accounts")).await;
    assert_eq!(again, (200, "known already".to_owned()));
    assert_eq!(office.offer("clients", &client("C-1")).await, (200, "known already".to_owned()));
    office.settled_by(|| xero.log().writes()).await;
    assert_eq!(xero.log().writes(), writes);
    let connector = &office.example.engine.connectors[&ConnectionName::parse("proposals").unwrap()];
    let asked = connector.get(connector.resource("clients").unwrap(), &"C-1".into()).await.unwrap_err().to_string();
    assert!(asked.contains("the post of C-1 is old and was removed"), "it is not gone: {asked}");
    let newer = json!({ "id": "C-1", "name": "Client One" });
    assert_eq!(office.offer("clients", &newer).await, (200, "kept".to_owned()));
    office.post("proposals", proposal("P-4", "C-1", "accepted", "advice")).await;
    office.sync().await;
    let names: Vec<_> = xero.list("Contacts").iter().map(|contact| contact["Name"].clone()).collect();
    assert_eq!(names, ["Client One"], "the same contact, and no second");
    assert_eq!(xero.list("Invoices").len(), 2);
    office.settled_by(|| xero.log().writes()).await;
    office.daemon.stop().await;
}
