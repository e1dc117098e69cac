//! Playing a scenario: the real daemon between systems in memory, on a clock that the steps move.

mod end;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use tokio::sync::watch;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    check,
    coverage::{Look, Used},
    failure::Failure,
    life::{Ended, Life},
    scenario::{Act, Clocks, Expect, ExpectedParked, Listed, Scenario, Spot, Step, Wanted},
    suite::Ground,
    system::{System, Written},
};
use crate::{
    clock::Clock,
    config::{Config, ConnectionName, IntegrationName, PipelineName, Place},
    connector::Connector,
    daemon::protocol::Request,
    engine::{Engine, Mode, ParkedItem},
    record::RecordId,
    store::{Ledger, MemoryStore, RunRecord, Store},
    sync::Link,
};

/// What a scenario came to.
#[derive(Clone, Debug)]
pub struct Played {
    /// What is not as it says.
    pub failures: Vec<Failure>,
    /// What of the configuration it exercised.
    pub used: Used,
    /// What its steps brought about.
    pub outcome: Outcome,
}

/// What the steps of a scenario brought about.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Every write, by the resource as it is called in the scenario.
    pub(super) writes: Vec<(String, Written)>,
    pub(super) parked: Vec<ParkedItem>,
    pub(super) held: Vec<PipelineName>,
}

/// A scenario under way.
pub(super) struct Stage<'s> {
    scenario: &'s Scenario,
    ground: Ground,
    clock: Clock,
    temp: tempfile::TempDir,
    store: Arc<MemoryStore>,
    pub(super) systems: BTreeMap<ConnectionName, Arc<System>>,
    died: watch::Sender<bool>,
    pub(super) config: Arc<Config>,
    life: Option<Life>,
    lives: u64,
    failures: Vec<Failure>,
    /// How many writes were sent before the first step.
    steps_began: BTreeMap<ConnectionName, usize>,
    outcome: Outcome,
    /// Writes that were looked at by an expectation.
    writes_seen: BTreeMap<ConnectionName, usize>,
    /// Runs that were.
    runs_seen: BTreeMap<IntegrationName, usize>,
    /// Something waits to be carried over.
    work_left: bool,
    parked_told: bool,
    held_told: bool,
    pub(super) used: Used,
}

/// Plays a scenario on the ground of its configuration. Blocks; needs a thread that is no runtime's.
#[must_use]
pub fn play(ground: &Ground, scenario: &Scenario) -> Played {
    let failed = |message: String| Played::failed(Failure::new(&scenario.place, message));
    let temp = match tempfile::tempdir() {
        Ok(temp) => temp,
        Err(error) => return failed(format!("no folder for temporary files can be made: {error}")),
    };
    let mut stage = Stage::new(ground.clone(), scenario, temp);
    if let Err(ended) = stage.whole() {
        stage.failures.push(Failure::new(&scenario.place, ended.to_string()));
    }
    if let Some(life) = stage.life.take() {
        life.kill();
    }
    Played { failures: stage.failures, used: stage.used, outcome: stage.outcome }
}

/// Plays a scenario without its expectations: what comes of it, and what cannot be done.
#[must_use]
pub fn replay(ground: &Ground, scenario: &Scenario) -> Played {
    play(ground, &scenario.without_expectations())
}

impl<'s> Stage<'s> {
    fn new(ground: Ground, scenario: &'s Scenario, temp: tempfile::TempDir) -> Self {
        let config = ground.config.clone();
        Self {
            clock: Clock::manual(scenario.at),
            store: Arc::new(MemoryStore::new()),
            systems: BTreeMap::new(),
            died: watch::Sender::new(false),
            life: None,
            lives: 0,
            failures: Vec::new(),
            steps_began: BTreeMap::new(),
            outcome: Outcome::default(),
            writes_seen: BTreeMap::new(),
            runs_seen: BTreeMap::new(),
            work_left: false,
            parked_told: false,
            held_told: false,
            used: Used::default(),
            scenario,
            ground,
            temp,
            config,
        }
    }

