//! One-way pipelines that make nothing: they only link what is there, whoever comes first.

use reconciled::record::Side;
use serde_json::json;

use crate::support::World;

fn yaml(direction: &str, filter: &str) -> String {
    format!(
        r#"
pipelines:
  contacts:
    source: shop/contacts
    target: books/contacts
    direction: {direction}
    creates: none
    match: [ {{ source: $.email, target: $.email, normalize: [trim, lowercase] }} ]
    first_run: {{ apply: automatic }}
    {filter}
    fields:
      - {{ source: $.email, target: $.email }}
      - {{ source: $.phone, target: $.phone }}
"#
    )
}

async fn links(world: &World) -> usize {
    world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await.len()
}

/// Who is to be written comes later than who writes, and nothing about the one who writes changes.
#[tokio::test]
async fn a_record_that_comes_later_is_matched_when_it_comes() {
    for origin in Side::BOTH {
        let direction = if origin == Side::Source { "source-to-target" } else { "target-to-source" };
        let world = World::new(&yaml(direction, ""));
        let [from, to] = match origin {
            Side::Source => [&world.shop, &world.books],
            Side::Target => [&world.books, &world.shop],
        };
        from.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "1"}));
        world.sync().await;
        assert_eq!((links(&world).await, to.count("contacts")), (0, 0), "{direction}: nothing is made");
        let later = to.insert("contacts", json!({"name": "J", "email": "Jane@X.example"}));
        world.settled().await;
        assert_eq!(
            (links(&world).await, to.get_body("contacts", &later)["phone"].clone()),
            (1, json!("1")),
            "{direction}"
        );
    }
}

#[tokio::test]
async fn a_record_that_takes_the_key_later_is_matched_when_it_does() {
    let world = World::new(&yaml("source-to-target", ""));
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "1"}));
    let other = world.books.insert("contacts", json!({"name": "J", "email": "other@x.example"}));
    world.settled().await;
    assert_eq!(links(&world).await, 0);
    world.books.edit("contacts", &other, json!({"email": "jane@x.example"}));
    world.settled().await;
    assert_eq!((links(&world).await, world.books.get_body("contacts", &other)["phone"].clone()), (1, json!("1")));
}

/// One that its filter rejects is nobody's match and stands in nobody's way.
#[tokio::test]
async fn a_rejected_record_of_the_same_key_stands_in_nobodys_way() {
    let filter = "filters: { source: [ { path: $.customer, equals: true } ] }";
    let world = World::new(&yaml("source-to-target", filter));
    world.shop.insert("contacts", json!({"name": "Lead", "email": "jane@x.example", "phone": "2", "customer": false}));
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "1", "customer": true}));
    world.sync().await;
    let later = world.books.insert("contacts", json!({"name": "J", "email": "jane@x.example"}));
    world.settled().await;
    assert_eq!((links(&world).await, world.books.get_body("contacts", &later)["phone"].clone()), (1, json!("1")));
}
