//! One look at the files, from texts to integrations that take over.

mod remember;
mod settings;
mod tell;
mod turns;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{sync::watch, task::JoinSet};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Ask, ConfigNow, Connect, FileOutcome, FileResult, IntegrationOutcome, IntegrationResult, Known, Mistake,
    ReloadReport, Running,
    decide::{Decision, Vanished, Wanted, Why, decide, uses, vanished},
    held,
    logins::Logins,
    moves, remembered, removed,
    swap::{Done, Group, Member, Outcome, Prepared, take_over},
};
use crate::{
    config::{Config, ConnectionName, Diagnostic, Effects, EnvSource, IntegrationName, Snapshot, load_cached},
    daemon::{control::Shared, slot::Version},
};

/// Looks after the configuration of a running daemon.
pub(super) struct Reloader {
    pub shared: Arc<Shared>,
    pub env: Arc<dyn EnvSource + Send + Sync>,
    pub connect: Connect,
    pub known: Known,
    pub logins: Logins,
    /// What each connection logged in with when it was last looked at.
    pub logged_in: BTreeMap<ConnectionName, u64>,
    /// Integrations that wait for their runs to end.
    pub under_way: JoinSet<Done>,
    pub cancel: watch::Sender<bool>,
    /// Since when runs of these have been asked to make room.
    pub draining: BTreeMap<IntegrationName, Duration>,
    /// People who wait for the outcome.
    pub asking: Vec<Ask>,
    /// Files that are gone together, since when.
    pub vanished: Option<(Vanished, Duration)>,
    pub passes: u64,
    pub restarts: u64,
    /// What runs could not be remembered: the store failed.
    pub unkept: bool,
    /// The store failed while the files were judged: they are judged again when it works.
    pub unjudged: bool,
}

/// The hash of each text.
pub(super) fn hashes<'t>(texts: impl Iterator<Item = (&'t str, &'t Arc<str>)>) -> BTreeMap<String, u64> {
    texts.map(|(name, text)| (name.to_owned(), xxh3_64(text.as_bytes()))).collect()
}

/// What to tell about each file and integration.
pub(super) fn report(
    wanted: &Wanted,
    snapshot: &Snapshot,
    before: &BTreeMap<String, u64>,
    decisions: &BTreeMap<IntegrationName, Decision>,
) -> ReloadReport {
    let loaded = &wanted.loaded;
    let now = hashes(snapshot.texts());
    let errors = || loaded.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    let mut files: Vec<FileResult> = snapshot
        .names()
        .map(|name| {
            let mistakes: Vec<Mistake> =
                errors().filter(|diagnostic| diagnostic.file() == Some(name)).map(Mistake::from).collect();
            let outcome = if !mistakes.is_empty() {
                FileOutcome::Rejected
            } else if before.get(name) == now.get(name) {
                FileOutcome::Unchanged
            } else {
                FileOutcome::Taken
            };
            FileResult { file: name.to_owned(), outcome, mistakes }
        })
        .collect();
    let gone = before.keys().filter(|name| snapshot.lacks(name));
    files.extend(gone.map(|name| FileResult { file: name.clone(), outcome: FileOutcome::Gone, mistakes: Vec::new() }));
    let mut integrations = Vec::new();
    for (name, decision) in decisions {
        let (outcome, why) = match decision {
            Decision::Same => continue,
            Decision::Tune => (IntegrationOutcome::Tuned, None),
            Decision::Add | Decision::Remove | Decision::Change => (IntegrationOutcome::Draining, None),
            Decision::Keep(why) => (IntegrationOutcome::Kept, Some(why.to_string())),
            Decision::LeaveOut(why) => (IntegrationOutcome::LeftOut, Some(why.to_string())),
        };
        integrations.push(IntegrationResult { integration: name.clone(), outcome, running: None, why });
    }
    ReloadReport {
        generation: 0,
        at: chrono::DateTime::UNIX_EPOCH,
        why: String::new(),
        files,
        untouched: decisions.values().filter(|decision| **decision == Decision::Same).count(),
        integrations,
        reconnected: Vec::new(),
        needs_restart: Vec::new(),
        mistakes: errors().filter(|diagnostic| Diagnostic::file(diagnostic).is_none()).map(Mistake::from).collect(),
        vanished: None,
    }
}

