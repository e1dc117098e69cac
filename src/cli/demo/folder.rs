//! The demo's folder: its configuration and state. Nothing in it that the demo did not write is ever touched.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::xxh3_64;

use super::systems::Systems;
use crate::cli::exit::CliError;

const MARK: &str = ".reconciled-demo";
const TEMPLATE: &str = include_str!("demo.yaml");
const SETTINGS: &str = "# The demo's own settings; paths are relative to this folder.\nstate_dir = \"state\"\nsocket = \"reconciled.sock\"\n\n# Edits are seen sooner than by default, because somebody watches.\n[reload]\npoll = \"2s\"\nsettle = \"200ms\"\n";

/// A folder that the demo may use.
#[derive(Debug)]
pub(super) struct Folder {
    pub path: PathBuf,
    /// Copies of what a person changed in the configuration since the last demo.
    pub kept: Vec<PathBuf>,
    /// Removes the folder at the end, if it is a temporary one.
    _temporary: Option<tempfile::TempDir>,
}

impl Folder {
    /// A folder that is gone afterwards.
    pub(super) fn temporary() -> Result<Self, CliError> {
        let made = tempfile::Builder::new().prefix("reconciled-demo-").tempdir();
        let made = made.map_err(failed("make a folder in", &std::env::temp_dir()))?;
        Ok(Self { path: made.path().to_owned(), kept: Vec::new(), _temporary: Some(made) })
    }

    /// This folder, if it is new, empty or was made by an earlier demo.
    pub(super) fn at(path: &Path) -> Result<Self, CliError> {
        fs::create_dir_all(path).map_err(failed("make the folder", path))?;
        let mut entries = fs::read_dir(path).map_err(failed("read", path))?;
        let ours = path.join(MARK).is_file();
        if !ours && entries.next().is_some() {
            return Err(CliError::Usage(format!(
                "{} holds files that no demo made; name another folder with `--dir DIR`",
                path.display()
            )));
        }
        let path = path.canonicalize().map_err(failed("read", path))?;
        Ok(Self { path, kept: Vec::new(), _temporary: None })
    }

    /// Writes the configuration. The state of an earlier demo is removed: its systems are gone.
    pub(super) fn write(&mut self, systems: &Systems) -> Result<(), CliError> {
        self.write_files(&[("demo.yaml", configuration(systems))], "", &[])
    }

    /// Writes a configuration of these files, with settings beside the usual ones, and further files.
    pub(super) fn write_files(
        &mut self,
        files: &[(&str, String)],
        settings: &str,
        more: &[(String, String)],
    ) -> Result<(), CliError> {
        let mark = self.path.join(MARK);
        for (name, _) in files {
            self.kept.extend(keep_edited(&self.path.join(name), &mark)?);
        }
        let state = self.path.join("state");
        match fs::remove_dir_all(&state) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &state)(error)),
            _ => {}
        }
        // The mark comes first: a demo that is interrupted here can be started again.
        let hashes: String = files.iter().map(|(_, text)| format!("{:016x}\n", xxh3_64(text.as_bytes()))).collect();
        write(&mark, &hashes)?;
        for (name, text) in more {
            write(&self.path.join(name), text)?;
        }
        write(&self.path.join("reconciled.toml"), &format!("{SETTINGS}{settings}"))?;
        files.iter().try_for_each(|(name, text)| write(&self.path.join(name), text))
    }

    /// What is said of the copies.
    pub(super) fn told_kept(&self) -> String {
        let all: Vec<String> = self.kept.iter().map(|path| path.display().to_string()).collect();
        if all.is_empty() {
            String::new()
        } else {
            format!("What you had changed there is kept in {}\n", all.join(" and "))
        }
    }
}

fn configuration(systems: &Systems) -> String {
    let values = [
        ("{website_url}", systems.website.url()),
        ("{website_token}", systems.website.token().to_owned()),
        ("{xero_url}", systems.xero.url()),
        ("{xero_tenant}", systems.xero.tenant().to_owned()),
        ("{xero_token}", systems.xero.token().to_owned()),
    ];
    values.iter().fold(TEMPLATE.to_owned(), |text, (hole, value)| text.replace(hole, value))
}

/// Copies a file that is not as the last demo wrote it.
fn keep_edited(yaml: &Path, mark: &Path) -> Result<Option<PathBuf>, CliError> {
    let text = match fs::read(yaml) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", yaml)(error)),
    };
    let written = fs::read_to_string(mark).unwrap_or_default();
    let hash = format!("{:016x}", xxh3_64(&text));
    if written.lines().any(|line| line == hash) {
        return Ok(None);
    }
    let free =
        (1..10_000).map(|number| yaml.with_extension(format!("yaml.yours-{number}"))).find(|path| !path.exists());
    let Some(copy) = free else { return Ok(None) };
    fs::write(&copy, text).map_err(failed("write", &copy))?;
    Ok(Some(copy))
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
    }
    fs::write(path, text).map_err(failed("write", path))
}

fn failed<'p>(action: &'static str, path: &'p Path) -> impl Fn(io::Error) -> CliError + 'p {
    move |source| CliError::File { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_files_of_others_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letter.txt"), "dear").unwrap();
        let refused = Folder::at(dir.path()).unwrap_err();
        assert!(refused.to_string().contains("no demo made"), "{refused}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_configuration_that_a_person_changed_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (yaml, mark) = (dir.path().join("demo.yaml"), dir.path().join(MARK));
        fs::write(&yaml, "as written").unwrap();
        fs::write(&mark, format!("{:016x}\n", xxh3_64(b"as written"))).unwrap();
        assert_eq!(keep_edited(&yaml, &mark).unwrap(), None);
        fs::write(&yaml, "changed").unwrap();
        let kept = keep_edited(&yaml, &mark).unwrap().unwrap();
        assert_eq!(fs::read_to_string(&kept).unwrap(), "changed");
        assert_ne!(keep_edited(&yaml, &mark).unwrap().unwrap(), kept);
    }
}
