//! Two collections, the people who edit them, and a loop that keeps them the same: a small engine without effects,
//! which asserts at every step what must always hold.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use serde_json::{Value, json};

use super::{build::*, remote::Remote};
use crate::{
    config::{Blanks, Field, OnLeave, Pipeline},
    mapping,
    record::{Cell, Side, Slot},
    sync::{
        Born, Candidate, Change, Context, Decision, Finding, Fresh, FreshDecision, Link, Observation, RecordWrite,
        Settled, TierHits, Why, body, decide_link, decide_new, keep_undeleted, link_matched, observe, park_refused,
        settle_create, settle_delete, settle_update,
        view::{blank, has_end, observed, same, writable},
    },
};

/// A value that a person typed, and that nobody has overwritten since.
type TypedAt = (Side, String, usize);

pub struct World {
    pub pipeline: Pipeline,
    pub links_elsewhere: Links,
    pub remotes: [Remote; 2],
    pub links: Vec<Link>,
    pub typed: BTreeMap<TypedAt, Cell>,
    pub rng: Rng,
    /// How many more times somebody edits a record while our write is being answered.
    pub mischief: u32,
    /// Values typed into a target's list of phones, in elements that are not mapped.
    pub foreign: Vec<(String, Value)>,
    /// How many records were deleted because their counterpart was.
    pub deleted: u32,
    refused: BTreeSet<(Side, String, u64)>,
    clock: i64,
}

impl World {
    pub fn new(pipeline: Pipeline, remotes: [Remote; 2], rng: Rng) -> Self {
        Self {
            pipeline,
            links_elsewhere: Links::default(),
            remotes,
            links: Vec::new(),
            typed: BTreeMap::new(),
            rng,
            mischief: 0,
            foreign: Vec::new(),
            deleted: 0,
            refused: BTreeSet::new(),
            clock: 0,
        }
    }

    /// A person types a value into a field of a record.
    pub fn type_value(&mut self, side: Side, id: &str, position: usize, value: &Value) {
        let field = &self.pipeline.fields[position];
        if !has_end(field, side) {
            return;
        }
        let record = self.remotes[side.index()].records.get_mut(id).unwrap();
        let path = &field.end(side).paths[0];
        if path.write(record, &Cell::Value(value.clone())).is_ok() {
            self.typed.insert((side, id.to_owned(), position), path.read(record));
        }
    }

    /// A person adds a phone of a type that is not mapped, on the target.
    pub fn type_phone(&mut self, id: &str) {
        let phone = json!({ "T": "F", "N": format!("foreign {}", self.foreign.len()) });
        let record = self.remotes[1].records.get_mut(id).unwrap();
        if let Value::Array(phones) = record.as_object_mut().unwrap().entry("Phones").or_insert(json!([])) {
            phones.push(phone.clone());
            self.foreign.push((id.to_owned(), phone));
        }
    }

    fn read(&mut self, side: Side, id: &str) -> Observation {
        let remote = &self.remotes[side.index()];
        let mut seen = reading(&self.pipeline, side, id, &remote.shown(id));
        seen.gone = remote.gone.contains(id);
        self.clock += 1;
        seen.edited_at = Some(at(self.clock / 60 - 1000));
        seen
    }

    /// Lays a reading of both sides beside every link.
    pub fn pull(&mut self) {
        for position in 0..self.links.len() {
            for side in Side::BOTH {
                let id = self.links[position].id(side).as_str().to_owned();
                let seen = self.read(side, &id);
                let before = self.links[position].clone();
                let change = observe(&self.pipeline, &mut self.links[position], side, &seen, false);
                assert_eq!(change == Change::Nothing, before == self.links[position]);
                let again = observe(&self.pipeline, &mut self.links[position], side, &seen, false);
                assert_eq!(again, Change::Nothing, "the same reading twice");
            }
        }
    }

    /// One round. Says whether anything was done.
    pub fn round(&mut self) -> bool {
        self.pull();
        let mut busy = false;
        for position in 0..self.links.len() {
            busy |= self.settle_link(position);
        }
        for side in Side::BOTH {
            let ids: Vec<_> = self.remotes[side.index()].records.keys().cloned().collect();
            for id in ids {
                busy |= self.enter(side, &id);
            }
        }
        busy
    }

