//! Carrying out requests in the running daemon: between its runs, with deadlines, and with what only it knows.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    future::Future,
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    consent,
    control::{Shared, Stop},
    execute::{self, execute},
    gate, grants, log_level,
    paused::{self, Pause},
    protocol::{DEADLINE, Failure, FailureKind, Progress, Request, Response, Status, chain},
    reload::{Compared, last_good},
    run::{Watched, run},
    slot::Slot,
    status::Phase,
};
use crate::{
    config::{IntegrationName, PipelineName, Snapshot},
    connector::Requests,
    engine::{Desk, Meter, RunRequest},
    store::StoreError,
};

/// How long a change waits for its turn; less than the deadline, so that a change that was refused never happens.
const TURN: Duration = Duration::from_secs(15);
/// How often a run tells how far it is.
const TELL: Duration = Duration::from_secs(1);

/// Carries out a request. Everything but a run is answered within [`DEADLINE`].
pub(super) async fn answer(
    shared: &Arc<Shared>,
    request: Request,
    progress: mpsc::UnboundedSender<Progress>,
) -> Result<Response, Failure> {
    match request {
        Request::Run(request) => run_by_hand(shared, request, progress).await,
        Request::Ping => Ok(execute::pong()),
        Request::Status => Ok(status(shared).await),
        Request::Pause { what, by } => pause(shared, what, by).await,
        Request::Resume { what } => resume(shared, what).await,
        Request::LogLevel { directive } => log_level::change(directive.as_deref()).map(Response::LogLevel),
        Request::Notifications => Ok(Response::Notifications(shared.board.all(&shared.engine().config))),
        Request::Forget { integration, sure } => {
            let (engine, shared) = (shared.engine(), Arc::clone(shared));
            in_time(Box::pin(async move {
                let asked = Request::Forget { integration: integration.clone(), sure };
                let outcome = execute(&engine, asked).await;
                if sure && outcome.is_ok() {
                    shared.forgotten.lock().unwrap_or_else(PoisonError::into_inner).insert(integration);
                }
                outcome
            }))
            .await
        }
        Request::NotificationTest { .. } | Request::SecretsCheck => {
            let engine = shared.engine();
            in_time(Box::pin(async move { execute(&engine, request).await })).await
        }
        Request::ConnectLink { what } => consent::link(shared, &what),
        Request::ConnectBegin { .. } | Request::ConnectFinish { .. } | Request::Disconnect { .. } => {
            let shared = shared.clone();
            in_time(Box::pin(async move { grants::answer(&shared, request).await })).await
        }
        Request::Reload { wait, force } => {
            shared.asks.now(wait, force).await.map(|report| Response::Reloaded(Box::new(report)))
        }
        Request::ConfigDiff { .. } | Request::LastGood { .. } => {
            let shared = shared.clone();
            in_time(Box::pin(async move { files(&shared, request).await })).await
        }
        Request::Explain { .. }
        | Request::Links { .. }
        | Request::Parked { .. }
        | Request::Conflicts { .. }
        | Request::Held
        | Request::Runs { .. } => {
            let engine = gate::for_a_person(shared.engine());
            in_time(Box::pin(async move { execute(&engine, request).await })).await
        }
        Request::LinkAdd { .. }
        | Request::LinkRemove { .. }
        | Request::ParkedRetry { .. }
        | Request::ParkedIgnore { .. }
        | Request::ConflictResolve { .. }
        | Request::Approve { .. }
        | Request::Reject { .. } => {
            let shared = shared.clone();
            in_time(Box::pin(async move { Box::pin(change(&shared, request)).await })).await
        }
    }
}

