//! What the engine may rely on, whatever a remote does: the HTTP connector against servers that misbehave on purpose.
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

mod bodies;
mod conformance;
mod deletes;
mod forms;
mod hostile;
mod listing;
mod made_up;
mod practice;
mod reads;
mod safety;
mod server;
mod setup;
mod writes;
mod yaml;
