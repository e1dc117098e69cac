//! The practice Xero over HTTP.

use std::time::Duration;

use super::*;
use crate::sandbox::{
    Fault,
    testing::{Client, Got},
};

fn clock() -> Clock {
    Clock::manual("2026-06-01T00:00:00.250Z".parse::<DateTime<Utc>>().unwrap())
}

async fn start(clock: &Clock) -> (Xero, Client) {
    start_with(XeroOptions::new(clock.clone()).unlimited()).await
}

async fn start_with(options: XeroOptions) -> (Xero, Client) {
    let xero = Xero::start(options).await.unwrap();
    let authorization = format!("Bearer {}", xero.token());
    let headers =
        [("authorization", authorization.as_str()), ("xero-tenant-id", xero.tenant()), ("accept", "application/json")];
    let client = Client::new(xero.url(), &headers);
    (xero, client)
}

fn message(answer: &Got) -> &str {
    answer.body["Elements"][0]["ValidationErrors"][0]["Message"].as_str().unwrap_or_default()
}

fn names(answer: &Got) -> Vec<&str> {
    answer.body["Contacts"].as_array().unwrap().iter().map(|contact| contact["Name"].as_str().unwrap()).collect()
}

fn sale(contact: &str, number: &str) -> Value {
    json!({
        "Type": "ACCREC",
        "Status": "AUTHORISED",
        "Contact": { "ContactID": contact },
        "InvoiceNumber": number,
        "Date": "2026-06-01",
        "DueDate": "2026-06-20",
        "LineItems": [{ "Description": "Advice", "Quantity": 2, "UnitAmount": 150, "AccountCode": "200" }],
    })
}

fn bank(invoice: &str, amount: f64) -> Value {
    json!({ "Invoice": { "InvoiceID": invoice }, "Account": { "Code": "090" }, "Date": "2026-06-02", "Amount": amount })
}

#[tokio::test]
async fn a_caller_needs_token_tenant_and_the_right_accept() {
    let (xero, client) = start(&clock()).await;
    let wrong = client.send("GET", "/Contacts", &[("authorization", "Bearer no")], Value::Null).await;
    assert_eq!((wrong.status, &wrong.body["Detail"]), (401, &json!("AuthenticationUnsuccessful")));
    let wrong = client.send("GET", "/Contacts", &[("xero-tenant-id", "x")], Value::Null).await;
    assert_eq!(wrong.status, 403);
    let xml = client.send("GET", "/Contacts", &[("accept", "*/*")], Value::Null).await;
    assert_eq!((xml.status, xml.header("content-type")), (200, "text/xml; charset=utf-8"));
    assert!(xml.text.starts_with("<Response"), "{}", xml.text);
    xero.change_token("new");
    let expired = client.get("/Contacts").await;
    assert!(expired.body["Detail"].as_str().unwrap().starts_with("TokenExpired: token expired at 06/01/2026"));
    assert_eq!(client.send("GET", "/Contacts", &[("authorization", "Bearer new")], Value::Null).await.status, 200);
}

