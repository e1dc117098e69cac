//! One run inside the daemon: waits for its turn and its connections, and tells everybody what came of it.

use std::{collections::BTreeSet, panic::AssertUnwindSafe, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use thiserror::Error;
use tokio::sync::{OwnedMutexGuard, mpsc};

use super::{
    control::{Shared, Stop},
    gate, health, outlook, paused,
    protocol::{Failure, FailureKind, Progress, chain},
    schedule::Ended,
    slot::{Drain, Slot, State},
    status::Phase,
};
use crate::{
    config::{ApplyMode, ConnectionName, Integration, IntegrationName, PipelineName},
    engine::{EngineError, Listing, Meter, Mode, RunReport, RunRequest, Tally, Trouble},
    record::Side,
    store::StoreError,
};

/// Moves the seed of one run far from that of the next.
const APART: u64 = 0x9E37_79B9_7F4A_7C15;

/// Why a run has no report.
#[derive(Debug, Error)]
pub(super) enum RunError {
    /// The engine gave up.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The daemon stops.
    #[error("the daemon is stopping; what was begun is finished at its next start")]
    Stopping,
    /// The daemon took another configuration, and the run did not come to its end in time.
    #[error("the configuration was edited, and this run did not end in time; what was begun is finished by the next")]
    Replaced,
    /// The integration is not in the configuration any more.
    #[error("`{0}` was removed from the configuration")]
    Removed(IntegrationName),
    /// Nobody had asked for it, and while it stood in line a person paused it or had it start only by hand.
    #[error("it was paused, or starts only by hand, since it stood in line")]
    CalledOff,
    /// A mistake in the program.
    #[error("the run ended by a mistake in the program: {0}; please report it")]
    Panicked(String),
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Engine(error) => error.into(),
            RunError::Removed(_) => Self::new(FailureKind::NoSuch, error.to_string()),
            RunError::Stopping => Self::new(FailureKind::Stopping, error.to_string()),
            RunError::Replaced | RunError::CalledOff | RunError::Panicked(_) => {
                Self::new(FailureKind::NotPossible, error.to_string())
            }
        }
    }
}

/// Somebody waits for a run and watches it.
pub(super) struct Watched {
    pub progress: mpsc::UnboundedSender<Progress>,
    pub meter: Arc<Meter>,
}

/// Carries out a run, whoever wants it.
pub(super) async fn run(
    shared: &Shared,
    slot: &Arc<Slot>,
    request: RunRequest,
    watched: Option<&Watched>,
) -> Result<RunReport, RunError> {
    let tell = |step| watched.map(|watched| watched.progress.send(step));
    let clock = &shared.clock;
    let (why, since) = (request.why.clone(), clock.now());
    slot.with(|state| {
        if state.phase == Phase::Waiting {
            state.phase = Phase::Queued { why: why.clone(), since };
        }
    });
    tell(Progress::Queued);
    let begun = match stand_in_line(shared, slot, &request).await {
        Ok(guards) if watched.is_some() => Ok((guards, request)),
        Ok(guards) => wanted_by_now(slot, request).map(|request| (guards, request)),
        Err(error) => Err(error),
    };
    let (Guards { turn, locks, connections }, request) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            slot.with(|state| state.phase = Phase::Waiting);
            return Err(error);
        }
    };
    let started = clock.now();
    // From here to its end the run keeps this configuration, whatever takes over meanwhile.
    let mut engine = shared.engine();
    if watched.is_some() {
        engine = gate::for_a_person(engine);
    }
    let meter = watched.map(|watched| Arc::clone(&watched.meter)).unwrap_or_default();
    let integration = slot.integration();
    slot.listens(clock.monotonic());
    engine.connectors = Arc::new(gate::before(&engine.connectors, &slot.connections(), (slot, clock)));
    let told = slot.with(|state| {
        state.runs = state.runs.wrapping_add(1);
        engine.seed = engine.seed.wrapping_add(state.runs.wrapping_mul(APART));
        state.phase = Phase::Running { mode: request.mode, why: why.clone(), since: started };
        state.meter = Some(Arc::clone(&meter));
        let whole = request.mode == Mode::Sync && is_whole(&request, state);
        if let Some(agenda) = state.agenda.as_mut().filter(|_| whole) {
            agenda.run_began(started);
        }
        whole || (watched.is_none() && request.mode != Mode::Poll)
    });
    tell(Progress::Started { at: started });
    let listing = watched
        .map(|watched| watched.progress.clone())
        .map(|progress| -> Listing { Arc::new(move |listed| drop(progress.send(Progress::Listed(listed)))) });
    let config_hash = slot.peek(|state| state.version.effective.shown());
    tracing::info!(event = "run.started", integration = %request.integration, mode = ?request.mode, why, config_hash);
    let outcome = tokio::select! {
        biased;
        () = shared.stopped(Stop::Now) => Err(RunError::Stopping),
        () = slot.drained(Drain::Dropped) => Err(RunError::Replaced),
        outcome = Box::pin(AssertUnwindSafe(engine.run_telling(request.clone(), Arc::clone(&meter), listing)).catch_unwind()) => match outcome {
            Ok(outcome) => outcome.map_err(RunError::from),
            Err(panic) => Err(RunError::Panicked(words(panic.as_ref()))),
        },
    };
    shared.counts.echoes(meter.echoed());
    let kept = Kept { integration, connections, started, told };
    let outcome = conclude(shared, slot, &request, &kept, outcome).await;
    let says = says_something(&request, &kept, &outcome);
    slot.with(|state| {
        state.phase = Phase::Waiting;
        state.meter = None;
        if says {
            state.failure = outcome.as_ref().err().map(|error| chain(error));
            state.failed_in_row = match failed(&request, &outcome) {
                Some(true) => state.failed_in_row.saturating_add(1),
                Some(false) => 0,
                None => state.failed_in_row,
            };
        }
        state.unsure |= outcome.is_err();
    });
    drop((turn, locks));
    outcome
}

