//! A file of the configuration that a command writes: found, locked, replaced whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use super::{exit::CliError, output::Output};
use crate::config::{SETTINGS_FILE, is_config};

/// A file below the configuration folder.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its path below the folder, as it is named everywhere.
    pub name: String,
    /// Where it really is: a link stays one.
    pub path: PathBuf,
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CliError {
    let path = path.to_owned();
    move |source| CliError::File { action, path, source }
}

impl Target {
    /// The file that is meant: below the current folder, or below the configuration folder. It need not be there yet.
    ///
    /// # Errors
    ///
    /// When it would be no file of the configuration.
    pub fn find(dir: &Path, file: &Path) -> Result<Self, CliError> {
        let below = dir.join(file);
        let given = if file.exists() && !below.exists() { file.to_owned() } else { below };
        let root = fs::canonicalize(dir).map_err(failed("find", dir))?;
        let folder = given.parent().unwrap_or(dir);
        let folder = fs::canonicalize(folder).map_err(failed("find", folder))?;
        let not_ours = || {
            CliError::Usage(format!(
                "{} is no file of the configuration in {}: those end in .yaml or .yml, or are {SETTINGS_FILE}",
                file.display(),
                dir.display()
            ))
        };
        let name = given.file_name().and_then(|name| name.to_str()).ok_or_else(not_ours)?;
        let inside = folder.strip_prefix(&root).map_err(|_| not_ours())?;
        let settings = inside.as_os_str().is_empty() && name == SETTINGS_FILE;
        let inside = inside.join(name);
        let shown = inside.to_str().ok_or_else(not_ours)?;
        if !(settings || is_config(name)) || shown.split('/').any(|part| part.starts_with('.')) {
            return Err(not_ours());
        }
        let path = folder.join(name);
        let path = if path.exists() { fs::canonicalize(&path).map_err(failed("find", &path))? } else { path };
        Ok(Self { name: shown.to_owned(), path })
    }

    /// What it holds; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn text(&self) -> Result<Option<String>, CliError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &self.path)(error)),
        }
    }

    /// Keeps every other `edit` of this file away, until it is dropped. Of one that is not there yet, those of its folder.
    ///
    /// # Errors
    ///
    /// When somebody else edits it, or it cannot be opened.
    pub fn lock(&self) -> Result<File, CliError> {
        let what = if self.path.exists() { self.path.as_path() } else { self.folder() };
        let file = File::open(what).map_err(failed("open", what))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => {
                Err(CliError::Other(format!("{} is being edited by somebody else; nothing was changed", self.name)))
            }
            Err(fs::TryLockError::Error(error)) => Err(failed("lock", what)(error)),
        }
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new("."))
    }

    /// A file beside it, which is no part of the configuration.
    pub fn beside(&self, before: &str, after: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.folder().join(format!("{before}{name}{after}"))
    }

    /// Keeps what it holds beside it, under a name that is not taken; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// When that cannot be written.
    pub fn put_aside(&self) -> Result<Option<PathBuf>, CliError> {
        if !self.path.exists() {
            return Ok(None);
        }
        let numbered = (2..10_000).map(|number| self.beside("", &format!(".rejected-{number}")));
        let free = std::iter::once(self.beside("", ".rejected")).chain(numbered).find(|path| !path.exists());
        let aside =
            free.ok_or_else(|| CliError::Other(format!("too many rejected copies of {} lie here", self.name)))?;
        fs::copy(&self.path, &aside).map_err(failed("write", &aside))?;
        Ok(Some(aside))
    }

    /// Puts a text in its place, whole or not at all, with the owner and the mode it had; what is new, with the group of
    /// its folder. Refuses if it no longer holds what it `held`.
    ///
    /// # Errors
    ///
    /// When somebody else wrote it meanwhile, or it cannot be written; then it is as it was.
    pub fn replace(&self, text: &str, held: Option<&str>) -> Result<(), CliError> {
        let temp = self.beside(".new-", "");
        let written = self.write_beside(&temp, text).and_then(|()| {
            if self.text()?.as_deref() != held {
                let text = format!("{} was changed by somebody else meanwhile", self.name);
                return Err(CliError::Other(text));
            }
            fs::rename(&temp, &self.path).map_err(failed("replace", &self.path))
        });
        if written.is_err() {
            // Nothing is lost with it: whoever called has the text.
            let _ = fs::remove_file(&temp);
        }
        written?;
        // The new name is there; that it stays after a power cut is up to the folder.
        if let Ok(folder) = File::open(self.folder()) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    fn write_beside(&self, temp: &Path, text: &str) -> Result<(), CliError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let old = fs::metadata(&self.path).ok();
        // Nobody may look in before it has the mode that it shall have.
        options.mode(if old.is_some() { 0o600 } else { 0o640 });
        let mut file = options.open(temp).map_err(failed("write", temp))?;
        file.write_all(text.as_bytes()).map_err(failed("write", temp))?;
        if let Some(old) = old {
            let new = fs::metadata(temp).map_err(failed("read", temp))?;
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                chown(temp, Some(old.uid()), Some(old.gid()))
                    .map_err(failed("give the owner of the old file to", temp))?;
            }
            let mode = fs::Permissions::from_mode(old.mode() & 0o7777);
            fs::set_permissions(temp, mode).map_err(failed("give the mode of the old file to", temp))?;
        } else if let Ok(folder) = fs::metadata(self.folder()) {
            // Whoever reads the folder reads what is new in it, whatever the umask: the daemon is no member of root's group.
            // Who may not give that group away leaves the file with their own, as an editor does.
            if chown(temp, None, Some(folder.gid())).is_ok() {
                let mode = fs::Permissions::from_mode(0o640);
                fs::set_permissions(temp, mode).map_err(failed("give its mode to", temp))?;
            }
        }
        file.sync_all().map_err(failed("write", temp))
    }
}

/// Asks, and gives the first letter of the answer, in small; `None` when nobody answers.
///
/// # Errors
///
/// When standard input cannot be read.
pub fn ask(question: &str, out: &Output) -> Result<Option<char>, CliError> {
    out.prompt(question);
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    let read = read.map_err(|error| CliError::Other(format!("standard input cannot be read: {error}")))?;
    if read == 0 {
        out.talk("");
        return Ok(None);
    }
    Ok(line.trim().chars().next())
}

/// The lines that differ, as `diff -u` shows them.
#[must_use]
pub fn differences(old: &str, new: &str) -> String {
    similar::TextDiff::from_lines(old, new).unified_diff().context_radius(2).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_of_the_group_of_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        // Root may give any group away; anybody else has one that can be shown only as far as it goes.
        let group = 4_321;
        let root = chown(dir.path(), None, Some(group)).is_ok();
        let expected = if root { group } else { fs::metadata(dir.path()).unwrap().gid() };
        Target::find(dir.path(), Path::new("new.yaml")).unwrap().replace("a: 1\n", None).unwrap();
        let new = fs::metadata(dir.path().join("new.yaml")).unwrap();
        assert_eq!((new.gid(), new.mode() & 0o777), (expected, 0o640));
    }
}
