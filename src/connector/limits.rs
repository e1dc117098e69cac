//! Limits of remote accounts, shared by every connection that uses them.
//!
//! Each limit of a manifest is a pool, found by connector and by who shares it ([`Scope`]). A request goes only when
//! all pools of its connection have room, and takes its place in all of them at once, so nobody holds half of what
//! they need. Waiters are served in the order of arrival; one whose own account is used up does not hold up others
//! behind it that need different accounts. All waiting is on the [`Clock`].

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use tokio::sync::oneshot;

use self::{
    queue::{PoolKey, State, Waiter, What},
    window::{Pool, Window},
};
use super::{Budget, CallError, Limit, Scope};
use crate::{
    clock::Clock,
    config::{Auth, Connection, Secret},
};

mod queue;
mod window;

#[cfg(test)]
mod tests;

/// Longest time a call waits for its turn; what would take longer is reported as [`CallError::Throttled`]. Longer
/// than the common window of a minute. Who was turned away stands at its old place when it comes back.
pub const LONGEST_WAIT: Duration = Duration::from_secs(65);

/// Who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Priority {
    /// A schedule: leaves a tenth of every window to people.
    #[default]
    Automatic,
    /// A person waits for it: goes first and may use everything.
    Manual,
}

/// What for: a run that gets to read in its turn must get to write in a turn of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Nothing changes by it.
    Read,
    /// Something may.
    Write,
}

/// All limits of all accounts.
#[derive(Debug)]
pub struct LimitRegistry {
    clock: Clock,
    hasher: RandomState,
    state: Mutex<State>,
}

/// The limits as one connection meets them.
#[derive(Clone, Debug)]
pub struct Limits {
    registry: Arc<LimitRegistry>,
    connection: String,
    pools: Arc<[usize]>,
    block: usize,
    priority: Priority,
}

/// The right to make one request; the request counts as ended when it is dropped.
#[derive(Debug)]
pub struct Permit {
    registry: Arc<LimitRegistry>,
    pools: Arc<[usize]>,
    counted: bool,
}

impl LimitRegistry {
    /// A registry that waits on `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, hasher: RandomState::new(), state: Mutex::default() }
    }

    /// The limits of one connection.
    #[must_use]
    pub fn of(self: &Arc<Self>, connection: &Connection, priority: Priority) -> Limits {
        let manifest = &connection.manifest;
        let mut state = self.lock();
        let mut pool = |who: String, what: What, make: &dyn Fn() -> Pool| {
            let key = PoolKey { connector: manifest.name.clone(), who, what };
            let State { pools, index, .. } = &mut *state;
            let at = *index.entry(key).or_insert_with(|| {
                pools.push(make());
                pools.len() - 1
            });
            // A limit that was edited holds from now on; what was counted by it stays counted.
            match (pools.get_mut(at), make()) {
                (Some(Pool::Window(known)), Pool::Window(wanted)) => known.allow(wanted.count()),
                (Some(Pool::InFlight { max: known, .. }), Pool::InFlight { max: wanted, .. }) => *known = wanted,
                _ => {}
            }
            at
        };
        // Who is told to wait by `Retry-After`: the narrowest group that shares a limit.
        let narrowest = manifest.limits.iter().map(|limit| match limit {
            Limit::Requests { scope, .. } => *scope,
            Limit::InFlight(_) => Scope::Tenant,
        });
        let blocked = narrowest.min_by_key(|scope| width(*scope)).unwrap_or(Scope::Tenant);
        let block = pool(self.who(connection, blocked), What::Block, &|| Pool::Block { until: Duration::ZERO });
        let mut pools = vec![block];
        if !connection.unlimited {
            for limit in &manifest.limits {
                let at = match *limit {
                    Limit::Requests { count, per, scope } => {
                        pool(self.who(connection, scope), What::Window(per), &|| Pool::Window(Window::new(count, per)))
                    }
                    Limit::InFlight(max) => pool(self.who(connection, Scope::Tenant), What::InFlight, &|| {
                        Pool::InFlight { max: max.max(1), now: 0 }
                    }),
                };
                // A limit that is written twice takes one place, not two.
                if !pools.contains(&at) {
                    pools.push(at);
                }
            }
        }
        // Where more is allowed now, whoever waits has its turn.
        state.serve(self.clock.monotonic());
        drop(state);
        Limits {
            registry: Arc::clone(self),
            connection: connection.name.as_str().to_owned(),
            pools: pools.into(),
            block,
            priority,
        }
    }

    /// Names the group of connections that shares a limit of this scope with `connection`.
    fn who(&self, connection: &Connection, scope: Scope) -> String {
        let url = &connection.base_url;
        let origin = url.origin().ascii_serialization();
        match scope {
            Scope::App => "app".to_owned(),
            Scope::Host => format!("host {origin}"),
            Scope::Key => format!("key {origin} {}", self.login(&connection.auth)),
            Scope::Tenant => match &connection.tenant {
                Some(tenant) => format!("tenant {origin}{} {tenant}", url.path()),
                None => format!("tenant {origin}{} {}", url.path(), self.login(&connection.auth)),
            },
        }
    }

    /// A name for a login which does not give it away.
    fn login(&self, auth: &Auth) -> String {
        let secret = |secret: &Secret| match secret {
            Secret::Known(text) => format!("{:016x}", self.hasher.hash_one(text.expose_secret())),
            Secret::File(path) => path.display().to_string(),
            // Arguments may be secrets.
            Secret::Command(command) => format!("{:016x}", self.hasher.hash_one(command.known().0)),
            Secret::Missing { what } => what.clone(),
        };
        match auth {
            Auth::None => String::new(),
            Auth::Bearer(token) | Auth::Posted { secret: token, .. } => secret(token),
            Auth::Grant(grant) => format!("grant {}", grant.name),
            Auth::Basic { user, password } => format!("{user} {}", secret(password)),
            Auth::Header { value, .. } => secret(value),
        }
    }

    // A panic while the lock was held can only have left plain numbers behind, which stay meaningful.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many connections a scope covers, narrow to wide.
