//! Playing a history: the real engine between two systems in memory, one thread, time as it is told.

use std::{
    cell::Cell,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use chrono::TimeDelta;
use futures_util::poll;
use reconciled::{
    config::{ConnectionName, PipelineName},
    connector::WriteKind,
    engine::{Engine, EngineError, Mode, RunReport, RunRequest},
    record::Side,
    store::{Ledger, Space, Store},
};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    kinds, ledger,
    people::People,
    scenario::{Crash, Deed, Happens, Manners, Meanwhile, Mishap, Reshape, Run, Scenario, Step, System},
    sum,
    support::{
        Fake, Fault, World,
        awaits::{self, AwaitingStore},
        fake::Moment,
    },
};

/// A run that waits more often than that does not end.
const WAITS: u64 = 200_000;

/// What a history comes to, to be compared with the same once more.
#[derive(Debug, PartialEq)]
pub struct Played {
    /// What happened, with the ids of the records.
    pub told: Vec<Step>,
    /// What is wrong at the end.
    pub wrong: Vec<String>,
    pub written: [Vec<(WriteKind, String, Value)>; 2],
    pub contacts: [Vec<Value>; 2],
}

/// A history that is being played.
pub struct History {
    pub config: String,
    pub masked: Option<(Side, String)>,
    pub world: World,
    pub people: Arc<Mutex<People>>,
    manners: [Manners; 2],
    runs: Cell<u64>,
    told: Vec<Step>,
}

/// How a run ended.
enum Ended {
    Reported(Box<RunReport>),
    Failed(EngineError),
    /// Dropped where it waited.
    Dropped,
}

fn behave(system: &Fake, manners: &Manners) {
    system.page_size(if manners.page == 0 { 100 } else { manners.page });
    if manners.versions {
        system.versions();
    }
    if let Some(lag) = manners.lag {
        system.lag(TimeDelta::seconds(lag.cast_signed()));
    }
    system.own_time(TimeDelta::seconds(manners.ahead.unwrap_or_default()));
    let (reshapes, ignores) = (manners.reshapes, manners.ignores.clone());
    if reshapes.is_none() && ignores.is_none() {
        return;
    }
    system.on_write(move |old, values| {
        let mut new = old.clone();
        for (name, value) in values.as_object().into_iter().flatten() {
            if ignores.as_ref() == Some(name) {
                continue;
            }
            new[name] = match (value, reshapes) {
                // Ids are nobody's text.
                (value, _) if name.ends_with("_id") => value.clone(),
                (Value::String(text), Some(Reshape::Upper)) => json!(text.to_uppercase()),
                (Value::String(text), Some(Reshape::Trimmed)) => json!(text.trim()),
                _ => value.clone(),
            };
        }
        new
    });
}

impl From<Mishap> for Fault {
    fn from(mishap: Mishap) -> Self {
        match mishap {
            Mishap::NotDone => Self::NotDone,
            Mishap::LostBefore => Self::LostBefore,
            Mishap::LostAfter => Self::LostAfter,
            Mishap::ShortAnswer => Self::ShortAnswer,
            Mishap::LostLate(seconds) => Self::LostLate(Duration::from_secs(seconds)),
        }
    }
}

fn count(moment: Moment, fault: Fault) {
    sum::count(match (moment, fault) {
        (Moment::BeforeRead | Moment::AfterRead, _) => "reads that failed",
        (Moment::AfterWrite, _) => "answers lost on the way back",
        (_, Fault::NotDone) => "connections refused",
        (_, Fault::LostBefore) => "calls lost before they were carried out",
        (_, Fault::LostAfter) => "answers lost",
        (_, Fault::ShortAnswer) => "answers cut short",
        (_, Fault::LostLate(_)) => "calls carried out late",
    });
}

fn count_deed(deed: &Deed) {
    match deed {
        Deed::Rekey { .. } => sum::count("records that came back under another id"),
        Deed::Merge { .. } => sum::count("records merged into others"),
        Deed::Delete { .. } => sum::count("records deleted by people"),
        _ => {}
    }
}

impl History {
    pub fn new(scenario: &Scenario) -> Self {
        let lags = System::BOTH.into_iter().any(|system| scenario.manners(system).lag.is_some());
        let yaml = kinds::configured(&scenario.config, lags);
        let world = World::with_keys(&yaml, scenario.keys.map(Duration::from_secs));
        let manners = System::BOTH.map(|system| scenario.manners(system).clone());
        for (system, manners) in [&world.shop, &world.books].into_iter().zip(&manners) {
            behave(system, manners);
            for what in [
                manners.reshapes.map(|_| "systems that reshape what they are given"),
                manners.ignores.as_ref().map(|_| "systems that ignore a field"),
                manners.masks.as_ref().map(|_| "systems that mask a field"),
                manners.unstable.then_some("systems with unstable pages"),
                manners.ahead.map(|_| "systems with another time"),
                manners.lag.map(|_| "systems that show old copies for a while"),
            ] {
                what.into_iter().for_each(sum::count);
            }
        }
        let masked = System::BOTH.into_iter().find_map(|system| {
            let field = scenario.manners(system).masks.clone()?;
            assert_eq!((system, &*field), (System::Books, "phone"), "only this is declared as masked");
            world.books.mask("phone", "***");
            Some((system.side(), field))
        });
        let mut people = People::new(world.shop.clone(), world.books.clone());
        for (system, records) in [(System::Shop, &scenario.given.shop), (System::Books, &scenario.given.books)] {
            for values in records {
                people.create(system, values);
            }
        }
        let people = Arc::new(Mutex::new(people));
        Self { config: scenario.config.clone(), masked, world, people, manners, runs: Cell::new(0), told: Vec::new() }
    }

