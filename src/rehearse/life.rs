//! One life of the daemon: from its start to a crash, an edit of the configuration, or the end.

use std::{collections::BTreeSet, future::Future, time::Duration};

use chrono::{DateTime, Utc};
use tokio::{runtime::Runtime, sync::watch};

use crate::{
    clock::Clock,
    config::{ConnectionName, IntegrationName, PipelineName},
    connector::Told,
    daemon::{
        Daemon, DaemonSettings, Handle,
        protocol::{Failure, Request, Response},
    },
    engine::{Engine, Mode, ParkedItem, RunReport, RunRequest},
    store::RunRecord,
    sync::Link,
};

/// Longer than any step takes by far. In real time: what hangs must end.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why a step did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The daemon died, as the test wanted.
    #[error("the daemon died")]
    Died,
    /// It refused what was asked.
    #[error("{0}")]
    Refused(Failure),
    /// It hangs.
    #[error("this does not come to an end")]
    Hangs,
    /// No daemon can be started at all.
    #[error("{0}")]
    Broken(String),
}

/// A running daemon with a runtime of its own, so that it can die as a process does.
pub(super) struct Life {
    runtime: Runtime,
    handle: Handle,
    clock: Clock,
    died: watch::Receiver<bool>,
}

impl Life {
    pub fn begin(engine: Engine, died: &watch::Sender<bool>) -> Result<Self, Ended> {
        let broken = |error: &dyn std::fmt::Display| Ended::Broken(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| broken(&error))?;
        died.send_replace(false);
        let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_secs(30) };
        let clock = engine.clock.clone();
        let handle = runtime.block_on(Daemon::start(engine, settings)).map_err(|error| broken(&error))?;
        Ok(Self { runtime, handle, clock, died: died.subscribe() })
    }

    /// Lets the daemon work until this is done, or it dies.
    fn drive<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Ended> {
        let died = &mut self.died;
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                // Its sender outlives every life.
                _ = died.wait_for(|died| *died) => Err(Ended::Died),
                done = tokio::time::timeout(PATIENCE, work) => done.map_err(|_| Ended::Hangs),
            }
        })
    }

    /// Moves the clock to an instant, from one thing that happens to the next.
    pub fn run_until(&mut self, instant: DateTime<Utc>) -> Result<(), Ended> {
        let handle = self.handle.clone();
        self.drive(async move { handle.run_until(instant).await })
    }

    fn ask(&mut self, request: Request) -> Result<Response, Ended> {
        let handle = self.handle.clone();
        self.drive(async move { handle.call(request).await })?.map_err(Ended::Refused)
    }

    /// Carries out what a person asks for.
    pub fn person(&mut self, request: Request) -> Result<(), Ended> {
        self.ask(request).map(drop)
    }

    /// A run of an integration.
    pub fn run(
        &mut self,
        integration: &IntegrationName,
        pipelines: &[PipelineName],
        mode: Mode,
        full: bool,
    ) -> Result<RunReport, Ended> {
        let request = RunRequest {
            integration: integration.clone(),
            pipelines: pipelines.to_vec(),
            connection: None,
            mode,
            full,
            limit: None,
            revert: None,
            list: false,
            why: "by hand".to_owned(),
        };
        let (handle, now) = (self.handle.clone(), self.clock.now());
        // A run that waits for the clock (before it asks a system once more) gets the time it waits for.
        let both = async { tokio::join!(biased; handle.call(Request::Run(request)), handle.run_until(now)) };
        match self.drive(both)?.0.map_err(Ended::Refused)? {
            Response::Run(report) => Ok(*report),
            _ => Err(astray()),
        }
    }

    pub fn parked(&mut self) -> Result<Vec<ParkedItem>, Ended> {
        match self.ask(Request::Parked { pipeline: None })? {
            Response::Parked(items) => Ok(items.into_iter().filter(|item| !item.parked.ignored).collect()),
            _ => Err(astray()),
        }
    }

    pub fn held(&mut self) -> Result<Vec<PipelineName>, Ended> {
        match self.ask(Request::Held)? {
            Response::Held(held) => Ok(held.into_iter().map(|held| held.pipeline).collect()),
            _ => Err(astray()),
        }
    }

    pub fn links(&mut self, pipeline: &PipelineName) -> Result<Vec<Link>, Ended> {
        match self.ask(Request::Links { pipeline: pipeline.clone() })? {
            Response::Links(links) => Ok(links),
            _ => Err(astray()),
        }
    }

    /// Every finished run of an integration, oldest first.
    pub fn runs(&mut self, integration: &IntegrationName) -> Result<Vec<RunRecord>, Ended> {
        match self.ask(Request::Runs { integration: integration.clone(), limit: 10_000 })? {
            Response::Runs(mut runs) => {
                runs.reverse();
                Ok(runs)
            }
            _ => Err(astray()),
        }
    }

    /// A system called to say that these records changed: what becomes of that is as at the daemon's door, once it is known
    /// who calls.
    pub fn told(&mut self, connection: &ConnectionName, told: BTreeSet<Told>) -> Result<(), Ended> {
        let (handle, connection) = (self.handle.clone(), connection.clone());
        let taken = self.drive(async move { handle.told(&connection, &told).await })?;
        taken.map(drop).map_err(|error| Ended::Broken(error.to_string()))
    }

    /// A system of a kind that has no hooks: somebody asks the daemon to look.
    pub fn hook(&mut self, connection: &ConnectionName, integrations: &[IntegrationName], engine: &Engine) {
        let uses = |name: &&IntegrationName| {
            let integration = engine.config.integrations.get(*name);
            let mut ends = integration.iter().flat_map(|one| &one.pipelines).flat_map(|pipeline| &pipeline.ends);
            ends.any(|end| end.connection.name == *connection)
        };
        for name in integrations.iter().filter(uses) {
            let _turn = self.runtime.enter();
            self.handle.look_again(name);
        }
    }

    /// The process is gone from one instant to the next.
    pub fn kill(self) {
        self.runtime.shutdown_background();
    }

    /// Stops it as a person would.
    pub fn stop(mut self) -> Result<(), Ended> {
        let handle = self.handle.clone();
        self.drive(async move { handle.stop().await })
    }
}

fn astray() -> Ended {
    Ended::Broken("the daemon gave an answer to another question".to_owned())
}
