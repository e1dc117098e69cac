//! From the first consent to the last.

use std::time::Duration;

use reconciled::{
    connector::CallError,
    daemon::{
        execute,
        protocol::{Request, Response},
    },
    grant::ConnectionState::{Broken, Connected, Disconnected, NeedsConsent},
    sandbox::Fault,
};

use super::setup::Office;

#[tokio::test]
async fn a_consent_connects_and_no_token_is_kept_in_the_clear() {
    let office = Office::new().await;
    let now = office.look("acme").await;
    assert_eq!(now.state, NeedsConsent);
    assert!(now.todo.unwrap().contains("reconciled connect office"));
    let error = office.read("acme").await.unwrap_err();
    assert!(
        matches!(&error, CallError::Login { message, .. } if message.contains("reconciled connect office")),
        "{error}"
    );
    assert_eq!(office.xero.log().entries().len(), 0, "nothing is asked without a login");

    office.consent(None).await.unwrap();
    assert_eq!(office.read("acme").await.unwrap().records.len(), 1);
    assert_eq!(office.read("other").await.unwrap().records.len(), 1);
    let now = office.look("acme").await;
    assert_eq!((now.state, now.account.as_deref(), now.todo), (Connected, Some("Practice Company (NZ)"), None));
    for (_, value) in office.store.entries() {
        let text = String::from_utf8_lossy(&value).into_owned();
        assert!(!text.contains("-secret") && !text.contains("refresh"), "{text}");
    }
    assert!(!format!("{:?} {:?}", office.keeper, office.grant()).contains("canary"));
}

#[tokio::test]
async fn a_consent_is_good_once_and_only_where_it_began() {
    let office = Office::new().await;
    let redirect = url::Url::parse("http://localhost:8765/callback").unwrap();
    let url = office.keeper.begin(&office.grant(), redirect, None).await.unwrap();
    let parameters = crate::browser::consent(&url).await;
    let forged = [("state".to_owned(), "x".to_owned()), parameters[0].clone()];
    assert!(office.keeper.finish(&forged).await.unwrap_err().to_string().contains("begin again"));
    office.keeper.finish(&parameters).await.unwrap();
    assert!(office.keeper.finish(&parameters).await.unwrap_err().to_string().contains("begin again"));
    let redirect = url::Url::parse("http://localhost:8765/callback").unwrap();
    let url = office.keeper.begin(&office.grant(), redirect, None).await.unwrap();
    let late = crate::browser::consent(&url).await;
    office.clock.advance(Duration::from_secs(16 * 60));
    let asked = office.xero.log().entries().len();
    let error = office.keeper.finish(&late).await.unwrap_err().to_string();
    assert!(error.contains("is not waited for"), "after a quarter of an hour: {error}");
    assert_eq!(office.xero.log().entries().len(), asked, "the code is not even sent");
}

