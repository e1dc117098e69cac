//! What goes wrong, and that the daemon stays.

use std::time::Duration;

use reconciled::{
    connector::CallError,
    daemon::{
        DaemonSettings, Phase, WaitReason,
        protocol::{FailureKind, Request, Response},
    },
    engine::Mode,
    store::{Group, Key, Space},
};
use serde_json::json;

use crate::{Live, SHOP, World, at, bounded, by_hand, connection, support::Fake};

/// Two integrations; the second uses connections of its own.
fn two() -> String {
    format!(
        "{SHOP}{}",
        r"
  other:
    first_run: { apply: automatic }
    debounce: 2m
    schedule: { poll: { shop-b: 2m } }
    pipelines:
      contacts:
        source: shop-b/contacts
        target: books-b/contacts
        direction: source-to-target
        match: [ { source: $.email, target: $.email } ]
        fields:
          - { source: $.name, target: $.name }
          - { source: $.email, target: $.email }
connections:
  shop-b: { connector: shop, auth: { token: a } }
  books-b: { connector: books, auth: { token: b } }
"
    )
}

#[tokio::test]
async fn a_remote_that_hangs_delays_nobody_who_does_not_need_it() {
    let world = World::new(&two());
    let system = |name: &str, prefix| {
        Fake::new(world.config.connections[&connection(name)].manifest.clone(), world.clock.clone(), prefix, None)
    };
    let (shop_b, books_b) = (system("shop-b", "t"), system("books-b", "c"));
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    shop_b.insert("contacts", json!({"name": "Joe", "email": "joe@x.example"}));
    let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_secs(30) };
    let live = Live::start_among(world, settings, [("shop-b", shop_b.clone()), ("books-b", books_b.clone())]).await;
    live.until("01 04:01:00").await;
    live.shop.shut(true);
    live.world.clock.advance(Duration::from_mins(1));
    bounded(live.shop.someone_waits()).await;
    // The clock is moved by hand: the daemon does not settle while a poll hangs.
    shop_b.insert("contacts", json!({"name": "Ann", "email": "ann@x.example"}));
    bounded(async {
        while books_b.count("contacts") < 2 {
            live.world.clock.advance(Duration::from_secs(30));
            tokio::task::yield_now().await;
        }
    })
    .await;
    let status = live.daemon.status();
    assert!(matches!(&status.integrations[0].phase, Phase::Running { mode: Mode::Poll, .. }), "{status:?}");
    // Commands still work.
    assert!(matches!(live.call(Request::Ping).await, Response::Pong { .. }));
    assert!(matches!(live.call(Request::Status).await, Response::Status(_)));
    live.shop.shut(false);
    let later = live.world.clock.now() + chrono::TimeDelta::hours(1);
    bounded(live.daemon.run_until(later)).await;
    assert!(matches!(live.daemon.status().integrations[0].phase, Phase::Waiting));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_remote_that_fails_is_shown_and_tried_again_with_back_off() {
    let world =
        World::new(&SHOP.replace("schedule: { poll: { shop: 2m }, sync: { after_idle: 24h } }", "schedule: {}"));
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let live = {
        let live = Live::start(world).await;
        live.until("01 04:01:00").await;
        live
    };
    live.books.fail_with(Some(CallError::NotDone("connection refused".into())));
    live.world.shop.insert("contacts", json!({"name": "Joe", "email": "joe@x.example"}));
    live.call(Request::Run(by_hand("acme", Mode::Sync))).await;
    live.until("01 04:09:00").await;
    let now = live.daemon.status().integrations.remove(0);
    let [trouble] = now.troubles.as_slice() else { panic!("{now:?}") };
    assert_eq!((trouble.connection.as_str(), trouble.temporary), ("books", true));
    assert!(trouble.attempts >= 4, "{trouble:?}");
    assert!(now.waits.iter().any(|wait| matches!(wait, WaitReason::Retry { .. })), "{now:?}");
    live.books.fail_with(None);
    live.until("01 04:30:00").await;
    assert_eq!(live.world.books.count("contacts"), 2);
    let now = live.daemon.status().integrations.remove(0);
    assert_eq!(now.troubles, []);
    assert!(!now.waits.iter().any(|wait| matches!(wait, WaitReason::Retry { .. })), "{:?}", now.waits);
    let runs = live.told("acme").await;
    assert_eq!(
        runs[2..],
        [
            "01 04:01:30 attempt 2 after trouble",
            "01 04:02:30 attempt 3 after trouble",
            "01 04:04:30 attempt 4 after trouble",
            "01 04:08:30 attempt 5 after trouble",
            "01 04:16:30 attempt 6 after trouble",
        ]
    );
}