/// What the files say, beside what runs.
async fn files(shared: &Arc<Shared>, request: Request) -> Result<Response, Failure> {
    let Some(env) = shared.env.clone() else {
        return Err(Failure::new(FailureKind::NotPossible, "this daemon does not follow its configuration"));
    };
    let dir = shared.engine().config.settings.config_dir.clone();
    let failed = |error: &crate::store::StoreError| {
        Failure::new(FailureKind::Store, format!("the store failed: {}", chain(error)))
    };
    let read = tokio::task::spawn_blocking(move || Snapshot::read(&dir)).await;
    let read =
        read.map_err(|error| Failure::new(FailureKind::NotPossible, format!("a mistake in the program: {error}")))?;
    match request {
        Request::LastGood { file } => {
            let good = last_good(&shared.ledger(), &read, env.as_ref(), &file).await.map_err(|error| failed(&error))?;
            Ok(Response::LastGood(Box::new(good)))
        }
        Request::ConfigDiff { texts } => {
            let snapshot = read.with_texts(texts.into_iter().map(|(name, text)| (name, text.into())));
            let versions =
                shared.slots().values().map(|slot| slot.peek(|state| state.version.clone())).collect::<Vec<_>>();
            let running = versions.into_iter().map(|version| (version.integration, version.effective)).collect();
            let now = shared.clock.now();
            let ledger = shared.ledger();
            let compared = Compared { ledger: &ledger, env: env.as_ref(), snapshot: &snapshot, now };
            let diff = compared.with_running(running).await.map_err(|error| failed(&error))?;
            Ok(Response::ConfigDiff(Box::new(diff)))
        }
        _ => Err(Failure::new(FailureKind::BadRequest, "this is no question about files")),
    }
}

/// Lets work go on by itself and waits for it, but not for ever.
async fn in_time(work: impl Future<Output = Result<Response, Failure>> + Send + 'static) -> Result<Response, Failure> {
    match tokio::time::timeout(DEADLINE, tokio::spawn(work)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Err(Failure::new(FailureKind::NotPossible, format!("a mistake in the program: {error}"))),
        Err(_) => Err(Failure::new(
            FailureKind::Deadline,
            format!("no answer within {} s; it goes on, and may still take effect", DEADLINE.as_secs()),
        )),
    }
}

/// A run that a person waits for. It goes on when they go away.
async fn run_by_hand(
    shared: &Arc<Shared>,
    request: RunRequest,
    progress: mpsc::UnboundedSender<Progress>,
) -> Result<Response, Failure> {
    let slot = slot(shared, &request.integration)?;
    for name in &request.pipelines {
        if !slot.integration().pipelines.iter().any(|pipeline| pipeline.name == *name) {
            let message = format!("there is no pipeline named `{name}` in `{}`", request.integration);
            return Err(Failure::new(FailureKind::NoSuch, message));
        }
    }
    if let Some(message) = shared.health.message() {
        return Err(Failure::new(FailureKind::Store, message));
    }
    let counted = ByHand::new(slot.clone());
    let shared = shared.clone();
    // Boxed: what a run holds is too large to be moved about.
    let work = tokio::spawn(Box::pin(async move {
        let meter = Arc::new(Meter::default());
        let watched = Watched { progress: progress.clone(), meter: Arc::clone(&meter) };
        let outcome = tokio::select! {
            outcome = run(&shared, &slot, request, Some(&watched)) => outcome,
            never = tell(&shared, &meter, &progress) => match never {},
        };
        drop(counted);
        outcome
    }));
    match work.await {
        Ok(outcome) => Ok(Response::Run(Box::new(outcome?))),
        Err(error) => Err(Failure::new(FailureKind::NotPossible, format!("a mistake in the program: {error}"))),
    }
}

/// Tells now and then how far a run is; never returns.
async fn tell(shared: &Shared, meter: &Meter, progress: &mpsc::UnboundedSender<Progress>) -> Infallible {
    let mut tick = tokio::time::interval(TELL);
    let mut told = None;
    loop {
        tick.tick().await;
        let engine = shared.engine();
        let made = engine.connectors.iter().map(|(name, connector)| (name.clone(), connector.requests()));
        let requests = made.filter(|(_, requests)| *requests != Requests::default()).collect();
        let step = Progress::Working { requests, reading: meter.reading() };
        if told.as_ref() != Some(&step) {
            // Whoever went away needs no progress; the run goes on.
            let _ = progress.send(step.clone());
            told = Some(step);
        }
    }
}

