//! What is held before it can do damage: another account, a listing that lacks too much, keys rewritten in bulk.

use std::time::Duration;

use reconciled::{
    engine::Mode,
    store::{Approval, Hold},
};
use serde_json::json;

use crate::{
    fields::{CONTACTS, jane},
    support::{CONNECTORS, World},
};

/// The contacts pipeline, with the books at this address.
fn books_at(address: &str) -> String {
    let shop = CONNECTORS.find("  books:\n    version").unwrap();
    let (before, books) = CONNECTORS.split_at(shop);
    format!("{CONTACTS}{before}{}", books.replacen("http://127.0.0.1:1", address, 1))
}

#[tokio::test]
async fn a_connection_that_stands_for_another_account_is_held_until_a_person_says_that_it_is_the_same() {
    let mut world = World::new(&books_at("http://127.0.0.1:1"));
    let (shop, books) = jane(&world).await;
    world.settled().await;
    let writes = (world.shop.written().len(), world.books.written().len());

    // The other account knows nobody; what is read there must not be laid beside these links.
    let jane_there = world.books.get_body("contacts", &books);
    world.books.delete("contacts", &books);
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.reconfigure(&books_at("http://127.0.0.1:2"));
    for mode in [Mode::Plan, Mode::Sync, Mode::Sync] {
        let report = world.run(world.request(mode)).await;
        let held = report.pipelines[0].held.as_ref().unwrap_or_else(|| panic!("it is held: {report:#?}"));
        let message = held.message.as_deref().unwrap();
        assert!(message.contains("127.0.0.1:1") && message.contains("127.0.0.1:2") && message.contains(&held.id));
        assert_eq!(report.exit_code(), 5);
        assert_eq!(report.pipelines[0].tally.read, 0, "nothing is read for it");
    }
    assert_eq!((world.shop.written().len(), world.books.written().len()), writes);
    let links = world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await;
    assert!(links.iter().all(|link| link.marks.iter().all(|mark| !mark.gone)), "{links:#?}");
    let status = world.desk(async |desk| desk.status().await.unwrap()).await;
    assert_eq!(status[0].pipelines[0].held.as_ref().unwrap().what, Hold::Account);

    // Approving the integration means its first runs, not this.
    let integration = world.config.integrations.keys().next().unwrap().to_string();
    if integration != "contacts" {
        assert!(world.desk(async |desk| desk.approve(&integration).await.is_err()).await);
    }

    // Put back: everything goes on, and the edit made meanwhile is not lost.
    world.books.put_back("contacts", jane_there);
    world.reconfigure(&books_at("http://127.0.0.1:1"));
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 2");
    world.settled().await;

    // The same account under a new address: a person says so.
    world.reconfigure(&books_at("http://127.0.0.1:3"));
    let report = world.run(world.request(Mode::Sync)).await;
    let id = report.pipelines[0].held.as_ref().unwrap().id.clone();
    world.shop.edit("contacts", &shop, json!({"phone": "021 3"}));
    world.desk(async |desk| desk.approve(&id).await.unwrap()).await;
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 3");
    world.settled().await;
    assert!(world.desk(async |desk| desk.held().await.unwrap()).await.is_empty());
}

#[tokio::test]
async fn a_pipeline_without_links_forgets_what_it_saw_of_another_account() {
    let first = CONTACTS.replace("apply: automatic", "apply: approve");
    let at = |address: &str| books_at(address).replace(CONTACTS, &first);
    let mut world = World::new(&at("http://127.0.0.1:1"));
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let wrong = world.books.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let report = world.run(world.request(Mode::Sync)).await;
    assert_eq!(report.pipelines[0].counts.links, 1, "a first run matches and waits: {report:#?}");

    world.books.delete("contacts", &wrong);
    world.books.insert("contacts", json!({"name": "Somebody", "email": "else@x.example"}));
    world.reconfigure(&at("http://127.0.0.1:2"));
    let report = world.run(world.request(Mode::Sync)).await;
    assert_eq!(report.pipelines[0].counts.links, 0, "nobody is linked with a record of the other account");
    assert!(report.pipelines[0].held.is_some(), "and the first run waits again");
    world.desk(async |desk| desk.approve("contacts").await.unwrap()).await;
    world.sync().await;
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (2, 2));
    world.settled().await;
}

