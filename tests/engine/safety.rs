//! Ways in which a record could be made twice, or an edit lost. Each was found by a random history or by reading.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use reconciled::{
    engine::{Mode, RunRequest},
    record::RecordId,
    store::Operation,
    sync::ParkCode,
};
use serde_json::json;

use crate::{
    fields::{CONTACTS, jane},
    support::{Fault, World, fake::Moment},
};

fn mode(world: &World, mode: Mode) -> RunRequest {
    world.request(mode)
}

/// Runs while the clock moves on whenever the run waits.
async fn patiently(world: &World, mode: Mode) -> reconciled::engine::RunReport {
    let engine = world.engine();
    let mut run = std::pin::pin!(engine.run(world.request(mode)));
    loop {
        tokio::select! {
            biased;
            report = &mut run => return report.unwrap(),
            () = tokio::task::yield_now() => world.clock.advance(Duration::from_millis(500)),
        }
    }
}

#[tokio::test]
async fn a_newcomer_edited_between_a_poll_and_the_sync_is_made_once_with_its_last_values() {
    let world = World::new(CONTACTS);
    world.sync().await;
    let id = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.run(mode(&world, Mode::Poll)).await;
    world.clock.advance(Duration::from_secs(30));
    world.shop.edit("contacts", &id, json!({"phone": "021 1"}));
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 1);
    assert_eq!(world.books.all("contacts")[0]["phone"], "021 1");
    world.settled().await;
}

#[tokio::test]
async fn a_record_that_two_pages_hold_is_made_once() {
    let world = World::new(CONTACTS);
    world.shop.page_size(2);
    let first = world.shop.insert("contacts", json!({"name": "N0", "email": "0@x.example"}));
    for n in 1..5 {
        world.clock.advance(Duration::from_secs(1));
        world.shop.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}));
    }
    // While the first page is on its way the first record is edited, and moves to the end.
    let (shop, clock, mut once) = (world.shop.clone(), world.clock.clone(), true);
    world.shop.hook(Some(Box::new(move |moment| {
        if moment == Moment::AfterRead && std::mem::take(&mut once) {
            clock.advance(Duration::from_secs(1));
            shop.edit("contacts", &first, json!({"phone": "021 1"}));
        }
        None
    })));
    world.sync().await;
    world.shop.hook(None);
    let there = world.books.all("contacts");
    assert_eq!(there.iter().filter(|record| record["name"] == "N0").count(), 1, "{there:#?}");
    assert_eq!(World::find(&world.books, "contacts", "name", "N0")["phone"], "021 1", "the last reading counts");
    // The record that slid to the first page meanwhile is found by the next full read.
    world.sync_full().await;
    assert_eq!(world.books.count("contacts"), 5);
    world.settled().await;
}

#[tokio::test]
async fn a_match_that_a_shifting_page_hides_is_not_forgotten() {
    let yaml = format!("{CONTACTS}    filters: {{ target: [ {{ path: $.customer, equals: true }} ] }}\n");
    let world = World::new(&yaml);
    world.books.page_size(2);
    let mut ids = Vec::new();
    for n in 0..4 {
        world.clock.advance(Duration::from_secs(1));
        ids.push(world.books.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")})));
    }
    world.sync().await;
    let (books, clock, mut once, first) = (world.books.clone(), world.clock.clone(), true, ids[0].clone());
    world.books.hook(Some(Box::new(move |moment| {
        if moment == Moment::AfterRead && std::mem::take(&mut once) {
            clock.advance(Duration::from_secs(1));
            books.edit("contacts", &first, json!({"note": "touched"}));
        }
        None
    })));
    world.sync_full().await;
    world.books.hook(None);
    world.shop.insert("contacts", json!({"name": "N2", "email": "2@x.example"}));
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 4, "it is linked with what is there");
    world.settled().await;
}

#[tokio::test]
async fn what_changes_while_a_listing_is_under_way_is_read_by_the_next() {
    let world = World::new(CONTACTS);
    let (shop_id, books_id) = jane(&world).await;
    let (shop, clock, id, mut once) = (world.shop.clone(), world.clock.clone(), shop_id.clone(), true);
    world.shop.hook(Some(Box::new(move |moment| {
        if moment == Moment::AfterRead && std::mem::take(&mut once) {
            // The page is made; then the edit; then the answer gets its date.
            shop.edit("contacts", &id, json!({"phone": "021 9"}));
            clock.advance(Duration::from_secs(5));
        }
        None
    })));
    world.sync().await;
    world.shop.hook(None);
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books_id)["phone"], "021 9");
    world.settled().await;
}

