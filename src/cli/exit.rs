//! How a command ends: exit codes (an API, `docs/commands.md`) and the errors behind them.

use std::{error::Error as StdError, fmt::Write as _, io, path::PathBuf, process::ExitCode};

use thiserror::Error;

use super::text::harmless;
use crate::{
    daemon::{
        ClientError, SocketError,
        protocol::{Failure, FailureKind},
    },
    store::{StoreError, snapshot::SnapshotError, transfer::TransferError},
};

/// How a command ended. The numbers are documented and stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything is as it should be.
    Done = 0,
    /// It failed; the reason was printed.
    Failed = 1,
    /// `plan --detailed-exitcode`: there is something to do.
    Changes = 2,
    /// Done, and some records are parked.
    Parked = 4,
    /// A run or an edit of the configuration is held and waits for approval.
    Held = 5,
    /// The command line is wrong (`EX_USAGE`).
    Usage = 64,
    /// No daemon runs, and only one could do it (`EX_UNAVAILABLE`).
    NoDaemon = 69,
    /// The store cannot be used (`EX_IOERR`).
    Store = 74,
    /// Another process holds the state (`EX_TEMPFAIL`).
    Locked = 75,
    /// The configuration has mistakes (`EX_CONFIG`).
    Config = 78,
}

impl Exit {
    /// Every code, with what it means; as in `docs/commands.md`.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Done, "done, and everything agrees"),
        (Self::Failed, "it failed; the reason is on standard error"),
        (Self::Changes, "`plan --detailed-exitcode`: there is something to write"),
        (
            Self::Parked,
            "done, but some records or fields are parked, or it is not known yet whether a write was carried out",
        ),
        (Self::Held, "held: a guard, a first run or an edit of the configuration waits for a person"),
        (Self::Usage, "the command line is wrong"),
        (Self::NoDaemon, "no daemon runs, and only one could do it"),
        (Self::Store, "the store cannot be used"),
        (Self::Locked, "another process holds the state; try again later"),
        (Self::Config, "the configuration has mistakes"),
    ];
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug, Error)]
pub enum CliError {
    /// The command line asks for something that is not there.
    #[error("{0}")]
    Usage(String),
    /// The configuration has mistakes, which were printed with their places.
    #[error("{0}")]
    Config(String),
    /// The store failed.
    #[error("the state in {} cannot be used", .path.display())]
    Store {
        /// The state folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: StoreError,
    },
    /// Another daemon or command uses the state.
    #[error("the state in {} is in use by {holder}", .path.display())]
    Held {
        /// The state folder.
        path: PathBuf,
        /// Who it is.
        holder: String,
    },
    /// What was asked for was refused or failed.
    #[error("{0}")]
    Refused(Failure),
    /// No daemon runs, and only one could do it.
    #[error("no daemon runs; start one with `reconciled run`, it reads the configuration as it is now")]
    NoDaemon,
    /// The daemon could not be asked.
    #[error(transparent)]
    Daemon(#[from] ClientError),
    /// The daemon cannot listen for commands.
    #[error("the daemon cannot listen for commands")]
    Socket(#[from] SocketError),
    /// An export or import failed.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// An export into the folder of the snapshots failed.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A file or socket failed.
    #[error("cannot {action} {}", .path.display())]
    File {
        /// An infinitive: `read`, `write`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Anything else, in one sentence.
    #[error("{0}")]
    Other(String),
}

impl CliError {
    /// The exit code that stands for this error.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Config(_) => Exit::Config,
            Self::NoDaemon => Exit::NoDaemon,
            Self::Held { .. }
            | Self::Store { source: StoreError::Locked { .. }, .. }
            | Self::Socket(SocketError::Taken { .. }) => Exit::Locked,
            Self::Store { .. } | Self::Refused(Failure { kind: FailureKind::Store, .. }) => Exit::Store,
            Self::Refused(_)
            | Self::Daemon(_)
            | Self::Socket(_)
            | Self::Transfer(_)
            | Self::Snapshot(_)
            | Self::File { .. }
            | Self::Other(_) => Exit::Failed,
        }
    }

    /// The error with its causes, for people. What a remote said in it cannot drive a terminal.
    #[must_use]
    pub fn told(&self) -> String {
        let mut told = format!("error: {self}");
        let mut cause = StdError::source(self);
        while let Some(next) = cause {
            // Writing to a string does not fail.
            let _ = write!(told, "\n  because {next}");
            cause = next.source();
        }
        if let Some(remedy) = self.remedy() {
            let _ = write!(told, "\n  help: {remedy}");
        }
        harmless(&told)
    }

    const fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Store { source: StoreError::Locked { .. }, .. } => {
                Some("a daemon or another command is using it; stop that one, or wait until it has finished")
            }
            Self::Held { .. } => Some("stop that one, or give this one its own `state_dir` and `socket`"),
            Self::Store { source: StoreError::Failed { .. } | StoreError::Damaged { .. }, .. } => Some(
                "if the disk is full or its rights are wrong, mend that and start again. If the files are damaged, \
                 `reconciled import --replace FILE` moves them aside and reads a snapshot back (the daemon keeps some in the \
                 folder `backup` beside the store). Without one, move the files aside and start: first runs then match the \
                 records again and wait for approval, and nothing is deleted or made twice",
            ),
            Self::Store { source: StoreError::Unfinished { .. }, .. } => Some(
                "import again: `reconciled import --replace FILE` with the same file, or with a snapshot of the folder \
                 `backup`; nothing else works on this state until that is done",
            ),
            Self::Snapshot(SnapshotError::NoRoom { .. }) => {
                Some("make room there, or name a file on another disk: `reconciled export FILE`")
            }
            Self::Usage(_) => Some("`reconciled help` lists the commands"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_store_is_temporary_and_says_what_to_do() {
        let error = CliError::Store {
            path: PathBuf::from("/var/lib/reconciled"),
            source: StoreError::Locked { path: "/var/lib/reconciled".to_owned() },
        };
        assert_eq!(error.exit(), Exit::Locked);
        let told = error.told();
        assert!(told.contains("in use by another process") && told.contains("stop that one"), "{told}");
    }

    #[test]
    fn the_exit_codes_are_documented_as_they_are() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md")).unwrap();
        let table = page.split("## Exit codes").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
        let rows: Vec<String> =
            Exit::ALL.iter().map(|(exit, meaning)| format!("| {} | {meaning} |", *exit as u8)).collect();
        let written: Vec<&str> = table.lines().filter(|line| line.starts_with("| ") && !line.contains("---")).collect();
        assert_eq!(written[1..], rows, "docs/commands.md and `Exit` disagree");
    }

    #[test]
    fn a_damaged_store_is_not_a_lock() {
        let error = CliError::Store {
            path: PathBuf::from("/var/lib/reconciled"),
            source: StoreError::Damaged { key: "format".to_owned(), reason: "unknown".to_owned() },
        };
        assert_eq!(error.exit(), Exit::Store);
    }
}
