//! Judges what is said to and by the practice Xero by Xero's own `OpenAPI` file: operation, parameters, headers, bodies, answers.
//!
//! Where the documentation and real accounts differ from the file, an [`Exception`] says so, and what it lets pass is
//! remembered, so that a test can ask for those that nobody needs any more.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    thread,
};

use reconciled::sandbox::{LogEntry, RequestLog};
use serde_json::{Map, Value, json};

use crate::openapi::{Operation, Spec, Unknown, Validator};

const SPEC: &str = "tests/openapi/xero_accounting.yaml";
const BELOW: &str = "/api.xro/2.0";

/// Where the file is left, and why. "The pages": developer.xero.com, "Accounting API".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exception {
    /// `Id`, `Status`, `ProviderName` and `DateTimeUTC` around every answer, `DateString` and `DueDateString` in
    /// invoices: the pages show them, and so do the file's own examples.
    Around,
    /// `If-Modified-Since: 2026-06-01T00:00:00`: the pages write it without a zone and call it UTC.
    SinceWithoutZone,
    /// A record of no such id is answered with 404 in words: "responsecodes" of the pages.
    NotFound,
    /// 401, 403, 429 and 5xx in the words of the gateway, which stands before the API and which the file leaves out.
    Gateway,
}

impl Exception {
    pub const ALL: [Self; 4] = [Self::Around, Self::SinceWithoutZone, Self::NotFound, Self::Gateway];
}

/// What an answer is in.
const AROUND: [&str; 4] = ["Id", "Status", "ProviderName", "DateTimeUTC"];

/// The longest key that Xero takes ("128 character max", says the file in words).
const LONGEST_KEY: usize = 128;

pub struct Judge {
    spec: Spec,
    validators: RefCell<BTreeMap<(String, bool), Validator>>,
    used: RefCell<BTreeSet<Exception>>,
    judged: RefCell<BTreeSet<String>>,
}

impl Judge {
    pub fn new() -> Self {
        let (validators, used, judged) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self { spec: Spec::load(SPEC), validators, used, judged }
    }

    /// The exceptions that something needed.
    pub fn used(&self) -> BTreeSet<Exception> {
        self.used.borrow().clone()
    }

    /// The operations that were judged: `GET /Contacts/{}`.
    pub fn judged(&self) -> BTreeSet<String> {
        self.judged.borrow().clone()
    }

    /// What is wrong with all of these.
    pub fn faults_of(&self, entries: &[LogEntry]) -> Vec<String> {
        entries.iter().flat_map(|entry| self.faults(entry)).collect()
    }

    /// What is wrong with a request, and with its answer unless a fault switch made that.
    pub fn faults(&self, entry: &LogEntry) -> Vec<String> {
        if is_login(&entry.path) {
            return Vec::new();
        }
        let named = format!("{} {}", entry.method, entry.target());
        let below = entry.path.strip_prefix(BELOW);
        let Some(operation) = below.and_then(|below| self.spec.operation(&entry.method, below)) else {
            return vec![format!("{named}: no operation of the file")];
        };
        let mut faults = self.request(&operation, entry);
        if let (None, Some(status)) = (&entry.fault, entry.status) {
            let answered = self.answer(&operation, status, &entry.answer);
            faults.extend(answered.into_iter().map(|fault| format!("answer {status}: {fault}")));
        }
        self.judged.borrow_mut().insert(operation.name(&entry.method));
        faults.into_iter().map(|fault| format!("{named}: {fault}")).collect()
    }

    fn except(&self, exception: Exception) {
        self.used.borrow_mut().insert(exception);
    }

    fn request(&self, operation: &Operation<'_>, entry: &LogEntry) -> Vec<String> {
        let query = url::form_urlencoded::parse(entry.query.as_bytes()).into_owned().collect();
        let mut faults = operation.wrong("query", query);
        faults.extend(self.headers(operation, &entry.headers));
        let wanted = &operation.described["requestBody"];
        if wanted.is_null() {
            if !entry.body.is_empty() {
                faults.push("it takes no body".to_owned());
            }
            return faults;
        }
        if !entry.headers.get("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            faults.push(format!("a body of `{:?}`", entry.headers.get("content-type")));
        }
        let component = Operation::component(wanted).unwrap_or_else(|| panic!("a body of no component: {wanted}"));
        match serde_json::from_str(&entry.body) {
            Ok(body) => faults.extend(self.errors(component, false, &body)),
            Err(error) => faults.push(format!("the body is no JSON: {error}")),
        }
        faults
    }

