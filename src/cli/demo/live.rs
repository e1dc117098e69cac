//! `demo`: the daemon on two practice systems, until it is stopped; every change is told as it happens.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Local, Utc};
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{edits::Seen, folder::Folder, systems::Systems};
use crate::{
    admin::Console,
    cli::{
        args::DemoArgs,
        exit::{CliError, Exit},
        matching,
        names::Names,
        output::Output,
        parked, report,
        setup::{self, Office},
        text::{Paint, count},
    },
    clock::Clock,
    config::{AdminSettings, IntegrationName, ProcessEnv, Role},
    connector::Priority,
    daemon::{
        Daemon, DaemonSettings, Handle,
        protocol::{Request, Response},
        reload::{Reloading, boot},
    },
    engine::{Connectors, RunReport},
    store::{Ledger, RunRecord},
    sync::Link,
};

/// How often the terminal asks what happened.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Where the demo's console is, unless something else is there.
const CONSOLE_PORT: u16 = 8080;

/// A first run of a few hundred records takes a second; this long only if something is badly wrong.
const LONGEST_FIRST_RUN: Duration = Duration::from_mins(1);

/// Starts everything, tells the story of the first run, and then what happens.
pub(super) async fn run(args: &DemoArgs, out: &Output) -> Result<Exit, CliError> {
    let clock = Clock::system();
    let mut folder = Folder::at(args.dir.as_deref().unwrap_or_else(|| Path::new("demo-data")))?;
    let systems = Systems::start(&clock).await?;
    folder.write(&systems)?;
    let mut signals = Signals::listen()?;
    let running = Running::start(&folder.path, &clock, out).await?;
    let daemon = &running.daemon;
    out.data(&introduction(&systems, &folder));
    running.tell_console(out);
    let mut office = Office::open(&folder.path, out).await?;
    let ended = tokio::select! {
        ended = story(&mut office, daemon, (&systems, &folder), out) => ended,
        () = signals.next() => {
            out.talk("\nstopping");
            Ok(())
        }
    };
    tokio::select! {
        () = daemon.stop() => {}
        () = signals.next() => {}
    }
    ended.map(|()| Exit::Done)
}

/// The daemon on a folder, with its console.
pub(super) struct Running {
    pub daemon: Handle,
    pub connectors: Connectors,
    console: Option<Console>,
}

impl Running {
    /// Starts it as `reconciled run` does.
    pub(super) async fn start(folder: &Path, clock: &Clock, out: &Output) -> Result<Self, CliError> {
        let (snapshot, loaded, _) = setup::read_for_daemon(folder, out)?;
        let store = setup::open_store(&loaded.config)?;
        let boot = boot(&snapshot, &ProcessEnv, &Ledger::new(store.clone()), clock.now()).await;
        let boot = boot.map_err(|source| CliError::Store { path: loaded.config.settings.state_dir.clone(), source })?;
        let config = Arc::clone(&boot.config);
        let keeper = setup::keeper(&config, &store, clock);
        let connect = setup::connect(Some(keeper), clock, Priority::Automatic);
        let connectors = setup::connectors_by(&connect, &config, out);
        let settings = DaemonSettings::from(&config.settings);
        let engine = setup::engine(config, store, connectors.clone(), clock.clone())?;
        let reloading = Reloading { boot, env: Arc::new(ProcessEnv), connect };
        let daemon = Daemon::start_reloading(engine, settings, reloading).await?;
        let console = console(&daemon).await;
        Ok(Self { daemon, connectors, console })
    }

    /// Says where the console is.
    pub(super) fn tell_console(&self, out: &Output) {
        if let Some(console) = &self.console {
            out.data(&format!("\nThe same in a browser: http://{}/\n", console.address()));
        }
    }
}

/// A console on which everybody on this machine may do everything: the systems are for practice. The demo goes on without.
async fn console(daemon: &Handle) -> Option<Console> {
    let at = |port| AdminSettings {
        listen: SocketAddr::from(([127, 0, 0, 1], port)),
        url: None,
        open: Some(Role::Admin),
        session: Duration::from_hours(12),
        audit: daemon.config().settings.state_dir.join("audit.jsonl"),
        users: BTreeMap::new(),
        tokens: BTreeMap::new(),
    };
    for port in [CONSOLE_PORT, 0] {
        if let Ok(console) = Console::open(daemon, &at(port)).await {
            return Some(console);
        }
    }
    None
}

