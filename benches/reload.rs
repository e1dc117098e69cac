//! Editing one of a thousand pipelines in two hundred files, on the built program with its own settings: how long until
//! the edit runs, how many integrations were touched, and what the daemon costs while nothing happens.
//!
//! `cargo bench --bench reload`; `RECONCILED_BENCH_EDITS` (10) and `RECONCILED_BENCH_IDLE` (20, seconds) change it.
#![allow(clippy::pedantic, reason = "pedantic lints are for the library")]
#![allow(missing_docs, reason = "a program of its own")]

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reconciled::daemon::{
    Client, DaemonStatus,
    protocol::{Request, Response},
};

const FILES: usize = 200;
const EACH: usize = 5;

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

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

async fn status(socket: &Path) -> Option<DaemonStatus> {
    let mut client = Client::connect(socket).await.ok()?;
    match client.call(&Request::Status).await.ok()? {
        Response::Status(status) => status.daemon,
        _ => None,
    }
}

async fn until(socket: &Path, is: impl Fn(&DaemonStatus) -> bool) -> DaemonStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = status(socket).await.filter(&is) {
            return status;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "the daemon does not come that far");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn running(status: &DaemonStatus, name: &str) -> String {
    let found = status.integrations.iter().find(|now| now.integration.as_str() == name);
    found.map(|now| now.running.clone()).unwrap_or_default()
}

/// Processor time of a process so far, in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = text.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after.split_whitespace().collect();
    let field = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    field(11) + field(12)
}

fn memory(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().to_owned()
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
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
    let mut command = Command::new(env!("CARGO_BIN_EXE_reconciled"));
    command.arg("--config").arg(&etc).arg("run").env("RECONCILED_LOG", "error").env_remove("RECONCILED_CONFIG");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let daemon = Daemon(command.spawn().unwrap());
    let pid = daemon.0.id();
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
    println!("memory                             {:>8}", memory(pid));
}
