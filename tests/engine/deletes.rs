//! Deletions that are carried over, and everything that keeps one from it.

use std::time::Duration;

use reconciled::{
    connector::WriteKind,
    engine::{Mode, RunReport, RunRequest, Verb, Whereabouts},
    record::{RecordId, Side},
    sync::ParkCode,
};
use serde_json::json;

use crate::{
    fields::jane,
    support::{Fault, World, fake::Moment},
};

/// Contacts whose deletions are carried over as this says, the guard raised.
fn contacts(deletes: &str) -> String {
    format!("{}    deletes: {deletes}\n    guards: {{ deletes: unlimited }}\n", crate::fields::CONTACTS)
}

fn deletions(world: &World) -> [usize; 2] {
    [&world.shop, &world.books]
        .map(|system| system.written().iter().filter(|(kind, ..)| *kind == WriteKind::Delete).count())
}

/// Jane is deleted in the shop, and everything is read in full.
async fn jane_goes(world: &World) -> (String, String, RunReport) {
    let (shop, books) = jane(world).await;
    world.settled().await;
    world.shop.delete("contacts", &shop);
    let report = world.sync_full().await;
    (shop, books, report)
}

async fn parked(world: &World) -> Vec<ParkCode> {
    world.desk(async |desk| desk.parked(None).await.unwrap()).await.iter().map(|item| item.parked.code).collect()
}

#[tokio::test]
async fn a_deletion_is_carried_over_once_with_what_was_lost_in_the_report() {
    let world = World::new(&contacts("propagate"));
    let (shop, books, report) = jane_goes(&world).await;
    assert_eq!((world.books.count("contacts"), deletions(&world)), (0, [0, 1]));
    let told = &report.pipelines[0];
    assert_eq!((told.tally.deleted, told.tally.updated, told.tally.parked), ([0, 1], [0, 0], 0), "{told:#?}");
    let item = told.items.iter().find(|item| item.verb == Verb::Delete).unwrap();
    let phone = item.fields.iter().find(|field| field.field.starts_with("phone")).unwrap();
    assert_eq!(
        (phone.before.as_str(), phone.why.as_str()),
        (Some("021 1"), "deleted on the source; deletes: propagate")
    );
    world.settled().await;
    let name = world.pipeline("contacts");
    let told = world.desk(async |desk| desk.explain(&name, &shop).await.unwrap()).await;
    let Whereabouts::Linked { target, deleted, next, .. } = &told[0].stands else { panic!("{told:?}") };
    assert_eq!((target.as_str(), *deleted, next.as_slice()), (books.as_str(), Some(Side::Target), &[][..]));
    // Somebody new with the same address is somebody new.
    world.shop.insert("contacts", json!({"name": "Jane Again", "email": "jane@x.example"}));
    world.sync().await;
    assert_eq!(world.books.all("contacts")[0]["name"], "Jane Again");
    world.settled().await;
    assert_eq!(deletions(&world), [0, 1]);
}

#[tokio::test]
async fn the_other_way_and_by_archiving_it_is_the_same() {
    let world = World::new(&contacts("{ to-source: propagate }"));
    let (shop, books) = jane(&world).await;
    world.books.edit("contacts", &books, json!({"archived": true}));
    world.sync().await;
    assert_eq!((world.shop.count("contacts"), deletions(&world)), (0, [1, 0]));
    world.settled().await;
    let _ = shop;
}

#[tokio::test]
async fn by_default_and_against_the_stated_direction_nothing_is_deleted() {
    for deletes in ["ignore", "{ to-source: propagate }", "{ to-target: propagate, only: born-on-target }"] {
        let world = World::new(&contacts(deletes));
        let (_, books, _) = jane_goes(&world).await;
        assert_eq!((world.books.count("contacts"), deletions(&world)), (1, [0, 0]), "{deletes}");
        world.books.edit("contacts", &books, json!({"phone": "021 9"}));
        world.settled().await;
        assert_eq!(world.shop.count("contacts"), 0, "{deletes}: never created anew");
    }
}