#[tokio::test]
async fn an_answer_has_its_envelope_and_escaped_dates() {
    let (xero, client) = start(&clock()).await;
    let id = xero.insert("Contacts", json!({"Name": "Kea & Sons Ltd"})).unwrap();
    let answer = client.get(&format!("/Contacts/{id}")).await;
    assert!(answer.text.contains(r#""UpdatedDateUTC":"\/Date(1780272000250+0000)\/""#), "{}", answer.text);
    assert_eq!(answer.body["Status"], "OK");
    assert_eq!(answer.header("date"), "Mon, 01 Jun 2026 00:00:00 GMT");
    let contact = &answer.body["Contacts"][0];
    assert_eq!(contact["Addresses"].as_array().unwrap().len(), 2);
    assert_eq!(contact["Phones"].as_array().unwrap().len(), 4);
    assert_eq!(contact["Phones"][0]["PhoneNumber"], "");
    assert_eq!(client.get("/Contacts/00000000-0000-0000-0000-000000000001").await.status, 404);
    assert_eq!(client.get("/Quotes").await.status, 501);
}

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
async fn a_batch_saves_nothing_unless_errors_come_apart() {
    let (xero, client) = start(&clock()).await;
    let batch = json!({"Contacts": [{"Name": "A"}, {"Name": "B", "EmailAddress": "?"}, {"Name": "C"}]});
    let whole = client.send("POST", "/Contacts", &[], batch.clone()).await;
    assert_eq!(
        (whole.status, &whole.body["Type"], &whole.body["ErrorNumber"]),
        (400, &json!("ValidationException"), &json!(10))
    );
    assert_eq!(whole.body["Elements"].as_array().unwrap().len(), 1);
    assert_eq!(xero.count("Contacts"), 0);

    let apart = client.send("POST", "/Contacts?summarizeErrors=false", &[], batch).await;
    assert_eq!(apart.status, 200);
    let contacts = apart.body["Contacts"].as_array().unwrap();
    let words: Vec<&Value> = contacts.iter().map(|contact| &contact["StatusAttributeString"]).collect();
    assert_eq!(words, ["OK", "ERROR", "OK"]);
    assert_eq!(contacts[1]["HasValidationErrors"], true);
    assert_eq!(contacts[1]["ContactID"], "00000000-0000-0000-0000-000000000000");
    assert_eq!(contacts[1]["ValidationErrors"][0]["Message"], "Email address must be valid");
    assert_eq!(xero.count("Contacts"), 2);
    for (body, part) in [("{", "Invalid Json"), ("{\"Contacts\":[]}", "At least one"), ("[1]", "object")] {
        let body = serde_json::from_str(body).unwrap_or_else(|_| json!("{"));
        let answer = client.send("POST", "/Contacts", &[], body).await;
        assert_eq!((answer.status, &answer.body["Type"]), (400, &json!("PostDataInvalidException")), "{part}");
    }
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
async fn an_invoice_counts_tax_by_line() {
    let (xero, _client) = start(&clock()).await;
    let contact = xero.insert("Contacts", json!({"Name": "Kea"})).unwrap();
    let totals = |amounts: &str, lines: Value| {
        let mut invoice = sale(&contact, "");
        invoice["LineAmountTypes"] = amounts.into();
        invoice["LineItems"] = lines;
        let id = xero.insert("Invoices", invoice).unwrap();
        let invoice = xero.get("Invoices", &id).unwrap();
        ["SubTotal", "TotalTax", "Total"].map(|name| invoice[name].to_string())
    };
    let line = |cents: &str| json!({"Description": "x", "LineAmount": cents.parse::<serde_json::Number>().unwrap(), "AccountCode": "200"});
    // 0.15 * 0.10 rounds to 0.02 on each of the three lines, not to 0.05 on their sum.
    assert_eq!(totals("Exclusive", json!([line("0.10"), line("0.10"), line("0.10")])), ["0.30", "0.06", "0.36"]);
    assert_eq!(totals("Inclusive", json!([line("115"), line("0.01")])), ["100.01", "15.00", "115.01"]);
    assert_eq!(totals("NoTax", json!([line("115")])), ["115.00", "0.00", "115.00"]);
    let free = json!([{"Description": "only words"}]);
    assert_eq!(totals("Exclusive", free), ["0.00", "0.00", "0.00"]);
    let untaxed =
        json!([{"Description": "x", "Quantity": 3, "UnitAmount": 1.335, "TaxType": "NONE", "AccountCode": "200"}]);
    assert_eq!(totals("Exclusive", untaxed), ["4.01", "0.00", "4.01"]);
}

#[tokio::test]
async fn invoice_rules_have_their_messages() {
    let (xero, client) = start(&clock()).await;
    let contact = xero.insert("Contacts", json!({"Name": "Kea"})).unwrap();
    let gone = xero.insert("Contacts", json!({"Name": "Moa"})).unwrap();
    xero.archive(&gone).unwrap();
    xero.insert("Invoices", sale(&contact, "INV-1")).unwrap();
    let with = |name: &str, value: Value| {
        let mut invoice = sale(&contact, "INV-2");
        invoice[name] = value;
        invoice
    };
    for (invoice, expected) in [
        (with("InvoiceNumber", json!("inv-1")), "Invoice # must be unique."),
        (with("LineItems", json!([])), "One or more line items"),
        (
            with("LineItems", json!([{"Description": "x", "UnitAmount": 1, "AccountCode": "999"}])),
            "Account code '999' is not a valid code",
        ),
        (with("LineItems", json!([{"Description": "x", "UnitAmount": 1}])), "Account code must be specified"),
        (
            with(
                "LineItems",
                json!([{"Description": "x", "UnitAmount": 2, "Quantity": 2, "LineAmount": 5, "AccountCode": "200"}]),
            ),
            "The line total 5 does not match the expected line total 4",
        ),
        (with("Status", json!("PAID")), "Invoice not of valid status"),
        (with("CurrencyCode", json!("USD")), "not subscribed to currency USD"),
        (with("Contact", json!({"ContactID": gone})), "archived"),
        (with("Contact", json!({"ContactID": "6f0e6a52-0000-4000-8000-000000000001"})), "could not be found"),
        (with("Contact", Value::Null), "A Contact must be specified"),
        (with("Date", json!("31/12/2026")), "not a valid date"),
        (with("Type", json!("QUOTE")), "Type 'QUOTE'"),
    ] {
        let answer = client.send("PUT", "/Invoices", &[], invoice.clone()).await;
        assert_eq!(answer.status, 400, "{invoice}");
        assert!(answer.text.contains(expected), "{expected}: {}", answer.text);
    }
    xero.lock_period("2026-05-31".parse().ok());
    let locked = client.send("PUT", "/Invoices", &[], with("Date", json!("2026-05-31"))).await;
    assert!(message(&locked).contains("lock date"), "{}", locked.text);
    assert_eq!(client.send("PUT", "/Invoices", &[], sale(&contact, "INV-3")).await.status, 200);
    assert_eq!(xero.count("Invoices"), 2);
    let auto = xero.insert("Invoices", sale(&contact, "")).unwrap();
    assert_eq!(xero.get("Invoices", &auto).unwrap()["InvoiceNumber"], "INV-0001");
}

#[tokio::test]
async fn lines_are_kept_by_id_and_lost_without() {
    let (xero, client) = start(&clock()).await;
    let contact = xero.insert("Contacts", json!({"Name": "Kea"})).unwrap();
    let mut invoice = sale(&contact, "INV-1");
    invoice["LineItems"] = json!([
        {"Description": "a", "UnitAmount": 1, "AccountCode": "200"},
        {"Description": "b", "UnitAmount": 2, "AccountCode": "200"},
    ]);
    let id = xero.insert("Invoices", invoice).unwrap();
    let before = xero.get("Invoices", &id).unwrap();
    let first = before["LineItems"][0]["LineItemID"].clone();
    let lines =
        json!([{"LineItemID": first, "UnitAmount": 5}, {"Description": "c", "UnitAmount": 3, "AccountCode": "200"}]);
    let after = client.send("POST", &format!("/Invoices/{id}"), &[], json!({"LineItems": lines})).await;
    let lines = after.body["Invoices"][0]["LineItems"].as_array().unwrap();
    assert_eq!((&lines[0]["LineItemID"], &lines[0]["Description"]), (&first, &json!("a")));
    assert_eq!((lines.len(), &lines[1]["Description"]), (2, &json!("c")));
    assert_eq!(after.body["Invoices"][0]["SubTotal"].to_string(), "8.00");
    let after = client.send("POST", "/Invoices", &[], json!({"InvoiceNumber": "INV-1", "Reference": "r"})).await;
    assert_eq!(after.body["Invoices"][0]["LineItems"].as_array().unwrap().len(), 2);
    assert_eq!(after.body["Invoices"][0]["Reference"], "r");
}

#[tokio::test]
async fn a_payment_moves_its_invoice_and_a_paid_one_takes_few_edits() {
    let clock = clock();
    let (xero, client) = start(&clock).await;
    let contact = xero.insert("Contacts", json!({"Name": "Kea"})).unwrap();
    let id = xero.insert("Invoices", sale(&contact, "INV-1")).unwrap();
    let too_much = client.send("PUT", "/Payments", &[], bank(&id, 345.01)).await;
    assert_eq!(message(&too_much), "Payment amount exceeds the amount outstanding on this document");
    let mut wrong = bank(&id, 1.0);
    wrong["Account"]["Code"] = json!("200");
    assert_eq!(client.send("PUT", "/Payments", &[], wrong).await.status, 400);

    clock.advance(Duration::from_secs(5));
    let part = client.send("PUT", "/Payments", &[], json!({"Payments": [bank(&id, 100.0)]})).await;
    assert_eq!((part.status, &part.body["Payments"][0]["PaymentType"]), (200, &json!("ACCRECPAYMENT")));
    let invoice = xero.get("Invoices", &id).unwrap();
    assert_eq!((&invoice["Status"], invoice["AmountDue"].to_string().as_str()), (&json!("AUTHORISED"), "245.00"));
    assert_eq!(invoice["UpdatedDateUTC"], "/Date(1780272005250+0000)/");
    let lines = invoice["LineItems"].clone();

    let post = async |patch: Value| client.send("POST", &format!("/Invoices/{id}"), &[], patch).await;
    assert_eq!(message(&post(json!({"Status": "VOIDED"})).await), "Invoice not of valid status for modification");
    assert_eq!(message(&post(json!({"Date": "2026-06-02"})).await), "Invoice not of valid status for modification");
    let mut dearer = lines.clone();
    dearer[0]["UnitAmount"] = json!(151);
    dearer[0].as_object_mut().unwrap().remove("LineAmount");
    dearer[0].as_object_mut().unwrap().remove("TaxAmount");
    assert_eq!(message(&post(json!({"LineItems": dearer})).await), "Invoice not of valid status for modification");
    let mut renamed = lines;
    renamed[0]["Description"] = json!("Better advice");
    let fine =
        post(json!({"LineItems": renamed, "Reference": "r", "DueDate": "2026-07-01", "Date": "2026-06-01"})).await;
    assert_eq!(fine.status, 200, "{}", fine.text);

    let rest = client.send("PUT", "/Payments", &[], bank(&id, 245.0)).await;
    assert_eq!(xero.get("Invoices", &id).unwrap()["Status"], "PAID");
    assert_eq!(post(json!({"Reference": "paid"})).await.status, 200);
    let payment = rest.body["Payments"][0]["PaymentID"].as_str().unwrap();
    let deleted = client.send("POST", &format!("/Payments/{payment}"), &[], json!({"Status": "DELETED"})).await;
    assert_eq!(deleted.body["Payments"][0]["Status"], "DELETED");
    let invoice = xero.get("Invoices", &id).unwrap();
    assert_eq!((&invoice["Status"], invoice["AmountDue"].to_string().as_str()), (&json!("AUTHORISED"), "245.00"));
    assert_eq!(client.send("POST", &format!("/Payments/{payment}"), &[], json!({"Amount": 1})).await.status, 400);
}

#[tokio::test]
async fn some_edits_of_a_part_paid_invoice_leave_its_stamp() {
    let clock = clock();
    let (xero, _client) = start(&clock).await;
    let contact = xero.insert("Contacts", json!({"Name": "Kea"})).unwrap();
    let id = xero.insert("Invoices", sale(&contact, "INV-1")).unwrap();
    let moves = |patch: Value| {
        let before = xero.get("Invoices", &id).unwrap();
        clock.advance(Duration::from_secs(1));
        xero.edit("Invoices", &id, patch.clone()).unwrap();
        let after = xero.get("Invoices", &id).unwrap();
        for (name, value) in patch.as_object().unwrap().iter().filter(|(name, _)| *name != "DueDate") {
            assert_eq!(&after[name], value);
        }
        before["UpdatedDateUTC"] != after["UpdatedDateUTC"]
    };
    assert!(moves(json!({"DueDate": "2026-07-01"})), "unpaid");
    xero.insert("Payments", bank(&id, 1.0)).unwrap();
    assert!(!moves(json!({"DueDate": "2026-07-02"})));
    assert!(!moves(json!({"SentToContact": true})));
    assert!(moves(json!({"DueDate": "2026-07-03", "Reference": "r"})));
    assert_eq!(xero.get("Invoices", &id).unwrap()["DueDateString"], "2026-07-03T00:00:00");
}

#[tokio::test]
async fn removing_archives_voids_or_deletes() {
    let (xero, client) = start(&clock()).await;
    let contact = xero.insert("Contacts", json!({"Name": "Kea"})).unwrap();
    let approved = xero.insert("Invoices", sale(&contact, "INV-1")).unwrap();
    let mut draft = sale(&contact, "INV-2");
    draft["Status"] = json!("DRAFT");
    let draft = xero.insert("Invoices", draft).unwrap();
    let paid = xero.insert("Invoices", sale(&contact, "INV-3")).unwrap();
    let payment = xero.insert("Payments", bank(&paid, 345.0)).unwrap();
    assert_eq!(xero.remove("Invoices", &paid).unwrap_err().messages, ["Invoice not of valid status for modification"]);
    for id in [&approved, &draft] {
        xero.remove("Invoices", id).unwrap();
        assert!(xero.edit("Invoices", id, json!({"Reference": "late"})).is_err());
    }
    xero.remove("Payments", &payment).unwrap();
    xero.remove("Contacts", &contact).unwrap();
    let status = |resource: &str, id: &str, name: &str| xero.get(resource, id).unwrap()[name].clone();
    assert_eq!(status("Invoices", &approved, "Status"), "VOIDED");
    assert_eq!(status("Invoices", &draft, "Status"), "DELETED");
    assert_eq!(status("Payments", &payment, "Status"), "DELETED");
    assert_eq!(status("Contacts", &contact, "ContactStatus"), "ARCHIVED");
    // A deleted draft frees its number, a voided invoice does not.
    let other = xero.insert("Contacts", json!({"Name": "Tui"})).unwrap();
    assert!(xero.insert("Invoices", sale(&other, "INV-2")).is_ok());
    assert!(xero.insert("Invoices", sale(&other, "INV-1")).is_err());
    let listed = client.get("/Invoices?page=1").await;
    assert_eq!(listed.body["pagination"]["itemCount"], 4, "voided and deleted ones are listed");
    let open = client.get("/Invoices?Statuses=AUTHORISED,VOIDED").await;
    assert_eq!(open.body["Invoices"].as_array().unwrap().len(), 3);
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
async fn a_contact_block_with_more_than_an_id_edits_the_contact() {
    let (xero, client) = start(&clock()).await;
    let contact = json!({"Name": "Kea", "ContactPersons": [{"FirstName": "P"}]});
    let contact = xero.insert("Contacts", contact).unwrap();
    let mut invoice = sale(&contact, "INV-1");
    client.send("PUT", "/Invoices", &[], invoice.clone()).await;
    assert_eq!(xero.get("Contacts", &contact).unwrap()["ContactPersons"].as_array().unwrap().len(), 1);
    invoice["Contact"] = json!({"ContactID": contact, "EmailAddress": "new@kea.example"});
    invoice["InvoiceNumber"] = json!("INV-2");
    client.send("PUT", "/Invoices", &[], invoice.clone()).await;
    let edited = xero.get("Contacts", &contact).unwrap();
    assert_eq!((&edited["EmailAddress"], &edited["ContactPersons"]), (&json!("new@kea.example"), &json!([])));
    invoice["Contact"] = json!({"Name": "Brand New"});
    invoice["InvoiceNumber"] = json!("INV-3");
    client.send("PUT", "/Invoices", &[], invoice.clone()).await;
    assert_eq!(xero.count("Contacts"), 2);
    // A failing invoice takes the contact it made along.
    invoice["Contact"] = json!({"Name": "Ghost"});
    assert_eq!(
        client.send("PUT", "/Invoices?summarizeErrors=false", &[], invoice).await.body["Invoices"][0]["HasErrors"],
        true
    );
    assert_eq!(xero.count("Contacts"), 2);
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

#[tokio::test]
async fn a_key_replays_for_six_minutes_errors_included() {
    let clock = clock();
    let (xero, client) = start(&clock).await;
    let key = [("idempotency-key", "k")];
    let put = async |name: &str| client.send("PUT", "/Contacts", &key, json!({"Name": name})).await;
    let first = put("A").await;
    clock.advance(Duration::from_secs(359));
    assert_eq!(put("A").await.body, first.body);
    let other = put("B").await;
    assert_eq!(
        (other.status, &other.body["Detail"]),
        (400, &json!("Idempotency Key: k is used with a different request."))
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(put("A").await.status, 400, "a new request by now, and the name is taken");
    clock.advance(Duration::from_mins(1));
    xero.archive(first.body["Contacts"][0]["ContactID"].as_str().unwrap()).unwrap();
    assert_eq!(put("A").await.status, 400, "the error is replayed although its cause is gone");

    // A 500 after applying is kept too, and so is one before.
    clock.advance(Duration::from_mins(6));
    xero.faults().once(Fault::ApplyThenStatus(500), "PUT", "*");
    assert_eq!(put("A").await.status, 500);
    assert_eq!(put("A").await.status, 500);
    assert_eq!(xero.count("Contacts"), 2);
    clock.advance(Duration::from_mins(6));
    xero.faults().once(Fault::Status(500), "PUT", "*");
    assert_eq!((put("E").await.status, put("E").await.status), (500, 500));
    assert_eq!(xero.count("Contacts"), 2);
    // A proxy that repeats a keyed request does no harm.
    clock.advance(Duration::from_mins(6));
    xero.faults().once(Fault::Twice, "PUT", "*");
    assert_eq!(put("C").await.status, 200);
    assert_eq!(xero.count("Contacts"), 3);
    // A lost answer is found again under its key.
    clock.advance(Duration::from_mins(6));
    xero.faults().once(Fault::DropAfter, "PUT", "*");
    assert!(client.try_send("PUT", "/Contacts", &key, json!({"Name": "D"})).await.is_err());
    assert_eq!(put("D").await.status, 200);
    assert_eq!(xero.count("Contacts"), 4);
}

#[tokio::test]
async fn limits_are_told_and_kept() {
    let clock = clock();
    let limits = XeroLimits { minute: Some(2), ..XeroLimits::DOCUMENTED };
    let (xero, client) = start_with(XeroOptions { limits, ..XeroOptions::new(clock.clone()) }).await;
    let first = client.get("/Contacts").await;
    assert_eq!((first.header("x-minlimit-remaining"), first.header("x-daylimit-remaining")), ("1", "4999"));
    let key = [("idempotency-key", "k")];
    client.send("PUT", "/Contacts", &key, json!({"Name": "A"})).await;
    let refused = client.send("PUT", "/Contacts", &key, json!({"Name": "A"})).await;
    assert_eq!((refused.status, refused.header("x-rate-limit-problem")), (429, "minute"), "a replay counts as well");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    clock.advance(Duration::from_secs(wait));
    assert_eq!(client.send("PUT", "/Contacts", &key, json!({"Name": "A"})).await.status, 200);
    assert_eq!(xero.log().counts().throttled, 1);

    xero.limit(XeroLimits { concurrent: Some(1), ..XeroLimits::OFF });
    xero.faults().delay_all(Duration::from_millis(40));
    let (a, b) = tokio::join!(client.get("/Contacts"), client.get("/Contacts"));
    assert_eq!([a.status, b.status].iter().filter(|status| **status == 429).count(), 1);
}

#[tokio::test]
async fn accounts_rates_and_the_organisation_are_there() {
    let (xero, client) = start(&clock()).await;
    xero.lock_period("2026-03-31".parse().ok());
    let organisation = client.get("/Organisation").await.body["Organisations"][0].clone();
    assert_eq!(organisation["Timezone"], "NEWZEALANDSTANDARDTIME");
    assert_eq!(organisation["PeriodLockDate"], "/Date(1774915200000+0000)/");
    assert_eq!(client.get("/TaxRates/OUTPUT2").await.body["TaxRates"][0]["EffectiveRate"], 15);
    let account = json!({"Code": "201", "Name": "Freight", "Type": "REVENUE", "TaxType": "OUTPUT2"});
    let made = client.send("PUT", "/Accounts", &[], account.clone()).await;
    let id = made.body["Accounts"][0]["AccountID"].as_str().unwrap().to_owned();
    assert_eq!(client.send("PUT", "/Accounts", &[], account).await.status, 400);
    let archived = client.send("POST", &format!("/Accounts/{id}"), &[], json!({"Status": "ARCHIVED"})).await;
    assert_eq!(archived.body["Accounts"][0]["Status"], "ARCHIVED");
    assert_eq!(client.get(&format!("/Accounts/{id}")).await.status, 200);
    assert_eq!(xero.accounts().len(), 10);
    let banks = client.get("/Accounts?where=Type%3D%3D%22BANK%22%20AND%20Status%3D%3D%22ACTIVE%22").await;
    assert_eq!(banks.body["Accounts"].as_array().unwrap().len(), 2);
    assert_eq!(client.get("/Accounts?where=Colour%3D%3D1").await.status, 400);
}
