//! Intents that a crash or a lost answer left open.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;

use super::{
    EngineError,
    apply::{Destination, key_is_alive},
    pull::Attached,
    run::Run,
};
use crate::{
    config::{ConnectionName, Pipeline},
    connector::{CallError, WriteKind},
    record::Side,
    store::{Changes, Due, Intent},
    sync::{Finding, FindingKind, ParkCode},
};

impl Run<'_> {
    /// Resolves what can be resolved now; the rest keeps its records from being decided about.
    ///
    /// While the remote remembers the key, the identical call is sent again and answers as the first time. After
    /// that, and only when the call can no longer take effect late, the target itself is asked: an update by reading
    /// the record, a create by matching, which is what this run's pull and plan do anyway.
    pub(super) async fn recover(&mut self) -> Result<(), EngineError> {
        for connection in self.connections() {
            for (number, intent) in self.engine.ledger.intents(&connection).await? {
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

    fn connections(&self) -> Vec<ConnectionName> {
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
        let now = self.engine.clock.now();
        // A clock that went back makes an age negative: then it is young, which is the careful answer.
        let age = (now - intent.first_sent).to_std().unwrap_or(Duration::ZERO);
        let to = Destination {
            connector: self.connector(&intent.connection)?,
            resource: end.resource.clone(),
            side: intent.side,
            timeout: end.connection.manifest.timeout,
        };
        if key_is_alive(intent, age, to.timeout) {
            match self.call(&to, intent).await {
                Ok(answer) => {
                    let newcomers = intent.items.iter().map(|_| None).collect();
                    return self.settle(&pipeline, number, intent, newcomers, answer).await;
                }
                Err(CallError::Refused { message, .. }) => {
                    // Refused as a whole, so nothing of it was carried out: decide again.
                    tracing::info!(event = "intent.refused", number, %message);
                    return self.decide_again(&pipeline, number, intent).await;
                }
                Err(error) => {
                    self.trouble(&intent.connection, &error);
                    self.leave_open(&pipeline, intent);
                    return Ok(());
                }
            }
        }
        if age < end.connection.manifest.in_doubt {
            self.leave_open(&pipeline, intent);
            return Ok(());
        }
        match intent.call.kind {
            WriteKind::Update => self.look_up_updates(&pipeline, number, intent, &to).await,
            WriteKind::Create if pipeline.tiers.is_empty() => self.park_unknown(&pipeline, number, intent).await,
            WriteKind::Create => self.decide_again(&pipeline, number, intent).await,
        }
    }

    async fn look_up_updates(
        &mut self,
        pipeline: &Arc<Pipeline>,
        number: &str,
        intent: &Intent,
        to: &Destination,
    ) -> Result<(), EngineError> {
        let attached = Attached { pipeline: pipeline.clone(), side: to.side, spill: false };
        for item in &intent.items {
            let Some(link) = self.engine.ledger.link(&pipeline.name, Side::Source, &item.origin).await? else {
                continue;
            };
            match to.connector.get(&to.resource, link.id(to.side)).await {
                Ok(Some(record)) => self.deliver(&attached, &[record], TimeDelta::zero()).await?,
                Ok(None) => self.mark_gone(pipeline, to.side, link.id(to.side)).await?,
                Err(error) => {
                    self.trouble(&intent.connection, &error);
                    self.leave_open(pipeline, intent);
                    return Ok(());
                }
            }
        }
        self.decide_again(pipeline, number, intent).await
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
            WriteKind::Update => Side::Source,
        };
        let at = self.engine.clock.now();
        let mut changes = Changes::new();
        for item in &intent.items {
            let due = Due { at, why: "the outcome of its last write was unknown".to_owned() };
            changes.together(|atomic| atomic.due(&pipeline.name, side, &item.origin, &due));
        }
        changes.together(|atomic| atomic.close_intent(&intent.connection, number));
        Ok(self.engine.ledger.commit(changes).await?)
    }

    /// There is no way to find out: a person looks.
    async fn park_unknown(
        &mut self,
        pipeline: &Arc<Pipeline>,
        number: &str,
        intent: &Intent,
    ) -> Result<(), EngineError> {
        let side = intent.side.other();
        let mut changes = Changes::new();
        for item in &intent.items {
            let message = format!(
                "{} was asked to create it at {}, the answer was lost, and there is no key to look it up by",
                intent.connection, intent.first_sent
            );
            let finding = Finding { kind: FindingKind::Parked(ParkCode::Unknown), field: None, message };
            self.list_findings(pipeline, side, &item.origin, &item.label, std::slice::from_ref(&finding));
            let mut parked = self.parked_entry(&[], &item.label, &finding, Vec::new());
            parked.next_try = None;
            changes.together(|atomic| atomic.park(&pipeline.name, side, &item.origin, &[parked]));
            self.busy.insert((pipeline.name.clone(), side, item.origin.clone()));
        }
        let _ = number; // the intent stays open: it is what keeps the record from being created again
        Ok(self.engine.ledger.commit(changes).await?)
    }
}
