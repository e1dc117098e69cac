//! Values that meet on their way.

use reconciled::{
    engine::Mode,
    engine::RunRequest,
    record::{RecordId, Side},
};
use serde_json::json;

use crate::support::World;

pub const CONTACTS: &str = r#"
pipelines:
  contacts:
    source: shop/contacts
    target: books/contacts
    direction: two-way
    match: [ { source: $.email, target: $.email, normalize: [trim, lowercase] } ]
    first_run: { apply: automatic }
    fields:
      - { source: $.name, target: $.name }
      - { source: $.email, target: $.email }
      - { source: $.phone, target: $.phone }
      - { source: $.city, target: $.city }
"#;

/// A linked, agreed pair: Jane on both sides. Returns (shop id, books id).
pub async fn jane(world: &World) -> (String, String) {
    let id = world
        .shop
        .insert("contacts", json!({"name": "Jane Doe", "email": "jane@x.example", "phone": "021 1", "city": "Nelson"}));
    world.sync().await;
    let other = World::find(&world.books, "contacts", "email", "jane@x.example");
    (id, other["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_edit_on_either_side_arrives_on_the_other_and_comes_back_as_nothing() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.settled().await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.books.edit("contacts", &books, json!({"city": "Picton"}));
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 2");
    assert_eq!(world.shop.get_body("contacts", &shop)["city"], "Picton");
    world.settled().await;
}

#[tokio::test]
async fn both_sides_edit_one_field_and_it_is_parked_with_both_values_until_a_person_chooses() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.shop.edit("contacts", &shop, json!({"phone": "from shop", "city": "Picton"}));
    world.books.edit("contacts", &books, json!({"phone": "from books"}));
    let report = world.sync().await;
    assert_eq!(report.exit_code(), 4);
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "from books");
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "from shop");
    assert_eq!(world.books.get_body("contacts", &books)["city"], "Picton", "the other fields go on");
    let name = world.pipeline("contacts");
    let conflicts = world.desk(async |desk| desk.conflicts(Some(&name)).await.unwrap()).await;
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");
    assert_eq!(conflicts[0].source_value.as_str(), Some("from shop"));
    assert_eq!(conflicts[0].target_value.as_str(), Some("from books"));
    world
        .desk(async |desk| desk.resolve(&name, &RecordId::from(shop.as_str()), None, Side::Target).await.unwrap())
        .await;
    world.sync().await;
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "from books");
    assert!(world.desk(async |desk| desk.parked(None).await.unwrap()).await.is_empty());
    world.settled().await;
}

#[tokio::test]
async fn a_parked_field_that_is_edited_again_is_decided_from_the_newest_values() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.shop.edit("contacts", &shop, json!({"phone": "a"}));
    world.books.edit("contacts", &books, json!({"phone": "b"}));
    world.sync().await;
    world.shop.edit("contacts", &shop, json!({"phone": "c"}));
    world.sync().await;
    let conflicts = world.desk(async |desk| desk.conflicts(None).await.unwrap()).await;
    assert_eq!(conflicts[0].source_value.as_str(), Some("c"));
    // A person makes both sides the same: agreed, nothing parked, nothing written.
    world.books.edit("contacts", &books, json!({"phone": "c"}));
    world.sync().await;
    assert!(world.desk(async |desk| desk.parked(None).await.unwrap()).await.is_empty());
    world.settled().await;
}

#[tokio::test]
async fn an_edit_that_is_observed_while_held_is_applied_with_its_newest_value_after_approval() {
    let yaml = format!("{CONTACTS}    guards: {{ touched: 0 }}\n");
    let world = World::new(&yaml);
    let (shop, books) = jane(&world).await;
    world.sync().await;
    world.shop.edit("contacts", &shop, json!({"phone": "first"}));
    let report = world.sync().await;
    assert_eq!(report.exit_code(), 5, "{report:#?}");
    world.shop.edit("contacts", &shop, json!({"phone": "second"}));
    let report = world.sync().await;
    assert_eq!(report.exit_code(), 5);
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 1");
    let held = world.desk(async |desk| desk.held().await.unwrap()).await;
    world.desk(async |desk| desk.approve(&held[0].id).await.unwrap()).await;
    let report = world.sync().await;
    assert_eq!(report.exit_code(), 0, "{report:#?}");
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "second");
    assert!(world.desk(async |desk| desk.held().await.unwrap()).await.is_empty());
    world.settled().await;
}

