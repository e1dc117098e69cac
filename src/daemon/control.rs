//! The running daemon: one task per integration, one lock per connection, one way to stop.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    sync::{OwnedMutexGuard, mpsc, watch},
    task::JoinHandle,
};

use super::{
    answer,
    consent::Links,
    counts::Counters,
    grants,
    health::{self, Health},
    notices::{self, Board},
    paused, prober,
    protocol::{Failure, Progress, Request, Response},
    public::{self, PublicNow},
    reload::{self, Asks, ConfigNow, Reloading},
    slot::{Slot, Version},
    snapshots,
    socket::{Listener, SocketError},
    status::DaemonStatus,
    worker,
};
use crate::{
    clock::Clock,
    config::{ConnectionName, Effects, EnvSource, IntegrationName, Settings},
    engine::Engine,
    store::Ledger,
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

/// Every integration that runs, by name.
pub(super) type Slots = BTreeMap<IntegrationName, Arc<Slot>>;

/// Both times of a clock at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub monotonic: Duration,
    pub wall: DateTime<Utc>,
}

/// What the tasks of a daemon share.
pub(super) struct Shared {
    /// What runs: its configuration and connectors are replaced by a reload.
    engine: RwLock<Engine>,
    /// The engine's, which stays.
    pub clock: Clock,
    settings: RwLock<DaemonSettings>,
    pub started: DateTime<Utc>,
    slots: RwLock<Arc<Slots>>,
    pub health: Health,
    /// How those stand who are told what goes wrong.
    pub board: Board,
    pub stop: watch::Sender<Stop>,
    locks: Mutex<BTreeMap<ConnectionName, Arc<tokio::sync::Mutex<()>>>>,
    pub stirred: watch::Sender<u64>,
    /// Takes the wish for a reload; nobody listens where nothing is reloaded.
    pub asks: Asks,
    /// How often the files were judged.
    pub judged: watch::Sender<u64>,
    /// Clients of which nothing is told any more.
    pub forgotten: Mutex<BTreeSet<IntegrationName>>,
    /// Where variables come from; `None` where nothing is reloaded.
    pub env: Option<Arc<dyn EnvSource + Send + Sync>>,
    /// How the configuration stands; `None` where nothing is reloaded.
    pub config_now: Mutex<Option<ConfigNow>>,
    /// How the public listener stands; `None` where there is none.
    public: Mutex<Option<PublicNow>>,
    /// One-time links that wait for somebody.
    pub links: Links,
    /// What was done, counted.
    pub counts: Counters,
    tasks: Mutex<Tasks>,
}

