//! What must hold at the end of a history.

use std::collections::{BTreeMap, BTreeSet};

use reconciled::{
    config::{ConnectionName, Field, Pipeline},
    connector::WriteKind,
    engine::{Mode, RunRequest},
    record::{RecordId, Side},
    store::Space,
    sync::Link,
};
use serde_json::{Value, json};

use crate::{
    deletions, ledger,
    people::{FIELDS, People, is_gone, plain},
    play::History,
    support::World,
};

fn is_of(mapped: &Field, field: &str) -> bool {
    let path = format!("$.{field}");
    Side::BOTH.into_iter().all(|side| mapped.end(side).paths.iter().any(|p| p.as_str() == path))
}

impl History {
    /// What is wrong.
    pub async fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let engine = self.world.engine();
        let written = |world: &World| (world.shop.written().len(), world.books.written().len());
        let before = written(&self.world);
        let plan = self.report(self.world.request(Mode::Plan)).await;
        if !plan.is_empty_plan() {
            wrong.push(format!("the plan is not empty: {:#?}", plan.pipelines));
        }
        for full in [false, true] {
            let request = RunRequest { full, ..self.world.request(Mode::Sync) };
            let report = self.report(request).await;
            if written(&self.world) != before {
                wrong.push(format!("a quiet run (full: {full}) wrote: {:#?}", report.pipelines));
            }
        }
        let people = self.people.lock().unwrap();
        let real = |pipeline: &Pipeline, side: Side, id: &RecordId| {
            let all = people.system(side).all(&pipeline.end(side).resource.name);
            all.into_iter().find(|record| record["id"] == id.as_str())
        };
        wrong.extend(ledger::faults(&engine, real).await);
        let name = self.contacts();
        let links = ledger::links(&engine.ledger, &name).await;
        let intents = ledger::rows(&engine.ledger, Space::Intent).await;
        let parked = ledger::rows(&engine.ledger, Space::Parked).await;
        let is_parked = |side: Side, id: &str| {
            parked.iter().any(|row| row[0] == name.as_str() && row[1] == side.to_string()[..1] && row[2] == id)
        };
        for row in &intents {
            let connection = ConnectionName::parse(&row[0]).unwrap();
            for (number, intent) in engine.ledger.intents(&connection).await.unwrap() {
                let listed =
                    intent.items.iter().all(|item| item.done || is_parked(intent.side.other(), item.origin.as_str()));
                if number == row[1] && !listed {
                    let items: Vec<_> = intent.items.iter().map(|item| (&item.origin, item.done)).collect();
                    wrong.push(format!("an intent is open, first sent {}: {items:?}", intent.first_sent));
                }
            }
        }
        let fields: Vec<&str> = FIELDS
            .into_iter()
            .filter(|field| {
                let (_, pipeline) = self.world.config.pipeline(&name).unwrap();
                pipeline.fields.iter().any(|mapped| is_of(mapped, field))
            })
            .collect();
        assert!(fields.len() >= 3, "fields are recognised by their names: {fields:?}");
        self.no_duplicates(&people, &mut wrong);
        let mut released = Vec::new();
        for side in Side::BOTH {
            let fresh = engine.ledger.list_fresh(&name, side, None).await.unwrap().0;
            released.extend(fresh.into_iter().filter(|f| f.released).map(|f| (side, f.observation.id.to_string())));
        }
        let is_listed = |side: Side, id: &str| is_parked(side, id) || released.contains(&(side, id.to_owned()));
        self.nothing_missing(&people, &links, &is_listed, &mut wrong);
        self.agreement(&people, &links, &fields, &mut wrong);
        let (_, pipeline) = self.world.config.pipeline(&name).unwrap();
        deletions::faults(&people, pipeline, &links, &mut wrong);
        if self.config == "sales" {
            let sold = self.world.shop.written().iter().any(|(_, id, values)| {
                values.get("total").is_some()
                    || !self.world.shop.all("contacts").iter().any(|c| c["id"] == id.as_str())
                        && !people.deleted.contains(&(Side::Source, id.clone()))
            });
            if sold {
                wrong.push("a sale was written on the shop".to_owned());
            }
            self.sales(&people, &links, &mut wrong).await;
        }
        wrong
    }

    /// Every record that we made comes of one record of the other side, and of no record do two come.
    fn no_duplicates(&self, people: &People, wrong: &mut Vec<String>) {
        let mut made: BTreeMap<(Side, String), Vec<(Side, String)>> = BTreeMap::new();
        let mut again: BTreeMap<(Side, String), usize> = BTreeMap::new();
        let mut typed_over: BTreeSet<(Side, String)> = BTreeSet::new();
        let mut named: BTreeMap<(Side, String), (Side, String)> = BTreeMap::new();
        for side in Side::BOTH {
            for (kind, id, values) in people.system(side).written() {
                if kind == WriteKind::Create && people.typed_over(side, &id, &values) {
                    typed_over.insert((side, id.clone()));
                }
                let Some(name) = values["name"].as_str().filter(|_| kind == WriteKind::Create) else { continue };
                match people.owners.get(&plain(&json!(name))) {
                    Some(owner) => {
                        made.entry(owner.clone()).or_default().push((side, id));
                        let rekeyed = people.rekeyed.get(&plain(&json!(name))).copied().unwrap_or_default();
                        *again.entry(owner.clone()).or_default() += rekeyed;
                    }
                    None => wrong.push(format!("{id} was made with a name that nobody typed: {values}")),
                }
            }
        }
        for side in Side::BOTH {
            for record in people.system(side).all("contacts") {
                if let (Some(id), Some(owner)) = (record["id"].as_str(), people.owners.get(&plain(&record["name"]))) {
                    named.insert((side, id.to_owned()), owner.clone());
                }
            }
        }
        for (owner, made) in made {
            // A record that a person deleted or archived, or in which a person typed over everything we sent, before we
            // knew of it cannot be found again.
            let hidden = made.iter().any(|(side, id)| {
                people.deleted.contains(&(*side, id.clone()))
                    || people.archived.contains(&(*side, id.clone()))
                    || people.merged.contains(&(*side, id.clone()))
                    || typed_over.contains(&(*side, id.clone()))
            });
            // Who comes out of the archive when another one has its place is new.
            let hidden =
                hidden || people.archived.iter().any(|(side, id)| named.get(&(*side, id.clone())) == Some(&owner));
            if !hidden && again[&owner] == 0 && (made.len() > 1 || made[0].0 == owner.0) {
                wrong.push(format!("of {owner:?} came {made:?}"));
            }
        }
    }

    /// Whether a record may enter.
    fn eligible(&self, side: Side, record: &Value) -> bool {
        if is_gone(record) {
            return false;
        }
        match (&*self.config, side) {
            ("release", Side::Source) => record["customer"] == true,
            ("sales", Side::Target) => record["customer"] == true,
            ("sales", Side::Source) => {
                self.world.shop.all("sales").iter().any(|sale| sale["contact_id"] == record["id"])
            }
            _ => true,
        }
    }

    fn nothing_missing(
        &self,
        people: &People,
        links: &[Link],
        is_parked: &impl Fn(Side, &str) -> bool,
        wrong: &mut Vec<String>,
    ) {
        for side in Side::BOTH {
            for record in people.system(side).all("contacts") {
                let id = record["id"].as_str().unwrap();
                let linked = links.iter().any(|link| link.id(side).as_str() == id);
                if !linked && self.eligible(side, &record) && !is_parked(side, id) {
                    wrong.push(format!("{id} on the {side} is neither linked nor listed: {record}"));
                }
            }
        }
    }

    fn agreement(&self, people: &People, links: &[Link], fields: &[&str], wrong: &mut Vec<String>) {
        let (_, pipeline) = self.world.config.pipeline(&self.contacts()).unwrap();
        let blank = |value: &Value| value.is_null() || value == "";
        let record = |side: Side, id: &RecordId| {
            people.system(side).all("contacts").into_iter().find(|record| record["id"] == id.as_str())
        };
        for link in links {
            let both = [record(Side::Source, &link.source), record(Side::Target, &link.target)];
            for (side, found) in Side::BOTH.into_iter().zip(&both) {
                let really = found.as_ref().is_none_or(is_gone);
                if really != link.mark(side).gone {
                    wrong.push(format!("{} on the {side}: gone {really}, marked {:?}", link.id(side), link.mark(side)));
                }
            }
            let frozen = link.marks.iter().any(|mark| mark.gone);
            for field in fields {
                let mapped = pipeline.fields.iter().find(|mapped| is_of(mapped, field));
                let state = mapped.and_then(|mapped| link.fields.get(&mapped.id));
                let [Some(source), Some(target)] = &both else { continue };
                let values = [&source[field], &target[field]];
                if let Some((side, masked)) = &self.masked
                    && masked == field
                {
                    // Behind a mask nobody can look; it is never taken for a value.
                    if values[side.other().index()] == "***" {
                        wrong.push(format!("{field} of {}: the mask was written", link.id(side.other())));
                    }
                    continue;
                }
                let same = plain(values[0]) == plain(values[1]);
                let known =
                    |side: Side| state.and_then(|state| state.present(side)).and_then(|cell| cell.value()).cloned();
                for side in Side::BOTH {
                    // What is remembered as present is what is there.
                    let (there, remembered) = (values[side.index()], known(side).unwrap_or(Value::Null));
                    if !frozen && *there != remembered && !(blank(there) && blank(&remembered)) {
                        wrong.push(format!("{field} of {}: {there} is there, {remembered} remembered", link.id(side)));
                    }
                }
                let parked = state.is_some_and(|state| state.parked.is_some());
                let pending = state.is_some_and(|s| s.pending_source.is_some() || s.pending_target.is_some());
                let cleared = values.iter().any(|value| blank(value)) && pending;
                if !same && !parked && !cleared && !frozen {
                    wrong.push(format!(
                        "{field} of {}/{}: {values:?} differ unlisted: {state:?}",
                        link.source, link.target
                    ));
                }
                for side in Side::BOTH {
                    let place =
                        (side, link.id(side).to_string(), FIELDS[FIELDS.iter().position(|f| f == field).unwrap()]);
                    let Some((typed, when)) = people.last.get(&place) else { continue };
                    let (own, other) = (values[side.index()], values[side.other().index()]);
                    // A blank may be filled by a value that was there before, at the first contact.
                    if plain(own) == plain(typed) || blank(typed) {
                        continue;
                    }
                    // Overwritten: only by what somebody typed on the other side, later.
                    let there = link.id(side.other()).to_string();
                    let later = people.typed_in(side.other(), place.2, own).into_iter().any(|(id, then)| {
                        // Or in a record whose place it took since (`docs/decisions/succession.md`).
                        let before = (side.other(), id.clone());
                        then > *when && (id == there || people.is_no_longer(&before))
                    });
                    // Who takes a key that the other one gave up while a run was under way is taken for it: the value is what both
                    // had before (`docs/reliability.md`).
                    let given_up = people.typed_in(side.other(), place.2, typed).into_iter().any(|(id, _)| id == there);
                    if !later && !given_up {
                        wrong.push(format!(
                            "{field} of {} on the {side}: {typed} was typed, {own} is there and {other} on the other side",
                            place.1
                        ));
                    }
                }
            }
        }
    }

    /// Every sale of a linked contact is there once.
    async fn sales(&self, people: &People, links: &[Link], wrong: &mut Vec<String>) {
        let there = self.world.books.all("sales");
        for sale in self.world.shop.all("sales") {
            let found: Vec<_> = there.iter().filter(|other| other["number"] == sale["number"]).collect();
            let contact = links.iter().find(|link| sale["contact_id"] == link.source.as_str());
            match (found.as_slice(), contact) {
                ([one], Some(link)) => {
                    // What refers to a record that got another id since keeps referring to the one that is gone.
                    let refers = one["contact_id"].as_str().unwrap_or_default();
                    let moved_on = people.is_no_longer(&(Side::Target, refers.to_owned()));
                    if one["total"] != sale["total"] || (refers != link.target.as_str() && !moved_on) {
                        wrong.push(format!("sale {sale} is {one} with {}", link.target));
                    }
                }
                ([], None) | ([_], None) => {}
                (found, _) => wrong.push(format!("sale {sale} is there {} times: {found:?}", found.len())),
            }
        }
    }
}
