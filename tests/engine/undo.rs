//! Taking a run back: what it overwrote is remembered before it is overwritten, and put back where nobody has touched it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use reconciled::{
    engine::{EditOf, Mode, Retried, Revert, RunReport, RunRequest, leave_out_of_edit},
    record::{RecordId, Side},
    store::Space,
    sync::{FindingKind, ParkCode},
};
use serde_json::json;

use crate::{
    fields::{CONTACTS, jane},
    support::{World, fake::Moment},
};

fn take_back(world: &World, mode: Mode, run: &str) -> RunRequest {
    RunRequest { revert: Some(Revert { run: run.to_owned(), record: None }), ..world.request(mode) }
}

/// The name of the last run.
async fn last_run(world: &World) -> String {
    let name = world.config.integrations.keys().next().unwrap().clone();
    let runs = world.desk(async |desk| desk.runs(&name, 1).await.unwrap()).await;
    runs[0].id.clone()
}

fn writes(world: &World) -> usize {
    world.shop.written().len() + world.books.written().len()
}

fn before_images(world: &World) -> usize {
    world.store.entries().iter().filter(|(key, _)| key.space() == Some(Space::Before)).count()
}

async fn reverted(world: &World, run: &str) -> RunReport {
    let report = world.run(take_back(world, Mode::Sync, run)).await;
    assert_eq!(report.troubles, [], "{report:#?}");
    world.clock.advance(Duration::from_secs(60));
    report
}

#[tokio::test]
async fn what_a_run_wrote_is_put_back_and_is_no_edit_of_either_side() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2", "name": "Jane Smith"}));
    world.books.edit("contacts", &books, json!({"city": "Picton"}));
    world.sync().await;
    let run = last_run(&world).await;
    let before = writes(&world);

    // A look first: it says what it would do, and does nothing.
    let plan = world.run(take_back(&world, Mode::Plan, &run)).await;
    assert_eq!(plan.pipelines[0].planned, 2, "{plan:#?}");
    let why: Vec<_> = plan.pipelines[0].items.iter().flat_map(|item| &item.fields).map(|field| &field.why).collect();
    assert!(why.iter().all(|why| why.contains("took back")), "{why:?}");
    assert_eq!(writes(&world), before);

    reverted(&world, &run).await;
    let there = world.books.get_body("contacts", &books);
    assert_eq!((&there["phone"], &there["name"]), (&json!("021 1"), &json!("Jane Doe")));
    assert_eq!(world.shop.get_body("contacts", &shop)["city"], "Nelson");
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "021 2", "what was typed is not touched");

    // Neither value is carried over, now or after an edit of the configuration; both are listed.
    world.settled().await;
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert_eq!(parked.len(), 3, "{parked:#?}");
    assert!(parked.iter().all(|item| item.parked.code == ParkCode::Reverted));
    let mut world = world;
    world.reconfigure(&CONTACTS.replace("match:", "on_leave: pause\n    match:"));
    world.settled().await;
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 1");

    // A person chooses, and it goes on.
    let name = world.pipeline("contacts");
    world.desk(async |desk| desk.resolve(&name, &shop.as_str().into(), None, Side::Source).await.unwrap()).await;
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 2");
    assert!(world.desk(async |desk| desk.parked(None).await.unwrap()).await.is_empty());
    world.settled().await;
}

#[tokio::test]
async fn a_retry_of_what_is_parked_writes_nothing_that_a_person_took_back() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.sync().await;
    reverted(&world, &last_run(&world).await).await;
    world.shop.edit("contacts", &shop, json!({"city": "Picton"}));
    world.books.edit("contacts", &books, json!({"city": "Levin"}));
    world.sync().await;

    let name = world.pipeline("contacts");
    let retry = async |id: Option<&str>| {
        let id = id.map(RecordId::from);
        let retried = world.desk(async |desk| desk.retry(&name, id.as_ref()).await.unwrap()).await;
        world.settled().await;
        let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
        assert!(parked.iter().any(|item| item.parked.code == ParkCode::Reverted), "{parked:#?}");
        assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 1");
        (retried.entries, retried.kept)
    };
    assert_eq!(retry(None).await, (1, 1), "the conflict of the same record, but not what was taken back");
    assert_eq!(retry(Some(&books)).await, (1, 1));
    world.books.edit("contacts", &books, json!({"city": "Picton"}));
    world.sync().await;
    assert_eq!(retry(Some(&shop)).await, (0, 1));
}

