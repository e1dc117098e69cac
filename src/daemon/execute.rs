//! Carrying out a request: the daemon does it for its clients, and a command does it itself when no daemon runs.

use super::{
    forget, grants,
    notices::{self, NotificationNow},
    paused::{self, Pause},
    protocol::{Failure, FailureKind, Request, Response, Status, chain},
    reload::{
        HeldEdit,
        held::{self, AnswerError},
        rollout,
    },
    secrets,
};
use crate::{
    config::{IntegrationName, PipelineName},
    engine::{Desk, Engine},
    record::RecordId,
    store::{Approval, Stage, StoreError},
};

/// Carries out a request on an engine that nobody else uses. A daemon decides itself when runs happen and adds what
/// it alone knows to the status; for everything else it comes here as well.
///
/// # Errors
///
/// When what is named does not exist or does not allow it, or the store or a remote fails.
pub async fn execute(engine: &Engine, request: Request) -> Result<Response, Failure> {
    let desk = Desk::new(engine);
    Ok(match request {
        Request::Ping => pong(),
        Request::Status => Response::Status(Box::new(Status {
            daemon: None,
            integrations: desk.status().await?,
            paused: paused::all(&engine.ledger).await.map_err(|error| store(&error))?.into_values().collect(),
            edits: held::all(&engine.ledger).await.map_err(|error| store(&error))?,
            rollouts: rollout::all(&engine.ledger).await.map_err(|error| store(&error))?,
            connections: grants::all(engine).await,
        })),
        Request::Run(request) => Response::Run(Box::new(engine.run(request).await?)),
        Request::Explain { pipeline, record } => Response::Explained(desk.explain(&pipeline, &record).await?),
        Request::Links { pipeline } => Response::Links(desk.links(&pipeline).await?),
        Request::LinkAdd { pipeline, source, target } => {
            Response::Linked(Box::new(desk.add_link(&pipeline, &source, &target).await?))
        }
        Request::LinkRemove { pipeline, record } => {
            Response::Unlinked(Box::new(desk.remove_link(&pipeline, &record).await?))
        }
        Request::Parked { pipeline } => Response::Parked(desk.parked_among_others(pipeline.as_ref()).await?),
        Request::ParkedRetry { pipeline, record } => Response::Retried(desk.retry(&pipeline, record.as_ref()).await?),
        Request::ParkedIgnore { pipeline, record } => {
            desk.ignore(&pipeline, &record).await?;
            Response::Ignored
        }
        Request::Conflicts { pipeline } => Response::Conflicts(desk.conflicts(pipeline.as_ref()).await?),
        Request::ConflictResolve { pipeline, record, field, winner } => {
            Response::Resolved(desk.resolve(&pipeline, &record, field.as_deref(), winner).await?)
        }
        Request::Held => Response::Held(desk.held().await?),
        Request::Approve { what, except } => approve(engine, &desk, (what, except)).await?,
        Request::Reject { what } => match held_edit(engine, &what).await? {
            Some(held) => answer_edit(engine, held, (Approval::Rejected, Vec::new())).await?,
            None => match answer_rollout(engine, &what, Approval::Rejected).await? {
                Some(answered) => answered,
                None => Response::Rejected(desk.reject(&what).await?),
            },
        },
        Request::Runs { integration, limit } => {
            known(engine, &integration)?;
            Response::Runs(desk.runs(&integration, limit).await?)
        }
        Request::Pause { what, by } => {
            paused::named(&engine.config, &what)?;
            let pause = Pause { what, by, at: engine.clock.now() };
            paused::remember(&engine.ledger, std::slice::from_ref(&pause)).await.map_err(|error| store(&error))?;
            Response::Paused(pause)
        }
        Request::Resume { what } => {
            let integration = paused::named(&engine.config, &what)?;
            let all = paused::all(&engine.ledger).await.map_err(|error| store(&error))?;
            let ended = paused::ended(&all, integration, &what)?;
            paused::forget(&engine.ledger, &ended).await.map_err(|error| store(&error))?;
            Response::Resumed(ended)
        }
        Request::Notifications => {
            let all = engine.config.notifications.values();
            Response::Notifications(all.map(|told| NotificationNow::unused(told)).collect())
        }
        Request::Forget { integration, sure } => {
            Response::Forgotten(Box::new(forget::forget(engine, &integration, sure).await?))
        }
        Request::SecretsCheck => Response::Secrets(secrets::check(&engine.config).await),
        Request::NotificationTest { name } => {
            notices::try_out(&engine.config, &name, engine.clock.now()).await?;
            Response::NotificationSent
        }
        Request::ConnectBegin { .. } | Request::ConnectFinish { .. } | Request::Disconnect { .. } => {
            grants::carry_out(engine, request).await?
        }
        Request::ConnectLink { .. } => {
            return Err(Failure::new(FailureKind::NotPossible, "no daemon runs, so nobody would answer at a link"));
        }
        Request::LogLevel { .. } => {
            return Err(Failure::new(FailureKind::NotPossible, "no daemon runs, so there is no log to change"));
        }
        Request::ConfigDiff { .. } | Request::LastGood { .. } => {
            let text = "only a daemon that follows its configuration can tell";
            return Err(Failure::new(FailureKind::NotPossible, text));
        }
        Request::Reload { .. } => {
            let text = "no daemon runs, so there is nothing to reload; its next start reads the files anyway";
            return Err(Failure::new(FailureKind::NotPossible, text));
        }
    })
}

