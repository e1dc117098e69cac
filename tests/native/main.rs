//! What is not asked for over HTTP: records that are posted to us, and tables of databases. And the integrations that are
//! fed by posts, each shown with the very folder that users copy, through the real daemon, the real store, and HTTP to the
//! practice systems, on a clock that the test moves.
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

#[path = "../support/browser.rs"]
mod browser;
#[path = "../support/example.rs"]
mod example;
#[path = "../support/openapi.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod openapi;
mod posts;
#[path = "../support/xero_openapi.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod xero_openapi;
#[path = "../support/xpm_openapi.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod xpm_openapi;
#[path = "../support/xpm_xml.rs"]
mod xpm_xml;

mod inbox;
mod pi_xero;
mod pi_xpm;
mod sql;
