//! The rows of the website and Xero integration, each shown with the very folder that users copy, through the real
//! engine, the real store, and HTTP to both practice systems, on a clock that the test moves.
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

#[path = "../support/browser.rs"]
mod browser;
#[path = "../support/example.rs"]
mod example;
#[path = "../support/openapi.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod openapi;
mod site;
#[path = "../support/xero_openapi.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod xero_openapi;

mod bad_input;
mod carried;
mod contacts;
mod etag;
mod invoices;
mod payments;
mod sales;
mod schedule;
