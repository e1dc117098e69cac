//! Grants.

use std::sync::Arc;

use url::Url;

use super::Cx;
use crate::{
    config::{
        Grant, GrantFlow, GrantName,
        diagnostic::{Report, error},
        nearest::suggest,
        placeholders,
        written::{AccountInW, At, AuthKindW, ClientAuthW, FlowWordW, GrantW},
    },
    connector::{AccountIn, Accounts, AuthKind, ClientAuth, HostIn, OAuth, TokenHostIn},
};

/// Where a consent leads back to unless the grant says otherwise.
const REDIRECT: &str = "http://localhost:8765/callback";

/// Resolves a grant. `None` when it holds mistakes.
pub(crate) fn grant(cx: &Cx<'_>, name: &At<String>, written: &GrantW) -> Option<Grant> {
    let (made, broken) = cx.report.watch(|| make(cx, name, written));
    made.filter(|_| !broken)
}

fn make(cx: &Cx<'_>, name: &At<String>, written: &GrantW) -> Option<Grant> {
    let parsed = GrantName::parse(&name.value).map_err(|cause| {
        cx.report.add(error("config::bad_name", name.span, cause.to_string()).help("choose another name"));
    });
    let connector = written.connector.as_ref()?;
    let Some(manifest) = cx.manifests.get(&connector.value) else {
        cx.report.add(
            error("config::unknown_connector", connector.span, format!("there is no connector `{}`", connector.value))
                .label("not known")
                .maybe_help(suggest(&connector.value, cx.manifests.keys().map(String::as_str))),
        );
        return None;
    };
    let manifest = manifest.as_ref()?;
    let login = manifest.auth.iter().find_map(|kind| match kind {
        AuthKind::OAuth2(login) => Some(login.as_ref().clone()),
        _ => None,
    });
    let Some(mut login) = login else {
        cx.report.add(
            error("config::bad_auth", connector.span, format!("`{}` has no logins by consent", manifest.name))
                .help("give the login below the connection: auth: { token: \"${env:NAME}\" }"),
        );
        return None;
    };
    if let Some(ends) = &written.endpoints {
        let own = |at: &Option<At<String>>| at.as_ref().and_then(|at| address(cx, at));
        login.authorize = own(&ends.authorize).or(login.authorize);
        login.token = own(&ends.token).or(login.token);
        login.revoke = own(&ends.revoke).or(login.revoke);
        if let Some(accounts) = &mut login.accounts {
            accounts.url = own(&ends.accounts).unwrap_or_else(|| accounts.url.clone());
            accounts.remove = own(&ends.remove).or_else(|| accounts.remove.clone());
        }
    }
    let flow = match written.flow.as_ref().map(|flow| flow.value) {
        Some(FlowWordW::ClientCredentials) => GrantFlow::ClientCredentials,
        None | Some(FlowWordW::Code) => GrantFlow::Code,
    };
    let missing =
        [("authorize", flow == GrantFlow::Code && login.authorize.is_none()), ("token", login.token.is_none())];
    for (what, _) in missing.into_iter().filter(|(_, missing)| *missing) {
        cx.report.add(
            error("config::missing_key", name.span, format!("the grant `{}` needs the address `{what}`", name.value))
                .label("its connector does not say it")
                .help(format!("add endpoints: {{ {what}: https://… }}")),
        );
    }
    let redirect = match &written.redirect {
        Some(at) => address(cx, at).and_then(|url| Url::parse(&url).ok())?,
        None => Url::parse(REDIRECT).ok()?,
    };
    let scopes = written.scopes.as_ref().map(|scopes| scopes.iter().map(|scope| scope.value.clone()).collect());
    let secret = written.client_secret.as_ref();
    Some(Grant {
        name: parsed.ok()?,
        client_id: written.client_id.as_ref()?.value.clone(),
        client_secret: match secret {
            Some(secret) => Some(placeholders::secret(&secret.scalar, secret.span, cx.env, cx.config_dir, cx.report)?),
            None => None,
        },
        scopes: scopes.unwrap_or_else(|| login.scopes.clone()),
        redirect,
        flow,
        webhook_key: match &written.webhook_key {
            Some(key) => Some(super::connection::webhook_key(cx, key, manifest)?),
            None => None,
        },
        login: Arc::new(login),
    })
}

