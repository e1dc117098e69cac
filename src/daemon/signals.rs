//! What the service manager and the operator say: signals in, readiness out.

use std::{io, time::Duration};

use sd_notify::NotifyState;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use super::Handle;

/// How a daemon came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Runs came to their end, or to their deadline; everything is flushed.
    Cleanly,
    /// A second signal came: the process is to end at once.
    AtOnce,
}

/// Signals that are listened to before anything slow begins, so that none ends the process while it starts.
#[derive(Debug)]
pub struct Signals {
    hang_up: Signal,
}

impl Signals {
    /// From now on a `SIGHUP` is remembered until [`serve`] looks for it.
    ///
    /// # Errors
    ///
    /// When signals cannot be listened to.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { hang_up: signal(SignalKind::hangup())? })
    }
}

/// Tells systemd that the daemon is ready, waits for a signal, and stops. `SIGTERM` and `SIGINT` stop; a second one
/// ends the wait for that. `SIGHUP` has the configuration looked at; during a stop it changes nothing.
///
/// The watchdog is fed when this loop turns and a flush of the store has returned, even with an error: a store that
/// fails is reported and recovers by itself, one that hangs does not.
///
/// # Errors
///
/// When signals cannot be listened to.
pub async fn serve(handle: &Handle, mut signals: Signals) -> io::Result<Stopped> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut beats = beats(handle.clone());
    tell(&NotifyState::Ready);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = signals.hang_up.recv() => handle.reload_soon(),
            Some(()) = beats.recv() => tell(&NotifyState::Watchdog),
        }
    }
    tell(&NotifyState::Stopping);
    let stop = handle.stop();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(Stopped::Cleanly),
            _ = terminate.recv() => return Ok(Stopped::AtOnce),
            _ = interrupt.recv() => return Ok(Stopped::AtOnce),
            Some(()) = beats.recv() => tell(&NotifyState::Watchdog),
        }
    }
}

/// One beat for every flush that returned, three in the time systemd allows; none where it does not ask for any.
fn beats(handle: Handle) -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    if let Some(allowed) = sd_notify::watchdog_enabled() {
        tokio::spawn(async move {
            let mut tick = tokio::time::interval((allowed / 3).max(Duration::from_millis(100)));
            loop {
                tick.tick().await;
                handle.flush().await;
                if sender.send(()).await.is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

/// Does nothing where there is no service manager.
fn tell(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        tracing::warn!(event = "notify.failed", %error);
    }
}
