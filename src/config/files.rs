//! Finding and reading the files of a configuration folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{
    diagnostic::{Report, error, error_nowhere},
    source::{Sources, Span},
};

/// Largest file that is read.
const MAX_BYTES: u64 = 1024 * 1024;
/// Most files below a folder.
const MAX_FILES: usize = 10_000;
/// Deepest folder.
const MAX_DEPTH: usize = 16;

/// A file that was read.
pub(crate) struct Text {
    /// Its number in [`Sources`].
    pub number: u32,
    /// What it holds.
    pub text: String,
}

/// Reads every YAML file below `dir`, in the order of names. Folders and files that begin with a dot and scenario
/// tests (`*.test.yaml`) are left alone.
pub(crate) fn read_all(dir: &Path, sources: &mut Sources, report: &Report) -> Vec<Text> {
    let mut found = Found::default();
    found.collect(dir, "", 0, report);
    let mut names = found.names;
    names.sort();
    twins(&names, sources, report);
    names.iter().filter_map(|name| read(dir, name, sources, report)).collect()
}

/// Reads one file below `dir`.
pub(crate) fn read(dir: &Path, name: &str, sources: &mut Sources, report: &Report) -> Option<Text> {
    let refuse = |message: String, help: &str| {
        report.add(error_nowhere("config::unreadable", message).help(help.to_owned()));
        None
    };
    let file = match fs::File::open(dir.join(name)) {
        Ok(file) => file,
        Err(cause) => return refuse(format!("{name} cannot be read: {cause}"), "check its owner and mode"),
    };
    let mut bytes = Vec::new();
    // One byte more than allowed tells that it is too large, whatever the file system said.
    if let Err(cause) = file.take(MAX_BYTES + 1).read_to_end(&mut bytes) {
        return refuse(format!("{name} cannot be read: {cause}"), "check its owner and mode");
    }
    if bytes.len() as u64 > MAX_BYTES {
        return refuse(format!("{name} is larger than 1 MiB"), "split it; any file may hold any part");
    }
    match String::from_utf8(bytes) {
        Ok(text) => {
            // A byte order mark would be the first character of the first key.
            let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
            let number = sources.add(name.to_owned(), &text);
            Some(Text { number, text })
        }
        Err(cause) => {
            refuse(format!("{name} is not UTF-8 (byte {})", cause.utf8_error().valid_up_to()), "save it as UTF-8")
        }
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    names: Vec<String>,
    /// Folders as they really are: a link that leads back up must not be followed for ever.
    folders: BTreeSet<PathBuf>,
}

impl Found {
    fn collect(&mut self, dir: &Path, prefix: &str, depth: usize, report: &Report) {
        let real = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
        if depth > MAX_DEPTH || !self.folders.insert(real) {
            return;
        }
        let shown = if prefix.is_empty() { "the configuration folder" } else { prefix };
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(cause) => {
                report.add(
                    error_nowhere("config::unreadable", format!("{shown} cannot be read: {cause}"))
                        .help("give the folder with --config DIR, and check its owner and mode"),
                );
                return;
            }
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let path = entry.path();
            let relative = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            // Follows links, as in a mounted ConfigMap.
            if path.is_dir() {
                self.collect(&path, &relative, depth + 1, report);
            } else if is_config(&name) && path.is_file() && self.names.len() < MAX_FILES {
                self.names.push(relative);
            }
        }
    }
}

fn is_config(name: &str) -> bool {
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"));
    stem.is_some_and(|stem| !stem.is_empty() && stem.strip_suffix(".test").is_none())
}

/// `a.yml` beside `a.yaml`: one of them is a leftover, and nobody can say which.
fn twins(names: &[String], sources: &mut Sources, report: &Report) {
    let mut stems: BTreeMap<&str, &str> = BTreeMap::new();
    for name in names {
        let stem = name.trim_end_matches(".yaml").trim_end_matches(".yml");
        if let Some(first) = stems.insert(stem, name) {
            let file = sources.add(name.clone(), "");
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
    use super::is_config;

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
            (".yaml", false),
            ("yaml", false),
        ] {
            assert_eq!(is_config(name), expected, "{name}");
        }
    }
}
