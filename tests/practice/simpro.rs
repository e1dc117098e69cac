//! simPRO: contacts both ways without deletions, leads out, tags in.

use reconciled::sandbox::PracticeKind;
use serde_json::json;

use crate::office::Office;

pub async fn running() -> Office {
    let names = ["SIMPRO_URL", "SIMPRO_KEY", "SIMPRO_COMPANY"];
    let office = Office::start("website-simpro", PracticeKind::Simpro, names, |_| vec![]).await;
    office.first_sync().await;
    office
}

#[tokio::test]
async fn simpro_contacts_go_both_ways_and_nothing_is_deleted() {
    let office = running().await;
    let jane = json!({ "first_name": "Jane", "last_name": "Site", "email": "jane@site.example", "mobile": "021 555 0101", "postal": { "city": "Nelson" } });
    let jane = office.website.insert("contacts", jane).unwrap();
    let rua = json!({ "GivenName": "Rua", "FamilyName": "Kea", "Email": "rua@kea.example", "Address": { "City": "Dunedin" } });
    let rua = office.system.insert("individuals", rua).unwrap();
    office.sync().await;
    assert_eq!(office.there("individuals", "GivenName", "Jane")["Address"]["City"], "Nelson");
    let here = office.on_site("contacts", "email", "rua@kea.example");
    assert_eq!(here["postal"]["city"], "Dunedin");
    office.settled().await;
    office
        .system
        .edit("individuals", &rua, json!({ "Phone": "03 555 0177", "Profile": { "Notes": "gate code 7" } }))
        .unwrap();
    office.website.edit("contacts", here["id"].as_str().unwrap(), json!({ "mobile": "021 555 0199" })).unwrap();
    office.sync().await;
    office.sync().await;
    let there = office.there("individuals", "GivenName", "Rua");
    assert_eq!((&there["CellPhone"], &there["Profile"]["Notes"]), (&json!("021 555 0199"), &json!("gate code 7")));
    assert_eq!(office.on_site("contacts", "email", "rua@kea.example")["phone"], "03 555 0177");
    office.settled().await;
    office.website.remove("contacts", &jane).unwrap();
    office.system.remove("individuals", &rua).unwrap();
    let before = office.writes();
    for _ in 0..3 {
        office.sync_full().await;
    }
    assert_eq!(office.writes(), before);
    assert_eq!((office.system.count("individuals"), office.website.list("contacts").len()), (1, 1));
    office.settled().await;
}

#[tokio::test]
async fn simpro_leads_of_the_named_forms_go_out_once_and_are_left_alone() {
    let office = running().await;
    let lead = |last: &str, form: &str| json!({ "first_name": "Sam", "last_name": last, "email": format!("{last}@lee.example"), "message": "a quote, please", "form": form });
    let sam = office.website.insert("leads", lead("Lee", "quote")).unwrap();
    office.website.insert("leads", lead("News", "newsletter")).unwrap();
    office.sync().await;
    let there = office.there("individuals", "FamilyName", "Lee");
    assert_eq!((&there["CustomerType"], &there["Profile"]["Notes"]), (&json!("Lead"), &json!("a quote, please")));
    assert_eq!(office.system.count("individuals"), 1);
    assert_eq!(office.website.list("contacts").len(), 0, "a lead is no customer");
    office.settled().await;
    office.website.edit("leads", &sam, json!({ "message": "two, please" })).unwrap();
    office.sync().await;
    assert_eq!(office.there("individuals", "FamilyName", "Lee")["Profile"]["Notes"], "a quote, please");
    assert_eq!(office.received(), ["POST"]);
    office.settled().await;
}

#[tokio::test]
async fn simpro_tags_become_groups_one_way() {
    let office = running().await;
    let vip = office.system.insert("customer-tags", json!({ "Name": "VIP" })).unwrap();
    office.website.insert("groups", json!({ "name": "Newsletter" })).unwrap();
    office.sync().await;
    office.on_site("groups", "name", "VIP");
    assert_eq!(office.received(), Vec::<String>::new());
    office.settled().await;
    office.system.edit("customer-tags", &vip, json!({ "Name": "Gold" })).unwrap();
    office.sync().await;
    office.on_site("groups", "name", "Gold");
    assert_eq!((office.website.list("groups").len(), office.system.count("customer-tags")), (2, 1));
    office.settled().await;
}