#[tokio::test]
async fn a_persons_edit_inside_the_answer_to_our_write_is_kept_and_travels() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.settled().await;
    let mut once = true;
    world.books.before_answer(move |record| {
        if std::mem::take(&mut once) {
            record["city"] = json!("edited meanwhile");
        }
    });
    world.shop.edit("contacts", &shop, json!({"phone": "021 9"}));
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books)["city"], "edited meanwhile");
    assert_eq!(world.shop.get_body("contacts", &shop)["city"], "edited meanwhile");
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 9");
    world.settled().await;
}

#[tokio::test]
async fn a_remote_that_ignores_a_field_gets_it_once_and_the_field_is_parked_as_not_taken() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.books.on_write(|old, values| {
        let mut new = old.clone();
        for (name, value) in values.as_object().unwrap() {
            if name != "phone" {
                new[name] = value.clone();
            }
        }
        new
    });
    world.shop.edit("contacts", &shop, json!({"phone": "021 9", "city": "Picton"}));
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books)["city"], "Picton");
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert_eq!(parked[0].parked.code.to_string(), "not-taken");
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "021 9", "the person's value stays on its own side");
    world.settled().await;
}

#[tokio::test]
async fn a_remote_that_masks_a_field_does_not_send_the_mask_back() {
    let connectors = crate::support::CONNECTORS;
    let (_, rest) = connectors.split_once("resources: &resources").unwrap();
    let (resources, _) = rest.split_once("  books:").unwrap();
    let masked =
        resources.replace("&contacts", "").replace("phone: { type: text }", "phone: { type: text, masked: true }");
    let connectors = connectors.replace("resources: *resources", &format!("resources:{masked}"));
    let world = World::new(&format!("{CONTACTS}{connectors}"));
    let (shop, books) = jane(&world).await;
    world.books.mask("phone", "***");
    world.shop.edit("contacts", &shop, json!({"city": "Picton"}));
    world.sync().await;
    world.sync_full().await;
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "021 1", "a mask is not a value");
    // A value is sent all the same, and the mask that answers it is no trouble.
    world.shop.edit("contacts", &shop, json!({"phone": "021 9"}));
    let report = world.sync().await;
    assert_eq!(report.exit_code(), 0, "{report:#?}");
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 9");
    world.settled().await;
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "021 9");
}

#[tokio::test]
async fn a_remote_that_reformats_causes_no_echo() {
    let world = World::new(CONTACTS);
    world.books.on_write(|old, values| {
        let mut new = old.clone();
        for (name, value) in values.as_object().unwrap() {
            let value = value.as_str().map_or(value.clone(), |text| json!(text.to_uppercase()));
            new[name] = value;
        }
        new
    });
    let id = world.shop.insert("contacts", json!({"name": "Jane", "email": "JANE@X.EXAMPLE"}));
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 1);
    assert_eq!(world.shop.get_body("contacts", &id)["name"], "Jane", "a reshaped value is not pushed back");
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert_eq!(parked[0].parked.code.to_string(), "reshaped");
    world.settled().await;
}

#[tokio::test]
async fn a_cleared_value_is_listed_neither_sent_nor_refilled_and_yields_to_a_later_edit() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.shop.edit("contacts", &shop, json!({"phone": ""}));
    let report = world.sync().await;
    assert_eq!(report.pipelines[0].tally.pending, 1);
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 1");
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "");
    world.settled().await;
    world.books.edit("contacts", &books, json!({"phone": "021 7"}));
    world.sync().await;
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "021 7");
    world.settled().await;
}

#[tokio::test]
async fn the_survivor_of_a_deletion_is_never_created_anew_and_its_edits_are_listed() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.shop.insert("contacts", json!({"name": "Other", "email": "o@x.example"}));
    world.sync().await;
    world.shop.delete("contacts", &shop);
    world.sync_full().await;
    world.books.edit("contacts", &books, json!({"phone": "021 3"}));
    let report = world.sync().await;
    assert_eq!(world.shop.count("contacts"), 1, "not created anew");
    assert_eq!(world.books.count("contacts"), 2, "absence deletes nothing");
    assert!(report.pipelines[0].tally.pending > 0, "{report:#?}");
    world.settled().await;
}

