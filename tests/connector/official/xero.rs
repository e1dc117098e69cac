//! Xero's Accounting API.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

use reconciled::{
    clock::Clock,
    connector::{Connector as _, FieldType, ItemAnswer, Paging, Resource, WriteItem, WriteKind},
    record::Kind,
    sandbox::{LogEntry, SeedPlan, Website, WebsiteOptions, Xero, XeroLimits, XeroOptions, seed},
};
use serde_json::{Value, json};

use super::{call, members, none, written};
use crate::{
    conformance::rig::{System, connected},
    openapi::send,
    setup::{CREATE, Shop, UPDATE, item, new_item},
    xero_openapi::{Exception, Judge},
};

const START: &str = "2026-06-01T00:00:00Z";
const GUID: &str = "1f0e6a52-0000-4000-8000-000000000001";

/// An organisation with records of every kind, and the ids that fields refer to.
struct Office {
    clock: Clock,
    xero: Xero,
    contact: String,
    keys: AtomicU64,
    _website: Website,
}

impl Office {
    async fn start() -> Self {
        let clock = Clock::manual(START.parse().unwrap());
        let website = Website::start(WebsiteOptions::new(clock.clone())).await.unwrap();
        let xero = Xero::start(XeroOptions::new(clock.clone()).unlimited().keeping_answers()).await.unwrap();
        seed(&website, &xero, clock.now(), &SeedPlan::plain(40, 60)).unwrap();
        let contact = xero.insert("Contacts", json!({ "Name": "Rua" })).unwrap();
        Self { clock, xero, contact, keys: AtomicU64::new(0), _website: website }
    }

    fn on(&self, resource: &str) -> Shop {
        let (xero, clock) = (&self.xero, self.clock.clone());
        connected(System::Xero, clock, &xero.url(), [xero.token(), xero.tenant()], resource)
    }

    async fn send(&self, method: &str, target: &str, body: Option<&Value>) -> (u16, Value) {
        let login = format!("Bearer {}", self.xero.token());
        let headers =
            [("authorization", login.as_str()), ("xero-tenant-id", self.xero.tenant()), ("accept", "application/json")];
        send(method, &format!("{}{target}", self.xero.url()), &headers, body).await
    }

    /// Writes one record under a key of its own, as the engine does.
    async fn write(&self, shop: &Shop, kind: WriteKind, item: WriteItem) -> ItemAnswer {
        let key = format!("key-{}", self.keys.fetch_add(1, Ordering::Relaxed));
        let prepared = shop.connector.prepare(&shop.resource, kind, &[item], &key).unwrap();
        shop.run(shop.connector.send(&shop.resource, &prepared)).await.unwrap().items.remove(0)
    }

    /// A value for each member that a write may hold.
    fn values(&self, resource: &Resource) -> Value {
        Value::Object(members(&resource.fields, &|name, field| self.value(&resource.name, name, field)))
    }

    fn value(&self, within: &str, name: &str, field: &FieldType) -> Value {
        match (within, name) {
            ("Contact", "ContactID") => return self.contact.clone().into(),
            ("invoices", "Contact") => return json!({ "ContactID": self.contact }),
            ("Invoice", "InvoiceID") => return self.sale("AUTHORISED").into(),
            ("Account", _) if name == "AccountID" => return account(&self.xero, "090").into(),
            ("LineItems", "AccountID") => return account(&self.xero, "200").into(),
            ("payments", "Account") => return json!({ "Code": "090" }),
            ("payments", "Invoice") => return json!({ "InvoiceID": self.sale("AUTHORISED") }),
            (_, "SalesTrackingCategories" | "PurchasesTrackingCategories") => {
                return json!([{ "TrackingCategoryName": "Region", "TrackingOptionName": "North" }]);
            }
            // 1.5 of 1.5 each, less 1.5 percent, and its tax.
            ("LineItems", "LineAmount") => return json!(2.22),
            ("LineItems", "TaxAmount") => return json!(0.33),
            ("LineItems", "Tracking") => return json!([{ "Name": "Region", "Option": "North" }]),
            ("LineItems", "TaxBreakdown") => return json!([{ "TaxComponentId": GUID, "Type": "SYSGST/USSTATE" }]),
            _ => {}
        }
        let children =
            || field.children.as_ref().map(|table| members(table, &|inner, child| self.value(name, inner, child)));
        match field.kind() {
            Kind::Object => Value::Object(children().unwrap_or_default()),
            Kind::List => children().map_or(json!([]), |one| json!([one])),
            Kind::Boolean => json!(true),
            Kind::Decimal => json!(1.5),
            Kind::Integer => json!(20),
            Kind::Date => json!("2026-06-01"),
            Kind::Id => json!(GUID),
            _ => word(within, name).into(),
        }
    }

