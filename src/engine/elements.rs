//! Sources of one record per element, between the pull and the projection.
//!
//! Calls are made for whole records, the parents; from here on there are only their elements. A parent that was read
//! tells about all of its elements at once: one that a link or an entry knows of and that is not among them any more
//! is absent for certain, as a record is whose id nobody knows. Nothing is deleted for it.

use std::{collections::HashSet, sync::Arc};

use chrono::TimeDelta;

use super::{
    EngineError,
    deliver::{keys_of, observation, reindex},
    run::Run,
};
use crate::{
    config::{End, Pipeline},
    connector::RemoteRecord,
    mapping::{Expanded, expand, parent_of, prefix},
    record::{Projection, RecordId, Side},
    store::{Changes, Parked},
    sync::{Finding, FindingKind, Observation, ParkCode},
};

/// A parent that was read, and what it says of its elements.
pub(super) struct Parent {
    id: RecordId,
    label: String,
    present: HashSet<RecordId>,
    expanded: Expanded<Projection>,
}

/// The id of the record to call for, to read this one.
pub(super) fn record_to_read(end: &End, id: &RecordId) -> RecordId {
    let parent = end.elements.as_ref().and_then(|_| parent_of(id));
    parent.unwrap_or_else(|| id.clone())
}

/// The readings of one end in what was read, and the parents if they are elements.
pub(super) fn readings(
    pipeline: &Pipeline,
    side: Side,
    records: &[RemoteRecord],
    skew: TimeDelta,
) -> (Vec<Observation>, Vec<Parent>) {
    let end = pipeline.end(side);
    let Some(elements) = &end.elements else {
        return (records.iter().map(|record| observation(pipeline, side, record, skew)).collect(), Vec::new());
    };
    let (mut found, mut parents) = (Vec::new(), Vec::new());
    for record in records {
        let mut expanded = expand(elements, &record.id, &record.body, |seen| end.spec.read(seen));
        let mut present: HashSet<RecordId> = expanded.shared.iter().cloned().collect();
        for element in std::mem::take(&mut expanded.elements) {
            present.insert(element.id.clone());
            found.push(Observation {
                id: element.id,
                projection: element.read,
                label: format!("{}: {}", record.label, element.name),
                version: None,
                edited_at: record.updated_at.map(|stamp| stamp + skew),
                gone: record.gone,
                merged: record.merged_into.clone(),
            });
        }
        parents.push(Parent { id: record.id.clone(), label: record.label.clone(), present, expanded });
    }
    (found, parents)
}

impl Run<'_> {
    /// What follows from a parent beside its elements: others it had are absent, and elements without a name of their
    /// own are parked under the parent's id.
    pub(super) async fn settle_parent(
        &mut self,
        pipeline: &Arc<Pipeline>,
        side: Side,
        parent: Parent,
    ) -> Result<(), EngineError> {
        if !parent.expanded.unknown {
            self.note_absent(pipeline, side, &parent).await?;
        }
        let old = self.engine.ledger.parked(&pipeline.name, side, &parent.id).await?;
        if old.is_empty() && parent.expanded.faults.is_empty() {
            return Ok(());
        }
        let findings: Vec<Finding> = parent
            .expanded
            .faults
            .iter()
            .map(|fault| Finding {
                kind: FindingKind::Parked(ParkCode::Unmappable),
                field: None,
                message: fault.message.clone(),
            })
            .collect();
        if self.is_planned(&pipeline.name) {
            self.list_findings(pipeline, side, &parent.id, &parent.label, &findings);
        }
        let parked: Vec<Parked> = findings
            .iter()
            .map(|finding| {
                // Only a change of the parent can help, and that is seen without another attempt.
                let known = old.iter().find(|old| old.message == finding.message).cloned();
                known.unwrap_or_else(|| Parked {
                    next_try: None,
                    ..self.parked_entry(&[], &parent.label, finding, Vec::new())
                })
            })
            .collect();
        if parked == old {
            return Ok(());
        }
        let mut changes = Changes::new();
        changes.together(|atomic| {
            if parked.is_empty() {
                atomic.unpark(&pipeline.name, side, &parent.id);
            } else {
                atomic.park(&pipeline.name, side, &parent.id, &parked);
            }
        });
        Ok(self.engine.ledger.commit(changes).await?)
    }

    /// Marks linked elements that a parent does not have any more as gone, and forgets those that were never linked.
    async fn note_absent(&mut self, pipeline: &Arc<Pipeline>, side: Side, parent: &Parent) -> Result<(), EngineError> {
        let begin = prefix(&parent.id);
        for link in self.engine.ledger.links_under(&pipeline.name, &begin).await? {
            if !link.mark(side).gone && !parent.present.contains(link.id(side)) {
                self.mark_gone(pipeline, side, link.id(side)).await?;
            }
        }
        let mut changes = Changes::new();
        for fresh in self.engine.ledger.fresh_under(&pipeline.name, side, &begin).await? {
            let id = &fresh.observation.id;
            if parent.present.contains(id) {
                continue;
            }
            let known = fresh.spec_hash == pipeline.end(side).spec_hash;
            let keys = if known { keys_of(pipeline, side, &fresh.observation.projection) } else { Vec::new() };
            changes.together(|atomic| {
                atomic.forget_fresh(&pipeline.name, side, id);
                atomic.done(&pipeline.name, side, id);
                atomic.unpark(&pipeline.name, side, id);
                reindex(atomic, &pipeline.name, side, id, &keys, &[]);
            });
        }
        Ok(self.engine.ledger.commit(changes).await?)
    }
}