const fn width(scope: Scope) -> u8 {
    match scope {
        Scope::Tenant => 0,
        Scope::Key => 1,
        Scope::Host => 2,
        Scope::App => 3,
    }
}

impl Limits {
    /// The same limits, met with another priority.
    #[must_use]
    pub fn with_priority(&self, priority: Priority) -> Self {
        Self { priority, ..self.clone() }
    }

    /// Waits for the right to make one request, at most until `deadline` (monotonic).
    ///
    /// # Errors
    ///
    /// [`CallError::Throttled`] when the wait would be, or has become, longer than that.
    pub async fn acquire(&self, purpose: Purpose, deadline: Duration) -> Result<Permit, CallError> {
        let clock = &self.registry.clock;
        let (mut granted, mut ticket) = {
            let now = clock.monotonic();
            let mut state = self.registry.lock();
            let number = state.number(&self.connection, purpose);
            if let Some(time) = state.when(self, now, Some(number))
                && time > deadline
            {
                state.turn_away(&self.connection, purpose, number);
                return Err(self.throttled(time));
            }
            let (sender, receiver) = oneshot::channel();
            state.queue_up(Waiter {
                ticket: number,
                pools: Arc::clone(&self.pools),
                priority: self.priority,
                granted: sender,
            });
            state.serve(now);
            (receiver, Ticket { limits: self, number, done: false })
        };
        loop {
            if granted.try_recv().is_ok() {
                ticket.done = true;
                let (registry, pools) = (Arc::clone(&self.registry), Arc::clone(&self.pools));
                return Ok(Permit { registry, pools, counted: true });
            }
            let wake = {
                let now = clock.monotonic();
                let mut state = self.registry.lock();
                state.serve(now);
                let time = state.when(self, now, None);
                // Granted in the meantime: the next turn of the loop takes it.
                if !state.queue.iter().any(|waiter| waiter.ticket == ticket.number) {
                    continue;
                }
                if time.is_some_and(|time| time > deadline) || now >= deadline {
                    state.turn_away(&self.connection, purpose, ticket.number);
                    drop(state);
                    return Err(self.throttled(time.unwrap_or_default().max(now + Duration::from_secs(1))));
                }
                time.unwrap_or(deadline).min(deadline).max(now + Duration::from_millis(1))
            };
            tokio::select! {
                biased;
                outcome = &mut granted => if outcome.is_ok() {
                    ticket.done = true;
                    let (registry, pools) = (Arc::clone(&self.registry), Arc::clone(&self.pools));
                    return Ok(Permit { registry, pools, counted: true });
                },
                () = clock.sleep_until(wake) => {}
            }
        }
    }

    /// The remote asked to be left alone for `wait`: so does every connection of the account.
    pub fn block(&self, wait: Duration) {
        let until = self.registry.clock.monotonic().saturating_add(wait);
        if let Some(Pool::Block { until: known }) = self.registry.lock().pools.get_mut(self.block) {
            *known = until.max(*known);
        }
    }

    /// The remote says that `left` requests are left of a window of length `per`: of the first limit of that span in
    /// the manifest (`nth` 0), or of a later one. A number that speaks of one tenant must never be taken for what is
    /// left to all of them.
    pub fn learn(&self, per: Duration, nth: usize, left: u32) {
        let now = self.registry.clock.monotonic();
        let mut state = self.registry.lock();
        let of_span = |at: &&usize| matches!(state.pools.get(**at), Some(Pool::Window(window)) if window.per() == per);
        let found = self.pools.iter().filter(of_span).nth(nth).copied();
        if let Some(Pool::Window(window)) = found.and_then(|at| state.pools.get_mut(at)) {
            window.learn(now, left);
        }
    }

    /// What is left of each limit that counts requests.
    #[must_use]
    pub fn budgets(&self) -> Vec<Budget> {
        let now = self.registry.clock.monotonic();
        let mut state = self.registry.lock();
        let mut all = Vec::new();
        for at in self.pools.iter() {
            if let Some(Pool::Window(window)) = state.pools.get_mut(*at) {
                all.push(window.budget(now));
            }
        }
        all
    }

    /// The error that says so.
    #[must_use]
    pub fn throttled(&self, until: Duration) -> CallError {
        let clock = &self.registry.clock;
        let wait = until.saturating_sub(clock.monotonic());
        CallError::Throttled { connection: self.connection.clone(), until: later(clock.now(), wait) }
    }
}

/// `now` plus `wait`, and the end of time rather than an overflow.
fn later(now: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(wait).ok().and_then(|wait| now.checked_add_signed(wait)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// A place in the queue, given up when the waiting call is dropped.
struct Ticket<'a> {
    limits: &'a Limits,
    number: u64,
    done: bool,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let registry = &self.limits.registry;
        let now = registry.clock.monotonic();
        let mut state = registry.lock();
        let waiting = state.queue.len();
        state.queue.retain(|waiter| waiter.ticket != self.number);
        if state.queue.len() == waiting {
            // It had been let go but never went.
            state.end(&self.limits.pools, now, false);
        } else {
            state.serve(now);
        }
    }
}

impl Permit {
    /// The request certainly never reached the remote, so it does not count.
    pub fn unused(mut self) {
        self.counted = false;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = self.registry.clock.monotonic();
        self.registry.lock().end(&self.pools, now, self.counted);
    }
}
