//! The connector against the practice systems, which behave as the real ones are documented to.

use std::{sync::Arc, time::Duration};

use reconciled::{
    clock::Clock,
    config::{Auth, Connection, Secret},
    connector::{
        AnswerKind, Batch, CallError, ChangedSince, Connector as _, Correlate, FieldTable, FieldType, GetOne, GoneWhen,
        HttpConnector, ItemAnswer, ItemOk, Limit, LimitRegistry, List, PageEnd, PageSize, Paging, Place, PullCursor,
        Resource, Scope, SinceFormat, SincePlace, VersionPlace, WireFormat, Write,
    },
    record::{Canon, Kind},
    sandbox::{Fault, Website, WebsiteOptions, Xero, XeroOptions},
};
use secrecy::SecretString;
use serde_json::json;

use crate::setup::{CREATE, Shop, UPDATE, connection, customers, if_match, item, manifest, new_item, path, write};

const START: PullCursor = PullCursor { since: None, page: None };

fn field(kind: Kind, format: WireFormat) -> FieldType {
    FieldType { canon: Canon { kind, ..Canon::default() }, format, ..FieldType::default() }
}

fn site_contacts() -> Resource {
    let batch = |ok: u16| Batch {
        path: Some("/contacts/batch".to_owned()),
        array: Some("items".to_owned()),
        wrap: None,
        constants: vec![],
        correlate: Correlate::Position,
        items: path("$.items"),
        max: 100,
        item_record: path("$.item"),
        ok: Some(ItemOk { path: path("$.status"), values: vec![json!(ok)] }),
        messages: vec![path("$.error.message")],
    };
    Resource {
        name: "contacts".to_owned(),
        updated_at: Some(path("$.updated_at")),
        version: Some(VersionPlace::Body(path("$.version"))),
        fields: FieldTable {
            fields: [("version".to_owned(), field(Kind::Integer, WireFormat::Plain))].into(),
            open: true,
        },
        list: Some(List {
            path: "/contacts".to_owned(),
            query: vec![],
            records: path("$.items"),
            paging: Paging::Number {
                param: Some("page".to_owned()),
                first: 1,
                then: None,
                size: Some(PageSize { param: Some("per_page".to_owned()), value: 1000 }),
                end: PageEnd::PageCount(Place::Body(path("$.pages"))),
            },
            changed_since: Some(ChangedSince {
                place: SincePlace::Param("updated_since".to_owned()),
                text: "{since}".to_owned(),
                format: SinceFormat::Rfc3339,
                overlap: Duration::ZERO,
                misses: vec![],
            }),
            ..customers().list.unwrap()
        }),
        get: Some(GetOne { path: "/contacts/{id}".to_owned(), record: path("$"), missing: None }),
        create: Some(Write { batch: Some(batch(201)), ..write("POST", "/contacts") }),
        update: Some(Write {
            id_in_body: Some(path("$.id")),
            batch: Some(batch(200)),
            version: Some(if_match()),
            ..write("PATCH", "/contacts/{id}")
        }),
        gone_when: None,
        merged_into: None,
        also: Vec::new(),
        ..customers()
    }
}

async fn website() -> (Website, Shop) {
    let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
    let site = Website::start(WebsiteOptions::new(clock.clone())).await.unwrap();
    let resource = site_contacts();
    let auth = Auth::Bearer(Secret::Known(SecretString::from(site.token().to_owned())));
    let connection = Connection { auth, ..connection(&site.url(), manifest(resource.clone())) };
    (site, Shop::on(clock, connection, resource))
}

fn xero_contacts() -> Resource {
    let whole = |method: &str| Write {
        batch: Some(Batch {
            path: None,
            array: Some("Contacts".to_owned()),
            wrap: None,
            constants: vec![],
            correlate: Correlate::Position,
            items: path("$.Contacts"),
            max: 50,
            item_record: path("$"),
            ok: Some(ItemOk { path: path("$.StatusAttributeString"), values: vec![json!("OK")] }),
            messages: vec![path("$.ValidationErrors[*].Message")],
        }),
        answer: AnswerKind::Body,
        ..write(method, "/Contacts?summarizeErrors=false")
    };
    Resource {
        name: "contacts".to_owned(),
        id: path("$.ContactID"),
        updated_at: Some(path("$.UpdatedDateUTC")),
        version: None,
        fields: FieldTable {
            fields: [("UpdatedDateUTC".to_owned(), field(Kind::Datetime, WireFormat::MsDate))].into(),
            open: true,
        },
        list: Some(List {
            path: "/Contacts".to_owned(),
            query: vec![("includeArchived".to_owned(), "true".to_owned())],
            records: path("$.Contacts"),
            paging: Paging::Number {
                param: Some("page".to_owned()),
                first: 1,
                then: None,
                size: Some(PageSize { param: Some("pageSize".to_owned()), value: 1000 }),
                end: PageEnd::PageCount(Place::Body(path("$.pagination.pageCount"))),
            },
            changed_since: Some(ChangedSince {
                place: SincePlace::Header("If-Modified-Since".to_owned()),
                text: "{since}".to_owned(),
                format: SinceFormat::IsoSeconds,
                overlap: Duration::from_mins(1),
                misses: vec![],
            }),
            ..customers().list.unwrap()
        }),
        get: Some(GetOne { path: "/Contacts/{id}".to_owned(), record: path("$.Contacts[0]"), missing: None }),
        create: Some(whole("PUT")),
        update: Some(Write { id_in_body: Some(path("$.ContactID")), ..whole("POST") }),
        gone_when: Some(GoneWhen { path: path("$.ContactStatus"), values: vec![json!("ARCHIVED")], filled: false }),
        merged_into: Some(path("$.MergedToContactID")),
        also: Vec::new(),
        ..customers()
    }
}

