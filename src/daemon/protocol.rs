//! What commands and daemon say to each other over the unix socket: one JSON object a line.
//!
//! A client sends one [`Request`] a line (`{"do":"status"}`). The daemon answers each with any number of
//! [`Frame::Progress`] lines and then exactly one [`Frame::Done`] or [`Frame::Failed`], in the order of the requests.
//! Every request except `run` and `reload` is answered within [`DEADLINE`], also while a pipeline is stuck. Whatever it
//! is, no more than [`SILENCE`] passes between two lines of an answer: who hears nothing for longer may give up.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    forget::Forgotten,
    notices::NotificationNow,
    paused::Pause,
    reload::{ConfigDiff, GoodText, HeldEdit, ReloadReport, Rollout},
    secrets::SecretNow,
    status::DaemonStatus,
};
use crate::{
    config::{ConnectionName, IntegrationName, PipelineName},
    connector::Requests,
    engine::{
        ConflictItem, DeskError, EngineError, Explanation, IntegrationStatus, Listed, ParkedItem, Reading, Retried,
        RunReport, RunRequest,
    },
    grant::{ConnectionNow, Consented},
    record::{RecordId, Side},
    store::{HeldRun, RunRecord},
    sync::Link,
};

/// Longest time the daemon takes to answer anything but a run.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Longest time between two lines of an answer, with some to spare for a busy machine.
pub const SILENCE: Duration = Duration::from_secs(30);

/// Longest line either end accepts from a client, in bytes.
pub const LONGEST_REQUEST: u64 = 1 << 20;

/// What a command asks for. Decode it with [`Request::from_line`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Request {
    /// Is anybody there?
    Ping,
    /// How everything stands.
    Status,
    /// One run now: `sync`, `plan`, and `match` (a plan). Only this one sends progress and may take long.
    Run(RunRequest),
    /// Everything about a record.
    Explain {
        /// Where to look.
        pipeline: PipelineName,
        /// Its id, label or a value of it.
        record: String,
    },
    /// The links of a pipeline.
    Links {
        /// Which.
        pipeline: PipelineName,
    },
    /// Links two records by hand.
    LinkAdd {
        /// Where.
        pipeline: PipelineName,
        /// The source record.
        source: RecordId,
        /// The target record.
        target: RecordId,
    },
    /// Dissolves a link; both records stay.
    LinkRemove {
        /// Where.
        pipeline: PipelineName,
        /// Either of its ids.
        record: RecordId,
    },
    /// What is parked.
    Parked {
        /// Of one pipeline only.
        #[serde(default)]
        pipeline: Option<PipelineName>,
    },
    /// Has parked records looked at again.
    ParkedRetry {
        /// Where.
        pipeline: PipelineName,
        /// Only this one.
        #[serde(default)]
        record: Option<RecordId>,
    },
    /// Keeps a parked record off the list.
    ParkedIgnore {
        /// Where.
        pipeline: PipelineName,
        /// Which.
        record: RecordId,
    },
    /// Fields whose sides disagree.
    Conflicts {
        /// Of one pipeline only.
        #[serde(default)]
        pipeline: Option<PipelineName>,
    },
    /// Decides which side's value wins.
    ConflictResolve {
        /// Where.
        pipeline: PipelineName,
        /// Either id of the link.
        record: RecordId,
        /// Only this field.
        #[serde(default)]
        field: Option<String>,
        /// The side whose value goes to the other.
        winner: Side,
    },
    /// Runs that wait for a person.
    Held,
    /// Approves what is held.
    Approve {
        /// The id of a held run, edit or rollout, a pipeline, an integration (its first runs, its edit, or its turn in a
        /// rollout), or a template.
        what: String,
        /// Records to leave as they are, by an id of either side.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        except: Vec<RecordId>,
    },
    /// Rejects what is held.
    Reject {
        /// The id of a held run, edit or rollout, a pipeline, the integration of an edit, or a template.
        what: String,
    },
    /// The last runs of an integration, newest first.
    Runs {
        /// Which.
        integration: IntegrationName,
        /// How many at most.
        limit: usize,
    },
    /// Nothing of this starts by itself until it is resumed, also after a restart. By hand it can be run.
    Pause {
        /// An integration, or one of its pipelines.
        what: String,
        /// Who asks. Not sent: the daemon knows who is at the other end.
        #[serde(skip)]
        by: String,
    },
    /// Ends a pause; of an integration also the pauses of its pipelines.
    Resume {
        /// An integration, or one of its pipelines.
        what: String,
    },
    /// Who is told what goes wrong, and how that stands.
    Notifications,
    /// Erases everything that is remembered of a client that is configured no more.
    Forget {
        /// Which.
        integration: IntegrationName,
        /// Without it, it is only counted.
        #[serde(default)]
        sure: bool,
    },
    /// Which secrets are there. None is told.
    SecretsCheck,
    /// Sends one message to try it.
    NotificationTest {
        /// The name of the notification.
        name: String,
    },
    /// Begins a consent.
    ConnectBegin {
        /// A grant, or a connection that logs in by one.
        what: String,
        /// Where it leads back to; as configured unless given.
        #[serde(default)]
        redirect: Option<String>,
    },
    /// Ends a consent.
    ConnectFinish {
        /// What the remote put into the address that it led back to.
        parameters: Vec<(String, String)>,
    },
    /// Makes a one-time link for the owner of an account.
    ConnectLink {
        /// As of [`Request::ConnectBegin`].
        what: String,
    },
    /// Disconnects.
    Disconnect {
        /// As of [`Request::ConnectBegin`].
        what: String,
        /// The whole grant, whatever was named.
        #[serde(default)]
        whole: bool,
        /// Who asks; whoever takes the request knows better.
        #[serde(default)]
        by: String,
    },
    /// Changes how much the daemon logs, until its end.
    LogLevel {
        /// `debug`, `daemon=debug`, or `reset`; without one, nothing changes.
        #[serde(default)]
        directive: Option<String>,
    },
    /// What the files would change about what runs. Changes nothing.
    ConfigDiff {
        /// Texts in place of what some files hold, by their path below the folder.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        texts: BTreeMap<String, String>,
    },
    /// The last good text of a file of the configuration.
    LastGood {
        /// Its path below the folder.
        file: String,
    },
    /// Takes over what was edited in the configuration. May take longer than the deadline if it waits.
    Reload {
        /// Answers only when every edited integration has taken over, or cannot.
        #[serde(default)]
        wait: bool,
        /// Also believes that many files were removed.
        #[serde(default)]
        force: bool,
    },
}

