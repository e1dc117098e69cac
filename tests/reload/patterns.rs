//! Every way in which a file can come to hold something else.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    process::Command,
    time::{Duration, SystemTime},
};

use crate::support::{BY_HAND, EVENTS, Live, QUICK, config, hashes, integration, of};

/// Edits a file in one way, with events and with the poll alone, and waits for it to run.
async fn edited_by(edit: impl Fn(&Live, &str)) {
    for settings in [EVENTS, QUICK] {
        let mut live =
            Live::start(settings, &[("a.yaml", &integration("a", "x")), ("b.yaml", &integration("b", "x"))]).await;
        let before = live.hashes().await;
        live.passes(0).await;
        // Events are listened to from the first look on.
        live.wait_for("the first look", |status| status.config.is_some()).await;
        edit(&live, &integration("a", "y"));
        live.changed("a", &before["a"]).await;
        // Whatever else was noticed is dealt with when this has an answer.
        live.reload(false).await;
        let status = live.status().await.unwrap();
        assert_eq!(hashes(&status)["b"], before["b"]);
        assert_eq!(config(&status).restarts, 1, "one integration was replaced, and nothing else touched");
        assert_eq!(config(&status).mistakes, []);
    }
}

#[tokio::test]
async fn a_file_written_in_place() {
    edited_by(|live, text| live.write("a.yaml", text)).await;
}

