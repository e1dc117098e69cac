//! A practice `GoSweetSpot` (freight API).
//!
//! Its quirks: a key in a header; orders are put as a bare array under the caller's own numbers, each with its own outcome,
//! and one that was processed is left alone; shipments are what became of them, and are only read here: making one books freight.

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use serde_json::{Value, json};

use super::{
    books::{Books, How, Ids, PLAIN, Problem, Record, Shape},
    desk::{Api, Ask, say},
};
use crate::sandbox::call::{Answer, Call};

static SHAPES: [Shape; 2] = [
    Shape {
        name: "orders",
        called: "customerorders",
        id: "packingslipno",
        ids: Ids::Given,
        required: &["consignee"],
        ..PLAIN
    },
    Shape {
        name: "shipments",
        called: "shipments",
        id: "ConsignmentNo",
        ids: Ids::Given,
        required: &["PackingSlipNo"],
        ..PLAIN
    },
];

#[derive(Debug)]
pub(crate) struct GoSweetSpot;

impl Api for GoSweetSpot {
    fn shapes(&self) -> &'static [Shape] {
        &SHAPES
    }

    fn stamp(&self) -> fn(DateTime<Utc>) -> Value {
        |at| at.to_rfc3339().into()
    }

    fn base(&self) -> &'static str {
        "/api"
    }

    fn token(&self) -> &'static str {
        "gosweetspot-key"
    }

    fn admits(&self, call: &Call, _: bool) -> bool {
        call.header("access_key") == Some(self.token())
    }

    /// Asked for, not enforced.
    fn limits(&self) -> Vec<(usize, TimeDelta)> {
        vec![(60, TimeDelta::minutes(1)), (1000, TimeDelta::hours(1))]
    }

    fn answer(&self, books: &mut Books, ask: &Ask<'_>) -> Answer {
        let [called] = ask.path.as_slice() else { return self.refuse(404, None, ask.now) };
        match (ask.call.method.as_str(), books.called(called)) {
            ("GET", Some(shape)) => list(books, shape, ask),
            ("PUT", Some(shape)) if shape.name == "orders" => put_orders(books, shape, ask),
            ("DELETE", Some(shape)) if shape.name == "orders" => delete_orders(books, shape, ask),
            _ => self.refuse(404, None, ask.now),
        }
    }

    fn refuse(&self, status: u16, _: Option<u64>, _: DateTime<Utc>) -> Answer {
        say(status, &json!({ "Errors": [{ "Message": "The request was refused" }] }), 0)
    }
}

fn processed(record: &Record) -> bool {
    record.body.get("status").is_some_and(|status| !status.is_null())
}

fn list(books: &Books, shape: &Shape, ask: &Ask<'_>) -> Answer {
    let ids = ask.query(if shape.name == "orders" { "packingslipno" } else { "shipments" });
    let ids: Option<Vec<&str>> = ids.map(|text| text.split(',').collect());
    // Ignored where ids are given.
    let since = ask.query("lastupdateminutc").and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let wanted = |record: &&Record| match &ids {
        Some(ids) => ids.contains(&record.id.as_str()),
        None => since.is_none_or(|since| record.changed.with_nanosecond(0) >= Some(since.to_utc())),
    };
    let found: Vec<&Record> = books.living(shape).filter(wanted).collect();
    let (page, size) = (ask.number("page", 1).max(1), ask.number("pagesize", 100).clamp(1, 250));
    let rows: Vec<_> = found.iter().skip((page - 1) * size).take(size).map(|record| &record.body).collect();
    let pages = found.len().div_ceil(size).max(1);
    say(200, &json!({ "Page": page, "PageSize": size, "Pages": pages, "Results": rows }), rows.len())
}

fn put_orders(books: &mut Books, shape: &'static Shape, ask: &Ask<'_>) -> Answer {
    let Value::Array(rows) = ask.body() else {
        return say(400, &json!({ "Errors": [{ "Message": "an array of orders is expected" }] }), 0);
    };
    let mut outcomes = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.get("packingslipno").and_then(Value::as_str).unwrap_or_default().to_owned();
        let there = books.find(shape, &id).map(processed);
        let done = match there {
            Some(true) => Err(Problem::Other("already processed".to_owned())),
            Some(false) => books.change(shape, (&id, None), (How::Wholly, row), ask.now),
            None => books.make(shape, row, ask.now),
        };
        let message = done.as_ref().err().map(ToString::to_string).unwrap_or_default();
        outcomes.push(json!({ "packingslipno": id, "result": done.is_ok(), "msg": message }));
    }
    say(200, &json!(outcomes), outcomes.len())
}

fn delete_orders(books: &mut Books, shape: &Shape, ask: &Ask<'_>) -> Answer {
    let ids: Vec<&str> = ask.query("packingslipno").unwrap_or_default().split(',').collect();
    if ids.len() > 50 {
        return say(409, &json!({ "Errors": [{ "Message": "Max delete limit is 50 packing slip numbers." }] }), 0);
    }
    let outcome = |id: &&str| {
        let text = match books.find(shape, id).map(processed) {
            None => "Invalid packing slip number",
            Some(true) => "Cannot be deleted. Already processed.",
            Some(false) if books.remove(shape, id, ask.now).is_ok() => "Deleted.",
            Some(false) => "Cannot be deleted. Already deleted.",
        };
        ((*id).to_owned(), Value::from(text))
    };
    let outcomes: serde_json::Map<_, _> = ids.iter().map(outcome).collect();
    say(200, &Value::Object(outcomes), ids.len())
}