#[tokio::test]
async fn fifty_who_find_the_token_run_out_renew_it_once() {
    let office = Office::connected().await;
    office.read("acme").await.unwrap();
    office.later();
    let reads = (0..50).map(|number| office.read(if number % 2 == 0 { "acme" } else { "other" }));
    for outcome in futures_util::future::join_all(reads).await {
        outcome.unwrap();
    }
    assert_eq!(office.xero.logins().refreshed().len(), 1);
    // And fifty whose token is refused in the middle.
    office.xero.logins().expire_access();
    let reads = (0..50).map(|_| office.read("acme"));
    for outcome in futures_util::future::join_all(reads).await {
        outcome.unwrap();
    }
    assert_eq!(office.xero.logins().refreshed().len(), 2);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_where_the_remote_has_grace() {
    let office = Office::connected().await;
    office.later();
    office.xero.faults().once(Fault::DropAfter, "POST", "/connect/token");
    office.read("acme").await.unwrap();
    let refreshed = office.xero.logins().refreshed();
    assert_eq!((refreshed.len(), refreshed[0] == refreshed[1]), (2, true), "the same token, since no other is known");
    office.later();
    office.read("acme").await.unwrap();
    assert_ne!(office.xero.logins().refreshed()[2], refreshed[0], "from then on the new one");
}

#[tokio::test]
async fn a_lost_answer_of_a_strict_remote_ends_in_please_authorise_again() {
    let office = Office::connected().await;
    office.xero.logins().strict_refresh(true);
    office.later();
    office.xero.faults().once(Fault::DropAfter, "POST", "/connect/token");
    let error = office.read("acme").await.unwrap_err();
    assert!(matches!(&error, CallError::Login { message, .. } if message.contains("authorise again")), "{error}");
    let asked = office.xero.logins().refreshed().len();
    let now = office.look("other").await;
    assert_eq!(now.state, Broken, "it concerns everybody who uses the login");
    assert!(now.todo.unwrap().contains("authorise again"));
    assert!(office.read("other").await.is_err());
    assert_eq!(office.xero.logins().refreshed().len(), asked, "nobody goes on asking");
    office.consent(None).await.unwrap();
    assert_eq!(office.read("acme").await.unwrap().records.len(), 1);
}

#[tokio::test]
async fn how_a_connection_stands_is_told_also_while_a_slow_remote_renews_it() {
    let office = Office::connected().await;
    office.later();
    office.xero.faults().once(Fault::SlowAfter(Duration::from_secs(3)), "POST", "/connect/token");
    let asked = || office.xero.log().entries().iter().filter(|entry| entry.path == "/connect/token").count();
    let before = asked();
    let mut read = std::pin::pin!(office.read("acme"));
    let look = async {
        while asked() == before {
            tokio::task::yield_now().await;
        }
        office.look("acme").await
    };
    let now = tokio::select! {
        biased;
        now = look => now,
        _ = &mut read => panic!("it waited for the remote"),
    };
    assert!(now.todo.unwrap().contains("is being renewed"));
    read.await.unwrap();
}

#[tokio::test]
async fn a_server_that_fails_passes_by_itself_and_breaks_nothing() {
    let office = Office::connected().await;
    office.later();
    for _ in 0..2 {
        office.xero.faults().once(Fault::Status(503), "POST", "/connect/token");
    }
    let error = office.read("acme").await.unwrap_err();
    assert!(matches!(error, CallError::NotDone(_)), "{error}");
    assert!(office.read("other").await.is_err(), "it is left alone for a while");
    assert_eq!(office.xero.logins().refreshed().len(), 0);
    assert_eq!(office.look("acme").await.state, Connected);
    office.clock.advance(Duration::from_secs(11));
    office.read("acme").await.unwrap();
}

#[tokio::test]
async fn a_withdrawn_consent_is_told_apart_from_a_disconnection() {
    let office = Office::connected().await;
    office.read("acme").await.unwrap();
    office.xero.logins().withdraw_consent();
    let error = office.read("acme").await.unwrap_err();
    assert!(matches!(error, CallError::Login { .. }), "{error}");
    let now = office.look("acme").await;
    assert_eq!(now.state, Broken);
    let todo = now.todo.unwrap();
    assert!(todo.contains("authorise again") && todo.contains("reconciled connect office"), "{todo}");
    office.consent(None).await.unwrap();
    office.disconnect(None).await;
    let now = office.look("acme").await;
    assert_eq!((now.state, now.todo.as_deref()), (Disconnected, Some("`reconciled connect office`")));
}

#[tokio::test]
async fn a_disconnection_revokes_and_erases_and_nothing_is_asked_any_more() {
    let office = Office::connected().await;
    office.read("acme").await.unwrap();
    let told = office.disconnect(None).await;
    assert!(told.contains("given back"), "{told}");
    assert_eq!(office.xero.logins().revoked().len(), 1);
    assert!(office.xero.logins().revoked()[0].starts_with("refresh-"), "the refresh token ends everything");
    let asked = office.xero.log().entries().len();
    assert!(matches!(office.read("acme").await, Err(CallError::Login { .. })));
    assert_eq!(office.xero.log().entries().len(), asked);
    assert_eq!(office.look("acme").await.state, Disconnected);
    // What is kept holds no token any more: giving it back again finds none.
    assert!(office.disconnect(None).await.contains("no tokens"));
}

#[tokio::test]
async fn one_connection_is_disconnected_without_the_others_until_it_is_named_again() {
    let office = Office::connected().await;
    office.read("acme").await.unwrap();
    office.read("other").await.unwrap();
    // Both speak to one account, so the remote is told nothing.
    office.disconnect(Some("acme")).await;
    assert!(office.read("acme").await.is_err());
    office.read("other").await.unwrap();
    assert_eq!((office.look("acme").await.state, office.look("other").await.state), (Disconnected, Connected));
    office.consent(None).await.unwrap();
    assert_eq!(office.look("acme").await.state, Disconnected, "a consent for others does not bring it back");
    office.consent(Some("acme")).await.unwrap();
    office.read("acme").await.unwrap();
    office.disconnect(Some("acme")).await;
    assert!(office.xero.logins().revoked().is_empty());
    let told = office.disconnect(Some("other")).await;
    assert!(told.contains("given back"), "the last one takes the login with it: {told}");
    assert_eq!(office.xero.logins().revoked().len(), 1);
}

#[tokio::test]
async fn a_connection_keeps_its_account_and_says_when_the_login_does_not_cover_it_any_more() {
    let office = Office::connected().await;
    office.read("acme").await.unwrap();
    office.xero.logins().part();
    office.read("acme").await.unwrap_err();
    // Somebody consents who may not use this organisation.
    let redirect = url::Url::parse("http://localhost:8765/callback").unwrap();
    let url = office.keeper.begin(&office.grant(), redirect, None).await.unwrap();
    let parameters = crate::browser::consent(&url).await;
    office.xero.faults().once(Fault::Truncate, "GET", "/connections");
    assert!(office.keeper.finish(&parameters).await.unwrap_err().to_string().contains("list of accounts"));
    assert_eq!(office.look("acme").await.account.as_deref(), Some("Practice Company (NZ)"), "it is not forgotten");
}

#[tokio::test]
async fn which_accounts_a_login_covers_is_in_no_sentence() {
    let office = Office::connected().await;
    let mut acme = (*office.connection("acme")).clone();
    acme.tenant = Some("Acme Ltd".to_owned());
    let now = office.keeper.look(&acme).await.unwrap();
    assert_eq!(now.state, NeedsConsent);
    // One login may be that of an agency with many clients, and a sentence goes to whoever may see this connection.
    let covered: Vec<&str> = now.covers.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(covered, ["Practice Company (NZ)"]);
    let error = office.keeper.session(&office.grant(), &acme).await.unwrap_err().to_string();
    for told in [now.todo.unwrap(), error] {
        assert!(told.contains("`Acme Ltd`") && told.contains("`reconciled connections`"), "{told}");
        assert!(!told.contains("Practice"), "{told}");
    }
    assert!(office.look("other").await.covers.is_empty(), "nobody has to choose there");
}

#[tokio::test]
async fn a_login_that_ends_soon_is_told_before() {
    let office = Office::connected().await;
    office.clock.advance(Duration::from_secs(47 * 86_400));
    let now = office.look("acme").await;
    assert_eq!(now.state, Connected);
    assert!(now.todo.unwrap().contains("31 July 2026"));
    office.read("acme").await.unwrap();
    assert_eq!(office.look("acme").await.todo, None, "using it gives it new life");
    office.clock.advance(Duration::from_secs(61 * 86_400));
    assert!(office.read("acme").await.is_err());
    assert_eq!(office.look("acme").await.state, Broken);
}

#[tokio::test]
async fn an_app_logs_in_by_itself_where_it_may() {
    let office = Office::with("    flow: client-credentials\n").await;
    assert_eq!(office.look("acme").await.state, Connected);
    assert_eq!(office.read("acme").await.unwrap().records.len(), 1, "it knows its organisation");
    office.later();
    office.read("acme").await.unwrap();
    assert!(office.xero.logins().refreshed().is_empty(), "it asks with its own secret each time");
    let redirect = url::Url::parse("http://localhost:8765/callback").unwrap();
    let error = office.keeper.begin(&office.grant(), redirect, None).await.unwrap_err();
    assert!(error.to_string().contains("logs in by itself"), "{error}");
}

#[tokio::test]
async fn an_app_that_was_disconnected_is_connected_again_by_whoever_says_so() {
    let office = Office::with("    flow: client-credentials\n").await;
    let connect = async |what: &str| {
        execute(&office.engine(), Request::ConnectBegin { what: what.to_owned(), redirect: None }).await
    };
    office.read("acme").await.unwrap();
    office.disconnect(Some("acme")).await;
    office.read("acme").await.unwrap_err();
    assert_eq!(office.look("other").await.state, Connected);
    assert!(connect("office").await.unwrap_err().to_string().contains("logs in by itself"), "the login goes on");
    assert!(matches!(connect("acme").await, Ok(Response::Consented(_))));
    office.read("acme").await.unwrap();

    office.disconnect(None).await;
    office.read("acme").await.unwrap_err();
    assert!(matches!(connect("office").await, Ok(Response::Consented(_))));
    office.read("acme").await.unwrap();
    for name in ["acme", "other"] {
        let now = office.look(name).await;
        assert_eq!((now.state, now.parted), (Connected, None));
    }
}
