//! A disk that is full for a while, under the whole daemon: remote writes stop first, the process stays up and says so,
//! and when there is room again it goes on without a hand.

use std::process::{Command, Stdio};

use reconciled::{
    config::IntegrationName,
    daemon::{
        WaitReason,
        protocol::{Request, Response},
    },
    engine::{Mode, RunRequest},
};

use crate::support::{Live, QUICK, folder, integration, of, practice::Practice};

/// Starts a daemon whose files may be forbidden to grow. Its log goes where no limit is.
async fn on_a_small_disk(practice: &Practice) -> Live {
    let home = folder(QUICK, &[("a.yaml", &practice.integration("a"))]);
    std::fs::write(home.path().join("etc/connections.yaml"), practice.connections()).unwrap();
    let mut command = Command::new("sh");
    // The signal that comes with the limit is ignored, so that writing fails with an error, as on a full disk.
    command.args(["-c", r#"trap '' XFSZ; exec "$0" --config "$1" run"#, env!("CARGO_BIN_EXE_reconciled")]);
    command.arg(home.path().join("etc")).env_remove("RECONCILED_CONFIG").env("RECONCILED_LOG", "info");
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    Live { home, child }
}

/// How large the files of the daemon may grow.
fn room(live: &Live, bytes: &str) {
    let pid = live.child.id().to_string();
    assert!(Command::new("prlimit").args([&format!("--fsize={bytes}"), "--pid", &pid]).status().unwrap().success());
}

fn sync_now() -> Request {
    Request::Run(RunRequest {
        integration: IntegrationName::parse("a").unwrap(),
        pipelines: Vec::new(),
        connection: None,
        mode: Mode::Sync,
        full: false,
        limit: None,
        revert: None,
        why: "by hand".into(),
    })
}

#[tokio::test]
async fn a_full_disk_stops_remote_writes_and_is_got_over_without_a_hand() {
    let practice = Practice::start(3).await;
    let mut live = on_a_small_disk(&practice).await;
    practice.until("the first contacts", |practice| practice.in_xero() == 3).await;
    live.wait_for("rest", |status| of(status, "a").is_some_and(|now| now.last_run.is_some())).await;

    room(&live, "1:unlimited");
    practice.insert(4);
    let probe = |status: &reconciled::daemon::DaemonStatus| {
        let waits = of(status, "a").map(|now| now.waits.clone()).unwrap_or_default();
        waits.into_iter().find_map(|wait| if let WaitReason::Store { at } = wait { Some(at) } else { None })
    };
    let status = live.wait_for("the store to fail", |status| status.store_failing.is_some()).await;
    let first = probe(&status);
    let writes = practice.xero.log().writes();
    practice.insert(5);
    // It was probed once more, in vain.
    live.wait_for("another probe", |status| probe(status) > first).await;
    assert_eq!(practice.xero.log().writes(), writes, "nothing is written while the store fails");
    assert!(live.ask(Request::Ping).await.is_some());
    assert!(live.ask(sync_now()).await.is_none(), "a sync by hand is refused as well");
    // An edit of the configuration is taken over all the same.
    live.write("b.yaml", &integration("b", "x").replace("shop/", "website/").replace("books/", "xero/"));
    live.wait_for("`b`", |status| of(status, "b").is_some()).await;

    room(&live, "unlimited");
    practice.until("the rest", |practice| practice.in_xero() == 5).await;
    let status = live.wait_for("a store that works", |status| status.store_failing.is_none()).await;
    assert_eq!(status.pid, live.child.id(), "it is the same process");
    let Some(Response::Run(_)) = live.ask(sync_now()).await else { panic!("no run") };
    let writes = (practice.xero.log().writes(), practice.site.log().writes());
    let Some(Response::Run(report)) = live.ask(sync_now()).await else { panic!("no run") };
    assert_eq!((practice.xero.log().writes(), practice.site.log().writes()), writes, "{report:#?}");
    assert_eq!(practice.in_xero(), 5);
    // What was taken over meanwhile is known to the next start, also with a broken file.
    let home = live.stop().await;
    std::fs::write(home.path().join("etc/b.yaml"), "integrations: [").unwrap();
    let mut live = Live::on(home).await;
    live.wait_for("the last good `b`", |status| of(status, "b").is_some()).await;
}
