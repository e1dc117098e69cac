//! Files that were torn, cut off, flipped or lost: the store opens with what is whole, or says what is wrong. It never
//! panics, and never gives a value that was not written.

use std::{collections::BTreeMap, fs, path::Path};

use reconciled::store::{Group, Key, SledStore, Space, Store, frame};

use crate::conformance::all;

fn value(n: usize) -> Vec<u8> {
    frame::encode(&format!("{n} {}", "x".repeat(n * 37 % 900)))
}

async fn sample(dir: &Path) -> BTreeMap<Vec<String>, Vec<u8>> {
    let store = SledStore::open(dir, 8 << 20).unwrap();
    let mut wrote = BTreeMap::new();
    for round in 0..20 {
        let mut groups = Vec::new();
        for n in 0..30 {
            let n = round * 30 + n;
            let (key, bytes) = (Key::new(Space::Link, &["clients", &format!("{n:05}")]), value(n));
            wrote.insert(key.parts(), bytes.clone());
            let mut group = Group::default();
            group.put(key, bytes);
            groups.push(group);
        }
        store.commit(groups).await.unwrap();
        store.flush().await.unwrap();
    }
    wrote
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// One kind of damage, at a place that the seed chooses.
fn damage(dir: &Path, seed: u64) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut files: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|p| p.is_file()).collect();
    files.sort();
    let file = &files[random.usize(..files.len())];
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let mut bytes = fs::read(file).unwrap();
    let at = if bytes.is_empty() { 0 } else { random.usize(..bytes.len()) };
    match seed % 5 {
        0 => {
            bytes.truncate(at);
            fs::write(file, bytes).unwrap();
            format!("{name} cut off at {at}")
        }
        1 if !bytes.is_empty() => {
            bytes[at] ^= 1 << random.u8(..8);
            fs::write(file, bytes).unwrap();
            format!("{name} flipped at {at}")
        }
        2 => {
            let end = (at + 512).min(bytes.len());
            bytes[at..end].fill(0);
            fs::write(file, bytes).unwrap();
            format!("{name} zeroed at {at}")
        }
        3 => {
            let end = (at + 4096).min(bytes.len());
            bytes[at..end].iter_mut().for_each(|byte| *byte = random.u8(..));
            fs::write(file, bytes).unwrap();
            format!("{name} scrambled at {at}")
        }
        _ => {
            fs::remove_file(file).unwrap();
            format!("{name} removed")
        }
    }
}

#[tokio::test]
async fn damaged_files_end_in_an_error_or_in_values_that_were_written() {
    let whole = tempfile::tempdir().unwrap();
    let wrote = sample(whole.path()).await;
    let (mut refused, mut opened) = (0, 0);
    let seeds = std::env::var("RECONCILED_TEST_DAMAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    for seed in 0..seeds {
        let dir = tempfile::tempdir().unwrap();
        copy(whole.path(), dir.path());
        let what = damage(dir.path(), seed);
        let store = match SledStore::open(dir.path(), 8 << 20) {
            Ok(store) => store,
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                assert!(!format!("{error}{source}").is_empty());
                refused += 1;
                continue;
            }
        };
        opened += 1;
        let Ok(found) = store.scan(&Key::new(Space::Link, &[]), None, usize::MAX).await else { continue };
        for (key, bytes) in found {
            // A value that the disk changed is told by its frame; one that passes is one that was written.
            if frame::decode::<String>(&key, &bytes).is_ok() {
                assert_eq!(wrote.get(&key.parts()), Some(&bytes), "{what}: {key:?}");
            }
        }
    }
    assert!(refused > 0 && opened > 0, "{refused} refused, {opened} opened");
}

#[tokio::test]
async fn what_cannot_be_opened_is_set_aside_and_a_new_store_begins() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path()).await;
    fs::remove_file(dir.path().join("db")).unwrap();
    fs::create_dir(dir.path().join("db")).unwrap();
    fs::create_dir(dir.path().join("backup")).unwrap();
    assert!(SledStore::open(dir.path(), 8 << 20).is_err());
    let aside = SledStore::set_aside(dir.path(), "20260601T040000Z").unwrap();
    assert!(aside.join("db").exists() && dir.path().join("backup").exists(), "only the store's own files are moved");
    let store = SledStore::open(dir.path(), 8 << 20).unwrap();
    assert!(all(&store).await.is_empty());
}

#[tokio::test]
async fn an_older_program_refuses_a_newer_store_and_names_both() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = SledStore::open(dir.path(), 8 << 20).unwrap();
        let mut group = Group::default();
        group.put(Key::new(Space::Meta, &["format"]), frame::encode(&99));
        group.put(Key::new(Space::Meta, &["program"]), frame::encode(&"9.8.7"));
        store.commit(vec![group]).await.unwrap();
        store.flush().await.unwrap();
    }
    let error = SledStore::open(dir.path(), 8 << 20).err().unwrap();
    let text = error.to_string();
    for part in ["9.8.7", env!("CARGO_PKG_VERSION"), "99", "export", "import"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

/// What a kill or a full disk leaves behind in the middle of an opening. sled itself takes it for the newest snapshot.
#[tokio::test]
async fn a_snapshot_that_was_not_finished_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let wrote = sample(dir.path()).await;
    // The second opening has written one.
    drop(SledStore::open(dir.path(), 8 << 20).unwrap());
    let snapshots = || fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let whole = snapshots().filter(|name| name.starts_with("snap.")).max().expect("a snapshot");
    let bytes = fs::read(dir.path().join(&whole)).unwrap();
    for length in [0, 5, bytes.len() / 2, bytes.len() - 1] {
        let unfinished = dir.path().join("snap.7FFFFFFFFFFFFFFF.generating");
        fs::write(&unfinished, &bytes[..length]).unwrap();
        // A longer one of an attempt before may be there already.
        fs::write(dir.path().join(format!("{whole}.generating")), [bytes.as_slice(), b"more"].concat()).unwrap();
        let store = SledStore::open(dir.path(), 8 << 20).unwrap_or_else(|error| panic!("cut at {length}: {error:?}"));
        let found: BTreeMap<_, _> = all(&store).await.into_iter().map(|(key, bytes)| (key.parts(), bytes)).collect();
        assert!(wrote.iter().all(|(key, bytes)| found.get(key) == Some(bytes)), "cut at {length}");
        assert!(!unfinished.exists());
    }
}

/// Somebody else may be writing it.
#[tokio::test]
async fn a_snapshot_of_a_store_in_use_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), 8 << 20).unwrap();
    let unfinished = dir.path().join("snap.7FFFFFFFFFFFFFFF.generating");
    fs::write(&unfinished, "half").unwrap();
    assert!(SledStore::open(dir.path(), 8 << 20).is_err());
    assert!(unfinished.exists());
    drop(store);
}
