//! Everything that is remembered of one client (an integration with all that lies under its name): counted, and erased.
//!
//! Whose an entry is stands in its key: the name of a pipeline, of a connection that the client has of its own, or of the
//! client itself. Intents name their pipeline in their value. Erasing twice is the same as once, so one that was cut off
//! is done again.

use std::collections::{BTreeMap, BTreeSet};

use super::{PAGE, places};
use crate::{
    config::{ConnectionName, IntegrationName},
    store::{Group, Intent, Key, Ledger, Space, Store, StoreError, frame},
};

/// A client, with what is its alone besides what lies under its name.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name.
    pub name: IntegrationName,
    /// Connections that nobody else uses.
    pub connections: BTreeSet<ConnectionName>,
    /// Logins that nobody else uses.
    pub grants: BTreeSet<String>,
}

impl Client {
    /// A client that has nothing beside what lies under its name.
    #[must_use]
    pub const fn new(name: IntegrationName) -> Self {
        Self { name, connections: BTreeSet::new(), grants: BTreeSet::new() }
    }

    /// Whether something lies under its name: a pipeline, or a connection of its own.
    fn has(&self, name: &str) -> bool {
        let rest = name.strip_prefix(self.name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn has_connection(&self, name: &str) -> bool {
        // Of the client itself, only with a slash: `acme` may be a connection of somebody else.
        (name != self.name.as_str() && self.has(name)) || self.connections.iter().any(|own| own.as_str() == name)
    }

    /// Whether an entry is of this client.
    ///
    /// # Errors
    ///
    /// When its value has to be looked at and is damaged.
    pub fn owns(&self, space: Space, key: &Key, bytes: &[u8]) -> Result<bool, StoreError> {
        let parts = key.parts();
        let first = parts.first().map(String::as_str).unwrap_or_default();
        Ok(match space {
            Space::Intent => {
                self.has_connection(first) || {
                    let intent: Intent = frame::unpack(key, bytes)?;
                    self.has(intent.pipeline.as_str())
                }
            }
            Space::Cursor | Space::News | Space::Inbox | Space::Settling => self.has_connection(first),
            Space::Run => first == self.name.as_str(),
            Space::Grant => self.grants.contains(first),
            Space::Meta => self.owns_meta(&parts),
            _ => places(space).iter().any(|place| parts.get(*place).is_some_and(|name| self.has(name))),
        })
    }

    /// What the daemon and the ledger keep beside: pauses, edits, what its receivers were told, which configuration runs, and numbers of runs.
    fn owns_meta(&self, parts: &[String]) -> bool {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["runs" | "paused" | "notice", name]
            | ["config", "held" | "running" | "removed", name]
            | ["moving", name] => self.has(name),
            _ => false,
        }
    }
}

/// Entries by the kind of thing.
pub type Found = BTreeMap<Space, u64>;

/// How many entries there are of a client.
///
/// # Errors
///
/// When the store fails or a value is damaged.
pub async fn count(store: &dyn Store, client: &Client) -> Result<Found, StoreError> {
    let mut found = Found::new();
    for space in Space::ALL {
        let mut after = None::<Key>;
        loop {
            let page = store.scan(&Key::new(space, &[]), after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (key, bytes) in &page {
                if client.owns(space, key, bytes)? {
                    *found.entry(space).or_default() += 1;
                }
            }
            tokio::task::yield_now().await;
        }
    }
    Ok(found)
}

/// Erases everything of a client. Nothing of it may run. No system is told. Durable when it returns.
///
/// # Errors
///
/// When the store fails or a value is damaged: then it can be done again.
pub async fn erase(ledger: &Ledger, client: &Client) -> Result<Found, StoreError> {
    let store = ledger.store();
    let mut found = Found::new();
    for space in Space::ALL {
        let mut after = None::<Key>;
        loop {
            let page = store.scan(&Key::new(space, &[]), after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let mut groups = Vec::new();
            for (key, bytes) in page {
                if client.owns(space, &key, &bytes)? {
                    let mut group = Group::default();
                    group.delete(key);
                    groups.push(group);
                }
            }
            if !groups.is_empty() {
                *found.entry(space).or_default() += groups.len() as u64;
                store.commit(groups).await?;
            }
            tokio::task::yield_now().await;
        }
    }
    if found.contains_key(&Space::Before) {
        ledger.overwritten_erased().await?;
    }
    ledger.flush().await?;
    Ok(found)
}
