//! Who judges an edit: the daemon if one runs, else this process, by what the last daemon ran.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    exit::{CliError, Exit},
    output::Output,
    setup::{self, Office},
};
use crate::{
    clock::Clock,
    config::{ProcessEnv, SETTINGS_FILE, Snapshot},
    daemon::{
        Client, ClientError,
        protocol::{Request, Response},
        reload::{ConfigDiff, GoodText, offline},
    },
    store::Ledger,
};

/// Whoever judges.
pub enum Judge {
    /// The running daemon.
    Daemon(Box<Client>),
    /// This process, with the store open.
    Here(Box<Ledger>, Snapshot, PathBuf),
}

impl Judge {
    /// Finds the daemon, or opens the store. The YAML files may hold any mistakes.
    ///
    /// # Errors
    ///
    /// When the settings have mistakes, or the state cannot be used.
    pub async fn open(dir: &Path, out: &Output) -> Result<Self, CliError> {
        let (snapshot, loaded, _) = setup::read_for_daemon(dir, out)?;
        match Client::connect(&loaded.config.settings.socket).await {
            Ok(client) => Ok(Self::Daemon(Box::new(client))),
            Err(ClientError::NoDaemon { .. }) => {
                let store = setup::open_store(&loaded.config)?;
                Ok(Self::Here(Box::new(Ledger::new(store)), snapshot, loaded.config.settings.state_dir))
            }
            Err(error) => Err(setup::lost(error)),
        }
    }

    /// What the files would change, with these texts in place of what some of them hold.
    ///
    /// # Errors
    ///
    /// When the state cannot be used, or the daemon goes away.
    pub async fn diff(&mut self, texts: BTreeMap<String, String>) -> Result<ConfigDiff, CliError> {
        match self {
            Self::Daemon(client) => match client.call(&Request::ConfigDiff { texts }).await.map_err(setup::lost)? {
                Response::ConfigDiff(diff) => Ok(*diff),
                _ => Err(Office::astray()),
            },
            Self::Here(ledger, snapshot, path) => {
                let snapshot = snapshot.with_texts(texts.into_iter().map(|(name, text)| (name, Arc::from(text))));
                let diff = offline::diff(ledger, &snapshot, &ProcessEnv, Clock::system().now()).await;
                diff.map_err(|source| CliError::Store { path: path.clone(), source })
            }
        }
    }

    /// The last good text of a file.
    ///
    /// # Errors
    ///
    /// When the state cannot be used, or the daemon goes away.
    pub async fn last_good(&mut self, file: &str) -> Result<Option<GoodText>, CliError> {
        if file == SETTINGS_FILE {
            return Err(CliError::Usage(format!("{SETTINGS_FILE} is not put back by itself; only YAML files are")));
        }
        match self {
            Self::Daemon(client) => {
                let request = Request::LastGood { file: file.to_owned() };
                match client.call(&request).await.map_err(setup::lost)? {
                    Response::LastGood(good) => Ok(*good),
                    _ => Err(Office::astray()),
                }
            }
            Self::Here(ledger, snapshot, path) => {
                let good = offline::last_good(ledger, snapshot, &ProcessEnv, file).await;
                good.map_err(|source| CliError::Store { path: path.clone(), source })
            }
        }
    }

    /// Has the daemon take over what was written, and says what came of it; without one nothing is to be done.
    ///
    /// # Errors
    ///
    /// When the daemon goes away.
    pub async fn reload(&mut self, out: &Output) -> Result<Exit, CliError> {
        let Self::Daemon(client) = self else {
            out.talk("no daemon runs; its next start takes it over");
            return Ok(Exit::Done);
        };
        let request = Request::Reload { wait: false, force: false };
        let Response::Reloaded(report) = client.call(&request).await.map_err(setup::lost)? else {
            return Err(Office::astray());
        };
        out.talk(&super::reload::render(&report, out.talk_paint));
        Ok(super::reload::exit(&report))
    }
}
