//! ox-17 to ox-19: when the daemon syncs.

use chrono::TimeDelta;
use reconciled::sandbox::LogEntry;
use serde_json::json;

use crate::{
    example::{sync_by_hand, until},
    site::{Site, afternoon},
};

/// A site whose first run is done: Jane and John are linked, with an invoice each.
async fn settled_at(hour: u32, minute: u32) -> (Site, String) {
    let site = Site::start_at(afternoon(hour, minute)).await;
    let jane = site.customer("Jane", "Doe");
    site.customer("John", "Roe");
    site.sync().await;
    site.approve().await;
    site.sync().await;
    site.settled().await;
    (site, jane)
}

/// The writes of a system, as `PUT Contacts`.
fn writes(entries: &[LogEntry]) -> Vec<String> {
    let writes = entries.iter().filter(|entry| !entry.is_read());
    writes.map(|entry| format!("{} {}", entry.method, entry.path.rsplit('/').next().unwrap())).collect()
}

#[tokio::test]
async fn ox_17_switched_off_it_keeps_its_state_and_a_manual_sync_still_works() {
    let (mut site, jane) = settled_at(15, 30).await;
    let off = |yaml: &str| {
        let edited = yaml.replace("    timezone:", "    automatic: false\n    timezone:");
        assert_ne!(edited, yaml);
        edited
    };
    site.reconfigure(off);
    let daemon = site.daemon().await;
    let calls = || site.sandbox.website.log().counts().requests() + site.sandbox.xero.log().counts().requests();
    let before = calls();
    let runs = site.runs().await.len();
    site.sandbox.website.edit("contacts", &jane, json!({ "mobile": "021 555 1" })).unwrap();
    until(&daemon, afternoon(15, 30) + TimeDelta::days(3)).await;
    assert_eq!((calls(), site.runs().await.len()), (before, runs), "nothing starts by itself");
    sync_by_hand(&site, &daemon).await;
    let phone = |site: &Site, number: &str| {
        let there = Site::one(&site.xero("Contacts"), "Name", "Jane Doe");
        there["Phones"].as_array().unwrap().iter().any(|phone| phone["PhoneNumber"] == number)
    };
    assert!(phone(&site, "0215551"));
    daemon.stop().await;
    // Switched on again: it goes on from where it was, with the links it had.
    site.sandbox.website.edit("contacts", &jane, json!({ "mobile": "021 555 2" })).unwrap();
    site.reconfigure(str::to_owned);
    let daemon = site.daemon().await;
    until(&daemon, site.clock.now() + TimeDelta::minutes(10)).await;
    assert!(phone(&site, "0215552"), "{:?}", site.runs().await);
    assert_eq!((site.xero("Contacts").len(), site.xero("Invoices").len()), (2, 2));
    daemon.stop().await;
    site.settled().await;
}

#[tokio::test]
async fn ox_18_a_contact_edited_at_four_and_a_sale_of_three_past_are_both_in_xero_at_four_past_in_one_run() {
    let (site, jane) = settled_at(15, 30).await;
    let daemon = site.daemon().await;
    until(&daemon, afternoon(16, 0) + TimeDelta::seconds(1)).await;
    let earlier = site.runs().await.len();
    site.sandbox.xero.log().clear();
    site.sandbox.website.edit("contacts", &jane, json!({ "mobile": "021 555 1" })).unwrap();
    until(&daemon, afternoon(16, 3)).await;
    assert_eq!(site.sandbox.xero.log().counts().requests(), 0, "Xero is not asked before there is something to do");
    site.sale(&jane, "S-2");
    until(&daemon, afternoon(16, 4) - TimeDelta::seconds(1)).await;
    assert_eq!(site.sandbox.xero.log().counts().requests(), 0);
    until(&daemon, afternoon(16, 4)).await;

    let there = Site::one(&site.xero("Contacts"), "Name", "Jane Doe");
    assert!(there["Phones"].as_array().unwrap().iter().any(|phone| phone["PhoneNumber"] == "0215551"), "{there}");
    let invoice = Site::one(&site.xero("Invoices"), "InvoiceNumber", "S-2");
    assert_eq!(invoice["Contact"]["ContactID"], there["ContactID"]);
    assert_eq!(site.runs().await.split_off(earlier), ["01 16:04:00 window closed"]);
    // One request for each resource, both at that instant.
    let log = site.sandbox.xero.log().entries();
    assert_eq!(writes(&log), ["POST Contacts", "PUT Invoices"]);
    assert!(log.iter().all(|entry| entry.at == afternoon(16, 4)), "{log:#?}");
    // The hour after it is quiet.
    until(&daemon, afternoon(17, 0)).await;
    assert_eq!(site.runs().await.len(), earlier + 1, "{:?}", site.runs().await);
    assert_eq!(site.sandbox.xero.log().counts().writes, 2);
    daemon.stop().await;
    site.settled().await;
}

#[tokio::test]
async fn ox_19_a_day_without_an_update_on_the_website_ends_in_a_sync_that_downloads_xero_and_any_sync_restarts_it() {
    let (site, _) = settled_at(11, 55).await;
    let bare = site.xero_contact("Bare Bones", "bare@bones.example");
    let daemon = site.daemon().await;
    until(&daemon, afternoon(12, 0)).await;
    sync_by_hand(&site, &daemon).await;
    let earlier = site.runs().await.len();
    site.sandbox.xero.log().clear();
    // A detail of a customer is changed in Xero, and a contact becomes a customer, which Xero's own feed never tells.
    let there = Site::one(&site.xero("Contacts"), "Name", "John Roe");
    let id = there["ContactID"].as_str().unwrap();
    site.sandbox.xero.edit("Contacts", id, json!({ "EmailAddress": "new@roe.example" })).unwrap();
    site.xero_invoice(&bare, "ACCREC");
    let day = TimeDelta::days(1);
    until(&daemon, afternoon(12, 0) + day - TimeDelta::seconds(1)).await;
    assert_eq!(site.runs().await.len(), earlier, "{:?}", site.runs().await);
    assert_eq!(site.sandbox.xero.log().counts().requests(), 0, "the website is polled, Xero is not");
    until(&daemon, afternoon(12, 0) + day).await;
    assert_eq!(site.runs().await.split_off(earlier), ["02 12:00:00 idle for 1day"]);
    assert_eq!(Site::one(&site.website("contacts"), "first_name", "John")["email"], "new@roe.example");
    Site::one(&site.website("contacts"), "email", "bare@bones.example");
    // By hand in the evening: the day counts from there.
    until(&daemon, afternoon(20, 0) + day).await;
    sync_by_hand(&site, &daemon).await;
    until(&daemon, afternoon(20, 1) + day + day).await;
    assert_eq!(
        site.runs().await.split_off(earlier),
        ["02 12:00:00 idle for 1day", "02 20:00:00 by hand", "03 20:00:00 idle for 1day"]
    );
    daemon.stop().await;
    site.settled().await;
}
