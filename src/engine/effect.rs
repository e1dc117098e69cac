//! What an edit of the configuration would do to the records it meets, told before it takes effect.
//!
//! Everything is computed from what is remembered; no system is asked. Linked pairs are decided about under the old
//! and the new configuration ([`crate::sync::effect_on_link`]); records without a link are laid before both filters. What the
//! store does not hold (a path that was never read, a side that was never listed) is counted as *unknown until read*:
//! the number is then the most it can be. A pipeline whose first run nobody approved yet changes nothing by an edit.

mod newcomers;
mod pairs;
mod told;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use pairs::leave_out_of_edit;

use super::{FieldChange, lookups::Known, lookups::Questions};
use crate::{
    config::{Config, Integration, Pipeline, PipelineName},
    record::{RecordId, Side},
    store::{Ledger, PipelineState, Stage, StoreError},
    sync::Damage,
};

/// Records shown of each pipeline.
const SHOWN: usize = 50;

/// What an edit of an integration would do, pipeline by pipeline; those it does nothing to are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EditEffect {
    /// The pipelines, in the order in which they run.
    pub pipelines: Vec<PipelineEffect>,
}

/// What an edit would do to the records of one pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipelineEffect {
    /// The pipeline, by its new name.
    pub pipeline: PipelineName,
    /// The name that its memory is under.
    pub memory: PipelineName,
    /// Its linked pairs.
    pub links: u64,
    /// How many of each kind.
    pub counts: EffectCounts,
    /// How many the guard allows together.
    pub allowed: u64,
    /// What the next run may do at most because of it, for the guards on runs.
    pub damage: Damage,
    /// A number for exactly these records with exactly these values: an approval is for it.
    #[serde(default)]
    pub plan: u64,
    /// Some of the records.
    pub items: Vec<EffectItem>,
}

/// How many records an edit changes, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectCounts {
    /// Linked pairs that are written.
    pub rewrites: u64,
    /// Linked pairs of which fields are put aside.
    pub parks: u64,
    /// Links that are dissolved (`on_leave: release`).
    pub releases: u64,
    /// Links that wait (`on_leave: pause`).
    pub pauses: u64,
    /// Records without a link that may enter and could not before.
    pub adds: u64,
    /// Records of which a value that decides was never read.
    pub unread: u64,
    /// Links whose records are in another account from now on.
    pub moved: u64,
}

/// A record that an edit changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectItem {
    /// What becomes of it.
    pub kind: EffectKind,
    /// Its name for people.
    pub label: String,
    /// The side of `id`.
    pub side: Side,
    /// Its id; of a linked pair, the source's.
    pub id: RecordId,
    /// Values that are written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectKind {
    /// It is written.
    Rewritten,
    /// Fields of it are put aside.
    Parked,
    /// Its link is dissolved.
    Released,
    /// Its link waits.
    Paused,
    /// It may enter.
    Added,
    /// Not known until it is read.
    Unread,
}

impl EffectCounts {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.rewrites + self.parks + self.releases + self.pauses + self.adds + self.unread + self.moved
    }

    /// Adds those of another pipeline or integration.
    pub const fn add(&mut self, other: &Self) {
        self.rewrites += other.rewrites;
        self.parks += other.parks;
        self.releases += other.releases;
        self.pauses += other.pauses;
        self.adds += other.adds;
        self.unread += other.unread;
        self.moved += other.moved;
    }

    /// Whether these are no more than what was `shown` to a person, kind by kind.
    #[must_use]
    pub const fn no_more_than(&self, shown: &Self) -> bool {
        self.rewrites <= shown.rewrites
            && self.parks <= shown.parks
            && self.releases <= shown.releases
            && self.pauses <= shown.pauses
            && self.adds <= shown.adds
            && self.unread <= shown.unread
            && self.moved <= shown.moved
    }
}

impl PipelineEffect {
    /// Whether the guard holds it. Links into another account are held however few they are: whether they mean the
    /// same records there, only a person knows.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.counts.total() > self.allowed || (self.counts.moved > 0 && self.allowed < u64::MAX)
    }

    fn note(&mut self, item: EffectItem) {
        let EffectItem { kind, side, id, fields, label: _ } = &item;
        let values = fields.iter().map(|field| (&field.field, &field.before, &field.after));
        self.count_in(&(kind, side, id, values.collect::<Vec<_>>()));
        let counts = &mut self.counts;
        *match item.kind {
            EffectKind::Rewritten => &mut counts.rewrites,
            EffectKind::Parked => &mut counts.parks,
            EffectKind::Released => &mut counts.releases,
            EffectKind::Paused => &mut counts.pauses,
            EffectKind::Added => &mut counts.adds,
            EffectKind::Unread => &mut counts.unread,
        } += 1;
        if self.items.len() < SHOWN {
            self.items.push(item);
        }
    }

    /// Makes something part of the plan, in whatever order.
    fn count_in(&mut self, what: &impl Serialize) {
        // Ids, names and values can always be written as JSON.
        let text = serde_json::to_vec(what).unwrap_or_default();
        self.plan = self.plan.wrapping_add(xxhash_rust::xxh3::xxh3_64(&text));
    }
}

