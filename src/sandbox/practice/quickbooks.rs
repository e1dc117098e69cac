//! A practice `QuickBooks` Online (Accounting API v3).
//!
//! Its quirks: one address makes and changes records, told apart by the id; lists are asked for in a query language and
//! leave an empty list out; a change needs the last `SyncToken`; what was deleted is told by the change data feed alone,
//! of which an answer holds a thousand objects and no more; the same `requestid` gets the same answer.

use chrono::{DateTime, FixedOffset, SecondsFormat, TimeDelta, Timelike as _, Utc};
use serde_json::{Map, Value, json};

use super::{
    books::{Books, How, Ids, PLAIN, Problem, Record, Shape, put, sum},
    desk::{Api, Ask, say},
};
use crate::sandbox::{call::Answer, logins::Doors};

const STAMPS: [Option<&str>; 2] = [Some("MetaData.CreateTime"), Some("MetaData.LastUpdatedTime")];
const LISTED: Shape = Shape {
    id: "Id",
    ids: Ids::Text,
    stamps: STAMPS,
    version: Some("SyncToken"),
    read_only: &["MetaData", "SyncToken", "Balance", "domain"],
    ..PLAIN
};

static SHAPES: [Shape; 4] = [
    Shape {
        name: "customers",
        called: "Customer",
        required: &["DisplayName"],
        unique: &["DisplayName"],
        finish: |body, _| {
            body.entry("Active").or_insert(Value::Bool(true));
            Ok(())
        },
        ..LISTED
    },
    Shape {
        name: "invoices",
        called: "Invoice",
        required: &["CustomerRef", "Line"],
        unique: &["DocNumber"],
        lines: Some(("Line", "Id")),
        finish: invoice,
        ..LISTED
    },
    Shape { name: "payments", called: "Payment", required: &["CustomerRef", "TotalAmt"], ..LISTED },
    Shape {
        name: "items",
        called: "Item",
        required: &["Name"],
        unique: &["Name"],
        finish: |body, _| {
            body.entry("Active").or_insert(Value::Bool(true));
            Ok(())
        },
        ..LISTED
    },
];

/// A line is worth its quantity by its price where it does not say its amount (guess: the schema lets it be left out).
fn invoice(body: &mut Map<String, Value>, _: Option<&Map<String, Value>>) -> Result<(), Problem> {
    if let Some(lines) = body.get("Line").and_then(Value::as_array)
        && lines.iter().any(|line| line.get("DetailType").is_none())
    {
        return Err(Problem::Missing("DetailType"));
    }
    let total = sum(body, "Line", "Amount");
    put(body, "Balance", total.clone());
    put(body, "TotalAmt", total);
    Ok(())
}

/// Pacific time, as the real one answers.
fn stamp(at: DateTime<Utc>) -> Value {
    let zone = FixedOffset::west_opt(7 * 3600);
    let at = at.with_nanosecond(0).unwrap_or(at);
    zone.map(|zone| at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, false)).into()
}

#[derive(Debug)]
pub(crate) struct QuickBooks;