#[tokio::test]
async fn a_retry_of_what_is_parked_writes_nothing_that_was_left_out_of_an_edit() {
    // Two ways to say which of both phones counts.
    let (before, after) =
        ("first_run: { apply: automatic }", "first_run: { apply: automatic, differences: source-wins }");
    let mut world = World::new(&CONTACTS.replace(before, "first_run: { apply: automatic, differences: park }"));
    let shop = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "021 2"}));
    let books = world.books.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "021 1"}));
    world.sync().await;
    world.reconfigure(&CONTACTS.replace(before, after));
    let engine = world.engine();
    let new = engine.config.integrations.values().next().unwrap();
    let edit = EditOf { ledger: &engine.ledger, config: &engine.config, old: vec![new], new, now: world.clock.now() };
    assert_eq!(leave_out_of_edit(&edit, &[shop.as_str().into()]).await.unwrap(), 1);
    world.sync().await;
    let name = world.pipeline("contacts");
    let retried = world.desk(async |desk| desk.retry(&name, None).await.unwrap()).await;
    assert_eq!(retried, Retried { entries: 0, kept: 1 });
    world.settled().await;
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 1");
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert_eq!(parked.iter().map(|item| item.parked.code).collect::<Vec<_>>(), [ParkCode::LeftOut]);
    world.desk(async |desk| desk.resolve(&name, &shop.as_str().into(), None, Side::Source).await.unwrap()).await;
    world.settled().await;
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 2");
}

#[tokio::test]
async fn what_was_written_to_a_record_that_is_not_linked_any_more_is_left() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.sync().await;
    let run = last_run(&world).await;
    let right = world
        .books
        .insert("contacts", json!({"name": "Jane Doe", "email": "jane@x.example", "phone": "021 2", "city": "Nelson"}));
    let name = world.pipeline("contacts");
    world.desk(async |desk| desk.remove_link(&name, &shop.as_str().into()).await.unwrap()).await;
    world.desk(async |desk| desk.add_link(&name, &shop.as_str().into(), &right.as_str().into()).await.unwrap()).await;
    world.sync().await;
    let before = writes(&world);
    let report = reverted(&world, &run).await;
    assert_eq!((writes(&world), &world.books.get_body("contacts", &right)["phone"]), (before, &json!("021 2")));
    let left: Vec<_> =
        report.pipelines[0].findings.iter().filter(|found| found.message.contains("in its place")).collect();
    assert_eq!(left.len(), 1, "{report:#?}");
    for part in ["021 1", &books, &right] {
        assert!(left[0].message.contains(part), "{}", left[0].message);
    }
    world.settled().await;
}

#[tokio::test]
async fn what_was_touched_since_is_listed_and_left() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2", "city": "Picton"}));
    world.sync().await;
    let run = last_run(&world).await;
    world.clock.advance(Duration::from_secs(60));
    world.books.edit("contacts", &books, json!({"phone": "021 3"}));
    let report = reverted(&world, &run).await;
    let there = world.books.get_body("contacts", &books);
    assert_eq!((&there["phone"], &there["city"]), (&json!("021 3"), &json!("Nelson")), "only what is as it was left");
    let left: Vec<_> =
        report.pipelines[0].findings.iter().filter(|finding| finding.kind == FindingKind::Skipped).collect();
    assert_eq!(left.len(), 1, "{report:#?}");
    for value in ["021 1", "021 2", "021 3"] {
        assert!(left[0].message.contains(value), "{}", left[0].message);
    }
    // The edit made since then goes its ordinary way.
    world.sync().await;
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "021 3");
    world.settled().await;

    // Again: there is nothing left to put back.
    let again = writes(&world);
    reverted(&world, &run).await;
    assert_eq!(writes(&world), again);
}

#[tokio::test]
async fn taking_back_is_a_run_like_any_other_and_can_be_taken_back() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.sync().await;
    let run = last_run(&world).await;
    reverted(&world, &run).await;
    let back = last_run(&world).await;
    assert_ne!(run, back);
    reverted(&world, &back).await;
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 2");
    assert!(world.desk(async |desk| desk.parked(None).await.unwrap()).await.is_empty(), "both agree again");
    world.settled().await;

    let explained = world.desk(async |desk| desk.explain(&world.pipeline("contacts"), &shop).await.unwrap()).await;
    let images: Vec<_> =
        explained[0].overwritten.iter().map(|image| (image.run.as_str(), image.before.as_str())).collect();
    let names = [(last_run(&world).await, "021 1"), (back, "021 2"), (run, "021 1")];
    assert_eq!(images[1..], names[1..].iter().map(|(run, value)| (run.as_str(), Some(*value))).collect::<Vec<_>>());
    assert_eq!(images.len(), 3, "{images:?}");
}

