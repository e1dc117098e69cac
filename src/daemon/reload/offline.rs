//! What a command does itself when no daemon runs.

use chrono::{DateTime, Utc};

use super::{ConfigDiff, GoodText, diff::Compared, good, moves};
use crate::{
    config::{EnvSource, Snapshot},
    daemon::grants,
    engine::Engine,
    store::{Ledger, StoreError, finish_moves},
};

/// What the files would change about what the last daemon ran.
///
/// # Errors
///
/// When the store fails.
pub async fn diff(
    ledger: &Ledger,
    snapshot: &Snapshot,
    env: &(dyn EnvSource + Send + Sync),
    now: DateTime<Utc>,
) -> Result<ConfigDiff, StoreError> {
    Compared { ledger, env, snapshot, now }.with_last().await
}

/// The last good text of a file, other than what it holds.
///
/// # Errors
///
/// When the store fails.
pub async fn last_good(
    ledger: &Ledger,
    snapshot: &Snapshot,
    env: &(dyn EnvSource + Send + Sync),
    file: &str,
) -> Result<Option<GoodText>, StoreError> {
    good::last_good(ledger, snapshot, env, file).await
}

/// Has everything go on under its present name, before a command runs it without a daemon.
///
/// # Errors
///
/// When the store fails.
pub async fn settle_moves(engine: &Engine) -> Result<(), StoreError> {
    finish_moves(&engine.ledger).await?;
    let integrations = &engine.config.integrations;
    moves::settle(&engine.ledger, integrations.values().cloned().collect()).await?;
    match grants::keeper(engine) {
        Some(keeper) => moves::settle_logins(&keeper, integrations.values()).await,
        None => Ok(()),
    }
}
