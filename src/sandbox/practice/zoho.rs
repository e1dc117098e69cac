//! A practice Zoho CRM (v8).
//!
//! Its quirks: a word of its own before the token; lists want the names of the fields, turn pages by number up to the 2,000th
//! record and by a token after it; nothing to list is a 204, nothing new a 304; every row of a write has its own outcome;
//! a change may be guarded by the stamp it was made from.

use chrono::{DateTime, FixedOffset, SecondsFormat, TimeDelta, Timelike as _, Utc};
use serde_json::{Map, Value, json};

use super::{
    books::{Books, How, Ids, PLAIN, Problem, Record, Shape},
    desk::{Api, Ask, say},
};
use crate::sandbox::{
    call::{Answer, Call},
    logins::Doors,
};

const LISTED: Shape = Shape {
    ids: Ids::Text,
    stamps: [Some("Created_Time"), Some("Modified_Time")],
    read_only: &["Created_Time", "Modified_Time"],
    required: &["Last_Name"],
    unique: &["Email"],
    ..PLAIN
};

static SHAPES: [Shape; 2] =
    [Shape { name: "contacts", called: "Contacts", ..LISTED }, Shape { name: "leads", called: "Leads", ..LISTED }];

/// How many records can be asked for by page numbers.
const NUMBERED: usize = 2000;

fn stamp(at: DateTime<Utc>) -> Value {
    let zone = FixedOffset::east_opt(5 * 3600 + 1800);
    let at = at.with_nanosecond(0).unwrap_or(at);
    zone.map(|zone| at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, false)).into()
}

#[derive(Debug)]
pub(crate) struct Zoho;

impl Api for Zoho {
    fn shapes(&self) -> &'static [Shape] {
        &SHAPES
    }

    fn stamp(&self) -> fn(DateTime<Utc>) -> Value {
        stamp
    }

    fn base(&self) -> &'static str {
        "/crm/v8"
    }

    fn token(&self) -> &'static str {
        "Zoho-oauthtoken zoho-token"
    }

    fn doors(&self) -> Option<Doors> {
        let (authorize, token, revoke) = ("/oauth/v2/auth", "/oauth/v2/token", Some("/oauth/v2/token/revoke"));
        Some(Doors { authorize, token, revoke, scheme: "Zoho-oauthtoken" })
    }

    /// The way back names the data centre's authorization server, the token answer its API.
    fn told(&self, host: &str) -> [Vec<(&'static str, String)>; 2] {
        let server = ("accounts-server", host.to_owned());
        [vec![("location", "us".to_owned()), server], vec![("api_domain", host.to_owned())]]
    }

    fn admits(&self, call: &Call, logged_in: bool) -> bool {
        logged_in || call.header("authorization") == Some(self.token())
    }

    fn limits(&self) -> Vec<(usize, TimeDelta)> {
        vec![(5000, TimeDelta::days(1))]
    }

    fn answer(&self, books: &mut Books, ask: &Ask<'_>) -> Answer {
        let Some(shape) = ask.path.first().and_then(|called| books.called(called)) else {
            return self.refuse(404, None, ask.now);
        };
        match (ask.call.method.as_str(), ask.path.get(1..).unwrap_or_default()) {
            ("GET", []) => list(books, shape, ask),
            ("GET", ["deleted"]) => deleted(books, shape, ask),
            ("GET", [id]) => match books.find(shape, id) {
                Some(record) => say(200, &json!({ "data": [record.body] }), 1),
                None => Answer::empty(204),
            },
            ("POST" | "PUT", []) => write(books, shape, ask),
            ("DELETE", [id]) => {
                let row = match books.remove(shape, id, ask.now) {
                    Ok(()) => {
                        json!({ "code": "SUCCESS", "status": "success", "message": "record deleted", "details": { "id": id } })
                    }
                    Err(problem) => failure(&problem),
                };
                say(200, &json!({ "data": [row] }), 1)
            }
            _ => self.refuse(404, None, ask.now),
        }
    }

    fn refuse(&self, status: u16, _: Option<u64>, _: DateTime<Utc>) -> Answer {
        let (code, message) = match status {
            401 => ("INVALID_TOKEN", "invalid oauth token"),
            429 => ("TOO_MANY_REQUESTS", "too many requests fired in a concurrent manner"),
            404 => ("INVALID_URL_PATTERN", "please check if the URL trying to access is a correct one"),
            _ => ("INTERNAL_ERROR", "internal server error"),
        };
        say(status, &json!({ "code": code, "status": "error", "message": message, "details": {} }), 0)
    }
}

fn since(ask: &Ask<'_>) -> Option<DateTime<Utc>> {
    let text = ask.call.header("if-modified-since")?;
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}

