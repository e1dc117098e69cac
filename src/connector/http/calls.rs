//! Judging one attempt: what may be tried again, how long to wait before it, and what is known when it failed.

use std::{sync::PoisonError, time::Duration};

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::Value;

use super::{
    HttpConnector,
    address::path_only,
    body::{self, Parts},
    messages,
    transport::{Fault, Outgoing, Reply},
};
use crate::{
    connector::{AnswerMatch, Bodies, BodyKind, CallError, LONGEST_WAIT, PreparedCall, ThrottleWait},
    record::Path,
};

/// How often one call is attempted in all.
const TRIES: u32 = 4;

/// Pause before the second attempt of a read that failed; doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// No remote is believed that asks for a longer rest than its longest window, a day, and a bit.
const LONGEST_REST: Duration = Duration::from_hours(25);

/// Longest body that is looked through for words about what went wrong.
const LARGEST_COMPLAINT: usize = 1 << 20;

/// What a read is prepared for.
#[derive(Clone, Copy, Default)]
pub(super) struct Wanted<'a> {
    /// Where the records of a listing are: in a large answer they are only found, not read.
    pub records: Option<&'a Path>,
    /// An answer that says that the page is too old to go on with.
    pub expired: Option<&'a AnswerMatch>,
    /// An answer that says that there is no such record, or none to list.
    pub missing: Option<&'a AnswerMatch>,
}

/// An answer that was understood.
pub(super) struct Read {
    /// Its body; without its records, where there are parts.
    pub body: Value,
    /// The records of a large answer.
    pub parts: Option<Parts>,
}

/// What came of one attempt of a read.
enum Attempt {
    Done(Box<Reply>, Option<Read>),
    Again(CallError, Option<Duration>),
    Failed(CallError),
}

/// What an answer says apart from its status.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing that changes what its status says.
    AsItsStatus,
    /// The remote refuses.
    Refused,
    /// Worth another try.
    Retry,
}

impl HttpConnector {
    /// Reads `target` until it is understood: an answer of status 2xx, or one of the `other` statuses without.
    pub(super) async fn read(
        &self,
        target: &str,
        headers: &[(String, String)],
        other: &[u16],
        wanted: &Wanted<'_>,
    ) -> Result<(Reply, Option<Read>), CallError> {
        for attempt in 1.. {
            let deadline = self.shared.clock.monotonic() + LONGEST_WAIT;
            let out = Outgoing { method: Method::GET, target, headers, body: None, deadline };
            let (error, asked) = match self.judge_read(self.once(&out).await, target, other, attempt, wanted).await {
                Attempt::Done(reply, read) => return Ok((*reply, read)),
                Attempt::Failed(error) => return Err(error),
                Attempt::Again(error, asked) => (error, asked),
            };
            if attempt >= TRIES {
                return Err(error);
            }
            let pause = asked.unwrap_or_default().max(self.pause(attempt));
            tracing::debug!(connection = %self.shared.connection.name, %error, attempt, ?pause, "trying again");
            if !matches!(error, CallError::Throttled { .. }) {
                self.shared.clock.sleep(pause).await;
            }
        }
        Err(CallError::NotDone(format!("`GET {}`: not tried", path_only(target))))
    }

    async fn judge_read(
        &self,
        outcome: Result<Reply, Fault>,
        target: &str,
        other: &[u16],
        attempt: u32,
        wanted: &Wanted<'_>,
    ) -> Attempt {
        let reply = match outcome {
            Ok(reply) => reply,
            Err(Fault::Call(error)) => return Attempt::Failed(error),
            Err(Fault::NotSent(message)) => return Attempt::Again(CallError::NotDone(message), None),
            Err(Fault::Lost(message)) => return Attempt::Again(CallError::Unknown(message), None),
            Err(Fault::TooLarge(message)) => return Attempt::Failed(CallError::BadAnswer(message)),
        };
        let at = format!("`GET {}`", path_only(target));
        if let Err(error) = self.check_throttle(&reply, attempt) {
            // The account is blocked until then; the next attempt waits for that.
            return match error {
                (error, wait) if wait > LONGEST_WAIT => Attempt::Failed(error),
                (error, wait) => Attempt::Again(error, Some(wait)),
            };
        }
        let read = if reply.ok() && !other.contains(&reply.status) {
            match self.parse(&reply, wanted.records).await {
                Ok(read) => Some(read),
                // No body at all may be how the remote says that there is nothing.
                Err(_) if wanted.missing.is_some_and(|what| what.fits(reply.status, None, &reply.text())) => {
                    return Attempt::Done(Box::new(reply), None);
                }
                Err(message) => return Attempt::Again(CallError::BadAnswer(format!("{at}: {message}")), None),
            }
        } else {
            None
        };
        let complaint = if read.is_none() { self.error_body(&reply) } else { None };
        let body = read.as_ref().map(|read| &read.body).or(complaint.as_ref());
        let says = |what: Option<&AnswerMatch>| what.is_some_and(|what| what.fits(reply.status, body, &reply.text()));
        if says(wanted.missing) {
            return Attempt::Done(Box::new(reply), None);
        }
        if says(wanted.expired) {
            return Attempt::Failed(CallError::PageExpired);
        }
        match self.verdict(&reply, body) {
            Verdict::AsItsStatus => {}
            Verdict::Refused => {
                let message = format!("{at}: answered {}: {}", reply.status, self.words(&reply));
                return Attempt::Failed(CallError::Refused { status: reply.status, message });
            }
            Verdict::Retry => {
                let message = format!("{at}: answered {}: {}", reply.status, self.words(&reply));
                return Attempt::Again(CallError::Unknown(message), self.retry_after(&reply));
            }
        }
        match reply.status {
            _ if read.is_some() => Attempt::Done(Box::new(reply), read),
            status if other.contains(&status) => Attempt::Done(Box::new(reply), None),
            401 | 403 => Attempt::Failed(self.login_refused(&reply)),
            300..=399 => Attempt::Failed(CallError::BadAnswer(redirected(&at, &reply))),
            500.. => {
                let wait = self.retry_after(&reply);
                let words = self.words(&reply);
                match wait {
                    Some(wait) if wait > LONGEST_WAIT => {
                        Attempt::Failed(self.limits.throttled(self.shared.clock.monotonic().saturating_add(wait)))
                    }
                    wait => {
                        Attempt::Again(CallError::Unknown(format!("{at}: answered {}: {words}", reply.status)), wait)
                    }
                }
            }
            status => {
                let message = format!("{at}: answered {status}: {}", self.words(&reply));
                Attempt::Failed(CallError::Refused { status, message })
            }
        }
    }

