//! The people of a history: they type values of which every one is its own, and everything they typed is remembered.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use reconciled::record::Side;
use serde_json::{Value, json};

use crate::support::Fake;

/// Members that both systems share.
pub const FIELDS: [&str; 5] = ["name", "email", "phone", "city", "code"];

type Place = (Side, String, &'static str);

/// Two systems and whoever types in them.
pub struct People {
    pub systems: [Arc<Fake>; 2],
    pub rng: fastrand::Rng,
    next: u64,
    /// What a person typed last at a place, and when.
    pub last: BTreeMap<Place, (Value, u64)>,
    /// When a value was typed at a place, the last time.
    pub typed: BTreeMap<(Place, String), u64>,
    /// Which record a name was typed at: names are never typed twice.
    pub owners: BTreeMap<String, (Side, String)>,
    pub story: Vec<String>,
    /// Records that a person deleted.
    pub deleted: BTreeSet<(Side, String)>,
    /// Records that a person archived at some time.
    pub archived: BTreeSet<(Side, String)>,
}

impl People {
    pub fn new(shop: Arc<Fake>, books: Arc<Fake>, rng: fastrand::Rng) -> Self {
        Self {
            systems: [shop, books],
            rng,
            next: 0,
            last: BTreeMap::new(),
            typed: BTreeMap::new(),
            owners: BTreeMap::new(),
            story: Vec::new(),
            deleted: BTreeSet::new(),
            archived: BTreeSet::new(),
        }
    }

    pub fn system(&self, side: Side) -> &Fake {
        &self.systems[side.index()]
    }

    fn side(&mut self) -> Side {
        if self.rng.bool() { Side::Source } else { Side::Target }
    }

    fn value(&mut self, field: &'static str) -> Value {
        self.next += 1;
        let n = self.next;
        match field {
            "name" => json!(format!("Name {n}")),
            // Few addresses, so that records meet.
            "email" if self.rng.u8(..4) == 0 => json!(format!("common{}@x.example", self.rng.u8(..3))),
            "email" => json!(format!("{n}@x.example")),
            field => json!(format!("{field}{n}")),
        }
    }

    fn note(&mut self, side: Side, id: &str, field: &'static str, value: &Value) {
        self.next += 1;
        let place = (side, id.to_owned(), field);
        self.typed.insert((place.clone(), value.to_string()), self.next);
        self.last.insert(place, (value.clone(), self.next));
        if field == "name"
            && let Some(name) = value.as_str()
        {
            self.owners.entry(name.to_owned()).or_insert((side, id.to_owned()));
        }
    }

    pub fn any(&mut self, side: Side, resource: &str) -> Option<Value> {
        let all = self.system(side).all(resource);
        if all.is_empty() { None } else { Some(all[self.rng.usize(..all.len())].clone()) }
    }

    /// One thing that a person does. `gently` leaves out what may meet a write on its way.
    pub fn act(&mut self, resources: bool) {
        match self.rng.u8(..20) {
            0..5 => self.create(),
            5..12 => self.edit(),
            12 => self.clear(),
            13 => self.back_and_forth(),
            14 => self.unmapped(),
            15 if self.rng.bool() => self.archive(),
            16 if self.rng.bool() => self.delete(),
            17 => self.silently(),
            18 | 19 if resources => self.sale(),
            _ => self.edit(),
        }
    }

    pub fn create(&mut self) {
        let side = self.side();
        let mut body = json!({ "customer": self.rng.bool() });
        for field in FIELDS {
            if field == "name" || self.rng.u8(..3) > 0 {
                body[field] = self.value(field);
            }
        }
        let id = self.system(side).insert("contacts", body.clone());
        for field in FIELDS {
            if !body[field].is_null() {
                let value = body[field].clone();
                self.note(side, &id, field, &value);
            }
        }
        self.story.push(format!("{side} creates {id}: {body}"));
    }

    fn type_in(&mut self, side: Side, id: &str, field: &'static str, value: Value) {
        let now = self.system(side).get_body("contacts", id);
        if now[field] == value {
            return;
        }
        self.system(side).edit("contacts", id, json!({ field: value }));
        self.story.push(format!("{side} {id} {field} := {value}"));
        self.note(side, id, field, &value);
    }

    pub fn edit(&mut self) {
        let side = self.side();
        let Some(record) = self.any(side, "contacts") else { return };
        let id = record["id"].as_str().unwrap().to_owned();
        for _ in 0..=self.rng.u8(..2) {
            let field = FIELDS[self.rng.usize(..FIELDS.len())];
            let value = self.value(field);
            self.type_in(side, &id, field, value);
        }
    }

    /// Does what the feed tells nothing of: only `customer` may change so.
    fn silently(&mut self) {
        let side = self.side();
        let Some(record) = self.any(side, "contacts") else { return };
        let id = record["id"].as_str().unwrap().to_owned();
        let to = record["customer"] != true;
        self.system(side).edit_silently("contacts", &id, json!({ "customer": to }));
        self.story.push(format!("{side} {id} customer := {to}, silently"));
    }

    fn clear(&mut self) {
        let side = self.side();
        let Some(record) = self.any(side, "contacts") else { return };
        let id = record["id"].as_str().unwrap().to_owned();
        let field = FIELDS[1 + self.rng.usize(..FIELDS.len() - 1)];
        let value = if self.rng.bool() { Value::Null } else { json!("") };
        self.type_in(side, &id, field, value);
    }

    fn back_and_forth(&mut self) {
        let side = self.side();
        let Some(record) = self.any(side, "contacts") else { return };
        let id = record["id"].as_str().unwrap().to_owned();
        let field = FIELDS[1 + self.rng.usize(..FIELDS.len() - 1)];
        let (before, other) = (record[field].clone(), self.value(field));
        self.type_in(side, &id, field, other);
        if !before.is_null() {
            self.type_in(side, &id, field, before);
            // What is as it was when both agreed is no edit to anybody who did not watch.
            self.last.remove(&(side, id, field));
        }
    }

    /// Touches a record without changing anything that is kept the same; in a listing by time it moves to the end.
    pub fn unmapped(&mut self) {
        let side = self.side();
        let Some(record) = self.any(side, "contacts") else { return };
        let id = record["id"].as_str().unwrap();
        self.next += 1;
        self.system(side).edit("contacts", id, json!({ "note": format!("note {}", self.next) }));
        self.story.push(format!("{side} touches {id}"));
    }

    fn archive(&mut self) {
        let side = self.side();
        let Some(record) = self.any(side, "contacts") else { return };
        let id = record["id"].as_str().unwrap().to_owned();
        let to = record["archived"] != true;
        self.system(side).edit("contacts", &id, json!({ "archived": to }));
        self.archived.insert((side, id.clone()));
        self.story.push(format!("{side} {id} archived := {to}"));
    }

    fn delete(&mut self) {
        let side = self.side();
        let Some(record) = self.any(side, "contacts") else { return };
        let id = record["id"].as_str().unwrap().to_owned();
        self.system(side).delete("contacts", &id);
        self.story.push(format!("{side} deletes {id}"));
        self.deleted.insert((side, id));
    }

    fn sale(&mut self) {
        self.next += 1;
        let n = self.next;
        let shop = self.systems[0].clone();
        if self.rng.u8(..3) == 0
            && let Some(sale) = self.any(Side::Source, "sales")
        {
            let id = sale["id"].as_str().unwrap();
            shop.edit("sales", id, json!({ "total": n }));
            self.story.push(format!("sale {id} total := {n}"));
        } else if let Some(contact) = self.any(Side::Source, "contacts") {
            let id =
                shop.insert("sales", json!({ "number": format!("S{n}"), "contact_id": contact["id"], "total": n }));
            self.story.push(format!("sale {id} of {}", contact["id"]));
        }
    }
}
