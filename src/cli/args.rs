//! The command line.

mod init;
mod memory;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub use init::{Direction, InitArgs};
pub use memory::{FileArgs, ForgetArgs, ImportArgs};

/// Keeps business records in two systems the same, as a few lines of YAML say.
#[derive(Debug, Parser)]
#[command(
    name = "reconciled",
    version,
    after_help = "Try it: `reconciled demo` runs two practice systems on this machine."
)]
pub struct CommandLine {
    /// Configuration folder
    #[arg(
        long,
        global = true,
        env = "RECONCILED_CONFIG",
        hide_env_values = true,
        default_value = "/etc/reconciled",
        value_name = "DIR"
    )]
    pub config: PathBuf,

    /// Print JSON for programs instead of text for people
    #[arg(long, global = true)]
    pub json: bool,

    /// Only this integration, and its pipelines by their short names
    #[arg(long, global = true, value_name = "CLIENT")]
    pub client: Option<String>,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon in the foreground
    Run,
    /// Write a first integration into a folder, from a few answers
    Init(InitArgs),
    /// Check the configuration: every mistake with its place, and the calls a day
    Validate(ValidateArgs),
    /// Look for what is wrong with this installation, writing nothing
    Doctor(DoctorArgs),
    /// Show what a sync would do, writing nothing
    Plan(PlanArgs),
    /// Sync now, and tell what was done
    Sync(SyncArgs),
    /// Show how everything stands
    Status,
    /// Show the last runs
    Runs(RunsArgs),
    /// Say why a record is as it is
    Explain(ExplainArgs),
    /// Show what a first run would link, create and park
    Match(MatchArgs),
    /// Look at, make and dissolve links between records
    #[command(subcommand)]
    Links(LinksCommand),
    /// Look at what is put aside, and decide about it
    #[command(subcommand)]
    Parked(ParkedCommand),
    /// Look at fields whose sides disagree, and choose a side
    #[command(subcommand)]
    Conflicts(ConflictsCommand),
    /// Let a held run, a first run or a held edit go ahead
    Approve(ApproveArgs),
    /// Refuse a held run or edit
    Reject(RejectArgs),
    /// Write back what a run overwrote
    Revert(RevertArgs),
    /// Write everything that is remembered, or all of one client, to a file
    Export(FileArgs),
    /// Erase everything that is remembered of a client that is configured no more
    Forget(ForgetArgs),
    /// Read everything that is remembered from a file
    Import(ImportArgs),
    /// Play the tests of the configuration (`*.test.yaml`) between systems in memory
    Test(TestArgs),
    /// Play recorded tests with the configuration of now; show which writes differ
    Replay(ReplayArgs),
    /// Show an integration with everything of its template filled in
    Render(RenderArgs),
    /// List the connectors and their resources, or try one
    Connectors(ConnectorsArgs),
    /// Print the JSON Schema of the configuration, of test files, or of the settings
    Schema(SchemaArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write the man pages into a folder, for packages
    #[command(hide = true)]
    Man {
        /// The folder
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Try it on two practice systems on this machine
    Demo(DemoArgs),
    /// See who is told what goes wrong, and try it
    #[command(subcommand)]
    Notifications(NotificationsCommand),
    /// Look after secrets
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// Keep integrations or pipelines from starting by themselves, also after a restart
    Pause(NamesArgs),
    /// Let what was paused go on
    Resume(NamesArgs),
    /// Have the owner of an account consent to a login
    Connect(ConnectArgs),
    /// Give a login back: tokens are revoked and erased, pipelines stop, links are kept
    Disconnect(DisconnectArgs),
    /// List the connections that log in by consent, and what to do about them
    Connections,
    /// Show or change how much the running daemon logs
    LogLevel(LogLevelArgs),
    /// Have the daemon take over the edited configuration, and say what came of every file
    Reload(ReloadArgs),
    /// Make what is written in reconciled.toml for those who use the console
    #[command(subcommand)]
    Access(AccessCommand),
    /// Edit a file of the configuration: check it, show what it changes, move it in whole
    Edit(EditArgs),
    /// Compare the files with what runs, and put back the last good text of one
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// `access …`.
#[derive(Debug, Subcommand)]
pub enum AccessCommand {
    /// Ask for a password and print its hash, for [admin.users]
    Password,
    /// Make a token and print it with its hash, for [admin.tokens]
    Token,
}

/// `edit`.
#[derive(Debug, Args)]
pub struct EditArgs {
    /// The file, below the configuration folder; it need not be there yet
    pub file: PathBuf,
}

/// `config …`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say what the files would change about what runs, and which records
    Diff,
    /// Put back the last good text of a file, after showing it
    Restore(RestoreArgs),
}

/// `config restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The file, below the configuration folder
    pub file: PathBuf,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Also ask the systems, writing nothing: login, rights, fields, clock
    #[arg(long)]
    pub online: bool,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Also ask the systems, as `validate --online` does
    #[arg(long)]
    pub online: bool,
}

