//! The people of a history: they type values of which every one is its own, and everything they typed is remembered.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use reconciled::record::Side;
use serde_json::{Value, json};

use crate::{
    scenario::{Deed, Pick, System},
    support::Fake,
};

/// Members that both systems share.
pub const FIELDS: [&str; 5] = ["name", "email", "phone", "city", "code"];

/// A member of a record of a side.
type Place = (Side, String, &'static str);

/// Two systems and whoever types in them.
pub struct People {
    pub systems: [Arc<Fake>; 2],
    next: u64,
    /// What a person typed last at a place, and when.
    pub last: BTreeMap<Place, (Value, u64)>,
    /// When a value was typed at a place, the last time.
    pub typed: BTreeMap<(Place, String), u64>,
    /// Which record a name was typed at: names are never typed twice.
    pub owners: BTreeMap<String, (Side, String)>,
    /// How often the record of a name came back under another id.
    pub rekeyed: BTreeMap<String, usize>,
    /// Records that a person deleted.
    pub deleted: BTreeSet<(Side, String)>,
    /// Records that a person archived at some time.
    pub archived: BTreeSet<(Side, String)>,
    /// Records that a person merged into another.
    pub merged: BTreeSet<(Side, String)>,
}

/// A value as a system may write it: it is not told apart from the same with blanks around it or in capitals.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().to_lowercase(),
        other => other.to_string(),
    }
}

/// Whether a system no longer has the record, or says that it is archived or merged.
pub fn is_gone(record: &Value) -> bool {
    record["archived"] == true || record["merged_into"].is_string()
}

fn id_of(record: &Value) -> String {
    record["id"].as_str().unwrap().to_owned()
}

fn place(side: Side, id: &str, field: &str) -> Place {
    let field = FIELDS.into_iter().find(|known| *known == field).unwrap_or_else(|| panic!("no field is named {field}"));
    (side, id.to_owned(), field)
}

impl People {
    pub fn new(shop: Arc<Fake>, books: Arc<Fake>) -> Self {
        Self {
            systems: [shop, books],
            next: 0,
            last: BTreeMap::new(),
            typed: BTreeMap::new(),
            owners: BTreeMap::new(),
            rekeyed: BTreeMap::new(),
            deleted: BTreeSet::new(),
            archived: BTreeSet::new(),
            merged: BTreeSet::new(),
        }
    }

    pub fn system(&self, side: Side) -> &Fake {
        &self.systems[side.index()]
    }

    fn note(&mut self, side: Side, id: &str, field: &str, value: &Value) {
        self.next += 1;
        let place = place(side, id, field);
        self.typed.insert((place.clone(), plain(value)), self.next);
        self.last.insert(place, (value.clone(), self.next));
        if field == "name" && !value.is_null() {
            self.owners.entry(plain(value)).or_insert((side, id.to_owned()));
        }
    }

    /// Whether people typed something else over everything that a create sent.
    pub fn typed_over(&self, side: Side, id: &str, sent: &Value) -> bool {
        let told = sent.as_object().into_iter().flatten().filter(|(_, value)| !plain(value).is_empty());
        let typed =
            |field: &str| self.typed.keys().any(|((at, of, name), _)| (*at, of.as_str(), *name) == (side, id, field));
        // What the system ignores or has lost tells nothing.
        let body = self.system(side).all("contacts").into_iter().find(|record| record["id"] == id).unwrap_or_default();
        told.into_iter().all(|(field, _)| typed(field) || plain(&body[field]).is_empty())
    }

    /// The records of a side in which a value was typed, with the time.
    pub fn typed_in(&self, side: Side, field: &str, value: &Value) -> Vec<(String, u64)> {
        let text = plain(value);
        let typed =
            self.typed.iter().filter(|(((at, _, name), typed), _)| (*at, *name) == (side, field) && *typed == text);
        typed.map(|(((_, id, _), _), when)| (id.clone(), *when)).collect()
    }

    /// Whether a person deleted, archived or merged it.
    pub fn is_no_longer(&self, record: &(Side, String)) -> bool {
        [&self.deleted, &self.archived, &self.merged].iter().any(|gone| gone.contains(record))
    }

    fn find(&self, on: System, resource: &str, pick: &Pick) -> Option<Value> {
        let mut all = self.system(on.side()).all(resource);
        match pick {
            Pick::Nth(_) if all.is_empty() => None,
            Pick::Nth(nth) => Some(all.swap_remove(nth % all.len())),
            Pick::Id(id) => all.into_iter().find(|record| record["id"] == id.as_str()),
        }
    }

    /// A record that is there, as it is, and how it is called from now on.
    fn contact(&self, on: System, pick: &Pick) -> Option<(Value, String, Pick)> {
        let record = self.find(on, "contacts", pick)?;
        let id = id_of(&record);
        Some((record, id.clone(), Pick::Id(id)))
    }

    /// Makes a record.
    pub fn create(&mut self, on: System, values: &Value) -> String {
        let side = on.side();
        let id = self.system(side).insert("contacts", values.clone());
        for field in FIELDS {
            if !values[field].is_null() {
                self.note(side, &id, field, &values[field].clone());
            }
        }
        id
    }

