//! Every kind of write, to every remote that can or cannot tell what became of it, with every way for the outcome to be
//! unknown: at the end the record is there once with its values, or a person is asked.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use reconciled::{engine::Mode, sync::ParkCode};
use serde_json::json;

use crate::support::{Fault, World, fake::Moment};

/// What helps to find out what became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Help {
    /// The remote remembers keys for six minutes.
    Key,
    /// A match key that both sides have anyway.
    MatchKey,
    /// A member of the target that carries our id.
    Marker,
    /// Neither.
    Nothing,
}

/// How the outcome comes to be unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// It never arrives, and that is known.
    Refused,
    /// The answer is lost; the remote had done nothing.
    Before,
    /// The answer is lost; the remote had done it.
    After,
    /// The answer is lost; the remote does it half a minute later.
    Late,
    /// The answer comes and lacks the item.
    Short,
    /// The daemon dies before the call arrives.
    CrashBefore,
    /// The daemon dies when the remote has done it.
    CrashAfter,
    /// The daemon dies, and the remote does it half a minute later.
    CrashLate,
}

const HELP: [Help; 4] = [Help::Key, Help::MatchKey, Help::Marker, Help::Nothing];
const LOST: [Lost; 8] = [
    Lost::Refused,
    Lost::Before,
    Lost::After,
    Lost::Late,
    Lost::Short,
    Lost::CrashBefore,
    Lost::CrashAfter,
    Lost::CrashLate,
];

fn yaml(help: Help) -> String {
    let (matched, marker) = match help {
        Help::Key | Help::MatchKey => ("match: [ { source: $.email, target: $.email } ]", ""),
        Help::Marker => (
            "match: [ { source: $.id, target: $.other_id } ]",
            "- { source: $.id, target: $.other_id, direction: source-to-target }",
        ),
        // Records without this value have nothing to be found by.
        Help::Nothing => ("match: [ { source: $.note, target: $.note } ]", ""),
    };
    format!(
        r#"
pipelines:
  contacts:
    source: shop/contacts
    target: books/contacts
    direction: source-to-target
    {matched}
    first_run: {{ apply: automatic }}
    fields:
      - {{ source: $.name, target: $.name }}
      - {{ source: $.email, target: $.email }}
      - {{ source: $.phone, target: $.phone }}
      {marker}
"#
    )
}

fn world(help: Help) -> World {
    World::with_keys(&yaml(help), (help == Help::Key).then_some(Duration::from_secs(360)))
}

/// One run; whenever it waits, time passes.
async fn run(world: &World) -> bool {
    let engine = world.engine();
    let mut run = std::pin::pin!(engine.run(world.request(Mode::Sync)));
    for _ in 0..10_000 {
        tokio::select! {
            biased;
            result = &mut run => return result.is_ok(),
            () = tokio::task::yield_now() => world.clock.advance(Duration::from_millis(500)),
        }
    }
    panic!("a run does not end");
}

/// The next write is lost in this way, once.
async fn lose(world: &mut World, lost: Lost) {
    let (store, mut calls) = (world.store.clone(), 0);
    let late = Fault::LostLate(Duration::from_secs(30));
    world.books.hook(Some(Box::new(move |moment| {
        if moment == Moment::AfterWrite && lost == Lost::CrashAfter {
            store.fail_from(None, 1);
        }
        if moment != Moment::BeforeWrite || calls > 0 {
            return None;
        }
        calls += 1;
        match lost {
            Lost::Refused => Some(Fault::NotDone),
            Lost::Before => Some(Fault::LostBefore),
            Lost::After => Some(Fault::LostAfter),
            Lost::Late => Some(late),
            Lost::Short => Some(Fault::ShortAnswer),
            Lost::CrashAfter => None,
            Lost::CrashBefore | Lost::CrashLate => {
                store.fail_from(None, 1);
                Some(if lost == Lost::CrashLate { late } else { Fault::LostBefore })
            }
        }
    })));
    let ended = run(world).await;
    world.books.hook(None);
    if !ended {
        world.store = Arc::new(world.store.crash(0));
    }
}

/// Time passes until whatever waits has had its turn.
async fn rest(world: &World) {
    for seconds in [1, 20, 90, 400, 90_000, 90_000] {
        world.clock.advance(Duration::from_secs(seconds));
        assert!(run(world).await);
    }
}

async fn unknown(world: &World) -> usize {
    let parked = world.desk(async |desk| desk.parked(None).await.unwrap()).await;
    parked.iter().filter(|item| item.parked.code == ParkCode::Unknown).count()
}

