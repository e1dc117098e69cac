//! One record per element of a record, and one per date.

use std::time::Duration;

use reconciled::{
    engine::{Mode, RunRequest},
    record::{RecordId, Side},
};
use serde_json::{Value, json};

use crate::support::World;

const PEOPLE: &str = r#"
pipelines:
  people:
    source: { resource: shop/contacts, each: "$.people[*]", id: [$.parent.id, $.item.no] }
    target: books/contacts
    direction: source-to-target
    match: [ { source: $.item.email, target: $.email } ]
    first_run: { apply: automatic }
    fields:
      - { source: $.item.name, target: $.name }
      - { source: $.item.email, target: $.email }
      - { source: $.parent.city, target: $.city }
"#;

/// A company with these people: number and name.
fn company(world: &World, name: &str, people: &[(&str, &str)]) -> String {
    world.shop.insert("contacts", json!({"name": name, "city": "Nelson", "people": list(people)}))
}

fn list(people: &[(&str, &str)]) -> Vec<Value> {
    let email = |name: &str| format!("{}@x.example", name.to_lowercase());
    people.iter().map(|(no, name)| json!({"no": no, "name": name, "email": email(name)})).collect()
}

fn there(world: &World) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found: Vec<String> =
        world.books.all("contacts").iter().map(|c| format!("{} in {}", text(&c["name"]), text(&c["city"]))).collect();
    found.sort();
    found
}

async fn gone(world: &World) -> Vec<String> {
    let links = world.desk(async |desk| desk.links(&world.pipeline("people")).await.unwrap()).await;
    links.iter().filter(|link| link.mark(Side::Source).gone).map(|link| link.source.to_string()).collect()
}

#[tokio::test]
async fn every_element_is_a_record_and_an_edit_of_the_parent_touches_all_of_its_own() {
    let world = World::new(PEOPLE);
    let acme = company(&world, "Acme", &[("1", "Ann"), ("2/a", "Bob")]);
    company(&world, "Bits", &[("1", "Cid")]);
    company(&world, "Nobody", &[]);
    let report = world.sync().await;
    assert_eq!(report.pipelines[0].tally.read, 3, "elements are the records");
    assert_eq!(there(&world), ["Ann in Nelson", "Bob in Nelson", "Cid in Nelson"]);
    world.settled().await;
    let links = world.desk(async |desk| desk.links(&world.pipeline("people")).await.unwrap()).await;
    let mut ids: Vec<&str> = links.iter().map(|link| link.source.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["s1/1", "s1/2%2Fa", "s2/1"]);
    assert!(links.iter().any(|link| link.label == "Acme: 2/a"), "{links:?}");

    world.shop.edit("contacts", &acme, json!({"city": "Picton"}));
    let report = world.sync().await;
    assert_eq!(report.pipelines[0].tally.updated, [0, 2]);
    assert_eq!(there(&world), ["Ann in Picton", "Bob in Picton", "Cid in Nelson"]);
    world.shop.edit("contacts", &acme, json!({"people": list(&[("2/a", "Bob"), ("9", "Dan"), ("1", "Anna")])}));
    let report = world.sync().await;
    assert_eq!((report.pipelines[0].tally.created, report.pipelines[0].tally.updated), ([0, 1], [0, 1]));
    assert_eq!(there(&world), ["Anna in Picton", "Bob in Picton", "Cid in Nelson", "Dan in Picton"], "not by position");
    world.settled().await;
}

#[tokio::test]
async fn an_element_that_its_parent_has_no_more_is_gone_and_nothing_is_deleted_for_it() {
    let world = World::new(PEOPLE);
    let acme = company(&world, "Acme", &[("1", "Ann"), ("2", "Bob")]);
    company(&world, "Bits", &[("1", "Cid")]);
    world.settled().await;
    world.shop.edit("contacts", &acme, json!({"people": list(&[("1", "Ann")])}));
    world.sync().await;
    assert_eq!(gone(&world).await, ["s1/2"]);
    assert_eq!(there(&world).len(), 3, "nothing is deleted");
    world.settled().await;

    // It is there again: the same record as before.
    world.shop.edit("contacts", &acme, json!({"city": "Picton", "people": list(&[("1", "Ann"), ("2", "Bob")])}));
    world.sync().await;
    assert!(gone(&world).await.is_empty());
    assert_eq!(there(&world), ["Ann in Picton", "Bob in Picton", "Cid in Nelson"]);
    world.settled().await;

    // A parent that is gone has no elements, and is asked for once, not once for each of them.
    world.shop.delete("contacts", &acme);
    let reads = world.run(RunRequest { full: true, ..world.request(Mode::Sync) }).await;
    let shop = reads.requests.iter().find(|(name, _)| name.as_str() == "shop").unwrap().1.reads;
    assert_eq!(shop, 2, "the listing, and a second look at the parent");
    let mut found = gone(&world).await;
    found.sort();
    assert_eq!(found, ["s1/1", "s1/2"]);
    assert_eq!(there(&world).len(), 3);
    world.settled().await;
}

