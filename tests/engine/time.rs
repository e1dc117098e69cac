//! Clocks that jump, lie, or are hours apart.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use reconciled::{clock::Clock, engine::Mode};
use serde_json::json;

use crate::{
    fields::{CONTACTS, jane},
    support::{CONNECTORS, World, fake::Fake, fake::Moment, start},
};

/// The contacts pipeline with an overlap of its feeds.
fn with_overlap(overlap: &str) -> String {
    format!("{CONTACTS}{}", CONNECTORS.replace("overlap: 0s", &format!("overlap: {overlap}")))
}

fn cut(to: i64) -> impl Fn(DateTime<Utc>) -> DateTime<Utc> + Send + Sync {
    move |at| DateTime::from_timestamp(at.timestamp() / to * to, 0).unwrap()
}

/// A world whose books are on a machine with this clock.
fn apart(yaml: &str, clock: &Clock) -> World {
    let mut world = World::new(yaml);
    let manifest = world.config.connections.values().find(|c| c.name.as_str() == "books").unwrap().manifest.clone();
    world.books = Fake::new(manifest, clock.clone(), "b", Some(Duration::from_secs(360)));
    world
}

#[tokio::test]
async fn stamps_cut_to_a_second_or_a_minute_hide_no_edit() {
    for to in [1, 60] {
        let world = World::new(&with_overlap("60s"));
        for system in [&world.shop, &world.books] {
            system.stamps(cut(to));
        }
        let (shop, books) = jane(&world).await;
        for n in 0..8_u64 {
            // Every edit falls a little later into its minute, some of them right after the run read that minute.
            world.clock.advance(Duration::from_millis(7_300 * n + 10));
            world.shop.edit("contacts", &shop, json!({"phone": format!("021 {n}")}));
            world.books.edit("contacts", &books, json!({"city": format!("Nelson {n}")}));
            world.sync().await;
            assert_eq!(world.books.get_body("contacts", &books)["phone"], format!("021 {n}"), "cut to {to} s");
            assert_eq!(world.shop.get_body("contacts", &shop)["city"], format!("Nelson {n}"), "cut to {to} s");
        }
        world.settled().await;
    }
}

#[tokio::test]
async fn stamps_that_lie_are_caught_by_the_next_full_read() {
    let lies: [fn(DateTime<Utc>) -> DateTime<Utc>; 3] =
        [|at| at - TimeDelta::days(300), |at| at + TimeDelta::days(300), |_| DateTime::UNIX_EPOCH];
    for lie in lies {
        let world = World::new(CONTACTS);
        let (shop, books) = jane(&world).await;
        world.shop.stamps(lie);
        world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
        world.sync().await;
        world.sync_full().await;
        assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 2");
        world.settled().await;
    }
}

#[tokio::test]
async fn machines_hours_apart_read_every_edit_once() {
    for hours in [-5, 5] {
        let there = Clock::manual(start() + TimeDelta::hours(hours));
        let world = apart(CONTACTS, &there);
        let pass = |seconds: u64| {
            world.clock.advance(Duration::from_secs(seconds));
            there.advance(Duration::from_secs(seconds));
        };
        let (shop, books) = jane(&world).await;
        there.advance(Duration::from_secs(60));
        for n in 0..4 {
            world.books.edit("contacts", &books, json!({"city": format!("Nelson {n}")}));
            world.shop.edit("contacts", &shop, json!({"phone": format!("021 {n}")}));
            pass(30);
            let report = world.sync().await;
            there.advance(Duration::from_secs(60));
            assert_eq!(world.shop.get_body("contacts", &shop)["city"], format!("Nelson {n}"), "{hours} h: {report:#?}");
            assert_eq!(world.books.get_body("contacts", &books)["phone"], format!("021 {n}"), "{hours} h");
        }
        let before = (world.shop.written().len(), world.books.written().len());
        world.sync().await;
        assert_eq!((world.shop.written().len(), world.books.written().len()), before);
    }
}

