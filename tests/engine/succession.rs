//! A record that was made anew takes the place of the gone one it matches, and overwrites nothing.

use std::sync::Arc;

use reconciled::{connector::WriteKind, engine::Mode, record::Side, sync::ParkCode};
use serde_json::{Value, json};

use crate::{
    fields::CONTACTS,
    power::cut,
    support::{Fake, World},
};

async fn links(world: &World) -> Vec<(String, String)> {
    let links = world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await;
    links.iter().map(|link| (link.id(Side::Source).to_string(), link.id(Side::Target).to_string())).collect()
}

fn jane(world: &World) -> Value {
    World::find(&world.books, "contacts", "email", "jane@x.example")
}

async fn linked() -> (World, String) {
    let world = World::new(CONTACTS);
    let old = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "1"}));
    world.settled().await;
    (world, old)
}

#[tokio::test]
async fn a_contact_made_anew_keeps_its_counterpart() {
    let (world, old) = linked().await;
    let there = jane(&world)["id"].as_str().unwrap().to_owned();
    world.shop.delete("contacts", &old);
    world.sync_full().await;
    let new = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "1"}));
    world.sync().await;
    assert_eq!(links(&world).await, [(new.clone(), there.clone())]);
    assert_eq!(world.books.count("contacts"), 1);
    world.settled().await;
    // What is typed from now on is an edit, in either direction.
    world.shop.edit("contacts", &new, json!({"phone": "2"}));
    world.settled().await;
    assert_eq!(jane(&world)["phone"], "2");
    world.books.edit("contacts", &there, json!({"phone": "3"}));
    world.settled().await;
    assert_eq!(world.shop.get_body("contacts", &new)["phone"], "3");
}

/// Two people share an address, and the one that is linked goes: the other one may be somebody else.
#[tokio::test]
async fn somebody_else_with_the_same_key_overwrites_nothing() {
    let (world, old) = linked().await;
    let there = jane(&world)["id"].as_str().unwrap().to_owned();
    let other = world.shop.insert("contacts", json!({"name": "John", "email": "jane@x.example", "phone": "7"}));
    world.sync().await;
    world.books.edit("contacts", &there, json!({"phone": "9"}));
    world.sync().await;
    world.shop.delete("contacts", &old);
    world.sync_full().await;
    assert_eq!(links(&world).await, [(old, there.clone())], "he is listed as before");
    world.shop.edit("contacts", &other, json!({"city": "Picton"}));
    world.sync().await;
    assert_eq!(links(&world).await, [(other.clone(), there.clone())]);
    assert_eq!((jane(&world)["name"].clone(), jane(&world)["phone"].clone()), (json!("Jane"), json!("9")));
    assert_eq!(world.shop.get_body("contacts", &other)["phone"], "7");
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    assert!(!parked.is_empty() && parked.iter().all(|parked| parked.parked.code != ParkCode::Taken), "{parked:#?}");
    assert_eq!(world.books.count("contacts"), 1);
    world.settled().await;
}

