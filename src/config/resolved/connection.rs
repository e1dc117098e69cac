//! A connection: one account on one system.

use std::{collections::BTreeMap, sync::Arc};

use url::Url;

use super::Grant;
use crate::{
    config::{ConnectionName, Secret},
    connector::Manifest,
};

/// One account on one system, as configured.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its name.
    pub name: ConnectionName,
    /// How to speak to that kind of system.
    pub manifest: Arc<Manifest>,
    /// Whether the file names the manifest's version (`xero@1`).
    pub pinned: bool,
    /// Where the system is; the manifest's unless overridden.
    pub base_url: Url,
    /// Which account, where one login covers several (Xero's tenant id).
    pub tenant: Option<String>,
    /// Settings the manifest asks for.
    pub settings: BTreeMap<String, String>,
    /// How to log in.
    pub auth: Auth,
    /// A header and its key, sent beside a grant's.
    pub beside: Option<(String, Secret)>,
    /// The key of the system's webhooks, where they are for this connection alone.
    pub webhook_key: Option<Secret>,
    /// The name it had before.
    pub moved_from: Option<ConnectionName>,
    /// Whether the account's limits are ignored (a practice system with limits off).
    pub unlimited: bool,
}

impl Connection {
    /// What tells this account from every other: where it is, and which one there.
    #[must_use]
    pub fn account(&self) -> String {
        format!("{} {}", self.base_url, self.tenant.as_deref().unwrap_or_default())
    }
}

impl Connection {
    /// Whether both are the same in everything. The connectors have to be the very same one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        // Every part is named, so that a new one cannot be forgotten here.
        let Self {
            name,
            manifest,
            pinned,
            base_url,
            tenant,
            settings,
            auth,
            beside,
            webhook_key,
            moved_from,
            unlimited,
        } = self;
        let beside_is_same = match (beside, &other.beside) {
            (None, None) => true,
            (Some((header, key)), Some((other, then))) => header == other && key.is_same(then),
            _ => false,
        };
        *name == other.name
            && Arc::ptr_eq(manifest, &other.manifest)
            && *pinned == other.pinned
            && *base_url == other.base_url
            && *tenant == other.tenant
            && *settings == other.settings
            && auth.is_same(&other.auth)
            && beside_is_same
            && is_same(webhook_key.as_ref(), other.webhook_key.as_ref())
            && *moved_from == other.moved_from
            && *unlimited == other.unlimited
    }
}

/// Whether both are the same secret, or none.
pub(super) fn is_same(one: Option<&Secret>, other: Option<&Secret>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.is_same(other),
        _ => false,
    }
}

impl Auth {
    /// Whether both log in alike.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Bearer(one), Self::Bearer(two)) => one.is_same(two),
            (Self::Basic { user, password }, Self::Basic { user: other, password: then }) => {
                user == other && password.is_same(then)
            }
            (Self::Grant(one), Self::Grant(two)) => one.is_same(two),
            (Self::Posted { secret, signed_with }, Self::Posted { secret: other, signed_with: then }) => {
                secret.is_same(other) && is_same(signed_with.as_ref(), then.as_ref())
            }
            (Self::Header { name, value }, Self::Header { name: other, value: then }) => {
                name == other && value.is_same(then)
            }
            _ => false,
        }
    }

    /// The secrets that it is made of.
    #[must_use]
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        match self {
            Self::None => Vec::new(),
            Self::Bearer(token) => vec![("token", token)],
            Self::Basic { password, .. } => vec![("password", password)],
            Self::Header { value, .. } => vec![("value", value)],
            Self::Posted { secret, signed_with } => {
                let key = signed_with.iter().map(|key| ("signed_with", key));
                std::iter::once(("secret", secret)).chain(key).collect()
            }
            Self::Grant(grant) => {
                let secret = grant.client_secret.iter().map(|secret| ("client_secret", secret));
                secret.chain(grant.webhook_key.iter().map(|key| ("webhook_key", key))).collect()
            }
        }
    }
}

impl Connection {
    /// Every secret that it needs, with the key it is written under.
    #[must_use]
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let mut all = self.auth.secrets();
        all.extend(self.beside.iter().map(|(_, value)| ("value", value)));
        all.extend(self.webhook_key.iter().map(|key| ("webhook_key", key)));
        all
    }

    /// The system did not take the login: what was kept of its secrets from before is read anew. Whether another one
    /// came of that.
    pub(crate) async fn was_refused(&self) -> bool {
        let mut another = false;
        for (_, secret) in self.secrets() {
            another |= secret.was_refused().await;
        }
        another
    }
}

/// How a connection logs in.
#[derive(Clone, Debug)]
pub enum Auth {
    /// No login.
    None,
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// `Authorization: Basic …`.
    Basic {
        /// User name.
        user: String,
        /// Password or key.
        password: Secret,
    },
    /// By a login that a person consented to.
    Grant(Arc<Grant>),
    /// Whoever posts to us proves it.
    Posted {
        /// The last part of the address.
        secret: Secret,
        /// The key of signatures, where posts are signed.
        signed_with: Option<Secret>,
    },
    /// A header that holds a key.
    Header {
        /// Header name.
        name: String,
        /// Its value.
        value: Secret,
    },
}
