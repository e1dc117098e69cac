//! Both systems number from 1: an id may be that of another record on the other side, and nobody guesses which is meant.

use std::time::Duration;

use reconciled::{
    engine::{DeskError, Mode, Retried, Revert, RunRequest},
    record::{RecordId, Side},
};
use serde_json::{Value, json};

use crate::{
    fields::CONTACTS,
    support::{Fake, World},
};

fn id(text: &str) -> RecordId {
    RecordId::from(text)
}

/// Jane, 17 in the shop and 99 in the books, and John, 5 in the shop and 17 in the books; both linked and agreed.
async fn numbered() -> World {
    let world = World::new(CONTACTS);
    let person = |id: &str, name: &str| {
        let email = format!("{}@x.example", name.to_lowercase());
        json!({"id": id, "name": name, "email": email, "phone": "1", "city": "Nelson"})
    };
    let put = |system: &Fake, people: [Value; 2]| {
        // The first one makes the list.
        system.insert("contacts", json!({"name": "Ann", "email": "ann@x.example"}));
        people.into_iter().for_each(|body| system.put_back("contacts", body));
    };
    put(&world.shop, [person("17", "Jane"), person("5", "John")]);
    put(&world.books, [person("99", "Jane"), person("17", "John")]);
    world.settled().await;
    assert_eq!(world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await.len(), 3);
    world
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, DeskError>) {
    let Err(DeskError::NotPossible(text)) = answer else { panic!("it is not refused: {answer:?}") };
    for part in ["Jane", "John", "`source:17`", "`target:17`"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_link_is_dissolved_by_an_id_that_both_sides_have_only_if_the_side_is_said() {
    let world = numbered().await;
    let name = world.pipeline("contacts");
    refused(world.desk(async |desk| desk.remove_link(&name, &id("17")).await).await);
    assert_eq!(world.desk(async |desk| desk.links(&name).await.unwrap()).await.len(), 3);
    let explained = world.desk(async |desk| desk.explain(&name, "17").await.unwrap()).await;
    let labels: Vec<&str> = explained.iter().map(|one| one.label.as_str()).collect();
    assert_eq!(labels, ["Jane", "John"], "who only looks is shown both");
    let gone = world.desk(async |desk| desk.remove_link(&name, &id("target:17")).await.unwrap()).await;
    assert_eq!((gone.source, gone.target), (id("5"), id("17")));
    // Now one of them is in a link, and it is the one that can be meant.
    let gone = world.desk(async |desk| desk.remove_link(&name, &id("17")).await.unwrap()).await;
    assert_eq!(gone.target, id("99"));
    world.settled().await;
}

#[tokio::test]
async fn what_is_parked_goes_by_either_id_of_its_link() {
    let world = numbered().await;
    let name = world.pipeline("contacts");
    for (shop, books) in [("17", "99"), ("5", "17")] {
        world.shop.edit("contacts", shop, json!({"phone": "2"}));
        world.books.edit("contacts", books, json!({"phone": "3"}));
    }
    world.sync().await;
    refused(world.desk(async |desk| desk.retry(&name, Some(&id("17"))).await).await);
    refused(world.desk(async |desk| desk.ignore(&name, &id("17")).await).await);
    refused(world.desk(async |desk| desk.resolve(&name, &id("17"), None, Side::Source).await).await);
    // 99 is Jane in the books, and what is parked of her is kept by her id in the shop.
    let one = Retried { entries: 1, kept: 0 };
    assert_eq!(world.desk(async |desk| desk.retry(&name, Some(&id("99"))).await.unwrap()).await, one);
    assert_eq!(world.desk(async |desk| desk.retry(&name, Some(&id("target:17"))).await.unwrap()).await, one);
    world.sync().await;
    world.desk(async |desk| desk.ignore(&name, &id("target:17")).await.unwrap()).await;
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    let ignored: Vec<_> = parked.iter().map(|item| (item.parked.label.as_str(), item.parked.ignored)).collect();
    assert!(ignored.contains(&("Jane", false)) && ignored.contains(&("John", true)), "{ignored:?}");
    world.desk(async |desk| desk.ignore(&name, &id("99")).await.unwrap()).await;
    world.desk(async |desk| desk.resolve(&name, &id("source:17"), None, Side::Source).await.unwrap()).await;
    world.sync().await;
    assert_eq!(world.books.get_body("contacts", "99")["phone"], "2");
    assert_eq!(world.books.get_body("contacts", "17")["phone"], "3");
    world.settled().await;
}

#[tokio::test]
async fn one_record_of_a_run_is_taken_back_by_either_id_and_never_another_one() {
    let world = numbered().await;
    // Jane's is written to the books, John's to the shop.
    world.shop.edit("contacts", "17", json!({"city": "Picton"}));
    world.books.edit("contacts", "17", json!({"city": "Picton"}));
    world.sync().await;
    let runs = world.desk(async |desk| desk.runs(&world.integration("contacts"), 1).await.unwrap()).await;
    let take_back = |record: &str| RunRequest {
        revert: Some(Revert { run: runs[0].id.clone(), record: Some(record.to_owned()) }),
        ..world.request(Mode::Sync)
    };
    let error = world.engine().run(take_back("17")).await.unwrap_err().to_string();
    for part in ["Jane", "John", "`source:17`", "`target:17`"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let cities = || {
        let city = |system: &Fake, id: &str| system.get_body("contacts", id)["city"].as_str().unwrap().to_owned();
        [city(&world.shop, "5"), city(&world.books, "99")]
    };
    assert_eq!(cities(), ["Picton", "Picton"]);
    // What was written to the shop goes by John's id in the books, too.
    world.run(take_back("target:17")).await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(cities(), ["Nelson", "Picton"]);
    world.run(take_back("source:17")).await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(cities(), ["Nelson", "Nelson"]);
    world.settled().await;
}
