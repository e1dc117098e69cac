//! When an integration looks and when it runs. Pure: time comes in as values, and nothing happens by itself.
//!
//! An [`Agenda`] is told what happened (a change was seen, a run ended) and says when it wants to be asked again
//! ([`Agenda::next_wake`]) and what to do then ([`Agenda::fire`]).
//!
//! - Polls sit on multiples of their interval from local midnight. Those missed while something else went on are made
//!   up for by one.
//! - While hooks of a connection come, it is polled less often (`hooked`).
//! - A window opens when a change is seen, restarts with each further one, and closes at the latest `max_wait` after
//!   it opened. Closing is a run, and a run reads everything again; so a poll at that instant is part of it.
//! - Times of `cron` are those of the integration's time zone, later by its place in a `spread`.
//! - A run in a black-out writes nothing; its end is a reason for a run, if there was one in it.
//! - `after_idle` counts from the end of the last run, whoever asked for it. A poll is no run.
//! - A remote that fails for a reason that passes, and records that a run left over, are tried again with back-off.
//! - A remote that refuses us is polled no more; `refusals` says when it is asked again. Once it answers, a run does
//!   whatever waited for it.

mod hooked;
mod refusals;
mod times;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use hooked::Hooked;
use refusals::Refusals;
use times::{next_cron, next_poll, plus};

use super::{HookNow, WaitReason};
use crate::config::{ConnectionName, Integration};

/// First wait before something that failed is tried again.
const RETRY_FIRST: Duration = Duration::from_secs(30);
/// Longest wait before something that failed is tried again.
const RETRY_MOST: Duration = Duration::from_mins(15);

/// Something to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look whether a connection has anything new.
    Poll {
        /// The connection.
        connection: ConnectionName,
        /// When the poll was meant; a change it finds counts as seen then, so that a slow answer does not move the
        /// window off the polls.
        at: DateTime<Utc>,
    },
    /// Run.
    Run {
        /// Why, for people.
        why: String,
        /// Read everything, whatever the cursors say.
        full: bool,
    },
}

/// What is remembered of an integration over a restart.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// When its last run ended; `None` if it never ran.
    pub last_run: Option<DateTime<Utc>>,
    /// When the resource that waits longest for it was last read in full.
    pub read_in_full: Option<DateTime<Utc>>,
    /// Records are due now: changes were seen and not yet written.
    pub changes_wait: bool,
    /// When the first record that is not due yet will be.
    pub due: Option<DateTime<Utc>>,
    /// A person paused it.
    pub paused: bool,
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// Something failed that passes, or records were left over: try again.
    pub again: bool,
    /// Only a part of the integration was run: what waits for another attempt still does.
    pub partial: bool,
    /// As [`Remembered::due`].
    pub due: Option<DateTime<Utc>>,
    /// As [`Remembered::read_in_full`].
    pub read_in_full: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug)]
struct Window {
    opened: DateTime<Utc>,
    last_change: DateTime<Utc>,
    changes: u64,
}

/// Something that is tried again.
#[derive(Clone, Debug, Default)]
struct Retry {
    at: Option<DateTime<Utc>>,
    attempts: u32,
    run: bool,
    polls: BTreeSet<ConnectionName>,
}

/// When one integration looks and runs.
#[derive(Clone, Debug)]
pub struct Agenda {
    integration: Arc<Integration>,
    paused: bool,
    running: bool,
    /// Times of the timetable up to here have been dealt with.
    looked: DateTime<Utc>,
    /// Polls up to here have been dealt with.
    polled: BTreeMap<ConnectionName, DateTime<Utc>>,
    hooked: Hooked,
    window: Option<Window>,
    asked: Option<String>,
    last_run: Option<DateTime<Utc>>,
    read_in_full: Option<DateTime<Utc>>,
    due: Option<DateTime<Utc>>,
    retry: Retry,
    refusals: Refusals,
}

impl Agenda {
    /// The agenda of an integration that begins (again) now: one that never ran runs at once, and one that left
    /// changes unwritten opens its window.
    #[must_use]
    pub fn new(integration: Arc<Integration>, remembered: &Remembered, now: DateTime<Utc>) -> Self {
        let polled = integration.schedule.poll.keys().map(|connection| (connection.clone(), now)).collect();
        let mut agenda = Self {
            asked: remembered.last_run.is_none().then(|| "first start".to_owned()),
            integration,
            paused: remembered.paused,
            running: false,
            looked: now,
            polled,
            hooked: Hooked::default(),
            window: None,
            last_run: remembered.last_run,
            read_in_full: remembered.read_in_full,
            due: remembered.due,
            retry: Retry::default(),
            refusals: Refusals::default(),
        };
        if remembered.changes_wait {
            agenda.saw_change(now);
        }
        agenda
    }

