//! Whoever asked is gone before the authorization server has answered.

use std::time::Duration;

use reconciled::{
    daemon::{Daemon, DaemonSettings},
    grant::ConnectionState,
    sandbox::Fault,
};

use super::{hooks::Shop, setup::Office};

/// The server takes a token once, and takes its time.
fn slow_and_strict(office: &Office) {
    office.xero.logins().strict_refresh(true);
    office.xero.faults().once(Fault::SlowAfter(Duration::from_secs(1)), "POST", "/connect/token");
}

/// Goes on until the server was asked for tokens, and is dropped then.
async fn until_asked<T>(office: &Office, work: impl Future<Output = T>) {
    let asked = || office.xero.log().entries().iter().filter(|entry| entry.path == "/connect/token").count();
    let before = asked();
    let asked = async {
        while asked() == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = asked => {}
        _ = work => panic!("nobody asked for a token"),
    }
}

async fn settled(office: &Office) {
    tokio::time::timeout(Duration::from_secs(60), office.keeper.settled()).await.expect("this hangs");
}

/// The power fails; what was kept is good, and was asked for once.
async fn lives_on(office: &mut Office, renewals: usize) {
    office.restart(office.store.crash(0));
    office.read("acme").await.unwrap();
    assert_eq!(office.look("acme").await.state, ConnectionState::Connected);
    assert_eq!(office.xero.logins().refreshed().len(), renewals);
}

#[tokio::test]
async fn a_renewal_comes_to_its_end() {
    let mut office = Office::connected().await;
    office.later();
    slow_and_strict(&office);
    until_asked(&office, office.read("acme")).await;
    settled(&office).await;
    lives_on(&mut office, 1).await;
}

#[tokio::test]
async fn a_consent_comes_to_its_end_although_the_browser_was_closed() {
    let mut office = Office::new().await;
    let redirect = url::Url::parse("http://localhost:8765/callback").unwrap();
    let url = office.keeper.begin(&office.grant(), redirect, None).await.unwrap();
    let parameters = crate::browser::consent(&url).await;
    slow_and_strict(&office);
    until_asked(&office, office.keeper.finish(&parameters)).await;
    settled(&office).await;
    lives_on(&mut office, 0).await;
}

#[tokio::test]
async fn a_daemon_that_stops_keeps_the_tokens_that_a_dropped_run_asked_for() {
    let (mut shop, daemon) = Shop::open().await;
    daemon.stop().await;
    let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_millis(10) };
    let daemon = Daemon::start(shop.engine(), settings).await.unwrap();
    let contact = serde_json::json!({ "Name": "Rua", "EmailAddress": "rua@kea.example" });
    shop.office.xero.insert("Contacts", contact).unwrap();
    assert_eq!(shop.tell(&daemon, &shop.office.xero.news()).await, 200);
    shop.office.later();
    slow_and_strict(&shop.office);
    until_asked(&shop.office, shop.minutes(&daemon, 600)).await;
    tokio::time::timeout(Duration::from_secs(60), daemon.stop()).await.expect("this hangs");
    lives_on(&mut shop.office, 1).await;
    shop.at_rest_after_a_run().await;
}
