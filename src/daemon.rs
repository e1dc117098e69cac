//! The daemon: when runs happen, and how people reach it while it works.
//!
//! - [`schedule`] (pure) says, per integration, when to look and when to run.
//! - [`Daemon::start`] gives every integration a task that asks its schedule, waits for its connections in line with
//!   others that share them, runs the engine, and tells the schedule what came of it. A remote that hangs delays only
//!   those who need it. A store that fails stops everything but the probes that find out when it works again.
//! - [`protocol`] is what commands and daemon say to each other over the unix socket; [`execute()`] carries a request
//!   out, here and in a command that finds no daemon ([`Client`]).
//! - [`reload`] follows the files of the configuration and lets edited integrations take over, one by one.
//! - `notices` tells people what goes wrong, and when it is right again.
//! - `public` says which doors the public listener has ([`crate::public`]), and what news at them mean.
//! - [`serve`] connects all this to the signals of an operating system.

mod answer;
mod client;
mod consent;
mod control;
pub mod counts;
mod drive;
mod execute;
mod forget;
mod gate;
mod gauges;
mod grants;
mod health;
mod hooks;
mod inbox;
pub mod log_level;
mod look;
mod notices;
mod outlook;
mod paused;
mod person;
mod prober;
pub mod protocol;
mod public;
pub mod reload;
mod run;
pub mod schedule;
mod secrets;
pub mod service;
mod signals;
mod slot;
mod snapshots;
mod socket;
mod status;
mod worker;

pub use client::{Client, ClientError};
pub use control::{Daemon, DaemonSettings, Handle};
pub use execute::execute;
pub use forget::{Forgotten, everything_of};
pub use gauges::Gauges;
pub use notices::{Message, NotificationNow, State as MessageState};
pub use paused::Pause;
pub use person::own_name;
pub use public::PublicNow;
pub use secrets::SecretNow;
pub use signals::{Signals, Stopped, serve};
pub use socket::SocketError;
pub use status::{ConnectionTrouble, DaemonStatus, HookNow, IntegrationNow, Phase, WaitReason};
