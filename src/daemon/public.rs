//! The daemon's end of the public listener: which doors there are, and what news at them mean.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::{
    consent::ConsentDoor,
    control::{Shared, Stop},
    hooks::HookDoor,
    inbox::InboxDoor,
    slot::Slot,
};
use crate::{
    config::{ConnectionName, PublicSettings},
    public::{Door, Doors, PublicListener},
};

/// How long after a failure the address is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// How the public listener stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicNow {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where the world reaches it, if that was said.
    pub url: Option<String>,
    /// Why it does not listen, if so; it tries again by itself.
    pub failing: Option<String>,
}

/// Whoever answers at the public listener.
fn doors(shared: &Arc<Shared>) -> Vec<Arc<dyn Door>> {
    vec![
        Arc::new(ConsentDoor(Arc::clone(shared))),
        Arc::new(HookDoor(Arc::clone(shared))),
        Arc::new(InboxDoor(Arc::clone(shared))),
    ]
}

/// Listens from now on, or tries again until it can: a port that is taken stops no sync.
pub(super) async fn begin(shared: &Arc<Shared>, settings: PublicSettings) -> JoinHandle<()> {
    let prefix = settings.url.as_ref().map_or("/", |url| url.path());
    let doors = Doors::new(doors(shared), prefix);
    let listener = listen(shared, &settings).await;
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let mut listener = listener;
        while listener.is_none() {
            tokio::select! {
                () = shared.stopped(Stop::Finishing) => return,
                () = shared.clock.sleep(AGAIN) => listener = listen(&shared, &settings).await,
            }
        }
        if let Some(listener) = listener {
            listener.serve(doors, shared.stopped(Stop::Finishing)).await;
        }
    })
}

async fn listen(shared: &Shared, settings: &PublicSettings) -> Option<PublicListener> {
    let bound = PublicListener::bind(settings.listen).await;
    let (address, failing) = match &bound {
        Ok(listener) => {
            tracing::info!(event = "public.listening", address = %listener.address());
            (listener.address(), None)
        }
        Err(error) => {
            tracing::error!(event = "public.failed", "{error}");
            (settings.listen, Some(error.to_string()))
        }
    };
    let url = settings.url.as_ref().map(ToString::to_string);
    shared.set_public(PublicNow { address, url, failing });
    bound.ok()
}

impl Shared {
    /// A system told of changes on these connections: whoever uses them looks again.
    pub fn news(&self, connections: &BTreeSet<ConnectionName>) {
        let now = self.clock.now();
        for connection in connections {
            let only = BTreeSet::from([connection.clone()]);
            for slot in self.slots().values().filter(|slot| slot.shares(&only)) {
                slot.poke(|agenda| agenda.was_told(connection, now));
            }
        }
    }

    /// Something was posted to these connections: whoever polls them looks again, as if a poll had seen it. Who looks at
    /// set times only goes on doing so.
    pub fn posted(&self, connections: &BTreeSet<ConnectionName>) {
        let now = self.clock.now();
        let polls = |slot: &Slot| slot.integration().schedule.poll.keys().any(|polled| connections.contains(polled));
        for slot in self.slots().values().filter(|slot| slot.shares(connections) && polls(slot)) {
            slot.poke(|agenda| agenda.saw_change(now));
        }
    }
}
