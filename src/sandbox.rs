//! Practice systems on loopback HTTP, for the demo and for tests.
//!
//! A [`Website`] (our own small contract, `schemas/website.openapi.yaml`) and a [`Xero`] (the Accounting API as far as
//! it is documented) run inside this process on a port of their own. A request passes, in this order: the
//! [`RequestLog`], the [`Faults`], then the system itself, which answers as the real one would, by the [`Clock`] it
//! was given: stamps, windows and idempotency keys all follow that clock. Only the delays of faults are real time,
//! because sockets are.
//!
//! Beside its HTTP side each system has a hand for tests: [`Website::insert`], [`Xero::edit`] and their like do what a
//! person at that system's screen would do, with the same rules and stamps, but without limits, keys and log.
//!
//! [`Clock`]: crate::clock::Clock

mod call;
mod faults;
mod log;
mod seed;
mod server;
#[cfg(test)]
mod testing;
mod website;
mod wire;
mod xero;

pub use faults::{Fault, FaultRule, Faults};
pub use log::{Counts, LogEntry, RequestLog};
pub use seed::{Oddity, SeedPlan, Seeded, income_account, seed};
pub use website::{Website, WebsiteOptions};
pub use xero::{Xero, XeroLimits, XeroOptions};

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
