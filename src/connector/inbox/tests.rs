//! What proves a post, what its values may be, and what a power cut leaves.

use serde_json::json;

use super::{proof, *};
use crate::{
    connector::Signature,
    store::{MemoryStore, Operation},
};

const YAML: &str = "connectors:
  hooks:
    resources:
      sales:
        id: $.number
        updated_at: $.at
        label: 'Sale {number}'
        fields: { number: id, total: decimal, paid: boolean, on: date, at: datetime, note: text, lines: { type: list, fields: { price: decimal } } }
        inbox: { require: { lines.price: above-zero, note: present }, signature: { header: x-signature, prefix: 'sha256=' } }
      offers: { id: $.id, updated_at: $.at, fields: { at: datetime, text: text }, inbox: { keep: 30d } }
      notes: { id: $.id, fields: { text: text }, inbox: { without_id: by-content } }
connections:
  hooks: { connector: hooks, auth: { token: canary-0123456789abcdef, signed_with: canary-key } }
";

fn inbox(store: &Arc<MemoryStore>) -> InboxConnector {
    with(YAML, store, Clock::manual("2026-06-01T00:00:00Z".parse().unwrap()))
}

fn with(yaml: &str, store: &Arc<MemoryStore>, clock: Clock) -> InboxConnector {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.yaml"), yaml).unwrap();
    let loaded = crate::config::load(folder.path(), &std::collections::HashMap::<String, String>::new());
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
    let connection = loaded.config.connections.values().next().unwrap();
    InboxConnector::new(Arc::clone(connection), clock, Arc::clone(store) as Arc<dyn Store>)
}

fn signature(body: &[u8]) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"canary-key");
    let tag = ring::hmac::sign(&key, body);
    tag.as_ref().iter().fold("sha256=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

async fn post(inbox: &InboxConnector, resource: &str, body: &serde_json::Value) -> Result<Kept, String> {
    let body = body.to_string();
    let signed = signature(body.as_bytes());
    let header = |name: &str| (name == "x-signature").then_some(signed.as_str());
    let post = Post { secret: "canary-0123456789abcdef", header: &header, body: body.as_bytes() };
    inbox.receive(resource, post).await.map_err(|refusal| format!("{} {}", refusal.status, refusal.reason))
}

async fn listed(inbox: &InboxConnector, resource: &str) -> Page {
    let resource = inbox.resource(resource).unwrap();
    inbox.pull(resource, &PullCursor { since: None, page: None }).await.unwrap()
}

#[test]
fn a_signature_is_of_the_body_as_sent_by_the_same_key_in_the_declared_form() {
    let key = SecretString::from("canary-key".to_owned());
    let hex = Signature { header: "x-signature".to_owned(), base64: false, prefix: "sha256=".to_owned() };
    let good = signature(b"{}");
    assert_eq!(proof::check(&hex, Some(&key), Some(&good), b"{}"), Ok(()));
    let base64 = Signature { base64: true, prefix: String::new(), ..hex.clone() };
    // By `printf '{}' | openssl dgst -sha256 -hmac canary-key -binary | base64`, made elsewhere, too: the two agree.
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"canary-key"), b"{}");
    let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, tag.as_ref());
    assert_eq!(proof::check(&base64, Some(&key), Some(&text), b"{}"), Ok(()));
    for (given, body) in [
        (None, &b"{}"[..]),
        (Some(&good[..good.len() - 1]), b"{}"),
        (Some(good.as_str()), b"{ }"),
        (Some("sha256=zz"), b"{}"),
        (Some("\u{fc}"), b"{}"),
    ] {
        assert!(proof::check(&hex, Some(&key), given, body).is_err(), "{given:?}");
    }
    assert!(proof::check(&hex, None, Some(&good), b"{}").is_err());
    assert!(proof::same("a", "a") && !proof::same("a", "b") && !proof::same("a", ""));
}

