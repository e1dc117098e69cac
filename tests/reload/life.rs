//! Starting, stopping, signals, settings, and what commands say.

use std::fs;

use reconciled::daemon::protocol::Request;
use serde_json::json;

use crate::support::{BY_HAND, CONSOLE, Live, QUICK, config, folder, integration, of, program};

#[tokio::test]
async fn a_start_with_no_configuration_waits_for_the_first_file() {
    let home = folder(QUICK, &[]);
    fs::remove_file(home.path().join("etc/connections.yaml")).unwrap();
    let mut live = Live::on(home).await;
    let out = program(live.home.path()).arg("status").output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("put a file that ends in .yaml"), "{text}");
    assert!(live.said().contains("config.empty"));
    live.write("all.yaml", &format!("{}{}", crate::support::CONNECTIONS, integration("a", "x")));
    live.wait_for("`a`", |status| of(status, "a").is_some()).await;
}

#[tokio::test]
async fn reload_says_what_came_of_every_file() {
    let live = Live::start(BY_HAND, &[("a.yaml", &integration("a", "x")), ("b.yaml", &integration("b", "x"))]).await;
    let reload = |args: &[&str]| {
        let out = program(live.home.path()).arg("reload").args(args).output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap())
    };
    let (code, text) = reload(&["--wait"]);
    assert_eq!((code, text.contains("2 untouched")), (Some(0), true), "{text}");
    live.write("a.yaml", &integration("a", "y"));
    live.write("b.yaml", &integration("b", "y").replace("first_name", "frist_name"));
    let (code, text) = reload(&["--wait"]);
    assert_eq!(code, Some(78), "{text}");
    for part in ["a.yaml: taken", "b.yaml: rejected", "b.yaml:12:25:", ") changed", ") goes on as it was"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let (code, text) = reload(&["--wait", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, report["files"][1]["outcome"].as_str()), (Some(78), Some("rejected")), "{report:#}");
    let home = live.stop().await;
    let out = program(home.path()).arg("reload").output().unwrap();
    assert_eq!(out.status.code(), Some(69));
}

#[tokio::test]
async fn a_storm_of_signals_is_one_look_per_settle_and_the_last_state_wins() {
    let settings = "[reload]\nwatch = false\nsettle = \"300ms\"\n";
    let mut live = Live::start(settings, &[("a.yaml", &integration("a", "x"))]).await;
    let mut hash = live.hashes().await["a"].clone();
    let began = std::time::Instant::now();
    for number in 0..100 {
        live.write("a.yaml", &integration("a", &format!("storm-{number}")));
        live.signal("HUP");
    }
    let last = integration("a", "last");
    live.write("a.yaml", &last);
    live.signal("HUP");
    // The last state is the one that a hand reload finds nothing left to do about.
    let mut status = live.status().await.unwrap();
    while of(&status, "a").unwrap().on_disk.is_none() || hash == of(&status, "a").unwrap().running {
        status = live.status().await.unwrap();
    }
    hash.clone_from(&of(&status, "a").unwrap().running);
    let report = live.reload(false).await;
    let most = began.elapsed().as_millis() / 300 + 3;
    let status = live.status().await.unwrap();
    assert!(u128::from(config(&status).passes) <= most, "{} looks, at most {most}", config(&status).passes);
    assert!(!report.is_rejected());
    live.write("a.yaml", &format!("{last}# a comment\n"));
    let report = live.reload(false).await;
    assert_eq!(report.untouched, 1, "the last state runs: {report:#?} {hash}");
}

#[tokio::test]
async fn a_signal_during_start_or_stop_does_no_harm() {
    for _ in 0..5 {
        let home = folder(BY_HAND, &[("a.yaml", &integration("a", "x"))]);
        let said = fs::File::create(home.path().join("said.txt")).unwrap();
        let child = program(home.path()).arg("run").stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap();
        let mut live = Live { home, child };
        // The very first moments belong to the operating system: the program listens before it reads anything.
        while !std::fs::read_to_string(format!("/proc/{}/status", live.child.id())).unwrap().lines().any(|line| {
            line.strip_prefix("SigCgt:").is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & 1 == 1)
        }) {
            tokio::task::yield_now().await;
        }
        live.signal("HUP");
        live.wait_for("the start", |status| status.config.is_some()).await;
        live.wait_for("the look that was asked for", |status| config(status).passes == 1).await;
        live.signal("TERM");
        live.signal("HUP");
        assert_eq!(live.child.wait().unwrap().code(), Some(0), "{}", live.said());
    }
}