#[tokio::test]
async fn a_lost_answer_stays_lost_when_the_next_attempt_is_refused_a_connection() {
    let world = World::new(CONTACTS);
    world.sync().await;
    // Without a key that matches, only the open intent protects it.
    world.shop.insert("contacts", json!({"name": "Jane"}));
    world.books.fail_next(Fault::LostAfter);
    for _ in 0..3 {
        world.books.fail_next(Fault::NotDone);
    }
    let report = patiently(&world, Mode::Sync).await;
    assert_eq!(report.pipelines[0].tally.unknown, 1, "{report:#?}");
    world.clock.advance(Duration::from_secs(60));
    patiently(&world, Mode::Sync).await;
    assert_eq!(world.books.count("contacts"), 1);
    world.settled().await;
}

#[tokio::test]
async fn an_answer_that_may_come_late_is_waited_for_from_the_last_attempt_on() {
    let world = World::new(CONTACTS);
    world.sync().await;
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    for _ in 0..4 {
        world.books.fail_next(Fault::LostBefore);
    }
    patiently(&world, Mode::Sync).await;
    // Once more just before the key runs out, and this time it takes effect late.
    world.clock.advance(Duration::from_secs(190));
    world.books.fail_next(Fault::LostLate(Duration::from_secs(55)));
    for _ in 0..8 {
        patiently(&world, Mode::Sync).await;
        world.clock.advance(Duration::from_secs(20));
    }
    world.clock.advance(Duration::from_secs(600));
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 1);
    world.settled().await;
}

#[tokio::test]
async fn a_lost_create_without_any_key_is_found_by_its_values_or_listed_but_never_made_again() {
    for edited in [false, true] {
        let world = World::with_keys(CONTACTS, None);
        world.sync().await;
        let origin = world.shop.insert("contacts", json!({"name": "Jane", "city": "Nelson"}));
        world.books.fail_next(Fault::LostAfter);
        world.run(mode(&world, Mode::Sync)).await;
        if edited {
            let made = world.books.all("contacts")[0]["id"].as_str().unwrap().to_owned();
            world.books.edit("contacts", &made, json!({"city": "Picton"}));
            // Both are due; the made one must not come back as a new record either.
            world.clock.advance(Duration::from_secs(5));
            world.run(mode(&world, Mode::Sync)).await;
            assert_eq!(world.shop.count("contacts"), 1);
        }
        world.clock.advance(Duration::from_secs(300));
        world.sync().await;
        assert_eq!(world.books.count("contacts"), 1, "edited: {edited}");
        let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
        assert_eq!(parked.iter().any(|item| item.parked.code == ParkCode::Unknown), edited, "{parked:#?}");
        if edited {
            // A person looks and links them; then everything goes on.
            let made = world.books.all("contacts")[0]["id"].as_str().unwrap().to_owned();
            let (name, source, target) = (world.pipeline("contacts"), RecordId::from(&*origin), RecordId::from(&*made));
            let linked = world.desk(async |desk| desk.add_link(&name, &source, &target).await).await;
            if linked.is_ok() {
                world.sync().await;
                world.shop.edit("contacts", &origin, json!({"phone": "021 7"}));
                world.sync().await;
                assert_eq!(world.books.get_body("contacts", &made)["phone"], "021 7", "it is decided about again");
            }
        }
    }
}

#[tokio::test]
async fn a_lost_create_is_found_although_its_origin_has_another_key_by_now() {
    let world = World::with_keys(CONTACTS, None);
    world.sync().await;
    let id = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.books.fail_next(Fault::LostAfter);
    world.run(mode(&world, Mode::Sync)).await;
    world.shop.edit("contacts", &id, json!({"email": "doe@x.example", "name": "Jane Doe"}));
    world.clock.advance(Duration::from_secs(300));
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 1);
    let there = world.books.all("contacts")[0].clone();
    assert_eq!((there["email"].as_str(), there["name"].as_str()), (Some("doe@x.example"), Some("Jane Doe")));
    world.settled().await;
}

#[tokio::test]
async fn an_update_of_unknown_outcome_does_not_overwrite_what_was_typed_since() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    for _ in 0..4 {
        world.books.fail_next(Fault::LostBefore);
    }
    patiently(&world, Mode::Sync).await;
    world.books.edit("contacts", &books, json!({"phone": "021 3"}));
    for _ in 0..4 {
        world.clock.advance(Duration::from_secs(60));
        patiently(&world, Mode::Sync).await;
    }
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 3");
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert_eq!(parked.len(), 1, "both were edited: {parked:#?}");
}