#[tokio::test]
async fn an_element_that_was_never_linked_is_forgotten_with_its_parent_or_before() {
    let world =
        World::new(&format!("{PEOPLE}    filters: {{ source: [ {{ path: $.item.active, equals: true }} ] }}\n"));
    let acme = company(&world, "Acme", &[("1", "Ann"), ("2", "Bob")]);
    world.settled().await;
    assert!(there(&world).is_empty(), "nobody is active");
    let ledger = world.engine().ledger;
    let known = async || ledger.fresh_under(&world.pipeline("people"), Side::Source, "s1/").await.unwrap().len();
    assert_eq!(known().await, 2);
    world.shop.edit("contacts", &acme, json!({"people": list(&[("2", "Bob")])}));
    world.sync().await;
    assert_eq!(known().await, 1);
    world.shop.delete("contacts", &acme);
    world.sync_full().await;
    assert_eq!(known().await, 0);
    world.settled().await;
}

#[tokio::test]
async fn elements_without_an_id_or_with_a_siblings_are_parked_by_name_and_the_others_go_on() {
    let world = World::new(PEOPLE);
    let acme = company(&world, "Acme", &[("1", "Ann"), ("", "Bob"), ("3", "Cid"), ("3", "Dan")]);
    let report = world.sync().await;
    assert_eq!(report.exit_code(), 4);
    assert_eq!(there(&world), ["Ann in Nelson"]);
    let parked = async || {
        let items = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
        items
            .iter()
            .map(|item| format!("{} {}: {}", item.id, item.parked.label, item.parked.message))
            .collect::<Vec<_>>()
    };
    let both = ["s1 Acme: element 2 has no id at $.item.no", "s1 Acme: elements 3 and 4 have the same id, 3"];
    assert_eq!(parked().await, both);
    world.settled().await;
    assert_eq!(parked().await, both, "they stay listed, once");
    // By hand they are looked at again, which reads the parent.
    world.desk(async |desk| desk.retry(&world.pipeline("people"), Some(&RecordId::from(&*acme))).await.unwrap()).await;
    world.sync().await;
    assert_eq!(parked().await, both);

    world.shop.edit(
        "contacts",
        &acme,
        json!({"people": list(&[("1", "Ann"), ("2", "Bob"), ("3", "Cid"), ("4", "Dan")])}),
    );
    world.sync().await;
    assert!(parked().await.is_empty());
    assert_eq!(there(&world).len(), 4);

    // Two that are linked come to share an id: nobody knows which is which, so neither is taken for gone.
    world.shop.edit(
        "contacts",
        &acme,
        json!({"people": list(&[("1", "Ann"), ("2", "Bob"), ("3", "Cid"), ("3", "Dan")])}),
    );
    world.sync().await;
    assert_eq!(gone(&world).await, ["s1/4"], "only the number that nobody has");
    assert_eq!(there(&world).len(), 4);
    world.settled().await;
}

#[tokio::test]
async fn an_element_is_read_by_reading_its_parent() {
    let world = World::new(&PEOPLE.replace("automatic", "approve"));
    let acme = company(&world, "Acme", &[("1", "Ann"), ("2", "Bob")]);
    let other = world.books.insert("contacts", json!({"name": "Robert", "email": "robert@x.example"}));
    world.sync().await;
    let people = world.pipeline("people");
    let link = async |id: &str| {
        let (source, target) = (RecordId::from(id), RecordId::from(&*other));
        world.desk(async |desk| desk.add_link(&people, &source, &target).await).await
    };
    assert!(link(&format!("{acme}/3")).await.unwrap_err().to_string().contains("has no element s1/3"));
    assert_eq!(link(&format!("{acme}/2")).await.unwrap().source.as_str(), "s1/2");
    world.desk(async |desk| desk.approve("people").await.unwrap()).await;
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 2, "Bob is Robert, Ann is new");
}

