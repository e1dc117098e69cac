//! Who waits for what, and who goes next.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::sync::oneshot;

use super::{Limits, Priority, Purpose, window::Pool};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) pools: Vec<Pool>,
    pub(super) index: HashMap<PoolKey, usize>,
    pub(super) queue: VecDeque<Waiter>,
    next_ticket: u64,
    /// The places in line of those who were turned away, until they come back: whoever had to go is served before
    /// everybody who came later, so that nobody is turned away for ever however many there are.
    turned_away: HashMap<(String, Purpose), u64>,
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

    /// The place in line of somebody who arrives.
    pub(super) fn number(&mut self, connection: &str, purpose: Purpose) -> u64 {
        let kept = self.turned_away.remove(&(connection.to_owned(), purpose));
        kept.unwrap_or_else(|| {
            self.next_ticket += 1;
            self.next_ticket
        })
    }

    /// Keeps the place of somebody who cannot wait for so long. Of several that a connection had, the first.
    pub(super) fn turn_away(&mut self, connection: &str, purpose: Purpose, ticket: u64) {
        let kept = self.turned_away.entry((connection.to_owned(), purpose)).or_insert(ticket);
        *kept = ticket.min(*kept);
    }

    /// Puts somebody in line, at their place.
    pub(super) fn queue_up(&mut self, waiter: Waiter) {
        let at = self.queue.partition_point(|other| other.ticket < waiter.ticket);
        self.queue.insert(at, waiter);
    }

    /// When a request could go that arrives now; with a ticket, behind everybody who waits with an earlier one.
    pub(super) fn when(&mut self, limits: &Limits, now: Duration, ticket: Option<u64>) -> Option<Duration> {
        let mut latest = Some(now);
        for at in limits.pools.iter() {
            let ahead = ticket.map_or(0, |ticket| self.ahead(*at, limits.priority, ticket));
            if let Some(pool) = self.pools.get_mut(*at) {
                match (pool.when(now, ahead, limits.priority), latest) {
                    (Some(time), Some(so_far)) => latest = Some(time.max(so_far)),
                    _ => latest = None,
                }
            }
        }
        latest
    }

    /// Those who go first. People go before schedules, whoever came earlier.
    fn ahead(&self, pool: usize, priority: Priority, ticket: u64) -> u32 {
        let before = |waiter: &&Waiter| {
            let first = match (waiter.priority, priority) {
                (Priority::Manual, Priority::Automatic) => true,
                (Priority::Automatic, Priority::Manual) => false,
                _ => waiter.ticket < ticket,
            };
            first && waiter.pools.contains(&pool)
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
