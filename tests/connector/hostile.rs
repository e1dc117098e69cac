//! Answers that are made to hurt.

use reconciled::{
    connector::{CallError, Connector as _, HttpConnector, LimitRegistry, Paging, PullCursor},
    record::RecordId,
};
use serde_json::json;

use crate::{
    server::{Act, Server, json, say},
    setup::{Shop, connection, customers, manifest, path},
};

const START: PullCursor = PullCursor { since: None, page: None };

#[tokio::test]
async fn a_value_of_two_hundred_thousand_levels_is_an_error_and_no_overflow() {
    let deep = |open: &str, close: &str| {
        format!(r#"{{"items": [{{"id": "1", "name": {}1{}}}]}}"#, open.repeat(200_000), close.repeat(200_000))
    };
    for body in [deep("[", "]"), deep(r#"{"a":"#, "}"), format!(r#"{{"items": {}"#, "[".repeat(200_000))] {
        let server = Server::start(move |_, _| say(200, "", &body)).await;
        let shop = Shop::at(&server);
        match shop.run(shop.connector.pull(&shop.resource, &START)).await {
            Err(CallError::BadAnswer(message)) => {
                assert!(message.contains("not JSON") && message.len() < 2_000, "{message}");
            }
            other => panic!("{:?}", other.map(|page| page.records.len())),
        }
    }
}

#[tokio::test]
async fn a_body_of_a_hundred_megabytes_is_not_read_to_its_end() {
    // Without a length, so that it is found while reading. The default limit is 64 MiB.
    let filler = vec![b' '; 100 << 20];
    let whole = [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".as_slice(), &filler].concat();
    let server = Server::start(move |_, _| Act::Say(whole.clone())).await;
    let shop = Shop::at(&server);
    match shop.connector.pull(&shop.resource, &START).await {
        Err(CallError::BadAnswer(message)) => assert!(message.contains("larger than 64 MiB"), "{message}"),
        other => panic!("{:?}", other.map(|page| page.records.len())),
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_id_that_climbs_stays_one_step_of_the_path() {
    let server = Server::start(|_, _| say(404, "", "{}")).await;
    let shop = Shop::at(&server);
    for id in [
        "../../admin",
        "..%2f..%2fadmin",
        "%2e%2e",
        "a/../../b",
        "..\\..\\b",
        "x?y=z#w",
        "@evil.example",
        "//evil.example/x",
        "a\r\nHost: evil.example",
    ] {
        let found = shop.run(shop.connector.get(&shop.resource, &RecordId::from(id))).await;
        assert!(matches!(found, Ok(None)), "{id}: {found:?}");
        let asked = server.requests().pop().unwrap();
        let target = asked.line.split(' ').nth(1).unwrap().to_owned();
        let rest = target.strip_prefix("/api/customers/").unwrap_or_else(|| panic!("{id} became {target}"));
        assert!(!rest.contains(['/', '?', '#', '\\']), "{id} became {target}");
        assert!(!["..", "."].contains(&rest.to_lowercase().replace("%2e", ".").as_str()), "{id} became {target}");
        assert_eq!(
            asked.head.matches("evil.example").count(),
            usize::from(rest.contains("evil.example")),
            "{}",
            asked.head
        );
    }
    let before = server.requests().len();
    for id in ["..", ".", ""] {
        let found = shop.run(shop.connector.get(&shop.resource, &RecordId::from(id))).await;
        assert!(matches!(found, Err(CallError::NotDone(_))), "{id}: {found:?}");
    }
    assert_eq!(server.requests().len(), before, "nothing is sent for them");
}

#[tokio::test]
async fn a_next_page_that_is_a_url_of_another_host_is_only_a_parameter() {
    let elsewhere = Server::start(|_, _| json(&json!({"items": []}))).await;
    let link = format!("{}/customers?page=2", elsewhere.url());
    let page = json!({"items": [], "next": link});
    let server =
        Server::start(move |n, _| if n == 0 { json(&page) } else { json(&json!({"items": [], "next": null})) }).await;
    let mut resource = customers();
    let list = resource.list.as_mut().unwrap();
    list.paging = Paging::Cursor { param: Some("after".to_owned()), next: path("$.next"), size: None, end: None };
    let shop = Shop::of(connection(&server.url(), manifest(resource.clone())), resource);
    let first = shop.connector.pull(&shop.resource, &START).await.unwrap();
    let next = PullCursor { since: None, page: first.next };
    shop.connector.pull(&shop.resource, &next).await.unwrap();
    assert!(elsewhere.requests().is_empty());
    assert!(server.requests()[1].line.contains("after=http%3A%2F%2F127.0.0.1"), "{}", server.requests()[1].line);
}

#[test]
fn a_base_url_at_a_link_local_address_is_refused() {
    let clock = reconciled::clock::Clock::system();
    let limits = std::sync::Arc::new(LimitRegistry::new(clock.clone()));
    for url in ["http://169.254.169.254/latest", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/"] {
        let error =
            HttpConnector::new(connection(url, manifest(customers())).into(), clock.clone(), &limits).unwrap_err();
        assert!(error.to_string().contains("no system of yours"), "{error}");
    }
    for url in ["http://127.0.0.1:1/", "http://localhost:1/", "https://shop.example/"] {
        HttpConnector::new(connection(url, manifest(customers())).into(), clock.clone(), &limits).unwrap();
    }
}
