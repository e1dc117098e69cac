//! `reconciled` keeps business records in two systems the same.
//!
//! One room per step of the data flow; `ARCHITECTURE.md` has the map and the invariants.

pub mod admin;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connector;
mod crash;
pub mod daemon;
pub mod engine;
pub mod grant;
pub mod mapping;
pub mod public;
pub mod record;
pub mod rehearse;
pub mod sandbox;
mod serving;
pub mod store;
pub mod sync;
