//! Who may do what through the API.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{Office, World, status};

/// The role that each route takes, said a second time: a route that is opened wider by mistake shows here.
const NEEDED: [(&str, &str, &str); 29] = [
    ("get", "/config/diff", "operator"),
    ("get", "/config/last-good", "admin"),
    ("get", "/conflicts", "viewer"),
    ("get", "/explain", "viewer"),
    ("get", "/held", "viewer"),
    ("get", "/links", "viewer"),
    ("get", "/log-level", "viewer"),
    ("get", "/parked", "viewer"),
    ("get", "/ping", "viewer"),
    ("get", "/runs", "viewer"),
    ("get", "/status", "viewer"),
    ("post", "/approve", "admin"),
    ("post", "/conflicts/resolve", "operator"),
    ("post", "/connections/begin", "admin"),
    ("post", "/connections/disconnect", "admin"),
    ("post", "/connections/finish", "admin"),
    ("post", "/connections/link", "admin"),
    ("post", "/links/add", "admin"),
    ("post", "/links/remove", "admin"),
    ("post", "/log-level", "admin"),
    ("post", "/parked/ignore", "operator"),
    ("post", "/parked/retry", "operator"),
    ("post", "/pause", "operator"),
    ("post", "/reject", "admin"),
    ("post", "/reload", "admin"),
    ("post", "/resume", "operator"),
    ("post", "/run", "operator"),
    // The same routes with a parameter that asks for more.
    ("post", "/run#revert", "admin"),
    ("post", "/log-level#none", "viewer"),
];

const ROLES: [&str; 3] = ["viewer", "operator", "admin"];

/// How to call a route, from its description.
fn example(operation: &Value) -> (String, Option<Value>) {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let query: Vec<String> = parameters
        .iter()
        .filter(|parameter| parameter["required"] == true)
        .map(|parameter| {
            format!(
                "{}={}",
                parameter["name"].as_str().unwrap(),
                parameter["example"].as_str().unwrap().replace('/', "%2F")
            )
        })
        .collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let body = operation["requestBody"]["content"]["application/json"]["example"].clone();
    (query, (!body.is_null()).then_some(body))
}

#[tokio::test]
async fn tg_07_every_route_lets_in_exactly_who_may() {
    let office = Office::open().await;
    let document = reconciled::admin::document();
    let mut described = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let path = path.strip_prefix("/api/v1").unwrap();
            described.push((method.as_str(), path, operation));
        }
    }
    let plain = NEEDED.iter().filter(|(_, path, _)| !path.contains('#'));
    let known: Vec<(&str, &str)> = plain.map(|(method, path, _)| (*method, *path)).collect();
    for (method, path, _) in &described {
        assert!(known.contains(&(*method, *path)), "{method} {path} is not in the matrix");
    }
    assert_eq!(described.len(), known.len(), "the matrix has a route that is not described");
    for (method, name, needed) in NEEDED {
        let (path, variant) = name.split_once('#').unwrap_or((name, ""));
        let (_, _, operation) = described.iter().find(|(m, p, _)| *m == method && *p == path).unwrap();
        let (query, mut body) = example(operation);
        match variant {
            "revert" => body.as_mut().unwrap()["revert"] = json!({"run": "acme-20260601"}),
            "none" => body = Some(json!({})),
            _ => assert_eq!(operation["x-role"], needed, "{method} {path}"),
        }
        let method = if method == "get" { Method::GET } else { Method::POST };
        let target = format!("{path}{query}");
        let text = body.as_ref().map(Value::to_string);
        let nobody = office
            .ask(method.clone(), &format!("/api/v1{target}"), &[("content-type", "application/json")], text)
            .await;
        assert_eq!(nobody.code, 401, "{name} without a token: {}", nobody.text);
        for role in ROLES {
            let answer = office.api(role, method.clone(), &target, body.clone()).await;
            let rank = |role: &str| ROLES.iter().position(|known| *known == role).unwrap();
            if rank(role) < rank(needed) {
                assert_eq!(answer.code, 403, "{name} as {role}: {}", answer.text);
            } else {
                assert!(![401, 403, 500].contains(&answer.code), "{name} as {role}: {} {}", answer.code, answer.text);
            }
        }
    }
    office.end().await;
}

