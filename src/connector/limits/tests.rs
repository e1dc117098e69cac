mod fair;

use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use proptest::prelude::*;
use secrecy::SecretString;

use super::*;
use crate::{
    config::ConnectionName,
    connector::{Bodies, Manifest, ThrottleWait, Throttled},
};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

fn connection(name: &str, tenant: &str, limits: &[Limit]) -> Connection {
    let base_url = url::Url::parse("https://api.example/v1").unwrap();
    let manifest = Manifest {
        name: "books".to_owned(),
        version: 1,
        settings: [].into(),
        base_url: None,
        headers: vec![],
        query: vec![],
        bodies: Bodies::default(),
        auth: vec![],
        refused_when: vec![],
        retry_when: vec![],
        limits: limits.to_vec(),
        throttled: Throttled { status: 429, when: None, wait: ThrottleWait::RetryAfter, remaining: vec![] },
        in_doubt: MINUTE,
        lag: Duration::ZERO,
        timeout: MINUTE,
        error_messages: vec![],
        webhooks: None,
        resources: [].into(),
    };
    Connection {
        name: ConnectionName::parse(name).unwrap(),
        manifest: Arc::new(manifest),
        pinned: false,
        base_url,
        tenant: Some(tenant.to_owned()),
        settings: [].into(),
        auth: Auth::Bearer(Secret::Known(SecretString::from("canary-token"))),
        beside: None,
        webhook_key: None,
        moved_from: None,
        unlimited: false,
    }
}

fn per_tenant(count: u32, per: Duration) -> Limit {
    Limit::Requests { count, per, scope: Scope::Tenant }
}

fn registry() -> (Clock, Arc<LimitRegistry>) {
    let clock = Clock::manual(DateTime::UNIX_EPOCH);
    let registry = Arc::new(LimitRegistry::new(clock.clone()));
    (clock, registry)
}

/// What asking comes to without any time passing: a permit, an error, or waiting.
fn now(limits: &Limits) -> Poll<Result<Permit, CallError>> {
    let deadline = limits.registry.clock.monotonic() + LONGEST_WAIT;
    pin!(limits.acquire(Purpose::Read, deadline)).poll(&mut Context::from_waker(Waker::noop()))
}

/// Takes as many as there are, each ending at once, and says how many that were.
fn drain(limits: &Limits) -> usize {
    (0..10_000).take_while(|_| matches!(now(limits), Poll::Ready(Ok(_)))).count()
}

fn waits(limits: &Limits) -> bool {
    now(limits).is_pending()
}

#[test]
fn a_tenth_is_kept_for_people_and_what_is_used_comes_back_after_the_span() {
    let (clock, registry) = registry();
    let schedule = registry.of(&connection("a", "t", &[per_tenant(60, MINUTE)]), Priority::Automatic);
    let person = schedule.with_priority(Priority::Manual);
    assert_eq!(drain(&schedule), 54);
    assert_eq!(drain(&person), 6);
    assert!(waits(&person));
    clock.advance(MINUTE);
    assert!(waits(&schedule), "two requests exactly one span apart may meet in one window");
    clock.advance(Duration::from_millis(1));
    assert_eq!(drain(&schedule), 54);
}

#[test]
fn connections_of_one_tenant_share_its_limit_and_others_do_not() {
    let (_, registry) = registry();
    let limits = [per_tenant(10, MINUTE), Limit::Requests { count: 15, per: MINUTE, scope: Scope::App }];
    let one = registry.of(&connection("a", "t", &limits), Priority::Manual);
    let same = registry.of(&connection("b", "t", &limits), Priority::Manual);
    let other = registry.of(&connection("c", "u", &limits), Priority::Manual);
    assert_eq!((drain(&one), drain(&same), drain(&other)), (10, 0, 5));
}

#[test]
fn an_unlimited_connection_still_rests_when_it_is_told_to() {
    let (clock, registry) = registry();
    let connection = Connection { unlimited: true, ..connection("a", "t", &[per_tenant(2, MINUTE)]) };
    let limits = registry.of(&connection, Priority::Automatic);
    assert_eq!((0..100).filter(|_| matches!(now(&limits), Poll::Ready(Ok(_)))).count(), 100);
    limits.block(Duration::from_secs(5));
    assert!(waits(&limits));
    clock.advance(Duration::from_secs(5));
    assert!(now(&limits).is_ready());
}

#[test]
fn only_so_many_are_under_way_at_once() {
    let (_, registry) = registry();
    let limits = registry.of(&connection("a", "t", &[Limit::InFlight(2)]), Priority::Automatic);
    let (one, two) = (now(&limits), now(&limits));
    assert!(one.is_ready() && two.is_ready() && waits(&limits));
    drop(one);
    assert!(now(&limits).is_ready());
}

