//! The live state of one integration: its agenda, what it does now, and what is in trouble.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, watch};

use super::{
    paused::Pauses,
    schedule::Agenda,
    status::{ConnectionTrouble, IntegrationNow, Phase, WaitReason},
};
use crate::{
    config::{ConnectionName, Effective, Integration, IntegrationName, PipelineName},
    engine::{Meter, Trouble},
    record::Side,
};

/// One integration in the running daemon.
#[derive(Debug)]
pub(super) struct Slot {
    pub name: IntegrationName,
    /// Held by whoever runs it or changes what is remembered of it.
    pub turn: Arc<tokio::sync::Mutex<()>>,
    /// "Look again": carries no data, so that many are one.
    wake: Notify,
    state: Mutex<State>,
    /// Told about every change of any slot.
    stirred: watch::Sender<u64>,
    drain: watch::Sender<Drain>,
    /// Calls of runs that were answered.
    answers: AtomicU64,
    /// When a run began or a call of one was answered last, in milliseconds of the monotonic clock.
    answered: AtomicU64,
}

/// How far the old configuration of an integration has been asked to make room for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Drain {
    /// Nobody asked.
    Open,
    /// Runs come to their end; new ones wait for the new configuration.
    Waiting,
    /// The run under way makes no further call and gives up reads: it ends when what it has sent is settled.
    Closed,
    /// The run under way is dropped; recovery finishes what it had begun.
    Dropped,
}

/// What an integration runs.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub integration: Arc<Integration>,
    /// Every connection it reads or writes, in the order in which they are locked.
    pub connections: BTreeSet<ConnectionName>,
    /// Connections of the version before, until nobody uses them for it any more.
    pub former: BTreeSet<ConnectionName>,
    /// What it comes to.
    pub effective: Effective,
    /// The generation of the configuration that it is of; 0 where nobody reloads.
    pub generation: u64,
}

impl Version {
    pub fn new(integration: Arc<Integration>, effective: Effective, generation: u64) -> Self {
        let ends = integration.pipelines.iter().flat_map(|pipeline| Side::BOTH.map(|side| pipeline.end(side)));
        let connections = ends.map(|end| end.connection.name.clone()).collect();
        Self { integration, connections, former: BTreeSet::new(), effective, generation }
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub version: Version,
    /// It was removed from the configuration: nothing of it starts any more.
    pub retired: bool,
    /// What the files say of it by now; `None` if they cannot be understood.
    pub on_disk: Option<Effective>,
    /// Why it does not run what the files say.
    pub pending: Option<String>,
    /// `None` until the store has told what is remembered.
    pub agenda: Option<Agenda>,
    pub phase: Phase,
    /// How far the run under way is.
    pub meter: Option<Arc<Meter>>,
    pub troubles: BTreeMap<ConnectionName, ConnectionTrouble>,
    /// Why the last run could not be carried to its end.
    pub failure: Option<String>,
    /// How many runs in a row failed.
    pub failed_in_row: u32,
    /// Connections that runs have used since the start.
    pub heard: BTreeSet<ConnectionName>,
    /// A run or poll broke off in the middle: what it left behind has to be looked for.
    pub unsure: bool,
    /// Runs so far: two that begin at the same instant still make calls of different keys.
    pub runs: u64,
    /// What a person paused of it.
    pub pauses: Pauses,
    /// Runs by hand, waiting or under way.
    pub by_hand: usize,
    /// What its task waits for.
    pub rest: Rest,
}

/// What the task of an integration waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing: it has work.
    Busy,
    /// This instant, or being woken.
    Until(DateTime<Utc>),
    /// Being woken.
    Woken,
    /// It has ended.
    Ended,
}

