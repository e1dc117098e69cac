//! The daemon's snapshots, as a whole: made on time, the last seven kept, never in the way of a run, never the last
//! space; and one that is put back plans nothing.

use std::{fs, path::Path, sync::Arc, time::Duration};

use reconciled::{
    config::BackupSettings,
    store::{Ledger, MemoryStore, Store, transfer},
};
use serde_json::json;

use crate::{Live, SHOP, World, at, bounded};

/// A world that is seldom polled, whose snapshots go to a folder, and leave so much free.
fn world(dir: &Path, reserve_bytes: u64) -> World {
    let mut world = World::new(&SHOP.replace("poll: { shop: 2m }", "poll: { shop: 12h }"));
    let mut config = (*world.config).clone();
    config.settings.backup = BackupSettings { reserve_bytes, ..BackupSettings::beside(dir) };
    world.config = Arc::new(config);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.books.insert("contacts", json!({"name": "Joe", "email": "joe@x.example"}));
    world
}

/// The names in the folder of the snapshots, but for the note of the last start.
fn made(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir.join("backup")) else { return Vec::new() };
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.ends_with("jsonl"))
        .collect();
    names.sort();
    names
}

/// Days go by, and twice an hour the daemon looks whether a snapshot is due.
async fn days(live: &Live, from: u32, to: u32) {
    for half_hours in from * 48..to * 48 {
        let now = at("01 04:30:00") + Duration::from_secs(u64::from(half_hours) * 1_800);
        bounded(live.daemon.run_until(now)).await;
        bounded(live.daemon.take_snapshot_if_due()).await;
    }
}

#[tokio::test]
async fn a_snapshot_is_made_each_day_seven_are_kept_and_one_that_is_put_back_plans_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let live = Live::start(world(dir.path(), 0)).await;
    days(&live, 0, 3).await;
    let days_of = |names: &[String]| names.iter().map(|name| name[17..19].to_owned()).collect::<Vec<_>>();
    assert_eq!(days_of(&made(dir.path())), ["01", "02", "03"]);
    days(&live, 3, 10).await;
    assert_eq!(days_of(&made(dir.path())), ["04", "05", "06", "07", "08", "09", "10"]);

    let file = dir.path().join("backup").join(made(dir.path()).pop().unwrap());
    let Live { mut world, .. } = live;
    let store = Arc::new(MemoryStore::new());
    transfer::import(store.as_ref(), &file, false).await.unwrap();
    let shared: Arc<dyn Store> = store.clone();
    Ledger::new(shared).begin_anew(world.clock.now()).await.unwrap();
    world.store = store;
    let before = world.shop.written().len() + world.books.written().len();
    world.settled().await;
    assert_eq!(world.shop.written().len() + world.books.written().len(), before, "nothing is planned");
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (2, 2));
}

#[tokio::test]
async fn the_last_space_is_never_taken_and_the_daemon_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let live = Live::start(world(dir.path(), u64::MAX / 2)).await;
    days(&live, 0, 1).await;
    assert_eq!(made(dir.path()), Vec::<String>::new());
    live.world.shop.insert("contacts", json!({"name": "Ann", "email": "ann@x.example"}));
    days(&live, 1, 2).await;
    assert_eq!(live.world.books.count("contacts"), 3, "a missing snapshot stops nothing");
}
