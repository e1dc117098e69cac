//! Guards judge what a run does as a whole, and the rest of a held run is not let through in parts.

use reconciled::{engine::Mode, store::Approval};
use serde_json::{Value, json};

use crate::{fields::CONTACTS, support::World};

/// Five linked contacts, and books that put a note on whatever is written to them; the note comes back to the shop.
async fn world(guards: &str) -> (World, Vec<String>) {
    let back = "      - { source: $.note, target: $.note, direction: target-to-source }\n";
    let world = World::new(&format!("{CONTACTS}{back}    guards: {guards}\n"));
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(world.shop.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")})));
    }
    world.settled().await;
    world.books.on_write(|old, given| {
        let mut new = old.clone();
        for (name, value) in given.as_object().unwrap() {
            new[name] = value.clone();
        }
        new["note"] = json!("checked");
        new
    });
    (world, ids)
}

/// Three edits at the books and two in the shop: the first round writes three records of the shop and two of the books,
/// whose answers give the second round two more records of the shop to write.
fn edit(world: &World, ids: &[String]) {
    for n in 0..3 {
        let there = World::find(&world.books, "contacts", "name", &format!("N{n}"));
        world.books.edit("contacts", there["id"].as_str().unwrap(), json!({"phone": "021 1"}));
    }
    for id in &ids[3..] {
        world.shop.edit("contacts", id, json!({"city": "Nelson"}));
    }
}

fn notes(world: &World) -> usize {
    world.shop.all("contacts").iter().filter(|contact| contact["note"] != Value::Null).count()
}

#[tokio::test]
async fn what_earlier_rounds_wrote_counts_and_the_rest_stays_held_until_a_person_decides() {
    let (world, ids) = world("{ touched: 3 }").await;
    edit(&world, &ids);
    let report = world.sync().await;
    let held = report.pipelines[0].held.clone().expect("three and two are more than three");
    assert_eq!((held.guards[0].guard.as_str(), held.guards[0].count, held.guards[0].allowed), ("touched", 5, 3));
    assert_eq!((held.damage.touched, held.earlier.touched), (2, 5), "what is left, and what was written to both sides");
    assert_eq!(report.pipelines[0].tally.updated, [3, 2], "the first round was within the guard");
    assert_eq!(notes(&world), 0);

    // By itself the rest would be within the guard. It is the rest of a run that is over it.
    for _ in 0..2 {
        let plan = world.run(world.request(Mode::Plan)).await;
        assert_eq!(plan.pipelines[0].held, Some(held.clone()));
        world.sync().await;
        assert_eq!(notes(&world), 0);
    }
    let waiting = world.desk(async |desk| desk.held().await.unwrap()).await;
    assert_eq!((waiting.len(), waiting[0].approval), (1, Approval::Waiting));
    world.desk(async |desk| desk.approve(&held.id).await.unwrap()).await;
    world.sync().await;
    assert_eq!(notes(&world), 2);
    assert!(world.desk(async |desk| desk.held().await.unwrap()).await.is_empty());
    world.settled().await;
}

#[tokio::test]
async fn rounds_that_are_within_the_guard_together_go_through_and_the_next_run_begins_anew() {
    let (world, ids) = world("{ touched: 5 }").await;
    edit(&world, &ids);
    assert_eq!(world.sync().await.pipelines[0].held, None);
    assert_eq!(notes(&world), 2);
    world.settled().await;
    edit_again(&world, &ids);
    assert_eq!(world.sync().await.pipelines[0].held, None, "an earlier run is no earlier round");
    world.settled().await;
}

fn edit_again(world: &World, ids: &[String]) {
    for id in &ids[..2] {
        world.shop.edit("contacts", id, json!({"city": "Picton"}));
    }
}

#[tokio::test]
async fn a_held_rest_that_is_no_more_is_let_go() {
    let (world, ids) = world("{ touched: 3 }").await;
    edit(&world, &ids);
    assert!(world.sync().await.pipelines[0].held.is_some());
    // A person does by hand what was held.
    for id in &ids[3..] {
        world.shop.edit("contacts", id, json!({"note": "checked"}));
    }
    world.sync().await;
    assert!(world.desk(async |desk| desk.held().await.unwrap()).await.is_empty());
    world.shop.edit("contacts", &ids[0], json!({"city": "Picton"}));
    assert_eq!(world.sync().await.pipelines[0].held, None, "what was written before counts no more");
    world.settled().await;
}
