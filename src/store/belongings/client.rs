//! Everything that is remembered of one client (an integration with all that lies under its name): counted, and erased.
//!
//! Whose an entry is stands in its key: the name of a pipeline, of a connection that the client has of its own, or of the
//! client itself. Intents name their pipeline in their value. Erasing twice is the same as once, so one that was cut off
//! is done again.

use std::collections::{BTreeMap, BTreeSet};

use super::{PAGE, places};
use crate::{
    config::{ConnectionName, IntegrationName, is_below},
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
        name == self.name.as_str() || is_below(name, self.name.as_str())
    }

    fn has_connection(&self, name: &str) -> bool {
        // Of the client itself, only with a slash: `acme` may be a connection of somebody else.
        is_below(name, self.name.as_str()) || self.connections.iter().any(|own| own.as_str() == name)
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
            ["runs" | "paused" | "notice" | "moving", name] | ["config", "held" | "running" | "removed", name] => {
                self.has(name)
            }
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
    walk(store, client, false).await
}

/// Erases everything of a client. Nothing of it may run. No system is told. Durable when it returns.
///
/// What a pipeline was allowed to do goes before its links ([`Space::ALL`]): of a client that is erased in part, and
/// configured again, nothing is written before a person approves it.
///
/// # Errors
///
/// When the store fails or a value is damaged: then it can be done again.
pub async fn erase(ledger: &Ledger, client: &Client) -> Result<Found, StoreError> {
    let found = walk(ledger.store().as_ref(), client, true).await?;
    if found.contains_key(&Space::Before) {
        ledger.overwritten_erased().await?;
    }
    ledger.flush().await?;
    Ok(found)
}

/// Goes through all entries, counts those of a client, and erases them if wanted.
async fn walk(store: &dyn Store, client: &Client, erase: bool) -> Result<Found, StoreError> {
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
                if erase {
                    store.commit(groups).await?;
                }
            }
            tokio::task::yield_now().await;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::{MemoryStore, Operation};

    #[tokio::test]
    async fn of_a_client_that_is_erased_in_part_nothing_may_be_written_without_a_person() {
        let client = Client::new(IntegrationName::parse("acme").unwrap());
        let state = Key::new(Space::Pipeline, &["acme/contacts"]);
        let all = || {
            let links = (0..40).map(|n| Key::new(Space::Link, &["acme/contacts", &n.to_string()]));
            let marks = ["runs", "paused"].map(|kind| Key::new(Space::Meta, &[kind, "acme"]));
            links.chain(marks).chain([state.clone(), Key::new(Space::Cursor, &["acme/books", "contacts"])])
        };
        let mut cut_off = 0;
        for kept in 0.. {
            let store = Arc::new(MemoryStore::default());
            let mut group = Group::default();
            for key in all().chain([Key::new(Space::Link, &["acme-two/contacts", "1"])]) {
                group.put(key, b"x".to_vec());
            }
            store.commit(vec![group]).await.unwrap();
            store.flush().await.unwrap();
            store.fail_from(Some(Operation::Flush), 1);
            erase(&Ledger::new(store.clone()), &client).await.unwrap_err();
            let unflushed = store.unflushed();
            let found = store.crash_keeping(kept);
            let left: BTreeSet<Key> = found.entries().into_iter().map(|(key, _)| key).collect();
            let links = left.iter().filter(|key| key.parts().first().is_some_and(|name| name == "acme/contacts"));
            let links = links.filter(|key| **key != state).count();
            assert!(links == 40 || !left.contains(&state), "{kept}: {links} links left, and all is allowed");
            cut_off += usize::from(links > 0 && links < 40);
            // Once more, and nothing is left but what others have.
            erase(&Ledger::new(Arc::new(found.crash(0))), &client).await.unwrap();
            if kept >= unflushed {
                assert_eq!(left.len(), 1, "{left:?}");
                break;
            }
        }
        assert!(cut_off > 20, "it was cut off among the links {cut_off} times");
    }
}
