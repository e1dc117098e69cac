//! The running daemon: one task per integration, one lock per connection, one way to stop.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{
    sync::{Notify, OwnedMutexGuard, mpsc, watch},
    task::JoinHandle,
};

use super::{
    answer,
    health::Health,
    protocol::{Failure, Progress, Request, Response},
    slot::Slot,
    socket::{Listener, SocketError},
    status::DaemonStatus,
    worker,
};
use crate::{
    config::{ConnectionName, IntegrationName, Settings},
    engine::Engine,
};

/// How the daemon behaves towards its surroundings.
#[derive(Clone, Debug)]
pub struct DaemonSettings {
    /// The unix socket over which commands reach it; `None` in tests that need none.
    pub socket: Option<PathBuf>,
    /// How long a stop waits for the current runs.
    pub stop_deadline: Duration,
}

impl From<&Settings> for DaemonSettings {
    fn from(settings: &Settings) -> Self {
        Self { socket: Some(settings.socket.clone()), stop_deadline: settings.stop_deadline }
    }
}

/// How far a stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    /// Nobody asked for one.
    Running,
    /// No new work is taken.
    Finishing,
    /// Runs still under way are dropped; recovery finishes them at the next start.
    Now,
    /// Everything has ended.
    Done,
}

/// What the tasks of a daemon share.
pub(super) struct Shared {
    pub engine: Engine,
    pub settings: DaemonSettings,
    pub started: DateTime<Utc>,
    pub slots: BTreeMap<IntegrationName, Arc<Slot>>,
    pub health: Health,
    pub stop: watch::Sender<Stop>,
    locks: BTreeMap<ConnectionName, Arc<tokio::sync::Mutex<()>>>,
    pub stirred: watch::Sender<u64>,
    pub look_at_config: Notify,
}

impl Shared {
    /// Waits for these connections, always in the order of their names so that no two can wait for each other.
    pub async fn lock(&self, connections: &BTreeSet<ConnectionName>) -> Vec<OwnedMutexGuard<()>> {
        let mut guards = Vec::new();
        for lock in connections.iter().filter_map(|name| self.locks.get(name)) {
            guards.push(lock.clone().lock_owned().await);
        }
        guards
    }

    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow() != Stop::Running
    }

    /// Returns when the stop has come as far as `stage`.
    pub async fn stopped(&self, stage: Stop) {
        let mut stop = self.stop.subscribe();
        // The sender lives in `self`.
        let _ = stop.wait_for(|now| *now >= stage).await;
    }

    /// Waits until an instant of the wall clock, which may be moved meanwhile. Cancel safe.
    pub async fn sleep_until(&self, at: DateTime<Utc>) {
        /// A machine's clock is looked at again this often, because a person may have moved it.
        const LOOK: Duration = Duration::from_mins(1);
        let clock = &self.engine.clock;
        loop {
            // In this order: a clock that moves between the two readings makes the wait too short, never too long.
            let monotonic = clock.monotonic();
            let Ok(left) = (at - clock.now()).to_std() else { return };
            if left.is_zero() {
                return;
            }
            let left = if clock.is_manual() { left } else { left.min(LOOK) };
            clock.sleep_until(monotonic.saturating_add(left)).await;
        }
    }

    pub fn status(&self) -> DaemonStatus {
        let probe = self.health.next_probe();
        DaemonStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.started,
            now: self.engine.clock.now(),
            stopping: self.is_stopping(),
            store_failing: self.health.message(),
            integrations: self.slots.values().map(|slot| slot.now(probe)).collect(),
        }
    }

    /// Has the configuration looked at again soon, also where no file changed: what was held may be allowed now.
    #[allow(dead_code, reason = "the reload itself comes next")]
    pub fn look_at_config_again(&self) {
        self.look_at_config.notify_one();
    }

    /// Runs that a person asked for and that have not ended.
    fn by_hand(&self) -> usize {
        self.slots.values().map(|slot| slot.peek(|state| state.by_hand)).sum()
    }
}

/// Starts daemons.
#[derive(Debug)]
pub struct Daemon;

