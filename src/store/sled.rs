//! The store on the local disk, with sled.

use std::{
    fs::{DirBuilder, File},
    io,
    ops::Bound,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use ::sled::{Batch, Config, Db};
use async_trait::async_trait;
use uuid::Uuid;

use super::{Group, Key, Space, Store, StoreError, frame};

/// The format of the whole store that this program writes. Raised when keys or values change their meaning.
const FORMAT: u32 = 1;

/// A [`Store`] in a folder, for one process at a time.
pub struct SledStore {
    db: Db,
    /// sled's data file, opened a second time to make it durable: see [`Store::flush`] below.
    file: Arc<File>,
    path: PathBuf,
    lineage: String,
    failed: Mutex<Option<String>>,
    commits: AtomicU64,
    flushed: tokio::sync::Mutex<u64>,
}

impl SledStore {
    /// Cache that serves 100,000 links: 64 MiB.
    pub const DEFAULT_CACHE_BYTES: u64 = 64 << 20;

    /// Opens the store in `dir`, which is made (mode 0700) if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] when another process holds it; [`StoreError::Failed`] when the disk or sled fails, or
    /// when a newer version of this program wrote the store.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let path = dir.display().to_string();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| StoreError::failed("make its folder", error))?;
        let db = Config::new().path(dir).cache_capacity(cache_bytes).open().map_err(|error| {
            if is_locked(&error) { StoreError::Locked { path } } else { StoreError::failed("open", error) }
        })?;
        let file = File::open(dir.join("db")).map_err(|error| StoreError::failed("open", error))?;
        let mut store = Self {
            db,
            file: Arc::new(file),
            path: dir.to_owned(),
            lineage: String::new(),
            failed: Mutex::new(None),
            commits: AtomicU64::new(0),
            flushed: tokio::sync::Mutex::new(0),
        };
        store.lineage = store.identify()?;
        Ok(store)
    }

    /// The id this store got when it was made. A store that was lost and made anew has another.
    #[must_use]
    pub fn lineage(&self) -> &str {
        &self.lineage
    }

    /// Checks the format, or writes format and lineage into a new store.
    fn identify(&self) -> Result<String, StoreError> {
        let format_key = Key::new(Space::Meta, &["format"]);
        let lineage_key = Key::new(Space::Meta, &["lineage"]);
        if let Some(bytes) = self.read(&format_key)? {
            let format: u32 = frame::decode(&format_key, &bytes)?;
            if format > FORMAT {
                return Err(StoreError::failed(
                    "open",
                    format!(
                        "the store in {} has format {format}, written by a newer version of reconciled; this version knows up to {FORMAT}. \
                         To go back, run `reconciled export` with the newer version and `reconciled import` with this one, \
                         or put back the folder you saved before the upgrade",
                        self.path.display()
                    ),
                ));
            }
        } else {
            self.apply(vec![(format_key, Some(frame::encode(&FORMAT)))])?;
        }
        if let Some(bytes) = self.read(&lineage_key)? {
            return frame::decode(&lineage_key, &bytes);
        }
        let lineage = Uuid::new_v4().to_string();
        self.apply(vec![(lineage_key, Some(frame::encode(&lineage)))])?;
        make_durable(&self.db, &self.file)?;
        for folder in [Some(self.path.as_path()), self.path.parent()].into_iter().flatten() {
            // A relative path of one part has the empty parent, which stands for the working folder.
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|error| StoreError::failed("make its folder durable", error))?;
        }
        Ok(lineage)
    }

    fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.db.get(key.as_bytes()).map_err(|error| self.fail("read", &error))?.map(|value| value.to_vec()))
    }

    fn apply(&self, mut writes: Vec<(Key, Option<Vec<u8>>)>) -> Result<(), StoreError> {
        let result = match (writes.len(), writes.pop()) {
            (1, Some((key, Some(value)))) => self.db.insert(key.as_bytes(), value).map(drop),
            (1, Some((key, None))) => self.db.remove(key.as_bytes()).map(drop),
            (_, last) => {
                let mut batch = Batch::default();
                for (key, value) in writes.into_iter().chain(last) {
                    match value {
                        Some(value) => batch.insert(key.as_bytes(), value),
                        None => batch.remove(key.as_bytes()),
                    }
                }
                self.db.apply_batch(batch)
            }
        };
        result.map_err(|error| self.fail("commit", &error))
    }

    /// Remembers the first failure: sled does not recover from an I/O error, and neither may we.
    fn fail(&self, action: &'static str, error: &::sled::Error) -> StoreError {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let cause = failed.get_or_insert_with(|| error.to_string()).clone();
        StoreError::failed(action, cause)
    }

    fn usable(&self, action: &'static str) -> Result<(), StoreError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.as_ref().map_or(Ok(()), |cause| Err(StoreError::failed(action, format!("it failed before: {cause}"))))
    }
}

fn is_locked(error: &::sled::Error) -> bool {
    // sled 0.34.7 has no kind of its own for this (config.rs, `try_lock`).
    matches!(error, ::sled::Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock || error.to_string().starts_with("could not acquire lock"))
}

fn make_durable(db: &Db, file: &File) -> Result<(), StoreError> {
    db.flush().map_err(|error| StoreError::failed("flush", error))?;
    file.sync_data().map_err(|error| StoreError::failed("flush", error))
}

#[async_trait]
impl Store for SledStore {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.usable("read")?;
        keys.iter().map(|key| self.read(key)).collect()
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
        self.usable("scan")?;
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.as_bytes()),
            _ => Bound::Included(prefix.as_bytes()),
        };
        let mut found = Vec::new();
        for entry in self.db.range::<&[u8], _>((from, Bound::Unbounded)).take(limit) {
            let (key, value) = entry.map_err(|error| self.fail("scan", &error))?;
            if !key.starts_with(prefix.as_bytes()) {
                break;
            }
            found.push((Key::from_bytes(key.to_vec()), value.to_vec()));
        }
        Ok(found)
    }

    async fn commit(&self, groups: Vec<Group>) -> Result<(), StoreError> {
        self.usable("commit")?;
        let mut writes = Vec::new();
        for mut group in groups {
            group.check()?;
            if writes.len() + group.writes.len() > Group::MAX {
                self.apply(std::mem::take(&mut writes))?;
            }
            writes.append(&mut group.writes);
        }
        if !writes.is_empty() {
            self.apply(writes)?;
        }
        self.commits.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn flush(&self) -> Result<(), StoreError> {
        let mut flushed = self.flushed.lock().await;
        self.usable("flush")?;
        let commits = self.commits.load(Ordering::SeqCst);
        if *flushed == commits {
            return Ok(());
        }
        let (db, file) = (self.db.clone(), Arc::clone(&self.file));
        let result = tokio::task::spawn_blocking(move || make_durable(&db, &file)).await;
        result.map_err(|error| StoreError::failed("flush", error))??;
        *flushed = commits;
        Ok(())
    }

    async fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.db.size_on_disk().map_err(|error| self.fail("measure its size", &error))
    }
}
