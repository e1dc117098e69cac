//! The authorization servers of practice systems: codes with PKCE, access tokens of 30 minutes, refresh tokens that rotate.
//!
//! As documented, a refresh token that was used can be retried for 30 minutes, and one that is not used ends after 60
//! days. A strict server, as others are, ends the whole grant when one comes a second time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::Method;
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use chrono::{DateTime, TimeDelta, Utc};
use ring::digest::{SHA256, digest};
use serde_json::json;
use url::{Url, form_urlencoded};

use super::call::{Answer, Call};
use crate::clock::Clock;

/// How long an access token lives.
const ACCESS: TimeDelta = TimeDelta::minutes(30);
/// How long a code lives.
const CODE: TimeDelta = TimeDelta::minutes(5);
/// How long a refresh token may be retried.
const GRACE: TimeDelta = TimeDelta::minutes(30);
/// How long a refresh token lives that is not used.
const IDLE: TimeDelta = TimeDelta::days(60);

#[derive(Debug)]
struct Code {
    challenge: String,
    redirect: String,
    until: DateTime<Utc>,
}

#[derive(Debug)]
struct Refresh {
    made: DateTime<Utc>,
    used: Option<DateTime<Utc>>,
}

/// Where an authorization server is asked, and what is particular about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doors {
    pub(crate) authorize: &'static str,
    pub(crate) token: &'static str,
    pub(crate) revoke: Option<&'static str>,
    /// The word before an access token.
    pub(crate) scheme: &'static str,
}

impl Doors {
    /// Xero's, which are XPM's, too.
    pub(crate) const XERO: Self = Self {
        authorize: "/identity/connect/authorize",
        token: "/connect/token",
        revoke: Some("/connect/revocation"),
        scheme: "Bearer",
    };
}

/// The account that logins cover, as `/connections` tells.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// What names it when it is disconnected.
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
}

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nobody whom this server let in.
    Unknown,
    /// Somebody whose token ran out.
    Expired,
    /// Somebody to whom a person consented.
    Granted,
    /// As [`Caller::Granted`], but the account was disconnected.
    Parted,
    /// An app that logged in by itself: it knows its account.
    Own,
}

