//! The console in a real browser: the scripts of `tests/browser`, by playwright-core in Debian's Chromium. `CONSOLE_PICTURES=DIR`
//! keeps a picture of every page.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::json;

use crate::{Office, PASSWORD};

/// A machine that is busy with other tests may take long to start a browser.
const LONGEST: Duration = Duration::from_secs(280);

/// People do at this console what the script says.
async fn play(office: &Office, script: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(
        folder.join("node_modules/playwright-core").is_dir(),
        "this test needs node, Debian's chromium and playwright-core: `bash tests/run` installs them, or \
         `apt-get install nodejs npm chromium` and `npm ci` in tests/browser"
    );
    // It ends itself when it takes too long; `timeout` ends it when it cannot.
    let mut node = std::process::Command::new("timeout");
    node.arg(LONGEST.as_secs().to_string()).args(["node", script]).current_dir(&folder);
    node.env("CONSOLE_URL", office.url("")).env("CONSOLE_PASSWORD", PASSWORD).stdin(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || node.output()).await.unwrap();
    let ended =
        ended.unwrap_or_else(|error| panic!("node cannot be started ({error}): apt-get install nodejs npm chromium"));
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{out}\n{err}");
    assert!(out.ends_with("done\n"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_use_the_console_in_a_browser() {
    let office = Office::open().await;
    office.world.books.insert("contacts", json!({"name": "Max Roe", "email": "max@x.example"}));
    office.world.books.insert("contacts", json!({"name": "Maximilian Roe", "email": "max@x.example"}));
    office.world.shop.insert("contacts", json!({"name": "Max R.", "email": "max@x.example"}));
    office.conflict().await;
    office.post("operator", "/run", json!({"integration": "bravo", "mode": "sync"})).await;
    play(&office, "console.mjs").await;
    office.post("operator", "/run", json!({"integration": "bravo", "mode": "sync"})).await;
    office.settled().await;
    assert_eq!(office.world.books.count("sales"), 2, "what was approved was done");
    office.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_a_guard_holds_is_approved_in_a_browser_and_carried_out() {
    const MANY: usize = 24;
    let office = Office::open().await;
    let (shop, books) = (&office.world.shop, &office.world.books);
    let add = |number: usize| {
        let (name, email) = (format!("Kea {number}"), format!("kea-{number}@x.example"));
        shop.insert("contacts", json!({"name": name, "email": email, "phone": format!("09 555 {number:03}")}))
    };
    let ids: Vec<String> = (0..MANY).map(add).collect();
    office.settled().await;
    // Somebody writes all numbers in another way: more records than a run may touch without a question.
    for (number, id) in ids.iter().enumerate() {
        shop.edit("contacts", id, json!({"phone": format!("+64 9 555 {number:03}")}));
    }
    let new = |books: &crate::support::fake::Fake| {
        let phones = books.all("contacts").into_iter().filter_map(|one| Some(one["phone"].as_str()?.to_owned()));
        phones.filter(|phone| phone.starts_with("+64 9 555 ")).collect::<std::collections::BTreeSet<_>>().len()
    };
    let before = books.written().len();
    let run = office.post("operator", "/run", json!({"integration": "acme", "mode": "sync"})).await;
    assert!(run["pipelines"][0]["held"].is_object(), "{run}");
    assert_eq!((new(books), books.written().len()), (0, before), "nothing is written before somebody says so");
    let plan = office.post("operator", "/run", json!({"integration": "acme", "mode": "plan"})).await;
    assert_eq!(plan["pipelines"][0]["counts"]["updates"], json!([0, MANY]), "{plan}");
    play(&office, "held.mjs").await;
    office.post("operator", "/run", json!({"integration": "acme", "mode": "sync"})).await;
    assert_eq!((new(books), books.written().len()), (MANY, before + MANY), "exactly what was approved was done");
    office.settled().await;
    office.end().await;
}
