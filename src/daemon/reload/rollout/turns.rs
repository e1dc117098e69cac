//! Whose turn it is: rollouts begun, looked at, and told to those who wait.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    super::{
        Running,
        decide::{Decision, Wanted, Why},
    },
    Clients, Rollout, Stage, Trial, candidates, record,
    trial::{self, Seen},
};
use crate::{
    config::{self, Effective, IntegrationName},
    store::{Approval, Ledger, StoreError},
};

/// Where turns are decided.
#[derive(Clone, Copy)]
pub(in crate::daemon::reload) struct Turns<'t> {
    pub ledger: &'t Ledger,
    pub now: DateTime<Utc>,
    pub running: &'t BTreeMap<IntegrationName, Running>,
    /// Why last runs had no report.
    pub failing: &'t BTreeMap<IntegrationName, String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(in crate::daemon::reload) struct Taken {
    /// The rollouts, by template.
    pub rollouts: BTreeMap<String, Rollout>,
    /// Who goes on as before for one.
    pub waits: BTreeSet<IntegrationName>,
    /// Who goes back, to which generation.
    pub back: BTreeMap<IntegrationName, u64>,
}

impl Turns<'_> {
    /// Looks at every rollout, and has those go on as they are whose turn it is not.
    ///
    /// # Errors
    ///
    /// When the store fails: then nobody's turn has come.
    pub async fn take(
        &self,
        wanted: &Wanted,
        decisions: &mut BTreeMap<IntegrationName, Decision>,
    ) -> Result<Taken, StoreError> {
        let found = candidates(self.running, wanted, decisions);
        let rest: BTreeSet<IntegrationName> = found.values().flat_map(|clients| clients.rest.clone()).collect();
        let taken = self.look(&found, wanted, decisions).await;
        if let Err(error) = &taken {
            for name in &rest {
                decisions.insert(
                    name.clone(),
                    Decision::Keep(Why::Waits(format!("the store failed, so nobody's turn can come: {error}"))),
                );
            }
        }
        let taken = taken?;
        for rollout in taken.rollouts.values() {
            for name in rollout.waiting.iter().filter(|name| rest.contains(*name)) {
                decisions.insert(name.clone(), Decision::Keep(Why::Waits(rollout.told())));
            }
            let first = rollout.first.iter().map(|trial| &trial.integration);
            for name in first.filter(|_| rollout.stage == Stage::PutBack) {
                // Whoever runs the edit is the same as the files: it is put back. Whoever does not stays.
                if matches!(decisions.get(name), Some(Decision::Change | Decision::Tune)) {
                    decisions.insert(name.clone(), Decision::Keep(Why::Waits(rollout.told())));
                }
            }
        }
        Ok(taken)
    }

    async fn look(
        &self,
        found: &BTreeMap<String, Clients>,
        wanted: &Wanted,
        decisions: &BTreeMap<IntegrationName, Decision>,
    ) -> Result<Taken, StoreError> {
        let mut taken = Taken::default();
        let known = record::all(self.ledger).await?;
        for rollout in &known {
            // Where a file holds a mistake, the template may stand in it.
            if !found.contains_key(&rollout.template) && !wanted.loaded.has_errors() {
                record::forget(self.ledger, &rollout.template).await?;
            }
        }
        for (template, clients) in found {
            let known = known.iter().find(|known| known.template == *template);
            let Some(rollout) = self.one((template, clients), known, wanted, decisions).await? else { continue };
            taken.waits.extend(rollout.waiting.iter().cloned());
            if rollout.stage == Stage::PutBack {
                let first =
                    rollout.first.iter().filter(|trial| decisions.get(&trial.integration) == Some(&Decision::Same));
                taken.back.extend(first.filter_map(|trial| Some((trial.integration.clone(), trial.before?))));
                taken.waits.extend(rollout.first.iter().map(|trial| trial.integration.clone()));
            }
            taken.rollouts.insert(template.clone(), rollout);
        }
        Ok(taken)
    }

    /// Looks at one. `None` where nobody waits.
    async fn one(
        &self,
        (template, clients): (&String, &Clients),
        known: Option<&Rollout>,
        wanted: &Wanted,
        decisions: &BTreeMap<IntegrationName, Decision>,
    ) -> Result<Option<Rollout>, StoreError> {
        let Some(settings) = wanted.loaded.rollouts.get(template) else { return Ok(None) };
        if clients.rest.is_empty() && clients.sound {
            if known.is_some() {
                record::forget(self.ledger, template).await?;
            }
            return Ok(None);
        }
        let edit = edit(template, clients, wanted);
        let same = known.filter(|known| known.edit == edit);
        if clients.rest.is_empty() && same.is_none() {
            return Ok(None);
        }
        // What is put back or all over the place already is no earlier edit on its way.
        let earlier = known.filter(|known| known.stage != Stage::Going);
        let mut rollout = match same {
            Some(same) => same.clone(),
            None => Rollout::begin(template, edit, earlier, self.now),
        };
        rollout.first.retain(|trial| clients.first.contains(&trial.integration));
        let mut trouble = None;
        let sight = Sight { decisions, effective: &wanted.effective, parked: settings.parked };
        for name in &clients.first {
            let found = self.trial(&mut rollout, name, sight).await?;
            trouble = trouble.or(found);
        }
        rollout.judge(settings, trouble, self.now);
        rollout.waiting = match rollout.stage {
            Stage::Going => BTreeSet::new(),
            _ => clients.rest.difference(&rollout.let_go).cloned().collect(),
        };
        if known != Some(&rollout) {
            record::keep(self.ledger, &rollout).await?;
            if known.is_none_or(|known| known.stage != rollout.stage || known.id != rollout.id) {
                let (id, stage) = (&rollout.id, &rollout.stage);
                tracing::info!(event = "config.rollout", template, id, ?stage, waiting = rollout.waiting.len());
            }
        }
        Ok(Some(rollout))
    }

    /// Looks at a first client; says what is wrong with it.
    async fn trial(
        &self,
        rollout: &mut Rollout,
        name: &IntegrationName,
        sight: Sight<'_>,
    ) -> Result<Option<String>, StoreError> {
        let (running, decision) = (self.running.get(name), sight.decisions.get(name));
        let known = rollout.first.iter().position(|trial| trial.integration == *name);
        let at = if let Some(at) = known {
            at
        } else {
            let before = running.filter(|_| decision != Some(&Decision::Same)).map(|running| running.generation);
            let parked = match running {
                Some(running) => trial::parked(self.ledger, &running.integration).await?,
                None => 0,
            };
            rollout.first.push(Trial::new(name.clone(), before, parked));
            rollout.first.len() - 1
        };
        let (since, answered) = (rollout.since, rollout.answer != Approval::Waiting);
        let Some(trial) = rollout.first.get_mut(at) else { return Ok(None) };
        trial.live = match (decision, running) {
            (Some(Decision::Same), Some(running)) => trial.live.or(Some(running.since.max(since))),
            _ => None,
        };
        let kept = match decision {
            // Other reasons are looked up each time.
            Some(Decision::Keep(why @ Why::Mistake(_)) | Decision::LeaveOut(why @ Why::Mistake(_))) => Some(why),
            _ => None,
        };
        let meaning = sight.effective.get(name).map_or(0, |effective| effective.meaning);
        let runs = running.map(|running| running.integration.as_ref());
        let seen = Seen { runs, meaning, kept, failure: self.failing.get(name), allowed: sight.parked };
        let trouble = trial.trouble(self.ledger, &seen).await?;
        Ok(trouble.filter(|_| !answered))
    }

    /// Looks at one that goes on, while no file changed: whether it has come further.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn has_moved(
        &self,
        rollout: &mut Rollout,
        settings: &config::Rollout,
        sight: Sight<'_>,
    ) -> Result<bool, StoreError> {
        let before = rollout.stage.clone();
        let mut trouble = None;
        for name in rollout.first.iter().map(|trial| trial.integration.clone()).collect::<Vec<_>>() {
            let found = self.trial(rollout, &name, sight).await?;
            trouble = trouble.or(found);
        }
        rollout.judge(settings, trouble, self.now);
        Ok(rollout.stage != before)
    }
}

/// What is known of the first clients besides what runs.
#[derive(Clone, Copy)]
pub(in crate::daemon::reload) struct Sight<'s> {
    pub decisions: &'s BTreeMap<IntegrationName, Decision>,
    /// What the files come to.
    pub effective: &'s BTreeMap<IntegrationName, Effective>,
    /// How many more records may be parked at each.
    pub parked: u64,
}

/// Changes with the template, and with what it comes to at the first clients.
pub(super) fn edit(template: &str, clients: &Clients, wanted: &Wanted) -> u64 {
    use std::fmt::Write as _;
    let made = wanted.loaded.made.values().filter(|made| made.rollout.as_deref() == Some(template));
    let texts: BTreeSet<u64> = made.map(|made| made.text).collect();
    let mut text = format!("{template} {texts:x?}");
    for name in &clients.first {
        let effective = wanted.effective.get(name).copied().unwrap_or_default();
        // Writing into a string does not fail.
        let _ = write!(text, " {name} {:x} {:x}", effective.meaning, effective.tuning);
    }
    xxh3_64(text.as_bytes())
}