    fn settle_link(&mut self, position: usize) -> bool {
        let link = self.links[position].clone();
        let decision = self.decide(&link);
        let moved = decision.link.is_some();
        let mut link = decision.link.unwrap_or(link);
        for write in &decision.writes {
            if write.delete {
                link = self.delete(write, &link);
                continue;
            }
            let sent = body(&self.pipeline, write, Some(link.mark(write.side))).unwrap();
            link = match self.send(write, link.id(write.side).as_str(), &sent) {
                Err(message) => park_refused(&link, write, &message, self.pipeline.hash),
                Ok(answer) => self.settled(|context| settle_update(context, &link, write, answer.as_ref())),
            };
        }
        self.check_bases(&link);
        self.links[position] = link;
        moved || !decision.writes.is_empty()
    }

    pub fn decide(&self, link: &Link) -> Decision {
        let context = context(&self.pipeline, &self.links_elsewhere);
        let decision = decide_link(&context, link);
        assert_eq!(decision, decide_link(&context, link), "deterministic");
        if let Some(moved) = &decision.link {
            assert_eq!(moved.revision, link.revision + 1);
            assert_eq!(decide_link(&context, moved).writes, decision.writes, "idempotent");
            assert_eq!(decide_link(&context, moved).link, None, "idempotent");
            self.check_bases(moved);
        }
        for write in &decision.writes {
            self.check_write(write);
        }
        decision
    }

    /// The remote deletes a record, or refuses to. Only what both sides agreed on may be lost, and the write names it.
    fn delete(&mut self, write: &RecordWrite, link: &Link) -> Link {
        let side = write.side;
        let id = link.id(side).as_str().to_owned();
        assert!(link.mark(side.other()).gone && !link.mark(side).gone, "only a survivor is deleted");
        assert_eq!(link.deleted, None, "nothing is deleted twice");
        if self.rng.u8(..6) == 0 {
            return keep_undeleted(link, side, "it has payments", self.pipeline.hash);
        }
        for position in 0..self.pipeline.fields.len() {
            let Some(typed) = self.typed.remove(&(side, id.clone(), position)) else { continue };
            let field = &self.pipeline.fields[position];
            let state = &link.fields[&field.id];
            let agreed = state.base.as_ref().map_or_else(|| Cell::Absent, |base| base[side.index()].clone());
            let held = field.end(side).masked || same(field, &[], side, &typed, &agreed);
            let alike = state.base.is_none() && self.lost_is_there_too(link, field, side, &typed);
            assert!(held || alike || blank(field, side, &typed), "{}: {typed:?} was typed and is deleted", field.name);
            let named = write.fields.iter().any(|lost| lost.field == field.id);
            assert!(named || blank(field, side, &typed), "{}: what is lost is not named", field.name);
        }
        self.remotes[side.index()].gone.insert(id);
        self.deleted += 1;
        settle_delete(link, side)
    }

    /// A value without history that the other record held as well.
    fn lost_is_there_too(&self, link: &Link, field: &Field, side: Side, typed: &Cell) -> bool {
        let other = link.fields[&field.id].present(side.other()).cloned().unwrap_or_default();
        let crossed = mapping::translate(field, side.other(), &other, &self.links_elsewhere);
        let back = mapping::translate(field, side, typed, &self.links_elsewhere);
        crossed.is_ok_and(|value| same(field, &[], side, &value, typed))
            || back.is_ok_and(|value| same(field, &[], side.other(), &value, &other))
    }