    /// What the answer to a write says apart from its status.
    pub(super) fn verdict_of(&self, reply: &Reply) -> Verdict {
        let manifest = &self.shared.connection.manifest;
        if manifest.refused_when.is_empty() && manifest.retry_when.is_empty() {
            return Verdict::AsItsStatus;
        }
        self.verdict(reply, self.error_body(reply).as_ref())
    }

    /// What an answer says apart from its status.
    fn verdict(&self, reply: &Reply, body: Option<&Value>) -> Verdict {
        let manifest = &self.shared.connection.manifest;
        let says = |matches: &[AnswerMatch]| {
            !matches.is_empty() && {
                let text = reply.text();
                matches.iter().any(|what| what.fits(reply.status, body, &text))
            }
        };
        if says(&manifest.retry_when) {
            Verdict::Retry
        } else if says(&manifest.refused_when) {
            Verdict::Refused
        } else {
            Verdict::AsItsStatus
        }
    }

    /// Sends a prepared call. It is repeated only when the remote said "too many requests": then it did nothing.
    pub(super) async fn write(&self, call: &PreparedCall) -> Result<Reply, CallError> {
        // One deadline for all waiting: an idempotency key must not run out while its call waits for its turn.
        let deadline = self.shared.clock.monotonic() + LONGEST_WAIT;
        let method = Method::from_bytes(call.method.as_bytes())
            .map_err(|_| CallError::NotDone(format!("`{}` is not an HTTP method", call.method)))?;
        let body = (!call.body.is_empty()).then_some(call.body.as_str());
        let out = Outgoing { method, target: &call.target, headers: &call.headers, body, deadline };
        for attempt in 1.. {
            let reply = match self.once(&out).await {
                Ok(reply) => reply,
                Err(Fault::Call(error)) => return Err(error),
                Err(Fault::NotSent(message)) => return Err(CallError::NotDone(message)),
                Err(Fault::Lost(message) | Fault::TooLarge(message)) => return Err(CallError::Unknown(message)),
            };
            let at = format!("`{} {}`", call.method, path_only(&call.target));
            if let Err((error, wait)) = self.check_throttle(&reply, attempt) {
                if attempt >= TRIES || self.shared.clock.monotonic().saturating_add(wait) > deadline {
                    return Err(error);
                }
                continue;
            }
            match self.verdict_of(&reply) {
                Verdict::AsItsStatus => {}
                // Whoever reads the answer will find the refusal in it.
                Verdict::Refused => return Ok(reply),
                Verdict::Retry => {
                    let message = format!("{at}: answered {}: {}", reply.status, self.words(&reply));
                    return Err(CallError::Unknown(message));
                }
            }
            return match reply.status {
                401 | 403 => Err(self.login_refused(&reply)),
                // Some of them are the answer to a write that was carried out (303).
                300..=399 => Err(CallError::Unknown(redirected(&at, &reply))),
                408 | 500.. => {
                    Err(CallError::Unknown(format!("{at}: answered {}: {}", reply.status, self.words(&reply))))
                }
                _ => Ok(reply),
            };
        }
        Err(CallError::NotDone("not tried".to_owned()))
    }

