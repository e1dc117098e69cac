//! What people get wrong in each folder: each is told in a sentence, and everything else goes on. Website and Xero:
//! `tests/ox/bad_input.rs`; proposals: `tests/native`; a wrong staff id: `pp_06_…`.

use std::time::Duration;

use reconciled::engine::RunReport;
use serde_json::{Value, json};

use crate::{
    cliniko, eventbrite, gosweetspot, myob,
    office::Office,
    quickbooks, simpro,
    systems::{Practice, told},
    zoho,
};

/// What a report says of the record of this label.
#[track_caller]
fn said(report: &RunReport, label: &str) -> String {
    let all = told(report);
    let found: Vec<&String> = all.iter().filter(|line| line.starts_with(label)).collect();
    assert!(!found.is_empty(), "nothing of {label} in {all:#?}");
    found.into_iter().cloned().collect::<Vec<_>>().join("; ")
}

/// A contact of the website.
fn contact(office: &Office, first: &str, last: &str) -> String {
    let email = format!("{}@site.example", first.to_lowercase());
    let contact = json!({ "first_name": first, "last_name": last, "email": email });
    office.website.insert("contacts", contact).unwrap()
}

/// A sale of one line to a contact, or to nobody.
fn sale(office: &Office, number: &str, contact: Option<&str>, income: &str) -> String {
    let lines = json!([{ "line_no": 1, "title": "Honey", "quantity": 1, "cents": 1_000, "income": income }]);
    let mut sale = json!({ "number": number, "sold_at": "2026-05-31T02:00:00.000Z", "due_on": "2026-06-20", "total": 10,
        "status": "open", "lines": lines });
    sale["contact_id"] = contact.map_or(Value::Null, Value::from);
    office.website.insert("sales", sale).unwrap()
}

/// A run without this secret: it is named, nothing is written, and with it again everything goes on.
async fn without(mut office: Office, variable: &'static str, value: &str) {
    contact(&office, "Jane", "Site");
    office.sync().await;
    office.settled().await;
    contact(&office, "Max", "Site");
    office.unset(variable);
    // A login is renewed by now.
    office.clock.advance(Duration::from_hours(1));
    let before = office.writes();
    let report = office.engine.run(office.by_hand()).await.unwrap();
    let troubles: Vec<&str> = report.troubles.iter().map(|trouble| trouble.message.as_str()).collect();
    let wanted = format!("{variable} is not set; set it where reconciled is started");
    assert!(troubles.len() == 1 && troubles[0].contains(&wanted), "{troubles:?}");
    assert_eq!(office.writes(), before, "{variable}");
    office.set(variable, value);
    office.sync().await;
    office.settled().await;
}

#[tokio::test]
async fn bad_input_a_secret_that_is_not_there_is_named_in_every_folder() {
    without(eventbrite::running().await, "EVENTBRITE_TOKEN", "eventbrite-token").await;
    // Cliniko's key is the name of its user, and so a mistake of the file: `every_example_folder_is_sound_…`.
    without(gosweetspot::running().await, "GOSWEETSPOT_KEY", "gosweetspot-key").await;
    without(simpro::running().await, "SIMPRO_KEY", "simpro-key").await;
    without(myob::running().await, "MYOB_APP_SECRET", "canary-app-secret").await;
    without(quickbooks::running().await, "QUICKBOOKS_APP_SECRET", "canary-app-secret").await;
    without(zoho::running().await, "ZOHO_APP_SECRET", "canary-app-secret").await;
    let office = zoho::running().await;
    let token = office.website.token().to_owned();
    without(office, "WEBSITE_TOKEN", &token).await;
}

#[tokio::test]
async fn bad_input_myob_an_income_without_an_account_and_a_sale_without_a_contact_are_parked() {
    let office = myob::running().await;
    let jane = contact(&office, "Jane", "Site");
    sale(&office, "S-1", Some(&jane), "gardening");
    let nobody = sale(&office, "S-2", None, "goods");
    sale(&office, "S-3", Some(&jane), "goods");
    let report = office.sync().await;
    let numbers: Vec<Value> = office.system.list("service-invoices").iter().map(|one| one["Number"].clone()).collect();
    assert_eq!(numbers, ["S-3"], "the other one went: {:#?}", told(&report));
    assert!(said(&report, "Sale S-1").contains("table `income-accounts` has no row for `gardening`"), "{report:#?}");
    assert!(said(&report, "Sale S-2").contains("Customer is required"), "{}", said(&report, "Sale S-2"));
    office.settled().await;
    office.website.edit("sales", &nobody, json!({ "contact_id": jane })).unwrap();
    office.sync().await;
    assert_eq!(office.system.count("service-invoices"), 2);
    office.settled().await;
}

