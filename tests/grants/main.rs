//! Logins that people consent to, against the practice Xero's authorization server.
#![allow(clippy::pedantic, clippy::unwrap_used, reason = "pedantic lints are for the library")]

#[path = "../support/browser.rs"]
mod browser;
mod builtin;
mod captured;
mod crash;
mod gone;
mod hooks;
mod life;
mod names;
mod setup;
mod strict;
