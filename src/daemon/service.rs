//! What the service manager is told. Everything here does nothing where there is none.

use std::{future::Future, time::Duration};

use sd_notify::NotifyState;

use super::status::{DaemonStatus, Phase};

/// How often a slow start asks for more time, and how much it asks for each time.
const EVERY: Duration = Duration::from_secs(5);
/// Long enough that a machine that swaps does not miss it.
const MORE: Duration = Duration::from_secs(30);

/// Tells it, all in one datagram.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(event = "notify.failed", %error);
    }
}

/// A reload begins. With its time in the same datagram: `Type=notify-reload` waits for both.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(event = "notify.failed", %error),
    }
}

/// Does something slow before the daemon is ready, and asks for more time as long as it goes on: `what` says what is
/// being done.
pub async fn starting<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    let more = u32::try_from(MORE.as_micros()).unwrap_or(u32::MAX);
    loop {
        tell(&[NotifyState::ExtendTimeoutUsec(more), NotifyState::Status(what)]);
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// How the daemon stands, in one line.
pub(super) fn status_line(status: &DaemonStatus) -> String {
    let all = status.integrations.len();
    let mut parts = vec![format!("{all} integration{}", if all == 1 { "" } else { "s" })];
    if let Some(cause) = &status.store_failing {
        parts.insert(0, format!("the store fails, nothing is written: {}", cause.replace('\n', " ")));
    }
    let count = |is: &dyn Fn(&super::IntegrationNow) -> bool| status.integrations.iter().filter(|now| is(now)).count();
    for (number, word) in [
        (count(&|now| matches!(now.phase, Phase::Running { .. })), "running"),
        (count(&|now| now.pending.is_some()), "not as the files say"),
        (count(&|now| !now.troubles.is_empty()), "in trouble with a system"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    let mistake = status.config.as_ref().and_then(|config| config.mistakes.first());
    parts.extend(mistake.map(|mistake| format!("INVALID_PENDING {}", mistake.at)));
    let next = status.integrations.iter().flat_map(|now| &now.waits).filter_map(super::WaitReason::until).min();
    parts.extend(next.map(|at| format!("next look {}", at.format("%H:%M:%SZ"))));
    parts.join(", ")
}

/// Writes how everything stands to the log, for somebody who cannot use the socket.
pub(super) fn diagnose(status: &DaemonStatus) {
    let text = serde_json::to_string(status).unwrap_or_default();
    tracing::warn!(event = "daemon.diagnostics", status = text, "{}", status_line(status));
}
