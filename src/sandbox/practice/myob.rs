//! A practice MYOB (`AccountRight` Live, v2).
//!
//! Its quirks: a key beside the token; every change needs the `RowVersion` of the record and of each of its lines, and
//! replaces the record; a new one must not bring any; an answer to a write is empty unless asked for; and "too many
//! requests" is a 403 that only its body tells from a missing right.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{
    books::{Books, How, Ids, PLAIN, Problem, Record, Shape, put, sum},
    desk::{Api, Ask, say},
};
use crate::sandbox::{
    call::{Answer, Call},
    logins::Doors,
};

const LISTED: Shape = Shape {
    id: "UID",
    ids: Ids::Uuid,
    stamps: [None, Some("LastModified")],
    version: Some("RowVersion"),
    read_only: &[
        "LastModified",
        "RowVersion",
        "URI",
        "Subtotal",
        "TotalTax",
        "TotalAmount",
        "BalanceDueAmount",
        "Status",
    ],
    ..PLAIN
};

static SHAPES: [Shape; 5] = [
    Shape { name: "customers", called: "Contact/Customer", unique: &["DisplayID"], finish: customer, ..LISTED },
    Shape {
        name: "service-invoices",
        called: "Sale/Invoice/Service",
        required: &["Customer", "Lines"],
        unique: &["Number"],
        lines: Some(("Lines", "RowID")),
        finish: invoice,
        ..LISTED
    },
    Shape {
        name: "payments",
        called: "Sale/CustomerPayment",
        required: &["Customer", "Invoices"],
        finish: |body, _| {
            let applied = sum(body, "Invoices", "AmountApplied");
            put(body, "AmountReceived", applied);
            Ok(())
        },
        ..LISTED
    },
    Shape { name: "accounts", called: "GeneralLedger/Account", unique: &["DisplayID"], ..LISTED },
    Shape { name: "tax-codes", called: "GeneralLedger/TaxCode", unique: &["Code"], ..LISTED },
];

fn customer(body: &mut Map<String, Value>, _: Option<&Map<String, Value>>) -> Result<(), Problem> {
    let name = if body.get("IsIndividual") == Some(&Value::Bool(true)) { "LastName" } else { "CompanyName" };
    let named = body.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    body.entry("IsActive").or_insert(Value::Bool(true));
    if named { Ok(()) } else { Err(Problem::Missing(name)) }
}

/// A line that was there comes back with its version, which moves with every change of the record.
fn invoice(body: &mut Map<String, Value>, before: Option<&Map<String, Value>>) -> Result<(), Problem> {
    let lines = |of: &Map<String, Value>| of.get("Lines").and_then(Value::as_array).cloned().unwrap_or_default();
    let known = before.map(lines).unwrap_or_default();
    let mut now = lines(body);
    for line in now.iter_mut().filter_map(Value::as_object_mut) {
        let row = line.get("RowID").filter(|row| !row.is_null());
        let old = row.and_then(|row| known.iter().find(|old| old.get("RowID") == Some(row)));
        let version = match (row, old) {
            (None, _) => 1,
            (Some(_), None) => return Err(Problem::Stale),
            (Some(_), Some(old)) if old.get("RowVersion") != line.get("RowVersion") => return Err(Problem::Stale),
            (Some(_), Some(old)) => {
                old.get("RowVersion").and_then(Value::as_str).and_then(|v| v.parse().ok()).unwrap_or(0) + 1
            }
        };
        line.insert("RowVersion".to_owned(), Value::from(version.to_string()));
    }
    body.insert("Lines".to_owned(), Value::Array(now));
    let total = sum(body, "Lines", "Total");
    for name in ["Subtotal", "TotalAmount", "BalanceDueAmount"] {
        put(body, name, total.clone());
    }
    put(body, "Status", Value::from("Open"));
    Ok(())
}

/// Without a zone.
fn stamp(at: DateTime<Utc>) -> Value {
    at.format("%Y-%m-%dT%H:%M:%S%.3f").to_string().into()
}

#[derive(Debug)]
pub(crate) struct Myob;

