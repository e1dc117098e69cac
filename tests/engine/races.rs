//! What happens between a reading and the write that was planned from it.

use std::time::Duration;

use futures_util::FutureExt as _;
use reconciled::{
    engine::{Desk, Mode},
    record::RecordId,
};
use serde_json::json;

use crate::{
    fields::{CONTACTS, jane},
    support::{CONNECTORS, Fault, World, fake::Moment},
};

/// So many that they go out in two calls: ten at once is the most.
const MANY: usize = 12;

/// Somebody does something around the first write to the books, once.
fn around_the_first_write(world: &World, when: Moment, act: impl FnOnce() + Send + 'static) {
    let mut act = Some(act);
    world.books.hook(Some(Box::new(move |moment| {
        if moment == when
            && let Some(act) = act.take()
        {
            act();
        }
        None
    })));
}

#[tokio::test]
async fn a_write_that_came_too_late_for_its_version_is_decided_about_anew_by_the_same_run() {
    let world = World::new(CONTACTS);
    world.books.versions();
    let (shop, books) = jane(&world).await;
    world.settled().await;
    world.shop.edit("contacts", &shop, json!({"phone": "021 2"}));
    let (system, id) = (world.books.clone(), books.clone());
    around_the_first_write(&world, Moment::BeforeWrite, move || {
        system.edit("contacts", &id, json!({"city": "Picton"}));
    });
    let report = world.sync().await;
    let there = world.books.get_body("contacts", &books);
    assert_eq!((&there["phone"], &there["city"]), (&json!("021 2"), &json!("Picton")), "{report:#?}");
    assert_eq!(world.shop.get_body("contacts", &shop)["city"], "Picton", "{report:#?}");
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert!(parked.is_empty(), "{parked:#?}");
    world.settled().await;
}

/// A run that takes long: what somebody types meanwhile, where no version would tell, is read before it is written over.
#[tokio::test]
async fn what_is_typed_while_a_long_run_writes_is_read_before_it_is_written_over() {
    let world = World::new(CONTACTS);
    let contact = |n: usize| json!({"name": format!("P{n}"), "email": format!("p{n}@x.example"), "phone": "1"});
    let ids: Vec<String> = (0..MANY).map(|n| world.shop.insert("contacts", contact(n))).collect();
    world.settled().await;
    world.clock.advance(Duration::from_secs(3_600));
    for id in &ids {
        world.shop.edit("contacts", id, json!({"phone": "2"}));
    }
    let (books, clock) = (world.books.clone(), world.clock.clone());
    around_the_first_write(&world, Moment::AfterWrite, move || {
        clock.advance(Duration::from_secs(11));
        let to_come = books.all("contacts").into_iter().find(|contact| contact["phone"] == "1").unwrap();
        books.edit("contacts", to_come["id"].as_str().unwrap(), json!({"phone": "typed"}));
    });
    let report = world.sync().await;
    World::find(&world.books, "contacts", "phone", "typed");
    let parked = world.desk(async |desk| desk.conflicts(None).await.unwrap()).await;
    assert_eq!((report.pulled_again, parked.len()), (1, 1), "{report:#?}");
    world.settled().await;
}

/// A person links a record by hand while the run that would make its counterpart is under way.
#[tokio::test]
async fn what_was_linked_by_hand_meanwhile_is_not_made() {
    let world = World::new(&CONTACTS.replace("direction: two-way", "direction: source-to-target"));
    let there = world.books.insert("contacts", json!({"name": "Somebody", "email": "other@x.example"}));
    world.settled().await;
    let contact = |n: usize| json!({"name": format!("P{n}"), "email": format!("p{n}@x.example")});
    for n in 0..MANY {
        world.shop.insert("contacts", contact(n));
    }
    let (shop, books, engine, pipeline) =
        (world.shop.clone(), world.books.clone(), world.engine(), world.pipeline("contacts"));
    let with = RecordId::from(there.as_str());
    around_the_first_write(&world, Moment::AfterWrite, move || {
        let made = books.all("contacts");
        let is_made = |contact: &serde_json::Value| made.iter().any(|one| one["email"] == contact["email"]);
        let to_come = shop.all("contacts").into_iter().find(|contact| !is_made(contact)).unwrap();
        let source = RecordId::from(to_come["id"].as_str().unwrap());
        Desk::new(&engine).add_link(&pipeline, &source, &with).now_or_never().unwrap().unwrap();
    });
    let report = world.sync().await;
    world.books.hook(None);
    assert_eq!(world.books.count("contacts"), MANY, "one of them was there: {report:#?}");
    let links = world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await;
    assert_eq!(links.len(), MANY);
    world.sync().await;
    world.settled().await;
}