    pub fn system(&self, side: Side) -> &Arc<Fake> {
        match side {
            Side::Source => &self.world.shop,
            Side::Target => &self.world.books,
        }
    }

    /// The pipeline of contacts, alone or of an integration.
    pub fn contacts(&self) -> PipelineName {
        let mut all = self.world.config.pipelines();
        all.find(|(_, pipeline)| pipeline.name.as_str().ends_with("contacts")).unwrap().1.name.clone()
    }

    pub fn engine(&self) -> Engine {
        let store: Arc<dyn Store> = Arc::new(AwaitingStore(self.world.store.clone()));
        // As many keys as there are runs, also where the clock was set back to the instant of an earlier one.
        let runs = self.runs.get();
        self.runs.set(runs + 1);
        Engine { ledger: Ledger::new(store), seed: xxh3_64(&runs.to_le_bytes()), ..self.world.engine() }
    }

    fn act(&self, deed: &Deed) -> Option<Deed> {
        let told = self.people.lock().unwrap().act(deed)?;
        count_deed(&told);
        Some(told)
    }

    /// Has this happen around the calls of a run. What really happened is told at the end.
    fn plan(&self, meanwhile: &[Meanwhile]) -> Arc<Mutex<Vec<Meanwhile>>> {
        let told = Arc::new(Mutex::new(Vec::new()));
        let passed = Arc::new(Mutex::new(0_u32));
        for system in [&self.world.shop, &self.world.books] {
            let (told, passed, meanwhile) = (told.clone(), passed.clone(), meanwhile.to_vec());
            let (people, clock) = (self.people.clone(), self.world.clock.clone());
            system.hook(Some(Box::new(move |moment| {
                let at = {
                    let mut passed = passed.lock().unwrap();
                    *passed += 1;
                    *passed
                };
                let mut fault = None;
                for Meanwhile { happens, .. } in meanwhile.iter().filter(|event| event.at == at) {
                    let happened = match happens {
                        Happens::Milliseconds(span) => {
                            clock.advance(Duration::from_millis(*span));
                            Some(happens.clone())
                        }
                        Happens::Mishap(mishap) => {
                            fault = Some(Fault::from(*mishap));
                            Some(happens.clone())
                        }
                        Happens::Person(deed) => people.lock().unwrap().act(deed).map(Happens::Person),
                    };
                    if let Some(happens) = happened {
                        told.lock().unwrap().push(Meanwhile { at, happens });
                    }
                }
                if let Some(fault) = fault {
                    count(moment, fault);
                }
                fault
            })));
        }
        told
    }

    /// Runs to the end, or until it has waited so often. Whoever waits for the clock has it move there.
    async fn drive(&self, request: RunRequest, dropped_at: Option<u64>) -> Ended {
        let engine = self.engine();
        let clock = self.world.clock.clone();
        let sleeps = clock.sleeps().unwrap();
        let mut run = pin!(engine.run(request));
        for waits in 1..WAITS {
            match poll!(run.as_mut()) {
                Poll::Ready(Ok(report)) => return Ended::Reported(Box::new(report)),
                Poll::Ready(Err(error)) => return Ended::Failed(error),
                Poll::Pending if dropped_at == Some(waits) => return Ended::Dropped,
                Poll::Pending => {}
            }
            let next = sleeps.borrow().values().min().copied();
            if let Some(next) = next {
                clock.advance(next.saturating_sub(clock.monotonic()));
            }
            tokio::task::yield_now().await;
        }
        panic!("a run does not end");
    }

    /// A run to its end.
    pub async fn report(&self, request: RunRequest) -> RunReport {
        match self.drive(request, None).await {
            Ended::Reported(report) => *report,
            Ended::Failed(error) => panic!("nothing fails any more, but the run does: {error}"),
            Ended::Dropped => panic!("nobody drops it"),
        }
    }

    fn request(&self, run: &Run) -> RunRequest {
        let name = |system| if system == System::Shop { "shop" } else { "books" };
        let mut request = self.world.request(run.mode);
        request.full = run.full;
        request.limit = run.limit;
        request.connection = run.connection.map(|system| ConnectionName::parse(name(system)).unwrap());
        if run.last {
            let (_, pipeline) = self.world.config.pipelines().last().unwrap();
            request.pipelines.push(pipeline.name.clone());
        }
        request
    }

    fn unstable(&self, now: bool) {
        for (system, manners) in [&self.world.shop, &self.world.books].into_iter().zip(&self.manners) {
            system.unstable(now && manners.unstable);
        }
    }