#[tokio::test]
async fn a_deletion_is_held_with_its_plan_until_a_person_approves_it() {
    let world = World::new(&format!("{}    deletes: propagate\n", crate::fields::CONTACTS));
    let (_, _, report) = jane_goes(&world).await;
    let held = report.pipelines[0].held.clone().expect("the guard allows no deletion");
    assert_eq!((held.damage.deletes, held.guards[0].guard.as_str(), held.guards[0].allowed), (1, "deletes", 0));
    assert_eq!(report.pipelines[0].counts.deletes, [0, 1]);
    world.sync().await;
    assert_eq!(deletions(&world), [0, 0], "it stays held");
    world.desk(async |desk| desk.approve(&held.id).await.unwrap()).await;
    world.sync().await;
    assert_eq!(deletions(&world), [0, 1]);
    world.settled().await;
}

#[tokio::test]
async fn an_edit_before_the_deletion_is_seen_beats_it() {
    let world = World::new(&contacts("propagate"));
    let (shop, books) = jane(&world).await;
    world.settled().await;
    world.shop.delete("contacts", &shop);
    world.books.edit("contacts", &books, json!({"phone": "021 9"}));
    world.sync_full().await;
    assert_eq!((parked(&world).await, deletions(&world)), (vec![ParkCode::DeletedAndEdited], [0, 0]));
    world.settled().await;
    // The edit is taken back, and with it the objection.
    world.books.edit("contacts", &books, json!({"phone": "021 1"}));
    world.sync().await;
    assert_eq!((parked(&world).await, deletions(&world)), (vec![], [0, 1]));
    world.settled().await;
}

#[tokio::test]
async fn an_edit_that_no_feed_tells_is_found_by_the_last_look() {
    for versions in [false, true] {
        let world = World::new(&contacts("propagate"));
        if versions {
            world.shop.versions();
            world.books.versions();
        }
        let (shop, books) = jane(&world).await;
        world.settled().await;
        world.books.edit("contacts", &books, json!({"archived": true}));
        // Between the pull and the deletion somebody types.
        let (system, id, clock, mut reads) = (world.shop.clone(), shop.clone(), world.clock.clone(), 0);
        world.shop.hook(Some(Box::new(move |moment| {
            if moment == Moment::AfterRead {
                reads += 1;
                if reads == 1 {
                    clock.advance(Duration::from_secs(1));
                    system.edit("contacts", &id, json!({"phone": "typed"}));
                }
            }
            None
        })));
        world.sync().await;
        world.shop.hook(None);
        assert_eq!(deletions(&world), [0, 0], "versions: {versions}");
        assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "typed");
        world.sync().await;
        assert_eq!(parked(&world).await, [ParkCode::DeletedAndEdited]);
        world.settled().await;
    }
}

#[tokio::test]
async fn with_versions_even_what_is_typed_after_the_last_look_is_kept() {
    let world = World::new(&contacts("propagate"));
    world.books.versions();
    let (shop, books) = jane(&world).await;
    world.settled().await;
    world.shop.delete("contacts", &shop);
    let (system, id) = (world.books.clone(), books.clone());
    world.books.hook(Some(Box::new(move |moment| {
        if moment == Moment::BeforeWrite {
            system.edit("contacts", &id, json!({"phone": "typed"}));
        }
        None
    })));
    world.sync_full().await;
    world.books.hook(None);
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "typed");
    world.sync().await;
    assert_eq!((parked(&world).await, deletions(&world)), (vec![ParkCode::DeletedAndEdited], [0, 0]));
    world.settled().await;
}

