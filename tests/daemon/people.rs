//! What people ask of the daemon, over its socket and without.

use std::{os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use reconciled::{
    daemon::{
        Client, ClientError, Daemon, DaemonSettings, SocketError, WaitReason, execute,
        protocol::{FailureKind, Progress, Request, Response},
    },
    engine::{Mode, Revert, RunRequest},
    record::RecordId,
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

use crate::{Live, SHOP, World, at, bounded, by_hand, integration};

/// Whether an answer is right.
type Check = fn(&Response) -> bool;

struct Listening {
    live: Live,
    path: PathBuf,
    dir: tempfile::TempDir,
}

async fn listening(yaml: &str) -> Listening {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    let world = World::new(yaml);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let settings = DaemonSettings { socket: Some(path.clone()), stop_deadline: Duration::from_secs(30) };
    let live = Live::start_with(world, settings).await;
    live.until("01 04:00:00").await;
    Listening { live, path, dir }
}

#[tokio::test]
async fn every_request_is_answered_over_the_socket() {
    let Listening { live, path, dir: _dir } = listening(SHOP).await;
    let contacts = live.world.pipeline("acme/contacts");
    let mut client = Client::connect(&path).await.unwrap();
    let jane = live.world.shop.all("contacts")[0]["id"].as_str().unwrap().to_owned();
    let checks: [(Request, Check); 11] = [
        (Request::Ping, |answer| matches!(answer, Response::Pong { pid, .. } if *pid == std::process::id())),
        (Request::Status, |answer| {
            let Response::Status(status) = answer else { return false };
            status.daemon.as_ref().unwrap().integrations.len() == 1 && status.integrations[0].pipelines[0].links == 1
        }),
        (
            Request::Explain { pipeline: contacts.clone(), record: "jane@x.example".into() },
            |answer| matches!(answer, Response::Explained(found) if found.len() == 1),
        ),
        (
            Request::Links { pipeline: contacts.clone() },
            |answer| matches!(answer, Response::Links(links) if links.len() == 1),
        ),
        (Request::Parked { pipeline: None }, |answer| matches!(answer, Response::Parked(parked) if parked.is_empty())),
        (Request::Conflicts { pipeline: None }, |answer| matches!(answer, Response::Conflicts(_))),
        (Request::Held, |answer| matches!(answer, Response::Held(_))),
        (
            Request::Runs { integration: integration("acme"), limit: 10 },
            |answer| matches!(answer, Response::Runs(runs) if runs.len() == 1),
        ),
        (Request::LinkRemove { pipeline: contacts.clone(), record: RecordId::from(jane) }, |answer| {
            matches!(answer, Response::Unlinked(_))
        }),
        (Request::Pause { what: "acme".into(), by: "anna".into() }, |answer| matches!(answer, Response::Paused(_))),
        (Request::Resume { what: "acme".into() }, |answer| matches!(answer, Response::Resumed(_))),
    ];
    for (request, is_right) in checks {
        let answer = bounded(client.call(&request)).await.unwrap_or_else(|error| panic!("{request:?}: {error}"));
        assert!(is_right(&answer), "{request:?}: {answer:?}");
    }
    let refused = [
        (Request::Links { pipeline: live.world.pipeline("acme/nothing") }, FailureKind::NoSuch),
        (Request::ParkedRetry { pipeline: contacts.clone(), record: None }, FailureKind::NoSuch),
        (Request::ParkedIgnore { pipeline: contacts.clone(), record: RecordId::from("x") }, FailureKind::NoSuch),
        (Request::Approve { what: "nothing".into(), except: Vec::new() }, FailureKind::NoSuch),
        (Request::Reject { what: "nothing".into() }, FailureKind::NoSuch),
        (Request::Runs { integration: integration("nobody"), limit: 1 }, FailureKind::NoSuch),
        (Request::Pause { what: "nobody".into(), by: "anna".into() }, FailureKind::NoSuch),
        (Request::Run(by_hand("nobody", Mode::Sync)), FailureKind::NoSuch),
    ];
    for (request, kind) in refused {
        match bounded(client.call(&request)).await {
            Err(ClientError::Failed(failure)) => assert_eq!(failure.kind, kind, "{request:?}: {failure}"),
            other => panic!("{request:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_sync_by_hand_tells_how_far_it_is_and_ends_in_a_report() {
    let Listening { live, path, dir: _dir } = listening(SHOP).await;
    live.world.shop.insert("contacts", json!({"name": "Joe", "email": "joe@x.example"}));
    let mut client = Client::connect(&path).await.unwrap();
    let mut request = by_hand("acme", Mode::Plan);
    request.limit = Some(5);
    let mut steps = Vec::new();
    let answer = bounded(client.stream(&Request::Run(request), |step| steps.push(step))).await.unwrap();
    let Response::Run(plan) = answer else { panic!("{answer:?}") };
    assert_eq!(plan.pipelines[0].planned, 1);
    assert!(
        steps.contains(&Progress::Queued) && steps.iter().any(|s| matches!(s, Progress::Started { .. })),
        "{steps:?}"
    );
    assert_eq!(live.world.books.count("contacts"), 1, "a plan writes nothing");
    bounded(client.call(&Request::Run(by_hand("acme", Mode::Sync)))).await.unwrap();
    assert_eq!(live.world.books.count("contacts"), 2);
}

#[tokio::test]
async fn a_run_that_lists_everything_sends_it_item_by_item() {
    let Listening { live, path, dir: _dir } = listening(SHOP).await;
    for n in 0..3 {
        live.world.shop.insert("contacts", json!({"name": format!("N{n}"), "email": format!("{n}@x.example")}));
    }
    let mut client = Client::connect(&path).await.unwrap();
    for (list, expected) in [(false, 0), (true, 3)] {
        let mut told = Vec::new();
        let request = Request::Run(RunRequest { list, ..by_hand("acme", Mode::Plan) });
        let note = |step| {
            if let Progress::Listed(listed) = step {
                told.push(listed)
            }
        };
        let Response::Run(mut plan) = bounded(client.stream(&request, note)).await.unwrap() else { panic!("no run") };
        assert_eq!(told.len(), expected);
        let before = plan.pipelines[0].items.clone();
        if list {
            plan.list_all(told);
        }
        assert_eq!((plan.pipelines[0].items.clone(), before.len()), (before, 3), "what is sent is what is planned");
    }
}

#[tokio::test]
async fn nonsense_is_answered_and_the_line_stays_open() {
    let Listening { live: _live, path, dir: _dir } = listening(SHOP).await;
    let mut stream = BufReader::new(UnixStream::connect(&path).await.unwrap());
    let ask = async |stream: &mut BufReader<UnixStream>, line: &str| {
        stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        bounded(stream.read_line(&mut answer)).await.unwrap();
        answer
    };
    for line in ["", "status", "{}", r#"{"do":"dance"}"#, r#"{"do":"links"}"#, r#"{"do":"links","pipeline":"A B"}"#] {
        let answer = ask(&mut stream, line).await;
        assert!(answer.contains(r#""kind":"bad-request""#), "{line}: {answer}");
    }
    assert!(ask(&mut stream, r#"{"do":"ping"}"#).await.contains("pong"));
    let limited = r#"{"why":"x","limit":3,"mode":"plan","integration":"nobody","do":"run"}"#;
    assert!(ask(&mut stream, limited).await.contains("no-such"), "numbers and order do not matter");
}

#[tokio::test]
async fn the_socket_is_for_owner_and_group_is_never_shared_and_a_stale_one_is_replaced() {
    let Listening { live, path, dir: _dir } = listening(SHOP).await;
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);
    let settings = DaemonSettings { socket: Some(path.clone()), stop_deadline: Duration::from_secs(1) };
    let second = Daemon::start(live.engine.clone(), settings.clone()).await;
    assert!(matches!(second, Err(SocketError::Taken { .. })), "{second:?}");
    bounded(live.daemon.stop()).await;
    assert!(!path.exists());
    assert!(matches!(Client::connect(&path).await, Err(ClientError::NoDaemon { .. })));
    // A daemon that was killed leaves its file.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(matches!(Client::connect(&path).await, Err(ClientError::NoDaemon { .. })));
    let third = Daemon::start(live.engine.clone(), settings).await.unwrap();
    bounded(Client::connect(&path).await.unwrap().call(&Request::Ping)).await.unwrap();
    bounded(third.stop()).await;
}

#[tokio::test]
async fn an_approved_first_run_goes_at_once() {
    let world = World::new(&SHOP.replace("apply: automatic", "apply: approve"));
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    world.books.insert("contacts", json!({"name": "Someone", "email": "someone@x.example"}));
    let live = Live::start(world).await;
    live.until("01 05:00:00").await;
    assert_eq!((live.world.books.count("contacts"), live.world.shop.count("contacts")), (1, 1));
    let runs = live.told("acme").await.len();
    assert!(runs <= 2, "a held run is not tried again and again: {:?}", live.told("acme").await);
    live.call(Request::Approve { what: "acme".into(), except: Vec::new() }).await;
    live.until("01 05:00:00").await;
    assert_eq!((live.world.books.count("contacts"), live.world.shop.count("contacts")), (2, 2));
}

#[tokio::test]
async fn a_pause_is_remembered_over_a_restart_and_leaves_commands_working() {
    let live = Live::start(World::new(SHOP)).await;
    live.until("01 04:01:00").await;
    live.call(Request::Pause { what: "acme".into(), by: "anna".into() }).await;
    live.world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    bounded(live.daemon.stop()).await;
    let live = Live::start(live.world).await;
    live.until("03 04:00:00").await;
    assert_eq!(live.world.books.count("contacts"), 0);
    assert_eq!(live.daemon.status().integrations[0].waits, [WaitReason::Paused]);
    let Response::Status(status) = live.call(Request::Status).await else { panic!("no status") };
    let [pause] = status.paused.as_slice() else { panic!("{status:?}") };
    assert_eq!((pause.what.as_str(), pause.by.as_str()), ("acme", "anna"));
    live.call(Request::Resume { what: "acme".into() }).await;
    live.until("03 04:00:00").await;
    assert_eq!(live.world.books.count("contacts"), 1, "the idle run was overdue");
    assert_eq!(live.daemon.status().integrations[0].last_run, Some(at("03 04:00:00")));
}

#[tokio::test]
async fn without_a_daemon_a_command_does_it_itself() {
    let world = World::new(SHOP);
    world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let engine = world.engine();
    let Response::Run(report) = execute(&engine, Request::Run(by_hand("acme", Mode::Sync))).await.unwrap() else {
        panic!("no report")
    };
    assert_eq!(report.exit_code(), 0);
    execute(&engine, Request::Pause { what: "acme".into(), by: "anna".into() }).await.unwrap();
    let Response::Status(status) = execute(&engine, Request::Status).await.unwrap() else { panic!("no status") };
    assert!(status.daemon.is_none());
    let [pause] = status.paused.as_slice() else { panic!("{status:?}") };
    assert_eq!((pause.what.as_str(), pause.by.as_str()), ("acme", "anna"));
}

#[tokio::test]
async fn a_pipeline_can_be_paused_by_itself_and_the_whole_counts_for_its_parts() {
    let live = Live::start(World::new(SHOP)).await;
    live.until("01 04:01:00").await;
    let pause = Request::Pause { what: "acme/contacts".into(), by: "anna".into() };
    let Response::Paused(paused) = live.call(pause).await else { panic!("not paused") };
    assert_eq!((paused.what.as_str(), paused.at), ("acme/contacts", at("01 04:01:00")));
    live.world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    live.until("02 10:00:00").await;
    assert_eq!(live.world.books.count("contacts"), 0);
    // By hand it runs all the same.
    live.call(Request::Run(by_hand("acme", Mode::Sync))).await;
    assert_eq!(live.world.books.count("contacts"), 1);
    // The whole counts for its parts.
    live.call(Request::Pause { what: "acme".into(), by: "bert".into() }).await;
    let refused = live.daemon.call(Request::Resume { what: "acme/contacts".into() }).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::NotPossible);
    assert!(refused.message.contains("by bert"), "{refused}");
    let Response::Resumed(ended) = live.call(Request::Resume { what: "acme".into() }).await else { panic!("no") };
    assert_eq!(ended.len(), 2);
    live.world.shop.insert("contacts", json!({"name": "Joe", "email": "joe@x.example"}));
    live.until("02 12:00:00").await;
    assert_eq!(live.world.books.count("contacts"), 2);
}

#[tokio::test]
async fn what_a_person_waits_for_may_use_what_the_limits_keep_for_people() {
    let live = Live::start(World::new(SHOP)).await;
    live.until("01 08:00:00").await;
    assert_eq!((live.shop.for_people(), live.books.for_people()), (0, 0), "schedules leave it alone");
    live.call(Request::Run(by_hand("acme", Mode::Sync))).await;
    assert!(live.shop.for_people() > 0 && live.books.for_people() > 0);
}

#[tokio::test]
async fn a_daemon_that_says_nothing_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mute.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let mut client = Client::connect(&path).await.unwrap().with_patience(Duration::from_millis(50));
    let (_open, _) = listener.accept().await.unwrap();
    let error = bounded(client.call(&Request::Ping)).await.unwrap_err();
    assert!(matches!(error, ClientError::Silent { .. }), "{error}");
    assert!(error.to_string().contains("may still take effect"), "{error}");
}

#[tokio::test]
async fn what_is_taken_back_or_mistyped_is_no_sync_that_was_made_or_failed() {
    let world = World::new(SHOP);
    let jane = world.shop.insert("contacts", json!({"name": "Jane", "email": "jane@x.example"}));
    let live = Live::start(world).await;
    live.until("01 04:01:00").await;
    live.world.shop.edit("contacts", &jane, json!({"name": "Jane Doe"}));
    live.until("01 04:05:00").await;
    let wrote_over = live.runs("acme").await.pop().unwrap().id;
    // A change was seen, and waits for its window to close.
    live.world.shop.insert("contacts", json!({"name": "Joe", "email": "joe@x.example"}));
    live.until("01 04:07:00").await;
    let window = |now: &reconciled::daemon::IntegrationNow| {
        now.waits.iter().any(|wait| matches!(wait, WaitReason::Window { .. }))
            && !now.waits.iter().any(|wait| matches!(wait, WaitReason::Retry { .. }))
    };
    let back = |run: &str| {
        let revert = Some(Revert { run: run.to_owned(), record: None });
        Request::Run(RunRequest { revert, ..by_hand("acme", Mode::Sync) })
    };
    for _ in 0..3 {
        let refused = bounded(live.daemon.call(back("acme-nothing"))).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::NoSuch);
        let now = live.daemon.status().integrations.remove(0);
        assert_eq!(now.failure, None);
        assert!(window(&now), "{:?}", now.waits);
    }
    live.call(back(&wrote_over)).await;
    let now = live.daemon.status().integrations.remove(0);
    assert!(window(&now), "{:?}", now.waits);
    live.until("01 04:30:00").await;
    assert_eq!(live.world.books.count("contacts"), 2);
}
