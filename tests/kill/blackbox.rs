//! The shipped program from outside: what two systems were asked, and when people typed what. Nobody looks inside; a
//! checker asks whether there is any order of readings that explains every value that was written.
//!
//! A value that is written to one side at a time must have stood on the other side at a moment before, and these moments may
//! not go back: who writes an older value after a newer one has overwritten what somebody typed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use reconciled::sandbox::{Fault, FaultRule, LogEntry, Website};
use serde_json::{Value, json};

use crate::{Other, PATIENCE, World, exits, folder, kills, said, start};

const FIELDS: [&str; 3] = ["mobile", "last_name", "notes"];

/// A field of a contact, by its e-mail address, on one of the two sides.
type Place = (usize, String, String);

/// What both systems and the people saw.
#[derive(Default)]
struct Seen {
    /// What stood at a place from when on, in the order of time.
    stood: BTreeMap<Place, Vec<(DateTime<Utc>, Value)>>,
    /// What was written there by the program: when, and under which key.
    writes: Vec<(DateTime<Utc>, Place, Value)>,
    /// Creates: side, e-mail address, key.
    creates: Vec<(usize, String, String)>,
}

impl Seen {
    fn stands(&mut self, place: Place, at: DateTime<Utc>, value: Value) {
        let all = self.stood.entry(place).or_default();
        let to = all.partition_point(|(then, _)| *then <= at);
        all.insert(to, (at, value));
    }

    /// What cannot be explained.
    fn faults(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut earliest: BTreeMap<&Place, DateTime<Utc>> = BTreeMap::new();
        for (at, place, value) in &self.writes {
            let (side, email, field) = place;
            let there = (1 - side, email.clone(), field.clone());
            let none = vec![(DateTime::UNIX_EPOCH, Value::Null)];
            let stood = self.stood.get(&there).unwrap_or(&none);
            let bound = earliest.get(place).copied().unwrap_or(DateTime::UNIX_EPOCH);
            let read = stood.iter().enumerate().find_map(|(nth, (from, stands))| {
                let until = stood.get(nth + 1).map_or(DateTime::<Utc>::MAX_UTC, |(next, _)| *next);
                (blank(stands) == blank(value) && from <= at && until > bound).then(|| bound.max(*from))
            });
            match read {
                Some(read) => {
                    earliest.insert(place, read);
                }
                None => wrong.push(format!(
                    "{value} was written to {place:?} at {at}; there stood {stood:?}, and {bound} was read before"
                )),
            }
        }
        let mut made: BTreeMap<(usize, &str), Vec<&str>> = BTreeMap::new();
        for (side, email, key) in &self.creates {
            let keys = made.entry((*side, email)).or_default();
            if !keys.contains(&key.as_str()) {
                keys.push(key);
            }
        }
        wrong.extend(
            made.iter()
                .filter(|(_, keys)| keys.len() > 1)
                .map(|(what, keys)| format!("{what:?} was made under {keys:?}")),
        );
        wrong
    }
}

