//! The power fails, or the disk does, at every step of a renewal.

use reconciled::{grant::ConnectionState, sandbox::Fault};

use super::setup::Office;

/// After a failure of every operation of the store, one after the other: whatever happens, the refresh token that was
/// replaced durably is never used again, and the login lives on.
async fn each_failure(lost_answer: bool) {
    let mut reached = 0;
    for k in 1..=12 {
        let mut office = Office::connected().await;
        office.read("acme").await.unwrap();
        office.later();
        if lost_answer {
            office.xero.faults().once(Fault::DropAfter, "POST", "/connect/token");
        }
        office.store.fail_at(None, k);
        let outcome = office.read("acme").await;
        reached += u64::from(outcome.is_err());
        let store = office.store.crash(k);
        office.restart(store);
        office.clock.advance(std::time::Duration::from_secs(60));
        office.read("acme").await.unwrap_or_else(|error| panic!("after failure {k}: {error}"));
        office.later();
        office.read("acme").await.unwrap_or_else(|error| panic!("later, after failure {k}: {error}"));
        assert_eq!(office.look("acme").await.state, ConnectionState::Connected);
        // Each token's uses stand together: nobody went back to a former one.
        let mut used = office.xero.logins().refreshed();
        used.dedup();
        let all = used.len();
        used.sort();
        used.dedup();
        assert_eq!(used.len(), all, "after failure {k}: {:?}", office.xero.logins().refreshed());
    }
    assert!(reached >= 3, "only {reached} failures were met");
}

#[tokio::test]
async fn a_store_that_fails_at_any_step_of_a_renewal_loses_no_login() {
    each_failure(false).await;
}

#[tokio::test]
async fn nor_does_it_when_the_answer_is_lost_as_well() {
    each_failure(true).await;
}

#[tokio::test]
async fn no_refresh_token_is_used_while_nothing_can_be_kept() {
    let office = Office::connected().await;
    office.read("acme").await.unwrap();
    office.later();
    office.store.fail_from(None, 1);
    for _ in 0..3 {
        office.read("acme").await.unwrap_err();
    }
    assert_eq!(office.xero.logins().refreshed(), Vec::<String>::new(), "what came back for it could not be kept");
    office.store.heal();
    office.read("acme").await.unwrap();
    assert_eq!(office.xero.logins().refreshed().len(), 1);
}

#[tokio::test]
async fn a_new_pair_that_cannot_be_kept_is_not_used_and_not_lost() {
    let office = Office::connected().await;
    office.read("acme").await.unwrap();
    office.later();
    // The note that the token is being used is kept; the new pair is not.
    office.store.fail_from(None, 3);
    office.read("acme").await.unwrap_err();
    let asked = office.xero.log().entries().len();
    office.read("acme").await.unwrap_err();
    assert_eq!(office.xero.log().entries().len(), asked, "nothing is used before it is durable");
    assert_eq!(office.xero.logins().refreshed().len(), 1);
    office.store.heal();
    office.read("acme").await.unwrap();
    assert_eq!(office.xero.logins().refreshed().len(), 1, "the pair in hand is kept, no other is asked for");
}

#[tokio::test]
async fn a_disconnection_that_cannot_be_kept_is_not_carried_out_later() {
    let mut office = Office::connected().await;
    office.read("acme").await.unwrap();
    for (name, fails_to_read) in [(Some("acme"), false), (None, false), (Some("acme"), true), (None, true)] {
        if fails_to_read {
            // Nothing is in memory: the tokens have to be read first.
            office.restart(office.store.crash(0));
        }
        office.store.fail_from(None, 1);
        office.try_disconnect(name).await.unwrap_err();
        office.store.heal();
        for connection in ["acme", "other"] {
            office
                .read(connection)
                .await
                .unwrap_or_else(|error| panic!("{name:?} {fails_to_read} {connection}: {error}"));
            assert_eq!(office.look(connection).await.state, ConnectionState::Connected);
        }
    }
}

#[tokio::test]
async fn under_another_key_one_disconnection_costs_nobody_else_the_login() {
    let mut office = Office::connected().await;
    office.read("other").await.unwrap();
    office.with_key("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=");
    office.try_disconnect(Some("acme")).await.unwrap_err();
    office.restart(office.store.crash(0));
    office.read("other").await.unwrap();
    // All of it can be ended, key or no key.
    office.with_key("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=");
    let done = office.try_disconnect(None).await.unwrap();
    assert!(done.contains("could not be read"), "{done}");
}

#[tokio::test]
async fn a_consent_does_not_forget_what_cannot_be_read_now() {
    let mut office = Office::connected().await;
    office.read("other").await.unwrap();
    office.disconnect(Some("acme")).await;
    office.restart(office.store.crash(0));
    office.store.fail_at(None, 1);
    office.consent(Some("other")).await.unwrap_err();
    office.store.heal();
    office.consent(Some("other")).await.unwrap();
    assert_eq!(office.look("acme").await.state, ConnectionState::Disconnected, "a person disconnected it");
}