    /// Headers that the file names, and those of each call.
    fn headers(&self, operation: &Operation<'_>, sent: &BTreeMap<String, String>) -> Vec<String> {
        let mut faults = Vec::new();
        if !sent.get("accept").is_some_and(|kind| kind.contains("application/json")) {
            faults.push("JSON is not asked for".to_owned());
        }
        let known = operation.parameters("header");
        let given = known.iter().filter_map(|known| {
            let name = known["name"].as_str()?;
            Some((name.to_owned(), sent.get(&name.to_lowercase())?.clone()))
        });
        let given = given.map(|(name, value)| {
            let bare = name == "If-Modified-Since" && !value.ends_with('Z');
            if bare && chrono::NaiveDateTime::parse_from_str(&value, "%Y-%m-%dT%H:%M:%S").is_ok() {
                self.except(Exception::SinceWithoutZone);
                return (name, format!("{value}Z"));
            }
            (name, value)
        });
        faults.extend(operation.wrong("header", given.collect()));
        for name in ["Idempotency-Key", "If-Modified-Since"] {
            let header = sent.get(&name.to_lowercase());
            if header.is_some() && !known.iter().any(|known| known["name"] == name) {
                faults.push(format!("it takes no {name}"));
            }
            if name == "Idempotency-Key" && header.is_some_and(|key| key.len() > LONGEST_KEY) {
                faults.push(format!("a key of more than {LONGEST_KEY} characters"));
            }
        }
        faults
    }

    fn answer(&self, operation: &Operation<'_>, status: u16, body: &str) -> Vec<String> {
        match status {
            401 | 403 | 429 | 500.. => {
                self.except(Exception::Gateway);
                return Vec::new();
            }
            404 if operation.template.contains('{') => {
                self.except(Exception::NotFound);
                return Vec::new();
            }
            _ => {}
        }
        let described = self.spec.meant(&operation.described["responses"][status.to_string()]);
        let Some(component) = Operation::component(described) else {
            return vec!["the file knows no such status".to_owned()];
        };
        let value: Value = match serde_json::from_str(body) {
            Ok(value) => value,
            Err(error) => return vec![format!("no JSON: {error}")],
        };
        let mut faults = self.errors(component, true, &value);
        if component != "Error" && value["Status"] != "OK" {
            faults.push(format!("a status of {} and not OK", value["Status"]));
        }
        faults
    }

    /// What the file says against a value, of a request or of an answer.
    fn errors(&self, component: &str, answer: bool, value: &Value) -> Vec<String> {
        let mut validators = self.validators.borrow_mut();
        let validator = validators.entry((component.to_owned(), answer)).or_insert_with(|| match (answer, component) {
            (false, _) => self.spec.validator(component, Unknown::RefusedAndReadOnly, |_| {}),
            // Its elements are whatever was sent, with messages beside it.
            (true, "Error") => self.spec.validator(component, Unknown::AsWritten, |_| {}),
            (true, _) => {
                self.except(Exception::Around);
                self.spec.validator(component, Unknown::Refused, |schemas| around(schemas, component))
            }
        });
        validator.errors(value)
    }
}

/// What the pages show of answers and the file leaves out; of what is around them nothing may be missing.
pub fn around(schemas: &mut Map<String, Value>, plural: &str) {
    let text = json!({ "type": "string" });
    for name in AROUND {
        schemas[plural]["properties"][name] = text.clone();
    }
    schemas[plural]["required"] = json!(["Id", "Status", "DateTimeUTC", plural]);
    for name in ["DateString", "DueDateString"] {
        schemas["Invoice"]["properties"][name] = text.clone();
    }
}

/// What belongs to logging in, on the same host, and to other files.
fn is_login(path: &str) -> bool {
    ["/connections", "/connect/", "/identity/connect/"].iter().any(|start| path.starts_with(start))
}

/// Judges everything that a practice Xero was asked when a test ends.
pub struct Watch(RequestLog);

impl Watch {
    /// The system must keep its answers.
    pub fn over(log: &RequestLog) -> Self {
        Self(log.clone())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        let entries = self.0.since_the_start();
        let unseen = entries.iter().find(|entry| {
            entry.fault.is_none() && entry.status.is_some() && entry.answer.is_empty() && !is_login(&entry.path)
        });
        assert!(unseen.is_none(), "no answer was kept of {unseen:?}");
        let faults = Judge::new().faults_of(&entries);
        let first: Vec<&String> = faults.iter().take(10).collect();
        assert!(faults.is_empty(), "{} faults by Xero's OpenAPI file, first {first:#?}", faults.len());
    }
}
