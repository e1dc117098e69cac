//! Who may ask what, and what of an answer is theirs.

use std::collections::BTreeSet;

use crate::{
    config::{ConnectionName, IntegrationName, PipelineName, Role},
    daemon::{
        DaemonStatus, Handle,
        protocol::{Failure, FailureKind, Request, Response, Status},
        reload::Rollout,
    },
    engine::Mode,
    grant::ConnectionNow,
    record::Side,
};

/// What is told of an edit that waits to whoever may see only some clients.
const PENDING: &str = "edited; it goes on as it was for now";

/// The role that a request takes.
pub(super) const fn need(request: &Request) -> Role {
    match request {
        Request::Ping
        | Request::Status
        | Request::Explain { .. }
        | Request::Links { .. }
        | Request::Parked { .. }
        | Request::Conflicts { .. }
        | Request::Held
        | Request::Runs { .. }
        | Request::LogLevel { directive: None } => Role::Viewer,
        Request::Run(run) if run.revert.is_some() => Role::Admin,
        Request::Run(_)
        | Request::ParkedRetry { .. }
        | Request::ParkedIgnore { .. }
        | Request::ConflictResolve { .. }
        | Request::Pause { .. }
        | Request::Resume { .. }
        | Request::ConfigDiff { .. } => Role::Operator,
        Request::LinkAdd { .. }
        | Request::LinkRemove { .. }
        | Request::Approve { .. }
        | Request::Reject { .. }
        | Request::ConnectBegin { .. }
        | Request::ConnectFinish { .. }
        | Request::ConnectLink { .. }
        | Request::Disconnect { .. }
        | Request::LogLevel { .. }
        | Request::LastGood { .. }
        | Request::Notifications
        | Request::NotificationTest { .. }
        | Request::SecretsCheck
        | Request::Forget { .. }
        | Request::Reload { .. } => Role::Admin,
    }
}

/// Whether a request changes nothing anywhere, not even by calls to a system.
pub(super) const fn is_look(request: &Request) -> bool {
    matches!(need(request), Role::Viewer)
        || matches!(request, Request::ConfigDiff { .. } | Request::LastGood { .. })
        || matches!(request, Request::Run(run) if matches!(run.mode, Mode::Plan | Mode::Poll))
}

/// What somebody may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope(pub Option<BTreeSet<IntegrationName>>);

impl Scope {
    /// Whether an integration is in it.
    pub fn has(&self, name: &IntegrationName) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(name))
    }

    fn has_pipeline(&self, name: &PipelineName) -> bool {
        self.has(&name.integration())
    }

    /// Whether it is everything.
    pub const fn is_whole(&self) -> bool {
        self.0.is_none()
    }

    /// An integration or a pipeline, by name.
    fn has_named(&self, what: &str) -> bool {
        PipelineName::parse(what).is_ok_and(|name| self.has_pipeline(&name))
    }
}

/// Whether somebody with this role and scope may ask this.
///
/// # Errors
///
/// A [`FailureKind::NotPossible`] that says why not. What is outside the scope does not exist for them.
pub(super) async fn permit(daemon: &Handle, (role, scope): (Role, &Scope), request: &Request) -> Result<(), Failure> {
    let needed = need(request);
    if role < needed {
        let text = format!("this takes the role `{}`; yours is `{}`", needed.word(), role.word());
        return Err(Failure::new(FailureKind::NotPossible, text));
    }
    if scope.is_whole() {
        return Ok(());
    }
    let within = match request {
        Request::Ping
        | Request::Status
        | Request::Held
        | Request::Parked { pipeline: None }
        | Request::Conflicts { pipeline: None } => true,
        Request::Run(run) => scope.has(&run.integration) && run.pipelines.iter().all(|name| scope.has_pipeline(name)),
        Request::Runs { integration, .. } => scope.has(integration),
        Request::Parked { pipeline: Some(pipeline) }
        | Request::Conflicts { pipeline: Some(pipeline) }
        | Request::Explain { pipeline, .. }
        | Request::Links { pipeline }
        | Request::LinkAdd { pipeline, .. }
        | Request::LinkRemove { pipeline, .. }
        | Request::ParkedRetry { pipeline, .. }
        | Request::ParkedIgnore { pipeline, .. }
        | Request::ConflictResolve { pipeline, .. } => scope.has_pipeline(pipeline),
        Request::Pause { what, .. } | Request::Resume { what } => scope.has_named(what),
        Request::Approve { what, .. } | Request::Reject { what } => owns_held(daemon, scope, what).await?,
        Request::ConnectBegin { .. }
        | Request::ConnectFinish { .. }
        | Request::ConnectLink { .. }
        | Request::Disconnect { .. }
        | Request::LogLevel { .. }
        | Request::ConfigDiff { .. }
        | Request::LastGood { .. }
        | Request::Notifications
        | Request::NotificationTest { .. }
        | Request::SecretsCheck
        | Request::Forget { .. }
        | Request::Reload { .. } => {
            let text = "this is of the daemon as a whole; you may see only some of its integrations";
            return Err(Failure::new(FailureKind::NotPossible, text));
        }
    };
    if within {
        return Ok(());
    }
    Err(Failure::new(FailureKind::NoSuch, "there is nothing of that name that you may see"))
}

