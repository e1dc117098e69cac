//! What became of a write: done, refused, certainly not done, or unknown. Never guessed.

use std::time::Duration;

use reconciled::connector::{
    Answer, AnswerKind, CallError, Connector as _, ItemAnswer, ItemOk, PreparedCall, Resource, WriteItem, WriteKind,
};
use serde_json::{Value, json};

use crate::{
    server::{Act, Server, broken_off, json, say},
    setup::{CREATE, Shop, UPDATE, batched, connection, customers, item, manifest, new_item, path},
};

impl Shop {
    fn prepare(&self, kind: WriteKind, items: &[WriteItem]) -> PreparedCall {
        self.connector.prepare(&self.resource, kind, items, "run-1/step-1").unwrap()
    }

    async fn send(&self, call: &PreparedCall) -> Result<Answer, CallError> {
        self.run(self.connector.send(&self.resource, call)).await
    }

    pub async fn write(&self, kind: WriteKind, items: &[WriteItem]) -> Result<Answer, CallError> {
        self.send(&self.prepare(kind, items)).await
    }
}

/// An answer in short: `=id` written, `!message` refused (`!!` duplicate, `!~` stale), `?` unknown.
fn short(answer: &Answer) -> Vec<String> {
    let item = |item: &ItemAnswer| match item {
        ItemAnswer::Written { record, body } => format!("={}{}", record.id, if *body { "" } else { " (echo)" }),
        ItemAnswer::Refused { message, duplicate: true, .. } => format!("!!{message}"),
        ItemAnswer::Refused { message, stale: true, .. } => format!("!~{message}"),
        ItemAnswer::Refused { message, .. } => format!("!{message}"),
        ItemAnswer::Unknown { .. } => "?".to_owned(),
    };
    answer.items.iter().map(item).collect()
}

fn batches() -> Resource {
    Resource { create: Some(batched("PUT")), update: Some(batched("POST")), ..customers() }
}

fn names(names: &[&str]) -> Vec<WriteItem> {
    names.iter().map(|name| new_item(json!({ "name": name }))).collect()
}