/// What has integrations take over together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tie {
    /// They use an account that moves.
    Account(ConnectionName),
    /// What is remembered moves from one to the other.
    Memory(IntegrationName),
}

fn ties(members: &[Member], moved: &BTreeMap<ConnectionName, Prepared>) -> BTreeSet<Tie> {
    let mut ties = BTreeSet::new();
    for member in members {
        ties.insert(Tie::Memory(member.name.clone()));
        let new = member.new.as_ref().map(|(new, _)| new);
        ties.extend(new.iter().flat_map(|new| moves::origins(new)).map(Tie::Memory));
        let used = new.into_iter().chain(member.old.as_ref().map(|(_, old)| old)).flat_map(|one| uses(one));
        ties.extend(used.filter(|connection| moved.contains_key(connection)).map(Tie::Account));
    }
    ties
}

impl Reloader {
    /// Judges the files, and lets what changed take over.
    pub async fn pass(&mut self, snapshot: Snapshot, why: &str, force: bool) {
        // Nothing may take over while it is decided what shall.
        self.give_up().await;
        self.passes += 1;
        self.unjudged = false;
        let (env, earlier) = (Arc::clone(&self.env), self.known.earlier.clone());
        let (logins, mut cache) = (self.logins.clone(), std::mem::take(&mut self.known.cache));
        let work = tokio::task::spawn_blocking(move || {
            let wanted = Wanted::of(load_cached(&snapshot, env.as_ref(), &earlier, &mut cache));
            let logged_in = logins.of(&wanted.loaded.config.connections);
            (snapshot, wanted, logged_in, cache)
        });
        let (snapshot, mut wanted, mut logged_in) = match work.await {
            Ok((snapshot, wanted, logged_in, cache)) => {
                self.known.cache = cache;
                (snapshot, wanted, logged_in)
            }
            Err(error) => {
                tracing::error!(event = "config.failed", %error, "a mistake in the program; the configuration stays");
                return;
            }
        };
        let kept = self.judge_vanished(vanished(&self.known.running, &wanted.loaded, &snapshot), force);
        let mut decisions = decide(&self.known.running, &wanted, &snapshot, &kept);
        let on_disk = wanted.whole();
        let taken = self.take_turns(&snapshot, &mut wanted, &mut decisions).await;
        taken.leave_logins(&mut wanted, &mut logged_in);
        let (moved, relogged) = self.prepare(&wanted, &logged_in, &mut decisions);
        let mut report = report(&wanted, &snapshot, &self.known.files, &decisions);
        report.needs_restart =
            if wanted.loaded.settings_sound { self.take_settings(&wanted.loaded.config.settings) } else { Vec::new() };
        report.instead(|name| taken.waits.contains(name), IntegrationOutcome::Waits);
        report.vanished = self.vanished.as_ref().map(|(vanished, _)| vanished.told());
        report.reconnected = relogged.keys().cloned().collect();
        let quiet =
            |decision: &Decision| matches!(decision, Decision::Same | Decision::Keep(_) | Decision::LeaveOut(_));
        // Where something is written is remembered, too: a start must know whose file was emptied or removed.
        let elsewhere = |name: &IntegrationName| self.new_home(name, &wanted, &decisions).is_some();
        let rehomed = self.known.running.keys().any(elsewhere);
        if self.unkept || rehomed || !(relogged.is_empty() && decisions.values().all(quiet)) {
            self.known.generation += 1;
            let (number, now) = (self.known.generation, self.shared.clock.now());
            match remembered::keep(&self.shared.ledger(), number, &snapshot, now).await {
                Ok(()) if self.unkept => self.keep_running(&decisions, number).await,
                Ok(()) => {}
                Err(error) => {
                    // It takes effect all the same: what people wrote counts, and the files are still there.
                    self.shared.health.failed(&error, now);
                    self.unkept = true;
                }
            }
        }
        crate::crash::point("generation-kept");
        (report.generation, report.at, report.why) = (self.known.generation, self.shared.clock.now(), why.to_owned());
        let was_rejected = self.known.report.is_rejected();
        self.known.report = report;
        self.known.seen = snapshot.hash();
        self.known.files = hashes(snapshot.texts());
        self.known.earlier.retain(|name, _| !snapshot.lacks(name));
        let readable = snapshot.texts().filter(|(name, _)| wanted.loaded.readable.contains(*name));
        self.known.earlier.extend(readable.map(|(name, text)| (name.to_owned(), Arc::clone(text))));
        self.known.on_disk = on_disk;
        self.known.rollouts = taken.rollouts;
        self.known.rollout_settings.clone_from(&wanted.loaded.rollouts);
        self.known.homes = wanted.homes();
        self.known.decisions = decisions;
        self.note_homes(&wanted).await;
        self.relogin(relogged, logged_in).await;
        self.tune(&wanted).await;
        self.remake(&wanted);
        self.take_notifications(&wanted);
        self.forget_held().await;
        self.begin_groups(&wanted, &moved, &taken.back);
        self.forget_unused(&wanted);
        self.finish_turns().await;
        self.log(was_rejected);
        self.publish();
    }

