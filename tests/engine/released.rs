//! Links that are dissolved because a record left its filter (`on_leave: release`).

use reconciled::{record::Side, sync::Link};
use serde_json::json;

use crate::{fields::CONTACTS, power::cut, support::World};

fn world() -> World {
    World::new(&format!(
        "{CONTACTS}    filters: {{ source: [ {{ path: $.customer, equals: true }} ] }}\n    on_leave: release\n"
    ))
}

async fn links(world: &World) -> Vec<Link> {
    world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await
}

/// Jane on both sides, linked.
async fn jane(world: &World) -> (String, String) {
    let id = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "customer": true}));
    world.sync().await;
    let other = World::find(&world.books, "contacts", "email", "jane@x.example");
    (id, other["id"].as_str().unwrap().to_owned())
}

/// The one record loses the key and the other one leaves: they do not find each other, and both have a counterpart.
#[tokio::test]
async fn a_power_cut_while_a_link_is_dissolved_leaves_nobody_who_looks_new() {
    for kept in 0.. {
        let mut world = world();
        let (shop, books) = jane(&world).await;
        world.books.edit("contacts", &books, json!({"email": ""}));
        world.shop.edit("contacts", &shop, json!({"customer": false, "phone": "021 1"}));
        if !cut(&mut world, kept).await {
            assert!(kept > 2, "only {kept} groups");
            return;
        }
        world.sync().await;
        assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (1, 1), "{kept} groups kept");
        world.settled().await;
    }
}

#[tokio::test]
async fn a_record_that_is_archived_has_not_left_its_filter() {
    let world = world();
    let (shop, books) = jane(&world).await;
    world.shop.edit("contacts", &shop, json!({"archived": true, "customer": null}));
    world.sync().await;
    let kept = links(&world).await;
    assert!(matches!(kept.as_slice(), [link] if link.mark(Side::Source).gone), "{kept:#?}");
    world.shop.edit("contacts", &shop, json!({"archived": false, "customer": true, "phone": "021 1"}));
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 1", "they are one pair as before");
    world.settled().await;
}

#[tokio::test]
async fn where_both_are_gone_a_newcomer_with_their_key_enters() {
    let world = world();
    let (shop, books) = jane(&world).await;
    world.books.delete("contacts", &books);
    world.sync_full().await;
    world.shop.edit("contacts", &shop, json!({"archived": true, "customer": false}));
    world.sync().await;
    world.shop.insert("contacts", json!({"name": "Jane again", "email": "jane@x.example", "customer": true}));
    world.settled().await;
    assert_eq!(World::find(&world.books, "contacts", "email", "jane@x.example")["name"], "Jane again");
}

/// The old key goes with the link, also where the record took another one in the same reading.
#[tokio::test]
async fn a_key_that_changes_as_the_link_is_dissolved_is_found_no_more() {
    let world = World::new(&format!(
        "{CONTACTS}    filters: {{ target: [ {{ path: $.customer, equals: true }} ] }}\n    on_leave: release\n"
    ));
    let books = world.books.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "customer": true}));
    world.sync().await;
    world.books.edit("contacts", &books, json!({"email": "other@x.example", "customer": false}));
    world.sync().await;
    assert_eq!(links(&world).await.len(), 0);
    world.shop.insert("contacts", json!({"name": "Second", "email": "jane@x.example"}));
    world.sync().await;
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert!(parked.iter().all(|parked| parked.parked.candidates.iter().all(|c| c.id.as_str() != books)), "{parked:#?}");
    world.settled().await;
}
