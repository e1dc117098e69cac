//! The public listener: what the world outside may reach, and nothing else.
//!
//! It is off unless `[listen] public` is given, and speaks plain HTTP behind a proxy that speaks HTTPS. A request goes to
//! the [`Door`] that its path begins with; whoever stands behind a door sees a [`Visit`] whose body is read whole and is
//! within the door's cap, and answers with a [`Reply`]. What all doors share is kept here: how many visitors are served
//! at once, how long they may take, headers that keep browsers careful, and a log that never holds a path or a query,
//! because those are the secrets of inboxes, hooks and one-time links.

mod listener;
#[cfg(test)]
mod tests;
mod visit;

use std::{net::SocketAddr, time::Duration};

use async_trait::async_trait;
use thiserror::Error;

pub use listener::{Doors, PublicListener};
pub use visit::{Reply, Visit};

/// Why the listener cannot be there.
#[derive(Debug, Error)]
#[error(
    "nothing can listen at {address} (`listen.public`): {source}; give another address, or stop what listens there"
)]
pub struct PublicError {
    /// Where it was to listen.
    pub address: SocketAddr,
    /// Why it cannot.
    pub source: std::io::Error,
}

/// One purpose of the listener: whoever answers below `/NAME/`.
#[async_trait]
pub trait Door: Send + Sync {
    /// The first step of its paths: `inbox` answers `/inbox/…`.
    fn name(&self) -> &'static str;

    /// Most bytes of a body; a larger one is answered with 413 before it is read to its end.
    fn max_body(&self) -> usize {
        64 << 10
    }

    /// How long an answer may take; then the visitor is told to come again (503), and the work is dropped.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Answers. What must not be lost is durable before this returns with success.
    async fn answer(&self, visit: Visit) -> Reply;
}
