//! What commands stand on: the configuration, and somebody who carries out requests — the daemon if one runs, else
//! this process itself, with the store open under its lock.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::{exit::CliError, output::Output, text::Paint};
use crate::{
    clock::Clock,
    config::{self, Cache, Config, ConnectionName, IntegrationName, Loaded, PipelineName, ProcessEnv, Snapshot},
    connector::{
        Commons, Connector, FileConnector, HttpConnector, InboxConnector, LimitRegistry, Priority, Requests,
        SqlConnector,
    },
    daemon::{
        Client, ClientError, execute,
        protocol::{Failure, Progress, Request, Response},
        reload::{Connect, offline},
    },
    engine::{Connectors, Engine, Listed, Listing, Meter, RunReport, RunRequest},
    grant::{Keeper, Vault},
    store::{Ledger, SledStore, Store, StoreError},
};

/// How often a run in this process tells how far it is.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Reads the configuration. Its mistakes are printed; what is sound can be used.
///
/// # Errors
///
/// When nothing is left that could be used.
pub fn load(dir: &Path, out: &Output) -> Result<Loaded, CliError> {
    usable(read(dir, out)?, out)
}

/// Reads the configuration for a command that only needs its settings: every other mistake is of no concern.
///
/// # Errors
///
/// When nobody can say where the store is.
pub fn load_settings(dir: &Path, out: &Output) -> Result<Config, CliError> {
    Ok(read(dir, out)?.config)
}

/// Reads the configuration, whatever mistakes it has, but for those in its settings: nobody may work on another state
/// folder than the one that is meant.
fn read(dir: &Path, out: &Output) -> Result<Loaded, CliError> {
    no_folder(dir)?;
    sound_settings(config::load(dir, &ProcessEnv), out)
}

