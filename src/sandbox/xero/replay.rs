//! Idempotency keys: the first answer under a key is given again for six minutes, errors included.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use super::envelope::problem;
use crate::sandbox::call::{Answer, Call};

/// Counted from the first call (Xero guide "Idempotent requests").
const LIFE: TimeDelta = TimeDelta::minutes(6);
const MAX_KEY: usize = 128;

#[derive(Debug)]
struct Kept {
    fingerprint: u128,
    until: DateTime<Utc>,
    answer: Answer,
}

/// The answers kept for their keys.
#[derive(Debug, Default)]
pub(crate) struct Replays {
    kept: HashMap<String, Kept>,
    by_age: VecDeque<(DateTime<Utc>, String)>,
}

/// The key of a call that may have one: a GET's is ignored.
pub(crate) fn key(call: &Call) -> Option<&str> {
    if call.method.is_safe() { None } else { call.header("idempotency-key").filter(|key| !key.is_empty()) }
}

impl Replays {
    /// The answer to give without applying anything, if the key settles it.
    pub(crate) fn find(&mut self, key: &str, call: &Call, now: DateTime<Utc>) -> Option<Answer> {
        while self.by_age.front().is_some_and(|(until, _)| *until <= now) {
            let Some((_, old)) = self.by_age.pop_front() else { break };
            if self.kept.get(&old).is_some_and(|kept| kept.until <= now) {
                self.kept.remove(&old);
            }
        }
        if key.len() > MAX_KEY {
            return Some(problem(400, None, &format!("Idempotency Key exceeds {MAX_KEY} characters.")));
        }
        let kept = self.kept.get(key)?;
        if kept.fingerprint == call.fingerprint() {
            return Some(kept.answer.clone());
        }
        Some(problem(400, None, &format!("Idempotency Key: {key} is used with a different request.")))
    }

    /// Keeps the answer to a call. An answer that replaces a kept one, as a fault's does, keeps the first time.
    pub(crate) fn keep(&mut self, key: &str, call: &Call, answer: &Answer, now: DateTime<Utc>) {
        let fingerprint = call.fingerprint();
        if let Some(kept) = self.kept.get_mut(key).filter(|kept| kept.until > now) {
            if kept.fingerprint == fingerprint {
                kept.answer = answer.clone();
            }
            return;
        }
        let until = now + LIFE;
        self.by_age.push_back((until, key.to_owned()));
        self.kept.insert(key.to_owned(), Kept { fingerprint, until, answer: answer.clone() });
    }
}
