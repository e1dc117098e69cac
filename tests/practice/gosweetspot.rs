//! GoSweetSpot: paid sales become orders, shipments come back, no freight is booked.

use reconciled::sandbox::PracticeKind;
use serde_json::json;

use crate::office::Office;

pub async fn running() -> Office {
    let names = ["GOSWEETSPOT_URL", "GOSWEETSPOT_KEY", ""];
    let contact = |_: &_| vec![("GOSWEETSPOT_CONTACT", "me@shop.example".to_owned())];
    let office = Office::start("website-gosweetspot", PracticeKind::GoSweetSpot, names, contact).await;
    office.first_sync().await;
    office
}

fn sale(office: &Office, number: &str, status: &str) -> String {
    let delivery = json!({ "name": "Jane Doe", "line1": "9 High St", "city": "Nelson", "country": "NZ", "instructions": "back door" });
    office.website.insert("sales", json!({ "number": number, "status": status, "delivery": delivery })).unwrap()
}

#[tokio::test]
async fn gosweetspot_paid_sales_become_orders_and_edits_follow_until_one_is_processed() {
    let office = running().await;
    let open = sale(&office, "S-1", "open");
    let paid = sale(&office, "S-2", "paid");
    office.website.insert("sales", json!({ "number": "S-3", "status": "paid" })).unwrap();
    office.sync().await;
    let order = office.there("orders", "packingslipno", "S-2");
    assert_eq!((&order["consignee"], &order["address2"]), (&json!("Jane Doe"), &json!("9 High St")));
    assert_eq!(office.system.count("orders"), 1);
    office.settled().await;
    office.website.edit("sales", &open, json!({ "status": "paid" })).unwrap();
    office.system.edit("orders", "S-2", json!({ "costcentre": "Shop" })).unwrap();
    office.website.edit("sales", &paid, json!({ "delivery": { "city": "Dunedin" } })).unwrap();
    office.sync().await;
    let order = office.there("orders", "packingslipno", "S-2");
    assert_eq!(
        (&order["city"], &order["costcentre"], &order["consignee"]),
        (&json!("Dunedin"), &json!("Shop"), &json!("Jane Doe"))
    );
    assert_eq!(office.system.count("orders"), 2);
    office.settled().await;
    // Somebody books the freight; what is edited afterwards is refused, and listed with the words.
    office.system.edit("orders", "S-2", json!({ "status": { "Status": "PICKED" } })).unwrap();
    office.website.edit("sales", &paid, json!({ "delivery": { "city": "Gore" } })).unwrap();
    let report = office.sync().await;
    let said: Vec<_> = office.findings(&report, "orders").iter().map(|finding| finding.message.clone()).collect();
    assert!(said.iter().any(|message| message.contains("already processed")), "{said:?}");
    assert_eq!(office.there("orders", "packingslipno", "S-2")["city"], "Dunedin");
    assert!(office.received().iter().all(|method| method == "PUT"), "no freight is booked, nothing is deleted");
    office.settled().await;
}

#[tokio::test]
async fn gosweetspot_a_shipment_tells_its_state_on_the_sale_and_makes_none() {
    let office = running().await;
    let paid = sale(&office, "S-2", "paid");
    office.sync().await;
    let shipment = |number: &str, slip: &str| json!({ "ConsignmentNo": number, "PackingSlipNo": slip, "Status": "In transit", "Tracking": "https://track.example/1" });
    office.system.insert("shipments", shipment("SSPOT1", "S-2")).unwrap();
    office.system.insert("shipments", shipment("SSPOT2", "elsewhere")).unwrap();
    office.sync().await;
    office.sync().await;
    let delivery = office.website.get("sales", &paid).unwrap()["delivery"].clone();
    assert_eq!((&delivery["status"], &delivery["tracking"]), (&json!("In transit"), &json!("https://track.example/1")));
    assert_eq!((&delivery["city"], office.website.list("sales").len()), (&json!("Nelson"), 1));
    office.settled().await;
    office.system.edit("shipments", "SSPOT1", json!({ "Status": "DELIVERED" })).unwrap();
    office.sync().await;
    assert_eq!(office.website.get("sales", &paid).unwrap()["delivery"]["status"], "DELIVERED");
    office.settled().await;
}
