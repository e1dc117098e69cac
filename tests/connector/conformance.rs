//! One suite for every built-in connector, against the practice system that behaves as the real one is documented.
//! `conformance_<connector>_<what>`; what a test finds out is in the table of `docs/connectors.md`.

pub mod rig;
mod table;

use std::time::Duration;

use reconciled::{
    clock::Clock,
    connector::{CallError, Connector as _, ItemAnswer, PageSize, Paging, SincePlace, ThrottleWait, WriteItem},
    record::RecordId,
    sandbox::{Fault, FaultRule},
};
use serde_json::json;

use self::rig::{Practice, Rig, System, connected, written};
use crate::{
    server::{Server, say},
    setup::{CREATE, Shop, UPDATE, item, new_item},
};

/// Records come and go between two pages: whoever was there all the time is listed, or found by a second look.
async fn paging(system: System) -> String {
    let known = system.known();
    let mut rig = Rig::of(system, if known.paged.is_empty() { known.resource } else { known.paged }).await;
    let paging = &mut rig.shop.resource.list.as_mut().unwrap().paging;
    let (word, size) = match paging {
        Paging::Number { size, then: None, .. } => ("by number", size),
        Paging::Number { size, then: Some(_), .. } => ("by number, then by cursor", size),
        Paging::Offset { size, .. } => ("by offset", size),
        Paging::Link { size, .. } => ("by link", size),
        Paging::Cursor { size, .. } => ("by cursor", size),
        other => panic!("{other:?}"),
    };
    if let Some(PageSize { value, .. }) = size {
        *value = 2;
    }
    let many = if size.is_some() { 7 } else { 120 };
    let mut there: Vec<String> = (0..many).map(|number| rig.insert(&format!("N{number}"))).collect();
    let first = rig.shop.page(None, None).await.unwrap();
    assert!(first.next.is_some() && first.records.len() < many);
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
    word.to_owned()
}

/// Two changes at one instant, and one in the very second of the cursor: none of them is missed. Where there is a feed of
/// deletions, it tells one.
async fn incremental(system: System) -> String {
    let rig = Rig::start(system).await;
    let list = rig.shop.resource.list.as_ref().unwrap();
    let Some(changed) = &list.changed_since else { return "no: read in full".to_owned() };
    let leaver = rig.insert("leaver");
    rig.insert("old");
    rig.shop.clock.advance(Duration::from_secs(3600));
    let listed = rig.shop.page(None, None).await.unwrap();
    let began = listed.server_time.unwrap();
    // Right after the listing, at one instant: ties with each other and with the cursor.
    let new = [rig.insert("tie a"), rig.insert("tie b")];
    let since = (began - chrono::TimeDelta::from_std(changed.overlap).unwrap()).to_rfc3339();
    rig.delete(&leaver);
    rig.shop.clock.advance(Duration::from_secs(60));
    let records = rig.shop.listed(Some(&since)).await;
    let names: Vec<&str> = records.iter().map(|record| rig.name(record)).collect();
    assert!(new.iter().all(|id| records.iter().any(|record| record.id.as_str() == id)), "{names:?}");
    assert!(!names.contains(&"old"), "{names:?}");
    let word = match &changed.place {
        SincePlace::Header(_) => "by a header",
        SincePlace::Param(_) => "by a parameter",
        SincePlace::Text => "in the query text",
        SincePlace::NewestFirst => "newest first",
        SincePlace::Windows => "by windows of dates",
    };
    if list.deleted.is_none() {
        return word.to_owned();
    }
    let told = records.iter().find(|record| record.id.as_str() == leaver);
    // What the system has a state for is told by the list.
    assert!(told.is_some_and(|record| record.gone), "{names:?}");
    format!("{word}; deletions by a feed")
}

