//! ox-10 to ox-13: what Xero holds is seen on the website.

use serde_json::json;

use crate::site::Site;

#[tokio::test]
async fn ox_10_all_sales_invoices_are_pulled_to_the_website_and_tied_to_its_contact() {
    let site = Site::running().await;
    let jane = site.customer("Jane", "Doe");
    let known = site.xero_contact("Cus Tomer", "cus@tomer.example");
    site.xero_invoice(&known, "ACCREC");
    site.xero_invoice(&known, "ACCREC");
    site.xero_invoice(&known, "ACCPAY");
    site.sync().await;
    site.sync().await;
    let invoices = site.website("invoices");
    assert_eq!(invoices.len(), 3, "two of Xero, and the one that Jane's sale became; no bill: {invoices:#?}");
    let customer = Site::one(&site.website("contacts"), "email", "cus@tomer.example");
    assert_eq!(invoices.iter().filter(|invoice| invoice["contact_id"] == customer["id"]).count(), 2);
    assert_eq!(Site::one(&invoices, "number", "S-Jane")["contact_id"], jane);
    site.settled().await;
}

#[tokio::test]
async fn ox_11_totals_dates_and_status_arrive_on_the_website() {
    let site = Site::running().await;
    let contact = site.xero_contact("Cus Tomer", "cus@tomer.example");
    let id = site.xero_invoice(&contact, "ACCREC");
    site.xero_payment(&id, 5, "090", "part");
    site.sync().await;
    let invoice = Site::one(&site.website("invoices"), "xero_id", &id);
    let text = |name: &str| invoice[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (text("date"), text("due_date"), text("status")),
        ("2026-05-30".into(), "2026-06-20".into(), "AUTHORISED".into())
    );
    let number = |name: &str| invoice[name].as_f64().unwrap();
    assert_eq!((number("total"), number("tax"), number("amount_paid"), number("amount_due")), (11.5, 1.5, 5.0, 6.5));
    let customer = Site::one(&site.website("contacts"), "email", "cus@tomer.example");
    assert_eq!(invoice["contact_id"], customer["id"]);
    site.settled().await;
}

#[tokio::test]
async fn ox_12_a_change_to_an_invoice_in_xero_is_reflected_on_the_website() {
    let site = Site::running().await;
    let contact = site.xero_contact("Cus Tomer", "cus@tomer.example");
    let id = site.xero_invoice(&contact, "ACCREC");
    site.sync().await;
    let line = json!([{ "Description": "More work", "Quantity": 2, "UnitAmount": 10, "AccountCode": "200" }]);
    site.sandbox.xero.edit("Invoices", &id, json!({ "Reference": "Job 12", "LineItems": line })).unwrap();
    site.sync().await;
    let invoice = Site::one(&site.website("invoices"), "xero_id", &id);
    assert_eq!((invoice["reference"].as_str(), invoice["total"].as_f64()), (Some("Job 12"), Some(23.0)));
    site.xero_payment(&id, 23, "090", "DD 23");
    site.sync().await;
    let invoice = Site::one(&site.website("invoices"), "xero_id", &id);
    assert_eq!((invoice["status"].as_str(), invoice["amount_due"].as_f64()), (Some("PAID"), Some(0.0)));
    site.settled().await;
}

#[tokio::test]
async fn ox_13_an_invoice_voided_or_deleted_in_xero_stays_on_the_website() {
    let site = Site::running().await;
    let contact = site.xero_contact("Cus Tomer", "cus@tomer.example");
    let (voided, kept) = (site.xero_invoice(&contact, "ACCREC"), site.xero_invoice(&contact, "ACCREC"));
    site.sync().await;
    site.sandbox.xero.remove("Invoices", &voided).unwrap();
    site.sync().await;
    site.sync_full().await;
    assert_eq!(site.website("invoices").len(), 2);
    Site::one(&site.website("invoices"), "xero_id", &voided);
    Site::one(&site.website("invoices"), "xero_id", &kept);
    site.settled().await;
}
