//! A connection: one account on one system.

use std::{collections::BTreeMap, sync::Arc};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::Grant;
use crate::{config::ConnectionName, connector::Manifest};

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

/// A secret: where it comes from, read when it is used. Never printed.
#[derive(Clone, Debug)]
pub enum Secret {
    /// Known at load (an environment variable, or text in the file).
    Known(SecretString),
    /// A file whose content, less a final line end, is the secret; read at each use so that it can be rotated.
    File(std::path::PathBuf),
    /// The environment variable of this name is not set; using the connection says so.
    Missing {
        /// What was asked for, for people (`environment variable SHOP_TOKEN`).
        what: String,
    },
}

impl Secret {
    /// Whether both come from the same place; what is known already is compared itself.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Known(one), Self::Known(two)) => one.expose_secret() == two.expose_secret(),
            (Self::File(one), Self::File(two)) => one == two,
            (Self::Missing { what: one }, Self::Missing { what: two }) => one == two,
            _ => false,
        }
    }

    /// Reads it. The error says what is missing and what to do.
    pub(crate) async fn reveal(&self) -> Result<SecretString, String> {
        match self {
            Self::Known(text) => Ok(text.clone()),
            Self::Missing { what } => Err(format!("{what} is not set; set it where reconciled is started")),
            Self::File(path) => {
                let text = tokio::fs::read_to_string(path).await;
                let text =
                    text.map_err(|error| format!("the secret file {} cannot be read: {error}", path.display()))?;
                let line = text.strip_suffix('\n').unwrap_or(&text);
                Ok(SecretString::from(line.strip_suffix('\r').unwrap_or(line).to_owned()))
            }
        }
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
