//! An edit that comes while a run stands in line, and one that meets a store which fails for a moment.

use std::{sync::mpsc, time::Duration};

use reconciled::{
    config::IntegrationName,
    daemon::{Phase, protocol::Request},
    engine::{Mode, RunRequest},
};
use serde_json::json;

use crate::{
    judged::{BASE, Live, Yaml},
    support::of,
};

/// One that plans only, and one that uses the same systems.
const OBSERVING: &str = "integrations:
  acme:
    apply: observe
    first_run: { apply: automatic }
    schedule: { sync: { after_idle: 6h }, full_read: never }
    pipelines:
      contacts:
        source: shop/contacts
        target: books/contacts
        direction: source-to-target
        match: [ { source: $.email, target: $.email } ]
        fields: [ { source: $.email, target: $.email, write: on-create } ]
  other:
    automatic: false
    first_run: { apply: automatic }
    pipelines:
      sales:
        source: shop/sales
        target: books/sales
        direction: source-to-target
        match: [ { source: $.number, target: $.number } ]
        fields: [ { source: $.number, target: $.number, write: on-create } ]
";

/// Waits for it in real time; time on the daemon's clock passes, too.
async fn soon(live: &Live, what: &str, is: impl Fn() -> bool) {
    let wait = async {
        while !is() {
            live.clock.advance(Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let told = |_| panic!("waiting for {what}: {:#?}", live.daemon.status());
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(told);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_observed_goes_on_by_itself_when_it_was_edited_while_its_run_stood_in_line() {
    let live = Live::empty(OBSERVING).await;
    let acme = || of(&live.daemon.status(), "acme").unwrap().clone();
    soon(&live, "the first plan", || acme().last_run.is_some() && acme().phase == Phase::Waiting).await;
    live.shop.insert("contacts", json!({ "email": "jane@x.example" }));
    live.shop.insert("sales", json!({ "number": "1" }));
    let (entered, in_the_call) = mpsc::channel();
    let (go_on, may_end) = mpsc::channel::<()>();
    live.books.before_answer(move |_| {
        entered.send(()).unwrap();
        // Without an answer it goes on by itself: the sender is gone then.
        let _ = may_end.recv();
    });
    let request = RunRequest {
        integration: IntegrationName::parse("other").unwrap(),
        pipelines: Vec::new(),
        connection: None,
        mode: Mode::Sync,
        full: false,
        limit: None,
        revert: None,
        list: false,
        why: "by hand".into(),
    };
    let daemon = live.daemon.clone();
    let other = tokio::spawn(async move { daemon.call(Request::Run(request)).await });
    let waiting = tokio::task::spawn_blocking(move || in_the_call.recv_timeout(Duration::from_secs(60)));
    waiting.await.unwrap().expect("it writes the sale");
    live.daemon.look_again(&IntegrationName::parse("acme").unwrap());
    soon(&live, "its plan to stand in line", || matches!(acme().phase, Phase::Queued { .. })).await;
    live.edit(&OBSERVING.replace("    apply: observe\n", "")).await;
    drop(go_on);
    other.await.unwrap().unwrap();
    live.books.behave();
    soon(&live, "the first contact", || live.books.count("contacts") == 1).await;
    live.shop.insert("contacts", json!({ "email": "joe@x.example" }));
    live.daemon.look_again(&IntegrationName::parse("acme").unwrap());
    soon(&live, "the second one", || live.books.count("contacts") == 2).await;
    live.daemon.stop().await;
}

#[tokio::test]
async fn an_edit_that_met_a_failing_store_takes_over_when_the_store_works() {
    let live = Live::start(&BASE.plain()).await;
    let row = Yaml { table: "rows: { Perth: PER, Sydney: SDY }", ..BASE };
    for (k, yaml) in (1..=60).zip([row.plain(), BASE.plain()].into_iter().cycle()) {
        let before = live.running();
        live.store.fail_at(None, k);
        live.edit(&yaml).await;
        soon(&live, &format!("the edit, where operation {k} failed"), || live.running() != before).await;
        live.store.heal();
        soon(&live, "a store that works", || live.daemon.status().store_failing.is_none()).await;
    }
    live.daemon.stop().await;
}