    fn whole(&mut self) -> Result<(), Ended> {
        self.connect();
        for behaviour in &self.scenario.behaviours {
            if let Some(system) = self.systems.get(&behaviour.connection) {
                system.behave(behaviour);
            }
        }
        for (spot, values) in &self.scenario.given {
            if let Some(system) = self.systems.get(&spot.connection) {
                system.create(&spot.resource, values);
            }
        }
        self.systems.values().for_each(|system| system.work_out());
        self.look();
        self.live()?;
        if !self.scenario.first_run_waits {
            self.meet_for_the_first_time()?;
            // What came of that is shown by a test without steps; with steps, only what they bring about counts.
            if !self.scenario.steps.is_empty() {
                self.new_writes();
                self.new_runs()?;
            }
        }
        if !self.scenario.steps.is_empty() {
            self.steps_began.clone_from(&self.writes_seen);
        }
        for step in &self.scenario.steps {
            if !self.step(step)? {
                return Ok(());
            }
        }
        self.finish()
    }

    /// A system for every connection that is used; those that are there stay.
    fn connect(&mut self) {
        for name in &self.scenario.integrations {
            let Some(integration) = self.config.integrations.get(name) else { continue };
            for end in integration.pipelines.iter().flat_map(|pipeline| &pipeline.ends) {
                let (clock, died) = (self.clock.clone(), self.died.clone());
                let made = || System::new(Arc::clone(&end.connection), clock, died);
                self.systems.entry(end.connection.name.clone()).or_insert_with(made);
            }
        }
    }

    /// Only what the scenario is about runs.
    fn narrowed(&self) -> Config {
        let mut config = Config {
            settings: self.config.settings.clone(),
            connections: BTreeMap::new(),
            integrations: BTreeMap::new(),
            notifications: BTreeMap::new(),
        };
        for name in &self.scenario.integrations {
            let Some(integration) = self.config.integrations.get(name) else { continue };
            config.integrations.insert(name.clone(), Arc::clone(integration));
            for end in integration.pipelines.iter().flat_map(|pipeline| &pipeline.ends) {
                config.connections.insert(end.connection.name.clone(), Arc::clone(&end.connection));
            }
        }
        config
    }

    fn engine(&self, store: &Arc<MemoryStore>, temp: &Path) -> Engine {
        let store: Arc<dyn Store> = Arc::clone(store) as Arc<dyn Store>;
        let connectors =
            self.systems.iter().map(|(name, system)| (name.clone(), Arc::clone(system) as Arc<dyn Connector>));
        Engine {
            config: Arc::new(self.narrowed()),
            ledger: Ledger::new(store),
            connectors: Arc::new(connectors.collect()),
            clock: self.clock.clone(),
            temp: temp.to_owned(),
            seed: xxh3_64(&self.lives.to_le_bytes()),
        }
    }

    /// The daemon starts.
    fn live(&mut self) -> Result<(), Ended> {
        self.lives += 1;
        if self.scenario.edits_the_configuration() {
            let booted = self.ground.boot(&self.store, self.clock.now()).map_err(Ended::Broken)?;
            self.config = booted;
            self.connect();
        }
        let engine = self.engine(&self.store, self.temp.path());
        self.life = Some(Life::begin(engine, &self.died)?);
        let now = self.clock.now();
        self.on(|life| life.run_until(now))
    }

    /// Does something with the daemon; where it dies of that, the next one starts.
    fn on<T: Default>(&mut self, mut work: impl FnMut(&mut Life) -> Result<T, Ended>) -> Result<T, Ended> {
        let Some(life) = &mut self.life else { return Err(Ended::Broken("no daemon runs".to_owned())) };
        match work(life) {
            Err(Ended::Died) => {
                self.die()?;
                Ok(T::default())
            }
            other => other,
        }
    }

    /// The power fails: only what was flushed is there for the next daemon.
    fn die(&mut self) -> Result<(), Ended> {
        if let Some(life) = self.life.take() {
            life.kill();
        }
        self.store = Arc::new(self.store.crash_keeping(0));
        self.live()
    }

