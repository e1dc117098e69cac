//! Telling an open page that something changed.

use std::{convert::Infallible, time::Duration};

use axum::{
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use tokio::time::{Instant, sleep, sleep_until};

use super::pages::Look;
use crate::daemon::Phase;

/// Between two words at least.
const REST: Duration = Duration::from_secs(1);
/// A run tells nobody how far it is; its page asks so often.
const WHILE_RUNNING: Duration = Duration::from_secs(2);
/// Times said in words (`in 5 min`) grow old.
const OLD: Duration = Duration::from_secs(30);
/// A page that is open longer asks anew, and has to be known then.
const LONGEST: Duration = Duration::from_mins(30);

/// Says `changed` whenever there may be something new to see.
pub(super) async fn events(look: Look) -> Response {
    // Never closed.
    let Ok(place) = look.lobby.listeners.clone().try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let (changes, stirred) = (look.lobby.daemon.changes(), look.lobby.stir.subscribe());
    let until = Instant::now() + LONGEST;
    let told = futures_util::stream::unfold(
        (look, changes, stirred, place),
        move |(look, mut changes, mut stirred, place)| async move {
            sleep(REST).await;
            let running =
                look.lobby.daemon.status().integrations.iter().any(|now| matches!(now.phase, Phase::Running { .. }));
            let patience = if running { WHILE_RUNNING } else { OLD };
            tokio::select! {
                // Both senders live as long as the lobby.
                _ = changes.changed() => {}
                _ = stirred.changed() => {}
                () = sleep(patience) => {}
                () = sleep_until(until) => return None,
                () = look.lobby.daemon.stopping() => return None,
            }
            // Browsers leave out events that hold no data.
            Some((Ok::<_, Infallible>(Event::default().event("changed").data("now")), (look, changes, stirred, place)))
        },
    );
    Sse::new(told).keep_alive(KeepAlive::default()).into_response()
}
