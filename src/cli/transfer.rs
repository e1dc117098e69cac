//! `export` and `import`: everything that is remembered, as JSON Lines.

use std::{path::Path, sync::Arc};

use serde_json::json;

use super::{
    args::ImportArgs,
    exit::{CliError, Exit},
    output::Output,
    setup,
    text::count,
};
use crate::{
    clock::Clock,
    config::{Config, IntegrationName},
    daemon,
    store::{Ledger, SledStore, Store, StoreError, snapshot, transfer},
};

/// Writes the store to a file, or to a new one in the folder of the snapshots.
///
/// # Errors
///
/// When the store is in use, or it or the file fails.
pub async fn export(
    config: &Config,
    (file, client): (Option<&Path>, Option<&str>),
    out: &Output,
) -> Result<Exit, CliError> {
    setup::no_daemon(config).await?;
    let Some(file) = file else { return beside_the_snapshots(config, client, out).await };
    let store = setup::open_store(config)?;
    let at = Clock::system().now().to_rfc3339();
    let entries = match client {
        None => transfer::export(store.as_ref(), file, &at).await?,
        Some(name) => {
            let name = IntegrationName::parse(name)
                .map_err(|error| CliError::Usage(format!("`{name}` is no name of a client: {error}")))?;
            let client =
                daemon::everything_of(&Ledger::new(store.clone()), &name, config).await.map_err(CliError::Refused)?;
            transfer::export_client(store.as_ref(), file, &at, &client).await?
        }
    };
    written(entries, Some(file), out);
    Ok(Exit::Done)
}

async fn beside_the_snapshots(config: &Config, client: Option<&str>, out: &Output) -> Result<Exit, CliError> {
    if client.is_some() {
        return Err(CliError::Usage(
            "name the file: what is of one client is handed over, and is no snapshot".to_owned(),
        ));
    }
    // A store is not made in order to say that it is empty.
    let (file, entries) = if SledStore::is_there(&config.settings.state_dir) {
        let store = setup::open_store(config)?;
        let made = snapshot::take_asked(store.as_ref(), &config.settings.backup, Clock::system().now()).await?;
        (Some(made.0), made.1)
    } else {
        out.talk(&format!(
            "nothing is remembered in {} yet, so nothing is written",
            config.settings.state_dir.display()
        ));
        (None, 0)
    };
    written(entries, file.as_deref(), out);
    Ok(Exit::Done)
}

fn written(entries: u64, file: Option<&Path>, out: &Output) {
    if out.json {
        out.json(&json!({ "entries": entries, "file": file }));
    }
    if let Some(file) = file {
        out.talk(&format!("{} written to {}", count(entries, "entry", "entries"), file.display()));
    }
}

/// Reads a file into the store.
///
/// # Errors
///
/// When the store is in use or not empty, the file is not a whole export, or one of them fails.
pub async fn import(config: &Config, args: &ImportArgs, out: &Output) -> Result<Exit, CliError> {
    let now = Clock::system().now();
    setup::no_daemon(config).await?;
    let path = config.settings.state_dir.clone();
    let open = || SledStore::open_for_import(&path, config.settings.store_cache_bytes);
    let store = match open() {
        // What cannot be opened is to be replaced as well.
        Err(StoreError::Failed { .. } | StoreError::Damaged { .. }) if args.replace => {
            let stamp = now.format("%Y%m%dT%H%M%SZ").to_string();
            let aside = SledStore::set_aside(&path, &stamp);
            let aside = aside.map_err(|source| CliError::File {
                action: "set aside the store in",
                path: path.clone(),
                source,
            })?;
            out.talk(&format!("the store could not be opened; its files are in {} now", aside.display()));
            open()
        }
        other => other,
    };
    let store: Arc<dyn Store> = Arc::new(store.map_err(|source| CliError::Store { path: path.clone(), source })?);
    let entries = if args.as_is {
        transfer::import(store.as_ref(), &args.file, args.replace).await?
    } else {
        transfer::import_anew(&store, &args.file, args.replace, now).await?
    };
    if out.json {
        out.json(&json!({ "entries": entries, "file": args.file }));
    }
    out.talk(&format!("{} read from {}", count(entries, "entry", "entries"), args.file.display()));
    if !args.as_is {
        out.talk(
            "both systems may have moved on since: links are kept, and every pipeline begins as on a first run. \
             `reconciled plan` shows what would be written, `reconciled approve` goes on",
        );
    }
    Ok(Exit::Done)
}