/// What is written is what is read back, and answers speak of what they wrote.
async fn create_update_readback(system: System) -> String {
    let rig = Rig::start(system).await;
    let nobody = "00000000-0000-4000-8000-00000000dead";
    assert!(rig.shop.one(nobody).await.unwrap().is_none(), "a record that is not there is none, not an error");
    let (Some(_), Some(update)) = (&rig.shop.resource.create, &rig.shop.resource.update) else {
        return "read only".to_owned();
    };
    let body = rig.body("Kea & Sons");
    let made = rig.made(body.clone()).await;
    assert_eq!(rig.name(&made), "Kea & Sons");
    let read = rig.shop.one(made.id.as_str()).await.unwrap().unwrap();
    assert_eq!(rig.name(&read), "Kea & Sons");
    if made.version.is_some() {
        assert_eq!(read.version, made.version);
    }
    let changed = rig.edit(made.id.as_str(), json!({ rig.known.name: "Tūī Ltd" })).await;
    assert_eq!((rig.name(&changed), &changed.id), ("Tūī Ltd", &made.id));
    let read = rig.shop.one(made.id.as_str()).await.unwrap().unwrap();
    assert_eq!(rig.name(&read), "Tūī Ltd");
    for (name, value) in body.as_object().unwrap().iter().filter(|(name, _)| *name != rig.known.name) {
        assert_eq!(&read.body[name], value, "what was not named stays");
    }
    assert_eq!(rig.count(), 1);
    let whole = if update.replaces { "the whole record" } else { "what changed" };
    if update.read_back { format!("{whole}, read back") } else { whole.to_owned() }
}

/// A value that the system does not take is seen in its answer.
async fn ignored_fields(system: System) -> String {
    let Some((field, value)) = system.known().ignored else { return "none".to_owned() };
    let rig = Rig::start(system).await;
    let id = rig.insert("Kea");
    let answered = rig.edit(&id, json!({ rig.known.name: "Kea Ltd", field: value() })).await;
    assert_eq!(rig.name(&answered), "Kea Ltd");
    assert_ne!(answered.body.get(field), Some(&value()), "the answer says what was taken");
    "seen in the answer".to_owned()
}

/// One bad record is refused in the remote's words, and takes no other with it.
async fn per_item_failure(system: System) -> String {
    let rig = Rig::start(system).await;
    let most = rig.shop.resource.batch_size(CREATE);
    if most == 0 {
        return "read only".to_owned();
    }
    let bad = if system == System::Website { json!({ "first_name": 7 }) } else { rig.body("") };
    let items = [new_item(bad), new_item(rig.body("good"))];
    let mut answers = Vec::new();
    for chunk in items.chunks(most.min(2)) {
        answers.extend(rig.write(CREATE, chunk).await.unwrap().items);
    }
    assert!(matches!(&answers[0], ItemAnswer::Refused { message, .. } if !message.is_empty()), "{answers:?}");
    assert!(matches!(&answers[1], ItemAnswer::Written { .. }), "{answers:?}");
    assert_eq!(rig.count(), 1);
    most.to_string()
}

/// "Too many requests", again and again: the calls wait as long as they are told, and are made.
async fn throttle_storm(system: System) -> String {
    let rig = Rig::start(system).await;
    let id = rig.insert("Kea");
    rig.fault(FaultRule::new(Fault::StatusRetryAfter(429, 2)).times(3));
    let before = rig.shop.clock.now();
    assert!(rig.shop.one(&id).await.unwrap().is_some());
    assert!(rig.shop.clock.now() - before >= chrono::TimeDelta::seconds(6));
    if rig.shop.resource.create.is_some() {
        rig.fault(FaultRule::new(Fault::StatusRetryAfter(429, 2)).times(3));
        let answer = loop {
            match rig.write(CREATE, &[new_item(rig.body("Tui"))]).await {
                Ok(answer) => break answer.items,
                // Three waits may be longer than one call waits; whoever is told to come back later does.
                Err(CallError::Throttled { until, .. }) => {
                    rig.shop.clock.advance((until - rig.shop.clock.now()).to_std().unwrap_or_default());
                }
                Err(error) => panic!("{error}"),
            }
        };
        assert!(matches!(answer.as_slice(), [ItemAnswer::Written { .. }]), "{answer:?}");
        assert_eq!(rig.count(), 2);
    }
    match &rig.shop.manifest().throttled.wait {
        ThrottleWait::RetryAfter => "Retry-After".to_owned(),
        ThrottleWait::EpochHeader(name) => format!("the instant in {name}"),
        ThrottleWait::Backoff => "a back-off".to_owned(),
        ThrottleWait::Fixed(wait) => format!("{} s", wait.as_secs()),
    }
}

