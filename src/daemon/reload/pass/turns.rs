//! Edits of templates that go to some clients first.

use std::{collections::BTreeMap, sync::Arc};

use super::{Decision, Member, Reloader, Wanted, Why};
use crate::{
    config::{Config, ConnectionName, IntegrationName, Snapshot},
    daemon::reload::{
        RolloutStage,
        decide::together,
        rollout::{self, PutBack, Sight, Taken, Turns, put_back},
    },
};

impl Reloader {
    /// Has those go on as they are whose turn it is not. A store that fails lets nobody's turn come.
    pub(super) async fn take_turns(
        &mut self,
        snapshot: &Snapshot,
        wanted: &mut Wanted,
        decisions: &mut BTreeMap<IntegrationName, Decision>,
    ) -> Taken {
        let (ledger, now) = (self.shared.ledger(), self.shared.clock.now());
        let failing = self.failing();
        let turns = Turns { ledger: &ledger, now, running: &self.known.running, failing: &failing };
        let outcome = async {
            let taken = turns.take(wanted, decisions).await?;
            let place = PutBack { ledger: &ledger, env: self.env.as_ref(), snapshot };
            put_back(&place, &taken.back, wanted, decisions).await?;
            Ok(taken)
        };
        let taken = match outcome.await {
            Ok(taken) => taken,
            Err(error) => {
                self.shared.health.failed(&error, now);
                self.unjudged = true;
                // Those that are on their way still are.
                Taken { rollouts: self.known.rollouts.clone(), ..Taken::default() }
            }
        };
        if !taken.waits.is_empty() {
            together(&self.known.running, wanted, decisions);
        }
        taken
    }

    /// Why last runs had no report.
    fn failing(&self) -> BTreeMap<IntegrationName, String> {
        let slots = self.shared.slots();
        let failed =
            slots.iter().filter_map(|(name, slot)| Some((name.clone(), slot.peek(|state| state.failure.clone())?)));
        failed.collect()
    }

    /// Whether a rollout has come further while no file changed.
    pub async fn have_turns_come(&mut self) -> bool {
        let (ledger, now) = (self.shared.ledger(), self.shared.clock.now());
        let failing = self.failing();
        let turns = Turns { ledger: &ledger, now, running: &self.known.running, failing: &failing };
        let mut moved = false;
        for (template, rollout) in self.known.rollouts.iter_mut().filter(|(_, rollout)| rollout.stage.is_open()) {
            let Some(settings) = self.known.rollout_settings.get(template) else { continue };
            let sight =
                Sight { decisions: &self.known.decisions, effective: &self.known.on_disk, parked: settings.parked };
            // On a copy: what is remembered is what the next look begins with.
            match turns.has_moved(&mut rollout.clone(), settings, sight).await {
                Ok(one) => moved |= one,
                Err(error) => self.shared.health.failed(&error, now),
            }
        }
        moved
    }

    /// Whether somebody waits for a turn that can come by itself.
    pub fn has_turns(&self) -> bool {
        self.known.rollouts.values().any(|rollout| rollout.stage.is_open())
    }

    /// Forgets rollouts that went everywhere.
    pub async fn finish_turns(&mut self) {
        let has_it = |template: &String| {
            let made =
                |name: &IntegrationName| self.known.running.get(name)?.integration.made.as_ref()?.rollout.as_ref();
            let mut clients = self.known.decisions.iter().filter(|(name, _)| made(name) == Some(template));
            clients.all(|(_, decision)| matches!(decision, Decision::Same | Decision::Tune))
        };
        let going = self.known.rollouts.iter().filter(|(_, rollout)| rollout.stage == RolloutStage::Going);
        let over: Vec<String> = going.map(|(template, _)| template.clone()).filter(has_it).collect();
        for template in over {
            if let Err(error) = rollout::forget(&self.shared.ledger(), &template).await {
                self.shared.health.failed(&error, self.shared.clock.now());
            }
            self.known.rollouts.remove(&template);
        }
    }

    /// What is decided about an integration that took over: whoever went back is not what the files say.
    pub(super) fn after(&self, member: &Member) -> Decision {
        let is_first = |rollout: &&crate::daemon::reload::Rollout| {
            rollout.first.iter().any(|trial| trial.integration == member.name)
        };
        let rollout = member.back.and_then(|_| self.known.rollouts.values().find(is_first));
        rollout.map_or(Decision::Same, |rollout| Decision::Keep(Why::Waits(rollout.told())))
    }

    /// What an edit of a template leaves as it is counts as made from the edited template all the same.
    pub(super) fn remake(&mut self, wanted: &Wanted) {
        let slots = self.shared.slots();
        let mut remade = Vec::new();
        for (name, decision) in &self.known.decisions {
            let new = wanted.loaded.config.integrations.get(name).filter(|_| *decision == Decision::Same);
            if let (Some(new), Some(running)) = (new, self.known.running.get_mut(name))
                && running.integration.made != new.made
            {
                running.integration = Arc::clone(new);
                if let Some(slot) = slots.get(name) {
                    slot.with(|state| state.version.integration = Arc::clone(new));
                }
                remade.push((name.clone(), Arc::clone(new)));
            }
        }
        if !remade.is_empty() {
            self.shared.replace_engine(|engine| {
                let mut config = Config::clone(&engine.config);
                config.integrations.extend(remade);
                engine.config = Arc::new(config);
            });
        }
    }
}

impl Taken {
    /// Whoever waits logs in as before.
    pub(super) fn leave_logins(&self, wanted: &mut Wanted, logged_in: &mut BTreeMap<ConnectionName, u64>) {
        let waits = |connection: &ConnectionName| {
            let owner = connection.as_str().split_once('/').and_then(|(owner, _)| IntegrationName::parse(owner).ok());
            owner.is_some_and(|owner| self.waits.contains(&owner) && !self.back.contains_key(&owner))
        };
        wanted.loaded.config.connections.retain(|name, _| !waits(name));
        logged_in.retain(|name, _| !waits(name));
    }
}