/// A text with nothing in it is no text.
fn blank(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The items of a write, as they were sent.
fn items(entry: &LogEntry) -> Vec<Value> {
    let Ok(body) = serde_json::from_str::<Value>(&entry.body) else { return Vec::new() };
    if let Some(Value::Array(items)) = body.get("items") {
        return items.clone();
    }
    let mut body = body;
    if let Some(id) = entry.path.rsplit('/').next().filter(|id| *id != "contacts") {
        body["id"] = json!(id);
    }
    vec![body]
}

fn note_writes(seen: &mut Seen, side: usize, system: &Website) {
    let emails: BTreeMap<String, String> = system
        .list("contacts")
        .iter()
        .map(|contact| (contact["id"].as_str().unwrap().to_owned(), contact["email"].as_str().unwrap().to_owned()))
        .collect();
    for entry in system.log().entries().iter().filter(|entry| !entry.is_read() && entry.path.contains("contacts")) {
        for item in items(entry) {
            let known = item["id"].as_str().and_then(|id| emails.get(id)).cloned();
            if known.is_none() {
                let key = entry.headers.get("idempotency-key").cloned().unwrap_or_else(|| entry.number.to_string());
                let carried_out = entry.status.is_some_and(|status| status < 300);
                if let Some(email) = item["email"].as_str().filter(|_| carried_out) {
                    seen.creates.push((side, email.to_owned(), key));
                }
            }
            let Some(email) = known.or_else(|| item["email"].as_str().map(str::to_owned)) else { continue };
            for field in FIELDS.into_iter().filter(|field| item.get(field).is_some()) {
                let place = (side, email.clone(), field.to_owned());
                seen.writes.push((entry.at, place.clone(), item[field].clone()));
                seen.stands(place, entry.at, item[field].clone());
            }
        }
    }
}

/// People on both sides, also at the same field.
fn people_work(world: &mut World, seen: &mut Seen, round: usize) {
    let Other::Website(other) = &world.other else { panic!("both are websites") };
    for (side, system) in [(0, &world.site), (1, other)] {
        for _ in 0..3 {
            let contacts = system.list("contacts");
            let contact = world.random.choice(&contacts).unwrap();
            let field = FIELDS[world.random.usize(..FIELDS.len())];
            let value = json!(format!("{field} {round} {side} {}", world.random.u32(..100_000)));
            // A moment early rather than late: it stood there at the latest when the call had ended.
            let at = Utc::now();
            system.edit("contacts", contact["id"].as_str().unwrap(), json!({ field: value })).unwrap();
            seen.stands((side, contact["email"].as_str().unwrap().to_owned(), field.to_owned()), at, value);
        }
        let email = format!("made{side}-{round}@example.org");
        let contact = json!({ "first_name": "Made", "last_name": format!("{side} {round}"), "email": email });
        seen.stands((side, email, "last_name".to_owned()), Utc::now(), contact["last_name"].clone());
        system.insert("contacts", contact).unwrap();
        for fault in [Fault::DropAfter, Fault::Status(500), Fault::DropBefore, Fault::ApplyThenStatus(500)] {
            if world.random.u8(..3) == 0 {
                system.faults().add(FaultRule::new(fault).on("*", "*").probability(0.3).times(1));
            }
        }
    }
}

/// What differs between the two sides.
fn differences(world: &World) -> Vec<String> {
    let Other::Website(other) = &world.other else { panic!("both are websites") };
    let read = |system: &Website| -> BTreeMap<String, Value> {
        system
            .list("contacts")
            .into_iter()
            .map(|contact| (contact["email"].as_str().unwrap().to_owned(), contact))
            .collect()
    };
    let (here, there) = (read(&world.site), read(other));
    let emails = here.keys().chain(there.keys().filter(|email| !here.contains_key(*email)));
    let differs = emails.filter(|email| match (here.get(*email), there.get(*email)) {
        (Some(here), Some(there)) => FIELDS.iter().any(|field| blank(&here[field]) != blank(&there[field])),
        _ => true,
    });
    differs.cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_the_daemon_writes_can_be_explained_by_what_stood_on_the_other_side() {
    let mut world = World::of(30, 10, false).await;
    let yaml = world.yaml().replace("guards: { touched: 100% }", "guards: { touched: unlimited, creates: unlimited }");
    let yaml = yaml.replace(
        "      - { source: $.mobile, target: $.mobile }\n",
        "      - { source: $.mobile, target: $.mobile }\n      - { source: $.notes, target: $.notes }\n",
    );
    let dir = folder(&yaml);
    let mut seen = Seen::default();
    let Other::Website(other) = &world.other else { panic!("both are websites") };
    for (side, system) in [(0, &world.site), (1, other)] {
        for contact in system.list("contacts") {
            for field in FIELDS {
                let place = (side, contact["email"].as_str().unwrap().to_owned(), field.to_owned());
                seen.stands(place, DateTime::UNIX_EPOCH, contact[field].clone());
            }
        }
    }
    let rounds = (kills(25) / 5).max(4);
    for round in 0..rounds {
        let mut daemon = start(dir.path(), &["run"]);
        let before = crate::writes(&world.logs());
        people_work(&mut world, &mut seen, round);
        let began = Instant::now();
        let most = if round == 0 { 300 } else { world.random.u64(1..12) };
        // Killed at work, a few writes after people worked, and started again.
        while crate::writes_now(&world.logs(), before) < most && began.elapsed() < Duration::from_secs(4) {
            assert!(daemon.0.try_wait().unwrap().is_none(), "the daemon ended: {}", said(dir.path()));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    for system in [
        &world.site,
        match &world.other {
            Other::Website(other) => other,
            Other::Xero(_) => panic!("both are websites"),
        },
    ] {
        system.faults().clear();
    }
    // What is parked by now are edits of one field on both sides.
    let began = Instant::now();
    let mut code = exits(dir.path(), &["sync"], &[0, 1, 4]).await;
    while code == 1 || (code == 0) != differences(&world).is_empty() || began.elapsed() < Duration::from_secs(3) {
        assert!(began.elapsed() < PATIENCE, "{code}: {:?} differ unlisted\n{}", differences(&world), said(dir.path()));
        tokio::time::sleep(Duration::from_millis(300)).await;
        code = exits(dir.path(), &["sync"], &[0, 1, 4]).await;
    }
    let before = crate::writes(&world.logs());
    exits(dir.path(), &["sync", "--full"], &[0, 4]).await;
    assert_eq!(crate::writes(&world.logs()), before, "a quiet sync wrote: {}", said(dir.path()));
    let Other::Website(other) = &world.other else { panic!("both are websites") };
    note_writes(&mut seen, 0, &world.site);
    note_writes(&mut seen, 1, other);
    seen.writes.sort_by_key(|(at, ..)| *at);
    assert!(seen.writes.len() > 40, "the daemon was at work: {}", seen.writes.len());
    let wrong = seen.faults();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!(
        "{rounds} rounds, {} values written, all explained; {} contacts differ and are listed",
        seen.writes.len(),
        differences(&world).len()
    );
}

/// The checker sees what it is there for.
#[test]
fn what_cannot_be_explained_is_found() {
    let at = |seconds: i64| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
    let place = |side: usize| (side, "jane@x.example".to_owned(), "mobile".to_owned());
    let typed = |values: &[(i64, &str)]| {
        let mut seen = Seen::default();
        for (when, value) in values {
            seen.stands(place(0), at(*when), json!(value));
        }
        seen
    };
    let written = |mut seen: Seen, values: &[(i64, &str)]| {
        seen.writes = values.iter().map(|(when, value)| (at(*when), place(1), json!(value))).collect();
        seen.faults().len()
    };
    assert_eq!(written(typed(&[(0, "1"), (10, "2")]), &[(5, "1"), (12, "2")]), 0, "read and written in turn");
    assert_eq!(written(typed(&[(0, "1"), (10, "2")]), &[(11, "1"), (12, "2")]), 0, "the reading was a little old");
    assert_eq!(written(typed(&[(0, "1"), (10, "2")]), &[(5, "3")]), 1, "nobody typed that");
    assert_eq!(written(typed(&[(0, "1"), (10, "2")]), &[(5, "2")]), 1, "nobody had typed that yet");
    assert_eq!(written(typed(&[(0, "1"), (10, "2")]), &[(12, "2"), (13, "1")]), 1, "the older value came back");
    let twice = Seen { creates: vec![(0, "a".into(), "k".into()), (0, "a".into(), "l".into())], ..Seen::default() };
    assert_eq!(twice.faults().len(), 1, "made twice");
}
