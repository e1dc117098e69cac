//! The machine's clock is put back and forward under the built daemon; the systems' clocks are right.

use std::{fs, path::PathBuf};

use crate::support::{Live, QUICK, folder, practice::Practice, program};

/// A daemon whose clock is off by the seconds in this file.
async fn on(practice: &Practice) -> (Live, PathBuf) {
    let home = folder(QUICK, &[("a.yaml", &practice.integration("a"))]);
    fs::write(home.path().join("etc/connections.yaml"), practice.connections()).unwrap();
    let by = home.path().join("clock");
    put(&by, 0);
    let said = fs::File::create(home.path().join("said.txt")).unwrap();
    let mut command = program(home.path());
    command.arg("run").env("RECONCILED_CLOCK", &by).stdout(said.try_clone().unwrap()).stderr(said);
    let child = command.spawn().unwrap();
    let mut live = Live { home, child };
    live.wait_for("the daemon to follow its files", |status| status.config.is_some()).await;
    (live, by)
}

/// Moves the daemon's clock, whole at once.
fn put(by: &PathBuf, hours: i64) {
    let new = by.with_extension("new");
    fs::write(&new, (hours * 3_600).to_string()).unwrap();
    fs::rename(new, by).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_delays_nothing_and_makes_nothing_twice() {
    let practice = Practice::start(1).await;
    let (mut live, by) = on(&practice).await;
    practice.until("the first contact", |practice| practice.in_xero() == 1).await;
    let started = live.status().await.unwrap().now;
    // Back by hours, forward by days (as after a sleep), and right again.
    for (number, hours) in [(2, -5), (3, 48), (4, -30), (5, 0)] {
        put(&by, hours);
        practice.insert(number);
        practice.until(&format!("the contact after {hours} h"), |practice| practice.in_xero() == number).await;
        let now = live.status().await.unwrap().now;
        let off = now - started - chrono::TimeDelta::hours(hours);
        assert!(off.abs() < chrono::TimeDelta::hours(1), "the daemon's clock stands at {now}");
    }
    // And once more nothing is left to do.
    let rest = |status: &reconciled::daemon::DaemonStatus| {
        let waiting = matches!(status.integrations[0].phase, reconciled::daemon::Phase::Waiting);
        let seen =
            |wait: &reconciled::daemon::WaitReason| matches!(wait, reconciled::daemon::WaitReason::Window { .. });
        waiting && !status.integrations[0].waits.iter().any(seen)
    };
    live.wait_for("rest", rest).await;
    let writes = practice.xero.log().counts().writes;
    let out = program(live.home.path()).args(["plan", "--detailed-exitcode"]).output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stdout));
    assert_eq!(practice.xero.log().counts().writes, writes);
    live.stop().await;
}
