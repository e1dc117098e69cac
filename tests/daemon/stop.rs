//! A stop ends by its deadline, whatever a run waits for.

use std::{sync::Arc, time::Duration};

use reconciled::{
    connector::{Connector, HttpConnector, LimitRegistry},
    daemon::{DaemonSettings, Phase},
};

use crate::{Live, SHOP, World, bounded, connection};

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_stop_does_not_wait_for_a_clock_that_nobody_moves() {
    let world = World::new(SHOP);
    let limits = Arc::new(LimitRegistry::new(world.clock.clone()));
    // Nobody is there: its calls are tried again after pauses, and the clock stands still.
    let shop = world.config.connections[&connection("shop")].clone();
    let shop: Arc<dyn Connector> = Arc::new(HttpConnector::new(shop, world.clock.clone(), &limits).unwrap());
    let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_millis(200) };
    let live = Live::start_among(world, settings, [("shop", shop)]).await;
    let sleeps = live.world.clock.sleeps().unwrap();
    bounded(async {
        while !matches!(live.daemon.status().integrations[0].phase, Phase::Running { .. }) || sleeps.borrow().is_empty()
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    bounded(live.daemon.stop()).await;
    assert_eq!(live.world.store.unflushed(), 0);
}
