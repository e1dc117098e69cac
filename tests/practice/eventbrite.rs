//! Eventbrite: attendees and orders come in, nothing goes out, nobody is taken away.

use reconciled::sandbox::PracticeKind;
use serde_json::{Value, json};

use crate::office::Office;

pub async fn running() -> Office {
    let names = ["EVENTBRITE_URL", "EVENTBRITE_TOKEN", "EVENTBRITE_ORGANISATION"];
    let office = Office::start("eventbrite-website", PracticeKind::Eventbrite, names, |_| vec![]).await;
    office.first_sync().await;
    office
}

fn attendee(first: &str, email: &str) -> Value {
    json!({ "order_id": "1", "event_id": "77", "ticket_class_name": "Early bird",
        "profile": { "name": format!("{first} Kea"), "first_name": first, "last_name": "Kea", "email": email } })
}

#[tokio::test]
async fn eventbrite_attendees_come_in_once_for_an_address_and_nothing_goes_out() {
    let office = running().await;
    let rua = office.system.insert("attendees", attendee("Rua", "rua@kea.example")).unwrap();
    office.system.insert("attendees", attendee("Ruatau", "Rua@kea.example")).unwrap();
    let mut gone = attendee("Ana", "ana@kea.example");
    gone["cancelled"] = json!(true);
    office.system.insert("attendees", gone).unwrap();
    for number in 0..60 {
        office.system.insert("attendees", attendee("Guest", &format!("guest{number}@kea.example"))).unwrap();
    }
    office.sync().await;
    assert_eq!(office.website.list("contacts").len(), 61, "over two pages; one of each address; none who cancelled");
    let here = office.on_site("contacts", "email", "rua@kea.example");
    assert_eq!((&here["first_name"], &here["custom"]["ticket"]), (&json!("Rua"), &json!("Early bird")));
    office.settled().await;
    let mut changed = office.system.get("attendees", &rua).unwrap()["profile"].clone();
    changed["company"] = json!("Kea Ltd");
    office.system.edit("attendees", &rua, json!({ "profile": changed })).unwrap();
    office.sync().await;
    assert_eq!(office.on_site("contacts", "email", "rua@kea.example")["company"], "Kea Ltd");
    // Who cancels later stays a contact.
    office.system.edit("attendees", &rua, json!({ "cancelled": true })).unwrap();
    office.sync_full().await;
    office.on_site("contacts", "email", "rua@kea.example");
    assert_eq!(office.website.list("contacts").len(), 61);
    assert_eq!(office.received(), Vec::<String>::new());
    office.settled().await;
}

#[tokio::test]
async fn eventbrite_orders_become_sales_and_a_refunded_one_is_cancelled() {
    let office = running().await;
    let order = json!({ "name": "Rua Kea", "email": "rua@kea.example", "status": "placed", "event_id": "77",
        "costs": { "gross": { "currency": "NZD", "value": 4350, "major_value": "43.50" } } });
    let id = office.system.insert("orders", order).unwrap();
    office.sync().await;
    let sale = office.on_site("sales", "number", &id);
    assert_eq!((&sale["status"], &sale["reference"]), (&json!("paid"), &json!("77")));
    office.settled().await;
    assert_eq!(sale["total"].to_string(), "43.50", "a decimal keeps its digits");
    office.system.edit("orders", &id, json!({ "status": "refunded" })).unwrap();
    office.sync().await;
    assert_eq!(office.on_site("sales", "number", &id)["status"], "cancelled");
    assert_eq!(office.received(), Vec::<String>::new());
    office.settled().await;
}
