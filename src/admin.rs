//! The console: what people with a browser and programs with a token may see of a daemon, and do.
//!
//! It is off unless `[listen] admin` is given, and speaks plain HTTP: on this machine, or behind a proxy that speaks HTTPS.
//! It decides nothing itself. Every answer is one that the daemon gives, in the words of [`crate::daemon::protocol`], and every
//! button sends a [`Request`](crate::daemon::protocol::Request) as a command would.
//!
//! - [`visitor`](self) says who asks: by password and session, by token, or as the role that everybody has (`session`, `proof`,
//!   `throttle`). `access` says what they may ask, and takes out of an answer what is not theirs.
//! - `api` is one table of routes; `openapi` describes it. [`metrics`] and `health` are for machines that watch.
//! - `pages` draws what people read; `act` carries out what they click, and `audit` remembers it.
//! - [`server`](self) ties this to a port: headers that keep browsers careful, names and origins that are believed, and an end.

mod access;
mod act;
mod api;
mod assets;
mod audit;
mod health;
mod hearing;
mod live;
pub mod metrics;
mod openapi;
mod pages;
mod proof;
mod server;
mod session;
mod throttle;
mod visitor;

pub use openapi::document;
pub use proof::{hash_password, new_token};
pub use server::{Console, ConsoleError, begin};
