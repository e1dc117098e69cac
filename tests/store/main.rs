//! What every store must do, run against each; and what only a real disk and a killed process can show.

mod conformance;
mod kill;
mod sled;