#[tokio::test]
async fn a_file_replaced_by_a_rename() {
    edited_by(|live, text| {
        fs::write(live.file("4913"), "").unwrap();
        fs::remove_file(live.file("4913")).unwrap();
        fs::write(live.file(".a.yaml.swp"), "droppings: [").unwrap();
        fs::write(live.file("a.yaml~"), "droppings: [").unwrap();
        fs::write(live.file(".new"), text).unwrap();
        fs::rename(live.file(".new"), live.file("a.yaml")).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_file_backed_up_and_written_anew() {
    edited_by(|live, text| {
        fs::rename(live.file("a.yaml"), live.file("a.yaml.bak")).unwrap();
        live.write("a.yaml", text);
    })
    .await;
}

#[tokio::test]
async fn a_file_with_an_older_time() {
    edited_by(|live, text| {
        live.write("a.yaml", text);
        let file = fs::File::options().write(true).open(live.file("a.yaml")).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(1_000_000)).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_file_deleted_and_written_again() {
    edited_by(|live, text| {
        fs::remove_file(live.file("a.yaml")).unwrap();
        live.write("a.yaml", text);
    })
    .await;
}

#[tokio::test]
async fn a_file_renamed_with_another_content() {
    edited_by(|live, text| {
        fs::remove_file(live.file("a.yaml")).unwrap();
        live.write("sub/folder/that/is/new/c.yml", text);
    })
    .await;
}

/// The state of a deployment: a folder of files, and links to it.
fn deploy(live: &Live, number: u32, text: &str) {
    let data = live.home.path().join(format!("release-{number}"));
    fs::create_dir(&data).unwrap();
    fs::write(data.join("a.yaml"), text).unwrap();
    fs::write(data.join("b.yaml"), integration("b", "x")).unwrap();
}

#[tokio::test]
async fn a_kubernetes_config_map() {
    for settings in [EVENTS, QUICK] {
        let mut live = Live::start(settings, &[]).await;
        deploy(&live, 1, &integration("a", "x"));
        symlink("../release-1", live.file("..data")).unwrap();
        for name in ["a.yaml", "b.yaml"] {
            symlink(format!("..data/{name}"), live.file(name)).unwrap();
        }
        let status = live.wait_for("both", |status| status.integrations.len() == 2).await;
        let before = hashes(&status);
        deploy(&live, 2, &integration("a", "y"));
        symlink("../release-2", live.file("..data_tmp")).unwrap();
        fs::rename(live.file("..data_tmp"), live.file("..data")).unwrap();
        live.changed("a", &before["a"]).await;
        live.reload(false).await;
        let status = live.status().await.unwrap();
        assert_eq!((hashes(&status)["b"].clone(), config(&status).restarts), (before["b"].clone(), 3));
    }
}

#[tokio::test]
async fn a_folder_that_is_a_link_and_is_turned() {
    for settings in [EVENTS, QUICK] {
        let home = crate::support::folder(settings, &[("a.yaml", &integration("a", "x"))]);
        let (first, second) = (home.path().join("one"), home.path().join("two"));
        fs::rename(home.path().join("etc"), &first).unwrap();
        symlink(&first, home.path().join("etc")).unwrap();
        assert!(Command::new("cp").arg("-r").arg(&first).arg(&second).status().unwrap().success());
        fs::write(second.join("a.yaml"), integration("a", "y")).unwrap();
        let mut live = Live::on(home).await;
        let before = live.hashes().await;
        live.wait_for("the first look", |status| status.config.is_some()).await;
        symlink(&second, live.home.path().join("next")).unwrap();
        fs::rename(live.home.path().join("next"), live.etc()).unwrap();
        live.changed("a", &before["a"]).await;
    }
}

#[tokio::test]
async fn a_file_written_in_two_halves_is_taken_as_a_whole() {
    // The first half alone is sound, and lacks an integration.
    let two = format!("{}{}", integration("a", "x"), integration("b", "x").replace("integrations:\n", ""));
    let settings = "[reload]\npoll = \"1h\"\nsettle = \"700ms\"\n";
    let mut live = Live::start(settings, &[("a.yaml", &two)]).await;
    live.wait_for("the first look", |status| status.config.is_some()).await;
    let before = live.hashes().await;
    let edited = two.replace("not_equals: x", "not_equals: y");
    let half = edited.find("  b:\n").unwrap();
    let mut file = fs::File::create(live.file("a.yaml")).unwrap();
    file.write_all(&edited.as_bytes()[..half]).unwrap();
    file.flush().unwrap();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(live.hashes().await.len(), 2);
    }
    file.write_all(&edited.as_bytes()[half..]).unwrap();
    drop(file);
    live.changed("a", &before["a"]).await;
    live.changed("b", &before["b"]).await;
    live.reload(false).await;
    assert_eq!(config(&live.status().await.unwrap()).restarts, 2, "`b` was changed, never removed and added");
}

#[tokio::test]
async fn what_is_no_file_of_ours_is_left_alone() {
    let live = Live::start(BY_HAND, &[("a.yaml", &integration("a", "x"))]).await;
    live.reload(false).await;
    assert!(Command::new("mkfifo").arg(live.file("pipe.yaml")).status().unwrap().success());
    for name in ["a.yaml~", ".#a.yaml", ".a.yaml.swp", "4913", "#a.yaml#", "a.yaml.bak", "a.test.yaml"] {
        live.write(name, "broken: [");
    }
    let report = live.reload(false).await;
    assert!(!report.is_rejected(), "{report:#?}");
    assert_eq!(report.untouched, 1);
    assert_eq!(config(&live.status().await.unwrap()).restarts, 0);
}

#[tokio::test]
async fn what_cannot_be_read_goes_on() {
    let files = [("a.yaml", integration("a", "x")), ("sub/b.yaml", integration("b", "x"))];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let mut live = Live::start(BY_HAND, &files).await;
    let before = live.hashes().await;
    // A link that leads nowhere.
    fs::rename(live.file("a.yaml"), live.home.path().join("aside")).unwrap();
    symlink("nowhere", live.file("a.yaml")).unwrap();
    let report = live.reload(false).await;
    assert!(report.is_rejected() && report.first_mistake().unwrap().contains("a.yaml"), "{report:#?}");
    assert_eq!(live.hashes().await, before);
    fs::remove_file(live.file("a.yaml")).unwrap();
    fs::rename(live.home.path().join("aside"), live.file("a.yaml")).unwrap();
    assert!(!live.reload(false).await.is_rejected());
    // No right to read; root may, so it proves something only for others.
    fs::set_permissions(live.file("sub/b.yaml"), fs::Permissions::from_mode(0o000)).unwrap();
    live.reload(false).await;
    assert_eq!(live.hashes().await, before);
    fs::set_permissions(live.file("sub"), fs::Permissions::from_mode(0o000)).unwrap();
    live.reload(false).await;
    assert_eq!(live.hashes().await, before);
    fs::set_permissions(live.file("sub"), fs::Permissions::from_mode(0o755)).unwrap();
    // Text of another kind, and far too much of it.
    for text in ["a\0b: [".as_bytes().to_vec(), vec![b'#'; 50 << 20], vec![0xff, 0xfe, 0x00], b"\t- tab".to_vec()] {
        fs::write(live.file("a.yaml"), &text).unwrap();
        let report = live.reload(false).await;
        assert!(report.is_rejected(), "{report:#?}");
        assert_eq!(live.hashes().await, before);
        let status = live.status().await.unwrap();
        assert!(
            of(&status, "a").unwrap().pending.as_ref().unwrap().contains("INVALID_PENDING a.yaml:1:"),
            "{status:#?}"
        );
    }
    let with_mark = format!("\u{feff}{}", integration("a", "x").replace('\n', "\r\n"));
    fs::write(live.file("a.yaml"), with_mark).unwrap();
    let report = live.reload(false).await;
    assert_eq!((report.is_rejected(), report.untouched), (false, 2), "{report:#?}");
}
