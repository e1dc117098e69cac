//! A store that was lost or put back: records are matched as on a first run; nothing is deleted, made twice, or written
//! over.

use std::{sync::Arc, time::Duration};

use reconciled::{
    engine::Mode,
    store::{Ledger, MemoryStore, Stage, Store, transfer},
    sync::ParkCode,
};
use serde_json::json;

use crate::{
    fields::{CONTACTS, jane},
    support::World,
};

const AT: &str = "2026-06-01T04:00:00Z";

/// The store as it is now, as a file.
async fn snapshot(world: &World, dir: &tempfile::TempDir) -> std::path::PathBuf {
    let file = dir.path().join("snapshot.jsonl");
    transfer::export(world.store.as_ref(), &file, AT).await.unwrap();
    file
}

/// Another store with what the file holds.
async fn put_back(world: &mut World, file: &std::path::Path) {
    let store = Arc::new(MemoryStore::new());
    transfer::import(store.as_ref(), file, false).await.unwrap();
    let shared: Arc<dyn Store> = store.clone();
    Ledger::new(shared).begin_anew(world.clock.now()).await.unwrap();
    world.store = store;
}

fn writes(world: &World) -> usize {
    world.shop.written().len() + world.books.written().len()
}

#[tokio::test]
async fn a_store_of_last_week_is_put_back_and_nothing_is_made_twice_or_written_over() {
    let mut world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    let ann = world.shop.insert("contacts", json!({"name": "Ann", "email": "ann@x.example", "phone": "1"}));
    world.sync().await;
    let dir = tempfile::tempdir().unwrap();
    let file = snapshot(&world, &dir).await;

    // A week: records are made and edited on both sides, and everything is in step at its end.
    world.clock.advance(Duration::from_secs(7 * 86_400));
    world.shop.insert("contacts", json!({"name": "New", "email": "new@x.example"}));
    world.books.insert("contacts", json!({"name": "Other", "email": "other@x.example"}));
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.sync().await;
    world.settled().await;
    // And then somebody types the value that the old store believes to be agreed.
    world.shop.edit("contacts", &shop, json!({"phone": "021 1"}));
    world.shop.edit("contacts", &ann, json!({"city": "Picton"}));

    put_back(&mut world, &file).await;
    let before = writes(&world);
    for mode in [Mode::Plan, Mode::Sync, Mode::Sync] {
        let report = world.run(world.request(mode)).await;
        assert_eq!(report.troubles, [], "{report:#?}");
        assert!(report.pipelines[0].held.is_some(), "it waits for a person, though its first run did not: {report:#?}");
        world.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(writes(&world), before, "and writes nothing");

    world.desk(async |desk| desk.approve("contacts").await.unwrap()).await;
    world.sync().await;
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (4, 4), "nothing is made twice");
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "021 1", "the edit is not written over");
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 2");
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert!(parked.iter().all(|item| item.parked.code == ParkCode::Difference) && parked.len() == 1, "{parked:#?}");
    assert_eq!(World::find(&world.books, "contacts", "name", "Ann")["city"], "Picton", "a blank is filled");
    world.settled().await;
    let state = world.engine().ledger.pipeline(&world.pipeline("contacts")).await.unwrap();
    assert_eq!((state.stage, state.put_back), (Stage::Running, false));
}

#[tokio::test]
async fn a_store_that_is_lost_is_made_anew_by_matching() {
    let mut world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    for n in 0..5 {
        world.shop.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}));
    }
    world.sync().await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.store = Arc::new(MemoryStore::new());
    let before = writes(&world);
    world.sync().await;
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (6, 6));
    assert_eq!(writes(&world), before, "what differs is put aside");
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 1");
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert_eq!(parked.len(), 1, "{parked:#?}");
    world.settled().await;
}

#[tokio::test]
async fn a_record_deleted_since_the_snapshot_is_not_made_again() {
    let mut world = World::new(CONTACTS);
    let (_, books) = jane(&world).await;
    let dir = tempfile::tempdir().unwrap();
    let file = snapshot(&world, &dir).await;
    world.books.delete("contacts", &books);
    world.sync_full().await;
    put_back(&mut world, &file).await;
    world.run(world.request(Mode::Sync)).await;
    world.desk(async |desk| desk.approve("contacts").await.unwrap()).await;
    world.sync().await;
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (1, 0));
    world.settled().await;
}
