//! A configuration folder as it was at one moment: every file read once into memory.
//!
//! What is loaded, compared and remembered is the same text, whatever happens to the files meanwhile. Reading is
//! careful: links are followed afresh, what is no file is left alone, sizes are limited, and a [`Snapshot`] knows whether
//! anything changed while it was taken.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    SETTINGS_FILE, client_list,
    diagnostic::{Report, error, error_nowhere},
    source::{Sources, Span},
};

/// Largest file that is read.
const MAX_BYTES: u64 = 1024 * 1024;
/// Most text in all files together.
const MAX_TOTAL: usize = 64 * 1024 * 1024;
/// Most files below a folder.
const MAX_FILES: usize = 10_000;
/// Deepest folder.
const MAX_DEPTH: usize = 16;

/// Something that cannot be read, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    message: String,
    help: &'static str,
}

/// Every file of a configuration folder, as it was read.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    dir: PathBuf,
    /// By path below the folder: the text, or why there is none. `reconciled.toml` is among them.
    files: BTreeMap<String, Result<Arc<str>, Problem>>,
    /// Folders below the configuration folder that cannot be read; "" is the configuration folder itself.
    closed: BTreeMap<String, Problem>,
    /// Every folder that was read, as it really is.
    folders: BTreeSet<PathBuf>,
    steady: bool,
}

impl Snapshot {
    /// Reads a folder: `reconciled.toml`, and every YAML file and list of clients
    /// (`*.clients.csv`) below it. Files and folders whose names begin with a dot
    /// and scenario tests (`*.test.yaml`) are left alone. Blocks.
    #[must_use]
    pub fn read(dir: &Path) -> Self {
        let mut snapshot = Self { dir: dir.to_owned(), steady: true, ..Self::default() };
        let real = fs::canonicalize(dir).ok();
        let mut stamps = Vec::new();
        let mut names = Vec::new();
        if fs::symlink_metadata(dir.join(SETTINGS_FILE)).is_ok() {
            names.push(SETTINGS_FILE.to_owned());
        }
        snapshot.collect(dir, "", 0, &mut names);
        let mut total = 0;
        for name in names {
            let path = dir.join(&name);
            stamps.push((path.clone(), stamp(&path)));
            let content = read(&path, &name).and_then(|text| {
                total += text.len();
                if total > MAX_TOTAL {
                    let message = format!("{name} is left out: the files hold more than 64 MiB together");
                    return Err(Problem { message, help: "name a folder that holds nothing but the configuration" });
                }
                Ok(text)
            });
            snapshot.files.insert(name, content);
        }
        // A link that was turned meanwhile mixes two states of the folder.
        snapshot.steady =
            fs::canonicalize(dir).ok() == real && stamps.iter().all(|(path, before)| stamp(path) == *before);
        snapshot
    }

    /// The texts of an earlier time, as they were remembered.
    #[must_use]
    pub fn of_texts(dir: &Path, texts: impl IntoIterator<Item = (String, Arc<str>)>) -> Self {
        let files = texts.into_iter().map(|(name, text)| (name, Ok(text))).collect();
        Self { dir: dir.to_owned(), files, steady: true, ..Self::default() }
    }

    /// As this, but with these texts in place of what some files hold.
    #[must_use]
    pub fn with_texts(&self, texts: impl IntoIterator<Item = (String, Arc<str>)>) -> Self {
        let mut with = self.clone();
        with.files.extend(texts.into_iter().map(|(name, text)| (name, Ok(text))));
        with
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether nothing changed while it was read.
    #[must_use]
    pub const fn is_steady(&self) -> bool {
        self.steady
    }

    /// A hash of everything that was read, and of what could not be.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut all = Vec::new();
        let mut add = |text: &[u8]| {
            all.extend((text.len() as u64).to_le_bytes());
            all.extend(xxh3_64(text).to_le_bytes());
        };
        for (name, content) in &self.files {
            add(name.as_bytes());
            match content {
                Ok(text) => add(text.as_bytes()),
                Err(problem) => add(problem.message.as_bytes()),
            }
        }
        for (name, problem) in &self.closed {
            add(name.as_bytes());
            add(problem.message.as_bytes());
        }
        xxh3_64(&all)
    }

