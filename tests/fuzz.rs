//! Replays what the fuzz targets of `fuzz/` are given, and changes of it: nothing panics, and what must hold holds.
//!
//! `FUZZ=100000 cargo test --release --test fuzz` tries so many changes of every input of the corpus.
#![allow(clippy::pedantic, reason = "pedantic lints are for the library")]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::{fs, path::Path};

/// Parts that mean something to one parser or another.
const PARTS: [&str; 24] = [
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    "$",
    ".",
    "[?(@.a=='b')]",
    "&a",
    "*a",
    "<<: ",
    "\n",
    "\t",
    "\0",
    "null",
    "1e999",
    "-0",
    "\u{feff}",
    "</a>",
    "<![CDATA[",
    "&lt;",
    "&#0;",
    "🦉",
];

/// Another input, not far from this one.
fn changed(input: &[u8], rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..rng.usize(1..5) {
        let at = rng.usize(..=bytes.len());
        match rng.u8(..6) {
            0 if at < bytes.len() => bytes[at] = rng.u8(..),
            1 if at < bytes.len() => bytes.truncate(at),
            2 => {
                let end = (at + rng.usize(..20)).min(bytes.len());
                bytes.drain(at..end);
            }
            3 => {
                let end = (at + rng.usize(..40)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                let to = rng.usize(..=bytes.len());
                bytes.splice(to..to, again);
            }
            _ => {
                let part = PARTS[rng.usize(..PARTS.len())].bytes();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

/// Gives the target everything of its corpus, and so many changes of each.
fn replay(name: &str, changes: usize, target: fn(&[u8])) {
    let changes = std::env::var("FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(changes);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut inputs: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() > 3, "a corpus has more than {} inputs", inputs.len());
    for path in inputs {
        let input = fs::read(&path).unwrap();
        let mut rng = fastrand::Rng::with_seed(input.len() as u64);
        let mut given = input.clone();
        for change in 0..=changes {
            let kept = given.clone();
            if std::panic::catch_unwind(move || target(&given)).is_err() {
                let text = String::from_utf8_lossy(&kept).into_owned();
                panic!("{path:?}, change {change}, goes wrong: keep this in the corpus\n{text}");
            }
            given = changed(&input, &mut rng);
        }
    }
}

#[test]
fn any_file_of_the_configuration_is_read_or_its_mistakes_are_shown() {
    replay("config", 40, targets::config);
}

#[test]
fn what_is_written_at_a_path_is_read_there() {
    replay("paths", 3_000, targets::paths);
}

#[test]
fn any_answer_of_a_remote_is_read_or_refused() {
    replay("bodies", 20, targets::bodies);
}

#[test]
fn any_line_to_the_daemon_is_a_request_or_refused() {
    replay("protocol", 3_000, targets::protocol);
}

#[test]
fn any_manifest_is_used_or_its_mistakes_are_shown() {
    replay("manifest", 15, targets::manifest);
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors")).unwrap() {
        targets::manifest(&fs::read(entry.unwrap().path()).unwrap());
    }
}

#[test]
fn whatever_comes_to_the_public_listener_is_turned_away_or_kept() {
    replay("hooks", 12, targets::hooks);
}
