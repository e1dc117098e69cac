//! op-01 to op-04: a website's contacts and XPM's clients, both ways.

use chrono::TimeDelta;
use serde_json::json;

use crate::{
    example::{afternoon, sync_by_hand, until},
    systems::{Practice, told, writes},
};

async fn running() -> Practice {
    let practice = Practice::start("website-xpm").await;
    practice.first_sync().await;
    practice
}

fn contact(practice: &Practice, first: &str, company: &str) -> String {
    let email = format!("{}@site.example", first.to_lowercase());
    let contact = json!({ "first_name": first, "last_name": "Site", "company": company, "email": email, "phone": "03 555 0101",
        "mobile": "021 555 0101", "postal": { "line1": "PO Box 9", "city": "Nelson", "postcode": "7010" } });
    practice.website.insert("contacts", contact).unwrap()
}

#[tokio::test]
async fn op_01_a_contact_of_the_website_becomes_a_client_with_its_contact_and_both_are_kept_the_same() {
    let practice = running().await;
    let jane = contact(&practice, "Jane", "Site Ltd");
    let bare = practice.website.insert("contacts", json!({ "first_name": "No", "last_name": "Company" })).unwrap();
    practice.sync().await;
    practice.sync().await;
    let ids = practice.xpm.ids("clients");
    assert_eq!(ids.len(), 1, "a contact without a company has no name for a client");
    let client = practice.xpm.get("clients", &ids[0]).unwrap();
    for expected in [
        "<Name>Site Ltd</Name>",
        "<Name>Jane Site</Name>",
        "<Mobile>021 555 0101</Mobile>",
        "<PostalCity>Nelson</PostalCity>",
        "<IsPrimary>Yes</IsPrimary>",
    ] {
        assert!(client.contains(expected), "{expected} in {client}");
    }
    let person = practice.person("Jane Site");
    let here = practice.website.get("contacts", &jane).unwrap();
    assert_eq!((&here["xpm_id"], &here["xpm_contact_id"]), (&json!(ids[0]), &json!(person)));
    practice.settled().await;

    // An edit of the person goes by the contact's own call, one of the client by the client's.
    practice.xpm.log().clear();
    practice.website.edit("contacts", &jane, json!({ "mobile": "021 555 0102", "phone": "03 555 0102" })).unwrap();
    practice.sync().await;
    assert_eq!(
        writes(&practice.xpm.log().entries()),
        ["PUT client.api/update".to_owned(), format!("PUT client.api/contact/{person}")]
    );
    assert_eq!(practice.element("contacts", &person, "Mobile"), "021 555 0102");
    practice.settled().await;

    // And back: both kinds of edit in XPM.
    practice.xpm.edit("contacts", &person, "<Contact><Email>jane@new.example</Email></Contact>").unwrap();
    practice.xpm.edit("clients", &ids[0], "<Client><PostalCity>Dunedin</PostalCity></Client>").unwrap();
    practice.sync().await;
    practice.sync().await;
    let here = practice.website.get("contacts", &jane).unwrap();
    assert_eq!((&here["email"], &here["postal"]["city"]), (&json!("jane@new.example"), &json!("Dunedin")));
    practice.settled().await;
    assert_eq!(practice.website.get("contacts", &bare).unwrap()["xpm_id"], json!(null));
}

#[tokio::test]
async fn op_01_a_client_of_xpm_becomes_a_contact_of_the_website_and_a_new_id_of_it_makes_no_second() {
    let practice = running().await;
    let kea = practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example"), ("Ana Kea", "ana@kea.example")]);
    practice.sync().await;
    practice.sync().await;
    let rua = practice.one("company", "Kea Ltd");
    assert_eq!(
        (&rua["first_name"], &rua["last_name"], &rua["email"]),
        (&json!("Rua"), &json!("Kea"), &json!("rua@kea.example"))
    );
    assert_eq!((&rua["xpm_id"], &rua["xpm_contact_id"]), (&json!(kea), &json!(practice.person("Rua Kea"))));
    practice.settled().await;
    let new = practice.xpm.convert(&kea).unwrap();
    let report = practice.sync().await;
    let now = practice.one("company", "Kea Ltd");
    assert_eq!((&now["id"], &now["xpm_id"]), (&rua["id"], &json!(new)), "{:?}", told(&report));
    practice.settled().await;
    practice.website.edit("contacts", now["id"].as_str().unwrap(), json!({ "phone": "03 555 0199" })).unwrap();
    practice.sync().await;
    assert_eq!(practice.element("clients", &new, "Phone"), "03 555 0199");
    assert_eq!(
        (practice.xpm.ids("clients").len(), practice.website.list("contacts").len()),
        (2, 1),
        "the old one is marked"
    );
    practice.settled().await;
}

