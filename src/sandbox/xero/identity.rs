//! The practice Xero's authorization server: codes with PKCE, access tokens of 30 minutes, refresh tokens that rotate.
//!
//! As documented, a refresh token that was used can be retried for 30 minutes, and one that is not used ends after 60
//! days. A strict server, as others are, ends the whole grant when one comes a second time.

use std::collections::BTreeMap;

use axum::http::Method;
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use chrono::{DateTime, TimeDelta, Utc};
use ring::digest::{SHA256, digest};
use serde_json::json;
use url::{Url, form_urlencoded};

use crate::sandbox::call::{Answer, Call};

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

/// The authorization server's state: one app, one person who consents to everything.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    /// Id and secret of the app; without one nobody can log in.
    pub(crate) app: Option<(String, String)>,
    /// A refresh token that comes twice ends the grant.
    pub(crate) strict: bool,
    /// The account was disconnected by itself.
    pub(crate) parted: bool,
    codes: BTreeMap<String, Code>,
    access: BTreeMap<String, DateTime<Utc>>,
    refresh: BTreeMap<String, Refresh>,
    /// Access tokens of apps that log in by themselves: they know their organisation.
    own: Vec<String>,
    made: u64,
    /// Refresh tokens as they came, in order.
    pub(crate) refreshed: Vec<String>,
    /// Refresh tokens that were given back.
    pub(crate) revoked: Vec<String>,
}

impl Identity {
    /// Whether this access token is good.
    pub(crate) fn knows(&self, token: &str, now: DateTime<Utc>) -> bool {
        self.access.get(token).is_some_and(|until| now < *until)
    }

    /// Whether it is one of an app that logged in by itself.
    pub(crate) fn is_own(&self, token: &str) -> bool {
        self.own.iter().any(|own| own == token)
    }

    /// Whether this access token was good once.
    pub(crate) fn knew(&self, token: &str) -> bool {
        self.access.contains_key(token)
    }

    /// Every access token is refused from now on, as after a change of keys.
    pub(crate) fn expire(&mut self, now: DateTime<Utc>) {
        self.access.values_mut().for_each(|until| *until = now);
    }

    /// The person withdraws the consent.
    pub(crate) fn withdraw(&mut self, now: DateTime<Utc>) {
        self.refresh.clear();
        self.codes.clear();
        self.expire(now);
    }

    /// Answers what belongs to the authorization server.
    pub(crate) fn answer(&mut self, call: &Call, now: DateTime<Utc>) -> Option<Answer> {
        match (call.method.clone(), call.path.as_str()) {
            (Method::GET, "/identity/connect/authorize") => Some(self.authorize(call, now)),
            (Method::POST, "/connect/token") => Some(self.token(call, now)),
            (Method::POST, "/connect/revocation") => {
                let form = form(call);
                if !self.is_app(call) {
                    return Some(refuse("invalid_client"));
                }
                self.revoked.extend(form.get("token").cloned());
                self.withdraw(now);
                Some(Answer::empty(200))
            }
            _ => None,
        }
    }

    fn authorize(&mut self, call: &Call, now: DateTime<Utc>) -> Answer {
        let asked: BTreeMap<String, String> = call.parameters().into_iter().collect();
        let of = |name: &str| asked.get(name).cloned().unwrap_or_default();
        let known = self.app.as_ref().is_some_and(|(id, _)| *id == of("client_id"));
        let (Ok(mut back), true) = (Url::parse(&of("redirect_uri")), known) else { return refuse("invalid_request") };
        if of("code_challenge_method") != "S256" || of("response_type") != "code" {
            back.query_pairs_mut().append_pair("error", "invalid_request").append_pair("state", &of("state"));
            return Answer::empty(303).with("location", back.to_string());
        }
        let code = self.fresh("code");
        back.query_pairs_mut().append_pair("code", &code).append_pair("state", &of("state"));
        let (challenge, redirect) = (of("code_challenge"), of("redirect_uri"));
        self.codes.insert(code, Code { challenge, redirect, until: now + CODE });
        Answer::empty(303).with("location", back.to_string())
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
        Answer::json(200, body.to_string(), 0)
    }

    fn fresh(&mut self, what: &str) -> String {
        self.made += 1;
        format!("{what}-{:04}-secret", self.made)
    }

    fn is_app(&self, call: &Call) -> bool {
        let given = call.header("authorization").and_then(|value| value.strip_prefix("Basic "));
        self.app.as_ref().is_some_and(|(id, secret)| given == Some(&BASE64_STANDARD.encode(format!("{id}:{secret}"))))
    }
}

fn form(call: &Call) -> BTreeMap<String, String> {
    form_urlencoded::parse(&call.body).into_owned().collect()
}

fn refuse(error: &str) -> Answer {
    Answer::json(400, json!({ "error": error }).to_string(), 0)
}
