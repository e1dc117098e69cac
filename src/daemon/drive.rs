//! Driving a daemon on a manual clock: when is everything done that can be done now, and what does the rest wait for?

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    control::{Handle, Shared},
    slot::{Rest, Slot},
    status::Phase,
};

/// Whether anything goes on.
enum Quiet {
    /// No: everybody waits, and this is the earliest instant anybody waits for.
    Settled(Option<DateTime<Utc>>),
    /// So many runs are under way, and everybody else waits, some of them until these instants.
    Running(usize, Vec<DateTime<Utc>>),
    /// Somebody has something to do at once.
    No,
}

/// What a manual clock has to be moved to.
enum Instant {
    /// What a run waits for, in time since the clock was made.
    OfRun(Duration),
    /// What the schedules wait for.
    OfSchedule(Option<DateTime<Utc>>),
}

impl Shared {
    /// Whether everybody waits, and for what.
    fn quiet(&self) -> Quiet {
        let now = self.clock.now();
        let (mut rests, mut running, mut queued) = (Vec::new(), Vec::new(), Vec::new());
        let slots = self.slots();
        for slot in slots.values() {
            let (rest, by_hand, phase) = slot.peek(|state| (state.rest, state.by_hand, state.phase.clone()));
            match (phase, rest) {
                (Phase::Running { .. }, _) => running.push(slot),
                (Phase::Queued { .. }, _) => queued.push(slot),
                (Phase::Waiting, Rest::Until(at)) if at > now && by_hand == 0 => {
                    rests.push(at);
                }
                (Phase::Waiting, rest) => {
                    if by_hand > 0 || !matches!(rest, Rest::Woken | Rest::Ended) {
                        return Quiet::No;
                    }
                }
            }
        }
        // Who stands in line behind nobody begins at once.
        let behind = |slot: &Slot| running.iter().any(|other| other.shares(&slot.connections()));
        if !queued.into_iter().all(|slot| behind(slot)) {
            return Quiet::No;
        }
        if running.is_empty() { Quiet::Settled(rests.into_iter().min()) } else { Quiet::Running(running.len(), rests) }
    }

    /// Where every run that goes on waits for the clock (for its turn at a limited remote, say): until when the first
    /// of them does.
    fn all_wait_for_the_clock(
        &self,
        running: usize,
        rests: &[DateTime<Utc>],
        sleeps: &BTreeMap<u64, Duration>,
    ) -> Option<Duration> {
        let clock = &self.clock;
        let (elapsed, now) = (clock.monotonic(), clock.now());
        let mut others: Vec<Duration> = sleeps.values().copied().filter(|until| *until > elapsed).collect();
        for at in rests {
            // The rest of an integration that has nothing to do is not a run that waits.
            let own = elapsed.saturating_add((*at - now).to_std().unwrap_or_default());
            if let Some(index) = others.iter().position(|until| *until == own) {
                others.swap_remove(index);
            }
        }
        if others.len() < running { None } else { others.into_iter().min() }
    }
}

impl Handle {
    /// Makes a snapshot of the store if one is due and nothing runs, as the daemon's own job does each minute.
    pub async fn take_snapshot_if_due(&self) {
        super::snapshots::take_if_due(&self.shared).await;
    }

    /// Returns when no run is under way and every integration waits: the earliest instant any of them waits for.
    pub async fn settled(&self) -> Option<DateTime<Utc>> {
        let mut stirred = self.shared.stirred.subscribe();
        loop {
            stirred.borrow_and_update();
            let quiet = self.shared.quiet();
            if stirred.has_changed().unwrap_or(false) {
                continue;
            }
            if let Quiet::Settled(next) = quiet {
                return next;
            }
            // The sender lives in `self`.
            let _ = stirred.changed().await;
        }
    }

    /// Moves a manual clock from one thing that happens to the next until `instant`, and waits for its ends. A run
    /// that waits for the clock itself gets the time it waits for, so the clock may end up later than `instant`.
    ///
    /// # Panics
    ///
    /// On the system clock.
    pub async fn run_until(&self, instant: DateTime<Utc>) {
        let clock = &self.shared.clock;
        loop {
            let next = self.next_instant().await;
            let now = clock.now();
            match next {
                Instant::OfRun(until) => clock.advance(until.saturating_sub(clock.monotonic())),
                Instant::OfSchedule(_) if now >= instant => return,
                Instant::OfSchedule(next) => {
                    let to = next.map_or(instant, |next| next.min(instant));
                    clock.advance((to - now).to_std().unwrap_or_default());
                }
            }
        }
    }

    /// Returns when nothing happens any more unless a manual clock is moved.
    async fn next_instant(&self) -> Instant {
        let clock = &self.shared.clock;
        assert!(clock.is_manual(), "only a manual clock can be moved");
        let mut stirred = self.shared.stirred.subscribe();
        let Some(mut sleeps) = clock.sleeps() else { return Instant::OfSchedule(None) };
        loop {
            stirred.borrow_and_update();
            let sleeping = sleeps.borrow_and_update().clone();
            let quiet = self.shared.quiet();
            if stirred.has_changed().unwrap_or(false) || sleeps.has_changed().unwrap_or(false) {
                continue;
            }
            match quiet {
                Quiet::Settled(next) => return Instant::OfSchedule(next),
                Quiet::Running(running, rests) => {
                    if let Some(until) = self.shared.all_wait_for_the_clock(running, &rests, &sleeping) {
                        return Instant::OfRun(until);
                    }
                }
                Quiet::No => {}
            }
            tokio::select! {
                _ = stirred.changed() => {}
                _ = sleeps.changed() => {}
            }
        }
    }
}
