//! Three hundred clients of an agency under one limit that all of them share, on a clock that the test moves.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::*;
use crate::config::{IntegrationName, Spread};

/// Requests a minute for all clients together; schedules may use nine tenths of them.
const SHARED: u32 = 60;
const USABLE: u64 = 54;
/// What a request takes.
const CALL: Duration = Duration::from_millis(250);
const HOUR: Duration = Duration::from_hours(1);

/// What became of one client: when it began, and when each of its calls was let go.
#[derive(Clone, Debug)]
struct Came {
    began: Duration,
    went: Vec<Duration>,
}

/// A client that begins at a time and makes so many calls, one after the other, as a run does.
struct Client {
    name: String,
    begins: Duration,
    calls: usize,
}

type Outcomes = Arc<Mutex<BTreeMap<String, Came>>>;

async fn call_by_call(clock: Clock, limits: Limits, client: Client, outcomes: Outcomes) {
    clock.sleep_until(client.begins).await;
    outcomes.lock().unwrap().insert(client.name.clone(), Came { began: client.begins, went: Vec::new() });
    for _ in 0..client.calls {
        // Whether it would be told to come back later is another matter: here it is about whose turn it is.
        let permit = limits.acquire(Purpose::Read, Duration::MAX).await.unwrap();
        let at = clock.monotonic();
        outcomes.lock().unwrap().get_mut(&client.name).unwrap().went.push(at);
        clock.sleep(CALL).await;
        drop(permit);
    }
}

/// Reads and then writes, again and again, and begins anew where it is told to come back later, as a daemon does. What
/// went is a write.
async fn run_by_run(clock: Clock, limits: Limits, client: Client, outcomes: Outcomes) {
    // Nobody is back at the very moment that it was told: whoever is a little late finds others in line.
    let mut late = fastrand::Rng::with_seed(xxhash_rust::xxh3::xxh3_64(client.name.as_bytes()));
    clock.sleep_until(client.begins).await;
    outcomes.lock().unwrap().insert(client.name.clone(), Came { began: client.begins, went: Vec::new() });
    'runs: loop {
        for purpose in [Purpose::Read, Purpose::Write] {
            match limits.acquire(purpose, clock.monotonic() + LONGEST_WAIT).await {
                Ok(permit) => {
                    clock.sleep(CALL).await;
                    drop(permit);
                }
                Err(CallError::Throttled { until, .. }) => {
                    let wait = (until - clock.now()).to_std().unwrap_or_default();
                    clock.sleep(wait + Duration::from_millis(late.u64(..30_000))).await;
                    continue 'runs;
                }
                Err(other) => panic!("{other}"),
            }
        }
        let at = clock.monotonic();
        outcomes.lock().unwrap().get_mut(&client.name).unwrap().went.push(at);
    }
}

/// Plays clients, each with an account of its own, until a time.
async fn play(clients: Vec<Client>, until: Duration) -> BTreeMap<String, Came> {
    play_each(clients, SHARED, until, call_by_call).await
}

async fn play_each<F: Future<Output = ()> + 'static>(
    clients: Vec<Client>,
    shared: u32,
    until: Duration,
    way: impl Fn(Clock, Limits, Client, Outcomes) -> F,
) -> BTreeMap<String, Came> {
    let (clock, registry) = registry();
    let limits = [per_tenant(shared, MINUTE), Limit::Requests { count: shared, per: MINUTE, scope: Scope::App }];
    let outcomes = Outcomes::default();
    let mut sleeps = clock.sleeps().unwrap();
    let local = tokio::task::LocalSet::new();
    for client in clients {
        let own = registry.of(&connection(&client.name, &client.name, &limits), Priority::Automatic);
        local.spawn_local(way(clock.clone(), own, client, Arc::clone(&outcomes)));
    }
    local
        .run_until(async {
            while clock.monotonic() < until {
                // Everybody who can go on does, until all wait for the clock.
                loop {
                    sleeps.mark_unchanged();
                    for _ in 0..12 {
                        tokio::task::yield_now().await;
                    }
                    if !sleeps.has_changed().unwrap() {
                        break;
                    }
                }
                let next = sleeps.borrow().values().min().copied();
                let Some(next) = next else { break };
                clock.advance(next.saturating_sub(clock.monotonic()).max(Duration::from_millis(1)));
            }
        })
        .await;
    std::mem::take(&mut *outcomes.lock().unwrap())
}