impl Slot {
    pub fn new(version: Version, stirred: watch::Sender<u64>) -> Self {
        let name = version.integration.name.clone();
        let state = State {
            on_disk: Some(version.effective),
            version,
            retired: false,
            pending: None,
            agenda: None,
            phase: Phase::Waiting,
            meter: None,
            troubles: BTreeMap::new(),
            failure: None,
            failed_in_row: 0,
            heard: BTreeSet::new(),
            unsure: false,
            runs: 0,
            pauses: Pauses::new(),
            by_hand: 0,
            rest: Rest::Busy,
        };
        let (turn, drain) = (Arc::default(), watch::Sender::new(Drain::Open));
        let (state, answers, answered) = (Mutex::new(state), AtomicU64::new(0), AtomicU64::new(0));
        Self { name, turn, wake: Notify::new(), state, stirred, drain, answers, answered }
    }

    /// What it runs.
    pub fn integration(&self) -> Arc<Integration> {
        self.peek(|state| Arc::clone(&state.version.integration))
    }

    /// Every connection it reads or writes.
    pub fn connections(&self) -> BTreeSet<ConnectionName> {
        self.peek(|state| state.version.connections.clone())
    }

    /// Whether it uses one of these connections.
    pub fn shares(&self, connections: &BTreeSet<ConnectionName>) -> bool {
        self.peek(|state| !state.version.connections.is_disjoint(connections))
    }

    /// The pipelines that a person paused, each by itself.
    pub fn paused(&self) -> BTreeSet<PipelineName> {
        self.peek(|state| {
            let names = state.version.integration.pipelines.iter().map(|pipeline| &pipeline.name);
            names.filter(|name| state.pauses.contains_key(name.as_str())).cloned().collect()
        })
    }

    /// What it runs, with all its pauses; `None` before the store has told of them.
    pub fn pauses(&self) -> Option<(Arc<Integration>, Pauses)> {
        let known = |state: &State| (Arc::clone(&state.version.integration), state.pauses.clone());
        self.peek(|state| state.agenda.is_some().then(|| known(state)))
    }

    pub fn is_retired(&self) -> bool {
        self.peek(|state| state.retired)
    }

    /// Asks the old configuration to make room, or takes that back.
    pub fn ask_to_drain(&self, drain: Drain) {
        self.drain.send_replace(drain);
    }

