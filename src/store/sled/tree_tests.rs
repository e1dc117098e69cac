//! What a tree finds after a crash at any place of its own making.

use std::{fs, ops::Range};

use super::*;
use crate::store::Space;

const CACHE: u64 = 8 << 20;

fn key(text: &str) -> Key {
    Key::new(Space::Link, &[text])
}

fn group(writes: &[(&str, Option<&[u8]>)]) -> Group {
    Group { writes: writes.iter().map(|(name, value)| (key(name), value.map(<[u8]>::to_vec))).collect() }
}

fn entries(tree: &Tree) -> Vec<(String, Vec<u8>)> {
    let found = tree.scan(&Key::new(Space::Link, &[]), None, usize::MAX).unwrap();
    found.into_iter().map(|(key, value)| (key.parts().remove(0), value)).collect()
}

/// Entries of the journal and of pieces.
fn internal_keys(tree: &Tree) -> usize {
    tree.journal.len() + tree.pieces.len()
}

/// A commit of `a`, `big` and `old`, stopped after some of its steps: which parts of the journal are there, and how
/// many of its keys are written.
#[track_caller]
fn check_interrupted(parts: impl Fn(usize) -> Range<usize>, keys_written: usize, expect_done: bool) {
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = (vec![1; 3 * PIECE], vec![2; 2 * PIECE + 5]);
    let mut tree = Tree::open(dir.path(), CACHE).unwrap();
    tree.commit(vec![group(&[("big", Some(&before)), ("old", Some(&before))])]).unwrap();
    let pieces_before = internal_keys(&tree);

    let mut writes = Writes::new();
    for name in ["a", "b", "c", "d"] {
        let bytes = key(name).as_bytes().to_vec();
        writes.insert(bytes.clone(), Some(tree.stored(&bytes, vec![3; PIECE - 1]).unwrap()));
    }
    let big = key("big").as_bytes().to_vec();
    writes.insert(big.clone(), Some(tree.stored(&big, after.clone()).unwrap()));
    writes.insert(key("old").as_bytes().to_vec(), None);
    let text = journal::encode(&writes);
    let all: Vec<&[u8]> = text.chunks(PIECE).collect();
    assert!(all.len() > 3, "the journal has several parts");
    for part in parts(all.len()) {
        tree.journal.insert(journal_key(part), all[part]).unwrap();
    }
    tree.write(writes.into_iter().take(keys_written).collect()).unwrap();
    drop(tree);

    let tree = Tree::open(dir.path(), CACHE).unwrap();
    let found = entries(&tree);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    if expect_done {
        assert_eq!(names, ["a", "b", "big", "c", "d"]);
        assert!(found[2].1 == after);
        assert_eq!(internal_keys(&tree), 1 + 3, "an owner and three pieces, no journal");
    } else {
        assert_eq!(names, ["big", "old"]);
        assert!(found.iter().all(|(_, value)| *value == before));
        assert_eq!(internal_keys(&tree), pieces_before, "the new pieces are swept");
    }
}

#[test]
fn a_commit_without_its_whole_journal_never_was() {
    check_interrupted(|_| 0..0, 0, false);
    check_interrupted(|all| all - 1..all, 0, false);
    check_interrupted(|all| 1..all, 0, false);
}

#[test]
fn a_commit_with_its_whole_journal_is_done_again_from_any_key() {
    for keys_written in 0..=6 {
        check_interrupted(|all| 0..all, keys_written, true);
    }
}

#[test]
fn a_commit_whose_journal_is_being_taken_away_is_done() {
    check_interrupted(|all| 1..all, 6, true);
    check_interrupted(|all| all - 1..all, 6, true);
}

#[test]
fn the_pieces_of_a_value_go_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut tree = Tree::open(dir.path(), CACHE).unwrap();
    let value = vec![7; 5 * PIECE];
    tree.commit(vec![group(&[("x", Some(&value))]), group(&[("x", Some(&value)), ("y", Some(&value))])]).unwrap();
    assert_eq!(internal_keys(&tree), 2 * 6);
    // Written twice before either reaches the tree: the first is forgotten.
    tree.commit(vec![group(&[("x", Some(&value)), ("y", None)]), group(&[("x", Some(b"short")), ("z", None)])])
        .unwrap();
    assert_eq!((internal_keys(&tree), entries(&tree)), (0, vec![("x".into(), b"short".to_vec())]));
}

#[test]
fn long_values_never_become_files_of_sled_s_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut tree = Tree::open(dir.path(), CACHE).unwrap();
    for n in 0..60 {
        let name = format!("{n:03}");
        tree.commit(vec![group(&[(&name, Some(&vec![1; PIECE]))])]).unwrap();
        tree.commit(vec![group(&[(&format!("{name} long"), Some(&vec![1; 10 * PIECE])), (&name, Some(b"now short"))])])
            .unwrap();
    }
    tree.flusher()().unwrap();
    assert_eq!(fs::read_dir(dir.path().join("blobs")).unwrap().count(), 0);
}

/// The log cut off at any byte, as a power cut may leave it: a prefix of whole commits.
#[test]
fn a_log_that_was_cut_off_holds_a_prefix_of_whole_groups() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let mut tree = Tree::open(&path("whole"), CACHE).unwrap();
    let mut rng = fastrand::Rng::with_seed(5);
    for n in 1..=300_u32 {
        let text = n.to_string();
        let value = vec![b'v'; if n % 100 == 0 { 2 * PIECE } else { 100 }];
        let index = format!("index {}", rng.u64(..));
        tree.commit(vec![group(&[
            ("last", Some(text.as_bytes())),
            (&format!("entry {n:04}"), Some(&value)),
            (&index, Some(b"")),
        ])])
        .unwrap();
    }
    tree.flusher()().unwrap();
    // Copied while it is open, so that nothing is tidied up.
    let log = fs::read(path("whole/db")).unwrap();
    let mut lasts = Vec::new();
    for cut in 0..60 {
        let copy = path(&format!("cut {cut}"));
        fs::create_dir_all(copy.join("blobs")).unwrap();
        fs::copy(path("whole/conf"), copy.join("conf")).unwrap();
        let mut torn = log.clone();
        let at = rng.usize(0..torn.len());
        if cut % 2 == 0 {
            torn.truncate(at);
        } else {
            torn[at..].fill(0);
        }
        fs::write(copy.join("db"), torn).unwrap();

        let found = entries(&Tree::open(&copy, CACHE).unwrap());
        let count = |prefix: &str| found.iter().filter(|(name, _)| name.starts_with(prefix)).count();
        let last = found
            .iter()
            .find(|(name, _)| name == "last")
            .map_or(0, |(_, value)| String::from_utf8_lossy(value).parse().unwrap());
        assert_eq!((count("entry"), count("index")), (last, last), "cut at {at} of {}", log.len());
        fs::remove_dir_all(copy).unwrap();
        lasts.push(last);
    }
    assert!(lasts.iter().any(|last| (1..300).contains(last)), "some cut is in the middle: {lasts:?}");
}
