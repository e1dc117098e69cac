//! How a system's OAuth 2 logins are made.

use std::time::Duration;

use crate::record::Path;

/// How to log in by OAuth 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth {
    /// Where a person consents.
    pub authorize: Option<String>,
    /// Query parameters of that address besides the usual ones.
    pub authorize_query: Vec<(String, String)>,
    /// Where codes and refresh tokens are changed for tokens.
    pub token: Option<String>,
    /// Where tokens are given back.
    pub revoke: Option<String>,
    /// How the client shows who it is.
    pub client: ClientAuth,
    /// What is asked for unless the grant says otherwise.
    pub scopes: Vec<String>,
    /// The word before an access token.
    pub scheme: String,
    /// How long a refresh token lives that is not used.
    pub refresh_lives: Option<Duration>,
    /// How to learn which accounts a login covers.
    pub accounts: Option<Accounts>,
    /// Where the one account of a login is named, where there is no list.
    pub account_in: Option<AccountIn>,
    /// Where the token answer names the host of the API, if it does.
    pub host_in: Option<HostIn>,
    /// Where the way back names the host of the authorization server, if it does.
    pub token_host_in: Option<TokenHostIn>,
}

impl OAuth {
    /// Whether a login says which accounts it covers.
    #[must_use]
    pub const fn names_accounts(&self) -> bool {
        self.accounts.is_some() || self.account_in.is_some()
    }
}

/// Where the one account of a login is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountIn {
    /// In this query parameter of the way back (`QuickBooks`: `realmId`).
    Redirect(String),
    /// Here in the token answer.
    Token(Path),
    /// Here among the claims of the access token, which is a JSON Web Token (`WorkflowMax`: `org_ids`).
    Claim(Path),
}

/// Where the token answer names the host of the API (Zoho: `api_domain`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostIn {
    /// Where in the answer.
    pub path: Path,
    /// Hosts that may be named; each stands for those below it, too.
    pub hosts: Vec<String>,
}

/// Where the way back from a consent names the host to which codes and tokens go (Zoho: `accounts-server`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHostIn {
    /// The query parameter.
    pub redirect: String,
    /// Hosts that may be named; each stands for those below it, too.
    pub hosts: Vec<String>,
}

/// How a client shows who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `Authorization: Basic …`.
    Basic,
    /// In the form.
    Body,
}

/// How to learn which accounts a login covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// Where they are listed.
    pub url: String,
    /// Where the list is in the answer; the whole answer unless given.
    pub items: Option<Path>,
    /// Where the id is, the one that requests carry.
    pub id: Path,
    /// Where the name is.
    pub name: Option<Path>,
    /// Only those with this value there.
    pub only: Option<(Path, String)>,
    /// Where the id is by which one is disconnected, if it is another.
    pub handle: Option<Path>,
    /// What to DELETE to disconnect one, with `{id}`.
    pub remove: Option<String>,
}
