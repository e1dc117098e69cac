//! Replaying: the writes that a configuration sends now, beside those that were recorded.

use serde_json::Value;

use super::{
    compare::{differences, pair, shown},
    failure::{Failure, Line},
    play::Outcome,
    scenario::{ExpectedWrite, Scenario, WritesTo},
    system::Written,
};
use crate::{connector::WriteKind, record::RecordId};

/// A value at a place, as it was recorded and as it is now.
type Changed = (String, Value, Value);

impl Scenario {
    /// Whether it says at its end which writes are sent.
    #[must_use]
    pub fn tells_writes(&self) -> bool {
        self.expect.as_ref().is_some_and(|expect| expect.writes.is_some())
    }

    /// How many writes are as it says, and every one that is another, new, or not sent any more.
    #[must_use]
    pub fn other_writes(&self, outcome: &Outcome) -> (usize, Vec<Failure>) {
        let (mut same, mut changes) = (0, Vec::new());
        let Some(expected) = self.expect.as_ref().and_then(|expect| expect.writes.as_ref()) else {
            return (same, changes);
        };
        let mut resources: Vec<&str> = outcome.writes.iter().map(|(resource, _)| resource.as_str()).collect();
        resources.extend(expected.by_spot.iter().map(|writes| writes.spot.shown.as_str()));
        resources.sort_unstable();
        resources.dedup();
        for resource in resources {
            let recorded = expected.by_spot.iter().find(|writes| writes.spot.shown == resource);
            let now = outcome.writes.iter().filter(|(of, _)| of == resource).map(|(_, write)| write);
            let now: Vec<&Written> = now.collect();
            let empty = Vec::new();
            let wanted = recorded.map_or(&empty, |recorded| &recorded.writes);
            let far = |left: usize, right: usize| {
                apart(&wanted.get(left)?.1, now.get(right)?, recorded).map(|changed| changed.len())
            };
            let pairs = pair(wanted.len(), now.len(), far);
            for ((place, write), right) in wanted.iter().zip(&pairs.of) {
                let head = told(resource, write.kind, write.id.as_ref());
                let Some(found) = right.and_then(|right| now.get(right)) else {
                    let gone = Failure::new(place, format!("{head} is not sent any more"));
                    changes.push(gone.with(whole(write.values.as_ref()).map(Line::Expected)));
                    continue;
                };
                match apart(write, found, recorded).unwrap_or_default() {
                    fields if fields.is_empty() => same += 1,
                    fields => {
                        let lines = fields.into_iter().flat_map(|(path, recorded, now)| {
                            let line = |value: &Value| format!("{path}: {}", shown(value));
                            let recorded = (!recorded.is_null()).then(|| Line::Expected(line(&recorded)));
                            recorded.into_iter().chain((!now.is_null()).then(|| Line::Found(line(&now))))
                        });
                        changes.push(Failure::new(place, format!("{head} is another")).with(lines));
                    }
                }
            }
            for write in pairs.rest.iter().filter_map(|right| now.get(*right)) {
                let id = (write.kind != WriteKind::Create).then_some(&write.id);
                let new = Failure::new(&expected.place, format!("{} is new", told(resource, write.kind, id)));
                changes.push(new.with(whole(Some(&write.values)).map(Line::Found)));
            }
        }
        (same, changes)
    }
}

fn told(resource: &str, kind: WriteKind, id: Option<&RecordId>) -> String {
    let what = match kind {
        WriteKind::Create => "create",
        WriteKind::Update => "update",
        WriteKind::Delete => "delete",
    };
    let id = id.map(|id| format!(" {id}")).unwrap_or_default();
    format!("{resource}: {what}{id}")
}

fn whole(values: Option<&Value>) -> impl Iterator<Item = String> {
    let members = values.and_then(Value::as_object).into_iter().flatten();
    members.map(|(name, value)| format!("{name}: {}", shown(value)))
}

/// Values that only one of two writes has, or that are not the same; `None` where they are about different records.
fn apart(recorded: &ExpectedWrite, now: &Written, of: Option<&WritesTo>) -> Option<Vec<Changed>> {
    let about = recorded.kind == now.kind && recorded.id.as_ref().is_none_or(|id| *id == now.id);
    if !about {
        return None;
    }
    let table = of.map(|of| &of.spot.resource.fields);
    let wanted = recorded.values.clone().unwrap_or_default();
    let mut changed: Vec<Changed> = differences(&now.values, &wanted, table)
        .into_iter()
        .map(|found| (found.path, found.wanted, found.found))
        .collect();
    // And what is there now beyond it.
    for beyond in differences(&wanted, &now.values, table) {
        if !changed.iter().any(|(path, _, _)| *path == beyond.path) {
            changed.push((beyond.path, beyond.found, beyond.wanted));
        }
    }
    Some(changed)
}
