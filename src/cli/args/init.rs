//! What `init` takes.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};

/// `init`. What is not said is asked, on a terminal.
#[derive(Debug, Default, Args)]
pub struct InitArgs {
    /// The folder; without it, that of `--config`
    pub folder: Option<PathBuf>,
    /// Where the records come from: a connector, or CONNECTOR/RESOURCE
    #[arg(long, value_name = "CONNECTOR")]
    pub source: Option<String>,
    /// Where they go
    #[arg(long, value_name = "CONNECTOR")]
    pub target: Option<String>,
    /// `two-way`, `source-to-target` or `target-to-source`
    #[arg(long, value_name = "WAY", hide_possible_values = true)]
    pub direction: Option<Direction>,
    /// Leave source records alone that were made before this day
    #[arg(long, value_name = "DATE")]
    pub cut_over: Option<NaiveDate>,
    /// Name of the integration and of its file
    #[arg(long)]
    pub name: Option<String>,
    /// Address of the source, where its connector does not know it
    #[arg(long, value_name = "URL")]
    pub source_url: Option<String>,
    /// Address of the target
    #[arg(long, value_name = "URL")]
    pub target_url: Option<String>,
    /// Account of the source, where a login may have several
    #[arg(long, value_name = "ID")]
    pub source_tenant: Option<String>,
    /// Account of the target
    #[arg(long, value_name = "ID")]
    pub target_tenant: Option<String>,
}

/// Which way values go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// Edits of either side reach the other
    TwoWay,
    /// The source is never written
    SourceToTarget,
    /// The target is never written
    TargetToSource,
}

impl Direction {
    /// As it is written in a file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::TwoWay => "two-way",
            Self::SourceToTarget => "source-to-target",
            Self::TargetToSource => "target-to-source",
        }
    }
}
