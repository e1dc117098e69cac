//! A run is approved but for some records: everything else goes ahead, and those stay held until they are approved, too.

use reconciled::{
    engine::{DeskError, Mode, RunReport},
    record::RecordId,
    store::{HeldRun, Hold, Stage},
};
use serde_json::json;

use crate::{fields::CONTACTS, support::World};

/// Eight linked contacts, of which six were edited in the shop; three may be written without a question.
async fn held() -> (World, Vec<String>, HeldRun) {
    let world = World::new(&format!("{CONTACTS}    guards: {{ touched: 3 }}\n"));
    let ids: Vec<String> = (0..8).map(|n| insert(&world, n)).collect();
    world.settled().await;
    for id in &ids[..6] {
        world.shop.edit("contacts", id, json!({"phone": "021 1"}));
    }
    assert!(world.sync().await.pipelines[0].held.is_some());
    let [held] = holds(&world).await.try_into().unwrap();
    (world, ids, held)
}

fn insert(world: &World, n: usize) -> String {
    world.shop.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}))
}

async fn holds(world: &World) -> Vec<HeldRun> {
    world.desk(async |desk| desk.held().await.unwrap()).await
}

async fn approve(world: &World, what: &str, except: &[&str]) -> Result<(), DeskError> {
    let except: Vec<RecordId> = except.iter().map(|id| RecordId::from(*id)).collect();
    world.desk(async |desk| desk.approve_except(what, &except).await.map(drop)).await
}

/// How many contacts of the books have this value.
fn with(world: &World, member: &str, value: &str) -> usize {
    world.books.all("contacts").iter().filter(|contact| contact[member] == value).count()
}

fn of_books(world: &World, name: &str) -> String {
    World::find(&world.books, "contacts", "name", name)["id"].as_str().unwrap().to_owned()
}

fn left_out(report: &RunReport) -> (u64, u8) {
    (report.pipelines[0].left_out, report.exit_code())
}

#[tokio::test]
async fn the_others_are_written_and_those_left_out_stay_held_until_they_are_approved() {
    let (world, ids, held) = held().await;
    // One by its id in the shop, one by its id in the books.
    approve(&world, &held.id, &[&ids[0], &of_books(&world, "N1")]).await.unwrap();
    let report = world.sync().await;
    assert_eq!((with(&world, "phone", "021 1"), left_out(&report)), (4, (2, 5)), "{report:#?}");
    let [rest] = holds(&world).await.try_into().unwrap();
    assert_eq!((rest.what, rest.damage.touched), (Hold::LeftOut, 2));
    let told = &report.pipelines[0].findings[0].message;
    assert!(told.contains(&format!("reconciled approve {}", rest.id)), "{told}");
    // Whatever else runs, also a full read, and whatever their owners edit.
    world.shop.edit("contacts", &ids[0], json!({"city": "Nelson"}));
    world.shop.edit("contacts", &ids[7], json!({"phone": "021 7"}));
    for report in [world.sync().await, world.sync_full().await, world.sync().await] {
        assert_eq!(left_out(&report), (2, 5), "{report:#?}");
    }
    assert_eq!(
        (with(&world, "phone", "021 1"), with(&world, "phone", "021 7"), with(&world, "city", "Nelson")),
        (4, 1, 0)
    );
    let plan = world.run(world.request(Mode::Plan)).await;
    assert!(plan.is_empty_plan() && left_out(&plan).0 == 2, "{plan:#?}");
    // By the way it is not approved.
    assert!(matches!(approve(&world, "contacts", &[]).await, Err(DeskError::NoSuch(_))));
    approve(&world, &rest.id, &[]).await.unwrap();
    assert_eq!(left_out(&world.sync().await), (0, 0));
    assert_eq!((with(&world, "phone", "021 1"), with(&world, "city", "Nelson")), (6, 1));
    assert_eq!(holds(&world).await, []);
    world.settled().await;
}

#[tokio::test]
async fn an_approval_with_exceptions_is_for_exactly_the_plan_that_was_shown() {
    let (world, ids, held) = held().await;
    let nobody = approve(&world, &held.id, &[&ids[0], "nobody"]).await.unwrap_err();
    assert!(nobody.to_string().contains("`nobody` is no id of a record that is known"), "{nobody}");
    assert_eq!(holds(&world).await, std::slice::from_ref(&held), "nothing is approved by half");
    approve(&world, &held.id, &[&ids[0]]).await.unwrap();
    // Another one is edited before the next run: that is another plan.
    world.shop.edit("contacts", &ids[6], json!({"phone": "021 1"}));
    let report = world.sync().await;
    let again = report.pipelines[0].held.clone().expect("six others are more than three");
    assert_eq!((again.damage.touched, with(&world, "phone", "021 1")), (6, 0));
    assert!(again.message.unwrap().contains("it was approved when the plan was another one"));
    approve(&world, &again.id, &[]).await.unwrap();
    world.sync().await;
    assert_eq!(with(&world, "phone", "021 1"), 6, "the one that was left out stays out");
    let [rest] = holds(&world).await.try_into().unwrap();
    approve(&world, &rest.id, &[]).await.unwrap();
    world.sync().await;
    assert_eq!(with(&world, "phone", "021 1"), 7);
    world.settled().await;
}

#[tokio::test]
async fn of_a_first_run_those_left_out_are_not_made_and_guards_hold_from_then_on() {
    let yaml = CONTACTS.replace("apply: automatic", "apply: approve");
    let world = World::new(&format!("{yaml}    guards: {{ creates: 1 }}\n"));
    world.books.insert("contacts", json!({"name": "Somebody", "email": "else@x.example"}));
    let ids: Vec<String> = (0..5).map(|n| insert(&world, n)).collect();
    assert!(world.sync().await.pipelines[0].held.is_some(), "a first run waits");
    approve(&world, "contacts", &[&ids[0], &ids[1]]).await.unwrap();
    for _ in 0..2 {
        let report = world.sync().await;
        assert_eq!((world.books.count("contacts"), left_out(&report)), (4, (2, 5)), "{report:#?}");
    }
    let status = world.desk(async |desk| desk.status().await.unwrap()).await;
    assert_eq!(status[0].pipelines[0].stage, Stage::Running);
    // What is approved is planned like anything else: two are more than the guard allows.
    let [rest] = holds(&world).await.try_into().unwrap();
    approve(&world, &rest.id, &[]).await.unwrap();
    let report = world.sync().await;
    let over = report.pipelines[0].held.clone().expect("two creates, and one is allowed");
    assert_eq!(world.books.count("contacts"), 4);
    approve(&world, &over.id, &[]).await.unwrap();
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 6);
    world.settled().await;
}

#[tokio::test]
async fn what_there_is_nothing_to_write_to_any_more_waits_no_longer() {
    let (world, ids, held) = held().await;
    approve(&world, &held.id, &[&ids[0], &ids[1]]).await.unwrap();
    world.sync().await;
    // Somebody does by hand at the books what was held.
    world.books.edit("contacts", &of_books(&world, "N0"), json!({"phone": "021 1"}));
    world.sync_full().await;
    let [rest] = holds(&world).await.try_into().unwrap();
    assert_eq!((rest.damage.touched, rest.except.len()), (1, 2), "one record, by both of its ids");
    world.shop.edit("contacts", &ids[1], json!({"phone": null}));
    world.sync().await;
    assert_eq!(holds(&world).await, []);
    assert_eq!(with(&world, "phone", "021 1"), 5);
    world.settled().await;
}
