//! A practice simPRO Premium (REST v1.0).
//!
//! Its quirks: bare arrays with their totals in headers; lists that show little unless columns are asked for; a change is
//! answered with nothing, a new record with its id in headers, too.

use chrono::{DateTime, SecondsFormat, TimeDelta, Timelike as _, Utc};
use serde_json::{Map, Value, json};

use super::{
    books::{Books, How, PLAIN, Problem, Record, Shape},
    desk::{Api, Ask, say},
};
use crate::sandbox::call::Answer;

const LISTED: Shape = Shape { id: "ID", stamps: [None, Some("DateModified")], read_only: &["DateModified"], ..PLAIN };

static SHAPES: [Shape; 3] = [
    Shape { name: "individuals", called: "customers/individuals", required: &["FamilyName"], ..LISTED },
    Shape { name: "leads", called: "leads", required: &["LeadName"], ..LISTED },
    Shape {
        name: "customer-tags",
        called: "setup/tags/customers",
        required: &["Name"],
        unique: &["Name"],
        stamps: [None, None],
        ..LISTED
    },
];

/// What a list shows where no column is asked for.
const THIN: [&str; 5] = ["ID", "GivenName", "FamilyName", "LeadName", "Name"];

fn stamp(at: DateTime<Utc>) -> Value {
    at.with_nanosecond(0).unwrap_or(at).to_rfc3339_opts(SecondsFormat::Secs, false).into()
}

#[derive(Debug)]
pub(crate) struct Simpro;

impl Api for Simpro {
    fn shapes(&self) -> &'static [Shape] {
        &SHAPES
    }

    fn stamp(&self) -> fn(DateTime<Utc>) -> Value {
        stamp
    }

    fn base(&self) -> &'static str {
        "/api/v1.0"
    }

    fn token(&self) -> &'static str {
        "simpro-key"
    }

    /// Builds with one company call it 0.
    fn tenant(&self) -> &'static str {
        "0"
    }

    fn limits(&self) -> Vec<(usize, TimeDelta)> {
        vec![(10, TimeDelta::seconds(1))]
    }

    fn answer(&self, books: &mut Books, ask: &Ask<'_>) -> Answer {
        let ["companies", "0", rest @ ..] = ask.path.as_slice() else { return self.refuse(404, None, ask.now) };
        if let Some(shape) = books.called(&rest.join("/")) {
            // A collection ends in a slash.
            return match (ask.call.method.as_str(), ask.call.path.ends_with('/')) {
                ("GET", true) => list(books, shape, ask),
                ("POST", true) => match books.make(shape, ask.body(), ask.now) {
                    Ok(id) => match books.find(shape, &id) {
                        Some(record) => say(201, &Value::Object(record.body.clone()), 1)
                            .with("resource-id", id.clone())
                            .with("location", format!("{}{id}", ask.call.path)),
                        None => refusal(&Problem::NotFound),
                    },
                    Err(problem) => refusal(&problem),
                },
                _ => self.refuse(404, None, ask.now),
            };
        }
        let found = rest.split_last().and_then(|(id, called)| Some((books.called(&called.join("/"))?, *id)));
        let Some((shape, id)) = found else { return self.refuse(404, None, ask.now) };
        let outcome = match ask.call.method.as_str() {
            "GET" => {
                return match books.find(shape, id) {
                    Some(record) => say(200, &Value::Object(record.body.clone()), 1),
                    None => refusal(&Problem::NotFound),
                };
            }
            "PATCH" => books.change(shape, (id, None), (How::Partly, ask.body()), ask.now).map(drop),
            "DELETE" => books.remove(shape, id, ask.now),
            _ => return self.refuse(405, None, ask.now),
        };
        outcome.map_or_else(|problem| refusal(&problem), |()| Answer::empty(204))
    }

    fn refuse(&self, status: u16, _: Option<u64>, _: DateTime<Utc>) -> Answer {
        say(status, &json!({ "errors": [{ "message": "The request was refused" }] }), 0)
    }
}

/// Field to messages, as clients read it (the body of a refusal is not documented).
fn refusal(problem: &Problem) -> Answer {
    let status = if *problem == Problem::NotFound { 404 } else { 422 };
    say(status, &json!({ "errors": [{ "path": "/", "message": problem.to_string() }] }), 0)
}

fn list(books: &Books, shape: &Shape, ask: &Ask<'_>) -> Answer {
    let since = ask.call.header("if-modified-since").and_then(|text| DateTime::parse_from_rfc2822(text).ok());
    let changed =
        |record: &&Record| since.is_none_or(|since| record.changed.with_nanosecond(0) >= Some(since.to_utc()));
    let (page, size) = (ask.number("page", 1).max(1), ask.number("pageSize", 30).clamp(1, 250));
    let found: Vec<&Record> = books.living(shape).filter(changed).collect();
    let columns: Vec<&str> = ask.query("columns").map_or_else(|| THIN.to_vec(), |text| text.split(',').collect());
    let shown = |record: &&&Record| {
        let kept = record.body.iter().filter(|(name, _)| columns.contains(&name.as_str()));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>()
    };
    let rows: Vec<_> = found.iter().skip((page - 1) * size).take(size).collect::<Vec<_>>().iter().map(shown).collect();
    say(200, &json!(rows), rows.len())
        .with("result-total", found.len().to_string())
        .with("result-pages", found.len().div_ceil(size).max(1).to_string())
        .with("result-count", rows.len().to_string())
}
