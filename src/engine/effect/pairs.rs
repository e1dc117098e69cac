//! Linked pairs under the old and the new configuration.

use super::{EditOf, EffectItem, EffectKind, Pair, PipelineEffect, is_moved};
use crate::{
    config::{Integration, OnLeave, Pipeline, PipelineName},
    engine::{
        FieldChange,
        lookups::{Known, Questions},
        plan::field_name,
    },
    mapping::{Partly, admit_partly},
    record::{RecordId, Side},
    store::{Changes, StoreError},
    sync::{Context, Link, LinkEffect, RecordWrite, effect_on_link, leave_out},
};

/// Asks for what deciding about these links needs.
fn questions<'p>(pipeline: &'p Pipeline, links: &[Link]) -> Questions<'p> {
    let mut questions = Questions::new(pipeline);
    for link in links {
        for side in Side::BOTH {
            questions.about(side, link.id(side), &crate::engine::deliver::projection_of(pipeline, side, link));
        }
        questions.about_link(link);
    }
    questions
}

impl Pair<'_> {
    /// Counts what becomes of linked pairs.
    pub(super) async fn linked(&self, found: &mut PipelineEffect) -> Result<(), StoreError> {
        let moved = is_moved(self.old, self.new);
        // Values of a side that was not read are as they were when both agreed, not as they are.
        let unread = Side::BOTH.into_iter().any(|side| self.new.reads(side) && !self.old.reads(side));
        let mut after = None;
        loop {
            let (links, next) = self.edit.ledger.list_links(&self.old.name, after.as_ref()).await?;
            if moved {
                found.counts.moved += links.len() as u64;
                for link in &links {
                    found.count_in(&(&link.source, &link.target));
                }
            } else {
                let old_known = self.fetch(self.before, questions(self.old, &links)).await?;
                let new_known = self.fetch(self.edit.new, questions(self.new, &links)).await?;
                let old = Context { pipeline: self.old, lookups: &old_known, now: self.edit.now };
                let new = Context { pipeline: self.new, lookups: &new_known, now: self.edit.now };
                for link in &links {
                    if link.marks.iter().any(|mark| mark.gone) {
                        continue;
                    }
                    let (kind, writes) = match (self.leaves(link, &new_known), effect_on_link(&old, &new, link)) {
                        (Some(leaving), _) => (leaving, Vec::new()),
                        (None, LinkEffect::Rewritten(writes)) => (EffectKind::Rewritten, writes),
                        (None, _) if unread => (EffectKind::Unread, Vec::new()),
                        (None, LinkEffect::Unread) => (EffectKind::Unread, Vec::new()),
                        (None, LinkEffect::Parked) => (EffectKind::Parked, Vec::new()),
                        (None, LinkEffect::Nothing) => continue,
                    };
                    for write in &writes {
                        found.damage.add(self.new, write);
                    }
                    found.note(EffectItem {
                        kind,
                        label: link.label.clone(),
                        side: Side::Source,
                        id: link.source.clone(),
                        fields: writes.iter().flat_map(|write| changes(self.new, write)).collect(),
                    });
                }
            }
            match next {
                Some(key) => after = Some(key),
                None => return Ok(()),
            }
        }
    }

    /// What happens to the link because one of its records leaves its filter.
    fn leaves(&self, link: &Link, known: &Known) -> Option<EffectKind> {
        if self.new.on_leave == OnLeave::Keep {
            return None;
        }
        for side in Side::BOTH {
            let same_rule = self.old.on_leave == self.new.on_leave;
            if (same_rule && same_filter(self.old, self.new, side)) || link.mark(side).paused {
                continue;
            }
            let admitted = admit_partly(&self.new.end(side).filter, link.id(side), &self.known(side, link), known);
            return Some(match (admitted, self.new.on_leave) {
                (Some(true), _) => continue,
                (None, _) => EffectKind::Unread,
                (Some(false), OnLeave::Release) => EffectKind::Released,
                (Some(false), _) => EffectKind::Paused,
            });
        }
        None
    }

    /// What is known of a linked record at the slots of the new configuration: the present values of fields, also of
    /// those that only the old one has.
    fn known(&self, side: Side, link: &Link) -> Partly {
        let [old, new] = [self.old, self.new].map(|pipeline| {
            let spec = &pipeline.end(side).spec;
            let mut read = Partly::nothing(spec);
            let projection = crate::engine::deliver::projection_of(pipeline, side, link);
            for field in &pipeline.fields {
                let told = link.fields.get(&field.id).is_some_and(|state| state.present(side).is_some());
                for slot in field.end(side).slots.iter().filter(|_| told) {
                    read.learn(*slot, projection.cell(*slot).clone());
                }
            }
            read
        });
        new.or(&self.new.end(side).spec, &old, &self.old.end(side).spec)
    }
}

/// Whether both filters of a side ask the same of the same values.
fn same_filter(old: &Pipeline, new: &Pipeline, side: Side) -> bool {
    let [old, new] = [old.end(side), new.end(side)];
    old.spec_hash == new.spec_hash && format!("{:?}", old.filter) == format!("{:?}", new.filter)
}

fn changes(pipeline: &Pipeline, write: &RecordWrite) -> Vec<FieldChange> {
    let change = |field: &crate::sync::FieldWrite| FieldChange {
        field: field_name(pipeline, field.field),
        before: field.before.clone(),
        after: field.value.clone(),
        why: field.why.to_string(),
    };
    write.fields.iter().map(change).collect()
}

/// Puts aside what would be written to these records (ids of either side), because a person left them out of an edit
/// that is about to take effect. Says how many there were. Doing it twice is the same as once. Nothing is durable before
/// the next flush.
///
/// # Errors
///
/// When the store fails.
pub async fn leave_out_of_edit(edit: &EditOf<'_>, records: &[RecordId]) -> Result<usize, StoreError> {
    let mut left = 0;
    for new in &edit.new.pipelines {
        for side in Side::BOTH {
            let mut names = vec![new.name.clone()];
            names.extend(new.moved_from.clone());
            for name in names {
                let links = edit.ledger.links_of(&name, side, records).await?;
                let links: Vec<Link> = links.into_iter().flatten().collect();
                left += put_aside(edit, (edit.new, new), &name, &links).await?;
            }
        }
    }
    Ok(left)
}

async fn put_aside(
    edit: &EditOf<'_>,
    (integration, new): (&Integration, &Pipeline),
    name: &PipelineName,
    links: &[Link],
) -> Result<usize, StoreError> {
    let pair = Pair { edit, before: integration, old: new, new, states: edit.states(new, new).await? };
    let known = pair.fetch(integration, questions(new, links)).await?;
    let context = Context { pipeline: new, lookups: &known, now: edit.now };
    let mut changes = Changes::new();
    for link in links.iter().filter_map(|link| leave_out(&context, link)) {
        changes.together(|atomic| atomic.relink(name, &link));
    }
    let count = changes.len();
    edit.ledger.commit(changes).await?;
    Ok(count)
}
