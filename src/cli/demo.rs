//! `demo`: two practice systems, an integration and the daemon in one process; nothing to install.

mod compare;
mod edits;
mod folder;
mod live;
mod once;
mod systems;

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
    if args.once {
        return once::run(args.dir.as_deref(), out).await;
    }
    Box::pin(live::run(args, out)).await
}
