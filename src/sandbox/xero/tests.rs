//! The practice Xero over HTTP.

mod contacts;
mod invoices;

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
