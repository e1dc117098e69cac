//! How long flushes took, counted for whoever measures it. Nothing depends on these numbers.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The upper ends of the classes in which the length of flushes is counted, in seconds.
pub const FLUSH_SECONDS: [f64; 7] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.0, 10.0];

/// The lengths of flushes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flushes {
    /// How many took at most as long as the class of this place in [`FLUSH_SECONDS`] and longer than the one before; the
    /// last holds those that took longer than any.
    pub classes: [u64; FLUSH_SECONDS.len() + 1],
    /// All of them together, in seconds.
    pub sum: f64,
}

/// The numbers while they grow.
#[derive(Debug, Default)]
pub(super) struct FlushTimes(Mutex<Flushes>);

impl FlushTimes {
    /// The numbers now.
    pub fn read(&self) -> Flushes {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One took so long, whatever came of it.
    pub fn note(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let mut flushes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let class = FLUSH_SECONDS.iter().position(|end| seconds <= *end).unwrap_or(FLUSH_SECONDS.len());
        if let Some(count) = flushes.classes.get_mut(class) {
            *count += 1;
        }
        flushes.sum += seconds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flush_is_in_one_class() {
        let times = FlushTimes::default();
        for millis in [1, 2, 100, 101, 60_000] {
            times.note(Duration::from_millis(millis));
        }
        let flushes = times.read();
        assert_eq!(flushes.classes, [1, 1, 0, 1, 1, 0, 0, 1]);
        assert!((flushes.sum - 60.204).abs() < 1e-9, "{}", flushes.sum);
    }
}
