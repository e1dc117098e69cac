//! A practice Eventbrite (v3).
//!
//! Its quirks: pages of fifty, followed by a token that runs out; attendees and orders are read only, and never deleted:
//! they are cancelled or refunded; a change feed that begins on the very instant it is asked for.

use chrono::{DateTime, SecondsFormat, TimeDelta, Timelike as _, Utc};
use serde_json::{Value, json};

use super::{
    books::{Books, Ids, PLAIN, Record, Shape},
    desk::{Api, Ask, say},
};
use crate::sandbox::call::Answer;

const LISTED: Shape = Shape {
    ids: Ids::Text,
    stamps: [Some("created"), Some("changed")],
    read_only: &["created", "changed", "resource_uri"],
    ..PLAIN
};

static SHAPES: [Shape; 2] = [
    Shape {
        name: "attendees",
        called: "attendees",
        required: &["profile"],
        finish: |body, _| {
            for flag in ["cancelled", "refunded", "checked_in"] {
                body.entry(flag).or_insert(Value::Bool(false));
            }
            Ok(())
        },
        ..LISTED
    },
    Shape { name: "orders", called: "orders", required: &["name"], ..LISTED },
];

/// About fifty, and fixed.
const PAGE: usize = 50;

fn stamp(at: DateTime<Utc>) -> Value {
    at.with_nanosecond(0).unwrap_or(at).to_rfc3339_opts(SecondsFormat::Secs, true).into()
}

#[derive(Debug)]
pub(crate) struct Eventbrite;

impl Api for Eventbrite {
    fn shapes(&self) -> &'static [Shape] {
        &SHAPES
    }

    fn stamp(&self) -> fn(DateTime<Utc>) -> Value {
        stamp
    }

    fn base(&self) -> &'static str {
        "/v3"
    }

    fn token(&self) -> &'static str {
        "eventbrite-token"
    }

    fn tenant(&self) -> &'static str {
        "900000000001"
    }

    fn limits(&self) -> Vec<(usize, TimeDelta)> {
        vec![(2000, TimeDelta::hours(1))]
    }

    fn answer(&self, books: &mut Books, ask: &Ask<'_>) -> Answer {
        match (ask.call.method.as_str(), ask.path.as_slice()) {
            ("GET", ["organizations", org, called]) if *org == self.tenant() => match books.called(called) {
                Some(shape) => list(books, shape, ask),
                None => self.refuse(404, None, ask.now),
            },
            ("GET", ["orders", id]) => {
                let found = books.called("orders").and_then(|shape| books.find(shape, id));
                found.map_or_else(
                    || self.refuse(404, None, ask.now),
                    |order| say(200, &Value::Object(order.body.clone()), 1),
                )
            }
            _ => self.refuse(404, None, ask.now),
        }
    }

    fn refuse(&self, status: u16, _: Option<u64>, _: DateTime<Utc>) -> Answer {
        let code = match status {
            401 => "INVALID_AUTH",
            404 => "NOT_FOUND",
            429 => "HIT_RATE_LIMIT",
            _ => "INTERNAL_ERROR",
        };
        error(status, code)
    }
}

fn error(status: u16, code: &str) -> Answer {
    say(status, &json!({ "status_code": status, "error": code, "error_description": "the request was refused" }), 0)
}

/// The token names the last record of its page, and is good for an hour.
fn list(books: &Books, shape: &Shape, ask: &Ask<'_>) -> Answer {
    let since = ask.query("changed_since").and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let changed =
        |record: &&Record| since.is_none_or(|since| record.changed.with_nanosecond(0) >= Some(since.to_utc()));
    let after = match ask.query("continuation") {
        None => 0,
        Some(token) => {
            let parts =
                token.split_once('-').and_then(|(made, id)| Some((made.parse::<i64>().ok()?, id.parse().ok()?)));
            match parts {
                Some((made, id)) if ask.now.timestamp() - made <= 3600 => id,
                _ => return error(400, "BAD_CONTINUATION_TOKEN"),
            }
        }
    };
    let number = |record: &Record| record.id.parse::<u64>().unwrap_or_default();
    let all: Vec<&Record> = books.living(shape).filter(changed).collect();
    let rest: Vec<&&Record> = all.iter().filter(|record| number(record) > after).collect();
    let rows: Vec<Value> = rest.iter().take(PAGE).map(|record| Value::Object(record.body.clone())).collect();
    let more = rest.len() > PAGE;
    let last = rest.get(PAGE - 1).map_or(0, |record| number(record));
    let token = more.then(|| format!("{}-{last}", ask.now.timestamp()));
    let pagination =
        json!({ "object_count": all.len(), "page_size": PAGE, "continuation": token, "has_more_items": more });
    say(200, &json!({ "pagination": pagination, shape.called: rows }), rows.len())
}
