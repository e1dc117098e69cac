//! Records without a link before the old and the new filters.

use super::{EffectItem, EffectKind, Pair, PipelineEffect};
use crate::{
    config::Pipeline,
    engine::lookups::{Known, Questions},
    mapping::{Partly, admit_partly, cut_over_day},
    record::{ProjectionSpec, Side},
    store::StoreError,
    sync::Fresh,
};

impl Pair<'_> {
    /// Counts records that may enter and could not before.
    pub(super) async fn unlinked(&self, found: &mut PipelineEffect) -> Result<(), StoreError> {
        for side in Side::BOTH.into_iter().filter(|side| lets_in(self.new, *side)) {
            let looked_up = lets_in(self.old, side) && same_matching(self.old, self.new, side);
            let mut after = None;
            loop {
                let (page, next) = self.edit.ledger.list_fresh(&self.old.name, side, after.as_ref()).await?;
                let known = [
                    self.fetch(self.before, self.questions(self.old, side, &page)).await?,
                    self.fetch(self.edit.new, self.questions(self.new, side, &page)).await?,
                ];
                for fresh in page.iter().filter(|fresh| !fresh.observation.gone) {
                    if let Some(kind) = self.enters(side, fresh, looked_up, &known) {
                        let (label, id) = (fresh.observation.label.clone(), fresh.observation.id.clone());
                        found.note(EffectItem { kind, label, side, id, fields: Vec::new() });
                    }
                }
                match next {
                    Some(key) => after = Some(key),
                    None => break,
                }
            }
        }
        Ok(())
    }

    fn questions<'p>(&self, pipeline: &'p Pipeline, side: Side, page: &[Fresh]) -> Questions<'p> {
        let mut questions = Questions::new(pipeline);
        for fresh in page {
            questions.about(side, &fresh.observation.id, &self.read(pipeline, side, fresh).projection());
        }
        questions
    }

    /// What is known of a record at the slots of `pipeline`.
    fn read(&self, pipeline: &Pipeline, side: Side, fresh: &Fresh) -> Partly {
        let nothing = ProjectionSpec::default();
        let ends = [self.old.end(side), self.new.end(side)];
        let read = ends.into_iter().find(|end| end.spec_hash == fresh.spec_hash).map_or(&nothing, |end| &end.spec);
        Partly::of(&pipeline.end(side).spec, read, &fresh.observation.projection)
    }

    /// Whether the record may enter because of the edit. `looked_up` says that it would have before, had the filter let
    /// it.
    fn enters(&self, side: Side, fresh: &Fresh, looked_up: bool, known: &[Known; 2]) -> Option<EffectKind> {
        let id = &fresh.observation.id;
        let admitted = |pipeline: &Pipeline, known: &Known| {
            let read = self.read(pipeline, side, fresh);
            if is_before_cut_over(pipeline, side, &read, known) {
                return Some(false);
            }
            admit_partly(&pipeline.end(side).filter, id, &read, known)
        };
        if looked_up && admitted(self.old, &known[0]) == Some(true) {
            return None;
        }
        match admitted(self.new, &known[1]) {
            Some(true) => Some(EffectKind::Added),
            Some(false) => None,
            // Not known under the old one either, for the same reason: nothing became of it.
            None if looked_up && admitted(self.old, &known[0]).is_none() => None,
            None => Some(EffectKind::Unread),
        }
    }
}

/// Whether records of `side` may get a counterpart.
fn lets_in(pipeline: &Pipeline, side: Side) -> bool {
    let other = side.other();
    pipeline.writes(other) && (pipeline.creates.on(other) || !pipeline.tiers.is_empty())
}

/// Whether a record that matched nothing, or too much, does so still.
fn same_matching(old: &Pipeline, new: &Pipeline, side: Side) -> bool {
    let tiers = |pipeline: &Pipeline| {
        let tier = |tier: &crate::config::Tier| {
            let keys: Vec<_> = tier.keys.iter().map(|key| format!("{:?} {:?}", key.names, key.normalize)).collect();
            format!("{keys:?} {:?}", tier.then)
        };
        pipeline.tiers.iter().map(tier).collect::<Vec<_>>()
    };
    let unique = |pipeline: &Pipeline| pipeline.unique.is_some();
    tiers(old) == tiers(new)
        && unique(old) == unique(new)
        && (old.creates.on(side.other()) || !new.creates.on(side.other()))
}

fn is_before_cut_over(pipeline: &Pipeline, side: Side, read: &Partly, known: &Known) -> bool {
    let Some(cut_over) = pipeline.cut_over.as_ref().filter(|_| side == Side::Source) else { return false };
    cut_over_day(cut_over, &read.projection(), known).is_some_and(|day| day < cut_over.from)
}
