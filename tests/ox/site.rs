//! The example folder, running against practice systems.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
};

use chrono::{DateTime, Utc};
use reconciled::{
    clock::Clock,
    engine::{FindingItem, RunReport},
    sandbox::{Sandbox, WebsiteOptions, XeroOptions},
};
use serde_json::{Value, json};

pub use crate::example::afternoon;
use crate::{
    example::{Env, Example},
    xero_openapi::Watch,
};

/// The example folder `website-xero`, and two practice systems.
pub struct Site {
    pub sandbox: Sandbox,
    example: Example,
    /// What Xero was asked and answered fits its official file, whatever the test is about.
    _watch: Watch,
}

impl Deref for Site {
    type Target = Example;
    fn deref(&self) -> &Example {
        &self.example
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut Example {
        &mut self.example
    }
}

impl Site {
    /// Starts at 4:00 pm on 1 June 2026 in Auckland.
    pub async fn start() -> Self {
        Self::start_at(afternoon(16, 0)).await
    }

    /// Starts at an instant.
    pub async fn start_at(now: DateTime<Utc>) -> Self {
        let clock = Clock::manual(now);
        let xero = XeroOptions::new(clock.clone()).unlimited().keeping_answers();
        let sandbox = Sandbox::start_with(WebsiteOptions::new(clock.clone()), xero).await.unwrap();
        let watch = Watch::over(sandbox.xero.log());
        sandbox.xero.logins().let_in("app", "canary-app-secret");
        let env = Env(BTreeMap::from([
            ("WEBSITE_URL", sandbox.website.url()),
            ("WEBSITE_TOKEN", sandbox.website.token().to_owned()),
            ("XERO_URL", sandbox.xero.url()),
            ("XERO_LOGIN", sandbox.xero.host()),
            ("XERO_APP_ID", "app".to_owned()),
            ("XERO_APP_SECRET", "canary-app-secret".to_owned()),
            // For configurations of a test's own.
            ("XERO_TOKEN", sandbox.xero.token().to_owned()),
            ("XERO_TENANT", sandbox.xero.tenant().to_owned()),
        ]));
        let example = Example::start("website-xero", &clock, env);
        example.consent().await;
        sandbox.xero.log().clear();
        Self { sandbox, example, _watch: watch }
    }

    /// As [`Site::start`], with first runs approved.
    pub async fn running() -> Self {
        let site = Self::start().await;
        site.sync().await;
        site.approve().await;
        site
    }

    fn writes(&self) -> u64 {
        self.sandbox.website.log().writes() + self.sandbox.xero.log().writes()
    }

    /// Syncs until nothing is left, then shows that nothing is.
    pub async fn settled(&self) {
        self.settled_by(|| self.writes()).await;
    }

    /// A website contact with a sale, as a shop has it. Returns the contact's id.
    pub fn customer(&self, first: &str, last: &str) -> String {
        let contact = self.contact(first, last);
        self.sale(&contact, &format!("S-{first}"));
        contact
    }

    /// A website contact without a sale.
    pub fn contact(&self, first: &str, last: &str) -> String {
        let email = format!("{}@{}.example", first.to_lowercase(), last.to_lowercase());
        self.sandbox
            .website
            .insert("contacts", json!({ "first_name": first, "last_name": last, "email": email }))
            .unwrap()
    }

    /// A sale of one line, $115 including tax.
    pub fn sale(&self, contact: &str, number: &str) -> String {
        self.sandbox
            .website
            .insert(
                "sales",
                json!({
                    "number": number, "contact_id": contact, "sold_at": "2026-05-31T02:00:00.000Z", "due_on": "2026-06-20",
                    "currency": "NZD", "status": "open",
                    "lines": [{ "line_no": 1, "title": "Goods", "quantity": 1, "cents": 11500, "income": "goods" }],
                    "total": 115,
                }),
            )
            .unwrap()
    }

    /// A Xero contact with an invoice to it, which makes it a customer. Returns its id.
    pub fn xero_customer(&self, name: &str, email: &str) -> String {
        let contact = self.xero_contact(name, email);
        self.xero_invoice(&contact, "ACCREC");
        contact
    }

    /// A bare Xero contact.
    pub fn xero_contact(&self, name: &str, email: &str) -> String {
        let (first, last) = name.split_once(' ').unwrap_or((name, ""));
        self.sandbox
            .xero
            .insert("Contacts", json!({ "Name": name, "FirstName": first, "LastName": last, "EmailAddress": email }))
            .unwrap()
    }

    /// An invoice (`ACCREC`) or bill (`ACCPAY`) of a Xero contact.
    pub fn xero_invoice(&self, contact: &str, kind: &str) -> String {
        self.sandbox
            .xero
            .insert(
                "Invoices",
                json!({
                    "Type": kind, "Contact": { "ContactID": contact }, "Status": "AUTHORISED",
                    "Date": "2026-05-30", "DueDate": "2026-06-20",
                    "LineItems": [{ "Description": "Work", "Quantity": 1, "UnitAmount": 10, "AccountCode": "200" }],
                }),
            )
            .unwrap()
    }

    /// A receipt of so many dollars for a sale. Returns its id.
    pub fn receipt(&self, sale: &str, number: &str, method: &str, dollars: u32) -> String {
        let received = "2026-05-31T22:00:00.000Z";
        let receipt = json!({
            "number": number, "sale_id": sale, "received_at": received, "amount": dollars, "currency": "NZD", "method": method,
        });
        self.sandbox.website.insert("receipts", receipt).unwrap()
    }

    /// A payment of so many dollars that somebody enters in Xero. Returns its id.
    pub fn xero_payment(&self, invoice: &str, dollars: u32, account: &str, reference: &str) -> String {
        let payment = json!({
            "Invoice": { "InvoiceID": invoice }, "Account": { "Code": account }, "Date": "2026-06-01", "Amount": dollars,
            "Reference": reference,
        });
        self.sandbox.xero.insert("Payments", payment).unwrap()
    }

    pub fn website(&self, resource: &str) -> Vec<Value> {
        self.sandbox.website.list(resource)
    }

    pub fn xero(&self, resource: &str) -> Vec<Value> {
        self.sandbox.xero.list(resource)
    }

    /// The one record that has this text at a member.
    #[track_caller]
    pub fn one(records: &[Value], member: &str, text: &str) -> Value {
        let found: Vec<_> = records.iter().filter(|record| record[member] == text).collect();
        assert_eq!(found.len(), 1, "{member} {text} among {records:#?}");
        found[0].clone()
    }
}

/// What a run lists for a pipeline of the example.
pub fn findings<'r>(report: &'r RunReport, pipeline: &str) -> &'r [FindingItem] {
    let name = format!("website-xero/{pipeline}");
    &report.pipelines.iter().find(|report| report.pipeline.as_str() == name).unwrap().findings
}

/// The lines of an invoice: description, quantity, amount, account.
pub fn lines(invoice: &Value) -> Vec<(String, String, String, String)> {
    let decimal = |value: &Value, places: usize| format!("{:.places$}", value.as_f64().unwrap());
    let line = |line: &Value| {
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (text("Description"), decimal(&line["Quantity"], 0), decimal(&line["UnitAmount"], 2), text("AccountCode"))
    };
    invoice["LineItems"].as_array().unwrap().iter().map(line).collect()
}