#[tokio::test]
async fn a_settled_item_of_an_open_intent_is_not_settled_again_from_the_old_answer() {
    let world = World::new(CONTACTS);
    for n in 0..2 {
        world.shop.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}));
    }
    world.books.fail_next(Fault::ShortAnswer);
    patiently(&world, Mode::Sync).await;
    let made = World::find(&world.books, "contacts", "name", "N0")["id"].as_str().unwrap().to_owned();
    world.clock.advance(Duration::from_secs(20));
    world.books.edit("contacts", &made, json!({"phone": "021 4"}));
    world.clock.advance(Duration::from_secs(5));
    world.run(mode(&world, Mode::Poll)).await;
    world.clock.advance(Duration::from_secs(5));
    world.sync().await;
    world.sync().await;
    assert_eq!(World::find(&world.shop, "contacts", "name", "N0")["phone"], "021 4");
    assert_eq!(world.books.count("contacts"), 2);
    world.settled().await;
}

#[tokio::test]
async fn other_tiers_find_what_is_there() {
    let mut world = World::new(CONTACTS);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "1"}));
    world.sync().await;
    let tiers = "match: [ { source: $.phone, target: $.phone }, { source: $.email, target: $.email, normalize: [trim, lowercase] } ]";
    world.reconfigure(
        &CONTACTS.replace("match: [ { source: $.email, target: $.email, normalize: [trim, lowercase] } ]", tiers),
    );
    world.sync().await;
    world.shop.insert("contacts", json!({"name": "Second Jane", "email": "jane@x.example"}));
    world.sync().await;
    assert_eq!(world.books.count("contacts"), 1, "it has the key of a linked record");
    world.settled().await;
}

#[tokio::test]
async fn released_records_find_each_other_again_and_are_not_copied() {
    let yaml = format!(
        "{CONTACTS}    filters: {{ source: [ {{ path: $.customer, equals: true }} ], target: [ {{ path: $.customer, equals: true }} ] }}\n    on_leave: release\n"
    );
    let world = World::new(&yaml);
    let id = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "customer": true}));
    let bare = world.shop.insert("contacts", json!({"name": "Bob", "customer": true}));
    world.sync().await;
    for id in [&id, &bare] {
        world.shop.edit("contacts", id, json!({"customer": false}));
    }
    world.sync().await;
    for id in [&id, &bare] {
        world.shop.edit("contacts", id, json!({"customer": true}));
    }
    world.sync().await;
    world.sync().await;
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (2, 2));
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert_eq!(parked.len(), 1, "Bob has no key to be found by: {parked:#?}");
    world.settled().await;
}

#[tokio::test]
async fn a_parked_newcomer_that_is_edited_is_made_with_its_last_values() {
    let world = World::new(CONTACTS);
    jane(&world).await;
    let second = world.shop.insert("contacts", json!({"name": "Second", "email": "jane@x.example", "phone": "1"}));
    world.sync().await;
    world.shop.edit("contacts", &second, json!({"phone": "2"}));
    world.sync().await;
    // The other one gives its address up, and nothing about the second changes.
    let name = world.pipeline("contacts");
    let linked = world.desk(async |desk| desk.links(&name).await.unwrap()).await;
    world.shop.edit("contacts", linked[0].source.as_str(), json!({"email": "other@x.example"}));
    world.sync().await;
    world.clock.advance(Duration::from_secs(7_200));
    world.sync().await;
    assert_eq!(World::find(&world.books, "contacts", "name", "Second")["phone"], "2");
    world.settled().await;
}

#[tokio::test]
async fn links_are_counted_anew_by_a_full_read() {
    let mut world = World::new(CONTACTS);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let crash = Arc::new(Mutex::new(false));
    let (store, flag) = (world.store.clone(), crash.clone());
    world.books.hook(Some(Box::new(move |moment| {
        if moment == Moment::AfterWrite && !std::mem::replace(&mut *flag.lock().unwrap(), true) {
            store.fail_from(None, 12);
        }
        None
    })));
    let _ = world.engine().run(world.request(Mode::Sync)).await;
    world.books.hook(None);
    let unflushed = world.store.unflushed();
    world.store = Arc::new(world.store.crash_keeping(unflushed));
    world.clock.advance(Duration::from_secs(600));
    world.sync_full().await;
    world.sync_full().await;
    let name = world.pipeline("contacts");
    let count = world.engine().ledger.pipeline(&name).await.unwrap().links;
    assert_eq!(count, 1);
    assert_eq!(world.books.count("contacts"), 1);
}

