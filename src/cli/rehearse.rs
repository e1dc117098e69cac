//! `test`: the user's own tests of their configuration.

mod junit;
mod record;
mod replay;
mod told;

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

pub use record::record;
pub use replay::replay;
use serde::Serialize;

use super::{
    args::TestArgs,
    exit::{CliError, Exit},
    output::Output,
    text::Paint,
};
use crate::rehearse::{
    self, Failure, Played, Scenario, Suite, Suites,
    coverage::{Covered, Used, coverage},
};

/// What came of a test.
#[derive(Debug, Serialize)]
pub struct TestResult {
    /// The file it is in.
    pub file: String,
    /// The line it begins at.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// Whether everything is as it says.
    pub passed: bool,
    /// What is not.
    pub failures: Vec<Failure>,
    /// How long it took, in real time.
    pub seconds: f64,
}

/// What came of all of them.
#[derive(Debug, Serialize)]
pub struct Results {
    /// How many passed.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// Test by test, in the order of files.
    pub tests: Vec<TestResult>,
    /// What of each pipeline was exercised.
    pub coverage: Vec<Covered>,
}

/// Plays the tests.
///
/// # Errors
///
/// When there are none, or they or the configuration hold mistakes.
pub fn run(dir: &Path, (args, client): (&TestArgs, Option<&str>), out: &Output) -> Result<Exit, CliError> {
    let mut results = Results { passed: 0, failed: 0, tests: Vec::new(), coverage: Vec::new() };
    let (mut mistakes, mut found) = (false, 0);
    for (folder, files) in wanted(dir, &args.paths)? {
        let suites = read(&folder, &files)?;
        if let Some(loaded) = &suites.broken {
            out.talk(&loaded.render(out.talk_paint == Paint::Colour));
            out.talk("what is left out because of these mistakes is not tested");
            mistakes = true;
        }
        for suite in &suites.files {
            if !suite.diagnostics.is_empty() {
                out.talk(&suite.render(out.talk_paint == Paint::Colour));
                mistakes = true;
            }
            found += suite.scenarios.len();
        }
        play_all(&suites, (args, client), &mut results);
    }
    if found == 0 && !mistakes {
        return Err(CliError::Usage("there is no test; they are in files that end in `.test.yaml`".to_owned()));
    }
    results.failed = results.tests.iter().filter(|test| !test.passed).count();
    results.passed = results.tests.len() - results.failed;
    if let Some(path) = &args.junit {
        fs::write(path, junit::render(&results)).map_err(|source| file_error("write", path, source))?;
    }
    if out.json {
        out.json(&results);
    } else {
        out.data(&told::render(&results, out.paint));
    }
    Ok(match (mistakes, results.failed) {
        (true, _) => Exit::Config,
        (false, 0) => Exit::Done,
        (false, _) => Exit::Failed,
    })
}

fn file_error(action: &'static str, path: &Path, source: std::io::Error) -> CliError {
    CliError::File { action, path: path.to_owned(), source }
}

/// The files, each under the configuration folder it belongs to: the one that was named if the file is in it, else the
/// folder that the file is in.
fn wanted(dir: &Path, paths: &[PathBuf]) -> Result<BTreeMap<PathBuf, Vec<PathBuf>>, CliError> {
    let all_in = |folder: &Path| rehearse::find(folder).map_err(|source| file_error("read", folder, source));
    let mut found: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    if paths.is_empty() {
        if !dir.is_dir() {
            let message = format!("there is no configuration folder {}; `--config DIR` names another", dir.display());
            return Err(CliError::Config(message));
        }
        found.insert(dir.to_owned(), all_in(dir)?);
        return Ok(found);
    }
    let named = fs::canonicalize(dir).ok();
    for path in paths {
        let whole = fs::canonicalize(path).map_err(|source| file_error("read", path, source))?;
        let is_folder = whole.is_dir();
        let within = named.as_ref().is_some_and(|named| whole.starts_with(named));
        let own = if is_folder { path.as_path() } else { path.parent().unwrap_or(Path::new("")) };
        let own = if own.as_os_str().is_empty() { Path::new(".") } else { own };
        let folder = if within { dir } else { own };
        let files = if is_folder { all_in(path)? } else { vec![path.clone()] };
        found.entry(folder.to_owned()).or_default().extend(files);
    }
    for files in found.values_mut() {
        files.sort();
        files.dedup();
    }
    Ok(found)
}

fn read(folder: &Path, files: &[PathBuf]) -> Result<Suites, CliError> {
    let mut texts = Vec::new();
    for path in files {
        let name = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        let text = fs::read_to_string(path).map_err(|source| file_error("read", path, source))?;
        texts.push((name, text));
    }
    Ok(rehearse::read(folder, &texts))
}

/// Plays every test of a folder, as many at once as there are cores.
fn play_all(suites: &Suites, (args, client): (&TestArgs, Option<&str>), results: &mut Results) {
    let wanted = |scenario: &&Scenario| {
        args.only.as_ref().is_none_or(|text| scenario.name.contains(text.as_str()))
            && client.is_none_or(|client| scenario.integrations.iter().any(|name| name.as_str() == client))
    };
    let all: Vec<(&Suite, &Scenario)> = (suites.files.iter())
        .flat_map(|suite| suite.scenarios.iter().filter(wanted).map(move |scenario| (suite, scenario)))
        .collect();
    let next = AtomicUsize::new(0);
    let played: Mutex<BTreeMap<usize, (Played, Duration)>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(all.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some((suite, scenario)) = all.get(index) else { return };
                    let began = Instant::now();
                    let done = catch_unwind(AssertUnwindSafe(|| rehearse::play(&suite.ground, scenario)));
                    let done = done.unwrap_or_else(|_| Played::panicked(scenario));
                    played.lock().unwrap_or_else(PoisonError::into_inner).insert(index, (done, began.elapsed()));
                }
            });
        }
    });
    let played = played.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut used = Used::default();
    for ((suite, scenario), (played, took)) in all.iter().zip(played.into_values()) {
        used.add(&played.used);
        results.tests.push(TestResult {
            file: suite.file.clone(),
            line: scenario.place.line,
            name: scenario.name.clone(),
            passed: played.failures.is_empty(),
            failures: played.failures,
            seconds: took.as_secs_f64(),
        });
    }
    if let Some(first) = suites.files.first() {
        results.coverage.extend(coverage(&first.ground.config, &used));
    }
}
