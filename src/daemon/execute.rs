//! Carrying out a request: the daemon does it for its clients, and a command does it itself when no daemon runs.

use super::{
    paused::{self, Pause},
    protocol::{Failure, FailureKind, Request, Response, Status, chain},
};
use crate::{
    config::IntegrationName,
    engine::{Desk, Engine},
    store::StoreError,
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
        Request::Parked { pipeline } => Response::Parked(desk.parked(pipeline.as_ref()).await?),
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
        Request::Approve { what } => Response::Approved(desk.approve(&what).await?),
        Request::Reject { what } => Response::Rejected(desk.reject(&what).await?),
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
        Request::LogLevel { .. } => {
            return Err(Failure::new(FailureKind::NotPossible, "no daemon runs, so there is no log to change"));
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

fn known(engine: &Engine, integration: &IntegrationName) -> Result<(), Failure> {
    if engine.config.integrations.contains_key(integration) {
        return Ok(());
    }
    Err(Failure::new(FailureKind::NoSuch, format!("there is no integration named `{integration}`")))
}

fn store(error: &StoreError) -> Failure {
    Failure::new(FailureKind::Store, format!("the store failed: {}", chain(error)))
}
