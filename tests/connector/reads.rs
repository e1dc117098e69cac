//! Pages, single records, and reads that need more than one try.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reconciled::{
    connector::{
        CallError, ChangedSince, Connector as _, Page, PageEnd, Paging, Place, PullCursor, Requests, Resource,
        SinceFormat, SincePlace,
    },
    record::RecordId,
};
use serde_json::{Value, json};

use crate::{
    server::{Act, Server, broken_off, json, say},
    setup::{Shop, customers, path, per_minute},
};

const START: PullCursor = PullCursor { since: None, page: None };

impl Shop {
    async fn pull(&self, cursor: &PullCursor) -> Result<Page, CallError> {
        self.run(self.connector.pull(&self.resource, cursor)).await
    }

    async fn all(&self) -> Vec<String> {
        let (mut cursor, mut ids) = (START, Vec::new());
        loop {
            let page = self.pull(&cursor).await.unwrap();
            ids.extend(page.records.iter().map(|record| record.id.to_string()));
            cursor.page = page.next;
            if cursor.page.is_none() {
                return ids;
            }
        }
    }
}

fn paged(paging: Paging) -> Resource {
    let mut resource = customers();
    resource.list.as_mut().unwrap().paging = paging;
    resource
}

fn ids(ids: &[u32]) -> Value {
    ids.iter().map(|id| json!({ "id": id })).collect()
}

fn lines(server: &Server) -> Vec<String> {
    server.requests().into_iter().map(|got| got.line).collect()
}

#[tokio::test]
async fn numbered_pages_end_with_a_short_one() {
    let server = Server::script([json(&json!({"items": ids(&[1, 2])})), json(&json!({"items": ids(&[3])}))]).await;
    let shop = Shop::at(&server);
    assert_eq!(shop.all().await, ["1", "2", "3"]);
    let expected = ["GET /api/customers?page=1&per=2 HTTP/1.1", "GET /api/customers?page=2&per=2 HTTP/1.1"];
    assert_eq!(lines(&server), expected);
    assert_eq!(shop.connector.requests(), Requests { reads: 2, writes: 0 });
}

#[tokio::test]
async fn answers_are_counted_by_their_kind_and_requests_by_their_length() {
    let page = || json(&json!({"items": ids(&[1])}));
    let server =
        Server::script([say(429, "retry-after: 1\r\n", ""), say(503, "", ""), Act::Drop, page(), say(404, "", "")])
            .await;
    let shop = Shop::at(&server);
    shop.all().await;
    // What was refused, and what got no whole answer, was asked again.
    assert_eq!(shop.connector.traffic().unwrap().answers, [1, 0, 0, 1, 1, 1]);
    let _ = shop.pull(&START).await;
    let traffic = shop.connector.traffic().unwrap();
    assert_eq!(traffic.answers, [1, 0, 1, 1, 1, 1]);
    assert_eq!(traffic.lengths.iter().sum::<u64>(), shop.connector.requests().reads);
    assert!(traffic.seconds > 0.0);
}

#[tokio::test]
async fn numbered_pages_end_where_the_answer_says() {
    let page = |list: &[u32]| json(&json!({"items": ids(list), "pages": {"count": 2}}));
    // The remote gives fewer than asked for although more follow.
    let server = Server::script([page(&[1]), page(&[2])]).await;
    let (param, end) = (Some("page".to_owned()), PageEnd::PageCount(Place::Body(path("$.pages.count"))));
    let shop = Shop::with(&server, paged(Paging::Number { param, first: 1, size: None, end, then: None }), |_| {});
    assert_eq!(shop.all().await, ["1", "2"]);
}

#[tokio::test]
async fn cursors_are_followed_as_they_are_and_never_in_a_circle() {
    let server = Server::script([
        json(&json!({"items": ids(&[1]), "next": "a&b=c"})),
        json(&json!({"items": ids(&[]), "next": 17})),
        json(&json!({"items": ids(&[2]), "next": null})),
        json(&json!({"items": ids(&[1]), "next": "x"})),
    ])
    .await;
    let paging = Paging::Cursor { param: Some("after".to_owned()), next: path("$.next"), size: None, end: None };
    let shop = Shop::with(&server, paged(paging), |_| {});
    assert_eq!(shop.all().await, ["1", "2"]);
    assert!(lines(&server)[1].contains("?after=a%26b%3Dc "), "{:?}", lines(&server));
    let circle = PullCursor { since: None, page: Some("x".to_owned()) };
    assert!(matches!(shop.pull(&circle).await, Err(CallError::BadAnswer(_))));
}

#[track_caller]
fn since(place: SincePlace, format: SinceFormat) -> Resource {
    let mut resource = customers();
    let overlap = Duration::ZERO;
    resource.list.as_mut().unwrap().changed_since =
        Some(ChangedSince { place, text: "{since}".to_owned(), format, overlap, misses: vec![] });
    resource
}

