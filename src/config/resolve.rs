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
    /// What the integration that is or was being resolved looked up.
    pub seen: RefCell<Vec<Seen>>,
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
        let found = self.own_or_shared(&self.connections, name);
        self.sees(|| Seen::Connection(name.to_owned(), found.map(|(full, one)| (full.to_owned(), one.clone()))));
        found
    }

    /// The table of this name, as seen from the integration being resolved.
    pub(crate) fn table(&self, name: &str) -> Option<&Option<KnownTable>> {
        let found = self.own_or_shared(&self.tables, name);
        self.sees(|| Seen::Table(name.to_owned(), found.map(|(full, one)| (full.to_owned(), one.clone()))));
        found.map(|(_, table)| table)
    }

    /// Whether there is a pipeline of this full name, with mistakes or not.
    pub(crate) fn has_pipeline(&self, name: &PipelineName) -> bool {
        let there = self.pipelines.contains(name);
        self.sees(|| Seen::Pipeline(name.clone(), there));
        there
    }

    fn sees(&self, what: impl FnOnce() -> Seen) {
        // Outside of an integration nobody asks what was looked up.
        if self.client.borrow().is_some() {
            self.seen.borrow_mut().push(what());
        }
    }

    /// Whether an integration that looked this up would find the very same things now.
    pub(crate) fn still_sees(&self, client: &str, seen: &[Seen]) -> bool {
        self.client.replace(Some(client.to_owned()));
        let still = seen.iter().all(|seen| match seen {
            Seen::Connection(name, then) => match (self.own_or_shared(&self.connections, name), then) {
                (None, None) => true,
                (Some((full, Some(now))), Some((known, Some(then)))) => full == known && Arc::ptr_eq(now, then),
                _ => false,
            },
            Seen::Table(name, then) => match (self.own_or_shared(&self.tables, name), then) {
                (None, None) => true,
                (Some((full, Some(now))), Some((known, Some(then)))) => full == known && now.is_same(then),
                _ => false,
            },
            Seen::Pipeline(name, there) => self.pipelines.contains(name) == *there,
        });
        self.client.replace(None);
        still
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

/// Something that was looked up by its name, and what was found.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// A connection, with its full name; one with mistakes is `None`.
    Connection(String, Option<(String, Option<Arc<Connection>>)>),
    /// A table, with its full name; one with mistakes is `None`.
    Table(String, Option<(String, Option<KnownTable>)>),
    /// Whether a pipeline is there.
    Pipeline(PipelineName, bool),
}

/// A resolved pipeline, with the places that later checks speak of.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// The pipeline. It may be that of an earlier load, which later checks must leave as it is.
    pub pipeline: Arc<super::Pipeline>,
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