/// The answer of whoever is there.
pub(super) fn pong() -> Response {
    Response::Pong { version: env!("CARGO_PKG_VERSION").to_owned(), pid: std::process::id() }
}

/// Lets go what is meant: an edit, a rollout, a run or a first run, but for these records.
async fn approve(
    engine: &Engine,
    desk: &Desk<'_>,
    (what, except): (String, Vec<RecordId>),
) -> Result<Response, Failure> {
    if let Some(held) = held_edit(engine, &what).await? {
        return answer_edit(engine, held, (Approval::Approved, except)).await;
    }
    // Of a rollout no records can be left out.
    if except.is_empty()
        && let Some(answered) = answer_rollout(engine, &what, Approval::Approved).await?
    {
        return Ok(answered);
    }
    Ok(Response::Approved(desk.approve_except(&what, &except).await?))
}

/// The held edit that is meant.
async fn held_edit(engine: &Engine, what: &str) -> Result<Option<HeldEdit>, Failure> {
    held::named(&engine.ledger, what).await.map_err(|error| store(&error))
}

async fn answer_edit(engine: &Engine, held: HeldEdit, answer: (Approval, Vec<RecordId>)) -> Result<Response, Failure> {
    let running = engine.config.integrations.get(&held.integration);
    let pipelines: Vec<PipelineName> =
        running.map(|running| running.pipelines.iter().map(|p| p.name.clone()).collect()).unwrap_or_default();
    let answered = held::answer(&engine.ledger, held, answer, &pipelines, engine.clock.now()).await;
    answered.map(|held| Response::EditAnswered(Box::new(held))).map_err(|error| match error {
        AnswerError::Store(error) => store(&error),
        AnswerError::Expired { .. } => Failure::new(FailureKind::NotPossible, error.to_string()),
        AnswerError::NoSuchRecord { .. } => Failure::new(FailureKind::NoSuch, error.to_string()),
    })
}

/// Answers the edit of a template that is meant. A client that has first runs to approve is not asked about its turn.
async fn answer_rollout(engine: &Engine, what: &str, approval: Approval) -> Result<Option<Response>, Failure> {
    let ledger = &engine.ledger;
    let Some(found) = rollout::named(ledger, what).await.map_err(|error| store(&error))? else { return Ok(None) };
    let by_client = found.id != what && found.template != what;
    if by_client && (approval == Approval::Rejected || has_first_runs(engine, what).await?) {
        return Ok(None);
    }
    let answered = rollout::answer(ledger, found, (what, approval)).await.map_err(|error| store(&error))?;
    Ok(Some(Response::RolloutAnswered(Box::new(answered))))
}

/// Whether a pipeline of this integration waits for the approval of its first run.
async fn has_first_runs(engine: &Engine, integration: &str) -> Result<bool, Failure> {
    let found = engine.config.integrations.values().find(|one| one.name.as_str() == integration);
    for pipeline in found.into_iter().flat_map(|integration| &integration.pipelines) {
        let state = engine.ledger.pipeline(&pipeline.name).await.map_err(|error| store(&error))?;
        if state.stage == Stage::Unapproved {
            return Ok(true);
        }
    }
    Ok(false)
}

fn known(engine: &Engine, integration: &IntegrationName) -> Result<(), Failure> {
    if engine.config.integrations.contains_key(integration) {
        return Ok(());
    }
    Err(Failure::new(FailureKind::NoSuch, format!("there is no integration named `{integration}`")))
}

fn store(error: &StoreError) -> Failure {
    Failure::new(FailureKind::Store, format!("the store failed: {}", chain(error)))
}
