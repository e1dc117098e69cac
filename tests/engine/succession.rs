//! A record that was made anew takes the place of the gone one it matches, and overwrites nothing.

use reconciled::{record::Side, sync::ParkCode};
use serde_json::{Value, json};

use crate::{fields::CONTACTS, support::World};

async fn links(world: &World) -> Vec<(String, String)> {
    let links = world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await;
    links.iter().map(|link| (link.id(Side::Source).to_string(), link.id(Side::Target).to_string())).collect()
}

fn jane(world: &World) -> Value {
    World::find(&world.books, "contacts", "email", "jane@x.example")
}

async fn linked() -> (World, String) {
    let world = World::new(CONTACTS);
    let old = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "1"}));
    world.settled().await;
    (world, old)
}

#[tokio::test]
async fn a_contact_made_anew_keeps_its_counterpart() {
    let (world, old) = linked().await;
    let there = jane(&world)["id"].as_str().unwrap().to_owned();
    world.shop.delete("contacts", &old);
    world.sync_full().await;
    let new = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "1"}));
    world.sync().await;
    assert_eq!(links(&world).await, [(new.clone(), there.clone())]);
    assert_eq!(world.books.count("contacts"), 1);
    world.settled().await;
    // What is typed from now on is an edit, in either direction.
    world.shop.edit("contacts", &new, json!({"phone": "2"}));
    world.settled().await;
    assert_eq!(jane(&world)["phone"], "2");
    world.books.edit("contacts", &there, json!({"phone": "3"}));
    world.settled().await;
    assert_eq!(world.shop.get_body("contacts", &new)["phone"], "3");
}

/// Two people share an address, and the one that is linked goes: the other one may be somebody else.
#[tokio::test]
async fn somebody_else_with_the_same_key_overwrites_nothing() {
    let (world, old) = linked().await;
    let there = jane(&world)["id"].as_str().unwrap().to_owned();
    let other = world.shop.insert("contacts", json!({"name": "John", "email": "jane@x.example", "phone": "7"}));
    world.sync().await;
    world.books.edit("contacts", &there, json!({"phone": "9"}));
    world.sync().await;
    world.shop.delete("contacts", &old);
    world.sync_full().await;
    assert_eq!(links(&world).await, [(old, there.clone())], "he is listed as before");
    world.shop.edit("contacts", &other, json!({"city": "Picton"}));
    world.sync().await;
    assert_eq!(links(&world).await, [(other.clone(), there.clone())]);
    assert_eq!((jane(&world)["name"].clone(), jane(&world)["phone"].clone()), (json!("Jane"), json!("9")));
    assert_eq!(world.shop.get_body("contacts", &other)["phone"], "7");
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert!(!parked.is_empty() && parked.iter().all(|parked| parked.parked.code != ParkCode::Taken), "{parked:#?}");
    assert_eq!(world.books.count("contacts"), 1);
    world.settled().await;
}
