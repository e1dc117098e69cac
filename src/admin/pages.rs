//! What people read: pages drawn here, with forms that work without a script. A small script keeps what is shown as it is.
//!
//! [`frame`] is what every page has; each other child is one page or one thing on it. Records are spoken of by their label and
//! lead to the record in its own system; what is wrong is said in sentences ([`words`]), with a button for what can be done.

mod card;
mod changes;
mod configuration;
mod connections;
mod frame;
mod integration;
mod login;
mod overview;
mod pipeline;
mod preview;
mod record;
mod runs;
mod todo;
mod words;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension, Router,
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::Markup;

pub(super) use card::capital as sentence;
pub(super) use frame::Frame;
pub(super) use preview::Previews;

use super::{act, assets, hearing, server::Lobby, visitor::Visitor};
use crate::daemon::protocol::Failure;

/// What a page answers with.
type Drawn = Result<Markup, Failure>;
/// The parameters of a page's address.
type Asked = Query<BTreeMap<String, String>>;

/// Every page, and what they are made of.
pub(super) fn router(lobby: &Arc<Lobby>) -> Router<Arc<Lobby>> {
    let seated = Router::new()
        .route("/", get(overview::show))
        .route("/todo", get(todo::show))
        .route("/integration", get(integration::show))
        .route("/pipeline", get(pipeline::show))
        .route("/record", get(record::show))
        .route("/connections", get(connections::show))
        .route("/configuration", get(configuration::show))
        .route("/changes", get(changes::show))
        .route("/do", post(act::act))
        .route("/preview", post(preview::begin))
        .route("/logout", post(login::leave))
        .route("/events", get(super::live::events))
        .layer(middleware::from_fn_with_state(Arc::clone(lobby), seat));
    Router::new()
        .merge(seated)
        .route("/login", get(login::show).post(login::enter))
        .route("/assets/{name}", get(assets::serve))
        .fallback(nothing_there)
}

/// Has everybody known before a page is drawn: by their session, or by one that begins now where no login is asked for.
async fn seat(State(lobby): State<Arc<Lobby>>, mut request: Request, next: Next) -> Response {
    let now = lobby.now();
    let (parts, body) = request.into_parts();
    let from = lobby.address(&parts);
    request = Request::from_parts(parts, body);
    let known = hearing::cookie(request.headers()).map(str::to_owned);
    let known = known.and_then(|secret| Some((lobby.sessions.of(&secret, now)?, secret)));
    let (visitor, fresh) = if let Some((session, secret)) = known {
        (Visitor::of(session, &secret, from), None)
    } else if let Some(role) = lobby.settings.open {
        let everybody = ("anybody on this machine".to_owned(), role, super::access::Scope::default());
        match lobby.sessions.begin(everybody, (now, lobby.settings.session)) {
            Ok((secret, session)) => (Visitor::of(session, &secret, from), Some(secret)),
            Err(error) => return (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        }
    } else {
        if request.uri().path() == "/events" {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let back = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let back = if request.method() == axum::http::Method::GET { back } else { "/" };
        return Redirect::to(&format!("{}/login?back={}", lobby.base, frame::encoded(back))).into_response();
    };
    request.extensions_mut().insert(visitor);
    let mut response = next.run(request).await;
    if let Some(secret) = fresh
        && let Ok(cookie) = HeaderValue::from_str(&hearing::set_cookie(Some(&secret), &lobby.base, lobby.is_secure()))
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

async fn nothing_there() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "there is no such page\n")
}

/// Who looks at a page, and what every page needs.
pub(super) struct Look {
    pub lobby: Arc<Lobby>,
    pub visitor: Visitor,
    /// The script asks for the page anew: nobody has read yet what came of the last click.
    pub again: bool,
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Look
where
    Arc<Lobby>: axum::extract::FromRef<S>,
{
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, state: &S) -> Result<Self, StatusCode> {
        let lobby = <Arc<Lobby> as axum::extract::FromRef<S>>::from_ref(state);
        let visitor = Extension::<Visitor>::from_request_parts(parts, state).await;
        let Extension(visitor) = visitor.map_err(|_| StatusCode::UNAUTHORIZED)?;
        Ok(Self { lobby, visitor, again: is_again(&parts.headers) })
    }
}

fn is_again(headers: &HeaderMap) -> bool {
    headers.contains_key("x-again")
}
