//! Records that refer to others.

use serde_json::{Value, json};

use crate::support::World;

const SHOP: &str = r#"
integrations:
  acme:
    first_run: { apply: automatic }
    pipelines:
      contacts:
        source: shop/contacts
        target: books/contacts
        direction: two-way
        match: [ { source: $.email, target: $.email } ]
        filters: { source: [ { referenced_by: sales } ], target: [ { path: $.customer, equals: true } ] }
        fields:
          - { source: $.name, target: $.name }
          - { source: $.email, target: $.email }
          - { source: $.other_id, target: $.id, direction: target-to-source }
      sales:
        source: shop/sales
        target: books/sales
        direction: source-to-target
        match: [ { source: $.number, target: $.number } ]
        fields:
          - { source: $.number, target: $.number, write: on-create }
          - { source: $.contact_id, target: $.contact_id, reference: contacts }
          - { source: $.total, target: $.total }
"#;

#[tokio::test]
async fn a_contact_enters_the_moment_its_first_sale_exists_and_the_sale_names_the_linked_contact() {
    let world = World::new(SHOP);
    let contact = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.shop.insert("contacts", json!({"name": "Bare", "email": "bare@x.example"}));
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 0, "no sale, no contact");
    // Nothing about the contact changes; only the sale is new.
    world.shop.insert("sales", json!({"number": "1", "contact_id": contact, "total": 10}));
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 1);
    let there = World::find(&world.books, "contacts", "name", "Jane");
    let sale = World::find(&world.books, "sales", "number", "1");
    assert_eq!(sale["contact_id"], there["id"]);
    assert_eq!(world.shop.get_body("contacts", &contact)["other_id"], there["id"], "the new id is written back");
    world.settled().await;
}

#[tokio::test]
async fn a_sale_and_its_contact_arrive_together() {
    let world = World::new(SHOP);
    let contact = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.shop.insert("sales", json!({"number": "1", "contact_id": contact, "total": 10}));
    world.sync().await;
    assert_eq!((world.books.count("contacts"), world.books.count("sales")), (1, 1));
    world.settled().await;
}

#[tokio::test]
async fn a_sale_without_its_contact_waits_and_goes_when_the_contact_is_linked() {
    let world = World::new(SHOP);
    world.shop.insert("sales", json!({"number": "1", "contact_id": "s99", "total": 10}));
    let report = world.sync().await;
    assert_eq!(report.pipelines[1].tally.waiting, 1, "{report:#?}");
    assert_eq!(world.books.count("sales"), 0);
    world.settled().await;
    let mut contact = String::new();
    while contact != "s99" {
        contact = world.shop.insert("contacts", json!({"name": "Late"}));
        if contact != "s99" {
            world.shop.delete("contacts", &contact);
        }
    }
    world.sync().await;
    assert_eq!((world.books.count("contacts"), world.books.count("sales")), (1, 1));
    world.settled().await;
}

#[tokio::test]
async fn a_sale_that_changes_is_pushed_and_one_that_is_refused_is_parked_with_the_remotes_words() {
    let world = World::new(SHOP);
    let contact = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let sale = world.shop.insert("sales", json!({"number": "1", "contact_id": contact, "total": 10}));
    let other = world.shop.insert("sales", json!({"number": "2", "contact_id": contact, "total": 5}));
    world.sync().await;
    world.books.refuse(|values| (values["total"] == 11).then(|| "the invoice is paid".to_owned()));
    world.shop.edit("sales", &sale, json!({"total": 11}));
    world.shop.edit("sales", &other, json!({"total": 6}));
    world.sync().await;
    assert_eq!(World::find(&world.books, "sales", "number", "2")["total"], 6, "the rest goes on");
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert_eq!(parked.len(), 1);
    assert!(parked[0].parked.message.contains("the invoice is paid"));
    world.settled().await;
    world.books.refuse_nothing();
    world.shop.edit("sales", &sale, json!({"total": 12}));
    world.sync().await;
    assert_eq!(World::find(&world.books, "sales", "number", "1")["total"], 12);
    assert!(world.desk(async |desk| desk.parked(None).await.unwrap()).await.is_empty());
    world.settled().await;
}

#[tokio::test]
async fn what_was_refused_is_tried_again_later_and_later_although_nothing_changed() {
    let world = World::new(SHOP);
    let contact = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let sale = world.shop.insert("sales", json!({"number": "1", "contact_id": contact, "total": 10}));
    world.sync().await;
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = asked.clone();
    world.books.refuse(move |values| {
        (values["total"] == 11).then(|| {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            "the period is locked".to_owned()
        })
    });
    world.shop.edit("sales", &sale, json!({"total": 11}));
    let tried = async |minutes: u64| {
        world.clock.advance(std::time::Duration::from_secs(minutes * 60));
        world.sync().await;
        asked.load(std::sync::atomic::Ordering::Relaxed)
    };
    assert_eq!(tried(0).await, 1);
    assert_eq!(tried(30).await, 1, "not before its time");
    assert_eq!(tried(31).await, 2, "after an hour");
    assert_eq!(tried(61).await, 2, "then after two");
    assert_eq!(tried(61).await, 3);
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert_eq!((parked.len(), parked[0].parked.attempts), (1, 3));
    world.books.refuse_nothing();
    world.clock.advance(std::time::Duration::from_secs(4 * 3600 + 60));
    world.sync().await;
    assert_eq!(World::find(&world.books, "sales", "number", "1")["total"], 11);
    assert!(world.desk(async |desk| desk.parked(None).await.unwrap()).await.is_empty());
    world.settled().await;
}

