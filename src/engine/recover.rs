//! Intents that a crash or a lost answer left open.

mod creates;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    EngineError,
    apply::{Destination, key_is_alive},
    deliver::observation,
    own::resource_of,
    pull::Attached,
    run::Run,
    sent::holds,
};
use crate::{
    config::{ConnectionName, Content, Pipeline},
    connector::{CallError, LONGEST_WAIT, WriteKind},
    record::Side,
    store::{Changes, Due, Intent, IntentItem},
};

impl Run<'_> {
    /// Resolves what can be resolved now; the rest keeps its records from being decided about.
    ///
    /// While the remote remembers its key, the identical create is sent again and answers as the first time. Else,
    /// and only when the call can no longer take effect late, the target itself is asked: an update by reading the
    /// record, a create by looking for what it made, after this run's pull.
    pub(super) async fn recover(&mut self) -> Result<(), EngineError> {
        for connection in self.connections() {
            for (number, intent) in self.engine.ledger.intents(&connection).await? {
                crate::crash::point("recovering");
                self.recover_one(&number, &intent).await?;
            }
        }
        Ok(())
    }

    /// Only looks which records have an open intent.
    pub(super) async fn load_busy(&mut self) -> Result<(), EngineError> {
        for connection in self.connections() {
            for (_, intent) in self.engine.ledger.intents(&connection).await? {
                if let Some((_, pipeline)) = self.engine.config.pipeline(&intent.pipeline) {
                    let pipeline = pipeline.clone();
                    self.leave_open(&pipeline, &intent);
                }
            }
        }
        Ok(())
    }

    pub(super) fn connections(&self) -> Vec<ConnectionName> {
        let mut names: Vec<_> = self
            .pipelines
            .iter()
            .flat_map(|pipeline| pipeline.ends.iter().map(|end| end.connection.name.clone()))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    async fn recover_one(&mut self, number: &str, intent: &Intent) -> Result<(), EngineError> {
        // A pipeline that was removed keeps its open intents: whoever brings it back needs them.
        let Some((_, pipeline)) = self.engine.config.pipeline(&intent.pipeline) else { return Ok(()) };
        let pipeline = pipeline.clone();
        let end = pipeline.end(intent.side);
        if end.connection.name != intent.connection || end.resource.name != intent.call.resource {
            self.leave_open(&pipeline, intent);
            return Ok(());
        }
        if !intent.account.is_empty() && intent.account != end.connection.account() {
            let message = format!(
                "{} records were being written when `{}` stood for another account ({}); what became of them is not \
                 known, and they wait until it stands for that account again",
                intent.items.len(),
                intent.connection,
                intent.account.trim(),
            );
            self.trouble(&intent.connection, &CallError::NotDone(message));
            self.leave_open(&pipeline, intent);
            return Ok(());
        }
        if self.foreign.contains(&pipeline.name) {
            self.leave_open(&pipeline, intent);
            return Ok(());
        }
        let now = self.engine.clock.now();
        // A clock that was set back makes an age negative: then nobody knows how old the key is.
        let age = (now - intent.first_sent).to_std();
        let to = Destination {
            connector: self.connector(&intent.connection)?,
            resource: resource_of(&pipeline, intent.side, intent.items.first().map(|item| &item.write)),
            side: intent.side,
            timeout: end.connection.manifest.timeout,
        };
        if resends(&pipeline, intent) && age.is_ok_and(|age| key_is_alive(intent, age, to.timeout)) {
            return self.send_again(&pipeline, number, intent, &to).await;
        }
        let ended = self.ended_at_the_latest(number, intent, to.timeout).await?;
        let doubt = TimeDelta::from_std(end.connection.manifest.in_doubt + end.connection.manifest.lag);
        let doubt = doubt.unwrap_or(TimeDelta::MAX);
        if now - ended < doubt {
            self.leave_open(&pipeline, intent);
            return Ok(());
        }
        match intent.call.kind {
            WriteKind::Update | WriteKind::Delete => self.look_up_updates(&pipeline, number, intent, &to).await,
            WriteKind::Create => {
                self.doubtful.push((number.to_owned(), intent.clone()));
                Ok(())
            }
        }
    }

    /// When the last call of an intent had ended on our side. Where no answer tells, because its run was cut off, it
    /// had by now: this run has the connection for itself, in this process and by the store's lock. That is written
    /// down, so that the doubt does not begin anew with every run; and no call lasts longer than its waits and keys.
    async fn ended_at_the_latest(
        &self,
        number: &str,
        intent: &Intent,
        timeout: Duration,
    ) -> Result<DateTime<Utc>, EngineError> {
        let now = self.engine.clock.now();
        // What begins in the future was written down before the clock was set back; then the doubt begins now.
        if let Some(since) = intent.unknown_since.filter(|since| *since <= now) {
            return Ok(since);
        }
        let latest = (LONGEST_WAIT + timeout).max(intent.call.key_lives.unwrap_or_default());
        let latest = intent.first_sent + TimeDelta::from_std(latest).unwrap_or(TimeDelta::zero());
        let ended = latest.min(now);
        let intent = Intent { unknown_since: Some(ended), ..intent.clone() };
        let mut changes = Changes::new();
        changes.together(|atomic| atomic.intent(number, &intent));
        self.engine.ledger.commit(changes).await?;
        Ok(ended)
    }

    async fn send_again(
        &mut self,
        pipeline: &Arc<Pipeline>,
        number: &str,
        intent: &Intent,
        to: &Destination,
    ) -> Result<(), EngineError> {
        let mut intent = intent.clone();
        if intent.unknown_since.take().is_some() {
            // After a crash from here on, the doubt begins later than it did before.
            let mut changes = Changes::new();
            changes.together(|atomic| atomic.intent(number, &intent));
            self.engine.ledger.commit(changes).await?;
            self.engine.ledger.flush().await?;
        }
        match self.call(to, &intent).await {
            Ok(answer) => {
                let newcomers = intent.items.iter().map(|_| None).collect();
                self.settle(pipeline, number, intent.clone(), newcomers, answer).await?;
                if intent.call.kind == WriteKind::Update {
                    // The answer may be that of the first call; what the record holds by now is read.
                    for item in intent.items.iter().filter(|item| !item.done) {
                        self.read_again(pipeline, intent.side, item).await?;
                    }
                }
                Ok(())
            }
            Err(CallError::Refused { message, .. }) => {
                // Refused as a whole, so nothing of it was carried out: decide again.
                tracing::info!(event = "intent.refused", number, %message);
                self.decide_again(pipeline, number, &intent).await
            }
            Err(error) => {
                self.trouble(&intent.connection, &error);
                self.keep_open(pipeline, number, intent).await
            }
        }
    }

    async fn look_up_updates(
        &mut self,
        pipeline: &Arc<Pipeline>,
        number: &str,
        intent: &Intent,
        to: &Destination,
    ) -> Result<(), EngineError> {
        for item in intent.items.iter().filter(|item| !item.done) {
            if self.read_written(pipeline, to, item).await?.is_none() {
                self.leave_open(pipeline, intent);
                return Ok(());
            }
        }
        self.decide_again(pipeline, number, intent).await
    }

    /// Reads a record of which it is not known whether it was written. `None` if it cannot be read now.
    async fn read_written(
        &mut self,
        pipeline: &Arc<Pipeline>,
        to: &Destination,
        item: &IntentItem,
    ) -> Result<Option<()>, EngineError> {
        let Some(link) = self.engine.ledger.link(&pipeline.name, Side::Source, &item.origin).await? else {
            return Ok(Some(()));
        };
        let record = match to.connector.get(&to.resource, link.id(to.side)).await {
            Ok(record) if item.write.delete && record.as_ref().is_none_or(|record| record.gone) => {
                let mut changes = Changes::new();
                self.settle_deleted(&mut changes, pipeline, to.side, &item.origin).await?;
                self.engine.ledger.commit(changes).await?;
                return Ok(Some(()));
            }
            Ok(Some(record)) => record,
            Ok(None) => {
                self.mark_gone(pipeline, to.side, link.id(to.side)).await?;
                return Ok(Some(()));
            }
            Err(error) => {
                let name = pipeline.end(to.side).connection.name.clone();
                self.trouble(&name, &error);
                return Ok(None);
            }
        };
        let seen = observation(pipeline, to.side, &record, TimeDelta::zero());
        if !item.write.delete && !seen.gone && holds(pipeline, to.side, &seen.projection, &item.write) {
            // It was written, and this is as good as the answer.
            let mut changes = Changes::new();
            self.settle_updated(&mut changes, pipeline, to.side, item, &record, true).await?;
            self.engine.ledger.commit(changes).await?;
        } else {
            let attached = Attached { pipeline: pipeline.clone(), side: to.side, spill: false };
            self.deliver(&attached, &[record], TimeDelta::zero()).await?;
        }
        Ok(Some(()))
    }

    /// Closes an intent and has its records decided about in this run, after its pull.
    async fn decide_again(
        &mut self,
        pipeline: &Arc<Pipeline>,
        number: &str,
        intent: &Intent,
    ) -> Result<(), EngineError> {
        let side = match intent.call.kind {
            WriteKind::Create => intent.side.other(),
            WriteKind::Update | WriteKind::Delete => Side::Source,
        };
        let at = self.engine.clock.now();
        let mut changes = Changes::new();
        for item in intent.items.iter().filter(|item| !item.done) {
            let due = Due { at, why: "the outcome of its last write was unknown".to_owned() };
            changes.together(|atomic| atomic.due(&pipeline.name, side, &item.origin, &due));
        }
        changes.together(|atomic| atomic.close_intent(&intent.connection, number));
        Ok(self.engine.ledger.commit(changes).await?)
    }
}

/// Whether a call is sent again once its run is over. A create makes no second record while its key lives. An
/// update could overwrite what somebody typed since, so the record is looked at instead; only where elements of a
/// list were sent, the answer is needed to know them again.
fn resends(pipeline: &Pipeline, intent: &Intent) -> bool {
    let lists = |item: &IntentItem| {
        item.write
            .fields
            .iter()
            .any(|sent| pipeline.fields.iter().any(|f| f.id == sent.field && matches!(f.content, Content::Each(_))))
    };
    match intent.call.kind {
        WriteKind::Create => true,
        WriteKind::Update => intent.items.iter().any(|item| !item.done && lists(item)),
        // Whether a record is gone can be seen.
        WriteKind::Delete => false,
    }
}