/// A newcomer that waits for its write is read again with an edit, and then its write is not carried out: the edit stays known.
#[tokio::test]
async fn what_was_read_again_while_it_waited_is_not_put_back_as_it_was() {
    let world = World::new(CONTACTS);
    jane(&world).await;
    world.settled().await;
    let contact = |n: usize| json!({"name": format!("P{n}"), "email": format!("p{n}@x.example")});
    // Two full calls to the books, so that the second one reads them again; after them one to the shop.
    for n in 0..20 {
        world.shop.insert("contacts", contact(n));
    }
    let tui = world.books.insert("contacts", json!({"name": "Tui", "email": "tui@x.example", "phone": "1"}));
    let (books, shop, clock) = (world.books.clone(), world.shop.clone(), world.clock.clone());
    around_the_first_write(&world, Moment::AfterWrite, move || {
        books.edit("contacts", &tui, json!({"phone": "2"}));
        clock.advance(Duration::from_secs(11));
        shop.fail_next(Fault::NotDone);
    });
    let report = world.run(world.request(Mode::Sync)).await;
    assert!(report.troubles.len() == 1 && report.pulled_again > 0, "{report:#?}");
    assert_eq!(world.shop.count("contacts"), 21, "Tui waits");
    world.clock.advance(Duration::from_secs(600));
    world.sync().await;
    assert_eq!(World::find(&world.shop, "contacts", "name", "Tui")["phone"], "2");
    world.settled().await;
}

/// A newcomer that waits for its write is archived, and that is read before its turn comes: nothing is made for it.
#[tokio::test]
async fn what_was_archived_while_it_waited_gets_no_counterpart() {
    let world = World::new(CONTACTS);
    jane(&world).await;
    world.settled().await;
    let contact = |n: usize| json!({"name": format!("P{n}"), "email": format!("p{n}@x.example")});
    // Two full calls to the books, so that the second one reads them again; after them one to the shop.
    for n in 0..20 {
        world.shop.insert("contacts", contact(n));
    }
    let tui = world.books.insert("contacts", json!({"name": "Tui", "email": "tui@x.example"}));
    let (books, clock) = (world.books.clone(), world.clock.clone());
    around_the_first_write(&world, Moment::AfterWrite, move || {
        books.edit("contacts", &tui, json!({"archived": true}));
        clock.advance(Duration::from_secs(11));
    });
    let report = world.sync().await;
    assert!(report.pulled_again > 0, "{report:#?}");
    assert_eq!(world.shop.count("contacts"), 21, "Tui was archived: {report:#?}");
    world.settled().await;
    assert_eq!(world.shop.count("contacts"), 21);
}

/// A record is archived between its page and the end of a first reading, which shows it a second time, as archived.
#[tokio::test]
async fn what_was_archived_while_a_first_reading_went_on_gets_no_counterpart() {
    let world = World::new(CONTACTS);
    world.shop.page_size(2);
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(world.shop.insert("contacts", json!({"name": format!("P{n}"), "email": format!("p{n}@x.example")})));
        world.clock.advance(Duration::from_secs(5));
    }
    let (shop, clock, first, mut read) = (world.shop.clone(), world.clock.clone(), ids[0].clone(), false);
    world.shop.hook(Some(Box::new(move |moment| {
        if moment == Moment::AfterRead && !std::mem::replace(&mut read, true) {
            clock.advance(Duration::from_secs(1));
            shop.edit("contacts", &first, json!({"archived": true}));
        }
        None
    })));
    let report = world.sync().await;
    world.shop.hook(None);
    assert_eq!(world.books.count("contacts"), 3, "the first was archived: {report:#?}");
    world.settled().await;
    assert_eq!(world.books.count("contacts"), 3);
}

/// It is archived while a first reading goes on, and taken back before that has come to rest: the last reading counts.
#[tokio::test]
async fn what_was_archived_and_taken_back_while_a_first_reading_went_on_gets_its_counterpart() {
    for back in 2..=5 {
        let world = World::new(CONTACTS);
        world.shop.page_size(2);
        let mut ids = Vec::new();
        for n in 0..4 {
            let contact = json!({"name": format!("P{n}"), "email": format!("p{n}@x.example")});
            ids.push(world.shop.insert("contacts", contact));
            world.clock.advance(Duration::from_secs(5));
        }
        let (shop, clock, first, mut reads) = (world.shop.clone(), world.clock.clone(), ids[0].clone(), 0);
        world.shop.hook(Some(Box::new(move |moment| {
            reads += usize::from(moment == Moment::AfterRead);
            if moment == Moment::AfterRead && (reads == 1 || reads == back) {
                clock.advance(Duration::from_secs(1));
                shop.edit("contacts", &first, json!({"archived": reads == 1}));
            }
            None
        })));
        let report = world.sync().await;
        world.shop.hook(None);
        world.settled().await;
        assert_eq!(world.books.count("contacts"), 4, "taken back after reading {back}: {report:#?}");
    }
}

