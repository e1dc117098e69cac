//! The three-way merge of a linked pair, field by field.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use super::{
    FieldPark, FieldState, Finding, FindingKind, Link, Mark, Motion, ParkCode, Why,
    breaker::Stroke,
    calls, delete, expect,
    merge::{Outcome, Stamps, merge},
    observe::carried,
    view::View,
};
use crate::{
    config::{FieldId, OnLeave, Pipeline, PipelineName},
    mapping::Lookups,
    record::{Cell, RecordId, Side},
};

/// What a decision may know beyond the records themselves.
pub struct Context<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// Links and references of other records, fetched beforehand, and today's date.
    pub lookups: &'a dyn Lookups,
    /// The present instant; only for stamps that are compared under a stated skew.
    pub now: DateTime<Utc>,
}

/// One value to write.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "StoredWrite")]
pub struct FieldWrite {
    /// The field.
    pub field: FieldId,
    /// The value to write, in the form of the written side.
    pub value: Cell,
    /// The written side's present value (a before-image).
    pub before: Cell,
    /// The other side's value that this was made from.
    pub from: Cell,
    /// Why.
    pub why: Why,
}

/// [`FieldWrite`] as it is stored, in every intent: most often the value goes across as it is, into a new record, and
/// then it is there once, with its field.
#[derive(Deserialize)]
struct StoredWrite {
    #[serde(rename = "f")]
    field: FieldId,
    #[serde(rename = "v")]
    value: Cell,
    #[serde(rename = "b", default)]
    before: Cell,
    #[serde(rename = "o", default)]
    from: Option<Cell>,
    #[serde(rename = "w", default)]
    why: Option<Why>,
}

impl From<StoredWrite> for FieldWrite {
    fn from(stored: StoredWrite) -> Self {
        let StoredWrite { field, value, before, from, why } = stored;
        let from = from.unwrap_or_else(|| value.clone());
        Self { field, value, before, from, why: why.unwrap_or(Why::Created) }
    }
}

impl Serialize for FieldWrite {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let before = (!self.before.is_absent()).then_some(&self.before);
        let from = (self.from != self.value).then_some(&self.from);
        let why = (self.why != Why::Created).then_some(&self.why);
        let members = 2 + usize::from(before.is_some()) + usize::from(from.is_some()) + usize::from(why.is_some());
        let mut members = serializer.serialize_struct("FieldWrite", members)?;
        members.serialize_field("f", &self.field)?;
        members.serialize_field("v", &self.value)?;
        if let Some(before) = before {
            members.serialize_field("b", before)?;
        }
        if let Some(from) = from {
            members.serialize_field("o", from)?;
        }
        if let Some(why) = why {
            members.serialize_field("w", why)?;
        }
        members.end()
    }
}

/// Everything to write to one record in one go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordWrite {
    /// The side written to.
    pub side: Side,
    /// The record; `None` creates one.
    pub id: Option<RecordId>,
    /// The version it was decided from.
    pub version: Option<String>,
    /// The values, in the order of the pipeline's fields. Of a deletion, what is lost by it.
    pub fields: Vec<FieldWrite>,
    /// The record is deleted, because the other one was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete: bool,
}

/// What to do about a linked pair.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The link as it should be remembered before anything is written: agreements found moved into the base, fields
    /// parked. `None` if nothing moved: the link stays as it is.
    pub link: Option<Link>,
    /// At most one write per side and call, source first.
    pub writes: Vec<RecordWrite>,
    /// What is not done, and why. Fields that stay parked are named every time.
    pub findings: Vec<Finding>,
    /// Linked records it waits for: pipeline, id on that pipeline's side the reference was read from.
    pub waits_for: Vec<(PipelineName, RecordId)>,
    /// A field was never observed on this side: read it in full before deciding.
    pub unread: bool,
    /// The day on which it must be looked at again without any change. No rule of a linked pair depends on the day:
    /// always `None` from [`decide_link`]; a filter with `on_leave: pause` is the caller's to judge.
    pub again_on: Option<NaiveDate>,
}

