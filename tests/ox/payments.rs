//! ox-14 to ox-16: receipts become payments in Xero, and payments in Xero become payments on the website.

use reconciled::sync::{FindingKind, ParkCode};
use serde_json::json;

use crate::site::{Site, findings};

/// A site with Jane's sale as an invoice in Xero; the sale's id and the invoice's.
async fn invoiced() -> (Site, String, String) {
    let site = Site::running().await;
    let jane = site.contact("Jane", "Doe");
    let sale = site.sale(&jane, "S-1");
    site.sync().await;
    site.settled().await;
    let invoice = Site::one(&site.xero("Invoices"), "InvoiceNumber", "S-1")["InvoiceID"].as_str().unwrap().to_owned();
    (site, sale, invoice)
}

#[tokio::test]
async fn ox_14_receipts_of_the_named_methods_become_payments_each_into_its_own_bank_account() {
    let (site, sale, invoice) = invoiced().await;
    site.receipt(&sale, "R-1", "card", 40);
    site.receipt(&sale, "R-2", "cash", 25);
    site.receipt(&sale, "R-3", "voucher", 10);
    site.sync().await;
    let mut payments: Vec<_> = site
        .xero("Payments")
        .iter()
        .map(|p| {
            assert_eq!(p["Invoice"]["InvoiceID"], invoice);
            (
                p["Reference"].as_str().unwrap().to_owned(),
                p["Account"]["Code"].as_str().unwrap().to_owned(),
                p["Amount"].to_string(),
            )
        })
        .collect();
    payments.sort();
    assert_eq!(payments, [("R-1".into(), "091".into(), "40.00".into()), ("R-2".into(), "825".into(), "25.00".into())]);
    site.settled().await;
    assert_eq!(
        site.website("payments"),
        [] as [serde_json::Value; 0],
        "what came from the website does not come back as a payment"
    );
    let there = Site::one(&site.website("invoices"), "number", "S-1");
    assert_eq!(there["amount_due"].as_f64(), Some(50.0), "the invoice on the website shows what is left to pay");
}

#[tokio::test]
async fn ox_14_a_sale_and_its_receipt_arrive_in_one_run() {
    let site = Site::running().await;
    let jane = site.contact("Jane", "Doe");
    let sale = site.sale(&jane, "S-1");
    site.receipt(&sale, "R-1", "card", 115);
    site.sync().await;
    assert_eq!(
        site.xero("Payments").len(),
        1,
        "contact, invoice, payment: in the order in which they refer to each other"
    );
    assert_eq!(Site::one(&site.xero("Invoices"), "InvoiceNumber", "S-1")["Status"], "PAID");
    site.settled().await;
}

#[tokio::test]
async fn ox_14_a_changed_receipt_is_parked_because_xero_changes_no_payment() {
    let (site, sale, _) = invoiced().await;
    let receipt = site.receipt(&sale, "R-1", "card", 40);
    site.sync().await;
    let before = site.sandbox.xero.log().writes();
    site.sandbox.website.edit("receipts", &receipt, json!({ "amount": 45 })).unwrap();
    let report = site.sync().await;
    let listed = findings(&report, "receipts");
    assert_eq!(listed.len(), 1, "{listed:#?}");
    assert_eq!(listed[0].kind, FindingKind::Parked(ParkCode::Unchangeable));
    assert_eq!(listed[0].message, "records of xero/payments can be made, but not changed");
    assert_eq!(site.sandbox.xero.log().writes(), before, "Xero was sent nothing");
    site.settled().await;
    // Taken back, it is no longer listed.
    site.sandbox.website.edit("receipts", &receipt, json!({ "amount": 40 })).unwrap();
    let report = site.sync().await;
    assert_eq!(findings(&report, "receipts").len(), 0, "{report:#?}");
    site.settled().await;
}

#[tokio::test]
async fn ox_14_a_receipt_that_xero_refuses_is_parked_with_its_words() {
    let (site, sale, _) = invoiced().await;
    site.receipt(&sale, "R-1", "card", 400);
    site.receipt(&sale, "R-2", "card", 15);
    let report = site.sync().await;
    let listed = findings(&report, "receipts");
    assert_eq!(listed.len(), 1, "{listed:#?}");
    assert_eq!(listed[0].label, "Receipt R-1");
    assert!(listed[0].message.contains("exceeds the amount outstanding"), "{}", listed[0].message);
    assert_eq!(site.xero("Payments").len(), 1, "the other one went");
    site.settled().await;
}

#[tokio::test]
async fn ox_15_payments_entered_in_xero_create_payments_on_the_website_for_the_configured_accounts() {
    let (site, _, invoice) = invoiced().await;
    site.xero_payment(&invoice, 30, "090", "Direct deposit");
    site.xero_payment(&invoice, 5, "825", "Till");
    site.sync().await;
    let payments = site.website("payments");
    assert_eq!(payments.len(), 1, "the till is no configured account: {payments:#?}");
    let here = Site::one(&site.website("invoices"), "xero_id", &invoice);
    assert_eq!(payments[0]["invoice_id"], here["id"]);
    assert_eq!((payments[0]["amount"].as_f64(), payments[0]["account"].as_str()), (Some(30.0), Some("090")));
    site.settled().await;
}

#[tokio::test]
async fn ox_16_deleting_a_receipt_or_a_payment_on_either_side_deletes_nothing_on_the_other() {
    let (site, sale, invoice) = invoiced().await;
    let receipt = site.receipt(&sale, "R-1", "card", 40);
    let other = site.receipt(&sale, "R-2", "card", 20);
    let deposit = site.xero_payment(&invoice, 30, "090", "Direct deposit");
    site.sync().await;
    site.settled().await;
    let writes = || (site.sandbox.website.log().writes(), site.sandbox.xero.log().writes());
    let before = writes();
    site.sandbox.website.remove("receipts", &receipt).unwrap();
    site.sync_full().await;
    site.sync_full().await;
    assert_eq!(writes(), before, "nothing was sent");
    let alive = || site.xero("Payments").iter().filter(|payment| payment["Status"] == "AUTHORISED").count();
    assert_eq!(alive(), 3);
    // In Xero: the receipt and the payment on the website stay; the invoice there says what is due now.
    let second = Site::one(&site.xero("Payments"), "Reference", "R-2")["PaymentID"].as_str().unwrap().to_owned();
    site.sandbox.xero.remove("Payments", &deposit).unwrap();
    site.sandbox.xero.remove("Payments", &second).unwrap();
    site.sync_full().await;
    site.sync_full().await;
    assert_eq!(site.website("payments").len(), 1);
    assert!(site.website("receipts").iter().any(|receipt| receipt["id"] == other.as_str()));
    assert_eq!(alive(), 1, "nor is anything made again");
    assert_eq!(Site::one(&site.website("invoices"), "xero_id", &invoice)["amount_due"].as_f64(), Some(75.0));
    site.settled().await;
}