/// The signals that ask a process to end.
pub(super) struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    /// From now on the signals do not end the process by themselves.
    pub(super) fn listen() -> Result<Self, CliError> {
        let failed = |error| CliError::Other(format!("this process cannot listen to signals: {error}"));
        Ok(Self {
            term: signal(SignalKind::terminate()).map_err(failed)?,
            int: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

fn introduction(systems: &Systems, folder: &Folder) -> String {
    let mut text = format!(
        "Two practice systems are running in this process:\n  demo-website  {}\n  demo-xero     {}\n  {}\n\n",
        systems.website.url(),
        systems.xero.url(),
        systems.inventory()
    );
    let _ = writeln!(text, "What to keep the same is written in {}/demo.yaml", folder.path.display());
    text.push_str(&folder.told_kept());
    text
}

async fn story(
    office: &mut Office,
    daemon: &Handle,
    (systems, folder): (&Systems, &Folder),
    out: &Output,
) -> Result<(), CliError> {
    let names = Names::of(&office.config);
    let demo = IntegrationName::parse("demo").map_err(|error| CliError::Other(error.to_string()))?;
    out.data("\nThe first run only matches and reports:\n");
    let first = next_run(office, &demo, None).await?;
    let rows = matching::rows(&first, &names);
    let all = matching::render(std::slice::from_ref(&first), &rows, true, out.paint);
    out.data(&beginning(&all, 14, "reconciled match demo --report"));
    out.data("\nA person would read that and say `reconciled approve demo`; the demo does it for you.\n\n");
    office.ask(Request::Approve { what: "demo".to_owned(), except: Vec::new() }).await?;
    let done = next_run(office, &demo, Some(first.ended)).await?;
    out.data(&report::outcome(&done, &names, false, out.paint));
    out.data(&put_aside(office, &names, out).await?);
    out.data(&suggestions(office, systems, folder, out.paint).await?);
    watch(office, daemon, (&[demo], &names, done.ended), out).await
}

/// The first lines of a long text, and the command that shows all of it.
pub(super) fn beginning(text: &str, most: usize, command: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut shown: String = lines.iter().take(most).flat_map(|line| ["  ", line, "\n"]).collect();
    if lines.len() > most {
        let _ = writeln!(shown, "  … {} (`{command}`)", count((lines.len() - most) as u64, "line more", "lines more"));
    }
    shown
}

async fn put_aside(office: &mut Office, names: &Names, out: &Output) -> Result<String, CliError> {
    let Response::Parked(items) = office.ask(Request::Parked { pipeline: None }).await? else {
        return Err(Office::astray());
    };
    Ok(format!("\nNot decided without a person:\n{}", parked::render(&items, names, office.now(), out.paint)))
}

/// Commands that can be copied, with records that are there.
async fn suggestions(
    office: &mut Office,
    systems: &Systems,
    folder: &Folder,
    paint: Paint,
) -> Result<String, CliError> {
    let pipeline = office.one_pipeline("demo/contacts")?;
    let Response::Links(links) = office.ask(Request::Links { pipeline }).await? else { return Err(Office::astray()) };
    let program = std::env::args().next().unwrap_or_else(|| "reconciled".to_owned());
    let dir = folder.path.display();
    let mut text = format!("\n{}\n", paint.bold("Try it in another terminal"));
    let mut people = links.iter().filter(|link| is_plain(systems, link));
    if let Some(link) = people.next() {
        let _ = write!(
            text,
            "# {} gets a new phone number on the website\ncurl -sX PATCH {}/contacts/{} -H 'Authorization: Bearer {}' \\\n  -H 'Content-Type: application/json' -d '{{\"phone\":\"022 555 0123\"}}'\n",
            link.label,
            systems.website.url(),
            link.source,
            systems.website.token()
        );
    }
    if let Some(link) = people.next() {
        let _ = write!(
            text,
            "# {} gets another e-mail address in Xero\ncurl -sX POST {}/Contacts/{} \\\n  -H 'Authorization: Bearer {}' -H 'Xero-Tenant-Id: {}' \\\n  -H 'Accept: application/json' -H 'Content-Type: application/json' -d '{{\"EmailAddress\":\"new.address@example.com\"}}'\n",
            link.label,
            systems.xero.url(),
            link.target,
            systems.xero.token(),
            systems.xero.tenant()
        );
        text.push_str("# how everything stands, why a record is as it is, and what waits for a person\n");
        let _ = writeln!(text, "{program} --config {dir} status");
        let _ = writeln!(text, "{program} --config {dir} explain demo/contacts '{}'", link.label.replace('\'', ""));
        let _ = writeln!(text, "{program} --config {dir} parked list");
    }
    text.push_str(&editing(folder, paint));
    text.push_str("\nA change is seen within 2 seconds and written a second later. Ctrl-C ends the demo.\n\n");
    Ok(text)
}

/// Edits of the configuration that can be copied: one that is taken, one with a typo, and its recovery.
fn editing(folder: &Folder, paint: Paint) -> String {
    let file = folder.path.join("demo.yaml");
    let file = file.display();
    format!(
        "\n{}\n# changes are gathered for five seconds instead of one; it is taken over without a restart\n\
         sed -i 's/wait: 1s/wait: 5s/' {file}\n\
         # a typo: it is told with its place, and what ran before goes on\n\
         sed -i 's/debounce:/debonce:/' {file}\n\
         # mended\n\
         sed -i 's/debonce:/debounce:/' {file}\n",
        paint.bold("Or edit what is kept the same, in any editor")
    )
}

/// A contact that exists on both sides with a phone number.
fn is_plain(systems: &Systems, link: &Link) -> bool {
    let record = systems.website.get("contacts", link.source.as_str());
    record.is_some_and(|record| record.get("phone").and_then(Value::as_str).is_some_and(|phone| !phone.is_empty()))
}

/// Waits for the first run that ended after `told` — the daemon starts it by itself — and gives its report.
async fn next_run(
    office: &mut Office,
    demo: &IntegrationName,
    told: Option<DateTime<Utc>>,
) -> Result<RunReport, CliError> {
    let began = Instant::now();
    while began.elapsed() < LONGEST_FIRST_RUN {
        let runs = runs(office, demo).await?;
        if let Some(run) = runs.iter().rfind(|run| told.is_none_or(|told| run.ended > told)) {
            return serde_json::from_value(run.report.clone())
                .map_err(|error| CliError::Other(format!("the report of a run cannot be read: {error}")));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(CliError::Other(format!("no run ended within {LONGEST_FIRST_RUN:?}; `RECONCILED_LOG=info` says more")))
}

/// Tells what each new run did, and what came of each edit of the configuration; never returns by itself.
pub(super) async fn watch(
    office: &mut Office,
    daemon: &Handle,
    (all, names, told): (&[IntegrationName], &Names, DateTime<Utc>),
    out: &Output,
) -> Result<(), CliError> {
    let mut seen = Seen::of(&daemon.status());
    let mut told = vec![told; all.len()];
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = Seen::of(&daemon.status());
        if let Some(text) = now.told_since(&seen, out.paint) {
            out.data(&format!("{} {text}", out.paint.dim(&Local::now().format("%H:%M:%S").to_string())));
        }
        seen = now;
        for (integration, told) in all.iter().zip(&mut told) {
            // Whoever removed the integration from the file has no runs to look at.
            let Ok(runs) = runs(office, integration).await else { continue };
            for run in runs.iter().rev().filter(|run| run.ended > *told) {
                if let Ok(report) = serde_json::from_value::<RunReport>(run.report.clone()) {
                    out.data(&told_live(&report, names, run.ended, out.paint));
                }
            }
            *told = runs.iter().map(|run| run.ended).max().map_or(*told, |newest| newest.max(*told));
        }
    }
}

async fn runs(office: &mut Office, demo: &IntegrationName) -> Result<Vec<RunRecord>, CliError> {
    match office.ask(Request::Runs { integration: demo.clone(), limit: 20 }).await? {
        Response::Runs(runs) => Ok(runs),
        _ => Err(Office::astray()),
    }
}

/// A line per change and per thing put aside.
fn told_live(report: &RunReport, names: &Names, at: DateTime<Utc>, paint: Paint) -> String {
    let time = at.with_timezone(&Local).format("%H:%M:%S").to_string();
    let mut out = String::new();
    for pipeline in &report.pipelines {
        for item in &pipeline.items {
            let line = report::in_one_line(&pipeline.pipeline, item, names);
            let _ = writeln!(out, "{} {line}", paint.dim(&time));
        }
        for finding in &pipeline.findings {
            let _ = writeln!(out, "{} {}", paint.dim(&time), paint.yellow(&report::finding_line(finding)));
        }
    }
    out.push_str(&report::troubles(&report.troubles, paint));
    out
}
