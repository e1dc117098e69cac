//! Editing the configuration of a running daemon: every way in which editors and deployments write files, through the
//! built program. Nothing here is talked to over a network; what runs is read from the daemon's status.
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

mod editing;
mod judged;
mod last_good;
mod life;
mod moved;
mod patterns;
mod support;
mod swap;
#[path = "../support/mod.rs"]
mod systems;
