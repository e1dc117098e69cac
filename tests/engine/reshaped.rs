//! Values that a remote makes another value of: both are listed, and whoever types next is heard.

use reconciled::sync::ParkCode;
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

/// Both names are there as they were typed, or as the remote made them, and a person decides.
async fn both_are_listed(world: &World, names: [(&str, &str); 2]) {
    world.settled().await;
    for (system, (id, name)) in [&world.shop, &world.books].into_iter().zip(names) {
        assert_eq!(system.get_body("contacts", id)["name"], name);
    }
    let listed = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    let codes: Vec<_> = listed.iter().map(|item| item.parked.code).collect();
    assert!(matches!(codes.as_slice(), [ParkCode::Difference | ParkCode::Conflict]), "{listed:#?}");
}

#[tokio::test]
async fn who_types_the_old_value_over_a_reshaped_one_is_not_overwritten() {
    let (world, shop, books) = reshaped().await;
    world.books.edit("contacts", &books, json!({"name": "Jane Doe"}));
    both_are_listed(&world, [(&shop, "Jane Smith"), (&books, "Jane Doe")]).await;
    // What is typed next on either side is an edit as ever.
    world.shop.edit("contacts", &shop, json!({"name": "Jane Doe"}));
    world.settled().await;
    world.shop.edit("contacts", &shop, json!({"name": "Jane Miller"}));
    world.settled().await;
    assert_eq!(world.books.get_body("contacts", &books)["name"], "Jane Miller");
}

#[tokio::test]
async fn who_takes_an_edit_back_that_was_reshaped_is_not_overwritten() {
    let (world, shop, books) = reshaped().await;
    world.shop.edit("contacts", &shop, json!({"name": "Jane Doe"}));
    both_are_listed(&world, [(&shop, "Jane Doe"), (&books, "JANE SMITH")]).await;
}

#[tokio::test]
async fn the_old_value_there_and_a_new_one_here_are_for_a_person() {
    let (world, shop, books) = reshaped().await;
    world.shop.edit("contacts", &shop, json!({"name": "Jane Miller"}));
    world.books.edit("contacts", &books, json!({"name": "Jane Doe"}));
    both_are_listed(&world, [(&shop, "Jane Miller"), (&books, "Jane Doe")]).await;
}