fn large(calls: usize) -> Client {
    Client { name: "large".to_owned(), begins: Duration::ZERO, calls }
}

/// So many small clients, each at its place in the spread, or all at once.
fn small(calls: usize, spread: Option<Duration>) -> impl Iterator<Item = Client> {
    (1..300).map(move |number| {
        let name = format!("client-{number}");
        let own = IntegrationName::parse(&name).unwrap();
        let begins = spread.map_or(Duration::ZERO, |over| Spread::of(&own, over).offset);
        Client { name, begins, calls }
    })
}

/// How long a client was under way from its beginning to its last call.
fn took(came: &Came) -> Duration {
    came.went.last().map_or(Duration::MAX, |last| last.saturating_sub(came.began))
}

#[tokio::test]
async fn one_client_with_ten_thousand_records_delays_nobody_beyond_its_share() {
    let clients = small(4, Some(HOUR)).chain([large(10_000)]).collect();
    let came = play(clients, HOUR + MINUTE * 5).await;
    let others: Vec<&Came> = came.iter().filter(|(name, _)| *name != "large").map(|(_, came)| came).collect();
    assert_eq!(others.len(), 299);
    for other in &others {
        // What is used comes back a minute later; then it is everybody's turn, and four turns come at once.
        assert!(other.went.len() == 4 && took(other) <= MINUTE + Duration::from_secs(10), "{other:?}");
    }
    // Nothing is left lying: what the others do not need is the large one's.
    let minutes = 65;
    let all: usize = came.values().map(|came| came.went.len()).sum();
    assert!(all as u64 >= USABLE * (minutes - 1), "{all} calls in {minutes} minutes");
}

#[tokio::test]
async fn where_all_want_more_than_there_is_each_gets_the_same() {
    let clients = small(20, None).chain([large(10_000)]).collect();
    let came = play(clients, HOUR / 2).await;
    let fewest = came.values().map(|came| came.went.len()).min().unwrap();
    let large = came["large"].went.len();
    // 300 clients share 54 a minute for half an hour: five turns each, and the large one has no more of them.
    assert!(came.len() == 300 && fewest >= 4 && large <= fewest + 1, "large: {large}, fewest: {fewest}");
}

#[tokio::test]
async fn a_spread_keeps_three_hundred_clients_from_starting_at_once() {
    let spread = play(small(4, Some(HOUR)).collect(), HOUR * 2).await;
    let mut starts = BTreeMap::<u64, usize>::new();
    for came in spread.values() {
        *starts.entry(came.began.as_secs() / 60).or_default() += 1;
    }
    assert!(starts.len() > 50 && starts.values().all(|count| *count <= 15), "{starts:?}");
    let longest = |all: &BTreeMap<String, Came>| all.values().map(took).max().unwrap();
    assert!(longest(&spread) <= MINUTE + Duration::from_secs(10), "{:?}", longest(&spread));
    let at_once = play(small(4, None).collect(), HOUR * 2).await;
    assert!(longest(&at_once) > MINUTE * 15, "without one they wait for each other: {:?}", longest(&at_once));
}

#[tokio::test]
async fn whoever_is_turned_away_gets_its_turn_however_many_there_are() {
    // Six times as many as may go in a minute want more than there is, for four hours: 20 runs of two calls for each.
    let clients = (0..36).map(|number| Client { name: format!("client-{number}"), begins: Duration::ZERO, calls: 0 });
    let came = play_each(clients.collect(), 6, HOUR * 4, run_by_run).await;
    let runs: Vec<usize> = came.values().map(|came| came.went.len()).collect();
    let (fewest, most) = (runs.iter().min().unwrap(), runs.iter().max().unwrap());
    assert!(runs.len() == 36 && *fewest >= 8, "fewest: {fewest}, most: {most}");
}
