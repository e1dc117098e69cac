//! QuickBooks: only contacts with sales go out, every customer comes in, an invoice is deleted only with the sale that made it.

use chrono::TimeDelta;
use reconciled::{
    config::PipelineName,
    record::Side,
    sandbox::{PracticeKind, PracticeSystem},
};
use serde_json::json;

use crate::{
    example::{afternoon, until},
    office::Office,
};

const NAMES: [&str; 3] = ["QUICKBOOKS_URL", "", ""];

fn more(system: &PracticeSystem) -> Vec<(&'static str, String)> {
    let names = ["QUICKBOOKS_LOGIN", "QUICKBOOKS_APP_ID", "QUICKBOOKS_APP_SECRET"];
    let mut all = Office::app(system, names, "intuit-app");
    all.push(("QUICKBOOKS_ITEM", system.insert("items", json!({ "Name": "Goods" })).unwrap()));
    all
}

pub async fn running() -> Office {
    let office = Office::start("website-quickbooks", PracticeKind::QuickBooks, NAMES, more).await;
    office.first_sync().await;
    office
}

fn contact(office: &Office, first: &str) -> String {
    let email = format!("{}@site.example", first.to_lowercase());
    let contact = json!({ "first_name": first, "last_name": "Site", "email": email, "phone": "03 555 0101",
        "postal": { "line1": "9 High St", "city": "Nelson", "postcode": "7010" } });
    office.website.insert("contacts", contact).unwrap()
}

fn sale(office: &Office, number: &str, contact: &str) -> String {
    let lines = json!([
        { "line_no": 1, "title": "Honey", "quantity": 3, "cents": 1250, "income": "goods" },
        { "line_no": 2, "title": "Freight", "quantity": 1, "cents": 600, "income": "goods" },
    ]);
    let sale = json!({ "number": number, "contact_id": contact, "sold_at": "2026-06-01T02:30:00Z", "total": 43.5, "status": "open",
        "lines": lines });
    office.website.insert("sales", sale).unwrap()
}

#[tokio::test]
async fn quickbooks_only_contacts_with_a_sale_go_out_and_every_customer_comes_in() {
    let office = running().await;
    let jane = contact(&office, "Jane");
    let kea = json!({ "DisplayName": "Kea Ltd", "CompanyName": "Kea Ltd", "GivenName": "Rua", "FamilyName": "Kea",
        "PrimaryEmailAddr": { "Address": "rua@kea.example" } });
    office.system.insert("customers", kea).unwrap();
    office.sync().await;
    assert_eq!(office.on_site("contacts", "email", "rua@kea.example")["company"], "Kea Ltd");
    assert_eq!(office.system.count("customers"), 1, "Jane bought nothing");
    office.settled().await;
    sale(&office, "S-1", &jane);
    office.sync().await;
    let there = office.there("customers", "DisplayName", "Jane Site");
    assert_eq!((&there["BillAddr"]["City"], &there["SyncToken"]), (&json!("Nelson"), &json!("0")));
    office.settled().await;
    // Edits of either side, and one of each at once.
    office.website.edit("contacts", &jane, json!({ "postal": { "city": "Dunedin" } })).unwrap();
    let id = there["Id"].as_str().unwrap();
    office.system.edit("customers", id, json!({ "FamilyName": "Field", "Notes": "pays late" })).unwrap();
    office.sync().await;
    office.sync().await;
    let there = office.there("customers", "Id", id);
    assert_eq!((&there["BillAddr"]["City"], &there["Notes"]), (&json!("Dunedin"), &json!("pays late")));
    assert_eq!(there["BillAddr"]["Line1"], "9 High St");
    assert_eq!(office.website.get("contacts", &jane).unwrap()["last_name"], "Field");
    office.settled().await;
}

#[tokio::test]
async fn quickbooks_a_taken_name_gets_the_contacts_id_behind_it() {
    let office = running().await;
    office.system.insert("customers", json!({ "DisplayName": "Jane Site" })).unwrap();
    let jane = contact(&office, "Jane");
    sale(&office, "S-1", &jane);
    office.sync().await;
    office.sync().await;
    office.there("customers", "DisplayName", &format!("Jane Site ({jane})"));
    office.settled().await;
    assert_eq!(office.system.count("invoices"), 1);
}

