//! What commands take that write out, read in and erase what is remembered.

use std::path::PathBuf;

use clap::Args;

/// `export`.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// The file (JSON Lines); if none is named, a new one beside the snapshots
    pub file: Option<PathBuf>,
}

/// `forget`.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// The integration (an agency's client)
    #[arg(value_name = "CLIENT")]
    pub name: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// A file that `export` wrote
    pub file: PathBuf,
    /// Forget what is remembered now
    #[arg(long)]
    pub replace: bool,
    /// Nothing has run since the export: go on where it stopped
    #[arg(long)]
    pub as_is: bool,
}
