//! Surroundings that are not as one wishes: no events, a folder that cannot be written, files of every odd kind, a kill
//! in the middle of an edit.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    process::{Command, Stdio},
    time::Duration,
};

use crate::support::{BY_HAND, Live, QUICK, config, folder, integration, of};

#[tokio::test]
async fn without_any_events_of_the_system_the_poll_finds_the_edit_and_warns_once() {
    let mut may = Command::new("unshare");
    may.args(["-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_inotify_instances"]).stderr(Stdio::null());
    if !may.status().is_ok_and(|status| status.success()) {
        // Here nobody can take the events away; the tests with the poll alone hold all the same.
        return;
    }
    let home = folder(QUICK, &[("a.yaml", &integration("a", "x"))]);
    let said = fs::File::create(home.path().join("said.txt")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-Ur", "sh", "-c"]);
    command.arg(r#"echo 0 > /proc/sys/user/max_inotify_instances; exec "$0" --config "$1" run"#);
    command.arg(env!("CARGO_BIN_EXE_reconciled")).arg(home.path().join("etc"));
    command.env_remove("RECONCILED_CONFIG").env("RECONCILED_LOG", "info").stdin(Stdio::null());
    let child = command.stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap();
    let mut live = Live { home, child };
    live.wait_for("the daemon", |status| status.config.is_some()).await;
    let before = live.hashes().await;
    live.write("a.yaml", &integration("a", "y"));
    live.changed("a", &before["a"]).await;
    live.write("sub/b.yaml", &integration("b", "y"));
    live.wait_for("`b`", |status| of(status, "b").is_some()).await;
    assert_eq!(live.said().matches("config.no_events").count(), 1, "{}", live.said());
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_enough() {
    let home = folder(QUICK, &[("a.yaml", &integration("a", "x"))]);
    let etc = home.path().join("etc");
    fs::set_permissions(&etc, fs::Permissions::from_mode(0o555)).unwrap();
    let list = || {
        let mut names: Vec<_> = fs::read_dir(&etc).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = list();
    let mut live = Live::on(home).await;
    let hashes = live.hashes().await;
    fs::write(live.file("a.yaml"), integration("a", "y")).unwrap();
    live.changed("a", &hashes["a"]).await;
    live.reload(false).await;
    assert_eq!(list(), before, "nothing of ours is written beside the files");
    fs::set_permissions(live.etc(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_bomb_a_doubled_key_a_socket_and_a_wrong_word_are_named_and_change_nothing() {
    let mut live = Live::start(BY_HAND, &[("a.yaml", &integration("a", "x"))]).await;
    let before = live.hashes().await;
    let _socket = UnixListener::bind(live.file("socket.yaml")).unwrap();
    assert!(!live.reload(false).await.is_rejected(), "a socket is no file of ours");
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, of) in "bcdefghij".chars().zip("abcdefghi".chars()) {
        bomb.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 9].join(", ")));
    }
    let doubled =
        integration("a", "y").replace("    automatic: false\n", "    automatic: false\n    automatic: true\n");
    let no = integration("a", "y").replace("automatic: false", "automatic: nope");
    for (text, part) in [(&bomb, "a.yaml:"), (&doubled, "automatic"), (&no, "nope")] {
        live.write("a.yaml", text);
        let report = live.reload(false).await;
        let mistake = report.first_mistake().unwrap_or_default();
        assert!(report.is_rejected() && mistake.contains(part), "{mistake}");
        assert_eq!(live.hashes().await, before);
    }
    live.write("a.yaml", &integration("a", "x"));
    assert_eq!(live.reload(false).await.untouched, 1);
}

#[tokio::test]
async fn a_kill_in_the_middle_of_an_edit_leaves_the_old_one_or_the_new_one() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut live = Live::start(QUICK, &[("a.yaml", &integration("a", "m0"))]).await;
    let mut known = vec![live.hashes().await["a"].clone()];
    for number in 1..=6 {
        live.write("a.yaml", &integration("a", &format!("m{number}")));
        // The files rest for 30 ms before they are looked at.
        tokio::time::sleep(Duration::from_millis(random.u64(0..120))).await;
        let home = live.kill();
        // Without the file only what is remembered tells.
        fs::write(home.path().join("etc/a.yaml"), "integrations: [").unwrap();
        live = Live::on(home).await;
        let remembered = live.hashes().await["a"].clone();
        let good = live.status().await.unwrap();
        assert!(of(&good, "a").unwrap().pending.is_some());
        live.write("a.yaml", &integration("a", &format!("m{number}")));
        live.reload(false).await;
        let new = live.hashes().await["a"].clone();
        assert!(remembered == new || Some(&remembered) == known.last(), "neither the old one nor the new one");
        assert!(!known.contains(&new));
        known.push(new);
        assert_eq!(config(&live.status().await.unwrap()).mistakes, []);
    }
}
