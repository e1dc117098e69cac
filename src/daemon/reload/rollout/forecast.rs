//! Whose turn would come later, told without changing anything.

use std::collections::BTreeMap;

use super::{
    super::{
        Running,
        decide::{Decision, Wanted},
    },
    Stage, candidates, record, turns,
};
use crate::{
    config::{self, IntegrationName},
    store::{Ledger, StoreError},
};

/// Why an edit would not take effect at once at these integrations.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon::reload) async fn forecast(
    ledger: &Ledger,
    running: &BTreeMap<IntegrationName, Running>,
    wanted: &Wanted,
    decisions: &BTreeMap<IntegrationName, Decision>,
) -> Result<BTreeMap<IntegrationName, String>, StoreError> {
    let mut told = BTreeMap::new();
    for (template, clients) in candidates(running, wanted, decisions) {
        let Some(settings) = wanted.loaded.rollouts.get(&template).filter(|_| !clients.rest.is_empty()) else {
            continue;
        };
        let edit = turns::edit(&template, &clients, wanted);
        let known = record::of(ledger, &template).await?.filter(|known| known.edit == edit);
        let why = match &known {
            Some(known) if known.stage == Stage::Going => continue,
            Some(known) => known.told(),
            None => plan(&template, settings),
        };
        let go = |name: &&IntegrationName| known.as_ref().is_some_and(|known| known.let_go.contains(*name));
        told.extend(clients.rest.iter().filter(|name| !go(name)).map(|name| (name.clone(), why.clone())));
    }
    Ok(told)
}

/// How it would go.
fn plan(template: &str, settings: &config::Rollout) -> String {
    let first: Vec<&str> = settings.first.iter().map(IntegrationName::as_str).collect();
    let first = if first.is_empty() { "nobody".to_owned() } else { first.join(", ") };
    let wait = humantime::format_duration(settings.wait);
    let then = if settings.by_itself { "" } else { " and for approval" };
    format!("an edit of the template `{template}` goes to {first} first; it would wait there for {wait}{then}")
}
