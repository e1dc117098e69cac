//! Telling what came of a look: the log, and what `status` shows.

use std::sync::PoisonError;

use super::{ConfigNow, Decision, FileOutcome, Mistake, Reloader};

impl Reloader {
    /// One event for each file that is not as it was, and one for the whole.
    pub(super) fn log(&self, was_rejected: bool) {
        let report = &self.known.report;
        let summary = report.summary();
        self.shared.counts.reload(!report.is_rejected(), report.at);
        for file in report.files.iter().filter(|file| file.outcome != FileOutcome::Unchanged) {
            let mistake = file.mistakes.first().map(Mistake::told);
            tracing::info!(event = "config.file", file = file.file, outcome = ?file.outcome, mistake);
        }
        if report.is_rejected() {
            tracing::error!(
                event = "config.rejected",
                generation = report.generation,
                needs_restart = ?report.needs_restart,
                "{}",
                summary.text
            );
        } else if was_rejected {
            tracing::info!(event = "config.recovered", generation = report.generation, "{}", summary.text);
        } else {
            tracing::info!(
                event = "config.taken",
                generation = report.generation,
                why = report.why,
                "{}",
                summary.text
            );
        }
    }

    /// Tells how everything stands.
    pub fn publish(&self) {
        let report = &self.known.report;
        for (name, slot) in self.shared.slots().iter() {
            let pending = match self.known.decisions.get(name) {
                Some(Decision::Keep(why)) => Some(why.to_string()),
                Some(Decision::Change | Decision::Remove) => {
                    Some("edited; the new configuration takes over when the run under way has ended".to_owned())
                }
                _ => None,
            };
            let on_disk = self.known.on_disk.get(name).copied();
            slot.with(|state| (state.pending, state.on_disk) = (pending, on_disk));
        }
        let mistakes = report.files.iter().flat_map(|file| &file.mistakes).chain(&report.mistakes);
        let now = ConfigNow {
            dir: self.known.dir.clone(),
            generation: self.known.generation,
            last_reload: report.summary(),
            mistakes: mistakes.cloned().collect(),
            needs_restart: report.needs_restart.clone(),
            vanished: report.vanished.clone(),
            watching: self.known.settings.reload.watch,
            passes: self.passes,
            restarts: self.restarts,
        };
        *self.shared.config_now.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        self.shared.judged.send_if_modified(|judged| {
            let before = std::mem::replace(judged, self.passes);
            before != self.passes
        });
    }
}
