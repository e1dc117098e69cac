//! Who asks.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{StatusCode, request::Parts},
};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{
    access::{self, Scope},
    api::Refusal,
    audit::Entry,
    hearing, proof,
    server::Lobby,
    session::Session,
};
use crate::{
    config::{Account, Role},
    daemon::protocol::{Failure, FailureKind, Progress, Request, Response},
};

/// Longest name of nobody known that is kept and logged, in bytes.
const LONGEST_NAME: usize = 64;

/// Whoever asks, once it is known who it is.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub name: String,
    pub role: Role,
    pub scope: Scope,
    pub from: IpAddr,
    pub way: Way,
}

/// How a visitor is known.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// By a token, which no browser sends by itself.
    Token,
    /// By a session, whose secret the browser sends with every request.
    Session {
        /// The secret.
        secret: String,
        /// What a form must hold.
        csrf: String,
    },
    /// Not at all: everybody has a role here.
    Open,
}

impl Visitor {
    /// Whoever has this session.
    pub fn of(session: Session, secret: &str, from: IpAddr) -> Self {
        let Session { name, role, scope, csrf, .. } = session;
        Self { name, role, scope, from, way: Way::Session { secret: secret.to_owned(), csrf } }
    }

    /// What the forms of a page hold, for this visitor.
    pub fn csrf(&self) -> &str {
        match &self.way {
            Way::Session { csrf, .. } => csrf,
            Way::Token | Way::Open => "",
        }
    }

    /// The secret of the session.
    pub fn secret(&self) -> &str {
        match &self.way {
            Way::Session { secret, .. } => secret,
            Way::Token | Way::Open => "",
        }
    }

    /// Whether they may do what takes this role.
    pub fn may(&self, role: Role) -> bool {
        self.role >= role
    }

    /// Whether what was sent comes from a page that was made for this visitor: only such a page knows the word.
    pub fn is_own_form(&self, csrf: &str) -> bool {
        match &self.way {
            Way::Token => true,
            Way::Session { csrf: own, .. } => own == csrf,
            Way::Open => false,
        }
    }
}

impl Lobby {
    /// Whoever a token stands for.
    async fn of_token(&self, token: &str, from: IpAddr) -> Option<Visitor> {
        let hash = proof::token_hash(token);
        for (name, account) in &self.settings.tokens {
            match account.proof.reveal().await {
                // Both are hashes: how far they are alike tells nothing about a token.
                Ok(known) if known.expose_secret() == hash => {
                    let scope = Scope(account.clients.clone());
                    return Some(Visitor { name: name.clone(), role: account.role, scope, from, way: Way::Token });
                }
                Ok(_) => {}
                Err(error) => tracing::error!(event = "console.proof_missing", name, %error),
            }
        }
        None
    }

    /// The account of a name and password.
    ///
    /// # Errors
    ///
    /// What is to be told.
    pub async fn log_in(self: &Arc<Self>, name: &str, password: String, from: IpAddr) -> Result<Account, String> {
        let (address, now) = (from.to_string(), self.now());
        // What anybody may send is neither kept nor logged at any length.
        let nobody = name.len() > LONGEST_NAME && !self.settings.users.contains_key(name);
        let name = if nobody { "" } else { name };
        self.may_try(&address, name, now)?;
        let account = self.settings.users.get(name);
        let hash = match account {
            Some(account) => account.proof.reveal().await.map_err(|error| {
                tracing::error!(event = "console.proof_missing", name, %error);
                format!("Your password cannot be looked up: {error}.")
            })?,
            // Whether there is such a name must not be told by how long it takes.
            None => self.nobody.clone().into(),
        };
        // Never closed. Each takes much memory on purpose.
        let turn = self.verifying.acquire().await;
        // Others may have failed while this one waited for its turn: many at once are as many attempts.
        self.may_try(&address, name, now)?;
        let check = tokio::task::spawn_blocking(move || proof::is_password(&password, hash.expose_secret()));
        let good = check.await.unwrap_or(false);
        drop(turn);
        let Some(account) = account.filter(|_| good) else {
            self.throttle.failed(&address, name, now);
            tracing::warn!(event = "console.login_failed", name, from = address);
            return Err("That name and password do not belong together.".to_owned());
        };
        self.throttle.succeeded(&address, name);
        tracing::info!(event = "console.login", name, from = address);
        Ok(account.clone())
    }

