//! The console in a real browser: `tests/browser/console.mjs`, by playwright-core in Debian's Chromium. `CONSOLE_PICTURES=DIR` keeps
//! a picture of every page.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::json;

use crate::{Office, PASSWORD};

/// A machine that is busy with other tests may take long to start a browser.
const LONGEST: Duration = Duration::from_secs(280);

#[tokio::test(flavor = "multi_thread")]
async fn people_use_the_console_in_a_browser() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(
        folder.join("node_modules/playwright-core").is_dir(),
        "this test needs node, Debian's chromium and playwright-core: `bash tests/run` installs them, or \
         `apt-get install nodejs npm chromium` and `npm ci` in tests/browser"
    );
    let office = Office::open().await;
    office.world.books.insert("contacts", json!({"name": "Max Roe", "email": "max@x.example"}));
    office.world.books.insert("contacts", json!({"name": "Maximilian Roe", "email": "max@x.example"}));
    office.world.shop.insert("contacts", json!({"name": "Max R.", "email": "max@x.example"}));
    office.conflict().await;
    office.post("operator", "/run", json!({"integration": "bravo", "mode": "sync"})).await;
    // It ends itself when it takes too long; `timeout` ends it when it cannot.
    let mut script = std::process::Command::new("timeout");
    script.arg(LONGEST.as_secs().to_string()).args(["node", "console.mjs"]).current_dir(&folder);
    script.env("CONSOLE_URL", office.url("")).env("CONSOLE_PASSWORD", PASSWORD).stdin(Stdio::null());
    let script = tokio::task::spawn_blocking(move || script.output()).await.unwrap();
    let script =
        script.unwrap_or_else(|error| panic!("node cannot be started ({error}): apt-get install nodejs npm chromium"));
    let (out, err) = (String::from_utf8_lossy(&script.stdout), String::from_utf8_lossy(&script.stderr));
    assert!(script.status.success(), "{out}\n{err}");
    assert!(out.ends_with("done\n"), "{out}");
    office.post("operator", "/run", json!({"integration": "bravo", "mode": "sync"})).await;
    office.settled().await;
    assert_eq!(office.world.books.count("sales"), 2, "what was approved was done");
    office.end().await;
}
