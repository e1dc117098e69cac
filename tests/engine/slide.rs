//! A listing that shifts while it is read: records move up to a page that was read already, and are not in it.

use std::{sync::Arc, sync::Mutex, time::Duration};

use reconciled::engine::Mode;
use serde_json::json;

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