#[tokio::test]
async fn values_become_those_of_their_fields_and_what_is_none_is_told_with_its_place() {
    let inbox = inbox(&Arc::new(MemoryStore::new()));
    let sale = json!({ "number": 7, "total": "12.50", "paid": "yes", "on": "2026-06-01T09:00:00Z", "at": "2026-06-01T09:00:00+12:00", "note": 5, "lines": "[{\"price\": \"0.10\"}]", "more": { "x": 1 } });
    assert_eq!(post(&inbox, "sales", &sale).await, Ok(Kept { new: 1, known: 0 }));
    let page = listed(&inbox, "sales").await;
    let body = &page.records[0].body;
    assert_eq!(
        (body["number"].clone(), body["paid"].clone(), body["on"].clone()),
        (json!("7"), json!(true), json!("2026-06-01"))
    );
    assert_eq!(body["at"], "2026-05-31T21:00:00Z");
    assert_eq!(
        (body["total"].to_string(), body["lines"][0]["price"].to_string()),
        ("12.50".to_owned(), "0.10".to_owned())
    );
    assert_eq!((&body["note"], &body["more"]["x"]), (&json!("5"), &json!(1)));
    for (change, reason) in [
        (json!({ "total": "12,50" }), "422 `total`: `12,50` is no decimal"),
        (json!({ "total": [] }), "422 `total`: one value is wanted here"),
        (json!({ "lines": [{ "price": "x" }] }), "422 `lines[0].price`: `x` is no decimal"),
        (
            json!({ "lines": [{ "price": 1 }, { "price": "-0.5" }] }),
            "422 `lines[1].price` is -0.5, and must be above zero",
        ),
        (json!({ "lines": [{ "price": 1 }, {}] }), "422 it has no `lines[1].price`"),
        (json!({ "note": null }), "422 it has no `note`"),
        (json!({ "on": "June" }), "422 `on`: `June` is no date as `%Y-%m-%d`"),
    ] {
        let mut wrong = sale.clone();
        for (name, value) in change.as_object().unwrap() {
            wrong[name] = value.clone();
        }
        assert_eq!(post(&inbox, "sales", &wrong).await, Err(reason.to_owned()));
    }
    let page = listed(&inbox, "sales").await;
    assert_eq!(page.records.len(), 1);
    assert!(
        page.unread[0].reason.starts_with("7 posts were refused, the last on 1 June 2026 at 00:00 UTC: "),
        "{:?}",
        page.unread
    );
    assert_eq!(page.unread[0].place, "posts to sales");
}

#[tokio::test]
async fn older_versions_and_repeats_change_nothing_and_content_may_be_an_id() {
    let inbox = inbox(&Arc::new(MemoryStore::new()));
    let sale =
        |hour: u32, note: &str| json!({ "number": "7", "at": format!("2026-06-01T{hour:02}:00:00Z"), "note": note });
    assert_eq!(post(&inbox, "sales", &sale(9, "second")).await, Ok(Kept { new: 1, known: 0 }));
    assert_eq!(post(&inbox, "sales", &sale(9, "second")).await, Ok(Kept { new: 0, known: 1 }));
    assert_eq!(post(&inbox, "sales", &sale(8, "first")).await, Ok(Kept { new: 0, known: 1 }), "it came late");
    assert_eq!(listed(&inbox, "sales").await.records[0].body["note"], "second");
    for _ in 0..2 {
        post(&inbox, "notes", &json!({ "text": "a", "more": 1 })).await.unwrap();
        post(&inbox, "notes", &json!({ "more": 1, "text": "a" })).await.unwrap();
    }
    post(&inbox, "notes", &json!({ "text": "b" })).await.unwrap();
    assert_eq!(listed(&inbox, "notes").await.records.len(), 2);
    assert_eq!(
        post(&inbox, "notes", &json!({ "id": null, "text": "b" })).await,
        Ok(Kept { new: 0, known: 1 }),
        "no id"
    );
}

#[tokio::test]
async fn a_post_that_is_not_signed_with_the_key_or_holds_too_much_is_refused_whole() {
    let inbox = inbox(&Arc::new(MemoryStore::new()));
    let body = json!({ "number": "7", "note": "x" }).to_string();
    for given in [None, Some(signature(b"{}")), Some(String::new())] {
        let header = |name: &str| given.as_deref().filter(|_| name == "x-signature");
        let post = Post { secret: "canary-0123456789abcdef", header: &header, body: body.as_bytes() };
        assert_eq!(inbox.receive("sales", post).await.unwrap_err().status, 401, "{given:?}");
    }
    assert!(listed(&inbox, "sales").await.records.is_empty());
    let notes = |count: usize| (0..count).map(|number| json!({ "id": number, "text": "x" })).collect();
    let refused = post(&inbox, "notes", &notes(1001)).await;
    assert_eq!(refused, Err("400 a post holds from 1 to 1000 records, and this one holds 1001".to_owned()));
    assert!(listed(&inbox, "notes").await.records.is_empty());
    assert_eq!(post(&inbox, "notes", &notes(1000)).await, Ok(Kept { new: 1000, known: 0 }));
}

