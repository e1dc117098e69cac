//! What the service manager and the operator say: signals in, readiness out.

use std::{io, time::Duration};

use sd_notify::NotifyState;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use super::{
    Handle,
    service::{self, tell},
};

/// How often the service manager's line of status is looked at; it is sent only if it changed.
const STATUS_EVERY: Duration = Duration::from_secs(5);

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
/// ends the wait for that, and so does `SIGQUIT` at any time. `SIGHUP` has the configuration looked at; during a stop it
/// changes nothing. `SIGUSR1` writes how everything stands to the log.
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
    let mut quit = signal(SignalKind::quit())?;
    let mut diagnose = signal(SignalKind::user_defined1())?;
    let mut beats = beats(handle.clone());
    let mut judged = handle.shared.judged.subscribe();
    let mut reloading = false;
    let mut look = tokio::time::interval(STATUS_EVERY);
    let mut told = service::status_line(&handle.status());
    tell(&[NotifyState::Ready, NotifyState::Status(&told)]);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = quit.recv() => return Ok(Stopped::AtOnce),
            _ = diagnose.recv() => {
                service::diagnose(&handle.status());
                crate::crash::point("diagnosed");
            }
            _ = signals.hang_up.recv() => {
                service::reloading();
                judged.borrow_and_update();
                reloading = handle.reload_soon();
                if !reloading {
                    tell(&[NotifyState::Ready]);
                }
            }
            // Also when everything was refused: what ran before goes on, and that is a state to be ready in.
            Ok(()) = judged.changed(), if reloading => {
                reloading = false;
                tell(&[NotifyState::Ready]);
            }
            Some(()) = beats.recv() => tell(&[NotifyState::Watchdog]),
            _ = look.tick() => {
                let now = service::status_line(&handle.status());
                if now != told {
                    tell(&[NotifyState::Status(&now)]);
                    told = now;
                }
            }
        }
    }
    tell(&[NotifyState::Stopping]);
    let stop = handle.stop();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(Stopped::Cleanly),
            _ = terminate.recv() => return Ok(Stopped::AtOnce),
            _ = interrupt.recv() => return Ok(Stopped::AtOnce),
            _ = quit.recv() => return Ok(Stopped::AtOnce),
            Some(()) = beats.recv() => tell(&[NotifyState::Watchdog]),
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
