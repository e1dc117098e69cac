//! The website over HTTP, as its contract words it.

use chrono::{DateTime, Utc};
use std::time::Duration;

use super::*;
use crate::sandbox::{Fault, testing::Client};

fn clock() -> Clock {
    Clock::manual("2026-06-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap())
}

async fn start(clock: &Clock) -> (Website, Client) {
    let site = Website::start(WebsiteOptions::new(clock.clone())).await.unwrap();
    let client = Client::new(site.url(), &[("authorization", "Bearer website-token")]);
    (site, client)
}

#[tokio::test]
async fn a_record_is_made_changed_and_deleted() {
    let clock = clock();
    let (site, client) = start(&clock).await;
    let made = client.send("POST", "/contacts", &[], json!({"first_name": "Jane", "postal": {"city": "Nelson"}})).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body["id"], "c1");
    assert_eq!(made.body["updated_at"], "2026-06-01T00:00:00.000Z");
    assert_eq!(made.body["email"], Value::Null);
    assert_eq!(made.header("etag"), "\"1\"");
    assert_eq!(made.header("date"), "Mon, 01 Jun 2026 00:00:00 GMT");

    clock.advance(Duration::from_millis(1500));
    let changed =
        client.send("PATCH", "/contacts/c1", &[("if-match", "\"1\"")], json!({"postal": {"postcode": "7010"}})).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.body["postal"]["city"], "Nelson");
    assert_eq!(changed.body["updated_at"], "2026-06-01T00:00:01.500Z");
    assert_eq!(changed.body["created_at"], "2026-06-01T00:00:00.000Z");

    let stale = client.send("PATCH", "/contacts/c1", &[("if-match", "\"1\"")], json!({"phone": "1"})).await;
    assert_eq!((stale.status, &stale.body["error"]["code"]), (412, &json!("stale_version")));

    assert_eq!(client.send("DELETE", "/contacts/c1", &[], Value::Null).await.status, 204);
    assert_eq!(client.get("/contacts/c1").await.status, 404);
    assert_eq!(client.get("/contacts").await.body, json!({"items": [], "page": 1, "pages": 1, "total": 0}));
    assert_eq!(site.log().writes(), 4);
}

#[tokio::test]
async fn wrong_writes_name_the_property() {
    let (_site, client) = start(&clock()).await;
    for (body, field) in [
        (json!({"surname": "x"}), "surname"),
        (json!({"postal": {"zip": "1"}}), "postal.zip"),
        (json!({"id": "c9"}), "id"),
        (json!({"email": 3}), "email"),
    ] {
        let answer = client.send("POST", "/contacts", &[], body).await;
        assert_eq!(answer.status, 422);
        assert_eq!(answer.body["error"]["field"], field);
    }
    let sale = client.send("POST", "/sales", &[], json!({"contact_id": "c7"})).await;
    assert_eq!((sale.status, &sale.body["error"]["code"]), (422, &json!("unknown_reference")));
    assert_eq!(client.get("/contacts?colour=red").await.status, 422);
    assert_eq!(client.get("/nothing").await.status, 404);
    let stranger = Client::new(client.url().to_owned(), &[("authorization", "Bearer other")]);
    assert_eq!(stranger.get("/contacts").await.status, 401);
}

