//! Invoices, their lines, and payments.

use std::time::Duration;

use super::*;

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
