//! What the engine may rely on, whatever a remote does: the HTTP connector against servers that misbehave on purpose.

mod deletes;
mod hostile;
mod practice;
mod reads;
mod safety;
mod server;
mod setup;
mod writes;
