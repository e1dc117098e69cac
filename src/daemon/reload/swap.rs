//! One edited integration, or several that share an account that moved, take over from what runs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::{
    admit::{Bench, Edit, Verdict, admit},
    decide::uses,
    moves, removed,
};
use crate::{
    config::{Config, Connection, ConnectionName, Effective, Integration, IntegrationName, PipelineName},
    connector::Connector,
    crash,
    daemon::{
        control::{Shared, Stop},
        grants,
        paused::{self, Pauses},
        protocol::chain,
        slot::{Drain, Slot, Version},
    },
    engine::Engine,
    store::StoreError,
};

/// How long a run may still settle what it has sent, after it was asked to make no further call.
const SETTLE: Duration = Duration::from_secs(10);

/// The part of the time for runs to end after which one is no longer waited for that got no answer in it, before the edit
/// or after: its system is out of reach, and it would only go on trying.
const UNANSWERED: u32 = 6;

/// A connection with the connector that was made for it.
pub(super) type Prepared = (Arc<Connection>, Arc<dyn Connector>);

/// Integrations that take over together.
pub(super) struct Group {
    pub members: Vec<Member>,
    /// Connections that are new, or are another account than before.
    pub connections: BTreeMap<ConnectionName, Prepared>,
    pub generation: u64,
    /// How long a held edit waits for an answer.
    pub keep_held: Duration,
    /// Since when runs have been asked to make room, on the monotonic clock.
    pub since: Duration,
    /// How long they may take.
    pub drain: Duration,
}

/// One of them.
#[derive(Clone)]
pub(super) struct Member {
    pub name: IntegrationName,
    /// What runs, and where; `None` for one that is added.
    pub old: Option<(Arc<Slot>, Arc<Integration>)>,
    /// What shall run; `None` for one that is removed.
    pub new: Option<(Arc<Integration>, Effective)>,
    /// The older generation that it goes back to, if it does.
    pub back: Option<u64>,
}

impl Member {
    /// The generation that it is of afterwards.
    pub fn generation(&self, newest: u64) -> u64 {
        self.back.unwrap_or(newest)
    }
}

/// How it went.
pub(super) struct Done {
    pub members: Vec<Member>,
    pub generation: u64,
    pub outcome: Outcome,
    /// When.
    pub at: DateTime<Utc>,
}

/// How it went, for all members alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The new ones run.
    Taken,
    /// The old ones go on, and wait for a person; why.
    Held(String),
    /// The old ones go on until the store works, which failed; what is told meanwhile.
    StoreFailed(String),
    /// The old ones go on; the question is decided anew.
    Cancelled,
}

