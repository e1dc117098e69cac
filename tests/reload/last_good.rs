//! What was good goes on, over mistakes, vanished files and restarts.

use std::{fs, time::Duration};

use reconciled::daemon::reload::{FileOutcome, IntegrationOutcome};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{BY_HAND, Live, QUICK, config, folder, hashes, inbox::Inbox, integration, of, program};

fn fifty() -> Vec<(String, String)> {
    (0..50).map(|n| (format!("clients/{n:02}.yaml"), integration(&format!("client-{n:02}"), "x"))).collect()
}

fn as_str(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

/// What the numbers for a monitoring system say of the last look at the files.
async fn taken_whole(live: &Live) -> bool {
    let began = std::time::Instant::now();
    let line = loop {
        if let Some(line) = live.said().lines().find(|line| line.contains("console.listening")) {
            break line.to_owned();
        }
        assert!(began.elapsed() < Duration::from_mins(3), "the console does not listen: {}", live.said());
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = line["address"].as_str().or_else(|| line["fields"]["address"].as_str()).expect("its address");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let ask = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let number = |line: &str| line.strip_prefix("reconciled_config_last_reload_successful ").map(|text| text == "1");
    text.lines().find_map(number).unwrap_or_else(|| panic!("no such number in {text}"))
}

#[tokio::test]
async fn a_typo_in_one_of_fifty_files_touches_nothing_and_is_told_once() {
    let mut files = fifty();
    let inbox = Inbox::start().await;
    let told = "webhook: { url: \"URL\", secret: s }".replace("URL", &inbox.url);
    files.push(("notify.yaml".to_owned(), format!("notifications:\n  office:\n    {told}\n")));
    let console = format!("{QUICK}[listen]\nadmin = \"127.0.0.1:0\"\n[admin]\nopen = \"viewer\"\n");
    let mut live = Live::start(&console, &as_str(&files)).await;
    let before = live.hashes().await;
    assert_eq!((before.len(), taken_whole(&live).await), (50, true));
    live.write("clients/07.yaml", &files[7].1.replace("pipelines:", "pipelines: ["));
    let status = live.wait_for("the mistake", |status| !config(status).mistakes.is_empty()).await;
    assert_eq!(hashes(&status), before);
    let now = of(&status, "client-07").unwrap();
    assert!(now.pending.as_ref().unwrap().starts_with("INVALID_PENDING clients/07.yaml:"), "{now:?}");
    assert_eq!(now.on_disk, None);
    assert!(status.integrations.iter().filter(|now| now.pending.is_some()).count() == 1);
    assert!(!config(&status).last_reload.accepted && !taken_whole(&live).await);
    assert_eq!(inbox.until(1).await[0].json["subject"], "clients/07.yaml");
    // Many polls later it was still told once.
    let passes = config(&status).passes;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let status = live.status().await.unwrap();
    assert_eq!(config(&status).passes, passes, "the same mistake is not judged again");
    assert_eq!(live.said().matches("config.rejected").count(), 1);
    live.write("clients/07.yaml", &files[7].1);
    let status = live.wait_for("the mistake to be gone", |status| config(status).mistakes.is_empty()).await;
    assert_eq!((hashes(&status), config(&status).restarts), (before, 0));
    assert!(config(&status).last_reload.accepted && taken_whole(&live).await);
    assert_eq!(live.said().matches("config.recovered").count(), 1);
    inbox.until(2).await;
    assert_eq!(inbox.events(), ["config.rejected", "config.recovered"], "one alert, and that it is over");
}

#[tokio::test]
async fn comments_order_and_times_do_not_count() {
    let live = Live::start(BY_HAND, &[("a.yaml", &integration("a", "x"))]).await;
    live.write("a.yaml", &integration("a", "x"));
    let report = live.reload(false).await;
    assert_eq!((report.untouched, report.generation, report.files[0].outcome), (1, 1, FileOutcome::Unchanged));
    let text = integration("a", "x").replace("    automatic: false\n", "");
    live.write("a.yaml", &format!("# a comment\n{text}    automatic: false # and another\n"));
    let report = live.reload(false).await;
    assert_eq!((report.untouched, report.generation, report.files[0].outcome), (1, 1, FileOutcome::Taken));
    let mut live = live;
    assert_eq!(config(&live.passes(2).await).restarts, 0);
}

#[tokio::test]
async fn wrong_right_wrong_ends_with_the_last_right_one() {
    let mut live = Live::start(BY_HAND, &[("a.yaml", &integration("a", "x"))]).await;
    let before = live.hashes().await;
    live.write("a.yaml", "integrations: [");
    assert!(live.reload(false).await.is_rejected());
    assert_eq!(live.hashes().await, before);
    live.write("a.yaml", &integration("a", "y"));
    assert!(!live.reload(false).await.is_rejected());
    let second = live.hashes().await;
    assert_ne!(second, before);
    live.write("a.yaml", &integration("a", "z").replace("first_name", "frist_name"));
    let report = live.reload(false).await;
    assert_eq!(report.integrations[0].outcome, IntegrationOutcome::Kept);
    assert_eq!(live.hashes().await, second);
}

#[tokio::test]
async fn a_mistake_elsewhere_keeps_what_depends_on_it() {
    let mut live = Live::start(BY_HAND, &[("a.yaml", &integration("a", "x"))]).await;
    let before = live.hashes().await;
    // The connections cannot be read; what uses them is edited soundly, and still cannot be taken.
    live.write("connections.yaml", "connections: { shop: {");
    live.write("a.yaml", &integration("a", "y"));
    let report = live.reload(false).await;
    assert_eq!(report.integrations[0].outcome, IntegrationOutcome::Kept, "{report:#?}");
    assert!(report.first_mistake().unwrap().starts_with("connections.yaml:1:"), "{report:#?}");
    assert_eq!(report.files.iter().filter(|file| file.outcome == FileOutcome::Rejected).count(), 1, "{report:#?}");
    assert_eq!(live.hashes().await, before);
    live.write("connections.yaml", crate::support::CONNECTIONS);
    live.reload(false).await;
    assert_ne!(live.hashes().await, before);
}

#[tokio::test]
async fn a_misspelt_top_key_and_a_mistake_beside_a_removal_remove_nothing() {
    let two = format!("{}{}", integration("a", "x"), integration("b", "x").replace("integrations:\n", ""));
    let mut live = Live::start(BY_HAND, &[("two.yaml", &two)]).await;
    let before = live.hashes().await;
    live.write("two.yaml", &two.replace("integrations:", "integrationss:"));
    assert!(live.reload(false).await.is_rejected());
    assert_eq!(live.hashes().await, before);
    // `a` is renamed, with a mistake: the old one goes on until the new one is sound.
    live.write("two.yaml", &two.replace("  a:\n", "  c:\n").replacen("first_name", "frist_name", 1));
    assert!(live.reload(false).await.is_rejected());
    assert_eq!(live.hashes().await, before);
    live.write("two.yaml", &two.replace("  a:\n", "  c:\n"));
    assert!(!live.reload(false).await.is_rejected());
    assert_eq!(live.hashes().await.into_keys().collect::<Vec<_>>(), ["b", "c"]);
}

#[tokio::test]
async fn the_same_name_twice_is_rejected_in_both_places() {
    let mut live =
        Live::start(BY_HAND, &[("a.yaml", &integration("a", "x")), ("c.yaml", &integration("c", "x"))]).await;
    let before = live.hashes().await;
    live.write("b.yaml", &integration("a", "y"));
    live.write("c.yaml", &integration("c", "y"));
    let report = live.reload(false).await;
    assert!(report.is_rejected());
    let now = live.hashes().await;
    assert_eq!(now["a"], before["a"], "neither of the two takes over, and the old one goes on");
    assert_ne!(now["c"], before["c"], "nobody else waits for that");
    fs::remove_file(live.file("a.yaml")).unwrap();
    assert!(!live.reload(false).await.is_rejected());
    assert_ne!(live.hashes().await["a"], before["a"]);
}

#[tokio::test]
async fn a_folder_that_is_emptied_stops_nothing_until_a_person_says_so() {
    let files = fifty();
    let mut live = Live::start(QUICK, &as_str(&files)).await;
    let before = live.hashes().await;
    fs::rename(live.file("clients"), live.home.path().join("clients")).unwrap();
    let status = live.wait_for("the alarm", |status| config(status).vanished.is_some()).await;
    assert_eq!(hashes(&status), before);
    // Longer than the second look, which would believe fewer.
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(live.hashes().await, before);
    let report = live.reload(false).await;
    assert!(report.vanished.is_some());
    assert_eq!(live.hashes().await, before);
    // Back again: nothing was touched.
    fs::rename(live.home.path().join("clients"), live.file("clients")).unwrap();
    let status = live.wait_for("the alarm to end", |status| config(status).vanished.is_none()).await;
    assert_eq!((hashes(&status), config(&status).restarts), (before, 0));
    fs::rename(live.file("clients"), live.home.path().join("clients")).unwrap();
    live.reload(true).await;
    assert_eq!(live.hashes().await.len(), 0);
    assert_eq!(live.reload(false).await.vanished, None);
}

#[tokio::test]
async fn many_files_that_vanish_are_believed_at_the_second_look_and_few_at_once() {
    let files = fifty();
    let mut live = Live::start(QUICK, &as_str(&files)).await;
    fs::remove_file(live.file("clients/00.yaml")).unwrap();
    live.wait_for("one to be removed", |status| status.integrations.len() == 49).await;
    for n in 1..40 {
        fs::remove_file(live.file(&format!("clients/{n:02}.yaml"))).unwrap();
    }
    // The alarm and its end lie 0.4 s apart.
    live.wait_for("39 to be removed", |status| status.integrations.len() == 10).await;
    assert_eq!(live.said().matches("config.vanished").count(), 1, "{}", live.said());
    let status = live.status().await.unwrap();
    assert_eq!(config(&status).vanished, None);
}

#[tokio::test]
async fn a_start_with_a_broken_file_runs_what_was_good_last_and_says_so() {
    let live = Live::start(QUICK, &[("a.yaml", &integration("a", "x")), ("b.yaml", &integration("b", "x"))]).await;
    let mut live = live;
    let first = live.hashes().await;
    live.write("a.yaml", &integration("a", "y"));
    live.changed("a", &first["a"]).await;
    live.reload(false).await;
    let good = live.hashes().await;
    let home = live.stop().await;
    fs::write(home.path().join("etc/a.yaml"), "integrations: [").unwrap();
    fs::write(home.path().join("etc/b.yaml"), integration("b", "y")).unwrap();
    let mut live = Live::on(home).await;
    let status = live.wait_for("its status", |status| status.config.is_some()).await;
    assert_eq!(hashes(&status)["a"], good["a"], "the last good one, of the second generation");
    assert_ne!(hashes(&status)["b"], good["b"]);
    assert!(of(&status, "a").unwrap().pending.as_ref().unwrap().contains("INVALID_PENDING a.yaml:1:"), "{status:#?}");
    assert!(live.said().contains("config.last_good"));
    // Once more, killed, with the connections broken as well.
    let good = hashes(&status);
    let home = live.kill();
    fs::write(home.path().join("etc/connections.yaml"), "connections: [").unwrap();
    let mut live = Live::on(home).await;
    assert_eq!(live.hashes().await, good);
    // And the mistakes mended.
    live.write("connections.yaml", crate::support::CONNECTIONS);
    live.write("a.yaml", &integration("a", "z"));
    live.changed("a", &good["a"]).await;
    let status = live.wait_for("no mistake", |status| config(status).mistakes.is_empty()).await;
    assert!(status.integrations.iter().all(|now| now.pending.is_none()), "{status:#?}");
}

#[tokio::test]
async fn a_start_on_an_empty_folder_runs_what_was_good_last() {
    let mut live = Live::start(BY_HAND, &[("a.yaml", &integration("a", "x"))]).await;
    let good = live.hashes().await;
    let home = live.stop().await;
    for name in ["a.yaml", "connections.yaml"] {
        fs::remove_file(home.path().join("etc").join(name)).unwrap();
    }
    let mut live = Live::on(home).await;
    let status = live.wait_for("its status", |status| status.config.is_some()).await;
    assert_eq!(hashes(&status), good);
    assert!(config(&status).vanished.is_some());
    live.reload(true).await;
    assert_eq!(live.hashes().await.len(), 0);
    // It stays so.
    let home = live.stop().await;
    let mut live = Live::on(home).await;
    assert_eq!(live.hashes().await.len(), 0);
}

#[tokio::test]
async fn nothing_sound_and_nothing_remembered_exits_78() {
    let home = folder(BY_HAND, &[("a.yaml", "integrations: [")]);
    assert_eq!(program(home.path()).arg("run").output().unwrap().status.code(), Some(78));
    let home = folder("[reload]\nwach = false\n", &[]);
    assert_eq!(program(home.path()).arg("run").output().unwrap().status.code(), Some(78));
}

#[tokio::test]
async fn a_file_that_was_renamed_and_emptied_stops_nothing_over_a_restart() {
    let mut live =
        Live::start(BY_HAND, &[("a.yaml", &integration("a", "x")), ("b.yaml", &integration("b", "x"))]).await;
    let good = live.hashes().await;
    fs::rename(live.file("a.yaml"), live.file("c.yaml")).unwrap();
    assert_eq!(live.reload(false).await.untouched, 2);
    live.write("c.yaml", "");
    live.reload(false).await;
    assert_eq!(live.hashes().await, good);
    // It is not forgotten whose file that was, by whoever starts next or after.
    for _ in 0..2 {
        let home = live.kill();
        live = Live::on(home).await;
        let report = live.reload(true).await;
        assert_eq!(live.hashes().await, good, "{report:#?}");
    }
    live.write("c.yaml", &integration("a", "x"));
    assert_eq!(live.reload(false).await.untouched, 2);
    assert!(live.status().await.unwrap().integrations.iter().all(|now| now.pending.is_none()));
}
