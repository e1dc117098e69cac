//! The watchdog starves when the daemon hangs, so that the service manager starts another one. The daemon runs in a
//! second process of this test, because a service manager is found by the environment.

use std::{
    os::unix::net::UnixDatagram,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use reconciled::{
    daemon::{self, Daemon, DaemonSettings, Signals},
    store::{Group, Key, Ledger, Store, StoreError},
};

use crate::{SHOP, World};

/// What hangs, for the second process.
const WHAT: &str = "RECONCILED_TEST_HANGS";

/// A store whose flushes hang from some time on.
struct Hanging {
    store: Arc<dyn Store>,
    hangs: AtomicBool,
}

#[async_trait]
impl Store for Hanging {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.store.get(keys).await
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
        self.store.scan(prefix, after, limit).await
    }

    async fn commit(&self, groups: Vec<Group>) -> Result<(), StoreError> {
        self.store.commit(groups).await
    }

    async fn flush(&self) -> Result<(), StoreError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.store.flush().await
    }

    async fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.store.size_on_disk().await
    }
}

/// The second process: a daemon that hangs when it is told to, and says when it does.
async fn hang(what: &str) {
    let manager = std::env::var("NOTIFY_SOCKET").unwrap();
    let told = UnixDatagram::bind(format!("{manager}.tell")).unwrap();
    told.set_nonblocking(true).unwrap();
    let told = tokio::net::UnixDatagram::from_std(told).unwrap();
    let world = World::new(SHOP);
    let mut engine = world.engine();
    let store = Arc::new(Hanging { store: world.store.clone(), hangs: AtomicBool::new(false) });
    engine.ledger = Ledger::new(store.clone());
    let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_secs(1) };
    let signals = Signals::listen().unwrap();
    let handle = Daemon::start(engine, settings).await.unwrap();
    let what = what.to_owned();
    tokio::spawn(async move {
        told.recv(&mut [0; 16]).await.unwrap();
        match what.as_str() {
            "store" => store.hangs.store(true, Ordering::SeqCst),
            // A task that never gives way: nothing else of this runtime goes on.
            _ => loop {
                std::thread::park();
            },
        }
    });
    daemon::serve(&handle, signals).await.unwrap();
}

/// The messages until `is`, or until nobody says anything for so long.
fn until(manager: &UnixDatagram, patience: Duration, is: impl Fn(&str) -> bool) -> Option<String> {
    manager.set_read_timeout(Some(patience)).unwrap();
    let mut bytes = [0; 4_096];
    loop {
        let length = manager.recv(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if is(&text) {
            return Some(text);
        }
    }
}

#[tokio::test]
async fn a_daemon_that_hangs_feeds_the_watchdog_no_more() {
    if let Ok(what) = std::env::var(WHAT) {
        return hang(&what).await;
    }
    for what in ["store", "loop"] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let name = "watchdog::a_daemon_that_hangs_feeds_the_watchdog_no_more";
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", name]).env(WHAT, what).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "300000");
        command.env_remove("WATCHDOG_PID").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let long = Duration::from_mins(2);
        for _ in 0..3 {
            until(&manager, long, |text| text.contains("WATCHDOG=1")).expect("it is fed while all is well");
        }
        manager.send_to(b"hang", home.path().join("notify.tell")).unwrap();
        // Two may be on their way. Then there is silence, for ten times as long as one is due.
        let fed = (0..30)
            .take_while(|_| until(&manager, Duration::from_secs(1), |text| text.contains("WATCHDOG=1")).is_some());
        let fed = fed.count();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(fed < 30, "{what}: it is fed although it hangs");
    }
}