/// `secrets …`.
#[derive(Debug, Subcommand)]
pub enum SecretsCommand {
    /// Say which secrets are missing for which clients, showing none
    Check,
}

/// `notifications …`.
#[derive(Debug, Subcommand)]
pub enum NotificationsCommand {
    /// List who is told, what they were told, and what waits to be sent
    List,
    /// Send one message now, to see whether it arrives
    Test {
        /// The notification
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// `connectors`.
#[derive(Debug, Args)]
pub struct ConnectorsArgs {
    /// What to do; without it, they are listed
    #[command(subcommand)]
    pub command: Option<ConnectorsCommand>,
}

/// `connectors …`.
#[derive(Debug, Subcommand)]
pub enum ConnectorsCommand {
    /// List the connectors and their resources
    List,
    /// Show the fields of a connector's resources
    Show {
        /// The connector
        #[arg(value_name = "CONNECTOR")]
        name: String,
    },
    /// Read one page of a resource and show what a pipeline would see; writes nothing
    Try {
        /// The connection
        #[arg(value_name = "CONNECTION")]
        connection: String,
        /// The resource
        #[arg(value_name = "RESOURCE")]
        resource: String,
        /// Show at most so many records
        #[arg(long, default_value_t = 3)]
        limit: usize,
    },
}

/// `pause` and `resume`.
#[derive(Debug, Args)]
pub struct NamesArgs {
    /// Pipelines or integrations; all if none is named
    #[arg(value_name = "PIPELINE|INTEGRATION")]
    pub names: Vec<String>,
}

/// `log-level`.
#[derive(Debug, Args)]
pub struct LogLevelArgs {
    /// `debug`, or for one module `daemon=debug`, or `reset`; without it, it is shown
    #[arg(value_name = "[MODULE=]LEVEL")]
    pub level: Option<String>,
}

/// `reload`.
#[derive(Debug, Args)]
pub struct ReloadArgs {
    /// Wait until every edited integration has taken over
    #[arg(long)]
    pub wait: bool,
    /// Also believe that many files were removed
    #[arg(long)]
    pub force: bool,
}

/// `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Pipelines or integrations; all if none is named
    #[arg(value_name = "PIPELINE")]
    pub pipelines: Vec<String>,
    /// Exit with 2 if there is something to do, with 5 if it would be held
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Read everything, not only what changed
    #[arg(long)]
    pub full: bool,
}

/// `sync`.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// Pipelines or integrations; all if none is named
    #[arg(value_name = "PIPELINE")]
    pub pipelines: Vec<String>,
    /// Write at most this many records
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Read everything, not only what changed
    #[arg(long)]
    pub full: bool,
}

/// `runs`.
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// Only this integration
    #[arg(value_name = "INTEGRATION")]
    pub integration: Option<String>,
    /// How many of each
    #[arg(long, short = 'n', default_value_t = 10, value_name = "N")]
    pub last: usize,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The pipeline, or alone the code of a mistake (`config::unknown_key`)
    #[arg(value_name = "PIPELINE|CODE")]
    pub pipeline: String,
    /// An id of either side, or a name, e-mail address or number
    pub record: Option<String>,
}

/// `match`.
#[derive(Debug, Args)]
pub struct MatchArgs {
    /// The pipeline, or an integration for all of its pipelines
    pub pipeline: String,
    /// List every record, not only the counts
    #[arg(long)]
    pub report: bool,
    /// Print the list as CSV
    #[arg(long, conflicts_with = "json", requires = "report")]
    pub csv: bool,
}

/// `connect`.
#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// The grant, or a connection that logs in by one
    pub what: String,
    /// Print a link that works once, for the owner of the account
    #[arg(long, conflicts_with = "paste")]
    pub link: bool,
    /// Paste the address at which a browser elsewhere ends
    #[arg(long)]
    pub paste: bool,
}

/// `disconnect`.
#[derive(Debug, Args)]
pub struct DisconnectArgs {
    /// The connection, or the grant for all of its connections
    pub what: String,
    /// The whole grant, although a connection is named
    #[arg(long)]
    pub grant: bool,
}

/// `links …`.
#[derive(Debug, Subcommand)]
pub enum LinksCommand {
    /// List the links of a pipeline
    List {
        /// The pipeline
        pipeline: String,
    },
    /// Link two records by hand
    Add {
        /// The pipeline
        pipeline: String,
        /// Id on the source
        source: String,
        /// Id on the target
        target: String,
    },
    /// Dissolve a link; both records stay as they are
    Remove {
        /// The pipeline
        pipeline: String,
        /// Id of either side; `target:17` says which side
        record: String,
    },
    /// Link the pairs in a CSV file: the source's id, the target's id
    Import {
        /// The file
        #[arg(value_name = "FILE.csv")]
        file: PathBuf,
        /// The pipeline
        pipeline: String,
    },
}

