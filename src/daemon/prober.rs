//! The job that sees to it that a failing store is probed: whoever rests is told, and where nobody runs, it probes itself.

use std::sync::Arc;

use super::control::{Shared, Stop};

/// Works until the daemon stops.
pub(super) async fn work(shared: Arc<Shared>) {
    let mut failed = shared.health.failures();
    let mut stirred = shared.stirred.subscribe();
    loop {
        let read = shared.read_clock();
        let next = shared.health.next_probe();
        // Integrations probe it themselves while they wait for it.
        let alone = next.filter(|_| shared.slots().is_empty());
        let probe = async {
            match alone {
                Some(at) => shared.sleep_until(at, read).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.stopped(Stop::Finishing) => return,
            Ok(()) = failed.changed() => {
                // One that rests until tomorrow would find out tomorrow.
                shared.slots().values().for_each(|slot| slot.stir());
            }
            // The last integration may be removed meanwhile, or the first be added.
            Ok(()) = stirred.changed(), if next.is_some() => {}
            () = probe => shared.probe_store(shared.clock.now()).await,
        }
    }
}
