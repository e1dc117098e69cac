//! A practice Cliniko (v1).
//!
//! Its quirks: the key is the user of a basic login, and callers say who they are; lists are followed by links and filtered
//! by `q[]`; deleted patients are in a list of their own, of which a row tells its id only inside an address; relations
//! are addresses, too; "too many requests" says the second at which to go on.

use chrono::{DateTime, SecondsFormat, TimeDelta, Timelike as _, Utc};
use serde_json::{Value, json};

use super::{
    books::{Books, How, PLAIN, Problem, Record, Shape},
    desk::{Api, Ask, say},
};
use crate::sandbox::call::{Answer, Call};

const LISTED: Shape = Shape {
    stamps: [Some("created_at"), Some("updated_at")],
    read_only: &["created_at", "updated_at", "deleted_at", "archived_at", "links"],
    ..PLAIN
};

static SHAPES: [Shape; 2] = [
    Shape {
        name: "patients",
        called: "patients",
        required: &["first_name", "last_name"],
        // Text that was never given is "" (the page on patients shows it so).
        finish: |body, _| {
            for name in ["email", "address_1", "city", "post_code", "notes"] {
                body.entry(name).or_insert_with(|| Value::from(""));
            }
            body.entry("deleted_at").or_insert(Value::Null);
            body.entry("archived_at").or_insert(Value::Null);
            Ok(())
        },
        ..LISTED
    },
    Shape { name: "appointments", called: "individual_appointments", required: &["starts_at"], ..LISTED },
];

fn stamp(at: DateTime<Utc>) -> Value {
    at.with_nanosecond(0).unwrap_or(at).to_rfc3339_opts(SecondsFormat::Secs, true).into()
}

#[derive(Debug)]
pub(crate) struct Cliniko;

impl Api for Cliniko {
    fn shapes(&self) -> &'static [Shape] {
        &SHAPES
    }

    fn stamp(&self) -> fn(DateTime<Utc>) -> Value {
        stamp
    }

    fn base(&self) -> &'static str {
        "/v1"
    }

    fn token(&self) -> &'static str {
        "cliniko-key-au1"
    }

    /// `cliniko-key-au1:` in base64; and who does not say who he is may be blocked.
    fn admits(&self, call: &Call, _: bool) -> bool {
        call.header("authorization") == Some("Basic Y2xpbmlrby1rZXktYXUxOg==")
            && call.header("user-agent").is_some_and(|agent| agent.contains('('))
    }

    fn limits(&self) -> Vec<(usize, TimeDelta)> {
        vec![(200, TimeDelta::minutes(1))]
    }

    fn answer(&self, books: &mut Books, ask: &Ask<'_>) -> Answer {
        let Some(shape) = ask.path.first().and_then(|called| books.called(called)) else {
            return self.refuse(404, None, ask.now);
        };
        let written = |books: &Books, status: u16, outcome: Result<String, Problem>| match outcome {
            Ok(id) => books
                .find(shape, &id)
                .map_or_else(|| refusal(404, "Record not found"), |record| say(status, &shown(shape, record, ask), 1)),
            Err(Problem::NotFound) => refusal(404, "Record not found"),
            Err(problem) => refusal(422, &problem.to_string()),
        };
        match (ask.call.method.as_str(), &ask.path[1..]) {
            ("GET", []) => list(books, shape, ask),
            ("GET", ["deleted"]) => deleted(books, shape, ask),
            ("GET", [id]) => written(books, 200, Ok((*id).to_owned())),
            ("POST", []) if shape.name == "patients" => {
                let made = books.make(shape, ask.body(), ask.now);
                written(books, 201, made)
            }
            // The older pages say PUT, later ones PATCH; both change what is named.
            ("PUT" | "PATCH", [id]) if shape.name == "patients" => {
                let changed = books.change(shape, (id, None), (How::Partly, ask.body()), ask.now);
                written(books, 200, changed)
            }
            ("DELETE", [id]) => match books.remove(shape, id, ask.now) {
                Ok(()) => Answer::empty(204),
                Err(_) => refusal(404, "Record not found"),
            },
            _ => self.refuse(404, None, ask.now),
        }
    }

    fn refuse(&self, status: u16, wait: Option<u64>, now: DateTime<Utc>) -> Answer {
        let answer = refusal(status, if status == 429 { "Too many requests" } else { "The request was refused" });
        match wait {
            Some(wait) => answer
                .with("x-ratelimit-reset", (now.timestamp() + i64::try_from(wait).unwrap_or_default()).to_string()),
            None => answer,
        }
    }
}

fn refusal(status: u16, message: &str) -> Answer {
    say(status, &json!({ "message": message }), 0)
}

fn address(shape: &Shape, id: &str, ask: &Ask<'_>) -> String {
    format!("{}/v1/{}/{id}", ask.host, shape.called)
}

/// A record with its links; a relation is kept as `patient: 1` and shown as an address.
fn shown(shape: &Shape, record: &Record, ask: &Ask<'_>) -> Value {
    let mut body = record.body.clone();
    body.insert("links".to_owned(), json!({ "self": address(shape, &record.id, ask) }));
    if let Some(patient) = body.get("patient").and_then(Value::as_str).map(str::to_owned) {
        let link = format!("{}/v1/patients/{patient}", ask.host);
        body.insert("patient".to_owned(), json!({ "links": { "self": link } }));
    }
    Value::Object(body)
}

fn page(called: &str, rows: &[Value], ask: &Ask<'_>) -> Answer {
    let (number, size) = (ask.number("page", 1).max(1), ask.number("per_page", 50).clamp(1, 100));
    let shown: Vec<&Value> = rows.iter().skip((number - 1) * size).take(size).collect();
    let mut links = json!({ "self": ask.link(&[("page", number.to_string())]) });
    if number * size < rows.len() {
        links["next"] = ask.link(&[("page", (number + 1).to_string())]).into();
    }
    say(200, &json!({ called: shown, "total_entries": rows.len(), "links": links }), shown.len())
}

fn list(books: &Books, shape: &Shape, ask: &Ask<'_>) -> Answer {
    let mut since = None;
    for (_, filter) in ask.query.iter().filter(|(name, _)| name == "q[]") {
        let at = filter.strip_prefix("updated_at:>=").and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        match at {
            Some(at) => since = Some(at.to_utc()),
            None => return refusal(400, &format!("{filter} is no filter that is practised")),
        }
    }
    let changed = |record: &&Record| since.is_none_or(|since| record.changed.with_nanosecond(0) >= Some(since));
    let rows: Vec<Value> = books.living(shape).filter(changed).map(|record| shown(shape, record, ask)).collect();
    page(shape.called, &rows, ask)
}

/// Only when, and an address.
fn deleted(books: &Books, shape: &Shape, ask: &Ask<'_>) -> Answer {
    let row = |record: &Record| {
        record
            .deleted
            .map(|at| json!({ "deleted_at": stamp(at), "links": { "self": address(shape, &record.id, ask) } }))
    };
    let rows: Vec<Value> = books.all(shape).iter().filter_map(row).collect();
    page(shape.called, &rows, ask)
}
