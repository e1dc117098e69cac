//! Judging one attempt: what may be tried again, how long to wait before it, and what is known when it failed.

use std::{sync::PoisonError, time::Duration};

use chrono::DateTime;
use reqwest::Method;
use serde_json::Value;

use super::{
    HttpConnector,
    address::path_only,
    messages,
    transport::{Fault, Outgoing, Reply},
};
use crate::connector::{CallError, LONGEST_WAIT, PreparedCall, ThrottleWait};

/// How often one call is attempted in all.
const TRIES: u32 = 4;

/// Pause before the second attempt of a read that failed; doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// No remote is believed that asks for a longer rest than its longest window, a day, and a bit.
const LONGEST_REST: Duration = Duration::from_hours(25);

/// What came of one attempt of a read.
enum Attempt {
    Done(Box<Reply>, Option<Value>),
    Again(CallError, Option<Duration>),
    Failed(CallError),
}

impl HttpConnector {
    /// Reads `target` until it is understood: a JSON answer of status 2xx, or one of the `other` statuses without.
    pub(super) async fn read(
        &self,
        target: &str,
        headers: &[(String, String)],
        other: &[u16],
    ) -> Result<(Reply, Option<Value>), CallError> {
        for attempt in 1.. {
            let deadline = self.shared.clock.monotonic() + LONGEST_WAIT;
            let out = Outgoing { method: Method::GET, target, headers, body: None, deadline };
            let (error, asked) = match self.judge_read(self.once(&out).await, target, other, attempt).await {
                Attempt::Done(reply, body) => return Ok((*reply, body)),
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

    async fn judge_read(&self, outcome: Result<Reply, Fault>, target: &str, other: &[u16], attempt: u32) -> Attempt {
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
        match reply.status {
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
            _ if reply.ok() => match parse(&reply).await {
                Ok(body) => Attempt::Done(Box::new(reply), Some(body)),
                Err(message) => Attempt::Again(CallError::BadAnswer(format!("{at}: {message}")), None),
            },
            status => {
                let message = format!("{at}: answered {status}: {}", self.words(&reply));
                Attempt::Failed(CallError::Refused { status, message })
            }
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
        if reply.status != throttled.status && reply.status != 429 {
            return Ok(());
        }
        let wait = match throttled.wait {
            ThrottleWait::Fixed(wait) => wait,
            ThrottleWait::RetryAfter => self
                .retry_after(reply)
                .unwrap_or_else(|| Duration::from_secs(1).saturating_mul(1 << attempt.saturating_sub(1).min(6))),
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
            let date = reply.header("date").and_then(|date| DateTime::parse_from_rfc2822(date).ok());
            let now = date.map_or_else(|| self.shared.clock.now(), |date| date.to_utc());
            (until.to_utc() - now).to_std().unwrap_or_default()
        };
        Some(wait.min(LONGEST_REST))
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
        let text = match serde_json::from_slice(&reply.body) {
            Ok(body) => messages::of(paths, &body).unwrap_or_else(silence),
            Err(_) if reply.body.is_empty() => silence(),
            Err(_) => format!("it said {}", reply.beginning()),
        };
        reply.scrub(&text)
    }
}

/// Parses a body. Large ones go to a thread of their own, as this one has others to serve.
pub(super) async fn parse(reply: &Reply) -> Result<Value, String> {
    let body = reply.body.clone();
    let read = move || serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body));
    let parsed = if reply.body.len() > 1 << 20 {
        tokio::task::spawn_blocking(read).await.map_err(|error| format!("reading the body failed: {error}"))?
    } else {
        read()
    };
    parsed.map_err(|error| reply.not_json(&error))
}

fn redirected(at: &str, reply: &Reply) -> String {
    format!(
        "{at}: answered {} and points to `{}`; redirects are not followed, so give the final address as `base_url`",
        reply.status,
        reply.location()
    )
}
