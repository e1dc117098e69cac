//! Who is the same as whom.

use reconciled::engine::Mode;
use serde_json::json;

use crate::{fields::CONTACTS, support::World};

async fn parked(world: &World) -> Vec<String> {
    let items = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    let mut all: Vec<_> = items.iter().map(|item| format!("{} {}", item.parked.label, item.parked.code)).collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_first_run_waits_for_approval_and_reports_what_matches() {
    let yaml = CONTACTS.replace("first_run: { apply: automatic }", "first_run: { apply: approve }");
    let world = World::new(&yaml);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.shop.insert("contacts", json!({"name": "New", "email": "new@x.example"}));
    world.books.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let report = world.sync().await;
    assert_eq!(report.exit_code(), 5, "{report:#?}");
    assert_eq!(report.pipelines[0].held.as_ref().unwrap().damage.creates, 1);
    assert!(world.books.written().is_empty());
    let again = world.sync().await;
    assert_eq!(again.exit_code(), 5, "it waits as long as nobody answers");
    world.desk(async |desk| desk.approve("contacts").await.unwrap()).await;
    let report = world.sync().await;
    assert_eq!(report.exit_code(), 0, "{report:#?}");
    assert_eq!(world.books.count("contacts"), 2);
    world.settled().await;
}

#[tokio::test]
async fn a_first_run_onto_an_empty_side_needs_no_approval() {
    let yaml = CONTACTS.replace("first_run: { apply: automatic }", "first_run: { apply: approve }");
    let world = World::new(&yaml);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 1);
    world.settled().await;
}

#[tokio::test]
async fn a_bare_contact_outside_the_filter_is_matched_and_not_duplicated() {
    let yaml = format!(
        "{CONTACTS}    filters: {{ source: [ {{ path: $.customer, equals: true }} ], target: [ {{ path: $.customer, equals: true }} ] }}\n"
    );
    let world = World::new(&yaml);
    // Bare on the books, a customer in the shop.
    world.books.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "customer": true}));
    // Bare in the shop, a customer on the books.
    world.shop.insert("contacts", json!({"name": "Bob", "email": "bob@x.example"}));
    world.books.insert("contacts", json!({"name": "Bob", "email": "bob@x.example", "customer": true}));
    // Bare on both: not linked, not created anywhere.
    world.shop.insert("contacts", json!({"name": "Sue", "email": "sue@x.example"}));
    world.books.insert("contacts", json!({"name": "Tom", "email": "tom@x.example"}));
    let report = world.sync().await;
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (3, 3), "{report:#?}");
    assert_eq!(report.pipelines[0].tally.linked, 2);
    world.settled().await;
}

#[tokio::test]
async fn customer_turning_true_without_a_feed_entry_is_found_by_the_next_full_read() {
    let yaml = format!("{CONTACTS}    filters: {{ target: [ {{ path: $.customer, equals: true }} ] }}\n");
    let world = World::new(&yaml);
    let id = world.books.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "customer": false}));
    world.sync().await;
    world.sync().await;
    assert_eq!(world.shop.count("contacts"), 0);
    world.books.edit_silently("contacts", &id, json!({"customer": true}));
    world.sync().await;
    assert_eq!(world.shop.count("contacts"), 0, "the feed does not tell");
    world.clock.advance(std::time::Duration::from_secs(24 * 3600));
    world.sync().await;
    assert_eq!(world.shop.count("contacts"), 1, "`full_read` every 24 h by default");
    world.settled().await;
}

#[tokio::test]
async fn two_records_with_one_key_are_parked_and_neither_is_taken_silently() {
    let world = World::new(CONTACTS);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "family@x.example"}));
    world.shop.insert("contacts", json!({"name": "John", "email": "Family@x.example"}));
    world.books.insert("contacts", json!({"name": "J", "email": "family@x.example"}));
    world.sync().await;
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (2, 1));
    let parked = parked(&world).await;
    assert!(
        parked.contains(&"Jane ambiguous".to_owned()) && parked.contains(&"John ambiguous".to_owned()),
        "{parked:?}"
    );
    world.settled().await;
}

#[tokio::test]
async fn a_newcomer_with_the_key_of_a_linked_record_is_parked_and_not_created() {
    let world = World::new(CONTACTS);
    crate::fields::jane(&world).await;
    world.shop.insert("contacts", json!({"name": "Second Jane", "email": "jane@x.example"}));
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 1);
    assert_eq!(parked(&world).await, ["Second Jane taken"]);
    // The same from the other side.
    world.books.insert("contacts", json!({"name": "Third Jane", "email": "JANE@x.example"}));
    world.sync().await;
    assert_eq!(world.shop.count("contacts"), 2);
    world.settled().await;
}

