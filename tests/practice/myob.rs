//! MYOB: only contacts with sales go out, deletions of sales and receipts cross both ways, receipts by a table of methods.

use reconciled::sandbox::{PracticeKind, PracticeSystem};
use serde_json::json;

use crate::office::Office;

fn more(system: &PracticeSystem) -> Vec<(&'static str, String)> {
    let account = |id: &str, name: &str| system.insert("accounts", json!({ "DisplayID": id, "Name": name })).unwrap();
    let mut all = Office::app(system, ["MYOB_LOGIN", "MYOB_APP_ID", "MYOB_APP_SECRET"], "myob-key");
    all.extend([
        ("MYOB_TAX_CODE", system.insert("tax-codes", json!({ "Code": "GST" })).unwrap()),
        ("MYOB_INCOME", account("4-1000", "Sales")),
        ("MYOB_BANK", account("1-1110", "Bank")),
    ]);
    all
}

pub async fn running() -> Office {
    let names = ["MYOB_URL", "", ""];
    let office = Office::start("website-myob", PracticeKind::Myob, names, more).await;
    office.first_sync().await;
    office
}

fn contact(office: &Office, first: &str) -> String {
    let email = format!("{}@site.example", first.to_lowercase());
    let contact = json!({ "first_name": first, "last_name": "Site", "email": email, "postal": { "line1": "9 High St", "city": "Nelson" } });
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

fn receipt(office: &Office, number: &str, (contact, sale): (&str, &str), method: &str) -> String {
    let receipt = json!({ "number": number, "contact_id": contact, "sale_id": sale, "received_at": "2026-06-01T02:40:00Z",
        "amount": 43.5, "method": method });
    office.website.insert("receipts", receipt).unwrap()
}

#[tokio::test]
async fn myob_only_contacts_with_a_sale_go_out_and_all_customers_come_back() {
    let office = running().await;
    let jane = contact(&office, "Jane");
    let kea = json!({ "CompanyName": "Kea Ltd", "IsIndividual": false, "Addresses": [{ "Location": 1, "Email": "rua@kea.example" }] });
    office.system.insert("customers", kea).unwrap();
    office.sync().await;
    assert_eq!(office.on_site("contacts", "email", "rua@kea.example")["company"], "Kea Ltd");
    assert_eq!(office.system.count("customers"), 1);
    office.settled().await;
    sale(&office, "S-1", &jane);
    office.sync().await;
    let there = office.there("customers", "LastName", "Site");
    assert_eq!((&there["IsIndividual"], &there["Addresses"][0]["City"]), (&json!(true), &json!("Nelson")));
    office.settled().await;
}

#[tokio::test]
async fn myob_an_edit_sends_the_whole_record_back_and_loses_nothing_that_is_not_mapped() {
    let office = running().await;
    let jane = contact(&office, "Jane");
    let sale = sale(&office, "S-1", &jane);
    office.sync().await;
    office.settled().await;
    let customer = office.there("customers", "LastName", "Site");
    let id = customer["UID"].as_str().unwrap();
    office
        .system
        .edit("customers", id, json!({ "Notes": "pays late", "CustomField1": { "Label": "Region", "Value": "South" } }))
        .unwrap();
    office.website.edit("contacts", &jane, json!({ "postal": { "line1": "9 High St", "city": "Dunedin" } })).unwrap();
    office.sync().await;
    let now = office.there("customers", "UID", id);
    assert_eq!((&now["Notes"], &now["CustomField1"]["Value"]), (&json!("pays late"), &json!("South")));
    assert_eq!(now["Addresses"][0]["City"], "Dunedin");
    assert_eq!(now["SellingDetails"], customer["SellingDetails"]);
    office.settled().await;
    // Lines go back with their own ids and versions, that of a bookkeeper too.
    let invoice = office.there("service-invoices", "Number", "S-1");
    let mut lines = invoice["Lines"].clone();
    lines.as_array_mut().unwrap().push(json!({ "Type": "Transaction", "Description": "Rounding", "Total": 0.5 }));
    office
        .system
        .edit("service-invoices", invoice["UID"].as_str().unwrap(), json!({ "Lines": lines, "Comment": "thanks" }))
        .unwrap();
    office
        .website
        .edit(
            "sales",
            &sale,
            json!({ "reference": "PO 7", "lines": [
        { "line_no": 1, "title": "Honey", "quantity": 4, "cents": 1250, "income": "goods" },
        { "line_no": 2, "title": "Freight", "quantity": 1, "cents": 600, "income": "goods" },
    ] }),
        )
        .unwrap();
    office.sync().await;
    let now = office.there("service-invoices", "Number", "S-1");
    let totals: Vec<_> = now["Lines"].as_array().unwrap().iter().map(|line| line["Total"].clone()).collect();
    assert_eq!(totals, [json!(50), json!(6), json!(0.5)]);
    assert_eq!((&now["Comment"], &now["CustomerPurchaseOrderNumber"]), (&json!("thanks"), &json!("PO 7")));
    assert_eq!(now["Lines"][0]["RowID"], invoice["Lines"][0]["RowID"]);
    office.settled().await;
    assert!(office.received().iter().all(|method| method != "DELETE"));
}

#[tokio::test]
async fn myob_a_deleted_sale_deletes_its_invoice_and_a_deleted_invoice_its_sale() {
    let office = running().await;
    let jane = contact(&office, "Jane");
    let here = sale(&office, "S-1", &jane);
    let there = sale(&office, "S-2", &jane);
    office.sync().await;
    office.settled().await;
    office.website.remove("sales", &here).unwrap();
    let invoice = office.there("service-invoices", "Number", "S-2")["UID"].as_str().unwrap().to_owned();
    office.system.remove("service-invoices", &invoice).unwrap();
    for _ in 0..3 {
        office.sync_full().await;
    }
    assert_eq!(office.system.count("service-invoices"), 0);
    assert!(office.website.get("sales", &there).is_none());
    assert_eq!(office.received().iter().filter(|method| *method == "DELETE").count(), 1);
    office.settled().await;
}

#[tokio::test]
async fn myob_a_deleted_contact_deletes_nothing() {
    let office = running().await;
    let jane = contact(&office, "Jane");
    sale(&office, "S-1", &jane);
    office.system.insert("customers", json!({ "CompanyName": "Kea Ltd", "IsIndividual": false })).unwrap();
    office.sync().await;
    office.settled().await;
    let kea = office.there("customers", "CompanyName", "Kea Ltd")["UID"].as_str().unwrap().to_owned();
    office.system.remove("customers", &kea).unwrap();
    let before = office.writes();
    for _ in 0..3 {
        office.sync_full().await;
    }
    assert_eq!(office.writes(), before);
    office.on_site("contacts", "company", "Kea Ltd");
    office.settled().await;
}

#[tokio::test]
async fn myob_receipts_of_the_named_methods_and_payments_cross_and_so_do_their_deletions() {
    let office = running().await;
    let jane = contact(&office, "Jane");
    let (one, two) = (sale(&office, "S-1", &jane), sale(&office, "S-2", &jane));
    let by_card = receipt(&office, "R-1", (&jane, &one), "card");
    receipt(&office, "R-9", (&jane, &one), "voucher");
    office.sync().await;
    office.sync().await;
    let payment = office.there("payments", "ReceiptNumber", "R-1");
    assert_eq!((&payment["PaymentMethod"], &payment["AmountReceived"]), (&json!("Visa"), &json!(43.5)));
    assert_eq!(payment["Invoices"][0]["UID"], office.there("service-invoices", "Number", "S-1")["UID"]);
    assert_eq!(payment["Account"]["UID"], office.there("accounts", "Name", "Bank")["UID"]);
    assert_eq!(office.system.count("payments"), 1, "vouchers are not mapped");
    office.settled().await;
    // A payment that is entered in MYOB, and one of a method that nobody named.
    let invoice = office.there("service-invoices", "Number", "S-2")["UID"].clone();
    let entered = |number: &str, method: &str| {
        json!({ "ReceiptNumber": number, "Customer": payment["Customer"], "PaymentMethod": method, "Account": payment["Account"],
            "Date": "2026-06-01T00:00:00",
            "Invoices": [{ "UID": invoice, "AmountApplied": 43.5, "Type": "Invoice" }] })
    };
    let cash = office.system.insert("payments", entered("R-2", "Cash")).unwrap();
    office.system.insert("payments", entered("R-3", "Cheque")).unwrap();
    office.sync().await;
    let here = office.on_site("receipts", "number", "R-2");
    assert_eq!((&here["method"], &here["sale_id"], &here["amount"]), (&json!("cash"), &json!(two), &json!(43.5)));
    assert_eq!(office.website.list("receipts").len(), 3);
    office.settled().await;
    office.website.remove("receipts", &by_card).unwrap();
    office.system.remove("payments", &cash).unwrap();
    for _ in 0..3 {
        office.sync_full().await;
    }
    let left: Vec<_> = office.system.list("payments").iter().map(|payment| payment["ReceiptNumber"].clone()).collect();
    assert_eq!(left, ["R-3"]);
    let left: Vec<_> = office.website.list("receipts").iter().map(|receipt| receipt["number"].clone()).collect();
    assert_eq!(left, ["R-9"]);
    office.settled().await;
}
