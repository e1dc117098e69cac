//! The running daemon: one task per integration, one lock per connection, one way to stop.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{
    sync::{OwnedMutexGuard, mpsc, watch},
    task::JoinHandle,
};

use super::{
    answer,
    health::Health,
    protocol::{Failure, Progress, Request, Response},
    slot::{Rest, Slot},
    socket::{Listener, SocketError},
    status::{DaemonStatus, Phase},
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

/// Whether anything goes on.
enum Quiet {
    /// No: everybody waits, and this is the earliest instant anybody waits for.
    Settled(Option<DateTime<Utc>>),
    /// So many runs are under way, and everybody else waits, some of them until these instants.
    Running(usize, Vec<DateTime<Utc>>),
    /// Somebody has something to do at once.
    No,
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
    stirred: watch::Sender<u64>,
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

    /// Whether everybody waits, and for what.
    fn quiet(&self) -> Quiet {
        let now = self.engine.clock.now();
        let (mut rests, mut running, mut queued) = (Vec::new(), Vec::new(), Vec::new());
        for slot in self.slots.values() {
            let (rest, by_hand, phase) = slot.peek(|state| (state.rest, state.by_hand, state.phase.clone()));
            match (phase, rest) {
                (Phase::Running { .. }, _) => running.push(slot),
                (Phase::Queued { .. }, _) => queued.push(slot),
                (Phase::Waiting, Rest::Until(at)) if at > now && by_hand == 0 => {
                    rests.push(at);
                }
                (Phase::Waiting, rest) => {
                    if by_hand > 0 || !matches!(rest, Rest::Woken | Rest::Ended) {
                        return Quiet::No;
                    }
                }
            }
        }
        // Who stands in line behind nobody begins at once.
        let behind = |slot: &Slot| running.iter().any(|other| !other.connections.is_disjoint(&slot.connections));
        if !queued.into_iter().all(|slot| behind(slot)) {
            return Quiet::No;
        }
        if running.is_empty() { Quiet::Settled(rests.into_iter().min()) } else { Quiet::Running(running.len(), rests) }
    }

    /// Where every run that goes on waits for the clock (for its turn at a limited remote, say): until when the first
    /// of them does.
    fn all_wait_for_the_clock(
        &self,
        running: usize,
        rests: &[DateTime<Utc>],
        sleeps: &BTreeMap<u64, Duration>,
    ) -> Option<Duration> {
        let clock = &self.engine.clock;
        let (elapsed, now) = (clock.monotonic(), clock.now());
        let mut others: Vec<Duration> = sleeps.values().copied().filter(|until| *until > elapsed).collect();
        for at in rests {
            // The rest of an integration that has nothing to do is not a run that waits.
            let own = elapsed.saturating_add((*at - now).to_std().unwrap_or_default());
            if let Some(index) = others.iter().position(|until| *until == own) {
                others.swap_remove(index);
            }
        }
        if others.len() < running { None } else { others.into_iter().min() }
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

/// What a manual clock has to be moved to.
enum Instant {
    /// What a run waits for, in time since the clock was made.
    OfRun(Duration),
    /// What the schedules wait for.
    OfSchedule(Option<DateTime<Utc>>),
}

#[derive(Debug, Default)]
struct Tasks {
    workers: Vec<JoinHandle<()>>,
    listener: Option<JoinHandle<()>>,
}

/// A running daemon. Dropping it does not stop it; [`Handle::stop`] does.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
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

    /// Returns when no run is under way and every integration waits: the earliest instant any of them waits for.
    pub async fn settled(&self) -> Option<DateTime<Utc>> {
        let mut stirred = self.shared.stirred.subscribe();
        loop {
            stirred.borrow_and_update();
            let quiet = self.shared.quiet();
            if stirred.has_changed().unwrap_or(false) {
                continue;
            }
            if let Quiet::Settled(next) = quiet {
                return next;
            }
            // The sender lives in `self`.
            let _ = stirred.changed().await;
        }
    }

    /// Moves a manual clock from one thing that happens to the next until `instant`, and waits for its ends. A run
    /// that waits for the clock itself gets the time it waits for, so the clock may end up later than `instant`.
    ///
    /// # Panics
    ///
    /// On the system clock.
    pub async fn run_until(&self, instant: DateTime<Utc>) {
        let clock = &self.shared.engine.clock;
        loop {
            let next = self.next_instant().await;
            let now = clock.now();
            match next {
                Instant::OfRun(until) => clock.advance(until.saturating_sub(clock.monotonic())),
                Instant::OfSchedule(_) if now >= instant => return,
                Instant::OfSchedule(next) => {
                    let to = next.map_or(instant, |next| next.min(instant));
                    clock.advance((to - now).to_std().unwrap_or_default());
                }
            }
        }
    }

    /// Returns when nothing happens any more unless a manual clock is moved.
    async fn next_instant(&self) -> Instant {
        let clock = &self.shared.engine.clock;
        assert!(clock.is_manual(), "only a manual clock can be moved");
        let mut stirred = self.shared.stirred.subscribe();
        let Some(mut sleeps) = clock.sleeps() else { return Instant::OfSchedule(None) };
        loop {
            stirred.borrow_and_update();
            let sleeping = sleeps.borrow_and_update().clone();
            let quiet = self.shared.quiet();
            if stirred.has_changed().unwrap_or(false) || sleeps.has_changed().unwrap_or(false) {
                continue;
            }
            match quiet {
                Quiet::Settled(next) => return Instant::OfSchedule(next),
                Quiet::Running(running, rests) => {
                    if let Some(until) = self.shared.all_wait_for_the_clock(running, &rests, &sleeping) {
                        return Instant::OfRun(until);
                    }
                }
                Quiet::No => {}
            }
            tokio::select! {
                _ = stirred.changed() => {}
                _ = sleeps.changed() => {}
            }
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
