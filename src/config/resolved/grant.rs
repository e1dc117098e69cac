//! A grant: a login that a person consents to.

use std::{sync::Arc, time::Duration};

use url::Url;

use super::connection::is_same;
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
    /// Whether both are the same in everything.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        // Every part is named, so that a new one cannot be forgotten here.
        let Self { name, login, client_id, client_secret, scopes, redirect, flow, webhook_key } = self;
        *name == other.name
            && *login == other.login
            && *client_id == other.client_id
            && is_same(client_secret.as_ref(), other.client_secret.as_ref())
            && *scopes == other.scopes
            && *redirect == other.redirect
            && *flow == other.flow
            && is_same(webhook_key.as_ref(), other.webhook_key.as_ref())
    }

    /// Longest time to wait for an authorization server.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(30)
    }
}
