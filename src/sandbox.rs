//! Practice systems on loopback HTTP, for the demo and for tests.
//!
//! A [`Website`] (our own small contract, `schemas/website.openapi.yaml`) and a [`Xero`] (the Accounting API as far as
//! it is documented) run inside this process on a port of their own; an [`Xpm`] (Practice Manager 3.1) does, too. A request passes, in this order: the
//! [`RequestLog`], the [`Faults`], then the system itself, which answers as the real one would, by the [`Clock`] it
//! was given: stamps, windows and idempotency keys all follow that clock. Only the delays of faults are real time,
//! because sockets are.
//!
//! Beside its HTTP side each system has a hand for tests: [`Website::insert`], [`Xero::edit`] and their like do what a
//! person at that system's screen would do, with the same rules and stamps, but without limits, keys and log.

mod call;
mod faults;
mod log;
mod logins;
mod practice;
mod seed;
mod server;
#[cfg(test)]
mod testing;
mod website;
mod wire;
mod xero;
mod xpm;

use std::io;

use crate::clock::Clock;

pub use faults::{Fault, FaultRule, Faults};
pub use log::{Counts, LogEntry, RequestLog};
pub use logins::Logins;
pub use practice::{PracticeKind, PracticeOptions, PracticeSystem};
pub use seed::{Oddity, SeedPlan, Seeded, income_account, seed};
pub use website::{Website, WebsiteOptions};
pub use xero::{Xero, XeroLimits, XeroOptions};
pub use xpm::{Xpm, XpmFamily, XpmOptions};

/// A website and a Xero side by side on one clock; the usual pair of the demo and the tests.
#[derive(Debug)]
pub struct Sandbox {
    /// The practice website.
    pub website: Website,
    /// The practice Xero.
    pub xero: Xero,
    clock: Clock,
}

impl Sandbox {
    /// Starts both on free loopback ports, Xero with its documented limits.
    ///
    /// # Errors
    ///
    /// When a port cannot be bound.
    pub async fn start(clock: Clock) -> io::Result<Self> {
        Self::start_with(WebsiteOptions::new(clock.clone()), XeroOptions::new(clock)).await
    }

    /// Starts both as told. The website's clock is the one that [`Sandbox::seed`] counts back from.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound.
    pub async fn start_with(website: WebsiteOptions, xero: XeroOptions) -> io::Result<Self> {
        let clock = website.clock.clone();
        Ok(Self { website: Website::start(website).await?, xero: Xero::start(xero).await?, clock })
    }

    /// Fills both; see [`seed`].
    ///
    /// # Errors
    ///
    /// When a system refuses a record, which it does only when it was not empty.
    pub fn seed(&self, plan: &SeedPlan) -> Result<Seeded, Refused> {
        seed(&self.website, &self.xero, self.clock.now(), plan)
    }

    /// Stops both and waits for open requests.
    pub async fn stop(self) {
        self.website.stop().await;
        self.xero.stop().await;
    }
}

/// A practice system would not take a change made by hand, for the reasons it would show on its screen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", messages.join("; "))]
pub struct Refused {
    /// The system's own messages.
    pub messages: Vec<String>,
}

impl Refused {
    fn because(message: impl Into<String>) -> Self {
        Self { messages: vec![message.into()] }
    }
}
