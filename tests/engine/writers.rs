//! One writer: two pipelines may write the same values of a resource, but no record belongs to both.

use reconciled::{
    record::{RecordId, Side},
    sync::ParkCode,
};
use serde_json::json;

use crate::support::World;

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
        filters: { source: [ { path: $.customer, not_equals: false } ] }
        fields:
          - { source: $.email, target: $.email, write: on-create }
          - { source: $.phone, target: $.phone }
      buyers:
        source: shop/sales
        target: books/contacts
        direction: source-to-target
        needs: contacts
        match: [ { source: $.email, target: $.email } ]
        filters: { source: [ { path: $.total, greater_than: 0 } ] }
        fields:
          - { source: $.email, target: $.email, write: on-create }
          - { source: $.phone, target: $.phone }
"#;

/// Jane is a contact and a buyer, with another phone number in each place.
fn world(yaml: &str) -> World {
    let world = World::new(yaml);
    world.books.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "1"}));
    world.shop.insert("sales", json!({"number": "S-1", "email": "jane@x.example", "phone": "2", "total": 5}));
    world.shop.insert("sales", json!({"number": "S-2", "email": "joe@x.example", "phone": "3", "total": 5}));
    world
}

async fn links(world: &World, pipeline: &str) -> Vec<(String, String)> {
    let links = world.desk(async |desk| desk.links(&world.pipeline(pipeline)).await.unwrap()).await;
    links.iter().map(|link| (link.id(Side::Source).to_string(), link.id(Side::Target).to_string())).collect()
}

#[tokio::test]
async fn a_record_that_another_pipeline_links_is_parked_with_its_name_until_that_link_is_removed() {
    let world = world(TWO);
    world.settled().await;
    let phone = |world: &World| World::find(&world.books, "contacts", "email", "jane@x.example")["phone"].clone();
    assert_eq!(phone(&world), "1", "the contact's, whatever the sale says");
    assert_eq!(world.books.count("contacts"), 2, "Joe belongs to the buyers alone");
    assert_eq!((links(&world, "acme/contacts").await.len(), links(&world, "acme/buyers").await.len()), (1, 1));
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert_eq!((parked.len(), parked[0].parked.code), (1, ParkCode::TwoWriters));
    let there = World::find(&world.books, "contacts", "email", "jane@x.example");
    let id = RecordId::from(there["id"].as_str().unwrap());
    assert_eq!(parked[0].parked.label, "S-1");
    let said = &parked[0].parked.message;
    assert!(said.starts_with("acme/contacts links ") && said.ends_with("writes the same values of it"), "{said}");

    // By hand it is no more possible than by itself.
    let buyers = world.pipeline("acme/buyers");
    let by_hand = async || world.desk(async |desk| desk.add_link(&buyers, &parked[0].id, &id).await).await;
    assert!(by_hand().await.unwrap_err().to_string().contains("acme/contacts links"));

    let contacts = world.pipeline("acme/contacts");
    world.desk(async |desk| desk.remove_link(&contacts, &id).await.unwrap()).await;
    by_hand().await.unwrap();
    assert!(links(&world, "acme/contacts").await.is_empty());
    assert_eq!(links(&world, "acme/buyers").await.len(), 2);
}

#[tokio::test]
async fn values_that_are_shared_or_only_written_at_birth_may_be_linked_by_both() {
    for write in ["shared: true", "write: on-create"] {
        let yaml = TWO.replace("target: $.phone }", &format!("target: $.phone, {write} }}"));
        let world = world(&yaml);
        world.sync().await;
        assert_eq!(links(&world, "acme/buyers").await.len(), 2, "{write}");
        assert_eq!(links(&world, "acme/contacts").await.len(), 1, "{write}");
    }
}