#[tokio::test]
async fn a_secret_that_can_be_guessed_lets_nobody_in_and_is_told() {
    let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
    let yaml = YAML.replace("canary-0123456789abcdef", "canary-01234567");
    let inbox = with(&yaml, &Arc::new(MemoryStore::new()), clock);
    let post = Post { secret: "canary-01234567", header: &|_| None, body: br#"{"id":"1"}"# };
    let refused = inbox.receive("notes", post).await.unwrap_err();
    assert_eq!((refused.status, refused.reason.as_str()), (404, "there is nothing here"));
    let notes = inbox.resource("notes").unwrap();
    let error = inbox.pull(notes, &PullCursor { since: None, page: None }).await.unwrap_err().to_string();
    assert!(error.contains("its secret has fewer than 16 characters"), "{error}");
}

#[tokio::test]
async fn a_post_that_could_not_be_made_durable_is_durable_when_it_is_answered_with_known_already() {
    let store = Arc::new(MemoryStore::new());
    let before = inbox(&store);
    let note = json!({ "id": "1", "text": "a" });
    store.fail_from(Some(Operation::Flush), 1);
    assert!(post(&before, "notes", &note).await.unwrap_err().starts_with("503 "));
    store.heal();
    assert_eq!(post(&before, "notes", &note).await, Ok(Kept { new: 0, known: 1 }));
    let after = inbox(&Arc::new(store.crash_keeping(0)));
    assert_eq!(listed(&after, "notes").await.records.len(), 1);
}

#[tokio::test]
async fn a_version_that_comes_after_a_listing_began_is_in_the_next_although_the_clock_was_put_back() {
    let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
    let inbox = with(YAML, &Arc::new(MemoryStore::new()), clock.clone());
    let since = listed(&inbox, "notes").await.server_time;
    clock.jump(-TimeDelta::hours(1));
    post(&inbox, "notes", &json!({ "id": "1", "text": "a" })).await.unwrap();
    let notes = inbox.resource("notes").unwrap();
    let changes = inbox.pull(notes, &PullCursor { since, page: None }).await.unwrap();
    assert_eq!(changes.records.len(), 1);
}

#[tokio::test]
async fn what_is_removed_is_old_and_stays_known_in_its_version_and_older_ones() {
    let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
    let inbox = with(YAML, &Arc::new(MemoryStore::new()), clock.clone());
    let offer = |id: &str, day: u32| json!({ "id": id, "at": format!("2026-06-{day:02}T00:00:00Z"), "text": "x" });
    let days = |days: u64| clock.advance(std::time::Duration::from_hours(24 * days));
    let offers = inbox.resource("offers").unwrap().clone();
    let aged = async || inbox.aged(&offers, None).await.unwrap().0;
    for id in ["1", "2"] {
        post(&inbox, "offers", &offer(id, 10)).await.unwrap();
    }
    days(20);
    post(&inbox, "offers", &offer("3", 10)).await.unwrap();
    assert!(aged().await.is_empty(), "none is thirty days old");
    days(15);
    let old = aged().await;
    assert_eq!(old, [RecordId::from("1"), RecordId::from("2")]);
    // Somebody posts one again before it is removed.
    assert_eq!(post(&inbox, "offers", &offer("2", 11)).await, Ok(Kept { new: 1, known: 0 }));
    inbox.remove(&offers, &old).await.unwrap();
    let ids = async || {
        let page = listed(&inbox, "offers").await;
        page.records.iter().map(|record| record.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids().await, ["3", "2"]);
    for (day, kept) in [(10, 0), (9, 0), (11, 1)] {
        assert_eq!(post(&inbox, "offers", &offer("1", day)).await.map(|kept| kept.new), Ok(kept), "of day {day}");
    }
    assert_eq!(ids().await, ["3", "2", "1"]);
}

#[tokio::test]
async fn what_was_answered_with_yes_outlives_a_power_cut() {
    let store = Arc::new(MemoryStore::new());
    let before = inbox(&store);
    post(&before, "notes", &json!({ "id": "1", "text": "a" })).await.unwrap();
    let store = Arc::new(store.crash_keeping(0));
    let after = inbox(&store);
    assert_eq!(listed(&after, "notes").await.records.len(), 1);
}

proptest::proptest! {
    #[test]
    fn no_body_breaks_anything(kind in "(application/json|application/x-www-form-urlencoded|text/plain)?", bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..60), text in r#"[\[\]{}":,a-z0-9=&%+.-]{0,60}"#) {
        for body in [bytes, text.into_bytes(), format!("{{\"number\": 1, \"lines\": [{{\"price\": \"{kind}\"}}]}}").into_bytes()] {
            let _ = body::bodies(Some(&kind), &body);
        }
    }
}