#[tokio::test]
async fn taking_back_more_than_a_guard_allows_is_held_until_a_person_approves_just_that() {
    let world = World::new(&format!("{CONTACTS}    guards: {{ touched: 2 }}\n"));
    let ids: Vec<String> = (0..4)
        .map(|n| {
            world
                .shop
                .insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example"), "phone": "1"}))
        })
        .collect();
    world.sync().await;
    for id in &ids {
        world.shop.edit("contacts", id, json!({"phone": "2"}));
    }
    let held = world.sync().await.pipelines[0].held.clone().unwrap();
    world.desk(async |desk| desk.approve(&held.id).await.unwrap()).await;
    world.sync().await;
    let run = last_run(&world).await;
    let before = writes(&world);
    let report = world.run(take_back(&world, Mode::Sync, &run)).await;
    let held = report.pipelines[0].held.clone().expect("it is over the guard");
    assert!(held.message.as_deref().unwrap().contains(&run), "{held:?}");
    assert_eq!((report.exit_code(), writes(&world)), (5, before));
    world.desk(async |desk| desk.approve(&held.id).await.unwrap()).await;
    // What was approved is taking that back, not whatever a sync would write.
    world.clock.advance(Duration::from_secs(60));
    for id in &ids {
        world.shop.edit("contacts", id, json!({"city": "Picton"}));
    }
    assert!(world.sync().await.pipelines[0].held.is_some());
    assert_eq!(writes(&world), before);
    reverted(&world, &run).await;
    assert!(world.books.all("contacts").iter().all(|record| record["phone"] == "1"));
}

#[tokio::test]
async fn a_before_image_is_durable_before_the_write_goes_out() {
    let world = World::new(CONTACTS);
    let (shop, _) = jane(&world).await;
    let flushes = world.store.counts().flushes;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (store, kept) = (world.store.clone(), seen.clone());
    world.books.hook(Some(Box::new(move |moment| {
        if moment == Moment::BeforeWrite {
            let images = store.entries().iter().filter(|(key, _)| key.space() == Some(Space::Before)).count();
            kept.lock().unwrap().push((images, store.unflushed(), store.counts().flushes));
        }
        None
    })));
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.sync().await;
    assert_eq!(*seen.lock().unwrap(), [(1, 0, flushes + 1)], "there, durable, and without a flush of its own");
}

#[tokio::test]
async fn before_images_are_kept_for_thirty_days_and_not_more_than_their_share() {
    let world = World::new(CONTACTS);
    let (shop, _) = jane(&world).await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.sync().await;
    let old = last_run(&world).await;
    world.clock.advance(Duration::from_secs(29 * 86_400));
    world.sync().await;
    assert_eq!(before_images(&world), 1);
    world.clock.advance(Duration::from_secs(2 * 86_400));
    world.sync().await;
    assert_eq!(before_images(&world), 0);
    let error = world.engine().run(take_back(&world, Mode::Sync, &old)).await.unwrap_err();
    assert!(error.to_string().contains(&old), "{error}");

    // A small share: the oldest go first.
    let mut config = (*world.config).clone();
    config.settings.history.max_bytes = 2_000;
    let mut world = world;
    world.config = Arc::new(config);
    for n in 0..20 {
        world.shop.edit("contacts", &shop, json!({"phone": format!("021 {n}"), "city": format!("Nelson {n}")}));
        world.sync().await;
    }
    let size: usize = world
        .store
        .entries()
        .iter()
        .filter(|(key, _)| key.space() == Some(Space::Before))
        .map(|(_, value)| value.len())
        .sum();
    assert!(size <= 2_000 && before_images(&world) >= 2, "{size} bytes, {} of them", before_images(&world));
    let run = last_run(&world).await;
    reverted(&world, &run).await;
    World::find(&world.books, "contacts", "phone", "021 18");
    world.settled().await;
}