#[tokio::test]
async fn a_create_of_unknown_outcome_is_there_once_or_a_person_is_asked() {
    let mut asked = Vec::new();
    for help in HELP {
        for lost in LOST {
            let mut world = world(help);
            world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "021 5"}));
            lose(&mut world, lost).await;
            rest(&world).await;
            let unknown = unknown(&world).await;
            assert_eq!(world.books.count("contacts") + unknown, 1, "{help:?}, {lost:?}");
            if unknown > 0 {
                asked.push((help, lost));
                // It stays so until the person has looked, and says to make it.
                world.settled().await;
                let retried = world.desk(async |desk| desk.retry(&world.pipeline("contacts"), None).await.unwrap());
                assert_eq!(retried.await.entries, 1);
                rest(&world).await;
            }
            let made = world.books.all("contacts");
            assert_eq!(made.len(), 1, "{help:?}, {lost:?}");
            assert_eq!((&made[0]["name"], &made[0]["phone"]), (&json!("Jane"), &json!("021 5")), "{help:?}, {lost:?}");
            world.settled().await;
        }
    }
    let nothing = |lost| (Help::Nothing, lost);
    assert_eq!(asked, [nothing(Lost::Before), nothing(Lost::CrashBefore)], "only what cannot be looked up is asked");
}

#[tokio::test]
async fn an_update_of_unknown_outcome_ends_with_its_value() {
    for help in HELP {
        for lost in LOST {
            let mut world = world(help);
            let id = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
            world.settled().await;
            world.shop.edit("contacts", &id, json!({"name": "Jane Doe", "phone": "021 5"}));
            lose(&mut world, lost).await;
            rest(&world).await;
            let made = world.books.all("contacts");
            assert_eq!(made.len(), 1, "{help:?}, {lost:?}");
            let values = (&made[0]["name"], &made[0]["phone"]);
            assert_eq!(values, (&json!("Jane Doe"), &json!("021 5")), "{help:?}, {lost:?}");
            assert_eq!(unknown(&world).await, 0);
            world.settled().await;
        }
    }
}

/// A person edits the record on the other side while the outcome is unknown: what they typed is not overwritten by the
/// write that was lost.
#[tokio::test]
async fn an_update_of_unknown_outcome_is_not_sent_again_over_a_later_edit() {
    for lost in [Lost::After, Lost::CrashAfter] {
        let two_way = yaml(Help::MatchKey).replace("source-to-target", "two-way");
        let mut world = World::with_keys(&two_way, None);
        let id = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
        world.settled().await;
        world.shop.edit("contacts", &id, json!({"phone": "021 5"}));
        lose(&mut world, lost).await;
        let there = world.books.all("contacts")[0]["id"].as_str().unwrap().to_owned();
        world.books.edit("contacts", &there, json!({"phone": "021 77"}));
        rest(&world).await;
        assert_eq!(world.books.get_body("contacts", &there)["phone"], "021 77", "{lost:?}");
        world.settled().await;
    }
}

/// A remote that stamps what it makes with the beginning of its own work: no listing of changes shows what it made late.
#[tokio::test]
async fn what_a_lost_create_made_is_looked_for_before_the_last_pull() {
    let mut world = world(Help::MatchKey);
    world.books.stamps(|at| at - TimeDelta::seconds(40));
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "021 5"}));
    lose(&mut world, Lost::Late).await;
    rest(&world).await;
    assert_eq!((world.books.count("contacts"), unknown(&world).await), (1, 0));
    world.settled().await;
}

/// Equal creates that made equal records: each gets one, nothing is made again and nobody is asked.
#[tokio::test]
async fn equal_creates_of_unknown_outcome_are_dealt_what_they_made() {
    for lost in [Lost::After, Lost::Late, Lost::CrashAfter] {
        let mut world = world(Help::Nothing);
        for _ in 0..3 {
            world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
        }
        lose(&mut world, lost).await;
        rest(&world).await;
        assert_eq!((world.books.count("contacts"), unknown(&world).await), (3, 0), "{lost:?}");
        let links = world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await;
        assert_eq!(links.len(), 3, "{lost:?}");
        world.settled().await;
    }
}

/// A person says of all of them at once that they are to be made.
#[tokio::test]
async fn creates_that_nobody_can_find_out_about_are_retried_together() {
    let mut world = world(Help::Nothing);
    for name in ["Ada", "Bob", "Zoe"] {
        world.shop.insert("contacts", json!({"name": name, "email": format!("{name}@x.example")}));
    }
    lose(&mut world, Lost::Before).await;
    rest(&world).await;
    assert_eq!((world.books.count("contacts"), unknown(&world).await), (0, 3));
    let retried = world.desk(async |desk| desk.retry(&world.pipeline("contacts"), None).await.unwrap()).await;
    assert_eq!(retried.entries, 3);
    rest(&world).await;
    assert_eq!((world.books.count("contacts"), unknown(&world).await), (3, 0));
    world.settled().await;
}

