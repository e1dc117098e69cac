//! `export` and `import`: everything that is remembered, as JSON Lines.

use std::path::Path;

use serde_json::json;

use super::{
    args::ImportArgs,
    exit::{CliError, Exit},
    output::Output,
    setup,
    text::count,
};
use crate::{clock::Clock, config::Config, store::transfer};

/// Writes the store to a file.
///
/// # Errors
///
/// When the store is in use, or it or the file fails.
pub async fn export(config: &Config, file: &Path, out: &Output) -> Result<Exit, CliError> {
    let store = setup::store_alone(config).await?;
    let entries = transfer::export(store.as_ref(), file, &Clock::system().now().to_rfc3339()).await?;
    if out.json {
        out.json(&json!({ "entries": entries, "file": file }));
    }
    out.talk(&format!("{} written to {}", count(entries, "entry", "entries"), file.display()));
    Ok(Exit::Done)
}

/// Reads a file into the store.
///
/// # Errors
///
/// When the store is in use or not empty, the file is not a whole export, or one of them fails.
pub async fn import(config: &Config, args: &ImportArgs, out: &Output) -> Result<Exit, CliError> {
    let store = setup::store_alone(config).await?;
    let entries = transfer::import(store.as_ref(), &args.file, args.replace).await?;
    if out.json {
        out.json(&json!({ "entries": entries, "file": args.file }));
    }
    out.talk(&format!("{} read from {}", count(entries, "entry", "entries"), args.file.display()));
    Ok(Exit::Done)
}