    /// A new sale.
    fn sale(&self, status: &str) -> String {
        let lines = json!([{ "Description": "Advice", "Quantity": 1, "UnitAmount": 100, "AccountCode": "200" }]);
        let sale = json!({
            "Type": "ACCREC", "Status": status, "Contact": { "ContactID": self.contact }, "Date": "2026-06-01",
            "DueDate": "2026-06-20", "LineItems": lines,
        });
        self.xero.insert("Invoices", sale).unwrap()
    }

    /// Makes every call of a resource, each write with all it may hold.
    async fn exercise(&self, name: &str) -> BTreeSet<String> {
        let mut shop = self.on(name);
        if let Some(list) = shop.resource.list.as_mut()
            && let Paging::Number { size: Some(size), .. } = &mut list.paging
        {
            size.value = 30;
        }
        let resource = shop.resource.clone();
        let mut calls = BTreeSet::new();
        let create = resource.create.as_ref().unwrap();
        calls.insert(call(&create.method, &create.path));
        let mut values = self.values(&resource);
        let rest = match name {
            // A payment is of one document.
            "payments" => {
                ["CreditNote", "Prepayment", "Overpayment"].map(|other| values.as_object_mut().unwrap().remove(other))
            }
            _ => [None, None, None],
        };
        let made = written(self.write(&shop, CREATE, new_item(values.clone())).await);
        let id = made.id.to_string();
        for other in rest.into_iter().flatten() {
            let one = json!({ "CreditNote": other, "Account": { "Code": "090" }, "Amount": 1 });
            self.write(&shop, CREATE, new_item(one)).await;
        }
        if let Some(update) = &resource.update {
            calls.insert(call(&update.method, &update.path));
            let mut values = values;
            if let Some(lines) = values.pointer_mut("/LineItems/0") {
                lines["LineItemID"] = made.body["LineItems"][0]["LineItemID"].clone();
            }
            // An account is archived in a call of its own.
            if name == "accounts" {
                values.as_object_mut().unwrap().remove("Status");
            }
            written(self.write(&shop, UPDATE, item(&id, values)).await);
        }
        calls.insert(call("GET", &resource.get.as_ref().unwrap().path));
        shop.one(&id).await.unwrap().unwrap();
        assert!(shop.one("00000000-0000-4000-8000-00000000dead").await.unwrap().is_none());
        let list = resource.list.as_ref().unwrap();
        calls.insert(call("GET", &list.path));
        assert!(!shop.listed(None).await.is_empty(), "{name}");
        assert!(!shop.listed(Some(START)).await.is_empty(), "{name}");
        let delete = resource.delete.as_ref().unwrap();
        calls.insert(call(&delete.method, &delete.path));
        for id in [id, if name == "invoices" { self.sale("DRAFT") } else { self.one_more(name) }] {
            let read = shop.one(&id).await.unwrap().unwrap();
            let gone = WriteItem { now: Some(read.body.clone()), ..item(&id, read.body) };
            written(self.write(&shop, WriteKind::Delete, gone).await);
        }
        calls
    }

