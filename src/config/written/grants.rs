//! Grants, and how connectors log in by OAuth 2.

use std::time::Duration;

use super::{At, Named, Raw, SecretText, words, written};
use crate::record::Path;

words! {
    /// How a grant comes by its tokens.
    FlowWordW as "flow" { Code = "code", ClientCredentials = "client-credentials", }
}
written! {
    /// A login that a person consents to once; several connections may use it.
    GrantW as "a grant" {
        /// The kind of system: `xero`.
        need connector: At<String>,
        /// The id of your app, as the system gave it.
        need client_id: At<String>,
        /// The secret of your app; one that relies on PKCE has none.
        may client_secret: SecretText,
        /// What to ask for. Default: what the connector needs.
        may scopes: Vec<At<String>>,
        /// `code`: a person consents. `client-credentials`: the app logs in by itself. Default: code.
        may flow: At<FlowWordW>,
        /// Where a consent leads back to, as registered with your app. Default: `http://localhost:8765/callback`.
        may redirect: At<String>,
        /// Addresses, where they are others than the connector's.
        may endpoints: EndpointsW,
        /// The key that your app's webhooks are signed with.
        may webhook_key: SecretText,
    }
}

written! {
    /// Addresses of an authorization server.
    EndpointsW as "endpoints" {
        /// Where a person consents.
        may authorize: At<String>,
        /// Where codes and refresh tokens are changed for tokens.
        may token: At<String>,
        /// Where tokens are given back.
        may revoke: At<String>,
        /// Where the accounts of a login are listed.
        may accounts: At<String>,
        /// What to DELETE to disconnect one account, with {id}.
        may remove: At<String>,
    }
}

words! {
    /// How a client shows who it is.
    ClientAuthW as "client" { Basic = "basic", Body = "body", }
}

written! {
    /// How to learn which accounts a login covers.
    AccountsW as "accounts" {
        /// Where they are listed.
        need url: At<String>,
        /// Where the list is in the answer. Default: the answer itself.
        may items: At<Path>,
        /// Where the id is, the one that requests carry.
        need id: At<Path>,
        /// Where the name is.
        may name: At<Path>,
        /// Only those of which this holds.
        may only: AccountOnlyW,
        /// Where the id is by which one is disconnected. Default: as `id`.
        may handle: At<Path>,
        /// What to DELETE to disconnect one, with {id}.
        may remove: At<String>,
    }
}

written! {
    /// Which accounts count.
    AccountOnlyW as "only" {
        /// Where to look.
        need path: At<Path>,
        /// What is there.
        need equals: At<Raw>,
    }
}

written! {
    /// A kind of login.
    AuthKindW as "auth" {
        /// none, bearer, basic, header or oauth2.
        need kind: At<super::AuthWordW>,
        /// The header of a header login.
        may header: At<String>,
        /// oauth2: where a person consents.
        may authorize: At<String>,
        /// oauth2: further query parameters of that address.
        may authorize_query: Named<At<String>>,
        /// oauth2: where codes and refresh tokens are changed for tokens.
        may token: At<String>,
        /// oauth2: where tokens are given back.
        may revoke: At<String>,
        /// oauth2: how the client shows who it is. Default: basic.
        may client: At<ClientAuthW>,
        /// oauth2: what to ask for unless a grant says otherwise.
        may scopes: Vec<At<String>>,
        /// oauth2: the word before an access token. Default: Bearer.
        may scheme: At<String>,
        /// oauth2: how long a refresh token lives that is not used.
        may refresh_lives: At<Duration>,
        /// oauth2: how to learn which accounts a login covers.
        may accounts: AccountsW,
        /// oauth2: where the one account of a login is named, where there is no list of accounts.
        may account_in: AccountInW,
        /// oauth2: where the token answer names the host of the API.
        may host_in: HostInW,
        /// oauth2: where a consent leads back with the host of the authorization server.
        may token_host_in: TokenHostInW,
        /// header: it is sent beside a login by consent, if a connection gives it. Default: false.
        may beside: At<bool>,
    }
}

written! {
    /// Where the one account of a login is named: `redirect`, `token` or `claim`.
    AccountInW as "account_in" {
        /// A query parameter of the address that a consent leads back to.
        may redirect: At<String>,
        /// A place in the token answer.
        may token: At<Path>,
        /// A place among the claims of the access token, where it is a JSON Web Token.
        may claim: At<Path>,
    }
}

written! {
    /// Where the token answer names the host of the API.
    HostInW as "host_in" {
        /// Where in the answer.
        need path: At<Path>,
        /// Hosts that may be named; each stands for those below it, too.
        need hosts: Vec<At<String>>,
    }
}

written! {
    /// Where the way back from a consent names the host to which codes and tokens go.
    TokenHostInW as "token_host_in" {
        /// A query parameter of the address that a consent leads back to.
        need redirect: At<String>,
        /// Hosts that may be named; each stands for those below it, too.
        need hosts: Vec<At<String>>,
    }
}
