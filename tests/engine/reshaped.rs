//! Values that a remote makes another value of: both are listed, and whoever types next is heard.

use serde_json::json;

use crate::{
    fields::{CONTACTS, jane},
    support::World,
};

/// A pair whose name was edited on the shop, and which the books keep in capitals.
async fn reshaped() -> (World, String, String) {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.books.on_write(|old, values| {
        let mut new = old.clone();
        for (name, value) in values.as_object().unwrap() {
            new[name] = json!(value.as_str().unwrap().to_uppercase());
        }
        new
    });
    world.shop.edit("contacts", &shop, json!({"name": "Jane Smith"}));
    world.settled().await;
    assert_eq!(world.books.get_body("contacts", &books)["name"], "JANE SMITH");
    world.books.behave();
    (world, shop, books)
}

#[tokio::test]
async fn who_types_the_old_value_over_a_reshaped_one_is_not_overwritten() {
    let (world, shop, books) = reshaped().await;
    world.books.edit("contacts", &books, json!({"name": "Jane Doe"}));
    world.settled().await;
    assert_eq!(world.books.get_body("contacts", &books)["name"], "Jane Doe");
    assert_eq!(world.shop.get_body("contacts", &shop)["name"], "Jane Doe", "it was the last edit");
}

#[tokio::test]
async fn who_takes_an_edit_back_that_was_reshaped_is_not_overwritten() {
    let (world, shop, books) = reshaped().await;
    world.shop.edit("contacts", &shop, json!({"name": "Jane Doe"}));
    world.settled().await;
    assert_eq!(world.shop.get_body("contacts", &shop)["name"], "Jane Doe");
    assert_eq!(world.books.get_body("contacts", &books)["name"], "Jane Doe", "it was the last edit");
}

#[tokio::test]
async fn the_old_value_there_and_a_new_one_here_are_a_conflict() {
    let (world, shop, books) = reshaped().await;
    world.shop.edit("contacts", &shop, json!({"name": "Jane Miller"}));
    world.books.edit("contacts", &books, json!({"name": "Jane Doe"}));
    world.settled().await;
    assert_eq!(world.shop.get_body("contacts", &shop)["name"], "Jane Miller");
    assert_eq!(world.books.get_body("contacts", &books)["name"], "Jane Doe");
    let listed = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert!(!listed.is_empty(), "a person decides");
}
