//! Signing in and out.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use axum::{
    Form,
    extract::{ConnectInfo, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use maud::{DOCTYPE, Markup, html};
use serde_json::json;

use super::{Asked, Look, frame};
use crate::admin::{access::Scope, act, hearing, server::Lobby, visitor::Visitor};

/// Shows the form.
pub(super) async fn show(State(lobby): State<Arc<Lobby>>, Query(asked): Asked) -> Response {
    if lobby.settings.open.is_some() {
        return Redirect::to(&format!("{}/", lobby.base)).into_response();
    }
    let back = asked.get("back").map_or("/", String::as_str);
    Html(form(&lobby, act::own_path(back), None).into_string()).into_response()
}

/// Takes it.
pub(super) async fn enter(
    State(lobby): State<Arc<Lobby>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(sent): Form<BTreeMap<String, String>>,
) -> Response {
    let field = |name: &str| sent.get(name).map(String::as_str).unwrap_or_default();
    let back = act::own_path(field("back"));
    let from = hearing::address(&headers, peer, lobby.settings.url.is_some());
    let name = field("name").trim();
    let account = match lobby.log_in(name, field("password").to_owned(), from).await {
        Ok(account) => account,
        Err(text) => {
            let page = form(&lobby, back, Some((name, &text))).into_string();
            return (StatusCode::UNAUTHORIZED, Html(page)).into_response();
        }
    };
    // Whoever was known by the old secret is not known by the new one.
    if let Some(old) = hearing::cookie(&headers) {
        lobby.sessions.end(old);
    }
    let who = (name.to_owned(), account.role, Scope(account.clients.clone()));
    match lobby.sessions.begin(who, (lobby.now(), lobby.settings.session)) {
        Ok((secret, session)) => {
            lobby.note(&Visitor::of(session, &secret, from), json!("signed in"), None);
            let cookie = hearing::set_cookie(Some(&secret), &lobby.base, lobby.is_secure());
            ([(header::SET_COOKIE, cookie)], Redirect::to(&format!("{}{back}", lobby.base))).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Ends the session.
pub(super) async fn leave(look: Look, Form(sent): Form<BTreeMap<String, String>>) -> Response {
    let csrf = sent.get("csrf").map(String::as_str).unwrap_or_default();
    if !look.visitor.is_own_form(csrf) {
        return (StatusCode::FORBIDDEN, act::STALE).into_response();
    }
    look.lobby.sessions.end(look.visitor.secret());
    let cookie = hearing::set_cookie(None, &look.lobby.base, look.lobby.is_secure());
    ([(header::SET_COOKIE, cookie)], Redirect::to(&format!("{}/login", look.lobby.base))).into_response()
}

fn form(lobby: &Lobby, back: &str, failed: Option<(&str, &str)>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (frame::head(&lobby.base, "Sign in"))
            body {
                main.login {
                    section.card {
                        h1 { "reconciled" }
                        @if let Some((_, text)) = failed { p.told.bad role="alert" { (text) } }
                        form method="post" action=(format!("{}/login", lobby.base)) {
                            input type="hidden" name="back" value=(back);
                            label for="name" { "Name" }
                            input #name name="name" autocomplete="username" required autofocus[failed.is_none()] value=(failed.map(|(name, _)| name).unwrap_or_default());
                            label for="password" { "Password" }
                            input #password name="password" type="password" autocomplete="current-password" required autofocus[failed.is_some()];
                            button.main type="submit" { "Sign in" }
                        }
                    }
                    p.dim.small { "Names and passwords are in reconciled.toml; whoever keeps it can give you one." }
                }
            }
        }
    }
}
