//! What is remembered of a grant, sealed as a whole.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{GrantError, Vault};
use crate::store::{Group, Key, Space, Store, StoreError, frame};

/// One account that a grant covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id, sent with requests.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// What names it when it is disconnected; where that is another id.
    #[serde(default)]
    pub handle: Option<String>,
}

/// An access token.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Access {
    pub token: String,
    /// From when on it is no longer sent; `None` if the remote did not say.
    pub until: Option<DateTime<Utc>>,
}

/// Why a grant cannot be used any more.
#[derive(Clone, Serialize, Deserialize)]
pub(super) enum End {
    /// The remote refused the refresh token, in these words.
    Broken(String),
    /// A person disconnected it.
    Disconnected,
}

/// A grant as it is kept. It holds tokens, so it has no `Debug`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    pub access: Option<Access>,
    pub refresh: Option<String>,
    /// The refresh token was sent, and what came of it is not known.
    pub in_doubt: bool,
    /// When tokens came last.
    pub renewed: Option<DateTime<Utc>>,
    pub end: Option<End>,
    pub accounts: Vec<Account>,
    /// Which account each connection speaks to, since it first did.
    pub chosen: BTreeMap<String, Account>,
    /// Where the API is for this login, if the remote said so.
    #[serde(default)]
    pub host: Option<String>,
    /// Where its tokens are made, if the way back said so.
    #[serde(default)]
    pub server: Option<String>,
    /// Connections that a person disconnected.
    pub left: BTreeSet<String>,
    /// Who disconnected them, and when; [`WHOLE`] is the grant.
    #[serde(default)]
    pub partings: BTreeMap<String, Parting>,
}

impl Kept {
    /// The login is given again: whoever was disconnected with all of it comes back, and of those who were disconnected
    /// by themselves the one that is named.
    pub fn come_back(&mut self, back: Option<&str>) {
        if matches!(self.end.take(), Some(End::Disconnected)) {
            self.left.clear();
        }
        if let Some(back) = back {
            self.left.remove(back);
        }
        self.partings.retain(|name, _| self.left.contains(name));
    }

    /// A connection has another name now. Says whether anything was known of it.
    pub fn rename(&mut self, from: &str, to: &str) -> bool {
        let left = self.left.remove(from);
        if left {
            self.left.insert(to.to_owned());
        }
        let (chosen, parting) = (self.chosen.remove(from), self.partings.remove(from));
        let known = left || chosen.is_some() || parting.is_some();
        if let Some(chosen) = chosen {
            self.chosen.entry(to.to_owned()).or_insert(chosen);
        }
        if let Some(parting) = parting {
            self.partings.entry(to.to_owned()).or_insert(parting);
        }
        known
    }
}

/// The place of the whole grant among [`Kept::partings`]; no connection is named so.
pub(super) const WHOLE: &str = "";

/// That a person disconnected something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parting {
    /// The unix user, or the user of the console.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
}

fn key(grant: &str) -> Key {
    Key::new(Space::Grant, &[grant])
}

/// Reads a grant; `None` if nobody ever consented.
pub(super) async fn load(store: &dyn Store, vault: &Vault, grant: &str) -> Result<Option<Kept>, GrantError> {
    let key = key(grant);
    let found = store.get(std::slice::from_ref(&key)).await?.pop().flatten();
    let Some(bytes) = found else { return Ok(None) };
    let sealed: String = frame::decode(&key, &bytes)?;
    let sealed = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, sealed);
    let sealed = sealed.map_err(|_| super::VaultError::OtherKey)?;
    let plain = vault.open(grant, &sealed).await?;
    let kept = serde_json::from_slice(&plain).map_err(|_| super::VaultError::OtherKey)?;
    Ok(Some(kept))
}

/// Erases a grant; durable when this returns.
pub(super) async fn erase(store: &dyn Store, grant: &str) -> Result<(), StoreError> {
    let mut group = Group::default();
    group.delete(key(grant));
    store.commit(vec![group]).await?;
    store.flush().await
}

/// Keeps a grant; durable when this returns.
pub(super) async fn save(store: &dyn Store, vault: &Vault, grant: &str, kept: &Kept) -> Result<(), GrantError> {
    let plain = serde_json::to_vec(kept).map_err(|error| GrantError::Passes(error.to_string()))?;
    let sealed = vault.seal(grant, plain).await?;
    let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, sealed);
    let mut group = Group::default();
    group.put(key(grant), frame::encode(&text));
    store.commit(vec![group]).await?;
    store.flush().await?;
    Ok(())
}
