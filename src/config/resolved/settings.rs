//! `reconciled.toml`: the daemon's own settings.

use std::{path::PathBuf, time::Duration};

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
}
