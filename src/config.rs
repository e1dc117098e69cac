//! Configuration: what a person wrote, and what it means.
//!
//! Files are read into a tree that remembers the place of every value, decoded into *written* types (shape only,
//! every mistake gathered), and then *resolved*: names become references, paths are compiled, durations are
//! durations. Holding a [`Config`] proves that the checks ran.

mod names;
mod resolved;

pub use names::{ConnectionName, IntegrationName, NameError, PipelineName};
pub use resolved::*;