/// A write whose answer is lost is unknown, never failed, and not repeated by the connector.
async fn lost_answer(system: System) -> String {
    let rig = Rig::start(system).await;
    if rig.shop.resource.create.is_none() {
        return "read only".to_owned();
    }
    rig.fault(FaultRule::new(Fault::DropAfter).on("WRITE", "*").times(1));
    let error = rig.write(CREATE, &[new_item(rig.body("Kea"))]).await.unwrap_err();
    assert!(matches!(error, CallError::Unknown(_)), "{error}");
    assert_eq!(rig.count(), 1);
    rig.fault(FaultRule::new(Fault::DropBefore).on("WRITE", "*").times(1));
    let error = rig.write(CREATE, &[new_item(rig.body("Tui"))]).await.unwrap_err();
    assert!(matches!(error, CallError::Unknown(_)), "{error}");
    assert_eq!(rig.count(), 1);
    "unknown, looked up".to_owned()
}

/// An answer that is cut, of another kind, or of another shape is never taken for a page.
async fn broken_bodies(system: System) -> String {
    let rig = Rig::start(system).await;
    rig.insert("Kea");
    for fault in [Fault::Truncate, Fault::HtmlPage, Fault::CloseMidBody] {
        rig.fault(FaultRule::new(fault.clone()).on("GET", "*").times(4));
        let error = rig.shop.page(None, None).await.unwrap_err();
        assert!(matches!(error, CallError::BadAnswer(_) | CallError::Unknown(_)), "{fault:?}: {error}");
        assert_eq!(rig.shop.page(None, None).await.unwrap().records.len(), 1, "{fault:?}");
    }
    for text in rig.known.odd {
        let server = Server::start(move |_, _| say(200, "", text)).await;
        let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
        let shop: Shop = connected(
            system,
            clock,
            &server.url(),
            ["t", "5ac1e3f0-7d0b-4a53-9c58-3f0f3f6f0001"],
            &rig.shop.resource.name,
        );
        let page = shop.page(None, None).await;
        assert!(matches!(page, Err(CallError::BadAnswer(_) | CallError::Refused { .. })), "{text}: {page:?}");
    }
    "no page".to_owned()
}

/// The same call twice makes one record, where the remote promises so; where it does not, the call says so.
async fn idempotency(system: System) -> String {
    let rig = Rig::start(system).await;
    if rig.shop.resource.create.is_none() {
        return "read only".to_owned();
    }
    let call = rig.shop.connector.prepare(&rig.shop.resource, CREATE, &[new_item(rig.body("Kea"))], "k-1").unwrap();
    let Some(lives) = call.key_lives else { return "no key: looked up first".to_owned() };
    let first = rig.shop.run(rig.shop.connector.send(&rig.shop.resource, &call)).await.unwrap().items.remove(0);
    let second = rig.shop.run(rig.shop.connector.send(&rig.shop.resource, &call)).await.unwrap().items.remove(0);
    assert_eq!(written(first).id, written(second).id);
    assert_eq!(rig.count(), 1);
    match lives.as_secs() {
        seconds if seconds % 3600 == 0 => format!("none within {} h", seconds / 3600),
        seconds => format!("none within {} min", seconds / 60),
    }
}

/// A write that was planned from an older version is refused as stale, where the system has versions.
async fn stale_version(system: System) -> String {
    let rig = Rig::start(system).await;
    let id = rig.insert("Kea");
    let read = rig.shop.one(&id).await.unwrap().unwrap();
    let guarded = rig.shop.resource.update.as_ref().is_some_and(|update| update.version.is_some());
    if !guarded {
        assert_eq!(read.version, None, "no version is documented");
        return "no versions".to_owned();
    }
    let write = |version: &Option<String>| WriteItem {
        version: version.clone(),
        now: Some(read.body.clone()),
        ..item(&id, json!({ rig.known.name: "Tui" }))
    };
    // A stamp is a version, too: time passes between two changes.
    rig.shop.clock.advance(Duration::from_secs(2));
    let newer = rig.edit(&id, json!({ rig.known.name: "Rua" })).await;
    let answer = rig.write_one(UPDATE, write(&read.version)).await;
    assert!(matches!(answer, ItemAnswer::Refused { stale: true, .. }), "{answer:?}");
    rig.shop.clock.advance(Duration::from_secs(2));
    let answer = rig.write_one(UPDATE, write(&newer.version)).await;
    assert!(matches!(answer, ItemAnswer::Written { .. }), "{answer:?}");
    "refused".to_owned()
}