impl Daemon {
    /// Starts a daemon on this engine: its integrations begin at once, and commands are listened to.
    ///
    /// # Errors
    ///
    /// When another daemon answers on the socket, or the socket cannot be made.
    pub async fn start(engine: Engine, settings: DaemonSettings) -> Result<Handle, SocketError> {
        let listener = match &settings.socket {
            Some(path) => Some(Listener::bind(path).await?),
            None => None,
        };
        let (stirred, _) = watch::channel(0);
        let slots: BTreeMap<_, _> = engine
            .config
            .integrations
            .iter()
            .map(|(name, integration)| (name.clone(), Arc::new(Slot::new(integration.clone(), stirred.clone()))))
            .collect();
        let locks = slots.values().flat_map(|slot| slot.connections.iter().cloned()).map(|name| (name, Arc::default()));
        let shared = Arc::new(Shared {
            started: engine.clock.now(),
            locks: locks.collect(),
            slots,
            health: Health::default(),
            stop: watch::Sender::new(Stop::Running),
            stirred,
            look_at_config: Notify::new(),
            engine,
            settings,
        });
        let workers =
            shared.slots.values().map(|slot| tokio::spawn(worker::work(shared.clone(), slot.clone()))).collect();
        let listener = listener.map(|listener| tokio::spawn(listener.serve(shared.clone())));
        tracing::info!(event = "daemon.started", integrations = shared.slots.len());
        Ok(Handle { shared, tasks: Arc::new(Mutex::new(Tasks { workers, listener })) })
    }
}

#[derive(Debug, Default)]
struct Tasks {
    workers: Vec<JoinHandle<()>>,
    listener: Option<JoinHandle<()>>,
}

/// A running daemon. Dropping it does not stop it; [`Handle::stop`] does.
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
    tasks: Arc<Mutex<Tasks>>,
}

impl Handle {
    /// How it stands.
    #[must_use]
    pub fn status(&self) -> DaemonStatus {
        self.shared.status()
    }

    /// Carries out a request as if it came over the socket.
    ///
    /// # Errors
    ///
    /// As the socket would answer.
    pub async fn call(&self, request: Request) -> Result<Response, Failure> {
        let (progress, _) = mpsc::unbounded_channel();
        answer::answer(&self.shared, request, progress).await
    }

    /// As [`Handle::call`], telling how far a run is.
    ///
    /// # Errors
    ///
    /// As the socket would answer.
    pub async fn stream(
        &self,
        request: Request,
        progress: mpsc::UnboundedSender<Progress>,
    ) -> Result<Response, Failure> {
        answer::answer(&self.shared, request, progress).await
    }

    /// Something new exists on a system (a webhook came, a test made an edit): looks at the integration again.
    pub fn look_again(&self, integration: &IntegrationName) {
        if let Some(slot) = self.shared.slots.get(integration) {
            let now = self.shared.engine.clock.now();
            slot.poke(|agenda| agenda.saw_change(now));
        }
    }

    /// Takes no new work, lets the current runs come to their end within the deadline, drops those that do not (they
    /// are recovered at the next start), and flushes. Asking twice is the same as once.
    pub async fn stop(&self) {
        let first = self.shared.stop.send_if_modified(|stop| {
            let first = *stop == Stop::Running;
            *stop = (*stop).max(Stop::Finishing);
            first
        });
        if !first {
            return self.shared.stopped(Stop::Done).await;
        }
        tracing::info!(event = "daemon.stopping", deadline = ?self.shared.settings.stop_deadline);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let shared = self.shared.clone();
        let deadline = tokio::spawn(async move {
            shared.engine.clock.sleep(shared.settings.stop_deadline).await;
            tracing::warn!(event = "daemon.deadline", "runs still under way are left to recovery");
            shared.stop.send_modify(|stop| *stop = (*stop).max(Stop::Now));
        });
        for worker in tasks.workers {
            if let Err(error) = worker.await {
                tracing::error!(event = "daemon.task_failed", %error);
            }
        }
        let mut stirred = self.shared.stirred.subscribe();
        while self.shared.by_hand() > 0 {
            let _ = stirred.changed().await;
        }
        deadline.abort();
        self.flush().await;
        self.shared.stop.send_replace(Stop::Done);
        if let Some(listener) = tasks.listener {
            let _ = listener.await;
        }
        tracing::info!(event = "daemon.stopped");
    }
}

impl Handle {
    /// Makes everything durable; a store that cannot is noted, and nothing is written to any system until it can.
    pub(super) async fn flush(&self) {
        if let Err(error) = self.shared.engine.ledger.flush().await {
            self.shared.health.failed(&error, self.shared.engine.clock.now());
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("status", &self.status()).finish_non_exhaustive()
    }
}