async fn xero() -> (Xero, Shop) {
    let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
    let xero = Xero::start(XeroOptions::new(clock.clone())).await.unwrap();
    let resource = xero_contacts();
    let mut manifest = manifest(resource.clone());
    manifest.headers = vec![("xero-tenant-id".to_owned(), "${tenant}".to_owned())];
    let scope = Scope::Tenant;
    manifest.limits = vec![
        Limit::Requests { count: 60, per: Duration::from_mins(1), scope },
        Limit::Requests { count: 5000, per: Duration::from_hours(24), scope },
        Limit::Requests { count: 10_000, per: Duration::from_mins(1), scope: Scope::App },
        Limit::InFlight(5),
    ];
    manifest.throttled.remaining = vec![
        ("X-MinLimit-Remaining".to_owned(), Duration::from_mins(1)),
        ("X-DayLimit-Remaining".to_owned(), Duration::from_hours(24)),
        ("X-AppMinLimit-Remaining".to_owned(), Duration::from_mins(1)),
    ];
    let connection = Connection {
        auth: Auth::Bearer(Secret::Known(SecretString::from(xero.token().to_owned()))),
        tenant: Some(xero.tenant().to_owned()),
        ..connection(&xero.url(), manifest)
    };
    (xero, Shop::on(clock, connection, resource))
}

#[tokio::test]
async fn the_website_is_listed_written_and_guarded() {
    let (site, shop) = website().await;
    let batch =
        [new_item(json!({"first_name": "A"})), new_item(json!({"nope": 1})), new_item(json!({"last_name": "C"}))];
    let call = shop.connector.prepare(&shop.resource, CREATE, &batch, "k1").unwrap();
    let made = shop.run(shop.connector.send(&shop.resource, &call)).await.unwrap().items;
    let [
        ItemAnswer::Written { record: first, .. },
        ItemAnswer::Refused { .. },
        ItemAnswer::Written { record: third, .. },
    ] = made.as_slice()
    else {
        panic!("{made:?}")
    };
    // The same bytes with the same key make nothing new.
    shop.run(shop.connector.send(&shop.resource, &call)).await.unwrap();
    assert_eq!(site.count("contacts"), 2);

    let guarded = |record: &reconciled::connector::RemoteRecord| reconciled::connector::WriteItem {
        version: record.version.clone(),
        ..item(record.id.as_str(), json!({"phone": "1"}))
    };
    site.edit("contacts", third.id.as_str(), json!({"phone": "2"})).unwrap();
    let items = [guarded(first), guarded(third)];
    let call = shop.connector.prepare(&shop.resource, UPDATE, &items, "k2").unwrap();
    let changed = shop.run(shop.connector.send(&shop.resource, &call)).await.unwrap().items;
    assert!(matches!(changed[0], ItemAnswer::Written { .. }), "{changed:?}");
    assert!(matches!(changed[1], ItemAnswer::Refused { stale: true, .. }), "{changed:?}");
    let call = shop.connector.prepare(&shop.resource, UPDATE, &items[1..], "k3").unwrap();
    let changed = shop.run(shop.connector.send(&shop.resource, &call)).await.unwrap().items;
    assert!(matches!(changed[0], ItemAnswer::Refused { stale: true, .. }), "{changed:?}");

    let page = shop.run(shop.connector.pull(&shop.resource, &START)).await.unwrap();
    assert_eq!((page.records.len(), page.next), (2, None));
    assert!(page.server_time.unwrap() <= shop.clock.now());
    assert!(shop.run(shop.connector.get(&shop.resource, &"nobody".into())).await.unwrap().is_none());
}