#[tokio::test]
async fn changes_are_asked_for_as_the_manifest_says() {
    let instant: DateTime<Utc> = "2026-06-01T10:20:30.456Z".parse().unwrap();
    let cursor = PullCursor { since: Some(instant), page: None };
    let forms = [
        (SinceFormat::Rfc3339, "2026-06-01T10:20:30.456Z"),
        (SinceFormat::IsoSeconds, "2026-06-01T10:20:30"),
        (SinceFormat::EpochSeconds, "1780309230"),
    ];
    for (format, expected) in forms {
        let server = Server::start(|_, _| json(&json!({"items": []}))).await;
        let header = SincePlace::Header("If-Modified-Since".to_owned());
        Shop::with(&server, since(header, format), |_| {}).pull(&cursor).await.unwrap();
        assert_eq!(server.requests()[0].header("if-modified-since"), Some(expected));
        let param = SincePlace::Param("since".to_owned());
        Shop::with(&server, since(param, format), |_| {}).pull(&cursor).await.unwrap();
        assert!(server.requests()[1].line.contains(&expected.replace(':', "%3A")), "{:?}", server.requests()[1]);
    }
}

#[tokio::test]
async fn not_modified_is_an_empty_page_only_where_it_was_asked() {
    let server = Server::start(|_, _| say(304, "", "")).await;
    let header = SincePlace::Header("If-Modified-Since".to_owned());
    let shop = Shop::with(&server, since(header, SinceFormat::IsoSeconds), |_| {});
    let cursor = PullCursor { since: Some(DateTime::UNIX_EPOCH), page: None };
    assert!(shop.pull(&cursor).await.unwrap().records.is_empty());
    assert!(matches!(shop.pull(&START).await, Err(CallError::BadAnswer(_))));
}

#[tokio::test]
async fn records_are_decoded_and_described() {
    let record = json!({"id": 17, "first": "Ann ", "last": null, "updated": "/Date(1717200000000+0000)/",
        "due": "/Date(1717200000000+0000)/", "total": "1.10", "etag": 4, "state": "archived", "survivor": "18"});
    let items = json!({"items": [record, {"id": "00000000-0000-0000-0000-000000000001"}]});
    let date = "date: Mon, 01 Jun 2026 00:00:10 GMT\r\n";
    let server = Server::script([say(200, date, &items.to_string())]).await;
    let page = Shop::at(&server).pull(&START).await.unwrap();
    let server_time = page.server_time.unwrap();
    let answered: DateTime<Utc> = "2026-06-01T00:00:10Z".parse().unwrap();
    assert!(server_time < answered && server_time > answered - Duration::from_secs(9), "{server_time}");
    let first = &page.records[0];
    assert_eq!((first.id.as_str(), first.label.as_str()), ("17", "Ann"));
    assert_eq!(first.updated_at.unwrap().to_rfc3339(), "2024-06-01T00:00:00+00:00");
    assert_eq!((first.version.as_deref(), first.gone), (Some("4"), true));
    assert_eq!(first.merged_into, Some(RecordId::from("18")));
    assert_eq!((&first.body["due"], first.body["total"].to_string()), (&json!("2024-06-01"), "1.10".to_owned()));
    let second = &page.records[1];
    assert_eq!((second.label.as_str(), second.gone), (second.id.as_str(), false));
}

#[track_caller]
fn refused(outcome: Result<Page, CallError>, expected: &str) {
    match outcome {
        Err(CallError::BadAnswer(message)) => assert!(message.contains(expected), "{message}"),
        other => panic!("{other:?}"),
    }
}

