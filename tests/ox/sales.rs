//! ox-07 to ox-09: sales become invoices.

use reconciled::sync::{FindingKind, ParkCode};
use serde_json::json;

use crate::site::{Site, findings, lines};

#[tokio::test]
async fn ox_07_every_sale_is_pushed_as_an_invoice_with_its_lines_amounts_tax_and_contact() {
    let site = Site::running().await;
    let jane = site.customer("Jane", "Doe");
    site.sandbox
        .website
        .insert(
            "sales",
            json!({
                "number": "S-2", "contact_id": jane, "sold_at": "2026-05-31T13:30:00.000Z", "due_on": "2026-06-20",
                "currency": "NZD", "status": "open", "reference": "Order 7",
                "lines": [
                    { "line_no": 1, "title": "Boots", "quantity": 2, "cents": 19999, "income": "goods" },
                    { "line_no": 2, "title": "Courier", "quantity": 1, "cents": 850, "income": "freight" },
                ],
                "total": 408.48,
            }),
        )
        .unwrap();
    site.sync().await;
    let contact = Site::one(&site.xero("Contacts"), "Name", "Jane Doe");
    assert_eq!(site.xero("Contacts").len(), 1, "two sales, one contact");
    let invoice = Site::one(&site.xero("Invoices"), "InvoiceNumber", "S-2");
    assert_eq!(invoice["Contact"]["ContactID"], contact["ContactID"]);
    assert_eq!((invoice["Type"].as_str(), invoice["Status"].as_str()), (Some("ACCREC"), Some("AUTHORISED")));
    assert_eq!(invoice["Reference"], "Order 7");
    // 1:30 in the night of 1 June in Auckland, where it is still 31 May in UTC.
    assert_eq!(invoice["DateString"], "2026-06-01T00:00:00");
    assert_eq!(invoice["DueDateString"], "2026-06-20T00:00:00");
    assert_eq!(
        lines(&invoice),
        [
            ("Boots".into(), "2".into(), "199.99".into(), "200".into()),
            ("Courier".into(), "1".into(), "8.50".into(), "260".into())
        ]
    );
    // To the cent, tax included as on the website: 408.48 of which 15/115 is tax.
    assert_eq!((invoice["Total"].to_string(), invoice["TotalTax"].to_string()), ("408.48".into(), "53.28".into()));
    site.settled().await;
}

#[tokio::test]
async fn ox_07_a_sale_with_an_unknown_income_or_without_a_contact_is_listed_and_the_others_go_on() {
    let site = Site::running().await;
    let jane = site.customer("Jane", "Doe");
    let sale = site.sale(&jane, "S-odd");
    site.sandbox
        .website
        .edit(
            "sales",
            &sale,
            json!({ "lines": [{ "line_no": 1, "title": "?", "quantity": 1, "cents": 11500, "income": "gifts" }] }),
        )
        .unwrap();
    let nobody = site.sale(&jane, "S-nobody");
    site.sandbox.website.edit("sales", &nobody, json!({ "contact_id": null })).unwrap();
    let report = site.sync().await;
    let numbers: Vec<_> =
        site.xero("Invoices").iter().map(|i| i["InvoiceNumber"].as_str().unwrap().to_owned()).collect();
    assert_eq!(numbers, ["S-Jane"]);
    let listed = findings(&report, "sales");
    assert!(listed.iter().any(|f| f.label == "Sale S-odd" && f.message.contains("gifts")), "{listed:#?}");
    let refused = listed.iter().find(|f| f.label == "Sale S-nobody").unwrap_or_else(|| panic!("{report:#?}"));
    assert_eq!(refused.kind, FindingKind::Parked(ParkCode::Refused));
    assert!(refused.message.contains("Contact"), "in Xero's own words: {}", refused.message);
    // Both go out when they are put right; nothing else is asked of anybody.
    let right =
        json!({ "lines": [{ "line_no": 1, "title": "Gift", "quantity": 1, "cents": 11500, "income": "goods" }] });
    site.sandbox.website.edit("sales", &sale, right).unwrap();
    site.sandbox.website.edit("sales", &nobody, json!({ "contact_id": jane })).unwrap();
    site.sync().await;
    assert_eq!(site.xero("Invoices").len(), 3);
    site.settled().await;
}

