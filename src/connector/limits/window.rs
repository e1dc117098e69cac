//! One limit of one account: how much of it is used, and when there will be room.

use std::{collections::VecDeque, time::Duration};

use super::{Budget, Priority};

/// Above this many requests a window is kept in steps of a hundredth of its span instead of exact stamps, so that a
/// day of 5,000 requests needs no 5,000 entries.
const EXACT: u32 = 1000;

/// Two requests exactly one span apart may fall into one window of the remote, depending on how it rounds.
const MARGIN: Duration = Duration::from_millis(1);

/// What a request must get past.
#[derive(Debug)]
pub(super) enum Pool {
    /// So many requests in any span.
    Window(Window),
    /// So many at once.
    InFlight { max: u32, now: u32 },
    /// Nothing before this time (`Retry-After`).
    Block { until: Duration },
}

impl Pool {
    /// Whether one more request may go now.
    pub(super) fn admits(&mut self, now: Duration, priority: Priority) -> bool {
        match self {
            Self::Window(window) => {
                window.expire(now);
                window.used() < window.cap(priority)
            }
            Self::InFlight { max, now } => now < max,
            Self::Block { until } => now >= *until,
        }
    }

    /// Counts a request that begins now.
    pub(super) const fn begin(&mut self) {
        match self {
            Self::Window(window) => window.open = window.open.saturating_add(1),
            Self::InFlight { now, .. } => *now = now.saturating_add(1),
            Self::Block { .. } => {}
        }
    }

    /// A request ended; `counted` unless it is certain that the remote never saw it.
    pub(super) fn end(&mut self, now: Duration, counted: bool) {
        match self {
            Self::Window(window) => {
                window.open = window.open.saturating_sub(1);
                if counted {
                    window.note(now, 1);
                }
            }
            Self::InFlight { now, .. } => *now = now.saturating_sub(1),
            Self::Block { .. } => {}
        }
    }

    /// The earliest time at which a request with `ahead` others before it could go; `None` when that depends only on
    /// others ending.
    pub(super) fn when(&mut self, now: Duration, ahead: u32, priority: Priority) -> Option<Duration> {
        match self {
            Self::Window(window) => {
                window.expire(now);
                Some(window.when(now, ahead, priority))
            }
            Self::InFlight { max, now: busy } => (*busy < *max).then_some(now),
            Self::Block { until } => Some(now.max(*until)),
        }
    }
}

/// A sliding log. A request counts from its beginning until one span after its *end*: the remote counted it at some
/// instant in between, so no window of that length on the remote's side ever holds more than `count`.
#[derive(Debug)]
pub(super) struct Window {
    count: u32,
    per: Duration,
    /// Stamps with their numbers, oldest first.
    log: VecDeque<(Duration, u32)>,
    logged: u32,
    open: u32,
}

impl Window {
    pub(super) fn new(count: u32, per: Duration) -> Self {
        Self { count: count.max(1), per, log: VecDeque::new(), logged: 0, open: 0 }
    }

    /// The span.
    pub(super) const fn per(&self) -> Duration {
        self.per
    }

    /// How many.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// A changed manifest may allow more or fewer.
    pub(super) fn allow(&mut self, count: u32) {
        self.count = count.max(1);
    }

    /// How long a request counts after its end.
    const fn span(&self) -> Duration {
        self.per.saturating_add(MARGIN)
    }

    const fn used(&self) -> u32 {
        self.logged.saturating_add(self.open)
    }

    /// What is left of it, all of it.
    pub(super) fn budget(&mut self, now: Duration) -> Budget {
        self.expire(now);
        Budget { per: self.per, of: self.count, left: self.count.saturating_sub(self.used()) }
    }

    /// A tenth is kept for what a person started and waits for.
    const fn cap(&self, priority: Priority) -> u32 {
        match priority {
            Priority::Manual => self.count,
            Priority::Automatic => self.count - self.count / 10,
        }
    }

    fn note(&mut self, now: Duration, number: u32) {
        let stamp = if self.count > EXACT { round_up(now, self.per / 100) } else { now };
        self.logged = self.logged.saturating_add(number);
        match self.log.back_mut() {
            Some((last, counted)) if *last >= stamp => *counted = counted.saturating_add(number),
            _ => self.log.push_back((stamp, number)),
        }
    }

    fn expire(&mut self, now: Duration) {
        while let Some((stamp, number)) = self.log.front() {
            if stamp.saturating_add(self.span()) > now {
                break;
            }
            self.logged = self.logged.saturating_sub(*number);
            self.log.pop_front();
        }
    }

    fn when(&self, now: Duration, ahead: u32, priority: Priority) -> Duration {
        let cap = self.cap(priority);
        let missing = self.used().saturating_add(ahead).saturating_add(1).saturating_sub(cap);
        if missing == 0 {
            return now;
        }
        // Places come free in the order of the log; once all have, those who took them hold them for a span more.
        let places = cap.max(self.used()).max(1);
        let (rounds, mut place) = ((missing - 1) / places, (missing - 1) % places + 1);
        let span = self.span();
        let mut free = now.saturating_add(span);
        for (stamp, number) in &self.log {
            if *number >= place {
                free = stamp.saturating_add(span);
                break;
            }
            place -= number;
        }
        free.saturating_add(span.saturating_mul(rounds))
    }

    /// The remote says how many are left. If it counted more than we did (another program shares the account, we
    /// were restarted, the allowance is smaller than the manifest says), its word counts from now on.
    pub(super) fn learn(&mut self, now: Duration, left: u32) {
        self.expire(now);
        let theirs = self.count.saturating_sub(left);
        let unknown = theirs.saturating_sub(self.used());
        if unknown > 0 {
            self.note(now, unknown);
        }
    }
}

fn round_up(at: Duration, step: Duration) -> Duration {
    let step = step.as_nanos().max(1);
    let rounded = at.as_nanos().div_ceil(step) * step;
    u64::try_from(rounded).map_or(at, Duration::from_nanos)
}