#[tokio::test]
async fn a_record_that_is_back_before_the_deletion_is_sent_is_not_deleted() {
    let world = World::new(&contacts("propagate"));
    let (shop, books) = jane(&world).await;
    world.settled().await;
    let body = world.shop.get_body("contacts", &shop);
    world.shop.delete("contacts", &shop);
    let poll = RunRequest { full: true, ..world.request(Mode::Poll) };
    world.run(poll).await;
    // It is there again after the shop was asked for changes, and before the deletion.
    let (system, mut once) = (world.shop.clone(), true);
    world.shop.hook(Some(Box::new(move |moment| {
        if moment == Moment::AfterRead && std::mem::take(&mut once) {
            system.put_back("contacts", body.clone());
        }
        None
    })));
    let report = world.sync().await;
    assert_eq!(report.pipelines[0].counts.deletes, [0, 1], "it was planned: {report:#?}");
    world.shop.hook(None);
    assert_eq!((world.books.count("contacts"), deletions(&world)), (1, [0, 0]));
    world.books.edit("contacts", &books, json!({"phone": "021 9"}));
    world.settled().await;
    assert_eq!(world.shop.get_body("contacts", &shop)["phone"], "021 9", "they go on as before");
}

#[tokio::test]
async fn what_a_person_brings_back_stays() {
    let world = World::new(&contacts("propagate"));
    let (shop, books) = jane(&world).await;
    let body = world.books.get_body("contacts", &books);
    world.settled().await;
    world.shop.delete("contacts", &shop);
    world.sync_full().await;
    world.books.put_back("contacts", body);
    world.sync().await;
    world.settled().await;
    assert_eq!((world.books.count("contacts"), deletions(&world)), (1, [0, 1]), "it is deleted once");
    assert_eq!(world.shop.count("contacts"), 0, "and not created anew");
}

#[tokio::test]
async fn a_deletion_of_unknown_outcome_is_looked_up() {
    for (fault, keys) in [
        (Fault::LostAfter, None),
        (Fault::LostBefore, None),
        (Fault::NotDone, None),
        (Fault::ShortAnswer, None),
        (Fault::LostBefore, Some(Duration::from_secs(90))),
    ] {
        let world = World::with_keys(&contacts("propagate"), keys);
        let (shop, _) = jane(&world).await;
        world.settled().await;
        world.shop.delete("contacts", &shop);
        world.books.fail_next(fault);
        world.sync_full().await;
        world.clock.advance(Duration::from_secs(300));
        world.sync().await;
        world.sync().await;
        assert_eq!(world.books.count("contacts"), 0, "{fault:?}");
        assert!(deletions(&world)[1] == 1, "{fault:?}: {:?}", deletions(&world));
        world.settled().await;
    }
}

#[tokio::test]
async fn a_crash_at_any_moment_of_a_deletion_ends_in_one_deletion() {
    for at in 1..40 {
        let mut world = World::new(&contacts("propagate"));
        let (shop, _) = jane(&world).await;
        world.settled().await;
        world.shop.delete("contacts", &shop);
        world.store.fail_from(None, at);
        let request = RunRequest { full: true, ..world.request(Mode::Sync) };
        let crashed = world.engine().run(request).await.is_err();
        if crashed {
            world.store = std::sync::Arc::new(world.store.crash(at));
        }
        world.store.heal();
        world.clock.advance(Duration::from_secs(1_000));
        world.sync_full().await;
        world.sync().await;
        assert_eq!((world.books.count("contacts"), deletions(&world)), (0, [0, 1]), "crash at {at}");
        world.settled().await;
    }
}

#[tokio::test]
async fn a_refused_deletion_is_parked_in_the_remotes_words_and_holds_up_nobody() {
    let world = World::new(&contacts("propagate"));
    let (shop, books) = jane(&world).await;
    let other = world.shop.insert("contacts", json!({"name": "John", "email": "john@x.example"}));
    world.settled().await;
    world.books.refuse(|values| (values["name"] == "Jane Doe").then(|| "it has payments".to_owned()));
    world.shop.delete("contacts", &shop);
    world.shop.edit("contacts", &other, json!({"phone": "021 2"}));
    let report = world.sync_full().await;
    assert_eq!(report.pipelines[0].tally.updated, [0, 1], "the others go on: {report:#?}");
    let items = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert_eq!(
        (items.len(), items[0].parked.code, items[0].parked.message.as_str()),
        (1, ParkCode::Refused, "it has payments")
    );
    world.books.behave();
    world.settled().await;
    world.clock.advance(Duration::from_secs(100_000));
    world.sync().await;
    assert_eq!(deletions(&world), [0, 0], "nothing changed, so it is not asked again");
    let name = world.pipeline("contacts");
    world.desk(async |desk| desk.retry(&name, Some(&RecordId::from(shop.as_str()))).await.unwrap()).await;
    world.sync().await;
    assert_eq!((deletions(&world), world.books.count("contacts")), ([0, 1], 1), "a person asked");
    world.settled().await;
    let _ = books;
}

