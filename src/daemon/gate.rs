//! A gate before the connectors of one run: when a new configuration shall take over, no further call is begun, so
//! that the run ends as soon as what it has sent is settled. Nothing is lost by that: what was not done is still due.

use std::{collections::BTreeSet, future::Future, sync::Arc};

use async_trait::async_trait;
use tokio::sync::watch;

use super::slot::{Drain, Slot};
use crate::{
    clock::Clock,
    config::ConnectionName,
    connector::{
        Answer, CallError, Connector, InboxConnector, Outcome, Page, PreparedCall, PullCursor, RemoteRecord, Requests,
        Resource, Traffic, WriteItem, WriteKind,
    },
    engine::{Connectors, Engine},
    record::RecordId,
};

struct Gate {
    inner: Arc<dyn Connector>,
    slot: Arc<Slot>,
    clock: Clock,
    drain: watch::Receiver<Drain>,
}

/// An engine whose calls a person waits for: they go first, and may use what the limits keep for people.
pub(super) fn for_a_person(mut engine: Engine) -> Engine {
    let urgent = |connector: &Arc<dyn Connector>| connector.for_a_person().unwrap_or_else(|| Arc::clone(connector));
    let all = engine.connectors.iter().map(|(name, connector)| (name.clone(), urgent(connector)));
    engine.connectors = Arc::new(all.collect());
    engine
}

/// The connectors of `connections`, each behind the gate of this integration. A run sees no others: a thousand runs at
/// once would keep a list of everybody's each.
pub(super) fn before(
    all: &Connectors,
    connections: &BTreeSet<ConnectionName>,
    (slot, clock): (&Arc<Slot>, &Clock),
) -> Connectors {
    let gated = connections.iter().filter_map(|name| {
        let (inner, clock) = (Arc::clone(all.get(name)?), clock.clone());
        let gate = Gate { inner, slot: Arc::clone(slot), clock, drain: slot.draining() };
        Some((name.clone(), Arc::new(gate) as Arc<dyn Connector>))
    });
    gated.collect()
}

impl Gate {
    fn pass(&self) -> Result<&dyn Connector, CallError> {
        if *self.drain.borrow() >= Drain::Closed {
            return Err(edited());
        }
        Ok(self.inner.as_ref())
    }

    /// A read is given up when the gate closes: nothing waits to be settled, and it is made again.
    async fn read<T>(&self, call: impl Future<Output = Result<T, CallError>> + Send) -> Result<T, CallError> {
        let answer = tokio::select! {
            biased;
            answer = call => answer,
            () = self.slot.drained(Drain::Closed) => Err(edited()),
        };
        self.noted(answer)
    }

    fn noted<T>(&self, answer: Result<T, CallError>) -> Result<T, CallError> {
        if answer.is_ok() {
            self.slot.was_answered(self.clock.monotonic());
        }
        answer
    }
}

fn edited() -> CallError {
    CallError::NotDone("the configuration was edited; the rest is done with the new one".to_owned())
}

#[async_trait]
impl Connector for Gate {
    fn resource(&self, name: &str) -> Option<&Resource> {
        self.inner.resource(name)
    }

    async fn pull(&self, resource: &Resource, cursor: &PullCursor) -> Result<Page, CallError> {
        self.read(self.pass()?.pull(resource, cursor)).await
    }

    async fn get(&self, resource: &Resource, id: &RecordId) -> Result<Option<RemoteRecord>, CallError> {
        self.read(self.pass()?.get(resource, id)).await
    }

    fn prepare(
        &self,
        resource: &Resource,
        kind: WriteKind,
        items: &[WriteItem],
        key: &str,
    ) -> Result<PreparedCall, CallError> {
        self.inner.prepare(resource, kind, items, key)
    }

    async fn send(&self, resource: &Resource, call: &PreparedCall) -> Result<Answer, CallError> {
        let answer = self.pass()?.send(resource, call).await;
        self.noted(answer)
    }

    fn inbox(&self) -> Option<&InboxConnector> {
        self.inner.inbox()
    }

    fn to_tell(&self, resource: &Resource) -> Vec<RecordId> {
        self.inner.to_tell(resource)
    }

    async fn settled(&self, resource: &Resource, outcomes: &[Outcome]) {
        self.inner.settled(resource, outcomes).await;
    }

    fn traffic(&self) -> Option<Traffic> {
        self.inner.traffic()
    }

    fn requests(&self) -> Requests {
        self.inner.requests()
    }
}
