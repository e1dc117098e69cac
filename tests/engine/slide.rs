//! A listing that shifts while it is read: records move up to a page that was read already, and are not in it.

use std::{sync::Arc, sync::Mutex, time::Duration};

use reconciled::{connector::Connector, engine::Mode};
use serde_json::{Value, json};

use crate::{
    fields::CONTACTS,
    support::{Fault, World, fake::Moment},
};

/// What a lost create made stands on the third page; what stands before it is deleted when the first page was read.
#[tokio::test]
async fn what_a_lost_create_made_is_looked_for_twice_before_it_is_made_again() {
    for full in [false, true] {
        let world = World::with_keys(CONTACTS, None);
        world.books.page_size(2);
        for name in ["Ada", "Bob"] {
            world.books.insert("contacts", json!({"name": name, "email": format!("{name}@x.example")}));
        }
        world.sync().await;
        for name in ["Jane", "Joan", "June"] {
            world.shop.insert("contacts", json!({"name": name, "email": format!("{name}@x.example")}));
        }
        world.books.fail_next(Fault::LostAfter);
        let _ = world.run(world.request(Mode::Sync)).await;
        assert_eq!(world.books.count("contacts"), 5, "it was done, and nobody knows");

        world.clock.advance(Duration::from_secs(200));
        let (books, gone) = (world.books.clone(), Arc::new(Mutex::new(false)));
        world.books.hook(Some(Box::new(move |moment| {
            if moment == Moment::AfterRead && !std::mem::replace(&mut *gone.lock().unwrap(), true) {
                let first = books.all("contacts").into_iter().find(|c| c["name"] == if full { "Ada" } else { "Jane" });
                books.delete("contacts", first.unwrap()["id"].as_str().unwrap());
            }
            None
        })));
        let report = if full { world.sync_full().await } else { world.sync().await };
        world.books.hook(None);
        for name in ["Joan", "June"] {
            let found = world.books.all("contacts").into_iter().filter(|c| c["name"] == name).count();
            assert_eq!(found, 1, "{name}, full {full}: {report:#?}");
        }
        world.settled().await;
    }
}

fn reads(world: &World) -> u64 {
    Connector::requests(&*world.books).reads
}

fn contact(name: &str) -> Value {
    json!({"name": name, "email": format!("{name}@x.example")})
}

/// `then` happens after the first page that the books give, once for each of `times` listings.
fn while_it_is_read(world: &World, times: usize, then: impl Fn(usize) + Send + 'static) {
    let (clock, done) = (world.clock.clone(), Mutex::new((0, 0)));
    world.books.hook(Some(Box::new(move |moment| {
        if moment == Moment::AfterRead {
            let mut done = done.lock().unwrap();
            // Three pages a listing.
            if done.0 % 3 == 0 && done.1 < times {
                clock.advance(Duration::from_secs(1));
                then(done.1);
                done.1 += 1;
            }
            done.0 += 1;
        }
        None
    })));
}

/// Four records on two pages; the first is edited when its page was read, so that the third is on none.
#[tokio::test]
async fn a_first_reading_that_something_moved_in_is_read_once_more_before_anything_is_made() {
    let world = World::new(CONTACTS);
    world.books.page_size(2);
    let mut ids = Vec::new();
    for name in ["Ada", "Bob", "Jane", "Zoe"] {
        ids.push(world.books.insert("contacts", contact(name)));
        world.clock.advance(Duration::from_secs(5));
    }
    world.shop.insert("contacts", contact("Jane"));
    let (books, first) = (world.books.clone(), ids[0].clone());
    while_it_is_read(&world, 1, move |_| {
        books.edit("contacts", &first, json!({"note": "touched"}));
    });
    let report = world.sync().await;
    world.books.hook(None);
    assert_eq!(world.books.count("contacts"), 4, "Jane was there: {report:#?}");
    assert!(report.pulled_again > 0, "{report:#?}");
    world.settled().await;
}