/// Counts a run by hand, so that a stop waits for it.
struct ByHand(Arc<Slot>);

impl ByHand {
    fn new(slot: Arc<Slot>) -> Self {
        slot.with(|state| state.by_hand += 1);
        Self(slot)
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        self.0.with(|state| state.by_hand = state.by_hand.saturating_sub(1));
    }
}

/// Never fails: what the store cannot tell is left out, and the daemon says what is wrong with it.
async fn status(shared: &Arc<Shared>) -> Response {
    let engine = shared.engine();
    let remembered = in_time(Box::pin(async move { execute(&engine, Request::Status).await })).await;
    let mut status = match remembered {
        Ok(Response::Status(status)) => *status,
        Ok(_) => Status {
            daemon: None,
            integrations: Vec::new(),
            paused: Vec::new(),
            edits: Vec::new(),
            rollouts: Vec::new(),
            connections: Vec::new(),
        },
        Err(failure) => {
            tracing::warn!(event = "status.incomplete", error = %failure);
            Status {
                daemon: None,
                integrations: Vec::new(),
                paused: Vec::new(),
                edits: Vec::new(),
                rollouts: Vec::new(),
                connections: Vec::new(),
            }
        }
    };
    let slots = shared.slots();
    status.paused = slots.values().flat_map(|slot| slot.peek(|state| state.pauses.clone()).into_values()).collect();
    status.daemon = Some(shared.status());
    grants::note_lacking(shared, &mut status);
    Response::Status(Box::new(status))
}

async fn pause(shared: &Arc<Shared>, what: String, by: String) -> Result<Response, Failure> {
    let (slot, now) = (slot_of(shared, &what)?, shared.clock.now());
    let pause = Pause { what, by, at: now };
    // At once, also while the store fails; remembering it comes second.
    slot.with(|state| state.pauses.insert(pause.what.clone(), pause.clone()));
    slot.stir();
    let ledger = shared.ledger();
    in_time(async move {
        let remembered = paused::remember(&ledger, std::slice::from_ref(&pause)).await;
        remembered.map_err(|error| not_remembered(&pause.what, "paused", &error))?;
        Ok(Response::Paused(pause))
    })
    .await
}

async fn resume(shared: &Arc<Shared>, what: String) -> Result<Response, Failure> {
    let slot = slot_of(shared, &what)?;
    let ended = slot.with(|state| {
        let ended = paused::ended(&state.pauses, &state.version.integration, &what)?;
        state.pauses.retain(|_, pause| !ended.contains(pause));
        // What came meanwhile is looked for.
        state.unsure |= !ended.is_empty();
        Ok::<_, Failure>(ended)
    })?;
    slot.stir();
    let ledger = shared.ledger();
    in_time(async move {
        let forgotten = paused::forget(&ledger, &ended).await;
        forgotten.map_err(|error| not_remembered(&what, "resumed", &error))?;
        Ok(Response::Resumed(ended))
    })
    .await
}

fn not_remembered(what: &str, done: &str, error: &StoreError) -> Failure {
    let text = format!("`{what}` is {done}, but a restart will not know of it: {}", chain(error));
    Failure::new(FailureKind::Store, text)
}

/// The integration of this name, or that of the pipeline of this name.
fn slot_of(shared: &Shared, what: &str) -> Result<Arc<Slot>, Failure> {
    slot(shared, &paused::named(&shared.engine().config, what)?.name)
}