/// The power goes out right after the remote has done what it was asked: everything that was not flushed is forgotten.
#[tokio::test]
async fn what_was_sent_is_remembered_by_a_store_that_forgets_all_it_did_not_flush() {
    let mut world = World::new(CONTACTS);
    world.sync().await;
    // Without a key that matches, only the intent knows of it.
    world.shop.insert("contacts", json!({"name": "Jane"}));
    let store = world.store.clone();
    world.books.hook(Some(Box::new(move |moment| {
        if moment == Moment::AfterWrite {
            store.fail_from(None, 1);
        }
        None
    })));
    assert!(world.engine().run(world.request(Mode::Sync)).await.is_err());
    world.books.hook(None);
    world.store = Arc::new(world.store.crash_keeping(0));
    world.clock.advance(Duration::from_secs(30));
    world.sync().await;
    world.sync().await;
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (1, 1));
    world.settled().await;
}

#[tokio::test]
async fn a_link_whose_write_is_in_doubt_is_not_written_again() {
    let world = World::with_keys(CONTACTS, None);
    let (shop, books) = jane(&world).await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    world.books.fail_next(Fault::LostBefore);
    world.run(mode(&world, Mode::Sync)).await;
    let before = world.books.written().len();
    world.shop.edit("contacts", &shop, json!({"city": "Picton"}));
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(15));
        world.run(mode(&world, Mode::Sync)).await;
        assert_eq!(world.books.written().len(), before, "the lost call may still take effect");
    }
    world.clock.advance(Duration::from_secs(60));
    world.sync().await;
    let there = world.books.get_body("contacts", &books);
    assert_eq!((there["phone"].as_str(), there["city"].as_str()), (Some("021 2"), Some("Picton")));
    world.settled().await;
}

#[tokio::test]
async fn a_linked_record_that_a_shifting_page_hides_is_not_gone() {
    let world = World::new(CONTACTS);
    world.books.page_size(2);
    let mut first = String::new();
    for n in 0..4 {
        world.clock.advance(Duration::from_secs(1));
        let id = world.books.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}));
        if n == 0 {
            first = id;
        }
    }
    world.sync().await;
    let (books, clock, mut once) = (world.books.clone(), world.clock.clone(), true);
    world.books.hook(Some(Box::new(move |moment| {
        if moment == Moment::AfterRead && std::mem::take(&mut once) {
            clock.advance(Duration::from_secs(1));
            books.edit("contacts", &first, json!({"note": "touched"}));
        }
        None
    })));
    world.sync_full().await;
    world.books.hook(None);
    let name = world.pipeline("contacts");
    let links = world.desk(async |desk| desk.links(&name).await.unwrap()).await;
    assert!(links.iter().all(|link| link.marks.iter().all(|mark| !mark.gone)), "{links:#?}");
    world.settled().await;
}

#[tokio::test]
async fn an_answer_with_the_id_of_a_linked_record_is_listed_and_takes_nothing_over() {
    let world = World::new(CONTACTS);
    let (shop, books) = jane(&world).await;
    let second = world.shop.insert("contacts", json!({"name": "Second", "email": "second@x.example"}));
    world.books.answer_creates_with(&books);
    world.sync().await;
    let name = world.pipeline("contacts");
    let links = world.desk(async |desk| desk.links(&name).await.unwrap()).await;
    assert_eq!(links.len(), 1);
    assert_eq!((links[0].source.as_str(), links[0].target.as_str()), (shop.as_str(), books.as_str()));
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    let taken = parked.iter().any(|item| item.parked.code == ParkCode::IdTaken && item.id.as_str() == second);
    assert!(taken, "{parked:#?}");
}

#[tokio::test]
async fn what_was_lost_on_its_way_is_made_after_the_doubt_without_being_read_again() {
    for fault in [Fault::LostBefore, Fault::ShortAnswer] {
        let world = World::with_keys(CONTACTS, None);
        world.sync().await;
        for n in 0..3 {
            world.shop.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}));
        }
        world.clock.advance(Duration::from_secs(30));
        world.books.fail_next(fault);
        world.run(mode(&world, Mode::Sync)).await;
        world.clock.advance(Duration::from_secs(30));
        let made = world.books.all("contacts").into_iter().find(|record| record["name"] == "N2");
        if let Some(made) = made {
            // Not answered, and gone before we looked: then only what is remembered can tell that it is wanted.
            world.books.delete("contacts", made["id"].as_str().unwrap());
        }
        world.run(mode(&world, Mode::Sync)).await;
        world.clock.advance(Duration::from_secs(300));
        world.sync().await;
        assert_eq!(world.books.count("contacts"), 3, "{fault:?}");
        world.settled().await;
    }
}

