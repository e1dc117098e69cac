//! What systems answer and how long that takes, counted for whoever measures it. Nothing depends on these numbers.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The upper ends of the classes in which the length of requests is counted, in seconds.
pub const REQUEST_SECONDS: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// A kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerClass {
    /// 2xx.
    Good,
    /// 1xx and 3xx: neither is expected.
    Elsewhere,
    /// 4xx but 429: the system does not take it.
    Refused,
    /// 429: too many requests.
    TooMany,
    /// 5xx: the system fails.
    Failed,
    /// None came, or not all of it.
    Missing,
}

impl AnswerClass {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Good, Self::Elsewhere, Self::Refused, Self::TooMany, Self::Failed, Self::Missing];

    /// As it is called in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "2xx",
            Self::Elsewhere => "3xx",
            Self::Refused => "4xx",
            Self::TooMany => "429",
            Self::Failed => "5xx",
            Self::Missing => "none",
        }
    }

    const fn of(status: Option<u16>) -> Self {
        match status {
            Some(200..=299) => Self::Good,
            Some(429) => Self::TooMany,
            Some(400..=499) => Self::Refused,
            Some(500..) => Self::Failed,
            Some(_) => Self::Elsewhere,
            None => Self::Missing,
        }
    }
}

/// The answers of one connection, since it began to be used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Traffic {
    /// How many of each kind, in the order of [`AnswerClass::ALL`].
    pub answers: [u64; AnswerClass::ALL.len()],
    /// How many requests took at most as long as the class of this place in [`REQUEST_SECONDS`] and longer than the one
    /// before; the last holds those that took longer than any.
    pub lengths: [u64; REQUEST_SECONDS.len() + 1],
    /// All of them together, in seconds.
    pub seconds: f64,
}

/// The numbers while they grow.
#[derive(Debug, Default)]
pub(super) struct TrafficCounter(Mutex<Traffic>);

impl TrafficCounter {
    /// The numbers now.
    pub fn read(&self) -> Traffic {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request took so long until its answer was read to the end, or until there was none.
    pub fn note(&self, status: Option<u16>, took: Duration) {
        let seconds = took.as_secs_f64();
        let class = AnswerClass::of(status);
        let answer = AnswerClass::ALL.iter().position(|known| *known == class).unwrap_or_default();
        let length = REQUEST_SECONDS.iter().position(|end| seconds <= *end).unwrap_or(REQUEST_SECONDS.len());
        let mut traffic = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = traffic.answers.get_mut(answer) {
            *count += 1;
        }
        if let Some(count) = traffic.lengths.get_mut(length) {
            *count += 1;
        }
        traffic.seconds += seconds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_in_one_class_of_answers_and_one_of_lengths() {
        let counter = TrafficCounter::default();
        let seen = [Some(200), Some(204), Some(302), Some(404), Some(429), Some(500), Some(599), None];
        for (status, millis) in seen.into_iter().zip([50, 51, 100, 300, 1_000, 2_000, 30_000, 31_000]) {
            counter.note(status, Duration::from_millis(millis));
        }
        let traffic = counter.read();
        assert_eq!(traffic.answers, [2, 1, 1, 1, 2, 1]);
        assert_eq!(traffic.lengths, [1, 2, 0, 1, 1, 1, 0, 0, 1, 1]);
        assert!((traffic.seconds - 64.501).abs() < 1e-9, "{}", traffic.seconds);
    }
}