const INVOICES: &str = r#"
pipelines:
  invoices:
    source: { resource: shop/sales, each: { dates: { first: $.start, every: 1 month, count: $.months } } }
    target: books/sales
    direction: source-to-target
    match: [ { all: [ { source: $.item.date, target: $.date }, { source: $.parent.total, target: $.total } ] } ]
    first_run: { apply: automatic }
    filters: { source: [ { path: $.item.date, on_or_before: today } ] }
    fields:
      - { source: [$.parent.number, $.item.index], target: $.number, join: "-" }
      - { source: $.item.date, target: $.date }
      - { source: $.parent.total, target: $.total }
"#;

#[tokio::test]
async fn a_date_becomes_a_record_because_time_passed() {
    let world = World::new(INVOICES);
    let sale = world.shop.insert("sales", json!({"number": "S", "start": "2026-05-31", "months": 3, "total": 10}));
    let not_begun = world.shop.insert("sales", json!({"number": "N", "months": 3, "total": 10}));
    let made = || {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = world.books.all("sales");
        let mut all: Vec<String> = all.iter().map(|i| format!("{} {}", text(&i["number"]), text(&i["date"]))).collect();
        all.sort();
        all
    };
    // It is the first of June.
    world.settled().await;
    assert_eq!(made(), ["S-1 2026-05-31"]);
    let days = async |days: u64| {
        world.clock.advance(Duration::from_hours(24 * days));
        world.settled().await;
    };
    days(28).await;
    assert_eq!(made().len(), 1, "the second is of 30 June");
    let before = world.shop.written().len();
    days(1).await;
    assert_eq!(made(), ["S-1 2026-05-31", "S-2 2026-06-30"], "nothing changed anywhere but the day");
    assert_eq!(world.shop.written().len(), before, "one way");

    // One date less and another price: all that are left are touched, the one that went is gone.
    world.shop.edit("sales", &sale, json!({"months": 1, "total": 12}));
    world.sync().await;
    let totals = |world: &World| world.books.all("sales").iter().map(|i| i["total"].to_string()).collect::<Vec<_>>();
    assert_eq!(totals(&world), ["12", "10"]);
    days(60).await;
    assert_eq!(made().len(), 2, "the third never comes");

    world.shop.edit("sales", &not_begun, json!({"start": "soon"}));
    let report = world.sync().await;
    assert_eq!(report.pipelines[0].findings[0].message, "$.start holds no date: \"soon\"");
    world.shop.edit("sales", &not_begun, json!({"start": "2026-06-15"}));
    world.sync().await;
    assert_eq!(made().len(), 5);
    world.settled().await;
}

/// The elements of a parent that was merged into another went with it; that deletes nothing of what they were made into.
#[tokio::test]
async fn the_elements_of_a_parent_that_was_merged_are_gone_and_nothing_is_deleted_for_them() {
    let world = World::new(&format!("{PEOPLE}    deletes: propagate\n    guards: {{ deletes: unlimited }}\n"));
    let acme = company(&world, "Acme", &[("1", "Ann"), ("2", "Bob")]);
    let bits = company(&world, "Bits", &[("1", "Cid")]);
    world.settled().await;
    world.shop.edit("contacts", &acme, json!({"merged_into": bits}));
    world.sync_full().await;
    let mut found = gone(&world).await;
    found.sort();
    assert_eq!(found, ["s1/1", "s1/2"]);
    assert_eq!(there(&world), ["Ann in Nelson", "Bob in Nelson", "Cid in Nelson"]);
    world.settled().await;
    // The survivor took them over: they are its elements, under ids of their own, and find their counterparts again.
    world.shop.edit("contacts", &bits, json!({"people": list(&[("1", "Cid"), ("2", "Ann"), ("3", "Bob")])}));
    world.sync().await;
    assert_eq!(there(&world), ["Ann in Nelson", "Bob in Nelson", "Cid in Nelson"]);
    world.settled().await;
}
