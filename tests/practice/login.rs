//! pp-07, tg-06 and tg-08: a login by a link, its end by a person, and its end by itself.

use chrono::TimeDelta;
use reconciled::{
    daemon::{
        Handle,
        protocol::{Request, Response},
    },
    grant::{ConnectionNow, ConnectionState},
};
use reqwest::Method;
use serde_json::json;
use url::Url;

use crate::{
    browser::{ask, led_to},
    example::{afternoon, until},
    systems::{Practice, writes},
};

/// How the connection to XPM stands, as `status` tells.
pub async fn xpm(daemon: &Handle) -> ConnectionNow {
    let Response::Status(mut status) = daemon.call(Request::Status).await.unwrap() else { panic!() };
    assert_eq!(status.connections.len(), 1);
    status.connections.remove(0)
}

pub async fn link(daemon: &Handle) -> Url {
    let what = "practice".to_owned();
    let Response::ConnectLink(link) = daemon.call(Request::ConnectLink { what }).await.unwrap() else { panic!() };
    assert!(link.starts_with("https://sync.example/connect/"), "{link}");
    behind_the_proxy(daemon, &Url::parse(&link).unwrap())
}

/// What the proxy makes of an address of the world.
pub fn behind_the_proxy(daemon: &Handle, url: &Url) -> Url {
    let own = format!("http://{}", daemon.status().public.unwrap().address);
    Url::parse(&url.as_str().replacen("https://sync.example", &own, 1)).unwrap()
}

/// The owner follows a link to the end.
pub async fn follow(daemon: &Handle, link: &Url) -> (u16, String) {
    let login = led_to(Method::POST, link).await;
    let back = led_to(Method::GET, &login).await;
    ask(Method::GET, &behind_the_proxy(daemon, &back)).await
}

async fn disconnect(daemon: &Handle) -> String {
    let request = Request::Disconnect { what: "xpm".to_owned(), whole: false, by: "jane".to_owned() };
    let Response::Disconnected(told) = daemon.call(request).await.unwrap() else { panic!() };
    told
}

#[tokio::test]
async fn pp_07_the_owner_of_the_xpm_account_authorises_by_a_link_once() {
    let practice = Practice::before_consent("xpm-website", afternoon(14, 0)).await;
    practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example"), ("Ana Kea", "ana@kea.example")]);
    let daemon = practice.daemon().await;
    until(&daemon, afternoon(14, 30)).await;
    assert!(practice.xpm.log().entries().is_empty(), "nothing is asked before");
    let before = xpm(&daemon).await;
    assert_eq!(before.state, ConnectionState::NeedsConsent);
    assert!(before.todo.unwrap().contains("reconciled connect practice"));

    let link = link(&daemon).await;
    for _ in 0..2 {
        let (status, page) = ask(Method::GET, &link).await;
        assert!(status == 200 && page.contains("<b>practice</b>"), "looking does not use it up: {status} {page}");
    }
    let (status, page) = follow(&daemon, &link).await;
    assert!(status == 200 && page.contains("you are connected"), "{status} {page}");
    for method in [Method::GET, Method::POST] {
        assert_eq!(ask(method, &link).await.0, 404, "it works once");
    }
    let now = xpm(&daemon).await;
    assert_eq!((now.state, now.todo), (ConnectionState::Connected, None));

    until(&daemon, afternoon(14, 32)).await;
    practice.approve().await;
    until(&daemon, afternoon(14, 40)).await;
    crate::example::sync_by_hand(&practice, &daemon).await;
    assert_eq!(practice.found("company", "Kea Ltd").len(), 2);
    assert_eq!(xpm(&daemon).await.account.as_deref(), Some("Practice (NZ)"));
    // Access tokens live for half an hour; nobody is asked again.
    practice.client("Tui Ltd", &[("Tama Tui", "tama@tui.example")]);
    until(&daemon, afternoon(14, 0) + TimeDelta::hours(13)).await;
    practice.one("company", "Tui Ltd");
    assert_eq!(xpm(&daemon).await.state, ConnectionState::Connected);
    assert!(!practice.xpm.logins().refreshed().is_empty());
    daemon.stop().await;
    practice.settled().await;
}