/// Nothing moves: a first reading costs one request more than its pages.
#[tokio::test]
async fn a_first_reading_that_nothing_moved_in_is_asked_about_once() {
    let world = World::new(CONTACTS);
    world.books.page_size(2);
    for name in ["Ada", "Bob", "Jane", "Zoe"] {
        world.books.insert("contacts", contact(name));
    }
    world.clock.advance(Duration::from_secs(5));
    let before = reads(&world);
    let report = world.sync().await;
    assert_eq!((reads(&world) - before, report.pulled_again), (3, 1), "{report:#?}");
    world.settled().await;
}

/// Five contacts on both sides, agreed on long ago; three pages of the books.
async fn agreed() -> World {
    let world = World::new(CONTACTS);
    world.books.page_size(2);
    for name in ["Ada", "Bob", "Jane", "Zoe", "Kim"] {
        world.shop.insert("contacts", contact(name));
    }
    for _ in 0..2 {
        world.sync().await;
        world.clock.advance(Duration::from_secs(300));
    }
    world
}

/// A pipeline that is new meets a resource that was read before: its first reading is a first one all the same.
#[tokio::test]
async fn a_first_reading_for_a_new_pipeline_is_read_once_more_too() {
    let mut world = agreed().await;
    world.reconfigure(&CONTACTS.replace("  contacts:\n", "  people:\n"));
    let (books, first) = (world.books.clone(), World::find(&world.books, "contacts", "name", "Ada")["id"].clone());
    while_it_is_read(&world, 1, move |_| {
        books.edit("contacts", first.as_str().unwrap(), json!({"note": "touched"}));
    });
    let report = world.sync().await;
    world.books.hook(None);
    assert_eq!(world.books.count("contacts"), 5, "all were there: {report:#?}");
    world.settled().await;
}

/// An edit is on no page of a poll that writes nothing. The next run, which writes, knows of it.
#[tokio::test]
async fn an_edit_that_a_moving_page_hid_is_not_written_over_by_a_later_run() {
    let world = agreed().await;
    let id = |name: &str| World::find(&world.books, "contacts", "name", name)["id"].as_str().unwrap().to_owned();
    for name in ["Ada", "Bob", "Jane", "Zoe", "Kim"] {
        world.clock.advance(Duration::from_secs(1));
        let edit = if name == "Jane" { json!({"phone": "021 7"}) } else { json!({"note": "touched"}) };
        world.books.edit("contacts", &id(name), edit);
    }
    world.clock.advance(Duration::from_secs(60));
    let (books, first) = (world.books.clone(), id("Ada"));
    while_it_is_read(&world, 1, move |_| {
        books.edit("contacts", &first, json!({"note": "again"}));
    });
    world.run(world.request(Mode::Poll)).await;
    world.books.hook(None);
    world.clock.advance(Duration::from_secs(600));
    let jane = World::find(&world.shop, "contacts", "name", "Jane");
    world.shop.edit("contacts", jane["id"].as_str().unwrap(), json!({"phone": "021 8"}));
    world.sync().await;
    // Edited on both sides: a person decides.
    assert_eq!(World::find(&world.books, "contacts", "name", "Jane")["phone"], "021 7");
    world.settled().await;
}

/// What a lost create made is hidden by two listings, for something moved in each of them.
#[tokio::test]
async fn what_a_lost_create_made_is_looked_for_until_nothing_moves() {
    let world = World::with_keys(CONTACTS, None);
    world.books.page_size(2);
    world.sync().await;
    for name in ["Jane", "Joan", "June"] {
        world.shop.insert("contacts", contact(name));
    }
    world.books.fail_next(Fault::LostAfter);
    let _ = world.run(world.request(Mode::Sync)).await;
    for name in ["Ada", "Bob", "Zoe"] {
        world.books.insert("contacts", contact(name));
    }
    world.clock.advance(Duration::from_secs(200));
    let books = world.books.clone();
    while_it_is_read(&world, 2, move |at| {
        // June moves up to the first page.
        let gone = books.all("contacts").into_iter().find(|c| c["name"] == ["Jane", "Joan"][at]).unwrap();
        books.delete("contacts", gone["id"].as_str().unwrap());
    });
    let report = world.sync().await;
    world.books.hook(None);
    let found = world.books.all("contacts").into_iter().filter(|c| c["name"] == "June").count();
    assert_eq!(found, 1, "{report:#?}");
    world.settled().await;
}

