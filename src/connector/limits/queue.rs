//! Who waits for what, and who goes next.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::sync::oneshot;

use super::{Limits, Priority, window::Pool};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) pools: Vec<Pool>,
    pub(super) index: HashMap<PoolKey, usize>,
    pub(super) queue: VecDeque<Waiter>,
    pub(super) next_ticket: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    pub(super) connector: String,
    pub(super) who: String,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    Window(Duration),
    InFlight,
    Block,
}

#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) ticket: u64,
    pub(super) pools: Arc<[usize]>,
    pub(super) priority: Priority,
    pub(super) granted: oneshot::Sender<()>,
}

impl State {
    /// Lets everybody go who can, in order: people first, then by arrival. A waiter that cannot go keeps its place at
    /// the pools that refuse it, and only there.
    pub(super) fn serve(&mut self, now: Duration) {
        let mut refusing = HashSet::new();
        let mut going = HashSet::new();
        for priority in [Priority::Manual, Priority::Automatic] {
            for waiter in self.queue.iter().filter(|waiter| waiter.priority == priority) {
                if waiter.pools.iter().any(|pool| refusing.contains(pool)) {
                    continue;
                }
                let before = refusing.len();
                for at in waiter.pools.iter() {
                    if self.pools.get_mut(*at).is_some_and(|pool| !pool.admits(now, priority)) {
                        refusing.insert(*at);
                    }
                }
                if refusing.len() == before {
                    for at in waiter.pools.iter() {
                        if let Some(pool) = self.pools.get_mut(*at) {
                            pool.begin();
                        }
                    }
                    going.insert(waiter.ticket);
                }
            }
        }
        if !going.is_empty() {
            for waiter in std::mem::take(&mut self.queue) {
                if going.contains(&waiter.ticket) {
                    // A waiter that went away meanwhile gives its place back when its ticket is dropped.
                    let _ = waiter.granted.send(());
                } else {
                    self.queue.push_back(waiter);
                }
            }
        }
    }

    /// When a request could go that arrives now; with `queued`, behind everybody who waits already.
    pub(super) fn when(&mut self, limits: &Limits, now: Duration, queued: bool) -> Option<Duration> {
        let mut latest = Some(now);
        for at in limits.pools.iter() {
            let ahead = if queued { self.ahead(*at, limits.priority) } else { 0 };
            if let Some(pool) = self.pools.get_mut(*at) {
                match (pool.when(now, ahead, limits.priority), latest) {
                    (Some(time), Some(so_far)) => latest = Some(time.max(so_far)),
                    _ => latest = None,
                }
            }
        }
        latest
    }

    fn ahead(&self, pool: usize, priority: Priority) -> u32 {
        let before = |waiter: &&Waiter| {
            waiter.pools.contains(&pool) && (priority == Priority::Automatic || waiter.priority == Priority::Manual)
        };
        u32::try_from(self.queue.iter().filter(before).count()).unwrap_or(u32::MAX)
    }

    pub(super) fn end(&mut self, pools: &[usize], now: Duration, counted: bool) {
        for at in pools {
            if let Some(pool) = self.pools.get_mut(*at) {
                pool.end(now, counted);
            }
        }
        self.serve(now);
    }
}
