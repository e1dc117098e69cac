//! `doctor`: what is wrong with this installation, and what to do. Writes nothing anywhere.

mod disk;
mod machine;

use std::path::Path;

use super::{
    args::DoctorArgs,
    checkup::{self, Finding},
    exit::{CliError, Exit},
    online,
    output::Output,
    text::count,
};
use crate::{
    config::{self, Auth, IntegrationName, Loaded, ProcessEnv, is_below},
    daemon::{
        Client, ClientError,
        protocol::{Request, Response},
    },
};

/// Looks at everything, and says what was found.
///
/// # Errors
///
/// When the configuration folder is not there.
pub async fn run(dir: &Path, (args, client): (&DoctorArgs, Option<&str>), out: &Output) -> Result<Exit, CliError> {
    if !dir.is_dir() {
        let message = format!("there is no configuration folder {}; `--config DIR` names another", dir.display());
        return Err(CliError::Config(message));
    }
    let loaded = config::load(dir, &ProcessEnv);
    if let Some(client) = client {
        return of_client(loaded, (args, client), out).await;
    }
    let mut findings = configuration(dir, &loaded);
    let settings = &loaded.config.settings;
    if loaded.settings_sound {
        findings.extend(disk::look(settings));
        findings.extend(daemon(&loaded, None).await);
    }
    findings.extend(machine::look());
    findings.extend(secrets(&loaded).await);
    if args.online {
        findings.extend(online::ask(&loaded.config, out).await);
    }
    Ok(told(&findings, loaded.has_errors(), out))
}

/// Looks at what is of one client alone: its files, its connections, and how it runs.
async fn of_client(mut loaded: Loaded, (args, client): (&DoctorArgs, &str), out: &Output) -> Result<Exit, CliError> {
    let Some((name, written)) = loaded.written.iter().find(|(name, _)| name.as_str() == client) else {
        return Err(CliError::Usage(format!("there is no integration named `{client}`")));
    };
    let mut findings = Vec::new();
    let broken = !written.whole;
    findings.push(if broken {
        let help = "`reconciled validate` shows the mistakes with their places";
        Finding::bad(client, format!("it has mistakes, or needs what has; it is in {}", written.file), help)
    } else {
        Finding::ok(client, format!("it is sound, in {}", written.file))
    });
    let name = name.clone();
    let used = super::client::connections(&loaded.config, client);
    if loaded.settings_sound {
        let concerns = |about: &str| {
            let own = about.strip_prefix("notification ").unwrap_or(about);
            own == client || is_below(own, client) || used.iter().any(|name| name.as_str() == about)
        };
        findings.extend(daemon(&loaded, Some(&name)).await.into_iter().filter(|finding| concerns(&finding.about)));
    }
    loaded.config.connections.retain(|name, _| used.contains(name));
    loaded.config.integrations.retain(|known, _| *known == name);
    findings.extend(secrets(&loaded).await);
    if args.online {
        findings.extend(online::ask(&loaded.config, out).await);
    }
    Ok(told(&findings, broken, out))
}

fn told(findings: &[Finding], broken: bool, out: &Output) -> Exit {
    if out.json {
        out.json(findings);
    } else {
        out.data(&checkup::render(findings, out.paint));
    }
    if broken {
        Exit::Config
    } else if checkup::is_bad(findings) {
        Exit::Failed
    } else {
        Exit::Done
    }
}

fn configuration(dir: &Path, loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    let about = "configuration";
    let mistakes = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count() as u64;
    if mistakes > 0 {
        let found = format!("{} in {}", count(mistakes, "mistake", "mistakes"), dir.display());
        findings.push(Finding::bad(about, found, "`reconciled validate` shows them with their places"));
    } else {
        let pipelines = count(loaded.config.pipelines().count() as u64, "pipeline", "pipelines");
        findings.push(Finding::ok(about, format!("{} is sound: {pipelines}", dir.display())));
    }
    if disk::is_open_to_all(dir) {
        findings.push(Finding::warning(
            about,
            format!("everybody on this machine may read {}, and secrets may stand in it", dir.display()),
            format!("chmod o= {}", dir.display()),
        ));
    }
    findings
}

/// What the daemon knows, of all or of one integration.
async fn daemon(loaded: &Loaded, only: Option<&IntegrationName>) -> Vec<Finding> {
    let about = "daemon";
    let mut client = match Client::connect(&loaded.config.settings.socket).await {
        Ok(client) => client,
        Err(ClientError::NoDaemon { .. }) => {
            let help = "start it with `systemctl start reconciled`, or `reconciled run`; commands work without it, too";
            return vec![Finding::warning(about, "none runs, so nothing starts by itself", help)];
        }
        Err(error) => {
            let help = "people of the socket's group may ask it: `adduser NAME reconciled`, then log in anew";
            return vec![Finding::bad(about, error.to_string(), help)];
        }
    };
    let status = match client.call(&Request::Status).await {
        Ok(Response::Status(status)) => status,
        Ok(_) => return vec![Finding::bad(about, "it is of another version than this command", "restart it")],
        Err(error) => {
            return vec![Finding::bad(about, error.to_string(), "look at its log: `journalctl -u reconciled`")];
        }
    };
    let Some(now) = status.daemon else { return Vec::new() };
    let own = env!("CARGO_PKG_VERSION");
    let mut findings = Vec::new();
    if now.version == own {
        findings.push(Finding::ok(about, format!("version {own} runs, process {}", now.pid)));
    } else {
        let found = format!("version {} runs, and this command is of version {own}", now.version);
        findings.push(Finding::warning(about, found, "restart it: `systemctl restart reconciled`"));
    }
    if let Some(cause) = &now.store_failing {
        findings.push(Finding::bad(
            "store",
            cause.clone(),
            "if the disk is full, make room; it goes on by itself then",
        ));
    }
    findings.extend(machine::open_files(now.pid));
    for login in &status.connections {
        if let Some(todo) = &login.todo {
            findings.push(Finding::warning(login.connection.as_str(), login.state.to_string(), todo.clone()));
        }
    }
    for integration in now.integrations.iter().filter(|one| only.is_none_or(|only| one.integration == *only)) {
        for trouble in &integration.troubles {
            let help = if trouble.temporary { "it is tried again by itself" } else { "it does not pass by itself" };
            findings.push(Finding::bad(trouble.connection.as_str(), trouble.message.clone(), help));
        }
        if let Some(why) = &integration.pending {
            let help = "`reconciled config diff` shows what the files would change";
            findings.push(Finding::warning(integration.integration.as_str(), why.clone(), help));
        }
    }
    if let Ok(Response::Notifications(all)) = client.call(&Request::Notifications).await {
        for one in all {
            if let Some(why) = one.failing {
                let help = format!("`reconciled notifications test {}` tries it", one.name);
                findings.push(Finding::bad(format!("notification {}", one.name), why, help));
            }
        }
    }
    findings
}

/// Secrets that cannot be read from here. The daemon may have others: variables and credentials of its unit.
async fn secrets(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    for connection in loaded.config.connections.values() {
        if matches!(connection.auth, Auth::Grant(_)) {
            // Logins by consent are kept by the daemon; its status tells of them.
            continue;
        }
        for (_, secret) in connection.secrets() {
            if let Err(why) = secret.reveal().await {
                let help = "only the daemon needs it; commands that speak to systems without a daemon need it here";
                findings.push(Finding::warning(connection.name.as_str(), why, help));
            }
        }
    }
    findings
}
