//! Contacts and lists.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn put_only_creates_and_post_overwrites_a_namesake() {
    let clock = clock();
    let (xero, client) = start(&clock).await;
    let made = client.send("PUT", "/Contacts", &[], json!({"Contacts": [{"Name": "Tui Plumbing"}]})).await;
    let id = made.body["Contacts"][0]["ContactID"].as_str().unwrap().to_owned();
    let again = client.send("PUT", "/Contacts", &[], json!({"Name": "TUI plumbing"})).await;
    assert_eq!(again.status, 400);
    assert_eq!(
        message(&again),
        "The contact name TUI plumbing is already assigned to another contact. The contact name must be unique across \
         all active contacts."
    );
    let post = client.send("POST", "/Contacts", &[], json!({"Name": "Tui Plumbing", "FirstName": "T"})).await;
    assert_eq!(post.body["Contacts"][0]["ContactID"], id.as_str());
    assert_eq!(xero.count("Contacts"), 1);

    // Archiving frees the name.
    xero.archive(&id).unwrap();
    assert_eq!(client.send("PUT", "/Contacts", &[], json!({"Name": "Tui Plumbing"})).await.status, 200);
    assert!(xero.restore(&id).is_err());
    // Only active contacts compete for names.
    xero.edit("Contacts", &id, json!({"Name": "Old Tui"})).unwrap();
    xero.edit("Contacts", &id, json!({"Name": "Tui Plumbing"})).unwrap();
    let nameless = client.send("POST", "/Contacts", &[], json!({"FirstName": "x"})).await;
    assert!(message(&nameless).starts_with("The Contact must contain at least 1"));
}

#[tokio::test]
async fn contact_rules_have_their_messages() {
    let (xero, client) = start(&clock()).await;
    xero.insert("Contacts", json!({"Name": "First", "AccountNumber": "A1", "ContactNumber": "N1"})).unwrap();
    for (contact, expected) in [
        (json!({"Name": " x"}), "spaces"),
        (json!({"Name": "x  y"}), "spaces"),
        (json!({"Name": "a<b"}), "angle"),
        (json!({"Name": "x".repeat(256)}), "255"),
        (json!({"Name": "x", "EmailAddress": "nobody"}), "Email address must be valid"),
        (json!({"Name": "x", "AccountNumber": "a1"}), "The Account Number already exists"),
        (json!({"Name": "x", "ContactNumber": "N1"}), "already assigned"),
        (json!({"Name": "x", "Phones": [{"PhoneType": "HOME", "PhoneNumber": "1"}]}), "PhoneType"),
    ] {
        let answer = client.send("PUT", "/Contacts", &[], contact.clone()).await;
        assert_eq!(answer.status, 400, "{contact}");
        assert!(message(&answer).contains(expected), "{contact}: {}", answer.text);
    }
    assert_eq!(xero.count("Contacts"), 1);
}

#[tokio::test]
async fn an_omitted_property_stays_and_an_address_is_replaced_whole() {
    let (xero, client) = start(&clock()).await;
    let address = json!([{"AddressType": "POBOX", "AddressLine1": "PO Box 9", "City": "Nelson"}]);
    let contact =
        json!({"Name": "Kea", "EmailAddress": "a@b.c", "Addresses": address, "ContactPersons": [{"FirstName": "P"}]});
    let id = xero.insert("Contacts", contact).unwrap();
    let patch = json!({"Addresses": [{"AddressType": "POBOX", "City": "Picton"}], "EmailAddress": null});
    client.send("POST", &format!("/Contacts/{id}"), &[], patch).await;
    let contact = xero.get("Contacts", &id).unwrap();
    assert_eq!(contact["EmailAddress"], "a@b.c");
    assert_eq!(contact["ContactPersons"].as_array().unwrap().len(), 1);
    let pobox = contact["Addresses"].as_array().unwrap().iter().find(|a| a["AddressType"] == "POBOX").unwrap();
    assert_eq!((&pobox["City"], &pobox["AddressLine1"]), (&json!("Picton"), &Value::Null));
}

#[tokio::test]
async fn pages_are_clamped_and_unpaged_lists_lose_properties() {
    let clock = clock();
    let (xero, client) = start(&clock).await;
    for name in ["C", "A", "B"] {
        let contact = json!({"Name": name, "SalesDefaultAccountCode": "200", "ContactPersons": [{"FirstName": "P"}]});
        xero.insert("Contacts", contact).unwrap();
        clock.advance(Duration::from_secs(1));
    }
    let page = client.get("/Contacts?page=2&pageSize=2").await;
    assert_eq!(page.body["pagination"], json!({"page": 2, "pageSize": 2, "pageCount": 2, "itemCount": 3}));
    assert_eq!(names(&page), ["B"]);
    for (asked, size, number) in [("page=0&pageSize=0", 1, 1), ("page=1&pageSize=5000", 1000, 1), ("page=1", 100, 1)] {
        let paging = client.get(&format!("/Contacts?{asked}")).await.body["pagination"].clone();
        assert_eq!((&paging["pageSize"], &paging["page"]), (&json!(size), &json!(number)), "{asked}");
    }
    let paged = client.get("/Contacts?page=1").await;
    assert_eq!(paged.body["Contacts"][0]["SalesDefaultAccountCode"], "200");
    let whole = client.get("/Contacts").await;
    assert_eq!(whole.body["pagination"], Value::Null);
    assert_eq!(whole.body["Contacts"][0]["SalesDefaultAccountCode"], Value::Null);
    assert_eq!(whole.body["Contacts"][0]["ContactPersons"], json!([]));
    let summary = client.get("/Contacts?summaryOnly=true").await;
    assert_eq!(summary.body["Contacts"][0]["IsCustomer"], Value::Null);
    assert_eq!(summary.body["pagination"]["page"], 1);
    assert_eq!(names(&client.get("/Contacts?order=Name%20DESC").await), ["C", "B", "A"]);
}

