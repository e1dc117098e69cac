//! When to look: events, the poll, signals and people, brought together into one look at a time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet};

use super::{Ask, Asked, Reloading, logins::Logins, pass::Reloader, watch::Watch};
use crate::{
    config::Snapshot,
    daemon::control::{Shared, Stop},
};

/// However long files go on changing, they are looked at after this time.
const CAP: Duration = Duration::from_secs(10);
/// How often files that change while they are read are read again.
const TRIES: u32 = 3;
/// How often it is looked for what was removed long enough ago.
const SWEEP: Duration = Duration::from_hours(1);
/// How often it is looked whether an edit of a template may go further.
const TURNS: Duration = Duration::from_secs(15);
/// Who does not want to wait for runs to end gets an answer after this time.
const SOON: Duration = Duration::from_secs(2);

/// A look that is about to happen.
#[derive(Clone, Debug)]
struct Look {
    /// When, on the monotonic clock.
    at: Duration,
    /// When the first reason for it came.
    first: Duration,
    why: String,
    /// Judge the files also if they are as they were.
    judge: bool,
    force: bool,
    tries: u32,
    /// What the poll found: the files must still be so.
    found: Option<u64>,
}

/// What happened.
enum Event {
    Stop,
    Changed,
    Again,
    StoreWorks,
    Asked(Box<Ask>),
    Poll,
    Look,
    SecondLook,
    Sweep,
    Turns,
    Answer,
    Done(Vec<super::swap::Done>),
}

/// Looks after the configuration until the daemon stops.
pub(in crate::daemon) async fn begin(shared: Arc<Shared>, reloading: Reloading, mut asked: Asked) {
    let Reloading { boot, env, connect } = reloading;
    let watch = Watch::new(&boot.known.dir, &boot.known.settings.state_dir);
    let reloader = Reloader {
        shared,
        env,
        connect,
        known: boot.known,
        logins: Logins::default(),
        logged_in: BTreeMap::new(),
        under_way: JoinSet::new(),
        cancel: watch::Sender::new(false),
        draining: BTreeMap::new(),
        asking: Vec::new(),
        vanished: None,
        passes: 0,
        restarts: 0,
        unkept: false,
        unjudged: false,
    };
    Follower {
        reloader,
        watch,
        look: None,
        last: Duration::ZERO,
        polled: Duration::ZERO,
        swept: Duration::ZERO,
        turned: Duration::ZERO,
        answer: None,
    }
    .run(&mut asked)
    .await;
}

struct Follower {
    reloader: Reloader,
    watch: Watch,
    look: Option<Look>,
    /// When the files were last judged.
    last: Duration,
    polled: Duration,
    /// When it was last looked for what may be forgotten.
    swept: Duration,
    /// When it was last looked whose turn it is.
    turned: Duration,
    /// When those who do not wait for runs get their answer.
    answer: Option<Duration>,
}

