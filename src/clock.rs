//! Time as a parameter.
//!
//! Everything that asks what time it is, or waits, asks a [`Clock`]. The daemon and the practice systems of a test
//! share one manual clock, so a test drives days in milliseconds. Time-outs of HTTP calls are the exception: they
//! stay on real time, because a real socket does not know about a virtual hour.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

/// A source of wall time (for schedules, stamps and people) and monotonic time (for waits and budgets).
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

enum Inner {
    System {
        started: Instant,
    },
    Manual {
        state: Mutex<Manual>,
        moved: watch::Sender<Duration>,
        sleeps: watch::Sender<BTreeMap<u64, Duration>>,
        jumped: watch::Sender<u64>,
    },
}

struct Manual {
    wall_at_start: DateTime<Utc>,
    elapsed: Duration,
}

/// A wait on a manual clock, struck off the list when it ends or is dropped.
struct Sleep<'c> {
    sleeps: &'c watch::Sender<BTreeMap<u64, Duration>>,
    number: u64,
}

impl<'c> Sleep<'c> {
    fn new(sleeps: &'c watch::Sender<BTreeMap<u64, Duration>>, until: Duration) -> Self {
        let mut number = 0;
        sleeps.send_modify(|sleeps| {
            number = sleeps.last_key_value().map_or(0, |(last, _)| last.wrapping_add(1));
            sleeps.insert(number, until);
        });
        Self { sleeps, number }
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.sleeps.send_modify(|sleeps| {
            sleeps.remove(&self.number);
        });
    }
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Inner::System { started: Instant::now() }))
    }

    /// A clock that stands still until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual(start: DateTime<Utc>) -> Self {
        let (moved, _) = watch::channel(Duration::ZERO);
        Self(Arc::new(Inner::Manual {
            state: Mutex::new(Manual { wall_at_start: start, elapsed: Duration::ZERO }),
            moved,
            sleeps: watch::Sender::default(),
            jumped: watch::Sender::default(),
        }))
    }

    /// The wall time, which a person or NTP may move in either direction.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match &*self.0 {
            Inner::System { .. } => Utc::now() + moved(),
            Inner::Manual { state, .. } => {
                let state = lock(state);
                state.wall_at_start + TimeDelta::from_std(state.elapsed).unwrap_or(TimeDelta::MAX)
            }
        }
    }

    /// Time since the clock was made; never goes back.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        match &*self.0 {
            Inner::System { started } => started.elapsed(),
            Inner::Manual { state, .. } => lock(state).elapsed,
        }
    }

    /// Waits until [`Clock::monotonic`] has reached `at`. Cancel safe.
    pub async fn sleep_until(&self, at: Duration) {
        match &*self.0 {
            Inner::System { started } => tokio::time::sleep_until((*started + at).into()).await,
            Inner::Manual { moved, sleeps, .. } => {
                let _sleep = Sleep::new(sleeps, at);
                let mut moves = moved.subscribe();
                // The sender lives as long as `self`, so waiting can only end by reaching the time.
                let _ = moves.wait_for(|elapsed| *elapsed >= at).await;
            }
        }
    }

    /// Waits for `span`. Cancel safe.
    pub async fn sleep(&self, span: Duration) {
        self.sleep_until(self.monotonic().saturating_add(span)).await;
    }

    /// Moves a manual clock forward and wakes whoever waited for a time that has now come.
    ///
    /// # Panics
    ///
    /// Panics on the system clock: only a test can move time.
    pub fn advance(&self, span: Duration) {
        match &*self.0 {
            Inner::System { .. } => panic!("the system clock cannot be moved"),
            Inner::Manual { state, moved, .. } => {
                let elapsed = {
                    let mut state = lock(state);
                    state.elapsed = state.elapsed.saturating_add(span);
                    state.elapsed
                };
                moved.send_replace(elapsed);
            }
        }
    }

    /// Has the wall time of a manual clock jump, in either direction; waits go on as before.
    ///
    /// # Panics
    ///
    /// Panics on the system clock.
    pub fn jump(&self, by: TimeDelta) {
        match &*self.0 {
            Inner::System { .. } => panic!("the system clock cannot be moved"),
            Inner::Manual { state, jumped, .. } => {
                lock(state).wall_at_start += by;
                jumped.send_modify(|count| *count = count.wrapping_add(1));
            }
        }
    }

    /// Tells of the jumps of a manual clock; `None` for the system clock, which tells nobody.
    #[must_use]
    pub fn jumps(&self) -> Option<watch::Receiver<u64>> {
        match &*self.0 {
            Inner::System { .. } => None,
            Inner::Manual { jumped, .. } => Some(jumped.subscribe()),
        }
    }

    /// Who waits on a manual clock and until when; `None` for the system clock. So a test can tell work that waits
    /// for the clock from work that goes on.
    #[must_use]
    pub fn sleeps(&self) -> Option<watch::Receiver<BTreeMap<u64, Duration>>> {
        match &*self.0 {
            Inner::System { .. } => None,
            Inner::Manual { sleeps, .. } => Some(sleeps.subscribe()),
        }
    }

    /// Whether a test moves this clock.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        matches!(&*self.0, Inner::Manual { .. })
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now().to_rfc3339())
    }
}

/// How far somebody put the machine's clock forward, in a test through the built program: a debug build reads the seconds
/// in the file that `RECONCILED_CLOCK` names, each time anew. A release build does not look at the variable.
#[cfg(debug_assertions)]
fn moved() -> TimeDelta {
    use std::{path::PathBuf, sync::LazyLock};

    static BY: LazyLock<Option<PathBuf>> = LazyLock::new(|| std::env::var_os("RECONCILED_CLOCK").map(PathBuf::from));
    let seconds = BY.as_ref().and_then(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok());
    TimeDelta::try_seconds(seconds.unwrap_or_default()).unwrap_or_default()
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
const fn moved() -> TimeDelta {
    TimeDelta::zero()
}

/// A poisoned lock only means that another thread panicked while holding plain numbers; they are still valid.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_a_sleeper_only_when_its_time_has_come() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        let sleeper = {
            let clock = clock.clone();
            tokio::spawn(async move {
                clock.sleep_until(Duration::from_mins(1)).await;
                clock.now()
            })
        };
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        assert_eq!(sleeper.await.unwrap().timestamp(), 60);
    }
}
