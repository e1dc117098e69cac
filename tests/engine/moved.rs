//! A pipeline that gets another name while it is not known what became of a write of it.

use std::time::Duration;

use reconciled::{
    config::PipelineName,
    engine::Mode,
    store::{Moved, move_pipeline},
};
use serde_json::json;

use crate::{
    fields::CONTACTS,
    support::{Fault, World},
};

#[tokio::test]
async fn an_open_create_goes_along_and_makes_no_second_record() {
    let renamed = CONTACTS.replace("\n  contacts:", "\n  people:\n    moved_from: contacts");
    for (fault, there) in [(Fault::LostAfter, 1), (Fault::LostBefore, 0), (Fault::ShortAnswer, 1)] {
        let mut world = World::with_keys(CONTACTS, None);
        world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
        world.books.fail_next(fault);
        let _ = world.run(world.request(Mode::Sync)).await;
        assert_eq!(world.books.count("contacts"), there, "{fault:?}");

        let name = |text: &str| PipelineName::parse(text).unwrap();
        let ledger = world.engine().ledger;
        let moved = move_pipeline(&ledger, &name("contacts"), &name("people")).await.unwrap();
        assert_eq!(moved, Moved::Yes, "{fault:?}");
        world.reconfigure(&renamed);
        for _ in 0..3 {
            world.clock.advance(Duration::from_secs(120));
            world.sync().await;
        }
        assert_eq!(world.books.count("contacts"), 1, "{fault:?}: one Jane");
        assert_eq!(world.desk(async |desk| desk.links(&name("people")).await.unwrap()).await.len(), 1);
        world.settled().await;
    }
}