/// Two that match are laid beside each other, and one of them is edited and read before they are linked: the edit counts.
#[tokio::test]
async fn what_was_read_again_before_it_was_linked_is_not_written_over() {
    let world = World::new(CONTACTS);
    jane(&world).await;
    world.settled().await;
    let contact = |n: usize| json!({"name": format!("P{n}"), "email": format!("p{n}@x.example")});
    // Two full calls to the books, so that the second one reads them again; the pair comes after them: s9 in the order of ids.
    for n in 2..=22 {
        let zoe = json!({"name": "Zoe", "email": "zoe@x.example", "phone": "021 1"});
        world.shop.insert("contacts", if n == 9 { zoe } else { contact(n) });
    }
    let zoe = world.books.insert("contacts", json!({"name": "Zoe", "email": "zoe@x.example"}));
    let (books, clock, id) = (world.books.clone(), world.clock.clone(), zoe.clone());
    around_the_first_write(&world, Moment::AfterWrite, move || {
        books.edit("contacts", &id, json!({"phone": "typed"}));
        clock.advance(Duration::from_secs(11));
    });
    let report = world.sync().await;
    assert!(report.pulled_again > 0, "{report:#?}");
    assert_eq!(world.books.get_body("contacts", &zoe)["phone"], "typed", "{report:#?}");
    world.settled().await;
    assert_eq!(world.books.get_body("contacts", &zoe)["phone"], "typed");
}

/// A system that tells no changes: what a long run is about to write over is looked at by its id.
#[tokio::test]
async fn what_is_typed_while_a_long_run_writes_is_looked_at_where_nothing_tells_changes() {
    let feed = ", changed_since: { param: since, format: rfc3339, overlap: 0s, misses: [customer] }";
    assert!(CONNECTORS.contains(feed));
    let world = World::new(&format!("{CONTACTS}{}", CONNECTORS.replace(feed, "")));
    let contact = |n: usize| json!({"name": format!("P{n}"), "email": format!("p{n}@x.example"), "phone": "1"});
    let ids: Vec<String> = (0..MANY).map(|n| world.shop.insert("contacts", contact(n))).collect();
    world.settled().await;
    for id in &ids {
        world.shop.edit("contacts", id, json!({"phone": "2"}));
    }
    let (books, clock) = (world.books.clone(), world.clock.clone());
    around_the_first_write(&world, Moment::AfterWrite, move || {
        clock.advance(Duration::from_secs(11));
        let to_come = books.all("contacts").into_iter().find(|contact| contact["phone"] == "1").unwrap();
        books.edit("contacts", to_come["id"].as_str().unwrap(), json!({"phone": "typed"}));
    });
    world.sync().await;
    World::find(&world.books, "contacts", "phone", "typed");
    let parked = world.desk(async |desk| desk.conflicts(None).await.unwrap()).await;
    assert_eq!(parked.len(), 1);
    world.settled().await;
}

/// Somebody edits a record and archives it while a long run writes: nothing is written to it any more.
#[tokio::test]
async fn what_is_archived_while_a_long_run_writes_is_not_written_over() {
    let world = World::new(CONTACTS);
    world.books.versions();
    let contact = |n: usize| json!({"name": format!("P{n}"), "email": format!("p{n}@x.example"), "phone": "1"});
    let ids: Vec<String> = (0..MANY).map(|n| world.shop.insert("contacts", contact(n))).collect();
    world.settled().await;
    for id in &ids {
        world.shop.edit("contacts", id, json!({"phone": "2"}));
    }
    let (books, clock) = (world.books.clone(), world.clock.clone());
    around_the_first_write(&world, Moment::AfterWrite, move || {
        let to_come = books.all("contacts").into_iter().find(|contact| contact["phone"] == "1").unwrap();
        books.edit("contacts", to_come["id"].as_str().unwrap(), json!({"phone": "typed"}));
        books.edit("contacts", to_come["id"].as_str().unwrap(), json!({"archived": true}));
        clock.advance(Duration::from_secs(11));
    });
    world.sync().await;
    assert_eq!(World::find(&world.books, "contacts", "phone", "typed")["archived"], true);
    world.settled().await;
    World::find(&world.books, "contacts", "phone", "typed");
}
