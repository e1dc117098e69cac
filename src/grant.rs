//! Grants: logins that a person gave once and that are kept alive from then on.
//!
//! A person consents ([`Keeper::begin`], [`Keeper::finish`]); the tokens are sealed ([`Vault`]) and kept in the store.
//! Whoever makes a request asks for a [`Session`]: the access token, renewed before it runs out, by one caller at a time
//! however many ask. A remote may use a refresh token once only, so the order is fixed:
//!
//! 1. it is remembered durably that the token is being used ("in doubt");
//! 2. the token is sent;
//! 3. the new pair is durable;
//! 4. the new access token is used.
//!
//! A crash or a lost answer between 2 and 3 leaves the former token. It is tried again: a remote with a grace period
//! (Xero: 30 minutes) answers, a strict one has ended the whole grant by then, and a person is asked to authorise again.
//! After 3, the former token is not used any more.

mod accounts;
mod captured;
mod exchange;
mod keeper;
mod kept;
mod vault;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

pub use keeper::{Keeper, Leaving, Renewals};
pub use kept::{Account, Parting};
pub use vault::{Vault, VaultError};

use crate::{config::ConnectionName, store::StoreError};

/// What a request logs in with.
#[derive(Clone, Debug)]
pub struct Session {
    /// The access token.
    pub token: SecretString,
    /// The word before it in `Authorization`.
    pub scheme: String,
    /// The account's id, where the login covers several.
    pub account: Option<String>,
    /// Where the API is for this login, if the remote said so.
    pub host: Option<Url>,
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionState {
    /// It can be used.
    Connected,
    /// Nobody has consented yet.
    NeedsConsent,
    /// It broke by itself: consent withdrawn, token expired, account not covered any more.
    Broken,
    /// A person disconnected it.
    Disconnected,
}

impl std::fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connected => "connected",
            Self::NeedsConsent => "needs-consent",
            Self::Broken => "broken",
            Self::Disconnected => "disconnected",
        })
    }
}

impl ConnectionState {
    /// As it is said of a connection: it "is …".
    #[must_use]
    pub const fn said(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::NeedsConsent => "not connected yet",
            Self::Broken => "broken",
            Self::Disconnected => "not connected",
        }
    }
}

/// A connection that logs in by a grant, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionNow {
    /// The connection.
    pub connection: ConnectionName,
    /// The grant.
    pub grant: String,
    /// How it stands.
    pub state: ConnectionState,
    /// The account, by the name it has there.
    pub account: Option<String>,
    /// Why it is not connected, and what to do; or what will have to be done soon.
    pub todo: Option<String>,
    /// When the login ends unless it is used before.
    pub expires: Option<DateTime<Utc>>,
    /// Who disconnected it, if a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parted: Option<Parting>,
    /// The accounts that the login covers, where the connection has to name one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<Account>,
}

/// What came of a consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consented {
    /// The grant.
    pub grant: String,
    /// The accounts that it covers now.
    pub accounts: Vec<Account>,
}

/// Why there is no session.
#[derive(Debug, Error)]
pub enum GrantError {
    /// A person has to do something; says what.
    #[error("{0}")]
    Person(String),
    /// It passes by itself.
    #[error("{0}")]
    Passes(String),
    /// Nothing can be kept now, so nothing is used.
    #[error("the tokens cannot be kept: {0}")]
    Store(#[from] StoreError),
    /// Nothing can be sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
