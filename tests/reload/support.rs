//! A configuration folder, the built program as a daemon on it, and waiting for what it says of itself.

#[path = "../support/inbox.rs"]
pub mod inbox;
pub mod practice;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reconciled::daemon::{
    Client, DaemonStatus, IntegrationNow,
    protocol::{Request, Response},
    reload::{ConfigNow, ReloadReport},
};
use tempfile::TempDir;

/// Longer than anything may take, also on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_mins(3);

/// As quick as a test wants it; events and polls are both on.
pub const QUICK: &str = "[reload]\npoll = \"150ms\"\nsettle = \"30ms\"\ndrain = \"1s\"\nsecond_look = \"400ms\"\n";
/// A poll that never comes: only events.
pub const EVENTS: &str = "[reload]\npoll = \"1h\"\nsettle = \"30ms\"\n";
/// Only what a person asks for.
pub const BY_HAND: &str = "[reload]\nwatch = false\n";

/// The accounts that everything in these tests uses. Nobody is there.
pub const CONNECTIONS: &str = "connections:
  shop: { connector: website, base_url: \"http://127.0.0.1:9/sync/v1\", auth: { token: shop-secret-canary } }
  books: { connector: xero, base_url: \"http://127.0.0.1:9/xero\", tenant: T, auth: { token: \"${file:secret.txt}\" } }
";

/// An integration that never starts by itself; `mark` is part of its meaning.
pub fn integration(name: &str, mark: &str) -> String {
    format!(
        "integrations:
  {name}:
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
    )
}

/// A folder, and the daemon on it.
pub struct Live {
    pub home: TempDir,
    pub child: Child,
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            assert!(!self.said().contains("canary"), "a secret in the log: {}", self.said());
        }
    }
}

/// A folder with settings, connections and these files; the configuration is in `etc`, the state beside it.
pub fn folder(settings: &str, files: &[(&str, &str)]) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let etc = home.path().join("etc");
    fs::create_dir(&etc).unwrap();
    let toml = format!("state_dir = \"{0}/state\"\nsocket = \"{0}/socket\"\n{settings}", home.path().display());
    fs::write(etc.join("reconciled.toml"), toml).unwrap();
    fs::write(etc.join("connections.yaml"), CONNECTIONS).unwrap();
    fs::write(etc.join("secret.txt"), "xero-secret-canary-1\n").unwrap();
    for (name, text) in files {
        let path = etc.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    home
}

/// The program on a folder.
pub fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reconciled"));
    command.arg("--config").arg(home.join("etc")).env_remove("RECONCILED_CONFIG").env("RECONCILED_LOG", "info");
    command.stdin(Stdio::null());
    command
}

impl Live {
    /// Starts a daemon and waits until it answers.
    pub async fn start(settings: &str, files: &[(&str, &str)]) -> Self {
        Self::on(folder(settings, files)).await
    }

    pub async fn on(home: TempDir) -> Self {
        let said = fs::File::options().create(true).append(true).open(home.path().join("said.txt")).unwrap();
        let child = program(home.path()).arg("run").stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap();
        let mut live = Self { home, child };
        live.wait_for("the daemon to follow its files", |status| status.config.is_some()).await;
        live
    }

    /// Stops it, and gives the folder back.
    pub async fn stop(mut self) -> TempDir {
        self.signal("TERM");
        let began = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < PATIENCE, "it does not stop: {}", self.said());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        std::mem::replace(&mut self.home, tempfile::tempdir().unwrap())
    }

    pub fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.home, tempfile::tempdir().unwrap())
    }

    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(done.success());
    }

    pub fn etc(&self) -> PathBuf {
        self.home.path().join("etc")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.etc().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.file(name).parent().unwrap()).unwrap();
        fs::write(self.file(name), text).unwrap();
    }

    /// Everything it said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(self.home.path().join("said.txt")).unwrap_or_default()
    }

    pub async fn ask(&self, request: Request) -> Option<Response> {
        let mut client = Client::connect(&self.home.path().join("socket")).await.ok()?;
        client.call(&request).await.ok()
    }

    pub async fn status(&self) -> Option<DaemonStatus> {
        match self.ask(Request::Status).await? {
            Response::Status(status) => status.daemon,
            _ => None,
        }
    }

    /// `reload`, by hand.
    pub async fn reload(&self, force: bool) -> ReloadReport {
        match self.ask(Request::Reload { wait: true, force }).await {
            Some(Response::Reloaded(report)) => *report,
            other => panic!("no answer to a reload: {other:?}\n{}", self.said()),
        }
    }

    /// Waits until the status is as it should be, and gives it.
    pub async fn wait_for(&mut self, what: &str, is: impl Fn(&DaemonStatus) -> bool) -> DaemonStatus {
        let began = Instant::now();
        let mut last = None;
        loop {
            if let Some(status) = self.status().await {
                if is(&status) {
                    return status;
                }
                last = Some(status);
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it ended, waiting for {what}:\n{}", self.said());
            assert!(began.elapsed() < PATIENCE, "waiting for {what}: {last:#?}\n{}", self.said());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What runs now, by name.
    pub async fn hashes(&mut self) -> BTreeMap<String, String> {
        hashes(&self.wait_for("its status", |_| true).await)
    }

    /// The running number of an integration, once it is another one than `before`.
    pub async fn changed(&mut self, name: &str, before: &str) -> String {
        let is =
            |status: &DaemonStatus| of(status, name).is_some_and(|now| now.running != before && now.pending.is_none());
        let status = self.wait_for(&format!("another `{name}`"), is).await;
        of(&status, name).unwrap().running.clone()
    }

    /// Waits until it was judged that often, counted from the start.
    pub async fn passes(&mut self, passes: u64) -> DaemonStatus {
        self.wait_for("a pass", |status| config(status).passes >= passes).await
    }
}

pub fn of<'s>(status: &'s DaemonStatus, name: &str) -> Option<&'s IntegrationNow> {
    status.integrations.iter().find(|now| now.integration.as_str() == name)
}

pub fn config(status: &DaemonStatus) -> &ConfigNow {
    status.config.as_ref().expect("a daemon that reloads")
}

pub fn hashes(status: &DaemonStatus) -> BTreeMap<String, String> {
    status.integrations.iter().map(|now| (now.integration.to_string(), now.running.clone())).collect()
}