    /// Whether nothing starts by itself.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.paused || !self.integration.automatic
    }

    /// A person paused it.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// A person pauses or resumes it. What a pause left out is not made up for, except by what is overdue.
    pub fn pause(&mut self, paused: bool, now: DateTime<Utc>) {
        if self.paused && !paused {
            self.looked = now;
            self.polled.values_mut().for_each(|polled| *polled = now);
        }
        self.paused = paused;
    }

    /// Goes on with another timetable: what was waited for still is, and what was done still counts.
    pub fn retune(&mut self, integration: Arc<Integration>, now: DateTime<Utc>) {
        if !self.integration.automatic && integration.automatic {
            self.looked = now;
            self.polled.values_mut().for_each(|polled| *polled = now);
        }
        self.polled.retain(|connection, _| integration.schedule.poll.contains_key(connection));
        for connection in integration.schedule.poll.keys() {
            self.polled.entry(connection.clone()).or_insert(now);
        }
        self.retry.polls.retain(|connection| integration.schedule.poll.contains_key(connection));
        self.refusals.retain(|connection| integration.pipelines.iter().any(|pipeline| pipeline.uses(connection)));
        self.integration = integration;
    }

    /// Something new was seen, by a poll or a webhook.
    pub fn saw_change(&mut self, at: DateTime<Utc>) {
        let window = self.window.get_or_insert(Window { opened: at, last_change: at, changes: 0 });
        window.last_change = window.last_change.max(at);
        window.changes += 1;
    }

    /// A system told by a hook that something changed on this connection.
    pub fn was_told(&mut self, connection: &ConnectionName, at: DateTime<Utc>) {
        self.hooked.came(connection, at);
        self.saw_change(at);
    }

    /// A poll of this connection found something that no hook had told of.
    pub fn was_not_told(&mut self, connection: &ConnectionName) {
        self.hooked.missed(connection);
    }

    /// When each connection's last hook came, and how often it is polled for now.
    #[must_use]
    pub fn hooks(&self, now: DateTime<Utc>) -> Vec<HookNow> {
        self.hooked.now(&self.integration.schedule.poll, now)
    }

    /// A run is wanted at once, unless nothing starts by itself.
    pub fn ask(&mut self, why: &str) {
        self.asked.get_or_insert_with(|| why.to_owned());
    }

    /// When the last run ended.
    #[must_use]
    pub const fn last_run(&self) -> Option<DateTime<Utc>> {
        self.last_run
    }

    /// Whether a run goes on, as far as the agenda was told.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.running
    }

    /// A run of the whole integration begins by hand: it does what any other reason wanted.
    pub fn run_began(&mut self, now: DateTime<Utc>) {
        self.running = true;
        self.asked = None;
        self.window = None;
        self.looked = self.looked.max(now);
        self.polled.values_mut().for_each(|polled| *polled = now.max(*polled));
        self.due = self.due.filter(|due| *due > now);
        self.retry.at = None;
    }

    /// A run ended, however it was started.
    pub fn run_ended(&mut self, now: DateTime<Utc>, ended: &Ended) {
        self.running = false;
        self.last_run = Some(now);
        self.due = ended.due;
        self.read_in_full = ended.read_in_full;
        if ended.again {
            self.retry.run = true;
            self.try_again(now);
        } else if !ended.partial {
            self.retry = Retry::default();
        }
    }

    /// A run could not be carried to its end (the store failed): what it was for is still to be done.
    pub fn run_failed(&mut self, why: &str) {
        self.running = false;
        self.ask(why);
    }

    /// A poll ended; `worked` says whether the remote did its part, or that trying again is pointless.
    pub fn poll_ended(&mut self, connection: &ConnectionName, worked: bool, now: DateTime<Utc>) {
        if !worked {
            self.retry.polls.insert(connection.clone());
            self.try_again(now);
            return;
        }
        self.retry.polls.remove(connection);
        if self.retry.polls.is_empty() && !self.retry.run {
            self.retry = Retry::default();
        }
    }

    /// A system refused us, `partly` if it did something else of what we wanted. It is asked again now and then.
    pub fn refused(&mut self, connection: &ConnectionName, partly: bool, now: DateTime<Utc>) {
        self.retry.polls.remove(connection);
        self.refusals.refused(connection, partly, now);
    }

    /// Somebody else who needs a system was refused by it.
    pub fn asked_by_others(&mut self, connection: &ConnectionName, now: DateTime<Utc>) {
        self.refusals.asked(connection, now);
    }

    /// Whether a system refused us, and no run has shown since that it does what we want.
    #[must_use]
    pub fn is_refused(&self, connection: &ConnectionName) -> bool {
        self.refusals.contains(connection)
    }

    /// A system that had refused us lets us read: where it had let us do nothing, what waits for it is done at once. Only
    /// that run shows whether it does all that we want.
    pub fn answers_again(&mut self, connection: &ConnectionName) {
        if self.refusals.rests(connection) {
            self.ask(&format!("{connection} answers again"));
        }
    }

    /// A run showed that a system does what we want, or somebody mended what it refused.
    pub fn not_refused(&mut self, connection: &ConnectionName) {
        self.refusals.forget(connection);
    }

    fn try_again(&mut self, now: DateTime<Utc>) {
        let doublings = 2_u32.saturating_pow(self.retry.attempts);
        self.retry.at = Some(plus(now, RETRY_FIRST.saturating_mul(doublings).min(RETRY_MOST)));
        self.retry.attempts = self.retry.attempts.saturating_add(1);
    }

    /// When to ask [`Agenda::fire`] again; an instant that has come means now. `None`: only a person can start it.
    #[must_use]
    pub fn next_wake(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.is_off() || self.running {
            return None;
        }
        if self.asked.is_some() {
            return Some(now);
        }
        self.waits().iter().filter_map(WaitReason::until).min()
    }

    /// What it waits for, earliest first; those that only a person can end come last.
    #[must_use]
    pub fn waits(&self) -> Vec<WaitReason> {
        let mut waits = Vec::new();
        if let (Some(window), Some(closes)) = (&self.window, self.closes()) {
            waits.push(WaitReason::Window { changes: window.changes, closes });
        }
        if self.paused {
            waits.push(WaitReason::Paused);
            return waits;
        }
        if !self.integration.automatic {
            waits.push(WaitReason::ByHand);
            return waits;
        }
        waits.extend(self.polls().map(|(connection, at)| WaitReason::Poll { connection: connection.clone(), at }));
        waits.extend(self.idle().map(|at| WaitReason::Idle { at }));
        waits.extend(self.crons().map(|(line, at)| WaitReason::Cron { line: line.to_owned(), at }));
        waits.extend(self.full_read().map(|at| WaitReason::FullRead { at }));
        waits.extend(self.lifted().map(|until| WaitReason::Blackout { until }));
        waits.extend(self.due.map(|at| WaitReason::Due { at }));
        waits.extend(self.retry.at.map(|at| WaitReason::Retry { at }));
        let refusals = self.refusals.times();
        waits.extend(refusals.map(|(connection, at)| WaitReason::Refused { connection: connection.clone(), at }));
        waits.sort_by_key(WaitReason::until);
        waits
    }

    /// What to do now, one thing at a time: ask again when it is done, until there is nothing. A [`Action::Run`] counts
    /// as begun.
    pub fn fire(&mut self, now: DateTime<Utc>) -> Option<Action> {
        if self.is_off() || self.running {
            return None;
        }
        self.follow_back(now);
        if let Some(action) = self.run_reason(now) {
            self.run_began(now);
            return Some(action);
        }
        let retried = self.retry.at.is_some_and(|at| at <= now);
        if retried && let Some(connection) = self.retry.polls.pop_first() {
            self.retry.at = self.retry.at.filter(|_| !self.retry.polls.is_empty());
            self.polled.entry(connection.clone()).and_modify(|polled| *polled = now);
            return Some(Action::Poll { connection, at: now });
        }
        if let Some(connection) = self.refusals.take_due(now) {
            if self.refusals.rests(&connection) && self.integration.reads(&connection) {
                return Some(Action::Poll { connection, at: now });
            }
            self.run_began(now);
            return Some(Action::Run { why: format!("{connection} refused us before"), full: false });
        }
        let (connection, first) = self.polls().find(|(_, at)| *at <= now).map(|(name, at)| (name.clone(), at))?;
        let interval = self.integration.schedule.poll.get(&connection).copied().unwrap_or_default();
        let interval = self.hooked.interval(&connection, interval, now);
        // Of several that were missed, the last one is made.
        let last = now
            .checked_sub_signed(chrono::TimeDelta::from_std(interval).unwrap_or_default())
            .map(|before| next_poll(self.integration.timezone, interval, before))
            .filter(|last| *last <= now);
        self.polled.insert(connection.clone(), now);
        Some(Action::Poll { connection, at: last.unwrap_or(first).max(first) })
    }

    fn run_reason(&mut self, now: DateTime<Utc>) -> Option<Action> {
        let run = |why: String, full| Some(Action::Run { why, full });
        if let Some(why) = self.asked.take() {
            return run(why, false);
        }
        let come = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at <= now);
        if come(self.closes()) {
            let why = if self.integration.debounce.is_some() { "window closed" } else { "changes were seen" };
            return run(why.to_owned(), false);
        }
        if let Some((line, _)) = self.crons().find(|(_, at)| *at <= now) {
            return run(format!("timetable `{line}`"), false);
        }
        if come(self.idle()) {
            let after = self.integration.schedule.after_idle.unwrap_or_default();
            return run(format!("idle for {}", humantime::format_duration(after)), false);
        }
        if come(self.full_read()) {
            return run("full read".to_owned(), true);
        }
        if come(self.lifted()) {
            return run("the black-out is over".to_owned(), false);
        }
        if come(self.due) {
            return run("records are due".to_owned(), false);
        }
        if come(self.retry.at) && self.retry.run {
            return run(format!("attempt {} after trouble", self.retry.attempts + 1), false);
        }
        None
    }

    /// Somebody put the clock back: what was dealt with "later than now" would be left out until then.
    fn follow_back(&mut self, now: DateTime<Utc>) {
        self.looked = self.looked.min(now);
        self.polled.values_mut().for_each(|polled| *polled = now.min(*polled));
        self.last_run = self.last_run.map(|ended| ended.min(now));
        self.read_in_full = self.read_in_full.map(|read| read.min(now));
        self.retry.at = self.retry.at.map(|at| at.min(plus(now, RETRY_MOST)));
        if let Some(window) = &mut self.window {
            window.opened = window.opened.min(now);
            window.last_change = window.last_change.min(now);
        }
        self.refusals.follow_back(now);
        self.hooked.follow_back(now);
    }

    fn closes(&self) -> Option<DateTime<Utc>> {
        let window = self.window.as_ref()?;
        Some(match self.integration.debounce {
            Some(debounce) => {
                plus(window.last_change, debounce.wait).min(plus(window.opened, debounce.max_wait.max(debounce.wait)))
            }
            None => window.opened,
        })
    }

    fn polls(&self) -> impl Iterator<Item = (&ConnectionName, DateTime<Utc>)> {
        let all = self.integration.schedule.poll.iter().filter(|(connection, _)| !self.refusals.rests(connection));
        all.filter_map(|(connection, interval)| {
            let polled = self.polled.get(connection)?;
            Some((connection, self.hooked.next_poll(self.integration.timezone, connection, *interval, *polled)))
        })
    }

    /// The next start by each line: its next time, later by this integration's place in the spread.
    fn crons(&self) -> impl Iterator<Item = (&str, DateTime<Utc>)> {
        let offset = self.integration.schedule.spread.map(|spread| spread.offset).unwrap_or_default();
        let looked = TimeDelta::from_std(offset).ok().and_then(|offset| self.looked.checked_sub_signed(offset));
        self.integration.schedule.cron.iter().filter_map(move |cron| {
            let at = next_cron(self.integration.timezone, &cron.schedule, looked?)?;
            Some((cron.written.as_str(), plus(at, offset)))
        })
    }

    /// When what the last run could not write may be: it ended in a black-out.
    fn lifted(&self) -> Option<DateTime<Utc>> {
        self.integration.blacked_out(self.last_run?).filter(|until| *until < DateTime::<Utc>::MAX_UTC)
    }

    fn idle(&self) -> Option<DateTime<Utc>> {
        Some(plus(self.last_run?, self.integration.schedule.after_idle?))
    }

    /// When a full read starts by itself. One that is overdue makes the next run a full one (the engine sees to that),
    /// so it starts only if no run is known to come within another interval; and after a run that could not do it, not
    /// at once.
    fn full_read(&self) -> Option<DateTime<Utc>> {
        let every = self.integration.schedule.full_read?;
        let due = plus(self.read_in_full?, every);
        let next = [self.closes(), self.idle(), self.crons().map(|(_, at)| at).min(), self.retry.at];
        if next.into_iter().flatten().any(|next| next <= plus(due, every)) {
            return None;
        }
        Some(self.last_run.map_or(due, |ended| due.max(plus(ended, RETRY_MOST.min(every)))))
    }
}
