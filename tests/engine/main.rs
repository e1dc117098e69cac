//! The engine with the real core, a store that forgets what was not flushed, and systems in memory.
//! One test for each thing that a first design gets wrong; after every one, a quiet run that plans and writes nothing.
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

#[path = "../support/mod.rs"]
mod support;

mod birth;
mod blackout;
mod create_only;
mod deletes;
mod each_failure;
mod elements;
mod fields;
mod files;
mod guards;
mod lag;
mod left_out;
mod listing;
mod lists;
mod loops;
mod matching;
mod moved;
mod named;
mod neighbours;
mod one_way;
mod outcomes;
mod power;
mod races;
mod references;
mod released;
mod reshaped;
mod restore;
mod run_guards;
mod safety;
mod slide;
mod succession;
mod time;
mod totals;
mod undo;
mod unknown;
mod versions;
mod writers;