    /// Notes that a call of a run was answered.
    pub fn was_answered(&self, now: Duration) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.listens(now);
    }

    /// Notes that a run begins, which cannot have been answered yet.
    pub fn listens(&self, now: Duration) {
        self.answered.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Since when no call was answered of the run that goes on, on the monotonic clock.
    pub fn quiet_since(&self) -> Duration {
        Duration::from_millis(self.answered.load(Ordering::Relaxed))
    }

    /// How many calls of runs were answered so far.
    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Follows what is asked.
    pub fn draining(&self) -> watch::Receiver<Drain> {
        self.drain.subscribe()
    }

    /// Returns when it has come as far as `drain`.
    pub async fn drained(&self, drain: Drain) {
        // The sender lives in `self`.
        let _ = self.drain.subscribe().wait_for(|now| *now >= drain).await;
    }

    /// Returns when no new configuration waits to take over.
    pub async fn may_begin(&self) {
        let _ = self.drain.subscribe().wait_for(|now| *now == Drain::Open).await;
    }

    /// Has its task look again, whatever it waits for.
    pub fn stir(&self) {
        self.poke(|_| {});
    }

    /// Changes the state and tells whoever waits for a change.
    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = look(&mut state);
        // Told before the state can be seen: whoever looks at several slots and was told nothing meanwhile has seen
        // them as they were at one instant.
        self.stirred.send_modify(|count| *count = count.wrapping_add(1));
        result
    }

    /// Changes the agenda, if it is there, and has the task look at it.
    pub fn poke(&self, change: impl FnOnce(&mut Agenda)) {
        self.with(|state| {
            if let Some(agenda) = &mut state.agenda {
                change(agenda);
            }
            if state.rest != Rest::Ended {
                state.rest = Rest::Busy;
            }
        });
        self.wake.notify_one();
    }

    /// Returns when the slot is poked; at once if it was since the last call.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Looks at the state without telling anybody.
    pub fn peek<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Notes which connections did their part and which did not. `proves` says whether everything was done that the
    /// integration wants of them: reading alone does not show that one which refused us takes what we write. Returns the
    /// refusals that are over.
    pub fn note_troubles(
        &self,
        used: &BTreeSet<ConnectionName>,
        troubles: &[Trouble],
        proves: bool,
        now: DateTime<Utc>,
    ) -> BTreeSet<ConnectionName> {
        let mut over = BTreeSet::new();
        self.with(|state| {
            state.heard.extend(used.iter().cloned());
            for name in used.iter().filter(|name| troubles.iter().all(|trouble| trouble.connection != **name)) {
                let refusing = state.agenda.as_mut().filter(|agenda| agenda.is_refused(name));
                match refusing {
                    Some(agenda) if !proves && !agenda.is_off() => {
                        agenda.answers_again(name);
                        continue;
                    }
                    Some(agenda) => {
                        agenda.not_refused(name);
                        over.insert(name.clone());
                    }
                    None => {}
                }
                state.troubles.remove(name);
            }
            for trouble in troubles {
                if let Some(agenda) = state.agenda.as_mut().filter(|_| !trouble.temporary) {
                    agenda.refused(&trouble.connection, trouble.partly, now);
                }
                let (since, attempts) =
                    state.troubles.get(&trouble.connection).map_or((now, 0), |known| (known.since, known.attempts));
                let known = ConnectionTrouble {
                    connection: trouble.connection.clone(),
                    message: trouble.message.clone(),
                    temporary: trouble.temporary,
                    since,
                    attempts: attempts.saturating_add(1),
                };
                state.troubles.insert(trouble.connection.clone(), known);
            }
        });
        over
    }

    /// A person gave these connections another login: what they refused before is tried again at once. Nobody knows yet
    /// whether it works, so nobody is told that it does.
    pub fn login_given(&self, connections: &BTreeSet<ConnectionName>, why: &str, always: bool) {
        let troubled = self.with(|state| {
            let before = state.troubles.len();
            state.troubles.retain(|name, _| !connections.contains(name));
            state.heard.retain(|name| !connections.contains(name));
            for name in connections {
                if let Some(agenda) = &mut state.agenda {
                    agenda.not_refused(name);
                }
            }
            before != state.troubles.len()
        });
        if troubled || always {
            self.poke(|agenda| agenda.ask(why));
        }
    }

    /// How it stands, for people. `probe` is when a failing store is looked at again.
    pub fn now(&self, probe: Option<DateTime<Utc>>, now: DateTime<Utc>) -> IntegrationNow {
        let state = self.lock();
        let mut waits: Vec<WaitReason> = probe.map(|at| WaitReason::Store { at }).into_iter().collect();
        // Told first, whether or not there is anything to write.
        let blackout = state.version.integration.blacked_out(now);
        waits.extend(blackout.map(|until| WaitReason::Blackout { until }));
        let others = state.agenda.iter().flat_map(Agenda::waits);
        waits.extend(others.filter(|wait| !matches!(wait, WaitReason::Blackout { .. })));
        IntegrationNow {
            integration: self.name.clone(),
            running: state.version.effective.shown(),
            on_disk: state.on_disk.map(Effective::shown),
            pending: state.pending.clone(),
            generation: state.version.generation,
            phase: state.phase.clone(),
            progress: state.meter.as_ref().map(|meter| meter.reading()),
            waits,
            last_run: state.agenda.as_ref().and_then(Agenda::last_run),
            troubles: state.troubles.values().cloned().collect(),
            hooks: state.agenda.as_ref().map(|agenda| agenda.hooks(now)).unwrap_or_default(),
            failure: state.failure.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
