//! `demo`: practice systems, an integration and the daemon in one process; nothing to install. Without a name it is its own
//! integration of a website and a Xero; with one it is a folder of the examples.

mod compare;
mod edits;
mod folder;
mod gallery;
mod live;
mod once;
mod shown;
mod stage;
mod systems;

use serde_json::json;

use super::{
    args::DemoArgs,
    exit::{CliError, Exit},
    output::Output,
};

/// Runs the demo: once and checked, or live until it is stopped.
///
/// # Errors
///
/// When the folder cannot be used, or something fails that the demo stands on.
pub async fn run(args: &DemoArgs, out: &Output) -> Result<Exit, CliError> {
    if args.list {
        if out.json {
            out.json(
                &gallery::ALL.iter().map(|one| json!({ "name": one.name, "about": one.about })).collect::<Vec<_>>(),
            );
        } else {
            out.data(&gallery::listed());
        }
        return Ok(Exit::Done);
    }
    if let Some(name) = &args.name {
        let shown = gallery::named(name)?;
        if args.once {
            return Box::pin(shown::once(shown, args.dir.as_deref(), out)).await;
        }
        return Box::pin(shown::live(shown, args, out)).await;
    }
    if args.once {
        return once::run(args.dir.as_deref(), out).await;
    }
    Box::pin(live::run(args, out)).await
}
