//! The practice Xero against Xero's own `OpenAPI` file: what it answers, and what the tests send it.

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "support/openapi.rs"]
mod openapi;

use openapi::{Spec, Unknown, Validator, send};
use reconciled::{
    clock::Clock,
    sandbox::{SeedPlan, Website, WebsiteOptions, Xero, XeroOptions, seed},
};
use serde_json::{Map, Value, json};

const SPEC: &str = "tests/openapi/xero_accounting.yaml";

fn property(schemas: &mut Map<String, Value>, schema: &str, name: &str) {
    schemas[schema]["properties"][name] = json!({ "type": "string" });
}

/// Answers carry a few properties that the docs show and the file leaves out.
fn documented_extras(schemas: &mut Map<String, Value>) {
    for plural in ["Contacts", "Invoices", "Payments", "Accounts", "TaxRates", "Organisations"] {
        for name in ["Id", "Status", "ProviderName", "DateTimeUTC"] {
            property(schemas, plural, name);
        }
        schemas[plural]["required"] = json!(["Id", "Status", "DateTimeUTC", plural]);
    }
    for name in ["DateString", "DueDateString"] {
        property(schemas, "Invoice", name);
    }
}

struct Harness {
    spec: Spec,
    xero: Xero,
    _website: Website,
}

impl Harness {
    async fn start() -> Self {
        let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
        let website = Website::start(WebsiteOptions::new(clock.clone())).await.unwrap();
        let xero = Xero::start(XeroOptions::new(clock.clone()).unlimited()).await.unwrap();
        seed(&website, &xero, clock.now(), &SeedPlan::plain(40, 60)).unwrap();
        Self { spec: Spec::load(SPEC), xero, _website: website }
    }

    fn answers(&self, plural: &str) -> Validator {
        self.spec.validator(plural, Unknown::Refused, documented_extras)
    }

    fn requests(&self, plural: &str) -> Validator {
        self.spec.validator(plural, Unknown::RefusedAndReadOnly, |_| {})
    }

    async fn call(&self, method: &str, target: &str, body: Option<&Value>) -> (u16, Value) {
        let authorization = format!("Bearer {}", self.xero.token());
        let headers = [
            ("authorization", authorization.as_str()),
            ("xero-tenant-id", self.xero.tenant()),
            ("accept", "application/json"),
        ];
        send(method, &format!("{}{target}", self.xero.url()), &headers, body).await
    }

    /// Sends a request that fits the file, and checks that the answer does.
    async fn write(&self, method: &str, target: &str, plural: &str, body: &Value) -> Value {
        self.requests(plural).accepts(body);
        let (status, answer) = self.call(method, target, Some(body)).await;
        assert_eq!(status, 200, "{answer:#}");
        self.answers(plural).accepts(&answer);
        answer
    }
}

#[tokio::test]
async fn every_list_and_record_fits_the_official_file() {
    let harness = Harness::start().await;
    for (plural, id) in
        [("Contacts", "ContactID"), ("Invoices", "InvoiceID"), ("Payments", "PaymentID"), ("Accounts", "AccountID")]
    {
        let validator = harness.answers(plural);
        for query in ["", "?page=1&pageSize=1000", "?summaryOnly=true", "?where=UpdatedDateUTC%3E%3DDateTime(2020,1,1)"]
        {
            let (status, answer) = harness.call("GET", &format!("/{plural}{query}"), None).await;
            assert_eq!(status, 200, "{plural}{query}: {answer}");
            assert!(!answer[plural].as_array().unwrap().is_empty(), "{plural}{query}");
            validator.accepts(&answer);
        }
        let (_, all) = harness.call("GET", &format!("/{plural}?page=1"), None).await;
        for record in all[plural].as_array().unwrap().iter().take(5) {
            let (status, answer) =
                harness.call("GET", &format!("/{plural}/{}", record[id].as_str().unwrap()), None).await;
            assert_eq!(status, 200);
            validator.accepts(&answer);
        }
    }
    for (target, plural) in [("/Organisation", "Organisations"), ("/TaxRates", "TaxRates")] {
        let (_, answer) = harness.call("GET", target, None).await;
        harness.answers(plural).accepts(&answer);
    }
}

