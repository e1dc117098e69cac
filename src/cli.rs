//! The command line: one file per command.
//!
//! A command is parsed (`args`), finds somebody who carries it out (`setup`: the daemon over its
//! socket, or this process with the store open), and prints what came of it: data to standard output, talk and
//! progress to standard error. Everything that people read is made by pure `render` functions from plain reports.
//! Exit codes are an API: `docs/commands.md`.

mod access;
mod approve;
mod args;
mod checkup;
mod client;
mod codes;
mod configs;
mod conflicts;
mod connect;
mod connectors;
mod demo;
mod doctor;
mod edit;
mod estimate;
mod examples;
mod exit;
mod explain;
mod files;
mod forget;
mod init;
mod links;
mod log_level;
mod man;
mod matching;
mod names;
mod notifications;
mod offline;
mod online;
mod output;
mod parked;
mod pause;
mod plan;
mod rehearse;
mod reload;
mod render;
pub(crate) mod report;
mod revert;

mod run;
mod runs;
mod secrets;
mod setup;
mod status;
mod sync;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod transfer;
mod validate;

use std::{io::IsTerminal, path::Path, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, error::ErrorKind};
use tracing_subscriber::EnvFilter;

use self::{
    args::{Command, CommandLine, SchemaArgs, SecretsCommand, TestArgs},
    exit::{CliError, Exit},
    output::Output,
    setup::Office,
};

/// Parses the command line of this process and carries it out.
#[must_use]
pub fn main() -> ExitCode {
    let parsed = examples::with_examples(CommandLine::command()).try_get_matches();
    let line = match parsed.and_then(|matches| CommandLine::from_arg_matches(&matches)) {
        Ok(line) => line,
        Err(error) => {
            // What cannot be printed any more (`--help | head -1`) is no reason to fail.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { Exit::Done.into() } else { Exit::Usage.into() };
        }
    };
    let out = Output::new(line.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            out.talk(&format!("error: this process cannot start its threads: {error}"));
            return Exit::Failed.into();
        }
    };
    let exit = runtime.block_on(carry_out(&line, &out)).unwrap_or_else(|error| {
        out.talk(&out.talk_paint.red(&error.told()));
        error.exit()
    });
    // Whatever a thread still does (a name lookup that hangs) must not hold up the end.
    runtime.shutdown_background();
    exit.into()
}

async fn carry_out(line: &CommandLine, out: &Output) -> Result<Exit, CliError> {
    let dir = line.config.as_path();
    let client = line.client.as_deref();
    if client.is_some() {
        client::check(&line.command)?;
    }
    match &line.command {
        Command::Run => return run::run(dir, out).await,
        Command::Init(args) => return init::run(dir, args, out),
        Command::Validate(args) => return validate::run(dir, args, out).await,
        Command::Render(args) => return render::run(dir, args, out),
        Command::Connectors(args) => return connectors::run(dir, args, out).await,
        Command::Access(command) => return access::run(command, out),
        Command::Schema(args) => {
            out.json(&match args {
                SchemaArgs { tests: true, .. } => crate::rehearse::test_schema(),
                SchemaArgs { connectors: true, .. } => crate::config::connector_schema(),
                SchemaArgs { settings: true, .. } => crate::config::settings_schema(),
                SchemaArgs { .. } => crate::config::config_schema(),
            });
            return Ok(Exit::Done);
        }
        Command::Completions(args) => {
            clap_complete::generate(args.shell, &mut CommandLine::command(), "reconciled", &mut std::io::stdout());
            return Ok(Exit::Done);
        }
        Command::Man { dir } => return man::run(dir),
        _ => {}
    }
    if let Command::Replay(args) = &line.command {
        log("RECONCILED_LOG", "off");
        return rehearse::replay(dir, (args, client), out);
    }
    if let Command::Test(args @ TestArgs { record: None, .. }) = &line.command {
        // What goes wrong in a test is what it is about; a log of it would only be in the way.
        log("RECONCILED_LOG", "off");
        return rehearse::run(dir, (args, client), out);
    }
    log("RECONCILED_LOG", "error");
    match &line.command {
        Command::Demo(args) => Box::pin(demo::run(args, out)).await,
        Command::Reload(args) => reload::run(dir, args, out).await,
        Command::LogLevel(args) => log_level::run(dir, args, out).await,
        Command::Edit(args) => edit::run(dir, args, out).await,
        Command::Doctor(args) => doctor::run(dir, (args, client), out).await,
        Command::Explain(args) if codes::is_code(args) => codes::run(&args.pipeline, out),
        Command::Config(command) => configs::run(dir, (command, client), out).await,
        Command::Export(args) => {
            transfer::export(&setup::load_settings(dir, out)?, (args.file.as_deref(), client), out).await
        }
        Command::Import(args) => transfer::import(&setup::load_settings(dir, out)?, args, out).await,
        other => in_office((other, client), dir, out).await,
    }
}