    /// Another record that may be deleted.
    fn one_more(&self, name: &str) -> String {
        match name {
            "contacts" => self.xero.insert("Contacts", json!({ "Name": "Tui" })).unwrap(),
            "payments" => {
                let payment = json!({ "Invoice": { "InvoiceID": self.sale("AUTHORISED") }, "Account": { "Code": "090" }, "Amount": 5 });
                self.xero.insert("Payments", payment).unwrap()
            }
            "accounts" => account(&self.xero, "404"),
            other => panic!("{other} is not known"),
        }
    }
}

/// The id of an account.
fn account(xero: &Xero, code: &str) -> String {
    let accounts = xero.accounts();
    let found = accounts.iter().find(|account| account["Code"] == code).unwrap();
    found["AccountID"].as_str().unwrap().to_owned()
}

/// Words that are no free text.
fn word(within: &str, name: &str) -> &'static str {
    match (within, name) {
        ("contacts", "ContactStatus") | ("accounts", "Status") => "ACTIVE",
        ("invoices" | "payments", "Status") => "AUTHORISED",
        ("invoices", "Type") => "ACCREC",
        ("accounts", "Type") => "REVENUE",
        ("accounts", "BankAccountType") => "NONE",
        ("accounts", "TaxType") | (_, "AccountsReceivableTaxType") | ("LineItems", "TaxType") => "OUTPUT2",
        (_, "AccountsPayableTaxType") => "INPUT2",
        ("Sales" | "Bills", "Type") => "OFFOLLOWINGMONTH",
        (_, "TaxNumberType") => "EIN",
        (_, "AddressType") => "POBOX",
        (_, "PhoneType") => "MOBILE",
        (_, "SalesDefaultLineAmountType" | "PurchasesDefaultLineAmountType") => "EXCLUSIVE",
        (_, "DefaultCurrency" | "CurrencyCode") => "NZD",
        (_, "SalesDefaultAccountCode" | "AccountCode") => "200",
        (_, "PurchasesDefaultAccountCode") => "400",
        (_, "LineAmountTypes") => "Exclusive",
        (_, "Taxability") => "TAXABLE",
        (_, "EmailAddress") => "accounts@kea.example",
        (_, "Url") => "https://kea.example/1",
        (_, "Code") => "201",
        _ => "Kea & Sons",
    }
}

/// All calls there are, each write with every member that the manifest declares, and refusals of every kind.
#[tokio::test]
async fn every_call_of_xeros_manifest_and_every_answer_fits_the_official_file() {
    let office = Office::start().await;
    let names: Vec<String> = office.on("contacts").manifest().resources.keys().cloned().collect();
    let mut calls = BTreeSet::new();
    for name in &names {
        calls.extend(office.exercise(name).await);
    }
    // Elements that break a rule, among others and alone; what no call may do; and the gateway's refusals.
    for (target, wrong) in [
        ("/Contacts", json!({ "Name": "Bad", "EmailAddress": "x" })),
        ("/Invoices", json!({ "Type": "ACCREC" })),
        ("/Payments", json!({ "Amount": 1 })),
    ] {
        let plural = target.trim_start_matches('/');
        let apart = json!({ plural: [wrong] });
        let (status, answer) = office.send("PUT", &format!("{target}?summarizeErrors=false"), Some(&apart)).await;
        assert_eq!((status, &answer[plural][0]["StatusAttributeString"]), (200, &json!("ERROR")), "{answer:#}");
        assert_eq!(office.send("PUT", target, Some(&apart)).await.0, 400);
    }
    assert_eq!(office.send("PUT", "/Accounts", Some(&json!({ "Code": "200" }))).await.0, 400);
    for target in ["/Organisation", "/TaxRates", "/TaxRates/OUTPUT2", "/Contacts?summaryOnly=true"] {
        assert_eq!(office.send("GET", target, None).await.0, 200);
    }
    office.xero.limit(XeroLimits { minute: Some(0), ..XeroLimits::OFF });
    assert_eq!(office.send("GET", "/Contacts", None).await.0, 429);

    let judge = Judge::new();
    none(&judge.faults_of(&office.xero.log().entries()));
    let judged = judge.judged();
    let missing: Vec<&String> = calls.difference(&judged).collect();
    assert!(missing.is_empty(), "not judged: {missing:?} among {judged:#?}");
    assert!(calls.len() > 12, "{calls:#?}");
    let needless: Vec<Exception> = Exception::ALL.into_iter().filter(|one| !judge.used().contains(one)).collect();
    assert!(needless.is_empty(), "exceptions that nothing needs: {needless:?}");
}

