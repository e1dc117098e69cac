//! What others in this process may see of a running daemon, beside the answers that it gives to everybody.

use std::sync::Arc;

use tokio::sync::watch;

use super::{
    Handle,
    control::Stop,
    counts::{Counts, Delivery, Posted},
    protocol::{Failure, Progress, Request, Response},
};
use crate::{
    clock::Clock,
    config::{Config, ConnectionName},
    connector::Requests,
};

impl Handle {
    /// What runs now.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.shared.engine().config
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.shared.clock.clone()
    }

    /// Requests made through each connection since it began to be used.
    #[must_use]
    pub fn requests(&self) -> Vec<(ConnectionName, Requests)> {
        let connectors = self.shared.engine().connectors;
        connectors.iter().map(|(name, connector)| (name.clone(), connector.requests())).collect()
    }

    /// What it has done since it started.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = self.shared.counts.read();
        let engine = self.shared.engine();
        // They begin at 0, so that the first one counts as a growth.
        for name in super::hooks::names(&engine.config) {
            for delivery in Delivery::ALL {
                counts.hooks.entry((name.clone(), delivery)).or_default();
            }
        }
        for (name, _) in engine.connectors.iter().filter(|(_, connector)| connector.inbox().is_some()) {
            for posted in Posted::ALL {
                counts.posts.entry((name.clone(), posted)).or_default();
            }
        }
        for (_, pipeline) in engine.config.pipelines() {
            counts.flip_flops.entry(pipeline.name.clone()).or_default();
            counts.echoes.entry(pipeline.name.clone()).or_default();
        }
        counts
    }

    /// Tells of every change of what an integration does.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.stirred.subscribe()
    }

    /// Whether it takes no new work any more.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shared.is_stopping()
    }

    /// Returns when it takes no new work any more.
    pub async fn stopping(&self) {
        self.shared.stopped(Stop::Finishing).await;
    }

    /// Carries out a request, telling how far a run is, and remembers who asked.
    ///
    /// # Errors
    ///
    /// As the socket would answer.
    pub async fn ask(
        &self,
        request: Request,
        by: &str,
        progress: impl Fn(Progress) + Send,
    ) -> Result<Response, Failure> {
        let (sender, mut steps) = tokio::sync::mpsc::unbounded_channel();
        let work = self.stream(request.asked_by(by), sender);
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                Some(step) = steps.recv() => progress(step),
                outcome = &mut work => return outcome,
            }
        }
    }
}