    fn settled(&self, settle: impl FnOnce(&Context<'_>) -> Settled) -> Link {
        settle(&context(&self.pipeline, &self.links_elsewhere)).link
    }

    fn field(&self, write: &crate::sync::FieldWrite) -> (usize, &Field) {
        self.pipeline.fields.iter().enumerate().find(|(_, field)| field.id == write.field).unwrap()
    }

    /// Never against the direction, never a blank where blanks are kept.
    fn check_write(&self, write: &RecordWrite) {
        if write.delete {
            assert!(self.pipeline.deletes.on(write.side), "deletions are not carried to the {}", write.side);
            assert!(self.pipeline.flow.writes(write.side), "a deletion against the direction");
            return;
        }
        assert!(!write.fields.is_empty());
        for sent in &write.fields {
            let (_, field) = self.field(sent);
            let flows = self.pipeline.flow.writes(write.side) && field.flow.writes(write.side);
            assert!(flows && !field.end(write.side).read_only, "{} against its direction", field.name);
            assert!(!field.end(write.side.other()).masked, "{}: a mask is sent", field.name);
            let allowed = field.blanks == Blanks::Propagate || matches!(sent.why, Why::Resolved(_));
            assert!(allowed || !sent.value.is_blank(), "{}: a blank is sent: {sent:?}", field.name);
        }
    }

    /// A base is a pair of values that are the same, one brought across.
    fn check_bases(&self, link: &Link) {
        for field in &self.pipeline.fields {
            let Some(state) = link.fields.get(&field.id).filter(|state| state.definition == field.definition) else {
                continue;
            };
            let Some(base) = state.base.as_ref().filter(|_| !state.uneven) else { continue };
            let agreed = Side::BOTH.into_iter().any(|from| {
                mapping::translate(field, from, &base[from.index()], &self.links_elsewhere)
                    .is_ok_and(|value| same(field, &[], from.other(), &value, &base[from.other().index()]))
            });
            assert!(agreed, "{}: the base is no agreement: {base:?}", field.name);
        }
    }

    /// The remote takes the write (or refuses it), and answers.
    fn send(&mut self, write: &RecordWrite, id: &str, sent: &Value) -> Result<Option<Observation>, String> {
        let remote = &mut self.remotes[write.side.index()];
        if remote.refuses.as_ref().is_some_and(|text| sent.to_string().contains(text)) {
            return Err("not valid".to_owned());
        }
        remote.take(id, sent);
        self.account(write, id);
        if self.mischief > 0 && self.rng.u8(..4) == 0 {
            self.mischief -= 1;
            let position = self.rng.usize(..self.pipeline.fields.len());
            let value = json!(format!("while {}", self.mischief));
            self.type_value(write.side, id, position, &value);
        }
        let answer = self.read(write.side, id);
        Ok(self.remotes[write.side.index()].answers.then_some(answer))
    }

    /// A typed value that is overwritten must be the before-image of the write.
    fn account(&mut self, write: &RecordWrite, id: &str) {
        for sent in &write.fields {
            let (position, field) = self.field(sent);
            let key = (write.side, id.to_owned(), position);
            let end = field.end(write.side);
            let now = end.paths[0].read(&self.remotes[write.side.index()].records[id]);
            let Some(typed) = self.typed.get(&key) else { continue };
            if now == *typed {
                continue;
            }
            assert!(
                end.masked || same(field, &[], write.side, typed, &sent.before),
                "{}: {typed:?} was typed on the {} and is lost: {sent:?}",
                field.name,
                write.side
            );
            self.typed.remove(&key);
        }
    }

    /// A record without a link.
    fn enter(&mut self, side: Side, id: &str) -> bool {
        let linked = |link: &Link| link.id(side).as_str() == id;
        if self.links.iter().any(linked) {
            return false;
        }
        let observation = self.read(side, id);
        let hash = observation.projection.hash();
        if self.refused.contains(&(side, id.to_owned(), hash)) {
            return false;
        }
        let fresh = Fresh { admitted: true, ..Fresh::new(observation, 1) };
        let hits = self.hits(side, id);
        let context = context(&self.pipeline, &self.links_elsewhere);
        let decision = decide_new(&context, side, &fresh, &hits);
        assert_eq!(decision, decide_new(&context, side, &fresh, &hits), "deterministic");
        match decision {
            FreshDecision::Leave { finding, .. } => {
                assert!(!finding.message.is_empty());
                false
            }
            FreshDecision::Link { with } => {
                let other = self.read(side.other(), with.as_str());
                let pair = if side == Side::Source { [fresh.observation, other] } else { [other, fresh.observation] };
                let context = self::context(&self.pipeline, &self.links_elsewhere);
                let link = link_matched(&context, &pair[0], &pair[1], Born::Matched);
                self.remember(link);
                true
            }
            FreshDecision::Succeed { .. } => panic!("no candidate of this world is linked with what is gone"),
            FreshDecision::Create(write) => self.create(&fresh, &write, &hits),
        }
    }

    fn create(&mut self, fresh: &Fresh, write: &RecordWrite, hits: &[TierHits]) -> bool {
        self.check_write(write);
        let proposes = |hit: &TierHits| self.pipeline.tiers[hit.tier].then == crate::config::Then::Propose;
        let matched = hits.iter().any(|hit| hit.candidates.iter().any(|c| !proposes(hit) || c.linked_with.is_none()));
        assert!(!matched, "created although something matches");
        let sent = body(&self.pipeline, write, None).unwrap();
        let remote = &mut self.remotes[write.side.index()];
        remote.created += 1;
        let id = format!("new{}", remote.created);
        match self.send(write, &id, &sent) {
            Err(_) => {
                let origin = &fresh.observation;
                let id = origin.id.as_str().to_owned();
                self.refused.insert((write.side.other(), id, origin.projection.hash()))
            }
            Ok(answer) => {
                let id = id.as_str().into();
                let link =
                    self.settled(|context| settle_create(context, &fresh.observation, write, &id, answer.as_ref()));
                self.remember(link);
                true
            }
        }
    }

    fn remember(&mut self, link: Link) {
        for side in Side::BOTH {
            assert!(
                self.links.iter().all(|known| known.id(side) != link.id(side)),
                "{} is linked twice",
                link.id(side)
            );
        }
        self.check_bases(&link);
        self.links.push(link);
    }

    fn hits(&self, side: Side, id: &str) -> Vec<TierHits> {
        let key = |side: Side, id: &str, tier: usize| {
            let key = &self.pipeline.tiers[tier].keys[0];
            let Slot::Value(path) = &self.pipeline.end(side).spec.slots[key.slots[side.index()]] else {
                unreachable!()
            };
            key.canons[side.index()].key(&path.read(&self.remotes[side.index()].records[id]))
        };
        let found = |side: Side, wanted: &str, tier: usize, except: &str| -> Vec<Candidate> {
            let records = self.remotes[side.index()].records.keys();
            let with_key = records.filter(|id| *id != except && key(side, id, tier).as_deref() == Some(wanted));
            with_key.map(|id| self.candidate(side, id)).collect()
        };
        let tiers = 0..self.pipeline.tiers.len();
        tiers
            .filter_map(|tier| {
                let wanted = key(side, id, tier)?;
                let candidates = found(side.other(), &wanted, tier, "");
                Some(TierHits { tier, candidates, rivals: found(side, &wanted, tier, id) })
            })
            .collect()
    }

    fn candidate(&self, side: Side, id: &str) -> Candidate {
        let projection = self.pipeline.end(side).spec.read(&self.remotes[side.index()].shown(id));
        let verdict = mapping::admit(&self.pipeline.end(side).filter, &id.into(), &projection, &self.links_elsewhere);
        let link = self.links.iter().find(|link| link.id(side).as_str() == id);
        Candidate {
            id: id.into(),
            label: id.to_owned(),
            linked_with: link.map(|link| link.id(side.other()).clone()),
            admitted: verdict == mapping::Verdict::Admitted,
            kept_apart: false,
            gone: None,
        }
    }

    /// What must hold when nothing is left to do.
    pub fn check_quiet(&mut self) {
        for link in self.links.clone() {
            let decision = self.decide(&link);
            assert!(decision.writes.is_empty() && decision.link.is_none(), "quiet means quiet");
            if let Some(gone) = Side::BOTH.into_iter().find(|side| link.mark(*side).gone) {
                let left = gone.other();
                let carried = self.pipeline.deletes.on(left) && self.pipeline.flow.writes(left);
                let listed = link.mark(left).gone || !decision.findings.is_empty() || decision.unread;
                assert!(!carried || listed, "a deletion is not carried over, and nothing says why: {link:?}");
                continue;
            }
            for position in 0..self.pipeline.fields.len() {
                self.check_quiet_field(&link, position, &decision.findings);
            }
        }
        for (id, phone) in &self.foreign {
            let phones = &self.remotes[1].records[id]["Phones"];
            let kept = phones.as_array().is_some_and(|phones| phones.contains(phone));
            assert!(kept, "{phone} of {id} is lost: {phones}");
        }
        for ((side, id, position), typed) in &self.typed {
            let field = &self.pipeline.fields[*position];
            let now = field.end(*side).paths[0].read(&self.remotes[side.index()].records[id]);
            assert_eq!(now, *typed, "{}: typed on the {side} and lost", field.name);
        }
    }

    /// Each side is at its base, or what differs is remembered; and listed, where the field may flow both ways.
    fn check_quiet_field(&self, link: &Link, position: usize, findings: &[Finding]) {
        let field = &self.pipeline.fields[position];
        let state = &link.fields[&field.id];
        for side in Side::BOTH.into_iter().filter(|side| has_end(field, *side)) {
            let shown = self.remotes[side.index()].shown(link.id(side).as_str());
            let now = observed(field, side, &self.pipeline.end(side).spec.read(&shown));
            let known = state.present(side).expect("both sides were read");
            assert!(
                field.end(side).masked || same(field, &[], side, known, &now),
                "{}: {side} is {now:?}, known is {known:?}",
                field.name
            );
        }
        if self.pipeline.on_leave == OnLeave::Pause && link.marks.iter().any(|mark| mark.paused) {
            return;
        }
        let open = state.pending_source.is_some() || state.pending_target.is_some() || state.base.is_none();
        let both_ways = Side::BOTH.into_iter().all(|side| writable(&self.pipeline, field, side));
        if open && both_ways && field.write == crate::config::WriteWhen::Always {
            let listed = findings.iter().any(|finding| finding.field.as_ref() == Some(&field.name));
            assert!(listed, "{} is open and not listed: {state:?}", field.name);
        }
    }
}
