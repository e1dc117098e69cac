//! The daemon: when runs happen, and how people reach it while it works.
//!
//! A pure [`schedule`] per integration says when to look and when to run. The control loop fires it, starts runs of
//! the engine, each in a task of its own, and tells what waits. Commands come in over a unix socket as
//! [`protocol::Request`]s; [`execute`] carries them out, here and in a command that finds no daemon.

mod client;
mod execute;
mod paused;
pub mod protocol;
mod status;

pub use client::{Client, ClientError};
pub use execute::execute;
pub use status::{ConnectionTrouble, DaemonStatus, IntegrationNow, Phase, WaitReason};
