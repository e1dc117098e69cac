//! A remote whose readings show old copies for a while (`lag` in its manifest).

use std::time::Duration;

use chrono::TimeDelta;
use reconciled::connector::WriteKind;
use serde_json::json;

use crate::{
    fields::{CONTACTS, jane},
    support::{CONNECTORS, World},
};

/// Books that are twenty seconds behind, and say so; everything that was typed before is seen.
async fn lagging(more: &str) -> (World, String, String) {
    let connectors = CONNECTORS.replace("in_doubt: 60s", "in_doubt: 60s\n    lag: 30s");
    let world = World::new(&format!("{CONTACTS}{more}{connectors}"));
    let (shop, books) = jane(&world).await;
    world.settled().await;
    world.books.lag(TimeDelta::seconds(20));
    (world, shop, books)
}

/// A run at once, and one when everything is seen.
async fn sync_soon_and_later(world: &World) {
    for seconds in [1, 60] {
        world.run(world.request(reconciled::engine::Mode::Sync)).await;
        world.clock.advance(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn an_old_copy_is_nobodys_edit() {
    let (world, shop, books) = lagging("").await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    for _ in 0..4 {
        sync_soon_and_later(&world).await;
        world.sync_full().await;
    }
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "021 2");
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 2");
    world.settled().await;
}

#[tokio::test]
async fn what_somebody_typed_meanwhile_is_read_when_the_time_has_come() {
    let (world, shop, books) = lagging("").await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.run(world.request(reconciled::engine::Mode::Sync)).await;
    // The very value that was there before: no old copy, but an edit.
    world.books.edit("contacts", &books, json!({"phone": "021 1"}));
    world.clock.advance(Duration::from_secs(21));
    world.run(world.request(reconciled::engine::Mode::Sync)).await;
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "021 2", "it cannot be told yet");
    // From here on the feed tells nothing of it any more.
    world.clock.advance(Duration::from_secs(60));
    world.settled().await;
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "021 1");
}

#[tokio::test]
async fn a_record_that_was_just_made_is_not_gone() {
    let (world, _, _) = lagging("    deletes: propagate\n").await;
    world.shop.insert("contacts", json!({"name": "Bob", "email": "bob@x.example"}));
    world.run(world.request(reconciled::engine::Mode::Sync)).await;
    world.clock.advance(Duration::from_secs(1));
    let full = reconciled::engine::RunRequest { full: true, ..world.request(reconciled::engine::Mode::Sync) };
    world.run(full).await;
    world.clock.advance(Duration::from_secs(60));
    world.settled().await;
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (2, 2));
    let deleted = |system: &crate::support::Fake| system.written().iter().any(|(kind, ..)| *kind == WriteKind::Delete);
    assert!(!deleted(&world.shop) && !deleted(&world.books));
}

/// How long a copy may be old is counted anew by a clock that is behind the moment that is written down.
#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_record_gone_and_no_old_copy_an_edit() {
    let (world, shop, books) = lagging("    deletes: propagate\n    guards: { deletes: unlimited }\n").await;
    world.shop.insert("contacts", json!({"name": "Bob", "email": "bob@x.example"}));
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.run(world.request(reconciled::engine::Mode::Sync)).await;
    world.clock.jump(TimeDelta::hours(-1));
    let full = || reconciled::engine::RunRequest { full: true, ..world.request(reconciled::engine::Mode::Sync) };
    world.run(full()).await;
    world.run(full()).await;
    let deleted = |system: &crate::support::Fake| system.written().iter().any(|(kind, ..)| *kind == WriteKind::Delete);
    assert!(!deleted(&world.shop) && !deleted(&world.books));
    world.clock.advance(Duration::from_secs(60));
    world.settled().await;
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (2, 2));
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "021 2");
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 2");
    // Nor is anything left aside until the clock has caught up.
    world.books.edit("contacts", &books, json!({"phone": "021 3"}));
    world.clock.advance(Duration::from_secs(60));
    world.settled().await;
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "021 3");
}

#[tokio::test]
async fn a_deletion_that_is_not_seen_yet_is_no_return() {
    let (world, shop, books) = lagging("    deletes: propagate\n    guards: { deletes: unlimited }\n").await;
    world.shop.delete("contacts", &shop);
    world.sync_full().await;
    for _ in 0..3 {
        sync_soon_and_later(&world).await;
        world.sync_full().await;
    }
    world.clock.advance(Duration::from_secs(120));
    world.settled().await;
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (0, 0), "{books}");
}

/// An old copy that is sent back whole would take back what was written a moment ago.
#[tokio::test]
async fn an_old_copy_is_not_sent_back_whole() {
    let connectors = CONNECTORS.replace("in_doubt: 60s", "in_doubt: 60s\n    lag: 30s");
    let connectors = connectors.replace("update: { patch:", "update: { replaces: true, patch:");
    let world = World::new(&format!("{CONTACTS}{connectors}"));
    let (shop, books) = jane(&world).await;
    world.settled().await;
    world.books.edit("contacts", &books, json!({"note": "not mapped"}));
    world.clock.advance(Duration::from_secs(60));
    world.settled().await;
    world.books.lag(TimeDelta::seconds(20));
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.run(world.request(reconciled::engine::Mode::Sync)).await;
    world.clock.advance(Duration::from_secs(5));
    world.shop.edit("contacts", &shop, json!({"city": "Picton"}));
    for _ in 0..4 {
        world.run(world.request(reconciled::engine::Mode::Sync)).await;
        assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 2");
        world.clock.advance(Duration::from_secs(20));
    }
    world.settled().await;
    for (system, id) in [(&world.shop, &shop), (&world.books, &books)] {
        let now = system.get_body("contacts", id);
        assert_eq!((&now["phone"], &now["city"]), (&json!("021 2"), &json!("Picton")));
    }
    assert_eq!(world.books.get_body("contacts", &books)["note"], "not mapped");
}

/// A value that was typed a moment before the cursor moved, and was not shown.
#[tokio::test]
async fn what_was_typed_and_not_shown_yet_is_asked_for_again() {
    let (world, shop, books) = lagging("").await;
    world.books.edit("contacts", &books, json!({"city": "Picton"}));
    world.clock.advance(Duration::from_secs(1));
    for _ in 0..3 {
        world.run(world.request(reconciled::engine::Mode::Sync)).await;
        world.clock.advance(Duration::from_secs(15));
    }
    assert_eq!(world.shop.get_body("contacts", &shop)["city"], "Picton");
    world.clock.advance(Duration::from_secs(60));
    world.settled().await;
}

/// What is shown may be older than our last write, and newer than what somebody typed into it: nothing is deleted by that.
#[tokio::test]
async fn nothing_is_deleted_by_a_reading_that_may_be_old() {
    let (world, shop, books) = lagging("    deletes: propagate\n    guards: { deletes: unlimited }\n").await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.run(world.request(reconciled::engine::Mode::Sync)).await;
    world.clock.advance(Duration::from_secs(1));
    world.books.edit("contacts", &books, json!({"city": "Picton"}));
    world.shop.edit("contacts", &shop, json!({"archived": true}));
    world.clock.advance(Duration::from_secs(22));
    // The edit is shown by now, and so soon after our write it may be an old copy.
    world.run(world.request(reconciled::engine::Mode::Sync)).await;
    assert_eq!(world.books.count("contacts"), 1);
    world.clock.advance(Duration::from_secs(60));
    world.settled().await;
    assert_eq!(world.books.get_body("contacts", &books)["city"], "Picton", "an edit beats a deletion");
}
