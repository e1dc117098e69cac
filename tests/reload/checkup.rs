//! `validate --online` and `doctor`: what they find, and that they write nothing.

use std::{fs, path::Path, process::Output};

use reconciled::sandbox::{Fault, FaultRule};

use crate::support::{Live, QUICK, folder, practice::Practice, program};

fn on(practice: &Practice, connections: &str) -> tempfile::TempDir {
    let home = folder(QUICK, &[("a.yaml", &practice.integration("a"))]);
    fs::write(home.path().join("etc/connections.yaml"), connections).unwrap();
    home
}

#[track_caller]
fn says(home: &Path, args: &[&str], code: i32) -> String {
    let Output { status, stdout, stderr } = program(home).args(args).env("NO_COLOR", "1").output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(code), "{args:?}: {said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn the_systems_are_asked_and_nothing_is_written() {
    let practice = Practice::start(3).await;
    let home = on(&practice, &practice.connections());
    let said = says(home.path(), &["validate", "--online"], 0);
    for part in ["website/contacts: can be read: 3 records", "xero/contacts: can be read", "its clock agrees"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(practice.in_xero(), 0);
    assert!(!home.path().join("state").exists(), "it needs no memory");
    // Without being asked for, no system is.
    practice.site.faults().add(FaultRule::new(Fault::Status(403)));
    says(home.path(), &["validate"], 0);
    let said = says(home.path(), &["validate", "--online"], 1);
    assert!(said.contains("! website/contacts") && said.contains("help:"), "{said}");
    practice.site.faults().clear();
    let wrong = practice.connections().replace(practice.site.token(), "another-token-canary");
    let home = on(&practice, &wrong);
    let said = says(home.path(), &["validate", "--online"], 1);
    assert!(said.contains("! website/contacts") && !said.contains("canary"), "{said}");
    assert!(said.contains("xero/contacts: can be read"), "the others are asked all the same: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_looks_at_this_machine_and_writes_nothing() {
    let practice = Practice::start(1).await;
    let home = on(&practice, &practice.connections());
    let said = says(home.path(), &["doctor"], 0);
    assert!(said.contains("daemon: none runs") && said.contains("is not there yet"), "{said}");
    assert!(!home.path().join("state").exists());
    let live = Live::on(home).await;
    let said = says(live.home.path(), &["doctor", "--online"], 0);
    for part in ["ok daemon: version", "ok disk:", "website/contacts: can be read"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    live.write("a.yaml", "pipelines: [");
    let said = says(live.home.path(), &["doctor"], 78);
    assert!(said.contains("1 mistake in"), "{said}");
}
