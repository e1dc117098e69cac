//! The door for one-time links: the owner of an account consents without a login of their own.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use oauth2::CsrfToken;
use url::Url;

use super::{
    control::Shared,
    grants,
    protocol::{Failure, FailureKind, Request, Response},
};
use crate::public::{Door, Reply, Visit};

/// How long a link works.
const LIVES: TimeDelta = TimeDelta::minutes(15);
/// Most links at once.
const MOST: usize = 64;

/// One-time links that were given out.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<BTreeMap<String, (String, DateTime<Utc>)>>);

impl Links {
    fn make(&self, what: &str, now: DateTime<Utc>) -> Option<String> {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, (_, until)| *until > now);
        let secret = CsrfToken::new_random_len(32).into_secret();
        (links.len() < MOST).then(|| {
            links.insert(secret.clone(), (what.to_owned(), now + LIVES));
            secret
        })
    }

    fn look(&self, secret: &str, now: DateTime<Utc>) -> Option<String> {
        let links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.get(secret).filter(|(_, until)| *until > now).map(|(what, _)| what.clone())
    }

    fn take(&self, secret: &str, now: DateTime<Utc>) -> Option<String> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(secret);
        found.filter(|(_, until)| *until > now).map(|(what, _)| what)
    }
}

/// A one-time link for this grant or connection.
pub(super) fn link(shared: &Shared, what: &str) -> Result<Response, Failure> {
    let no = |text: &str| Failure::new(FailureKind::NotPossible, text);
    grants::known(&shared.engine(), what)?;
    let url = base(shared).ok_or_else(|| {
        no("a link needs the public listener: give `public` and `public_url` below [listen] in reconciled.toml")
    })?;
    let secret = shared.links.make(what, shared.clock.now());
    let secret = secret.ok_or_else(|| no("too many links are open; try again in 15 minutes"))?;
    Ok(Response::ConnectLink(format!("{url}/connect/{secret}")))
}

fn base(shared: &Shared) -> Option<String> {
    Some(shared.public()?.url?.trim_end_matches('/').to_owned())
}

/// Answers `/connect/…`.
pub(super) struct ConsentDoor(pub Arc<Shared>);

#[async_trait]
impl Door for ConsentDoor {
    fn name(&self) -> &'static str {
        "connect"
    }

    fn max_body(&self) -> usize {
        1 << 10
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(90)
    }

    async fn answer(&self, visit: Visit) -> Reply {
        let (shared, now) = (&self.0, self.0.clock.now());
        if visit.rest == "callback" {
            return self.come_back(&visit).await;
        }
        if visit.method == "GET" {
            // Looking at a link (as mail programs do) does not use it up.
            return match shared.links.look(&visit.rest, now) {
                Some(what) => page(
                    200,
                    &format!(
                        "<p>Your data is to be kept the same in two systems, by way of <b>{}</b>.</p>\
                         <form method=\"post\"><button>Go on to consent</button></form>",
                        escape(&what)
                    ),
                ),
                None => gone(),
            };
        }
        if visit.method != "POST" {
            return Reply::empty(405);
        }
        let Some(what) = shared.links.take(&visit.rest, now) else { return gone() };
        let redirect = base(shared).map(|base| format!("{base}/connect/callback"));
        match grants::answer(shared, Request::ConnectBegin { what, redirect }).await {
            // An app that logs in by itself is back at once.
            Ok(Response::Consented(_)) => connected(),
            Ok(Response::Consent { url, .. }) => match Url::parse(&url) {
                Ok(url) => Reply::see_other(&url),
                Err(_) => page(500, "<p>This did not work. Ask for another link.</p>"),
            },
            Ok(_) => page(500, "<p>This did not work. Ask for another link.</p>"),
            Err(failure) => {
                tracing::warn!(event = "grant.link_failed", error = %failure);
                page(500, "<p>This did not work; whoever sent you the link finds the reason in the log.</p>")
            }
        }
    }
}

impl ConsentDoor {
    async fn come_back(&self, visit: &Visit) -> Reply {
        let parameters = url::form_urlencoded::parse(visit.query.as_bytes()).into_owned().collect();
        match grants::answer(&self.0, Request::ConnectFinish { parameters }).await {
            Ok(_) => connected(),
            Err(failure) => {
                tracing::warn!(event = "grant.consent_failed", error = %failure);
                page(400, "<p>You are not connected. Ask for another link, and try again.</p>")
            }
        }
    }
}

fn connected() -> Reply {
    page(200, "<p>Thank you: you are connected. You can close this page.</p>")
}

fn gone() -> Reply {
    page(404, "<p>This link was used already, or is too old. Ask for another one.</p>")
}

fn page(status: u16, body: &str) -> Reply {
    Reply::html(status, format!("<!doctype html><meta charset=\"utf-8\"><title>Connect</title>{body}"))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_looked_at_often_works_once_and_for_a_quarter_of_an_hour_and_there_are_not_too_many() {
        let (links, now) = (Links::default(), DateTime::UNIX_EPOCH);
        let (soon, late) = (now + LIVES - TimeDelta::seconds(1), now + LIVES);
        let first = links.make("office", now).unwrap();
        let second = links.make("office", now).unwrap();
        assert_ne!(first, second);
        for _ in 0..2 {
            assert_eq!(links.look(&first, soon).as_deref(), Some("office"));
        }
        assert_eq!(links.look("guessed", now), None);
        assert_eq!(links.take("guessed", now), None);
        assert_eq!(links.take(&first, soon).as_deref(), Some("office"));
        assert_eq!((links.look(&first, soon), links.take(&first, soon)), (None, None), "it was used");
        assert_eq!((links.look(&second, late), links.take(&second, late)), (None, None), "it is too old");
        let made: Vec<_> = (0..=MOST).map(|_| links.make("office", now)).collect();
        assert!(made[..MOST].iter().all(Option::is_some) && made[MOST].is_none());
        assert!(links.make("office", late).is_some(), "old ones make room");
    }
}