    /// Whether the answer says "too many requests"; if so, blocks the account for the wait it asks for.
    fn check_throttle(&self, reply: &Reply, attempt: u32) -> Result<(), (CallError, Duration)> {
        let throttled = &self.shared.connection.manifest.throttled;
        let says = |when: &AnswerMatch| when.fits(reply.status, self.error_body(reply).as_ref(), &reply.text());
        let named = reply.status == throttled.status && throttled.when.as_ref().is_none_or(says);
        if !named && reply.status != 429 {
            return Ok(());
        }
        let backoff = || Duration::from_secs(1).saturating_mul(1 << attempt.saturating_sub(1).min(6));
        let wait = match &throttled.wait {
            ThrottleWait::Fixed(wait) => *wait,
            ThrottleWait::RetryAfter => self.retry_after(reply).unwrap_or_else(backoff),
            ThrottleWait::EpochHeader(name) => self.until_epoch(reply, name).unwrap_or_else(backoff),
            ThrottleWait::Backoff => backoff(),
        };
        let wait = wait.max(Duration::from_secs(1));
        self.limits.block(wait);
        Err((self.limits.throttled(self.shared.clock.monotonic().saturating_add(wait)), wait))
    }

    /// `Retry-After`, in seconds or as a date, which is read by the remote's own clock.
    fn retry_after(&self, reply: &Reply) -> Option<Duration> {
        let text = reply.header("retry-after")?.trim();
        let wait = if let Ok(seconds) = text.parse::<f64>() {
            Duration::try_from_secs_f64(seconds).ok()?
        } else {
            let until = DateTime::parse_from_rfc2822(text).ok()?;
            (until.to_utc() - self.remote_now(reply)).to_std().unwrap_or_default()
        };
        Some(wait.min(LONGEST_REST))
    }

    /// A header with the second since 1970 at which the window begins anew, read by the remote's own clock.
    fn until_epoch(&self, reply: &Reply, name: &str) -> Option<Duration> {
        let until = DateTime::from_timestamp(reply.header(name)?.trim().parse().ok()?, 0)?;
        Some((until - self.remote_now(reply)).to_std().unwrap_or_default().min(LONGEST_REST))
    }

    fn remote_now(&self, reply: &Reply) -> DateTime<Utc> {
        let date = reply.header("date").and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        date.map_or_else(|| self.shared.clock.now(), |date| date.to_utc())
    }

    /// The pause before the attempt after this one: doubling, and spread so that many callers do not return at once.
    fn pause(&self, attempt: u32) -> Duration {
        let full = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(6));
        let spread = self.shared.jitter.lock().unwrap_or_else(PoisonError::into_inner).f64();
        full.mul_f64(0.5 + spread / 2.0)
    }

    fn login_refused(&self, reply: &Reply) -> CallError {
        let message = format!(
            "it answered {}: {}; check the connection's `auth` and what the login may do",
            reply.status,
            self.words(reply)
        );
        CallError::Login { connection: self.shared.connection.name.as_str().to_owned(), message }
    }

    /// The remote's own words in an answer that is not a success.
    pub(super) fn words(&self, reply: &Reply) -> String {
        let paths = &self.shared.connection.manifest.error_messages;
        let silence = || format!("status {} without a reason", reply.status);
        let text = match self.error_body(reply) {
            Some(body) => messages::of(paths, &body).unwrap_or_else(silence),
            None if reply.body.is_empty() => silence(),
            None => format!("it said {}", reply.beginning()),
        };
        reply.scrub(&text)
    }

    /// The body of an answer that says what went wrong. Gateways in front of an XML system speak JSON.
    pub(super) fn error_body(&self, reply: &Reply) -> Option<Value> {
        if reply.body.len() > LARGEST_COMPLAINT {
            return None;
        }
        let bodies = &self.shared.connection.manifest.bodies;
        let bytes = body::decoded(bodies.read, reply.header("content-type"), &reply.body).ok()?;
        let json = Bodies::default();
        match bytes.iter().find(|byte| !byte.is_ascii_whitespace())? {
            b'{' | b'[' => body::parse(&json, &bytes).ok(),
            _ if bodies.read == BodyKind::Xml => body::parse(bodies, &bytes).ok(),
            _ => None,
        }
    }

    /// Reads a body. Large ones are read by a thread of their own, as this one has others to serve.
    pub(super) async fn parse(&self, reply: &Reply, records: Option<&Path>) -> Result<Read, String> {
        let bodies = self.shared.connection.manifest.bodies.clone();
        let (bytes, content_type) = (reply.body.clone(), reply.header("content-type").map(str::to_owned));
        let large = bytes.len() > self.large;
        let records = records.filter(|_| large).cloned();
        let kind = bodies.read;
        let read = move || -> Result<Read, String> {
            let bytes = body::decoded(kind, content_type.as_deref(), &bytes)?;
            if let Some(records) = records
                && let Some((body, parts)) = body::split(&bodies, &bytes, &records)?
            {
                return Ok(Read { body, parts: Some(parts) });
            }
            Ok(Read { body: body::parse(&bodies, &bytes)?, parts: None })
        };
        let read = if reply.body.len() > 1 << 20 {
            tokio::task::spawn_blocking(read).await.map_err(|error| format!("reading the body failed: {error}"))?
        } else {
            read()
        };
        read.map_err(|error| reply.not_readable(body::name(kind), &error))
    }
}

fn redirected(at: &str, reply: &Reply) -> String {
    format!(
        "{at}: answered {} and points to `{}`; redirects are not followed, so give the final address as `base_url`",
        reply.status,
        reply.location()
    )
}
