//! `reconciled.toml`: the daemon's own settings.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use url::Url;

use crate::config::{IntegrationName, Secret};

/// Where the daemon keeps things and how it talks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The configuration folder.
    pub config_dir: PathBuf,
    /// The folder of the store; private to the daemon (mode 0700).
    pub state_dir: PathBuf,
    /// The unix socket over which commands reach a running daemon.
    pub socket: PathBuf,
    /// `tracing` filter, for example `info` or `reconciled=debug`.
    pub log: String,
    /// How long a stop may take before open work is left to recovery.
    pub stop_deadline: Duration,
    /// Memory the store may use as cache, in bytes.
    pub store_cache_bytes: u64,
    /// How an edited configuration is taken over.
    pub reload: ReloadSettings,
    /// How long before-images are kept.
    pub history: HistorySettings,
    /// Snapshots of the store.
    pub backup: BackupSettings,
    /// Which finished runs are kept.
    pub runs: RunSettings,
    /// The public listener, if there is to be one.
    pub public: Option<PublicSettings>,
    /// The console (dashboard and API), if there is to be one.
    pub admin: Option<AdminSettings>,
    /// The key that tokens are sealed with, if there is one.
    pub tokens_key: Option<Secret>,
}

/// The listener for webhooks, inboxes and logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicSettings {
    /// Where it listens, in plain HTTP.
    pub listen: SocketAddr,
    /// Where the world reaches it, through a proxy that speaks HTTPS.
    pub url: Option<Url>,
}

/// The console: where it is, and who may use it.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// Where it listens, in plain HTTP.
    pub listen: SocketAddr,
    /// Where people reach it through a proxy, with the path below which it is.
    pub url: Option<Url>,
    /// The role of whoever reaches it, without a login.
    pub open: Option<Role>,
    /// How long a login lasts.
    pub session: Duration,
    /// The file in which changes are remembered.
    pub audit: PathBuf,
    /// People, by the name they log in with; what proves them is the argon2 hash of their password.
    pub users: BTreeMap<String, Account>,
    /// Programs by name; what proves them is the SHA-256 of their token, in hexadecimal after `sha256:`.
    pub tokens: BTreeMap<String, Account>,
}

/// What a person or a program may do in the console.
#[derive(Clone, Debug)]
pub struct Account {
    /// The hash of the password or token.
    pub proof: Secret,
    /// What they may do.
    pub role: Role,
    /// Only these integrations; `None` means all, and what is of the daemon as a whole.
    pub clients: Option<BTreeSet<IntegrationName>>,
}

/// What somebody may do. Each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look at everything.
    Viewer,
    /// Decide about records, run, pause.
    Operator,
    /// Approve what is held, link by hand, connect and disconnect, reload.
    Admin,
}

impl Role {
    /// As written in `reconciled.toml`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl PartialEq for AdminSettings {
    /// Whether both mean the same console; proofs in files are compared by where they are.
    fn eq(&self, other: &Self) -> bool {
        let shown =
            |settings: &Self| format!("{:?}", (settings.listen, &settings.url, settings.open, settings.session));
        let same = |one: &BTreeMap<String, Account>, two: &BTreeMap<String, Account>| {
            one.len() == two.len()
                && one.iter().zip(two).all(|((name, account), (other_name, other))| {
                    name == other_name
                        && account.role == other.role
                        && account.clients == other.clients
                        && account.proof.is_same(&other.proof)
                })
        };
        shown(self) == shown(other) && same(&self.users, &other.users) && same(&self.tokens, &other.tokens)
    }
}

/// How long before-images are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistorySettings {
    /// Runs older than this are forgotten.
    pub keep: Duration,
    /// Most bytes of them in all, about; the oldest are forgotten first.
    pub max_bytes: u64,
}

impl Default for HistorySettings {
    fn default() -> Self {
        Self { keep: Duration::from_hours(30 * 24), max_bytes: 64 << 20 }
    }
}

/// Snapshots of the store that the daemon makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSettings {
    /// The folder they go to.
    pub dir: PathBuf,
    /// How long after one the next is made.
    pub every: Duration,
    /// How many are kept; none are made if it is 0.
    pub keep: usize,
    /// Bytes that a snapshot leaves free on its disk.
    pub reserve_bytes: u64,
}

impl BackupSettings {
    /// The defaults, beside the store in this folder.
    #[must_use]
    pub fn beside(state_dir: &std::path::Path) -> Self {
        Self { dir: state_dir.join("backup"), every: Duration::from_hours(24), keep: 7, reserve_bytes: 256 << 20 }
    }
}

/// Which finished runs of an integration are kept; the last one always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunSettings {
    /// At most this many.
    pub keep: u64,
    /// At most this long.
    pub keep_for: Duration,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self { keep: 1_000, keep_for: Duration::from_hours(90 * 24) }
    }
}

/// How an edited configuration is taken over. All of it can change while the daemon runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadSettings {
    /// Whether the files are followed; else only a person reloads.
    pub watch: bool,
    /// How often the files are compared.
    pub poll: Duration,
    /// How long the files must rest after a change.
    pub settle: Duration,
    /// How long a run may go on with the old configuration of its integration.
    pub drain: Duration,
    /// How long many files must stay away before that is believed.
    pub second_look: Duration,
    /// How long a held edit waits for an answer.
    pub keep_held: Duration,
    /// How long what is remembered of a removed pipeline is kept.
    pub keep_removed: Duration,
}

impl Default for ReloadSettings {
    fn default() -> Self {
        Self {
            watch: true,
            poll: Duration::from_secs(15),
            settle: Duration::from_secs(1),
            drain: Duration::from_secs(30),
            second_look: Duration::from_secs(60),
            keep_held: Duration::from_hours(7 * 24),
            keep_removed: Duration::from_hours(30 * 24),
        }
    }
}
