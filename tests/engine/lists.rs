//! Lists mapped element by element.

use serde_json::{Value, json};

use crate::support::{Fake, World};

const SALES: &str = r#"
pipelines:
  sales:
    source: shop/sales
    target: books/sales
    direction: source-to-target
    match: [ { source: $.number, target: $.number } ]
    first_run: { apply: automatic }
    fields:
      - { source: $.number, target: $.number }
      - each: { source: $.lines, target: $.lines, key: { source: $.no, target: $.id } }
        fields:
          - { source: $.title, target: $.text }
          - { source: $.cents, target: $.price, transform: { divide: 100 } }
"#;

/// The lines of a sale as the shop has them.
fn sold(lines: [(&str, u32); 2]) -> Value {
    let lines = [1, 2].into_iter().zip(lines);
    lines.map(|(no, (title, cents))| json!({ "no": no, "title": title, "cents": cents })).collect()
}

/// The lines of a sale as the books have them.
fn booked(lines: [(&str, u32); 2]) -> Value {
    let lines = ["L0", "L1"].into_iter().zip(lines);
    lines.map(|(id, (text, price))| json!({ "id": id, "text": text, "price": price })).collect()
}

/// The books give every new line an id.
fn give_ids(books: &Fake) {
    books.on_write(|old, sent| {
        let mut new = old.clone();
        new.as_object_mut().unwrap().extend(sent.as_object().unwrap().clone());
        for (at, line) in new["lines"].as_array_mut().into_iter().flatten().enumerate() {
            line.as_object_mut().unwrap().entry("id").or_insert_with(|| format!("L{at}").into());
        }
        new
    });
}

#[tokio::test]
async fn a_line_that_the_accountant_edited_stays_until_the_shop_edits_that_very_value() {
    let world = World::new(SALES);
    give_ids(&world.books);
    let id = world.shop.insert("sales", json!({ "number": "1", "lines": sold([("Hat", 1000), ("Coat", 2000)]) }));
    world.settled().await;
    let there = World::find(&world.books, "sales", "number", "1")["id"].as_str().unwrap().to_owned();
    let lines = || world.books.get_body("sales", &there)["lines"].clone();
    assert_eq!(lines(), booked([("Hat", 10), ("Coat", 20)]));

    world.books.edit("sales", &there, json!({ "lines": booked([("Hat", 10), ("Warm coat", 20)]) }));
    world.settled().await;
    for (sale, invoice) in [
        ([("Hat", 1100), ("Coat", 2000)], [("Hat", 11), ("Warm coat", 20)]),
        ([("Hat", 1100), ("Coat", 2200)], [("Hat", 11), ("Warm coat", 22)]),
        ([("Hat", 1100), ("Cape", 2200)], [("Hat", 11), ("Cape", 22)]),
    ] {
        let writes = world.books.written().len();
        world.shop.edit("sales", &id, json!({ "lines": sold(sale) }));
        world.settled().await;
        assert_eq!(lines(), booked(invoice));
        assert_eq!(world.books.written().len(), writes + 1);
    }
}

/// What a person added is no part of what we wrote, and no difference: an edit of our lines goes on, and leaves it there.
#[tokio::test]
async fn a_line_that_somebody_added_stops_no_edit_of_the_others() {
    let world = World::new(SALES);
    give_ids(&world.books);
    let id = world.shop.insert("sales", json!({ "number": "1", "lines": sold([("Hat", 1000), ("Coat", 2000)]) }));
    world.settled().await;
    let there = World::find(&world.books, "sales", "number", "1")["id"].as_str().unwrap().to_owned();
    let mut lines = booked([("Hat", 10), ("Coat", 20)]);
    lines.as_array_mut().unwrap().push(json!({ "id": "L2", "text": "Freight", "price": 5 }));
    world.books.edit("sales", &there, json!({ "lines": lines }));
    world.settled().await;
    for cents in [1100, 1200] {
        let writes = world.books.written().len();
        world.shop.edit("sales", &id, json!({ "lines": sold([("Hat", cents), ("Coat", 2000)]) }));
        world.settled().await;
        let mut wanted = booked([("Hat", cents / 100), ("Coat", 20)]);
        wanted.as_array_mut().unwrap().push(json!({ "id": "L2", "text": "Freight", "price": 5 }));
        assert_eq!(world.books.get_body("sales", &there)["lines"], wanted);
        assert_eq!(world.books.written().len(), writes + 1);
    }
}

#[tokio::test]
async fn drift_is_put_back_after_an_edit_of_another_line_too() {
    let world = World::new(&format!("{SALES}    drift: put-back\n"));
    give_ids(&world.books);
    let id = world.shop.insert("sales", json!({ "number": "1", "lines": sold([("Hat", 1000), ("Coat", 2000)]) }));
    world.settled().await;
    let there = World::find(&world.books, "sales", "number", "1")["id"].as_str().unwrap().to_owned();
    world.books.edit("sales", &there, json!({ "lines": booked([("Hat", 10), ("Warm coat", 20)]) }));
    world.shop.edit("sales", &id, json!({ "lines": sold([("Hat", 1100), ("Coat", 2000)]) }));
    world.settled().await;
    assert_eq!(world.books.get_body("sales", &there)["lines"], booked([("Hat", 11), ("Coat", 20)]));
}
