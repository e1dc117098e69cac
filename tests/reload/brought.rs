//! What people decided holds where an export is read into a new store.

use std::sync::Arc;

use reconciled::{
    daemon::protocol::{Failure, Request, Response, Status},
    store::{MemoryStore, transfer},
};

use crate::{
    judged::{BASE, Live, Yaml},
    rollout::{Agency, ROLLOUT, template},
};

/// The store of another machine.
async fn elsewhere(store: &MemoryStore) -> Arc<MemoryStore> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("all.jsonl");
    transfer::export(store, &file, "now").await.unwrap();
    let new = Arc::new(MemoryStore::new());
    transfer::import(new.as_ref(), &file, false).await.unwrap();
    new
}

fn status(answer: Result<Response, Failure>) -> Box<Status> {
    match answer.unwrap() {
        Response::Status(status) => status,
        other => panic!("{other:?}"),
    }
}

fn paused(status: &Status) -> Vec<&str> {
    status.paused.iter().map(|pause| pause.what.as_str()).collect()
}

#[tokio::test]
async fn an_edit_that_waited_takes_effect_nowhere_before_a_person_says_so() {
    let mut live = Live::start(&BASE.plain()).await;
    let row = Yaml { table: "rows: { Perth: PRT, Sydney: SYD }", ..BASE };
    live.edit(&row.plain()).await;
    assert_eq!(live.held().await.len(), 1);
    live.store = elsewhere(&live.store).await;
    live.restart().await;
    let now = status(live.call(Request::Status).await);
    assert_eq!((paused(&now), now.edits.len()), (vec!["acme"], 0));
    assert!(now.paused[0].by.contains("import"), "{:?}", now.paused);
    live.call(Request::Resume { what: "acme".into() }).await.unwrap();
    live.restart().await;
    assert!(paused(&status(live.call(Request::Status).await)).is_empty(), "once");
    live.daemon.stop().await;
}

#[tokio::test]
async fn a_pause_goes_along_and_whoever_waited_for_a_turn_is_paused() {
    let mut agency = Agency::start(ROLLOUT).await;
    agency.call(Request::Pause { what: "alpha".into(), by: "jane".into() }).await.unwrap();
    agency.write("shop.yaml", &template(ROLLOUT, &["- { source: $.phone, target: $.phone }"]));
    agency.reload().await;
    agency.store = elsewhere(&agency.store).await;
    agency.restart().await;
    let now = status(agency.call(Request::Status).await);
    assert_eq!(paused(&now), ["alpha", "delta", "gamma", "omega"]);
    assert_eq!(now.paused[0].by, "jane");
    assert!(now.rollouts.is_empty(), "{:?}", now.rollouts);
}