#[tokio::test]
async fn writes_and_their_answers_fit_the_official_file() {
    let harness = Harness::start().await;
    let contacts = json!({ "Contacts": [{
        "Name": "Kea & Sons Ltd",
        "ContactNumber": "CRM-1001",
        "EmailAddress": "accounts@kea.example",
        "ContactPersons": [{ "FirstName": "P", "IncludeInEmails": true }],
        "Phones": [{ "PhoneType": "MOBILE", "PhoneNumber": "5550101", "PhoneAreaCode": "21", "PhoneCountryCode": "64" }],
        "Addresses": [{ "AddressType": "POBOX", "AddressLine1": "PO Box 9", "City": "Nelson", "PostalCode": "7010" }],
        "PaymentTerms": { "Sales": { "Day": 20, "Type": "OFFOLLOWINGMONTH" } },
    }] });
    let made = harness.write("PUT", "/Contacts", "Contacts", &contacts).await;
    let contact = made["Contacts"][0]["ContactID"].clone();

    let invoices = json!({ "Invoices": [{
        "Type": "ACCREC",
        "Status": "AUTHORISED",
        "InvoiceNumber": "X-1",
        "Contact": { "ContactID": contact },
        "Date": "2026-06-01",
        "DueDate": "2026-06-20",
        "LineAmountTypes": "Exclusive",
        "LineItems": [{ "Description": "Advice", "Quantity": 2, "UnitAmount": 150.25, "AccountCode": "200" }],
    }] });
    let made = harness.write("POST", "/Invoices", "Invoices", &invoices).await;
    let invoice = made["Invoices"][0]["InvoiceID"].clone();

    let payments = json!({ "Payments": [{
        "Invoice": { "InvoiceID": invoice },
        "Account": { "Code": "090" },
        "Date": "2026-06-02",
        "Amount": 100,
    }] });
    let made = harness.write("PUT", "/Payments", "Payments", &payments).await;
    let payment = made["Payments"][0]["PaymentID"].as_str().unwrap();
    let delete = json!({ "Status": "DELETED" });
    harness.spec.validator("PaymentDelete", Unknown::RefusedAndReadOnly, |_| {}).accepts(&delete);
    let (status, deleted) = harness.call("POST", &format!("/Payments/{payment}"), Some(&delete)).await;
    assert_eq!(status, 200);
    harness.answers("Payments").accepts(&deleted);

    let account = json!({ "Code": "201", "Name": "Freight", "Type": "REVENUE", "TaxType": "OUTPUT2" });
    harness.requests("Account").accepts(&account);
    let (status, made) = harness.call("PUT", "/Accounts", Some(&account)).await;
    assert_eq!(status, 200);
    harness.answers("Accounts").accepts(&made);
}

#[tokio::test]
async fn errors_fit_the_official_file() {
    let harness = Harness::start().await;
    let contacts = json!({ "Contacts": [{ "Name": "Fine" }, { "Name": "Bad", "EmailAddress": "x" }] });
    let (status, apart) = harness.call("POST", "/Contacts?summarizeErrors=false", Some(&contacts)).await;
    assert_eq!((status, &apart["Contacts"][1]["StatusAttributeString"]), (200, &json!("ERROR")));
    harness.answers("Contacts").accepts(&apart);

    let (status, whole) = harness.call("PUT", "/Contacts", Some(&json!({ "Name": "Bad", "EmailAddress": "x" }))).await;
    assert_eq!(status, 400);
    harness.spec.validator("Error", Unknown::AsWritten, |_| {}).accepts(&whole);
    let element = harness.spec.validator("Contact", Unknown::Refused, |_| {});
    element.accepts(&whole["Elements"][0]);

    let (_, invoices) =
        harness.call("POST", "/Invoices?summarizeErrors=false", Some(&json!([{ "Type": "ACCREC" }]))).await;
    assert_eq!(invoices["Invoices"][0]["HasErrors"], true);
    harness.answers("Invoices").accepts(&invoices);
    let (_, payments) = harness.call("POST", "/Payments?summarizeErrors=false", Some(&json!([{ "Amount": 1 }]))).await;
    assert_eq!(payments["Payments"][0]["HasValidationErrors"], true);
    harness.answers("Payments").accepts(&payments);
}

/// A validator that skips recursive schemas would let all of these pass.
#[tokio::test]
async fn what_does_not_fit_is_found() {
    let harness = Harness::start().await;
    let (_, answer) = harness.call("GET", "/Invoices?page=1", None).await;
    let validator = harness.answers("Invoices");
    validator.accepts(&answer);
    let spoilt = |path: &str, value: Value| {
        let mut spoilt = answer.clone();
        *spoilt.pointer_mut(path).unwrap() = value;
        spoilt
    };
    for (path, value) in [
        ("/Invoices/0/Total", json!("345.00")),
        ("/Invoices/0/Status", json!("OPEN")),
        ("/Invoices/0/InvoiceID", json!("7")),
        ("/Invoices/0/LineItems/0/Quantity", json!("2")),
        ("/Invoices/0/LineItems", json!({})),
        ("/Invoices/0/Contact/Name", json!(7)),
        ("/Invoices/0/Contact/Phones", json!([{ "PhoneType": "HOME" }])),
        ("/pagination/page", json!("1")),
    ] {
        validator.refuses(&spoilt(path, value), path);
    }

    let requests = harness.requests("Invoices");
    let invoice = |name: &str, value: Value| {
        let mut invoice =
            json!({ "Type": "ACCREC", "Contact": { "ContactID": "1f0e6a52-0000-4000-8000-000000000001" } });
        invoice[name] = value;
        json!({ "Invoices": [invoice] })
    };
    requests.accepts(&invoice("Reference", json!("r")));
    requests.refuses(&invoice("Referense", json!("r")), "Referense");
    requests.refuses(&invoice("Contact", json!({ "Nmae": "x" })), "Nmae");
    requests.refuses(&invoice("LineItems", json!([{ "UnitPrice": 1 }])), "UnitPrice");
    requests.refuses(&invoice("AmountDue", json!(1)), "AmountDue");
    requests.refuses(&invoice("Date", json!(20_260_601)), "/Invoices/0/Date");
}
