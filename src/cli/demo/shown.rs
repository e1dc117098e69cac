//! `demo NAME`: a folder of the examples on practice systems, once and checked, or live.

use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc};

use chrono::{DateTime, Utc};
use url::Url;

use super::{
    folder::Folder,
    gallery::Shown,
    live,
    once::{Story, outcome, pairs, written},
    stage::{POSTED, Stage, posts},
};
use crate::{
    cli::{
        args::DemoArgs,
        exit::{CliError, Exit},
        matching,
        names::Names,
        output::Output,
        report,
        setup::{self, Office},
        text::{count, number},
    },
    clock::Clock,
    config::{Auth, IntegrationName},
    connector::{InboxConnector, Post, Priority},
    daemon::protocol::{Request, Response},
    engine::{Connectors, Mode, RunReport},
};

/// Settings that some of the folders need: an address for posts, and a key for the tokens of consents.
const SETTINGS: &str = "\n[listen]\npublic = \"127.0.0.1:0\"\npublic_url = \"https://practice.example\"\n\n[tokens]\nkey = \"${file:token.key}\"\n";

/// A key that keeps tokens of practice systems from nobody.
const KEY: &str = "cHJhY3RpY2UtcHJhY3RpY2UtcHJhY3RpY2UtcHJhY3Q=\n";

/// Where the files lie of an example that works with files.
const FILES: &str = "files";

/// A sync that finds something to do again and again is a mistake.
const ROUNDS: usize = 6;

/// Writes the files of an example that runs on this stage.
fn write(folder: &mut Folder, shown: &Shown, stage: &Stage) -> Result<(), CliError> {
    let files: Vec<(&str, String)> = shown.files.iter().map(|(name, text)| (*name, stage.filled(text))).collect();
    let mut more = stage.secrets();
    more.push(("token.key".to_owned(), KEY.to_owned()));
    folder.write_files(&files, SETTINGS, &more)?;
    // The files of an earlier demo are of systems that are gone.
    let files = folder.path.join(FILES);
    let failed = |source| CliError::File { action: "make the folder", path: files.clone(), source };
    match fs::remove_dir_all(&files) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => fs::create_dir_all(&files).map_err(failed),
    }
}

/// Syncs it until both sides are at rest, and checks that they are.
pub(super) async fn once(shown: &Shown, dir: Option<&Path>, out: &Output) -> Result<Exit, CliError> {
    let clock = Clock::system();
    let mut folder = match dir {
        Some(dir) => Folder::at(dir)?,
        None => Folder::temporary()?,
    };
    let stage = Stage::start(shown, &clock, &folder.path.join(FILES)).await?;
    write(&mut folder, shown, &stage)?;
    let config = Arc::new(setup::load(&folder.path, out)?.config);
    let store = setup::open_store(&config)?;
    let connectors = setup::connectors(&config, &store, &clock, Priority::Manual, out);
    let posted = post(shown, &connectors, &clock).await?;
    let mut play = Play { office: Office::here(setup::engine(config, store, connectors, clock.clone())?), stage, out };
    let mut told = Story::default();
    let began = clock.monotonic();
    told.tell("practice systems", play.stage.addresses(shown));
    if posted > 0 {
        told.tell("posted", count(posted, "record", "records"));
    }
    play.consent(&mut told).await?;
    let integrations = integrations(shown)?;
    for integration in &integrations {
        play.syncs(integration, &mut told).await?;
    }
    for integration in &integrations {
        play.rests(integration, &mut told).await?;
    }
    play.listed(&mut told).await?;
    Ok(told.conclude(clock.monotonic().saturating_sub(began), out))
}

fn integrations(shown: &Shown) -> Result<Vec<IntegrationName>, CliError> {
    let parsed = shown.integrations.iter().map(|name| IntegrationName::parse(name));
    parsed.collect::<Result<_, _>>().map_err(|error| CliError::Other(error.to_string()))
}

/// Posts what the example is fed with; how much that was.
async fn post(shown: &Shown, connectors: &Connectors, clock: &Clock) -> Result<u64, CliError> {
    let Some(inbox) = connectors.values().find_map(|connector| connector.inbox()) else { return Ok(0) };
    let mut posted = 0;
    for (resource, body) in posts(shown, clock) {
        receive(inbox, resource, &body).await?;
        posted += 1;
    }
    Ok(posted)
}

