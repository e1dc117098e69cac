//! The rows of the integrations with Xero Practice Manager, and the rules of those with other systems, each shown with the very folder that users copy, through the
//! real engine, the real store, and HTTP to both practice systems, on a clock that the test moves.
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

#[path = "../support/browser.rs"]
mod browser;
#[path = "../support/example.rs"]
mod example;
#[path = "../support/inbox.rs"]
mod inbox;
mod office;
#[path = "../support/openapi.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod openapi;
mod systems;
#[path = "../support/xpm_openapi.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod xpm_openapi;
#[path = "../support/xpm_xml.rs"]
mod xpm_xml;

mod bad_input;
mod cliniko;
mod consents;
mod desk;
mod eventbrite;
mod gosweetspot;
mod groups;
mod groups_from_xpm;
mod login;
mod myob;
mod op;
mod portal;
mod pp;
mod quickbooks;
mod simpro;
mod validate;
mod zoho;
