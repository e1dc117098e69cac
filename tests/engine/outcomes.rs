//! Crashes, lost answers, and what is known afterwards.

use std::{sync::Arc, time::Duration};

use reconciled::engine::Mode;
use serde_json::json;

use crate::{
    fields::{CONTACTS, jane},
    support::{Fault, World, fake::Moment},
};

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key_and_nothing_is_created_twice() {
    let world = World::new(CONTACTS);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.books.fail_next(Fault::LostAfter);
    let clock = world.clock.clone();
    // The run waits a second before it sends again.
    let (report, ()) = tokio::join!(world.run(world.request(Mode::Sync)), async {
        for _ in 0..200 {
            tokio::task::yield_now().await;
            clock.advance(Duration::from_millis(100));
        }
    });
    assert_eq!(report.troubles, []);
    assert_eq!(world.books.count("contacts"), 1);
    world.settled().await;
}

#[tokio::test]
async fn without_keys_a_lost_create_is_looked_up_by_match_key_once_it_cannot_come_late_any_more() {
    let world = World::with_keys(CONTACTS, None);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.books.fail_next(Fault::LostAfter);
    let report = world.run(world.request(Mode::Sync)).await;
    assert_eq!(report.pipelines[0].tally.unknown, 1, "{report:#?}");
    // Within `in_doubt` nothing is decided about it.
    world.clock.advance(Duration::from_secs(30));
    world.run(world.request(Mode::Sync)).await;
    assert_eq!(world.books.count("contacts"), 1);
    world.clock.advance(Duration::from_secs(40));
    let report = world.sync().await;
    assert_eq!(world.books.count("contacts"), 1, "found, not made again: {report:#?}");
    assert_eq!(report.pipelines[0].tally.created, [0, 1], "it is what was sent, with its history: {report:#?}");
    world.settled().await;
}

#[tokio::test]
async fn without_keys_a_create_that_was_never_carried_out_is_made_after_the_doubt() {
    let world = World::with_keys(CONTACTS, None);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.books.fail_next(Fault::LostBefore);
    world.run(world.request(Mode::Sync)).await;
    assert_eq!(world.books.count("contacts"), 0);
    world.clock.advance(Duration::from_secs(90));
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 1);
    world.settled().await;
}

#[tokio::test]
async fn a_short_answer_leaves_the_missing_item_unknown_and_it_is_not_made_twice() {
    let world = World::new(CONTACTS);
    for n in 0..5 {
        world.shop.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}));
    }
    world.books.fail_next(Fault::ShortAnswer);
    let report = world.run(world.request(Mode::Sync)).await;
    assert!(report.pipelines[0].tally.unknown > 0);
    world.clock.advance(Duration::from_secs(10));
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 5);
    world.settled().await;
}

#[tokio::test]
async fn a_refused_connection_loses_nothing_and_the_next_run_goes_on() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.shop.insert("contacts", json!({"name": "New", "email": "new@x.example"}));
    world.shop.edit("contacts", &shop, json!({"phone": "021 5"}));
    let verified =
        async || world.desk(async |desk| desk.status().await.unwrap()).await[0].pipelines[0].verified.unwrap();
    let before = verified().await;
    world.books.fail_next(Fault::NotDone);
    let report = world.run(world.request(Mode::Sync)).await;
    assert_eq!(report.exit_code(), 1);
    assert_eq!(verified().await, before, "a run that could not write has not found both sides in agreement");
    world.clock.advance(Duration::from_secs(60));
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 2);
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 5");
    world.settled().await;
}

/// A crash at any store operation of a run, with any prefix of what was not flushed lost: the next runs reach the same
/// end, and no record is there twice.
#[tokio::test]
async fn a_crash_at_any_store_operation_ends_in_the_same_state() {
    let mut crashes = 0;
    for key_lives in [Some(Duration::from_secs(360)), None] {
        for k in 1..400 {
            let mut world = World::with_keys(CONTACTS, key_lives);
            for n in 0..12 {
                world.shop.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}));
            }
            for n in 8..20 {
                world.books.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}));
            }
            world.store.fail_from(None, k);
            let failed = world.engine().run(world.request(Mode::Sync)).await.is_err();
            world.store = Arc::new(world.store.crash(k));
            if !failed {
                break;
            }
            crashes += 1;
            world.clock.advance(Duration::from_secs(90));
            world.sync().await;
            world.clock.advance(Duration::from_secs(90));
            world.sync().await;
            assert_eq!(
                (world.shop.count("contacts"), world.books.count("contacts")),
                (20, 20),
                "crash at operation {k}, keys live {key_lives:?}"
            );
            world.settled().await;
        }
    }
    assert!(crashes > 40, "only {crashes} crashes were tried");
}

/// A remote that remembers keys for long does not keep a record in doubt for as long: an update is not sent again.
#[tokio::test]
async fn an_update_in_flight_at_a_crash_is_looked_up_once_the_doubt_since_the_next_start_is_over() {
    let mut world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 5"}));
    let store = world.store.clone();
    world.books.hook(Some(Box::new(move |moment| {
        if moment == Moment::AfterWrite {
            store.fail_from(None, 1);
        }
        None
    })));
    assert!(world.engine().run(world.request(Mode::Sync)).await.is_err());
    world.books.hook(None);
    world.store = Arc::new(world.store.crash(1));
    world.shop.edit("contacts", &shop, json!({"phone": "021 6"}));
    let report = world.sync().await;
    assert_eq!(report.pipelines[0].tally.unknown, 1, "{report:#?}");
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 5");
    // `in_doubt` is a minute, and the first run after the crash was a minute ago.
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 6");
    world.settled().await;
}

/// A field that waits for a person stays listed when a write of another field of its record is refused.
#[tokio::test]
async fn a_refusal_takes_no_conflict_of_the_record_off_the_list() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.settled().await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.books.edit("contacts", &books, json!({"phone": "021 3"}));
    world.sync().await;
    world.books.refuse(|values| (values["city"] == "Picton").then(|| "no such city".to_owned()));
    world.shop.edit("contacts", &shop, json!({"city": "Picton"}));
    world.sync().await;
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    let fields: Vec<_> = parked.iter().map(|item| item.parked.field.as_deref().unwrap_or_default()).collect();
    assert_eq!(fields.len(), 2, "{parked:#?}");
    world.settled().await;
    world.books.refuse_nothing();
    world.shop.edit("contacts", &shop, json!({"city": "Nelson"}));
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books)["city"], "Nelson");
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert_eq!(parked.len(), 1, "the conflict alone: {parked:#?}");
    world.settled().await;
}
