//! tg-03 and tg-05: what people see who look at the console of the portal, and who is told. The second test is in a browser:
//! `tests/browser/connection.mjs`.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::TimeDelta;
use reconciled::{
    admin::{Console, hash_password},
    config::{Account, AdminSettings, Role, Secret},
    daemon::{
        Handle,
        protocol::{Progress, Request, Response},
    },
    grant::ConnectionState,
    sandbox::{Fault, FaultRule},
};
use secrecy::SecretString;
use serde_json::json;

use crate::{
    example::{afternoon, until},
    inbox::Inbox,
    login::{behind_the_proxy, follow, link, xpm},
    systems::{Practice, writes},
};

const PASSWORD: &str = "correct horse battery";
/// A machine that is busy with other tests may take long to start a browser.
const LONGEST: Duration = Duration::from_secs(280);

/// A portal whose first run is done, with so many clients of one person each.
async fn portal(clients: usize) -> Practice {
    let practice = Practice::start("xpm-portal").await;
    for number in 0..clients {
        let (name, mail) = (format!("Kea {number}"), format!("kea-{number}@kea.example"));
        practice.client(&format!("Kea {number} Ltd"), &[(&name, &mail)]);
    }
    practice.first_sync().await;
    practice.settled().await;
    practice
}

/// Its console, for `vera`, `olga` and `anna`, or for everybody without a password.
async fn console(daemon: &Handle, open: Option<Role>, dir: &Path) -> Console {
    let proof = hash_password(PASSWORD).unwrap();
    let user = |role| Account { proof: Secret::Known(SecretString::from(proof.clone())), role, clients: None };
    let users = [("vera", Role::Viewer), ("olga", Role::Operator), ("anna", Role::Admin)];
    let settings = AdminSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        url: None,
        open,
        session: Duration::from_secs(3_600),
        audit: dir.join("audit.jsonl"),
        users: users.map(|(name, role)| (name.to_owned(), user(role))).into(),
        tokens: BTreeMap::new(),
    };
    Console::open(daemon, &settings).await.unwrap()
}

/// The page of this path, as everybody sees it.
async fn page(console: &Console, path: &str) -> String {
    let url = format!("http://{}{path}", console.address()).parse().unwrap();
    let (code, text) = crate::browser::ask(reqwest::Method::GET, &url).await;
    assert_eq!(code, 200, "{path}: {text}");
    text
}

#[tokio::test]
async fn tg_03_a_sync_by_hand_says_that_it_started_how_far_it_is_and_when_it_is_complete() {
    let practice = portal(0).await;
    for number in 0..250 {
        practice.client(&format!("Tui {number} Ltd"), &[(&format!("Tui {number}"), &format!("t{number}@t.example"))]);
    }
    let daemon = practice.daemon().await;
    until(&daemon, practice.clock.now()).await;
    let dir = tempfile::tempdir().unwrap();
    let console = console(&daemon, Some(Role::Viewer), dir.path()).await;
    // Three batches of writes, each of which takes long enough that somebody can watch.
    practice.website.faults().add(FaultRule::new(Fault::SlowBefore(Duration::from_millis(1_200))).on("POST", "*"));
    let steps: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let told = Arc::clone(&steps);
    let run = daemon.ask(Request::Run(practice.by_hand()), "olga", move |step| told.lock().unwrap().push(step));
    tokio::pin!(run);
    let (mut seen, mut looks) = (None, tokio::time::interval(Duration::from_millis(20)));
    let answer = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            tokio::select! {
                answer = &mut run => break answer,
                _ = looks.tick(), if seen.is_none() => {
                    let page = page(&console, "/integration?name=xpm-portal").await;
                    if page.contains("<progress max=\"250\"") && page.contains(" of 250 written or paired") {
                        seen = Some(page);
                    }
                }
            }
        }
    })
    .await
    .expect("this must not take so long");
    let Ok(Response::Run(report)) = answer else { panic!("{answer:?}") };
    assert_eq!((report.exit_code(), report.pipelines[0].tally.created), (0, [0, 250]), "it says that it is complete");
    let steps = steps.lock().unwrap().clone();
    let started =
        steps.iter().position(|step| matches!(step, Progress::Started { .. })).expect("it says that it started");
    let done: Vec<u64> = steps[started..]
        .iter()
        .filter_map(|step| match step {
            Progress::Working { reading, .. } if reading.planned == 250 => Some(reading.done),
            _ => None,
        })
        .collect();
    assert!(done.is_sorted() && done.iter().any(|done| (1..250).contains(done)), "and how far it is: {steps:?}");
    assert!(seen.is_some(), "and a page shows it meanwhile");
    let after = page(&console, "/integration?name=xpm-portal").await;
    assert!(!after.contains("<progress"), "{after}");
    assert!(after.contains("250 created"), "the page lists what it did: {after}");
    daemon.stop().await;
    practice.website.faults().clear();
    practice.settled().await;
}

/// A notification to this address, about everything of these integrations.
fn told_at(name: &str, inbox: &Inbox, more: &str) -> String {
    format!("  {name}:\n    webhook: {{ url: \"{}\" }}\n{more}", inbox.url)
}

