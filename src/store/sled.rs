//! The store on the local disk, with sled 0.34.7, used the way it was measured.
//!
//! Reads and commits take microseconds and run where they are called; only a flush waits for the disk, on a thread
//! of its own. Flushes asked for while one runs share the next. After sled or the disk failed, every call fails
//! with the first cause, for good: sled does not get over an I/O error by itself, and the page cache may show what the
//! disk does not have. [`SledStore::reopen`] gives a new store once there is room again.

mod tree;

use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use async_trait::async_trait;
use uuid::Uuid;

use self::tree::{Tree, is_locked};
use super::{
    FORMAT, Flushes, Group, Key, Store, StoreError, flushes::FlushTimes, format_key, frame, lineage_key, probe_key,
    program_key, transfer,
};

/// A [`Store`] in a folder, for one process at a time.
pub struct SledStore {
    inner: Arc<Inner>,
    lineage: String,
    /// Commits that are durable.
    flushed: tokio::sync::Mutex<u64>,
    times: FlushTimes,
}

struct Inner {
    path: PathBuf,
    cache_bytes: u64,
    state: RwLock<State>,
    /// Commits made so far.
    commits: AtomicU64,
}

enum State {
    Open(Tree),
    Failed {
        cause: String,
        /// Kept until the store is opened again, so that nobody else takes the lock.
        tree: Option<Tree>,
    },
}

impl SledStore {
    /// sled keeps about a kilobyte per page beside its cache, so a larger one costs memory and saves hardly any CPU
    /// (`docs/performance.md`): 16 MiB.
    pub const DEFAULT_CACHE_BYTES: u64 = 16 << 20;

    /// Opens the store in `dir`, which is made (mode 0700) if it is not there. `cache_bytes` bounds sled's page cache.
    /// Blocks: half a second when the store is in use, longer when a large one was not closed properly.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] when another process holds it; [`StoreError::Failed`] when the disk or sled fails or its
    /// files are damaged; [`StoreError::Newer`] when a newer version of this program wrote it; [`StoreError::Damaged`] when its format cannot be read;
    /// [`StoreError::Unfinished`] when an import into it was interrupted.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        Self::open_if(dir, cache_bytes, |tree| {
            if tree.get(&transfer::unfinished_key())?.is_some() {
                return Err(StoreError::Unfinished { path: dir.display().to_string() });
            }
            Ok(())
        })
    }

    /// Whether there is a store in `dir`, in whatever shape. Opening one makes it.
    #[must_use]
    pub fn is_there(dir: &Path) -> bool {
        dir.join("db").exists()
    }

    /// As [`SledStore::open`], also where an import was interrupted: for another import, which replaces the part.
    ///
    /// # Errors
    ///
    /// As [`SledStore::open`], but for [`StoreError::Unfinished`].
    pub fn open_for_import(dir: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        Self::open_if(dir, cache_bytes, |_| Ok(()))
    }

    fn open_if(
        dir: &Path,
        cache_bytes: u64,
        usable: impl FnOnce(&Tree) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| StoreError::failed("make its folder", error))?;
        remove_unfinished(dir);
        let (tree, lineage) = caught("open", || {
            let mut tree = open_tree(dir, cache_bytes)?;
            let lineage = identify(&mut tree, dir)?;
            usable(&tree)?;
            Ok((tree, lineage))
        })?;
        let state = RwLock::new(State::Open(tree));
        let inner = Inner { path: dir.to_owned(), cache_bytes, state, commits: AtomicU64::new(0) };
        Ok(Self { inner: Arc::new(inner), lineage, flushed: tokio::sync::Mutex::new(0), times: FlushTimes::default() })
    }

    /// Moves the files of a store that cannot be opened into a folder beside them, and gives that folder. `stamp` names
    /// it. The next [`SledStore::open`] begins a new store.
    ///
    /// # Errors
    ///
    /// When the folder cannot be changed.
    pub fn set_aside(dir: &Path, stamp: &str) -> io::Result<PathBuf> {
        let aside = dir.join(format!("broken-{stamp}"));
        DirBuilder::new().mode(0o700).create(&aside)?;
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let text = name.to_string_lossy();
            // sled's own files, and nothing else of the folder.
            if matches!(&*text, "db" | "conf" | "blobs") || text.starts_with("snap.") {
                std::fs::rename(entry.path(), aside.join(&name))?;
            }
        }
        File::open(dir)?.sync_all()?;
        Ok(aside)
    }

    /// The id this store got when it was made. A store that was lost and made anew has another.
    #[must_use]
    pub fn lineage(&self) -> &str {
        &self.lineage
    }

    /// Why the store takes no calls at present; `None` when it works.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        match &*self.inner.read() {
            State::Open(_) => None,
            State::Failed { cause, .. } => Some(cause.clone()),
        }
    }

    /// Tries whether the store works: writes a little and flushes it.
    ///
    /// # Errors
    ///
    /// When it does not, with the first cause.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let mut group = Group::default();
        group.put(probe_key(), frame::encode(&fastrand::u32(..)));
        self.commit(vec![group]).await?;
        self.flush().await
    }

    /// Opens a failed store anew and probes it. This one stays failed for good, so that nobody who committed to it
    /// can take a flush of the new one for theirs: what was committed but never flushed may be gone, and whoever
    /// uses the new store begins as after a restart.
    ///
    /// # Errors
    ///
    /// When it does not work (yet), or this store has not failed. Try again later.
    pub async fn reopen(&self) -> Result<Self, StoreError> {
        let inner = Arc::clone(&self.inner);
        let opened = tokio::task::spawn_blocking(move || inner.reopen()).await;
        let store = opened.map_err(|error| StoreError::failed("open", error))??;
        store.probe().await?;
        Ok(store)
    }
}