    /// Who is told what takes effect at once. Where a file holds mistakes, nobody is forgotten: they may stand in it.
    fn take_notifications(&self, wanted: &Wanted) {
        let keep = wanted.loaded.has_errors() || self.vanished.is_some();
        let new = &wanted.loaded.config.notifications;
        self.shared.replace_engine(|engine| {
            let mut config = Config::clone(&engine.config);
            config.notifications.retain(|name, _| keep || new.contains_key(name));
            config.notifications.extend(new.iter().map(|(name, new)| (name.clone(), Arc::clone(new))));
            engine.config = Arc::new(config);
        });
    }

    /// Which of the files that vanished together are kept in mind.
    fn judge_vanished(&mut self, found: Option<Vanished>, force: bool) -> BTreeSet<String> {
        let now = self.shared.clock.monotonic();
        let Some(found) = found.filter(|_| !force) else {
            self.vanished = None;
            return BTreeSet::new();
        };
        let since = match &self.vanished {
            Some((before, since)) if *before == found => *since,
            _ => {
                let text = found.told();
                tracing::warn!(event = "config.vanished", files = ?found.files, "{text}");
                now
            }
        };
        if !found.all && now.saturating_sub(since) >= self.known.settings.reload.second_look {
            self.vanished = None;
            return BTreeSet::new();
        }
        let files = found.files.clone();
        self.vanished = Some((found, since));
        files
    }

    /// Makes the connectors of connections that are new, are another account, or log in otherwise. What cannot be made
    /// is not taken over.
    fn prepare(
        &self,
        wanted: &Wanted,
        logged_in: &BTreeMap<ConnectionName, u64>,
        decisions: &mut BTreeMap<IntegrationName, Decision>,
    ) -> (BTreeMap<ConnectionName, Prepared>, BTreeMap<ConnectionName, Prepared>) {
        let (mut moved, mut relogged) = (BTreeMap::new(), BTreeMap::new());
        let mut effects = Effects::default();
        let mut failed: BTreeMap<&ConnectionName, String> = BTreeMap::new();
        for (name, connection) in &wanted.loaded.config.connections {
            let same_account = self
                .known
                .connections
                .get(name)
                .is_some_and(|known| wanted.accounts.get(name) == Some(&effects.account(known)));
            let target = match same_account {
                true if self.logged_in.get(name) == logged_in.get(name) => continue,
                true => &mut relogged,
                false => &mut moved,
            };
            match (self.connect)(connection) {
                Ok(connector) => {
                    target.insert(name.clone(), (Arc::clone(connection), connector));
                }
                Err(error) => {
                    failed.insert(name, error);
                }
            }
        }
        for (name, decision) in decisions.iter_mut() {
            if !matches!(decision, Decision::Add | Decision::Change) {
                continue;
            }
            let new = wanted.loaded.config.integrations.get(name).map(|new| uses(new)).unwrap_or_default();
            if let Some((_, error)) = failed.iter().find(|(connection, _)| new.contains(**connection)) {
                *decision = match decision {
                    Decision::Add => Decision::LeaveOut(Why::Waits(error.clone())),
                    _ => Decision::Keep(Why::Waits(error.clone())),
                };
            }
        }
        (moved, relogged)
    }