#[tokio::test]
async fn a_parked_newcomer_enters_as_soon_as_its_key_is_its_own() {
    let world = World::new(CONTACTS);
    crate::fields::jane(&world).await;
    let second = world.shop.insert("contacts", json!({"name": "Second Jane", "email": "jane@x.example"}));
    world.sync().await;
    world.shop.edit("contacts", &second, json!({"email": "second@x.example"}));
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 2);
    assert!(parked(&world).await.is_empty());
    world.settled().await;
}

#[tokio::test]
async fn namesakes_with_different_keys_stay_two() {
    let world = World::new(CONTACTS);
    world.shop.insert("contacts", json!({"name": "Jane Doe", "email": "a@x.example"}));
    world.shop.insert("contacts", json!({"name": "Jane Doe", "email": "b@x.example"}));
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 2);
    world.settled().await;
}

#[tokio::test]
async fn blank_keys_never_match() {
    let world = World::new(CONTACTS);
    world.shop.insert("contacts", json!({"name": "A", "email": ""}));
    world.shop.insert("contacts", json!({"name": "B", "email": null}));
    world.shop.insert("contacts", json!({"name": "C"}));
    world.books.insert("contacts", json!({"name": "D", "email": ""}));
    world.sync().await;
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (4, 4));
    world.settled().await;
}

#[tokio::test]
async fn a_filter_that_rejects_the_last_record_of_a_page_does_not_stop_the_pages_behind_it() {
    let yaml = format!("{CONTACTS}    filters: {{ source: [ {{ path: $.customer, equals: true }} ] }}\n");
    let world = World::new(&yaml);
    world.shop.page_size(10);
    for n in 0..35 {
        let customer = n % 10 != 9;
        world.shop.insert(
            "contacts",
            json!({"name": format!("N{n}"), "email": format!("{n}@x.example"), "customer": customer}),
        );
    }
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 32);
    world.settled().await;
}

#[tokio::test]
async fn links_made_by_hand_hold_and_differences_without_history_are_parked() {
    let world = World::new(CONTACTS);
    let shop = world.shop.insert("contacts", json!({"name": "Jane", "email": "old@x.example", "city": "Nelson"}));
    world.books.insert("contacts", json!({"name": "Z", "email": "z@x.example"}));
    world.sync().await;
    let books = world.books.insert("contacts", json!({"name": "Jane", "email": "new@x.example"}));
    let name = world.pipeline("contacts");
    let linked = World::find(&world.books, "contacts", "email", "old@x.example")["id"].as_str().unwrap().to_owned();
    let add = world.desk(async |desk| desk.add_link(&name, &shop.as_str().into(), &books.as_str().into()).await).await;
    assert!(add.unwrap_err().to_string().contains("linked with"), "it is linked with {linked}");
    world.desk(async |desk| desk.remove_link(&name, &shop.as_str().into()).await.unwrap()).await;
    world.desk(async |desk| desk.add_link(&name, &shop.as_str().into(), &books.as_str().into()).await.unwrap()).await;
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books)["city"], "Nelson", "a blank is filled");
    assert_eq!(world.books.get_body("contacts", &books)["email"], "new@x.example");
    let items = world.desk(async |desk| desk.conflicts(Some(&name)).await.unwrap()).await;
    assert_eq!(items.len(), 1);
}

#[tokio::test]
async fn a_pair_that_a_person_took_apart_is_not_linked_again_by_itself() {
    let world = World::new(CONTACTS);
    let (shop, books) = crate::fields::jane(&world).await;
    let name = world.pipeline("contacts");
    world.desk(async |desk| desk.remove_link(&name, &shop.as_str().into()).await.unwrap()).await;
    world.sync().await;
    world.sync_full().await;
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (1, 1), "nor is either made anew");
    assert!(world.desk(async |desk| desk.links(&name).await.unwrap()).await.is_empty());
    let listed = parked(&world).await;
    assert!(listed.contains(&"Jane Doe proposed".to_owned()), "{listed:?}");
    world.settled().await;
    world.desk(async |desk| desk.add_link(&name, &shop.as_str().into(), &books.as_str().into()).await.unwrap()).await;
    world.sync().await;
    assert_eq!(world.desk(async |desk| desk.links(&name).await.unwrap()).await.len(), 1);
    world.settled().await;
}