    /// Every file with its text, but for those that cannot be read.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &Arc<str>)> {
        self.files.iter().filter_map(|(name, content)| Some((name.as_str(), content.as_ref().ok()?)))
    }

    /// The text of a file; `None` if it is not there or cannot be read.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&Arc<str>> {
        self.files.get(name)?.as_ref().ok()
    }

    /// The names of all files, also of those that cannot be read.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Whether a file is certainly not there: neither it nor a folder it may be in is only unreadable.
    #[must_use]
    pub fn lacks(&self, name: &str) -> bool {
        let inside = |folder: &str| folder.is_empty() || name.strip_prefix(folder).is_some_and(|r| r.starts_with('/'));
        !self.files.contains_key(name) && !self.closed.keys().any(|folder| inside(folder))
    }

    /// The folders whose entries make up the configuration, for watching them: those it has, and those its links lead
    /// to.
    #[must_use]
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let mut folders = self.folders.clone();
        let parent = |path: &Path| path.parent().filter(|parent| !parent.as_os_str().is_empty()).map(Path::to_owned);
        for name in self.names() {
            let path = self.dir.join(name);
            // Only a link leads out of the folders that are watched already.
            if fs::symlink_metadata(&path).is_ok_and(|data| data.is_symlink()) {
                folders.extend(fs::canonicalize(&path).ok().as_deref().and_then(parent));
            }
        }
        folders
    }

    fn collect(&mut self, dir: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) {
        let shown = if prefix.is_empty() { "the configuration folder" } else { prefix };
        let close = |message: String, help| (prefix.to_owned(), Problem { message, help });
        let real = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
        if depth > MAX_DEPTH || !self.folders.insert(real) {
            return;
        }
        let cannot = |cause| {
            close(
                format!("{shown} cannot be read: {cause}"),
                "give the folder with --config DIR, and check its owner and mode",
            )
        };
        let mut entries = match fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(cause) => {
                self.closed.extend([cannot(cause)]);
                return;
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let path = entry.path();
            let relative = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            // Follows links, as in a mounted ConfigMap.
            let data = fs::metadata(&path);
            if data.as_ref().is_ok_and(fs::Metadata::is_dir) {
                self.collect(&path, &relative, depth + 1, names);
            } else if is_config(&name) && data.as_ref().map_or(true, fs::Metadata::is_file) {
                if names.len() >= MAX_FILES {
                    let message = format!("{shown} holds more than {MAX_FILES} files; {name} and others are left out");
                    self.closed.extend([close(message, "name a folder that holds nothing but the configuration")]);
                    return;
                }
                // A link that leads nowhere is a file that cannot be read, not one that is gone.
                names.push(relative);
            }
        }
    }

    /// Adds every YAML file that can be read to `sources`, in the order of names, and reports the others.
    pub(crate) fn open(&self, sources: &mut Sources, report: &Report) -> Vec<Text> {
        for problem in self.closed.values() {
            report.add(error_nowhere("config::unreadable", problem.message.clone()).help(problem.help));
        }
        let names: Vec<&str> = self.names().filter(|name| *name != SETTINGS_FILE).collect();
        twins(&names, sources, report);
        names.into_iter().filter_map(|name| self.open_one(name, sources, report)).collect()
    }

    /// As [`Snapshot::open`], of one file.
    pub(crate) fn open_one(&self, name: &str, sources: &mut Sources, report: &Report) -> Option<Text> {
        match self.files.get(name)? {
            Ok(text) => {
                let number = sources.add(name.to_owned(), text);
                Some(Text { number, name: name.to_owned(), text: Arc::clone(text) })
            }
            Err(problem) => {
                let file = sources.add(name.to_owned(), "");
                let span = Span { file, start: 0, end: 0 };
                report.add(error("config::unreadable", span, problem.message.clone()).help(problem.help));
                None
            }
        }
    }
}

/// A file that was read.
#[allow(clippy::struct_field_names, reason = "the text of a text is its text")]
pub(crate) struct Text {
    /// Its number in [`Sources`].
    pub number: u32,
    /// Its path below the folder.
    pub name: String,
    /// What it holds.
    pub text: Arc<str>,
}

