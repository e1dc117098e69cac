//! Back to what ran before an edit that a person rejected.

use std::{collections::BTreeMap, sync::Arc};

use super::super::{
    boot::ran_before,
    decide::{Decision, Wanted},
    remembered,
};
use crate::{
    config::{Cache, EnvSource, IntegrationName, Snapshot},
    store::{Ledger, StoreError},
};

/// Where to look for what ran before.
pub(in crate::daemon::reload) struct PutBack<'b> {
    pub ledger: &'b Ledger,
    pub env: &'b (dyn EnvSource + Send + Sync),
    pub snapshot: &'b Snapshot,
}

/// Has these integrations take over what they ran in these generations, as if the files said so. What cannot be found
/// again, or speaks to an account that others use and that has moved since, stays as it is.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon::reload) async fn put_back(
    place: &PutBack<'_>,
    back: &BTreeMap<IntegrationName, u64>,
    wanted: &mut Wanted,
    decisions: &mut BTreeMap<IntegrationName, Decision>,
) -> Result<(), StoreError> {
    if back.is_empty() {
        return Ok(());
    }
    let generations = remembered::generations(place.ledger).await?;
    let was = ran_before((place.snapshot, Cache::default()), place.env, place.ledger, back, &generations).await?;
    let mut effects = crate::config::Effects::default();
    for (name, old) in was {
        let own = format!("{name}/");
        let ends: Vec<_> = old.integration.pipelines.iter().flat_map(|pipeline| &pipeline.ends).collect();
        let moved = ends.iter().any(|end| {
            let connection = &end.connection.name;
            let account = effects.account(&end.connection);
            !connection.as_str().starts_with(&own) && wanted.accounts.get(connection).is_some_and(|new| *new != account)
        });
        if moved {
            tracing::warn!(event = "config.not_put_back", integration = %name, "it shares an account that moved");
            continue;
        }
        for end in ends {
            let connection = &end.connection;
            wanted.accounts.insert(connection.name.clone(), effects.account(connection));
            wanted.loaded.config.connections.insert(connection.name.clone(), Arc::clone(connection));
        }
        wanted.loaded.config.integrations.insert(name.clone(), old.integration);
        wanted.effective.insert(name.clone(), old.effective);
        decisions.insert(name, Decision::Change);
    }
    Ok(())
}