    /// What is given is looked at, approved, and carried out.
    fn meet_for_the_first_time(&mut self) -> Result<(), Ended> {
        for pair in &self.scenario.links {
            let (source, target) = (pair.source.clone(), pair.target.clone());
            let link = Request::LinkAdd { pipeline: pair.pipeline.clone(), source, target };
            match self.on(|life| life.person(link.clone())) {
                Err(Ended::Refused(failure)) => self.fail(&pair.place, failure.message),
                other => other?,
            }
        }
        self.sync_all(false)?;
        for name in self.scenario.integrations.clone() {
            let what = name.as_str().to_owned();
            let approved =
                self.on(|life| match life.person(Request::Approve { what: what.clone(), except: Vec::new() }) {
                    // Nothing waits, if its first run is automatic.
                    Err(Ended::Refused(_)) | Ok(()) => Ok(()),
                    Err(other) => Err(other),
                });
            approved?;
        }
        let now = self.clock.now();
        self.on(|life| life.run_until(now))?;
        self.sync_all(false)
    }

    fn sync_all(&mut self, full: bool) -> Result<(), Ended> {
        for name in self.scenario.integrations.clone() {
            self.on(|life| life.run(&name, &[], Mode::Sync, full).map(|_| ()))?;
        }
        Ok(())
    }

    /// Notes what is exercised, before the daemon acts on it.
    fn look(&mut self) {
        self.used.integrations.extend(self.scenario.integrations.iter().cloned());
        let links = self.links();
        let look = Look {
            config: &self.config,
            integrations: &self.scenario.integrations,
            systems: &self.systems,
            now: self.clock.now(),
            zone: self.scenario.zone,
        };
        look.conditions(&mut self.used);
        look.tiers(&links, &mut self.used);
        look.fields(&links, &mut self.used);
    }

    /// The links of every pipeline; none where no daemon runs that could tell.
    fn links(&mut self) -> BTreeMap<PipelineName, Vec<Link>> {
        let integrations = self.scenario.integrations.iter().filter_map(|name| self.config.integrations.get(name));
        let names: Vec<PipelineName> =
            integrations.flat_map(|one| &one.pipelines).map(|pipeline| pipeline.name.clone()).collect();
        let Some(life) = &mut self.life else { return BTreeMap::new() };
        names.into_iter().filter_map(|name| Some((name.clone(), life.links(&name).ok()?))).collect()
    }

    fn fail(&mut self, place: &Place, message: impl Into<String>) {
        self.failures.push(Failure::new(place, message));
    }

    /// One step; `false` if the scenario cannot go on after it.
    fn step(&mut self, step: &Step) -> Result<bool, Ended> {
        self.work_left = (self.work_left || step.act.leaves_work()) && !step.act.gives_the_turn();
        let before = self.failures.len();
        match self.act(step) {
            Ok(()) => {}
            Err(Ended::Refused(failure)) => self.fail(&step.place, failure.message),
            Err(Ended::Hangs) => {
                self.fail(&step.place, Ended::Hangs.to_string());
                return Ok(false);
            }
            Err(other) => return Err(other),
        }
        self.look();
        // What follows a step that could not be done says nothing; a failed expectation is no step.
        Ok(self.failures.len() == before || matches!(step.act, Act::Expect(_)))
    }

