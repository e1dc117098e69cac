//! Two pipelines that make records of the same resource: what one makes, the other matches.

use std::time::Duration;

use reconciled::{
    config::IntegrationName,
    engine::{Mode, RunRequest},
};
use serde_json::json;

use crate::support::{Fault, World};

/// People come from the shop's contacts and from its sales; either makes the contact in the books if it is not there.
const TWO: &str = r#"
integrations:
  acme:
    first_run: { apply: automatic }
    pipelines:
      contacts:
        source: shop/contacts
        target: books/contacts
        direction: source-to-target
        match: [ { source: $.email, target: $.email } ]
        fields:
          - { source: $.email, target: $.email, write: on-create }
          - { source: $.phone, target: $.phone, write: on-create }
      buyers:
        needs: contacts
        source: shop/sales
        target: books/contacts
        direction: source-to-target
        match: [ { source: $.email, target: $.email } ]
        fields:
          - { source: $.email, target: $.email, write: on-create }
          - { source: $.number, target: $.note }
"#;

/// Jane is a contact and a buyer; Joe only buys.
fn fill(world: &World) {
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "1"}));
    world.shop.insert("sales", json!({"number": "S-1", "email": "jane@x.example", "total": 5}));
    world.shop.insert("sales", json!({"number": "S-2", "email": "joe@x.example", "total": 5}));
}

async fn links(world: &World, pipeline: &str) -> usize {
    world.desk(async |desk| desk.links(&world.pipeline(pipeline)).await.unwrap()).await.len()
}

fn jane(world: &World) -> serde_json::Value {
    World::find(&world.books, "contacts", "email", "jane@x.example")
}

#[tokio::test]
async fn what_the_first_made_in_this_run_the_second_matches() {
    let world = World::new(TWO);
    fill(&world);
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 2, "one Jane, one Joe");
    assert_eq!((jane(&world)["phone"].clone(), jane(&world)["note"].clone()), (json!("1"), json!("S-1")));
    assert_eq!((links(&world, "acme/contacts").await, links(&world, "acme/buyers").await), (1, 2));
    world.settled().await;
}

/// An answer that says no more than an id tells nobody what was made: it is read before the second one makes anything.
#[tokio::test]
async fn what_the_remote_answered_by_its_id_alone_is_read_before_the_second_makes_anything() {
    let world = World::new(TWO);
    world.books.answer_ids_alone();
    fill(&world);
    let report = world.sync().await;
    assert_eq!(report.pulled_again, 1);
    assert_eq!(world.books.count("contacts"), 2, "one Jane, one Joe");
    world.settled().await;
}

/// The answer to the first one's create is lost: until it is known what became of it, the second makes nothing there.
#[tokio::test]
async fn nothing_is_made_beside_a_create_of_unknown_outcome() {
    for fault in [Fault::LostAfter, Fault::LostBefore, Fault::ShortAnswer, Fault::LostLate(Duration::from_secs(30))] {
        let world = World::with_keys(TWO, None);
        fill(&world);
        world.books.fail_next(fault);
        for _ in 0..2 {
            let _ = world.run(world.request(Mode::Sync)).await;
            assert!(world.books.count("contacts") <= 1, "{fault:?}: the second made nothing");
            world.clock.advance(Duration::from_secs(10));
        }
        for _ in 0..3 {
            world.clock.advance(Duration::from_secs(120));
            world.sync().await;
        }
        assert_eq!(world.books.count("contacts"), 2, "{fault:?}: one Jane, one Joe");
        assert_eq!((links(&world, "acme/contacts").await, links(&world, "acme/buyers").await), (1, 2));
        world.settled().await;
    }
}

/// Two integrations, and the tiers of the first.
fn apart(tiers: &str) -> String {
    format!(
        "
integrations:
  a:
    first_run: {{ apply: automatic }}
    pipelines:
      contacts:
        source: shop/contacts
        target: books/contacts
        direction: source-to-target
        match: [ {tiers} {{ source: $.email, target: $.email }} ]
        fields:
          - {{ source: $.email, target: $.email, write: on-create }}
          - {{ source: $.phone, target: $.phone, write: on-create }}
  b:
    first_run: {{ apply: automatic }}
    pipelines:
      buyers:
        source: shop/sales
        target: books/contacts
        direction: source-to-target
        match: [ {{ source: $.email, target: $.email }} ]
        fields:
          - {{ source: $.email, target: $.email, write: on-create }}
          - {{ source: $.number, target: $.note }}
"
    )
}

/// A neighbour's run reads for a pipeline whose edit no run of its own has seen, and the edit is taken back.
#[tokio::test]
async fn what_a_neighbour_read_under_an_edit_that_was_taken_back_is_found_all_the_same() {
    let mut world = World::new(&apart(""));
    fill(&world);
    let there = world.books.insert("contacts", json!({"name": "Tui", "email": "tui@x.example", "phone": "1"}));
    let b = RunRequest { integration: IntegrationName::parse("b").unwrap(), ..world.request(Mode::Sync) };
    for _ in 0..2 {
        world.sync().await;
        world.run(b.clone()).await;
        world.clock.advance(Duration::from_secs(60));
    }
    world.reconfigure(&apart("{ source: $.phone, target: $.phone },"));
    world.books.edit("contacts", &there, json!({"email": "tui@y.example"}));
    // The second time moves the cursor so far that no listing of changes shows it again.
    for _ in 0..2 {
        world.run(b.clone()).await;
        world.clock.advance(Duration::from_secs(3_600));
    }
    world.reconfigure(&apart(""));
    let before = world.books.count("contacts");
    let new = world.shop.insert("contacts", json!({"name": "Tui", "email": "tui@y.example"}));
    world.sync().await;
    let links = world.desk(async |desk| desk.links(&world.pipeline("a/contacts")).await.unwrap()).await;
    assert!(links.iter().any(|link| link.source.as_str() == new && link.target.as_str() == there), "{links:?}");
    assert_eq!(world.books.count("contacts"), before);
    world.settled().await;
}