    /// Connections that only log in otherwise get their new connector at once: the next request uses it.
    pub async fn relogin(
        &mut self,
        relogged: BTreeMap<ConnectionName, Prepared>,
        logged_in: BTreeMap<ConnectionName, u64>,
    ) {
        self.logged_in.extend(logged_in);
        if relogged.is_empty() {
            return;
        }
        self.shared.replace_engine(|engine| {
            let (mut config, mut connectors) = (Config::clone(&engine.config), (*engine.connectors).clone());
            for (name, (connection, connector)) in &relogged {
                config.connections.insert(name.clone(), Arc::clone(connection));
                connectors.insert(name.clone(), Arc::clone(connector));
            }
            (engine.config, engine.connectors) = (Arc::new(config), Arc::new(connectors));
        });
        let names: BTreeSet<ConnectionName> = relogged.keys().cloned().collect();
        for (name, (connection, _)) in relogged {
            tracing::info!(event = "config.login_changed", connection = %name);
            self.known.connections.insert(name, connection);
        }
        let mut notes = Vec::new();
        for (name, slot) in self.shared.slots().iter().filter(|(_, slot)| slot.shares(&names)) {
            slot.login_given(&names, "a login changed", false);
            let kept = matches!(self.known.decisions.get(name), Some(Decision::Keep(_)));
            if let Some(running) = self.known.running.get_mut(name).filter(|_| !kept) {
                running.generation = self.known.generation;
                notes.push((name.clone(), Some(running.generation)));
            }
        }
        self.note(&notes).await;
    }

    /// Other timetables take over at once: timers go on.
    async fn tune(&mut self, wanted: &Wanted) {
        let tuned = self.known.decisions.iter().filter(|(_, decision)| **decision == Decision::Tune);
        let names: Vec<IntegrationName> = tuned.map(|(name, _)| name.clone()).collect();
        if names.is_empty() {
            return;
        }
        let (now, generation, slots) = (self.shared.clock.now(), self.known.generation, self.shared.slots());
        self.shared.replace_engine(|engine| {
            let mut config = Config::clone(&engine.config);
            let new = names.iter().filter_map(|name| wanted.loaded.config.integrations.get_key_value(name));
            config.integrations.extend(new.map(|(name, new)| (name.clone(), Arc::clone(new))));
            engine.config = Arc::new(config);
        });
        for name in &names {
            let new = wanted.loaded.config.integrations.get(name).zip(wanted.effective.get(name));
            let (Some((new, effective)), Some(slot), Some(running)) =
                (new, slots.get(name), self.known.running.get_mut(name))
            else {
                continue;
            };
            (running.integration, running.effective, running.generation) = (Arc::clone(new), *effective, generation);
            running.since = now;
            slot.with(|state| {
                let former = std::mem::take(&mut state.version.former);
                state.version = Version { former, ..Version::new(Arc::clone(new), *effective, generation) };
            });
            slot.poke(|agenda| agenda.retune(Arc::clone(new), now));
        }
        let notes: Vec<_> = names.into_iter().map(|name| (name, Some(generation))).collect();
        self.note(&notes).await;
    }

