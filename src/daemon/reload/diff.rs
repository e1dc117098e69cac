//! What the files would change about what runs, told without changing anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Mistake, Running,
    boot::ran_before,
    decide::{Decision, Wanted, decide},
    moves::memory_of,
    remembered, rollout,
};
use crate::{
    config::{Cache, EnvSource, Flow, Integration, IntegrationName, Pipeline, Snapshot, load_snapshot},
    engine::{EditEffect, EditOf},
    record::Side,
    store::{Ledger, StoreError},
};

/// What the files would change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfigDiff {
    /// The integrations that they change, by name.
    pub integrations: Vec<IntegrationDiff>,
    /// Mistakes in them.
    pub mistakes: Vec<Mistake>,
}

/// What the files would change about an integration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntegrationDiff {
    /// Which.
    pub integration: IntegrationName,
    /// In one word.
    pub change: DiffKind,
    /// The hash of what it runs, as `status` shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
    /// The hash of what the files come to, if that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
    /// Why it goes on as it is, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Why it would wait for its turn, if so: an edit of its template goes to other clients first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<String>,
    /// What was edited, pipeline by pipeline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edited: Vec<String>,
    /// What that would do to records.
    #[serde(default)]
    pub effect: EditEffect,
}

/// What happens to an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiffKind {
    /// It is new.
    Added,
    /// It is in no file any more.
    Removed,
    /// Only its timetable is another.
    Tuned,
    /// It means something else.
    Changed,
    /// A mistake keeps it as it is.
    Kept,
    /// It is new and cannot run.
    LeftOut,
}

impl ConfigDiff {
    /// Whether a part of it would wait for approval.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.integrations.iter().any(|one| one.effect.is_over())
    }

    /// Whether it changes any record.
    #[must_use]
    pub fn has_effect(&self) -> bool {
        self.integrations.iter().any(|one| !one.effect.pipelines.is_empty())
    }
}

/// Compares what the files come to with what runs.
pub(in crate::daemon) struct Compared<'e> {
    pub ledger: &'e Ledger,
    pub env: &'e (dyn EnvSource + Send + Sync),
    pub snapshot: &'e Snapshot,
    pub now: DateTime<Utc>,
}

impl Compared<'_> {
    /// With what the last daemon ran, where none runs now.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn with_last(&self) -> Result<ConfigDiff, StoreError> {
        let pointers = remembered::running(self.ledger).await?;
        let generations = remembered::generations(self.ledger).await?;
        let was = ran_before((self.snapshot, Cache::default()), self.env, self.ledger, &pointers, &generations).await?;
        self.with(&was).await
    }

    /// With these integrations, as a daemon runs them.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn with_running(
        &self,
        running: Vec<(Arc<Integration>, crate::config::Effective)>,
    ) -> Result<ConfigDiff, StoreError> {
        let known = running.into_iter().map(|(integration, effective)| {
            let home = String::new();
            let since = self.now;
            (integration.name.clone(), Running { integration, effective, home, generation: 0, since })
        });
        self.with(&known.collect()).await
    }

    async fn with(&self, was: &BTreeMap<IntegrationName, Running>) -> Result<ConfigDiff, StoreError> {
        let wanted = Wanted::of(load_snapshot(self.snapshot, self.env, &BTreeMap::new()));
        let decisions = decide(was, &wanted, self.snapshot, &BTreeSet::new());
        let mut turns = rollout::forecast(self.ledger, was, &wanted, &decisions).await?;
        let errors = wanted.loaded.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
        let mut diff = ConfigDiff { integrations: Vec::new(), mistakes: errors.map(Mistake::from).collect() };
        for (name, decision) in decisions {
            let (change, why) = match decision {
                Decision::Same => continue,
                Decision::Add => (DiffKind::Added, None),
                Decision::Remove => (DiffKind::Removed, None),
                Decision::Tune => (DiffKind::Tuned, None),
                Decision::Change => (DiffKind::Changed, None),
                Decision::Keep(why) => (DiffKind::Kept, Some(why.to_string())),
                Decision::LeaveOut(why) => (DiffKind::LeftOut, Some(why.to_string())),
            };
            let mut one = IntegrationDiff {
                integration: name.clone(),
                change,
                running: was.get(&name).map(|running| running.effective.shown()),
                written: written(&wanted, &name),
                why,
                turn: turns.remove(&name),
                edited: Vec::new(),
                effect: EditEffect::default(),
            };
            let old = was.get(&name).map(|running| running.integration.as_ref());
            let new = wanted.loaded.config.integrations.get(&name).map(Arc::as_ref);
            if let (DiffKind::Changed, Some(old), Some(new)) = (change, old, new) {
                one.edited = edited(old, new);
            }
            if let (DiffKind::Changed | DiffKind::Added, Some(new)) = (change, new) {
                let old = memory_of(was.values().map(|running| running.integration.as_ref()), new);
                let edit = EditOf { ledger: self.ledger, config: &wanted.loaded.config, old, new, now: self.now };
                one.effect = edit.effect().await?;
            }
            diff.integrations.push(one);
        }
        Ok(diff)
    }
}