#[tokio::test]
async fn every_fault_of_a_write_is_told_from_a_success() {
    let done_or_not = [
        (Fault::DropBefore, 0),
        (Fault::DropAfter, 2),
        (Fault::ApplyThenStatus(502), 2),
        (Fault::Truncate, 2),
        (Fault::CloseMidBody, 2),
        (Fault::ReverseBatch, 2),
        (Fault::ShortBatch(1), 2),
        (Fault::HtmlPage, 2),
        (Fault::Status(500), 0),
    ];
    for (fault, made) in done_or_not {
        let (site, shop) = website().await;
        site.faults().once(fault.clone(), "WRITE", "*");
        let batch = [new_item(json!({"first_name": "A"})), new_item(json!({"first_name": "B"}))];
        let call = shop.connector.prepare(&shop.resource, CREATE, &batch, "k").unwrap();
        match shop.run(shop.connector.send(&shop.resource, &call)).await {
            Err(CallError::Unknown(_)) => {}
            Ok(answer) => {
                let unknown = |item: &ItemAnswer| matches!(item, ItemAnswer::Unknown { .. });
                assert!(answer.items.iter().all(unknown), "{fault:?}: {answer:?}");
            }
            Err(error) => panic!("{fault:?}: {error:?}"),
        }
        assert_eq!(site.count("contacts"), made, "{fault:?}: and it was sent once");
    }
}

#[tokio::test]
async fn xero_is_listed_by_its_own_dates_and_written_item_by_item() {
    let (xero, shop) = xero().await;
    let batch = [
        new_item(json!({"Name": "Kea Ltd"})),
        new_item(json!({"Name": "Kea Ltd"})),
        new_item(json!({"Name": "Tui Ltd"})),
    ];
    let call = shop.connector.prepare(&shop.resource, CREATE, &batch, "k1").unwrap();
    let made = shop.run(shop.connector.send(&shop.resource, &call)).await.unwrap().items;
    let [ItemAnswer::Written { record: first, .. }, ItemAnswer::Refused { message, .. }, ItemAnswer::Written { .. }] =
        made.as_slice()
    else {
        panic!("{made:?}")
    };
    assert!(message.contains("already assigned"), "{message}");
    let page = shop.run(shop.connector.pull(&shop.resource, &START)).await.unwrap();
    let known: Vec<_> = page.records.iter().filter(|record| record.id == first.id).collect();
    assert!(known[0].updated_at.is_some() && !known[0].gone);
    xero.archive(first.id.as_str()).unwrap();
    let again = shop.run(shop.connector.get(&shop.resource, &first.id)).await.unwrap().unwrap();
    assert!(again.gone);
    let call =
        shop.connector.prepare(&shop.resource, UPDATE, &[item(first.id.as_str(), json!({"FirstName": "K"}))], "k2");
    let changed = shop.run(shop.connector.send(&shop.resource, &call.unwrap())).await.unwrap().items;
    assert!(!matches!(changed[0], ItemAnswer::Unknown { .. }), "{changed:?}");
}

/// The practice Xero answers 429 on the 61st call of a minute; it must never have to.
#[tokio::test]
async fn xeros_limits_are_never_met() {
    let (xero, shop) = xero().await;
    let shop = Arc::new(shop);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..150 {
        let shop = Arc::clone(&shop);
        calls.spawn(async move {
            // A caller told to come back later does.
            loop {
                match shop.connector.pull(&shop.resource, &START).await {
                    Ok(_) => return,
                    Err(CallError::Throttled { until, .. }) => {
                        let wait = (until - shop.clock.now()).to_std().unwrap_or_default();
                        shop.clock.sleep(wait).await;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    shop.run(async {
        while let Some(done) = calls.join_next().await {
            done.unwrap();
        }
    })
    .await;
    assert_eq!(shop.connector.requests().reads, 150, "none was answered 429 and repeated");
    assert_eq!(xero.log().reads(), 150);
    // 54 go at once, and then 54 a minute.
    let took = shop.clock.monotonic();
    assert!(took >= Duration::from_mins(2) && took < Duration::from_secs(200), "{took:?}");
}

#[tokio::test]
async fn a_revoked_login_is_named() {
    let (site, shop) = website().await;
    site.change_token("another");
    let outcome = shop.run(shop.connector.pull(&shop.resource, &START)).await;
    assert!(matches!(outcome, Err(CallError::Login { .. })), "{outcome:?}");
}

#[test]
fn a_connector_for_https_can_be_made() {
    let clock = Clock::system();
    let limits = Arc::new(LimitRegistry::new(clock.clone()));
    let connection = connection("https://api.example/v1", manifest(customers()));
    HttpConnector::new(connection.into(), clock, &limits).unwrap();
}
