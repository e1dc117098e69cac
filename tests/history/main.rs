//! Random histories: people edit both sides, calls fail, time passes, the daemon dies; afterwards everything that must
//! always hold is checked.
//!
//! `HISTORIES=n SEED=s cargo test --test history memory` runs more, or one again (`-- --nocapture` shows what they come
//! to); `WEB_HISTORIES=n WEB_SEED=s` does so for
//! those over HTTP. One that goes wrong is cut down and printed as a scenario; `CUT=n` does that for the first n.
#![allow(
    clippy::pedantic,
    clippy::type_complexity,
    clippy::nonminimal_bool,
    clippy::await_holding_lock,
    reason = "pedantic lints are for the library"
)]

#[path = "../support/mod.rs"]
mod support;

mod check;
mod deletions;
mod generate;
mod http;
mod kinds;
mod ledger;
mod memory;
mod people;
mod play;
mod scenario;
mod shrink;
mod sum;

/// A number from the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