#[test]
fn an_edited_limit_of_calls_under_way_holds_for_those_that_are() {
    let (_, registry) = registry();
    let with = |max| registry.of(&connection("a", "t", &[Limit::InFlight(max)]), Priority::Automatic);
    let one = now(&with(1));
    assert!(one.is_ready() && waits(&with(1)));
    let two = now(&with(2));
    assert!(two.is_ready() && waits(&with(2)));
    drop(two);
    assert!(waits(&with(1)));
    drop(one);
    assert!(now(&with(1)).is_ready());
}

#[test]
fn a_request_that_was_never_sent_does_not_count() {
    let (_, registry) = registry();
    let limits = registry.of(&connection("a", "t", &[per_tenant(1, MINUTE)]), Priority::Automatic);
    let Poll::Ready(Ok(permit)) = now(&limits) else { panic!("the first goes") };
    permit.unused();
    assert_eq!(drain(&limits), 1);
}

#[test]
fn retry_after_stops_every_connection_of_the_account_and_a_long_one_is_an_error_at_once() {
    let (clock, registry) = registry();
    let one = registry.of(&connection("a", "t", &[per_tenant(60, MINUTE)]), Priority::Automatic);
    let same = registry.of(&connection("b", "t", &[per_tenant(60, MINUTE)]), Priority::Manual);
    let other = registry.of(&connection("c", "u", &[per_tenant(60, MINUTE)]), Priority::Automatic);
    one.block(Duration::from_secs(30));
    assert!(waits(&one) && waits(&same) && now(&other).is_ready());
    one.block(Duration::from_hours(1));
    match now(&same) {
        Poll::Ready(Err(CallError::Throttled { connection, until })) => {
            assert_eq!(connection, "b");
            assert_eq!(until, clock.now() + TimeDelta::hours(1));
        }
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn the_remote_is_believed_when_it_says_that_fewer_are_left() {
    let (clock, registry) = registry();
    let limits = [per_tenant(60, MINUTE), per_tenant(5000, DAY)];
    let limits = registry.of(&connection("a", "t", &limits), Priority::Manual);
    assert!(now(&limits).is_ready());
    limits.learn(MINUTE, 0, 10);
    assert_eq!(drain(&limits), 10);
    limits.learn(MINUTE, 0, 59);
    assert_eq!(drain(&limits), 0, "more than we think is not believed");
    clock.advance(MINUTE + MINUTE);
    // An account whose day holds less than the manifest says.
    limits.learn(DAY, 0, 3);
    assert_eq!(drain(&limits), 3);
    assert!(matches!(now(&limits), Poll::Ready(Err(CallError::Throttled { .. }))));
    clock.advance(DAY + DAY / 100);
    assert_eq!(drain(&limits), 60);
}

#[test]
fn what_is_left_to_one_tenant_is_not_what_is_left_to_all() {
    let (_, registry) = registry();
    let limits = [per_tenant(60, MINUTE), Limit::Requests { count: 10_000, per: MINUTE, scope: Scope::App }];
    let one = registry.of(&connection("a", "t", &limits), Priority::Manual);
    let other = registry.of(&connection("b", "u", &limits), Priority::Manual);
    one.learn(MINUTE, 0, 2);
    one.learn(MINUTE, 1, 9000);
    assert_eq!((drain(&one), drain(&other)), (2, 60));
    one.learn(MINUTE, 1, 0);
    one.learn(MINUTE, 2, 0);
    assert!(waits(&other));
}

#[test]
fn a_limit_that_is_written_twice_counts_once() {
    let (_, registry) = registry();
    let limits = registry.of(&connection("a", "t", &[per_tenant(4, MINUTE), per_tenant(4, MINUTE)]), Priority::Manual);
    assert_eq!(drain(&limits), 4);
}

#[tokio::test]
async fn waiters_go_in_the_order_of_arrival_and_people_before_schedules() {
    let (clock, registry) = registry();
    let schedule = registry.of(&connection("a", "t", &[per_tenant(1, MINUTE)]), Priority::Automatic);
    let person = schedule.with_priority(Priority::Manual);
    assert_eq!(drain(&schedule), 1);
    let order = Mutex::new(Vec::new());
    let deadline = MINUTE * 10;
    let go = async |name: &'static str, limits: &Limits| {
        let permit = limits.acquire(Purpose::Read, deadline).await.unwrap();
        order.lock().unwrap().push(name);
        drop(permit);
    };
    let steps = async {
        for _ in 0..5 {
            tokio::task::yield_now().await;
            clock.advance(MINUTE + Duration::from_millis(1));
        }
    };
    tokio::join!(go("first", &schedule), go("second", &schedule), go("person", &person), steps);
    assert_eq!(*order.lock().unwrap(), ["person", "first", "second"]);
}

#[tokio::test]
async fn one_used_up_account_holds_up_no_other() {
    let (_, registry) = registry();
    let limits = [per_tenant(1, MINUTE), Limit::Requests { count: 100, per: MINUTE, scope: Scope::App }];
    let full = registry.of(&connection("a", "t", &limits), Priority::Automatic);
    let free = registry.of(&connection("b", "u", &limits), Priority::Automatic);
    assert_eq!(drain(&full), 1);
    let mut waiting = pin!(full.acquire(Purpose::Read, LONGEST_WAIT));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(drain(&free), 1);
}

#[tokio::test]
async fn a_waiter_that_goes_away_leaves_nothing_behind() {
    let (_, registry) = registry();
    let limits = registry.of(&connection("a", "t", &[Limit::InFlight(1)]), Priority::Automatic);
    let Poll::Ready(Ok(permit)) = now(&limits) else { panic!("the first goes") };
    {
        let mut gone = pin!(limits.acquire(Purpose::Read, LONGEST_WAIT));
        assert!(gone.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        // It is let go here, but never looks again.
        drop(permit);
    }
    assert!(now(&limits).is_ready());
}

#[test]
fn the_queue_is_part_of_the_estimate() {
    let (_, registry) = registry();
    let limits = registry.of(&connection("a", "t", &[per_tenant(2, MINUTE)]), Priority::Automatic);
    assert_eq!(drain(&limits), 2);
    let mut first = pin!(limits.acquire(Purpose::Read, LONGEST_WAIT));
    let mut second = pin!(limits.acquire(Purpose::Read, LONGEST_WAIT));
    let mut context = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending() && second.as_mut().poll(&mut context).is_pending());
    assert!(matches!(now(&limits), Poll::Ready(Err(CallError::Throttled { .. }))), "two minutes are too long");
}

#[test]
fn a_deadline_that_has_almost_come_is_an_error_and_no_panic() {
    let (clock, registry) = registry();
    let limits = registry.of(&connection("a", "t", &[Limit::InFlight(1)]), Priority::Automatic);
    let held = now(&limits);
    let mut context = Context::from_waker(Waker::noop());
    let mut late = pin!(limits.acquire(Purpose::Read, Duration::from_micros(500)));
    assert!(late.as_mut().poll(&mut context).is_pending());
    clock.advance(Duration::from_millis(1));
    assert!(matches!(late.as_mut().poll(&mut context), Poll::Ready(Err(CallError::Throttled { .. }))));
    drop(held);
    assert_eq!(drain(&limits.with_priority(Priority::Manual)).min(1), 1, "nobody is left in the queue");
}

#[test]
fn absurd_spans_do_no_harm() {
    let (_, registry) = registry();
    let limits = registry.of(&connection("a", "t", &[per_tenant(0, Duration::MAX)]), Priority::Automatic);
    assert_eq!(drain(&limits), 1);
    limits.block(Duration::MAX);
    assert!(matches!(now(&limits), Poll::Ready(Err(CallError::Throttled { .. }))));
}

#[test]
fn nothing_that_is_printed_holds_the_secret() {
    let (_, registry) = registry();
    let limit = Limit::Requests { count: 1, per: MINUTE, scope: Scope::Key };
    let limits = registry.of(&connection("a", "t", &[limit]), Priority::Automatic);
    assert!(!format!("{limits:?}").contains("canary"));
}

/// One event of a random history.
#[derive(Clone, Copy, Debug)]
enum Event {
    Ask,
    End,
    Wait(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => Just(Event::Ask),
        3 => Just(Event::End),
        3 => (1_u64..30_000).prop_map(Event::Wait),
    ];
    prop::collection::vec(event, 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whenever the remote counts a request, at its beginning or at its end, no window of the span holds more than
    /// the limit; and the account is never left idle for good.
    #[test]
    fn no_window_ever_holds_more_than_the_limit(events in events(), count in 1_u32..8, stepped in any::<bool>()) {
        let (clock, registry) = registry();
        // A large count keeps its window in steps; the difference is taken up before the history begins.
        let (count, taken) = if stepped { (count + 1200, 1200) } else { (count, 0) };
        let limits = registry.of(&connection("a", "t", &[per_tenant(count, MINUTE)]), Priority::Manual);
        for _ in 0..taken {
            prop_assert!(now(&limits).is_ready());
        }
        let first = vec![Duration::ZERO; taken];
        let (mut begun, mut ended) = (first.clone(), first);
        let mut open = VecDeque::new();
        for event in events {
            match event {
                Event::Ask => if let Poll::Ready(Ok(permit)) = now(&limits) {
                    begun.push(clock.monotonic());
                    open.push_back((permit, begun.len() - 1));
                    ended.push(Duration::MAX);
                },
                Event::End => if let Some((permit, at)) = open.pop_front() {
                    drop(permit);
                    ended[at] = clock.monotonic();
                },
                Event::Wait(millis) => clock.advance(Duration::from_millis(millis)),
            }
        }
        for times in [&begun, &ended] {
            for start in times.iter().filter(|at| **at != Duration::MAX) {
                let within = times.iter().filter(|at| **at >= *start && **at <= *start + MINUTE).count();
                prop_assert!(within <= usize::try_from(count).unwrap(), "{} from {:?}", within, start);
            }
        }
        open.clear();
        clock.advance(MINUTE * 2);
        prop_assert!(now(&limits).is_ready());
    }
}