/// The authorization server of a practice system, and its hand for tests: one app, one account, one person who consents to
/// everything.
#[derive(Clone, Debug)]
pub struct Logins {
    state: Arc<Mutex<State>>,
    doors: Doors,
    /// Where there is a list of them.
    account: Option<Account>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct State {
    app: Option<(String, String)>,
    strict: bool,
    parted: bool,
    codes: BTreeMap<String, Code>,
    access: BTreeMap<String, DateTime<Utc>>,
    refresh: BTreeMap<String, Refresh>,
    /// Access tokens of apps that log in by themselves.
    own: Vec<String>,
    made: u64,
    refreshed: Vec<String>,
    revoked: Vec<String>,
    /// What the way back says besides.
    way_back: Vec<(&'static str, String)>,
    /// What a token answer says besides.
    answer: Vec<(&'static str, String)>,
}

impl Logins {
    pub(crate) fn new(doors: Doors, account: Option<Account>, clock: Clock) -> Self {
        Self { state: Arc::default(), doors, account, clock }
    }

    /// What the way back and the token answer say in passing.
    pub(crate) fn tell(&self, way_back: Vec<(&'static str, String)>, answer: Vec<(&'static str, String)>) {
        let mut state = self.state();
        (state.way_back, state.answer) = (way_back, answer);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets this app ask for logins: a person at the screen consents to whatever it asks. Without one nobody can log in.
    pub fn let_in(&self, client_id: &str, client_secret: &str) {
        self.state().app = Some((client_id.to_owned(), client_secret.to_owned()));
    }

    /// A person consents at this address: where their browser is led to then. `None` where the question is not understood.
    #[must_use]
    pub fn consent(&self, url: &Url) -> Option<Url> {
        self.state().authorize(&url.query_pairs().into_owned().collect(), self.clock.now())
    }

    /// Whether a refresh token that comes twice ends the whole grant, as strict servers have it. Xero has 30 minutes of
    /// grace.
    pub fn strict_refresh(&self, strict: bool) {
        self.state().strict = strict;
    }

    /// Every access token that was given is refused from now on.
    pub fn expire_access(&self) {
        self.state().expire(self.clock.now());
    }

    /// The person who consented withdraws that.
    pub fn withdraw_consent(&self) {
        self.state().withdraw(self.clock.now());
    }

    /// The person disconnects the account; the login stays.
    pub fn part(&self) {
        self.state().parted = true;
    }

    /// The refresh tokens that came, in order.
    #[must_use]
    pub fn refreshed(&self) -> Vec<String> {
        self.state().refreshed.clone()
    }

    /// The tokens that were given back.
    #[must_use]
    pub fn revoked(&self) -> Vec<String> {
        self.state().revoked.clone()
    }

    /// Who makes this call.
    pub(crate) fn caller(&self, call: &Call) -> Caller {
        let state = self.state();
        let until = brought(call, self.doors.scheme).and_then(|token| Some((token, *state.access.get(token)?)));
        match until {
            None => Caller::Unknown,
            Some((_, until)) if self.clock.now() >= until => Caller::Expired,
            Some((token, _)) if state.own.iter().any(|own| own == token) => Caller::Own,
            Some(_) if state.parted => Caller::Parted,
            Some(_) => Caller::Granted,
        }
    }

    /// Answers what belongs to the authorization server.
    pub(crate) fn answer(&self, call: &Call) -> Option<Answer> {
        let now = self.clock.now();
        if let Some(account) = self.account.as_ref().filter(|_| call.path.starts_with("/connections")) {
            let known = matches!(self.caller(call), Caller::Granted | Caller::Parted);
            return Some(if known { self.accounts(account, call) } else { Answer::empty(401) });
        }
        let mut state = self.state();
        match (&call.method, call.path.as_str()) {
            (&Method::GET, path) if path == self.doors.authorize => {
                let back = state.authorize(&call.parameters().into_iter().collect(), now);
                let led = |back: Url| Answer::empty(303).with("location", back.to_string());
                Some(back.map_or_else(|| refuse("invalid_request"), led))
            }
            (&Method::POST, path) if path == self.doors.token => Some(state.token(call, now)),
            (&Method::POST, path) if Some(path) == self.doors.revoke => {
                let form = form(call);
                if !state.is_app(call) {
                    return Some(refuse("invalid_client"));
                }
                state.revoked.extend(form.get("token").cloned());
                state.withdraw(now);
                Some(Answer::empty(200))
            }
            _ => None,
        }
    }

    /// The list of accounts, and the end of one.
    fn accounts(&self, account: &Account, call: &Call) -> Answer {
        let Account { id, tenant, kind, name } = account;
        let mut state = self.state();
        let one = call.path == format!("/connections/{id}");
        match (&call.method, state.parted) {
            (&Method::DELETE, false) if one => {
                state.parted = true;
                Answer::empty(204)
            }
            (&Method::GET, true) if call.path == "/connections" => Answer::json(200, "[]", 0),
            (&Method::GET, false) if call.path == "/connections" => {
                let at = format!("{}0", self.clock.now().format("%Y-%m-%dT%H:%M:%S%.6f"));
                let body = json!([{
                    "id": id, "tenantId": tenant, "tenantType": kind, "tenantName": name,
                    "createdDateUtc": at, "updatedDateUtc": at,
                }]);
                Answer::json(200, body.to_string(), 1)
            }
            _ => Answer::empty(404),
        }
    }
}

/// The bearer token of a call.
pub(crate) fn bearer(call: &Call) -> Option<&str> {
    brought(call, "Bearer")
}

/// The token behind this word.
fn brought<'c>(call: &'c Call, scheme: &str) -> Option<&'c str> {
    call.header("authorization")?.strip_prefix(scheme)?.strip_prefix(' ')
}

impl State {
    fn expire(&mut self, now: DateTime<Utc>) {
        self.access.values_mut().for_each(|until| *until = now);
    }

    fn withdraw(&mut self, now: DateTime<Utc>) {
        self.refresh.clear();
        self.codes.clear();
        self.expire(now);
    }

    /// Where a person who consents is led to; `None` where the question is not understood.
    fn authorize(&mut self, asked: &BTreeMap<String, String>, now: DateTime<Utc>) -> Option<Url> {
        let of = |name: &str| asked.get(name).cloned().unwrap_or_default();
        let known = self.app.as_ref().is_some_and(|(id, _)| *id == of("client_id"));
        let mut back = Url::parse(&of("redirect_uri")).ok().filter(|_| known)?;
        if of("code_challenge_method") != "S256" || of("response_type") != "code" {
            back.query_pairs_mut().append_pair("error", "invalid_request").append_pair("state", &of("state"));
            return Some(back);
        }
        let code = self.fresh("code");
        back.query_pairs_mut().append_pair("code", &code).append_pair("state", &of("state"));
        back.query_pairs_mut().extend_pairs(&self.way_back);
        let (challenge, redirect) = (of("code_challenge"), of("redirect_uri"));
        self.codes.insert(code, Code { challenge, redirect, until: now + CODE });
        Some(back)
    }

    fn token(&mut self, call: &Call, now: DateTime<Utc>) -> Answer {
        let form = form(call);
        let of = |name: &str| form.get(name).cloned().unwrap_or_default();
        if !self.is_app(call) {
            return refuse("invalid_client");
        }
        match of("grant_type").as_str() {
            "authorization_code" => {
                let Some(code) = self.codes.remove(&of("code")) else { return refuse("invalid_grant") };
                let hash = digest(&SHA256, of("code_verifier").as_bytes());
                let proven = BASE64_URL_SAFE_NO_PAD.encode(hash) == code.challenge;
                if !proven || code.redirect != of("redirect_uri") || now >= code.until {
                    return refuse("invalid_grant");
                }
                self.parted = false;
                self.give(now, true)
            }
            "refresh_token" => {
                let token = of("refresh_token");
                self.refreshed.push(token.clone());
                let strict = self.strict;
                let Some(known) = self.refresh.get_mut(&token) else { return refuse("invalid_grant") };
                let again = known.used.is_some();
                let late = known.used.is_some_and(|used| now - used > GRACE) || now - known.made > IDLE;
                if again && strict {
                    self.withdraw(now);
                    return refuse("invalid_grant");
                }
                if late {
                    return refuse("invalid_grant");
                }
                known.used.get_or_insert(now);
                // The former token of everybody ends.
                self.expire(now);
                self.give(now, true)
            }
            "client_credentials" => self.give(now, false),
            _ => refuse("unsupported_grant_type"),
        }
    }

    fn give(&mut self, now: DateTime<Utc>, refresh: bool) -> Answer {
        let access = self.fresh("access");
        self.access.insert(access.clone(), now + ACCESS);
        let mut body = json!({ "access_token": access, "token_type": "Bearer", "expires_in": 1800 });
        if !refresh {
            self.own.extend(body["access_token"].as_str().map(str::to_owned));
        }
        if refresh {
            let refresh = self.fresh("refresh");
            self.refresh.insert(refresh.clone(), Refresh { made: now, used: None });
            body["refresh_token"] = refresh.into();
        }
        for (name, said) in &self.answer {
            body[*name] = said.as_str().into();
        }
        Answer::json(200, body.to_string(), 0)
    }

    fn fresh(&mut self, what: &str) -> String {
        self.made += 1;
        format!("{what}-{:04}-secret", self.made)
    }

    fn is_app(&self, call: &Call) -> bool {
        let Some((id, secret)) = &self.app else { return false };
        let form = form(call);
        let in_form = form.get("client_id") == Some(id) && form.get("client_secret") == Some(secret);
        in_form || brought(call, "Basic") == Some(&BASE64_STANDARD.encode(format!("{id}:{secret}")))
    }
}

fn form(call: &Call) -> BTreeMap<String, String> {
    form_urlencoded::parse(&call.body).into_owned().collect()
}

fn refuse(error: &str) -> Answer {
    Answer::json(400, json!({ "error": error }).to_string(), 0)
}