#[tokio::test]
async fn a_listing_that_is_suddenly_empty_is_believed_only_when_a_person_says_so() {
    let world = World::new(CONTACTS);
    for n in 0..3 {
        world.shop.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}));
    }
    world.sync().await;
    let kept = world.books.all("contacts");
    let all_there = async || {
        let links = world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await;
        links.iter().all(|link| link.marks.iter().all(|mark| !mark.gone))
    };
    // A right was taken away: the list is empty, and each record is "not found".
    for record in &kept {
        world.books.delete("contacts", record["id"].as_str().unwrap());
    }
    let writes = (world.shop.written().len(), world.books.written().len());
    let report = world.sync_full().await;
    assert!(report.troubles[0].message.contains("lacks 3 of 3 linked records"), "{report:#?}");
    assert!(all_there().await, "nothing is marked as gone");
    for record in &kept {
        world.books.put_back("contacts", record.clone());
    }
    assert_eq!(world.sync_full().await.troubles, []);
    assert!(world.desk(async |desk| desk.held().await.unwrap()).await.is_empty(), "what was held is let go");
    world.settled().await;

    // And once more, true this time.
    for record in &kept {
        world.books.delete("contacts", record["id"].as_str().unwrap());
    }
    world.sync_full().await;
    let held = world.desk(async |desk| desk.held().await.unwrap()).await;
    assert_eq!(held.len(), 1);
    world.desk(async |desk| desk.reject(&held[0].id).await.unwrap()).await;
    world.sync_full().await;
    assert!(all_there().await, "rejected: still not believed");
    let held = world.desk(async |desk| desk.held().await.unwrap()).await;
    assert_eq!(held[0].approval, Approval::Rejected);
    world.desk(async |desk| desk.approve(&held[0].id).await.unwrap()).await;
    world.sync().await;
    assert!(!all_there().await);
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (3, 0), "and nothing is deleted or made");
    assert_eq!((world.shop.written().len(), world.books.written().len()), writes);
    world.settled().await;
}

#[tokio::test]
async fn an_empty_listing_does_not_make_seen_records_forgotten() {
    let world = World::new(&format!(
        "{CONTACTS}    creates: none\n    filters: {{ target: [ {{ path: $.customer, equals: true }} ] }}\n"
    ));
    for n in 0..3 {
        world.books.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}));
    }
    world.sync().await;
    let kept = world.books.all("contacts");
    for record in &kept {
        world.books.delete("contacts", record["id"].as_str().unwrap());
    }
    let report = world.sync_full().await;
    assert!(report.troubles[0].message.contains("3 of 3 others"), "{report:#?}");
    for record in &kept {
        world.books.put_back("contacts", record.clone());
    }
    world.shop.insert("contacts", json!({"name": "N1", "email": "1@x.example"}));
    world.sync().await;
    let links = world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await;
    assert_eq!(links.len(), 1, "it found its match");
    world.settled().await;
}

