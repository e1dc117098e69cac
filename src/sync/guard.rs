//! Guards: limits on damage.

use serde::{Deserialize, Serialize};

use super::RecordWrite;
use crate::{
    config::{Content, FieldId, Guards, Pipeline},
    record::Side,
};

/// What a plan would do to one side's data, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Records created.
    pub creates: u64,
    /// Linked records written.
    pub touched: u64,
    /// Fields whose value is overwritten by nothing.
    pub blanked: u64,
    /// Records deleted.
    pub deletes: u64,
    /// Values overwritten by which a record is matched, or by which it refers to another.
    #[serde(default)]
    pub keys: u64,
}

impl Damage {
    /// Adds a write of `pipeline`.
    pub fn add(&mut self, pipeline: &Pipeline, write: &RecordWrite) {
        if write.delete {
            self.deletes += 1;
            return;
        }
        match write.id {
            None => self.creates += 1,
            Some(_) => self.touched += 1,
        }
        for sent in write.fields.iter().filter(|sent| !sent.before.is_blank()) {
            self.blanked += u64::from(sent.value.is_blank());
            self.keys += u64::from(sent.value != sent.before && is_key(pipeline, sent.field, write.side));
        }
    }
}

/// Whether a record of `side` is matched by this field, or refers to another record by it.
fn is_key(pipeline: &Pipeline, field: FieldId, side: Side) -> bool {
    let Some(field) = pipeline.fields.iter().find(|known| known.id == field) else { return false };
    let refers = matches!(&field.content, Content::Mapped { reference: Some(_), .. });
    let slots = &field.end(side).slots;
    refers || pipeline.tiers.iter().flat_map(|tier| &tier.keys).any(|key| slots.as_slice() == [key.slots[side.index()]])
}

/// A guard that a plan trips.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which: `creates`, `touched`, `blanked`, `deletes`, `keys`; `account` and `absent` of a hold of another kind.
    pub guard: String,
    /// How many the plan has.
    pub count: u64,
    /// How many are allowed.
    pub allowed: u64,
}

/// The guards that `damage` trips, with `links` linked records. A first run that a person approved is exempt; the
/// caller knows.
#[must_use]
pub fn judge(guards: &Guards, damage: Damage, links: u64) -> Vec<Held> {
    let limits = [
        ("creates", damage.creates, guards.creates),
        ("touched", damage.touched, Some(guards.touched)),
        ("blanked", damage.blanked, Some(guards.blanked)),
        ("deletes", damage.deletes, Some(guards.deletes)),
        ("keys", damage.keys, Some(guards.keys)),
    ];
    limits
        .into_iter()
        .filter_map(|(guard, count, amount)| Some((guard, count, amount?.allowed(links))))
        .filter(|(_, count, allowed)| count > allowed)
        .map(|(guard, count, allowed)| Held { guard: guard.to_owned(), count, allowed })
        .collect()
}
