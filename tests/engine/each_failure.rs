//! Each call and each store operation of a run fails in turn; then everything heals, and the end is the same.

use std::{sync::Arc, time::Duration};

use reconciled::engine::{EngineError, Mode};
use serde_json::{Value, json};

use crate::{
    fields::CONTACTS,
    support::{Fault, World, fake::Fake, fake::Moment},
};

/// Something of everything: records to link, to create both ways, and to update both ways.
async fn at_work(world: &World) {
    for n in 0..4 {
        world
            .shop
            .insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example"), "phone": "1"}));
    }
    world.sync().await;
    let edit = |system: &Fake, n: usize, value: Value| {
        let record = World::find(system, "contacts", "email", &format!("{n}@x.example"));
        system.edit("contacts", record["id"].as_str().unwrap(), value);
    };
    edit(&world.shop, 0, json!({"phone": "2"}));
    edit(&world.books, 1, json!({"city": "Nelson"}));
    world.shop.insert("contacts", json!({"name": "N4", "email": "4@x.example"}));
    world.books.insert("contacts", json!({"name": "N5", "email": "5@x.example"}));
    world.shop.insert("contacts", json!({"name": "N6", "email": "6@x.example"}));
    world.books.insert("contacts", json!({"name": "N6", "email": "6@x.example"}));
}

/// Both systems hold the same seven records, with every edit, and nothing is left to do.
async fn check(world: &World, what: &str) {
    for _ in 0..3 {
        world.run(world.request(Mode::Sync)).await;
        world.clock.advance(Duration::from_secs(400));
    }
    let read = |system: &Fake| {
        let mut all: Vec<String> = system
            .all("contacts")
            .iter()
            .map(|record| format!("{} {} {} {}", record["name"], record["email"], record["phone"], record["city"]))
            .collect();
        all.sort();
        all
    };
    let (shop, books) = (read(&world.shop), read(&world.books));
    assert_eq!(shop, books, "{what}");
    assert_eq!(shop.len(), 7, "{what}: {shop:#?}");
    assert!(shop.iter().any(|record| record.contains("\"2\"")) && shop.iter().any(|r| r.contains("Nelson")), "{what}");
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert!(parked.is_empty(), "{what}: {parked:#?}");
    world.settled().await;
}

/// Runs while the clock moves on whenever the run waits.
async fn patiently(world: &World) -> Result<(), EngineError> {
    let engine = world.engine();
    let mut run = std::pin::pin!(engine.run(world.request(Mode::Sync)));
    loop {
        tokio::select! {
            biased;
            done = &mut run => return done.map(|_| ()),
            () = tokio::task::yield_now() => world.clock.advance(Duration::from_millis(500)),
        }
    }
}

/// The k-th read or write of either system meets this. Says whether there were so many.
fn fail_call(world: &World, k: usize, fault: Fault) -> Arc<std::sync::atomic::AtomicUsize> {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let count = Arc::new(AtomicUsize::new(0));
    for system in [&world.shop, &world.books] {
        let count = count.clone();
        system.hook(Some(Box::new(move |moment| {
            if !matches!(moment, Moment::BeforeRead | Moment::BeforeWrite) {
                return None;
            }
            (count.fetch_add(1, Ordering::SeqCst) + 1 == k).then_some(fault)
        })));
    }
    count
}

#[tokio::test]
async fn each_call_fails_in_turn_and_the_end_is_the_same() {
    let faults = [
        Fault::NotDone,
        Fault::LostBefore,
        Fault::LostAfter,
        Fault::ShortAnswer,
        Fault::LostLate(Duration::from_secs(20)),
    ];
    let mut tried = 0;
    for key_lives in [Some(Duration::from_secs(360)), None] {
        for fault in faults {
            for k in 1.. {
                let world = World::with_keys(CONTACTS, key_lives);
                at_work(&world).await;
                let count = fail_call(&world, k, fault);
                patiently(&world).await.unwrap();
                let made = count.load(std::sync::atomic::Ordering::SeqCst);
                world.shop.hook(None);
                world.books.hook(None);
                if made < k {
                    break;
                }
                tried += 1;
                world.clock.advance(Duration::from_secs(400));
                check(&world, &format!("call {k}, {fault:?}, keys live {key_lives:?}")).await;
            }
        }
    }
    assert!(tried >= 40, "only {tried} failures were tried");
}

#[tokio::test]
async fn each_store_operation_fails_in_turn_and_the_end_is_the_same() {
    let mut tried = 0;
    // Every third operation in an ordinary test run; all of them with this variable.
    let step = if std::env::var_os("RECONCILED_TEST_EVERY").is_some() { 1 } else { 3 };
    for k in (1..).step_by(step) {
        let world = World::new(CONTACTS);
        at_work(&world).await;
        world.store.fail_at(None, k);
        let failed = patiently(&world).await.is_err();
        world.store.heal();
        if !failed {
            break;
        }
        tried += 1;
        world.clock.advance(Duration::from_secs(400));
        check(&world, &format!("store operation {k}")).await;
    }
    assert!(tried >= 10, "only {tried} failures were tried");
}