#[tokio::test]
async fn quickbooks_a_sale_becomes_an_invoice_and_an_edit_is_merged_into_what_somebody_changed_meanwhile() {
    let office = running().await;
    let jane = contact(&office, "Jane");
    let sale = sale(&office, "S-1", &jane);
    office.sync().await;
    let invoice = office.there("invoices", "DocNumber", "S-1");
    assert_eq!((&invoice["TotalAmt"], &invoice["TxnDate"]), (&json!(43.5), &json!("2026-06-01")));
    let line = &invoice["Line"][0];
    assert_eq!((&line["Amount"], &line["SalesItemLineDetail"]["Qty"]), (&json!(37.5), &json!(3)));
    assert_eq!(invoice["CustomerRef"]["value"], office.there("customers", "DisplayName", "Jane Site")["Id"]);
    assert_eq!(office.on_site("invoices", "number", "S-1")["total"], 43.5);
    office.settled().await;
    // A bookkeeper adds a line; the site changes its own. The first write may be stale, and then it is made from what is there.
    let mut lines = invoice["Line"].clone();
    let own = json!({ "Description": "Rounding", "Amount": 0.5, "DetailType": "SalesItemLineDetail" });
    lines.as_array_mut().unwrap().push(own);
    office
        .website
        .edit(
            "sales",
            &sale,
            json!({ "notes": "leave at the door", "lines": [
        { "line_no": 1, "title": "Manuka honey", "quantity": 3, "cents": 1250, "income": "goods" },
        { "line_no": 2, "title": "Freight", "quantity": 1, "cents": 600, "income": "goods" },
    ] }),
        )
        .unwrap();
    office.system.edit("invoices", invoice["Id"].as_str().unwrap(), json!({ "Line": lines })).unwrap();
    office.sync().await;
    let now = office.there("invoices", "DocNumber", "S-1");
    let titles: Vec<_> = now["Line"].as_array().unwrap().iter().map(|line| line["Description"].clone()).collect();
    assert_eq!(titles, ["Manuka honey", "Freight", "Rounding"]);
    assert_eq!((&now["PrivateNote"], &now["Line"][0]["Id"]), (&json!("leave at the door"), &line["Id"]));
    office.settled().await;
}

#[tokio::test]
async fn quickbooks_an_invoice_is_deleted_only_with_the_sale_that_made_it_and_nothing_else_is() {
    let office = running().await;
    let jane = contact(&office, "Jane");
    let (made, matched) = (sale(&office, "S-1", &jane), sale(&office, "S-3", &jane));
    office.sync().await;
    let customer = office.there("customers", "DisplayName", "Jane Site")["Id"].clone();
    let by_hand = json!({ "DocNumber": "S-2", "CustomerRef": { "value": customer },
        "Line": [{ "Amount": 10, "DetailType": "SalesItemLineDetail" }] });
    office.system.insert("invoices", by_hand).unwrap();
    let found = sale(&office, "S-2", &jane);
    office.sync().await;
    office.settled().await;
    // The sale that made its invoice, and one that found it.
    office.website.remove("sales", &made).unwrap();
    office.website.remove("sales", &found).unwrap();
    // An invoice, and a customer that is made inactive.
    let invoice = office.there("invoices", "DocNumber", "S-3")["Id"].as_str().unwrap().to_owned();
    office.system.remove("invoices", &invoice).unwrap();
    office.system.edit("customers", customer.as_str().unwrap(), json!({ "Active": false })).unwrap();
    for _ in 0..3 {
        office.sync_full().await;
    }
    let left: Vec<_> = office.system.list("invoices").iter().map(|invoice| invoice["DocNumber"].clone()).collect();
    assert_eq!(left, ["S-2"]);
    assert!(office.website.get("sales", &matched).is_some(), "its invoice is gone, and it stays");
    assert!(office.website.get("contacts", &jane).is_some());
    let deletions = office.system.log().entries().into_iter().filter(|entry| entry.query.contains("operation=delete"));
    assert_eq!(deletions.count(), 1);
    office.settled().await;
}

#[tokio::test]
async fn quickbooks_a_deletion_is_told_by_the_change_feed_without_a_full_read() {
    let office = running().await;
    let jane = contact(&office, "Jane");
    sale(&office, "S-1", &jane);
    office.sync().await;
    office.settled().await;
    let invoice = office.there("invoices", "DocNumber", "S-1")["Id"].as_str().unwrap().to_owned();
    office.system.remove("invoices", &invoice).unwrap();
    office.system.log().clear();
    office.sync().await;
    let asked: Vec<String> = office.system.log().entries().iter().map(|entry| entry.target()).collect();
    assert!(asked.iter().any(|target| target.contains("/cdc?entities=Invoice&changedSince=")), "{asked:?}");
    let sales = PipelineName::parse("website-quickbooks/sales").unwrap();
    let known = office.engine.ledger.link(&sales, Side::Target, &invoice.as_str().into()).await;
    assert!(known.unwrap().unwrap().mark(Side::Target).gone);
    office.settled().await;
}

#[tokio::test]
async fn quickbooks_is_read_after_twelve_hours_without_an_edit_on_the_site() {
    let at = (PracticeKind::QuickBooks, afternoon(13, 30));
    let office = Office::start_at("website-quickbooks", at, NAMES, more).await;
    let jane = contact(&office, "Jane");
    sale(&office, "S-1", &jane);
    office.first_sync().await;
    office.settled().await;
    let daemon = office.daemon().await;
    // Any poll is no run; the daemon's own begin is the last run by hand.
    let last = office.runs().await.len();
    let customer = office.there("customers", "DisplayName", "Jane Site")["Id"].as_str().unwrap().to_owned();
    office.system.edit("customers", &customer, json!({ "FamilyName": "Field" })).unwrap();
    for hours in (1..=11).step_by(2) {
        until(&daemon, afternoon(13, 30) + TimeDelta::hours(hours)).await;
    }
    assert_eq!(office.website.get("contacts", &jane).unwrap()["last_name"], "Site");
    assert_eq!(office.runs().await.len(), last);
    until(&daemon, afternoon(13, 40) + TimeDelta::hours(12)).await;
    assert_eq!(office.website.get("contacts", &jane).unwrap()["last_name"], "Field");
    daemon.stop().await;
    office.settled().await;
}
