//! Random histories: people edit both sides, calls fail, time passes, the daemon dies; afterwards everything that must
//! always hold is checked.
//!
//! `HISTORIES=n SEED=s cargo test --test history` runs more, or one again.

#[path = "../support/mod.rs"]
mod support;

mod http;
mod ledger;
mod memory;
mod people;

/// A number from the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
