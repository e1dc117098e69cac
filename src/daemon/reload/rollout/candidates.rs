//! Who waits for a turn. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    Running,
    decide::{Decision, Wanted, moved, uses},
};
use crate::config::{ConnectionName, IntegrationName};

/// The clients of a template that its rollout is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::daemon::reload) struct Clients {
    /// Those that go first.
    pub first: Vec<IntegrationName>,
    /// Those that an edit of the template would change.
    pub rest: BTreeSet<IntegrationName>,
    /// Whether nobody of all clients is kept from what the files say.
    pub sound: bool,
}

/// The clients of each template with a rollout, by template.
pub(in crate::daemon::reload) fn candidates(
    running: &BTreeMap<IntegrationName, Running>,
    wanted: &Wanted,
    decisions: &BTreeMap<IntegrationName, Decision>,
) -> BTreeMap<String, Clients> {
    let loaded = &wanted.loaded;
    let mut found: BTreeMap<String, Clients> = loaded
        .rollouts
        .iter()
        .map(|(template, rollout)| {
            let first = rollout.first.iter().filter(|name| decisions.contains_key(*name)).cloned().collect();
            (template.clone(), Clients { first, sound: true, ..Clients::default() })
        })
        .collect();
    for (name, decision) in decisions {
        let Some(made) = loaded.made.get(name) else { continue };
        let Some(clients) = made.rollout.as_ref().and_then(|template| found.get_mut(template)) else { continue };
        clients.sound &= !matches!(decision, Decision::Keep(_) | Decision::LeaveOut(_));
        let old = running.get(name).and_then(|running| running.integration.made.as_ref());
        // Another template, and an edit of what the client itself gives, are no edits of this template.
        let edited = old.is_some_and(|old| old.template == made.template && old.shared != made.shared);
        if edited && matches!(decision, Decision::Change | Decision::Tune) && !clients.first.contains(name) {
            clients.rest.insert(name.clone());
        }
    }
    without_shared_accounts(running, wanted, &mut found);
    found
}

/// Everybody who uses an account speaks to the same one: where somebody moves with it who does not wait, nobody waits.
fn without_shared_accounts(
    running: &BTreeMap<IntegrationName, Running>,
    wanted: &Wanted,
    found: &mut BTreeMap<String, Clients>,
) {
    let moved = moved(running, wanted);
    if moved.is_empty() {
        return;
    }
    let users: BTreeMap<&IntegrationName, BTreeSet<ConnectionName>> = running
        .iter()
        .map(|(name, running)| {
            let new = wanted.loaded.config.integrations.get(name).map(|new| uses(new)).unwrap_or_default();
            let all = uses(&running.integration).into_iter().chain(new);
            (name, all.filter(|connection| moved.contains(connection)).collect())
        })
        .collect();
    loop {
        let waiting: BTreeSet<IntegrationName> = found.values().flat_map(|clients| clients.rest.clone()).collect();
        let go = users.iter().filter(|(name, _)| !waiting.contains(**name));
        let taken: BTreeSet<&ConnectionName> = go.flat_map(|(_, used)| used).collect();
        let tied = |name: &IntegrationName| {
            users.get(name).is_some_and(|used| used.iter().any(|connection| taken.contains(connection)))
        };
        let before = waiting.len();
        for clients in found.values_mut() {
            clients.rest.retain(|name| !tied(name));
        }
        if found.values().map(|clients| clients.rest.len()).sum::<usize>() == before {
            return;
        }
    }
}
