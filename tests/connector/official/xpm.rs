//! Practice Manager.

use std::{collections::BTreeSet, time::Duration};

use reconciled::{
    clock::Clock,
    connector::{Connector as _, FieldTable, FieldType, ItemAnswer, Paging, Resource, WriteItem},
    record::{Kind, RecordId},
    sandbox::{LogEntry, XeroLimits, Xpm, XpmOptions},
};
use serde_json::{Value, json};

use super::{call, members, none, written};
use crate::{
    conformance::rig::{System, connected},
    openapi::send,
    setup::{CREATE, Shop, UPDATE, item, new_item},
    xpm_openapi::{Exception, Judge},
};

const START: &str = "2026-06-01T00:00:00Z";

/// A practice, and the ids that fields refer to.
struct Practice {
    clock: Clock,
    xpm: Xpm,
    manager: String,
    client: String,
    contact: String,
    /// Custom fields by the element of their values.
    custom: Vec<(&'static str, String)>,
}

impl Practice {
    async fn start() -> Self {
        let clock = Clock::manual(START.parse().unwrap());
        let xpm = Xpm::start(XpmOptions::new(clock.clone()).unlimited().keeping_answers()).await.unwrap();
        let manager = xpm.insert("staff", "<Staff><Name>Jo Partner</Name></Staff>").unwrap();
        let client = "<Client><Name>Kea</Name><BalanceMonth>Mar</BalanceMonth><ProvisionalTaxRatio>1.25</ProvisionalTaxRatio>\
            <Contacts><Contact><Name>Rua</Name></Contact></Contacts></Client>";
        let client = xpm.insert("clients", client).unwrap();
        let contact = xpm.ids("contacts").remove(0);
        let custom =
            ["Text", "Decimal", "Number", "Boolean", "Date"].map(|element| (element, xpm.define(element, element)));
        Self { clock, xpm, manager, client, contact, custom: custom.into() }
    }

    fn on(&self, resource: &str) -> Shop {
        let (xpm, clock) = (&self.xpm, self.clock.clone());
        connected(System::Xpm, clock, &xpm.url(), [xpm.token(), xpm.tenant()], resource)
    }

    /// A value for each member that a write may hold.
    fn values(&self, resource: &Resource, update: bool) -> Value {
        let mut values = members(&resource.fields, &|name, field| self.value(name, field, &[]));
        values.retain(|name, _| {
            let own = resource.also.iter().any(|also| also.member == *name);
            !(own || update && resource.fields.fields[name].create_only)
        });
        Value::Object(values)
    }

    fn value(&self, name: &str, field: &FieldType, within: &[&str]) -> Value {
        let children =
            |table: &FieldTable| Value::Object(members(table, &|inner, child| self.value(inner, child, &[name])));
        match (field.kind(), &field.children) {
            (Kind::Object, Some(table)) => children(table),
            (Kind::List, Some(table)) => json!([children(table)]),
            (Kind::Boolean, _) => json!(true),
            (Kind::Decimal, _) => json!(1.5),
            (Kind::Integer, _) => json!(3),
            (Kind::Date, _) => json!("2026-06-01"),
            (Kind::Id, _) => match within.first().copied().unwrap_or(name) {
                "AccountManager" | "JobManager" => self.manager.clone().into(),
                "Contact" => self.contact.clone().into(),
                _ => self.client.clone().into(),
            },
            (Kind::Text, _) => match name {
                "BalanceMonth" => json!("Mar"),
                "GSTPeriod" => json!("2 Monthly"),
                _ => json!("Kea & Sons"),
            },
            (kind, _) => panic!("no value for {name}, which is {kind:?}"),
        }
    }

