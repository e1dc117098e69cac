//! An agency: a thousand clients from one template of five pipelines. How long it takes to validate them and to start, until
//! an edit of one client, of the template, and of a broken file is noticed, whom each touches, and what the daemon costs
//! while nothing happens: with systems out of reach, where it goes on trying; with systems that answer; and with systems that
//! answer and are polled every two minutes. Beside what it took stands the processor time: that can be compared on a busy machine.
//!
//! `cargo bench --bench agency`; `RECONCILED_BENCH_CLIENTS` (1000), `RECONCILED_BENCH_EDITS` (5) and `RECONCILED_BENCH_IDLE`
//! (60, seconds) change it.
#![allow(clippy::pedantic, reason = "pedantic lints are for the library")]
#![allow(missing_docs, reason = "a program of its own")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use reconciled::daemon::{DaemonStatus, Phase};
use support::{Daemon, memory, number, program, running, ticks, until};

/// The pipelines of each client, with the names of a field on either side.
const PIPELINES: [(&str, &str, &str, &str); 5] = [
    ("contacts", "contacts", "$.email", "$.EmailAddress"),
    ("people", "contacts", "$.account", "$.AccountNumber"),
    ("sales", "invoices", "$.number", "$.InvoiceNumber"),
    ("orders", "invoices", "$.reference", "$.Reference"),
    ("receipts", "payments", "$.reference", "$.Reference"),
];

/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:9";

/// The same to every question: there is nothing. Both kinds of systems find their lists in it.
const NOTHING: &str = r#"{ "items": [], "page": 1, "pages": 1, "Contacts": [], "Invoices": [], "Payments": [],
    "pagination": { "page": 1, "pageSize": 1000, "pageCount": 1, "itemCount": 0 } }"#;

/// A system that answers, for all clients and both kinds, in a thread of its own: where it is.
fn practice() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let answer = || async { ([("content-type", "application/json")], NOTHING) };
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, axum::Router::new().fallback(answer)).await.unwrap();
        });
    });
    base
}

/// Where the systems are, and whether websites are polled.
#[derive(Clone, Copy)]
struct Systems<'s> {
    base: &'s str,
    poll: bool,
}

