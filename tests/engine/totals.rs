//! Figures that each system works out by itself: told as long as they differ, whatever is read in between.

use reconciled::sync::ParkCode;
use serde_json::json;

use crate::{
    fields::{CONTACTS, jane},
    support::World,
};

const CHECKED: &str = "    expect: [ { source: $.sum, target: $.sum, within: 0.01 } ]\n";

async fn listed(world: &World) -> Vec<(ParkCode, String)> {
    let listed = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    listed.into_iter().map(|item| (item.parked.code, item.parked.message)).collect()
}

/// A pair of which the shop says 120, and the books what they make of it.
async fn reckoned(sum: &'static str) -> (World, String, String) {
    let world = World::new(&format!("{CONTACTS}{CHECKED}"));
    let id = world.shop.insert("contacts", json!({"name": "Jane Doe", "email": "jane@x.example", "sum": "120.00"}));
    world.books.on_write(move |old, values| {
        let mut new = old.clone();
        for (name, value) in values.as_object().unwrap() {
            new[name] = value.clone();
        }
        new["sum"] = json!(sum);
        new
    });
    world.sync().await;
    let other = World::find(&world.books, "contacts", "email", "jane@x.example")["id"].as_str().unwrap().to_owned();
    (world, id, other)
}

#[tokio::test]
async fn a_total_that_differs_stays_listed_until_it_is_the_same() {
    let (world, shop, books) = reckoned("119.50").await;
    let wrong = |here: &str, there: &str| {
        let message = format!("sum = sum: {here} on the source, {there} on the target");
        vec![(ParkCode::Expectation, message)]
    };
    assert_eq!(listed(&world).await, wrong("120.00", "119.50"));
    // Rounds in which nothing is read, or all of it again, take nothing off the list.
    world.settled().await;
    world.sync_full().await;
    assert_eq!(listed(&world).await, wrong("120.00", "119.50"));
    // It changes by itself on one side, and is told as it is now.
    world.shop.edit("contacts", &shop, json!({"sum": "121.00"}));
    world.settled().await;
    assert_eq!(listed(&world).await, wrong("121.00", "119.50"));
    // A bookkeeper puts it right where it was wrong.
    world.books.edit("contacts", &books, json!({"sum": "121.00"}));
    world.settled().await;
    assert_eq!(listed(&world).await, []);
}

#[tokio::test]
async fn a_total_that_goes_wrong_without_any_write_of_ours_is_listed() {
    let (world, _, books) = reckoned("120.00").await;
    world.settled().await;
    assert_eq!(listed(&world).await, []);
    world.books.edit("contacts", &books, json!({"sum": "140.00"}));
    let report = world.sync().await;
    assert_eq!(report.exit_code(), 4);
    assert_eq!(listed(&world).await[0].0, ParkCode::Expectation);
    world.settled().await;
    assert_eq!(listed(&world).await[0].0, ParkCode::Expectation);
}

#[tokio::test]
async fn a_total_is_compared_from_the_first_meeting_on_and_after_an_edit_of_the_configuration() {
    let mut world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.shop.edit("contacts", &shop, json!({"sum": 5}));
    world.books.edit("contacts", &books, json!({"sum": 6}));
    world.settled().await;
    assert_eq!(listed(&world).await, []);
    world.reconfigure(&format!("{CONTACTS}{CHECKED}"));
    world.sync_full().await;
    assert_eq!(listed(&world).await[0].0, ParkCode::Expectation);
    world.settled().await;
    assert_eq!(listed(&world).await[0].0, ParkCode::Expectation);
    world.reconfigure(CONTACTS);
    world.sync_full().await;
    world.settled().await;
    assert_eq!(listed(&world).await, []);
}
