//! An agency: a thousand clients from one template of five pipelines. How long it takes to validate them and to start, until
//! an edit of one client, of the template, and of a broken file is noticed, whom each touches, and what the daemon costs
//! while nothing happens.
//!
//! `cargo bench --bench agency`; `RECONCILED_BENCH_CLIENTS` (1000), `RECONCILED_BENCH_EDITS` (5) and `RECONCILED_BENCH_IDLE`
//! (20, seconds) change it.
#![allow(clippy::pedantic, reason = "pedantic lints are for the library")]
#![allow(missing_docs, reason = "a program of its own")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use reconciled::daemon::DaemonStatus;
use support::{Daemon, memory, number, program, running, ticks, until};

/// The pipelines of each client, with the names of a field on either side.
const PIPELINES: [(&str, &str, &str, &str); 5] = [
    ("contacts", "contacts", "$.email", "$.EmailAddress"),
    ("people", "contacts", "$.account", "$.AccountNumber"),
    ("sales", "invoices", "$.number", "$.InvoiceNumber"),
    ("orders", "invoices", "$.reference", "$.Reference"),
    ("receipts", "payments", "$.reference", "$.Reference"),
];

fn template(mark: &str) -> String {
    let mut text = "templates:
  shop:
    params:
      site: { type: url, description: where the shop's sync API is }
      tenant: { type: string }
      skip: { type: string, default: nobody }
    timezone: Pacific/Auckland
    debounce: 2m
    schedule: { sync: { cron: \"0 6 * * *\", spread: 1h }, full_read: { every: 24h } }
    connections:
      website: { connector: website, base_url: \"${params.site}\", auth: { token: s } }
      xero: { connector: xero, base_url: \"http://127.0.0.1:9/xero\", tenant: \"${params.tenant}\", auth: { token: x } }
    pipelines:
"
    .to_owned();
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

fn client(number: u64, skip: &str) -> String {
    format!(
        "integrations:
  client-{number:04}: {{ template: shop, with: {{ site: \"http://127.0.0.1:9/client-{number:04}/sync/v1\", tenant: T-{number}, skip: {skip} }} }}
"
    )
}

fn all(status: &DaemonStatus) -> BTreeMap<String, String> {
    status.integrations.iter().map(|now| (now.integration.as_str().to_owned(), now.running.clone())).collect()
}

fn told(what: &str, took: Duration) {
    println!("{what:<60} {:>8.2} s", took.as_secs_f64());
}

/// Runs `validate`: how long it takes, and the most memory it had.
fn validate(etc: &Path) {
    let began = Instant::now();
    let mut child = program(etc).arg("validate").spawn().unwrap();
    let mut most = 0;
    let ended = loop {
        most = most.max(memory(child.id(), "VmHWM").unwrap_or_default());
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(ended.success(), "what was generated is not valid: {ended}");
    told("validate", began.elapsed());
    println!("{:<60} {most:>8} MiB", "its memory, at most");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let home = tempfile::tempdir().unwrap();
    let (etc, socket) = (home.path().join("etc"), home.path().join("socket"));
    fs::create_dir_all(etc.join("clients")).unwrap();
    let settings = format!("state_dir = \"{0}/state\"\nsocket = \"{0}/socket\"\n", home.path().display());
    fs::write(etc.join("reconciled.toml"), settings).unwrap();
    let clients = number("RECONCILED_BENCH_CLIENTS", 1000);
    let shop = etc.join("shop.yaml");
    let file = |number: u64| etc.join(format!("clients/{number:04}.yaml"));
    fs::write(&shop, template("x")).unwrap();
    for number in 0..clients {
        fs::write(file(number), client(number, "nobody")).unwrap();
    }
    println!("{clients} clients of {} pipelines each", PIPELINES.len());
    validate(&etc);

    let began = Instant::now();
    let daemon = Daemon::start(&etc);
    let pid = daemon.pid();
    let full = usize::try_from(clients).unwrap_or(usize::MAX);
    until(&socket, |status| status.config.is_some() && status.integrations.len() == full).await;
    told("start, until it follows its files", began.elapsed());
    let resident = || memory(pid, "VmRSS").unwrap_or_default();
    println!("{:<60} {:>8} MiB", "memory after it", resident());

    let mut times = Vec::new();
    for edit in 0..number("RECONCILED_BENCH_EDITS", 5) {
        let at = (edit * 37) % clients;
        let name = format!("client-{at:04}");
        let before = until(&socket, |_| true).await;
        let began = Instant::now();
        fs::write(file(at), client(at, &format!("mark-{edit}"))).unwrap();
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
    }

    let before = all(&until(&socket, |_| true).await);
    let spent = ticks(pid);
    let began = Instant::now();
    fs::write(&shop, template("y")).unwrap();
    until(&socket, |status| all(status).iter().all(|(name, now)| before.get(name) != Some(now))).await;
    told("edit of the template until every client runs it", began.elapsed());
    println!("{:<60} {:>8.2} s", "its processor time", (ticks(pid) - spent) as f64 / 100.0);

    let before = all(&until(&socket, |_| true).await);
    let began = Instant::now();
    fs::write(file(1), client(1, "nobody").replace("template: shop", "template: shpo")).unwrap();
    let after = until(&socket, |status| status.config.as_ref().is_some_and(|config| !config.mistakes.is_empty())).await;
    told("a broken file until it is told", began.elapsed());
    assert_eq!(all(&after), before, "a broken file touched what runs");
    let began = Instant::now();
    fs::write(file(1), client(1, "nobody")).unwrap();
    until(&socket, |status| status.config.as_ref().is_some_and(|config| config.mistakes.is_empty())).await;
    told("its repair until it is noticed", began.elapsed());

    let idle = number("RECONCILED_BENCH_IDLE", 20);
    let spent = ticks(pid);
    tokio::time::sleep(Duration::from_secs(idle)).await;
    let share = (ticks(pid) - spent) as f64 / idle.max(1) as f64;
    println!("{:<60} {share:>8.2} % of a core", format!("idle for {idle} s: processor"));
    println!("{:<60} {:>8} MiB", "memory", resident());
    let now = until(&socket, |_| true).await;
    let busy = now.integrations.iter().filter(|now| !now.troubles.is_empty() || now.failure.is_some()).count();
    println!("{:<60} {busy:>8}", "clients that have run meanwhile, and could not reach anybody");
}
