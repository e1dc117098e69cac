//! Remotes that show an old copy for a while after a write.
//!
//! A replica that is behind answers a reading by the record as it was before our write. Laid beside its link the old value
//! would be an edit, and overwrite on the other side what was just carried over. So where the manifest says `lag`, the
//! moment of every answer is remembered with what it did; readings of the record are left aside until so much time has
//! passed, and if there were any, it is read by its id then. Nor is a record gone that such a reading lacks.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    EngineError,
    pull::{Attached, ResourceKey},
    run::Run,
};
use crate::{
    config::{Connection, ConnectionName, Pipeline},
    record::{RecordId, Side},
    store::{Atomic, Changes, Settling},
};

/// How long readings of a connection may be older than a write.
pub(super) fn lag_of(connection: &Connection) -> TimeDelta {
    TimeDelta::from_std(connection.manifest.lag).unwrap_or(TimeDelta::MAX)
}

/// What is remembered of a write while readings may be older than it. A clock that is behind the moment that is written
/// down was set back: how long ago that was cannot be told, so it is counted from now.
fn lasting(settling: Settling, lag: TimeDelta, now: DateTime<Utc>) -> Option<Settling> {
    Some(Settling { since: settling.since.min(now), ..settling }).filter(|settling| now - settling.since < lag)
}

/// A write that was answered, where readings may be older than that.
pub(super) struct Answered(Option<(ConnectionName, String, Settling)>);

impl Answered {
    /// Remembers it, in the group of what the write did.
    pub fn remember(&self, atomic: &mut Atomic, id: &RecordId) {
        if let Some((connection, resource, settling)) = &self.0 {
            atomic.settling(connection, resource, id, settling);
        }
    }
}

impl Run<'_> {
    /// What is remembered of a write to this end that was answered now.
    pub(super) fn answered_now(&self, pipeline: &Pipeline, side: Side) -> Answered {
        let end = pipeline.end(side);
        let settling = Settling { since: self.engine.clock.now(), unread: false };
        let lags = !end.connection.manifest.lag.is_zero();
        Answered(lags.then(|| (end.connection.name.clone(), end.resource.name.clone(), settling)))
    }

    /// Which of these records' readings may be older than our last write. They are read again later.
    pub(super) async fn may_be_old(
        &self,
        pipeline: &Pipeline,
        side: Side,
        ids: &[RecordId],
    ) -> Result<Vec<bool>, EngineError> {
        let end = pipeline.end(side);
        let (lag, now) = (lag_of(&end.connection), self.engine.clock.now());
        if lag.is_zero() {
            return Ok(vec![false; ids.len()]);
        }
        let (connection, resource) = (&end.connection.name, &end.resource.name);
        let mut old = Vec::with_capacity(ids.len());
        let mut changes = Changes::new();
        for (id, settling) in ids.iter().zip(self.engine.ledger.settling(connection, resource, ids).await?) {
            let lasting = settling.and_then(|settling| lasting(settling, lag, now));
            old.push(lasting.is_some());
            let unread = lasting.map(|lasting| Settling { unread: true, ..lasting });
            if let Some(unread) = unread.filter(|unread| settling != Some(*unread)) {
                changes.together(|atomic| atomic.settling(connection, resource, id, &unread));
            }
        }
        self.engine.ledger.commit(changes).await?;
        Ok(old)
    }

    /// Reads the records whose readings were left aside, when their time has come.
    pub(super) async fn read_settled(&mut self) -> Result<(), EngineError> {
        for name in self.connections() {
            let Some(connection) = self.engine.config.connections.get(&name).cloned() else { continue };
            let (lag, now) = (lag_of(&connection), self.engine.clock.now());
            if lag.is_zero() || self.is_down(&name) {
                continue;
            }
            for (resource, id, settling) in self.engine.ledger.list_settling(&name).await? {
                let lasting = lasting(settling, lag, now);
                if lasting == Some(settling) {
                    continue;
                }
                let key = (name.clone(), resource);
                if lasting.is_none() && settling.unread && !self.read_for_all(&key, &id).await? {
                    break;
                }
                let mut changes = Changes::new();
                changes.together(|atomic| match lasting {
                    Some(lasting) => atomic.settling(&name, &key.1, &id, &lasting),
                    None => atomic.settled(&name, &key.1, &id),
                });
                self.engine.ledger.commit(changes).await?;
            }
        }
        Ok(())
    }

    /// Reads a record once, for every pipeline that links it. `false` if it cannot be read now.
    async fn read_for_all(&mut self, key: &ResourceKey, id: &RecordId) -> Result<bool, EngineError> {
        for (pipeline, side) in self.ends_using(key) {
            if self.engine.ledger.link(&pipeline.name, side, id).await?.is_none() {
                continue;
            }
            let end = pipeline.end(side);
            if end.resource.get.is_none() {
                // There is no other way to look than to read everything.
                self.state_mut(&pipeline.name).await?.read[side.index()] = 0;
                continue;
            }
            match self.connector(&key.0)?.get(&end.resource, id).await {
                Ok(Some(record)) => {
                    let attached = Attached { pipeline, side, spill: false };
                    self.deliver(&attached, &[record], TimeDelta::zero()).await?;
                }
                Ok(None) => self.mark_gone(&pipeline, side, id).await?,
                Err(error) => {
                    self.trouble(&key.0, &error);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
