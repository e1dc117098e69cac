//! A clock that is put back or forward under the whole daemon, a machine that slept, and daylight saving.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;
use reconciled::daemon::WaitReason;
use serde_json::json;

use crate::{Live, SHOP, World, at, bounded};

/// A daemon whose clock jumps; those of the systems do not.
async fn live() -> Live {
    let world = World::new(SHOP);
    world.shop.own_time(TimeDelta::zero());
    world.books.own_time(TimeDelta::zero());
    Live::start(world).await
}

/// Has its clock jump, and waits until it has thought again about the next poll.
async fn jump(live: &Live, by: TimeDelta) {
    live.world.clock.jump(by);
    let soon = || {
        let latest = live.world.clock.now() + TimeDelta::minutes(2);
        let waits = live.daemon.status().integrations.remove(0).waits;
        waits.iter().any(|wait| matches!(wait, WaitReason::Poll { at, .. } if *at <= latest))
    };
    let thinks = async {
        while !soon() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    bounded(thinks).await;
}

fn jane(world: &World, phone: &str) {
    world.shop.insert("contacts", json!({ "name": "Jane", "email": "jane@x.example", "phone": phone }));
}

/// Runs that began at or after this time.
async fn since(live: &Live, time: DateTime<Utc>) -> Vec<String> {
    let runs = live.runs("acme").await;
    runs.iter().filter(|run| run.started >= time).map(|run| run.why.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_clock_put_back_by_hours_does_not_stop_the_polls_for_hours() {
    let live = live().await;
    live.until("01 16:00:30").await;
    jump(&live, -TimeDelta::hours(5)).await;
    jane(&live.world, "1");
    live.until("01 11:10:00").await;
    assert_eq!(live.world.books.count("contacts"), 1, "{:#?}", live.daemon.status());
    assert!(live.told("acme").await.contains(&"01 11:04:00 window closed".to_owned()), "{:?}", live.told("acme").await);
    // And once more nothing is left to do.
    let writes = live.world.books.written().len();
    live.until("01 12:00:00").await;
    assert_eq!(live.world.books.written().len(), writes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_machine_that_slept_makes_up_for_what_it_missed_once() {
    let live = live().await;
    live.until("01 16:00:30").await;
    jane(&live.world, "1");
    // To a process a machine that slept is a clock that was put forward: two days of polls and two idle days are missed.
    jump(&live, TimeDelta::days(2)).await;
    live.until("03 16:10:00").await;
    assert_eq!(live.world.books.count("contacts"), 1, "{:#?}", live.daemon.status());
    let made_up = since(&live, at("03 16:00:00")).await;
    assert!(made_up.len() <= 2, "one for the idle days, one for what was seen: {made_up:?}");
    let writes = live.world.books.written().len();
    live.until("03 18:00:00").await;
    assert_eq!((live.world.books.written().len(), since(&live, at("03 16:10:00")).await.len()), (writes, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_clock_that_goes_to_and_fro_writes_nothing_twice() {
    let live = live().await;
    live.until("01 16:00:30").await;
    for (round, hours) in [-3, 7, -1, 2, -9, 4].into_iter().enumerate() {
        jump(&live, TimeDelta::hours(hours)).await;
        live.world
            .shop
            .insert("contacts", json!({ "name": format!("N{round}"), "email": format!("n{round}@x.example") }));
        let soon = live.world.clock.now() + TimeDelta::minutes(10);
        bounded(live.daemon.run_until(soon)).await;
        assert_eq!(live.world.books.count("contacts"), round + 1, "after {hours} h");
    }
    let writes = (live.world.shop.written().len(), live.world.books.written().len());
    assert_eq!(writes.1, 6, "each was made once");
    bounded(live.daemon.run_until(live.world.clock.now() + TimeDelta::hours(1))).await;
    assert_eq!((live.world.shop.written().len(), live.world.books.written().len()), writes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_nightly_run_happens_once_a_night_through_daylight_saving() {
    let nightly = SHOP.replace(
        "    schedule: { poll: { shop: 2m }, sync: { after_idle: 24h } }\n",
        "    timezone: Pacific/Auckland\n    schedule: { sync: { cron: [ \"30 2 * * *\" ] } }\n",
    );
    assert!(nightly.contains("Auckland"));
    for (from, nights) in
        [("2026-09-24T00:00:00Z", ["02:30", "02:30", "03:00", "02:30"]), ("2027-04-01T00:00:00Z", ["02:30"; 4])]
    {
        let world = World::new(&nightly);
        let from: DateTime<Utc> = from.parse().unwrap();
        world.clock.jump(from - world.clock.now());
        let live = Live::start(world).await;
        bounded(live.daemon.run_until(from + TimeDelta::hours(4 * 24))).await;
        let zone: Tz = "Pacific/Auckland".parse().unwrap();
        let runs = live.runs("acme").await;
        let nightly = runs.iter().filter(|run| run.why.starts_with("timetable"));
        let times = nightly.map(|run| run.started.with_timezone(&zone));
        let told: Vec<String> = times.map(|at| format!("{:02}:{:02}", at.hour(), at.minute())).collect();
        assert_eq!(told, nights, "{from}");
    }
}
