//! Configuration: what a person wrote, and what it means.
//!
//! Files are read into a tree that remembers the place of every value, decoded into *written* types (shape
//! only, every mistake gathered), and then *resolved*: names become references, paths are compiled, durations are
//! durations. [`load()`] does all of it and never fails as a whole: it returns what is sound, and a [`Diagnostic`] with
//! place, cause and remedy for everything that is not. Holding a [`Config`] proves that the checks ran.

mod blackout;
mod builtin;
mod cache;
mod client_list;
mod cost;
mod cron_line;
pub(crate) mod diagnostic;
mod duration;
mod effective;
mod extends;
mod files;
mod load;
mod names;
pub(crate) mod nearest;
pub(crate) mod parse;
mod placeholders;
mod render;
mod render_client;
mod resolve;
mod resolved;
mod schema;
mod secret;
mod settings;
pub(crate) mod source;
pub(crate) mod templates;
mod traps;
pub(crate) mod tree;
mod unparsed;
mod when;
pub(crate) mod written;

pub use blackout::{Blackout, Moment};
pub use cache::Cache;
pub use cost::{Cost, CostLine, cost};
pub use diagnostic::{Diagnostic, Severity};
pub use effective::{Effective, Effects};
pub use files::Snapshot;
pub(crate) use files::is_config;
pub(crate) use load::defines;
pub use load::{Loaded, SETTINGS_FILE, WrittenIn, load, load_cached, load_snapshot};
pub(crate) use names::is_below;
pub use names::{ConnectionName, GrantName, IntegrationName, NameError, PipelineName};
pub use placeholders::{EnvSource, ProcessEnv};
pub use render::render;
pub use render_client::{RenderError, render_client};
pub use resolve::LeftOut;
pub(crate) use resolve::names_certificate;
pub use resolved::*;
pub(crate) use schema::schema_of;
pub use schema::{config_schema, connector_schema, settings_schema};
pub use secret::{Secret, SecretCommand};
pub use source::{Place, Sources};
pub(crate) use unparsed::without_secrets;
