//! `init`: a first integration in an empty folder, made from two connectors and a few answers.
//!
//! What the connectors say of their fields decides what is mapped (`meaning`): a first name is a first name, whatever a
//! system calls it. `draft` makes the pipeline of it, `account` the connections, `written` the texts. They are read as
//! any configuration before anything is written, so that what `init` leaves behind is sound; no file is ever replaced.

mod account;
mod draft;
mod meaning;
mod questions;
#[cfg(test)]
mod tests;
mod written;

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    sync::Arc,
};

use serde_json::json;

use self::{questions::Asker, written::Texts};
use super::{
    args::InitArgs,
    exit::{CliError, Exit},
    output::Output,
    text::Paint,
};
use crate::config::{self, Loaded, ProcessEnv, SETTINGS_FILE, Snapshot};

/// The schema that the first line of the new file names, so that editors complete and check it.
const SCHEMA_FILE: &str = "config.schema.json";

/// Asks what is not said, and writes the files.
///
/// # Errors
///
/// When the two cannot be kept the same, or a file is there already.
pub fn run(config: &Path, args: &InitArgs, out: &Output) -> Result<Exit, CliError> {
    let dir = args.folder.as_deref().unwrap_or(config);
    let there = snapshot(dir);
    let loaded = config::load_snapshot(&there, &ProcessEnv, &BTreeMap::new());
    let wish = questions::wish(args, &loaded.connectors, &mut Asker::of_terminal(out))?;
    let texts = written::texts(&wish, dir == Path::new("/etc/reconciled")).map_err(CliError::Usage)?;
    let file = dir.join(&texts.file);
    if file.exists() {
        return Err(CliError::Usage(format!(
            "{} is there already, and no file is replaced; give the new one another name with --name",
            file.display()
        )));
    }
    prove((&there, &loaded), &texts, out)?;
    let mut made = Vec::new();
    fs::create_dir_all(dir).map_err(failed("make the folder", dir))?;
    let schema = serde_json::to_string_pretty(&config::config_schema()).unwrap_or_default();
    for (name, text) in [(texts.file.as_str(), &texts.yaml), (SETTINGS_FILE, &texts.settings), (SCHEMA_FILE, &schema)] {
        if write_new(&dir.join(name), text)? {
            made.push(name);
        }
    }
    if out.json {
        out.json(&json!({ "folder": dir, "written": made, "integration": wish.name, "fill_in": texts.to_fill_in() }));
    }
    out.talk(&texts.next(dir, &made));
    Ok(Exit::Done)
}

/// What is in the folder; nothing where there is none yet.
fn snapshot(dir: &Path) -> Snapshot {
    if dir.is_dir() { Snapshot::read(dir) } else { Snapshot::of_texts(dir, []) }
}

/// What is new must be sound beside what is there: a name that is taken is told of whichever file comes second.
fn prove((there, before): (&Snapshot, &Loaded), texts: &Texts, out: &Output) -> Result<(), CliError> {
    let mut new = vec![(texts.file.clone(), Arc::from(texts.yaml.as_str()))];
    if there.text(SETTINGS_FILE).is_none() {
        new.push((SETTINGS_FILE.to_owned(), Arc::from(texts.settings.as_str())));
    }
    let after = config::load_snapshot(&there.with_texts(new), &ProcessEnv, &BTreeMap::new());
    let mistakes = |loaded: &Loaded| loaded.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    if mistakes(&after) > mistakes(before) {
        out.talk(&after.render(out.talk_paint == Paint::Colour));
        let text = "what would be written does not go with what is there, as shown above; nothing was written";
        return Err(CliError::Config(text.to_owned()));
    }
    Ok(())
}

/// Writes a file that is not there yet; false where it is.
fn write_new(path: &Path, text: &str) -> Result<bool, CliError> {
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(failed("write", path)(error)),
    };
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("write", path))?;
    Ok(true)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> CliError {
    let path = path.to_owned();
    move |source| CliError::File { action, path, source }
}
