//! Cliniko: every patient comes in, an edit on the site goes out, a contact never becomes a patient, deletions do not cross.

use reconciled::sandbox::PracticeKind;
use serde_json::json;

use crate::office::Office;

pub async fn running() -> Office {
    let names = ["CLINIKO_URL", "CLINIKO_KEY", ""];
    let contact = |_: &_| vec![("CLINIKO_CONTACT", "me@clinic.example".to_owned())];
    let office = Office::start("website-cliniko", PracticeKind::Cliniko, names, contact).await;
    office.first_sync().await;
    office
}

fn patient(office: &Office, first: &str) -> String {
    let email = format!("{}@patient.example", first.to_lowercase());
    let phones = json!([{ "phone_type": "Work", "number": "03 555 0100" }, { "phone_type": "Mobile", "number": "021 555 0101" }]);
    let patient = json!({ "first_name": first, "last_name": "Kea", "email": email, "city": "Melbourne", "patient_phone_numbers": phones });
    office.system.insert("patients", patient).unwrap()
}

#[tokio::test]
async fn cliniko_every_patient_comes_in_and_edits_go_both_ways() {
    let office = running().await;
    let ids = ["Ana", "Rua"].map(|first| patient(&office, first));
    office.sync().await;
    let ana = office.on_site("contacts", "email", "ana@patient.example");
    assert_eq!((&ana["mobile"], &ana["postal"]["city"]), (&json!("021 555 0101"), &json!("Melbourne")));
    assert_eq!(office.website.list("contacts").len(), 2);
    assert_eq!(office.received(), Vec::<String>::new());
    office.settled().await;
    office
        .website
        .edit("contacts", ana["id"].as_str().unwrap(), json!({ "mobile": "021 555 0199", "phone": "03 555 0177" }))
        .unwrap();
    office.system.edit("patients", &ids[1], json!({ "city": "Geelong" })).unwrap();
    office.sync().await;
    let there = office.system.get("patients", &ids[0]).unwrap();
    // The number that nobody maps stays.
    let numbers: Vec<_> =
        there["patient_phone_numbers"].as_array().unwrap().iter().map(|phone| phone["number"].clone()).collect();
    assert_eq!(numbers, ["03 555 0100", "021 555 0199", "03 555 0177"]);
    assert_eq!(there["city"], "Melbourne");
    assert_eq!(office.on_site("contacts", "email", "rua@patient.example")["postal"]["city"], "Geelong");
    assert_eq!(office.received(), ["PUT"]);
    office.settled().await;
}

#[tokio::test]
async fn cliniko_a_contact_of_the_site_never_becomes_a_patient_and_is_linked_when_it_is_one() {
    let office = running().await;
    let jane = json!({ "first_name": "Jane", "last_name": "Site", "email": "jane@patient.example" });
    let jane = office.website.insert("contacts", jane).unwrap();
    office.sync().await;
    office.sync_full().await;
    assert_eq!((office.system.count("patients"), office.received()), (0, vec![]));
    office.settled().await;
    patient(&office, "Jane");
    office.sync().await;
    office.sync().await;
    assert_eq!(office.website.list("contacts").len(), 1, "she is the same");
    assert_eq!(office.website.get("contacts", &jane).unwrap()["mobile"], "021 555 0101");
    office.settled().await;
}

#[tokio::test]
async fn cliniko_deletions_cross_neither_way() {
    let office = running().await;
    let ids = ["Ana", "Rua"].map(|first| patient(&office, first));
    office.sync().await;
    office.settled().await;
    office.system.remove("patients", &ids[0]).unwrap();
    let rua = office.on_site("contacts", "email", "rua@patient.example")["id"].as_str().unwrap().to_owned();
    office.website.remove("contacts", &rua).unwrap();
    let before = office.writes();
    office.sync().await;
    for _ in 0..2 {
        office.sync_full().await;
    }
    assert_eq!(office.writes(), before);
    office.on_site("contacts", "email", "ana@patient.example");
    assert_eq!(office.system.count("patients"), 1);
    office.settled().await;
}