impl Inner {
    /// A panic inside sled, under the lock, leaves a tree that must not be trusted; [`State`] is then still the
    /// last one written, and the next call will meet sled's own error.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a result on; a failure of the engine stops the store.
    fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Failed { action, source }) = &result {
            self.write().fail(format!("it failed to {action}: {source}"));
        }
        result
    }

    fn reopen(&self) -> Result<SledStore, StoreError> {
        let old = match &mut *self.write() {
            State::Open(_) => return Err(StoreError::failed("open", "it is open and has not failed")),
            State::Failed { tree, .. } => tree.take(),
        };
        // Closed first: it holds the folder's lock.
        drop(old);
        SledStore::open(&self.path, self.cache_bytes)
    }
}

impl State {
    fn tree(&self, action: &'static str) -> Result<&Tree, StoreError> {
        match self {
            Self::Open(tree) => Ok(tree),
            Self::Failed { cause, .. } => Err(StoreError::failed(action, cause.clone())),
        }
    }

    fn fail(&mut self, cause: String) {
        if let Self::Open(_) = self {
            let Self::Open(tree) = std::mem::replace(self, Self::Failed { cause, tree: None }) else { return };
            if let Self::Failed { tree: kept, .. } = self {
                *kept = Some(tree);
            }
        }
    }
}

/// Removes snapshots of sled that were begun and not finished, after a kill or on a full disk. sled 0.34.7 takes one for the
/// newest snapshot (it looks for names that end in `.in___motion`, and writes them to `.generating`), and calls the store
/// damaged for good. Nothing is lost: a finished one has another name, and the log holds the rest.
fn remove_unfinished(dir: &Path) {
    // Whoever holds the lock may be writing one just now.
    let free = match File::open(dir.join("db")) {
        Ok(file) => file.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries.filter(|_| free) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            // One that cannot be removed makes the opening fail, which says why.
            let removed = std::fs::remove_file(entry.path());
            tracing::warn!(event = "store.unfinished_removed", file = %name, ?removed);
        }
    }
}

fn open_tree(dir: &Path, cache_bytes: u64) -> Result<Tree, StoreError> {
    Tree::open(dir, cache_bytes).map_err(|error| {
        if is_locked(&error) {
            StoreError::Locked { path: dir.display().to_string() }
        } else {
            StoreError::failed("open", error)
        }
    })
}

