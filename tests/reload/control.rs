//! What people say to a running daemon, through the built program on both ends.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::support::{BY_HAND, Live, QUICK, config, folder, integration, of, practice::Practice, program};

/// A daemon on two practice systems.
async fn on(practice: &Practice, settings: &str, yaml: &str) -> Live {
    let home = folder(settings, &[("a.yaml", yaml)]);
    fs::write(home.path().join("etc/connections.yaml"), practice.connections()).unwrap();
    Live::on(home).await
}

/// A command, off the runtime that the practice systems need.
async fn say(live: &Live, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = program(live.home.path());
    command.args(args).env_remove("RECONCILED_LOG");
    let out: Output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.code(), text(out.stdout), text(out.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_holds_over_a_restart_and_tells_who_and_when() {
    let practice = Practice::start(2).await;
    let live = on(&practice, QUICK, &practice.integration("a")).await;
    practice.until("the first contacts", |practice| practice.in_xero() == 2).await;
    let (code, text, _) = say(&live, &["pause", "a"]).await;
    assert_eq!((code, text.contains("`a` is paused")), (Some(0), true), "{text}");
    let me = reconciled::daemon::own_name();
    assert!(live.said().contains(&format!("\"user\":\"{me}\"")), "who asked is in the log: {}", live.said());
    practice.insert(3);
    let live = Live::on(live.stop().await).await;
    let (_, text, _) = say(&live, &["status"]).await;
    assert!(text.contains(&format!("a  paused by {me} ")), "{text}");
    // By hand it still runs.
    let (code, _, told) = say(&live, &["sync", "a"]).await;
    assert_eq!((code, practice.in_xero()), (Some(0), 3), "{told}");
    practice.insert(4);
    let (_, text, _) = say(&live, &["resume"]).await;
    assert!(text.contains(&format!("`a` goes on; {me} had paused it")) && text.contains("1 pause ended"), "{text}");
    practice.until("what came meanwhile", |practice| practice.in_xero() == 4).await;
    let (code, text, _) = say(&live, &["pause", "a/contacts", "--json"]).await;
    assert_eq!((code, text.contains("\"what\": \"a/contacts\"")), (Some(0), true), "{text}");
    let (_, text, _) = say(&live, &["status"]).await;
    assert!(text.contains("a/contacts") && text.contains(&format!("paused by {me}")), "{text}");
    let (code, _, told) = say(&live, &["pause", "b"]).await;
    assert_eq!((code, told.contains("no pipeline or integration named `b`")), (Some(64), true), "{told}");
    let (code, text, _) = say(&live, &["resume", "a/contacts"]).await;
    assert_eq!((code, text.contains("goes on")), (Some(0), true), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_works_while_a_pipeline_is_stuck_and_a_second_signal_ends_it_at_once() {
    let practice = Practice::start(2).await;
    let yaml = practice.integration("a");
    let mut live = on(&practice, "[reload]\nwatch = false\ndrain = \"1h\"\n", &yaml).await;
    practice.until("the first contacts", |practice| practice.in_xero() == 2).await;
    practice.site.faults().delay_all(Duration::from_secs(3_600));
    live.wait_for("a stuck poll", |status| {
        let polls = |now: &_| matches!(now, reconciled::daemon::Phase::Running { why, .. } if why.contains("poll"));
        of(status, "a").is_some_and(|now| polls(&now.phase))
    })
    .await;
    for (args, part) in [
        (&["status"][..], "running (poll of website)"),
        (&["runs"], "first start"),
        (&["explain", "a/contacts", "contact1@practice.example"], "contact1@practice.example"),
        (&["parked", "list"], ""),
        (&["conflicts", "list"], ""),
        (&["links", "list", "a/contacts"], ""),
        (&["log-level"], "info"),
        (&["pause", "a"], "is paused"),
        (&["resume", "a"], "goes on"),
        (&["reload"], "untouched"),
    ] {
        let (code, text, told) = say(&live, args).await;
        assert_eq!((code, text.contains(part)), (Some(0), true), "{args:?}: {text}{told}");
    }
    // What would change the memory of the stuck pipeline is refused within its deadline, and says why.
    let (code, _, told) = say(&live, &["parked", "retry", "a/contacts"]).await;
    assert_eq!((code, told.contains("still at work and nothing was changed")), (Some(1), true), "{told}");
    live.signal("TERM");
    live.wait_for("it to be stopping", |status| status.stopping).await;
    live.signal("TERM");
    let began = Instant::now();
    while live.child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(120), "it waits for the deadline: {}", live.said());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(live.said().contains("stopped at once"), "{}", live.said());
    practice.site.faults().clear();
    practice.site.faults().delay_all(Duration::ZERO);
    // The next start goes on as if nothing had been.
    practice.insert(3);
    let _live = Live::on(live.kill()).await;
    practice.until("the third", |practice| practice.in_xero() == 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_told_line_by_line_where_there_is_no_terminal() {
    let practice = Practice::start(400).await;
    let yaml = practice.integration("a").replace("    first_run:", "    automatic: false\n    first_run:");
    let live = on(&practice, BY_HAND, &yaml).await;
    practice.xero.faults().delay_all(Duration::from_millis(900));
    let (code, _, told) = say(&live, &["sync", "a"]).await;
    assert_eq!((code, practice.in_xero()), (Some(0), 400), "{told}");
    let lines: Vec<&str> = told.lines().filter(|line| line.starts_with("a: ")).collect();
    assert!(lines.iter().any(|line| line.contains("records) planned") || line.contains("of them done")), "{told}");
    assert!(lines.iter().any(|line| line.contains("read (400 records)")), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_level_of_the_log_changes_while_the_daemon_runs() {
    let practice = Practice::start(1).await;
    let live = on(&practice, QUICK, &practice.integration("a")).await;
    assert!(!live.said().contains("\"level\":\"DEBUG\""));
    let (_, text, _) = say(&live, &["log-level", "daemon=trace"]).await;
    assert_eq!(text, "info,reconciled::daemon=trace\n");
    let (_, text, _) = say(&live, &["log-level", "debug"]).await;
    assert_eq!(text, "reconciled::daemon=trace,debug\n");
    practice.until("a line of that level", |_| live.said().contains("\"level\":\"DEBUG\"")).await;
    let (code, _, told) = say(&live, &["log-level", "loud"]).await;
    assert_eq!((code, told.contains("`loud` is no level; there are off, error,")), (Some(1), true), "{told}");
    let (_, text, _) = say(&live, &["log-level", "reset"]).await;
    assert_eq!(text, "info\n");
    let home = live.stop().await;
    let out = program(home.path()).arg("log-level").output().unwrap();
    assert_eq!(out.status.code(), Some(69));
}

#[tokio::test]
async fn only_root_the_daemons_user_and_the_group_of_the_socket_may_give_commands() {
    let live = Live::start(BY_HAND, &[("a.yaml", &integration("a", "x"))]).await;
    if reconciled::daemon::own_name() != "root" {
        // Only root can become somebody else. (Who may is tested by itself, too.)
        return;
    }
    // As wide as an operator may have made it by mistake.
    fs::set_permissions(live.home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(live.home.path().join("socket"), fs::Permissions::from_mode(0o666)).unwrap();
    // A copy: where the program lies, that user may have no right to be.
    let copy = live.home.path().join("program");
    fs::copy(env!("CARGO_BIN_EXE_reconciled"), &copy).unwrap();
    let ask = |groups: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", groups]).arg(&copy).arg("--config").arg(live.etc());
        let out = command.args(["pause", "a"]).env_remove("RECONCILED_CONFIG").output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
    };
    let (code, told) = ask("--clear-groups");
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("nobody may not give commands to this daemon; root, the daemon's own user"), "{told}");
    assert!(live.said().contains("socket.refused"), "{}", live.said());
    let (code, told) = ask("--groups=0");
    assert_eq!((code, told.contains("is paused")), (Some(0), true), "a member of the socket's group may: {told}");
    assert!(live.said().contains("\"user\":\"nobody\""), "{}", live.said());
}

/// A daemon that talks to a service manager, and everything it says to it.
fn under_a_manager(home: tempfile::TempDir, more: &[(&str, &str)]) -> (Live, UnixDatagram) {
    let path = home.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let said = fs::File::create(home.path().join("said.txt")).unwrap();
    let mut command = program(home.path());
    command.arg("run").env("NOTIFY_SOCKET", &path).envs(more.iter().copied());
    let child = command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap();
    (Live { home, child }, manager)
}

fn next(manager: &UnixDatagram, is: impl Fn(&str) -> bool) -> String {
    let mut all = Vec::new();
    let mut bytes = [0; 4_096];
    for _ in 0..200 {
        let Ok(length) = manager.recv(&mut bytes) else { break };
        let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
        if is(&text) {
            return text;
        }
        all.push(text);
    }
    panic!("the manager was not told: {all:#?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_is_told_of_the_start_of_every_reload_and_of_the_end() {
    let home = folder(BY_HAND, &[("a.yaml", &integration("a", "x"))]);
    let (mut live, manager) = under_a_manager(home, &[]);
    let text = next(&manager, |text| text.contains("EXTEND_TIMEOUT_USEC"));
    assert!(text.contains("EXTEND_TIMEOUT_USEC=30000000") && text.contains("STATUS=opening the store"), "{text}");
    let text = next(&manager, |text| text.contains("READY=1"));
    assert!(text.contains("STATUS=1 integration"), "{text}");
    live.wait_for("its files to be followed", |status| status.config.is_some()).await;
    // Whether it is taken or refused, the reload has an end.
    for (yaml, accepted) in [(integration("a", "y"), true), ("integrations: [".to_owned(), false)] {
        live.write("a.yaml", &yaml);
        live.signal("HUP");
        let text = next(&manager, |text| text.contains("RELOADING=1"));
        assert!(text.contains("MONOTONIC_USEC="), "both in one datagram: {text}");
        next(&manager, |text| text.contains("READY=1"));
        let status = live.status().await.unwrap();
        assert_eq!(config(&status).last_reload.accepted, accepted);
    }
    let text = next(&manager, |text| text.contains("INVALID_PENDING a.yaml:1:"));
    assert!(text.starts_with("STATUS="), "{text}");
    live.signal("USR1");
    let began = Instant::now();
    while !live.said().contains("daemon.diagnostics") {
        assert!(began.elapsed() < Duration::from_secs(120), "{}", live.said());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    live.signal("TERM");
    next(&manager, |text| text.contains("STOPPING=1"));
    let _ = live.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_watchdog_is_fed_while_a_remote_is_slow() {
    let practice = Practice::start(1).await;
    practice.site.faults().delay_all(Duration::from_secs(3_600));
    let home = folder(QUICK, &[("a.yaml", &practice.integration("a"))]);
    fs::write(home.path().join("etc/connections.yaml"), practice.connections()).unwrap();
    let (mut live, manager) = under_a_manager(home, &[("WATCHDOG_USEC", "600000")]);
    live.wait_for("a stuck run", |status| {
        of(status, "a").is_some_and(|now| matches!(now.phase, reconciled::daemon::Phase::Running { .. }))
    })
    .await;
    for _ in 0..3 {
        let manager = manager.try_clone().unwrap();
        tokio::task::spawn_blocking(move || next(&manager, |text| text.contains("WATCHDOG=1"))).await.unwrap();
    }
    live.signal("QUIT");
    let began = Instant::now();
    while live.child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(120), "QUIT ends it at once: {}", live.said());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_watchdog_starves_when_the_control_loop_hangs() {
    let home = folder(BY_HAND, &[("a.yaml", &integration("a", "x"))]);
    let (mut live, manager) =
        under_a_manager(home, &[("WATCHDOG_USEC", "600000"), ("RECONCILED_HANG_AT", "diagnosed")]);
    live.wait_for("its files to be followed", |status| status.config.is_some()).await;
    for _ in 0..3 {
        next(&manager, |text| text.contains("WATCHDOG=1"));
    }
    live.signal("USR1");
    live.wait_for("the hang", |_| true).await;
    let began = Instant::now();
    while !live.said().contains("daemon.diagnostics") {
        assert!(began.elapsed() < Duration::from_secs(120), "{}", live.said());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Two may be on their way. Then there is silence, for five times as long as one is due.
    manager.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut bytes = [0; 4_096];
    let fed = (0..30).take_while(|_| manager.recv(&mut bytes).is_ok()).count();
    assert!(fed < 30, "it is fed although it hangs");
    // Nothing but a kill ends it, which is what the service manager does then.
    assert_eq!(live.child.try_wait().unwrap(), None);
    let mut live = Live::on(live.kill()).await;
    live.wait_for("the next start", |status| of(status, "a").is_some()).await;
}

/// Both ways in which systemd reloads: by a command that is waited for, and by a signal and what it is told then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_by_the_service_manager_fails_where_a_file_is_refused_and_always_ends() {
    let home = folder(BY_HAND, &[("a.yaml", &integration("a", "x"))]);
    let (mut live, manager) = under_a_manager(home, &[]);
    next(&manager, |text| text.contains("READY=1"));
    live.wait_for("its files to be followed", |status| status.config.is_some()).await;
    for (yaml, code) in [
        (integration("a", "y"), 0),
        (integration("a", "y").replace("first_name", "frist_name"), 78),
        (integration("a", "z"), 0),
    ] {
        live.write("a.yaml", &yaml);
        // `Type=notify`: `ExecReload=reconciled reload --wait`.
        let out = program(live.home.path()).args(["reload", "--wait"]).output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(out.status.code(), Some(code), "{said}");
        assert_eq!(said.contains("a.yaml: rejected"), code != 0, "it names the file: {said}");
        // `Type=notify-reload`: the signal, the beginning with its time in one datagram, and an end whatever came of it.
        live.signal("HUP");
        let text = next(&manager, |text| text.contains("RELOADING=1"));
        assert!(text.contains("MONOTONIC_USEC="), "{text}");
        next(&manager, |text| text.contains("READY=1"));
    }
    live.stop().await;
}

#[tokio::test]
async fn a_damaged_store_exits_74_with_the_way_back() {
    let live = Live::start(BY_HAND, &[("a.yaml", &integration("a", "x"))]).await;
    let home = live.stop().await;
    for name in ["conf", "db"] {
        fs::write(home.path().join("state").join(name), vec![0xa5; 4_096]).unwrap();
    }
    let out = program(home.path()).arg("run").output().unwrap();
    let told = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(74), "{told}");
    for part in ["the state in", "reads a snapshot back", "move the files aside", "nothing is deleted or made twice"] {
        assert!(told.contains(part), "no {part} in {told}");
    }
}
