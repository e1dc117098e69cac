//! A run that stands in line behind another integration, and what people do meanwhile.

use std::time::Duration;

use reconciled::{
    config::PipelineName,
    daemon::{
        DaemonSettings, Phase,
        protocol::{Failure, Request, Response},
    },
    engine::{Mode, RunRequest},
};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::{Live, SHOP, World, bounded, by_hand, connection, support::Fake};

/// The shop that `acme` uses, too.
const OTHER: &str = "
  other:
    automatic: false
    first_run: { apply: automatic }
    pipelines:
      contacts:
        source: shop/contacts
        target: books-b/contacts
        direction: source-to-target
        match: [ { source: $.email, target: $.email } ]
        fields:
          - { source: $.name, target: $.name }
          - { source: $.email, target: $.email }
connections:
  books-b: { connector: books, auth: { token: b } }
";

async fn live() -> Live {
    let world = World::new(&format!("{SHOP}{OTHER}"));
    let manifest = world.config.connections[&connection("books-b")].manifest.clone();
    let books_b = Fake::new(manifest, world.clock.clone(), "c", None);
    let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_secs(30) };
    let live = Live::start_among(world, settings, [("books-b", books_b)]).await;
    live.until("01 04:01:00").await;
    live
}

/// Waits until `acme` is as it should be. The clock stands still.
async fn acme(live: &Live, is: impl Fn(&Phase) -> bool) {
    bounded(async {
        while !is(&live.daemon.status().integrations[0].phase) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// The run that has to write a contact and a sale stands in line behind one by hand, which hangs.
async fn in_line(live: &Live) -> JoinHandle<Result<Response, Failure>> {
    live.world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    live.world.shop.insert("sales", json!({"number": "1", "total": 5}));
    live.until("01 04:03:00").await;
    live.shop.shut(true);
    let daemon = live.daemon.clone();
    let other = tokio::spawn(async move { daemon.call(Request::Run(by_hand("other", Mode::Sync))).await });
    bounded(live.shop.someone_waits()).await;
    live.world.clock.advance(Duration::from_mins(1));
    acme(live, |phase| matches!(phase, Phase::Queued { why, .. } if why == "window closed")).await;
    other
}

fn pause(what: &str) -> Request {
    Request::Pause { what: what.into(), by: "anna".into() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_paused_while_it_stands_in_line_does_not_begin() {
    let cases: [(&[&str], usize); 3] = [(&["acme"], 0), (&["acme/contacts", "acme/sales"], 0), (&["acme/contacts"], 1)];
    for (paused, sales) in cases {
        let live = live().await;
        let other = in_line(&live).await;
        for what in paused {
            live.call(pause(what)).await;
        }
        live.shop.shut(false);
        bounded(other).await.unwrap().unwrap();
        live.until("01 05:00:00").await;
        let written = (live.world.books.count("contacts"), live.world.books.count("sales"));
        assert_eq!(written, (0, sales), "{paused:?} is paused");
        // What it was for is done when it goes on.
        live.call(Request::Resume { what: "acme".into() }).await;
        live.until("01 05:10:00").await;
        assert_eq!((live.world.books.count("contacts"), live.world.books.count("sales")), (1, 1), "{paused:?}");
        bounded(live.daemon.stop()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_run_that_left_out_what_was_resumed_meanwhile_and_broke_off_is_not_the_last() {
    let live = live().await;
    live.call(pause("acme/contacts")).await;
    live.world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    live.world.shop.insert("sales", json!({"number": "1", "total": 5}));
    live.until("01 04:03:00").await;
    live.books.shut(true);
    live.world.clock.advance(Duration::from_mins(1));
    bounded(live.books.someone_waits()).await;
    live.call(Request::Resume { what: "acme/contacts".into() }).await;
    live.world.store.fail_from(None, 1);
    live.books.shut(false);
    acme(&live, |phase| *phase == Phase::Waiting).await;
    live.world.store.heal();
    live.until("01 04:40:00").await;
    assert_eq!((live.world.books.count("contacts"), live.world.books.count("sales")), (1, 1));
    bounded(live.daemon.stop()).await;
}

#[tokio::test]
async fn a_run_shows_nothing_of_a_connection_that_it_did_not_ask() {
    let one_way = SHOP.replace("two-way", "source-to-target").replace("target: books/sales", "target: books-b/sales");
    let world = World::new(
        &format!("{one_way}{OTHER}")
            .replace("schedule: { poll: { shop: 2m }, sync: { after_idle: 24h } }", "schedule: {}"),
    );
    let manifest = world.config.connections[&connection("books-b")].manifest.clone();
    let books_b = Fake::new(manifest, world.clock.clone(), "c", None);
    let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_secs(30) };
    let live = Live::start_among(world, settings, [("books-b", books_b)]).await;
    live.until("01 04:01:00").await;
    let down = |what: &str| Some(reconciled::connector::CallError::NotDone(what.into()));
    let troubled = || {
        let troubles = live.daemon.status().integrations.remove(0).troubles;
        troubles.into_iter().map(|trouble| trouble.connection.to_string()).collect::<Vec<_>>()
    };
    live.books.fail_with(down("no books"));
    live.world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    live.call(Request::Run(by_hand("acme", Mode::Sync))).await;
    assert_eq!(troubled(), ["books"]);
    let sales = PipelineName::parse("acme/sales").unwrap();
    live.call(Request::Run(RunRequest { pipelines: vec![sales], ..by_hand("acme", Mode::Sync) })).await;
    assert_eq!(troubled(), ["books"], "what was run has nothing to do with it");
    live.shop.fail_with(down("no shop"));
    live.call(Request::Run(by_hand("acme", Mode::Sync))).await;
    assert_eq!(troubled(), ["books", "shop"], "nothing came that could be written");
    live.shop.fail_with(None);
    live.books.fail_with(None);
    live.call(Request::Run(by_hand("acme", Mode::Sync))).await;
    assert_eq!(troubled(), Vec::<String>::new());
}