/// What a run holds while nobody else may run, and the connections that it uses.
struct Guards {
    turn: OwnedMutexGuard<()>,
    locks: Vec<OwnedMutexGuard<()>>,
    connections: BTreeSet<ConnectionName>,
}

/// Waits until a run may begin.
async fn stand_in_line(shared: &Shared, slot: &Slot, request: &RunRequest) -> Result<Guards, RunError> {
    let line = async {
        slot.may_begin().await;
        let turn = slot.turn.clone().lock_owned().await;
        slot.listens(shared.clock.monotonic());
        // Only now: a new configuration takes over while nobody has the turn.
        let (mut connections, former) =
            slot.peek(|state| (state.version.connections.clone(), state.version.former.clone()));
        if let Some(connection) = &request.connection {
            connections = BTreeSet::from([connection.clone()]);
        }
        // Runs of others may still deliver to what this integration was before.
        let locks = shared.lock(&connections.union(&former).cloned().collect()).await;
        if !former.is_empty() {
            slot.with(|state| state.version.former.clear());
        }
        Guards { turn, locks, connections }
    };
    let guards = tokio::select! {
        biased;
        () = shared.stopped(Stop::Finishing) => return Err(RunError::Stopping),
        guards = line => guards,
    };
    if slot.is_retired() { Err(RunError::Removed(slot.name.clone())) } else { Ok(guards) }
}

/// What a run that nobody asked for is to do when its turn has come. It may have stood in line for minutes: meanwhile a
/// person may have paused it, or the timetable may have been edited, which takes effect at once.
fn wanted_by_now(slot: &Slot, mut request: RunRequest) -> Result<RunRequest, RunError> {
    slot.with(|state| {
        let integration = &state.version.integration;
        let polls = request.mode == Mode::Poll;
        if !integration.automatic || paused::is_whole(&state.pauses, integration) {
            if let Some(agenda) = state.agenda.as_mut().filter(|_| !polls) {
                agenda.run_failed(&request.why);
            }
            return Err(RunError::CalledOff);
        }
        if !polls {
            request.mode = if integration.apply == ApplyMode::Observe { Mode::Plan } else { Mode::Sync };
            let names = integration.pipelines.iter().map(|pipeline| &pipeline.name);
            let (paused, going): (Vec<_>, Vec<_>) =
                names.cloned().partition(|name| state.pauses.contains_key(name.as_str()));
            // None of them would mean all: then it is paused as a whole, and was called off.
            request.pipelines = if paused.is_empty() { Vec::new() } else { going };
        }
        Ok(request)
    })
}

/// One of the counts, of all pipelines.
fn total(report: &RunReport, count: impl Fn(&Tally) -> u64) -> u64 {
    report.pipelines.iter().map(|pipeline| count(&pipeline.tally)).sum()
}

/// Whether a run failed; `None` where it tells nothing: it was cut short by the daemon, or was no run that writes.
fn failed(request: &RunRequest, outcome: &Result<RunReport, RunError>) -> Option<bool> {
    match outcome {
        Err(RunError::Stopping | RunError::Replaced | RunError::Removed(_) | RunError::CalledOff) => None,
        Err(_) => Some(true),
        Ok(report) => (request.mode == Mode::Sync).then(|| report.exit_code() == 1),
    }
}