impl Api for QuickBooks {
    fn shapes(&self) -> &'static [Shape] {
        &SHAPES
    }

    fn stamp(&self) -> fn(DateTime<Utc>) -> Value {
        stamp
    }

    fn base(&self) -> &'static str {
        "/v3/company"
    }

    fn token(&self) -> &'static str {
        "quickbooks-token"
    }

    fn tenant(&self) -> &'static str {
        "4620816365000000001"
    }

    fn doors(&self) -> Option<Doors> {
        let (authorize, token) = ("/connect/oauth2", "/oauth2/v1/tokens/bearer");
        Some(Doors { authorize, token, revoke: Some("/v2/oauth2/tokens/revoke"), scheme: "Bearer" })
    }

    /// The way back names the company.
    fn told(&self, _: &str) -> [Vec<(&'static str, String)>; 2] {
        [vec![("realmId", self.tenant().to_owned())], Vec::new()]
    }

    fn limits(&self) -> Vec<(usize, TimeDelta)> {
        vec![(500, TimeDelta::minutes(1)), (10, TimeDelta::seconds(1))]
    }

    fn answer(&self, books: &mut Books, ask: &Ask<'_>) -> Answer {
        let [realm, rest @ ..] = ask.path.as_slice() else { return self.refuse(404, None, ask.now) };
        if *realm != self.tenant() {
            return self.refuse(403, None, ask.now);
        }
        let get = ask.call.method.as_str() == "GET";
        match (get, rest) {
            (true, ["query"]) => list(books, ask),
            (true, ["cdc"]) => changes(books, ask),
            (true, [called, id]) => {
                let found = books.called(called).and_then(|shape| Some((shape, books.find(shape, id)?)));
                found.map_or_else(|| fault(&Problem::NotFound), |(shape, record)| one(shape, record, ask))
            }
            (false, [called]) => match books.called(called) {
                Some(shape) => write(books, shape, ask),
                None => fault(&Problem::Other(format!("there is no {called}"))),
            },
            _ => self.refuse(404, None, ask.now),
        }
    }

    fn refuse(&self, status: u16, _: Option<u64>, now: DateTime<Utc>) -> Answer {
        let (message, kind) = match status {
            401 => ("AuthenticationFailed", "AUTHENTICATION"),
            403 => ("AuthorizationFailed", "AUTHORIZATION"),
            429 => ("ThrottleExceeded", "THROTTLE"),
            _ => ("An application error has occurred while processing your request", "SystemFault"),
        };
        let error = json!({ "Message": message, "Detail": message, "code": status.to_string() });
        say(status, &json!({ "Fault": { "Error": [error], "type": kind }, "time": stamp(now) }), 0)
    }
}

fn one(shape: &Shape, record: &Record, ask: &Ask<'_>) -> Answer {
    say(200, &json!({ shape.called: record.body, "time": stamp(ask.now) }), 1)
}

fn fault(problem: &Problem) -> Answer {
    let (code, message) = match problem {
        Problem::Missing(_) => ("2020", "Required param missing, need to supply the required value for the API"),
        Problem::Taken("DocNumber") => ("6140", "Duplicate Document Number Error"),
        Problem::Taken(_) => ("6240", "Duplicate Name Exists Error"),
        Problem::Stale => ("5010", "Stale Object Error"),
        Problem::NotFound => ("610", "Object Not Found"),
        Problem::Other(_) => ("2500", "Invalid Reference Id"),
    };
    let error = json!({ "Message": message, "Detail": problem.to_string(), "code": code });
    say(400, &json!({ "Fault": { "Error": [error], "type": "ValidationFault" } }), 0)
}

/// `select * from Customer where Active in (true, false) and … startposition 1 maxresults 1000`.
fn list(books: &Books, ask: &Ask<'_>) -> Answer {
    let bad = || fault(&Problem::Other("QueryParserError".to_owned()));
    let words: Vec<&str> = ask.query("query").unwrap_or_default().split_whitespace().collect();
    let after = |word: &str| {
        let at = words.iter().position(|known| known.eq_ignore_ascii_case(word))?;
        words.get(at + 1).copied()
    };
    let Some(shape) = after("from").and_then(|called| books.called(called)) else { return bad() };
    let from = words.iter().position(|word| word.eq_ignore_ascii_case("where")).map_or(words.len(), |at| at + 1);
    let until = words.iter().position(|word| word.eq_ignore_ascii_case("startposition")).unwrap_or(words.len());
    let conditions = words.get(from..until).unwrap_or_default().join(" ");
    let (mut since, mut inactive) = (None, false);
    for condition in conditions.split(" and ").filter(|condition| !condition.is_empty()) {
        if condition == "Active in (true, false)" {
            inactive = true;
        } else if let Some(text) = condition.strip_prefix("MetaData.LastUpdatedTime >= '") {
            let Ok(at) = DateTime::parse_from_rfc3339(text.trim_end_matches('\'')) else { return bad() };
            since = Some(at.to_utc());
        } else {
            return bad();
        }
    }
    let number = |word: &str, default: usize| after(word).map_or(Some(default), |text| text.parse().ok());
    let (Some(start), Some(most)) = (number("startposition", 1), number("maxresults", 100)) else { return bad() };
    if most > 1000 || start == 0 {
        return bad();
    }
    let active = |record: &&Record| inactive || record.body.get("Active") != Some(&Value::Bool(false));
    let changed = |record: &&Record| since.is_none_or(|since| record.changed.with_nanosecond(0) >= Some(since));
    let found: Vec<_> = books.living(shape).filter(active).filter(changed).skip(start - 1).take(most).collect();
    let mut response = Map::new();
    if !found.is_empty() {
        let records: Vec<_> = found.iter().map(|record| Value::Object(record.body.clone())).collect();
        response.insert(shape.called.to_owned(), Value::Array(records));
        response.insert("startPosition".to_owned(), Value::from(start));
        response.insert("maxResults".to_owned(), Value::from(found.len()));
    }
    say(200, &json!({ "QueryResponse": response, "time": stamp(ask.now) }), found.len())
}

