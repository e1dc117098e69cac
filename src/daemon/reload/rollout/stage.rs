//! How far a rollout is. Pure.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Rollout;
use crate::{config, config::IntegrationName, store::Approval};

/// How far a rollout is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Stage {
    /// The first clients take the edit over; these have not run with it yet.
    TakingOver {
        /// Which.
        missing: Vec<IntegrationName>,
    },
    /// All is well at the first clients; the others wait.
    Waiting {
        /// Until when, if all stays well.
        until: DateTime<Utc>,
    },
    /// All was well for long enough; a person lets the others take it over.
    ForApproval,
    /// Something is wrong at a first client. When it is right again, the others wait anew.
    Stopped {
        /// What.
        why: String,
    },
    /// The others take it over.
    Going,
    /// A person rejected the edit: the first clients go on with what they ran before.
    PutBack,
}

impl Stage {
    /// Whether it changes without a person and without an edit.
    pub(in crate::daemon::reload) const fn is_open(&self) -> bool {
        !matches!(self, Self::Going | Self::PutBack)
    }
}

impl Rollout {
    /// The stage, after all was looked at. `trouble` is what is wrong at the first clients.
    pub(super) fn judge(&mut self, settings: &config::Rollout, trouble: Option<String>, now: DateTime<Utc>) {
        self.by_itself = settings.by_itself;
        self.stage = match self.answer {
            Approval::Approved => Stage::Going,
            Approval::Rejected => Stage::PutBack,
            // The others have begun to take it over: what happens now is theirs.
            Approval::Waiting if self.stage == Stage::Going => Stage::Going,
            Approval::Waiting => self.on_trial(settings, trouble, now),
        };
    }

    fn on_trial(&mut self, settings: &config::Rollout, trouble: Option<String>, now: DateTime<Utc>) -> Stage {
        if let Some(why) = trouble {
            self.calm = None;
            return Stage::Stopped { why };
        }
        let missing: Vec<IntegrationName> =
            self.first.iter().filter(|trial| !trial.is_proven()).map(|trial| trial.integration.clone()).collect();
        if !missing.is_empty() {
            self.calm = None;
            return Stage::TakingOver { missing };
        }
        if self.first.is_empty() {
            return Stage::ForApproval;
        }
        let fell = self.first.iter().filter_map(|trial| trial.fell).max();
        // A failure that was over before anybody looked counts as well.
        let calm = self.calm.unwrap_or(now).max(fell.unwrap_or(DateTime::<Utc>::MIN_UTC));
        self.calm = Some(calm);
        let wait = TimeDelta::from_std(settings.wait).unwrap_or(TimeDelta::MAX);
        match calm.checked_add_signed(wait) {
            Some(until) if until <= now && settings.by_itself => Stage::Going,
            Some(until) if until <= now => Stage::ForApproval,
            until => Stage::Waiting { until: until.unwrap_or(DateTime::<Utc>::MAX_UTC) },
        }
    }

    /// Why the others go on as they are, and what a person can do; the same words for each of them.
    #[must_use]
    pub fn told(&self) -> String {
        let (id, template) = (&self.id, &self.template);
        if self.stage == Stage::PutBack {
            return format!(
                "the edit of the template `{template}` was rejected by a person; write another, or put the file back with \
                 `reconciled config restore`"
            );
        }
        let first = names(self.first.iter().map(|trial| &trial.integration));
        let first = if first.is_empty() { "nobody".to_owned() } else { first };
        let then = if self.by_itself { "" } else { ", then for approval" };
        let turn = match &self.stage {
            Stage::TakingOver { missing } => {
                format!("it waits until {} ran with it{then}", names(missing.iter()))
            }
            Stage::Waiting { until } => {
                format!("it waits for its turn until {}{then}", until.format("%Y-%m-%d %H:%M UTC"))
            }
            Stage::ForApproval => "it waits for approval".to_owned(),
            Stage::Stopped { why } => format!("the rollout stopped: {why}"),
            Stage::Going | Stage::PutBack => "it takes over now".to_owned(),
        };
        let answer = format!("`reconciled approve {id}` lets all take it over now, `reject {id}` puts it back");
        let end = if self.stage == Stage::Going { String::new() } else { format!("; {answer}") };
        format!("an edit of the template `{template}` is at {first} first; {turn}{end}")
    }
}

/// Some names in a row.
fn names<'n>(all: impl Iterator<Item = &'n IntegrationName>) -> String {
    /// Names told.
    const MOST: usize = 4;
    let all: Vec<&str> = all.map(IntegrationName::as_str).collect();
    let more = all.len().saturating_sub(MOST);
    let told = all.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    if more == 0 { told } else { format!("{told} and {more} more") }
}

impl fmt::Display for Rollout {
    /// In one line, for a list of all: with how many wait.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.waiting.len();
        let wait = if number == 1 {
            "1 client goes on as it was".to_owned()
        } else {
            format!("{number} clients go on as they were")
        };
        write!(f, "{wait}: {}", self.told())
    }
}