#[tokio::test]
async fn bad_input_quickbooks_a_sale_without_a_contact_is_parked_with_its_words() {
    let office = quickbooks::running().await;
    let jane = contact(&office, "Jane", "Site");
    let nobody = sale(&office, "S-1", None, "goods");
    sale(&office, "S-2", Some(&jane), "goods");
    let report = office.sync().await;
    assert_eq!(office.system.count("invoices"), 1, "{:#?}", told(&report));
    assert!(said(&report, "Sale S-1").contains("CustomerRef is required"), "{}", said(&report, "Sale S-1"));
    office.settled().await;
    office.website.edit("sales", &nobody, json!({ "contact_id": jane })).unwrap();
    office.sync().await;
    assert_eq!(office.system.count("invoices"), 2);
    office.settled().await;
}

#[tokio::test]
async fn bad_input_zoho_nobody_without_a_last_name_goes_out_and_a_double_address_is_parked() {
    let office = zoho::running().await;
    contact(&office, "Prince", "");
    contact(&office, "Jane", "Site");
    office.sync().await;
    office.settled().await;
    let twice = json!({ "first_name": "Jan", "last_name": "Other", "email": "Jane@site.example" });
    office.website.insert("contacts", twice).unwrap();
    contact(&office, "Max", "Site");
    let report = office.sync().await;
    assert_eq!(office.system.count("contacts"), 2, "{:#?}", told(&report));
    let odd = said(&report, "Jan Other");
    assert!(odd.contains("linked") || odd.contains("in use already"), "{odd}");
    office.settled().await;
}

#[tokio::test]
async fn bad_input_cliniko_a_name_that_was_cleared_is_listed_and_not_sent() {
    let office = cliniko::running().await;
    for first in ["Ana", "Rua"] {
        let email = format!("{}@patient.example", first.to_lowercase());
        office.system.insert("patients", json!({ "first_name": first, "last_name": "Kea", "email": email })).unwrap();
    }
    office.sync().await;
    office.settled().await;
    let edit = |email: &str, change: Value| {
        let here = office.on_site("contacts", "email", email);
        office.website.edit("contacts", here["id"].as_str().unwrap(), change).unwrap();
    };
    edit("ana@patient.example", json!({ "last_name": "" }));
    edit("rua@patient.example", json!({ "last_name": "Weka" }));
    let report = office.sync().await;
    assert!(said(&report, "Ana").contains("cleared on the source; not sent"), "{:#?}", told(&report));
    assert_eq!(office.there("patients", "first_name", "Ana")["last_name"], "Kea");
    assert_eq!(office.there("patients", "first_name", "Rua")["last_name"], "Weka");
    office.settled().await;
}

#[tokio::test]
async fn bad_input_simpro_a_lead_without_a_last_name_or_of_another_form_stays_on_the_website() {
    let office = simpro::running().await;
    let lead = |last: &str, form: &str| {
        let email = format!("{}@lee.example", if last.is_empty() { "nobody" } else { last }.to_lowercase());
        let lead = json!({ "first_name": "Sam", "last_name": last, "email": email, "form": form });
        office.website.insert("leads", lead).unwrap()
    };
    let bare = lead("", "quote");
    lead("Newsletter", "newsletter");
    lead("Lee", "quote");
    office.sync().await;
    let names: Vec<Value> = office.system.list("individuals").iter().map(|one| one["FamilyName"].clone()).collect();
    assert_eq!(names, ["Lee"]);
    office.settled().await;
    office.website.edit("leads", &bare, json!({ "last_name": "Ling" })).unwrap();
    office.sync().await;
    assert_eq!(office.system.count("individuals"), 2, "it goes when its name is there");
    office.settled().await;
}

