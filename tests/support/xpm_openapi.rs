//! Xero's own `OpenAPI` file of Practice Manager as a judge of what is asked of it and of what it answers.
//!
//! The file speaks of JSON. What is XML on the wire is read by the file's own types: which elements are lists, numbers or
//! texts. Where the documentation and real accounts differ from the file, an [`Exception`] says so, and what it lets pass
//! is remembered, so that a test can ask for those that nobody needs any more.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    thread,
};

use reconciled::sandbox::{LogEntry, RequestLog};
use serde_json::{Map, Value, json};

use crate::{
    openapi::{Operation, Spec, Unknown, Validator},
    xpm_xml::{Element, Reader},
};

const SPEC: &str = "tests/openapi/xero-practicemanager-v3-1.yaml";

/// Where the file is left, and why. "The pages": developer.xero.com, "practice-manager-3-1".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exception {
    /// `/3.1/` instead of the file's `/v3.1/`: the pages write it so, and so do clients of real accounts.
    BasePath,
    /// `modifiedsince` instead of the file's `modifiedSince`: so it is in the pages.
    ModifiedSince,
    /// XML bodies, one root per message: the pages have every answer in XML unless two headers ask for JSON.
    Xml,
    /// `<add uuid="…"/>` and `<remove uuid="…"/>`, one each: the pages have them as attributes, the file as lists.
    MembersAsAttributes,
    /// A refusal with a status of 200: "some failures come as 200", say the pages, and only `Status` tells.
    RefusedWith200,
    /// 400 of `job.api/list` without days, or with a year between them: seen with real accounts.
    DaysRefusedWith400,
    /// 401, 403 and 429 in the words of the gateway, which stands before the API and which the file leaves out.
    Gateway,
}

impl Exception {
    pub const ALL: [Self; 7] = [
        Self::BasePath,
        Self::ModifiedSince,
        Self::Xml,
        Self::MembersAsAttributes,
        Self::RefusedWith200,
        Self::DaysRefusedWith400,
        Self::Gateway,
    ];
}

/// What requests must hold by the pages; the file calls nothing of a body required.
const REQUIRED: [(&str, &[&str]); 7] = [
    ("ClientAddRequestDto", &["name"]),
    ("ClientUpdateRequestDto", &["uuid"]),
    ("ClientGroupAddRequestDto", &["name", "clientUuid"]),
    ("ClientGroupMembersRequestDto", &["uuid"]),
    ("CustomFieldValueRequestDto", &["uuid"]),
    ("JobAddRequestDto", &["name", "clientUuid"]),
    ("JobUpdateRequestDto", &["id"]),
];

/// The root elements of requests, by the pages.
const ROOTS: [(&str, &str); 12] = [
    ("ClientAddRequestDto", "Client"),
    ("ClientUpdateRequestDto", "Client"),
    ("ClientArchiveRequestDto", "Client"),
    ("ClientDeleteRequestDto", "Client"),
    ("ContactRequestDto", "Contact"),
    ("ClientGroupAddRequestDto", "Group"),
    ("ClientGroupMembersRequestDto", "Group"),
    ("ClientGroupDeleteRequestDto", "Group"),
    ("CustomFieldValuesUpdateRequestDto", "CustomFields"),
    ("JobAddRequestDto", "Job"),
    ("JobUpdateRequestDto", "Job"),
    ("JobDeleteRequestDto", "Job"),
];

pub struct Judge {
    spec: Spec,
    components: Map<String, Value>,
    validators: RefCell<BTreeMap<(String, bool), Validator>>,
    used: RefCell<BTreeSet<Exception>>,
    judged: RefCell<BTreeSet<String>>,
}

impl Judge {
    pub fn new() -> Self {
        let spec = Spec::load(SPEC);
        let components = spec.components();
        let (validators, used, judged) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self { spec, components, validators, used, judged }
    }

    /// The exceptions that something needed.
    pub fn used(&self) -> BTreeSet<Exception> {
        self.used.borrow().clone()
    }