/// After the answer, every prefix of what was committed and not flushed is a state that a restart can go on from.
#[tokio::test]
async fn a_power_cut_anywhere_after_the_answer_makes_nothing_twice() {
    let mut cuts = 0;
    loop {
        let mut world = World::new(CONTACTS);
        world.sync().await;
        world.shop.insert("contacts", json!({"name": "Jane"}));
        world.shop.insert("contacts", json!({"name": "Joan"}));
        // The first flush comes before the call, the second at the end of the run.
        world.store.fail_at(Some(Operation::Flush), 2);
        assert!(world.engine().run(world.request(Mode::Sync)).await.is_err());
        if cuts > world.store.unflushed() {
            break;
        }
        world.store = Arc::new(world.store.crash_keeping(cuts));
        world.clock.advance(Duration::from_secs(30));
        world.sync().await;
        world.sync().await;
        assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (2, 2), "{cuts} groups kept");
        world.settled().await;
        cuts += 1;
    }
    assert!(cuts > 3, "only {cuts} groups");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_by_id_is_gone_only_when_two_full_listings_lack_it() {
    let connectors: String = crate::support::CONNECTORS
        .lines()
        .filter(|line| !line.trim().starts_with("get:"))
        .map(|l| format!("{l}\n"))
        .collect();
    let world = World::new(&format!("{CONTACTS}{connectors}"));
    let (shop, _) = jane(&world).await;
    world.shop.insert("contacts", json!({"name": "Other", "email": "o@x.example"}));
    world.sync().await;
    let name = world.pipeline("contacts");
    let gone = async || {
        let links = world.desk(async |desk| desk.links(&name).await.unwrap()).await;
        links.iter().filter(|link| link.marks[0].gone).count()
    };
    let kept = world.shop.get_body("contacts", &shop);
    world.shop.delete("contacts", &shop);
    world.sync_full().await;
    assert_eq!(gone().await, 0, "one listing proves nothing");
    world.shop.put_back("contacts", kept.clone());
    world.sync_full().await;
    world.shop.delete("contacts", &shop);
    world.sync_full().await;
    assert_eq!(gone().await, 0, "it was there in between");
    world.sync_full().await;
    assert_eq!(gone().await, 1);
    world.settled().await;
}

#[tokio::test]
async fn a_call_recorded_for_one_account_is_never_sent_to_another() {
    let mut world = World::new(CONTACTS);
    jane(&world).await;
    world.shop.insert("contacts", json!({"name": "New", "email": "new@x.example"}));
    world.books.fail_next(Fault::LostBefore);
    for _ in 0..3 {
        world.books.fail_next(Fault::LostBefore);
    }
    patiently(&world, Mode::Sync).await;
    let connectors = crate::support::CONNECTORS
        .replace("connector: books, auth", "connector: books, base_url: \"http://127.0.0.1:2\", auth");
    assert_ne!(connectors, crate::support::CONNECTORS);
    world.reconfigure(&format!("{CONTACTS}{connectors}"));
    world.books.behave();
    let sent = world.books.written().len();
    let report = patiently(&world, Mode::Sync).await;
    assert_eq!(world.books.written().len(), sent, "{report:#?}");
    assert!(report.troubles[0].message.contains("another account"), "{report:#?}");
    world.reconfigure(CONTACTS);
    world.clock.advance(Duration::from_secs(120));
    patiently(&world, Mode::Sync).await;
    assert_eq!(world.books.count("contacts"), 2);
    world.settled().await;
}

#[tokio::test]
async fn one_answer_that_names_a_new_id_twice_links_the_first_and_lists_the_second() {
    let world = World::new(CONTACTS);
    let first = world.shop.insert("contacts", json!({"name": "First", "email": "first@x.example"}));
    let second = world.shop.insert("contacts", json!({"name": "Second", "email": "second@x.example"}));
    world.books.answer_creates_with("b99");
    world.sync().await;
    let name = world.pipeline("contacts");
    let links = world.desk(async |desk| desk.links(&name).await.unwrap()).await;
    let pairs: Vec<_> = links.iter().map(|link| (link.source.as_str(), link.target.as_str())).collect();
    assert_eq!(pairs, [(first.as_str(), "b99")], "one link per id");
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert!(
        parked.iter().any(|item| item.parked.code == ParkCode::IdTaken && item.id.as_str() == second),
        "{parked:#?}"
    );
}