#[tokio::test]
async fn pages_say_which_is_last_and_since_counts_the_same_instant() {
    let clock = clock();
    let (site, client) = start(&clock).await;
    site.fill_contacts(5);
    let last = client.get("/contacts?page=3&per_page=2").await;
    assert_eq!((&last.body["page"], &last.body["pages"], &last.body["total"]), (&json!(3), &json!(3), &json!(5)));
    assert_eq!(last.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(client.get("/contacts?per_page=0").await.status, 422);

    clock.advance(Duration::from_secs(10));
    site.edit("contacts", "c2", json!({"phone": "1"})).unwrap();
    let ids = async |query: &str| -> Vec<String> {
        let answer = client.get(query).await;
        answer.body["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("/contacts?updated_since=2026-06-01T00:00:10Z").await, ["c2"]);
    assert_eq!(ids("/contacts?updated_since=2026-06-01T12:00:10.001%2B12:00").await, [""; 0]);
    assert_eq!(
        ids("/contacts?updated_since=2026-06-01T00:00:00Z").await,
        ["c1", "c2", "c3", "c4", "c5"],
        "always in the order of ids"
    );
    assert_eq!(ids("/contacts?email=PERSON4@example.com").await, ["c4"]);
    site.edit("contacts", "c4", json!({"email": "new@example.com"})).unwrap();
    assert_eq!(ids("/contacts?email=person4@example.com").await, [""; 0]);
}

#[tokio::test]
async fn a_batch_answers_each_item_in_order() {
    let (site, client) = start(&clock()).await;
    let items = json!({"items": [{"first_name": "A"}, {"nope": 1}, {"first_name": "C"}]});
    let made = client.send("POST", "/contacts/batch", &[], items).await;
    assert_eq!(made.status, 200);
    let statuses: Vec<&Value> = made.body["items"].as_array().unwrap().iter().map(|item| &item["status"]).collect();
    assert_eq!(statuses, [201, 422, 201]);
    assert_eq!(made.body["items"][1]["error"]["field"], "nope");
    assert_eq!(made.body["items"][2]["item"]["first_name"], "C");

    let items = json!({"items": [{"id": "c2", "phone": "2"}, {"id": "c9", "phone": "9"}, {"id": "c1", "version": 7}]});
    let changed = client.send("PATCH", "/contacts/batch", &[], items).await;
    let statuses: Vec<&Value> = changed.body["items"].as_array().unwrap().iter().map(|item| &item["status"]).collect();
    assert_eq!(statuses, [200, 404, 412]);
    assert_eq!(site.get("contacts", "c2").unwrap()["phone"], "2");
    let many: Vec<Value> = (0..101).map(|_| json!({})).collect();
    assert_eq!(client.send("POST", "/contacts/batch", &[], json!({"items": many})).await.status, 422);
}

#[tokio::test]
async fn a_key_replays_for_a_day_and_refuses_another_body() {
    let clock = clock();
    let (site, client) = start(&clock).await;
    let key = [("idempotency-key", "k1")];
    let first = client.send("POST", "/contacts", &key, json!({"first_name": "A"})).await;
    clock.advance(Duration::from_secs(24 * 3600 - 1));
    let again = client.send("POST", "/contacts", &key, json!({"first_name": "A"})).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(client.send("POST", "/contacts", &key, json!({"first_name": "B"})).await.status, 422);
    assert_eq!(site.count("contacts"), 1);
    clock.advance(Duration::from_secs(1));
    assert_eq!(client.send("POST", "/contacts", &key, json!({"first_name": "A"})).await.body["id"], "c2");
}

#[tokio::test]
async fn a_sale_counts_its_lines() {
    let (site, _client) = start(&clock()).await;
    let lines = json!([{"line_no": 1, "cents": 1250, "quantity": 2}, {"line_no": 2, "cents": 5}]);
    let id = site.insert("sales", json!({"lines": lines})).unwrap();
    let sale = site.get("sales", &id).unwrap();
    assert_eq!(sale["total"].to_string(), "25.05");
    assert_eq!(sale["number"], "S-1001");
    site.edit("sales", &id, json!({"lines": [{"line_no": 1, "cents": 100}]})).unwrap();
    assert_eq!(site.get("sales", &id).unwrap()["total"].to_string(), "1.00");
}

#[tokio::test]
async fn faults_do_what_their_names_say() {
    let (site, client) = start(&clock()).await;
    let post = async |fault: Fault| {
        site.faults().once(fault, "POST", "/contacts*");
        let before = site.count("contacts");
        let answer = client
            .try_send("POST", "/contacts/batch", &[], json!({"items": [{"first_name": "1"}, {"first_name": "2"}]}))
            .await;
        (answer, site.count("contacts") - before)
    };
    let (answer, made) = post(Fault::Status(500)).await;
    assert_eq!((answer.unwrap().status, made), (500, 0));
    let (answer, made) = post(Fault::StatusRetryAfter(429, 7)).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.header("retry-after"), made), (429, "7", 0));
    let (answer, made) = post(Fault::DropBefore).await;
    assert!(answer.is_err());
    assert_eq!(made, 0);
    let (answer, made) = post(Fault::DropAfter).await;
    assert!(answer.is_err());
    assert_eq!(made, 2);
    let (answer, made) = post(Fault::CloseMidBody).await;
    assert!(answer.is_err());
    assert_eq!(made, 2);
    let (answer, made) = post(Fault::ApplyThenStatus(500)).await;
    assert_eq!((answer.unwrap().status, made), (500, 2));
    let (answer, made) = post(Fault::Truncate).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, &answer.body, made), (200, &Value::Null, 2));
    let (answer, made) = post(Fault::Twice).await;
    assert_eq!((answer.unwrap().status, made), (200, 4));
    let (answer, made) = post(Fault::ReverseBatch).await;
    let answer = answer.unwrap();
    assert_eq!((&answer.body["items"][0]["item"]["first_name"], made), (&json!("2"), 2));
    let (answer, made) = post(Fault::ShortBatch(1)).await;
    assert_eq!((answer.unwrap().body["items"].as_array().unwrap().len(), made), (1, 2));
    let (answer, made) = post(Fault::SlowBefore(Duration::from_millis(1))).await;
    assert_eq!((answer.unwrap().status, made), (200, 2));
    let (answer, made) = post(Fault::HtmlPage).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.header("content-type"), made), (200, "text/html", 2));
    assert_eq!(site.faults().struck(), 12);
    let cut: Vec<Option<u16>> = site.log().matching("POST", "*/batch").iter().map(|entry| entry.status).collect();
    assert_eq!(cut[..5], [Some(500), Some(429), None, None, Some(200)]);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_a_slow_write() {
    let (site, client) = start(&clock()).await;
    site.faults().once(Fault::SlowBefore(Duration::from_millis(500)), "POST", "*");
    let arrived = async {
        while site.faults().struck() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        _ = client.send("POST", "/contacts", &[], json!({})) => panic!("it was answered before the client hung up"),
        () = arrived => {}
    }
    assert_eq!(site.count("contacts"), 0);
    let applied = async {
        while site.count("contacts") == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), applied).await.unwrap();
    site.stop().await;
    assert!(client.try_send("GET", "/contacts", &[], Value::Null).await.is_err());
}