/// Reads the configuration folder for a daemon, and gives what the load left for the next one: its settings must be sound;
/// everything else may hold mistakes.
///
/// # Errors
///
/// When the folder is not there, or nobody can say where the store is.
pub fn read_for_daemon(dir: &Path, out: &Output) -> Result<(Snapshot, Loaded, Cache), CliError> {
    // One that is not there yet, or not mounted, is no reason to be down: what was good last runs.
    if dir.exists() {
        no_folder(dir)?;
    }
    let mut snapshot = Snapshot::read(dir);
    for _ in 0..3 {
        if snapshot.is_steady() {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
        snapshot = Snapshot::read(dir);
    }
    let mut cache = Cache::default();
    let loaded = config::load_cached(&snapshot, &ProcessEnv, &BTreeMap::new(), &mut cache);
    Ok((snapshot, sound_settings(loaded, out)?, cache))
}

fn no_folder(dir: &Path) -> Result<(), CliError> {
    if dir.is_dir() {
        return Ok(());
    }
    let message = format!("there is no configuration folder {}; `--config DIR` names another", dir.display());
    Err(CliError::Config(message))
}

fn sound_settings(loaded: Loaded, out: &Output) -> Result<Loaded, CliError> {
    if !loaded.settings_sound {
        out.talk(&loaded.render(out.talk_paint == Paint::Colour));
        let message = format!("{} has mistakes, shown above; nothing can run", config::SETTINGS_FILE);
        return Err(CliError::Config(message));
    }
    Ok(loaded)
}

fn usable(loaded: Loaded, out: &Output) -> Result<Loaded, CliError> {
    if loaded.has_errors() {
        out.talk(&loaded.render(out.talk_paint == Paint::Colour));
        if loaded.config.integrations.is_empty() {
            return Err(CliError::Config("the configuration has mistakes, shown above; nothing can run".to_owned()));
        }
        out.talk("the pipelines with mistakes are left out");
    }
    Ok(loaded)
}

/// Opens the store of a configuration, under its lock.
///
/// # Errors
///
/// When another process holds it, or it cannot be used.
pub fn open_store(config: &Config) -> Result<Arc<SledStore>, CliError> {
    let path = &config.settings.state_dir;
    let store = SledStore::open(path, config.settings.store_cache_bytes);
    store.map(Arc::new).map_err(|source| CliError::Store { path: path.clone(), source })
}

/// Connectors for every connection; one that cannot be made is told and left out.
#[must_use]
pub fn connectors(
    config: &Config,
    store: &Arc<SledStore>,
    clock: &Clock,
    priority: Priority,
    out: &Output,
) -> Connectors {
    connectors_by(&connect(Some(keeper(config, store, clock)), clock, priority), config, out)
}

/// As [`connectors`], made in this way.
#[must_use]
pub fn connectors_by(connect: &Connect, config: &Config, out: &Output) -> Connectors {
    let mut made: Connectors = BTreeMap::new();
    for (name, connection) in &config.connections {
        match connect(connection) {
            Ok(connector) => {
                made.insert(name.clone(), connector);
            }
            Err(error) => out.talk(&error),
        }
    }
    made
}

/// Who keeps the grants of a store.
#[must_use]
pub fn keeper(config: &Config, store: &Arc<SledStore>, clock: &Clock) -> Arc<Keeper> {
    let vault = Vault::new(config.settings.tokens_key.clone());
    Arc::new(Keeper::new(Arc::clone(store) as Arc<dyn Store>, vault, clock.clone()))
}

/// A way to make connectors that share their limits and their grants, whenever they are made. Without a keeper nobody can
/// log in by a grant.
#[must_use]
pub fn connect(keeper: Option<Arc<Keeper>>, clock: &Clock, priority: Priority) -> Connect {
    let (limits, clock) = (Arc::new(LimitRegistry::new(clock.clone())), clock.clone());
    let commons = Commons::default();
    Arc::new(move |connection| {
        if connection.manifest.is_of_files() {
            let made = FileConnector::new(Arc::clone(connection), clock.clone()).map_err(|error| error.to_string())?;
            return Ok(Arc::new(made) as Arc<dyn Connector>);
        }
        if connection.manifest.is_of_posts() {
            let store = keeper.as_ref().map(|keeper| keeper.store()).ok_or_else(|| {
                let name = &connection.name;
                format!("connection `{name}` cannot be used: what was posted is in the store, which is not open here")
            })?;
            return Ok(
                Arc::new(InboxConnector::new(Arc::clone(connection), clock.clone(), store)) as Arc<dyn Connector>
            );
        }
        if connection.manifest.is_of_tables() {
            let made = SqlConnector::new(Arc::clone(connection)).map_err(|error| error.to_string())?;
            return Ok(Arc::new(made) as Arc<dyn Connector>);
        }
        let made = HttpConnector::sharing(&commons, Arc::clone(connection), clock.clone(), &limits);
        let made = made.map_err(|error| error.to_string())?;
        let made = made.with_priority(priority);
        let made = match &keeper {
            Some(keeper) => made.with_grants(Arc::clone(keeper)),
            None => made,
        };
        Ok(Arc::new(made) as Arc<dyn Connector>)
    })
}

/// An engine on an open store.
///
/// # Errors
///
/// When the folder for temporary files cannot be made.
pub fn engine(
    config: Arc<Config>,
    store: Arc<SledStore>,
    connectors: Connectors,
    clock: Clock,
) -> Result<Engine, CliError> {
    let temp = config.settings.state_dir.join("tmp");
    std::fs::create_dir_all(&temp).map_err(|source| CliError::File {
        action: "make the folder",
        path: temp.clone(),
        source,
    })?;
    let ledger = Ledger::new(store);
    Ok(Engine { config, ledger, connectors: Arc::new(connectors), clock, temp, seed: fastrand::u64(..) })
}

enum Clerk {
    Daemon(Box<Client>),
    Here(Box<Engine>),
}

/// Where commands take their requests.
pub struct Office {
    /// The configuration as it is on disk now. Mistakes in it are of no concern to a daemon that runs.
    pub config: Arc<Config>,
    clerk: Clerk,
    clock: Clock,
    /// Every integration with its pipelines, as whoever carries out requests knows them.
    known: Vec<(IntegrationName, Vec<PipelineName>)>,
    /// The one integration that it is all about.
    client: Option<IntegrationName>,
    broken: bool,
}

impl Office {
    /// Loads the configuration and finds the daemon, or opens the store.
    ///
    /// # Errors
    ///
    /// When the configuration or the store cannot be used.
    pub async fn open(dir: &Path, out: &Output) -> Result<Self, CliError> {
        let loaded = read(dir, out)?;
        let broken = loaded.has_errors();
        let clock = Clock::system();
        match Client::connect(&loaded.config.settings.socket).await {
            Ok(mut client) => {
                if broken {
                    out.talk(&loaded.render(out.talk_paint == Paint::Colour));
                    out.talk("the daemon goes on with what was good before\n");
                }
                // It may run something else than the files say.
                let known = names_of(&mut client).await?;
                let clerk = Clerk::Daemon(Box::new(client));
                Ok(Self { config: Arc::new(loaded.config), clerk, clock, known, client: None, broken })
            }
            Err(ClientError::NoDaemon { .. }) => {
                let config = Arc::new(usable(loaded, out)?.config);
                let store = open_store(&config)?;
                let connectors = connectors(&config, &store, &clock, Priority::Manual, out);
                let engine = engine(Arc::clone(&config), store, connectors, clock.clone())?;
                let path = config.settings.state_dir.clone();
                let settled = offline::settle_moves(&engine).await;
                settled.map_err(|source| CliError::Store { path, source })?;
                Ok(Self { broken, ..Self::here(engine) })
            }
            Err(error) => Err(lost(error)),
        }
    }

    /// An office in this process, on an engine that exists already.
    #[must_use]
    pub fn here(engine: Engine) -> Self {
        let (config, clock) = (Arc::clone(&engine.config), engine.clock.clone());
        let known = names_in(&config);
        Self { config, clerk: Clerk::Here(Box::new(engine)), clock, known, client: None, broken: false }
    }

    /// From now on it is all about one integration: nothing else is known, and its pipelines go by their short names.
    ///
    /// # Errors
    ///
    /// When there is no such integration.
    pub fn narrow(&mut self, client: &str) -> Result<(), CliError> {
        let (integration, pipeline) = self.find(client)?;
        if let Some(pipeline) = pipeline.filter(|name| name.as_str() != integration.as_str()) {
            return Err(CliError::Usage(format!("`{pipeline}` is a pipeline; `--client` takes an integration")));
        }
        self.known.retain(|(name, _)| *name == integration);
        self.client = Some(integration);
        Ok(())
    }

    /// The one integration that it is all about.
    #[must_use]
    pub const fn client(&self) -> Option<&IntegrationName> {
        self.client.as_ref()
    }

    /// The full name of a pipeline or integration.
    ///
    /// # Errors
    ///
    /// When there is none of this name.
    pub fn full_name(&self, name: &str) -> Result<String, CliError> {
        let (integration, pipeline) = self.find(name)?;
        Ok(pipeline.map_or_else(|| integration.to_string(), |pipeline| pipeline.to_string()))
    }

    /// Whether a daemon carries out what is asked.
    #[must_use]
    pub const fn has_daemon(&self) -> bool {
        matches!(self.clerk, Clerk::Daemon(_))
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A way to every system of the configuration. While a daemon runs, its logins and what was posted to it are its own.
    #[must_use]
    pub fn connectors(&self, out: &Output) -> Connectors {
        match &self.clerk {
            Clerk::Here(engine) => Connectors::clone(&engine.connectors),
            Clerk::Daemon(_) => connectors_by(&connect(None, &self.clock, Priority::Manual), &self.config, out),
        }
    }

    /// An answer of another kind than the request has: daemon and command are of different versions.
    #[must_use]
    pub fn astray() -> CliError {
        CliError::Other("the daemon gave an answer to another question; is it of another version?".to_owned())
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    ///
    /// When the answer is no, or the daemon went away.
    pub async fn ask(&mut self, request: Request) -> Result<Response, CliError> {
        match &mut self.clerk {
            Clerk::Daemon(client) => client.call(&request).await.map_err(lost),
            Clerk::Here(engine) => Ok(Box::pin(execute(engine, request)).await?),
        }
    }

    /// Runs, showing progress on a terminal. Where the request wants a list, the report lists everything.
    ///
    /// # Errors
    ///
    /// When the run cannot be carried to its end.
    pub async fn run(&mut self, request: RunRequest, out: &Output) -> Result<RunReport, CliError> {
        let spinner = out.spinner(request.integration.as_str());
        let whole = request.list;
        let listed: Arc<Mutex<Vec<Listed>>> = Arc::default();
        let mut report = match &mut self.clerk {
            Clerk::Daemon(client) => {
                let note = |step| match step {
                    Progress::Listed(item) => listed.lock().unwrap_or_else(PoisonError::into_inner).push(item),
                    step => spinner.show(&step),
                };
                match client.stream(&Request::Run(request), note).await.map_err(lost)? {
                    Response::Run(report) => *report,
                    _ => return Err(Self::astray()),
                }
            }
            Clerk::Here(engine) => {
                let meter = Arc::new(Meter::default());
                let kept = Arc::clone(&listed);
                let listing: Listing =
                    Arc::new(move |item| kept.lock().unwrap_or_else(PoisonError::into_inner).push(item));
                let work = engine.run_telling(request, Arc::clone(&meter), Some(listing));
                tokio::pin!(work);
                loop {
                    tokio::select! {
                        done = &mut work => break done.map_err(Failure::from)?,
                        () = tokio::time::sleep(TELL_EVERY) => {
                            let (requests, reading) = (made(&engine.connectors), meter.reading());
                            spinner.show(&Progress::Working { requests, reading });
                        }
                    }
                }
            }
        };
        let listed = std::mem::take(&mut *listed.lock().unwrap_or_else(PoisonError::into_inner));
        // A daemon of an older version tells nothing on the way; what its report lists is all there is.
        if whole && !listed.is_empty() {
            report.list_all(listed);
        }
        Ok(report)
    }

    /// What was named on the command line, by integration: an empty list of pipelines means all of them.
    ///
    /// # Errors
    ///
    /// When a name is neither a pipeline nor an integration.
    pub fn chosen(&self, names: &[String]) -> Result<Vec<(IntegrationName, Vec<PipelineName>)>, CliError> {
        if names.is_empty() {
            if self.known.is_empty() {
                return Err(CliError::Config("the configuration has no pipeline".to_owned()));
            }
            return Ok(self.known.iter().map(|(name, _)| (name.clone(), Vec::new())).collect());
        }
        let mut chosen: Vec<(IntegrationName, Vec<PipelineName>)> = Vec::new();
        let mut whole: HashMap<IntegrationName, bool> = HashMap::new();
        for name in names {
            let (integration, pipeline) = self.find(name)?;
            *whole.entry(integration.clone()).or_default() |= pipeline.is_none();
            match chosen.iter_mut().find(|(known, _)| *known == integration) {
                Some((_, pipelines)) => pipelines.extend(pipeline),
                None => chosen.push((integration, pipeline.into_iter().collect())),
            }
        }
        for (integration, pipelines) in &mut chosen {
            if whole.get(integration).copied().unwrap_or_default() {
                pipelines.clear();
            }
        }
        Ok(chosen)
    }

    /// The pipelines of what was named; every pipeline if nothing was.
    ///
    /// # Errors
    ///
    /// When the name is neither a pipeline nor an integration.
    pub fn pipelines(&self, name: Option<&str>) -> Result<Vec<PipelineName>, CliError> {
        let of = |wanted: Option<&IntegrationName>| {
            let known = self.known.iter().filter(|(of, _)| wanted.is_none_or(|wanted| wanted == of));
            known.flat_map(|(_, pipelines)| pipelines.clone()).collect()
        };
        let Some(name) = name else { return Ok(of(None)) };
        let (integration, pipeline) = self.find(name)?;
        Ok(match pipeline {
            Some(pipeline) => vec![pipeline],
            None => of(Some(&integration)),
        })
    }

    /// The one pipeline of this name; an integration of a single pipeline will do.
    ///
    /// # Errors
    ///
    /// When there is none, or the name stands for several.
    pub fn one_pipeline(&self, name: &str) -> Result<PipelineName, CliError> {
        let mut pipelines = self.pipelines(Some(name))?;
        match (pipelines.pop(), pipelines.is_empty()) {
            (Some(pipeline), true) => Ok(pipeline),
            (Some(last), false) => {
                pipelines.push(last);
                let names: Vec<&str> = pipelines.iter().map(PipelineName::as_str).collect();
                Err(CliError::Usage(format!("`{name}` has several pipelines; name one of {}", names.join(", "))))
            }
            (None, _) => Err(CliError::Usage(format!("`{name}` has no pipeline"))),
        }
    }

    /// One integration, or all.
    ///
    /// # Errors
    ///
    /// When there is none of this name.
    pub fn integrations(&self, name: Option<&str>) -> Result<Vec<IntegrationName>, CliError> {
        match name {
            None => Ok(self.known.iter().map(|(name, _)| name.clone()).collect()),
            Some(name) => Ok(vec![self.find(name)?.0]),
        }
    }

    fn find(&self, name: &str) -> Result<(IntegrationName, Option<PipelineName>), CliError> {
        if let Some((integration, _)) = self.known.iter().find(|(known, _)| known.as_str() == name) {
            return Ok((integration.clone(), None));
        }
        let short = self.client.as_ref().map(|client| format!("{client}/{name}"));
        for (integration, pipelines) in &self.known {
            let named =
                |pipeline: &&PipelineName| pipeline.as_str() == name || Some(pipeline.as_str()) == short.as_deref();
            if let Some(pipeline) = pipelines.iter().find(named) {
                return Ok((integration.clone(), Some(pipeline.clone())));
            }
        }
        if self.broken {
            let message = format!("`{name}` is not there, or it has mistakes, which are shown above");
            return Err(CliError::Config(message));
        }
        let integrations = self.known.iter().map(|(integration, _)| integration.to_string());
        let pipelines = self.known.iter().flat_map(|(_, pipelines)| pipelines.iter().map(ToString::to_string));
        let known: Vec<String> = integrations.chain(pipelines).collect();
        let nearest = known.iter().max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
        let hint = nearest.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let of = self.client.as_ref().map(|client| format!(" in `{client}`")).unwrap_or_default();
        Err(CliError::Usage(format!("there is no pipeline or integration named `{name}`{of}{hint}")))
    }
}

fn names_in(config: &Config) -> Vec<(IntegrationName, Vec<PipelineName>)> {
    let pipelines = |of: &config::Integration| of.pipelines.iter().map(|pipeline| pipeline.name.clone()).collect();
    config.integrations.values().map(|integration| (integration.name.clone(), pipelines(integration))).collect()
}

/// What a daemon runs, where the files do not tell.
async fn names_of(client: &mut Client) -> Result<Vec<(IntegrationName, Vec<PipelineName>)>, CliError> {
    let Response::Status(status) = client.call(&Request::Status).await.map_err(lost)? else {
        return Err(Office::astray());
    };
    let names = status.integrations.into_iter().map(|integration| {
        (integration.integration, integration.pipelines.into_iter().map(|pipeline| pipeline.pipeline).collect())
    });
    Ok(names.collect())
}

fn made(connectors: &Connectors) -> Vec<(ConnectionName, Requests)> {
    connectors.iter().map(|(name, connector)| (name.clone(), connector.requests())).collect()
}

/// A daemon that did not answer, or said no.
pub fn lost(error: ClientError) -> CliError {
    match error {
        ClientError::Failed(failure) => CliError::Refused(failure),
        other => CliError::Daemon(other),
    }
}

/// The running daemon, for what only it can do. The files of the configuration may hold any mistakes but those that hide
/// the socket.
///
/// # Errors
///
/// When none runs.
pub async fn daemon_only(dir: &Path, out: &Output) -> Result<Client, CliError> {
    let loaded = read(dir, out)?;
    Client::connect(&loaded.config.settings.socket).await.map_err(|error| match error {
        ClientError::NoDaemon { .. } => CliError::NoDaemon,
        error => lost(error),
    })
}

/// What stands between a command and the store itself: `export` and `import` need nobody else to use it.
///
/// # Errors
///
/// When a daemon runs.
pub async fn no_daemon(config: &Config) -> Result<(), CliError> {
    match Client::connect(&config.settings.socket).await {
        Err(ClientError::NoDaemon { .. }) => Ok(()),
        Ok(_) => {
            let path = config.settings.state_dir.clone();
            let source = StoreError::Locked { path: path.display().to_string() };
            Err(CliError::Store { path, source })
        }
        Err(error) => Err(lost(error)),
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}