/// Whether it shows how the integration stands. What a person asked for in vain (a name that is not there, a plan that
/// cannot be made) does not: they are told, and nobody else.
fn says_something(request: &RunRequest, kept: &Kept, outcome: &Result<RunReport, RunError>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(RunError::Engine(EngineError::NoSuch { .. })) => false,
        Err(_) => kept.counts(request) || request.mode == Mode::Poll,
    }
}

/// What a run began with.
struct Kept {
    integration: Arc<Integration>,
    connections: BTreeSet<ConnectionName>,
    started: DateTime<Utc>,
    /// The agenda was told that a run began: it must be told of its end, whatever was edited or resumed meanwhile.
    told: bool,
}

impl Kept {
    /// Whether it was a run as the schedule wants them. Where nothing may be written by itself, a plan is the run.
    fn counts(&self, request: &RunRequest) -> bool {
        let observes = self.integration.apply == ApplyMode::Observe && request.mode == Mode::Plan;
        self.told || request.mode == Mode::Sync || observes
    }

    /// The connections of which the run shows how they stand. What a pipeline wants of them that was left out, or could
    /// not go on because another system failed, was not asked of them.
    fn used(&self, report: &RunReport) -> BTreeSet<ConnectionName> {
        let went = |name: &PipelineName| {
            report.pipelines.iter().any(|pipeline| pipeline.pipeline == *name && pipeline.skipped.is_none())
        };
        let pipelines = self.integration.pipelines.iter().filter(|pipeline| went(&pipeline.name));
        let ends = pipelines.flat_map(|pipeline| Side::BOTH.map(|side| pipeline.end(side).connection.name.clone()));
        ends.filter(|name| self.connections.contains(name)).collect()
    }
}

/// A run of everything that is not paused, which does what any reason for a run wants. Taking a run back syncs nothing.
fn is_whole(request: &RunRequest, state: &State) -> bool {
    let mut wanted = state.version.integration.pipelines.iter().map(|pipeline| &pipeline.name);
    let left_out = |name: &PipelineName| !state.pauses.contains_key(name.as_str()) && !request.pipelines.contains(name);
    let syncs = request.limit.is_none() && request.revert.is_none();
    syncs && (request.pipelines.is_empty() || !wanted.any(left_out))
}

/// Tells the agenda of this integration, and those that share what was read, what came of a run.
async fn conclude(
    shared: &Shared,
    slot: &Slot,
    request: &RunRequest,
    kept: &Kept,
    outcome: Result<RunReport, RunError>,
) -> Result<RunReport, RunError> {
    let now = shared.clock.now();
    let whole = slot.peek(|state| is_whole(request, state));
    let counts = kept.counts(request);
    if counts {
        shared.counts.run(&request.integration, (kept.started, now), outcome.as_ref().ok());
    }
    let looked = match &outcome {
        Ok(report) => {
            tracing::info!(
                event = "run.ended",
                integration = %request.integration,
                mode = ?request.mode,
                troubles = report.troubles.len(),
                read = total(report, |tally| tally.read),
                unchanged = total(report, |tally| tally.unchanged),
                linked = total(report, |tally| tally.linked),
                written = total(report, Tally::written),
                parked = total(report, |tally| tally.parked),
                waiting = total(report, |tally| tally.waiting),
                filtered = total(report, |tally| tally.rejected),
                unknown = total(report, |tally| tally.unknown),
                exit = report.exit_code(),
            );
            // A run that was asked to make room tells nothing about its connections.
            if *slot.draining().borrow() < Drain::Closed {
                let over = slot.note_troubles(&kept.used(report), &report.troubles, counts && whole, now);
                tell_of_refusals(shared, slot, &report.troubles, &over);
            }
            match tell_others(shared, slot, kept.started, report).await {
                Ok(()) if request.mode == Mode::Poll => return outcome,
                Ok(()) => outlook::look(&shared.engine(), &kept.integration, &slot.paused()).await,
                Err(error) if request.mode == Mode::Poll => {
                    shared.health.met(&error, now);
                    return outcome;
                }
                Err(error) => Err(error),
            }
        }
        Err(error) => {
            broke_off(shared, slot, request, (error, kept.told || (counts && whole)));
            return outcome;
        }
    };
    match looked {
        Ok(looked) => {
            let again = again(request, &outcome, looked.waiting && whole);
            let ended = Ended { again, partial: !whole, due: looked.due, read_in_full: looked.read_in_full };
            slot.poke(|agenda| {
                if counts {
                    agenda.run_ended(now, &ended);
                }
                if looked.waiting && !whole {
                    agenda.saw_change(now);
                }
            });
        }
        Err(error) => {
            // The run itself is done and recorded; only what comes next is not known.
            shared.health.met(&error, now);
            slot.with(|state| state.unsure = true);
            if counts {
                slot.poke(|agenda| agenda.run_ended(now, &Ended { again: true, ..Ended::default() }));
            }
        }
    }
    outcome
}

