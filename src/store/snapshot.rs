//! Snapshots: exports of a store that goes on, made once in a while, the last few of them kept.
//!
//! A snapshot never takes the last space: it needs room for itself and leaves a reserve, because a store that cannot
//! write any more stops everything, and a missing snapshot stops nothing.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use chrono::{DateTime, NaiveDateTime, Utc};
use thiserror::Error;

use super::{
    Store,
    transfer::{self, TEMPORARY, TransferError},
};
use crate::config::BackupSettings;

/// How a snapshot's name tells when it was made.
const NAME: &str = "reconciled-%Y%m%dT%H%M%SZ.jsonl";
/// The same, of one that a person or a package asked for. The daemon's own neither count nor replace these.
const ASKED: &str = "export-%Y%m%dT%H%M%SZ.jsonl";
/// How many that were asked for are kept.
const ASKED_KEPT: usize = 3;

/// Why there is no snapshot.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// The store or the file failed.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The folder failed.
    #[error("cannot {action} {}", path.display())]
    Folder {
        /// What was being done.
        action: &'static str,
        /// The folder, or what is in it.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// There is too little room.
    #[error(
        "there is too little room for a snapshot in {}: {free_mib} MiB are free, it needs {needed_mib} MiB and leaves \
         {reserve_mib} MiB",
        dir.display()
    )]
    NoRoom {
        /// The folder.
        dir: PathBuf,
        /// Free now.
        free_mib: u64,
        /// What the snapshot would take.
        needed_mib: u64,
        /// What it has to leave.
        reserve_mib: u64,
    },
}

/// Makes a snapshot and forgets the oldest ones. Nothing may write to the store meanwhile.
///
/// # Errors
///
/// When the store or the disk fails, or there is too little room. Earlier snapshots are as they were.
pub async fn take(store: &dyn Store, settings: &BackupSettings, now: DateTime<Utc>) -> Result<PathBuf, SnapshotError> {
    write(store, settings, now, (NAME, settings.keep)).await.map(|(file, _)| file)
}

/// Makes one because somebody asked for it, whether or not the daemon makes any: `export` without a file. The last
/// three of these are kept. Also says how many entries it has.
///
/// # Errors
///
/// As [`take`].
pub async fn take_asked(
    store: &dyn Store,
    settings: &BackupSettings,
    now: DateTime<Utc>,
) -> Result<(PathBuf, u64), SnapshotError> {
    write(store, settings, now, (ASKED, ASKED_KEPT)).await
}

async fn write(
    store: &dyn Store,
    settings: &BackupSettings,
    now: DateTime<Utc>,
    (name, keep): (&str, usize),
) -> Result<(PathBuf, u64), SnapshotError> {
    let dir = &settings.dir;
    let folder = |action, path: &Path| {
        let path = path.to_owned();
        move |source| SnapshotError::Folder { action, path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(folder("make the folder", dir))?;
    // What a crash left behind.
    for left in names(dir).map_err(folder("read", dir))?.iter().filter(|name| name.starts_with(TEMPORARY)) {
        let left = dir.join(left);
        fs::remove_file(&left).map_err(folder("remove", &left))?;
    }
    let last = newest(dir).map_err(folder("read", dir))?;
    let expected = last.and_then(|(_, path)| fs::metadata(path).ok()).map_or(0, |meta| meta.len());
    let needed = expected.max(1 << 20);
    let free = free_bytes(dir).map_err(folder("measure", dir))?;
    if free < needed.saturating_add(settings.reserve_bytes) {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let (free_mib, needed_mib, reserve_mib) = (free >> 20, mib(needed), mib(settings.reserve_bytes));
        return Err(SnapshotError::NoRoom { dir: dir.clone(), free_mib, needed_mib, reserve_mib });
    }
    let room = || {
        let left = free_bytes(dir)?;
        if left < settings.reserve_bytes {
            return Err(io::Error::other("it would take the last space on the disk"));
        }
        Ok(())
    };
    let file = dir.join(now.format(name).to_string());
    let entries = transfer::export_while(store, &file, &now.to_rfc3339(), &room).await?;
    for old in all(dir, name).map_err(folder("read", dir))?.into_iter().rev().skip(keep) {
        fs::remove_file(&old.1).map_err(folder("remove", &old.1))?;
    }
    Ok((file, entries))
}

/// The newest snapshot in a folder, and when it was made.
///
/// # Errors
///
/// When the folder is there and cannot be read.
pub fn newest(dir: &Path) -> io::Result<Option<(DateTime<Utc>, PathBuf)>> {
    Ok(all(dir, NAME)?.pop())
}

/// Every snapshot in a folder, also those that were asked for. What else lies there is none: the note by which a store
/// that was put back is noticed ([`super::lineage`]) must not be taken for one.
///
/// # Errors
///
/// When the folder is there and cannot be read.
pub fn every(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut every = all(dir, NAME)?;
    every.extend(all(dir, ASKED)?);
    every.sort();
    Ok(every.into_iter().map(|(_, path)| path).collect())
}

/// Every snapshot of such a name in a folder, oldest first.
fn all(dir: &Path, pattern: &str) -> io::Result<Vec<(DateTime<Utc>, PathBuf)>> {
    let made = |name: &String| NaiveDateTime::parse_from_str(name, pattern).ok().map(|at| at.and_utc());
    let mut all: Vec<_> =
        names(dir)?.into_iter().filter_map(|name| made(&name).map(|at| (at, dir.join(name)))).collect();
    all.sort();
    Ok(all)
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect(),
    }
}

/// Bytes that this process may still write to the disk of a folder.
fn free_bytes(dir: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(dir)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}
