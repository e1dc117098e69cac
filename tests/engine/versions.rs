//! A connection that names no version of its connector stays on the one first used.

use reconciled::connector::Connector;
use serde_json::json;

use crate::{
    fields::CONTACTS,
    support::{CONNECTORS, World},
};

/// The same pipelines under a program whose `books` is of version 2, named by the connection or not.
fn updated(named: bool) -> String {
    let connectors = CONNECTORS.replacen("  books:\n    version: 1", "  books:\n    version: 2", 1);
    let connectors = match named {
        true => connectors.replace("connector: books,", "connector: books@2,"),
        false => connectors,
    };
    format!("{CONTACTS}{connectors}")
}

async fn linked() -> (World, String) {
    let world = World::new(CONTACTS);
    let id = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.settled().await;
    world.shop.edit("contacts", &id, json!({"phone": "021 1"}));
    (world, id)
}

fn phone(world: &World) -> serde_json::Value {
    World::find(&world.books, "contacts", "name", "Jane")["phone"].clone()
}

#[tokio::test]
async fn another_version_waits_until_a_person_agrees_to_it() {
    let (mut world, _) = linked().await;
    world.reconfigure(&updated(false));
    for _ in 0..2 {
        let reads = world.books.requests().reads;
        let held = world.sync().await.pipelines[0].held.clone().expect("another version");
        assert_eq!(held.guards[0].guard, "account");
        let said = held.message.unwrap();
        assert!(said.contains("through books@1, and this program has books@2"), "{said}");
        assert!(said.contains(&format!("`reconciled approve {}`", held.id)) && said.contains("books@2"), "{said}");
        assert_eq!((phone(&world), world.books.requests().reads), (json!(null), reads), "nothing read or written");
    }
    let held = world.desk(async |desk| desk.held().await.unwrap()).await;
    world.desk(async |desk| desk.approve(&held[0].id).await.unwrap()).await;
    world.sync().await;
    assert_eq!(phone(&world), "021 1");
    assert!(world.desk(async |desk| desk.held().await.unwrap()).await.is_empty());
    world.settled().await;
}

#[tokio::test]
async fn a_version_that_the_connection_names_is_agreed_to() {
    let (mut world, _) = linked().await;
    world.reconfigure(&updated(true));
    assert_eq!(world.sync().await.pipelines[0].held, None);
    assert_eq!(phone(&world), "021 1");
    world.settled().await;
    // The version named is the one it stays on.
    world.reconfigure(&updated(false));
    assert_eq!(world.sync().await.pipelines[0].held, None);
    world.reconfigure(CONTACTS);
    let held = world.sync().await.pipelines[0].held.clone().expect("the older one is another one, too");
    assert!(held.message.unwrap().contains("through books@2, and this program has books@1"));
}
