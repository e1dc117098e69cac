//! Logins that people consent to, against the practice Xero's authorization server.
#![allow(clippy::pedantic, clippy::unwrap_used, reason = "pedantic lints are for the library")]

mod crash;
mod life;
mod setup;