#[tokio::test]
async fn an_older_edit_wins_over_the_newer_stamp_of_our_own_write() {
    let yaml = format!("{CONTACTS}    conflicts: {{ newest-wins: {{ skew: 5s, otherwise: park }} }}\n");
    let world = World::new(&yaml);
    let (shop, books) = jane(&world).await;
    // A person edits the phone on the books; our write of the city gives the books' record a newer stamp.
    world.shop.edit("contacts", &shop, json!({"city": "Picton"}));
    world.sync().await;
    world.books.edit("contacts", &books, json!({"phone": "books"}));
    world.clock.advance(std::time::Duration::from_secs(30));
    world.shop.edit("contacts", &shop, json!({"phone": "shop, later"}));
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "shop, later");
    world.settled().await;
}

#[tokio::test]
async fn a_phone_array_keeps_its_other_types() {
    let yaml =
        CONTACTS.replace("$.phone, target: $.phone", "$.phone, target: \"$.phones[?(@.type=='MOBILE')].number\"");
    let world = World::new(&yaml);
    let (shop, books) = jane(&world).await;
    let phones = json!([
        {"type": "FAX", "number": "1", "country": "64"},
        {"type": "MOBILE", "number": "021 1", "country": "64"},
    ]);
    world.books.edit("contacts", &books, json!({ "phones": phones }));
    world.sync().await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.sync().await;
    let phones = &world.books.get_body("contacts", &books)["phones"];
    assert_eq!(phones[0], json!({"type": "FAX", "number": "1", "country": "64"}));
    assert_eq!(phones[1], json!({"type": "MOBILE", "number": "021 2", "country": "64"}));
    world.settled().await;
}

#[tokio::test]
async fn a_field_added_to_ten_thousand_links_has_no_history_and_fills_only_blanks() {
    let mut world = World::new(CONTACTS);
    world.shop.page_size(1_000);
    world.books.page_size(1_000);
    for n in 0..10_000 {
        world.shop.insert(
            "contacts",
            json!({"name": format!("N{n}"), "email": format!("{n}@x.example"), "note": format!("note {n}")}),
        );
    }
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 10_000);
    let writes = world.books.written().len();
    let different = World::find(&world.books, "contacts", "email", "17@x.example")["id"].as_str().unwrap().to_owned();
    world.books.edit("contacts", &different, json!({"note": "the accountant's"}));
    world.sync().await;
    world.reconfigure(&format!(
        "{CONTACTS}      - {{ source: $.note, target: $.note }}\n    guards: {{ touched: 100% }}\n"
    ));
    let report = world.sync().await;
    assert_eq!(world.books.written().len() - writes, 9_999, "{:?}", report.pipelines[0].tally);
    assert_eq!(world.books.get_body("contacts", &different)["note"], "the accountant's");
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].parked.code.to_string(), "difference");
    world.settled().await;
}

#[tokio::test]
async fn a_one_way_pipeline_never_writes_its_source() {
    let yaml = CONTACTS.replace("direction: two-way", "direction: source-to-target");
    let world = World::new(&yaml);
    let (shop, books) = jane(&world).await;
    world.books.edit("contacts", &books, json!({"phone": "edited there"}));
    world.books.insert("contacts", json!({"name": "Only there", "email": "only@x.example"}));
    world.sync().await;
    world.shop.edit("contacts", &shop, json!({"city": "Picton"}));
    world.sync().await;
    assert!(world.shop.written().is_empty());
    assert_eq!(world.shop.count("contacts"), 1);
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "edited there", "drift: leave");
    assert_eq!(world.books.get_body("contacts", &books)["city"], "Picton");
    world.settled().await;
}

#[tokio::test]
async fn a_plan_says_what_a_sync_then_does_and_writes_nothing() {
    let world = World::new(CONTACTS);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.books.insert("contacts", json!({"name": "Bob", "email": "bob@x.example"}));
    let plan = world.run(RunRequest { ..world.request(Mode::Plan) }).await;
    assert_eq!(plan.pipelines[0].planned, 2, "{plan:#?}");
    assert!(world.books.written().is_empty() && world.shop.written().is_empty());
    let report = world.sync().await;
    assert_eq!(report.pipelines[0].tally.created, [1, 1]);
    world.settled().await;
}