/// More records that may be it than creates that were lost: somebody else made one of them, so a person says which.
#[tokio::test]
async fn more_equal_records_than_lost_creates_are_not_dealt_out() {
    let mut world = world(Help::Nothing);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    lose(&mut world, Lost::After).await;
    world.books.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    rest(&world).await;
    assert_eq!((world.books.count("contacts"), unknown(&world).await), (2, 1));
    world.settled().await;
}

/// What a lost create made is edited beyond half of what was sent: it is not taken for a newcomer and copied back.
#[tokio::test]
async fn what_a_lost_create_made_is_not_copied_back_although_most_of_it_was_edited() {
    let two_way = yaml(Help::Nothing).replace("source-to-target", "two-way");
    let mut world = World::with_keys(&two_way, None);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "021 5"}));
    lose(&mut world, Lost::After).await;
    let made = world.books.all("contacts")[0]["id"].as_str().unwrap().to_owned();
    world.books.edit("contacts", &made, json!({"name": "Joan", "email": "joan@x.example"}));
    rest(&world).await;
    assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (1, 1));
    assert_eq!(unknown(&world).await, 1);
    world.settled().await;
}

/// A remote that keeps what it is given in a form of its own, also the key: what a lost create made is known again.
#[tokio::test]
async fn what_a_lost_create_made_is_found_in_another_form() {
    for help in [Help::Nothing, Help::MatchKey] {
        let two_way = yaml(help).replace("source-to-target", "two-way");
        let mut world = World::with_keys(&two_way, None);
        world.books.on_write(|old, values| {
            let mut new = old.clone();
            for (name, value) in values.as_object().unwrap() {
                new[name] = value.as_str().map_or(value.clone(), |text| json!(text.to_uppercase()));
            }
            new
        });
        world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "ext 5"}));
        lose(&mut world, Lost::After).await;
        rest(&world).await;
        assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (1, 1), "{help:?}");
        let links = world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await;
        assert_eq!(links.len(), 1, "{help:?}");
        world.settled().await;
    }
}

/// What a lost create made is edited where it would be looked for, before anybody reads it: a person is asked, and nothing
/// is made a second time on either side.
#[tokio::test]
async fn what_a_lost_create_made_is_not_made_again_although_its_key_was_edited() {
    for (help, lost) in [Help::MatchKey, Help::Marker]
        .into_iter()
        .flat_map(|help| [Lost::After, Lost::Short, Lost::CrashAfter].map(|lost| (help, lost)))
    {
        let two_way = yaml(help).replace("direction: source-to-target\n    match", "direction: two-way\n    match");
        let mut world = World::with_keys(&two_way, None);
        world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "021 5"}));
        lose(&mut world, lost).await;
        let made = world.books.all("contacts")[0]["id"].as_str().unwrap().to_owned();
        world.books.edit("contacts", &made, json!({"email": "joan@x.example", "other_id": "nobody's"}));
        rest(&world).await;
        assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (1, 1), "{help:?} {lost:?}");
        assert_eq!(unknown(&world).await, 1, "{help:?} {lost:?}");
        world.settled().await;
        // It is edited back, and known again.
        world.books.edit("contacts", &made, json!({"email": "jane@x.example"}));
        if help == Help::MatchKey {
            rest(&world).await;
            assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (1, 1), "{lost:?}");
            assert_eq!(unknown(&world).await, 0, "{lost:?}");
            world.settled().await;
        }
    }
}

/// Nobody is asked because somebody else came meanwhile, or was there before.
#[tokio::test]
async fn a_create_that_was_not_carried_out_is_made_again_beside_strangers() {
    for help in [Help::MatchKey, Help::Marker] {
        let mut world = World::with_keys(&yaml(help), None);
        // A namesake of before.
        world.books.insert("contacts", json!({"name": "Jane", "email": "other@x.example", "phone": "021 7"}));
        world.sync().await;
        world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "021 5"}));
        lose(&mut world, Lost::Before).await;
        world.books.insert("contacts", json!({"name": "Bob", "email": "bob@x.example", "phone": "021 6"}));
        rest(&world).await;
        assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (1, 3), "{help:?}");
        assert_eq!(unknown(&world).await, 0, "{help:?}");
        world.settled().await;
    }
}

