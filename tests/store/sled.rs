//! What only the store on disk does.

use std::{fs, os::unix::fs::PermissionsExt};

use reconciled::store::{Key, SledStore, Space, Store, StoreError, frame};

use crate::conformance::{all, put};

const CACHE: u64 = 8 << 20;

#[tokio::test]
async fn what_was_flushed_is_there_after_a_reopen_with_the_same_lineage() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), CACHE).unwrap();
    let lineage = store.lineage().to_owned();
    store.commit(vec![put(&["a"], "1"), put(&["big"], vec![7; 300_000])]).await.unwrap();
    store.flush().await.unwrap();
    drop(store);
    let store = SledStore::open(dir.path(), CACHE).unwrap();
    assert_eq!(store.lineage(), lineage);
    let found = all(&store).await;
    assert_eq!((found.len(), &found[0].1[..], found[1].1.len()), (2, &b"1"[..], 300_000));
}

#[test]
fn the_folder_is_made_for_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("var/lib");
    drop(SledStore::open(&path, CACHE).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_second_opener_is_told_that_the_store_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let _first = SledStore::open(dir.path(), CACHE).unwrap();
    let error = SledStore::open(dir.path(), CACHE).err().unwrap();
    assert!(matches!(&error, StoreError::Locked { path } if *path == dir.path().display().to_string()), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made_is_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let error = SledStore::open(&dir.path().join("file/store"), CACHE).err().unwrap();
    assert!(matches!(error, StoreError::Failed { .. }), "{error}");
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_refused_with_the_way_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), CACHE).unwrap();
    let mut group = reconciled::store::Group::default();
    group.put(Key::new(Space::Meta, &["format"]), frame::encode(&99));
    store.commit(vec![group]).await.unwrap();
    store.flush().await.unwrap();
    drop(store);
    let error = SledStore::open(dir.path(), CACHE).err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Newer { format: 99, .. }) && text.contains("reconciled export"), "{text}");
}

#[tokio::test]
async fn a_store_of_the_first_format_is_read_and_kept_from_older_programs() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), CACHE).unwrap();
    let format = Key::new(Space::Meta, &["format"]);
    let link = serde_json::json!({ "s": "17", "t": "T", "o": "on-source", "n": "Jane Doe", "r": 1,
        "m": [{ "h": 1 }, { "h": 2 }], "f": { "5": { "d": 6, "b": [["Jane"]] } } });
    let mut group = reconciled::store::Group::default();
    group.put(format.clone(), frame::encode(&1));
    group.put(Key::new(Space::Link, &["contacts", "17"]), frame::encode(&link));
    store.commit(vec![group]).await.unwrap();
    store.flush().await.unwrap();
    drop(store);

    let store = SledStore::open(dir.path(), CACHE).unwrap();
    let raised = store.get(std::slice::from_ref(&format)).await.unwrap().pop().flatten().unwrap();
    assert_eq!(frame::decode::<u32>(&format, &raised).unwrap(), 2);
    let pipeline = reconciled::config::PipelineName::parse("contacts").unwrap();
    let ledger = reconciled::store::Ledger::new(std::sync::Arc::new(store));
    let (links, _) = ledger.list_links(&pipeline, None).await.unwrap();
    assert_eq!(links.len(), 1);
    assert_eq!((links[0].label.as_str(), links[0].target.as_str()), ("Jane Doe", "T"));
}