#[tokio::test]
async fn op_01_what_xpm_refuses_is_parked_with_its_words_and_the_others_go_on() {
    let practice = running().await;
    let jane = contact(&practice, "Jane", "Site Ltd");
    practice.sync().await;
    practice.settled().await;
    // XPM needs a name of each contact; the website lets it be cleared, and that is not sent.
    practice.website.edit("contacts", &jane, json!({ "company": "", "phone": "03 555 0103" })).unwrap();
    contact(&practice, "Max", "Other Ltd");
    let report = practice.sync().await;
    let client = practice.xpm.ids("clients")[0].clone();
    assert_eq!(practice.element("clients", &client, "Name"), "Site Ltd", "{:?}", told(&report));
    assert_eq!(practice.element("clients", &client, "Phone"), "03 555 0103");
    assert_eq!(practice.xpm.ids("clients").len(), 2);
    assert!(report.pipelines[0].tally.pending > 0, "the cleared name is listed: {report:#?}");
    practice.settled().await;
}

#[tokio::test]
async fn op_03_deletions_are_reflected_in_neither_system() {
    let practice = running().await;
    let jane = contact(&practice, "Jane", "Site Ltd");
    contact(&practice, "Max", "Other Ltd");
    let kea = practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example")]);
    practice.sync().await;
    practice.settled().await;
    practice.website.remove("contacts", &jane).unwrap();
    practice.xpm.delete("clients", &kea);
    practice.xpm.log().clear();
    practice.website.log().clear();
    practice.sync_full().await;
    practice.sync_full().await;
    assert_eq!(practice.writes(), 0);
    practice.one("company", "Kea Ltd");
    practice.one("company", "Other Ltd");
    assert_eq!(practice.website.list("contacts").len(), 2, "and none is made anew");
    let site = practice
        .xpm
        .ids("clients")
        .into_iter()
        .find(|id| practice.element("clients", id, "Name") == "Site Ltd")
        .unwrap();
    assert_eq!(practice.element("clients", &site, "IsDeleted"), "No");
    assert_eq!(practice.xpm.ids("clients").len(), 3);
    practice.settled().await;
}

#[tokio::test]
async fn op_04_a_contact_updated_at_two_is_in_xpm_at_four_past_and_an_idle_day_ends_in_a_download() {
    let practice = Practice::start_at("website-xpm", afternoon(13, 30)).await;
    let jane = contact(&practice, "Jane", "Site Ltd");
    practice.first_sync().await;
    practice.settled().await;
    let client = practice.xpm.ids("clients")[0].clone();
    let daemon = practice.daemon().await;
    until(&daemon, afternoon(14, 0) + TimeDelta::seconds(1)).await;
    practice.xpm.log().clear();
    let earlier = practice.runs().await.len();
    practice.website.edit("contacts", &jane, json!({ "phone": "03 555 0104" })).unwrap();
    until(&daemon, afternoon(14, 4) - TimeDelta::seconds(1)).await;
    assert_eq!(practice.xpm.log().counts().requests(), 0, "edits are gathered first");
    until(&daemon, afternoon(14, 4)).await;
    assert_eq!(practice.element("clients", &client, "Phone"), "03 555 0104");
    assert_eq!(practice.runs().await.split_off(earlier), ["01 14:04:00 window closed"]);
    assert_eq!(writes(&practice.xpm.log().entries()), ["PUT client.api/update"]);
    // A day without an edit on the website.
    practice.xpm.edit("clients", &client, "<Client><PostalCity>Dunedin</PostalCity></Client>").unwrap();
    let day = TimeDelta::days(1);
    until(&daemon, afternoon(14, 4) + day - TimeDelta::seconds(1)).await;
    assert_eq!(practice.website.get("contacts", &jane).unwrap()["postal"]["city"], "Nelson");
    until(&daemon, afternoon(14, 4) + day).await;
    assert_eq!(practice.website.get("contacts", &jane).unwrap()["postal"]["city"], "Dunedin");
    // Any sync restarts the day.
    until(&daemon, afternoon(20, 0) + day).await;
    sync_by_hand(&practice, &daemon).await;
    let counted = practice.runs().await.len();
    until(&daemon, afternoon(20, 0) + day + day - TimeDelta::seconds(1)).await;
    assert_eq!(practice.runs().await.len(), counted, "{:?}", practice.runs().await);
    until(&daemon, afternoon(20, 0) + day + day).await;
    assert_eq!(practice.runs().await.len(), counted + 1);
    daemon.stop().await;
    practice.settled().await;
}