    fn act(&mut self, step: &Step) -> Result<(), Ended> {
        let place = &step.place;
        match &step.act {
            Act::Create(records) => {
                for (spot, values) in records {
                    if let Some(system) = self.systems.get(&spot.connection) {
                        system.create(&spot.resource, values);
                    }
                }
                Ok(())
            }
            Act::Edit(edits) => {
                for (spot, id, values) in edits {
                    let done =
                        self.systems.get(&spot.connection).and_then(|system| system.edit(&spot.resource, id, values));
                    self.must_be_there(place, spot, id, done);
                }
                Ok(())
            }
            Act::Delete(records) => {
                for (spot, id) in records {
                    let done = self.systems.get(&spot.connection).and_then(|system| system.delete(&spot.resource, id));
                    self.must_be_there(place, spot, id, done);
                }
                Ok(())
            }
            Act::Advance(span) => {
                let to = self.clock.now() + TimeDelta::from_std(*span).unwrap_or_default();
                self.pass_until(to)
            }
            Act::Until(clocks) => {
                let to = self.instant(*clocks);
                if to < self.clock.now() {
                    self.fail(place, "that time has passed already");
                    return Ok(());
                }
                self.pass_until(to)
            }
            Act::Sync { full, pipelines } if pipelines.is_empty() => self.sync_all(*full),
            Act::Sync { full, pipelines } => {
                for (integration, names) in pipelines {
                    self.on(|life| life.run(integration, names, Mode::Sync, *full).map(|_| ()))?;
                }
                Ok(())
            }
            Act::Hook(connections) => self.hook(connections),
            Act::Trouble(connection, trouble) => {
                if let Some(system) = self.systems.get(connection) {
                    system.trouble(trouble);
                }
                Ok(())
            }
            Act::WorksAgain(which) => {
                let named = |name: &ConnectionName| which.as_ref().is_none_or(|which| which == name);
                self.systems.iter().filter(|(name, _)| named(name)).for_each(|(_, system)| system.work_again());
                Ok(())
            }
            Act::CrashNow => self.die(),
            Act::CrashAt { connection, crash } => {
                if let Some(system) = self.systems.get(connection) {
                    system.crash_at(crash.clone());
                }
                Ok(())
            }
            Act::Config { file, replace, with } => self.edit_config(place, (file, replace, with)),
            Act::Approve(what) => self.answer(&Request::Approve { what: what.clone(), except: Vec::new() }),
            Act::Reject(what) => self.answer(&Request::Reject { what: what.clone() }),
            Act::Resolve { pipeline, record, field, winner } => self.answer(&Request::ConflictResolve {
                pipeline: pipeline.clone(),
                record: record.clone(),
                field: field.clone(),
                winner: *winner,
            }),
            Act::Retry(pipeline) => self.answer(&Request::ParkedRetry { pipeline: pipeline.clone(), record: None }),
            Act::Expect(expect) => self.expect(expect),
        }
    }

    fn must_be_there(&mut self, place: &Place, spot: &Spot, id: &RecordId, done: Option<()>) {
        if done.is_none() {
            self.fail(place, format!("{}/{id} is not there", spot.shown));
        }
    }

    /// What a person asks for; it takes effect at once. An edit of the configuration that is allowed now takes over.
    fn answer(&mut self, request: &Request) -> Result<(), Ended> {
        let decides = matches!(request, Request::Approve { .. } | Request::Reject { .. });
        self.on(|life| life.person(request.clone()))?;
        if decides && self.scenario.edits_the_configuration() {
            return self.restart();
        }
        let now = self.clock.now();
        self.on(|life| life.run_until(now))
    }

    fn restart(&mut self) -> Result<(), Ended> {
        if let Some(life) = self.life.take() {
            life.stop()?;
        }
        self.live()
    }

    fn edit_config(&mut self, place: &Place, edit: (&str, &str, &str)) -> Result<(), Ended> {
        match self.ground.edit(edit) {
            Ok(ground) => {
                self.ground = ground;
                self.restart()
            }
            Err(message) => {
                self.fail(place, message);
                Ok(())
            }
        }
    }

    fn hook(&mut self, connections: &[ConnectionName]) -> Result<(), Ended> {
        let engine = self.engine(&self.store, self.temp.path());
        for connection in connections {
            let told = self.systems.get(connection).and_then(|system| system.tell());
            match (&mut self.life, told) {
                (Some(life), Some(told)) => life.told(connection, told)?,
                (Some(life), None) => life.hook(connection, &self.scenario.integrations, &engine),
                (None, _) => {}
            }
        }
        let now = self.clock.now();
        self.on(|life| life.run_until(now))
    }

