//! `moved_from`: an integration or pipeline under another name goes on with what is remembered.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    config::{Auth, Integration, IntegrationName, PipelineName},
    daemon::paused,
    grant::{GrantError, Keeper},
    store::{Ledger, Moved, StoreError, belongings, move_pipeline},
};

/// The integrations whose memory an integration goes on with: itself, and those its pipelines have moved from.
pub(super) fn memory_of<'i>(running: impl Iterator<Item = &'i Integration>, new: &Integration) -> Vec<&'i Integration> {
    let from: BTreeSet<&PipelineName> =
        new.pipelines.iter().filter_map(|pipeline| pipeline.moved_from.as_ref()).collect();
    running.filter(|old| old.name == new.name || old.pipelines.iter().any(|p| from.contains(&p.name))).collect()
}

/// The integrations, by name, from which an integration takes something.
pub(super) fn origins(new: &Integration) -> BTreeSet<IntegrationName> {
    let of_pipelines = new.pipelines.iter().filter_map(|pipeline| pipeline.moved_from.as_ref());
    of_pipelines.map(PipelineName::integration).chain(new.moved_from.clone()).collect()
}

/// Moves what is remembered to the names that these integrations have now. Nobody may run them meanwhile. What was moved
/// before is not moved again, and what is remembered under a new name already is never written over.
///
/// # Errors
///
/// When the store fails: then it can be done again.
pub(in crate::daemon) async fn settle(ledger: &Ledger, integrations: Vec<Arc<Integration>>) -> Result<(), StoreError> {
    for integration in integrations {
        let ends = integration.pipelines.iter().flat_map(|pipeline| &pipeline.ends);
        let renamed: BTreeSet<_> =
            ends.filter_map(|end| Some((end.connection.moved_from.clone()?, end.connection.name.clone()))).collect();
        for (from, to) in &renamed {
            belongings::move_connection(ledger, from, to).await?;
        }
        for pipeline in &integration.pipelines {
            let Some(from) = &pipeline.moved_from else { continue };
            paused::rename(ledger, from.as_str(), pipeline.name.as_str()).await?;
            match move_pipeline(ledger, from, &pipeline.name).await? {
                Moved::Yes => tracing::info!(event = "config.moved", %from, to = %pipeline.name),
                Moved::Nothing => {}
                Moved::Both => {
                    let text = "something is remembered under both names; moved_from is left alone";
                    tracing::warn!(event = "config.not_moved", %from, to = %pipeline.name, text);
                }
            }
        }
        let Some(from) = &integration.moved_from else { continue };
        belongings::move_integration(ledger, from, &integration.name).await?;
        paused::rename(ledger, from.as_str(), integration.name.as_str()).await?;
    }
    Ok(())
}

/// As [`settle`], of what is sealed: that a person disconnected a connection, and which account it speaks to.
///
/// # Errors
///
/// When the store fails: then it can be done again.
pub(in crate::daemon) async fn settle_logins<'i>(
    keeper: &Keeper,
    integrations: impl Iterator<Item = &'i Arc<Integration>>,
) -> Result<(), StoreError> {
    for integration in integrations {
        let own = |name: &str| belongings::own_connection(name, &integration.name, integration.moved_from.as_ref()?);
        for connection in integration.pipelines.iter().flat_map(|pipeline| &pipeline.ends).map(|end| &end.connection) {
            let name = connection.name.as_str();
            let (Auth::Grant(grant), Some(from)) =
                (&connection.auth, connection.moved_from.clone().or_else(|| own(name)))
            else {
                continue;
            };
            match keeper.rename(grant, from.as_str(), name).await {
                Ok(()) => {}
                Err(GrantError::Store(error)) => return Err(error),
                // Nobody can log in by it either; it is done at a start that can read it.
                Err(error) => tracing::warn!(event = "config.not_moved", %from, to = name, %error),
            }
        }
    }
    Ok(())
}
