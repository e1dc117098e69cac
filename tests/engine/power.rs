//! Power cuts between the steps by which records become linked: what was committed and not flushed is lost from any
//! point on.

use std::{sync::Arc, time::Duration};

use reconciled::{
    engine::Mode,
    store::{MemoryStore, Operation},
};
use serde_json::json;

use crate::{fields::CONTACTS, support::World};

/// Has the next run fail at its next flush, and cuts the power with so many of its groups kept. `false` when there are
/// no more.
pub async fn cut(world: &mut World, kept: usize) -> bool {
    world.store.fail_at(Some(Operation::Flush), 1);
    assert!(world.engine().run(world.request(Mode::Sync)).await.is_err());
    if kept > world.store.unflushed() {
        return false;
    }
    let found: MemoryStore = world.store.crash_keeping(kept);
    world.store = Arc::new(found);
    world.clock.advance(Duration::from_secs(60));
    true
}

#[tokio::test]
async fn a_link_is_found_by_its_key_or_is_not_there() {
    for kept in 0.. {
        let mut world = World::new(CONTACTS);
        world.sync().await;
        world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
        world.books.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
        if !cut(&mut world, kept).await {
            assert!(kept > 2, "only {kept} groups");
            return;
        }
        world.sync().await;
        world.shop.insert("contacts", json!({"name": "Twin", "email": "jane@x.example"}));
        world.sync().await;
        assert_eq!(world.books.count("contacts"), 1, "{kept} groups kept: the twin is listed, not made again");
        world.settled().await;
    }
}

#[tokio::test]
async fn who_waits_for_a_link_is_woken_or_finds_it_missing() {
    const WAITING: &str = r#"
integrations:
  acme:
    first_run: { apply: automatic }
    pipelines:
      contacts:
        source: shop/contacts
        target: books/contacts
        direction: two-way
        creates: none
        match: [ { source: $.email, target: $.email } ]
        fields:
          - { source: $.name, target: $.name }
      sales:
        source: shop/sales
        target: books/sales
        direction: source-to-target
        match: [ { source: $.number, target: $.number } ]
        fields:
          - { source: $.number, target: $.number, write: on-create }
          - { source: $.contact_id, target: $.contact_id, reference: contacts }
"#;
    for anew in [false, true] {
        for kept in 0.. {
            let mut world = World::new(WAITING);
            let jane = json!({"name": "Jane", "email": "jane@x.example"});
            let contact = world.shop.insert("contacts", jane.clone());
            if anew {
                // Linked, gone, and there again under another id: the link goes over.
                world.books.insert("contacts", jane.clone());
                world.sync().await;
                world.shop.delete("contacts", &contact);
                world.shop.insert("sales", json!({"number": "1", "contact_id": "s3"}));
                world.sync_full().await;
                assert_eq!(world.books.count("sales"), 0, "it waits for its contact");
                assert_eq!(world.shop.insert("contacts", jane), "s3");
            } else {
                world.shop.insert("sales", json!({"number": "1", "contact_id": contact}));
                world.sync().await;
                assert_eq!(world.books.count("sales"), 0, "it waits for its contact");
                world.books.insert("contacts", jane);
            }
            if !cut(&mut world, kept).await {
                assert!(kept > 2, "only {kept} groups");
                break;
            }
            for _ in 0..3 {
                world.sync().await;
            }
            assert_eq!(world.books.count("sales"), 1, "anew {anew}, {kept} groups kept");
            world.settled().await;
        }
    }
}
