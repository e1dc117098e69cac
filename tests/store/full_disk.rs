//! A disk that is full: the store says so, stays failed, and can be opened anew when there is room.

use std::process::Command;

use reconciled::store::{SledStore, Store, StoreError};

use crate::conformance::{all, put};

const DIR: &str = "RECONCILED_TEST_FULL_DISK_DIR";

/// The child, whose files may grow to 4 MiB only.
#[tokio::test]
async fn the_child_on_a_small_disk() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let store = SledStore::open(dir.as_ref(), 8 << 20).unwrap();
    let value = vec![7; 10_000];
    let mut flushed = 0;
    let error = loop {
        assert!(flushed < 2_000, "20 MB fit on a disk of 4 MiB");
        let groups = vec![put(&["entry", &format!("{flushed:06}")], value.clone())];
        let result = match store.commit(groups).await {
            Ok(()) => store.flush().await,
            refused => refused,
        };
        match result {
            Ok(()) => flushed += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Failed { .. }), "{error}");
    assert!(flushed > 50, "failed early, after {flushed}: {error:?}");

    let cause = store.failure().unwrap();
    for error in [store.flush().await.unwrap_err(), store.commit(vec![]).await.unwrap_err()] {
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), cause, "the first cause is told");
    }
    assert!(store.get(&[]).await.is_err(), "what is read may never become durable");

    let made_room =
        Command::new("prlimit").args(["--fsize=unlimited", "--pid", &std::process::id().to_string()]).status().unwrap();
    assert!(made_room.success());
    assert!(store.probe().await.is_err(), "room alone does not mend it");
    let old = store;
    let store = old.reopen().await.unwrap();
    assert!(old.flush().await.is_err() && old.failure().is_some(), "the old one stays failed");
    assert_eq!((store.failure(), store.lineage()), (None, old.lineage()));
    assert!(store.reopen().await.is_err(), "a store that works is not opened anew");
    let found = all(&store).await;
    assert!(found.len() >= flushed, "{flushed} were flushed, {} are there", found.len());
    store.commit(vec![put(&["later"], "1")]).await.unwrap();
    store.flush().await.unwrap();
    println!("works again");
}

#[test]
fn a_full_disk_stops_the_store_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let test = std::env::current_exe().unwrap();
    // The signal that comes with the limit is ignored, so that writing fails with an error as on a full disk.
    let script =
        r#"trap '' XFSZ; ulimit -S -f 8192; exec "$0" full_disk::the_child_on_a_small_disk --exact --nocapture"#;
    let output = Command::new("sh").args(["-c", script]).arg(test).env(DIR, dir.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("works again"), "{text}");
}