/// An answer that is not understood must never look like a short or empty list.
#[tokio::test]
async fn what_is_not_a_page_is_an_error() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    let answers = [
        (say(200, "content-type: text/html\r\n", "<html>Down for maintenance</html>"), "Down for maintenance"),
        (say(200, "", ""), "not JSON"),
        (say(200, "", r#"{"items": [{"id": 1}, {"id": 2}"#), "not JSON"),
        (say(200, "", &format!(r#"{{"items": {deep}}}"#)), "recursion"),
        (say(204, "", ""), "not JSON"),
        (json(&json!({"problem": "wrong tenant"})), "wrong tenant"),
        (json(&json!({"items": null})), "$.items"),
        (json(&json!({"items": {"id": 1}})), "$.items"),
        (json(&json!([])), "$.items"),
        (json(&json!({"items": [{"id": 1}, {"name": "x"}]})), "record 2 has no id"),
        (json(&json!({"items": [{"id": ""}]})), "record 1 has no id"),
        (json(&json!({"items": [1]})), "record 1 is not an object"),
    ];
    for (act, expected) in answers {
        let Act::Say(bytes) = act else { unreachable!() };
        let server = Server::start(move |_, _| Act::Say(bytes.clone())).await;
        refused(Shop::at(&server).pull(&START).await, expected);
    }
}

#[tokio::test]
async fn a_page_count_that_is_missing_ends_nothing() {
    let server = Server::script([json(&json!({"items": []}))]).await;
    let (param, end) = (Some("page".to_owned()), PageEnd::PageCount(Place::Body(path("$.pages.count"))));
    let shop = Shop::with(&server, paged(Paging::Number { param, first: 1, size: None, end, then: None }), |_| {});
    refused(shop.pull(&START).await, "$.pages.count");
}

#[tokio::test]
async fn a_read_is_tried_again_until_it_is_understood() {
    let good = || json(&json!({"items": []}));
    let bad: [fn() -> Act; 4] = [
        || say(500, "", "<h1>oops</h1>"),
        || broken_off(r#"{"items": ["#),
        || Act::Drop,
        || say(200, "", r#"{"items": [{"#),
    ];
    for act in bad {
        let server = Server::script([act(), act(), act(), good()]).await;
        let shop = Shop::at(&server);
        assert!(shop.pull(&START).await.unwrap().records.is_empty());
        assert_eq!(shop.connector.requests().reads, 4);
        assert!(shop.clock.monotonic() >= Duration::from_millis(1750), "each pause is at least half of 0.5, 1, 2 s");

        let server = Server::start(move |_, _| act()).await;
        let shop = Shop::at(&server);
        shop.pull(&START).await.unwrap_err();
        assert_eq!(shop.connector.requests().reads, 4);
    }
}

#[tokio::test]
async fn a_busy_remote_is_left_alone_for_as_long_as_it_asks() {
    let wait = |header: &str| say(503, header, "");
    let server = Server::script([
        say(429, "retry-after: 30\r\n", ""),
        wait("retry-after: 20\r\n"),
        say(429, "date: Mon, 01 Jun 2026 00:00:00 GMT\r\nretry-after: Mon, 01 Jun 2026 00:00:10 GMT\r\n", ""),
        json(&json!({"items": []})),
        say(429, "retry-after: 86400\r\n", ""),
    ])
    .await;
    let shop = Shop::at(&server);
    shop.pull(&START).await.unwrap();
    assert!(shop.clock.monotonic() >= Duration::from_mins(1));
    let before = shop.clock.now();
    match shop.pull(&START).await {
        Err(CallError::Throttled { until, .. }) => assert!(until >= before + Duration::from_hours(24)),
        other => panic!("{other:?}"),
    }
    // The block holds for whoever asks next, without another request.
    assert!(matches!(shop.pull(&START).await, Err(CallError::Throttled { .. })));
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn the_limit_is_kept_and_learned() {
    let left = "x-left: 1\r\n";
    let server = Server::start(move |_, _| say(200, left, r#"{"items": []}"#)).await;
    let shop = Shop::with(&server, customers(), |manifest| {
        manifest.limits = per_minute(50);
        manifest.throttled.remaining = vec![("X-Left".to_owned(), Duration::from_mins(1))];
    });
    for _ in 0..2 {
        shop.pull(&START).await.unwrap();
    }
    assert!(shop.clock.monotonic() >= Duration::from_mins(1), "one was left, and it is kept for a person");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_real_time() {
    let server = Server::script([]).await;
    let shop = Shop::with(&server, customers(), |manifest| manifest.timeout = Duration::from_millis(50));
    match shop.pull(&START).await {
        Err(CallError::Unknown(message)) => assert!(message.contains("no answer in time"), "{message}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn one_record_is_there_or_not_or_unknown() {
    let server = Server::script([
        json(&json!({"id": "a/b"})),
        say(404, "", "<html>"),
        say(410, "", ""),
        json(&json!({"id": "another"})),
        json(&json!({})),
        say(400, "", r#"{"problem": "bad id"}"#),
    ])
    .await;
    let shop = Shop::at(&server);
    let id = RecordId::from("a/b");
    let get = async || shop.run(shop.connector.get(&shop.resource, &id)).await;
    assert_eq!(get().await.unwrap().unwrap().id, id);
    assert!(get().await.unwrap().is_none());
    assert!(get().await.unwrap().is_none());
    assert!(matches!(get().await, Err(CallError::BadAnswer(_))), "another record");
    assert!(matches!(get().await, Err(CallError::BadAnswer(_))), "no record");
    match get().await {
        Err(CallError::Refused { status: 400, message }) => assert!(message.contains("bad id"), "{message}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(lines(&server)[0], "GET /api/customers/a%2Fb HTTP/1.1");
}