impl EditEffect {
    /// Whether a guard holds it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.pipelines.iter().any(PipelineEffect::is_over)
    }

    /// Whether it does exactly what was `shown` to a person, to the same records and with the same values.
    #[must_use]
    pub fn is_what(&self, shown: &Self) -> bool {
        let plan = |effect: &Self| -> Vec<_> {
            effect.pipelines.iter().map(|p| (p.pipeline.clone(), p.counts, p.plan)).collect()
        };
        plan(self) == plan(shown)
    }

    /// Whether it does no more than what was `shown` to a person.
    #[must_use]
    pub fn no_more_than(&self, shown: &Self) -> bool {
        let none = EffectCounts::default();
        self.pipelines.iter().all(|now| {
            let then = shown.pipelines.iter().find(|then| then.pipeline == now.pipeline);
            now.counts.no_more_than(then.map_or(&none, |then| &then.counts))
        })
    }
}

/// Both configurations of an integration, and what is remembered under the old one.
pub struct EditOf<'e> {
    /// What is remembered.
    pub ledger: &'e Ledger,
    /// The configuration as it would be, for what pipelines refer to.
    pub config: &'e Config,
    /// The integration as it runs, and others whose pipelines move into it.
    pub old: Vec<&'e Integration>,
    /// The integration as it would run.
    pub new: &'e Integration,
    /// The present.
    pub now: DateTime<Utc>,
}

/// One pipeline, as it is and as it would be, under the name that its memory has now.
struct Pair<'e> {
    edit: &'e EditOf<'e>,
    before: &'e Integration,
    old: &'e Pipeline,
    new: &'e Pipeline,
    states: BTreeMap<PipelineName, PipelineState>,
}

impl EditOf<'_> {
    /// What the edit would do.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn effect(&self) -> Result<EditEffect, StoreError> {
        let mut effect = EditEffect::default();
        for new in &self.new.pipelines {
            let Some((before, old)) = self.before(new) else { continue };
            let state = self.ledger.pipeline(&old.name).await?;
            let unread = Side::BOTH.into_iter().any(|side| new.reads(side) && !old.reads(side));
            if (old.hash == new.hash && !unread && !is_moved(old, new)) || state.stage == Stage::Unapproved {
                continue;
            }
            let mut found = PipelineEffect {
                pipeline: new.name.clone(),
                memory: old.name.clone(),
                links: state.links,
                counts: EffectCounts::default(),
                allowed: new.guards.config_edit.allowed(state.links),
                damage: Damage::default(),
                plan: 0,
                items: Vec::new(),
            };
            let pair = Pair { edit: self, before, old, new, states: self.states(old, new).await? };
            pair.linked(&mut found).await?;
            if found.counts.moved == 0 {
                pair.unlinked(&mut found).await?;
            }
            found.damage.creates += found.counts.adds;
            found.damage.touched += found.counts.unread + found.counts.moved;
            if found.counts.total() > 0 {
                effect.pipelines.push(found);
            }
        }
        Ok(effect)
    }

    /// What a pipeline was, by its name or the one it had.
    fn before(&self, new: &Pipeline) -> Option<(&Integration, &Pipeline)> {
        for integration in &self.old {
            for old in &integration.pipelines {
                if old.name == new.name || Some(&old.name) == new.moved_from.as_ref() {
                    return Some((integration, old));
                }
            }
        }
        None
    }

    /// The states that answer "has that pipeline been read in full".
    async fn states(
        &self,
        old: &Pipeline,
        new: &Pipeline,
    ) -> Result<BTreeMap<PipelineName, PipelineState>, StoreError> {
        let mut states = BTreeMap::new();
        for name in old.referenced_by.iter().chain(&new.referenced_by) {
            states.insert(name.clone(), self.ledger.pipeline(name).await?);
        }
        Ok(states)
    }
}

impl Pair<'_> {
    async fn fetch(&self, of: &Integration, questions: Questions<'_>) -> Result<Known, StoreError> {
        let EditOf { ledger, config, now, .. } = self.edit;
        let mark_of = |name: &PipelineName| config.pipeline(name).map_or(0, |(_, p)| p.read_mark(Side::Source));
        let today = now.with_timezone(&of.timezone).date_naive();
        questions.fetch(ledger, &self.states, mark_of, (today, of.timezone)).await
    }
}

/// Whether an end lies in another account, or is another collection there: ids mean other records then.
fn is_moved(old: &Pipeline, new: &Pipeline) -> bool {
    Side::BOTH.into_iter().any(|side| {
        let [old, new] = [old.end(side), new.end(side)];
        let place = |end: &crate::config::End| {
            let connection = &end.connection;
            (connection.account(), connection.settings.clone(), connection.manifest.name.clone())
        };
        old.resource.name != new.resource.name || place(old) != place(new)
    })
}