/// Decides about a linked pair.
///
/// Nothing is written while one of the two is gone (the survivor is never created anew) or the link is paused; what
/// was edited meanwhile is listed. Only where the pipeline carries deletions over may the record that is left be
/// deleted.
#[must_use]
pub fn decide_link(context: &Context<'_>, link: &Link) -> Decision {
    let mut draft = Draft::new(context, link);
    if let Some(frozen) = frozen(context.pipeline, link) {
        match &frozen {
            Frozen::Gone(gone) if delete::decide(context, link, *gone, &mut draft.decision) => {}
            _ => list_frozen(context, link, &frozen, &mut draft.decision),
        }
        return draft.decision;
    }
    let stamps = Stamps { edited: [link.marks[0].edited_at, link.marks[1].edited_at], now: context.now };
    let unknown = FieldState::default();
    for field in &context.pipeline.fields {
        let state = link.fields.get(&field.id).unwrap_or(&unknown);
        let view = View::new(context.pipeline, context.lookups, link, field, state);
        draft.apply(&view, merge(&view, stamps));
        draft.leave_out(&view);
    }
    draft.finish()
}

/// Why nothing may be written to this pair now.
enum Frozen {
    /// The record of this side is gone.
    Gone(Side),
    /// The record of this side left its filter.
    Paused(Side),
}

fn frozen(pipeline: &Pipeline, link: &Link) -> Option<Frozen> {
    let find = |test: fn(&Mark) -> bool| Side::BOTH.into_iter().find(|side| test(link.mark(*side)));
    let paused = || find(|mark| mark.paused).filter(|_| pipeline.on_leave == OnLeave::Pause);
    find(|mark| mark.gone).map(Frozen::Gone).or_else(|| paused().map(Frozen::Paused))
}

/// Lists what was edited on a pair that is not written.
fn list_frozen(context: &Context<'_>, link: &Link, frozen: &Frozen, decision: &mut Decision) {
    if link.marks.iter().all(|mark| mark.gone) {
        return;
    }
    let unknown = FieldState::default();
    for field in &context.pipeline.fields {
        let state = link.fields.get(&field.id).unwrap_or(&unknown);
        let view = View::new(context.pipeline, context.lookups, link, field, state);
        let edited = |side: Side| {
            view.flows(side.other())
                && state.pending(side).is_some()
                && if view.base.is_some() { view.changed(side) } else { !view.is_blank(side) && !view.equal() }
        };
        let message = match frozen {
            Frozen::Gone(gone) if edited(gone.other()) => {
                format!("edited on the {}; its counterpart on the {gone} is gone and is not created anew", gone.other())
            }
            Frozen::Paused(side) if Side::BOTH.into_iter().any(edited) => {
                format!("kept until the record on the {side} passes its filter again")
            }
            Frozen::Gone(_) | Frozen::Paused(_) => continue,
        };
        decision.findings.push(Finding { kind: FindingKind::Pending, field: Some(field.name.clone()), message });
    }
}

/// A decision being made. The link is copied only when something of it moves.
struct Draft<'a> {
    pipeline: &'a Pipeline,
    now: DateTime<Utc>,
    old: &'a Link,
    decision: Decision,
    writes: [Vec<FieldWrite>; 2],
}

impl<'a> Draft<'a> {
    fn new(context: &Context<'a>, old: &'a Link) -> Self {
        Self {
            pipeline: context.pipeline,
            now: context.now,
            old,
            decision: Decision::default(),
            writes: [Vec::new(), Vec::new()],
        }
    }

    fn state(&mut self, field: FieldId) -> &mut FieldState {
        let old = self.old;
        self.decision.link.get_or_insert_with(|| old.clone()).fields.entry(field).or_default()
    }

    fn find(&mut self, kind: FindingKind, view: &View<'_>, message: String) {
        self.decision.findings.push(Finding { kind, field: Some(view.field.name.clone()), message });
    }

    fn apply(&mut self, view: &View<'_>, outcome: Outcome) {
        self.advance(view);
        if let Outcome::Write { to, .. } = &outcome
            && let Some(message) = calls::unchangeable(self.pipeline, view.field, *to)
        {
            self.park(view, ParkCode::Unchangeable, message);
            return;
        }
        match outcome {
            Outcome::Quiet => self.quiet(view),
            Outcome::Agree => self.agree(view),
            Outcome::StillParked => {
                if let Some(park) = &view.state.parked {
                    self.find(FindingKind::Parked(park.code), view, park.message.clone());
                }
            }
            Outcome::Park(code, message) => self.park(view, code, message),
            Outcome::Unread => self.decision.unread = true,
            Outcome::Leave => self.unpark(view),
            Outcome::Pending(message) => {
                self.unpark(view);
                self.find(FindingKind::Pending, view, message);
            }
            Outcome::Wait { pipeline, id, message } => {
                self.unpark(view);
                self.find(FindingKind::Waiting(pipeline.clone()), view, message);
                self.decision.waits_for.push((pipeline, id));
            }
            Outcome::Write { to, .. } if self.array_unread(view, to) => self.decision.unread = true,
            Outcome::Write { to, value, why } if self.turns_in_circles(view, to, &value, &why) => {
                let message = format!(
                    "written to and fro within an hour: {} and {} take turns on the {to}; it is not written again until \
                     one of its values changes",
                    shown(&value),
                    shown(view.before(to)),
                );
                self.park(view, ParkCode::FlipFlop, message);
            }
            Outcome::Write { to, value, why } => {
                self.unpark(view);
                self.pair(view);
                self.writes[to.index()].push(FieldWrite {
                    field: view.field.id,
                    value,
                    before: view.before(to).clone(),
                    from: view.present(to.other()).clone(),
                    why,
                });
            }
        }
    }

