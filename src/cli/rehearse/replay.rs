//! `replay`: recorded reads, and what the configuration as it is now writes because of them.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{file_error, read};
use crate::{
    cli::{
        args::ReplayArgs,
        exit::{CliError, Exit},
        output::Output,
        text::{Paint, count},
    },
    rehearse::{self, Failure, Played, Scenario},
};

/// What became of the writes of a recorded test.
#[derive(Debug, Serialize)]
struct Replayed {
    file: String,
    name: String,
    /// Writes as they were recorded.
    same: usize,
    /// Those that are others, new, or not sent any more.
    changes: Vec<Failure>,
    /// What could not be done.
    failures: Vec<Failure>,
}

/// Plays recorded tests with the configuration in `dir`, and shows which of their writes are others.
///
/// # Errors
///
/// When there are none, or they or the configuration hold mistakes.
pub fn replay(dir: &Path, (args, client): (&ReplayArgs, Option<&str>), out: &Output) -> Result<Exit, CliError> {
    let suites = read(dir, &files(dir, &args.paths)?)?;
    let mut mistakes = false;
    if let Some(loaded) = &suites.broken {
        out.talk(&loaded.render(out.talk_paint == Paint::Colour));
        mistakes = true;
    }
    let mut all = Vec::new();
    for suite in &suites.files {
        if !suite.diagnostics.is_empty() {
            out.talk(&suite.render(out.talk_paint == Paint::Colour));
            mistakes = true;
        }
        let wanted = |scenario: &&Scenario| {
            scenario.tells_writes()
                && args.only.as_ref().is_none_or(|text| scenario.name.contains(text.as_str()))
                && client.is_none_or(|client| scenario.integrations.iter().any(|name| name.as_str() == client))
        };
        for scenario in suite.scenarios.iter().filter(wanted) {
            // A daemon of its own needs a thread that is no runtime's.
            let play = || catch_unwind(AssertUnwindSafe(|| rehearse::replay(&suite.ground, scenario)));
            let played = std::thread::scope(|scope| scope.spawn(play).join());
            let played = played.ok().and_then(Result::ok).unwrap_or_else(|| Played::panicked(scenario));
            let (same, changes) = scenario.other_writes(&played.outcome);
            let (file, name) = (suite.file.clone(), scenario.name.clone());
            all.push(Replayed { file, name, same, changes, failures: played.failures });
        }
    }
    if all.is_empty() && !mistakes {
        let text = "there is no recorded test: `reconciled test --record NAME` makes one, and any that expects `writes` at its end will do";
        return Err(CliError::Usage(text.to_owned()));
    }
    if out.json {
        out.json(&all);
    } else {
        out.data(&render(&all, out.paint));
    }
    Ok(if mistakes {
        Exit::Config
    } else if all.iter().any(|one| !one.failures.is_empty()) {
        Exit::Failed
    } else if all.iter().any(|one| !one.changes.is_empty()) {
        Exit::Changes
    } else {
        Exit::Done
    })
}

fn files(dir: &Path, paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    let own = [dir.to_owned()];
    for path in if paths.is_empty() { own.as_slice() } else { paths } {
        let is_folder = fs::metadata(path).map_err(|source| file_error("read", path, source))?.is_dir();
        if is_folder {
            files.extend(rehearse::find(path).map_err(|source| file_error("read", path, source))?);
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn render(all: &[Replayed], paint: Paint) -> String {
    let mut out = String::new();
    let mut by_file: BTreeMap<&str, Vec<&Replayed>> = BTreeMap::new();
    for one in all {
        by_file.entry(&one.file).or_default().push(one);
    }
    for (file, replayed) in by_file {
        let _ = writeln!(out, "{}", paint.bold(file));
        for one in replayed {
            let _ = writeln!(out, "  {}", one.name);
            for failure in one.failures.iter().chain(&one.changes) {
                for line in failure.render().lines() {
                    let painted = match line.trim_start().chars().next() {
                        Some('-') => paint.red(line),
                        Some('+') => paint.green(line),
                        _ => line.to_owned(),
                    };
                    let _ = writeln!(out, "    {painted}");
                }
            }
        }
    }
    let same: usize = all.iter().map(|one| one.same).sum();
    let others: usize = all.iter().map(|one| one.changes.len()).sum();
    let _ = writeln!(out, "{} as recorded, {others} changed", count(same as u64, "write", "writes"));
    out
}