impl Request {
    /// Reads a line.
    ///
    /// # Errors
    ///
    /// When it is no request; the failure says why.
    pub fn from_line(line: &str) -> Result<Self, Failure> {
        // In two steps: numbers inside an internally tagged enum cannot be decoded straight from text while numbers
        // keep all their digits (serde_json's `arbitrary_precision`).
        serde_json::from_str::<serde_json::Value>(line)
            .and_then(serde_json::from_value)
            .map_err(|error| Failure::new(FailureKind::BadRequest, format!("not a request: {error}")))
    }

    /// The request, with who asks where that is remembered.
    #[must_use]
    pub fn asked_by(mut self, name: &str) -> Self {
        match &mut self {
            Self::Pause { by, .. } | Self::Disconnect { by, .. } => name.clone_into(by),
            Self::Run(run) => {
                run.why = match &run.revert {
                    Some(revert) => format!("{} taken back, by {name}", revert.run),
                    None => format!("by hand, by {name}"),
                };
            }
            _ => {}
        }
        self
    }

    /// As it may be logged and kept: without what a consent came back with, which is good for a login, and without the
    /// texts of files, which may hold secrets.
    #[must_use]
    pub fn without_secrets(&self) -> serde_json::Value {
        let mut shown = serde_json::to_value(self).unwrap_or_default();
        if let Some(members) = shown.as_object_mut() {
            members.remove("parameters");
            members.remove("texts");
        }
        shown
    }
}

/// One line from the daemon.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Frame {
    /// A run goes on; more lines follow.
    Progress(Progress),
    /// The answer; the last line.
    Done(Response),
    /// There is no answer; the last line.
    Failed(Failure),
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// It waits for another run to end, of this integration or of one that shares a connection.
    Queued,
    /// It has begun.
    Started {
        /// When.
        at: DateTime<Utc>,
    },
    /// It goes on.
    Working {
        /// Requests made so far, where any were made. Those of other runs on the same connection count too.
        requests: Vec<(ConnectionName, Requests)>,
        /// What was read, planned and done so far.
        reading: Reading,
    },
    /// Nothing new, but the daemon is there and at it.
    Alive,
    /// Something its plan does or does not do, where the request wants all of it.
    Listed(Listed),
}