    /// Makes every call of a resource, each write with all it may hold.
    async fn exercise(&self, name: &str) -> BTreeSet<String> {
        let mut shop = self.on(name);
        if let Some(list) = shop.resource.list.as_mut()
            && let Paging::Link { size: Some(size), .. } = &mut list.paging
        {
            size.value = 1;
        }
        let mut calls = BTreeSet::new();
        let mut calls_for = |method: &str, path: &str| {
            calls.insert(call(method, path.trim_start_matches('/')));
        };
        let resource = shop.resource.clone();
        let mut id = self.xpm.ids(name).first().cloned();
        if let Some(create) = &resource.create {
            calls_for(&create.method, &create.path);
            let mut values = self.values(&resource, false);
            if name == "groups" {
                values = json!({ "Name": "Farms", "Taxable": true, "Clients": [{ "UUID": self.client }] });
            }
            let made = written(shop.write(CREATE, &[new_item(values)]).await.unwrap().items.remove(0));
            id = Some(made.id.to_string());
        }
        let id = id.unwrap_or_else(|| panic!("no {name}"));
        if let Some(update) = &resource.update {
            calls_for(&update.method, &update.path);
            let values = self.values(&resource, true);
            written(shop.write(UPDATE, &[item(&id, values)]).await.unwrap().items.remove(0));
        }
        let read = shop.one(&id).await.unwrap().unwrap();
        calls_for("GET", &resource.get.as_ref().unwrap().path);
        for also in &resource.also {
            let own = resource.for_member(also);
            if let Some(get) = &also.get {
                calls_for("GET", &get.path);
            }
            let Some(update) = &also.update else { continue };
            calls_for(&update.method, &update.path);
            let wanted = match also.member.as_str() {
                "CustomFields" => self.custom.iter().map(|(element, uuid)| custom(element, uuid)).collect::<Value>(),
                "Clients" => {
                    json!([{ "UUID": self.xpm.insert("clients", "<Client><Name>Tui</Name></Client>").unwrap() }])
                }
                other => panic!("{other} is not known"),
            };
            let with = WriteItem { now: Some(read.body.clone()), ..item(&id, json!({ also.member.clone(): wanted })) };
            let prepared = shop.connector.prepare(&own, UPDATE, &[with], "key").unwrap();
            let answer = shop.run(shop.connector.send(&own, &prepared)).await.unwrap().items.remove(0);
            assert!(matches!(answer, ItemAnswer::Written { .. }), "{answer:?}");
        }
        // With what the calls of its own wrote, and a record that is not there.
        shop.one(&id).await.unwrap().unwrap();
        let nobody = RecordId::from("00000000-0000-4000-8000-00000000dead");
        assert!(shop.run(shop.connector.get(&shop.resource, &nobody)).await.unwrap().is_none());
        let list = resource.list.as_ref().unwrap();
        calls_for("GET", &list.path);
        assert!(!shop.listed(None).await.is_empty(), "{name}");
        if list.changed_since.is_some() {
            shop.listed(Some(START)).await;
        }
        calls
    }
}

/// A value of a custom field.
fn custom(element: &str, uuid: &str) -> Value {
    let value = match element {
        "Text" => json!("Gold"),
        "Decimal" => json!(1.5),
        "Number" => json!(7),
        "Boolean" => json!(true),
        _ => json!("2026-06-01"),
    };
    json!({ "UUID": uuid, element: value })
}

/// All calls there are, each write with every member that the manifest declares, and refusals of every kind.
#[tokio::test]
async fn every_call_of_the_manifest_and_every_answer_fits_the_official_file() {
    let practice = Practice::start().await;
    let names: Vec<String> = practice.on("clients").manifest().resources.keys().cloned().collect();
    let mut calls = BTreeSet::new();
    for name in &names {
        calls.extend(practice.exercise(name).await);
    }
    // A record that breaks a rule, days a year apart, and the gateway's refusals.
    let clients = practice.on("clients");
    let nameless = clients.write(CREATE, &[new_item(json!({ "Name": "" }))]).await.unwrap().items.remove(0);
    assert!(matches!(nameless, ItemAnswer::Refused { .. }), "{nameless:?}");
    let (xpm, login) = (&practice.xpm, format!("Bearer {}", practice.xpm.token()));
    let headers = [("authorization", login.as_str()), ("xero-tenant-id", xpm.tenant())];
    let url = format!("{}/job.api/list?from=20250601&to=20260601", xpm.url());
    assert_eq!(send("GET", &url, &headers, None).await.0, 400);
    assert_eq!(send("GET", &url, &[], None).await.0, 401);
    xpm.limit(XeroLimits { minute: Some(0), ..XeroLimits::OFF });
    assert_eq!(send("GET", &url, &headers, None).await.0, 429);

    let judge = Judge::new();
    none(&judge.faults_of(&xpm.log().entries()));
    let judged = judge.judged();
    let missing: Vec<&String> = calls.difference(&judged).collect();
    assert!(missing.is_empty(), "not judged: {missing:?} among {judged:#?}");
    assert!(calls.len() > 15, "{calls:#?}");
    let needless: Vec<Exception> = Exception::ALL.into_iter().filter(|one| !judge.used().contains(one)).collect();
    assert!(needless.is_empty(), "exceptions that nothing needs: {needless:?}");
}

/// What the practice system says in JSON has the names and types of the file, for clients with values and without.
#[tokio::test]
async fn answers_in_json_fit_the_official_file() {
    let practice = Practice::start().await;
    for name in ["clients", "contacts", "groups", "jobs", "staff"] {
        practice.exercise(name).await;
    }
    let xpm = &practice.xpm;
    xpm.log().clear();
    for (element, uuid) in &practice.custom {
        let value = custom(element, uuid)[element].to_string();
        xpm.customise(&practice.client, uuid, value.trim_matches('"')).unwrap();
    }
    let login = format!("Bearer {}", xpm.token());
    let headers = [
        ("authorization", login.as_str()),
        ("xero-tenant-id", xpm.tenant()),
        ("accept", "application/json"),
        ("xero-features", "practice-strict-content-type"),
    ];
    let ids = [("client", "clients"), ("clientgroup", "groups"), ("job", "jobs"), ("staff", "staff")];
    let mut targets = vec![
        "client.api/list".to_owned(),
        "client.api/list?detailed=true".to_owned(),
        "client.api/contacts?pageSize=1".to_owned(),
        "clientgroup.api/list".to_owned(),
        "job.api/list?from=20260101&to=20260630".to_owned(),
        "staff.api/list".to_owned(),
        "customfield.api/definition".to_owned(),
        format!("client.api/get/{}/customfield", practice.client),
        format!("client.api/contact/{}", practice.contact),
        "client.api/get/nobody".to_owned(),
    ];
    targets.extend(ids.iter().flat_map(|(api, resource)| {
        let ids = xpm.ids(resource).into_iter();
        ids.map(move |id| format!("{api}.api/get/{id}"))
    }));
    for target in &targets {
        let (status, _) = send("GET", &format!("{}/{target}", xpm.url()), &headers, None).await;
        assert_eq!(status, if target.ends_with("nobody") { 500 } else { 200 }, "{target}");
    }
    let (_, got) = send("GET", &format!("{}/client.api/get/{}", xpm.url(), practice.client), &headers, None).await;
    let client = &got["client"];
    assert_eq!((&client["balanceMonth"], &client["gstRegistered"]), (&json!(3), &json!("No")), "{client:#}");
    assert_eq!((&client["accountManager"], &client["phone"]), (&Value::Null, &json!("")), "{client:#}");
    let judge = Judge::new();
    none(&judge.faults_of(&xpm.log().entries()));
    assert!(!judge.used().contains(&Exception::Xml), "all of it was JSON");
}

/// A judge that sees nothing would let all of these pass.
#[tokio::test]
async fn what_does_not_fit_the_official_file_is_found() {
    let practice = Practice::start().await;
    for name in ["clients", "contacts", "groups", "jobs"] {
        practice.exercise(name).await;
    }
    let entries = practice.xpm.log().entries();
    let judge = Judge::new();
    none(&judge.faults_of(&entries));
    let sent = |method: &str, path: &str| -> LogEntry {
        let fits =
            |entry: &&LogEntry| entry.method == method && entry.path.ends_with(path) && entry.status == Some(200);
        entries.iter().rfind(fits).unwrap_or_else(|| panic!("no {method} {path}")).clone()
    };
    let refuses = |entry: &LogEntry, place: &str| {
        let faults = judge.faults(entry);
        assert!(faults.iter().any(|fault| fault.contains(place)), "`{place}` was not refused: {faults:#?}");
    };
    let change = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "no {from} in {text}");
        text.replacen(from, to, 1)
    };

    // Requests: properties that are unknown, of another type, missing, or spelt otherwise.
    let bodies = [
        ("PUT", "client.api/update", "<Name>", "<Contacts></Contacts><Name>", "Contacts"),
        ("PUT", "client.api/update", "<Name>", "<Nmae>x</Nmae><Name>", "Nmae"),
        ("PUT", "client.api/update", "<GSTPeriod>2<", "<GSTPeriod>2 Monthly<", "/gstPeriod"),
        ("PUT", "client.api/update", "<Name>", "<Uuid>x</Uuid><Name>", "Uuid"),
        ("PUT", "client.api/update", "<Name>", "<Website>x</Website><Name>", "Website"),
        ("PUT", "client.api/update", "<Client>", "<Person>", "XML"),
        ("POST", "client.api/add", "<Client>", "<Client at=\"1\">", "attribute `at`"),
        ("POST", "client.api/add", "<Position>", "<Rank>1</Rank><Position>", "Rank"),
        ("POST", "client.api/add", "<Contact>", "<Person></Person><Contact>", "lists <Person>"),
        ("PUT", "job.api/update", "<Budget>1.5<", "<Budget>much<", "/budget"),
        ("PUT", "job.api/update", "<Name>", "<ClientUUID>1</ClientUUID><Name>", "ClientUUID"),
        ("PUT", "job.api/update", "<Name>", "<TemplateUUID>1</TemplateUUID><Name>", "TemplateUUID"),
        ("POST", "job.api/add", "<ClientUUID>", "<ClientUUID>x</ClientUUID><ClientUUID>", "two <ClientUUID>"),
        ("PUT", "/customfield", "<Number>7<", "<Number>7.5<", "/customFields/"),
        ("PUT", "/customfield", "<Number>7<", "<Number>3000000000<", "/number"),
        ("PUT", "/customfield", "<Boolean>true<", "<Boolean>Yes<", "/boolean"),
        ("PUT", "clientgroup.api/members", "<add uuid=", "<add id=", "`id`"),
    ];
    for (method, path, from, to, place) in bodies {
        let mut entry = sent(method, path);
        entry.body = change(&entry.body, from, to);
        refuses(&entry, place);
    }
    for (method, path, body, named) in [
        ("POST", "client.api/add", "<Client><Email>x</Email></Client>", "name"),
        ("PUT", "client.api/update", "<Client><Name>x</Name></Client>", "uuid"),
        ("POST", "job.api/add", "<Job><Name>x</Name></Job>", "clientUuid"),
        ("PUT", "job.api/update", "<Job><Name>x</Name></Job>", "id"),
        ("POST", "clientgroup.api/add", "<Group><Name>x</Name></Group>", "clientUuid"),
        ("PUT", "clientgroup.api/members", "<Group><add uuid=\"x\"/></Group>", "uuid"),
        ("PUT", "/customfield", "<CustomFields><CustomField><Text>x</Text></CustomField></CustomFields>", "uuid"),
    ] {
        let entry = LogEntry { body: body.to_owned(), ..sent(method, path) };
        refuses(&entry, &format!("\"{named}\" is a required property"));
    }
    let person = "<Person><Name>x</Name></Person>".to_owned();
    refuses(&LogEntry { body: person, ..sent("POST", "client.api/add") }, "the root is <Person>");
    let mut empty = sent("POST", "client.api/add");
    empty.body.clear();
    refuses(&empty, "the body is missing");
    for (query, place) in [
        ("detailed=yes", "`yes` is no"),
        ("detail=true", "no parameter `detail`"),
        ("Modifiedsince=2026-06-01T00:00:00", "no parameter `Modifiedsince`"),
        ("detailed=true&detailed=true", "twice"),
    ] {
        refuses(&LogEntry { query: query.to_owned(), ..sent("GET", "client.api/list") }, place);
    }
    let days = sent("GET", "job.api/list");
    refuses(&LogEntry { query: "from=20260101".to_owned(), ..days.clone() }, "`to` is missing");
    for path in ["/practicemanager/3.0/client.api/list", "/practicemanager/3.1/client.api/all", "/client.api/list"] {
        refuses(&LogEntry { path: path.to_owned(), ..sent("GET", "client.api/list") }, "no operation");
    }

    // Answers.
    let answers = [
        ("client.api/list", "<Name>", "<Nmae>x</Nmae><Name>", "Nmae"),
        ("client.api/list", "<BalanceMonth>3<", "<BalanceMonth>Mar<", "/balanceMonth"),
        ("client.api/list", "<Clients>", "<Clients><Person></Person>", "lists <Person>"),
        ("client.api/list", "<Status>OK", "<Status>Fine", "and not OK"),
        ("client.api/list", "Clients>", "Customers>", "Customers"),
        ("client.api/list", "<Email>", "<Email><At>x</At>", "/email"),
        ("job.api/list", "<Budget>1.5<", "<Budget>much<", "/budget"),
    ];
    for (path, from, to, place) in answers {
        let mut entry = sent("GET", path);
        entry.answer = match from {
            "Clients>" => entry.answer.replace(from, to),
            _ => change(&entry.answer, from, to),
        };
        refuses(&entry, place);
    }
    let other = "<Answer><Status>OK</Status><Clients/></Answer>".to_owned();
    refuses(&LogEntry { answer: other, ..sent("GET", "client.api/list") }, "the root is <Answer>");
    let lacking = "<Response><Status>OK</Status></Response>".to_owned();
    refuses(&LogEntry { answer: lacking, ..sent("GET", "client.api/list") }, "\"clients\" is a required property");

    // Exceptions are as narrow as they can be.
    let error = "<Response><Status>ERROR</Status><ErrorDescription>x</ErrorDescription></Response>".to_owned();
    let status = |entry: LogEntry, status: u16| LogEntry { status: Some(status), answer: error.clone(), ..entry };
    none(&judge.faults(&status(sent("GET", "client.api/list"), 500)));
    none(&judge.faults(&status(days.clone(), 400)));
    for (entry, place) in [
        (status(sent("GET", "client.api/list"), 400), "knows no such status"),
        (status(sent("POST", "client.api/add"), 401), "knows no such status"),
        (status(sent("POST", "client.api/add"), 418), "knows no such status"),
        (LogEntry { answer: days.answer.clone(), ..status(days, 400) }, "and not ERROR"),
    ] {
        refuses(&entry, place);
    }
    let mut struck = sent("GET", "client.api/list");
    struck.fault = Some(reconciled::sandbox::Fault::SlowAfter(Duration::ZERO));
    struck.query = "detailed=yes".to_owned();
    refuses(&struck, "`yes` is no");
}
