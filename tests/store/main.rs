//! What every store must do, run against each; and what only a real disk and a killed process can show.

mod conformance;
mod full_disk;
mod kill;
mod sled;
