//! A field that the remote takes when a record is made, and never again.

use reconciled::sync::{FindingKind, ParkCode};
use serde_json::json;

use crate::{
    fields::{CONTACTS, jane},
    support::{CONNECTORS, World},
};

/// Contacts whose note is taken with a new contact alone.
fn world() -> World {
    let connectors = CONNECTORS.replace("note: { type: text }", "note: { type: text, create_only: true }");
    World::new(&format!("{connectors}{CONTACTS}      - {{ source: $.note, target: $.note }}\n"))
}

#[tokio::test]
async fn it_is_sent_with_a_new_record_and_what_changes_later_is_parked_and_never_sent() {
    let world = world();
    let new = json!({"name": "Tui Ltd", "email": "tui@x.example", "note": "first"});
    let shop = world.shop.insert("contacts", new);
    world.sync().await;
    let there = World::find(&world.books, "contacts", "email", "tui@x.example");
    assert_eq!(there["note"], "first");
    let books = there["id"].as_str().unwrap().to_owned();
    world.settled().await;

    let sent = world.books.written().len();
    world.shop.edit("contacts", &shop, json!({"note": "second"}));
    let report = world.sync().await;
    let listed = &report.pipelines[0].findings;
    assert_eq!(listed.len(), 1, "{listed:#?}");
    assert_eq!(listed[0].kind, FindingKind::Parked(ParkCode::Unchangeable));
    assert_eq!(listed[0].message, "books/contacts takes `$.note` when a record is made, and no change of it");
    assert_eq!(world.books.written().len(), sent, "nothing was sent");
    world.settled().await;

    // Other fields go on, without it.
    world.shop.edit("contacts", &shop, json!({"city": "Picton", "note": "third"}));
    world.sync().await;
    let (_, _, body) = world.books.written().pop().unwrap();
    assert_eq!((&body["city"], body.get("note")), (&json!("Picton"), None), "{body}");
    assert_eq!(world.books.get_body("contacts", &books)["note"], "first");
    world.settled().await;

    // Taken back, it is no longer listed.
    world.shop.edit("contacts", &shop, json!({"note": "first"}));
    let report = world.sync().await;
    assert_eq!(report.pipelines[0].findings.len(), 0, "{report:#?}");
    world.settled().await;
}

#[tokio::test]
async fn a_value_that_comes_later_is_not_filled_in_either() {
    let world = world();
    world
        .books
        .insert("contacts", json!({"name": "Jane Doe", "email": "jane@x.example", "city": "Nelson", "phone": "021 1"}));
    let (shop, _) = jane(&world).await;
    world.settled().await;
    let sent = world.books.written().len();
    world.shop.edit("contacts", &shop, json!({"note": "a note"}));
    let report = world.sync().await;
    assert_eq!(report.pipelines[0].findings[0].kind, FindingKind::Parked(ParkCode::Unchangeable), "{report:#?}");
    assert_eq!(world.books.written().len(), sent);
    world.settled().await;
}