#[tokio::test]
async fn pp_07_a_link_that_is_too_old_or_made_up_leads_nowhere() {
    let practice = Practice::before_consent("xpm-website", afternoon(14, 0)).await;
    let daemon = practice.daemon().await;
    let old = link(&daemon).await;
    until(&daemon, afternoon(14, 16)).await;
    let made_up = old.join("/connect/0123456789abcdef").unwrap();
    for link in [&old, &made_up] {
        assert_eq!(ask(Method::GET, link).await.0, 404);
        assert_eq!(ask(Method::POST, link).await.0, 404);
    }
    let forged = old.join("/connect/callback?code=code-0001-secret&state=guess").unwrap();
    assert_eq!(ask(Method::GET, &forged).await.0, 400);
    assert_eq!(xpm(&daemon).await.state, ConnectionState::NeedsConsent);
    daemon.stop().await;
}

#[tokio::test]
async fn tg_06_after_a_disconnect_the_records_are_the_portals_and_a_reconnect_goes_on_without_duplicates() {
    let practice = Practice::start("xpm-portal").await;
    let kea = practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example"), ("Ana Kea", "ana@kea.example")]);
    practice.first_sync().await;
    practice.settled().await;
    let daemon = practice.daemon().await;
    until(&daemon, practice.clock.now()).await;
    let before = practice.website.list("contacts");
    assert!(disconnect(&daemon).await.contains("given back"));
    assert_eq!(practice.xpm.logins().revoked().len(), 1);
    assert_eq!(xpm(&daemon).await.state, ConnectionState::Disconnected);

    let rua = practice.one("first_name", "Rua")["id"].as_str().unwrap().to_owned();
    practice.website.edit("contacts", &rua, json!({ "phone": "03 555 0101", "email": "mine@other.example" })).unwrap();
    practice.xpm.edit("clients", &kea, "<Client><Name>Kea Limited</Name></Client>").unwrap();
    practice.xpm.log().clear();
    practice.website.log().clear();
    until(&daemon, afternoon(14, 0) + TimeDelta::days(3)).await;
    assert_eq!(practice.one("first_name", "Rua")["email"], "mine@other.example", "nothing puts it back");
    assert!(practice.xpm.log().entries().is_empty(), "nothing is asked of XPM");
    assert_eq!(writes(&practice.website.log().entries()), Vec::<String>::new());

    let link = link(&daemon).await;
    assert_eq!(follow(&daemon, &link).await.0, 200);
    until(&daemon, practice.clock.now() + TimeDelta::hours(24)).await;
    let after = practice.website.list("contacts");
    let ids = |list: &[serde_json::Value]| {
        let mut ids: Vec<String> = list.iter().map(|one| one["id"].to_string()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&after), ids(&before), "the same records, and no second");
    let rua = practice.one("first_name", "Rua");
    assert_eq!(
        (&rua["company"], &rua["email"]),
        (&json!("Kea Limited"), &json!("rua@kea.example")),
        "XPM is right again"
    );
    daemon.stop().await;
    practice.settled().await;
}

#[tokio::test]
async fn tg_08_a_connection_that_broke_by_itself_is_told_from_one_that_was_disconnected_and_says_what_to_do() {
    let practice = Practice::start("xpm-portal").await;
    practice.client("Kea Ltd", &[("Rua Kea", "rua@kea.example")]);
    practice.first_sync().await;
    let daemon = practice.daemon().await;
    practice.xpm.logins().withdraw_consent();
    until(&daemon, practice.clock.now() + TimeDelta::days(1)).await;
    let broken = xpm(&daemon).await;
    assert_eq!(broken.state, ConnectionState::Broken);
    let todo = broken.todo.unwrap();
    assert!(todo.contains("authorise again") && todo.contains("reconciled connect practice"), "{todo}");
    let troubles: Vec<String> = daemon
        .status()
        .integrations
        .iter()
        .flat_map(|one| &one.troubles)
        .map(|trouble| trouble.message.clone())
        .collect();
    assert!(troubles.iter().any(|text| text.contains("authorise again")), "{troubles:?}");
    let asked = practice.xpm.log().entries().len();
    until(&daemon, practice.clock.now() + TimeDelta::days(2)).await;
    assert_eq!(practice.xpm.log().entries().len(), asked, "nobody goes on asking");

    let link_again = link(&daemon).await;
    assert_eq!(follow(&daemon, &link_again).await.0, 200);
    until(&daemon, practice.clock.now() + TimeDelta::days(1)).await;
    assert_eq!(xpm(&daemon).await.state, ConnectionState::Connected);
    assert!(daemon.status().integrations.iter().all(|one| one.troubles.is_empty()));
    disconnect(&daemon).await;
    let ended = xpm(&daemon).await;
    assert_eq!(ended.state, ConnectionState::Disconnected);
    assert!(!ended.todo.unwrap().contains("authorise again"));
    daemon.stop().await;
}
