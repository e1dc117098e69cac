//! Editing one of a thousand pipelines in two hundred files, on the built program with its own settings: how long until
//! the edit runs, how many integrations were touched, and what the daemon costs while nothing happens.
//!
//! `cargo bench --bench reload`; `RECONCILED_BENCH_EDITS` (10) and `RECONCILED_BENCH_IDLE` (20, seconds) change it.
#![allow(clippy::pedantic, reason = "pedantic lints are for the library")]
#![allow(missing_docs, reason = "a program of its own")]

mod support;

use std::{
    fmt::Write as _,
    fs,
    time::{Duration, Instant},
};

use support::{Daemon, memory, number, running, ticks, until};

const FILES: usize = 200;
const EACH: usize = 5;

fn file(number: usize, mark: &str) -> String {
    let mut text = "integrations:\n".to_owned();
    for own in 0..EACH {
        let mark = if own == 0 { mark } else { "x" };
        let _ = write!(
            text,
            "  client-{number:03}-{own}:
    automatic: false
    pipelines:
      contacts:
        source: shop/contacts
        target: books/contacts
        direction: source-to-target
        match: [ {{ source: $.email, target: $.EmailAddress }} ]
        filters: {{ source: [ {{ path: $.last_name, not_equals: {mark} }} ] }}
        fields:
          - {{ source: $.first_name, target: $.FirstName, write: on-create }}
"
        );
    }
    text
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let home = tempfile::tempdir().unwrap();
    let (etc, socket) = (home.path().join("etc"), home.path().join("socket"));
    fs::create_dir_all(etc.join("clients")).unwrap();
    let settings = format!("state_dir = \"{0}/state\"\nsocket = \"{0}/socket\"\n", home.path().display());
    fs::write(etc.join("reconciled.toml"), settings).unwrap();
    fs::write(
        etc.join("connections.yaml"),
        "connections:
  shop: { connector: website, base_url: \"http://127.0.0.1:9/sync/v1\", auth: { token: s } }
  books: { connector: xero, base_url: \"http://127.0.0.1:9/xero\", tenant: T, auth: { token: x } }
",
    )
    .unwrap();
    for number in 0..FILES {
        fs::write(etc.join(format!("clients/{number:03}.yaml")), file(number, "x")).unwrap();
    }
    let began = Instant::now();
    let daemon = Daemon::start(&etc);
    let pid = daemon.pid();
    let now = until(&socket, |status| status.config.is_some()).await;
    println!("{} pipelines in {FILES} files", now.integrations.len());
    println!("start until it follows its files   {:>8.2} s", began.elapsed().as_secs_f64());
    let mut times = Vec::new();
    let before = ticks(pid);
    let edits = number("RECONCILED_BENCH_EDITS", 10);
    for edit in 0..edits {
        let at = usize::try_from(edit * 37).unwrap_or_default() % FILES;
        let name = format!("client-{at:03}-0");
        let old = running(&until(&socket, |_| true).await, &name);
        let began = Instant::now();
        fs::write(etc.join(format!("clients/{at:03}.yaml")), file(at, &format!("mark-{edit}"))).unwrap();
        until(&socket, |status| running(status, &name) != old).await;
        times.push(began.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let (middle, most) = (times.get(times.len() / 2), times.last());
    println!("one edit until it runs, median     {:>8.2} s", middle.copied().unwrap_or_default());
    println!("one edit until it runs, longest    {:>8.2} s", most.copied().unwrap_or_default());
    let restarts = until(&socket, |_| true).await.config.map_or(0, |config| config.restarts);
    println!("integrations restarted per edit    {:>8.2}", restarts as f64 / edits.max(1) as f64);
    let spent = (ticks(pid) - before) as f64 / 100.0;
    println!("processor time per edit, with the questions asked meanwhile {:>8.2} s", spent / edits.max(1) as f64);
    let (idle, before) = (number("RECONCILED_BENCH_IDLE", 20), ticks(pid));
    tokio::time::sleep(Duration::from_secs(idle)).await;
    let spent = (ticks(pid) - before) as f64 / 100.0;
    println!("idle for {idle} s: processor             {:>8.2} %", spent * 100.0 / idle.max(1) as f64);
    println!("memory                             {:>8} MiB", memory(pid, "VmRSS").unwrap_or_default());
}
