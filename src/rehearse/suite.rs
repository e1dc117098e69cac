//! Tests of a configuration folder: finding them, and the ground on which they are played.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use super::{
    env::StandIns,
    read::{Read, Shape},
    scenario::Scenario,
};
use crate::{
    config::{self, Config, Diagnostic, Loaded, Snapshot, Sources},
    daemon::reload::boot,
    store::{Ledger, MemoryStore, Store},
};

/// A configuration without its secrets: what is played on.
#[derive(Clone, Debug)]
pub struct Ground {
    /// What it says.
    pub config: Arc<Config>,
    snapshot: Arc<Snapshot>,
    env: Arc<StandIns>,
}

/// The tests of one file.
#[derive(Debug)]
pub struct Suite {
    /// The file, below the configuration folder where it is there.
    pub file: String,
    /// What they are played on.
    pub ground: Ground,
    /// Those that hold no mistake.
    pub scenarios: Vec<Scenario>,
    /// Mistakes in the file.
    pub diagnostics: Vec<Diagnostic>,
    /// For showing mistakes.
    pub sources: Sources,
}

impl Suite {
    /// The file's mistakes as text with snippets.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        config::render(&self.diagnostics, &self.sources, colour)
    }
}

/// The tests of a folder.
#[derive(Debug)]
pub struct Suites {
    /// File by file, in the order of names.
    pub files: Vec<Suite>,
    /// The configuration, where it has mistakes: nothing can be said of what is left out because of them.
    pub broken: Option<Box<Loaded>>,
}

/// Whether a file of this name holds tests.
#[must_use]
pub fn is_test(name: &str) -> bool {
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"));
    stem.and_then(|stem| stem.strip_suffix(".test")).is_some_and(|stem| !stem.is_empty() && !stem.starts_with('.'))
}

/// Every file of tests below a folder, in the order of names. Folders that begin with a dot are left out.
///
/// # Errors
///
/// When a folder cannot be read.
pub fn find(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if is_test(name) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Reads files of tests of the configuration in `dir`: each its name for people, and its text.
#[must_use]
pub fn read(dir: &Path, texts: &[(String, String)]) -> Suites {
    let snapshot = Arc::new(Snapshot::read(dir));
    let mut files = Vec::new();
    let mut broken = None;
    let mut loaded: BTreeMap<Vec<(String, String)>, Ground> = BTreeMap::new();
    for (name, text) in texts {
        let shape = Shape::of(name, text);
        let mut given = shape.env();
        given.sort();
        if !loaded.contains_key(&given) {
            let env = Arc::new(StandIns::new(given.iter().cloned()));
            let found = config::load_snapshot(&snapshot, env.as_ref(), &BTreeMap::new());
            let config = Arc::new(found.config.clone());
            // What is sound can be tested: one client's mistake is no other's.
            if found.has_errors() && broken.is_none() {
                broken = Some(Box::new(found));
            }
            let ground = Ground { config, snapshot: Arc::clone(&snapshot), env };
            loaded.insert(given.clone(), ground);
        }
        let Some(ground) = loaded.get(&given).cloned() else { continue };
        let Read { scenarios, diagnostics, sources } = shape.in_config(&ground.config);
        files.push(Suite { file: name.clone(), ground, scenarios, diagnostics, sources });
    }
    Suites { files, broken }
}

impl Ground {
    /// The same, with another meaning of its files: to see whether its tests notice.
    #[must_use]
    pub fn with_config(&self, config: Arc<Config>) -> Self {
        Self { config, ..self.clone() }
    }

    /// The same, with a text of a file replaced: (file, what is there once, what comes there).
    pub(super) fn edit(&self, (file, replace, with): (&str, &str, &str)) -> Result<Self, String> {
        let text =
            self.snapshot.text(file).ok_or_else(|| format!("there is no file `{file}` in the configuration folder"))?;
        let times = text.matches(replace).count();
        if times != 1 {
            return Err(format!("`{replace}` is {times} times in {file}; it must be there once"));
        }
        let new = text.replacen(replace, with, 1);
        let snapshot = self.snapshot.with_texts([(file.to_owned(), new.into())]);
        let loaded = config::load_snapshot(&snapshot, self.env.as_ref(), &BTreeMap::new());
        if loaded.has_errors() {
            let first = loaded.diagnostics.iter().find(|diagnostic| diagnostic.is_error());
            let told = first.map(|first| format!("{}: {}", first.position().unwrap_or_default(), first.message));
            return Err(format!("the edit makes a mistake: {}", told.unwrap_or_default()));
        }
        Ok(Self { config: Arc::new(loaded.config), snapshot: Arc::new(snapshot), env: Arc::clone(&self.env) })
    }

    /// The configuration that a daemon begins with, which judges what was edited.
    pub(super) fn boot(&self, store: &Arc<MemoryStore>, now: DateTime<Utc>) -> Result<Arc<Config>, String> {
        let ledger = Ledger::new(Arc::clone(store) as Arc<dyn Store>);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let booted = runtime.block_on(boot(&self.snapshot, self.env.as_ref(), &ledger, now));
        let booted = booted.map_err(|error| error.to_string())?;
        runtime.block_on(ledger.flush()).map_err(|error| error.to_string())?;
        Ok(booted.config)
    }
}
