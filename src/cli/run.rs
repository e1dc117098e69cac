//! `run`: the daemon, in the foreground.

use std::{os::unix::fs::MetadataExt, path::Path, sync::Arc, time::Duration};

use super::{
    exit::{CliError, Exit},
    output::Output,
    setup,
    text::Paint,
};
use crate::{
    admin,
    clock::Clock,
    config::{Config, ProcessEnv},
    connector::Priority,
    daemon::{
        self, Client, Daemon, DaemonSettings, Signals, Stopped,
        protocol::{Request, Response},
        reload::{Reloading, boot_with},
    },
    store::{
        Ledger, SledStore, StoreError,
        lineage::{self, Found},
    },
};

/// Runs until a signal stops it: `TERM` and `INT` let the current runs come to their end, a second one does not; `HUP` has the
/// configuration looked at.
///
/// # Errors
///
/// When the configuration or the store cannot be used, or another daemon runs.
pub async fn run(dir: &Path, out: &Output) -> Result<Exit, CliError> {
    // Before anything slow: a signal that comes now is carried out when the daemon is there.
    let no_signals = |error| CliError::Other(format!("this process cannot listen to signals: {error}"));
    let signals = Signals::listen().map_err(no_signals)?;
    let (snapshot, loaded, cache) = setup::read_for_daemon(dir, out)?;
    super::log("RECONCILED_LOG", &loaded.config.settings.log);
    if loaded.has_errors() {
        out.talk(&loaded.render(out.talk_paint == Paint::Colour));
    }
    let clock = Clock::system();
    let store = open_store(&Arc::new(loaded.config.clone())).await?;
    look_back(&loaded.config, &store, &clock, out).await?;
    let (path, has_errors) = (loaded.config.settings.state_dir.clone(), loaded.has_errors());
    let boot = boot_with((loaded, cache), &snapshot, &ProcessEnv, &Ledger::new(store.clone()), clock.now()).await;
    // The daemon reads the files itself from now on.
    drop(snapshot);
    let boot = boot.map_err(|source| CliError::Store { path, source })?;
    for kept in boot.kept() {
        tracing::error!(event = "config.last_good", "{kept}");
        out.talk(&out.talk_paint.red(&kept));
    }
    // A folder that is not there yet may come at any time, and is followed.
    if boot.is_hopeless() && dir.is_dir() {
        return Err(CliError::Config("the configuration has mistakes, shown above; nothing can run".to_owned()));
    }
    if has_errors {
        out.talk("what has mistakes is left out, or runs as it was before");
    }
    let config = Arc::clone(&boot.config);
    if config.integrations.is_empty() {
        let make = if dir.is_dir() { "" } else { "make the folder that is not there yet, and " };
        let text = format!(
            "there is nothing to do yet: {make}put a file that ends in .yaml into {} (`reconciled validate` checks it, \
             `reconciled demo` shows an example); it is taken over without a restart",
            dir.display()
        );
        tracing::warn!(event = "config.empty", "{text}");
        out.talk(&text);
    }
    let keeper = setup::keeper(&config, &store, &clock);
    let connect = setup::connect(Some(keeper), &clock, Priority::Automatic);
    let connectors = setup::connectors_by(&connect, &config, out);
    let settings = DaemonSettings::from(&config.settings);
    let admin_settings = config.settings.admin.clone();
    let engine = setup::engine(config, store, connectors, clock)?;
    let reloading = Reloading { boot, env: Arc::new(ProcessEnv), connect };
    let daemon = Daemon::start_reloading(engine, settings, reloading).await?;
    let console = admin_settings.map(|settings| admin::begin(&daemon, settings));
    let stopped = daemon::serve(&daemon, signals).await;
    match stopped.map_err(no_signals)? {
        Stopped::Cleanly => {
            if let Some(console) = console {
                // Answers under way come to their end; it gives up by itself.
                let _ = console.await;
            }
        }
        Stopped::AtOnce => out.talk("stopped at once; what was under way is finished at the next start"),
    }
    Ok(Exit::Done)
}

/// Opens the store, however long it takes to recover, and says who holds it if somebody does.
async fn open_store(config: &Arc<Config>) -> Result<Arc<SledStore>, CliError> {
    let opening = Arc::clone(config);
    let work = tokio::task::spawn_blocking(move || setup::open_store(&opening));
    let opened = daemon::service::starting("opening the store", work).await;
    let opened = opened.map_err(|error| CliError::Other(format!("opening the store failed: {error}")))?;
    match opened {
        Err(CliError::Store { path, source: StoreError::Locked { .. } }) => {
            let holder = holder(config).await;
            Err(CliError::Held { path, holder })
        }
        other => other,
    }
}

/// Whoever uses the store: a daemon says so itself, a command is found among the locks of the machine.
async fn holder(config: &Config) -> String {
    let patience = Duration::from_secs(2);
    if let Ok(client) = Client::connect(&config.settings.socket).await
        && let Ok(Response::Pong { version, pid }) = client.with_patience(patience).call(&Request::Ping).await
    {
        return format!(
            "the daemon {version} with process id {pid}, which answers at {}",
            config.settings.socket.display()
        );
    }
    match locked_by(&config.settings.state_dir.join("db")) {
        Some(pid) => format!("process {pid} ({})", command_of(pid)),
        None => "another process".to_owned(),
    }
}

/// The process that has locked a file, as Linux tells.
fn locked_by(file: &Path) -> Option<u32> {
    let inode = std::fs::metadata(file).ok()?.ino();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        // `1: FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF`
        let mut words = line.split_whitespace().skip(4);
        let (pid, place) = (words.next()?, words.next()?);
        (place.rsplit(':').next()?.parse() == Ok(inode)).then(|| pid.parse().ok())?
    })
}

fn command_of(pid: u32) -> String {
    let text = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = text.split(|byte| *byte == 0).map(String::from_utf8_lossy).take(6).collect();
    words.join(" ").trim_end().to_owned()
}

/// Whether this is the store that ran here last. If not, everything begins as on a first run.
async fn look_back(config: &Config, store: &Arc<SledStore>, clock: &Clock, out: &Output) -> Result<(), CliError> {
    let dir = &config.settings.backup.dir;
    let failed = |source| CliError::Store { path: config.settings.state_dir.clone(), source };
    let now = clock.now();
    let (event, told) = match lineage::compare(store.as_ref(), dir).await.map_err(failed)? {
        Found::Own => ("", String::new()),
        Found::PutBack(later) => {
            ("store.put_back", format!("this store was put back: a later state of it was started at {}", later.at))
        }
        Found::Copied(other) => (
            "store.copied",
            format!(
                "another copy of this store was started at {}; stop one of the two, or both will write to your systems",
                other.at
            ),
        ),
    };
    if !told.is_empty() {
        Ledger::new(store.clone()).begin_anew(now).await.map_err(failed)?;
        let text = format!(
            "{told}. Links are kept, and every pipeline begins as on a first run: `reconciled plan` shows what would be \
             written, `reconciled approve` goes on"
        );
        tracing::error!(event, "{text}");
        out.talk(&out.talk_paint.red(&text));
    }
    let noted = lineage::count_start(store.as_ref(), dir, &now.to_rfc3339()).await.map_err(failed)?;
    if let Err(error) = noted {
        tracing::warn!(event = "store.start_not_noted", %error, dir = %dir.display());
    }
    Ok(())
}