/// A plan remembers what it read, and its end is no run's end: the tiers may be others by the time of the first run.
#[tokio::test]
async fn match_keys_that_a_plan_remembered_are_forgotten_when_the_tiers_are_edited_before_the_first_run() {
    let mut world = World::new(CONTACTS);
    let there = world.books.insert("contacts", json!({"name": "Jane", "email": "12", "phone": "1"}));
    let new = world.shop.insert("contacts", json!({"name": "Bob", "email": "bob@x.example", "phone": "12"}));
    world.run(world.request(Mode::Plan)).await;
    assert!(world.books.written().is_empty());
    // Bob's telephone number is what was Jane's key under the tiers before.
    world.reconfigure(
        &CONTACTS.replace("source: $.email, target: $.email, normalize", "source: $.phone, target: $.phone, normalize"),
    );
    world.sync().await;
    let links = world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await;
    assert!(!links.iter().any(|link| link.source.as_str() == new && link.target.as_str() == there), "{links:?}");
    assert!(parked(&world).await.is_empty());
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (2, 2));
    world.settled().await;
}

/// A poll reads as the configuration is by then, and the one before may come back without a run in between.
#[tokio::test]
async fn what_a_poll_read_under_an_edit_that_was_taken_back_is_found_all_the_same() {
    let yaml = CONTACTS.replace("two-way", "source-to-target");
    let mut world = World::new(&yaml);
    let there = world.books.insert("contacts", json!({"name": "Tui", "email": "tui@x.example", "phone": "1"}));
    crate::fields::jane(&world).await;
    world.settled().await;
    world.reconfigure(&yaml.replace("match: [ {", "match: [ { source: $.phone, target: $.phone }, {"));
    world.books.edit("contacts", &there, json!({"email": "tui@y.example"}));
    world.run(world.request(Mode::Poll)).await;
    world.reconfigure(&yaml);
    // No listing of changes shows it again.
    world.clock.advance(std::time::Duration::from_secs(3_600));
    let new = world.shop.insert("contacts", json!({"name": "Tui", "email": "tui@y.example"}));
    world.sync().await;
    let links = world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await;
    assert!(links.iter().any(|link| link.source.as_str() == new && link.target.as_str() == there), "{links:?}");
    assert_eq!(world.books.count("contacts"), 2);
    world.settled().await;
}

/// A connector may be edited under the same version. No listing of changes shows what was read before once more.
#[tokio::test]
async fn who_was_read_before_a_connector_said_that_case_does_not_count_is_found_all_the_same() {
    let yaml = CONTACTS.replace(", normalize: [trim, lowercase]", "").replace("two-way", "source-to-target");
    let mut world = World::new(&yaml);
    let there = world.books.insert("contacts", json!({"name": "Tui", "email": "TUI@x.example"}));
    world.settled().await;
    let connectors =
        crate::support::CONNECTORS.replace("email: { type: text }", "email: { type: text, ignore_case: true }");
    world.reconfigure(&format!("{connectors}{yaml}"));
    world.clock.advance(std::time::Duration::from_secs(3_600));
    let new = world.shop.insert("contacts", json!({"name": "Tui", "email": "tui@x.example"}));
    world.sync().await;
    let links = world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await;
    assert!(links.iter().any(|link| link.source.as_str() == new && link.target.as_str() == there), "{links:?}");
    assert_eq!(world.books.count("contacts"), 1);
    world.settled().await;
}

/// The one that is linked left the filter since: whoever comes with its key is listed, and nothing is made for them.
#[tokio::test]
async fn who_comes_with_the_key_of_a_linked_record_is_listed_although_that_one_left_the_filter() {
    let yaml = format!("{CONTACTS}    filters: {{ target: [ {{ path: $.customer, equals: true }} ] }}\n");
    let world = World::new(&yaml);
    let there = world.books.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "customer": true}));
    world.settled().await;
    assert_eq!(world.shop.count("contacts"), 1);
    world.books.edit("contacts", &there, json!({"customer": false}));
    world.settled().await;
    world.books.insert("contacts", json!({"name": "Jane Two", "email": "jane@x.example", "customer": true}));
    world.sync().await;
    assert_eq!((parked(&world).await, world.shop.count("contacts")), (vec!["Jane Two taken".to_owned()], 1));
    world.settled().await;
}

/// A tier that only proposes takes two newcomers for the same: the second is decided about when the first is there.
#[tokio::test]
async fn of_newcomers_that_may_be_the_same_the_second_waits_until_the_first_is_made() {
    let tiers = "match: [ { source: $.email, target: $.email }, { source: $.phone, target: $.phone, then: propose } ]";
    let tier = "match: [ { source: $.email, target: $.email, normalize: [trim, lowercase] } ]";
    let world = World::new(&CONTACTS.replace(tier, tiers));
    for (name, phone) in [("Ada", "1"), ("Bob", "1"), ("Zoe", "2")] {
        let email = format!("{name}@x.example");
        world.shop.insert("contacts", json!({"name": name, "email": email, "phone": phone}));
    }
    world.settled().await;
    let made: Vec<String> =
        world.books.written().iter().map(|(_, _, values)| values["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(made, ["Ada", "Zoe", "Bob"]);
}