fn list(books: &Books, shape: &Shape, ask: &Ask<'_>) -> Answer {
    let fields: Vec<&str> =
        ask.query("fields").unwrap_or_default().split(',').filter(|name| !name.is_empty()).collect();
    if fields.is_empty() || fields.len() > 50 {
        let details = json!({ "param_name": "fields" });
        return say(
            400,
            &json!({ "code": "REQUIRED_PARAM_MISSING", "status": "error", "message": "one of the expected parameter is missing", "details": details }),
            0,
        );
    }
    let size = ask.number("per_page", 200).min(200);
    let skip = match ask.query("page_token") {
        Some(token) => token.strip_prefix("after-").and_then(|text| text.parse().ok()).unwrap_or_default(),
        None => (ask.number("page", 1).max(1) - 1) * size,
    };
    if ask.query("page_token").is_none() && skip + size > NUMBERED.max(size) {
        return say(
            400,
            &json!({ "code": "DISCRETE_PAGINATION_LIMIT_EXCEEDED", "status": "error", "message": "use page_token", "details": {} }),
            0,
        );
    }
    let since = since(ask);
    let changed = |record: &&Record| since.is_none_or(|since| record.changed.with_nanosecond(0) >= Some(since));
    let found: Vec<&Record> = books.living(shape).filter(changed).collect();
    if found.is_empty() {
        return Answer::empty(if since.is_some() { 304 } else { 204 });
    }
    let shown = |record: &&&Record| {
        let kept = record.body.iter().filter(|(name, _)| *name == "id" || fields.contains(&name.as_str()));
        Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    let rows: Vec<Value> = found.iter().skip(skip).take(size).collect::<Vec<_>>().iter().map(shown).collect();
    let after = skip + rows.len();
    let more = after < found.len();
    let token = more.then(|| format!("after-{after}"));
    let info = json!({ "per_page": size, "count": rows.len(), "more_records": more, "next_page_token": token });
    say(200, &json!({ "data": rows, "info": info }), rows.len())
}

fn deleted(books: &Books, shape: &Shape, ask: &Ask<'_>) -> Answer {
    let since = since(ask);
    let told = |record: &&Record| {
        record.deleted.is_some_and(|at| since.is_none_or(|since| at.with_nanosecond(0) >= Some(since)))
    };
    let found: Vec<&Record> = books.all(shape).iter().filter(told).collect();
    if found.is_empty() {
        return Answer::empty(204);
    }
    let (size, page) = (ask.number("per_page", 200).min(200), ask.number("page", 1).max(1));
    let row =
        |record: &&Record| json!({ "id": record.id, "type": "recycle", "deleted_time": record.deleted.map(stamp) });
    let rows: Vec<Value> = found.iter().skip((page - 1) * size).take(size).map(row).collect();
    let info =
        json!({ "per_page": size, "count": rows.len(), "page": page, "more_records": page * size < found.len() });
    say(200, &json!({ "data": rows, "info": info }), rows.len())
}

fn failure(problem: &Problem) -> Value {
    let code = match problem {
        Problem::Missing(_) => "MANDATORY_NOT_FOUND",
        Problem::Taken(_) => "DUPLICATE_DATA",
        _ => "INVALID_DATA",
    };
    json!({ "code": code, "status": "error", "message": problem.to_string(), "details": {} })
}

/// Up to 100 rows, each with its own outcome; the header guards all of them.
fn write(books: &mut Books, shape: &'static Shape, ask: &Ask<'_>) -> Answer {
    let body = ask.body();
    let rows = body.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    if rows.is_empty() || rows.len() > 100 {
        return say(
            400,
            &json!({ "code": "INVALID_DATA", "status": "error", "message": "1 to 100 rows", "details": {} }),
            0,
        );
    }
    let update = ask.call.method.as_str() == "PUT";
    let text = |row: &Value| row.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let guard = ask.call.header("if-unmodified-since").and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let stale = |row: &Value| {
        let there = books.find(shape, &text(row));
        guard.is_some_and(|guard| there.is_some_and(|record| record.changed.with_nanosecond(0) > Some(guard.to_utc())))
    };
    if update && rows.iter().any(stale) {
        return say(
            412,
            &json!({ "code": "RECORD_MODIFIED", "status": "error", "message": "the record has been modified", "details": {} }),
            0,
        );
    }
    let mut answered = Vec::with_capacity(rows.len());
    for row in rows {
        let done = if update {
            let id = text(&row);
            books.change(shape, (&id, None), (How::Partly, row), ask.now)
        } else {
            books.make(shape, row, ask.now)
        };
        answered.push(match done.map(|id| books.find(shape, &id).cloned()) {
            Ok(Some(record)) => success(&record.body, update),
            Ok(None) => failure(&Problem::NotFound),
            Err(problem) => failure(&problem),
        });
    }
    let failed = answered.iter().any(|row| row["status"] == "error");
    let status = if failed {
        207
    } else if update {
        200
    } else {
        201
    };
    say(status, &json!({ "data": answered }), answered.len())
}

fn success(body: &Map<String, Value>, update: bool) -> Value {
    let message = if update { "record updated" } else { "record added" };
    let details = json!({ "id": body.get("id"), "Modified_Time": body.get("Modified_Time"), "Created_Time": body.get("Created_Time") });
    json!({ "code": "SUCCESS", "status": "success", "message": message, "details": details })
}