    /// Has everything that changed take over, together where an account moved.
    fn begin_groups(
        &mut self,
        wanted: &Wanted,
        moved: &BTreeMap<ConnectionName, Prepared>,
        back: &BTreeMap<IntegrationName, u64>,
    ) {
        let slots = self.shared.slots();
        let mut groups: Vec<Vec<Member>> = Vec::new();
        let mut group_of: BTreeMap<Tie, usize> = BTreeMap::new();
        for (name, decision) in &self.known.decisions {
            if !matches!(decision, Decision::Add | Decision::Change | Decision::Remove) {
                continue;
            }
            let new = wanted.loaded.config.integrations.get(name).filter(|_| *decision != Decision::Remove);
            let member = Member {
                name: name.clone(),
                old: slots.get(name).map(|slot| (Arc::clone(slot), slot.integration())),
                new: new.and_then(|new| Some((Arc::clone(new), *wanted.effective.get(name)?))),
                back: back.get(name).copied(),
            };
            let mut home = vec![member];
            for tie in ties(&home, moved) {
                if let Some(other) = group_of.get(&tie).and_then(|at| groups.get_mut(*at)) {
                    home.append(other);
                }
            }
            // Members of a group that was merged into this one bring their ties along.
            let here = groups.len();
            group_of.extend(ties(&home, moved).into_iter().map(|tie| (tie, here)));
            groups.push(home);
        }
        let now = self.shared.clock.monotonic();
        let mut taken: BTreeSet<&ConnectionName> = BTreeSet::new();
        for mut members in groups.into_iter().filter(|group| !group.is_empty()) {
            members.sort_by(|a, b| a.name.cmp(&b.name));
            let since = members.iter().map(|member| *self.draining.entry(member.name.clone()).or_insert(now)).min();
            let used: BTreeSet<ConnectionName> =
                members.iter().filter_map(|member| member.new.as_ref()).flat_map(|(new, _)| uses(new)).collect();
            let connections = moved.iter().filter(|(name, _)| used.contains(*name));
            taken.extend(connections.clone().map(|(name, _)| name));
            let group = Group {
                members,
                connections: connections.map(|(name, prepared)| (name.clone(), prepared.clone())).collect(),
                generation: self.known.generation,
                keep_held: self.known.settings.reload.keep_held,
                since: since.unwrap_or(now),
                drain: self.known.settings.reload.drain,
            };
            self.under_way.spawn(take_over(Arc::clone(&self.shared), group, self.cancel.subscribe()));
        }
        // Connections that nobody uses are there for whoever will.
        let in_use: BTreeSet<ConnectionName> =
            self.known.running.values().flat_map(|running| uses(&running.integration)).collect();
        let idle = moved.iter().filter(|(name, _)| !taken.contains(name) && !in_use.contains(*name));
        let idle: Vec<_> = idle.map(|(name, prepared)| (name.clone(), prepared.clone())).collect();
        self.add_connections(idle);
    }

    fn add_connections(&mut self, prepared: Vec<(ConnectionName, Prepared)>) {
        if prepared.is_empty() {
            return;
        }
        self.shared.replace_engine(|engine| {
            let (mut config, mut connectors) = (Config::clone(&engine.config), (*engine.connectors).clone());
            for (name, (connection, connector)) in &prepared {
                config.connections.insert(name.clone(), Arc::clone(connection));
                connectors.insert(name.clone(), Arc::clone(connector));
            }
            (engine.config, engine.connectors) = (Arc::new(config), Arc::new(connectors));
        });
        self.known.connections.extend(prepared.into_iter().map(|(name, (connection, _))| (name, connection)));
    }

    /// Drops connections that are written nowhere and that nobody uses.
    fn forget_unused(&mut self, wanted: &Wanted) {
        let used: BTreeSet<ConnectionName> = self.shared.slots().values().flat_map(|slot| slot.connections()).collect();
        let unused =
            |name: &ConnectionName| !used.contains(name) && !wanted.loaded.config.connections.contains_key(name);
        if !self.known.connections.keys().any(unused) || !self.under_way.is_empty() {
            return;
        }
        self.known.connections.retain(|name, _| !unused(name));
        self.shared.replace_engine(|engine| {
            let (mut config, mut connectors) = (Config::clone(&engine.config), (*engine.connectors).clone());
            config.connections.retain(|name, _| !unused(name));
            connectors.retain(|name, _| !unused(name));
            (engine.config, engine.connectors) = (Arc::new(config), Arc::new(connectors));
        });
    }

    /// Gives up waiting for runs to end; what has taken over by then has.
    pub async fn give_up(&mut self) {
        self.cancel.send_replace(true);
        let mut all = Vec::new();
        while let Some(done) = self.under_way.join_next().await {
            all.extend(done.ok());
        }
        self.done(all).await;
        self.cancel = watch::Sender::new(false);
    }

    /// Notes what came of groups.
    pub async fn done(&mut self, all: Vec<Done>) {
        if all.is_empty() {
            return;
        }
        let notes: Vec<_> = all.iter().flat_map(|done| self.done_with(done)).collect();
        self.note(&notes).await;
        crate::crash::point("edit-noted");
        if !notes.is_empty() {
            self.forget_held().await;
            self.finish_turns().await;
        }
        self.publish();
    }

