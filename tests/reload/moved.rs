//! What is remembered moves with a name, waits for a file that comes back, and is forgotten at last.

use std::{fs, sync::Arc, time::Duration};

use reconciled::{
    config::{IntegrationName, PipelineName},
    daemon::{
        protocol::{Request, Response},
        reload::IntegrationOutcome,
    },
    store::{Key, Ledger, MemoryStore, Moved, Store, finish_moves, move_pipeline},
};

use crate::judged::{BASE, Live, Yaml};

fn renamed(yaml: &str, to: &str, more: &str) -> String {
    yaml.replacen("  acme:\n", &format!("  {to}:\n{more}"), 1)
}

fn entries(store: &MemoryStore, first: &str) -> usize {
    let of = |key: &Key| key.parts().first().is_some_and(|part| part == first);
    store.entries().iter().filter(|(key, _)| of(key)).count()
}

#[tokio::test]
async fn an_integration_that_moved_goes_on_with_its_links() {
    let mut live = Live::start(&BASE.plain()).await;
    let (writes, remembered) = (live.writes(), entries(&live.store, "acme/contacts"));
    assert!(remembered > 50);
    live.write("acme.yaml", &renamed(&BASE.plain(), "agency", "    moved_from: acme\n"));
    let report = live.reload().await;
    let outcomes: Vec<_> = report.integrations.iter().map(|r| (r.integration.as_str(), r.outcome)).collect();
    assert_eq!(outcomes, [("acme", IntegrationOutcome::Removed), ("agency", IntegrationOutcome::Added)]);
    assert_eq!(entries(&live.store, "acme/contacts"), 0);
    assert_eq!(entries(&live.store, "agency/contacts"), remembered);
    live.agreed().await;
    let runs = Request::Runs { integration: IntegrationName::parse("agency").unwrap(), limit: 100 };
    let Response::Runs(runs) = live.call(runs).await.unwrap() else { panic!("runs") };
    assert!(runs.len() > 3, "its history came along");
    live.restart().await;
    live.agreed().await;
    // Whether it says so any longer makes no difference.
    live.write("acme.yaml", &renamed(&BASE.plain(), "agency", ""));
    assert!(live.reload().await.integrations.is_empty());
    live.agreed().await;
    assert_eq!(live.writes(), writes, "nothing was matched, made or written anew");
    live.daemon.stop().await;
}

#[tokio::test]
async fn a_pipeline_that_moved_while_no_daemon_ran_goes_on_with_its_links() {
    let mut live = Live::start(&BASE.plain()).await;
    let writes = live.writes();
    let yaml = BASE.plain().replacen("      contacts:\n", "      people:\n        moved_from: contacts\n", 1);
    assert!(yaml.contains("people"));
    live.write("acme.yaml", &yaml);
    live.restart().await;
    assert_eq!(entries(&live.store, "acme/contacts"), 0);
    live.agreed().await;
    assert_eq!(live.writes(), writes);
    live.daemon.stop().await;
}