#[tokio::test]
async fn keys_rewritten_in_bulk_are_held() {
    let world = World::new(&format!("{CONTACTS}    guards: {{ touched: unlimited }}\n"));
    let ids: Vec<String> = (0..25)
        .map(|n| world.shop.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")})))
        .collect();
    world.sync().await;
    world.settled().await;
    // Twenty-five phones are nothing; twenty-five e-mail addresses are what records are matched by.
    for (n, id) in ids.iter().enumerate() {
        world.shop.edit("contacts", id, json!({"phone": format!("021 {n}")}));
    }
    world.sync().await;
    let writes = world.books.written().len();
    for (n, id) in ids.iter().enumerate() {
        world.shop.edit("contacts", id, json!({"email": format!("{n}@y.example")}));
    }
    let report = world.sync().await;
    let held = report.pipelines[0].held.clone().expect("it is held");
    assert_eq!((held.guards[0].guard.as_str(), held.guards[0].count, held.guards[0].allowed), ("keys", 25, 20));
    assert_eq!(world.books.written().len(), writes, "nothing is written");
    world.desk(async |desk| desk.approve(&held.id).await.unwrap()).await;
    world.sync().await;
    World::find(&world.books, "contacts", "email", "24@y.example");
    world.settled().await;
}

#[tokio::test]
async fn an_approval_is_for_exactly_the_plan_that_was_shown_and_not_for_ever() {
    let world = World::new(&format!("{CONTACTS}    guards: {{ touched: 5 }}\n"));
    let ids: Vec<String> = (0..10)
        .map(|n| world.shop.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")})))
        .collect();
    world.sync().await;
    world.settled().await;
    let writes = world.books.written().len();
    for (n, id) in ids.iter().enumerate() {
        world.shop.edit("contacts", id, json!({"phone": format!("021 {n}")}));
    }
    let held = world.sync().await.pipelines[0].held.clone().expect("it is held");
    assert_eq!(world.sync().await.pipelines[0].held.as_ref().unwrap().id, held.id, "the same plan has the same name");
    world.desk(async |desk| desk.approve(&held.id).await.unwrap()).await;
    // As many writes, but one of them says something else by now.
    world.shop.edit("contacts", &ids[3], json!({"phone": "022"}));
    let again = world.sync().await.pipelines[0].held.clone().expect("it is asked about again");
    assert_ne!(again.id, held.id);
    let message = again.message.clone().unwrap();
    assert!(message.contains("approved when the plan was another one") && message.contains(&again.id), "{message}");
    let late = world.desk(async |desk| desk.approve(&held.id).await.unwrap_err().to_string()).await;
    assert!(late.contains("a plan that changed has another id"), "{late}");
    // Nobody answers for eight days.
    world.clock.advance(Duration::from_hours(8 * 24));
    let late = world.desk(async |desk| desk.approve(&again.id).await.unwrap_err().to_string()).await;
    assert!(late.contains("waited until"), "{late}");
    world.sync().await;
    assert_eq!(world.books.written().len(), writes, "nothing was written so far");
    world.desk(async |desk| desk.approve(&again.id).await.unwrap()).await;
    // An answer is not for ever either.
    world.clock.advance(Duration::from_hours(8 * 24));
    assert!(world.sync().await.pipelines[0].held.is_some(), "it is asked about anew");
    assert_eq!(world.books.written().len(), writes);
    world.desk(async |desk| desk.approve(&again.id).await.unwrap()).await;
    world.sync().await;
    assert_eq!(world.books.written().len(), writes + 10);
    world.settled().await;
}

/// A neighbour goes on reading what the two share while a pipeline is held for its account.
#[tokio::test]
async fn what_was_read_by_a_neighbour_while_an_account_was_wrong_is_read_again() {
    let neighbour = "
  people:
    source: shop/contacts
    target: shop/sales
    direction: source-to-target
    match: [ { source: $.email, target: $.number } ]
    first_run: { apply: automatic }
    fields: [ { source: $.email, target: $.number } ]
connectors:";
    let with = |address: &str| books_at(address).replacen("\nconnectors:", neighbour, 1);
    let mut world = World::new(&with("http://127.0.0.1:1"));
    let (shop, books) = jane(&world).await;
    let both = |world: &World| {
        world
            .config
            .integrations
            .keys()
            .map(|name| reconciled::engine::RunRequest { integration: name.clone(), ..world.request(Mode::Sync) })
            .collect::<Vec<_>>()
    };
    for request in both(&world) {
        world.run(request).await;
        world.clock.advance(Duration::from_secs(60));
    }
    world.reconfigure(&with("http://127.0.0.1:2"));
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    for _ in 0..2 {
        for request in both(&world) {
            world.run(request).await;
            world.clock.advance(Duration::from_secs(60));
        }
    }
    world.reconfigure(&with("http://127.0.0.1:1"));
    for request in both(&world) {
        world.run(request).await;
        world.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 2");
}