/// What is remembered of a record is changed only between runs: a run writes back what it read at its beginning.
async fn change(shared: &Arc<Shared>, request: Request) -> Result<Response, Failure> {
    let slots = concerned(shared, &request).await?;
    let until = tokio::time::Instant::now() + TURN;
    let mut guards = Vec::new();
    let mut connections = BTreeSet::new();
    for slot in &slots {
        let turn = tokio::time::timeout_at(until, slot.turn.clone().lock_owned()).await;
        guards.push(turn.map_err(|_| busy(slot))?);
        connections.extend(slot.connections());
    }
    let locks = tokio::time::timeout_at(until, shared.lock(&connections)).await;
    let locks = locks.map_err(|_| slots.first().map_or_else(|| busy_text("another integration"), |slot| busy(slot)))?;
    if *shared.stop.borrow() >= Stop::Now {
        return Err(Failure::new(FailureKind::Stopping, "the daemon is stopping"));
    }
    let response = execute(&gate::for_a_person(shared.engine()), request).await?;
    drop((guards, locks));
    if matches!(response, Response::EditAnswered(_) | Response::RolloutAnswered(_)) {
        shared.look_at_config_again();
    }
    let now = shared.clock.now();
    for slot in &slots {
        match &response {
            Response::Approved(_) => slot.poke(|agenda| agenda.ask("approved by hand")),
            Response::Linked(_) | Response::Unlinked(_) | Response::Retried(_) | Response::Resolved(_) => {
                slot.poke(|agenda| agenda.saw_change(now));
            }
            _ => {}
        }
    }
    Ok(response)
}

/// The integrations whose memory a request changes.
async fn concerned(shared: &Arc<Shared>, request: &Request) -> Result<Vec<Arc<Slot>>, Failure> {
    match request {
        Request::LinkAdd { pipeline, .. }
        | Request::LinkRemove { pipeline, .. }
        | Request::ParkedRetry { pipeline, .. }
        | Request::ParkedIgnore { pipeline, .. }
        | Request::ConflictResolve { pipeline, .. } => {
            let found = of_pipeline(shared, pipeline);
            if found.is_empty() {
                return Err(Failure::new(FailureKind::NoSuch, format!("there is no pipeline named `{pipeline}`")));
            }
            Ok(found)
        }
        Request::Approve { what, .. } | Request::Reject { what } => {
            let mut found: Vec<_> =
                shared.slots().values().filter(|slot| slot.name.as_str() == what).cloned().collect();
            if let Ok(name) = PipelineName::parse(what) {
                found.extend(of_pipeline(shared, &name));
            }
            for held in Desk::new(&shared.engine()).held().await? {
                if held.id == *what {
                    found.extend(of_pipeline(shared, &held.pipeline));
                }
            }
            // Turns are taken in the order of names, each once.
            found.sort_by(|a, b| a.name.cmp(&b.name));
            found.dedup_by(|a, b| a.name == b.name);
            Ok(found)
        }
        _ => Ok(Vec::new()),
    }
}

fn of_pipeline(shared: &Shared, name: &PipelineName) -> Vec<Arc<Slot>> {
    let engine = shared.engine();
    let owner = engine.config.pipeline(name).map(|(integration, _)| &integration.name);
    owner.and_then(|owner| shared.slots().get(owner).cloned()).into_iter().collect()
}

fn slot(shared: &Shared, name: &IntegrationName) -> Result<Arc<Slot>, Failure> {
    let missing = || Failure::new(FailureKind::NoSuch, format!("there is no integration named `{name}`"));
    shared.slots().get(name).cloned().ok_or_else(missing)
}

fn busy(slot: &Slot) -> Failure {
    let name = &slot.name;
    match slot.peek(|state| state.phase.clone()) {
        Phase::Running { why, since, .. } => {
            busy_text(&format!("`{name}` (running since {}, {why})", since.to_rfc3339()))
        }
        _ => busy_text(&format!("`{name}`, or one that shares a connection with it,")),
    }
}

fn busy_text(who: &str) -> Failure {
    let text = format!("{who} is still at work and nothing was changed; try again when it is done (see `status`)");
    Failure::new(FailureKind::Deadline, text)
}