async fn receive(inbox: &InboxConnector, resource: &str, body: &serde_json::Value) -> Result<(), CliError> {
    let body = body.to_string();
    let header = |name: &str| (name == "content-type").then_some("application/json");
    let post = Post { secret: POSTED, header: &header, body: body.as_bytes() };
    let kept = inbox.receive(resource, post).await;
    kept.map(drop).map_err(|refusal| CliError::Other(format!("a post was refused: {}", refusal.reason)))
}

struct Play<'o> {
    office: Office,
    stage: Stage,
    out: &'o Output,
}

impl Play<'_> {
    async fn run(&mut self, integration: &IntegrationName, mode: Mode, full: bool) -> Result<RunReport, CliError> {
        let request = crate::cli::sync::request(integration.clone(), Vec::new(), mode, full, None);
        self.office.run(request, self.out).await
    }

    async fn consent(&mut self, story: &mut Story) -> Result<(), CliError> {
        let given = consent(&mut self.office, &self.stage).await?;
        if given > 0 {
            story.tell("its owner consents", count(given, "login", "logins"));
        }
        Ok(())
    }

    /// The first run, looked at and approved, then syncs until nothing is left.
    async fn syncs(&mut self, integration: &IntegrationName, story: &mut Story) -> Result<(), CliError> {
        let first = self.run(integration, Mode::Sync, false).await?;
        let (links, creates) = planned(&first);
        if written(&first) == 0 {
            story.tell("first run, report only", format!("{} match, {} to create", pairs(links), number(creates)));
        } else {
            story.tell("first run, to an empty side", outcome(&first));
        }
        // A side that was empty needs no approval.
        let what = integration.to_string();
        let _ = self.office.ask(Request::Approve { what, except: Vec::new() }).await;
        let mut done = 0;
        for round in 1..=ROUNDS {
            let report = self.run(integration, Mode::Sync, false).await?;
            for trouble in &report.troubles {
                story.must(false, || format!("{}: {}", trouble.connection, trouble.message));
            }
            done += written(&report);
            if round == 1 {
                story.tell("then", outcome(&report));
            }
            if written(&report) == 0 {
                break;
            }
            story.must(round < ROUNDS, || format!("{ROUNDS} syncs, and the last one still wrote"));
        }
        story.must(done + written(&first) > 0, || format!("nothing of {integration} was kept the same"));
        Ok(())
    }

    /// A plan is empty, and neither a quiet run nor one that reads everything sends a write.
    async fn rests(&mut self, integration: &IntegrationName, story: &mut Story) -> Result<(), CliError> {
        let plan = self.run(integration, Mode::Plan, false).await?;
        story.must(plan.is_empty_plan(), || format!("something is left to do: {plan:?}"));
        let before = self.stage.writes();
        let quiet = self.run(integration, Mode::Sync, false).await?;
        let full = self.run(integration, Mode::Sync, true).await?;
        let sent = self.stage.writes() - before;
        story.tell("quiet, then all read again", format!("{}; {}", outcome(&quiet), outcome(&full)));
        story.must(sent == 0, || format!("runs with nothing to do sent {}", count(sent, "write", "writes")));
        Ok(())
    }

    async fn listed(&mut self, story: &mut Story) -> Result<(), CliError> {
        let Response::Parked(parked) = self.office.ask(Request::Parked { pipeline: None }).await? else {
            return Err(Office::astray());
        };
        let names: Vec<String> =
            parked.iter().map(|item| format!("{} ({})", item.parked.label, item.parked.code)).collect();
        let list = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
        story.tell("listed for a person", format!("{}{list}", count(parked.len() as u64, "entry", "entries")));
        Ok(())
    }
}

fn planned(report: &RunReport) -> (u64, u64) {
    let links = report.pipelines.iter().map(|pipeline| pipeline.counts.links).sum();
    let creates = report.pipelines.iter().flat_map(|pipeline| pipeline.counts.creates).sum();
    (links, creates)
}