/// Whether what is held under this id or name is in the scope, and nothing else is meant by it.
async fn owns_held(daemon: &Handle, scope: &Scope, what: &str) -> Result<bool, Failure> {
    let Response::Held(held) = daemon.call(Request::Held).await? else { return Ok(false) };
    let Response::Status(status) = daemon.call(Request::Status).await? else { return Ok(false) };
    let runs = held.iter().filter(|held| held.id == what).map(|held| held.pipeline.integration());
    let edits = status.edits.iter().filter(|edit| edit.id == what).map(|edit| edit.integration.clone());
    let about = |rollout: &&Rollout| rollout.id == what || rollout.template == what;
    let rollouts = status.rollouts.iter().filter(about).flat_map(|rollout| {
        rollout.waiting.iter().cloned().chain(rollout.first.iter().map(|trial| trial.integration.clone()))
    });
    let meant: Vec<IntegrationName> = runs.chain(edits).chain(rollouts).collect();
    let named = daemon
        .config()
        .pipelines()
        .any(|(integration, pipeline)| integration.name.as_str() == what || pipeline.name.as_str() == what);
    Ok(meant.iter().all(|name| scope.has(name)) && (!meant.is_empty() || named) && (!named || scope.has_named(what)))
}

/// Takes out of an answer what is not in the scope.
pub(super) fn within(daemon: &Handle, scope: &Scope, mut response: Response) -> Response {
    if scope.is_whole() {
        return response;
    }
    match &mut response {
        Response::Status(status) => limit(daemon, scope, status),
        Response::Parked(items) => items.retain(|item| scope.has_pipeline(&item.pipeline)),
        Response::Conflicts(items) => items.retain(|item| scope.has_pipeline(&item.pipeline)),
        Response::Held(items) => items.retain(|item| scope.has_pipeline(&item.pipeline)),
        Response::Approved(names) => names.retain(|name| scope.has_pipeline(name)),
        _ => {}
    }
    response
}

fn limit(daemon: &Handle, scope: &Scope, status: &mut Status) {
    status.integrations.retain(|one| scope.has(&one.integration));
    status.paused.retain(|pause| scope.has_named(&pause.what));
    status.edits.retain(|edit| scope.has(&edit.integration));
    // Whoever sees only some clients does not see who the others are.
    status.rollouts.clear();
    limit_connections(&connections(daemon, scope), &mut status.connections);
    if let Some(daemon) = &mut status.daemon {
        limit_daemon(scope, daemon);
    }
}

fn limit_daemon(scope: &Scope, daemon: &mut DaemonStatus) {
    daemon.integrations.retain(|one| scope.has(&one.integration));
    // Places in files, and mistakes of others. What an edit waits for may be another client.
    daemon.config = None;
    for pending in daemon.integrations.iter_mut().filter_map(|one| one.pending.as_mut()) {
        PENDING.clone_into(pending);
    }
}

fn limit_connections(seen: &BTreeSet<ConnectionName>, connections: &mut Vec<ConnectionNow>) {
    connections.retain(|one| seen.contains(&one.connection));
    // One login may cover the accounts of many clients.
    for one in connections {
        one.covers.clear();
    }
}

/// The connections that the integrations of a scope use.
pub(super) fn connections(daemon: &Handle, scope: &Scope) -> BTreeSet<ConnectionName> {
    let config = daemon.config();
    let seen = config.pipelines().filter(|(integration, _)| scope.has(&integration.name));
    seen.flat_map(|(_, pipeline)| Side::BOTH.map(|side| pipeline.end(side).connection.name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::daemon::IntegrationNow;

    #[test]
    fn whoever_sees_one_client_is_not_told_which_others_an_edit_waits_for() {
        let name = |name: &str| IntegrationName::parse(name).unwrap();
        let one = |integration: &str, pending: Option<&str>| {
            let now = json!({ "integration": integration, "running": "1", "on_disk": "2", "generation": 1,
                              "phase": { "is": "waiting" }, "waits": [], "troubles": [], "pending": pending });
            serde_json::from_value::<IntegrationNow>(now).unwrap()
        };
        let waits = "an edit of the template `shop` is at bravo first";
        let integrations = vec![one("acme", Some(waits)), one("bravo", Some(waits)), one("acme-2", None)];
        let (started, pid) = (chrono::DateTime::UNIX_EPOCH, 1);
        let mut status = DaemonStatus {
            version: String::new(),
            pid,
            started,
            now: started,
            stopping: false,
            store_failing: None,
            integrations,
            config: None,
            public: None,
        };
        limit_daemon(&Scope(Some([name("acme"), name("acme-2")].into())), &mut status);
        let told: Vec<_> = status.integrations.iter().map(|one| one.pending.as_deref()).collect();
        assert_eq!(told, [Some(PENDING), None]);
    }

    #[test]
    fn whoever_sees_one_client_is_not_told_which_accounts_a_login_covers() {
        let one = |name: &str| {
            json!({ "connection": name, "grant": "agency", "state": "needs-consent", "account": null, "todo": "x",
                    "expires": null, "covers": [{ "id": "1", "name": "Bravo Ltd" }] })
        };
        let mut all: Vec<ConnectionNow> = serde_json::from_value(json!([one("acme-xero"), one("bravo-xero")])).unwrap();
        assert_eq!(all[0].covers.len(), 1);
        limit_connections(&BTreeSet::from([ConnectionName::parse("acme-xero").unwrap()]), &mut all);
        assert_eq!((all.len(), all[0].connection.as_str()), (1, "acme-xero"));
        assert!(!serde_json::to_string(&all).unwrap().contains("Bravo"), "{all:?}");
    }
}
