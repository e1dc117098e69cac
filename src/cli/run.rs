//! `run`: the daemon, in the foreground.

use std::{path::Path, sync::Arc};

use super::{
    exit::{CliError, Exit},
    output::Output,
    setup,
};
use crate::{
    clock::Clock,
    connector::Priority,
    daemon::{self, Daemon, DaemonSettings, Stopped},
};

/// Runs until a signal stops it: `TERM` and `INT` let the current runs come to their end, a second one does not.
///
/// # Errors
///
/// When the configuration or the store cannot be used, or another daemon runs.
pub async fn run(dir: &Path, out: &Output) -> Result<Exit, CliError> {
    let loaded = setup::load(dir, out)?;
    let config = Arc::new(loaded.config);
    super::log("RECONCILED_LOG", &config.settings.log);
    let clock = Clock::system();
    let store = setup::open_store(&config)?;
    let connectors = setup::connectors(&config, &clock, Priority::Automatic, out);
    let settings = DaemonSettings::from(&config.settings);
    let daemon = Daemon::start(setup::engine(config, store, connectors, clock)?, settings).await?;
    let stopped = daemon::serve(&daemon).await;
    match stopped.map_err(|error| CliError::Other(format!("this process cannot listen to signals: {error}")))? {
        Stopped::Cleanly => {}
        Stopped::AtOnce => out.talk("stopped at once; what was under way is finished at the next start"),
    }
    Ok(Exit::Done)
}