#[tokio::test]
async fn a_name_that_changed_hides_no_edit() {
    let live = Live::start(&BASE.plain()).await;
    let writes = live.writes();
    let row = Yaml { table: "rows: { Perth: PRT, Sydney: SYD }", ..BASE };
    live.write("acme.yaml", &renamed(&row.plain(), "agency", "    moved_from: acme\n"));
    let report = live.reload().await;
    assert!(report.integrations.iter().all(|result| result.outcome == IntegrationOutcome::Held), "{report:#?}");
    assert!(live.daemon.status().integrations.iter().all(|now| now.integration.as_str() == "acme"));
    let [held] = live.held().await.try_into().unwrap();
    assert_eq!(held.effect.pipelines[0].counts.rewrites, 20);
    live.approve(&held.id, &[]).await.unwrap();
    let wait = async {
        while live.daemon.status().integrations[0].integration.as_str() == "acme" {
            live.clock.advance(Duration::from_millis(5));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(5), wait).await.unwrap();
    live.agreed().await;
    assert_eq!(live.writes(), (writes.0, writes.1 + 20));
    live.daemon.stop().await;
}

#[tokio::test]
async fn what_was_removed_is_kept_for_thirty_days_and_then_forgotten_here_alone() {
    let live = Live::start(&BASE.plain()).await;
    let (writes, contacts) = (live.writes(), live.books.count("contacts"));
    let file = live.etc.join("acme.yaml");
    let remove = async || {
        fs::remove_file(&file).unwrap();
        match live.call(Request::Reload { wait: true, force: true }).await.unwrap() {
            Response::Reloaded(report) => assert_eq!(live.outcome(&report).0, Some(IntegrationOutcome::Removed)),
            other => panic!("{other:?}"),
        }
    };
    remove().await;
    live.clock.advance(Duration::from_hours(29 * 24));
    assert_eq!(live.edit(&BASE.plain()).await.0, Some(IntegrationOutcome::Added));
    live.agreed().await;
    assert_eq!(live.writes(), writes, "it found its links");
    remove().await;
    assert!(entries(&live.store, "acme/contacts") > 50);
    live.clock.advance(Duration::from_hours(2 * 24));
    live.reload().await;
    assert!(entries(&live.store, "acme/contacts") > 50, "the days before it came back do not count");
    let wait = async {
        while entries(&live.store, "acme/contacts") + entries(&live.store, "acme/known") > 0 {
            live.clock.advance(Duration::from_hours(24));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(5), wait).await.expect("it is forgotten by itself");
    assert_eq!((live.books.count("contacts"), live.writes()), (contacts, writes), "no system was told");
    // Later it is as on a first run: they match, and no second record is made.
    live.edit(&BASE.plain()).await;
    live.agreed().await;
    assert_eq!(live.books.count("contacts"), contacts);
    live.daemon.stop().await;
}

#[tokio::test]
async fn a_move_that_is_cut_off_anywhere_is_finished_and_one_done_twice_is_the_same() {
    let live = Live::start(&BASE.plain()).await;
    live.daemon.stop().await;
    let [from, to] = ["acme/contacts", "agency/people"].map(|name| PipelineName::parse(name).unwrap());
    let ledger = |store: &Arc<MemoryStore>| Ledger::new(store.clone() as Arc<dyn Store>);
    let whole = Arc::new(live.store.crash(0));
    assert_eq!(move_pipeline(&ledger(&whole), &from, &to).await.unwrap(), Moved::Yes);
    assert_eq!(move_pipeline(&ledger(&whole), &from, &to).await.unwrap(), Moved::Nothing);
    let mut cuts = 0;
    for k in 0.. {
        let store = Arc::new(live.store.crash(0));
        store.fail_from(None, k);
        let done = move_pipeline(&ledger(&store), &from, &to).await;
        let store = Arc::new(store.crash(k));
        if done.is_ok() {
            break;
        }
        cuts += 1;
        finish_moves(&ledger(&store)).await.unwrap();
        // Where it had not begun, it begins now.
        move_pipeline(&ledger(&store), &from, &to).await.unwrap();
        assert!(store.entries() == whole.entries(), "cut off at operation {k}");
    }
    assert!(cuts > 20, "only {cuts}");
    let both = move_pipeline(&ledger(&whole), &PipelineName::parse("acme/known").unwrap(), &to).await.unwrap();
    assert_eq!(both, Moved::Both, "what is remembered is never written over");
}

#[tokio::test]
async fn a_pipeline_that_moved_stays_paused_here_and_after_a_restart() {
    let plain = BASE.plain();
    let firm = "  firm:
    automatic: false
    pipelines:
      sales:
        source: shop/sales
        target: books/sales
        direction: source-to-target
        match: [ { source: $.number, target: $.number } ]
        fields: [ { source: $.number, target: $.number } ]
";
    let (head, known) = plain.split_once("      known:\n").unwrap();
    let (head, contacts) = head.split_once("      contacts:\n").unwrap();
    let people = format!("      people:\n        moved_from: acme/contacts\n{contacts}");
    let cases = [
        ("acme/people", format!("{head}{people}      known:\n{known}{firm}")),
        ("firm/people", format!("{head}      known:\n{known}{firm}{people}")),
    ];
    for (name, moved) in cases {
        let mut live = Live::start(&format!("{plain}{firm}")).await;
        live.call(Request::Pause { what: "acme/contacts".into(), by: "anna".into() }).await.unwrap();
        live.write("acme.yaml", &moved);
        live.reload().await;
        for place in ["here", "after a restart"] {
            let Response::Status(status) = live.call(Request::Status).await.unwrap() else { panic!("status") };
            let paused: Vec<_> = status.paused.iter().map(|pause| (pause.what.as_str(), pause.by.as_str())).collect();
            assert_eq!(paused, [(name, "anna")], "{place}");
            if place == "here" {
                live.restart().await;
                // What is remembered is read by then.
                live.sync().await;
            }
        }
        live.daemon.stop().await;
    }
}