fn template(systems: Systems<'_>, mark: &str) -> String {
    let poll = if systems.poll { "poll: { website: 2m }, " } else { "" };
    let text = "templates:
  shop:
    params:
      site: { type: url, description: where the shop's sync API is }
      tenant: { type: string }
      skip: { type: string, default: nobody }
    timezone: Pacific/Auckland
    debounce: 2m
    first_run: { apply: automatic }
    schedule: { POLL sync: { cron: \"0 6 * * *\", spread: 1h }, full_read: { every: 24h } }
    connections:
      website: { connector: website, base_url: \"${params.site}\", auth: { token: s } }
      xero: { connector: xero, base_url: \"BASE/xero\", tenant: \"${params.tenant}\", auth: { token: x } }
    pipelines:
";
    let mut text = text.replace("BASE", systems.base).replace("POLL ", poll);
    for (name, target, own, other) in PIPELINES {
        let source = match name {
            "people" => "contacts",
            "orders" => "sales",
            other => other,
        };
        let field = match target {
            "contacts" => "{ source: $.first_name, target: $.FirstName, write: on-create }",
            "invoices" => {
                "{ source: $.sold_at, target: $.Date, transform: { date: { zone: Pacific/Auckland } }, write: on-create }"
            }
            _ => "{ source: $.amount, target: $.Amount, write: on-create }",
        };
        text.push_str(&format!(
            "      {name}:
        source: website/{source}
        target: xero/{target}
        direction: source-to-target
        match: [ {{ source: {own}, target: {other} }} ]
        filters: {{ source: [ {{ path: {own}, not_equals: \"${{params.skip}}\" }}, {{ path: {own}, not_equals: {mark} }} ] }}
        fields:
          - {field}
          - {{ source: {own}, target: {other}, write: on-create }}
"
        ));
    }
    text
}

fn client(base: &str, number: u64, skip: &str) -> String {
    format!(
        "integrations:
  client-{number:04}: {{ template: shop, with: {{ site: \"{base}/client-{number:04}/sync/v1\", tenant: T-{number}, skip: {skip} }} }}
"
    )
}

fn all(status: &DaemonStatus) -> BTreeMap<String, String> {
    status.integrations.iter().map(|now| (now.integration.as_str().to_owned(), now.running.clone())).collect()
}

fn told(what: &str, took: Duration) {
    println!("{what:<60} {:>8.2} s", took.as_secs_f64());
}

/// What took a while, and what it cost.
fn cost(what: &str, took: Duration, ticks: u64) {
    println!("{what:<60} {:>8.2} s {:>8.2} s of CPU", took.as_secs_f64(), ticks as f64 / 100.0);
}

/// The configuration folder of an agency: its settings, its template, and a file of each client.
fn agency(home: &Path, systems: Systems<'_>, clients: u64) -> PathBuf {
    let etc = home.join("etc");
    fs::create_dir_all(etc.join("clients")).unwrap();
    let settings = format!("state_dir = \"{0}/state\"\nsocket = \"{0}/socket\"\n", home.display());
    fs::write(etc.join("reconciled.toml"), settings).unwrap();
    fs::write(etc.join("shop.yaml"), template(systems, "x")).unwrap();
    for number in 0..clients {
        fs::write(etc.join(format!("clients/{number:04}.yaml")), client(systems.base, number, "nobody")).unwrap();
    }
    etc
}

/// Runs `validate`: how long it takes, and the most memory it had.
fn validate(etc: &Path) {
    let began = Instant::now();
    let mut child = program(etc).arg("validate").spawn().unwrap();
    let (mut most, mut spent) = (0, 0);
    let ended = loop {
        most = most.max(memory(child.id(), "VmHWM").unwrap_or_default());
        spent = spent.max(ticks(child.id()));
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(ended.success(), "what was generated is not valid: {ended}");
    cost("validate", began.elapsed(), spent);
    println!("{:<60} {most:>8} MiB", "its memory, at most");
}

/// Watches a daemon do nothing: what it costs, what it has, and who ran meanwhile.
async fn idle(pid: u32, socket: &Path, what: &str) {
    let seconds = number("RECONCILED_BENCH_IDLE", 60);
    let runs = |status: &DaemonStatus| -> BTreeMap<String, _> {
        let all = status.integrations.iter();
        all.map(|now| (now.integration.as_str().to_owned(), now.last_run)).collect()
    };
    let before = runs(&until(socket, |_| true).await);
    let spent = ticks(pid);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let spent = ticks(pid) - spent;
    let after = until(socket, |_| true).await;
    let ran = runs(&after).into_iter().filter(|(name, last)| before.get(name) != Some(last)).count();
    let share = spent as f64 / seconds.max(1) as f64;
    println!("{:<60} {share:>8.2} % of a core", format!("idle for {seconds} s, {what}"));
    println!("{:<60} {:>8} MiB", "memory", memory(pid, "VmRSS").unwrap_or_default());
    println!("{:<60} {ran:>8}", "clients that ran meanwhile");
    let busy = after.integrations.iter().filter(|now| !now.troubles.is_empty() || now.failure.is_some()).count();
    println!("{:<60} {busy:>8}", "clients that could not reach somebody");
}

/// Idle where every system answers: after each client had its first run.
async fn idle_with_answers(clients: u64, poll: bool) {
    let base = practice();
    let home = tempfile::tempdir().unwrap();
    let etc = agency(home.path(), Systems { base: &base, poll }, clients);
    let (began, daemon) = (Instant::now(), Daemon::start(&etc));
    let socket = home.path().join("socket");
    let all = usize::try_from(clients).unwrap_or(usize::MAX);
    let rests = |status: &DaemonStatus| {
        let mut now = status.integrations.iter();
        status.integrations.len() == all && now.all(|now| now.last_run.is_some() && now.phase == Phase::Waiting)
    };
    let status = until(&socket, rests).await;
    let trouble = status.integrations.iter().find(|now| !now.troubles.is_empty() || now.failure.is_some());
    assert!(trouble.is_none(), "the practice system does not do: {trouble:#?}");
    cost("start and every first run, every system answers", began.elapsed(), ticks(daemon.pid()));
    let what = if poll { "every system answers, polls every 2m" } else { "every system answers" };
    idle(daemon.pid(), &socket, what).await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let home = tempfile::tempdir().unwrap();
    let clients = number("RECONCILED_BENCH_CLIENTS", 1000);
    let systems = Systems { base: NOBODY, poll: false };
    let (etc, socket) = (agency(home.path(), systems, clients), home.path().join("socket"));
    let shop = etc.join("shop.yaml");
    let file = |number: u64| etc.join(format!("clients/{number:04}.yaml"));
    println!("{clients} clients of {} pipelines each", PIPELINES.len());
    validate(&etc);

    let began = Instant::now();
    let daemon = Daemon::start(&etc);
    let pid = daemon.pid();
    let full = usize::try_from(clients).unwrap_or(usize::MAX);
    until(&socket, |status| status.config.is_some() && status.integrations.len() == full).await;
    cost("start, until it follows its files", began.elapsed(), ticks(pid));
    let resident = || memory(pid, "VmRSS").unwrap_or_default();
    println!("{:<60} {:>8} MiB", "memory after it", resident());

    let mut times = Vec::new();
    let spent = ticks(pid);
    for edit in 0..number("RECONCILED_BENCH_EDITS", 5) {
        let at = (edit * 37) % clients;
        let name = format!("client-{at:04}");
        let before = until(&socket, |_| true).await;
        let began = Instant::now();
        fs::write(file(at), client(NOBODY, at, &format!("mark-{edit}"))).unwrap();
        until(&socket, |status| running(status, &name) != running(&before, &name)).await;
        times.push(began.elapsed());
        // It runs a moment before the daemon has noted that it does.
        let restarts = |status: &DaemonStatus| status.config.as_ref().map_or(0, |config| config.restarts);
        let after = until(&socket, |status| restarts(status) > restarts(&before)).await;
        let others = all(&before).into_iter().filter(|(other, was)| running(&after, other) != *was && *other != name);
        assert_eq!(others.count(), 0, "an edit of {name} touched others");
        assert_eq!(restarts(&after) - restarts(&before), 1, "an edit of {name} restarted others");
    }
    times.sort();
    if let (Some(middle), Some(most)) = (times.get(times.len() / 2), times.last()) {
        told("edit of one client until it runs, and only there: median", *middle);
        told("the same, longest", *most);
        // Those that run meanwhile and reach nobody are in it.
        let each = (ticks(pid) - spent) as f64 / 100.0 / times.len() as f64;
        println!("{:<60} {each:>8.2} s", "processor time of each, with all that went on meanwhile");
    }

    let before = all(&until(&socket, |_| true).await);
    let spent = ticks(pid);
    let began = Instant::now();
    fs::write(&shop, template(systems, "y")).unwrap();
    until(&socket, |status| all(status).iter().all(|(name, now)| before.get(name) != Some(now))).await;
    cost("edit of the template until every client runs it", began.elapsed(), ticks(pid) - spent);

    let before = all(&until(&socket, |_| true).await);
    let began = Instant::now();
    fs::write(file(1), client(NOBODY, 1, "nobody").replace("template: shop", "template: shpo")).unwrap();
    let after = until(&socket, |status| status.config.as_ref().is_some_and(|config| !config.mistakes.is_empty())).await;
    told("a broken file until it is told", began.elapsed());
    assert_eq!(all(&after), before, "a broken file touched what runs");
    let began = Instant::now();
    fs::write(file(1), client(NOBODY, 1, "nobody")).unwrap();
    until(&socket, |status| status.config.as_ref().is_some_and(|config| config.mistakes.is_empty())).await;
    told("its repair until it is noticed", began.elapsed());

    println!("{:<60} {:>8} MiB", "memory after that", resident());
    idle(pid, &socket, "no system answers").await;
    drop(daemon);
    idle_with_answers(clients, false).await;
    idle_with_answers(clients, true).await;
}
