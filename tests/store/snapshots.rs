//! Snapshots: whole or not at all, a few kept, never the last space; and what ran here last.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::atomic};

use chrono::{DateTime, TimeDelta, Utc};
use reconciled::{
    config::BackupSettings,
    store::{
        Group, Key, MemoryStore, Operation, Space, Store, frame,
        lineage::{self, Found},
        snapshot::{self, SnapshotError},
        transfer,
    },
};

fn at(day: i64) -> DateTime<Utc> {
    "2026-06-01T03:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(day)
}

fn settings(dir: &Path) -> BackupSettings {
    BackupSettings { reserve_bytes: 0, ..BackupSettings::beside(dir) }
}

async fn sample() -> MemoryStore {
    let store = MemoryStore::new();
    let mut groups = Vec::new();
    for n in 0..1_700 {
        let mut group = Group::default();
        group.put(Key::new(Space::Link, &["clients", &format!("{n:05}")]), frame::encode(&n));
        groups.push(group);
    }
    store.commit(groups).await.unwrap();
    store
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn seven_are_kept_and_each_can_be_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(dir.path());
    let store = sample().await;
    for day in 0..10 {
        snapshot::take(&store, &settings, at(day)).await.unwrap();
    }
    let kept = names(&settings.dir);
    assert_eq!(kept.len(), 7, "{kept:?}");
    assert_eq!(kept[0], "reconciled-20260604T030000Z.jsonl");
    assert_eq!(snapshot::newest(&settings.dir).unwrap().unwrap().0, at(9));
    assert_eq!(fs::metadata(&settings.dir).unwrap().permissions().mode() & 0o777, 0o700);
    let other = MemoryStore::new();
    transfer::import(&other, &settings.dir.join(&kept[0]), false).await.unwrap();
    let links = |store: &MemoryStore| {
        store.entries().into_iter().filter(|(key, _)| key.space() == Some(Space::Link)).collect::<Vec<_>>()
    };
    assert_eq!(links(&other), links(&store));
}

#[tokio::test]
async fn it_never_takes_the_last_space() {
    let dir = tempfile::tempdir().unwrap();
    let store = sample().await;
    let greedy = BackupSettings { reserve_bytes: u64::MAX / 2, ..settings(dir.path()) };
    match snapshot::take(&store, &greedy, at(0)).await {
        Err(error @ SnapshotError::NoRoom { .. }) => assert!(error.to_string().contains("MiB are free"), "{error}"),
        other => panic!("{other:?}"),
    }
    assert!(names(&greedy.dir).is_empty());
}

#[tokio::test]
async fn a_failure_at_any_step_leaves_earlier_snapshots_and_nothing_half_done() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(dir.path());
    let store = sample().await;
    let first = snapshot::take(&store, &settings, at(0)).await.unwrap();
    let whole = fs::read(&first).unwrap();
    // Each reading of the store fails in turn.
    let mut failed = 0;
    for k in 1.. {
        store.fail_at(Some(Operation::Scan), k);
        let made = snapshot::take(&store, &settings, at(1)).await;
        store.heal();
        if made.is_ok() {
            break;
        }
        failed += 1;
        assert_eq!(names(&settings.dir), ["reconciled-20260601T030000Z.jsonl"], "step {k}");
        assert_eq!(fs::read(&first).unwrap(), whole);
    }
    assert!(failed > 15, "{failed}");
    // Each page that the disk refuses.
    let file = settings.dir.join("kept.jsonl");
    fs::write(&file, "as it was").unwrap();
    let mut failed = 0;
    for k in 1_u64.. {
        let asked = atomic::AtomicU64::new(0);
        let go_on = || match asked.fetch_add(1, atomic::Ordering::SeqCst) + 1 {
            now if now == k => Err(std::io::Error::other("no space left on device")),
            _ => Ok(()),
        };
        if transfer::export_while(&store, &file, "now", &go_on).await.is_ok() {
            break;
        }
        failed += 1;
        assert_eq!(fs::read_to_string(&file).unwrap(), "as it was", "page {k}");
        assert_eq!(names(&settings.dir).len(), 3, "nothing is left behind: {:?}", names(&settings.dir));
    }
    assert!(failed > 15, "{failed}");
    assert!(fs::read_to_string(&file).unwrap().starts_with("{\"format\":1"));
}

