//! What the next start must know: where everything is written, and what runs after the store could not be told.

use std::collections::BTreeMap;

use super::{Decision, Reloader, Wanted, removed};
use crate::config::IntegrationName;

impl Reloader {
    /// The other file that an integration is in now, which is the same one and goes on.
    pub(super) fn new_home<'w>(
        &self,
        name: &IntegrationName,
        wanted: &'w Wanted,
        decisions: &BTreeMap<IntegrationName, Decision>,
    ) -> Option<&'w String> {
        let goes_on = matches!(decisions.get(name), Some(Decision::Same | Decision::Tune));
        let home = &self.known.running.get(name)?.home;
        wanted.loaded.written.get(name).map(|written| &written.file).filter(|file| goes_on && *file != home)
    }

    /// An integration that moved from file to file is the same one, of a generation in which it is there.
    pub(super) async fn note_homes(&mut self, wanted: &Wanted) {
        let (slots, generation, mut notes) = (self.shared.slots(), self.known.generation, Vec::new());
        let names: Vec<IntegrationName> = self.known.running.keys().cloned().collect();
        for name in names {
            let Some(file) = self.new_home(&name, wanted, &self.known.decisions) else { continue };
            if let Some(running) = self.known.running.get_mut(&name) {
                (running.home, running.generation) = (file.clone(), generation);
            }
            if let Some(slot) = slots.get(&name) {
                slot.with(|state| state.version.generation = generation);
            }
            notes.push((name, Some(generation)));
        }
        if !notes.is_empty() {
            self.note(&notes).await;
        }
    }

    /// Remembers what runs, after the store could not: what is as the files say is of this generation from now on.
    pub(super) async fn keep_running(&mut self, decisions: &BTreeMap<IntegrationName, Decision>, number: u64) {
        self.unkept = false;
        let slots = self.shared.slots();
        let running = self.known.running.values().flat_map(|running| &running.integration.pipelines);
        let present = running.map(|pipeline| pipeline.name.clone()).collect();
        let now = self.shared.clock.now();
        if let Err(error) = removed::note(&self.shared.ledger(), Vec::new(), present, now).await {
            self.shared.health.failed(&error, now);
        }
        let mut notes = Vec::new();
        for (name, running) in &mut self.known.running {
            if decisions.get(name) == Some(&Decision::Same) {
                running.generation = number;
                if let Some(slot) = slots.get(name) {
                    slot.with(|state| state.version.generation = number);
                }
            }
            notes.push((name.clone(), Some(running.generation)));
        }
        self.note(&notes).await;
    }
}
