//! The job that makes snapshots of the store while the daemon runs.
//!
//! A snapshot is made while no run writes: it is tried each minute, and after six hours of runs without a pause it takes
//! its turn like any run.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::control::{Shared, Stop};
use crate::{
    config::ConnectionName,
    store::{lineage, snapshot},
};

/// How often it is looked whether a snapshot is due. In real time, as snapshots are a matter of this machine.
const LOOK: Duration = Duration::from_mins(1);
/// How long a snapshot gives way to runs.
const PATIENCE: TimeDelta = TimeDelta::hours(6);

/// Works until the daemon stops.
pub(super) async fn work(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.stopped(Stop::Finishing) => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        take_if_due(&shared).await;
    }
}

/// Makes a snapshot if the last one is old enough and nothing runs.
pub(super) async fn take_if_due(shared: &Shared) {
    let engine = shared.engine();
    let settings = &engine.config.settings.backup;
    let now = shared.clock.now();
    if settings.keep == 0 || shared.health.next_probe().is_some() {
        return;
    }
    let since = match due_since(settings, now) {
        Ok(Some(since)) => since,
        Ok(None) => return,
        Err(error) => {
            tracing::error!(event = "snapshot.failed", %error, dir = %settings.dir.display());
            return;
        }
    };
    let connections: BTreeSet<ConnectionName> = engine.config.connections.keys().cloned().collect();
    let patient = now - since < PATIENCE;
    let locks = if patient { shared.try_lock(&connections) } else { Some(shared.lock(&connections).await) };
    let Some(_locks) = locks else { return };
    let ledger = shared.ledger();
    let store = ledger.store();
    match lineage::compare(store.as_ref(), &settings.dir).await {
        Ok(lineage::Found::Own) => {}
        Ok(found) => {
            tracing::error!(
                event = "store.copied",
                ?found,
                "another copy of this store has started; stop one of the two: both would write"
            );
            return;
        }
        Err(error) => return shared.health.failed(&error, now),
    }
    match snapshot::take(store.as_ref(), settings, now).await {
        Ok(file) => tracing::info!(event = "snapshot.made", file = %file.display()),
        Err(error) => {
            let text = super::protocol::chain(&error);
            tracing::error!(event = "snapshot.failed", error = %text, dir = %settings.dir.display());
        }
    }
}

/// Since when a snapshot is due; `None` if it is not. Snapshots of the future (a clock that was wrong) do not count.
fn due_since(settings: &crate::config::BackupSettings, now: DateTime<Utc>) -> std::io::Result<Option<DateTime<Utc>>> {
    let every = TimeDelta::from_std(settings.every).unwrap_or(TimeDelta::MAX);
    let last = snapshot::newest(&settings.dir)?.map(|(at, _)| at).filter(|at| *at <= now);
    let due = last.map_or(Some(now), |at| at.checked_add_signed(every));
    Ok(due.filter(|due| *due <= now))
}
