//! Systems that refuse us: they are asked seldom, and once they answer, everything that waited is done at once.

use reconciled::{connector::CallError, daemon::WaitReason, engine::Mode};
use serde_json::json;

use crate::{Live, SHOP, World, bounded, by_hand};

/// The login of a connection is refused.
fn refused(name: &str) -> Option<CallError> {
    Some(CallError::Login { connection: name.into(), message: "the token was revoked".into() })
}

/// The books are polled by nobody, and nothing runs by itself but for a change.
async fn live() -> Live {
    let live = Live::start(World::new(SHOP)).await;
    live.until("01 04:01:00").await;
    live
}

fn jane(live: &Live, name: &str) {
    live.world.shop.insert("contacts", json!({"name": name, "email": format!("{name}@x.example")}));
}

/// What the integration waits for, where a system refused us.
fn asked_again(live: &Live, of: &str) -> Option<String> {
    let waits = live.daemon.status().integrations.remove(0).waits;
    waits.iter().find_map(|wait| match wait {
        WaitReason::Refused { connection, at } if connection.as_str() == of => Some(at.format("%H:%M:%S").to_string()),
        _ => None,
    })
}

/// From now on nothing is left to do: a run by hand writes nothing.
async fn at_rest(live: &Live) {
    let writes = (live.world.shop.written().len(), live.world.books.written().len());
    live.call(reconciled::daemon::protocol::Request::Run(by_hand("acme", Mode::Sync))).await;
    assert_eq!((live.world.shop.written().len(), live.world.books.written().len()), writes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_login_that_heals_by_itself_is_noticed_and_what_waited_is_written_at_once() {
    let live = live().await;
    live.books.fail_with(refused("books"));
    jane(&live, "Jane");
    live.until("01 04:04:30").await;
    let now = live.daemon.status().integrations.remove(0);
    assert!(!now.troubles[0].temporary, "{now:?}");
    assert!(!now.waits.iter().any(|wait| matches!(wait, WaitReason::Retry { .. })), "{now:?}");
    assert_eq!(asked_again(&live, "books").as_deref(), Some("04:09:00"));
    let before = live.books.calls();
    live.until("01 04:25:00").await;
    assert_eq!(live.books.calls() - before, 4, "after 5 and 10 more minutes, one call for each resource");
    assert_eq!(asked_again(&live, "books").as_deref(), Some("04:39:00"));
    live.books.fail_with(None);
    live.until("01 04:38:00").await;
    assert_eq!(live.world.books.count("contacts"), 0);
    assert_eq!(live.daemon.status().integrations[0].troubles[0].attempts, 3);
    live.until("01 04:40:00").await;
    assert_eq!(live.world.books.count("contacts"), 1);
    assert_eq!(live.told("acme").await.last().unwrap(), "01 04:39:00 books answers again");
    assert_eq!(live.daemon.status().integrations[0].troubles, []);
    assert_eq!(asked_again(&live, "books"), None);
    at_rest(&live).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_system_that_refuses_us_is_not_polled_until_it_answers() {
    let live = live().await;
    live.shop.fail_with(refused("shop"));
    live.until("01 04:03:00").await;
    let before = live.shop.calls();
    live.until("01 16:00:00").await;
    let calls = live.shop.calls() - before;
    assert!(
        (24..=28).contains(&calls),
        "5, 10, 20, 40 minutes, then once an hour, two resources: {calls} in half a day"
    );
    jane(&live, "Jane");
    live.shop.fail_with(None);
    live.until("01 17:10:00").await;
    assert_eq!(live.world.books.count("contacts"), 1);
    jane(&live, "Joe");
    live.until("01 17:20:00").await;
    assert_eq!(live.world.books.count("contacts"), 2, "polls go on");
    at_rest(&live).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_right_to_write_that_is_missing_stays_a_trouble_while_reading_works() {
    let live = live().await;
    live.books.refuse_writes(refused("books"));
    jane(&live, "Jane");
    live.until("01 04:04:30").await;
    for (time, next) in
        [("04:05", "04:09"), ("04:10", "04:19"), ("04:20", "04:39"), ("04:40", "05:19"), ("05:20", "06:19")]
    {
        live.until(&format!("01 {time}:00")).await;
        assert_eq!(asked_again(&live, "books").unwrap(), format!("{next}:00"));
        let now = live.daemon.status().integrations.remove(0);
        assert_eq!(now.troubles.len(), 1, "it can be read, and nobody says that all is well: {now:?}");
    }
    assert_eq!(live.world.books.count("contacts"), 0);
    live.books.refuse_writes(None);
    live.until("01 06:20:00").await;
    assert_eq!(live.world.books.count("contacts"), 1);
    assert_eq!(live.daemon.status().integrations[0].troubles, []);
    at_rest(&live).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn who_shares_a_system_that_refuses_asks_once_and_goes_on_together() {
    // Each has one of the pipelines.
    let (head, contacts) = SHOP.split_once("    pipelines:\n").unwrap();
    let (contacts, sales) = contacts.split_once("      sales:").unwrap();
    let other = head.replace("integrations:\n  acme:", "  other:");
    let config = format!(
        "{head}    pipelines:\n{contacts}{}    pipelines:\n      sales:{sales}",
        other.trim_start_matches('\n')
    );
    let live = Live::start(World::new(&config)).await;
    live.until("01 04:01:00").await;
    live.books.fail_with(refused("books"));
    jane(&live, "Jane");
    live.world.shop.insert("sales", json!({"number": "1", "total": 5}));
    live.until("01 04:05:00").await;
    let all = live.daemon.status().integrations;
    assert!(all.iter().all(|one| one.troubles.len() == 1), "{all:?}");
    let before = live.books.calls();
    live.until("01 07:00:00").await;
    let calls = live.books.calls() - before;
    assert!(calls <= 10, "as seldom as if one alone asked: {calls} in three hours");
    live.books.fail_with(None);
    live.until("01 08:10:00").await;
    assert_eq!((live.world.books.count("contacts"), live.world.books.count("sales")), (1, 1));
    let all = live.daemon.status().integrations;
    assert!(all.iter().all(|one| one.troubles.is_empty()), "{all:?}");
    for name in ["acme", "other"] {
        let runs = live.runs(name).await;
        assert!(runs.iter().any(|run| run.why == "books answers again"), "{name}: {runs:?}");
    }
    at_rest(&live).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_run_by_hand_does_not_wait_until_it_is_asked_again() {
    let live = live().await;
    live.books.fail_with(refused("books"));
    jane(&live, "Jane");
    live.until("01 04:05:00").await;
    live.books.fail_with(None);
    live.call(reconciled::daemon::protocol::Request::Run(by_hand("acme", Mode::Sync))).await;
    assert_eq!(live.world.books.count("contacts"), 1);
    assert_eq!(asked_again(&live, "books"), None);
    // Paused, nothing is asked; what was refused stays known.
    live.books.fail_with(refused("books"));
    jane(&live, "Joe");
    live.until("01 04:15:00").await;
    let pause = reconciled::daemon::protocol::Request::Pause { what: "acme".into(), by: "me".into() };
    live.call(pause).await;
    let before = live.books.calls();
    live.until("01 12:00:00").await;
    assert_eq!(live.books.calls(), before);
    live.books.fail_with(None);
    live.call(reconciled::daemon::protocol::Request::Resume { what: "acme".into() }).await;
    live.until("01 12:10:00").await;
    assert_eq!(live.world.books.count("contacts"), 2);
    bounded(live.daemon.stop()).await;
}
