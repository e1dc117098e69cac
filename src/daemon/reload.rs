//! Reloading: from "the folder may have changed" to the edited integrations running, and nothing else touched.
//!
//! 1. **Notice** (`follow`): events of the operating system are hints, comparing the files every few seconds is the
//!    guarantee, and a person can ask (`reload`, `SIGHUP`). The files must rest before they are read.
//! 2. **Read**: one [`Snapshot`](crate::config::Snapshot); everything after works on these texts.
//! 3. **Decide** (`decide`, pure): per integration, by what its configuration comes to: same, tuned, changed, added,
//!    removed, or kept as it is because its files hold a mistake or vanished in a suspicious way.
//!    An edit of a template may go to some of its clients first (`rollout`).
//! 4. **Prepare** (`pass`): connectors of the new configuration are made before anything of the old one is given up.
//! 5. **Remember** (`remembered`): the texts of every generation, and the generation each integration runs, so that a
//!    start with a broken file ([`boot`]) runs what was good last.
//! 6. **Take over** (`swap`): one integration at a time, between its runs; a run that does not end is asked to make no
//!    further call, and dropped at last. Whoever shares an account that moved moves together. `admit` may say no.

pub(super) mod admit;
mod boot;
mod decide;
mod diff;
mod follow;
mod good;
pub(super) mod held;
mod logins;
pub(super) mod moves;
pub mod offline;
mod pass;
pub(super) mod remembered;
pub(super) mod removed;
mod report;
pub(super) mod rollout;
mod swap;
mod watch;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, mpsc, oneshot};

pub use boot::{Boot, boot, boot_with};
pub(super) use diff::Compared;
pub use diff::{ConfigDiff, DiffKind, IntegrationDiff};
pub(super) use follow::begin;
pub use good::GoodText;
pub(super) use good::last_good;
pub use held::HeldEdit;
pub use report::{
    ConfigNow, FileOutcome, FileResult, IntegrationOutcome, IntegrationResult, Mistake, ReloadReport, ReloadSummary,
};

pub use rollout::{Rollout, Stage as RolloutStage, Trial};

use super::protocol::{Failure, FailureKind};
use crate::{
    config::{Cache, Connection, ConnectionName, Effective, EnvSource, Integration, IntegrationName, Settings},
    connector::Connector,
};

/// Makes the connector of a connection; the error says why it cannot be made.
pub type Connect = Arc<dyn Fn(&Arc<Connection>) -> Result<Arc<dyn Connector>, String> + Send + Sync>;

/// What a daemon needs to follow its configuration.
pub struct Reloading {
    /// What it begins with.
    pub boot: Boot,
    /// Where variables come from.
    pub env: Arc<dyn EnvSource + Send + Sync>,
    /// How connectors are made.
    pub connect: Connect,
}

impl Reloading {
    /// The generation that an integration begins with.
    pub(super) fn generation_of(&self, name: &IntegrationName) -> u64 {
        self.boot.known.running.get(name).map_or(0, |running| running.generation)
    }
}

/// An integration that runs, as the reloader knows it.
#[derive(Clone, Debug)]
struct Running {
    integration: Arc<Integration>,
    effective: Effective,
    /// The file that named it.
    home: String,
    generation: u64,
    /// When it took over, or was found to run.
    since: DateTime<Utc>,
}

/// What the reloader knows between two looks.
#[derive(Debug)]
struct Known {
    dir: PathBuf,
    /// Hash of the files that were judged last.
    seen: u64,
    /// The hash of each of them.
    files: BTreeMap<String, u64>,
    /// The last text of each file that could be read.
    earlier: BTreeMap<String, Arc<str>>,
    running: BTreeMap<IntegrationName, Running>,
    connections: BTreeMap<ConnectionName, Arc<Connection>>,
    generation: u64,
    settings: Settings,
    /// What was decided at the last look.
    decisions: BTreeMap<IntegrationName, decide::Decision>,
    /// The file that names each integration.
    homes: BTreeMap<IntegrationName, String>,
    /// What the files came to at the last look, for those of which nothing is left out.
    on_disk: BTreeMap<IntegrationName, Effective>,
    /// Edits of templates on their way, by template.
    rollouts: BTreeMap<String, Rollout>,
    /// How edits of templates reach their clients, as the files said at the last look.
    rollout_settings: BTreeMap<String, crate::config::Rollout>,
    report: ReloadReport,
    /// What the looks so far made of integrations.
    cache: Cache,
}

/// The wish for a reload.
pub(super) struct Asks {
    again: Arc<Notify>,
    store_works: Arc<Notify>,
    requests: mpsc::UnboundedSender<Ask>,
}

/// The reloader's end of [`Asks`].
pub(super) struct Asked {
    again: Arc<Notify>,
    store_works: Arc<Notify>,
    requests: mpsc::UnboundedReceiver<Ask>,
}

/// A person waits for the outcome.
struct Ask {
    /// Also believe that files were removed.
    force: bool,
    /// Answer only when everything has taken over.
    wait: bool,
    answer: oneshot::Sender<ReloadReport>,
}

impl Asks {
    pub fn new() -> (Self, Asked) {
        let (again, store_works) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (requests, receiver) = mpsc::unbounded_channel();
        let asked = Asked { again: Arc::clone(&again), store_works: Arc::clone(&store_works), requests: receiver };
        (Self { again, store_works, requests }, asked)
    }

    /// Look again soon. Asking many times is asking once.
    pub fn again(&self) {
        self.again.notify_one();
    }

    /// What could not be remembered can be now.
    pub fn store_works(&self) {
        self.store_works.notify_one();
    }

    /// Looks at once, and waits for what comes of it.
    ///
    /// # Errors
    ///
    /// When nothing is reloaded, or the daemon stops.
    pub async fn now(&self, wait: bool, force: bool) -> Result<ReloadReport, Failure> {
        let (answer, answered) = oneshot::channel();
        let gone = || Failure::new(FailureKind::NotPossible, "this daemon does not reload its configuration");
        self.requests.send(Ask { force, wait, answer }).map_err(|_| gone())?;
        let stopped = |_| Failure::new(FailureKind::Stopping, "the daemon is stopping");
        answered.await.map_err(stopped)
    }
}