impl Api for Myob {
    fn shapes(&self) -> &'static [Shape] {
        &SHAPES
    }

    fn stamp(&self) -> fn(DateTime<Utc>) -> Value {
        stamp
    }

    fn base(&self) -> &'static str {
        "/accountright"
    }

    fn token(&self) -> &'static str {
        "myob-token"
    }

    fn tenant(&self) -> &'static str {
        "c0ffee00-0000-4000-8000-000000000001"
    }

    fn doors(&self) -> Option<Doors> {
        let (authorize, token) = ("/oauth2/account/authorize", "/oauth2/v1/authorize");
        Some(Doors { authorize, token, revoke: None, scheme: "Bearer" })
    }

    /// The way back names the company file.
    fn told(&self, _: &str) -> [Vec<(&'static str, String)>; 2] {
        [vec![("businessId", self.tenant().to_owned()), ("businessName", "Practice file".to_owned())], Vec::new()]
    }

    fn admits(&self, call: &Call, logged_in: bool) -> bool {
        (logged_in || call.header("authorization") == Some("Bearer myob-token"))
            && call.header("x-myobapi-key") == Some("myob-key")
            && call.header("x-myobapi-version") == Some("v2")
    }

    fn limits(&self) -> Vec<(usize, TimeDelta)> {
        vec![(8, TimeDelta::seconds(1)), (1_000_000, TimeDelta::days(1))]
    }

    fn answer(&self, books: &mut Books, ask: &Ask<'_>) -> Answer {
        let [file, rest @ ..] = ask.path.as_slice() else { return self.refuse(404, None, ask.now) };
        if *file != self.tenant() {
            return self.refuse(403, None, ask.now);
        }
        if let Some(shape) = books.called(&rest.join("/")) {
            return match ask.call.method.as_str() {
                "GET" => list(books, shape, ask),
                "POST" => post(books, shape, ask),
                _ => self.refuse(405, None, ask.now),
            };
        }
        let found = rest.split_last().and_then(|(id, called)| Some((books.called(&called.join("/"))?, *id)));
        let Some((shape, id)) = found else { return self.refuse(404, None, ask.now) };
        let there = books.find(shape, id).map(|record| record.body.clone());
        let Some(there) = there else {
            let was = books.all(shape).iter().any(|record| record.id == id);
            return self.refuse(if was { 410 } else { 404 }, None, ask.now);
        };
        match ask.call.method.as_str() {
            "GET" => say(200, &Value::Object(there), 1),
            "PUT" => put_one(books, shape, id, ask),
            "DELETE" => match books.remove(shape, id, ask.now) {
                Ok(()) => Answer::empty(200),
                Err(problem) => refusal(&problem),
            },
            _ => self.refuse(405, None, ask.now),
        }
    }

    fn refuse(&self, status: u16, _: Option<u64>, _: DateTime<Utc>) -> Answer {
        match status {
            429 => errors(403, "RateLimitError", "API key rate limit has been exceeded"),
            403 => errors(403, "AccessDenied", "Access denied to this company file"),
            401 => errors(401, "OAuthTokenIsInvalid", "OAuthTokenIsInvalid"),
            404 => errors(404, "NotFound", "Not found"),
            410 => errors(410, "Gone", "It was removed"),
            status => errors(status, "InternalError", "Something went wrong"),
        }
    }
}

fn errors(status: u16, name: &str, message: &str) -> Answer {
    say(status, &json!({ "Errors": [{ "Name": name, "Message": message, "ErrorCode": 0, "Severity": "Error" }] }), 0)
}

fn refusal(problem: &Problem) -> Answer {
    match problem {
        Problem::Stale => errors(409, "IncorrectRowVersionSupplied", "Incorrect RowVersion"),
        Problem::NotFound => errors(404, "NotFound", "Not found"),
        other => errors(400, "ValidationError", &other.to_string()),
    }
}

fn list(books: &Books, shape: &Shape, ask: &Ask<'_>) -> Answer {
    let mut since = None;
    if let Some(filter) = ask.query("$filter") {
        let text = filter.strip_prefix("LastModified gt datetime'").and_then(|rest| rest.strip_suffix('\''));
        let at = text.and_then(|text| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").ok());
        let Some(at) = at else { return errors(400, "InvalidFilter", "the filter cannot be read") };
        since = Some(at.and_utc());
    }
    // `gt`, and stamps with milliseconds.
    let changed = |record: &&Record| since.is_none_or(|since| record.changed > since);
    let (top, skip) = (ask.number("$top", 400).min(1000), ask.number("$skip", 0));
    let found: Vec<&Record> = books.living(shape).filter(changed).collect();
    let items: Vec<&Map<String, Value>> = found.iter().skip(skip).take(top).map(|record| &record.body).collect();
    let more = skip + items.len() < found.len();
    let next = more.then(|| ask.link(&[("$skip", (skip + top).to_string())]));
    say(200, &json!({ "Items": items, "NextPageLink": next, "Count": found.len() }), items.len())
}

fn written(books: &Books, shape: &Shape, (status, id): (u16, &str), ask: &Ask<'_>) -> Answer {
    let answer = match (ask.query("returnBody"), books.find(shape, id)) {
        (Some("true"), Some(record)) => say(status, &Value::Object(record.body.clone()), 1),
        _ => Answer::empty(status),
    };
    answer.with("location", format!("{}{}/{id}", ask.host, ask.call.path))
}

fn post(books: &mut Books, shape: &'static Shape, ask: &Ask<'_>) -> Answer {
    let body = ask.body();
    let lines = body.get("Lines").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let brought = |value: &Value, names: &[&str]| names.iter().any(|name| value.get(*name).is_some());
    if brought(&body, &["UID", "RowVersion"]) || lines.iter().any(|line| brought(line, &["RowID", "RowVersion"])) {
        return errors(409, "UnexpectedRowVersion", "a new record has no UID, RowID or RowVersion");
    }
    match books.make(shape, body, ask.now) {
        Ok(id) => written(books, shape, (201, &id), ask),
        Err(problem) => refusal(&problem),
    }
}

fn put_one(books: &mut Books, shape: &'static Shape, id: &str, ask: &Ask<'_>) -> Answer {
    let body = ask.body();
    let version = body.get("RowVersion").and_then(Value::as_str).unwrap_or("none").to_owned();
    match books.change(shape, (id, Some(&version)), (How::Wholly, body), ask.now) {
        Ok(id) => {
            let answer = written(books, shape, (200, &id), ask);
            // The address is that of the record already.
            Answer { headers: Vec::new(), ..answer }
        }
        Err(problem) => refusal(&problem),
    }
}