/// Both systems, by their names.
fn sides(world: &World) -> [(&'static str, Arc<Fake>); 2] {
    [("shop", world.shop.clone()), ("books", world.books.clone())]
}

/// A linked pair whose record in one of the systems was made anew under another id, before anybody looked.
async fn renewed(side: Side) -> (World, Value) {
    let (world, _) = linked().await;
    let (_, system) = sides(&world)[side.index()].clone();
    let old = World::find(&system, "contacts", "email", "jane@x.example");
    system.delete("contacts", old["id"].as_str().unwrap());
    world.sync_full().await;
    system.insert("contacts", old.clone());
    (world, old)
}

/// One Jane on either side, linked with each other, and nothing that was typed is lost.
async fn is_one_pair(world: &World, old: &Value, when: &str) {
    for _ in 0..3 {
        world.clock.advance(std::time::Duration::from_secs(7_200));
        world.sync().await;
    }
    let links = links(world).await;
    let ids = sides(world).map(|(_, system)| World::find(&system, "contacts", "email", "jane@x.example"));
    let pair = ids.clone().map(|record| record["id"].as_str().unwrap().to_owned());
    assert_eq!(links, [(pair[0].clone(), pair[1].clone())], "{when}");
    assert!(ids.iter().all(|record| record["phone"] == old["phone"] && record["id"] != old["id"]), "{when}: {ids:#?}");
    world.settled().await;
}

#[tokio::test]
async fn a_power_cut_anywhere_in_a_succession_leaves_one_pair() {
    for side in Side::BOTH {
        for kept in 0.. {
            let (mut world, old) = renewed(side).await;
            if !cut(&mut world, kept).await {
                assert!(kept > 1, "only {kept} groups");
                break;
            }
            is_one_pair(&world, &old, &format!("{side}, {kept} groups kept")).await;
        }
    }
}

#[tokio::test]
async fn a_crash_at_any_operation_of_a_succession_leaves_one_pair() {
    for side in Side::BOTH {
        for operation in 1.. {
            let (mut world, old) = renewed(side).await;
            world.store.fail_from(None, operation);
            let ended = world.engine().run(world.request(Mode::Sync)).await.is_ok();
            world.store = Arc::new(world.store.crash(operation));
            is_one_pair(&world, &old, &format!("{side}, operation {operation}")).await;
            if ended {
                assert!(operation > 10, "only {operation} operations");
                break;
            }
        }
    }
}

/// The deletion and the record that takes the place are read in the same run: the one is no reason to delete, where the
/// other is there.
#[tokio::test]
async fn a_new_id_is_no_deletion_where_deletions_are_carried_over() {
    for side in Side::BOTH {
        let world = World::new(&format!("{CONTACTS}    deletes: propagate\n    guards: {{ deletes: unlimited }}\n"));
        world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "1"}));
        world.settled().await;
        let (name, system) = sides(&world)[side.index()].clone();
        let old = World::find(&system, "contacts", "email", "jane@x.example");
        system.delete("contacts", old["id"].as_str().unwrap());
        system.insert("contacts", old.clone());
        world.sync_full().await;
        is_one_pair(&world, &json!({"phone": "1", "id": "none"}), name).await;
        let deleted =
            sides(&world).iter().any(|(_, s)| s.written().iter().any(|(kind, ..)| *kind == WriteKind::Delete));
        assert!(!deleted, "{name}");
    }
}

#[tokio::test]
async fn an_edit_on_the_far_side_is_listed_and_not_overwritten_by_the_newcomer() {
    for side in Side::BOTH {
        let (world, old) = renewed(side).await;
        let (name, far) = sides(&world)[side.other().index()].clone();
        let id = World::find(&far, "contacts", "email", "jane@x.example")["id"].as_str().unwrap().to_owned();
        far.edit("contacts", &id, json!({"phone": "9"}));
        world.settled().await;
        assert_eq!(far.get_body("contacts", &id)["phone"], "9", "{name}");
        let (_, near) = sides(&world)[side.index()].clone();
        assert_eq!(World::find(&near, "contacts", "email", "jane@x.example")["phone"], old["phone"], "{name}");
        let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
        assert!(parked.iter().any(|item| item.parked.code == ParkCode::Difference), "{name}: {parked:#?}");
    }
}

/// No deletion waits for ever for a record of the same key that the filter keeps out: where both sides are written it takes
/// the place, as its counterpart invites it; where only one is, it can be nobody's match, and the deletion is carried over.
#[tokio::test]
async fn a_deletion_does_not_wait_for_ever_beside_a_record_that_the_filter_keeps_out() {
    let filtered = "    filters: { source: [ { path: $.city, not_equals: Hidden } ] }\n";
    let carried = "    deletes: propagate\n    guards: { deletes: unlimited }\n";
    for (direction, left) in [("two-way", 1), ("source-to-target", 0)] {
        let contacts = CONTACTS.replace("two-way", direction);
        let world = World::new(&format!("{contacts}{filtered}{carried}"));
        let old = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "1"}));
        world.settled().await;
        let hidden = json!({"name": "Jane", "email": "jane@x.example", "phone": "1", "city": "Hidden"});
        let other = world.shop.insert("contacts", hidden);
        world.sync().await;
        world.settled().await;
        world.shop.delete("contacts", &old);
        world.sync_full().await;
        // What is listed is tried again after a while.
        for _ in 0..3 {
            world.clock.advance(std::time::Duration::from_secs(7_200));
            world.sync().await;
        }
        assert_eq!(world.books.count("contacts"), left, "{direction}");
        let deleted = world.books.written().iter().filter(|(kind, ..)| *kind == WriteKind::Delete).count();
        assert_eq!(deleted, 1 - left, "{direction}");
        if left == 1 {
            let there = jane(&world)["id"].as_str().unwrap().to_owned();
            assert_eq!(links(&world).await, [(other, there)], "{direction}");
        }
        let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
        assert!(parked.is_empty(), "{direction}: {parked:#?}");
        world.settled().await;
        assert_eq!(world.shop.count("contacts"), 1, "{direction}");
    }
}