/// The commands that need the daemon or the store.
async fn in_office((command, client): (&Command, Option<&str>), dir: &Path, out: &Output) -> Result<Exit, CliError> {
    let mut office = Office::open(dir, out).await?;
    if let Some(client) = client {
        office.narrow(client)?;
    }
    let office = &mut office;
    match command {
        Command::Plan(args) => plan::run(office, args, out).await,
        Command::Test(TestArgs { record: Some(name), limit, .. }) => {
            rehearse::record(office, (dir, name, *limit), out).await
        }
        Command::Sync(args) => sync::run(office, args, out).await,
        Command::Revert(args) => revert::run(office, args, out).await,
        Command::Status => status::run(office, out).await,
        Command::Runs(args) => runs::run(office, args, out).await,
        Command::Explain(args) => explain::run(office, args, out).await,
        Command::Match(args) => matching::run(office, args, out).await,
        Command::Links(command) => links::run(office, command, out).await,
        Command::Parked(command) => parked::run(office, command, out).await,
        Command::Conflicts(command) => conflicts::run(office, command, out).await,
        Command::Approve(args) => approve::approve(office, args, out).await,
        Command::Reject(args) => approve::reject(office, &args.what, out).await,
        Command::Notifications(command) => notifications::run(office, command, out).await,
        Command::Forget(args) => forget::run(office, args, out).await,
        Command::Secrets(SecretsCommand::Check) => secrets::check(office, out).await,
        Command::Pause(args) => pause::pause(office, args, out).await,
        Command::Resume(args) => pause::resume(office, args, out).await,
        Command::Connect(args) => connect::connect(office, args, out).await,
        Command::Disconnect(args) => connect::disconnect(office, args, out).await,
        Command::Connections => connect::list(office, out).await,
        Command::Run
        | Command::Init(_)
        | Command::Validate(_)
        | Command::Doctor(_)
        | Command::Render(_)
        | Command::Connectors(_)
        | Command::Schema(_)
        | Command::Test(_)
        | Command::Replay(_)
        | Command::Completions(_)
        | Command::Man { .. }
        | Command::Demo(_)
        | Command::Reload(_)
        | Command::LogLevel(_)
        | Command::Access(_)
        | Command::Edit(_)
        | Command::Config(_)
        | Command::Export(_)
        | Command::Import(_) => Err(CliError::Other("this command needs no office".to_owned())),
    }
}

/// Logs to standard error as the environment variable `name` says: text on a terminal, JSON Lines otherwise. A daemon's
/// log can be changed while it runs.
fn log(name: &str, otherwise: &str) {
    let wanted = std::env::var(name).ok().filter(|text| EnvFilter::try_new(text).is_ok());
    let wanted = wanted.unwrap_or_else(|| otherwise.to_owned());
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(&wanted)).with_writer(std::io::stderr);
    // A logger that is set already is as good.
    if std::io::stderr().is_terminal() {
        let builder = builder.with_target(false).with_filter_reloading();
        let handle = builder.reload_handle();
        if builder.try_init().is_ok() {
            crate::daemon::log_level::install(&wanted, move |text| changed(text, |filter| handle.reload(filter)));
        }
    } else {
        let builder = builder.json().with_filter_reloading();
        let handle = builder.reload_handle();
        if builder.try_init().is_ok() {
            crate::daemon::log_level::install(&wanted, move |text| changed(text, |filter| handle.reload(filter)));
        }
    }
}

fn changed(
    text: &str,
    reload: impl Fn(EnvFilter) -> Result<(), tracing_subscriber::reload::Error>,
) -> Result<(), String> {
    let filter = EnvFilter::try_new(text).map_err(|error| error.to_string())?;
    reload(filter).map_err(|error| error.to_string())
}
