//! Rehearsing: tests of a user's own configuration (`*.test.yaml`), played by the real daemon and engine between systems in
//! memory, on a clock that the steps move. No call leaves the process, and no secret is read.
//!
//! 1. [`find`] and [`read()`] give the scenarios of a folder: what is written (`written`) is looked up in the
//!    configuration (`read/`), values become what the resource's fields say (`values`).
//! 2. [`play`] sets the stage: a `System` per connection, which follows its manifest, a store that forgets what was
//!    not flushed, and a daemon (`life`) that can die at a write. Steps happen one after the other.
//! 3. `check` compares what came of it (`compare` pairs what is alike) and says what is wrong as a [`Failure`].
//! 4. At the end of every scenario nothing may be left to do: another sync and a full read must send nothing.
//! 5. `record` makes a scenario of what the next sync of a real integration is about to do, with stand-ins for what it says.
//! 6. [`coverage`] gathers which fields, match tiers and filters were exercised by any scenario.

mod check;
mod compare;
pub mod coverage;
mod env;
mod failure;
mod life;
mod play;
mod read;
mod record;
mod replay;
mod scenario;
mod suite;
mod system;
mod values;
mod written;

pub use env::StandIns;
pub use failure::{Failure, Line};
pub use play::{Outcome, Played, play, replay};
pub use record::{Recorded, Sources as RecordFrom, Told, Unreadable, gather, told_as_test};
pub use scenario::Scenario;
pub use suite::{Ground, Suite, Suites, find, is_test, read};

/// The JSON Schema of a file of tests, for editors.
#[must_use]
pub fn test_schema() -> serde_json::Value {
    crate::config::schema_of::<written::TestFileW>("reconciled tests")
}