#[tokio::test]
async fn a_remote_that_says_it_deleted_and_did_not_is_found_out() {
    let world = World::new(&contacts("propagate"));
    let (shop, _) = jane(&world).await;
    world.settled().await;
    world.books.keep_deleted(true);
    world.shop.delete("contacts", &shop);
    let report = world.sync_full().await;
    assert_eq!((report.pipelines[0].tally.deleted, parked(&world).await), ([0, 0], vec![ParkCode::Refused]));
    world.settled().await;
    assert_eq!(world.books.count("contacts"), 1);
}

/// An empty listing is no reason to delete anything, also where deletions are carried over; a person may say it is true.
#[tokio::test]
async fn a_listing_that_is_not_believed_carries_no_deletion_over_until_a_person_says_it_is_true() {
    let world = World::new(&contacts("propagate"));
    for n in 0..4 {
        world.shop.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}));
    }
    world.settled().await;
    for record in world.books.all("contacts") {
        world.books.delete("contacts", record["id"].as_str().unwrap());
    }
    for _ in 0..2 {
        let report = world.sync_full().await;
        assert_eq!(report.troubles.len(), 1, "{report:#?}");
        assert_eq!((world.shop.count("contacts"), deletions(&world)), (4, [0, 0]));
    }
    world.desk(async |desk| desk.approve("contacts").await.unwrap()).await;
    let report = world.sync_full().await;
    assert_eq!(report.troubles, []);
    assert_eq!((world.shop.count("contacts"), deletions(&world)), (0, [4, 0]), "{report:#?}");
    world.settled().await;
}

/// What was merged into another is not deleted: its counterpart stays, and is listed with the survivor's id.
#[tokio::test]
async fn a_record_that_was_merged_into_another_deletes_nothing() {
    let world = World::new(&contacts("propagate"));
    let (shop, books) = jane(&world).await;
    let survivor = world.books.insert("contacts", json!({"name": "Jane too", "email": "jane2@x.example"}));
    world.settled().await;
    world.books.edit("contacts", &books, json!({"merged_into": survivor}));
    world.sync_full().await;
    assert_eq!((world.shop.count("contacts"), deletions(&world)), (2, [0, 0]));
    let name = world.pipeline("contacts");
    let told = world.desk(async |desk| desk.explain(&name, &shop).await.unwrap()).await;
    assert!(format!("{told:?}").contains(&format!("merged into {survivor}")), "{told:?}");
    // An edit of the one that is left goes nowhere, and is listed.
    world.shop.edit("contacts", &shop, json!({"phone": "021 9"}));
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", &books)["phone"], "021 1");
    world.settled().await;
}

/// Both were deleted, the one in the shop is brought back, and somebody enters the other one anew before we know of it.
#[tokio::test]
async fn who_takes_the_place_of_what_was_deleted_is_not_deleted_for_it() {
    let world = World::new(&contacts("propagate"));
    let books = world.books.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "1"}));
    world.settled().await;
    let shop = World::find(&world.shop, "contacts", "name", "Jane")["id"].as_str().unwrap().to_owned();
    world.shop.edit("contacts", &shop, json!({"archived": true}));
    world.sync().await;
    assert_eq!((world.books.count("contacts"), deletions(&world)), (0, [0, 1]), "{books}");
    world.shop.edit("contacts", &shop, json!({"archived": false}));
    world.books.insert("contacts", json!({"name": "Joan", "email": "jane@x.example", "city": "Picton"}));
    world.sync().await;
    assert_eq!((world.books.count("contacts"), deletions(&world)), (1, [0, 1]));
    world.settled().await;
}
