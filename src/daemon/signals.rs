//! What the service manager and the operator say: signals in, readiness out.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use super::Handle;

/// How a daemon came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Runs came to their end, or to their deadline; everything is flushed.
    Cleanly,
    /// A second signal came: the process is to end at once.
    AtOnce,
}

/// Tells systemd that the daemon is ready, waits for a signal, and stops. `SIGTERM` and `SIGINT` stop; a second one
/// ends the wait for that.
///
/// # Errors
///
/// When signals cannot be listened to.
pub async fn serve(handle: &Handle) -> io::Result<Stopped> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tell(&[sd_notify::NotifyState::Ready]);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => {
                tracing::warn!(event = "signal.hang_up", "reloading is not in this version; restart to read the configuration");
            }
        }
    }
    tell(&[sd_notify::NotifyState::Stopping]);
    tokio::select! {
        () = handle.stop() => Ok(Stopped::Cleanly),
        _ = terminate.recv() => Ok(Stopped::AtOnce),
        _ = interrupt.recv() => Ok(Stopped::AtOnce),
    }
}

/// Does nothing where there is no service manager.
fn tell(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(event = "notify.failed", %error);
    }
}