#[tokio::test]
async fn ox_08_a_changed_sale_is_pushed_and_what_xero_refuses_is_parked_with_its_words_while_the_rest_goes_on() {
    let site = Site::running().await;
    let jane = site.customer("Jane", "Doe");
    let (open, paid) = (site.sale(&jane, "S-open"), site.sale(&jane, "S-paid"));
    let (voided, locked) = (site.sale(&jane, "S-void"), site.sale(&jane, "S-lock"));
    site.sync().await;
    let id = |number: &str| {
        Site::one(&site.xero("Invoices"), "InvoiceNumber", number)["InvoiceID"].as_str().unwrap().to_owned()
    };
    site.xero_payment(&id("S-paid"), 115, "090", "DD 1");
    site.sandbox.xero.remove("Invoices", &id("S-void")).unwrap();
    site.sync().await;
    let dearer = json!({ "lines": [{ "line_no": 1, "title": "Goods", "quantity": 1, "cents": 23000, "income": "goods" }], "total": 230 });
    for sale in [&open, &paid, &voided] {
        site.sandbox.website.edit("sales", sale, dearer.clone()).unwrap();
    }
    let report = site.sync().await;
    let total = |number: &str| Site::one(&site.xero("Invoices"), "InvoiceNumber", number)["Total"].to_string();
    assert_eq!((total("S-open"), total("S-paid")), ("230.00".into(), "115.00".into()), "{report:#?}");
    let listed = findings(&report, "sales");
    let refused =
        listed.iter().find(|f| f.label == "Sale S-paid" && f.kind == FindingKind::Parked(ParkCode::Refused)).unwrap();
    assert!(refused.message.contains("Invoice not of valid status for modification"), "{}", refused.message);
    assert!(
        listed.iter().any(|f| f.label == "Sale S-void"),
        "the edit of a voided invoice's sale is listed: {listed:#?}"
    );
    // The books are closed up to the end of June: nothing of before may change.
    site.sandbox.xero.lock_period(Some("2026-06-30".parse().unwrap()));
    site.sandbox.website.edit("sales", &locked, dearer).unwrap();
    let report = site.sync().await;
    let listed = findings(&report, "sales");
    let refused = listed.iter().find(|f| f.label == "Sale S-lock").unwrap();
    assert!(refused.message.contains("lock date"), "{}", refused.message);
    assert_eq!(total("S-lock"), "115.00");
    site.settled().await;
    // Open again: the parked one goes when its time to be tried comes, without anybody's hand.
    site.sandbox.xero.lock_period(None);
    site.clock.advance(std::time::Duration::from_secs(25 * 3600));
    site.sync().await;
    assert_eq!(total("S-lock"), "230.00");
    site.settled().await;
}

#[tokio::test]
async fn ox_09_deleting_a_sale_never_deletes_or_voids_the_invoice() {
    let site = Site::running().await;
    let jane = site.customer("Jane", "Doe");
    let sale = site.sale(&jane, "S-2");
    site.sync().await;
    site.settled().await;
    let before = site.sandbox.xero.log().writes();
    site.sandbox.website.remove("sales", &sale).unwrap();
    site.sync_full().await;
    site.sync_full().await;
    assert_eq!(Site::one(&site.xero("Invoices"), "InvoiceNumber", "S-2")["Status"], "AUTHORISED");
    assert_eq!(site.sandbox.xero.log().writes(), before, "Xero was sent nothing");
    assert!(site.website("sales").iter().all(|sale| sale["number"] != "S-2"), "nor is the sale made again");
    site.settled().await;
}