/// The owner of the accounts consents to every login of the folder; how many there are.
async fn consent(office: &mut Office, stage: &Stage) -> Result<u64, CliError> {
    let logins: BTreeMap<String, String> = office
        .config
        .connections
        .values()
        .filter_map(|connection| match &connection.auth {
            Auth::Grant(grant) => Some((grant.name.to_string(), connection.name.to_string())),
            _ => None,
        })
        .collect();
    for what in logins.values().cloned() {
        let Response::Consent { url, .. } = office.ask(Request::ConnectBegin { what, redirect: None }).await? else {
            return Err(Office::astray());
        };
        let back = Url::parse(&url).ok().and_then(|url| stage.consent(&url));
        let back = back.ok_or_else(|| CliError::Other("the practice system takes no consent".to_owned()))?;
        let parameters = back.query_pairs().into_owned().collect();
        office.ask(Request::ConnectFinish { parameters }).await?;
    }
    Ok(logins.len() as u64)
}

/// Runs it with the daemon until it is stopped.
pub(super) async fn live(shown: &Shown, args: &DemoArgs, out: &Output) -> Result<Exit, CliError> {
    let clock = Clock::system();
    let standard = Path::new("demo-data").with_file_name(format!("demo-{}", shown.name));
    let mut folder = Folder::at(args.dir.as_deref().unwrap_or(&standard))?;
    let stage = Stage::start(shown, &clock, &folder.path.join(FILES)).await?;
    write(&mut folder, shown, &stage)?;
    let mut signals = live::Signals::listen()?;
    let running = live::Running::start(&folder.path, &clock, out).await?;
    let posted = post(shown, &running.connectors, &clock).await?;
    let file = shown.files.first().map_or("", |(name, _)| *name);
    out.data(&format!(
        "{}: {}.\nIn this process: {}.\n{}What to keep the same is written in {}/{file}\n{}",
        shown.name,
        shown.about,
        stage.addresses(shown),
        if posted > 0 { format!("{} posted.\n", count(posted, "record was", "records were")) } else { String::new() },
        folder.path.display(),
        folder.told_kept(),
    ));
    running.tell_console(out);
    let mut office = Office::open(&folder.path, out).await?;
    let ended = tokio::select! {
        ended = story(shown, &mut office, (&running, &stage, &folder), out) => ended,
        () = signals.next() => {
            out.talk("\nstopping");
            Ok(())
        }
    };
    tokio::select! {
        () = running.daemon.stop() => {}
        () = signals.next() => {}
    }
    ended.map(|()| Exit::Done)
}

async fn story(
    shown: &Shown,
    office: &mut Office,
    (running, stage, folder): (&live::Running, &Stage, &Folder),
    out: &Output,
) -> Result<(), CliError> {
    if consent(office, stage).await? > 0 {
        out.data("\nIts owner consented to the login.\n");
    }
    let (names, all) = (Names::of(&office.config), integrations(shown)?);
    let mut told = DateTime::<Utc>::MIN_UTC;
    for what in &all {
        let request = |mode| crate::cli::sync::request(what.clone(), Vec::new(), mode, false, None);
        out.data(&format!("\nThe first run of `{what}` only matches and reports:\n"));
        let first = office.run(request(Mode::Sync), out).await?;
        let rows = matching::rows(&first, &names);
        let command = format!("reconciled match {what} --report");
        out.data(&live::beginning(
            &matching::render(std::slice::from_ref(&first), &rows, true, out.paint),
            14,
            &command,
        ));
        out.data(&format!(
            "\nA person would read that and say `reconciled approve {what}`; the demo does it for you.\n\n"
        ));
        let _ = office.ask(Request::Approve { what: what.to_string(), except: Vec::new() }).await;
        let done = office.run(request(Mode::Sync), out).await?;
        out.data(&report::outcome(&done, &names, false, out.paint));
        told = told.max(done.ended);
    }
    let program = std::env::args().next().unwrap_or_else(|| "reconciled".to_owned());
    out.data(&format!(
        "\nEverything works on it in another terminal:\n{program} --config {0} status\n{program} --config {0} sync {1}\n\
         Ctrl-C ends the demo.\n\n",
        folder.path.display(),
        shown.integrations.first().unwrap_or(&shown.name),
    ));
    live::watch(office, &running.daemon, (&all, &names, told), out).await
}