/// What the files come to, where nothing of it is left out.
fn written(wanted: &Wanted, name: &IntegrationName) -> Option<String> {
    let whole = wanted.loaded.written.get(name).is_some_and(|written| written.whole);
    wanted.effective.get(name).filter(|_| whole).map(|effective| effective.shown())
}

/// What was edited, in words.
fn edited(old: &Integration, new: &Integration) -> Vec<String> {
    let mut told = Vec::new();
    if old.timezone != new.timezone {
        told.push(format!("timezone {} -> {}", old.timezone, new.timezone));
    }
    for pipeline in &new.pipelines {
        let name = &pipeline.name;
        match old.pipelines.iter().find(|known| known.name == *name) {
            None => match &pipeline.moved_from {
                Some(from) => told.push(format!("{name}: moved from {from}")),
                None => told.push(format!("{name}: added")),
            },
            Some(known) if known.hash == pipeline.hash && place(known) == place(pipeline) => {}
            Some(known) => told.push(format!("{name}: {}", parts(known, pipeline).join(", "))),
        }
    }
    let gone = old.pipelines.iter().filter(|known| !new.pipelines.iter().any(|p| p.name == known.name));
    told.extend(gone.map(|known| format!("{}: removed", known.name)));
    told
}

fn place(pipeline: &Pipeline) -> [String; 2] {
    Side::BOTH.map(|side| format!("{} {}", pipeline.end(side).connection.account(), pipeline.end(side).resource.name))
}

const fn flow(flow: Flow) -> &'static str {
    match flow {
        Flow::TwoWay => "two-way",
        Flow::ToTarget => "source-to-target",
        Flow::ToSource => "target-to-source",
    }
}

/// The parts of a pipeline that were edited.
fn parts(old: &Pipeline, new: &Pipeline) -> Vec<String> {
    let mut parts = Vec::new();
    for side in Side::BOTH {
        if place(old)[side.index()] != place(new)[side.index()] {
            parts.push(format!("another account or resource on the {side}"));
        }
        let asks = |pipeline: &Pipeline| format!("{:?}", Asked(pipeline, side));
        if asks(old) != asks(new) {
            parts.push(format!("filters.{side}"));
        }
    }
    if old.flow != new.flow {
        parts.push(format!("direction {} -> {}", flow(old.flow), flow(new.flow)));
    }
    let keys = |pipeline: &Pipeline| {
        let tier = |tier: &crate::config::Tier| {
            let keys: Vec<String> = tier.keys.iter().map(|k| format!("{:?}{:?}", k.names, k.normalize)).collect();
            format!("{keys:?}{:?}", tier.then)
        };
        pipeline.tiers.iter().map(tier).collect::<Vec<_>>()
    };
    if keys(old) != keys(new) {
        parts.push("match".to_owned());
    }
    for field in &new.fields {
        match old.fields.iter().find(|known| known.id == field.id) {
            None => parts.push(format!("+ {}", field.name)),
            Some(known) if known.definition != field.definition => {
                parts.push(format!("what {} does to values", field.name));
            }
            Some(known) if known.flow != field.flow => {
                parts.push(format!("direction of {} {} -> {}", field.name, flow(known.flow), flow(field.flow)));
            }
            Some(_) => {}
        }
    }
    let gone = old.fields.iter().filter(|known| !new.fields.iter().any(|field| field.id == known.id));
    parts.extend(gone.map(|known| format!("- {}", known.name)));
    if old.on_leave != new.on_leave {
        parts.push("on_leave".to_owned());
    }
    if old.creates != new.creates {
        parts.push("creates".to_owned());
    }
    if old.guards != new.guards {
        parts.push("guards".to_owned());
    }
    if parts.is_empty() {
        parts.push("policies".to_owned());
    }
    parts
}

/// The filter of a side by the paths it looks at: where a path stands in a reading makes no difference.
struct Asked<'p>(&'p Pipeline, Side);

impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        fn show(
            filter: &crate::config::Filter,
            slots: &[crate::record::Slot],
            f: &mut std::fmt::Formatter<'_>,
        ) -> std::fmt::Result {
            use crate::config::Filter;
            match filter {
                Filter::All(parts) | Filter::Any(parts) => {
                    f.write_str(if matches!(filter, Filter::All(_)) { "all(" } else { "any(" })?;
                    parts.iter().try_for_each(|part| show(part, slots, f))?;
                    f.write_str(")")
                }
                Filter::Not(part) => {
                    f.write_str("not ")?;
                    show(part, slots, f)
                }
                Filter::Test(test) => write!(f, "{} {:?};", test.path, test.operator),
                Filter::Where(slot) => write!(f, "{:?};", slots.get(*slot)),
                Filter::ReferencedBy(name) => write!(f, "referenced by {name};"),
                Filter::AwaitedBy(name) => write!(f, "awaited by {name};"),
            }
        }
        let end = self.0.end(self.1);
        show(&end.filter, &end.spec.slots, f)
    }
}
