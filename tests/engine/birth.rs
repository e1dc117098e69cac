//! What a record is born with, and what moves it later.

use reconciled::engine::Whereabouts;
use serde_json::json;

use crate::support::World;

/// A name that the site has in two parts, and the books in one that may be another: a company's.
const NAMES: &str = r#"
pipelines:
  contacts:
    source: shop/contacts
    target: books/contacts
    direction: two-way
    match: [ { source: $.email, target: $.email } ]
    first_run: { apply: automatic }
    fields:
      - { source: [$.first, $.last], target: $.name, join: " ", direction: source-to-target }
      - { source: $.first, target: $.first }
      - { source: $.last, target: $.last }
      - { source: $.email, target: $.email }
      - { source: $.other_id, target: $.id, direction: target-to-source }
"#;

#[tokio::test]
async fn a_company_born_in_the_books_keeps_its_name_until_somebody_edits_the_person() {
    let world = World::new(NAMES);
    world.sync().await;
    let company = json!({"name": "Acme Ltd", "first": "Jane", "last": "Doe", "email": "jane@acme.example"});
    let books = world.books.insert("contacts", company);
    let nameless = world.books.insert("contacts", json!({"name": "Kiwi Ltd", "email": "office@kiwi.example"}));
    let report = world.sync().await;
    assert_eq!(report.exit_code(), 0, "nothing is parked: {report:#?}");
    let made = World::find(&world.shop, "contacts", "email", "jane@acme.example");
    assert_eq!((&made["first"], &made["last"], &made["other_id"]), (&json!("Jane"), &json!("Doe"), &json!(books)));
    world.settled().await;
    assert_eq!(world.books.get_body("contacts", &books)["name"], "Acme Ltd");
    assert_eq!(world.books.get_body("contacts", &nameless)["name"], "Kiwi Ltd");

    let name = world.pipeline("contacts");
    let told = world.desk(async |desk| desk.explain(&name, &books).await.unwrap()).await;
    let Whereabouts::Linked { fields, next, .. } = &told[0].stands else { panic!("{told:?}") };
    assert!(fields[0].note.as_ref().is_some_and(|note| note.contains("until somebody edits the source")), "{fields:?}");
    assert_eq!(*next, Vec::<String>::new());

    world.books.edit("contacts", &books, json!({"name": "Acme Holdings Ltd"}));
    world.settled().await;
    assert_eq!(world.books.get_body("contacts", &books)["name"], "Acme Holdings Ltd", "nobody edited the person");

    world.shop.edit("contacts", made["id"].as_str().unwrap(), json!({"first": "Janet"}));
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books)["name"], "Janet Doe", "the field flows this way");
    world.settled().await;
    let told = world.desk(async |desk| desk.explain(&name, &books).await.unwrap()).await;
    let Whereabouts::Linked { fields, .. } = &told[0].stands else { panic!("{told:?}") };
    assert_eq!(fields[0].note, None, "now they agree");
}
