//! What commands stand on: the configuration, and somebody who carries out requests — the daemon if one runs, else
//! this process itself, with the store open under its lock.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::{exit::CliError, output::Output, text::Paint};
use crate::{
    clock::Clock,
    config::{self, Config, ConnectionName, IntegrationName, Loaded, PipelineName, ProcessEnv},
    connector::{Connector, HttpConnector, LimitRegistry, Priority, Requests},
    daemon::{
        Client, ClientError, execute,
        protocol::{Failure, Progress, Request, Response},
    },
    engine::{Connectors, Engine, RunReport, RunRequest},
    store::{Ledger, SledStore, StoreError},
};

/// How often a run in this process tells how far it is.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Reads the configuration. Its mistakes are printed; what is sound can be used.
///
/// # Errors
///
/// When nothing is left that could be used.
pub fn load(dir: &Path, out: &Output) -> Result<Loaded, CliError> {
    if !dir.is_dir() {
        let message = format!("there is no configuration folder {}; `--config DIR` names another", dir.display());
        return Err(CliError::Config(message));
    }
    let loaded = config::load(dir, &ProcessEnv);
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
pub fn connectors(config: &Config, clock: &Clock, priority: Priority, out: &Output) -> Connectors {
    let limits = Arc::new(LimitRegistry::new(clock.clone()));
    let mut made: Connectors = BTreeMap::new();
    for (name, connection) in &config.connections {
        match HttpConnector::new(Arc::clone(connection), clock.clone(), &limits) {
            Ok(connector) => {
                let connector: Arc<dyn Connector> = Arc::new(connector.with_priority(priority));
                made.insert(name.clone(), connector);
            }
            Err(error) => out.talk(&format!("{error}")),
        }
    }
    made
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
    /// The configuration as it is on disk now.
    pub config: Arc<Config>,
    clerk: Clerk,
    clock: Clock,
    broken: bool,
}

impl Office {
    /// Loads the configuration and finds the daemon, or opens the store.
    ///
    /// # Errors
    ///
    /// When the configuration or the store cannot be used.
    pub async fn open(dir: &Path, out: &Output) -> Result<Self, CliError> {
        let loaded = load(dir, out)?;
        let broken = loaded.has_errors();
        let config = Arc::new(loaded.config);
        let clock = Clock::system();
        let clerk = match Client::connect(&config.settings.socket).await {
            Ok(client) => Clerk::Daemon(Box::new(client)),
            Err(ClientError::NoDaemon { .. }) => {
                let store = open_store(&config)?;
                let connectors = connectors(&config, &clock, Priority::Manual, out);
                Clerk::Here(Box::new(engine(Arc::clone(&config), store, connectors, clock.clone())?))
            }
            Err(error) => return Err(lost(error)),
        };
        Ok(Self { config, clerk, clock, broken })
    }

    /// An office in this process, on an engine that exists already.
    #[must_use]
    pub fn here(engine: Engine) -> Self {
        let (config, clock) = (Arc::clone(&engine.config), engine.clock.clone());
        Self { config, clerk: Clerk::Here(Box::new(engine)), clock, broken: false }
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
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
            Clerk::Here(engine) => Ok(execute(engine, request).await?),
        }
    }

    /// Runs, showing progress on a terminal.
    ///
    /// # Errors
    ///
    /// When the run cannot be carried to its end.
    pub async fn run(&mut self, request: RunRequest, out: &Output) -> Result<RunReport, CliError> {
        let spinner = out.spinner(request.integration.as_str());
        let request = Request::Run(request);
        let response = match &mut self.clerk {
            Clerk::Daemon(client) => client.stream(&request, |step| spinner.show(&step)).await.map_err(lost)?,
            Clerk::Here(engine) => {
                let work = execute(engine, request);
                tokio::pin!(work);
                loop {
                    tokio::select! {
                        done = &mut work => break done?,
                        () = tokio::time::sleep(TELL_EVERY) => {
                            spinner.show(&Progress::Working { requests: made(&engine.connectors) });
                        }
                    }
                }
            }
        };
        match response {
            Response::Run(report) => Ok(*report),
            _ => Err(Self::astray()),
        }
    }

    /// What was named on the command line, by integration: an empty list of pipelines means all of them.
    ///
    /// # Errors
    ///
    /// When a name is neither a pipeline nor an integration.
    pub fn chosen(&self, names: &[String]) -> Result<Vec<(IntegrationName, Vec<PipelineName>)>, CliError> {
        if names.is_empty() {
            if self.config.integrations.is_empty() {
                return Err(CliError::Config("the configuration has no pipeline".to_owned()));
            }
            return Ok(self.config.integrations.keys().map(|name| (name.clone(), Vec::new())).collect());
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
        let all = self.config.pipelines();
        let Some(name) = name else { return Ok(all.map(|(_, pipeline)| pipeline.name.clone()).collect()) };
        let (integration, pipeline) = self.find(name)?;
        Ok(match pipeline {
            Some(pipeline) => vec![pipeline],
            None => all.filter(|(of, _)| of.name == integration).map(|(_, pipeline)| pipeline.name.clone()).collect(),
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
            None => Ok(self.config.integrations.keys().cloned().collect()),
            Some(name) => Ok(vec![self.find(name)?.0]),
        }
    }

    fn find(&self, name: &str) -> Result<(IntegrationName, Option<PipelineName>), CliError> {
        if let Some(integration) = self.config.integrations.keys().find(|known| known.as_str() == name) {
            return Ok((integration.clone(), None));
        }
        let pipeline = self.config.pipelines().find(|(_, pipeline)| pipeline.name.as_str() == name);
        if let Some((integration, pipeline)) = pipeline {
            return Ok((integration.name.clone(), Some(pipeline.name.clone())));
        }
        if self.broken {
            let message = format!("`{name}` is not there, or it has mistakes, which are shown above");
            return Err(CliError::Config(message));
        }
        let known: Vec<String> = self
            .config
            .integrations
            .keys()
            .map(ToString::to_string)
            .chain(self.config.pipelines().map(|(_, pipeline)| pipeline.name.to_string()))
            .collect();
        let nearest = known.iter().max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
        let hint = nearest.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Err(CliError::Usage(format!("there is no pipeline or integration named `{name}`{hint}")))
    }
}

fn made(connectors: &Connectors) -> Vec<(ConnectionName, Requests)> {
    connectors.iter().map(|(name, connector)| (name.clone(), connector.requests())).collect()
}

fn lost(error: ClientError) -> CliError {
    match error {
        ClientError::Failed(failure) => CliError::Refused(failure),
        other => CliError::Daemon(other),
    }
}

/// What stands between a command and the store itself: `export` and `import` need nobody else to use it.
///
/// # Errors
///
/// When a daemon runs, or the store cannot be used.
pub async fn store_alone(config: &Config) -> Result<Arc<SledStore>, CliError> {
    match Client::connect(&config.settings.socket).await {
        Err(ClientError::NoDaemon { .. }) => open_store(config),
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
