//! What the seeds promise.

use std::collections::BTreeMap;

use super::*;
use crate::{clock::Clock, sandbox::Sandbox};

async fn both(plan: &SeedPlan) -> (Website, Xero, Seeded) {
    let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
    let sandbox = Sandbox::start(clock).await.unwrap();
    let made = sandbox.seed(plan).unwrap();
    (sandbox.website, sandbox.xero, made)
}

#[tokio::test]
async fn the_same_plan_makes_the_same_records() {
    let plan = SeedPlan { contacts: 40, invoices: 60, ..SeedPlan::default() };
    let (website, xero, made) = both(&plan).await;
    let (website2, xero2, made2) = both(&plan).await;
    assert_eq!(made, made2);
    assert_eq!(website.list("sales"), website2.list("sales"));
    assert_eq!(xero.list("Invoices"), xero2.list("Invoices"));
}

#[tokio::test]
async fn pairs_are_equal_and_counts_are_as_planned() {
    let (website, xero, made) = both(&SeedPlan::plain(300, 400)).await;
    assert_eq!((made.shared_contacts, made.shared_sales), (180, 200));
    assert_eq!(website.count("contacts"), 255);
    assert_eq!(xero.count("Contacts"), 225);
    assert_eq!((website.count("sales"), xero.count("Invoices")), (320, 280));
    assert_eq!(xero.count("Payments"), made.xero_payments);
    let by_email: BTreeMap<String, Value> = xero
        .list("Contacts")
        .into_iter()
        .map(|contact| (contact["EmailAddress"].as_str().unwrap().to_owned(), contact))
        .collect();
    let mut pairs = 0;
    for contact in website.list("contacts") {
        let Some(other) = by_email.get(contact["email"].as_str().unwrap()) else { continue };
        pairs += 1;
        assert_eq!(contact["first_name"], other["FirstName"]);
        assert_eq!(contact["account"], other["AccountNumber"]);
        let phone = other["Phones"].as_array().unwrap().iter().find(|phone| phone["PhoneType"] == "DEFAULT");
        assert_eq!(contact["phone"], phone.unwrap()["PhoneNumber"]);
        assert_eq!(other["IsCustomer"], true);
    }
    assert_eq!(pairs, 180);
    let invoices: BTreeMap<String, Value> = xero
        .list("Invoices")
        .into_iter()
        .map(|invoice| (invoice["InvoiceNumber"].as_str().unwrap().to_owned(), invoice))
        .collect();
    let shared: Vec<Value> = website
        .list("sales")
        .into_iter()
        .filter(|sale| invoices.contains_key(sale["number"].as_str().unwrap()))
        .collect();
    assert_eq!(shared.len(), 200);
    for sale in shared {
        let invoice = &invoices[sale["number"].as_str().unwrap()];
        assert_eq!(sale["total"].to_string(), invoice["Total"].to_string());
        assert_eq!(sale["due_on"], invoice["DueDateString"].as_str().unwrap()[..10]);
    }
    let paid = invoices.values().filter(|invoice| invoice["Status"] == "PAID").count();
    assert_eq!(paid, made.xero_payments);
}

#[tokio::test]
async fn oddities_are_added_when_asked_for() {
    let (website, xero, _) = both(&SeedPlan { contacts: 20, invoices: 20, ..SeedPlan::default() }).await;
    let contacts = website.list("contacts");
    let same = |a: &Value, b: &Value| a["email"] == b["email"] && a["id"] != b["id"];
    let namesakes = contacts.iter().filter(|a| contacts.iter().any(|b| same(a, b))).count();
    assert_eq!(namesakes, 2);
    assert!(website.list("sales").iter().any(|sale| sale["lines"].to_string().contains("vouchers")));
    assert!(xero.list("Contacts").iter().any(|contact| contact["Phones"].to_string().contains("03 555 9999")));
    assert_eq!((income_account("goods"), income_account("vouchers")), (Some("200"), None));
}
