//! Deletions carried over with the built-in connectors, over HTTP and with the real store: what the example does not
//! ask for, and another shop might.

use serde_json::json;

use crate::site::Site;

/// The example with deletions: contacts both ways, sales to Xero.
async fn carrying() -> Site {
    let mut site = Site::start().await;
    site.reconfigure(|text| {
        let guards = "guards: { deletes: 0, creates: 500, blanked: 10, touched: 30% }";
        assert!(text.contains(guards) && text.contains("conflicts: park"));
        text.replace("conflicts: park", "conflicts: park\n        deletes: propagate\n        guards: { deletes: 5 }")
            .replace(guards, "deletes: { to-target: propagate, only: born-on-source }\n        guards: { deletes: 5 }")
    });
    site
}

#[tokio::test]
async fn deletions_cross_to_xero_as_it_can_and_to_the_website() {
    let site = carrying().await;
    let jane = site.customer("Jane", "Doe");
    site.customer("John", "Roe");
    site.sync().await;
    site.approve().await;
    site.sync().await;
    site.settled().await;
    let in_xero = |name: &str| Site::one(&site.xero("Contacts"), "Name", name);
    let sale = Site::one(&site.website("sales"), "contact_id", &jane)["id"].as_str().unwrap().to_owned();

    // A sale and its contact go; Xero voids the approved invoice, and archives the contact.
    site.sandbox.website.remove("sales", &sale).unwrap();
    site.sandbox.website.remove("contacts", &jane).unwrap();
    site.sync_full().await;
    site.sync().await;
    assert_eq!(in_xero("Jane Doe")["ContactStatus"], "ARCHIVED");
    assert_eq!(Site::one(&site.xero("Invoices"), "InvoiceNumber", "S-Jane")["Status"], "VOIDED");
    assert_eq!(in_xero("John Roe")["ContactStatus"], "ACTIVE");
    site.settled().await;

    // Archived in Xero, deleted on the website, where the version guards it.
    let john = in_xero("John Roe")["ContactID"].as_str().unwrap().to_owned();
    site.sandbox.xero.archive(&john).unwrap();
    site.sync().await;
    assert!(site.website("contacts").is_empty(), "{:#?}", site.website("contacts"));
    site.settled().await;
}

#[tokio::test]
async fn an_edit_in_xero_beats_a_deletion_on_the_website_and_a_merge_is_none() {
    let site = carrying().await;
    let jane = site.customer("Jane", "Doe");
    let kept = site.customer("John", "Roe");
    site.sync().await;
    site.approve().await;
    site.sync().await;
    site.settled().await;
    let in_xero =
        |name: &str| Site::one(&site.xero("Contacts"), "Name", name)["ContactID"].as_str().unwrap().to_owned();
    site.sandbox.website.remove("contacts", &jane).unwrap();
    site.sandbox.xero.edit("Contacts", &in_xero("Jane Doe"), json!({ "FirstName": "Janet" })).unwrap();
    let report = site.sync_full().await;
    assert_eq!(report.pipelines[0].tally.parked, 1, "{report:#?}");
    assert_eq!(Site::one(&site.xero("Contacts"), "FirstName", "Janet")["ContactStatus"], "ACTIVE");
    site.settled().await;
    let winner = site.xero_customer("John Roe Ltd", "office@roe.example");
    site.sandbox.xero.merge(&in_xero("John Roe"), &winner).unwrap();
    site.sync_full().await;
    Site::one(&site.website("contacts"), "id", &kept);
}