macro_rules! conformance {
    ($($name:ident: $check:ident($system:ident);)*) => {
        $(#[tokio::test] async fn $name() {
            let found = $check(System::$system).await;
            table::tell(System::$system.known().connector, stringify!($check), &found);
        })*
    };
}

conformance! {
    conformance_website_paging: paging(Website);
    conformance_website_incremental: incremental(Website);
    conformance_website_create_update_readback: create_update_readback(Website);
    conformance_website_ignored_fields: ignored_fields(Website);
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
    conformance_workflowmax_paging: paging(WorkflowMax);
    conformance_workflowmax_incremental: incremental(WorkflowMax);
    conformance_workflowmax_create_update_readback: create_update_readback(WorkflowMax);
    conformance_workflowmax_ignored_fields: ignored_fields(WorkflowMax);
    conformance_workflowmax_per_item_failure: per_item_failure(WorkflowMax);
    conformance_workflowmax_throttle_storm: throttle_storm(WorkflowMax);
    conformance_workflowmax_lost_answer: lost_answer(WorkflowMax);
    conformance_workflowmax_broken_bodies: broken_bodies(WorkflowMax);
    conformance_workflowmax_idempotency: idempotency(WorkflowMax);
    conformance_workflowmax_stale_version: stale_version(WorkflowMax);
    conformance_quickbooks_paging: paging(QuickBooks);
    conformance_quickbooks_incremental: incremental(QuickBooks);
    conformance_quickbooks_create_update_readback: create_update_readback(QuickBooks);
    conformance_quickbooks_ignored_fields: ignored_fields(QuickBooks);
    conformance_quickbooks_per_item_failure: per_item_failure(QuickBooks);
    conformance_quickbooks_throttle_storm: throttle_storm(QuickBooks);
    conformance_quickbooks_lost_answer: lost_answer(QuickBooks);
    conformance_quickbooks_broken_bodies: broken_bodies(QuickBooks);
    conformance_quickbooks_idempotency: idempotency(QuickBooks);
    conformance_quickbooks_stale_version: stale_version(QuickBooks);
    conformance_cliniko_paging: paging(Cliniko);
    conformance_cliniko_incremental: incremental(Cliniko);
    conformance_cliniko_create_update_readback: create_update_readback(Cliniko);
    conformance_cliniko_ignored_fields: ignored_fields(Cliniko);
    conformance_cliniko_per_item_failure: per_item_failure(Cliniko);
    conformance_cliniko_throttle_storm: throttle_storm(Cliniko);
    conformance_cliniko_lost_answer: lost_answer(Cliniko);
    conformance_cliniko_broken_bodies: broken_bodies(Cliniko);
    conformance_cliniko_idempotency: idempotency(Cliniko);
    conformance_cliniko_stale_version: stale_version(Cliniko);
    conformance_myob_paging: paging(Myob);
    conformance_myob_incremental: incremental(Myob);
    conformance_myob_create_update_readback: create_update_readback(Myob);
    conformance_myob_ignored_fields: ignored_fields(Myob);
    conformance_myob_per_item_failure: per_item_failure(Myob);
    conformance_myob_throttle_storm: throttle_storm(Myob);
    conformance_myob_lost_answer: lost_answer(Myob);
    conformance_myob_broken_bodies: broken_bodies(Myob);
    conformance_myob_idempotency: idempotency(Myob);
    conformance_myob_stale_version: stale_version(Myob);
    conformance_zoho_crm_paging: paging(ZohoCrm);
    conformance_zoho_crm_incremental: incremental(ZohoCrm);
    conformance_zoho_crm_create_update_readback: create_update_readback(ZohoCrm);
    conformance_zoho_crm_ignored_fields: ignored_fields(ZohoCrm);
    conformance_zoho_crm_per_item_failure: per_item_failure(ZohoCrm);
    conformance_zoho_crm_throttle_storm: throttle_storm(ZohoCrm);
    conformance_zoho_crm_lost_answer: lost_answer(ZohoCrm);
    conformance_zoho_crm_broken_bodies: broken_bodies(ZohoCrm);
    conformance_zoho_crm_idempotency: idempotency(ZohoCrm);
    conformance_zoho_crm_stale_version: stale_version(ZohoCrm);
    conformance_simpro_paging: paging(Simpro);
    conformance_simpro_incremental: incremental(Simpro);
    conformance_simpro_create_update_readback: create_update_readback(Simpro);
    conformance_simpro_ignored_fields: ignored_fields(Simpro);
    conformance_simpro_per_item_failure: per_item_failure(Simpro);
    conformance_simpro_throttle_storm: throttle_storm(Simpro);
    conformance_simpro_lost_answer: lost_answer(Simpro);
    conformance_simpro_broken_bodies: broken_bodies(Simpro);
    conformance_simpro_idempotency: idempotency(Simpro);
    conformance_simpro_stale_version: stale_version(Simpro);
    conformance_eventbrite_paging: paging(Eventbrite);
    conformance_eventbrite_incremental: incremental(Eventbrite);
    conformance_eventbrite_create_update_readback: create_update_readback(Eventbrite);
    conformance_eventbrite_ignored_fields: ignored_fields(Eventbrite);
    conformance_eventbrite_per_item_failure: per_item_failure(Eventbrite);
    conformance_eventbrite_throttle_storm: throttle_storm(Eventbrite);
    conformance_eventbrite_lost_answer: lost_answer(Eventbrite);
    conformance_eventbrite_broken_bodies: broken_bodies(Eventbrite);
    conformance_eventbrite_idempotency: idempotency(Eventbrite);
    conformance_eventbrite_stale_version: stale_version(Eventbrite);
    conformance_gosweetspot_paging: paging(GoSweetSpot);
    conformance_gosweetspot_incremental: incremental(GoSweetSpot);
    conformance_gosweetspot_create_update_readback: create_update_readback(GoSweetSpot);
    conformance_gosweetspot_ignored_fields: ignored_fields(GoSweetSpot);
    conformance_gosweetspot_per_item_failure: per_item_failure(GoSweetSpot);
    conformance_gosweetspot_throttle_storm: throttle_storm(GoSweetSpot);
    conformance_gosweetspot_lost_answer: lost_answer(GoSweetSpot);
    conformance_gosweetspot_broken_bodies: broken_bodies(GoSweetSpot);
    conformance_gosweetspot_idempotency: idempotency(GoSweetSpot);
    conformance_gosweetspot_stale_version: stale_version(GoSweetSpot);
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

    let jobs = connected(System::Xpm, rig.shop.clock.clone(), &xpm.url(), [xpm.token(), xpm.tenant()], "jobs");
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

#[tokio::test]
async fn conformance_workflowmax_a_lead_is_made_and_read_and_staff_is_read_by_its_own_path() {
    let rig = Rig::start(System::WorkflowMax).await;
    let Practice::Xpm(blue) = &rig.practice else { return };
    let client = blue.insert("clients", "<Client><Name>Kea</Name></Client>").unwrap();
    let owner = blue.insert("staff", "<Staff><Name>Jo Partner</Name></Staff>").unwrap();
    let on = |resource| {
        connected(System::WorkflowMax, rig.shop.clock.clone(), &blue.url(), [blue.token(), blue.tenant()], resource)
    };
    let leads = on("leads");
    let values = json!({ "Name": "Year-end accounts", "Client": { "UUID": client }, "Owner": { "UUID": owner }, "EstimatedValue": 2500 });
    let made = written(leads.write(CREATE, &[new_item(values)]).await.unwrap().items.remove(0));
    assert_eq!((&made.body["State"], &made.body["Client"]["Name"]), (&json!("Current"), &json!("Kea")));
    assert_eq!(made.body["Owner"], json!({ "UUID": owner, "Name": "Jo Partner" }));
    let listed = leads.listed(None).await;
    assert_eq!(crate::yaml::ids(&listed), [made.id.as_str()]);
    assert!(leads.resource.update.is_none(), "no call changes a lead");
    let nobody = leads.write(CREATE, &[new_item(json!({ "Name": "No client" }))]).await.unwrap().items.remove(0);
    assert!(
        matches!(&nobody, ItemAnswer::Refused { message, .. } if message.contains("ClientUUID is required")),
        "{nobody:?}"
    );
    let staff = on("staff");
    let one = staff.run(staff.connector.get(&staff.resource, &RecordId::from(owner.as_str()))).await.unwrap().unwrap();
    assert_eq!(one.body["Name"], "Jo Partner");
    assert!(blue.log().entries().iter().all(|entry| entry.path.starts_with("/client.api")
        || entry.path.starts_with("/lead.api")
        || entry.path.starts_with("/staff.api")));
}

#[tokio::test]
async fn conformance_xpm_custom_fields_and_members_of_groups_are_written_by_calls_of_their_own() {
    let rig = Rig::start(System::Xpm).await;
    let Practice::Xpm(xpm) = &rig.practice else { return };
    let (level, since) = (xpm.define("Plan level", "Text"), xpm.define("Since", "Date"));
    let [kea, tui, moa] = ["Kea", "Tui", "Moa"]
        .map(|name| xpm.insert("clients", &format!("<Client><Name>{name}</Name></Client>")).unwrap());
    xpm.customise(&kea, &level, "Gold").unwrap();
    let read = rig.shop.one(&kea).await.unwrap().unwrap();
    assert_eq!(read.body["CustomFields"], json!([{ "UUID": level, "Text": "Gold" }]));
    let resource = &rig.shop.resource;
    let also = resource.also.iter().find(|also| also.member == "CustomFields").unwrap();
    let own = resource.for_member(also);
    let values =
        json!({ "CustomFields": [{ "UUID": level, "Text": "Silver" }, { "UUID": since, "Date": "2026-06-01" }] });
    let call = rig.shop.connector.prepare(&own, UPDATE, &[item(&kea, values)], "key").unwrap();
    assert!(
        call.body.starts_with("<CustomFields><CustomField>") && call.body.contains("<Date>20260601</Date>"),
        "{}",
        call.body
    );
    let answer = rig.shop.run(rig.shop.connector.send(&own, &call)).await.unwrap().items.remove(0);
    assert!(matches!(answer, ItemAnswer::Written { body: false, .. }), "{answer:?}");
    let read = rig.shop.one(&kea).await.unwrap().unwrap();
    assert_eq!(
        read.body["CustomFields"],
        json!([{ "UUID": level, "Text": "Silver" }, { "UUID": since, "Date": "2026-06-01" }])
    );
    assert_eq!(read.body["Name"], "Kea", "nothing else moved");

    let groups = connected(System::Xpm, rig.shop.clock.clone(), &xpm.url(), [xpm.token(), xpm.tenant()], "groups");
    let none = groups.connector.prepare(
        &groups.resource,
        CREATE,
        &[new_item(json!({ "Name": "Nobody", "Clients": [] }))],
        "key",
    );
    assert!(none.unwrap_err().to_string().contains("the first of its `Clients`"));
    let both = json!({ "Name": "Farms", "Clients": [{ "UUID": kea }, { "UUID": tui }] });
    let made = written(groups.write(CREATE, &[new_item(both)]).await.unwrap().items.remove(0));
    assert_eq!(made.body["Clients"], json!([{ "UUID": kea, "Name": "Kea" }]), "it is made with its first member");
    let own = groups.resource.for_member(&groups.resource.also[0]);
    let wanted = json!({ "Clients": [{ "UUID": tui }, { "UUID": moa }] });
    let blind = groups.connector.prepare(&own, UPDATE, &[item(made.id.as_str(), wanted.clone())], "key");
    assert!(blind.unwrap_err().to_string().contains("not read before"));
    let with = WriteItem { now: Some(made.body.clone()), ..item(made.id.as_str(), wanted) };
    let call = groups.connector.prepare(&own, UPDATE, &[with], "key").unwrap();
    let expected = format!(
        "<Group><UUID>{}</UUID><add uuid=\"{tui}\"></add><add uuid=\"{moa}\"></add><remove uuid=\"{kea}\"></remove></Group>",
        made.id
    );
    assert_eq!(call.body, expected);
    let changed = written(groups.run(groups.connector.send(&own, &call)).await.unwrap().items.remove(0));
    assert_eq!(changed.body["Clients"], json!([{ "UUID": tui, "Name": "Tui" }, { "UUID": moa, "Name": "Moa" }]));
}