/// What tells that a file was replaced or written to.
fn stamp(path: &Path) -> Option<[i64; 6]> {
    let data = fs::metadata(path).ok()?;
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Some([
        number(data.dev()),
        number(data.ino()),
        number(data.size()),
        data.mtime(),
        data.mtime_nsec(),
        data.ctime() ^ data.ctime_nsec(),
    ])
}

/// Reads one file.
fn read(path: &Path, name: &str) -> Result<Arc<str>, Problem> {
    let problem = |message: String, help| Err(Problem { message, help });
    let cannot = |cause: std::io::Error| problem(format!("{name} cannot be read: {cause}"), "check its owner and mode");
    // A pipe would be waited for.
    match fs::metadata(path) {
        Ok(data) if data.is_file() => {}
        Ok(_) => return problem(format!("{name} is not a file"), "remove it, or name it otherwise"),
        Err(cause) => return cannot(cause),
    }
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(cause) => return cannot(cause),
    };
    let mut bytes = Vec::new();
    // One byte more than allowed tells that it is too large, whatever the file system said.
    if let Err(cause) = file.take(MAX_BYTES + 1).read_to_end(&mut bytes) {
        return cannot(cause);
    }
    if bytes.len() as u64 > MAX_BYTES {
        return problem(format!("{name} is larger than 1 MiB"), "split it; any file may hold any part");
    }
    match String::from_utf8(bytes) {
        // A byte order mark would be the first character of the first key.
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).into()),
        Err(cause) => {
            problem(format!("{name} is not UTF-8 (byte {})", cause.utf8_error().valid_up_to()), "save it as UTF-8")
        }
    }
}

/// Whether a file of this name is part of a configuration.
pub(crate) fn is_config(name: &str) -> bool {
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"));
    stem.is_some_and(|stem| !stem.is_empty() && stem.strip_suffix(".test").is_none())
        || client_list::template_of(name).is_some()
}

/// `a.yml` beside `a.yaml`: one of them is a leftover, and nobody can say which.
fn twins(names: &[&str], sources: &mut Sources, report: &Report) {
    let mut stems: BTreeMap<&str, &str> = BTreeMap::new();
    for name in names {
        let stem = name.trim_end_matches(".yaml").trim_end_matches(".yml");
        if let Some(first) = stems.insert(stem, name) {
            let file = sources.add((*name).to_owned(), "");
            report.add(
                error(
                    "config::twin_files",
                    Span { file, start: 0, end: 0 },
                    format!("{first} and {name} differ only in their ending"),
                )
                .help("one of them is probably a leftover; rename or remove it"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_files_are_configuration() {
        for (name, expected) in [
            ("a.yaml", true),
            ("a.yml", true),
            ("a.b.yaml", true),
            ("a.test.yaml", false),
            ("a.test.yml", false),
            ("a.yaml~", false),
            ("a.toml", false),
            ("a.clients.csv", true),
            (".clients.csv", false),
            ("a.csv", false),
            (".yaml", false),
            ("yaml", false),
        ] {
            assert_eq!(is_config(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_only_unreadable_is_not_missing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.yaml"), "x: 1").unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("b.yaml")).unwrap();
        fs::create_dir(dir.path().join("sub.yaml")).unwrap();
        let snapshot = Snapshot::read(dir.path());
        assert_eq!(snapshot.names().collect::<Vec<_>>(), ["a.yaml", "b.yaml"]);
        assert_eq!((snapshot.lacks("b.yaml"), snapshot.lacks("c.yaml")), (false, true));
        assert_eq!(snapshot.text("b.yaml"), None);
        let gone = Snapshot::read(&dir.path().join("gone"));
        assert!(!gone.lacks("a.yaml"), "a folder that cannot be read says nothing about its files");
    }

    #[test]
    fn the_hash_follows_the_texts_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yaml");
        fs::write(&path, "x: 1").unwrap();
        let before = Snapshot::read(dir.path());
        fs::File::options().write(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(Snapshot::read(dir.path()).hash(), before.hash());
        fs::write(&path, "x: 2").unwrap();
        assert_ne!(Snapshot::read(dir.path()).hash(), before.hash());
        fs::rename(&path, dir.path().join("b.yaml")).unwrap();
        fs::write(dir.path().join("b.yaml"), "x: 1").unwrap();
        assert_ne!(Snapshot::read(dir.path()).hash(), before.hash());
    }
}
