//! Xero's rate limits: fixed windows of a minute and a day, and a number of calls at once.

use chrono::{DateTime, Utc};

use crate::sandbox::call::Answer;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// How many calls a practice Xero takes; `None` switches a limit off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XeroLimits {
    /// Calls in a minute, per organisation.
    pub minute: Option<u32>,
    /// Calls in a day, per organisation.
    pub day: Option<u32>,
    /// Calls in flight at once.
    pub concurrent: Option<usize>,
}

impl XeroLimits {
    /// What Xero documents: 60 a minute, 5,000 a day, 5 at once.
    pub const DOCUMENTED: Self = Self { minute: Some(60), day: Some(5_000), concurrent: Some(5) };
    /// No limits.
    pub const OFF: Self = Self { minute: None, day: None, concurrent: None };
}

/// The calls counted in the windows that are open now.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: XeroLimits,
    /// Windows start at another moment for each organisation.
    offset_ms: i64,
    minute: Window,
    day: Window,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    number: i64,
    used: u32,
}

impl Window {
    /// Turns to the window that holds `now` and gives the milliseconds until it ends.
    fn turn(&mut self, now: i64, length: i64) -> i64 {
        let number = now.div_euclid(length);
        if number != self.number {
            *self = Self { number, used: 0 };
        }
        length - now.rem_euclid(length)
    }
}

impl Meter {
    pub(crate) fn new(limits: XeroLimits, seed: u64) -> Self {
        let offset_ms = fastrand::Rng::with_seed(seed).i64(0..MINUTE_MS);
        Self { limits, offset_ms, minute: Window::default(), day: Window::default() }
    }

    pub(crate) fn set(&mut self, limits: XeroLimits) {
        self.limits = limits;
    }

    /// Counts a call, or refuses it with 429. A refused call is not counted.
    pub(crate) fn admit(&mut self, now: DateTime<Utc>, in_flight: usize) -> Result<(), Answer> {
        let now = now.timestamp_millis() + self.offset_ms;
        let minute_left = self.minute.turn(now, MINUTE_MS);
        let day_left = self.day.turn(now, DAY_MS);
        // Names of the problems: `minute` and `day` were seen live; `concurrent` is a guess.
        let refusal = if self.limits.concurrent.is_some_and(|most| in_flight > most) {
            Some(("concurrent", None))
        } else if self.limits.day.is_some_and(|most| self.day.used >= most) {
            Some(("day", Some(day_left)))
        } else if self.limits.minute.is_some_and(|most| self.minute.used >= most) {
            Some(("minute", Some(minute_left)))
        } else {
            None
        };
        let Some((problem, left)) = refusal else {
            self.minute.used += 1;
            self.day.used += 1;
            return Ok(());
        };
        let seconds = left.map(|ms| (ms + 999) / 1000);
        Err(too_many(problem, seconds.and_then(|seconds| u64::try_from(seconds).ok())))
    }

    /// Adds what is left to an answer.
    pub(crate) fn tell(&self, answer: Answer) -> Answer {
        let left = |limit: Option<u32>, used: u32| limit.unwrap_or(10_000).saturating_sub(used).to_string();
        answer
            .with("x-minlimit-remaining", left(self.limits.minute, self.minute.used))
            .with("x-daylimit-remaining", left(self.limits.day, self.day.used))
            .with("x-appminlimit-remaining", left(Some(10_000), self.minute.used))
    }
}

/// A 429; its body is not documented, so there is none.
pub(crate) fn too_many(problem: &str, retry_after: Option<u64>) -> Answer {
    let answer = Answer::empty(429).with("x-rate-limit-problem", problem);
    match retry_after {
        Some(seconds) => answer.with("retry-after", seconds.to_string()),
        None => answer,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms)
    }

    fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
        answer.headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_minute_is_a_fixed_window() {
        let mut meter = Meter::new(XeroLimits { minute: Some(2), ..XeroLimits::OFF }, 1);
        meter.offset_ms = 10_000;
        assert!(meter.admit(at(0), 1).is_ok());
        assert!(meter.admit(at(49_000), 1).is_ok());
        let refused = meter.admit(at(49_001), 1).unwrap_err();
        assert_eq!((refused.status, header(&refused, "x-rate-limit-problem")), (429, Some("minute")));
        assert_eq!(header(&refused, "retry-after"), Some("1"));
        assert!(meter.admit(at(50_000), 1).is_ok(), "a new window, not a sliding one");
        assert_eq!(header(&meter.tell(Answer::empty(200)), "x-minlimit-remaining"), Some("1"));
    }

    #[test]
    fn the_day_and_the_calls_at_once_have_their_own_limits() {
        let mut meter = Meter::new(XeroLimits { minute: None, day: Some(1), concurrent: Some(5) }, 1);
        let refused = meter.admit(at(0), 6).unwrap_err();
        assert_eq!(header(&refused, "x-rate-limit-problem"), Some("concurrent"));
        assert_eq!(header(&refused, "retry-after"), None);
        assert!(meter.admit(at(0), 5).is_ok());
        let refused = meter.admit(at(1), 1).unwrap_err();
        assert_eq!(header(&refused, "x-rate-limit-problem"), Some("day"));
    }
}