    fn type_in(&mut self, on: System, id: &str, field: &str, value: &Value) {
        let side = on.side();
        if self.system(side).get_body("contacts", id)[field] != *value {
            let held_before = self.has_held(side, id, field, value);
            self.system(side).edit("contacts", id, json!({ field: value }));
            self.note(side, id, field, value);
            if held_before {
                // What is as it was when both agreed is no edit to anybody who did not watch (a base is all that is
                // compared with): the other side's edit counts.
                self.last.remove(&place(side, id, field));
            }
        }
    }

    /// Whether a place held this value at some time: typed there, or written by us.
    fn has_held(&self, side: Side, id: &str, field: &str, value: &Value) -> bool {
        let wrote = |values: &Value| values.get(field).is_some_and(|written| plain(written) == plain(value));
        self.typed.contains_key(&(place(side, id, field), plain(value)))
            || self.system(side).written().iter().any(|(_, written, values)| written == id && wrote(values))
    }

    /// What was typed in a record was typed in the one that it is from now on, at the same time: a new id is nobody's
    /// edit. What was overwritten there before is not.
    fn carry(&mut self, (side, old, new): (Side, &str, &str), body: &Value) {
        let moved = |(at, id, field): &Place| (*at == side && id == old).then(|| (side, new.to_owned(), *field));
        let held = self.last.iter().filter(|((_, _, field), (typed, _))| plain(&body[*field]) == plain(typed));
        let last: Vec<_> = held.filter_map(|(at, typed)| Some((moved(at)?, typed.clone()))).collect();
        self.last.extend(last);
        let typed: Vec<_> =
            self.typed.iter().filter_map(|((at, text), when)| Some(((moved(at)?, text.clone()), *when))).collect();
        self.typed.extend(typed);
    }

    /// Does it, and tells it with the ids of the records. `None` where there is no record to do it to.
    pub fn act(&mut self, deed: &Deed) -> Option<Deed> {
        match deed {
            Deed::Create { on, values } => {
                self.create(*on, values);
                Some(deed.clone())
            }
            Deed::Edit { on, record, field, value } => {
                let (_, id, record) = self.contact(*on, record)?;
                self.type_in(*on, &id, field, value);
                Some(Deed::Edit { on: *on, record, field: field.clone(), value: value.clone() })
            }
            Deed::BackAndForth { on, record, field, value } => {
                let (before, id, record) = self.contact(*on, record)?;
                self.type_in(*on, &id, field, value);
                if !before[field].is_null() {
                    self.type_in(*on, &id, field, &before[field]);
                    // As above, also where it stood there from the beginning.
                    self.last.remove(&place(on.side(), &id, field));
                }
                Some(Deed::BackAndForth { on: *on, record, field: field.clone(), value: value.clone() })
            }
            Deed::Touch { on, record, note } => {
                let (_, id, record) = self.contact(*on, record)?;
                self.system(on.side()).edit("contacts", &id, json!({ "note": note }));
                Some(Deed::Touch { on: *on, record, note: note.clone() })
            }
            Deed::Silently { on, record } => {
                let (body, id, record) = self.contact(*on, record)?;
                let to = body["customer"] != true;
                self.system(on.side()).edit_silently("contacts", &id, json!({ "customer": to }));
                Some(Deed::Silently { on: *on, record })
            }
            Deed::Archive { on, record } => {
                let (body, id, record) = self.contact(*on, record)?;
                self.system(on.side()).edit("contacts", &id, json!({ "archived": body["archived"] != true }));
                self.archived.insert((on.side(), id));
                Some(Deed::Archive { on: *on, record })
            }
            Deed::Delete { on, record } => {
                let (_, id, record) = self.contact(*on, record)?;
                self.system(on.side()).delete("contacts", &id);
                self.deleted.insert((on.side(), id));
                Some(Deed::Delete { on: *on, record })
            }
            Deed::Rekey { on, record } => {
                let (body, id, record) = self.contact(*on, record)?;
                self.system(on.side()).delete("contacts", &id);
                self.deleted.insert((on.side(), id.clone()));
                let new = self.system(on.side()).insert("contacts", body.clone());
                self.carry((on.side(), &id, &new), &body);
                *self.rekeyed.entry(plain(&body["name"])).or_default() += 1;
                Some(Deed::Rekey { on: *on, record })
            }
            Deed::Merge { on, record, into } => {
                let (body, id, record) = self.contact(*on, record)?;
                let (survivor, survivor_id, into) = self.contact(*on, into)?;
                if id == survivor_id || is_gone(&body) || is_gone(&survivor) {
                    return None;
                }
                self.system(on.side()).edit("contacts", &id, json!({ "merged_into": survivor_id }));
                self.merged.insert((on.side(), id));
                Some(Deed::Merge { on: *on, record, into })
            }
            Deed::Sale { number, contact, total } => {
                let (_, id, contact) = self.contact(System::Shop, contact)?;
                let sale = json!({ "number": number, "contact_id": id, "total": total });
                self.systems[0].insert("sales", sale);
                Some(Deed::Sale { number: number.clone(), contact, total: *total })
            }
            Deed::SaleTotal { sale, total } => {
                let id = id_of(&self.find(System::Shop, "sales", sale)?);
                self.systems[0].edit("sales", &id, json!({ "total": total }));
                Some(Deed::SaleTotal { sale: Pick::Id(id), total: *total })
            }
        }
    }
}
