//! The live state of one integration: its agenda, what it does now, and what is in trouble.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, watch};

use super::{
    schedule::Agenda,
    status::{ConnectionTrouble, IntegrationNow, Phase, WaitReason},
};
use crate::{
    config::{ConnectionName, Integration},
    engine::Trouble,
    record::Side,
};

/// One integration in the running daemon.
#[derive(Debug)]
pub(super) struct Slot {
    pub integration: Arc<Integration>,
    /// Every connection it reads or writes, in the order in which they are locked.
    pub connections: BTreeSet<ConnectionName>,
    /// Held by whoever runs it or changes what is remembered of it.
    pub turn: Arc<tokio::sync::Mutex<()>>,
    /// "Look again": carries no data, so that many are one.
    wake: Notify,
    state: Mutex<State>,
    /// Told about every change of any slot.
    stirred: watch::Sender<u64>,
}

#[derive(Debug)]
pub(super) struct State {
    /// `None` until the store has told what is remembered.
    pub agenda: Option<Agenda>,
    pub phase: Phase,
    pub troubles: BTreeMap<ConnectionName, ConnectionTrouble>,
    /// Why the last run could not be carried to its end.
    pub failure: Option<String>,
    /// A run or poll broke off in the middle: what it left behind has to be looked for.
    pub unsure: bool,
    /// Runs so far: two that begin at the same instant still make calls of different keys.
    pub runs: u64,
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
    pub fn new(integration: Arc<Integration>, stirred: watch::Sender<u64>) -> Self {
        let ends = integration.pipelines.iter().flat_map(|pipeline| Side::BOTH.map(|side| pipeline.end(side)));
        let connections = ends.map(|end| end.connection.name.clone()).collect();
        let state = State {
            agenda: None,
            phase: Phase::Waiting,
            troubles: BTreeMap::new(),
            failure: None,
            unsure: false,
            runs: 0,
            by_hand: 0,
            rest: Rest::Busy,
        };
        let turn = Arc::default();
        Self { integration, connections, turn, wake: Notify::new(), state: Mutex::new(state), stirred }
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

    /// Notes which connections did their part and which did not.
    pub fn note_troubles(&self, used: &BTreeSet<ConnectionName>, troubles: &[Trouble], now: DateTime<Utc>) {
        self.with(|state| {
            state.troubles.retain(|name, _| !used.contains(name) || troubles.iter().any(|t| t.connection == *name));
            for trouble in troubles {
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
    }

    /// How it stands, for people. `probe` is when a failing store is looked at again.
    pub fn now(&self, probe: Option<DateTime<Utc>>) -> IntegrationNow {
        let state = self.lock();
        let mut waits: Vec<WaitReason> = probe.map(|at| WaitReason::Store { at }).into_iter().collect();
        waits.extend(state.agenda.iter().flat_map(Agenda::waits));
        IntegrationNow {
            integration: self.integration.name.clone(),
            phase: state.phase.clone(),
            waits,
            last_run: state.agenda.as_ref().and_then(Agenda::last_run),
            troubles: state.troubles.values().cloned().collect(),
            failure: state.failure.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
