//! What is remembered of a grant, sealed as a whole.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{GrantError, Vault};
use crate::store::{Group, Key, Space, Store, frame};

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