/// `parked …`.
#[derive(Debug, Subcommand)]
pub enum ParkedCommand {
    /// List what is parked: what is wrong, what to do, and when it is tried again
    List {
        /// Only this pipeline, or the pipelines of this integration
        pipeline: Option<String>,
        /// Show the ignored ones too
        #[arg(long)]
        all: bool,
        /// Group by cause over all integrations: what is wrong, how often, and where
        #[arg(long)]
        causes: bool,
    },
    /// Look at a parked record again in the next run, or at all of a pipeline
    Retry {
        /// The pipeline
        pipeline: String,
        /// The record's id; without it, everything parked in the pipeline
        record: Option<String>,
    },
    /// Keep a parked record off the list until its trouble changes
    Ignore {
        /// The pipeline
        pipeline: String,
        /// The record's id on either side; `target:17` says which
        record: String,
    },
}

/// `conflicts …`.
#[derive(Debug, Subcommand)]
pub enum ConflictsCommand {
    /// List the fields whose sides disagree
    List {
        /// Only this pipeline, or the pipelines of this integration
        pipeline: Option<String>,
    },
    /// Choose the side whose value wins; it is written in the next run
    Resolve {
        /// The pipeline
        pipeline: String,
        /// The record's id on either side; `target:17` says which
        record: String,
        /// Only this field; without it, every parked field of the record
        #[arg(long)]
        field: Option<String>,
        /// Which side wins.
        #[command(flatten)]
        winner: WinnerArgs,
    },
}

/// Exactly one side.
#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WinnerArgs {
    /// The source's value goes to the target
    #[arg(long)]
    pub source: bool,
    /// The target's value goes to the source
    #[arg(long)]
    pub target: bool,
}

/// `approve`.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The id of what is held, a pipeline, an integration, a template
    #[arg(value_name = "ID|PIPELINE|INTEGRATION|TEMPLATE")]
    pub what: String,
    /// Records to leave out, by any id: an edit parks them, a run holds them
    #[arg(long, value_name = "RECORD", num_args = 1..)]
    pub except: Vec<String>,
}

/// `reject`.
#[derive(Debug, Args)]
pub struct RejectArgs {
    /// The id of a held run or edit
    #[arg(value_name = "ID")]
    pub what: String,
}

/// `revert`.
#[derive(Debug, Args)]
pub struct RevertArgs {
    /// The run, as `runs` names it
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Only this pipeline
    #[arg(value_name = "PIPELINE")]
    pub pipeline: Option<String>,
    /// Only the record with this id, of either side; `target:17` says which
    #[arg(value_name = "RECORD", requires = "pipeline")]
    pub record: Option<String>,
    /// Show what it would do, writing nothing
    #[arg(long)]
    pub plan: bool,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// A folder of the examples, as `--list` names them [default: the demo's own]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// List the examples that can be run
    #[arg(long, conflicts_with_all = ["name", "once", "dir"])]
    pub list: bool,
    /// Sync, edit, sync again, check that both sides agree, and end
    #[arg(long)]
    pub once: bool,
    /// Folder for its files [default: demo-data, demo-NAME, or a temporary one]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// The integration (an agency's client)
    #[arg(value_name = "CLIENT")]
    pub name: String,
    /// Leave out where each value came from
    #[arg(long)]
    pub plain: bool,
}

/// `test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Files of tests, or folders with some; without any, those in the configuration folder
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Only tests whose name holds this
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Write the results to this file, too, as `JUnit` XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print what its next sync would do as a test, with stand-ins for words
    #[arg(long, value_name = "NAME", conflicts_with_all = ["paths", "only", "junit"])]
    pub record: Option<String>,
    /// Record so many of the records to write, and what they need
    #[arg(long, value_name = "N", default_value_t = 20, requires = "record")]
    pub limit: usize,
}

/// `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Recorded tests, or folders with some [default: the configuration folder]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Only tests whose name holds this
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
}

/// `schema`.
#[derive(Clone, Copy, Debug, Args)]
#[group(multiple = false)]
pub struct SchemaArgs {
    /// Of files of tests (`*.test.yaml`)
    #[arg(long)]
    pub tests: bool,
    /// Of files that hold connectors alone
    #[arg(long)]
    pub connectors: bool,
    /// Of the daemon's own settings, `reconciled.toml`
    #[arg(long)]
    pub settings: bool,
}