/// An address to which secrets go: https, or this machine itself.
fn address(cx: &Cx<'_>, written: &At<String>) -> Option<String> {
    // `{id}` stands for something that comes later.
    let url = Url::parse(&written.value.replace("{id}", "0")).ok();
    let local = |url: &Url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.is_some_and(|url| url.scheme() == "https" || (url.scheme() == "http" && local(&url))) {
        return Some(written.value.clone());
    }
    cx.report.add(
        error("config::bad_url", written.span, "secrets go to this address: it must be https, or this very machine")
            .help("write https://… or http://localhost:8765/callback"),
    );
    None
}

fn account_in(written: &AccountInW, report: &Report) -> Option<AccountIn> {
    match (&written.redirect, &written.token, &written.claim) {
        (Some(name), None, None) => Some(AccountIn::Redirect(name.value.clone())),
        (None, Some(path), None) => Some(AccountIn::Token(path.value.clone())),
        (None, None, Some(path)) => Some(AccountIn::Claim(path.value.clone())),
        _ => {
            report.add(
                error("config::bad_value", written.span, "an account is named in one place")
                    .help("write { redirect: realmId }, { token: $.account_id } or { claim: \"$.org_ids[0]\" }"),
            );
            None
        }
    }
}

/// What a connector says of its logins by consent.
pub(super) fn oauth(written: &AuthKindW, report: &Report) -> Option<AuthKind> {
    let text = |at: &Option<At<String>>| at.as_ref().map(|at| at.value.clone());
    let accounts = match &written.accounts {
        None => None,
        Some(accounts) => Some(Accounts {
            url: accounts.url.as_ref()?.value.clone(),
            items: accounts.items.as_ref().map(|path| path.value.clone()),
            id: accounts.id.as_ref()?.value.clone(),
            name: accounts.name.as_ref().map(|path| path.value.clone()),
            only: match &accounts.only {
                Some(only) => Some((only.path.as_ref()?.value.clone(), only.equals.as_ref()?.value.text.clone())),
                None => None,
            },
            handle: accounts.handle.as_ref().map(|path| path.value.clone()),
            remove: text(&accounts.remove),
        }),
    };
    let account_in = match &written.account_in {
        None => None,
        Some(place) => Some(account_in(place, report)?),
    };
    let token_host_in = match &written.token_host_in {
        None => None,
        Some(place) => Some(TokenHostIn {
            redirect: place.redirect.as_ref()?.value.clone(),
            hosts: place.hosts.as_ref()?.iter().map(|host| host.value.to_lowercase()).collect(),
        }),
    };
    let host_in = match &written.host_in {
        None => None,
        Some(place) => Some(HostIn {
            path: place.path.as_ref()?.value.clone(),
            hosts: place.hosts.as_ref()?.iter().map(|host| host.value.to_lowercase()).collect(),
        }),
    };
    Some(AuthKind::OAuth2(Box::new(OAuth {
        authorize: text(&written.authorize),
        authorize_query: super::manifest::pairs(written.authorize_query.as_ref()),
        token: text(&written.token),
        revoke: text(&written.revoke),
        client: match written.client.as_ref().map(|client| client.value) {
            Some(ClientAuthW::Body) => ClientAuth::Body,
            None | Some(ClientAuthW::Basic) => ClientAuth::Basic,
        },
        scopes: written.scopes.iter().flatten().map(|scope| scope.value.clone()).collect(),
        scheme: text(&written.scheme).unwrap_or_else(|| "Bearer".to_owned()),
        refresh_lives: written.refresh_lives.as_ref().map(|lives| lives.value),
        accounts,
        account_in,
        host_in,
        token_host_in,
    })))
}
