//! Taking a run back: an ordinary plan that writes its before-images, through guards, intents and reports like any other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    EngineError, Mode, Verb,
    desk::{meant, two_of_them},
    plan::Planned,
    run::Run,
    step::Step,
};
use crate::{
    config::{ApplyMode, FieldId, Pipeline},
    record::{RecordId, Side},
    store::{Overwritten, OverwrittenItem, Spill},
    sync::{Context, Finding, FindingKind, Image, revert_link},
};

/// What a run did to the records of a pipeline, by the source ids that their links had.
type Images = BTreeMap<RecordId, Written>;

/// What a run did to a pair of records.
#[derive(Default)]
struct Written {
    /// Name for people.
    label: String,
    /// Field by field. A record may have taken the place of another while the run went on.
    images: BTreeMap<(Side, RecordId, FieldId), Image>,
}

impl Run<'_> {
    /// Remembers with an intent what its call is about to overwrite; both become durable in one flush.
    pub(super) fn remember_overwritten(
        &mut self,
        changes: &mut crate::store::Changes,
        pipeline: &Pipeline,
        number: &str,
        intent: &crate::store::Intent,
    ) {
        let items: Vec<OverwrittenItem> = intent
            .items
            .iter()
            .filter_map(|item| {
                let id = item.write.id.clone()?;
                let (origin, label, fields) = (item.origin.clone(), item.label.clone(), item.write.fields.clone());
                Some(OverwrittenItem { origin, id, label, fields })
            })
            .collect();
        if items.is_empty() {
            return;
        }
        let overwritten = Overwritten { run: self.id(), at: intent.first_sent, side: intent.side, items };
        let (started, bytes) = (self.started, &mut self.overwritten_bytes);
        changes.together(|atomic| *bytes += atomic.overwritten(&pipeline.name, started, number, &overwritten));
    }

    /// Drops before-images that are too old or too many.
    pub(super) async fn bound_history(&self) -> Result<(), EngineError> {
        let history = self.engine.config.settings.history;
        let keep = chrono::TimeDelta::from_std(history.keep).unwrap_or(chrono::TimeDelta::MAX);
        if let Some(limit) = self.engine.clock.now().checked_sub_signed(keep) {
            for pipeline in &self.pipelines {
                self.engine.ledger.forget_overwritten(&pipeline.name, limit).await?;
            }
        }
        if self.overwritten_bytes > 0 {
            self.engine.ledger.bound_overwritten(self.overwritten_bytes, history.max_bytes).await?;
        }
        Ok(())
    }

    /// Takes a run back as far as this pipeline goes. Says whether it had any part in that run.
    pub(super) async fn revert(&mut self, pipeline: &Arc<Pipeline>, run: &str) -> Result<bool, EngineError> {
        let images = self.images(pipeline, run).await?;
        if images.is_empty() {
            return Ok(false);
        }
        let mut planned = Planned::spilled(Spill::new(&self.engine.temp));
        let nothing = super::lookups::Known::default();
        for (origin, Written { label, images }) in images {
            let Some(link) = self.engine.ledger.link(&pipeline.name, Side::Source, &origin).await? else {
                self.left(pipeline, &origin, &label, "its link was dissolved since; nothing is put back");
                continue;
            };
            if self.is_busy(&pipeline.name, &link) {
                self.left(pipeline, &origin, &label, "the outcome of its last write is not known yet; try again later");
                continue;
            }
            let context = Context { pipeline, lookups: &nothing, now: self.engine.clock.now() };
            let images: Vec<Image> = images.into_values().collect();
            let (writes, findings) = revert_link(&context, &link, &images);
            self.list_findings(pipeline, Side::Source, &origin, &link.label, &findings);
            for write in writes {
                self.note_step(pipeline, &mut planned, &link.label, &origin, Verb::Update, &write);
                planned.push(Step::Update { source: origin.clone(), label: link.label.clone(), write })?;
            }
        }
        self.report_of(&pipeline.name).planned += planned.count();
        let held = self.guard(pipeline, &planned).await?;
        if held.is_some() {
            self.report_of(&pipeline.name).held = held;
            return Ok(true);
        }
        if self.request.mode == Mode::Sync
            && self.integration.apply == ApplyMode::Automatic
            && let Some(steps) = planned.into_spill()
        {
            self.apply(pipeline, steps).await?;
        }
        Ok(true)
    }

    fn left(&mut self, pipeline: &Pipeline, origin: &RecordId, label: &str, message: &str) {
        let finding = Finding { kind: FindingKind::Skipped, field: None, message: message.to_owned() };
        self.list_findings(pipeline, Side::Source, origin, label, &[finding]);
    }

    /// What the run did, first value before and last value written, of the records that are asked for.
    async fn images(&self, pipeline: &Pipeline, run: &str) -> Result<Images, EngineError> {
        let only = self.request.revert.as_ref().and_then(|revert| revert.record.as_deref()).map(meant);
        // Whoever is linked by that id now, under the id that it has on the source.
        let mut of_target = BTreeSet::new();
        if let Some((sides, id)) = &only
            && sides.contains(&Side::Target)
            && let Some(link) = self.engine.ledger.link(&pipeline.name, Side::Target, id).await?
        {
            of_target.insert(link.source);
        }
        let mut images = Images::new();
        let mut after = None;
        loop {
            let (page, next) = self.engine.ledger.overwritten(&pipeline.name, after.as_ref()).await?;
            for overwritten in page.into_iter().filter(|overwritten| overwritten.run == run) {
                let side = overwritten.side;
                for item in overwritten.items {
                    let is = |(sides, id): &(&[Side], RecordId)| sides.contains(&Side::Target) && item.id == *id;
                    if side == Side::Target && only.as_ref().is_some_and(is) {
                        of_target.insert(item.origin.clone());
                    }
                    let written = images.entry(item.origin).or_default();
                    written.label = item.label;
                    for write in item.fields {
                        let (field, record, before, wrote) = (write.field, item.id.clone(), write.before, write.value);
                        let image = Image { side, record: record.clone(), field, before, wrote: wrote.clone() };
                        written.images.entry((side, record, field)).or_insert(image).wrote = wrote;
                    }
                }
            }
            match next {
                Some(key) => after = Some(key),
                None => break,
            }
        }
        match only {
            Some(only) => chosen(pipeline, images, &only, &of_target),
            None => Ok(images),
        }
    }
}

/// The images of the record that is meant, whose id on the source is the id that was written, or one `of_target`.
fn chosen(
    pipeline: &Pipeline,
    mut images: Images,
    (sides, id): &(&[Side], RecordId),
    of_target: &BTreeSet<RecordId>,
) -> Result<Images, EngineError> {
    let by_source = images.get(id).filter(|_| sides.contains(&Side::Source));
    let by_target = images.iter().find(|(origin, _)| of_target.contains(*origin) && *origin != id);
    if let (Some(one), Some((_, other))) = (by_source, by_target) {
        let records = [one, other].map(|written| format!("`{}`", written.label));
        return Err(EngineError::Ambiguous(two_of_them(id, &pipeline.name, records.each_ref().map(String::as_str))));
    }
    let source = by_source.is_some();
    images.retain(|origin, _| (source && origin == id) || of_target.contains(origin));
    Ok(images)
}
