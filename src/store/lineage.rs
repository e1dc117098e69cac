//! Whether this store is the one that ran here last.
//!
//! A store counts its starts, and leaves the count with a random token in the folder of the snapshots. A store that was
//! put back has counted fewer starts than that, and of two copies of one store the second to start finds a token that is
//! not its own. Either begins as on a first run: its links are kept, what it believes to be agreed is not. What cannot
//! be noticed: both folders put back together, and a copy that runs where it sees another folder.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::{Group, Key, Space, Store, StoreError, frame, lineage_key};

/// A start of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Start {
    /// Starts so far.
    pub epoch: u64,
    /// Random, so that the starts of two copies are told apart.
    pub token: String,
    /// When, for people.
    pub at: String,
}

/// What a start found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This store ran here last, or nothing tells otherwise.
    Own,
    /// This store was put back: another state of it ran here later.
    PutBack(Start),
    /// Another copy of this store has run since it was copied.
    Copied(Start),
}

fn start_key() -> Key {
    Key::new(Space::Meta, &["start"])
}

/// Where the starts of a store are noted.
fn note(dir: &Path, lineage: &str) -> PathBuf {
    let short: String = lineage.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
    dir.join(format!("started-{short}.json"))
}

/// Compares the store with what ran last. Changes nothing.
///
/// # Errors
///
/// When the store fails.
pub async fn compare(store: &dyn Store, dir: &Path) -> Result<Found, StoreError> {
    let (lineage, own) = read(store).await?;
    let noted = fs::read(note(dir, &lineage)).ok().and_then(|text| serde_json::from_slice::<Start>(&text).ok());
    Ok(match noted {
        Some(noted) if noted.epoch > own.epoch => Found::PutBack(noted),
        Some(noted) if noted.epoch == own.epoch && noted.token != own.token => Found::Copied(noted),
        _ => Found::Own,
    })
}

/// Counts a start, in the store first. A note that cannot be written is an error of its own: then a copy is not noticed.
///
/// # Errors
///
/// When the store fails.
pub async fn count_start(store: &dyn Store, dir: &Path, at: &str) -> Result<io::Result<()>, StoreError> {
    let (lineage, own) = read(store).await?;
    let path = note(dir, &lineage);
    let noted = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Start>(&text).ok()).unwrap_or_default();
    let token = uuid::Uuid::new_v4().to_string();
    let start = Start { epoch: own.epoch.max(noted.epoch) + 1, token, at: at.to_owned() };
    store.commit(vec![Group { writes: vec![(start_key(), Some(frame::encode(&start)))] }]).await?;
    store.flush().await?;
    Ok(write(dir, &path, &start))
}

async fn read(store: &dyn Store) -> Result<(String, Start), StoreError> {
    let found = store.get(&[lineage_key(), start_key()]).await?;
    let mut found = found.into_iter();
    let lineage = found.next().flatten().map(|bytes| frame::decode(&lineage_key(), &bytes)).transpose()?;
    let own = found.next().flatten().map(|bytes| frame::decode(&start_key(), &bytes)).transpose()?;
    Ok((lineage.unwrap_or_default(), own.unwrap_or_default()))
}

fn write(dir: &Path, path: &Path, start: &Start) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mut file = NamedTempFile::new_in(dir)?;
    file.write_all(&serde_json::to_vec(start)?)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}
