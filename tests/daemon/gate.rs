//! A door before a system: it can be shut (calls hang) or broken (calls fail).

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use reconciled::{
    clock::Clock,
    connector::{
        Answer, CallError, Connector, Page, PreparedCall, PullCursor, RemoteRecord, Requests, Resource, WriteItem,
        WriteKind,
    },
    record::RecordId,
};
use tokio::sync::watch;

use crate::support::Fake;

pub struct Gate {
    system: Arc<Fake>,
    shut: watch::Sender<bool>,
    broken: Mutex<Option<CallError>>,
    no_writes: Mutex<Option<CallError>>,
    slow: Mutex<Option<(Clock, Duration)>>,
    urgent: AtomicUsize,
    calls: AtomicUsize,
    /// Calls that stand before the door.
    pub waiting: watch::Sender<usize>,
}

impl Gate {
    pub fn before(system: Arc<Fake>) -> Arc<Self> {
        let (shut, waiting) = (watch::Sender::new(false), watch::Sender::new(0));
        Arc::new(Self {
            system,
            shut,
            broken: Mutex::new(None),
            no_writes: Mutex::new(None),
            calls: AtomicUsize::new(0),
            slow: Mutex::new(None),
            urgent: AtomicUsize::new(0),
            waiting,
        })
    }

    /// How often somebody wanted to call for a person.
    pub fn for_people(&self) -> usize {
        self.urgent.load(Ordering::SeqCst)
    }

    pub fn shut(&self, shut: bool) {
        self.shut.send_replace(shut);
    }

    pub fn fail_with(&self, error: Option<CallError>) {
        *self.broken.lock().unwrap() = error;
    }

    /// Only what is read gets through.
    pub fn refuse_writes(&self, error: Option<CallError>) {
        *self.no_writes.lock().unwrap() = error;
    }

    /// Calls so far, whatever came of them.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Every call takes so long by this clock.
    pub fn take(&self, clock: &Clock, long: Duration) {
        *self.slow.lock().unwrap() = Some((clock.clone(), long));
    }

    /// Returns when a call stands before the shut door.
    pub async fn someone_waits(&self) {
        self.waiting.subscribe().wait_for(|waiting| *waiting > 0).await.unwrap();
    }

    async fn pass(&self) -> Result<(), CallError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.waiting.send_modify(|waiting| *waiting += 1);
        self.shut.subscribe().wait_for(|shut| !*shut).await.unwrap();
        self.waiting.send_modify(|waiting| *waiting -= 1);
        let slow = self.slow.lock().unwrap().clone();
        if let Some((clock, long)) = slow {
            clock.sleep(long).await;
        }
        self.broken.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Connector for Gate {
    fn resource(&self, name: &str) -> Option<&Resource> {
        self.system.resource(name)
    }

    async fn pull(&self, resource: &Resource, cursor: &PullCursor) -> Result<Page, CallError> {
        self.pass().await?;
        self.system.pull(resource, cursor).await
    }

    async fn get(&self, resource: &Resource, id: &RecordId) -> Result<Option<RemoteRecord>, CallError> {
        self.pass().await?;
        self.system.get(resource, id).await
    }

    fn prepare(
        &self,
        resource: &Resource,
        kind: WriteKind,
        items: &[WriteItem],
        key: &str,
    ) -> Result<PreparedCall, CallError> {
        self.system.prepare(resource, kind, items, key)
    }

    async fn send(&self, resource: &Resource, call: &PreparedCall) -> Result<Answer, CallError> {
        self.pass().await?;
        self.no_writes.lock().unwrap().clone().map_or(Ok(()), Err)?;
        self.system.send(resource, call).await
    }

    fn requests(&self) -> Requests {
        self.system.requests()
    }

    fn for_a_person(&self) -> Option<Arc<dyn Connector>> {
        self.urgent.fetch_add(1, Ordering::SeqCst);
        None
    }
}
