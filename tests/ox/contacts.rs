//! ox-01 to ox-06: contacts.

use serde_json::json;

use crate::site::Site;

#[tokio::test]
async fn ox_01_only_contacts_with_a_sale_go_to_xero_the_moment_the_first_sale_exists() {
    let site = Site::start().await;
    site.approve().await;
    let with = site.customer("Jane", "Doe");
    let bare = site.contact("Bare", "Contact");
    // Known to Xero already: linked because of the sale, not created again.
    site.customer("Known", "Already");
    site.xero_contact("Known Already", "known@already.example");
    site.sync().await;
    site.approve().await;
    site.sync().await;
    let names: Vec<_> = site.xero("Contacts").iter().map(|c| c["Name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&"Jane Doe".to_owned()));
    let there = Site::one(&site.xero("Contacts"), "Name", "Jane Doe");
    assert_eq!(Site::one(&site.website("contacts"), "id", &with)["xero_id"], there["ContactID"]);
    site.settled().await;
    // Nothing about the bare contact changes; its first sale makes it eligible.
    site.sale(&bare, "S-2");
    site.sync().await;
    Site::one(&site.xero("Contacts"), "Name", "Bare Contact");
    site.settled().await;
}

#[tokio::test]
async fn ox_02_a_changed_detail_on_the_website_is_updated_in_xero() {
    let site = Site::start().await;
    let jane = site.customer("Jane", "Doe");
    site.sync().await;
    site.approve().await;
    site.sync().await;
    site.sandbox
        .website
        .edit("contacts", &jane, json!({ "mobile": "021 555 1", "postal": { "city": "Nelson" } }))
        .unwrap();
    site.sync().await;
    let there = Site::one(&site.xero("Contacts"), "Name", "Jane Doe");
    let mobile = there["Phones"].as_array().unwrap().iter().find(|p| p["PhoneType"] == "MOBILE").unwrap();
    assert_eq!(mobile["PhoneNumber"], "0215551");
    let postal = there["Addresses"].as_array().unwrap().iter().find(|a| a["AddressType"] == "POBOX").unwrap();
    assert_eq!(postal["City"], "Nelson");
    site.settled().await;
}

#[tokio::test]
async fn ox_03_deleting_a_contact_on_the_website_never_deletes_it_in_xero() {
    let site = Site::start().await;
    let jane = site.customer("Jane", "Doe");
    site.customer("John", "Roe");
    site.sync().await;
    site.approve().await;
    site.sync().await;
    site.sandbox.website.remove("contacts", &jane).unwrap();
    site.sync_full().await;
    site.sync_full().await;
    let there = Site::one(&site.xero("Contacts"), "Name", "Jane Doe");
    assert_eq!(there["ContactStatus"], "ACTIVE");
    assert!(site.website("contacts").iter().all(|c| c["first_name"] != "Jane"), "nor is it made again on the website");
    site.settled().await;
}

#[tokio::test]
async fn ox_04_only_customers_are_pulled_from_xero() {
    let site = Site::start().await;
    site.xero_customer("Cus Tomer", "cus@tomer.example");
    let supplier = site.xero_contact("Sup Plier", "sup@plier.example");
    site.xero_invoice(&supplier, "ACCPAY");
    let bare = site.xero_contact("Bare Bones", "bare@bones.example");
    site.sync().await;
    site.approve().await;
    site.sync().await;
    let emails: Vec<_> = site.website("contacts").iter().map(|c| c["email"].as_str().unwrap().to_owned()).collect();
    assert_eq!(emails, ["cus@tomer.example"]);
    site.settled().await;
    // It becomes a customer; Xero's feed does not tell, the daily full read does.
    site.xero_invoice(&bare, "ACCREC");
    site.clock.advance(std::time::Duration::from_secs(24 * 3600));
    site.sync().await;
    assert_eq!(site.website("contacts").len(), 2);
    site.settled().await;
}

#[tokio::test]
async fn ox_05_a_changed_detail_of_a_customer_in_xero_is_updated_on_the_website() {
    let site = Site::start().await;
    let there = site.xero_customer("Cus Tomer", "cus@tomer.example");
    site.sync().await;
    site.approve().await;
    site.sync().await;
    site.sandbox
        .xero
        .edit("Contacts", &there, json!({ "EmailAddress": "new@tomer.example", "LastName": "Tomber" }))
        .unwrap();
    site.sync().await;
    let here = Site::one(&site.website("contacts"), "first_name", "Cus");
    assert_eq!((here["email"].as_str(), here["last_name"].as_str()), (Some("new@tomer.example"), Some("Tomber")));
    site.settled().await;
}

#[tokio::test]
async fn ox_06_archiving_a_contact_in_xero_never_removes_it_from_the_website() {
    let site = Site::start().await;
    let there = site.xero_customer("Cus Tomer", "cus@tomer.example");
    site.xero_customer("Other One", "other@one.example");
    site.sync().await;
    site.approve().await;
    site.sync().await;
    site.sandbox.xero.archive(&there).unwrap();
    site.sync().await;
    site.sync_full().await;
    assert_eq!(site.website("contacts").len(), 2);
    let here = Site::one(&site.website("contacts"), "email", "cus@tomer.example");
    // An edit of the survivor is listed and goes nowhere; nothing is made anew in Xero.
    site.sandbox.website.edit("contacts", here["id"].as_str().unwrap(), json!({ "email": "x@tomer.example" })).unwrap();
    let report = site.sync().await;
    assert!(report.pipelines[0].tally.pending > 0, "{report:#?}");
    assert_eq!(site.xero("Contacts").iter().filter(|c| c["ContactStatus"] == "ACTIVE").count(), 1);
    site.settled().await;
}
