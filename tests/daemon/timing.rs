//! When the daemon looks and runs.

use std::time::Duration;

use serde_json::json;

use crate::{Live, SHOP, World, at, support::start};

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn ox_18_an_edit_after_the_poll_at_four_and_the_invoice_of_three_past_are_written_together_at_four_past() {
    let world = World::new(SHOP);
    let jane = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let live = Live::start(world).await;
    live.until("01 16:00:01").await;
    live.world.shop.edit("contacts", &jane, json!({"name": "Jane Doe"}));
    live.until("01 16:01:59").await;
    assert_eq!(live.told("acme").await, ["01 04:00:00 first start"], "polls that see nothing are no runs");
    live.until("01 16:03:00").await;
    let closes = reconciled::daemon::WaitReason::Window { changes: 1, closes: at("01 16:04:00") };
    assert!(live.daemon.status().integrations[0].waits.contains(&closes), "{:?}", live.daemon.status());
    live.world.shop.insert("sales", json!({"number": "1042", "total": 120}));
    let reads = live.world.shop.written().len() + live.world.books.written().len();
    assert_eq!(reads, 1, "only Jane was written so far");
    live.until("01 16:30:00").await;
    assert_eq!(live.told("acme").await, ["01 04:00:00 first start", "01 16:04:00 window closed"]);
    assert_eq!(World::find(&live.world.books, "contacts", "email", "jane@x.example")["name"], "Jane Doe");
    assert_eq!(live.world.books.count("sales"), 1);
}

#[tokio::test]
async fn whoever_only_observes_plans_at_its_times_and_writes_nothing() {
    let world = World::new(&SHOP.replace("    debounce: 2m", "    apply: observe\n    debounce: 2m"));
    let jane = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let live = Live::start(world).await;
    live.until("01 12:00:00").await;
    let last = live.daemon.status().integrations[0].last_run;
    assert!(last.is_some(), "a plan is its run: {:?}", live.daemon.status());
    live.world.shop.edit("contacts", &jane, json!({"name": "Jane Doe"}));
    live.world.shop.insert("sales", json!({"number": "1042", "total": 120}));
    live.until("02 13:00:00").await;
    let status = live.daemon.status();
    assert!(status.integrations[0].last_run > last, "an edit is planned: {status:?}");
    assert_eq!((live.world.shop.written().len(), live.world.books.written().len()), (0, 0));
    assert_eq!(live.world.books.count("contacts") + live.world.books.count("sales"), 0);
}

#[tokio::test]
async fn ox_19_a_day_without_news_ends_in_a_run_and_any_run_restarts_the_day_over_a_restart_too() {
    let live = Live::start(World::new(SHOP)).await;
    live.until("01 12:00:00").await;
    live.call(reconciled::daemon::protocol::Request::Run(crate::by_hand("acme", reconciled::engine::Mode::Sync))).await;
    live.until("02 06:00:00").await;
    live.daemon.stop().await;
    let live = Live::start(live.world).await;
    live.until("03 13:00:00").await;
    assert_eq!(
        live.told("acme").await,
        ["01 04:00:00 first start", "01 12:00:00 by hand", "02 12:00:00 idle for 1day", "03 12:00:00 idle for 1day"]
    );
}

#[tokio::test]
async fn a_change_on_the_side_that_is_not_polled_comes_with_the_next_run() {
    let world = World::new(SHOP);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let live = Live::start(world).await;
    live.until("01 05:00:00").await;
    let id = World::find(&live.world.books, "contacts", "name", "Jane")["id"].as_str().unwrap().to_owned();
    live.world.books.edit("contacts", &id, json!({"name": "Janet"}));
    live.until("02 03:59:00").await;
    assert_eq!(World::find(&live.world.shop, "contacts", "email", "jane@x.example")["name"], "Jane");
    live.until("02 04:00:00").await;
    assert_eq!(World::find(&live.world.shop, "contacts", "email", "jane@x.example")["name"], "Janet");
}

#[tokio::test]
async fn changes_seen_before_a_restart_open_a_window_after_it() {
    let live = Live::start(World::new(SHOP)).await;
    live.until("01 04:01:00").await;
    live.world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    live.until("01 04:02:30").await;
    live.daemon.stop().await;
    assert_eq!(live.world.books.count("contacts"), 0);
    let live = Live::start(live.world).await;
    live.until("01 04:04:29").await;
    assert_eq!(live.world.books.count("contacts"), 0);
    live.until("01 04:04:30").await;
    assert_eq!(live.world.books.count("contacts"), 1);
}

#[tokio::test]
async fn many_hints_are_one_run() {
    let live = Live::start(World::new(SHOP)).await;
    live.until("01 04:01:00").await;
    for _ in 0..50 {
        live.daemon.look_again(&crate::integration("acme"));
    }
    live.until("01 05:00:00").await;
    assert_eq!(live.told("acme").await, ["01 04:00:00 first start", "01 04:03:00 window closed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_one_integration_reads_wakes_another_that_uses_it() {
    let world = World::new(&format!(
        "{SHOP}{}",
        r"
  other:
    first_run: { apply: automatic }
    debounce: 1m
    schedule: {}
    pipelines:
      copies:
        source: shop/contacts
        target: books/contacts
        direction: source-to-target
        match: [ { source: $.email, target: $.email } ]
        fields:
          - { source: $.city, target: $.city }
          - { source: $.email, target: $.email, write: on-create }
"
    ));
    let jane = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "city": "Oslo"}));
    let live = Live::start(world).await;
    live.until("01 04:01:00").await;
    live.world.shop.edit("contacts", &jane, json!({"city": "Bergen"}));
    live.until("01 04:10:00").await;
    assert_eq!(World::find(&live.world.books, "contacts", "email", "jane@x.example")["city"], "Bergen");
    assert_eq!(live.told("other").await.last().unwrap(), "01 04:03:00 window closed", "seen at 04:02 by acme's poll");
}

#[tokio::test]
async fn an_integration_that_is_not_automatic_does_nothing_until_it_is_asked() {
    let world = World::new(&SHOP.replace("debounce: 2m", "automatic: false"));
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let live = Live::start(world).await;
    live.until("03 04:00:00").await;
    assert_eq!(live.world.shop.clone().count("contacts"), 1);
    assert_eq!(live.told("acme").await, Vec::<String>::new());
    assert_eq!(
        reconciled::connector::Connector::requests(&*live.world.shop),
        reconciled::connector::Requests::default()
    );
    live.call(reconciled::daemon::protocol::Request::Run(crate::by_hand("acme", reconciled::engine::Mode::Sync))).await;
    assert_eq!(live.world.books.count("contacts"), 1);
    assert!(live.daemon.status().integrations[0].last_run.unwrap() > start());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_run_that_waits_for_the_clock_gets_its_time() {
    let live = Live::start(World::new(SHOP)).await;
    live.until("01 04:01:00").await;
    live.shop.take(&live.world.clock, Duration::from_secs(50));
    live.world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    live.until("01 04:12:00").await;
    assert_eq!(live.world.books.count("contacts"), 1);
    let runs = live.runs("acme").await;
    assert_eq!(runs.len(), 2, "{:?}", live.told("acme").await);
    assert_eq!(runs[1].started, at("01 04:04:00"), "seen by the poll that was meant for 04:02, however slow it was");
    assert!((runs[1].ended - runs[1].started).num_seconds() >= 100, "{:?}", runs[1].ended);
}