/// An answer, one kind per request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "is", content = "value", rename_all = "kebab-case")]
pub enum Response {
    /// To [`Request::Ping`].
    Pong {
        /// The program's version.
        version: String,
        /// The daemon's process id.
        pid: u32,
    },
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Run`].
    Run(Box<RunReport>),
    /// To [`Request::Explain`].
    Explained(Vec<Explanation>),
    /// To [`Request::Links`].
    Links(Vec<Link>),
    /// To [`Request::LinkAdd`].
    Linked(Box<Link>),
    /// To [`Request::LinkRemove`].
    Unlinked(Box<Link>),
    /// To [`Request::Parked`].
    Parked(Vec<ParkedItem>),
    /// To [`Request::ParkedRetry`]: how many will be looked at again, and how many stay for a person to choose.
    Retried(Retried),
    /// To [`Request::ParkedIgnore`].
    Ignored,
    /// To [`Request::Conflicts`].
    Conflicts(Vec<ConflictItem>),
    /// To [`Request::ConflictResolve`]: how many fields.
    Resolved(usize),
    /// To [`Request::Held`].
    Held(Vec<HeldRun>),
    /// To [`Request::Approve`].
    Approved(Vec<PipelineName>),
    /// To [`Request::Reject`].
    Rejected(PipelineName),
    /// To [`Request::Approve`] and [`Request::Reject`] of an edit of the configuration.
    EditAnswered(Box<HeldEdit>),
    /// To [`Request::Approve`] and [`Request::Reject`] of an edit of a template.
    RolloutAnswered(Box<Rollout>),
    /// To [`Request::Runs`].
    Runs(Vec<RunRecord>),
    /// To [`Request::Pause`].
    Paused(Pause),
    /// To [`Request::Resume`]: the pauses that ended.
    Resumed(Vec<Pause>),
    /// To [`Request::Notifications`].
    Notifications(Vec<NotificationNow>),
    /// To [`Request::Forget`].
    Forgotten(Box<Forgotten>),
    /// To [`Request::SecretsCheck`].
    Secrets(Vec<SecretNow>),
    /// To [`Request::NotificationTest`]: it was sent.
    NotificationSent,
    /// To [`Request::ConnectBegin`].
    Consent {
        /// The grant.
        grant: String,
        /// Where a person consents.
        url: String,
        /// Where that leads back to.
        redirect: String,
    },
    /// To [`Request::ConnectFinish`], and to [`Request::ConnectBegin`] where an app that logs in by itself was disconnected.
    Consented(Consented),
    /// To [`Request::ConnectLink`].
    ConnectLink(String),
    /// To [`Request::Disconnect`]: what was done.
    Disconnected(String),
    /// To [`Request::LogLevel`]: the filter as it is now.
    LogLevel(String),
    /// To [`Request::ConfigDiff`].
    ConfigDiff(Box<ConfigDiff>),
    /// To [`Request::LastGood`]; `None` if there is none.
    LastGood(Box<Option<GoodText>>),
    /// To [`Request::Reload`].
    Reloaded(Box<ReloadReport>),
}

/// How everything stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The daemon; `None` when the store was opened without one.
    pub daemon: Option<DaemonStatus>,
    /// What the store remembers, integration by integration. Empty while the store fails: then the daemon says so.
    pub integrations: Vec<IntegrationStatus>,
    /// What people paused, with who and when.
    pub paused: Vec<Pause>,
    /// Edits of the configuration that are held.
    #[serde(default)]
    pub edits: Vec<HeldEdit>,
    /// Edits of templates that are at some of their clients first.
    #[serde(default)]
    pub rollouts: Vec<Rollout>,
    /// Connections that log in by a grant.
    #[serde(default)]
    pub connections: Vec<ConnectionNow>,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Failure {
    /// What kind of trouble.
    pub kind: FailureKind,
    /// What happened, with its causes, for people.
    pub message: String,
}

/// Kinds of [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The request cannot be read.
    BadRequest,
    /// What was named does not exist.
    NoSuch,
    /// It exists but does not allow what was asked.
    NotPossible,
    /// The store failed.
    Store,
    /// A remote failed.
    Remote,
    /// The daemon is stopping.
    Stopping,
    /// It took too long; it may still happen.
    Deadline,
}

impl Failure {
    /// A failure of this kind.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// An error and its causes in one line: each layer tells only its own part.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let kind = match &error {
            EngineError::Store(_) => FailureKind::Store,
            EngineError::NoSuch { .. } => FailureKind::NoSuch,
            EngineError::NoConnector(_) | EngineError::Ambiguous(_) => FailureKind::NotPossible,
        };
        Self::new(kind, chain(&error))
    }
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        let kind = match &error {
            DeskError::Store(_) => FailureKind::Store,
            DeskError::Remote { .. } => FailureKind::Remote,
            DeskError::NoSuch(_) => FailureKind::NoSuch,
            DeskError::NotPossible(_) => FailureKind::NotPossible,
        };
        Self::new(kind, chain(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_writes_another_name_into_the_history() {
        let run = r#"{"do":"run","integration":"acme","mode":"sync","why":"by hand, by anna"}"#;
        let back = run.replace("\"why\"", "\"revert\":{\"run\":\"acme-1\"},\"why\"");
        for (line, told) in [(run, "by hand, by olga"), (&back, "acme-1 taken back, by olga")] {
            let Request::Run(run) = Request::from_line(line).unwrap().asked_by("olga") else { panic!("no run") };
            assert_eq!(run.why, told);
        }
    }

    #[test]
    fn what_is_kept_of_a_request_holds_no_login_and_no_file() {
        let back = vec![("code".to_owned(), "canary-code".to_owned()), ("state".to_owned(), "canary-state".to_owned())];
        let texts = BTreeMap::from([("shop.yaml".to_owned(), "auth: { token: canary-token }".to_owned())]);
        for request in [Request::ConnectFinish { parameters: back }, Request::ConfigDiff { texts }] {
            assert!(serde_json::to_string(&request).unwrap().contains("canary"));
            let kept = request.without_secrets().to_string();
            assert!(kept.contains("\"do\"") && !kept.contains("canary"), "{kept}");
        }
        let kept = Request::Reject { what: "7".to_owned() }.without_secrets();
        assert_eq!(kept, serde_json::json!({ "do": "reject", "what": "7" }));
    }
}
