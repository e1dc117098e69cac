//! Loops come to rest: systems that reshape what they are given, each in its own way and after they have answered.

use std::sync::Arc;

use reconciled::{
    record::{RecordId, Side},
    sync::ParkCode,
};
use serde_json::{Value, json};

use crate::{
    fields::{CONTACTS, jane},
    support::{World, fake::Fake, fake::Moment},
};

/// After each write, this system changes a value of all its records its own way.
fn reshape_later(system: &Arc<Fake>, resource: &'static str, member: &'static str, how: fn(&str) -> String) {
    let there = system.clone();
    system.hook(Some(Box::new(move |moment| {
        if moment == Moment::AfterWrite {
            for record in there.all(resource) {
                let (Some(id), Some(value)) = (record["id"].as_str(), record[member].as_str()) else { continue };
                if how(value) != value {
                    there.edit(resource, id, json!({ member: how(value) }));
                }
            }
        }
        None
    })));
}

fn writes(world: &World) -> usize {
    world.shop.written().len() + world.books.written().len()
}

/// Syncs for a while. Gives the number of writes in all, and in the last five runs.
async fn run_on(world: &World, runs: usize) -> (usize, usize) {
    let before = writes(world);
    for _ in 0..runs - 5 {
        world.sync().await;
    }
    let then = writes(world);
    for _ in 0..5 {
        world.sync().await;
    }
    (writes(world) - before, writes(world) - then)
}

async fn parked_in_circles(world: &World) -> Vec<(Value, Value)> {
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    let circles: Vec<_> = parked.iter().filter(|item| item.parked.code == ParkCode::FlipFlop).collect();
    assert!(!circles.is_empty(), "{parked:#?}");
    assert!(circles.iter().all(|item| item.parked.message.contains("to and fro")), "{parked:#?}");
    let conflicts = world.desk(async |desk| desk.conflicts(None).await.unwrap()).await;
    conflicts
        .into_iter()
        .map(|item| {
            (
                item.source_value.value().cloned().unwrap_or_default(),
                item.target_value.value().cloned().unwrap_or_default(),
            )
        })
        .collect()
}

#[tokio::test]
async fn two_systems_that_reshape_each_others_values_come_to_rest_with_both_values_listed() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    reshape_later(&world.shop, "contacts", "name", |name| name.trim_end().to_owned());
    reshape_later(&world.books, "contacts", "name", |name| format!("{} ", name.trim_end().to_uppercase()));
    world.shop.edit("contacts", &shop, json!({"name": "Jane Smith", "phone": "021 2"}));
    let (all, last) = run_on(&world, 20).await;
    assert!(all <= 10, "{all} writes");
    assert_eq!(last, 0, "it has come to rest");
    let values = parked_in_circles(&world).await;
    assert!(matches!(values.as_slice(), [(source, target)] if source != target), "both values are listed: {values:?}");
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 2", "the other fields went across");

    // The field is put aside, the record is not.
    world.shop.edit("contacts", &shop, json!({"phone": "021 3"}));
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 3");

    // The cause is mended, and somebody types a new name: that is an ordinary conflict, for a person to settle.
    world.shop.hook(None);
    world.books.hook(None);
    world.shop.edit("contacts", &shop, json!({"name": "Jane Miller"}));
    world.sync().await;
    let (name, id) = (world.pipeline("contacts"), RecordId::from(shop.as_str()));
    world.desk(async |desk| desk.resolve(&name, &id, None, Side::Source).await.unwrap()).await;
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books)["name"], "Jane Miller");
    world.settled().await;
}

#[tokio::test]
async fn a_person_who_changes_their_mind_twice_is_no_loop() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    for phone in ["021 2", "021 1", "021 2"] {
        world.shop.edit("contacts", &shop, json!({"phone": phone}));
        world.sync().await;
        assert_eq!(world.books.get_body("contacts", &books)["phone"], phone);
    }
    // In the next hour they may again.
    world.clock.advance(std::time::Duration::from_secs(3600));
    for phone in ["021 1", "021 2", "021 1"] {
        world.shop.edit("contacts", &shop, json!({"phone": phone}));
        world.sync().await;
        assert_eq!(world.books.get_body("contacts", &books)["phone"], phone);
    }
    world.settled().await;
}

const RING: &str = r#"
integrations:
  ring:
    first_run: { apply: automatic }
    pipelines:
      one:
        source: shop/contacts
        target: books/contacts
        direction: two-way
        match: [ { source: $.email, target: $.email } ]
        fields:
          - { source: $.email, target: $.email, shared: true }
          - { source: $.name, target: $.name, shared: true }
      two:
        source: books/contacts
        target: books/sales
        direction: two-way
        match: [ { source: $.email, target: $.contact_id } ]
        fields:
          - { source: $.email, target: $.contact_id, shared: true }
          - { source: $.name, target: $.number, shared: true }
      three:
        source: books/sales
        target: shop/contacts
        direction: two-way
        match: [ { source: $.contact_id, target: $.email } ]
        fields:
          - { source: $.contact_id, target: $.email, shared: true }
          - { source: $.number, target: $.name, shared: true }
"#;

#[tokio::test]
async fn a_ring_of_three_pipelines_with_reformatting_systems_comes_to_rest() {
    let world = World::new(RING);
    let id = world.shop.insert("contacts", json!({"name": "jane", "email": "jane@x.example"}));
    for _ in 0..3 {
        world.sync().await;
    }
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts"), world.books.count("sales")), (1, 1, 1));
    reshape_later(&world.shop, "contacts", "name", |name| name.to_uppercase());
    reshape_later(&world.books, "sales", "number", |name| name.to_lowercase());
    world.shop.edit("contacts", &id, json!({"name": "Jane Doe"}));
    let (all, last) = run_on(&world, 30).await;
    assert!(all <= 40, "{all} writes");
    assert_eq!(last, 0, "it has come to rest");
    parked_in_circles(&world).await;
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts"), world.books.count("sales")), (1, 1, 1));
}