    /// Whether the write would go into an array whose rest is not known as it is now.
    fn array_unread(&self, view: &View<'_>, to: Side) -> bool {
        carried(self.pipeline, view.field, to).is_some_and(|(path, _)| !self.old.mark(to).carried.contains_key(path))
    }

    /// Whether the breaker stops this write. What a person chose is written all the same.
    fn turns_in_circles(&self, view: &View<'_>, to: Side, value: &Cell, why: &Why) -> bool {
        let stroke = Stroke { side: to, before: view.before(to), value, now: self.now };
        !matches!(why, Why::Resolved(_)) && Motion::trips(view.state.motion.as_deref().copied(), stroke)
    }

    /// Elements of a list that wait, whatever becomes of the others.
    fn leave_out(&mut self, view: &View<'_>) {
        for (pipeline, id) in view.left_out() {
            let message = format!("without the one that waits for {pipeline}: {id}");
            self.find(FindingKind::Waiting(pipeline.clone()), view, message);
            self.decision.waits_for.push((pipeline, id));
        }
    }

    /// Whatever was parked is no longer.
    fn unpark(&mut self, view: &View<'_>) {
        if view.state.parked.is_some() {
            self.state(view.field.id).parked = None;
        }
    }

    /// Remembers what a list was found to agree on; the rest stays pending.
    fn advance(&mut self, view: &View<'_>) {
        if let Some(Cow::Owned(base)) = &view.base {
            let state = self.state(view.field.id);
            state.base = Some(base.clone());
            state.pending_source = None;
        }
    }

    /// Remembers elements that were found to belong together.
    fn pair(&mut self, view: &View<'_>) {
        if *view.pairs != *view.state.pairs {
            self.state(view.field.id).pairs = view.pairs.to_vec();
        }
    }

    /// Both sides are at their base: nothing is open.
    fn quiet(&mut self, view: &View<'_>) {
        let state = view.state;
        let open = state.pending_source.is_some() || state.pending_target.is_some();
        if open || state.parked.is_some() || state.winner.is_some() {
            let state = self.state(view.field.id);
            (state.pending_source, state.pending_target, state.parked, state.winner) = (None, None, None, None);
        }
    }

    fn agree(&mut self, view: &View<'_>) {
        let base = Side::BOTH.map(|side| view.present(side).clone());
        let state = self.state(view.field.id);
        (state.pending_source, state.pending_target, state.parked, state.winner) = (None, None, None, None);
        state.base = Some(base);
        state.uneven = false;
        state.believed = None;
        state.definition = view.field.definition;
        self.pair(view);
    }

    fn park(&mut self, view: &View<'_>, code: ParkCode, message: String) {
        self.find(FindingKind::Parked(code), view, message.clone());
        let park = FieldPark {
            code,
            message,
            seen: Side::BOTH.map(|side| view.present(side).clone()),
            config: self.pipeline.hash,
        };
        if view.state.parked.as_ref() != Some(&park) {
            self.state(view.field.id).parked = Some(park);
        }
    }

    fn finish(mut self) -> Decision {
        if let Some(link) = &mut self.decision.link {
            link.revision += 1;
        }
        for (side, fields) in Side::BOTH.into_iter().zip(self.writes) {
            self.decision.writes.extend(calls::by_call(self.pipeline, self.old, side, fields));
        }
        // Figures of a pair that is written to are on their way, and whatever was put aside says by itself why they differ.
        if self.decision.writes.is_empty() && self.decision.findings.is_empty() && !self.decision.unread {
            self.decision.findings = expect::check(self.pipeline, self.old);
        }
        self.decision
    }
}

/// A value in a sentence, cut where it is long.
pub(super) fn shown(cell: &Cell) -> String {
    let Some(value) = cell.value() else { return "nothing".to_owned() };
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