#[tokio::test]
async fn who_may_see_one_client_sees_nothing_of_another() {
    let office = Office::open().await;
    office.conflict().await;
    let status = office.get("acme", "/status").await;
    let text = status.to_string();
    assert!(text.contains("acme/contacts") && !text.contains("bravo"), "{text}");
    assert_eq!(office.get("acme", "/conflicts").await.as_array().unwrap().len(), 1);
    for (method, path, body) in [
        (Method::GET, "/runs?integration=bravo", None),
        (Method::GET, "/links?pipeline=bravo%2Fsales", None),
        (Method::GET, "/explain?pipeline=bravo%2Fsales&record=1042", None),
        (Method::GET, "/parked?pipeline=bravo%2Fsales", None),
        (Method::POST, "/run", Some(json!({"integration": "bravo", "mode": "sync"}))),
        (Method::POST, "/run", Some(json!({"integration": "acme", "mode": "sync", "pipelines": ["bravo/sales"]}))),
        (Method::POST, "/approve", Some(json!({"what": "bravo"}))),
        (Method::POST, "/approve", Some(json!({"what": "bravo/sales"}))),
        (Method::POST, "/pause", Some(json!({"what": "bravo"}))),
    ] {
        let answer = office.api("acme", method, path, body.clone()).await;
        assert_eq!(answer.code, 404, "{path} {body:?}: {}", answer.text);
    }
    for path in ["/log-level", "/reload"] {
        let answer = office.api("acme", Method::POST, path, Some(json!({}))).await;
        assert_eq!(answer.code, 409, "{path}: {}", answer.text);
    }
    let links = office
        .daemon
        .call(reconciled::daemon::protocol::Request::Links { pipeline: office.world.pipeline("bravo/sales") });
    let reconciled::daemon::protocol::Response::Links(links) = links.await.unwrap() else { panic!("no links") };
    assert!(links.is_empty(), "nothing of bravo was done");
    office.end().await;
}

#[tokio::test]
async fn a_held_run_of_another_client_cannot_be_answered_by_its_id() {
    let office = Office::open().await;
    office.post("operator", "/run", json!({"integration": "bravo", "mode": "sync"})).await;
    let held = office.get("admin", "/held").await;
    let id = held[0]["id"].as_str().expect("the first run is held").to_owned();
    assert_eq!(office.get("acme", "/held").await, json!([]));
    let answer = office.api("acme", Method::POST, "/approve", Some(json!({"what": id}))).await;
    assert_eq!(answer.code, 404, "{}", answer.text);
    office.post("admin", "/approve", json!({"what": id})).await;
    office.end().await;
}

#[tokio::test]
async fn a_conflict_is_decided_and_the_value_goes_across() {
    let office = Office::open().await;
    office.conflict().await;
    let conflicts = office.get("viewer", "/conflicts").await;
    assert_eq!((&conflicts[0]["label"], conflicts.as_array().unwrap().len()), (&json!("Jane Doe"), 1), "{conflicts}");
    let (record, field) = (conflicts[0]["source"].clone(), conflicts[0]["field"].clone());
    let body = json!({"pipeline": "acme/contacts", "record": record, "field": field, "winner": "target"});
    assert_eq!(office.post("operator", "/conflicts/resolve", body).await, 1);
    office.settled().await;
    assert_eq!(World::find(&office.world.shop, "contacts", "email", "jane@x.example")["phone"], "books-33");
    assert_eq!(office.get("viewer", "/conflicts").await, json!([]));
    office.end().await;
}