/// What changed, deleted records too; 30 days back at most.
fn changes(books: &Books, ask: &Ask<'_>) -> Answer {
    let since = ask.query("changedSince").and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let (Some(since), Some(shape)) = (since, ask.query("entities").and_then(|called| books.called(called))) else {
        return fault(&Problem::Other("entities and changedSince are required".to_owned()));
    };
    if ask.now - since.to_utc() > TimeDelta::days(30) {
        return fault(&Problem::Other("changedSince goes back more than 30 days".to_owned()));
    }
    let changed = books.all(shape).iter().filter(|record| record.changed.with_nanosecond(0) >= Some(since.to_utc()));
    let shown = |record: &Record| match record.deleted {
        Some(at) => json!({ "Id": record.id, "status": "Deleted", "MetaData": { "LastUpdatedTime": stamp(at) } }),
        None => Value::Object(record.body.clone()),
    };
    let found: Vec<Value> = changed.take(1000).map(shown).collect();
    let items = found.len();
    let response = if found.is_empty() { json!({}) } else { json!({ shape.called: found }) };
    say(200, &json!({ "CDCResponse": [{ "QueryResponse": [response] }], "time": stamp(ask.now) }), items)
}

fn write(books: &mut Books, shape: &'static Shape, ask: &Ask<'_>) -> Answer {
    let key = ask.query("requestid").map(|key| format!("{}:{key}", shape.name));
    if let Some((status, body)) = key.as_ref().and_then(|key| books.replays.get(key)) {
        return Answer::json(*status, body.clone(), 1);
    }
    let body = ask.body();
    let id = body.get("Id").and_then(Value::as_str).map(str::to_owned);
    let token = body.get("SyncToken").and_then(Value::as_str).unwrap_or("none").to_owned();
    let answer = match (id, ask.query("operation")) {
        (Some(id), Some("delete")) => delete(books, shape, (&id, &token), ask),
        (_, Some(operation)) => fault(&Problem::Other(format!("{operation} is not practised"))),
        (Some(id), None) => {
            let how = if body.get("sparse") == Some(&Value::Bool(true)) { How::Partly } else { How::Wholly };
            match books.change(shape, (&id, Some(&token)), (how, less_sparse(body)), ask.now) {
                Ok(id) => books.find(shape, &id).map_or_else(|| fault(&Problem::NotFound), |it| one(shape, it, ask)),
                Err(problem) => fault(&problem),
            }
        }
        (None, None) => match books.make(shape, less_sparse(body), ask.now) {
            Ok(id) => books.find(shape, &id).map_or_else(|| fault(&Problem::NotFound), |it| one(shape, it, ask)),
            Err(problem) => fault(&problem),
        },
    };
    if let Some(key) = key.filter(|_| answer.status == 200) {
        books.replays.insert(key, (answer.status, String::from_utf8_lossy(&answer.body).into_owned()));
    }
    answer
}

/// A list of arrays is replaced whole either way; the flag itself is no field.
fn less_sparse(mut body: Value) -> Value {
    if let Value::Object(members) = &mut body {
        members.remove("sparse");
    }
    body
}

/// Names are made inactive, never deleted.
fn delete(books: &mut Books, shape: &Shape, (id, token): (&str, &str), ask: &Ask<'_>) -> Answer {
    let Some(record) = books.find(shape, id) else { return fault(&Problem::NotFound) };
    if record.version.to_string() != token {
        return fault(&Problem::Stale);
    }
    if matches!(shape.name, "customers" | "items") {
        return fault(&Problem::Other("a name cannot be deleted".to_owned()));
    }
    match books.remove(shape, id, ask.now) {
        Ok(()) => say(200, &json!({ shape.called: { "Id": id, "status": "Deleted", "domain": "QBO" } }), 1),
        Err(problem) => fault(&problem),
    }
}