#[tokio::test]
async fn settings_that_cannot_change_live_are_named_and_the_others_taken() {
    let live = Live::start(BY_HAND, &[("a.yaml", &integration("a", "x"))]).await;
    let toml = fs::read_to_string(live.file("reconciled.toml")).unwrap();
    let other = toml.replace("state\"", "other\"").replace("watch = false", "watch = true\nsettle = \"10ms\"");
    live.write("reconciled.toml", &format!("log = \"debug\"\n{other}"));
    live.write("a.yaml", &integration("a", "y"));
    let report = live.reload(false).await;
    assert_eq!(report.needs_restart, ["state_dir", "log"]);
    assert_eq!(report.summary().text, "1 changed, 0 untouched");
    let mut live = live;
    let status = live.wait_for("its files to be followed", |status| config(status).watching).await;
    assert_eq!(config(&status).needs_restart, ["state_dir", "log"]);
    live.write("reconciled.toml", "state_dir = 7 7\n");
    let status = live.wait_for("the mistake", |status| !config(status).mistakes.is_empty()).await;
    assert!(config(&status).mistakes[0].at.starts_with("reconciled.toml:1:"), "{status:#?}");
    assert!(config(&status).watching, "the settings stay as they were");
}

#[tokio::test]
async fn a_second_daemon_is_turned_away() {
    let live = Live::start(BY_HAND, &[]).await;
    let out = program(live.home.path()).arg("run").output().unwrap();
    assert_eq!(out.status.code(), Some(75), "{}", String::from_utf8_lossy(&out.stderr));
    let told = String::from_utf8_lossy(&out.stderr);
    let holder = format!("in use by the daemon {} with process id {}", env!("CARGO_PKG_VERSION"), live.child.id());
    assert!(told.contains(&holder) && told.contains("help: stop that one"), "{told}");
}