#[tokio::test]
async fn an_import_that_fails_at_any_step_is_known_to_be_unfinished_and_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(dir.path());
    let whole = sample().await;
    let file = snapshot::take(&whole, &settings, at(0)).await.unwrap();
    let mut failed = 0;
    for k in 1.. {
        let store = sample().await;
        store.fail_at(None, k);
        let done = transfer::import(&store, &file, true).await;
        store.heal();
        if done.is_ok() {
            break;
        }
        failed += 1;
        let links = store.entries().iter().filter(|(key, _)| key.space() == Some(Space::Link)).count();
        assert!(links == 1_700 || transfer::is_unfinished(&store).await.unwrap(), "step {k}: {links} links");
        transfer::import(&store, &file, true).await.unwrap();
        assert_eq!(store.entries().iter().filter(|(key, _)| key.space() == Some(Space::Link)).count(), 1_700);
        assert!(!transfer::is_unfinished(&store).await.unwrap());
    }
    assert!(failed > 10, "{failed}");
}

#[tokio::test]
async fn what_a_crash_left_of_a_snapshot_is_removed_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(dir.path());
    fs::create_dir(&settings.dir).unwrap();
    fs::write(settings.dir.join(".reconciled-export-abc"), "half").unwrap();
    fs::write(settings.dir.join("notes.txt"), "mine").unwrap();
    snapshot::take(&sample().await, &settings, at(0)).await.unwrap();
    assert_eq!(names(&settings.dir), ["notes.txt", "reconciled-20260601T030000Z.jsonl"]);
}

/// A store as it is now, as another one.
fn copy(store: &MemoryStore) -> MemoryStore {
    let copy = MemoryStore::new();
    let entries = store.entries();
    let groups = entries.into_iter().map(|(key, value)| Group { writes: vec![(key, Some(value))] }).collect();
    futures_util::FutureExt::now_or_never(async {
        copy.commit(groups).await.unwrap();
        copy.flush().await.unwrap()
    })
    .unwrap();
    copy
}

#[tokio::test]
async fn a_store_that_was_put_back_or_copied_is_noticed_at_its_start() {
    let dir = tempfile::tempdir().unwrap();
    let begin = async |store: &MemoryStore| {
        let found = lineage::compare(store, dir.path()).await.unwrap();
        lineage::count_start(store, dir.path(), "now").await.unwrap().unwrap();
        found
    };
    let store = sample().await;
    assert_eq!(begin(&store).await, Found::Own);
    assert_eq!(begin(&store).await, Found::Own);
    let old = copy(&store);
    assert_eq!(begin(&store).await, Found::Own);
    // The copy is started beside the one that went on.
    assert!(matches!(begin(&old).await, Found::PutBack(_)));
    // And now the first one finds that another has run.
    assert!(matches!(begin(&store).await, Found::PutBack(_)));
    // Two copies of one state, both started where they see the same folder at the same count.
    let (one, two) = (copy(&store), copy(&store));
    lineage::count_start(&one, dir.path(), "now").await.unwrap().unwrap();
    let noted = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    let of_one = fs::read(&noted).unwrap();
    fs::remove_file(&noted).unwrap();
    lineage::count_start(&two, dir.path(), "now").await.unwrap().unwrap();
    fs::write(&noted, of_one).unwrap();
    assert!(matches!(lineage::compare(&two, dir.path()).await.unwrap(), Found::Copied(_)));
    // A crash between the store and its note is no reason for alarm.
    fs::remove_file(&noted).unwrap();
    assert_eq!(lineage::compare(&two, dir.path()).await.unwrap(), Found::Own);
}
