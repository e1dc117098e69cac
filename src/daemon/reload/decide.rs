//! What to do about each integration. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::Running;
use crate::config::{ConnectionName, Effective, Effects, Integration, IntegrationName, Loaded, Snapshot};

/// What to do about an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing.
    Same,
    /// Start it.
    Add,
    /// Stop it.
    Remove,
    /// Give it another timetable.
    Tune,
    /// Let the new one take over.
    Change,
    /// Go on with what runs, and say why.
    Keep(Why),
    /// It does not run and cannot; why.
    LeaveOut(Why),
}

/// Why an integration is not what the files say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// They hold a mistake, told with its place. It is there until somebody mends it.
    Mistake(String),
    /// Something else, which is looked up each time: an approval, a turn, somebody who goes on as before.
    Waits(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mistake(place) => write!(f, "INVALID_PENDING {place}"),
            Self::Waits(text) => f.write_str(text),
        }
    }
}

/// Many files that are gone at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vanished {
    /// Which.
    pub files: BTreeSet<String>,
    /// Nothing that runs is written anywhere any more.
    pub all: bool,
}

/// What the files come to.
pub(super) struct Wanted {
    pub loaded: Loaded,
    pub effective: BTreeMap<IntegrationName, Effective>,
    /// What tells each account that is written from what it was.
    pub accounts: BTreeMap<ConnectionName, u64>,
}

impl Wanted {
    pub fn of(loaded: Loaded) -> Self {
        let mut effects = Effects::default();
        let integrations = loaded.config.integrations.iter();
        let effective = integrations.map(|(name, made)| (name.clone(), effects.of(made))).collect();
        let connections = loaded.config.connections.iter();
        let accounts = connections.map(|(name, made)| (name.clone(), effects.account(made))).collect();
        Self { loaded, effective, accounts }
    }

    /// The file that names each integration.
    pub fn homes(&self) -> BTreeMap<IntegrationName, String> {
        self.loaded.written.iter().map(|(name, written)| (name.clone(), written.file.clone())).collect()
    }

    /// What those integrations come to of which nothing is left out.
    pub fn whole(&self) -> BTreeMap<IntegrationName, Effective> {
        let written = &self.loaded.written;
        let whole = self.effective.iter().filter(|(name, _)| written.get(*name).is_some_and(|written| written.whole));
        whole.map(|(name, effective)| (name.clone(), *effective)).collect()
    }
}

impl Vanished {
    /// What goes on, and what a person can do about it.
    pub fn told(&self) -> String {
        let files: Vec<&str> = self.files.iter().take(3).map(String::as_str).collect();
        let more = self.files.len() - files.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let files = files.join(", ");
        if self.all {
            format!(
                "every file that defines an integration is gone ({files}{more}); what they defined goes on. If they \
                 were removed on purpose, say `reconciled reload --force`"
            )
        } else {
            format!(
                "many files are gone at once ({files}{more}); what they defined goes on until a second look finds \
                 them gone still. `reconciled reload --force` believes it now"
            )
        }
    }
}

/// The connections an integration uses.
pub(super) fn uses(integration: &Integration) -> BTreeSet<ConnectionName> {
    let ends = integration.pipelines.iter().flat_map(|pipeline| &pipeline.ends);
    ends.map(|end| end.connection.name.clone()).collect()
}

/// The accounts of what runs.
fn accounts(running: &BTreeMap<IntegrationName, Running>) -> BTreeMap<ConnectionName, u64> {
    let mut effects = Effects::default();
    let mut found = BTreeMap::new();
    for running in running.values() {
        for end in running.integration.pipelines.iter().flat_map(|pipeline| &pipeline.ends) {
            found.entry(end.connection.name.clone()).or_insert_with(|| effects.account(&end.connection));
        }
    }
    found
}

/// The connections that stand for another account by what the files say.
pub(super) fn moved(running: &BTreeMap<IntegrationName, Running>, wanted: &Wanted) -> BTreeSet<ConnectionName> {
    let mut old = accounts(running);
    old.retain(|name, account| wanted.accounts.get(name).is_some_and(|new| new != account));
    old.into_keys().collect()
}

/// Files that are gone with all they defined, if they are so many that it may be a mistake: an unmounted volume, a
/// deployment that stopped half-way.
pub(super) fn vanished(
    running: &BTreeMap<IntegrationName, Running>,
    wanted: &Loaded,
    snapshot: &Snapshot,
) -> Option<Vanished> {
    let homes: BTreeSet<&String> = running.values().map(|running| &running.home).collect();
    let moved: BTreeSet<&String> = running
        .iter()
        .filter(|(name, _)| wanted.written.contains_key(*name))
        .map(|(_, running)| &running.home)
        .collect();
    let files: BTreeSet<String> = homes
        .iter()
        .filter(|home| snapshot.lacks(home) && !moved.contains(*home))
        .map(|home| (*home).clone())
        .collect();
    let all = files.len() == homes.len();
    (!files.is_empty() && (all || (files.len() >= 3 && files.len() * 2 >= homes.len())))
        .then_some(Vanished { files, all })
}