/// A system whose pages have no order: nothing is concluded from them, a person is told, and nothing is lost.
#[tokio::test]
async fn nothing_is_written_to_a_system_whose_pages_never_say_the_same_twice() {
    let world = agreed().await;
    for record in world.books.all("contacts") {
        world.books.edit("contacts", record["id"].as_str().unwrap(), json!({"phone": "021 7"}));
    }
    world.books.unstable(true);
    let jane = World::find(&world.shop, "contacts", "name", "Jane");
    world.shop.edit("contacts", jane["id"].as_str().unwrap(), json!({"phone": "021 8"}));
    let writes = world.books.written().len();
    let report = world.run(world.request(Mode::Sync)).await;
    assert_eq!(world.books.written().len(), writes, "{report:#?}");
    let told = &report.troubles[0].message;
    assert!(told.contains("the pages of books/contacts change while they are read"), "{told}");
    world.books.unstable(false);
    world.sync().await;
    for name in ["Ada", "Bob", "Jane", "Zoe", "Kim"] {
        assert_eq!(World::find(&world.books, "contacts", "name", name)["phone"], "021 7", "{name}");
    }
    world.settled().await;
}

/// An edit that every listing of a failed pull hid: the next run begins where that one did, and reads it.
#[tokio::test]
async fn what_no_listing_of_a_failed_pull_showed_is_read_by_the_next_run() {
    let world = agreed().await;
    let id = |name: &str| World::find(&world.books, "contacts", "name", name)["id"].as_str().unwrap().to_owned();
    let early = world.clock.now() + Duration::from_secs(1);
    for name in ["Ada", "Bob", "Jane", "Zoe", "Kim"] {
        world.clock.advance(Duration::from_secs(1));
        let edit = if name == "Jane" { json!({"phone": "021 7"}) } else { json!({"note": "touched"}) };
        world.books.edit("contacts", &id(name), edit);
    }
    world.clock.advance(Duration::from_secs(60));
    let jane = World::find(&world.shop, "contacts", "name", "Jane");
    world.shop.edit("contacts", jane["id"].as_str().unwrap(), json!({"phone": "021 8"}));
    // Ada stands before the others when a listing begins, and behind them when its first page was read.
    let stamp = Arc::new(Mutex::new(None));
    let told = stamp.clone();
    world.books.stamps(move |at| told.lock().unwrap().unwrap_or(at));
    let (books, clock, ada, mut pages) = (world.books.clone(), world.clock.clone(), id("Ada"), 0);
    world.books.hook(Some(Box::new(move |moment| {
        let (first, before) = (pages % 3 == 0, moment == Moment::BeforeRead);
        pages += usize::from(moment == Moment::AfterRead);
        if first && matches!(moment, Moment::BeforeRead | Moment::AfterRead) {
            clock.advance(Duration::from_secs(u64::from(!before)));
            *stamp.lock().unwrap() = before.then_some(early);
            books.edit("contacts", &ada, json!({"note": format!("{pages}")}));
            *stamp.lock().unwrap() = None;
        }
        None
    })));
    let report = world.run(world.request(Mode::Sync)).await;
    world.books.hook(None);
    assert!(report.troubles[0].message.contains("change while they are read"), "{report:#?}");
    world.clock.advance(Duration::from_secs(600));
    world.sync().await;
    // Edited on both sides: a person decides.
    assert_eq!(World::find(&world.books, "contacts", "name", "Jane")["phone"], "021 7");
    world.settled().await;
}
