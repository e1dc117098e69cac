//! The practice website against its written contract, `schemas/website.openapi.yaml`.

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "support/openapi.rs"]
mod openapi;

use openapi::{Spec, Unknown, Validator, send};
use reconciled::{
    clock::Clock,
    sandbox::{SeedPlan, Website, WebsiteOptions, Xero, XeroOptions, seed},
};
use serde_json::{Map, Value, json};

/// Resource and component, in an order in which what is linked to comes first.
const RESOURCES: [(&str, &str); 8] = [
    ("contacts", "Contact"),
    ("groups", "Group"),
    ("sales", "Sale"),
    ("receipts", "Receipt"),
    ("invoices", "Invoice"),
    ("payments", "Payment"),
    ("leads", "Lead"),
    ("proposals", "Proposal"),
];

struct Harness {
    spec: Spec,
    website: Website,
}

impl Harness {
    async fn start() -> Self {
        let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
        let website = Website::start(WebsiteOptions::new(clock.clone())).await.unwrap();
        let xero = Xero::start(XeroOptions::new(clock.clone())).await.unwrap();
        seed(&website, &xero, clock.now(), &SeedPlan::plain(20, 20)).unwrap();
        Self { spec: Spec::load("schemas/website.openapi.yaml"), website }
    }

    fn schema(&self, name: &str) -> Validator {
        self.spec.validator(name, Unknown::AsWritten, |_| {})
    }

    async fn call(&self, method: &str, target: &str, body: Option<&Value>) -> (u16, Value) {
        let headers = [("authorization", "Bearer website-token")];
        send(method, &format!("{}{target}", self.website.url()), &headers, body).await
    }

    /// A record with every property of a component, made from the examples in the contract.
    fn example(&self, component: &str) -> Value {
        let schemas = &self.spec.file["components"]["schemas"];
        let mut record = Map::new();
        for (name, property) in schemas[component]["properties"].as_object().unwrap() {
            let value = if let Some(example) = property.get("example") {
                example.clone()
            } else if let Some(to) = property["x-links-to"].as_str() {
                let id = self.website.list(to)[0]["id"].clone();
                if property["items"].is_object() { json!([id]) } else { id }
            } else if let Some(inner) = property["oneOf"][0]["$ref"].as_str() {
                self.example(inner.rsplit('/').next().unwrap())
            } else {
                let inner = property["items"]["$ref"].as_str().unwrap_or_else(|| panic!("no example for {name}"));
                json!([self.example(inner.rsplit('/').next().unwrap())])
            };
            record.insert(name.clone(), value);
        }
        Value::Object(record)
    }
}

#[tokio::test]
async fn every_resource_does_what_the_contract_says() {
    let harness = Harness::start().await;
    for (resource, component) in RESOURCES {
        let one = harness.schema(component);
        let written = harness.example(&format!("{component}Fields"));
        harness.schema(&format!("{component}Write")).accepts(&written);

        let (status, made) = harness.call("POST", &format!("/{resource}"), Some(&written)).await;
        assert_eq!(status, 201, "{resource}: {made}");
        one.accepts(&made);
        for (name, value) in written.as_object().unwrap() {
            assert_eq!(made[name].to_string(), value.to_string(), "{resource}.{name}");
        }

        let (status, bare) = harness.call("POST", &format!("/{resource}"), Some(&json!({}))).await;
        assert_eq!(status, 201, "{resource}: {bare}");
        one.accepts(&bare);

        let id = made["id"].as_str().unwrap();
        let name = written.as_object().unwrap().keys().next().unwrap().clone();
        let (status, changed) = harness.call("PATCH", &format!("/{resource}/{id}"), Some(&json!({ name: null }))).await;
        assert_eq!(status, 200, "{resource}: {changed}");
        one.accepts(&changed);

        let (_, page) = harness.call("GET", &format!("/{resource}?per_page=1000"), None).await;
        assert_eq!(page["items"].as_array().unwrap().len(), harness.website.count(resource));
        harness.schema(&format!("{component}Page")).accepts(&page);

        let outcomes = harness.schema(&format!("{component}Outcomes"));
        let batch = json!({ "items": [written, { "nonsense": 1 }] });
        let (_, answer) = harness.call("POST", &format!("/{resource}/batch"), Some(&batch)).await;
        assert_eq!((&answer["items"][0]["status"], &answer["items"][1]["status"]), (&json!(201), &json!(422)));
        outcomes.accepts(&answer);
        let change = json!({ "id": id, "version": 2 });
        harness.schema(&format!("{component}Change")).accepts(&change);
        let batch = json!({ "items": [change, { "id": "none" }, { "id": id, "version": 1 }] });
        let (_, answer) = harness.call("PATCH", &format!("/{resource}/batch"), Some(&batch)).await;
        let statuses: Vec<&Value> = answer["items"].as_array().unwrap().iter().map(|item| &item["status"]).collect();
        assert_eq!(statuses, [200, 404, 412], "{resource}");
        outcomes.accepts(&answer);

        assert_eq!(harness.call("DELETE", &format!("/{resource}/{id}"), None).await.0, 204);
        let (status, missing) = harness.call("GET", &format!("/{resource}/{id}"), None).await;
        assert_eq!(status, 404);
        harness.schema("Error").accepts(&missing);
    }
}

#[tokio::test]
async fn the_contract_names_every_filter_that_the_website_takes() {
    let harness = Harness::start().await;
    for (resource, _) in RESOURCES {
        let operation = &harness.spec.file["paths"][format!("/{resource}")]["get"];
        let filters = operation["parameters"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str());
        let mut count = 0;
        for name in filters {
            let (status, answer) = harness.call("GET", &format!("/{resource}?{name}=x"), None).await;
            assert_eq!((status, &answer["total"]), (200, &json!(0)), "{resource}?{name}");
            count += 1;
        }
        assert!(count > 0, "{resource}");
    }
}

#[tokio::test]
async fn errors_fit_and_what_does_not_fit_is_found() {
    let harness = Harness::start().await;
    let error = harness.schema("Error");
    let wrong = json!({ "surname": "x" });
    for (method, target, body, expected) in [
        ("POST", "/contacts", Some(&wrong), 422),
        ("GET", "/contacts?page=0", None, 422),
        ("GET", "/contacts?shape=round", None, 422),
        ("PUT", "/contacts", None, 405),
        ("GET", "/unknown", None, 404),
    ] {
        let (status, answer) = harness.call(method, target, body).await;
        assert_eq!(status, expected, "{method} {target}");
        error.accepts(&answer);
    }
    let (status, answer) = send("GET", &format!("{}/contacts", harness.website.url()), &[], None).await;
    assert_eq!(status, 401);
    error.accepts(&answer);

    harness.schema("ContactWrite").refuses(&wrong, "surname");
    harness.schema("ContactWrite").refuses(&json!({ "id": "c1" }), "id");
    harness.schema("ContactWrite").refuses(&json!({ "postal": { "city": 7 } }), "postal");
    let mut contact = harness.website.list("contacts")[0].clone();
    harness.schema("Contact").accepts(&contact);
    contact["updated_at"] = json!("yesterday");
    harness.schema("Contact").refuses(&contact, "/updated_at");
    contact.as_object_mut().unwrap().remove("email");
    harness.schema("Contact").refuses(&contact, "email");
    harness.schema("SaleWrite").refuses(&json!({ "total": "345.00" }), "/total");
}
