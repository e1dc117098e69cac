//! Times in which nothing is written.

use std::time::Duration;

use reconciled::{clock::Clock, engine::Mode};
use serde_json::json;

use crate::support::{World, fake::Moment, start};

/// At the start it is 04:00, and a black-out.
const YAML: &str = "integrations:
  acme:
    first_run: { apply: automatic, differences: source-wins }
    blackouts: { from: \"22:00\", to: \"06:00\" }
    pipelines:
      contacts:
        source: shop/contacts
        target: books/contacts
        direction: two-way
        match: [ { source: $.email, target: $.email } ]
        fields:
          - { source: $.email, target: $.email, write: on-create }
          - { source: $.name, target: $.name }
";

fn writes(world: &World) -> usize {
    world.shop.written().len() + world.books.written().len()
}

fn jane(world: &World) -> String {
    world.shop.insert("contacts", json!({ "name": "Jane", "email": "jane@x.example" }))
}

fn advance(clock: &Clock, hours: u64) {
    clock.advance(Duration::from_hours(hours));
}

#[tokio::test]
async fn reads_and_plans_go_on_in_a_black_out_and_writes_come_after_it() {
    let world = World::new(YAML);
    let id = jane(&world);
    for _ in 0..3 {
        let report = world.sync().await;
        assert_eq!(report.blackout, Some(start() + chrono::TimeDelta::hours(2)), "{report:#?}");
        assert_eq!(report.pipelines[0].planned, 1, "it is planned: {report:#?}");
        assert_eq!(writes(&world), 0);
    }
    let plan = world.run(world.request(Mode::Plan)).await;
    assert!(!plan.is_empty_plan(), "a plan says what will be written");
    advance(&world.clock, 2);
    let report = world.sync().await;
    assert_eq!((report.blackout, writes(&world)), (None, 1), "{report:#?}");
    world.settled().await;
    // What is edited in the next one is written after it, once.
    advance(&world.clock, 17);
    world.shop.edit("contacts", &id, json!({ "name": "Jane Doe" }));
    let before = writes(&world);
    world.sync().await;
    world.sync().await;
    assert_eq!(writes(&world), before);
    advance(&world.clock, 8);
    world.sync().await;
    assert_eq!(writes(&world), before + 1);
    assert_eq!(World::find(&world.books, "contacts", "email", "jane@x.example")["name"], "Jane Doe");
    world.settled().await;
}

#[tokio::test]
async fn a_black_out_that_begins_in_the_middle_of_a_run_stops_its_writes() {
    let world = World::new(&YAML.replace("22:00", "08:00").replace("06:00", "09:00"));
    advance(&world.clock, 3);
    for n in 0..25 {
        world.shop.insert("contacts", json!({ "name": format!("N{n}"), "email": format!("n{n}@x.example") }));
    }
    // The first batch takes an hour.
    let clock = world.clock.clone();
    let mut late = false;
    world.books.hook(Some(Box::new(move |moment| {
        if moment == Moment::AfterWrite && !std::mem::replace(&mut late, true) {
            advance(&clock, 1);
        }
        None
    })));
    let report = world.sync().await;
    assert!(report.blackout.is_some(), "{report:#?}");
    assert_eq!(world.books.count("contacts"), 10, "a batch is ten");
    world.books.hook(None);
    advance(&world.clock, 1);
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 25);
    world.settled().await;
}