impl Follower {
    async fn run(&mut self, asked: &mut Asked) {
        let connections = self.reloader.known.connections.clone();
        let logins = self.reloader.logins.clone();
        let Some(logged_in) = self.blocking(move || logins.of(&connections)).await else { return };
        self.reloader.logged_in = logged_in;
        let Some(snapshot) = self.read().await else { return };
        self.watch.follow(&snapshot);
        // Whoever sees this may edit, and it is noticed.
        self.reloader.publish();
        // What changed between the first reading and the first watching is found by looking once more.
        if !self.poll().await {
            return;
        }
        loop {
            match self.next(asked).await {
                Event::Stop => break,
                Event::Changed => {
                    let (now, settle) = (self.now(), self.reloader.known.settings.reload.settle);
                    let first = self.look.as_ref().map_or(now, |look| look.first);
                    let at = now.saturating_add(settle).min(first.saturating_add(CAP));
                    self.wish("files changed", at, false);
                    if let Some(look) = self.look.as_mut().filter(|look| !look.judge) {
                        look.at = at;
                    }
                }
                Event::Again => {
                    let settle = self.reloader.known.settings.reload.settle;
                    let at = self.now().max(self.last.saturating_add(settle));
                    self.wish("a person asked for it by a signal", at, true);
                }
                Event::StoreWorks if self.reloader.unkept => {
                    self.wish("what runs could not be remembered before", self.now(), true);
                }
                Event::StoreWorks if self.reloader.unjudged => {
                    self.wish("the store works again", self.now(), true);
                }
                Event::Asked(ask) => {
                    let now = self.now();
                    self.wish("a person asked for it", now, true);
                    if let Some(look) = &mut self.look {
                        look.at = now;
                        look.force |= ask.force;
                    }
                    self.reloader.asking.push(*ask);
                    while let Ok(ask) = asked.requests.try_recv() {
                        if let Some(look) = &mut self.look {
                            look.force |= ask.force;
                        }
                        self.reloader.asking.push(ask);
                    }
                }
                Event::Poll => {
                    if !self.poll().await {
                        break;
                    }
                }
                Event::SecondLook => self.wish("a second look for files that vanished", self.now(), true),
                Event::Sweep => {
                    self.swept = self.now();
                    self.reloader.forget_removed().await;
                }
                Event::Look => {
                    if !self.take_look().await {
                        break;
                    }
                }
                Event::Turns => self.turns().await,
                Event::Done(done) => {
                    self.reloader.done(done).await;
                    self.turns().await;
                }
                Event::StoreWorks => {}
                Event::Answer => self.answer(false),
            }
            if self.reloader.under_way.is_empty() && self.look.is_none() {
                self.answer(true);
            }
        }
        self.reloader.give_up().await;
    }

    fn now(&self) -> Duration {
        self.reloader.shared.clock.monotonic()
    }

    /// Adds a reason to look; the earlier time counts.
    fn wish(&mut self, why: &str, at: Duration, judge: bool) {
        let now = self.now();
        let look = self.look.get_or_insert_with(|| Look {
            at,
            first: now,
            why: why.to_owned(),
            judge,
            force: false,
            tries: 0,
            found: None,
        });
        if judge && !look.judge {
            (look.judge, look.why) = (true, why.to_owned());
        }
        look.at = look.at.min(at);
    }