#[tokio::test]
async fn a_rotated_secret_is_used_by_the_next_request_and_shown_nowhere() {
    let mut live = Live::start(QUICK, &[("a.yaml", &integration("a", "x"))]).await;
    let before = live.hashes().await;
    live.wait_for("the first look", |status| status.config.is_some()).await;
    live.write("secret.txt", "xero-secret-canary-2\n");
    let began = std::time::Instant::now();
    while !live.said().contains("config.login_changed") {
        assert!(began.elapsed().as_secs() < 180, "{}", live.said());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(live.said().contains("\"connection\":\"books\""), "{}", live.said());
    assert!(!live.said().contains("\"connection\":\"shop\""));
    assert_eq!(live.hashes().await, before, "no integration was touched");
    // A secret in the file itself.
    let edited = crate::support::CONNECTIONS.replace("shop-secret-canary", "shop-other-canary");
    live.write("connections.yaml", &edited);
    let report = loop {
        let report = live.reload(false).await;
        if live.said().contains("\"connection\":\"shop\"") {
            break report;
        }
    };
    assert_eq!(live.hashes().await, before);
    let status = live.ask(Request::Status).await;
    let all = format!("{}{report:?}{status:?}", live.said());
    assert!(!all.contains("canary"), "{all}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_no_reason_to_be_down() {
    // Where everything lies is told by the service manager, as the settings are in the folder.
    let home = folder("", &[("a.yaml", &integration("a", "x"))]);
    let (etc, aside) = (home.path().join("etc"), home.path().join("aside"));
    fs::remove_file(etc.join("reconciled.toml")).unwrap();
    fs::rename(&etc, &aside).unwrap();
    let said = home.path().join("said.txt");
    let start = || {
        let said = fs::File::options().create(true).append(true).open(&said).unwrap();
        let mut command = program(home.path());
        command.env("STATE_DIRECTORY", home.path().join("state")).env("RUNTIME_DIRECTORY", home.path());
        command.arg("run").stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap()
    };
    let socket = home.path().join("reconciled.sock");
    let mut child = start();
    until(&mut child, &socket, "a daemon", |status| status.config.is_some()).await;
    let told = fs::read_to_string(&said).unwrap();
    assert!(told.contains("make the folder that is not there yet"), "{told}");
    // The folder appears, and its files are taken over.
    fs::rename(&aside, &etc).unwrap();
    // What has taken over is remembered an instant after it runs, and then it is counted.
    until(&mut child, &socket, "`a`", |status| of(status, "a").is_some() && config(status).restarts == 1).await;
    child.kill().unwrap();
    child.wait().unwrap();
    // Not mounted at the next start: what was good last runs, and says so.
    fs::rename(&etc, &aside).unwrap();
    let mut child = start();
    until(&mut child, &socket, "the last good `a`", |status| of(status, "a").is_some_and(|now| now.pending.is_some()))
        .await;
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Waits until a daemon on this socket stands as it should.
async fn until(
    child: &mut std::process::Child,
    socket: &std::path::Path,
    what: &str,
    is: impl Fn(&reconciled::daemon::DaemonStatus) -> bool,
) {
    let began = std::time::Instant::now();
    loop {
        if let Ok(mut client) = reconciled::daemon::Client::connect(socket).await
            && let Ok(reconciled::daemon::protocol::Response::Status(status)) = client.call(&Request::Status).await
            && status.daemon.as_ref().is_some_and(&is)
        {
            return;
        }
        assert_eq!(child.try_wait().unwrap(), None, "it ended, waiting for {what}");
        assert!(began.elapsed() < std::time::Duration::from_mins(3), "waiting for {what}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn everybody_tells_the_same_hash_of_what_runs() {
    let settings = format!("{BY_HAND}{CONSOLE}");
    let live = Live::start(&settings, &[("a.yaml", &integration("a", "x")), ("b.yaml", &integration("b", "x"))]).await;
    let run = |args: &[&str]| {
        let out = program(live.home.path()).args(args).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    let json = |args: &[&str]| serde_json::from_str::<serde_json::Value>(&run(args)).unwrap();
    let status = || {
        let status = json(&["status", "--json"]);
        let now = &status["daemon"]["integrations"][0];
        (now["running"].as_str().unwrap().to_owned(), now["on_disk"].as_str().unwrap().to_owned())
    };
    let (old, on_disk) = status();
    assert_eq!(old, on_disk);
    live.write("a.yaml", &integration("a", "y"));
    let diff = json(&["config", "diff", "--json"]);
    let one = &diff["integrations"][0];
    assert_eq!(one["running"], json!(old));
    let new = one["written"].as_str().unwrap().to_owned();
    assert_ne!(new, old);
    assert!(run(&["config", "diff"]).contains(&format!("a ({old} -> {new}) would change")));
    let report = json(&["reload", "--wait", "--json"]);
    assert_eq!(report["integrations"][0]["running"], json!(new), "{report:#}");
    assert_eq!(status(), (new.clone(), new.clone()));
    let said = live.said();
    let taken = said.lines().find(|line| line.contains("config.integration")).unwrap();
    assert!(taken.contains(&format!("\"config_hash\":\"{new}\"")) || taken.contains(&new), "{taken}");
    // Nobody is there, so the run fails; it says what it ran all the same.
    run(&["sync", "a"]);
    let said = live.said();
    let started = said.lines().find(|line| line.contains("run.started")).unwrap();
    assert!(started.contains(&new), "{started}");
    let metrics = live.page("/metrics");
    let line =
        metrics.lines().find(|line| line.starts_with("reconciled_pipeline_info{pipeline=\"a/contacts\"")).unwrap();
    assert!(line.contains(&format!("config_hash=\"{new}\"")), "{line}");
    let api = live.page("/api/v1/status");
    let api: serde_json::Value = serde_json::from_str(&api).unwrap();
    assert_eq!(api["value"]["daemon"]["integrations"][0]["running"], json!(new), "{api:#}");
    assert!(run(&["config", "diff"]).contains("what runs is what the files say"));
}

#[tokio::test]
async fn settings_that_need_a_restart_are_named_and_the_others_taken() {
    let live = Live::start(BY_HAND, &[("a.yaml", &integration("a", "x"))]).await;
    let path = live.file("reconciled.toml");
    let text = fs::read_to_string(&path).unwrap();
    let more = "keep_held = \"3d\"\n[history]\nkeep = \"5d\"\n[backup]\nkeep = 2\n[runs]\nkeep = 7\n";
    fs::write(&path, format!("{text}{more}")).unwrap();
    let report = live.reload(false).await;
    assert_eq!(report.needs_restart, ["history", "backup", "runs"]);
    fs::write(&path, text).unwrap();
    assert!(live.reload(false).await.needs_restart.is_empty());
}
