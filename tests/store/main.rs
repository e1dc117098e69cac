//! What every store must do, run against each; and what only a real disk and a killed process can show.
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

mod conformance;
mod damage;
mod full_disk;
mod kill;
mod sled;
mod snapshots;
