//! Starting, stopping, signals, settings, and what commands say.

use std::fs;

use reconciled::daemon::protocol::Request;

use crate::support::{BY_HAND, Live, QUICK, config, folder, integration, of, program};

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
    for part in ["a.yaml: taken", "b.yaml: rejected", "b.yaml:12:25:", "`a` changed", "`b` goes on as it was"] {
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
        assert!(began.elapsed().as_secs() < 20, "{}", live.said());
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