    fn may_try(&self, address: &str, name: &str, now: DateTime<Utc>) -> Result<(), String> {
        self.throttle.may_try(address, name, now).map_err(|wait| {
            tracing::warn!(event = "console.login_throttled", name, from = address);
            format!("There were too many attempts. Try again in {} minutes.", minutes(wait))
        })
    }

    /// Carries out what a visitor asks, if they may; remembers it if it changes something, also when whoever asked has
    /// hung up by then.
    ///
    /// # Errors
    ///
    /// As the daemon answers, and when they may not.
    pub async fn carry_out(self: &Arc<Self>, visitor: &Visitor, request: Request) -> Result<Response, Failure> {
        if access::is_look(&request) {
            return self.carry_out_telling(visitor, request, |_| {}).await;
        }
        // On a task of its own: a request that is dropped takes nothing back.
        let (lobby, visitor) = (Arc::clone(self), visitor.clone());
        let work = tokio::spawn(async move { lobby.carry_out_telling(&visitor, request, |_| {}).await });
        work.await.unwrap_or_else(|error| {
            Err(Failure::new(FailureKind::NotPossible, format!("a mistake in the program: {error}")))
        })
    }

    /// As [`Lobby::carry_out`], telling how far a run is.
    ///
    /// # Errors
    ///
    /// As [`Lobby::carry_out`].
    pub async fn carry_out_telling(
        &self,
        visitor: &Visitor,
        request: Request,
        progress: impl Fn(Progress) + Send,
    ) -> Result<Response, Failure> {
        let shown = (!access::is_look(&request)).then(|| request.without_secrets());
        let outcome = match access::permit(&self.daemon, (visitor.role, &visitor.scope), &request).await {
            Ok(()) => {
                let answered = self.daemon.ask(request, &visitor.name, progress).await;
                answered.map(|response| access::within(&self.daemon, &visitor.scope, response))
            }
            Err(refused) => Err(refused),
        };
        if let Some(what) = shown {
            self.note(visitor, what, outcome.as_ref().err());
        }
        outcome
    }

    /// Remembers a change, or the attempt.
    pub fn note(&self, visitor: &Visitor, what: Value, failure: Option<&Failure>) {
        self.audit.note(&Entry {
            at: self.now(),
            who: visitor.name.clone(),
            role: visitor.role.word().to_owned(),
            from: visitor.from.to_string(),
            what,
            outcome: failure.map_or_else(|| "done".to_owned(), ToString::to_string),
        });
    }

    /// Everything of the daemon's status that is this visitor's.
    pub async fn status(self: &Arc<Self>, visitor: &Visitor) -> Result<crate::daemon::protocol::Status, Failure> {
        match self.carry_out(visitor, Request::Status).await? {
            Response::Status(status) => Ok(*status),
            _ => Err(Failure::new(FailureKind::NotPossible, "a mistake in the program: this is no status")),
        }
    }
}

fn minutes(wait: TimeDelta) -> i64 {
    wait.num_minutes() + 1
}

impl FromRequestParts<Arc<Lobby>> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, lobby: &Arc<Lobby>) -> Result<Self, Refusal> {
        let from = lobby.address(parts);
        if let Some(token) = hearing::bearer(&parts.headers) {
            return lobby.of_token(token, from).await.ok_or_else(|| {
                tracing::warn!(event = "console.token_unknown", %from);
                Refusal::unknown("this token is not known")
            });
        }
        let cookie = hearing::cookie(&parts.headers);
        if let Some((secret, session)) =
            cookie.and_then(|cookie| Some((cookie, lobby.sessions.of(cookie, lobby.now())?)))
        {
            return Ok(Self::of(session, secret, from));
        }
        match lobby.settings.open {
            Some(role) => Ok(Self {
                name: "anybody on this machine".to_owned(),
                role,
                scope: Scope::default(),
                from,
                way: Way::Open,
            }),
            None => Err(Refusal::unknown("say who you are: `Authorization: Bearer …` with a token of [admin.tokens]")),
        }
    }
}

impl Lobby {
    /// Where a request comes from.
    pub fn address(&self, parts: &Parts) -> IpAddr {
        let peer = parts.extensions.get::<ConnectInfo<std::net::SocketAddr>>();
        let nowhere = || std::net::SocketAddr::from(([0, 0, 0, 0], 0));
        let peer = peer.map_or_else(nowhere, |ConnectInfo(peer)| *peer);
        hearing::address(&parts.headers, peer, self.settings.url.is_some())
    }
}

impl Refusal {
    /// Nobody knows who asks.
    fn unknown(text: &str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, body: json!({ "kind": "unknown-visitor", "message": text }) }
    }
}
