//! Zoho CRM: all contacts cross, and so do deletions, both ways.

use reconciled::sandbox::{PracticeKind, PracticeSystem};
use serde_json::json;

use crate::office::Office;

pub async fn running() -> Office {
    let more =
        |system: &PracticeSystem| Office::app(system, ["ZOHO_LOGIN", "ZOHO_APP_ID", "ZOHO_APP_SECRET"], "1000.APP");
    let office = Office::start("website-zoho", PracticeKind::ZohoCrm, ["ZOHO_URL", "", ""], more).await;
    office.first_sync().await;
    office
}

fn contact(office: &Office, first: &str) -> String {
    let email = format!("{}@site.example", first.to_lowercase());
    office
        .website
        .insert("contacts", json!({ "first_name": first, "last_name": "Site", "email": email, "phone": "03 555 0101" }))
        .unwrap()
}

fn other(office: &Office, first: &str) -> String {
    let email = format!("{}@kea.example", first.to_lowercase());
    office
        .system
        .insert(
            "contacts",
            json!({ "First_Name": first, "Last_Name": "Kea", "Email": email, "Mailing_City": "Nelson" }),
        )
        .unwrap()
}

#[tokio::test]
async fn zoho_all_contacts_cross_both_ways_and_a_stale_edit_is_merged() {
    let office = running().await;
    let ids: Vec<String> = (0..12).map(|number| contact(&office, &format!("N{number}"))).collect();
    other(&office, "Rua");
    office.sync().await;
    assert_eq!((office.system.count("contacts"), office.website.list("contacts").len()), (13, 13));
    assert_eq!(office.on_site("contacts", "email", "rua@kea.example")["postal"]["city"], "Nelson");
    assert_eq!(office.received().len(), 2, "ten rows a call");
    office.settled().await;
    let there = office.there("contacts", "First_Name", "N3");
    office.system.edit("contacts", there["id"].as_str().unwrap(), json!({ "Phone": "03 555 0177" })).unwrap();
    office.website.edit("contacts", &ids[3], json!({ "postal": { "city": "Dunedin" } })).unwrap();
    office.sync().await;
    office.sync().await;
    let now = office.there("contacts", "First_Name", "N3");
    assert_eq!((&now["Phone"], &now["Mailing_City"]), (&json!("03 555 0177"), &json!("Dunedin")));
    assert_eq!(office.website.get("contacts", &ids[3]).unwrap()["phone"], "03 555 0177");
    office.settled().await;
}

#[tokio::test]
async fn zoho_deletions_cross_both_ways_and_an_edit_is_stronger() {
    let office = running().await;
    let [ana, jane, max] = ["Ana", "Jane", "Max"].map(|first| contact(&office, first));
    office.sync().await;
    office.settled().await;
    let id = |first: &str| office.there("contacts", "First_Name", first)["id"].as_str().unwrap().to_owned();
    let (there, edited) = (id("Jane"), id("Max"));
    office.website.remove("contacts", &ana).unwrap();
    office.system.remove("contacts", &there).unwrap();
    // Deleted there, and edited here in the same hour.
    office.system.remove("contacts", &edited).unwrap();
    office.website.edit("contacts", &max, json!({ "phone": "03 555 0199" })).unwrap();
    // Zoho's own list of deletions tells without a full read.
    office.sync().await;
    assert!(office.website.get("contacts", &jane).is_none());
    for _ in 0..3 {
        office.sync_full().await;
    }
    assert_eq!(office.system.count("contacts"), 0);
    let left: Vec<_> = office.website.list("contacts").iter().map(|contact| contact["first_name"].clone()).collect();
    assert_eq!(left, ["Max"]);
    office.settled().await;
}