/// A run has no report. `counts` says whether the agenda waits for its end.
fn broke_off(shared: &Shared, slot: &Slot, request: &RunRequest, (error, counts): (&RunError, bool)) {
    let now = shared.clock.now();
    tracing::error!(event = "run.failed", integration = %request.integration, error = %chain(error));
    let passes = match error {
        RunError::Engine(EngineError::Store(error)) => {
            shared.health.met(error, now);
            // Nobody notices when a damaged value is put right: it is looked for with back-off.
            !health::is_damage(error)
        }
        error => matches!(error, RunError::Stopping | RunError::Replaced),
    };
    if counts {
        slot.poke(|agenda| {
            if passes {
                agenda.run_failed(&request.why);
            } else {
                // It may have written some of it; what is left is due.
                agenda.run_ended(now, &Ended { again: true, ..Ended::default() });
            }
        });
    }
}

/// Whether to try again by itself: a remote failed for a reason that passes, an outcome is not known, or records were
/// left over (`waiting`) by a run of everything.
fn again(request: &RunRequest, outcome: &Result<RunReport, RunError>, waiting: bool) -> bool {
    let Ok(report) = outcome else { return true };
    request.mode == Mode::Sync
        && (report.troubles.iter().any(|trouble| trouble.temporary)
            || report.pipelines.iter().any(|pipeline| pipeline.tally.unknown > 0)
            || (waiting && report.troubles.is_empty() && report.blackout.is_none()))
}

/// Whoever shares a connection need not find out by itself that it refuses us, or does not any more.
fn tell_of_refusals(shared: &Shared, slot: &Slot, troubles: &[Trouble], over: &BTreeSet<ConnectionName>) {
    let now = shared.clock.now();
    if over.is_empty() && troubles.iter().all(|trouble| trouble.temporary || trouble.partly) {
        return;
    }
    for other in shared.slots().values().filter(|other| other.name != slot.name) {
        let concerns = |name: &ConnectionName| {
            other.peek(|state| state.agenda.as_ref().is_some_and(|agenda| agenda.is_refused(name)))
        };
        let refused = troubles.iter().filter(|trouble| !trouble.temporary && !trouble.partly);
        for trouble in refused.filter(|trouble| concerns(&trouble.connection)) {
            other.poke(|agenda| agenda.asked_by_others(&trouble.connection, now));
        }
        for name in over.iter().filter(|name| concerns(name)) {
            other.poke(|agenda| agenda.ask(&format!("{name} answers again")));
        }
    }
}

/// What was read is delivered to every pipeline that uses it, also of other integrations: those have something to do.
/// (An integration's own polls are told by its task, which knows when the poll was meant.)
async fn tell_others(
    shared: &Shared,
    slot: &Slot,
    started: DateTime<Utc>,
    report: &RunReport,
) -> Result<(), StoreError> {
    // Nothing new was delivered, and no new link woke a record that waited for it.
    if !report.changes_seen
        && report.pipelines.iter().all(|pipeline| pipeline.tally.written() + pipeline.tally.linked == 0)
    {
        return Ok(());
    }
    let now = shared.clock.now();
    let mut failed = Ok(());
    let connections = slot.connections();
    for other in shared.slots().values() {
        if other.name == slot.name || !other.shares(&connections) {
            continue;
        }
        let (ledger, integration, paused) = (shared.ledger(), other.integration(), other.paused());
        match outlook::became_due(&ledger, &integration, &paused, (started, now)).await {
            Ok(true) => other.poke(|agenda| agenda.saw_change(now)),
            Ok(false) => {}
            Err(error) => {
                // Whoever could not be told looks for itself when the store works again.
                other.with(|state| state.unsure = true);
                // A value of its own that is damaged is its own trouble.
                failed = if health::is_damage(&error) { failed } else { Err(error) };
            }
        }
    }
    failed
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".to_owned())
}