    /// Takes in what came of one group; gives what of it is to be remembered.
    fn done_with(&mut self, done: &Done) -> Vec<(IntegrationName, Option<u64>)> {
        let mut notes = Vec::new();
        for member in &done.members {
            let (outcome, why) = match (&done.outcome, &member.old, &member.new) {
                (Outcome::Cancelled, ..) => continue,
                (Outcome::Held(why) | Outcome::StoreFailed(why), ..) => (IntegrationOutcome::Held, Some(why.clone())),
                (Outcome::Taken, None, _) => (IntegrationOutcome::Added, None),
                (Outcome::Taken, Some(_), None) => (IntegrationOutcome::Removed, None),
                (Outcome::Taken, Some(_), Some(_)) => (IntegrationOutcome::Changed, None),
            };
            self.draining.remove(&member.name);
            self.unjudged |= matches!(done.outcome, Outcome::StoreFailed(_));
            let decision = match (&done.outcome, &member.new) {
                (Outcome::Held(why) | Outcome::StoreFailed(why), _) => Some(Decision::Keep(Why::Waits(why.clone()))),
                (_, Some(_)) => Some(self.after(member)),
                (_, None) => None,
            };
            if done.outcome == Outcome::Taken {
                self.restarts += 1;
                self.take(member, done.generation, done.at);
                notes.push((member.name.clone(), member.new.as_ref().map(|_| member.generation(done.generation))));
            }
            let config_hash = self.known.running.get(&member.name).map(|running| running.effective.shown());
            tracing::info!(
                event = "config.integration",
                integration = %member.name,
                ?outcome,
                generation = done.generation,
                config_hash
            );
            match decision {
                Some(decision) => self.known.decisions.insert(member.name.clone(), decision),
                None => self.known.decisions.remove(&member.name),
            };
            let told = self.known.report.integrations.iter_mut().find(|result| result.integration == member.name);
            if let Some(told) = told {
                (told.outcome, told.why) = (outcome, why);
            }
        }
        notes
    }

    /// Forgets what was removed long enough ago.
    pub async fn forget_removed(&self) {
        let (config, now) = (self.shared.engine().config, self.shared.clock.now());
        let keep = self.known.settings.reload.keep_removed;
        if let Err(error) = removed::forget(&self.shared.ledger(), &config, keep, now).await {
            self.shared.health.failed(&error, now);
        }
    }

    /// A held edit that was taken back, or of which nothing is left to judge, waits no longer.
    async fn forget_held(&self) {
        let over = |decision: &Decision| matches!(decision, Decision::Same | Decision::Tune | Decision::Remove);
        let outcome = async {
            let held = held::all(&self.shared.ledger()).await?;
            let names = held.iter().map(|held| &held.integration);
            let gone = names.filter(|name| self.known.decisions.get(*name).is_none_or(over));
            held::forget(&self.shared.ledger(), gone).await
        };
        if let Err(error) = outcome.await {
            self.shared.health.failed(&error, self.shared.clock.now());
        }
    }

    fn take(&mut self, member: &Member, newest: u64, since: DateTime<Utc>) {
        let Some((new, effective)) = &member.new else {
            self.known.running.remove(&member.name);
            return;
        };
        for end in new.pipelines.iter().flat_map(|pipeline| &pipeline.ends) {
            self.known.connections.insert(end.connection.name.clone(), Arc::clone(&end.connection));
        }
        let home = self.known.homes.get(&member.name).cloned().unwrap_or_default();
        let (integration, generation) = (Arc::clone(new), member.generation(newest));
        let running = Running { integration, effective: *effective, home, generation, since };
        self.known.running.insert(member.name.clone(), running);
    }

    async fn note(&mut self, notes: &[(IntegrationName, Option<u64>)]) {
        if notes.is_empty() {
            return;
        }
        if let Err(error) = remembered::note(&self.shared.ledger(), notes).await {
            self.shared.health.failed(&error, self.shared.clock.now());
            self.unkept = true;
        }
    }
}
