//! Asking a daemon of the built program, and the machine about it.
#![allow(dead_code, reason = "each program uses a part")]

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reconciled::daemon::{
    Client, DaemonStatus,
    protocol::{Request, Response},
};

/// A process that ends with whoever started it.
pub struct Daemon(pub Child);

impl Daemon {
    /// `run` with this configuration folder.
    pub fn start(etc: &Path) -> Self {
        Self(program(etc).arg("run").spawn().unwrap())
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The built program, silent.
pub fn program(etc: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reconciled"));
    command.arg("--config").arg(etc).env("RECONCILED_LOG", "error").env_remove("RECONCILED_CONFIG");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

pub async fn status(socket: &Path) -> Option<DaemonStatus> {
    let mut client = Client::connect(socket).await.ok()?;
    match client.call(&Request::Status).await.ok()? {
        Response::Status(status) => status.daemon,
        _ => None,
    }
}

pub async fn until(socket: &Path, is: impl Fn(&DaemonStatus) -> bool) -> DaemonStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = status(socket).await.filter(&is) {
            return status;
        }
        assert!(began.elapsed() < Duration::from_secs(600), "the daemon does not come that far");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What an integration runs, as a number.
pub fn running(status: &DaemonStatus, name: &str) -> String {
    let found = status.integrations.iter().find(|now| now.integration.as_str() == name);
    found.map(|now| now.running.clone()).unwrap_or_default()
}

/// Processor time of a process so far, in hundredths of a second.
pub fn ticks(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = text.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after.split_whitespace().collect();
    let field = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    field(11) + field(12)
}

/// Memory of a process in MiB: `VmRSS` is what it has now, `VmHWM` the most it had.
pub fn memory(pid: u32, which: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

pub fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