#[tokio::test]
async fn a_store_that_fails_stops_all_writes_and_the_daemon_goes_on_when_it_works_again() {
    let world = World::new(SHOP);
    let live = Live::start(world).await;
    live.until("01 04:01:00").await;
    live.world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    live.world.store.fail_from(None, 1);
    live.until("01 04:30:00").await;
    let status = live.daemon.status();
    assert!(status.store_failing.is_some(), "{status:?}");
    assert!(matches!(status.integrations[0].waits.first(), Some(WaitReason::Store { .. })), "{status:?}");
    assert_eq!(live.world.books.written().len(), 0, "nothing is written while the store fails");
    let Response::Status(told) = live.call(Request::Status).await else { panic!("no status") };
    assert!(told.daemon.unwrap().store_failing.is_some());
    let refused = live.daemon.call(Request::Run(by_hand("acme", Mode::Sync))).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Store);
    live.world.store.heal();
    live.until("01 04:40:00").await;
    assert_eq!(live.daemon.status().store_failing, None);
    assert_eq!(live.world.books.count("contacts"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_store_that_fails_in_the_middle_of_a_run_writes_nothing_twice() {
    for failing in 1..60 {
        let world = World::new(SHOP);
        world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
        let live = Live::start(world).await;
        live.until("01 04:01:00").await;
        live.world.shop.insert("contacts", json!({"name": "Joe", "email": "joe@x.example"}));
        live.world.store.fail_at(None, failing);
        live.until("01 04:20:00").await;
        assert_eq!(live.world.books.count("contacts"), 2, "operation {failing} failed once");
        assert_eq!(live.daemon.status().store_failing, None);
        bounded(live.daemon.stop()).await;
    }
}

#[tokio::test]
async fn a_stop_waits_for_the_run_that_goes_on_and_takes_no_new_one() {
    let world = World::new(SHOP);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let live = Live::start(world).await;
    live.until("01 04:01:00").await;
    live.books.shut(true);
    let daemon = live.daemon.clone();
    live.world.shop.insert("contacts", json!({"name": "Joe", "email": "joe@x.example"}));
    let run = tokio::spawn(async move { daemon.call(Request::Run(by_hand("acme", Mode::Sync))).await });
    bounded(live.books.someone_waits()).await;
    let daemon = live.daemon.clone();
    let stop = tokio::spawn(async move { daemon.stop().await });
    bounded(async {
        while !live.daemon.status().stopping {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let refused = bounded(live.daemon.call(Request::Run(by_hand("acme", Mode::Sync)))).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Stopping);
    assert!(!stop.is_finished());
    live.books.shut(false);
    bounded(stop).await.unwrap();
    assert!(matches!(bounded(run).await.unwrap().unwrap(), Response::Run(_)));
    assert_eq!(live.world.books.count("contacts"), 2);
    assert_eq!(live.world.store.unflushed(), 0);
}

#[tokio::test]
async fn a_stop_does_not_wait_longer_than_its_deadline_and_the_next_start_finishes() {
    let world = World::new(SHOP);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_secs(30) };
    let live = Live::start_with(world, settings).await;
    live.until("01 04:01:00").await;
    live.world.shop.insert("contacts", json!({"name": "Joe", "email": "joe@x.example"}));
    live.until("01 04:03:00").await;
    live.books.shut(true);
    live.world.clock.advance(Duration::from_mins(1));
    bounded(live.books.someone_waits()).await;
    let daemon = live.daemon.clone();
    let stop = tokio::spawn(async move { daemon.stop().await });
    bounded(async {
        while !stop.is_finished() {
            live.world.clock.advance(Duration::from_secs(10));
            tokio::task::yield_now().await;
        }
    })
    .await;
    let now = live.world.clock.now();
    let live = Live::start(live.world).await;
    bounded(live.daemon.run_until(now + chrono::TimeDelta::minutes(10))).await;
    assert_eq!(live.world.books.count("contacts"), 2);
    assert!(now > at("01 04:04:30"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_damaged_value_of_one_integration_is_in_nobody_elses_way() {
    let world = World::new(&two());
    let system = |name: &str, prefix| {
        Fake::new(world.config.connections[&connection(name)].manifest.clone(), world.clock.clone(), prefix, None)
    };
    let (shop_b, books_b) = (system("shop-b", "t"), system("books-b", "c"));
    let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_secs(30) };
    let live = Live::start_among(world, settings, [("shop-b", shop_b.clone()), ("books-b", books_b.clone())]).await;
    live.until("01 04:01:00").await;
    let damaged = || Key::new(Space::Due, &["acme/contacts", "x"]);
    let mut group = Group::default();
    group.put(damaged(), b"neither this nor that".to_vec());
    live.engine.ledger.store().commit(vec![group]).await.unwrap();
    live.world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    shop_b.insert("contacts", json!({"name": "Joe", "email": "joe@x.example"}));
    live.until("01 04:20:00").await;
    let status = live.daemon.status();
    assert_eq!((status.store_failing, books_b.count("contacts")), (None, 1));
    let failure = status.integrations[0].failure.clone().unwrap_or_default();
    assert!(failure.contains("cannot be used"), "{failure}");
    assert_eq!(status.integrations[1].failure, None);
    let mut group = Group::default();
    group.delete(damaged());
    live.engine.ledger.store().commit(vec![group]).await.unwrap();
    live.until("01 05:00:00").await;
    assert_eq!(live.world.books.count("contacts"), 1, "{:#?}", live.daemon.status());
    assert_eq!(live.daemon.status().integrations[0].failure, None);
}