    /// The operations that were judged: `GET client.api/get/{}`.
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
        let Some(operation) = self.operation(entry) else { return vec![format!("{named}: no operation of the file")] };
        let mut faults = self.request(&operation, entry);
        if let (None, Some(status)) = (&entry.fault, entry.status) {
            let answered = self.answer(&operation, status, &entry.answer);
            faults.extend(answered.into_iter().map(|fault| format!("answer {status}: {fault}")));
        }
        self.judged.borrow_mut().insert(operation.name(&entry.method).replacen("/v3.1/", "", 1));
        faults.into_iter().map(|fault| format!("{named}: {fault}")).collect()
    }

    fn except(&self, exception: Exception) {
        self.used.borrow_mut().insert(exception);
    }

    fn operation(&self, entry: &LogEntry) -> Option<Operation<'_>> {
        let below = entry.path.strip_prefix("/practicemanager")?;
        let below = match below.strip_prefix("/3.1/") {
            Some(rest) => {
                self.except(Exception::BasePath);
                format!("/v3.1/{rest}")
            }
            None => below.to_owned(),
        };
        self.spec.operation(&entry.method, &below)
    }

    fn request(&self, operation: &Operation<'_>, entry: &LogEntry) -> Vec<String> {
        let mut faults = self.parameters(operation, &entry.query);
        let wanted = &operation.described["requestBody"];
        let Some(component) = Operation::component(wanted) else {
            if !entry.body.is_empty() {
                faults.push("it takes no body".to_owned());
            }
            return faults;
        };
        if entry.body.is_empty() {
            faults.push("the body is missing".to_owned());
            return faults;
        }
        let kind = entry.headers.get("content-type").map_or("", String::as_str);
        let body = if kind.contains("xml") {
            self.except(Exception::Xml);
            let root = ROOTS.iter().find(|(name, _)| *name == component);
            let root = root.map(|(_, root)| *root).unwrap_or_else(|| panic!("no root is known for {component}"));
            match self.read(&entry.body, root, component, &mut faults) {
                Some(body) => body,
                None => return faults,
            }
        } else if kind.starts_with("application/json") {
            match serde_json::from_str(&entry.body) {
                Ok(body) => body,
                Err(error) => return vec![format!("the body is no JSON: {error}")],
            }
        } else {
            return vec![format!("a body of `{kind}`")];
        };
        faults.extend(self.errors(component, false, &body));
        faults
    }

    fn parameters(&self, operation: &Operation<'_>, query: &str) -> Vec<String> {
        let known = operation.parameters("query").iter().any(|known| known["name"] == "modifiedSince");
        let given = url::form_urlencoded::parse(query.as_bytes()).into_owned().map(|(name, value)| {
            if name == "modifiedsince" && known {
                self.except(Exception::ModifiedSince);
                return ("modifiedSince".to_owned(), value);
            }
            (name, value)
        });
        operation.wrong("query", given.collect())
    }

    fn answer(&self, operation: &Operation<'_>, status: u16, body: &str) -> Vec<String> {
        let described = &operation.described["responses"][status.to_string()];
        let said_by_xpm = body.contains("<Response>") || body.contains("\"status\"");
        if matches!(status, 401 | 403 | 429) && !said_by_xpm {
            self.except(Exception::Gateway);
            return Vec::new();
        }
        let component = match Operation::component(described) {
            Some(component) => component,
            None if status == 400 && operation.template.ends_with("job.api/list") => {
                self.except(Exception::DaysRefusedWith400);
                "ResponseErrorDto"
            }
            None => return vec!["the file knows no such status".to_owned()],
        };
        let refused = body.contains("<Status>ERROR</Status>") || body.contains("\"status\":\"ERROR\"");
        let component = if refused && status == 200 {
            self.except(Exception::RefusedWith200);
            "ResponseErrorDto"
        } else {
            component
        };
        let mut faults = Vec::new();
        let value = if body.starts_with('<') {
            self.except(Exception::Xml);
            match self.read(body, "Response", component, &mut faults) {
                Some(value) => value,
                None => return faults,
            }
        } else {
            match serde_json::from_str(body) {
                Ok(value) => value,
                Err(error) => return vec![format!("no JSON: {error}")],
            }
        };
        let word = if component == "ResponseErrorDto" { "ERROR" } else { "OK" };
        if value["status"] != word {
            faults.push(format!("a status of {} and not {word}", value["status"]));
        }
        // What was deleted need not be shown.
        let all =
            !(operation.template.contains("delete") || operation.described["operationId"] == "ClientV31_ContactDelete");
        faults.extend(self.errors(component, all, &value));
        faults
    }

    /// XML as the JSON that the file describes.
    fn read(&self, body: &str, root: &str, component: &str, faults: &mut Vec<String>) -> Option<Value> {
        let Some(element) = Element::parse(body) else {
            faults.push("the body is no XML".to_owned());
            return None;
        };
        if element.name != root {
            faults.push(format!("the root is <{}>, not <{root}>", element.name));
            return None;
        }
        let mut reader = Reader::new(&self.components);
        let value = reader.read(&element, component);
        if reader.attributes {
            self.except(Exception::MembersAsAttributes);
        }
        faults.append(&mut reader.faults);
        Some(value)
    }

    /// What the file says against a value. `all`: of an answer every member must be there.
    fn errors(&self, component: &str, all: bool, value: &Value) -> Vec<String> {
        let mut validators = self.validators.borrow_mut();
        let validator = validators.entry((component.to_owned(), all)).or_insert_with(|| {
            self.spec.validator(component, Unknown::Refused, |schemas| {
                for (name, members) in REQUIRED {
                    schemas[name]["required"] = json!(members);
                }
                if all {
                    let members: Vec<String> =
                        schemas[component]["properties"].as_object().unwrap().keys().cloned().collect();
                    schemas[component]["required"] = json!(members);
                }
            })
        });
        validator.errors(value)
    }
}

/// What belongs to logging in, on the same host, and to other files.
fn is_login(path: &str) -> bool {
    ["/connections", "/connect/", "/identity/connect/"].iter().any(|start| path.starts_with(start))
}

/// Judges everything that a practice system was asked when a test ends.
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