    async fn run(&mut self, run: &Run) -> Run {
        let written = |world: &World| [world.shop.written().len(), world.books.written().len()];
        let before = written(&self.world);
        let happened = self.plan(&run.meanwhile);
        self.unstable(true);
        let dropped_at = match run.crash {
            Some(Crash::Store(operation)) => {
                self.world.store.fail_from(None, operation);
                None
            }
            Some(Crash::Await(waits)) => Some(waits),
            None => None,
        };
        awaits::on(dropped_at.is_some());
        let ended = self.drive(self.request(run), dropped_at).await;
        let place = awaits::place();
        awaits::on(false);
        self.unstable(false);
        for system in [&self.world.shop, &self.world.books] {
            system.hook(None);
        }
        let crashed = !matches!(ended, Ended::Reported(_));
        // A crash that the run did not live to see is none.
        let killed = match (crashed, run.crash) {
            (true, _) => Some(run.killed.unwrap_or(1)),
            (false, Some(_)) => None,
            (false, None) => run.killed,
        };
        match (&ended, killed) {
            (Ended::Dropped, _) => sum::count(place),
            (Ended::Failed(_), _) => sum::count("crashes at an operation of the store"),
            (Ended::Reported(_), Some(_)) => sum::count("crashes between two runs"),
            (Ended::Reported(_), None) => {}
        }
        if let Some(seed) = killed {
            self.world.store = Arc::new(self.world.store.crash(seed));
        }
        self.world.store.heal();
        let mut wrote = Vec::new();
        for (side, before) in Side::BOTH.into_iter().zip(before) {
            for (kind, id, values) in &self.system(side).written()[before..] {
                wrote.push(format!("{kind:?} {id} {values}"));
            }
        }
        let meanwhile = std::mem::take(&mut *happened.lock().unwrap());
        Run { meanwhile, crash: run.crash.filter(|_| crashed), killed, wrote, ..run.clone() }
    }

    async fn is_in_doubt(&self) -> bool {
        let intents = ledger::rows(&self.world.engine().ledger, Space::Intent).await;
        !intents.is_empty() || [&self.world.shop, &self.world.books].iter().any(|system| system.has_late_calls())
    }

    async fn step(&mut self, step: &Step) {
        let told = match step {
            Step::Person(deed) => self.act(deed).map(Step::Person),
            Step::Advance(seconds) => {
                self.world.clock.advance(Duration::from_secs(*seconds));
                Some(step.clone())
            }
            // A clock that is set while a write is in doubt hides how old the doubt is; that is not promised.
            Step::Jump(_) if self.is_in_doubt().await => None,
            // How long a system shows old copies is told by the clock, too.
            Step::Jump(seconds) if *seconds > 0 && self.manners.iter().any(|manners| manners.lag.is_some()) => None,
            Step::Jump(seconds) => {
                self.world.clock.jump(TimeDelta::seconds(*seconds));
                sum::count("clocks that were set");
                Some(step.clone())
            }
            Step::Config(name) => {
                let lags = self.manners.iter().any(|manners| manners.lag.is_some());
                self.world.reconfigure(&kinds::configured(name, lags));
                sum::count("edits of the configuration");
                Some(step.clone())
            }
            Step::Run(run) => Some(Step::Run(self.run(run).await)),
        };
        self.told.extend(told);
    }

    /// Nobody types and nothing fails any more; time passes until everything that waits has had its turn. What is held, a
    /// person looks at and says that it is right: a listing that lacks everything is not believed before.
    async fn rest(&self) {
        let integration = self.world.request(Mode::Sync).integration;
        for hours in [0, 3, 0, 25, 25, 0] {
            self.world.clock.advance(Duration::from_secs(hours * 3_600 + 120));
            self.report(self.world.request(Mode::Sync)).await;
            let _ = self.world.desk(async |desk| desk.approve(integration.as_str()).await).await;
        }
    }
}

/// Plays a history to its end and looks at what is left.
async fn play(scenario: &Scenario) -> Played {
    let mut history = History::new(scenario);
    for step in &scenario.steps {
        history.step(step).await;
    }
    history.rest().await;
    let wrong = history.check().await;
    sum::lived(history.world.clock.monotonic());
    let sides = |read: &dyn Fn(&Fake) -> Vec<Value>| Side::BOTH.map(|side| read(history.system(side)));
    Played {
        wrong,
        written: Side::BOTH.map(|side| history.system(side).written()),
        contacts: sides(&|system| system.all("contacts")),
        told: history.told,
    }
}

/// A thread and a runtime of its own for each history, so that one that goes wrong does not end the others. A panic is
/// one more thing that is wrong.
pub fn played(scenario: &Scenario) -> Played {
    let scenario = scenario.clone();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(&scenario))
    };
    std::thread::spawn(run).join().unwrap_or_else(|panic| {
        let said =
            panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        let wrong = vec![format!("it panics: {}", said.unwrap_or_default())];
        Played { told: Vec::new(), wrong, written: [Vec::new(), Vec::new()], contacts: [Vec::new(), Vec::new()] }
    })
}
