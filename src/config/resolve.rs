//! Written to resolved: names become references, defaults are filled in, and what cannot work is refused.

mod connection;
mod database;
mod elements;
mod ends;
mod field;
mod filter;
mod grant;
mod hash;
mod integration;
mod manifest;
mod moves;
mod notification;
mod order;
mod pipeline;
mod policy;
mod schedule;
mod steps;
mod table;
mod unheard;
mod value;
mod writers;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

pub(crate) use connection::connection;
pub(crate) use database::names_certificate;
pub(crate) use grant::grant;
pub(crate) use hash::{entries_hash, node_hash};
pub(crate) use integration::{Draft, integration, top_level};
pub(crate) use manifest::{amend, manifest};
pub(crate) use moves::{check as check_moves, check_connections};
pub(crate) use notification::notification;
pub use order::LeftOut;
pub(crate) use order::settle;
pub(crate) use table::{KnownTable, table};
pub(crate) use unheard::unheard;
pub(crate) use writers::one_writer;

use super::{Connection, PipelineName, diagnostic::Report, placeholders::EnvSource, source::Span};
use crate::connector::Manifest;

/// What resolving needs to know.
pub(crate) struct Cx<'a> {
    /// Where mistakes go.
    pub report: &'a Report,
    /// The environment.
    pub env: &'a dyn EnvSource,
    /// The configuration folder.
    pub config_dir: &'a Path,
    /// Connectors by name; `None` for those with mistakes.
    pub manifests: BTreeMap<String, Option<Arc<Manifest>>>,
    /// Grants by name; `None` for those with mistakes.
    pub grants: BTreeMap<String, Option<Arc<super::Grant>>>,
    /// Connections by name; `None` for those with mistakes.
    pub connections: BTreeMap<String, Option<Arc<Connection>>>,
    /// Tables by name; `None` for those with mistakes.
    pub tables: BTreeMap<String, Option<KnownTable>>,
    /// Every pipeline's full name, with mistakes or not.
    pub pipelines: BTreeSet<PipelineName>,
    /// The integration being resolved: connections and tables of its own (`acme/website`) come before those of all.
    pub client: RefCell<Option<String>>,
}

impl Cx<'_> {
    /// The full name of something that an integration may have of its own, and the thing.
    fn own_or_shared<'m, T>(&self, map: &'m BTreeMap<String, T>, name: &str) -> Option<(&'m str, &'m T)> {
        let own = self.client.borrow().as_ref().map(|client| format!("{client}/{name}"));
        let found = own.and_then(|own| map.get_key_value(&own)).or_else(|| map.get_key_value(name));
        found.map(|(name, thing)| (name.as_str(), thing))
    }

    /// The connection of this name, as seen from the integration being resolved.
    pub(crate) fn connection(&self, name: &str) -> Option<(&str, &Option<Arc<Connection>>)> {
        self.own_or_shared(&self.connections, name)
    }

    /// The table of this name, as seen from the integration being resolved.
    pub(crate) fn table(&self, name: &str) -> Option<&Option<KnownTable>> {
        self.own_or_shared(&self.tables, name).map(|(_, table)| table)
    }

    /// Names as one would write them in the integration being resolved, for suggestions.
    pub(crate) fn names<T>(&self, map: &BTreeMap<String, T>) -> Vec<String> {
        let own = self.client.borrow().as_ref().map(|client| format!("{client}/")).unwrap_or_default();
        let names = map.keys().filter_map(|name| match name.split_once('/') {
            Some(_) if !own.is_empty() => name.strip_prefix(&own),
            Some(_) => None,
            None => Some(name.as_str()),
        });
        names.map(str::to_owned).collect()
    }
}

/// A resolved pipeline, with the places that later checks speak of.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// The pipeline.
    pub pipeline: super::Pipeline,
    /// Where its name is.
    pub span: Span,
    /// Where each of `needs` is said.
    pub needs: Vec<(PipelineName, Span, Need)>,
    /// What it writes.
    pub writes: Vec<Written>,
    /// Hash of its filters, and whether it has any.
    pub filters: Option<u64>,
}

/// Why a pipeline needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// `needs:`.
    Needs,
    /// `reference:`.
    Reference,
    /// `referenced_by:`.
    ReferencedBy,
    /// `awaited_by:`.
    AwaitedBy,
}

/// A path that a pipeline writes.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// On which side.
    pub side: crate::record::Side,
    /// The path.
    pub path: crate::record::Path,
    /// Whether it writes on every change.
    pub always: bool,
    /// `shared: true`.
    pub shared: bool,
    /// Where it is said.
    pub span: Span,
}