#[tokio::test]
async fn tg_05_after_a_disconnect_nothing_runs_nothing_is_kept_and_everybody_concerned_is_told() {
    let mut practice = portal(2).await;
    let [office, owner, stranger] = [Inbox::start().await, Inbox::start().await, Inbox::start().await];
    let all = format!(
        "\nnotifications:\n{}{}{}",
        told_at("office", &office, ""),
        told_at("owner", &owner, "    about: [connection]\n    integrations: [xpm-portal]\n"),
        told_at("stranger", &stranger, "    about: [held, store]\n"),
    );
    practice.reconfigure(|text| format!("{text}{all}"));
    let daemon = practice.daemon().await;
    until(&daemon, practice.clock.now()).await;
    let dir = tempfile::tempdir().unwrap();
    let console = console(&daemon, Some(Role::Viewer), dir.path()).await;
    assert!(!page(&console, "/").await.contains("is not connected"));

    // 1. Its status is "not connected", with who did it.
    let request = Request::Disconnect { what: "xpm".to_owned(), whole: false, by: String::new() };
    let Ok(Response::Disconnected(told)) = daemon.ask(request.clone(), "jane", |_| {}).await else { panic!() };
    assert!(told.contains("given back") && told.contains("erased"), "{told}");
    let now = xpm(&daemon).await;
    assert_eq!((now.state, now.parted.unwrap().by), (ConnectionState::Disconnected, "jane".to_owned()));
    let overview = page(&console, "/").await;
    for part in
        ["<strong>xpm is not connected.</strong>", "jane disconnected it", "stands still until xpm is connected"]
    {
        assert!(overview.contains(part), "{part}: {overview}");
    }
    let cards = page(&console, "/connections").await;
    assert!(cards.contains("Not connected") && cards.contains("jane disconnected it"), "{cards}");

    // 2. Its credentials are revoked, and erased here.
    let revoked = practice.xpm.logins().revoked();
    assert!(revoked.len() == 1 && revoked[0].starts_with("refresh-"), "{revoked:?}");
    let Ok(Response::Disconnected(again)) = daemon.ask(request, "jane", |_| {}).await else { panic!() };
    assert!(again.contains("there were no tokens"), "nothing is kept that could be given back: {again}");
    assert_eq!(practice.xpm.logins().revoked().len(), 1);

    // 3. Its pipelines stop, also by hand.
    practice.xpm.log().clear();
    practice.website.log().clear();
    until(&daemon, afternoon(14, 0) + TimeDelta::days(2)).await;
    let answer = daemon.ask(Request::Run(practice.by_hand()), "jane", |_| {}).await;
    let Ok(Response::Run(report)) = answer else { panic!("{answer:?}") };
    let trouble = &report.troubles[0];
    assert!(!trouble.temporary && trouble.message.contains("was disconnected"), "{trouble:?}");
    assert!(practice.xpm.log().entries().is_empty(), "{:?}", practice.xpm.log().entries());
    assert_eq!(writes(&practice.website.log().entries()), Vec::<String>::new());

    // 4. Whoever is concerned hears of it once; whoever is not, never.
    for inbox in [&office, &owner] {
        let came = inbox.until(1).await;
        let message = &came[0].json;
        assert_eq!((&message["event"], &message["subject"]), (&json!("connection.disconnected"), &json!("xpm")));
        let text = message["text"].as_str().unwrap();
        for part in ["jane disconnected it", "xpm-portal", "reconciled connect practice", "links are kept"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    // 5. Until it is connected again.
    let link = link(&daemon).await;
    assert_eq!(follow(&daemon, &link).await.0, 200);
    for inbox in [&office, &owner] {
        let came = inbox.until(2).await;
        assert_eq!(came[1].json["event"], "connection.connected");
    }
    assert_eq!(owner.events(), ["connection.disconnected", "connection.connected"], "and nothing else");
    assert!(stranger.all().is_empty(), "{:?}", stranger.events());
    assert!(!page(&console, "/").await.contains("is not connected"));
    assert_eq!(xpm(&daemon).await.parted, None);
    until(&daemon, practice.clock.now() + TimeDelta::days(1)).await;
    daemon.stop().await;
    practice.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tg_05_people_watch_a_sync_and_a_disconnect_in_a_browser() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(
        folder.join("node_modules/playwright-core").is_dir(),
        "this test needs node, Debian's chromium and playwright-core: `bash tests/run` installs them, or \
         `apt-get install nodejs npm chromium` and `npm ci` in tests/browser"
    );
    let practice = portal(0).await;
    for number in 0..250 {
        practice.client(&format!("Tui {number} Ltd"), &[(&format!("Tui {number}"), &format!("t{number}@t.example"))]);
    }
    let daemon = practice.daemon().await;
    until(&daemon, practice.clock.now()).await;
    let dir = tempfile::tempdir().unwrap();
    let console = console(&daemon, None, dir.path()).await;
    practice.website.faults().add(FaultRule::new(Fault::SlowBefore(Duration::from_millis(2_500))).on("POST", "*"));
    let own = behind_the_proxy(&daemon, &"https://sync.example".parse().unwrap());
    // It ends itself when it takes too long; `timeout` ends it when it cannot.
    let mut script = std::process::Command::new("timeout");
    script.arg(LONGEST.as_secs().to_string()).args(["node", "connection.mjs"]).current_dir(&folder);
    script.env("CONSOLE_URL", format!("http://{}", console.address())).env("CONSOLE_PASSWORD", PASSWORD);
    script.env("PUBLIC_URL", own.as_str().trim_end_matches('/')).stdin(Stdio::null());
    let script = tokio::task::spawn_blocking(move || script.output()).await.unwrap().unwrap();
    let (out, err) = (String::from_utf8_lossy(&script.stdout), String::from_utf8_lossy(&script.stderr));
    assert!(script.status.success() && out.ends_with("done\n"), "{out}\n{err}");
    assert_eq!(practice.xpm.logins().revoked().len(), 1, "it was disconnected");
    assert_eq!(xpm(&daemon).await.state, ConnectionState::Connected, "and connected again");
    daemon.stop().await;
    practice.website.faults().clear();
    practice.settled().await;
    assert_eq!(practice.website.list("contacts").len(), 250, "nobody is there twice");
}