#[tokio::test]
async fn the_same_call_is_the_same_bytes_however_often_it_is_sent() {
    let server = Server::start(|_, _| json(&json!({"items": [{"id": "1", "status": "OK"}]}))).await;
    let shop = Shop::with(&server, batches(), |_| {});
    let call = shop.prepare(CREATE, &[new_item(json!({"name": "Kea", "b": 1, "a": {"z": 1, "y": [1, 2]}}))]);
    // An intent is stored between preparing and sending.
    let stored = serde_json::to_string(&call).unwrap();
    let again: PreparedCall = serde_json::from_str(&stored).unwrap();
    for call in [&call, &again, &call] {
        assert_eq!(short(&shop.send(call).await.unwrap()), ["=1"]);
    }
    let requests = server.requests();
    assert_eq!((&requests[0].head, &requests[0].body), (&requests[1].head, &requests[1].body));
    assert_eq!((&requests[0].head, &requests[0].body), (&requests[2].head, &requests[2].body));
    assert_eq!(requests[0].body, r#"{"items":[{"a":{"y":[1,2],"z":1},"b":1,"name":"Kea"}]}"#);
    assert_eq!(requests[0].line, "PUT /api/customers?all=false HTTP/1.1");
    assert_eq!(requests[0].header("idempotency-key"), Some("run-1/step-1"));
    assert_eq!(requests[0].header("x-tenant"), Some("t-1"));
    assert_eq!(requests[0].header("x-none"), None);
    assert_eq!(call.key_lives, Some(Duration::from_mins(6)));
}

#[tokio::test]
async fn a_single_update_names_its_record_and_guards_its_version() {
    let server = Server::script([json(&json!({"id": "a b", "total": "2.50"})), say(412, "", "")]).await;
    let shop = Shop::at(&server);
    let update =
        WriteItem { version: Some("\"v7\"".to_owned()), ..item("a b", json!({"total": 2.5, "due": "2026-06-01"})) };
    let call = shop.prepare(UPDATE, &[update]);
    let answer = shop.send(&call).await.unwrap();
    let ItemAnswer::Written { record, body: true } = &answer.items[0] else { panic!("{answer:?}") };
    assert_eq!(record.body["total"].to_string(), "2.50");
    assert_eq!(short(&shop.send(&call).await.unwrap()), ["!~status 412 without a reason"]);
    let request = &server.requests()[0];
    assert_eq!(request.line, "PATCH /api/customers/a%20b HTTP/1.1");
    assert_eq!(request.header("if-match"), Some("\"v7\""));
    assert_eq!(request.body, r#"{"due":"2026-06-01","total":"2.5"}"#);
}

#[tokio::test]
async fn a_call_that_replaces_the_record_sends_back_what_was_read_with_the_changes_over_it() {
    let mut resource = customers();
    let update = resource.update.as_mut().unwrap();
    (update.method, update.replaces) = ("PUT".to_owned(), true);
    resource.fields.fields.get_mut("updated").unwrap().read_only = true;
    let server = Server::script([json(&json!({"id": "1"}))]).await;
    let shop = Shop::with(&server, resource, |_| {});
    let now = json!({ "id": "1", "name": "Kea", "updated": "2026-06-01T00:00:00Z", "note": "ours",
        "place": { "city": "Nelson", "street": "9 High St" }, "tags": ["a", "b"] });
    let changes = json!({ "place": { "city": "Dunedin" }, "tags": ["c"], "name": null });
    let write = WriteItem { now: Some(now), version: Some("7".to_owned()), ..item("1", changes.clone()) };
    outcome(shop.write(UPDATE, &[write]).await, &["=1"]);
    let request = &server.requests()[0];
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    let whole = json!({ "id": "1", "name": null, "note": "ours", "place": { "city": "Dunedin", "street": "9 High St" }, "tags": ["c"] });
    assert_eq!(body, whole);
    assert_eq!(request.header("if-match"), Some("\"7\""));
    // Without having read it, what is not mapped would be lost.
    let error = shop.connector.prepare(&shop.resource, UPDATE, &[item("1", changes)], "k").unwrap_err();
    assert!(error.to_string().contains("was not read before"), "{error}");
}

#[tokio::test]
async fn the_envelope_of_a_batch_with_one_record_is_guarded_by_a_header() {
    let mut resource = customers();
    let update = resource.update.as_mut().unwrap();
    update.path = "/customers".to_owned();
    update.id_in_body = Some(path("$.id"));
    update.batch = Some(reconciled::connector::Batch { max: 1, ..batched("PATCH").batch.unwrap() });
    let server = Server::script([json(&json!({"items": [{"id": "1", "status": "OK"}]}))]).await;
    let shop = Shop::with(&server, resource, |_| {});
    let write = WriteItem { version: Some("7".to_owned()), ..item("1", json!({"name": "Kea"})) };
    outcome(shop.write(UPDATE, &[write]).await, &["=1"]);
    let request = &server.requests()[0];
    assert_eq!(request.header("if-match"), Some("\"7\""));
    assert_eq!(request.body, r#"{"items":[{"id":"1","name":"Kea"}]}"#);
}

#[tokio::test]
async fn in_a_batch_each_item_carries_its_id_and_its_version() {
    let mut resource = customers();
    let update = resource.update.as_mut().unwrap();
    update.id_in_body = Some(path("$.id"));
    let mut batch = batched("PATCH").batch.unwrap();
    batch.path = Some("/customers/batch".to_owned());
    batch.item_record = path("$.item");
    batch.ok = Some(ItemOk { path: path("$.status"), values: vec![json!(200)] });
    update.batch = Some(batch);
    let server = Server::script([
        json(
            &json!({"items": [{"status": 200, "item": {"id": "1"}}, {"status": 412, "error": {"message": "changed"}}]}),
        ),
        json(&json!({"id": "1"})),
    ])
    .await;
    let shop = Shop::with(&server, resource, |_| {});
    let guarded = |id: &str| WriteItem { version: Some("7".to_owned()), ..item(id, json!({"name": id})) };
    outcome(shop.write(UPDATE, &[guarded("1"), guarded("2")]).await, &["=1", "!~changed"]);
    // One alone goes the plain way.
    outcome(shop.write(UPDATE, &[guarded("1")]).await, &["=1"]);
    let requests = server.requests();
    assert_eq!(requests[0].line, "PATCH /api/customers/batch HTTP/1.1");
    assert_eq!(requests[0].body, r#"{"items":[{"etag":"7","id":"1","name":"1"},{"etag":"7","id":"2","name":"2"}]}"#);
    assert_eq!((requests[0].header("if-match"), requests[1].header("if-match")), (None, Some("\"7\"")));
    assert_eq!(
        (requests[1].line.as_str(), requests[1].body.as_str()),
        ("PATCH /api/customers/1 HTTP/1.1", r#"{"name":"1"}"#)
    );
}

#[tokio::test]
async fn long_keys_stay_different_when_they_are_made_to_fit() {
    let server = Server::script([]).await;
    let shop = Shop::at(&server);
    let key = |key: &str| {
        let call = shop.connector.prepare(&shop.resource, CREATE, &names(&["x"]), key).unwrap();
        call.headers.into_iter().find(|(name, _)| name == "Idempotency-Key").unwrap().1
    };
    let long = "k".repeat(60);
    assert_eq!(key("short"), "short");
    assert_ne!(key(&format!("{long}1")), key(&format!("{long}2")));
    assert_eq!(key(&format!("{long}1")), key(&format!("{long}1")));
    assert!(key(&long).len() <= 40 && key("no\nline ends").bytes().all(|byte| byte.is_ascii_graphic()));
}

#[tokio::test]
async fn what_cannot_be_written_is_not_prepared() {
    let server = Server::script([]).await;
    let refused = |shop: &Shop, kind, items: &[WriteItem]| {
        matches!(shop.connector.prepare(&shop.resource, kind, items, "k"), Err(CallError::NotDone(_)))
    };
    let shop = Shop::at(&server);
    assert!(refused(&shop, CREATE, &[]));
    assert!(refused(&shop, CREATE, &names(&["a", "b"])), "one at a time");
    assert!(refused(&shop, CREATE, &[new_item(json!("text"))]));
    assert!(refused(&shop, UPDATE, &names(&["a"])), "without an id");
    assert!(refused(&shop, UPDATE, &[item("..", json!({}))]));
    let none = Shop::with(&server, Resource { create: None, ..customers() }, |_| {});
    assert!(refused(&none, CREATE, &names(&["a"])));
    let batch = Shop::with(&server, batches(), |_| {});
    assert!(refused(&batch, CREATE, &names(&["a", "b", "c", "d"])), "more than a call takes");
}

#[tokio::test]
async fn each_item_of_a_batch_has_its_own_outcome() {
    let zero = "00000000-0000-0000-0000-000000000000";
    let server = Server::script([json(&json!({"items": [
        {"id": "1", "name": "Kea", "status": "OK"},
        {"id": zero, "name": "Tui", "status": "ERROR", "problems": [{"text": "Tui is already assigned"}]},
        {"id": zero, "name": "Moa", "status": "OK"},
    ]}))])
    .await;
    let shop = Shop::with(&server, batches(), |_| {});
    let answer = shop.write(CREATE, &names(&["Kea", "Tui", "Moa"])).await.unwrap();
    assert_eq!(short(&answer), ["=1", "!!Tui is already assigned", "?"]);
}

#[track_caller]
fn outcome(answer: Result<Answer, CallError>, expected: &[&str]) {
    assert_eq!(short(&answer.unwrap()), expected);
}

#[tokio::test]
async fn creates_whose_answer_is_short_or_out_of_order_are_unknown() {
    let answers = [
        json!({"items": [{"id": "1", "name": "a", "status": "OK"}]}),
        json!({"items": [{"id": "2", "name": "b", "status": "OK"}, {"id": "1", "name": "a", "status": "OK"}]}),
        // The refusal of `a` comes last and does not repeat what it refuses.
        json!({"items": [{"id": "2", "name": "b", "status": "OK"}, {"status": "ERROR", "problems": [{"text": "no"}]}]}),
        json!({"items": {}}),
        json!({"problem": "something"}),
        json!([]),
    ];
    let server = Server::script(answers.iter().map(json)).await;
    let shop = Shop::with(&server, batches(), |_| {});
    for _ in &answers {
        outcome(shop.write(CREATE, &names(&["a", "b"])).await, &["?", "?"]);
    }
}

#[tokio::test]
async fn a_remote_that_tidies_values_has_not_changed_their_order() {
    let items = json!({"items": [{"id": "1", "name": "A", "status": "OK"}, {"id": "2", "name": "b", "status": "OK"}]});
    let server = Server::script([json(&items)]).await;
    let shop = Shop::with(&server, batches(), |_| {});
    outcome(shop.write(CREATE, &names(&[" a", "b"])).await, &["=1", "=2"]);
}

#[tokio::test]
async fn a_refusal_that_repeats_nothing_does_not_cast_doubt_on_its_neighbours() {
    let refusal = json!({"status": "ERROR", "problems": [{"text": "no e-mail"}]});
    let items = json!({"items": [refusal, {"id": "2", "name": "Kea", "mail": "k", "status": "OK"}]});
    let server = Server::script([json(&items)]).await;
    let shop = Shop::with(&server, batches(), |_| {});
    let kea = [new_item(json!({"name": "Kea"})), new_item(json!({"name": "Kea", "mail": "k"}))];
    outcome(shop.write(CREATE, &kea).await, &["!no e-mail", "=2"]);
}

#[tokio::test]
async fn updates_are_told_apart_by_their_ids() {
    let ok = |id: &str| json!({"id": id, "status": "OK"});
    let bad = json!({"status": "ERROR", "problems": [{"text": "no"}]});
    let server = Server::script([
        json(&json!({"items": [ok("2"), ok("1")]})),
        json(&json!({"items": [ok("2")]})),
        json(&json!({"items": [ok("1"), bad.clone()]})),
        json(&json!({"items": [bad, ok("1")]})),
        json(&json!({"items": [ok("1"), ok("9")]})),
    ])
    .await;
    let shop = Shop::with(&server, batches(), |_| {});
    let updates = [item("1", json!({"name": "a"})), item("2", json!({"name": "b"}))];
    for expected in [["=1", "=2"], ["?", "=2"], ["=1", "!no"], ["=1", "?"], ["=1", "?"]] {
        outcome(shop.write(UPDATE, &updates).await, &expected);
    }
    assert_eq!(server.requests()[0].body, r#"{"items":[{"id":"1","name":"a"},{"id":"2","name":"b"}]}"#);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_remotes_own_words() {
    let xero = r#"{"Message": "A validation exception occurred", "Elements": [{"ValidationErrors": [{"Message": "Name is long"}]}]}"#;
    let server = Server::script([
        say(400, "", r#"{"problem": "name is blank"}"#),
        say(409, "", r#"{"problem": "it already exists"}"#),
        say(400, "", xero),
        say(422, "content-type: text/plain\r\n", "no such field"),
        say(404, "", ""),
        say(409, "", r#"{"problem": "a request with this idempotency key is under way"}"#),
    ])
    .await;
    let shop = Shop::at(&server);
    let create = async || shop.write(CREATE, &names(&["x"])).await;
    outcome(create().await, &["!name is blank"]);
    outcome(create().await, &["!!it already exists"]);
    outcome(create().await, &["!Name is long"]);
    outcome(create().await, &["!it said `no such field`"]);
    outcome(create().await, &["!status 404 without a reason"]);
    assert!(matches!(create().await, Err(CallError::Unknown(_))));
}

#[tokio::test]
async fn a_batch_that_is_refused_whole_says_so() {
    let server = Server::start(|_, _| say(400, "", r#"{"problem": "too many"}"#)).await;
    let shop = Shop::with(&server, batches(), |_| {});
    match shop.write(CREATE, &names(&["a", "b"])).await {
        Err(CallError::Refused { status: 400, message }) => assert_eq!(message, "too many"),
        other => panic!("{other:?}"),
    }
    outcome(shop.write(CREATE, &names(&["a"])).await, &["!too many"]);
}

/// The heart of the matter: after any of these, the record may or may not be there, and nothing was sent twice.
#[tokio::test]
async fn a_write_whose_answer_is_lost_is_unknown_and_not_repeated() {
    let lost: [fn() -> Act; 8] = [
        || Act::Drop,
        || Act::Hang,
        || broken_off(r#"{"id": "#),
        || say(500, "", "oops"),
        || say(502, "", ""),
        || say(503, "retry-after: 1\r\n", ""),
        || say(408, "", ""),
        || say(303, "location: /api/customers/17\r\n", ""),
    ];
    for act in lost {
        let server = Server::start(move |_, _| act()).await;
        let shop = Shop::with(&server, customers(), |manifest| manifest.timeout = Duration::from_millis(200));
        let outcome = shop.write(CREATE, &names(&["x"])).await;
        assert!(matches!(outcome, Err(CallError::Unknown(_))), "{outcome:?}");
        assert_eq!((server.requests().len(), shop.connector.requests().writes), (1, 1));
    }
}

#[tokio::test]
async fn a_success_without_a_usable_body_is_unknown() {
    for body in ["", "<html>", r#"{"id": "1""#, "{}", r#"{"id": ""}"#, "[]"] {
        let server = Server::start(move |_, _| say(201, "", body)).await;
        outcome(Shop::at(&server).write(CREATE, &names(&["x"])).await, &["?"]);
        outcome(Shop::at(&server).write(UPDATE, &[item("1", json!({}))]).await, &["?"]);
    }
    let server = Server::script([json(&json!({"id": "2"}))]).await;
    outcome(Shop::at(&server).write(UPDATE, &[item("1", json!({}))]).await, &["?"]);
}

#[tokio::test]
async fn a_remote_that_answers_little_is_understood() {
    let answering = |answer: AnswerKind| {
        let mut resource = customers();
        resource.create.as_mut().unwrap().answer = answer;
        resource.update.as_mut().unwrap().answer = answer;
        resource
    };
    let server = Server::script([json(&json!({"id": 7})), json(&json!({})), say(204, "", ""), say(201, "", "")]).await;
    let shop = Shop::with(&server, answering(AnswerKind::Id), |_| {});
    outcome(shop.write(CREATE, &names(&["x"])).await, &["=7 (echo)"]);
    outcome(shop.write(UPDATE, &[item("7", json!({}))]).await, &["=7 (echo)"]);
    let shop = Shop::with(&server, answering(AnswerKind::Empty), |_| {});
    outcome(shop.write(UPDATE, &[item("7", json!({}))]).await, &["=7 (echo)"]);
    outcome(shop.write(CREATE, &names(&["x"])).await, &["?"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_has_done_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    drop(listener);
    let shop = Shop::of(connection(&url, manifest(customers())), customers());
    let outcome = shop.write(CREATE, &names(&["x"])).await;
    assert!(matches!(outcome, Err(CallError::NotDone(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_write_told_to_wait_was_not_carried_out_and_is_sent_again_unchanged() {
    let server = Server::script([
        say(429, "retry-after: 20\r\n", ""),
        json(&json!({"id": "1"})),
        say(429, "retry-after: 50\r\n", ""),
        say(429, "retry-after: 50\r\n", ""),
    ])
    .await;
    let shop = Shop::at(&server);
    outcome(shop.write(CREATE, &names(&["x"])).await, &["=1"]);
    let requests = server.requests();
    assert_eq!((&requests[0].head, &requests[0].body), (&requests[1].head, &requests[1].body));
    assert!(shop.clock.monotonic() >= Duration::from_secs(20));
    // All waiting together stays within what the life of a key allows for.
    let outcome = shop.write(CREATE, &names(&["x"])).await;
    assert!(matches!(outcome, Err(CallError::Throttled { .. })), "{outcome:?}");
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn numbers_keep_their_digits_on_the_way() {
    let server = Server::script([json(&json!({"id": "1"}))]).await;
    let shop = Shop::at(&server);
    let body: Value = serde_json::from_str(r#"{"price": 12345678901234567890.10, "total": 1.10}"#).unwrap();
    shop.write(CREATE, &[new_item(body)]).await.unwrap();
    assert_eq!(server.requests()[0].body, r#"{"price":12345678901234567890.10,"total":"1.10"}"#);
}