#[tokio::test]
async fn nonsense_is_refused_with_a_reason() {
    let office = Office::open().await;
    for (method, path, body, code, reason) in [
        (Method::GET, "/explain?pipeline=acme%2Fcontacts", None, 400, "missing field `record`"),
        (Method::GET, "/runs?integration=acme&limit=x", None, 400, "`limit` is a whole number"),
        (Method::GET, "/runs?integration=ACME", None, 400, "lowercase"),
        (Method::GET, "/status?x=1", None, 400, "no parameter `x`"),
        (Method::GET, "/links?pipeline=no%2Fsuch", None, 404, "no pipeline named"),
        (Method::POST, "/run", Some(json!({"integration": "acme", "mode": "eat"})), 400, "eat"),
        (Method::POST, "/run", Some(json!([])), 400, "object"),
        (Method::POST, "/log-level", Some(json!({"directive": null})), 400, "`directive` is null"),
        (Method::POST, "/approve", Some(json!({"what": "nothing"})), 404, "nothing named"),
        (Method::POST, "/approve", Some(json!({"do": "reload"})), 400, "no parameter `do`"),
    ] {
        let answer = office.api("admin", method, path, body.clone()).await;
        assert_eq!(answer.code, code, "{path} {body:?}: {}", answer.text);
        assert!(answer.text.contains(reason), "{path}: {}", answer.text);
    }
    let token = format!("Bearer {}", office.tokens["admin"]);
    let form = [("authorization", token.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let answer = office.ask(Method::POST, "/api/v1/reload", &form, Some("wait=true".to_owned())).await;
    assert_eq!(answer.code, 400, "{}", answer.text);
    let big = "x".repeat(300 << 10);
    let answer = office.ask(Method::POST, "/api/v1/reload", &[("authorization", &token)], Some(big)).await;
    assert_eq!(answer.code, 413);
    assert!(!status(&office.daemon).await.daemon.unwrap().stopping);
    office.end().await;
}

#[tokio::test]
async fn a_run_tells_how_far_it_is_where_that_is_wanted() {
    let office = Office::open().await;
    let token = format!("Bearer {}", office.tokens["operator"]);
    let headers =
        [("authorization", token.as_str()), ("content-type", "application/json"), ("accept", "text/event-stream")];
    let body = json!({"integration": "acme", "mode": "plan"}).to_string();
    let answer = office.ask(Method::POST, "/api/v1/run", &headers, Some(body)).await;
    assert!(answer.header("content-type").starts_with("text/event-stream"));
    let events: Vec<&str> = answer.text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert!(events.starts_with(&["progress"]) && events.ends_with(&["done"]), "{}", answer.text);
    assert_eq!(events.iter().filter(|name| **name == "done").count(), 1);
    office.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_is_remembered_although_whoever_asked_has_hung_up() {
    use tokio::io::AsyncWriteExt as _;
    let office = Office::open().await;
    office.conflict().await;
    let id = World::find(&office.world.shop, "contacts", "email", "jane@x.example")["id"].as_str().unwrap().to_owned();
    office.world.shop.edit("contacts", &id, json!({"name": "Jane Roe"}));
    let (entered, in_the_call) = std::sync::mpsc::channel();
    let (go_on, may_end) = std::sync::mpsc::channel::<()>();
    office.world.books.before_answer(move |_| {
        entered.send(()).unwrap();
        // Without an answer it goes on by itself: the sender is gone then.
        let _ = may_end.recv();
    });
    let body = json!({"integration": "acme", "mode": "sync"}).to_string();
    let head = format!(
        "POST /api/v1/run HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        office.console.address(),
        office.tokens["operator"],
        body.len()
    );
    let mut caller = tokio::net::TcpStream::connect(office.console.address()).await.unwrap();
    caller.write_all(head.as_bytes()).await.unwrap();
    let waiting = tokio::task::spawn_blocking(move || in_the_call.recv_timeout(std::time::Duration::from_secs(60)));
    waiting.await.unwrap().expect("the run writes");
    let runs = || std::fs::read_to_string(office.audit()).unwrap_or_default().matches("\"run\"").count();
    let before = runs();
    drop(caller);
    // The server hears that it is gone before the run goes on.
    office.get("viewer", "/ping").await;
    drop(go_on);
    crate::bounded(async {
        while runs() == before {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    office.world.books.behave();
    office.settled().await;
    office.end().await;
}

#[tokio::test]
async fn a_preview_that_somebody_may_not_have_takes_no_place() {
    let office = Office::open().await;
    let anna = office.login("anna").await;
    let shown = async || office.page(&anna, "/integration?name=bravo").await.text;
    for (who, takes_a_place) in [("vera", false), ("olga", true)] {
        let cookie = office.login(who).await;
        let word = crate::login::csrf(&office.page(&cookie, "/").await.text);
        office.send(&cookie, "/preview", &[("csrf", &word), ("integration", "bravo")]).await;
        let text = shown().await;
        assert!(text.contains("bravo"), "{text}");
        assert_eq!(text.contains(&format!("Asked for by {who}")), takes_a_place, "{text}");
    }
    office.end().await;
}

#[test]
fn the_description_is_kept_with_the_documentation() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&reconciled::admin::document()).unwrap());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == text,
        "docs/openapi.json is not what is served; run this test with UPDATE=1 and look at the change"
    );
}
