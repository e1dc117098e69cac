//! Where the files of a collection are, and whether they may be read.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};

use super::away;
use crate::connector::{CallError, FileTable, Holds};

/// Largest file that is read.
const LARGEST: u64 = 256 << 20;
/// Most that is read of all files of a collection together.
const LARGEST_OF_ALL: u64 = 1 << 30;

/// What tells whether a file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    size: u64,
    modified: SystemTime,
}

impl Stamp {
    /// That of a file; `None` if there is none.
    pub(super) fn of(path: &Path) -> Result<Option<Self>, CallError> {
        match fs::metadata(path).and_then(|data| Ok(Self { size: data.len(), modified: data.modified()? })) {
            Ok(stamp) => Ok(Some(stamp)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("look at", path, &error)),
        }
    }
}

/// A file as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Found {
    pub path: PathBuf,
    pub stamp: Stamp,
}

/// The files of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    /// Those that may be read now.
    pub ready: Vec<Found>,
    /// One that must be waited for, and later ones wait behind it.
    pub waits: Option<Found>,
}

/// The files that may be read now: those of the collection, and with `done` also those that were taken.
///
/// # Errors
///
/// When a file that must be there is not, or is not ready.
pub(super) fn files(folder: &Path, table: &FileTable, done: bool, ready: Ready) -> Result<Files, CallError> {
    let at = folder.join(&table.path);
    if !table.path.contains('*') {
        let Some(stamp) = Stamp::of(&at)? else {
            if table.write {
                return Ok(Files::default());
            }
            return Err(CallError::NotDone(format!("there is no file {}", at.display())));
        };
        let found = Found { path: at, stamp };
        return match wait(&found, table, ready) {
            None => Ok(Files { ready: vec![found], waits: None }),
            Some(why) => Err(CallError::NotDone(why)),
        };
    }
    let name = at.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut found = matching(at.parent().unwrap_or(folder), |other| fits(name, other))?;
    if table.holds == Holds::Snapshot {
        // What a file that is not read would hold must not count as gone.
        if let Some(why) = found.iter().find_map(|found| wait(found, table, ready)) {
            return Err(CallError::NotDone(why));
        }
        if found.is_empty() {
            return Err(CallError::NotDone(format!("there is no file {}", at.display())));
        }
    }
    // Read after those behind it, an older file would take back what they say.
    let first = found.iter().position(|found| wait(found, table, ready).is_some()).unwrap_or(found.len());
    let behind = found.split_off(first);
    let waits = behind.first().filter(|_| behind.len() > 1).cloned();
    if let (true, Some(done)) = (done, &table.done) {
        let done = folder.join(done);
        if done.is_dir() {
            let mut taken = matching(&done, |other| away::is_of(&done, name, other))?;
            // As they were taken, whatever their names: the last one knows best.
            taken.sort_by_key(|found| found.stamp.modified);
            found = taken.into_iter().chain(found).collect();
        }
    }
    Ok(Files { ready: found, waits })
}

/// What is known when it is asked whether a file is ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub now: DateTime<Utc>,
    /// The stamp of what we wrote ourselves: nobody else is busy with that.
    pub ours: Option<Stamp>,
}

/// Why a file is not used yet.
pub(super) fn wait(found: &Found, table: &FileTable, Ready { now, ours }: Ready) -> Option<String> {
    let name = found.path.display();
    if let Some(marker) = &table.marker {
        let mark = marked(&found.path, marker);
        if !mark.exists() {
            return Some(format!("{name} is not finished: there is no {}", mark.display()));
        }
    }
    if ours == Some(found.stamp) {
        return None;
    }
    let age = (now - DateTime::<Utc>::from(found.stamp.modified)).to_std().unwrap_or(Duration::ZERO);
    (age < table.steady).then(|| {
        let steady = humantime::format_duration(table.steady);
        format!("{name} changed {} s ago; it is read once it is left alone for {steady}", age.as_secs())
    })
}

/// The file that says that another is finished.
pub(super) fn marked(path: &Path, marker: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(marker);
    path.with_file_name(name)
}

/// The files whose names fit, by name. Hidden ones are not ours.
fn matching(folder: &Path, fits: impl Fn(&str) -> bool) -> Result<Vec<Found>, CallError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| failed("list", folder, &error))? {
        let path = entry.map_err(|error| failed("list", folder, &error))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') || !fits(name) || path.is_dir() {
            continue;
        }
        if let Some(stamp) = Stamp::of(&path)? {
            found.push(Found { path, stamp });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Whether a name fits a pattern with `*` in it.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// Refuses what would not fit into memory.
///
/// # Errors
///
/// When the files are too large together.
pub(super) fn check_size(files: &[Found], table: &FileTable) -> Result<(), CallError> {
    let all: u64 = files.iter().map(|found| found.stamp.size).sum();
    if all <= LARGEST_OF_ALL {
        return Ok(());
    }
    let done = table.done.as_ref().map_or(String::new(), |done| format!("; remove old files from `{done}`"));
    let text = format!("the files {} have {} MiB together; at most 1024 are read{done}", table.path, all >> 20);
    Err(CallError::BadAnswer(text))
}

/// Reads a file that nobody writes meanwhile.
///
/// # Errors
///
/// When it cannot be read, changed while it was, or is too large.
pub(super) fn bytes(found: &Found) -> Result<Vec<u8>, CallError> {
    let path = &found.path;
    if found.stamp.size > LARGEST {
        let text = format!("{} has {} MiB; at most 256 are read", path.display(), found.stamp.size >> 20);
        return Err(CallError::BadAnswer(text));
    }
    let bytes = fs::read(path).map_err(|error| failed("read", path, &error))?;
    if Stamp::of(path)? != Some(found.stamp) || bytes.len() as u64 != found.stamp.size {
        return Err(CallError::NotDone(format!("{} changed while it was read", path.display())));
    }
    Ok(bytes)
}

/// Where a file really is: what a link leads to is replaced, and not the link.
///
/// # Errors
///
/// When a link leads nowhere.
pub(super) fn real(path: &Path) -> Result<PathBuf, CallError> {
    match fs::canonicalize(path) {
        Ok(real) => Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => Ok(path.to_owned()),
        Err(error) => Err(failed("find what is meant by", path, &error)),
    }
}

/// Whether what is not listed is nevertheless there.
pub(super) fn is_partial(table: &FileTable) -> bool {
    table.holds == Holds::Additions
}

pub(super) fn failed(what: &str, path: &Path, error: &io::Error) -> CallError {
    CallError::NotDone(format!("cannot {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_their_patterns() {
        for (pattern, name) in [("*.csv", "a.csv"), ("a*b*.csv", "axbyb.csv"), ("a.csv", "a.csv"), ("a*", "a")] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.csv", "a.csv.tmp"), ("a*b*.csv", "axy.csv"), ("a.csv", "a.csvx"), ("aa*aa", "aaa")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
