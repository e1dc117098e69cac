//! `edit`: as `visudo` does it. A copy is edited and checked, its effects are shown, and it is moved in whole.

use std::{collections::BTreeMap, collections::BTreeSet, fs, path::Path, process::Command};

use super::{
    args::EditArgs,
    configs,
    exit::{CliError, Exit},
    files::{self, Target},
    offline::Judge,
    output::Output,
    text::Paint,
};
use crate::config::{Loaded, ProcessEnv, Snapshot, load_snapshot};

/// What becomes of an edited text.
enum Next {
    /// It is moved in.
    Save,
    /// It is edited once more.
    Again,
    /// It is thrown away.
    Leave,
}

/// Edits a file of the configuration.
///
/// # Errors
///
/// When somebody else edits it, the editor fails, or it cannot be written. Then the file is as it was.
pub async fn run(dir: &Path, args: &EditArgs, out: &Output) -> Result<Exit, CliError> {
    if !dir.is_dir() {
        return Err(CliError::Config(format!(
            "there is no configuration folder {}; `--config DIR` names another",
            dir.display()
        )));
    }
    let target = Target::find(dir, &args.file)?;
    let lock = target.lock()?;
    let held = target.text()?;
    let copy = Copy::make(&target, held.as_deref().unwrap_or_default())?;
    let Some(text) = edit(dir, &target, &copy, held.as_deref(), out).await? else {
        out.talk(&format!("{} is unchanged", target.name));
        return Ok(Exit::Done);
    };
    if let Err(error) = target.replace(&text, held.as_deref()) {
        out.talk(&format!("what you wrote is kept in {}", copy.path.display()));
        copy.keep();
        return Err(error);
    }
    drop((copy, lock));
    out.talk(&format!("{} is saved", target.name));
    match Judge::open(dir, out).await {
        Ok(mut judge) => judge.reload(out).await,
        // Saved it is; who takes it over says what it thinks of it.
        Err(error) => {
            out.talk(&error.told());
            Ok(error.exit())
        }
    }
}

/// Edits the copy until it can be saved, or shall not be. Gives the text to save.
async fn edit(
    dir: &Path,
    target: &Target,
    copy: &Copy,
    held: Option<&str>,
    out: &Output,
) -> Result<Option<String>, CliError> {
    let snapshot = Snapshot::read(dir);
    let before = mistakes(&load_snapshot(&snapshot, &ProcessEnv, &BTreeMap::new()));
    loop {
        editor(&copy.path)?;
        let text = fs::read_to_string(&copy.path).map_err(|source| CliError::File {
            action: "read",
            path: copy.path.clone(),
            source,
        })?;
        if held == Some(text.as_str()) || (held.is_none() && text.is_empty()) {
            return Ok(None);
        }
        let with = snapshot.with_texts([(target.name.clone(), text.as_str().into())]);
        let loaded = load_snapshot(&with, &ProcessEnv, &BTreeMap::new());
        // Mistakes that are there without this edit are no reason to refuse it.
        let broken = !mistakes(&loaded).is_subset(&before) || loaded.has_errors_in(&target.name);
        let next = if broken {
            out.talk(&loaded.render(out.talk_paint == Paint::Colour));
            ask_about_mistakes(&target.name, out)?
        } else {
            show_effects(dir, (&target.name, &text), out).await?
        };
        match next {
            Next::Save => return Ok(Some(text)),
            Next::Again => {}
            Next::Leave => return Ok(None),
        }
    }
}

fn mistakes(loaded: &Loaded) -> BTreeSet<String> {
    let errors = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    errors.map(|error| format!("{:?} {}", error.file(), error.message)).collect()
}

fn ask_about_mistakes(name: &str, out: &Output) -> Result<Next, CliError> {
    loop {
        let question = format!("{name} has mistakes. (e)dit it again, e(x)it without saving, (Q)uit and save it so? ");
        match files::ask(&question, out)? {
            Some('e') => return Ok(Next::Again),
            Some('x') | None => return Ok(Next::Leave),
            Some('Q') => return Ok(Next::Save),
            Some(_) => out.talk("e, x or Q"),
        }
    }
}

/// Shows what the text would change, and asks where that is records.
async fn show_effects(dir: &Path, (name, text): (&str, &str), out: &Output) -> Result<Next, CliError> {
    let judged =
        async { Judge::open(dir, out).await?.diff(BTreeMap::from([(name.to_owned(), text.to_owned())])).await };
    let question = match judged.await {
        Ok(diff) => {
            out.talk(&configs::render(&diff, out.talk_paint));
            if !diff.has_effect() {
                return Ok(Next::Save);
            }
            "(s)ave it, (e)dit it again, e(x)it without saving? "
        }
        Err(error) => {
            out.talk(&format!("what it would change cannot be told: {}", error.told()));
            "(s)ave it all the same, (e)dit it again, e(x)it without saving? "
        }
    };
    loop {
        match files::ask(question, out)? {
            Some('s') => return Ok(Next::Save),
            Some('e') => return Ok(Next::Again),
            Some('x') | None => return Ok(Next::Leave),
            Some(_) => out.talk("s, e or x"),
        }
    }
}

/// Runs the person's editor on a file.
fn editor(path: &Path) -> Result<(), CliError> {
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    // By way of a shell, as everybody does it: the variable may hold options.
    let status = Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(path).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(CliError::Other(format!("the editor `{editor}` ended with {status}; nothing was changed"))),
        Err(error) => Err(CliError::Other(format!("the editor `{editor}` cannot be run: {error}; set $EDITOR"))),
    }
}

/// The copy that is edited: beside the file, so that it is as private as its folder, under a name that is no part of the
/// configuration. It goes when it is dropped.
struct Copy {
    path: std::path::PathBuf,
}

impl Copy {
    fn make(target: &Target, text: &str) -> Result<Self, CliError> {
        use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
        let path = target.beside(".edit-", "");
        let failed = |source| CliError::File { action: "make the copy", path: path.clone(), source };
        let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        if made.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::AlreadyExists) {
            let path = path.display();
            let text = format!("{path} is there from an edit that was cut off; use or remove it, then try again");
            return Err(CliError::Other(text));
        }
        made.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
        Ok(Self { path })
    }

    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // An editor may have removed it; that is as good.
        let _ = fs::remove_file(&self.path);
    }
}
