//! What came of a reload, for people and programs.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::config::{ConnectionName, Diagnostic, IntegrationName};

/// What came of one look at the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// The generation of the configuration afterwards: it grows with each that takes effect.
    pub generation: u64,
    /// When the files were read.
    pub at: DateTime<Utc>,
    /// Why they were read.
    pub why: String,
    /// Every file.
    pub files: Vec<FileResult>,
    /// Every integration of which there is something to tell.
    pub integrations: Vec<IntegrationResult>,
    /// How many run on untouched.
    pub untouched: usize,
    /// Connections whose login or limits changed; nothing else was done about them.
    pub reconnected: Vec<ConnectionName>,
    /// Settings that changed and need a restart.
    pub needs_restart: Vec<String>,
    /// Mistakes that are in no file.
    pub mistakes: Vec<Mistake>,
    /// Why what vanished goes on, if so.
    pub vanished: Option<String>,
}

impl ReloadReport {
    /// Says of these integrations that something else came of them.
    pub(super) fn instead(&mut self, names: impl Fn(&IntegrationName) -> bool, outcome: IntegrationOutcome) {
        for result in self.integrations.iter_mut().filter(|result| names(&result.integration)) {
            result.outcome = outcome;
        }
    }

    /// Whether anything was refused or put off.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        let kept = [IntegrationOutcome::Kept, IntegrationOutcome::Held, IntegrationOutcome::LeftOut];
        self.files.iter().any(|file| file.outcome == FileOutcome::Rejected)
            || self.integrations.iter().any(|integration| kept.contains(&integration.outcome))
            || !self.mistakes.is_empty()
            || !self.needs_restart.is_empty()
    }

    /// The first thing that is wrong, with its place.
    #[must_use]
    pub fn first_mistake(&self) -> Option<String> {
        let mut all = self.files.iter().flat_map(|file| &file.mistakes).chain(&self.mistakes);
        all.next().map(Mistake::told)
    }
}

/// What came of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileResult {
    /// Its path below the folder.
    pub file: String,
    /// What came of it.
    pub outcome: FileOutcome,
    /// Its mistakes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Mistake>,
}

/// What came of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileOutcome {
    /// As at the last look, and sound.
    Unchanged,
    /// New or edited, and sound.
    Taken,
    /// It holds mistakes: what it said before goes on.
    Rejected,
    /// It is not there any more.
    Gone,
}

/// A mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mistake {
    /// `file:line:column`.
    pub at: String,
    /// Stable code.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Mistake {
    /// In one line.
    #[must_use]
    pub fn told(&self) -> String {
        if self.at.is_empty() { self.message.clone() } else { format!("{}: {}", self.at, self.message) }
    }
}

impl From<&Diagnostic> for Mistake {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            at: diagnostic.position().unwrap_or_default(),
            code: diagnostic.code.to_owned(),
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
        }
    }
}

/// What came of one integration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrationResult {
    /// Which.
    pub integration: IntegrationName,
    /// What came of it.
    pub outcome: IntegrationOutcome,
    /// The hash of what it runs now, as `status` shows it; `None` if it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
    /// Why, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What came of an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntegrationOutcome {
    /// It is new and runs.
    Added,
    /// It was removed and runs no more; its links are kept.
    Removed,
    /// Only its timetable changed; it took over at once.
    Tuned,
    /// It changed and runs so.
    Changed,
    /// It takes over when the run under way has ended.
    Draining,
    /// It goes on as it was.
    Kept,
    /// The edit waits for a person; it goes on as it was.
    Held,
    /// An edit of its template is at other clients first; it goes on as it was until its turn.
    Waits,
    /// It is new and cannot run.
    LeftOut,
}

/// How the configuration stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigNow {
    /// The folder.
    pub dir: PathBuf,
    /// Grows with each configuration that takes effect, over restarts.
    pub generation: u64,
    /// The last look that found something.
    pub last_reload: ReloadSummary,
    /// What is wrong with the files now.
    pub mistakes: Vec<Mistake>,
    /// Settings that changed and need a restart.
    pub needs_restart: Vec<String>,
    /// Why what vanished goes on, if so.
    pub vanished: Option<String>,
    /// The files are followed; else only a person reloads.
    pub watching: bool,
    /// How often the files were read and judged since the daemon started.
    pub passes: u64,
    /// How often an integration was started, stopped or replaced by an edit.
    pub restarts: u64,
}

/// What came of a reload, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadSummary {
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub why: String,
    /// Whether all of it took effect.
    pub accepted: bool,
    /// What came of it, in one line.
    pub text: String,
}

impl ReloadReport {
    /// In one line.
    #[must_use]
    pub fn summary(&self) -> ReloadSummary {
        let mut parts = Vec::new();
        for (outcome, word) in [
            (IntegrationOutcome::Added, "added"),
            (IntegrationOutcome::Removed, "removed"),
            (IntegrationOutcome::Changed, "changed"),
            (IntegrationOutcome::Draining, "about to change"),
            (IntegrationOutcome::Tuned, "tuned"),
            (IntegrationOutcome::Kept, "kept as before"),
            (IntegrationOutcome::Held, "held"),
            (IntegrationOutcome::Waits, "waiting for their turn"),
            (IntegrationOutcome::LeftOut, "left out"),
        ] {
            let number = self.integrations.iter().filter(|result| result.outcome == outcome).count();
            if number > 0 {
                parts.push(format!("{number} {word}"));
            }
        }
        parts.push(format!("{} untouched", self.untouched));
        parts.extend(self.first_mistake().map(|mistake| format!("INVALID_PENDING {mistake}")));
        ReloadSummary { at: self.at, why: self.why.clone(), accepted: !self.is_rejected(), text: parts.join(", ") }
    }
}
