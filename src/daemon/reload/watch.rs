//! Events of the operating system: hints that the files may have changed. Without them the poll finds it out.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind},
};
use tokio::sync::Notify;

use crate::config::{SETTINGS_FILE, Snapshot, is_config};

/// Watches the folders of a configuration.
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    followed: BTreeSet<PathBuf>,
    /// Told about every event that matters.
    pub event: Arc<Notify>,
    /// It was said that events do not work here.
    warned: bool,
}

/// Which events matter.
#[derive(Clone, Debug)]
struct Relevance {
    /// The configuration folder as an entry of its parent, where it is a link or not there yet.
    entry: Option<PathBuf>,
    /// The store writes all the time.
    state_dir: PathBuf,
}

impl Watch {
    pub fn new(dir: &Path, state_dir: &Path) -> Self {
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        let is_link = std::fs::symlink_metadata(&dir).map_or(true, |data| data.is_symlink());
        let parent = dir.parent().and_then(|parent| parent.canonicalize().ok());
        let entry = parent.zip(dir.file_name()).map(|(parent, name)| parent.join(name)).filter(|_| is_link);
        let state_dir = state_dir.canonicalize().unwrap_or_else(|_| state_dir.to_owned());
        let relevance = Relevance { entry, state_dir };
        let event = Arc::new(Notify::new());
        let (told, asked) = (Arc::clone(&event), relevance.clone());
        let made = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // What went wrong with the events is a reason to look, too.
            if event.map_or(true, |event| asked.matters(&event)) {
                told.notify_one();
            }
        });
        let mut watch = Self { watcher: None, followed: BTreeSet::new(), event, warned: false };
        match made {
            Ok(watcher) => watch.watcher = Some(watcher),
            Err(error) => watch.warn(&error),
        }
        if let Some(parent) = relevance.entry.as_deref().and_then(Path::parent) {
            watch.add(parent);
        }
        watch
    }

    /// Watches the folders that the configuration consists of now; true if there is a new one among them.
    pub fn follow(&mut self, snapshot: &Snapshot) -> bool {
        let folders = snapshot.folders();
        let new = self.watcher.is_some() && !folders.is_subset(&self.followed);
        for folder in &folders {
            // Also those that are watched already: another folder may be there under the same name, and watching one
            // twice costs nothing.
            self.add(folder);
        }
        self.followed = folders;
        new
    }

    fn add(&mut self, folder: &Path) {
        let Some(watcher) = &mut self.watcher else { return };
        let outcome = watcher.watch(folder, RecursiveMode::NonRecursive);
        // One that is gone by now is no trouble.
        if let Some(error) = outcome.err().filter(|_| folder.is_dir()) {
            self.warn(&error);
        }
    }

    fn warn(&mut self, error: &notify::Error) {
        if !self.warned {
            let text = "changes of files are not announced here; the files are compared every few seconds instead";
            tracing::warn!(event = "config.no_events", %error, text);
        }
        self.warned = true;
    }
}

impl Relevance {
    fn matters(&self, event: &Event) -> bool {
        if event.need_rescan() {
            return true;
        }
        match event.kind {
            // Reading the files is an event, too.
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            EventKind::Access(_) => return false,
            _ => {}
        }
        let content = matches!(
            event.kind,
            EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) | EventKind::Access(_)
        );
        event.paths.is_empty() || event.paths.iter().any(|path| self.path_matters(path, content))
    }

    fn path_matters(&self, path: &Path, content: bool) -> bool {
        if path.starts_with(&self.state_dir) {
            return false;
        }
        if let Some(entry) = &self.entry
            && path.parent() == entry.parent()
        {
            return path == entry;
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // Names may be links and folders; the content of a file counts only if it is one of ours.
        !content || is_config(name) || name == SETTINGS_FILE
    }
}
