//! Fault switches: what goes wrong between a client and a practice system, on demand.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// One way for a request to go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answer this status (429, 500, 503, …) in the system's own words; nothing is applied.
    Status(u16),
    /// As [`Fault::Status`], with `Retry-After` in whole seconds.
    StatusRetryAfter(u16, u64),
    /// Wait (real time), then apply and answer. A client that gives up meanwhile does not stop it.
    SlowBefore(Duration),
    /// Apply, wait (real time), then answer.
    SlowAfter(Duration),
    /// End the connection; nothing is applied.
    DropBefore,
    /// Apply, then end the connection without an answer.
    DropAfter,
    /// Apply, then answer this status in place of the real answer.
    ApplyThenStatus(u16),
    /// Apply; the answer arrives as a complete HTTP message whose body lacks its second half.
    Truncate,
    /// Apply; the connection ends in the middle of the body.
    CloseMidBody,
    /// Apply twice, as a proxy that repeats a request would; the client sees the second answer.
    Twice,
    /// Apply; the elements of a batch answer come in reverse order.
    ReverseBatch,
    /// Apply; a batch answer lacks its last `n` elements.
    ShortBatch(usize),
    /// Apply; then answer 200 with an HTML page, as a captive portal or a maintenance page does.
    HtmlPage,
}

/// Which requests a fault strikes, and how often.
#[derive(Clone, Debug)]
pub struct FaultRule {
    fault: Fault,
    method: Option<String>,
    path: String,
    body: Option<String>,
    skip: u64,
    times: Option<u64>,
    probability: Option<f64>,
}

impl FaultRule {
    /// Strikes every request.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self { fault, method: None, path: "*".to_owned(), body: None, skip: 0, times: None, probability: None }
    }

    /// Only requests with this method (`*`: any; `WRITE`: all that are not GET) and a path that fits, where `*`
    /// stands for any text: `on("POST", "*/Contacts")`.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.method = (method != "*").then(|| method.to_owned());
        path.clone_into(&mut self.path);
        self
    }

    /// Only requests whose body holds this text.
    #[must_use]
    pub fn body_holds(mut self, text: &str) -> Self {
        self.body = Some(text.to_owned());
        self
    }

    /// Lets the first `count` fitting requests pass.
    #[must_use]
    pub fn after(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Strikes at most `count` times.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }

    /// Strikes a fitting request with this probability (0 to 1). The draw depends on the system's seed, on the
    /// request, and on how often it came before, but not on what other requests do at the same time: so a history can
    /// be repeated although its requests run side by side.
    #[must_use]
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = Some(probability);
        self
    }

    fn fits(&self, method: &str, path: &str, body: &[u8]) -> bool {
        let method_fits = match self.method.as_deref() {
            None => true,
            Some("WRITE") => !matches!(method, "GET" | "HEAD"),
            Some(only) => only == method,
        };
        method_fits
            && glob(&self.path, path)
            && self.body.as_deref().is_none_or(|text| String::from_utf8_lossy(body).contains(text))
    }
}

/// The fault switches of one practice system; clones share them.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    rules: Vec<FaultRule>,
    seed: u64,
    /// How often each request was drawn for.
    drawn: HashMap<u64, u64>,
    delay: Duration,
    struck: u64,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        let state = State { rules: Vec::new(), seed, drawn: HashMap::new(), delay: Duration::ZERO, struck: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Switches a fault on. The first rule that strikes a request wins.
    pub fn add(&self, rule: FaultRule) {
        self.lock().rules.push(rule);
    }

    /// Switches a fault on for the next request that fits; the short form of [`Faults::add`].
    pub fn once(&self, fault: Fault, method: &str, path: &str) {
        self.add(FaultRule::new(fault).on(method, path).times(1));
    }

    /// Switches everything off, the delay included.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.rules.clear();
        state.delay = Duration::ZERO;
    }

    /// Every answer waits this long (real time) after its request was applied.
    pub fn delay_all(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    /// How many requests were struck.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.lock().struck
    }

    pub(crate) fn delay(&self) -> Duration {
        self.lock().delay
    }

    pub(crate) fn strike(&self, method: &str, path: &str, body: &[u8]) -> Option<Fault> {
        let mut guard = self.lock();
        let State { rules, seed, drawn, struck, .. } = &mut *guard;
        let mut chance = None;
        let mut fault = None;
        for rule in rules.iter_mut() {
            if rule.times == Some(0) || !rule.fits(method, path, body) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if let Some(probability) = rule.probability {
                // Each rule draws anew.
                let mut random = chance.take().unwrap_or_else(|| random_for(*seed, drawn, method, path, body));
                let passes = random.f64() >= probability;
                chance = Some(random);
                if passes {
                    continue;
                }
            }
            if let Some(left) = &mut rule.times {
                *left -= 1;
            }
            *struck += 1;
            fault = Some(rule.fault.clone());
            break;
        }
        rules.retain(|rule| rule.times != Some(0));
        fault
    }
}

/// A random source of a request's own.
fn random_for(seed: u64, drawn: &mut HashMap<u64, u64>, method: &str, path: &str, body: &[u8]) -> fastrand::Rng {
    let text = [method.as_bytes(), path.as_bytes(), body].join(&0);
    let hash = xxh3_64_with_seed(&text, seed);
    let times = drawn.entry(hash).or_default();
    *times += 1;
    fastrand::Rng::with_seed(hash ^ times.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Whether `text` fits `pattern`, in which `*` stands for any text, also none.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(glob(pattern, text), expected, "{pattern} against {text}");
    }

    #[test]
    fn a_star_stands_for_any_text() {
        check("/contacts", "/contacts", true);
        check("/contacts", "/contacts/1", false);
        check("/contacts*", "/contacts/1", true);
        check("*/Contacts", "/api.xro/2.0/Contacts", true);
        check("*/Contacts", "/api.xro/2.0/Contacts/1", false);
        check("*Contacts*", "/api.xro/2.0/Contacts/1", true);
        check("*", "", true);
        check("a*b*c", "a-b-c", true);
        check("a*b*c", "a-c", false);
    }

    #[test]
    fn a_rule_skips_then_strikes_then_is_spent() {
        let faults = Faults::new(1);
        faults.add(FaultRule::new(Fault::Status(500)).on("POST", "/a*").after(1).times(2));
        let strikes: Vec<bool> =
            ["/a", "/b", "/a", "/ab", "/a"].iter().map(|path| faults.strike("POST", path, b"").is_some()).collect();
        assert_eq!(strikes, [false, false, true, true, false]);
        assert_eq!(faults.struck(), 2);
    }

    #[test]
    fn the_same_seed_strikes_the_same_requests() {
        let run = |seed| -> Vec<bool> {
            let faults = Faults::new(seed);
            faults.add(FaultRule::new(Fault::DropAfter).probability(0.5));
            (0..64).map(|_| faults.strike("GET", "/", b"").is_some()).collect()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        assert!((16..48).contains(&run(7).iter().filter(|struck| **struck).count()));
    }

    #[test]
    fn other_requests_in_between_change_no_draw() {
        let run = |others: usize| -> Vec<bool> {
            let faults = Faults::new(3);
            faults.add(FaultRule::new(Fault::DropAfter).probability(0.5));
            let draw = |_| {
                for other in 0..others {
                    faults.strike("POST", "/other", &[u8::try_from(other).unwrap()]);
                }
                faults.strike("GET", "/", b"").is_some()
            };
            (0..32).map(draw).collect()
        };
        assert_eq!(run(0), run(3));
    }
}