/// Waits for the runs under way, asks whether the edit is admitted, and lets it take over. `cancel` gives up waiting.
pub(super) async fn take_over(shared: Arc<Shared>, group: Group, mut cancel: watch::Receiver<bool>) -> Done {
    let slots: Vec<Arc<Slot>> =
        group.members.iter().filter_map(|m| m.old.as_ref()).map(|(slot, _)| slot.clone()).collect();
    let clock = shared.clock.clone();
    let closing = group.since.saturating_add(group.drain);
    let (now, patience) = (clock.monotonic(), group.drain / UNANSWERED);
    let looking = now.saturating_add(patience);
    let asked = |drain| slots.iter().for_each(|slot| slot.ask_to_drain(drain));
    asked(Drain::Waiting);
    let quiet = slots.iter().filter(|slot| slot.quiet_since().saturating_add(patience) <= now);
    quiet.for_each(|slot| slot.ask_to_drain(Drain::Closed));
    let answers: Vec<u64> = slots.iter().map(|slot| slot.answers()).collect();
    let mut looked = false;
    let turns = async {
        let mut turns = Vec::new();
        for slot in &slots {
            turns.push(slot.turn.clone().lock_owned().await);
        }
        turns
    };
    tokio::pin!(turns);
    let give_up = async {
        tokio::select! {
            // The sender lives as long as the reloader waits for this.
            _ = cancel.wait_for(|cancel| *cancel) => {}
            () = shared.stopped(Stop::Finishing) => {}
        }
    };
    tokio::pin!(give_up);
    let mut stage = Drain::Waiting;
    let turns = loop {
        let next = match stage {
            Drain::Waiting if !looked && looking < closing => Some((looking, Drain::Waiting)),
            Drain::Waiting => Some((closing, Drain::Closed)),
            Drain::Closed => Some((closing.saturating_add(SETTLE), Drain::Dropped)),
            _ => None,
        };
        let time = async {
            match next {
                Some((at, stage)) => {
                    clock.sleep_until(at).await;
                    stage
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            turns = &mut turns => break Some(turns),
            () = &mut give_up => break None,
            later = time => {
                if later == Drain::Waiting {
                    looked = true;
                    let unanswered = slots.iter().zip(&answers).filter(|(slot, before)| slot.answers() == **before);
                    unanswered.for_each(|(slot, _)| slot.ask_to_drain(Drain::Closed));
                    continue;
                }
                let names: Vec<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
                tracing::warn!(event = "config.draining", integrations = ?names, stage = ?later, "a run goes on for long");
                asked(later);
                stage = later;
            }
        }
    };
    let at = shared.clock.now();
    let outcome = match turns {
        None => Outcome::Cancelled,
        Some(turns) => {
            let outcome = tokio::select! {
                biased;
                () = &mut give_up => Outcome::Cancelled,
                verdict = judge(&shared, &group) => match verdict {
                    Ok(Verdict::Swap) => Outcome::Taken,
                    Ok(Verdict::Hold(why)) => Outcome::Held(why),
                    Err(error) => store_failed(&shared, &error),
                },
            };
            let outcome = match outcome {
                Outcome::Taken => {
                    crash::point("edit-admitted");
                    settle(&shared, &group).await
                }
                other => other,
            };
            if outcome == Outcome::Taken {
                crash::point("edit-settled");
                replace(&shared, &group);
                crash::point("edit-taken");
            }
            drop(turns);
            outcome
        }
    };
    asked(Drain::Open);
    Done { members: group.members, generation: group.generation, outcome, at }
}

/// All members are asked, so that a person sees at once all that waits.
async fn judge(shared: &Shared, group: &Group) -> Result<Verdict, StoreError> {
    let before = shared.engine();
    let mut engine = before.clone();
    put(&mut engine, group);
    let bench = Bench { ledger: &shared.ledger(), now: shared.clock.now(), keep: group.keep_held };
    let mut verdict = Verdict::Swap;
    for member in &group.members {
        let new = member.new.as_ref().map(|(new, effective)| (new, *effective));
        let running = before.config.integrations.values().map(Arc::as_ref);
        let edit = Edit { name: &member.name, running: running.collect(), new, config: &engine.config };
        let one = admit(bench, &edit).await?;
        if verdict == Verdict::Swap {
            verdict = one;
        }
    }
    Ok(verdict)
}

/// Moves what is remembered along with names, and notes what is gone. Not given up half-way: it is short, and nothing of
/// these integrations runs.
async fn settle(shared: &Shared, group: &Group) -> Outcome {
    let new: Vec<Arc<Integration>> = group.members.iter().filter_map(|m| Some(m.new.as_ref()?.0.clone())).collect();
    let old: Vec<Arc<Integration>> = group.members.iter().filter_map(|m| Some(m.old.as_ref()?.1.clone())).collect();
    let (mut gone, back) = (pipelines(&old), pipelines(&new));
    gone.retain(|name| !back.contains(name));
    let ledger = shared.ledger();
    let now = shared.clock.now();
    let keeper = grants::keeper(&shared.engine());
    let moved = async {
        moves::settle(&ledger, new.clone()).await?;
        match &keeper {
            Some(keeper) => moves::settle_logins(keeper, new.iter()).await,
            None => Ok(()),
        }
    };
    if let Err(error) = moved.await {
        return store_failed(shared, &error);
    }
    let removed = group.members.iter().filter(|member| member.new.is_none());
    let removed = removed.filter_map(|member| Some(member.old.as_ref()?.1.as_ref()));
    let noted = async {
        removed::note_left(&ledger, removed).await?;
        removed::note(&ledger, gone, back, now).await
    };
    if let Err(error) = noted.await {
        // No reason to go on as before: what is there again is noted when the store works, and what is gone at the next
        // start; until then nothing of it is forgotten.
        shared.health.failed(&error, now);
    }
    Outcome::Taken
}

fn store_failed(shared: &Shared, error: &StoreError) -> Outcome {
    shared.health.failed(error, shared.clock.now());
    Outcome::StoreFailed(format!("the store failed: {}", chain(error)))
}

fn pipelines(integrations: &[Arc<Integration>]) -> Vec<PipelineName> {
    let all = integrations.iter().flat_map(|integration| &integration.pipelines);
    all.map(|pipeline| pipeline.name.clone()).collect()
}

/// Puts the new configuration into an engine.
fn put(engine: &mut Engine, group: &Group) {
    let mut config = Config::clone(&engine.config);
    for member in &group.members {
        match &member.new {
            Some((new, _)) => config.integrations.insert(member.name.clone(), Arc::clone(new)),
            None => config.integrations.remove(&member.name),
        };
    }
    if !group.connections.is_empty() {
        let mut connectors = (*engine.connectors).clone();
        for (name, (connection, connector)) in &group.connections {
            config.connections.insert(name.clone(), Arc::clone(connection));
            connectors.insert(name.clone(), Arc::clone(connector));
        }
        engine.connectors = Arc::new(connectors);
    }
    engine.config = Arc::new(config);
}

/// Lets the new configuration take effect, while nothing of it runs. No waiting in here: it happens whole or not at all.
fn replace(shared: &Arc<Shared>, group: &Group) {
    let now = shared.clock.now();
    shared.replace_engine(|engine| put(engine, group));
    // Pauses go along with names here, too: in the store they have.
    let names =
        paused::moves(group.members.iter().filter_map(|member| member.new.as_ref()).map(|(new, _)| new.as_ref()));
    let old = group.members.iter().filter_map(|member| member.old.as_ref());
    let before: Pauses = old.flat_map(|(slot, _)| slot.peek(|state| state.pauses.clone())).collect();
    let renamed = paused::renamed(&before, &names);
    for member in &group.members {
        match (&member.old, &member.new) {
            (Some((slot, _)), Some((new, effective))) => {
                let mut version = Version::new(Arc::clone(new), *effective, member.generation(group.generation));
                slot.with(|state| {
                    version.former = state.version.connections.union(&state.version.former).cloned().collect();
                    version.former.retain(|name| !version.connections.contains(name));
                    state.pauses.retain(|what, _| !names.contains_key(what));
                    state.pauses.extend(paused::of(&renamed, new));
                    state.version = version;
                    if member.back.is_none() {
                        state.on_disk = Some(*effective);
                    }
                    state.pending = None;
                    // What failed before may not any more.
                    state.troubles.retain(|name, _| uses(new).contains(name));
                    state.unsure = true;
                    if let Some(agenda) = &mut state.agenda {
                        agenda.retune(Arc::clone(new), now);
                    }
                });
                slot.poke(|agenda| agenda.ask("the configuration was edited"));
            }
            (Some((slot, _)), None) => {
                slot.with(|state| state.retired = true);
                shared.replace_slots(|slots| {
                    slots.remove(&member.name);
                });
                slot.stir();
            }
            (None, Some((new, effective))) => {
                let version = Version::new(Arc::clone(new), *effective, member.generation(group.generation));
                let slot = Arc::new(Slot::new(version, shared.stirred.clone()));
                slot.with(|state| state.pauses = paused::of(&renamed, new));
                shared.replace_slots(|slots| {
                    slots.insert(member.name.clone(), Arc::clone(&slot));
                });
                shared.employ(&slot);
            }
            (None, None) => {}
        }
    }
}