#[tokio::test]
async fn whether_nobody_refers_to_a_record_is_unknown_until_the_others_were_read() {
    let yaml = SHOP.replace("source: [ { referenced_by: sales } ]", "source: [ { not: { referenced_by: sales } } ]");
    let world = World::new(&yaml);
    let with = world.shop.insert("contacts", json!({"name": "With", "email": "with@x.example"}));
    world.shop.insert("contacts", json!({"name": "Without", "email": "without@x.example"}));
    world.shop.insert("sales", json!({"number": "1", "contact_id": with, "total": 10}));
    world.shop.unreadable(Some("sales"));
    let report = world.run(world.request(reconciled::engine::Mode::Sync)).await;
    assert_eq!(report.exit_code(), 1);
    assert_eq!(world.books.count("contacts"), 0, "not known is not no");
    world.shop.unreadable(None);
    world.clock.advance(std::time::Duration::from_secs(60));
    let report = world.sync().await;
    assert_eq!(world.books.count("contacts"), 1, "{report:#?}");
    World::find(&world.books, "contacts", "name", "Without");
}

/// The shop, where a sale goes out on its day.
fn on_its_day() -> String {
    let dated = "        filters: { source: [ { path: $.day, on_or_before: today } ] }\n        fields:\n          - { source: $.number";
    SHOP.replace("        fields:\n          - { source: $.number", dated)
}

/// A sale of this day.
fn dated(contact: &str, day: &str) -> serde_json::Value {
    json!({"number": "1", "contact_id": contact, "total": 10, "day": day})
}

#[tokio::test]
async fn who_is_referred_to_enters_on_the_day_on_which_the_sale_may_though_nothing_changed() {
    let world = World::new(&on_its_day());
    let contact = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.shop.insert("sales", dated(&contact, "2026-06-03"));
    world.sync().await;
    world.settled().await;
    assert_eq!((world.books.count("contacts"), world.books.count("sales")), (0, 0), "its day has not come");
    world.clock.advance(std::time::Duration::from_hours(48));
    world.sync().await;
    assert_eq!((world.books.count("contacts"), world.books.count("sales")), (1, 1), "in one run");
    world.settled().await;
}

#[tokio::test]
async fn who_is_awaited_enters_before_the_day_of_the_sale_and_only_if_time_alone_keeps_it_out() {
    let yaml = on_its_day()
        .replace("referenced_by: sales", "awaited_by: sales")
        .replace("on_or_before: today }", "on_or_before: today }, { path: $.status, not_equals: lost }");
    let world = World::new(&yaml);
    let [jane, joe] = ["Jane", "Joe"]
        .map(|name| world.shop.insert("contacts", json!({"name": name, "email": format!("{name}@x.example")})));
    let sale = world.shop.insert("sales", dated(&jane, "2026-06-03"));
    let mut lost = dated(&joe, "2026-06-03");
    lost["status"] = json!("lost");
    world.shop.insert("sales", lost);
    world.sync().await;
    assert_eq!((world.books.count("contacts"), world.books.count("sales")), (1, 0));
    World::find(&world.books, "contacts", "name", "Jane");
    world.settled().await;
    // Whoever is awaited no more stays.
    world.shop.edit("sales", &sale, json!({"status": "lost"}));
    world.sync().await;
    world.clock.advance(std::time::Duration::from_hours(96));
    world.settled().await;
    assert_eq!((world.books.count("contacts"), world.books.count("sales")), (1, 0));
}

#[tokio::test]
async fn a_filter_that_begins_to_ask_who_refers_knows_who_did_before() {
    let asks = "filters: { source: [ { referenced_by: sales } ]";
    let none = SHOP.replace(asks, "filters: { source: [ { path: $.city, equals: Nelson } ]");
    for (now, entered) in [(SHOP.to_owned(), 1), (SHOP.replace("referenced_by", "awaited_by"), 1)] {
        let mut world = World::new(&none);
        let jane = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
        world.shop.insert("contacts", json!({"name": "Bare", "email": "bare@x.example"}));
        // Nobody is there for her sale to point at: it waits.
        world.shop.insert("sales", dated(&jane, "2026-06-01"));
        world.sync().await;
        assert_eq!((world.books.count("contacts"), world.books.count("sales")), (0, 0));
        world.reconfigure(&now);
        world.sync().await;
        assert_eq!((world.books.count("contacts"), world.books.count("sales")), (entered, 1));
        world.settled().await;
    }
}