/// Checks the format, or makes a new store known: format and lineage, durable with their folder.
fn identify(tree: &mut Tree, dir: &Path) -> Result<String, StoreError> {
    if let Some(bytes) = tree.get(&format_key())? {
        let format: u32 = frame::decode(&format_key(), &bytes)?;
        if format > FORMAT {
            let theirs = tree.get(&program_key())?.and_then(|bytes| frame::decode(&program_key(), &bytes).ok());
            let theirs = theirs.unwrap_or_else(|| "of a newer version".to_owned());
            return Err(StoreError::Newer { path: dir.display().to_string(), theirs, format });
        }
        if format < FORMAT {
            // Before anything of the new format is written: an older version must refuse the store as a whole.
            let mut group = Group::default();
            group.put(format_key(), frame::encode(&FORMAT));
            let raised = tree.commit(vec![group]).and_then(|()| tree.flusher()());
            raised.map_err(|error| StoreError::failed("raise its format", error))?;
        }
    }
    note_program(tree)?;
    if let Some(bytes) = tree.get(&lineage_key())? {
        return frame::decode(&lineage_key(), &bytes);
    }
    let lineage = Uuid::new_v4().to_string();
    let mut group = Group::default();
    group.put(format_key(), frame::encode(&FORMAT));
    group.put(lineage_key(), frame::encode(&lineage));
    tree.commit(vec![group]).and_then(|()| tree.flusher()()).map_err(|error| StoreError::failed("begin", error))?;
    sync_folder(dir)?;
    // A relative path of one part has the empty parent, which stands for the working folder.
    sync_folder(dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
    Ok(lineage)
}

/// Notes which version writes from now on, for one that is older.
fn note_program(tree: &mut Tree) -> Result<(), StoreError> {
    let program = frame::encode(env!("CARGO_PKG_VERSION"));
    if tree.get(&program_key())?.as_ref() != Some(&program) {
        let mut group = Group::default();
        group.put(program_key(), program);
        tree.commit(vec![group]).map_err(|error| StoreError::failed("begin", error))?;
    }
    Ok(())
}

/// Runs what may meet damaged files: sled gives up on some of them by a panic.
fn caught<T>(action: &'static str, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let words = words.unwrap_or_else(|| "no words".to_owned());
        Err(StoreError::failed(action, format!("its files are damaged: {words}")))
    })
}

fn sync_folder(dir: &Path) -> Result<(), StoreError> {
    match File::open(dir).and_then(|folder| folder.sync_all()) {
        // A parent that we may not read was there before us.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        result => result.map_err(|error| StoreError::failed("make its folder durable", error)),
    }
}

#[async_trait]
impl Store for SledStore {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let read = |tree: &Tree| caught("read", || keys.iter().map(|key| tree.get(key)).collect());
        let found = self.inner.read().tree("read").and_then(read);
        self.inner.note(found)
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
        let found = self.inner.read().tree("scan").and_then(|tree| caught("scan", || tree.scan(prefix, after, limit)));
        self.inner.note(found)
    }

    async fn commit(&self, groups: Vec<Group>) -> Result<(), StoreError> {
        groups.iter().try_for_each(Group::check)?;
        let result = match &mut *self.inner.write() {
            State::Open(tree) => {
                caught("commit", || tree.commit(groups).map_err(|error| StoreError::failed("commit", error)))
            }
            State::Failed { cause, .. } => Err(StoreError::failed("commit", cause.clone())),
        };
        self.inner.note(result)?;
        self.inner.commits.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn flush(&self) -> Result<(), StoreError> {
        // Whoever waits here while another's flush runs finds it done, or does it for all who wait behind.
        let mut flushed = self.flushed.lock().await;
        let commits = self.inner.commits.load(Ordering::SeqCst);
        let work = self.inner.read().tree("flush")?.flusher();
        if *flushed == commits {
            return Ok(());
        }
        let began = Instant::now();
        let done = tokio::task::spawn_blocking(work).await;
        self.times.note(began.elapsed());
        let done = match done {
            Ok(done) => done.map_err(|error| StoreError::failed("flush", error)),
            Err(panicked) => Err(StoreError::failed("flush", panicked)),
        };
        self.inner.note(done)?;
        *flushed = commits;
        Ok(())
    }

    async fn reopened(&self) -> Result<Option<Arc<dyn Store>>, StoreError> {
        if self.failure().is_none() {
            return Ok(None);
        }
        Ok(Some(Arc::new(self.reopen().await?)))
    }

    async fn size_on_disk(&self) -> Result<u64, StoreError> {
        let state = self.inner.read();
        state.tree("measure its size")?.size_on_disk().map_err(|error| StoreError::failed("measure its size", error))
    }

    fn flushes(&self) -> Flushes {
        self.times.read()
    }
}
