//! The map of the house is kept true: the pure rooms stay pure, and no file grows beyond what one can read.
#![allow(clippy::pedantic, clippy::type_complexity, reason = "pedantic lints are for the library")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Rooms that use no runtime, network, store, file or clock: cells in, plans out.
const PURE: [&str; 3] = ["record", "mapping", "sync"];

/// What has no place in them.
const EFFECTS: [&str; 12] = [
    "tokio",
    "reqwest",
    "sled",
    "std::fs",
    "std::net",
    "std::time::SystemTime",
    "std::time::Instant",
    "Utc::now",
    "Local::now",
    "crate::store",
    "crate::engine",
    "crate::clock",
];

/// Longest file, in lines.
const LONGEST: usize = 600;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found.sort();
    found
}

/// The code without comments and without spaces, but for one between words.
fn bare(text: &str) -> String {
    let mut bare = String::new();
    for line in text.lines() {
        let line = line.split_once("//").map_or(line, |(code, _)| code);
        for word in line.split_whitespace() {
            let glued = |c: char| c.is_alphanumeric() || c == '_';
            if bare.ends_with(glued) && word.starts_with(glued) {
                bare.push(' ');
            }
            bare.push_str(word);
        }
        if bare.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            bare.push(' ');
        }
    }
    bare
}

/// Every path that a `use` tree names: `std::{fmt, io::{self, Read}}` is three.
fn expand(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let (mut depth, mut start) = (0, 0);
    let mut parts = Vec::new();
    for (position, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[start..position]);
                start = position + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('{') {
            Some((head, rest)) => expand(&format!("{prefix}{head}"), rest.strip_suffix('}').unwrap_or(rest), found),
            None => found.push(format!("{prefix}{part}")),
        }
    }
}

/// The effects that a file reaches for, by `use` or in place.
fn effects(text: &str) -> Vec<&'static str> {
    let bare = bare(text);
    let mut paths = Vec::new();
    for piece in bare.split(';') {
        if let Some((_, tree)) = piece.rsplit_once("use ") {
            expand("", tree, &mut paths);
        }
    }
    EFFECTS
        .into_iter()
        .filter(|effect| {
            // A crate's name may also be a variable; as a path it goes on.
            let in_place = if effect.contains("::") { (*effect).to_owned() } else { format!("{effect}::") };
            paths.iter().any(|path| mentions(path, effect)) || mentions(&bare, &in_place)
        })
        .collect()
}

/// Whether `effect` stands in `text` as a path of its own: `::tokio::spawn`, but not `my_tokio::run` or
/// `config::tokio`.
fn mentions(text: &str, effect: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(effect).any(|(position, _)| {
        let (before, after) = (&text[..position], &text[position + effect.len()..]);
        let rooted = effect.ends_with("::now") || !before.trim_end_matches("::").ends_with(word);
        let whole = effect.ends_with("::") || !after.starts_with(word);
        rooted && whole && !before.ends_with(word)
    })
}

#[test]
fn the_pure_rooms_reach_for_no_effect() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for path in all_sources() {
        let inside = path.strip_prefix(&root).unwrap();
        let room = inside.iter().next().unwrap().to_str().unwrap();
        if PURE.contains(&room.trim_end_matches(".rs")) {
            seen += 1;
            let found = effects(&fs::read_to_string(&path).unwrap());
            assert!(found.is_empty(), "{} is in a pure room and uses {found:?}", inside.display());
        }
    }
    assert!(seen >= PURE.len(), "the rooms {PURE:?} were not found under {}", root.display());
}

#[test]
fn no_file_is_longer_than_one_can_read() {
    for path in all_sources() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines; at most {LONGEST}", path.display());
    }
}

/// Where it is found out whether somebody may speak. No test can see how long that takes, and `tests/mutate` cannot take it away.
const PROOFS: [(&str, [&str; 2]); 2] = [
    ("daemon/hooks.rs", ["fn is_from_its_system(", "fn same("]),
    ("connector/inbox/proof.rs", ["fn same(", "fn check("]),
];

/// Comparisons that end at the first difference, and so tell how much of a guess was right.
fn tells_of_guesses(code: &str) -> bool {
    let hashes = "digest(&SHA256,given.as_bytes()).as_ref()==digest(&SHA256,key.as_bytes()).as_ref()";
    let rest = bare(code).replace(hashes, "");
    ["==", "!=", ".eq(", ".ne(", ".cmp(", "starts_with(", "contains(", "matches!("]
        .iter()
        .any(|word| rest.contains(word))
}

#[test]
fn what_shows_who_speaks_is_compared_in_constant_time() {
    for (file, functions) in PROOFS {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)).unwrap();
        for function in functions {
            let body = text.split_once(function).and_then(|(_, rest)| rest.split_once("\n}\n"));
            let (body, _) = body.unwrap_or_else(|| panic!("{file} has no {function}…): name the new place in PROOFS"));
            assert!(!tells_of_guesses(body), "{file}, {function}…): compare with hmac::verify\n{body}");
            assert!(
                ["verify(", "digest("].iter().any(|word| body.contains(word)),
                "{file}, {function}…) compares nothing"
            );
        }
    }
    for bad in ["given == key", "given.is_some_and(|given| *given != *key)", "key.eq(given)", "given.starts_with(key)"]
    {
        assert!(tells_of_guesses(bad), "{bad}");
    }
}

#[track_caller]
fn check(code: &str, expected: &[&str]) {
    assert_eq!(effects(code), expected, "{code}");
}

#[test]
fn effects_are_found_however_they_are_written() {
    check("use std::fs;", &["std::fs"]);
    check("use std::{fmt, fs::File};", &["std::fs"]);
    check("use std::{\n    fmt,\n    time::{Duration, Instant},\n};", &["std::time::Instant"]);
    check("mod a;\npub use tokio::sync::watch;", &["tokio"]);
    check("use crate::{config::Field, store};", &["crate::store"]);
    check("#[cfg(test)]\nuse sled as db;", &["sled"]);
    check("let now = chrono::Utc::now();", &["Utc::now"]);
    check("let now = Utc::now();", &["Utc::now"]);
    check("let x = ::tokio::spawn(y);", &["tokio"]);
    check("fn read() -> std::fs::File {}", &["std::fs"]);
    check("let t = crate::clock::Clock::system();", &["crate::clock"]);
    check("// use std::fs;\nuse std::time::Duration; /// tokio::spawn", &[]);
    check("use crate::config::store; let sled = 1; fn instant() {} my_tokio::run()", &[]);
    check("use chrono::{DateTime, Utc}; use crate::record::time::instant;", &[]);
}

/// A merge that was committed half-way.
#[test]
fn no_page_holds_the_marks_of_a_merge() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let other = ["target", ".git", "node_modules"].contains(&name.as_str());
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if other => {}
                _ if path.is_dir() => folders.push(path),
                Some("md" | "rs" | "yaml" | "yml" | "toml" | "json" | "py" | "js" | "mjs" | "css" | "html") => {
                    pages.push(path);
                }
                _ => {}
            }
        }
    }
    assert!(pages.iter().any(|page| page.ends_with("CHANGELOG.md")));
    for page in pages {
        let text = String::from_utf8_lossy(&fs::read(&page).unwrap()).into_owned();
        let mark = text.lines().find(|line| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> "));
        assert_eq!(mark, None, "{}", page.display());
    }
}
