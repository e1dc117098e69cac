//! What the engine may rely on, whatever a remote does: the HTTP connector against servers that misbehave on purpose.
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

#[path = "../support/openapi.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod openapi;
#[path = "../support/xero_openapi.rs"]
mod xero_openapi;
#[path = "../support/xpm_openapi.rs"]
mod xpm_openapi;
#[path = "../support/xpm_xml.rs"]
mod xpm_xml;

mod bodies;
mod conformance;
mod deletes;
mod forms;
mod hostile;
mod listing;
mod made_up;
mod official;
mod practice;
mod reads;
mod safety;
mod server;
mod setup;
mod writes;
mod yaml;