#[tokio::test]
async fn changes_are_asked_for_in_whole_seconds() {
    let clock = clock();
    let (xero, client) = start(&clock).await;
    xero.insert("Contacts", json!({"Name": "Old"})).unwrap();
    clock.advance(Duration::from_secs(1));
    let id = xero.insert("Contacts", json!({"Name": "New"})).unwrap();
    let since = async |text: &str| {
        let answer = client.send("GET", "/Contacts?page=1", &[("if-modified-since", text)], Value::Null).await;
        names(&answer).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(since("2026-06-01T00:00:00").await, ["Old", "New"]);
    assert_eq!(since("2026-06-01T00:00:01").await, ["New"], "its stamp is a quarter second later");
    assert_eq!(since("2026-06-01T00:00:02").await, [""; 0]);
    // The first invoice turns IsCustomer without a new stamp.
    clock.advance(Duration::from_mins(1));
    xero.insert("Invoices", sale(&id, "INV-1")).unwrap();
    assert_eq!(since("2026-06-01T00:01:00").await, [""; 0]);
    let contact = xero.get("Contacts", &id).unwrap();
    assert_eq!((&contact["IsCustomer"], &contact["IsSupplier"]), (&json!(true), &json!(false)));
    assert_eq!(contact["Balances"]["AccountsReceivable"]["Outstanding"].to_string(), "345.00");
}

#[tokio::test]
async fn archived_contacts_hide_and_filters_find() {
    let (xero, client) = start(&clock()).await;
    let kea = xero.insert("Contacts", json!({"Name": "Kea", "EmailAddress": "K@x.nz", "AccountNumber": "7"})).unwrap();
    let tui = xero.insert("Contacts", json!({"Name": "Tui"})).unwrap();
    xero.archive(&tui).unwrap();
    assert_eq!(names(&client.get("/Contacts?page=1").await), ["Kea"]);
    assert_eq!(client.get("/Contacts?page=1&includeArchived=true").await.body["pagination"]["itemCount"], 2);
    assert_eq!(client.get(&format!("/Contacts/{tui}")).await.body["Contacts"][0]["ContactStatus"], "ARCHIVED");
    for (query, count) in [
        ("where=EmailAddress%3D%3D%22k%40x.nz%22", 1),
        ("where=AccountNumber%3D%227%22", 1),
        ("where=Name%3D%3D%22Tui%22", 0),
        ("where=Name%3D%3D%22Tui%22&includeArchived=true", 1),
        (&format!("IDs={kea},{tui}"), 1),
        (&format!("IDs={kea},{tui}&includeArchived=true"), 2),
        ("searchTerm=KE", 1),
    ] {
        assert_eq!(names(&client.get(&format!("/Contacts?page=1&{query}")).await).len(), count, "{query}");
    }
    let wrong = client.get("/Contacts?where=Colour%3D%3D%22x%22").await;
    assert_eq!((wrong.status, &wrong.body["Type"]), (400, &json!("QueryParseException")));
}

#[tokio::test]
async fn an_edited_row_moves_to_the_end_of_the_pages() {
    let clock = clock();
    let (xero, client) = start(&clock).await;
    let ids = ["A", "B", "C"].map(|name| {
        clock.advance(Duration::from_secs(1));
        xero.insert("Contacts", json!({"Name": name})).unwrap()
    });
    assert_eq!(names(&client.get("/Contacts?page=1&pageSize=1").await), ["A"]);
    clock.advance(Duration::from_secs(1));
    xero.edit("Contacts", &ids[0], json!({"FirstName": "x"})).unwrap();
    assert_eq!(names(&client.get("/Contacts?page=2&pageSize=1").await), ["C"], "B is missed by who read page 1 before");
}

#[tokio::test]
async fn a_merge_leaves_a_pointer() {
    let (xero, client) = start(&clock()).await;
    let [a, b] = ["A", "B"].map(|name| xero.insert("Contacts", json!({"Name": name})).unwrap());
    let invoice = xero.insert("Invoices", sale(&a, "INV-1")).unwrap();
    xero.merge(&a, &b).unwrap();
    let loser = client.get(&format!("/Contacts/{a}")).await.body["Contacts"][0].clone();
    assert_eq!((&loser["ContactStatus"], &loser["MergedToContactID"]), (&json!("ARCHIVED"), &json!(b)));
    assert_eq!(xero.get("Invoices", &invoice).unwrap()["Contact"]["ContactID"], json!(b));
}