impl Shared {
    /// What runs now. Whoever goes on with it keeps it, whatever takes over meanwhile.
    pub fn engine(&self) -> Engine {
        self.engine.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is remembered. Asked for anew each time: a store that failed is replaced by another.
    pub fn ledger(&self) -> Ledger {
        self.engine.read().unwrap_or_else(PoisonError::into_inner).ledger.clone()
    }

    /// Finds out whether a failing store works again, if it is time. One that failed for good is replaced, and everybody
    /// looks for what is left to do, as after a restart.
    pub async fn probe_store(&self, now: DateTime<Utc>) {
        let Some(_turn) = self.health.turn(now).await else { return };
        let store = Arc::clone(self.ledger().store());
        let new = match health::probe(store.as_ref(), now).await {
            Ok(new) => new,
            Err(error) => return self.health.failed(&error, now),
        };
        if let Some(new) = new {
            // Runs on the old one end with its error; none of them can write anything more.
            if let Some(keeper) = grants::keeper(&self.engine()) {
                keeper.use_store(Arc::clone(&new));
            }
            for connector in self.engine().connectors.values() {
                connector.use_store(&new);
            }
            self.replace_engine(|engine| engine.ledger = Ledger::new(new));
        }
        let pauses: Vec<_> = self.slots().values().filter_map(|slot| slot.pauses()).collect();
        if let Err(error) = paused::put_right(&self.ledger(), &pauses).await {
            return self.health.failed(&error, now);
        }
        self.health.works();
        for slot in self.slots().values() {
            slot.with(|state| state.unsure = true);
            slot.stir();
        }
        self.asks.store_works();
    }

    /// Replaces what runs, in one step.
    pub fn replace_engine(&self, change: impl FnOnce(&mut Engine)) {
        change(&mut self.engine.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Every integration that runs now.
    pub fn slots(&self) -> Arc<Slots> {
        Arc::clone(&self.slots.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the integrations that run, in one step.
    pub fn replace_slots(&self, change: impl FnOnce(&mut Slots)) {
        change(Arc::make_mut(&mut self.slots.write().unwrap_or_else(PoisonError::into_inner)));
        self.stirred.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// How long a stop may take.
    pub fn stop_deadline(&self) -> Duration {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).stop_deadline
    }

    /// Changes how long a stop may take.
    pub fn set_stop_deadline(&self, deadline: Duration) {
        self.settings.write().unwrap_or_else(PoisonError::into_inner).stop_deadline = deadline;
    }

    /// Has the task of an integration begin.
    pub fn employ(self: &Arc<Self>, slot: &Arc<Slot>) {
        let worker = tokio::spawn(worker::work(Arc::clone(self), Arc::clone(slot)));
        let mut tasks = self.tasks();
        // Those of integrations that were removed have ended.
        tasks.workers.retain(|worker| !worker.is_finished());
        tasks.workers.push(worker);
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for these connections, always in the order of their names so that no two can wait for each other.
    pub async fn lock(&self, connections: &BTreeSet<ConnectionName>) -> Vec<OwnedMutexGuard<()>> {
        let locks: Vec<_> = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            connections.iter().map(|name| Arc::clone(locks.entry(name.clone()).or_default())).collect()
        };
        let mut guards = Vec::new();
        for lock in locks {
            guards.push(lock.lock_owned().await);
        }
        guards
    }

    /// These connections, if none of them is in use.
    pub fn try_lock(&self, connections: &BTreeSet<ConnectionName>) -> Option<Vec<OwnedMutexGuard<()>>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        let locks = connections.iter().map(|name| Arc::clone(locks.entry(name.clone()).or_default()));
        locks.map(|lock| lock.try_lock_owned().ok()).collect()
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

    /// What time it is.
    pub fn read_clock(&self) -> Reading {
        Reading { monotonic: self.clock.monotonic(), wall: self.clock.now() }
    }

    /// Waits until an instant of the wall clock, which may be moved meanwhile. Returns early when somebody put the clock
    /// back since `read`, when whoever waits decided how long: it has to think again, because what was an hour away may be
    /// a day away now. Cancel safe.
    pub async fn sleep_until(&self, at: DateTime<Utc>, read: Reading) {
        /// A machine's clock is looked at again this often, because a person may have moved it.
        const LOOK: Duration = Duration::from_mins(1);
        /// What the two readings of a clock may be apart without anybody having moved it.
        const SLACK: TimeDelta = TimeDelta::seconds(1);
        let clock = &self.clock;
        let mut jumps = clock.jumps();
        let Reading { monotonic: began, wall } = read;
        loop {
            // In this order: a clock that moves between the two readings makes the wait too short, never too long.
            let monotonic = clock.monotonic();
            let now = clock.now();
            let passed = TimeDelta::from_std(monotonic.saturating_sub(began)).unwrap_or_default();
            let Ok(left) = (at - now).to_std() else { return };
            if left.is_zero() || now - wall < passed - SLACK {
                return;
            }
            // One that tells when it is moved is not asked.
            let left = if jumps.is_some() { left } else { left.min(LOOK) };
            let jumped = async {
                match &mut jumps {
                    // The sender lives in the clock.
                    Some(jumps) => drop(jumps.changed().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = clock.sleep_until(monotonic.saturating_add(left)) => {}
                () = jumped => {}
            }
        }
    }

    pub fn status(&self) -> DaemonStatus {
        let probe = self.health.next_probe();
        DaemonStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.started,
            now: self.clock.now(),
            stopping: self.is_stopping(),
            store_failing: self.health.message(),
            integrations: self.slots().values().map(|slot| slot.now(probe, self.clock.now())).collect(),
            config: self.config_now.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            public: self.public(),
        }
    }

    /// How the public listener stands; `None` where there is none.
    pub fn public(&self) -> Option<PublicNow> {
        self.public.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how the public listener stands.
    pub fn set_public(&self, now: PublicNow) {
        *self.public.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Has the configuration looked at again soon, also where no file changed: what was held may be allowed now.
    pub fn look_at_config_again(&self) {
        self.asks.again();
    }

    /// Runs that a person asked for and that have not ended.
    fn by_hand(&self) -> usize {
        self.slots().values().map(|slot| slot.peek(|state| state.by_hand)).sum()
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
        Self::begin(engine, settings, None).await
    }

    /// As [`Daemon::start`], and follows the files of the configuration from then on.
    ///
    /// # Errors
    ///
    /// As [`Daemon::start`].
    pub async fn start_reloading(
        engine: Engine,
        settings: DaemonSettings,
        reloading: Reloading,
    ) -> Result<Handle, SocketError> {
        Self::begin(engine, settings, Some(reloading)).await
    }

    async fn begin(
        engine: Engine,
        settings: DaemonSettings,
        reloading: Option<Reloading>,
    ) -> Result<Handle, SocketError> {
        let listener = match &settings.socket {
            Some(path) => Some(Listener::bind(path).await?),
            None => None,
        };
        let (stirred, _) = watch::channel(0);
        let mut effects = Effects::default();
        let slots: Slots = engine
            .config
            .integrations
            .iter()
            .map(|(name, integration)| {
                let generation = reloading.as_ref().map_or(0, |reloading| reloading.generation_of(name));
                let version = Version::new(Arc::clone(integration), effects.of(integration), generation);
                (name.clone(), Arc::new(Slot::new(version, stirred.clone())))
            })
            .collect();
        let (asks, asked) = Asks::new();
        let shared = Arc::new(Shared {
            started: engine.clock.now(),
            clock: engine.clock.clone(),
            locks: Mutex::default(),
            slots: RwLock::new(Arc::new(slots)),
            health: Health::default(),
            board: Board::default(),
            stop: watch::Sender::new(Stop::Running),
            stirred,
            asks,
            judged: watch::Sender::new(0),
            forgotten: Mutex::default(),
            env: reloading.as_ref().map(|reloading| Arc::clone(&reloading.env)),
            config_now: Mutex::default(),
            public: Mutex::default(),
            links: Links::default(),
            engine: RwLock::new(engine),
            settings: RwLock::new(settings),
            counts: Counters::default(),
            tasks: Mutex::default(),
        });
        if let Some(keeper) = grants::keeper(&shared.engine()) {
            // Before anybody logs in; what fails here is tried again at the next start.
            let config = shared.engine().config;
            if let Err(error) = reload::moves::settle_logins(&keeper, config.integrations.values()).await {
                shared.health.failed(&error, shared.clock.now());
            }
        }
        if let Some(reloading) = reloading {
            let reloader = reload::begin(Arc::clone(&shared), reloading, asked);
            shared.tasks().reloader = Some(tokio::spawn(reloader));
            let snapshots = tokio::spawn(snapshots::work(Arc::clone(&shared)));
            shared.tasks().workers.push(snapshots);
        }
        let notices = tokio::spawn(notices::work(Arc::clone(&shared)));
        shared.tasks().workers.push(notices);
        let public = shared.engine().config.settings.public.clone();
        if let Some(settings) = public {
            let public = public::begin(&shared, settings).await;
            shared.tasks().workers.push(public);
        }
        let prober = tokio::spawn(prober::work(Arc::clone(&shared)));
        shared.tasks().workers.push(prober);
        for slot in shared.slots().values() {
            shared.employ(slot);
        }
        let listener = listener.map(|listener| tokio::spawn(listener.serve(shared.clone())));
        shared.tasks().listener = listener;
        tracing::info!(event = "daemon.started", integrations = shared.slots().len());
        Ok(Handle { shared })
    }
}

#[derive(Debug, Default)]
struct Tasks {
    workers: Vec<JoinHandle<()>>,
    listener: Option<JoinHandle<()>>,
    reloader: Option<JoinHandle<()>>,
}

/// A running daemon. Dropping it does not stop it; [`Handle::stop`] does.
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
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
        if let Some(slot) = self.shared.slots().get(integration) {
            let now = self.shared.clock.now();
            slot.poke(|agenda| agenda.saw_change(now));
        }
    }

    /// The files of the configuration are to be looked at soon (the operator sent a signal). Many are one.
    /// Whether anybody looks after them at all.
    pub fn reload_soon(&self) -> bool {
        self.shared.asks.again();
        self.shared.config_now.lock().unwrap_or_else(PoisonError::into_inner).is_some()
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
        tracing::info!(event = "daemon.stopping", deadline = ?self.shared.stop_deadline());
        let shared = self.shared.clone();
        let deadline = tokio::spawn(async move {
            let deadline = shared.stop_deadline();
            // In real time, too: calls to a system that is not there any more are tried again by a clock that, in a test,
            // nobody may be moving.
            tokio::select! {
                () = shared.clock.sleep(deadline) => {}
                () = tokio::time::sleep(deadline) => {}
            }
            tracing::warn!(event = "daemon.deadline", "runs still under way are left to recovery");
            shared.stop.send_modify(|stop| *stop = (*stop).max(Stop::Now));
        });
        // First the one that may begin others.
        let reloader = self.shared.tasks().reloader.take();
        if let Some(Err(error)) = async { Some(reloader?.await) }.await {
            tracing::error!(event = "daemon.task_failed", %error);
        }
        let tasks = std::mem::take(&mut *self.shared.tasks());
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
        grants::settled(&self.shared).await;
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
        if let Err(error) = self.shared.ledger().flush().await {
            self.shared.health.failed(&error, self.shared.clock.now());
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("status", &self.status()).finish_non_exhaustive()
    }
}
