//! A grant: a login that a person consents to.

use std::{sync::Arc, time::Duration};

use url::Url;

use crate::{
    config::{GrantName, Secret},
    connector::OAuth,
};

/// How a grant comes by its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrantFlow {
    /// A person consents.
    Code,
    /// The client logs in by itself.
    ClientCredentials,
}

/// A login as configured.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Its name.
    pub name: GrantName,
    /// The connector's word on how to log in, with the endpoints that the grant gives itself.
    pub login: Arc<OAuth>,
    /// Who asks.
    pub client_id: String,
    /// The secret of who asks; an app that relies on PKCE alone has none.
    pub client_secret: Option<Secret>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Where a consent leads back to, unless it goes by a link on the public listener.
    pub redirect: Url,
    /// How it comes by its tokens.
    pub flow: GrantFlow,
    /// The key that webhooks of the app are signed with.
    pub webhook_key: Option<Secret>,
}

impl Grant {
    /// Longest time to wait for an authorization server.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(30)
    }
}