#[tokio::test]
async fn a_clock_that_jumps_while_a_run_is_under_way_loses_and_doubles_nothing() {
    for hours in [-30 * 24, -2, 2, 30 * 24] {
        for jump_at in 1..8 {
            let world = World::new(CONTACTS);
            let (shop, books) = jane(&world).await;
            let count = Arc::new(std::sync::Mutex::new(0));
            for system in [&world.shop, &world.books] {
                let (clock, count) = (world.clock.clone(), count.clone());
                system.hook(Some(Box::new(move |moment| {
                    if matches!(moment, Moment::BeforeRead | Moment::BeforeWrite) {
                        let mut count = count.lock().unwrap();
                        *count += 1;
                        if *count == jump_at {
                            clock.jump(TimeDelta::hours(hours));
                        }
                    }
                    None
                })));
            }
            world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
            world.shop.insert("contacts", json!({"name": "New", "email": "new@x.example"}));
            world.run(world.request(Mode::Sync)).await;
            world.shop.hook(None);
            world.books.hook(None);
            world.clock.advance(Duration::from_secs(90));
            // An edit after a jump back has a stamp before the cursor: the feed misses it, the full read does not.
            world.books.edit("contacts", &books, json!({"city": "Picton"}));
            for _ in 0..2 {
                world.sync_full().await;
            }
            assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (2, 2), "{hours} h at {jump_at}");
            assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 2", "{hours} h at call {jump_at}");
            assert_eq!(world.shop.get_body("contacts", &shop)["city"], "Picton", "{hours} h at call {jump_at}");
            world.settled().await;
        }
    }
}

#[tokio::test]
async fn many_records_of_one_instant_are_all_read_whatever_the_page() {
    let world = World::new(&with_overlap("1s"));
    world.shop.page_size(3);
    world.sync().await;
    for n in 0..11 {
        world.shop.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}));
    }
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 11);
    world.settled().await;
}

#[tokio::test]
async fn newest_wins_decides_nothing_where_the_clocks_disagree_by_more_than_their_servers_say() {
    let rule = "newest-wins: { skew: 5s, otherwise: park }";
    let yaml = CONTACTS.replace("    fields:", &format!("    conflicts: {{ {rule} }}\n    fields:"));
    // The books' machine is three hours behind, and says so in its answers: its stamps are corrected.
    let there = Clock::manual(start() - TimeDelta::hours(3));
    let world = apart(&yaml, &there);
    let (shop, books) = jane(&world).await;
    there.advance(Duration::from_secs(60));
    world.shop.edit("contacts", &shop, json!({"phone": "early"}));
    world.clock.advance(Duration::from_secs(60));
    there.advance(Duration::from_secs(60));
    world.books.edit("contacts", &books, json!({"phone": "late"}));
    world.sync().await;
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "late", "the later edit wins, not the faster clock");
    // A tie within the skew is for a person.
    there.advance(Duration::from_secs(60));
    world.shop.edit("contacts", &shop, json!({"phone": "one"}));
    world.books.edit("contacts", &books, json!({"phone": "two"}));
    let report = world.sync().await;
    assert_eq!(report.exit_code(), 4, "{report:#?}");
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "two");
}

/// A key whose age nobody knows is not used: the remote may have forgotten it.
#[tokio::test]
async fn a_create_in_doubt_is_looked_up_when_the_clock_was_set_back() {
    let mut world = World::new(CONTACTS);
    world.shop.insert("contacts", json!({"name": "Jane"}));
    world.books.own_time(TimeDelta::zero());
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
    world.clock.jump(TimeDelta::hours(-1));
    world.clock.advance(Duration::from_secs(1_200));
    for _ in 0..3 {
        world.sync().await;
        world.clock.advance(Duration::from_secs(400));
    }
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (1, 1));
    let links = world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await;
    assert_eq!(links.len(), 1);
    world.settled().await;
}

#[tokio::test]
async fn the_cut_over_is_a_day_in_the_integrations_zone() {
    let world = World::new(
        r#"
integrations:
  acme:
    timezone: Pacific/Auckland
    first_run: { apply: automatic }
    pipelines:
      sales:
        source: shop/sales
        target: books/sales
        direction: source-to-target
        match: [ { source: $.number, target: $.number } ]
        cut_over: { path: $.sold_at, from: 2026-07-01 }
        fields:
          - { source: $.number, target: $.number }
"#,
    );
    // 08:00 on 1 July, and 23:00 the day before.
    world.shop.insert("sales", json!({"number": "1", "sold_at": "2026-06-30T20:00:00Z"}));
    world.shop.insert("sales", json!({"number": "2", "sold_at": "2026-06-30T11:00:00Z"}));
    world.sync().await;
    let there: Vec<_> = world.books.all("sales").into_iter().map(|sale| sale["number"].clone()).collect();
    assert_eq!(there, ["1"]);
    world.settled().await;
}