/// Contacts stand in for items, which the lines of a sale refer to.
const ITEMS: &str = r#"
integrations:
  acme:
    first_run: { apply: automatic }
    pipelines:
      items:
        source: shop/contacts
        target: books/contacts
        direction: source-to-target
        match: [ { source: $.name, target: $.name } ]
        filters: { source: [ { referenced_by: sales } ] }
        fields:
          - { source: $.name, target: $.name }
      sales:
        source: shop/sales
        target: books/sales
        direction: source-to-target
        match: [ { source: $.number, target: $.number } ]
        fields:
          - { source: $.number, target: $.number, write: on-create }
          - each: { source: $.lines, target: $.lines, key: { source: $.no, target: $.no } }
            fields:
              - { source: $.no, target: $.no }
              - { source: $.item_id, target: $.item_id, reference: items }
"#;

fn lines(items: &[&str]) -> Value {
    items.iter().zip(1..).map(|(item, no)| json!({ "no": no, "item_id": item })).collect()
}

#[tokio::test]
async fn an_item_enters_the_moment_a_line_of_a_sale_refers_to_it() {
    let world = World::new(ITEMS);
    let [hat, coat] = ["Hat", "Coat"].map(|name| world.shop.insert("contacts", json!({ "name": name })));
    world.sync().await;
    world.settled().await;
    assert_eq!(world.books.count("contacts"), 0, "no sale, no item");
    let sale = world.shop.insert("sales", json!({ "number": "1", "lines": lines(&[&hat, &hat]) }));
    world.sync().await;
    assert_eq!((world.books.count("contacts"), world.books.count("sales")), (1, 1));
    world.settled().await;
    world.shop.edit("sales", &sale, json!({ "lines": lines(&[&hat, &coat]) }));
    world.sync().await;
    let there = |name| World::find(&world.books, "contacts", "name", name)["id"].clone();
    let booked = World::find(&world.books, "sales", "number", "1");
    assert_eq!(booked["lines"][0]["item_id"], there("Hat"));
    assert_eq!(booked["lines"][1]["item_id"], there("Coat"));
    world.settled().await;
}

#[tokio::test]
async fn an_item_that_no_line_refers_to_any_more_does_not_enter() {
    let world = World::new(ITEMS);
    let hat = world.shop.insert("contacts", json!({ "name": "Hat" }));
    let linked = world.shop.insert("sales", json!({ "number": "1", "lines": lines(&[&hat]) }));
    world.settled().await;
    // Both refer to items that are not there yet, and then no more.
    let new = world.shop.insert("sales", json!({ "number": "2", "lines": lines(&["s4"]) }));
    world.shop.edit("sales", &linked, json!({ "lines": lines(&[&hat, "s5"]) }));
    world.sync().await;
    for sale in [new, linked] {
        world.shop.edit("sales", &sale, json!({ "lines": lines(&[&hat]) }));
    }
    world.settled().await;
    let late = ["Coat", "Cape"].map(|name| world.shop.insert("contacts", json!({ "name": name })));
    assert_eq!(late, ["s4", "s5"]);
    world.settled().await;
    assert_eq!((world.books.count("contacts"), world.books.count("sales")), (1, 2));
}

/// The shop, where a sale names its contact in another way than by its plain id.
fn with_steps(steps: &str) -> String {
    SHOP.replace("reference: contacts", &format!("reference: contacts, {steps}"))
}

const OFF_THE_PATH: &str = r#"transform: { replace: { pattern: "^contact/", with: "" } }"#;

#[tokio::test]
async fn a_contact_is_looked_up_by_the_id_that_the_steps_make() {
    for (steps, written) in [(OFF_THE_PATH, "contact/s1"), ("normalize: [trim, lowercase]", " S1 ")] {
        let world = World::new(&with_steps(steps));
        let contact = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
        assert_eq!(contact, "s1");
        world.shop.insert("sales", json!({"number": "1", "contact_id": written, "total": 10}));
        world.sync().await;
        let sale = World::find(&world.books, "sales", "number", "1");
        assert_eq!(sale["contact_id"], World::find(&world.books, "contacts", "name", "Jane")["id"]);
        world.settled().await;
    }
}

#[tokio::test]
async fn a_step_that_is_added_later_lets_those_in_to_whom_it_leads() {
    let mut world = World::new(SHOP);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.shop.insert("sales", json!({"number": "1", "contact_id": "contact/s1", "total": 10}));
    world.settled().await;
    assert_eq!((world.books.count("contacts"), world.books.count("sales")), (0, 0), "nobody has this id");
    world.reconfigure(&with_steps(OFF_THE_PATH));
    world.sync().await;
    assert_eq!((world.books.count("contacts"), world.books.count("sales")), (1, 1));
    world.settled().await;
}