#[tokio::test]
async fn bad_input_gosweetspot_a_paid_sale_without_an_address_waits_for_it() {
    let office = gosweetspot::running().await;
    let bare = office.website.insert("sales", json!({ "number": "S-1", "status": "paid" })).unwrap();
    let delivery = json!({ "name": "Jane Doe", "line1": "9 High St", "city": "Nelson", "country": "NZ" });
    office.website.insert("sales", json!({ "number": "S-2", "status": "paid", "delivery": delivery })).unwrap();
    office.sync().await;
    let numbers: Vec<Value> = office.system.list("orders").iter().map(|one| one["packingslipno"].clone()).collect();
    assert_eq!(numbers, ["S-2"]);
    office.settled().await;
    office.website.edit("sales", &bare, json!({ "delivery": delivery })).unwrap();
    office.sync().await;
    assert_eq!(office.system.count("orders"), 2);
    office.settled().await;
}

#[tokio::test]
async fn bad_input_eventbrite_an_attendee_without_an_address_and_an_unknown_state_hold_up_nobody() {
    let office = eventbrite::running().await;
    let attendee = |first: &str, email: &str| {
        let profile = json!({ "name": first, "first_name": first, "last_name": "Kea", "email": email });
        let attendee =
            json!({ "order_id": "1", "event_id": "77", "ticket_class_name": "Early bird", "profile": profile });
        office.system.insert("attendees", attendee).unwrap();
    };
    attendee("Bare", "");
    attendee("Rua", "rua@kea.example");
    let order = json!({ "name": "Rua Kea", "email": "rua@kea.example", "status": "mislaid", "event_id": "77",
        "costs": { "gross": { "currency": "NZD", "value": 100, "major_value": "1.00" } } });
    let odd = office.system.insert("orders", order).unwrap();
    office.sync().await;
    let names: Vec<Value> = office.website.list("contacts").iter().map(|one| one["first_name"].clone()).collect();
    assert_eq!(names, ["Rua"]);
    assert_eq!(office.on_site("sales", "number", &odd)["status"], "open", "a state that the table lacks");
    office.settled().await;
}

#[tokio::test]
async fn bad_input_website_xpm_two_contacts_with_one_address_and_one_without_a_company() {
    let practice = Practice::start("website-xpm").await;
    practice.first_sync().await;
    let site = |first: &str, company: &str, email: &str| {
        let contact = json!({ "first_name": first, "last_name": "Site", "company": company, "email": email });
        practice.website.insert("contacts", contact).unwrap();
    };
    site("Jane", "Site Ltd", "jane@site.example");
    practice.sync().await;
    practice.settled().await;
    site("Bare", "", "bare@site.example");
    site("Jan", "Second Ltd", "JANE@site.example");
    site("Max", "Max Ltd", "max@site.example");
    let report = practice.sync().await;
    assert!(practice.found("company", "Max Ltd").iter().all(|one| one["xpm_id"].is_string()), "the good one went");
    assert_eq!(practice.xpm.ids("clients").len(), 2, "{:#?}", told(&report));
    said(&report, "Jan Site");
    practice.settled().await;
}

#[tokio::test]
async fn bad_input_xpm_portal_a_secret_that_is_not_there_is_named_and_the_portal_keeps_what_it_has() {
    let mut practice = Practice::start("xpm-portal").await;
    practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example"), ("No Mail", "")]);
    practice.first_sync().await;
    practice.settled().await;
    assert_eq!(practice.website.list("contacts").len(), 2, "who has no address comes, too");
    practice.unset("XPM_APP_SECRET");
    practice.clock.advance(Duration::from_hours(1));
    let before = practice.writes();
    let report = practice.engine.run(practice.by_hand()).await.unwrap();
    let troubles: Vec<&str> = report.troubles.iter().map(|trouble| trouble.message.as_str()).collect();
    assert!(troubles.len() == 1 && troubles[0].contains("XPM_APP_SECRET is not set"), "{troubles:?}");
    assert_eq!((practice.writes(), practice.website.list("contacts").len()), (before, 2));
    practice.set("XPM_APP_SECRET", "canary-app-secret");
    practice.settled().await;
}