/// Somebody gives what a lost create made the key of another record, or another record the key that was sent: neither is
/// linked with it before a person has looked.
#[tokio::test]
async fn what_a_lost_create_made_is_not_linked_with_another_record() {
    let two_way = yaml(Help::MatchKey).replace("source-to-target", "two-way");
    for stranger_there in [false, true] {
        let mut world = World::with_keys(&two_way, None);
        world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example", "phone": "021 5"}));
        lose(&mut world, Lost::After).await;
        let made = world.books.all("contacts")[0]["id"].as_str().unwrap().to_owned();
        world.books.edit("contacts", &made, json!({"email": "joan@x.example"}));
        if stranger_there {
            world.books.insert("contacts", json!({"name": "Ruth", "email": "jane@x.example", "phone": "021 9"}));
        } else {
            world.shop.insert("contacts", json!({"name": "Joan", "email": "joan@x.example", "phone": "021 8"}));
        }
        rest(&world).await;
        let (shop, books) = if stranger_there { (1, 2) } else { (2, 1) };
        assert_eq!((world.shop.count("contacts"), world.books.count("contacts")), (shop, books), "{stranger_there}");
        let links = world.desk(async |desk| desk.links(&world.pipeline("contacts")).await.unwrap()).await;
        assert_eq!(links, [], "{stranger_there}");
        assert_eq!(unknown(&world).await, 1, "{stranger_there}");
        assert_eq!(world.books.get_body("contacts", &made)["name"], "Jane");
        world.settled().await;
    }
}

/// A create whose answer was lost, and whose record was archived and edited before anybody looked.
async fn archived_in_doubt() -> (World, String) {
    let world = World::with_keys(crate::fields::CONTACTS, None);
    let id = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.books.fail_next(Fault::LostAfter);
    let _ = world.run(world.request(Mode::Sync)).await;
    let made = World::find(&world.books, "contacts", "name", "Jane")["id"].as_str().unwrap().to_owned();
    world.shop.edit("contacts", &id, json!({"archived": true}));
    world.shop.edit("contacts", &id, json!({"phone": "021 42"}));
    world.books.edit("contacts", &made, json!({"phone": "021 39"}));
    world.clock.advance(Duration::from_secs(200));
    (world, id)
}

/// Nothing is written to it, and what was typed there stays. It comes back from the archive, and both numbers are listed.
#[tokio::test]
async fn what_a_lost_create_was_made_from_may_be_archived_and_edited_meanwhile() {
    let (world, id) = archived_in_doubt().await;
    world.sync().await;
    let phone = |world: &World| World::find(&world.shop, "contacts", "name", "Jane")["phone"].clone();
    assert_eq!(phone(&world), "021 42");
    assert_eq!((world.shop.written().len(), world.books.count("contacts")), (0, 1));
    world.settled().await;
    world.shop.edit("contacts", &id, json!({"archived": false}));
    world.clock.advance(Duration::from_secs(200));
    let report = world.sync().await;
    assert_eq!(phone(&world), "021 42");
    assert!(report.pipelines[0].tally.parked > 0, "{report:#?}");
    world.settled().await;
}

/// The same, whatever the run that looks it up is interrupted by.
#[tokio::test]
async fn nothing_is_written_to_what_was_archived_in_doubt_wherever_the_run_dies() {
    for k in 1.. {
        let (mut world, _) = archived_in_doubt().await;
        world.store.fail_from(None, k);
        let died = world.engine().run(world.request(Mode::Sync)).await.is_err();
        world.store = Arc::new(world.store.crash(k));
        world.clock.advance(Duration::from_secs(200));
        world.sync().await;
        world.sync().await;
        assert_eq!((world.shop.written().len(), world.books.count("contacts")), (0, 1), "operation {k}");
        world.settled().await;
        if !died {
            assert!(k > 10, "it died {k} times");
            break;
        }
    }
}

/// It cannot be read now: the doubt stays, and nothing is decided.
#[tokio::test]
async fn what_a_lost_create_was_made_from_is_waited_for_when_it_cannot_be_read() {
    let (world, id) = archived_in_doubt().await;
    world.shop.silent_by_id(true);
    let report = world.run(world.request(Mode::Sync)).await;
    world.shop.silent_by_id(false);
    assert_eq!((report.pipelines[0].tally.unknown, world.shop.written().len()), (1, 0), "{report:#?}");
    world.clock.advance(Duration::from_secs(200));
    world.sync().await;
    assert_eq!((world.shop.written().len(), world.books.count("contacts")), (0, 1));
    assert_eq!(World::find(&world.shop, "contacts", "id", &id)["phone"], "021 42");
    world.settled().await;
}