/// A judge that sees nothing, or a validator that skips recursive schemas, would let all of these pass.
#[tokio::test]
async fn what_does_not_fit_xeros_official_file_is_found() {
    let office = Office::start().await;
    for name in ["contacts", "invoices", "payments", "accounts"] {
        office.exercise(name).await;
    }
    let entries = office.xero.log().entries();
    let judge = Judge::new();
    none(&judge.faults_of(&entries));
    let sent = |method: &str, path: &str| -> LogEntry {
        let fits = |entry: &&LogEntry| {
            entry.method == method && entry.path == format!("/api.xro/2.0{path}") && entry.status == Some(200)
        };
        entries.iter().find(fits).unwrap_or_else(|| panic!("no {method} {path}")).clone()
    };
    let refuses = |entry: &LogEntry, place: &str| {
        let faults = judge.faults(entry);
        assert!(faults.iter().any(|fault| fault.contains(place)), "`{place}` was not refused: {faults:#?}");
    };
    let spoilt = |text: &str, path: &str, value: &Value| {
        let mut body: Value = serde_json::from_str(text).unwrap();
        let (object, name) = path.rsplit_once('/').unwrap();
        body.pointer_mut(object).unwrap_or_else(|| panic!("no {object}"))[name] = value.clone();
        body.to_string()
    };

    let requests = [
        ("PUT", "/Contacts", "/Contacts/0/Nmae", json!("x"), "Nmae"),
        ("PUT", "/Contacts", "/Contacts/0/Website", json!("x"), "Website"),
        ("PUT", "/Contacts", "/Contacts/0/Name", json!(7), "/Contacts/0/Name"),
        ("PUT", "/Contacts", "/Contacts/0/ContactStatus", json!("GONE"), "/Contacts/0/ContactStatus"),
        ("PUT", "/Contacts", "/Contacts/0/Phones/0/PhoneType", json!("HOME"), "/PhoneType"),
        ("PUT", "/Contacts", "/Contacts/0/PaymentTerms/Sales/Day", json!("20"), "/Day"),
        ("PUT", "/Invoices", "/Invoices/0/Referense", json!("r"), "Referense"),
        ("PUT", "/Invoices", "/Invoices/0/Contact/Nmae", json!("x"), "Nmae"),
        ("PUT", "/Invoices", "/Invoices/0/LineItems/0/UnitPrice", json!(1), "UnitPrice"),
        ("PUT", "/Invoices", "/Invoices/0/LineItems/0/Quantity", json!("2"), "/Quantity"),
        ("PUT", "/Invoices", "/Invoices/0/AmountDue", json!(1), "AmountDue"),
        ("PUT", "/Invoices", "/Invoices/0/Date", json!(20_260_601), "/Invoices/0/Date"),
        ("POST", "/Invoices", "/Invoices/0/InvoiceID", json!("7"), "/InvoiceID"),
        ("PUT", "/Payments", "/Payments/0/PaymentType", json!("x"), "PaymentType"),
        ("PUT", "/Payments", "/Payments/0/Invoice/InvoiceID", json!("x"), "/InvoiceID"),
        ("PUT", "/Accounts", "/Accounts", json!([]), "Accounts"),
        ("PUT", "/Accounts", "/Class", json!("REVENUE"), "Class"),
    ];
    for (method, path, place, value, named) in requests {
        let entry = sent(method, path);
        refuses(&LogEntry { body: spoilt(&entry.body, place, &value), ..entry }, named);
    }
    let account = format!("/Accounts/{}", account(&office.xero, "201"));
    let bare = LogEntry { body: json!({ "Name": "Freight" }).to_string(), ..sent("POST", &account) };
    refuses(&bare, "Name");
    refuses(&LogEntry { body: String::new(), ..sent("PUT", "/Contacts") }, "no JSON");
    refuses(&LogEntry { body: "{}".to_owned(), ..sent("GET", "/Contacts") }, "it takes no body");
    for (query, place) in [
        ("includeArchived=yes", "`yes` is no"),
        ("archived=true", "no parameter `archived`"),
        ("page=1&page=2", "`page` is given twice"),
        ("page=one", "`one` is no"),
    ] {
        refuses(&LogEntry { query: query.to_owned(), ..sent("GET", "/Contacts") }, place);
    }
    for (header, value, place) in [
        ("accept", "application/xml", "JSON is not asked for"),
        ("xero-tenant-id", "", "parameter `xero-tenant-id` is missing"),
        ("if-modified-since", "Mon, 01 Jun 2026 00:00:00 GMT", "If-Modified-Since"),
        ("idempotency-key", "k", "it takes no Idempotency-Key"),
    ] {
        let mut entry = sent("GET", "/Contacts");
        match value {
            "" => entry.headers.remove(header),
            _ => entry.headers.insert(header.to_owned(), value.to_owned()),
        };
        refuses(&entry, place);
    }
    let mut long = sent("PUT", "/Contacts");
    long.headers.insert("idempotency-key".to_owned(), "k".repeat(129));
    refuses(&long, "more than 128");
    for path in ["/api.xro/1.0/Contacts", "/api.xro/2.0/Customers", "/Contacts", "/api.xro/2.0/Invoices/INV-1/x"] {
        refuses(&LogEntry { path: path.to_owned(), ..sent("GET", "/Contacts") }, "no operation");
    }

    let answers = [
        ("/Invoices", "/Invoices/0/Total", json!("345.00"), "/Total"),
        ("/Invoices", "/Invoices/0/Status", json!("OPEN"), "/Status"),
        ("/Invoices", "/Invoices/0/InvoiceID", json!("7"), "/InvoiceID"),
        ("/Invoices", "/Invoices/0/LineItems/0/Quantity", json!("2"), "/Quantity"),
        ("/Invoices", "/Invoices/0/LineItems", json!({}), "/LineItems"),
        ("/Invoices", "/Invoices/0/Contact/Name", json!(7), "/Contact/Name"),
        ("/Invoices", "/Invoices/0/Contact/Phones", json!([{ "PhoneType": "HOME" }]), "/PhoneType"),
        ("/Invoices", "/pagination/page", json!("1"), "/pagination/page"),
        ("/Contacts", "/Contacts/0/Nmae", json!("x"), "Nmae"),
        ("/Contacts", "/Status", json!("Fine"), "and not OK"),
        ("/Accounts", "/Accounts/0/Type", json!("MONEY"), "/Type"),
    ];
    for (path, place, value, named) in answers {
        let entry = sent("GET", path);
        refuses(&LogEntry { answer: spoilt(&entry.answer, place, &value), ..entry }, named);
    }
    for name in ["Id", "Status", "DateTimeUTC", "Contacts"] {
        let mut answer: Value = serde_json::from_str(&sent("GET", "/Contacts").answer).unwrap();
        answer.as_object_mut().unwrap().remove(name);
        let lacking = LogEntry { answer: answer.to_string(), ..sent("GET", "/Contacts") };
        refuses(&lacking, &format!("\"{name}\" is a required property"));
    }
    for (status, place) in [(418, "no such status"), (404, "no such status"), (400, "no such status")] {
        refuses(&LogEntry { status: Some(status), ..sent("GET", "/Contacts") }, place);
    }
}