/// What to do about every integration that runs or is written. What was in the files `kept` goes on although they are
/// gone.
pub(super) fn decide(
    running: &BTreeMap<IntegrationName, Running>,
    wanted: &Wanted,
    snapshot: &Snapshot,
    kept: &BTreeSet<String>,
) -> BTreeMap<IntegrationName, Decision> {
    let loaded = &wanted.loaded;
    let mut decisions = BTreeMap::new();
    for (name, old) in running {
        let decision = match (loaded.written.get(name), wanted.effective.get(name)) {
            (Some(written), Some(new)) if written.whole => {
                if new.meaning != old.effective.meaning {
                    Decision::Change
                } else if new.tuning != old.effective.tuning {
                    Decision::Tune
                } else {
                    Decision::Same
                }
            }
            (Some(written), _) => Decision::Keep(invalid(loaded, &written.file)),
            (None, _) => gone(old, loaded, snapshot, kept),
        };
        decisions.insert(name.clone(), decision);
    }
    for (name, written) in &loaded.written {
        if !running.contains_key(name) {
            let decision = match wanted.effective.get(name) {
                Some(_) => Decision::Add,
                None => Decision::LeaveOut(invalid(loaded, &written.file)),
            };
            decisions.insert(name.clone(), decision);
        }
    }
    together(running, wanted, &mut decisions);
    decisions
}

/// Of an integration that is written nowhere.
fn gone(old: &Running, loaded: &Loaded, snapshot: &Snapshot, kept: &BTreeSet<String>) -> Decision {
    let home = &old.home;
    if kept.contains(home) {
        return Decision::Keep(Why::Waits(format!("{home} vanished together with others")));
    }
    if !snapshot.lacks(home) {
        if snapshot.text(home).is_some_and(|text| text.trim().is_empty()) {
            return Decision::Keep(Why::Waits(format!("{home} is empty; remove the file to stop what it defined")));
        }
        if snapshot.text(home).is_none() || loaded.has_errors_in(home) {
            return Decision::Keep(invalid(loaded, home));
        }
    }
    // It may have moved into a file that nobody can read yet.
    let unread = snapshot.names().find(|name| loaded.has_errors_in(name) && !loaded.readable.contains(*name));
    unread.map_or(Decision::Remove, |file| Decision::Keep(invalid(loaded, file)))
}

/// The mistake that keeps something of this file from running: one of its own before those of others.
fn invalid(loaded: &Loaded, file: &str) -> Why {
    let errors = || loaded.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    let found = errors().find(|diagnostic| diagnostic.file() == Some(file)).or_else(|| errors().next());
    Why::Mistake(found.map_or_else(
        || file.to_owned(),
        |mistake| {
            let place = mistake.position().map(|place| format!("{place}: ")).unwrap_or_default();
            format!("{place}{}", mistake.message)
        },
    ))
}

/// Everybody who uses an account speaks to the same one: while somebody has to go on with the old one, all do.
pub(super) fn together(
    running: &BTreeMap<IntegrationName, Running>,
    wanted: &Wanted,
    decisions: &mut BTreeMap<IntegrationName, Decision>,
) {
    let moved = moved(running, wanted);
    if moved.is_empty() {
        return;
    }
    loop {
        let mut blocked: BTreeMap<&ConnectionName, IntegrationName> = BTreeMap::new();
        for (name, running) in running {
            if matches!(decisions.get(name), Some(Decision::Keep(_))) {
                for connection in uses(&running.integration) {
                    if let Some(moved) = moved.get(&connection) {
                        blocked.entry(moved).or_insert_with(|| name.clone());
                    }
                }
            }
        }
        let mut more = false;
        for (name, decision) in decisions.iter_mut() {
            if !matches!(decision, Decision::Change | Decision::Add | Decision::Tune | Decision::Same) {
                continue;
            }
            let now = running.get(name).map(|running| uses(&running.integration)).unwrap_or_default();
            let then = wanted.loaded.config.integrations.get(name).map(|new| uses(new)).unwrap_or_default();
            let hit = blocked.iter().find(|(connection, _)| now.contains(**connection) || then.contains(**connection));
            if let Some((connection, other)) = hit {
                let why = Why::Waits(format!(
                    "waits for `{other}`, which goes on as it was and uses the connection `{connection}` too"
                ));
                *decision = if running.contains_key(name) { Decision::Keep(why) } else { Decision::LeaveOut(why) };
                more = true;
            }
        }
        if !more {
            return;
        }
    }
}
