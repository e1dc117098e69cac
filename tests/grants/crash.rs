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