    async fn next(&mut self, asked: &mut Asked) -> Event {
        let shared = Arc::clone(&self.reloader.shared);
        let settings = self.reloader.known.settings.reload;
        let until = |at: Option<Duration>| {
            let clock = shared.clock.clone();
            async move {
                match at {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            }
        };
        let poll = settings.watch.then(|| self.polled.saturating_add(settings.poll));
        let again = self.reloader.vanished.as_ref().filter(|(vanished, _)| !vanished.all);
        let second = again.map(|(_, since)| since.saturating_add(settings.second_look)).filter(|_| settings.watch);
        let second = second.filter(|_| self.look.is_none());
        let turns = self.reloader.has_turns().then(|| self.turned.saturating_add(TURNS));
        tokio::select! {
            biased;
            () = shared.stopped(Stop::Finishing) => Event::Stop,
            Some(done) = self.reloader.under_way.join_next(), if !self.reloader.under_way.is_empty() => {
                // An edit of a template has many take over at once.
                let more = std::iter::from_fn(|| self.reloader.under_way.try_join_next());
                Event::Done(std::iter::once(done).chain(more).filter_map(Result::ok).collect())
            }
            Some(ask) = asked.requests.recv() => Event::Asked(Box::new(ask)),
            () = until(self.look.as_ref().map(|look| look.at)) => Event::Look,
            () = asked.again.notified() => Event::Again,
            () = asked.store_works.notified() => Event::StoreWorks,
            () = self.watch.event.notified(), if settings.watch => Event::Changed,
            () = until(self.answer) => Event::Answer,
            () = until(second) => Event::SecondLook,
            () = until(Some(self.swept.saturating_add(SWEEP))) => Event::Sweep,
            () = until(turns) => Event::Turns,
            () = until(poll) => Event::Poll,
        }
    }

    /// Looks whether an edit of a template may go further.
    async fn turns(&mut self) {
        self.turned = self.now();
        if self.reloader.has_turns() && self.look.is_none() && self.reloader.have_turns_come().await {
            self.wish("an edit of a template has come further", self.now(), true);
        }
    }

    /// Compares the files with those that were judged last. False when the daemon stops.
    async fn poll(&mut self) -> bool {
        self.polled = self.now();
        if self.look.is_some() {
            return true;
        }
        let Some(snapshot) = self.read().await else { return false };
        let hash = snapshot.hash();
        if hash != self.reloader.known.seen || !snapshot.is_steady() {
            let settle = self.reloader.known.settings.reload.settle;
            self.wish("files changed", self.now().saturating_add(settle), false);
            if let Some(look) = &mut self.look {
                look.found = Some(hash);
            }
            return true;
        }
        self.look_at_logins().await
    }

    /// Secrets may be rotated without any change of the configuration.
    async fn look_at_logins(&mut self) -> bool {
        let (connections, logins) = (self.reloader.known.connections.clone(), self.reloader.logins.clone());
        let Some(logged_in) = self.blocking(move || logins.of(&connections)).await else { return false };
        let mut changed = BTreeMap::new();
        for (name, connection) in &self.reloader.known.connections {
            if self.reloader.logged_in.get(name) != logged_in.get(name)
                && let Ok(connector) = (self.reloader.connect)(connection)
            {
                changed.insert(name.clone(), (Arc::clone(connection), connector));
            }
        }
        self.reloader.relogin(changed, logged_in).await;
        true
    }

    /// Reads the files and judges them, if they rest. False when the daemon stops.
    async fn take_look(&mut self) -> bool {
        let Some(mut look) = self.look.take() else { return true };
        let Some(snapshot) = self.read().await else { return false };
        let hash = snapshot.hash();
        let moved = look.found.is_some_and(|found| found != hash);
        if (moved || !snapshot.is_steady()) && look.tries < TRIES {
            look.tries += 1;
            look.found = look.found.map(|_| hash);
            look.at = self.now().saturating_add(self.reloader.known.settings.reload.settle);
            self.look = Some(look);
            return true;
        }
        if self.watch.follow(&snapshot) {
            // In a folder that is watched only from now on something may have happened before.
            self.wish("files changed", self.now().saturating_add(self.reloader.known.settings.reload.settle), false);
        }
        if look.judge || hash != self.reloader.known.seen {
            let shared = Arc::clone(&self.reloader.shared);
            tokio::select! {
                biased;
                () = shared.stopped(Stop::Finishing) => return false,
                () = self.reloader.pass(snapshot, &look.why, look.force) => {}
            }
            self.answer = (!self.reloader.asking.is_empty()).then(|| self.now().saturating_add(SOON));
        }
        self.last = self.now();
        true
    }

    /// Answers everybody, or those who do not wait for runs to end.
    fn answer(&mut self, all: bool) {
        self.answer = None;
        let asking = std::mem::take(&mut self.reloader.asking);
        if asking.is_empty() {
            return;
        }
        let slots = self.reloader.shared.slots();
        let mut report = self.reloader.known.report.clone();
        for result in &mut report.integrations {
            result.running =
                slots.get(&result.integration).map(|slot| slot.peek(|state| state.version.effective.shown()));
        }
        for ask in asking {
            if all || !ask.wait {
                // Who went away needs no answer.
                let _ = ask.answer.send(report.clone());
            } else {
                self.reloader.asking.push(ask);
            }
        }
    }

    async fn read(&self) -> Option<Snapshot> {
        let dir = self.reloader.known.dir.clone();
        self.blocking(move || Snapshot::read(&dir)).await
    }

    /// Work that may hang where a disk does; `None` when the daemon stops meanwhile.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        tokio::select! {
            biased;
            () = self.reloader.shared.stopped(Stop::Finishing) => None,
            done = tokio::task::spawn_blocking(work) => done.ok(),
        }
    }
}