    fn instant(&self, clocks: Clocks) -> DateTime<Utc> {
        let now = self.clock.now();
        let time = match clocks {
            Clocks::Instant(instant) => return instant,
            Clocks::Time(time) => time,
        };
        let zone = self.scenario.zone;
        let today = now.with_timezone(&zone).date_naive();
        let days = today.iter_days().take(3);
        let at = days.filter_map(|day| zone.from_local_datetime(&day.and_time(time)).earliest());
        at.map(|at| at.with_timezone(&Utc)).find(|at| *at > now).unwrap_or(now)
    }

    /// Time passes. A daemon that dies on the way is followed by another, and time goes on, however often.
    fn pass_until(&mut self, instant: DateTime<Utc>) -> Result<(), Ended> {
        loop {
            let lives = self.lives;
            self.on(|life| life.run_until(instant))?;
            // Without a death there is nothing to do again.
            if self.clock.now() >= instant || self.lives == lives {
                return Ok(());
            }
        }
    }

    fn expect(&mut self, expect: &Expect) -> Result<(), Ended> {
        for expected in &expect.records {
            let system = self.systems.get(&expected.spot.connection);
            let found = system.map(|system| system.all(&expected.spot.resource.name)).unwrap_or_default();
            self.failures.extend(check::records(expected, &found));
        }
        if let Some(expected) = &expect.writes {
            let found = self.new_writes();
            let named = |name: &ConnectionName, resource: &str| format!("{}/{resource}", self.short(name));
            let failures = check::writes(expected, &found, named);
            self.failures.extend(failures);
        }
        self.parked_told |= !matches!(expect.parked, Wanted::Unsaid);
        if let Wanted::These(Listed { place, items }) = &expect.parked {
            self.parked_are(place, items)?;
        }
        self.held_told |= !matches!(expect.held, Wanted::Unsaid);
        if let Wanted::These(listed) = &expect.held {
            let found = self.on(Life::held)?;
            self.failures.extend(check::held(listed, &found));
        }
        if !matches!(expect.runs, Wanted::Unsaid) {
            let found = self.new_runs()?;
            if let Wanted::These(listed) = &expect.runs {
                self.failures.extend(check::runs(listed, &found));
            }
        }
        Ok(())
    }

    fn short<'n>(&self, name: &'n ConnectionName) -> &'n str {
        let full = name.as_str();
        match full.split_once('/') {
            Some((client, rest)) if self.scenario.integrations.iter().all(|one| one.as_str() == client) => rest,
            _ => full,
        }
    }

    fn parked_are(&mut self, place: &Place, expected: &[(Place, ExpectedParked)]) -> Result<(), Ended> {
        let found = self.on(Life::parked)?;
        self.failures.extend(check::parked(place, expected, &found));
        Ok(())
    }

    /// Writes that no expectation has looked at yet.
    fn new_writes(&mut self) -> BTreeMap<ConnectionName, Vec<Written>> {
        let mut all = BTreeMap::new();
        for (name, system) in &self.systems {
            let written = system.written();
            let seen = self.writes_seen.insert(name.clone(), written.len()).unwrap_or_default();
            all.insert(name.clone(), written.into_iter().skip(seen).collect());
        }
        all
    }

    /// When the runs began that no expectation has looked at yet, and why.
    fn new_runs(&mut self) -> Result<Vec<(String, String)>, Ended> {
        let mut all: Vec<RunRecord> = Vec::new();
        for name in self.scenario.integrations.clone() {
            let runs = self.on(|life| life.runs(&name))?;
            let seen = self.runs_seen.insert(name, runs.len()).unwrap_or_default();
            all.extend(runs.into_iter().skip(seen));
        }
        all.sort_by_key(|run| run.started);
        let zone = self.scenario.zone;
        let told = |run: RunRecord| (run.started.with_timezone(&zone).format("%H:%M:%S").to_string(), run.why);
        Ok(all.into_iter().map(told).collect())
    }
}

impl Played {
    /// A mistake in the program ended it.
    #[must_use]
    pub fn panicked(scenario: &Scenario) -> Self {
        let message = "the test ended by a mistake in the program; please report it";
        Self::failed(Failure::new(&scenario.place, message))
    }

    fn failed(failure: Failure) -> Self {
        Self { failures: vec![failure], used: Used::default(), outcome: Outcome::default() }
    }
}
