//! What people get wrong between a website and Xero: each is told in a sentence, and everything else goes on.

use reconciled::{
    grant::GrantError,
    sync::{FindingKind, ParkCode},
};
use serde_json::json;

use crate::site::{Site, findings};

/// A sale of freight.
fn freight(site: &Site, contact: &str, number: &str) -> String {
    let sale = site.sale(contact, number);
    let lines = json!([{ "line_no": 1, "title": "Freight", "quantity": 1, "cents": 11500, "income": "freight" }]);
    site.sandbox.website.edit("sales", &sale, json!({ "lines": lines })).unwrap();
    sale
}

fn numbers(site: &Site) -> Vec<String> {
    let mut all: Vec<String> =
        site.xero("Invoices").iter().map(|one| one["InvoiceNumber"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

#[tokio::test]
async fn bad_input_an_account_that_xero_does_not_have_parks_the_sale_with_xeros_words() {
    let mut site = Site::running().await;
    site.reconfigure(|yaml| yaml.replace("goods: 200", "goods: 999"));
    let jane = site.contact("Jane", "Doe");
    site.sale(&jane, "S-1");
    freight(&site, &jane, "S-2");
    let report = site.sync().await;
    assert_eq!(numbers(&site), ["S-2"], "the other sale of the same person goes on");
    let listed = findings(&report, "sales");
    let odd = listed.iter().find(|one| one.label == "Sale S-1").unwrap_or_else(|| panic!("{report:#?}"));
    assert_eq!(odd.kind, FindingKind::Parked(ParkCode::Refused));
    assert!(odd.message.contains("Account code '999' is not a valid code"), "{}", odd.message);
    site.settled().await;
    // It goes when the table is put right.
    site.reconfigure(str::to_owned);
    site.sync().await;
    assert_eq!(numbers(&site), ["S-1", "S-2"]);
    site.settled().await;
}

#[tokio::test]
async fn bad_input_a_payment_method_without_an_account_parks_the_receipt_and_names_it() {
    let mut site = Site::running().await;
    site.reconfigure(|yaml| yaml.replace("in: [card, cash]", "in: [card, cash, voucher]"));
    let jane = site.contact("Jane", "Doe");
    let sale = site.sale(&jane, "S-1");
    site.receipt(&sale, "R-1", "voucher", 10);
    site.receipt(&sale, "R-2", "card", 20);
    let report = site.sync().await;
    let paid: Vec<_> = site.xero("Payments").iter().map(|one| one["Reference"].clone()).collect();
    assert_eq!(paid, ["R-2"], "the other one went");
    let listed = findings(&report, "receipts");
    let odd = listed.iter().find(|one| one.label == "Receipt R-1").unwrap_or_else(|| panic!("{report:#?}"));
    assert_eq!(odd.kind, FindingKind::Parked(ParkCode::Unmappable));
    assert!(odd.message.contains("voucher") && odd.message.contains("payment-accounts"), "{}", odd.message);
    site.settled().await;
    site.reconfigure(|yaml| {
        yaml.replace("in: [card, cash]", "in: [card, cash, voucher]")
            .replace("cash: \"825\"", "cash: \"825\", voucher: \"825\"")
    });
    site.sync().await;
    assert_eq!(site.xero("Payments").len(), 2);
    site.settled().await;
}

#[tokio::test]
async fn bad_input_a_secret_that_is_not_there_is_named_and_nothing_is_sent() {
    let site = Site::running().await;
    let jane = site.contact("Jane", "Doe");
    site.sale(&jane, "S-1");
    site.sync().await;
    site.settled().await;
    // The website's token, as after a restart without it.
    let mut site = site;
    let token = site.sandbox.website.token().to_owned();
    site.unset("WEBSITE_TOKEN");
    let before = site.sandbox.xero.log().writes();
    let report = site.engine.run(site.by_hand()).await.unwrap();
    let said: Vec<&str> = report.troubles.iter().map(|trouble| trouble.message.as_str()).collect();
    assert!(
        said.iter().any(|text| text.contains("WEBSITE_TOKEN is not set; set it where reconciled is started")),
        "{said:?}"
    );
    assert_eq!(site.sandbox.xero.log().writes(), before);
    site.set("WEBSITE_TOKEN", &token);
    site.settled().await;
    // The secret of the app, when the login must be renewed.
    site.unset("XERO_APP_SECRET");
    site.clock.advance(std::time::Duration::from_hours(1));
    let report = site.engine.run(site.by_hand()).await.unwrap();
    let said: Vec<&str> = report.troubles.iter().map(|trouble| trouble.message.as_str()).collect();
    assert!(said.iter().any(|text| text.contains("XERO_APP_SECRET is not set")), "{said:?}");
    site.set("XERO_APP_SECRET", "canary-app-secret");
    site.sync().await;
    site.settled().await;
}

#[tokio::test]
async fn bad_input_a_wrong_secret_of_the_app_is_told_when_somebody_consents() {
    let mut site = Site::running().await;
    site.set("XERO_APP_SECRET", "canary-wrong-secret");
    let keeper = site.engine.connectors.values().find_map(|connector| connector.keeper()).unwrap();
    let grant = site.config.connections.values().find_map(|connection| match &connection.auth {
        reconciled::config::Auth::Grant(grant) => Some(grant.clone()),
        _ => None,
    });
    let grant = grant.unwrap();
    let url = keeper.begin(&grant, grant.redirect.clone(), None).await.unwrap();
    let refused = keeper.finish(&crate::browser::consent(&url).await).await.unwrap_err();
    let said = refused.to_string();
    assert!(matches!(refused, GrantError::Person(_)) && said.contains("invalid_client"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}
