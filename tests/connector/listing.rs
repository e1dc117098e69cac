//! Every way a listing can go on, and every way to ask for changes only.

use reconciled::connector::CallError;
use serde_json::{Value, json};

use crate::{
    server::{Server, json, say},
    setup::Shop,
    yaml::{ids, shop, targets},
};

fn things(ids: &[u32]) -> Value {
    ids.iter().map(|id| json!({ "id": id, "at": format!("2026-06-0{id}T00:00:00Z") })).collect()
}

fn page(ids: &[u32]) -> Value {
    json!({ "items": things(ids) })
}

fn list(server: &Server, list: &str) -> Shop {
    let resource = format!(
        "        updated_at: {{ path: $.at }}\n        get: \"/things/{{id}}\"\n        list: {{ records: $.items, {list} }}"
    );
    shop(server, "", &resource)
}

#[tokio::test]
async fn pages_are_counted_from_where_the_remote_counts() {
    let server = Server::script([json(&page(&[1, 2])), json(&page(&[3]))]).await;
    let shop = list(&server, "get: /things, page: { kind: number, first: 0, param: p, size: { value: 2 } }");
    assert_eq!(ids(&shop.listed(None).await), ["1", "2", "3"]);
    assert_eq!(targets(&server), ["/things?p=0", "/things?p=1"]);
}

#[tokio::test]
async fn an_offset_counts_what_was_given_and_ends_at_the_total() {
    // The remote caps pages at less than was asked for.
    let answer = |ids: &[u32]| json(&json!({ "items": things(ids), "total": 3 }));
    let server = Server::script([answer(&[1, 2]), answer(&[3])]).await;
    let shop = list(
        &server,
        "get: /things, page: { kind: offset, param: skip, size: { param: top, value: 400 }, end: { total: $.total } }",
    );
    assert_eq!(ids(&shop.listed(None).await), ["1", "2", "3"]);
    assert_eq!(targets(&server), ["/things?skip=0&top=400", "/things?skip=2&top=400"]);
}

#[tokio::test]
async fn an_empty_page_before_the_total_is_a_mistake() {
    let answer = |ids: &[u32], total: u32| json(&json!({ "items": things(ids), "total": total }));
    for page in ["kind: offset, param: skip", "kind: number, param: page, size: { value: 2 }"] {
        let words = format!("get: /things, page: {{ {page}, end: {{ total: $.total }} }}");
        let server = Server::script([answer(&[1, 2], 5), answer(&[], 5)]).await;
        let shop = list(&server, &words);
        let first = shop.page(None, None).await.unwrap();
        let error = shop.page(None, first.next).await.unwrap_err();
        assert!(matches!(&error, CallError::BadAnswer(message) if message.contains("none after 2")), "{error}");
        // Some were deleted meanwhile, and the total says so; or there is nothing at all.
        let server = Server::script([answer(&[1, 2], 5), answer(&[], 2), answer(&[], 0), json(&self::page(&[]))]).await;
        let shop = list(&server, &words);
        assert_eq!(ids(&shop.listed(None).await), ["1", "2"]);
        assert_eq!(ids(&shop.listed(None).await), [""; 0]);
        assert_eq!(ids(&shop.listed(None).await), [""; 0]);
    }
}

#[tokio::test]
async fn a_query_text_holds_offset_size_and_instant() {
    let server = Server::script([json(&page(&[1])), json(&page(&[])), json(&page(&[]))]).await;
    let shop = list(
        &server,
        "get: /query, query: { query: \"select * from Thing {changed_since} startposition {page} maxresults {size}\" }, \
         page: { kind: offset, first: 1, size: { value: 1 } }, \
         changed_since: { text: \"where Updated >= '{since}'\", format: rfc3339-seconds }",
    );
    assert_eq!(ids(&shop.listed(None).await), ["1"]);
    assert_eq!(ids(&shop.listed(Some("2026-06-01T10:00:00Z")).await), [""; 0]);
    let text = |text: &str| {
        format!(
            "/query?query={}",
            text.replace(' ', "%20")
                .replace('\'', "%27")
                .replace(':', "%3A")
                .replace('*', "%2A")
                .replace(">=", "%3E%3D")
        )
    };
    assert_eq!(
        targets(&server),
        [
            text("select * from Thing  startposition 1 maxresults 1"),
            text("select * from Thing  startposition 2 maxresults 1"),
            text("select * from Thing where Updated >= '2026-06-01T10:00:00Z' startposition 1 maxresults 1"),
        ]
    );
}

#[tokio::test]
async fn a_cursor_given_with_the_last_page_is_not_followed() {
    let answer = |ids: &[u32], more: bool| json(&json!({ "items": things(ids), "next": "n", "more": more }));
    let server = Server::script([answer(&[1], true), answer(&[2], false)]).await;
    let shop = list(&server, "get: /things, page: { kind: cursor, param: c, next: $.next, end: { more: $.more } }");
    assert_eq!(ids(&shop.listed(None).await), ["1", "2"]);
    assert_eq!(targets(&server), ["/things", "/things?c=n"]);
}

#[tokio::test]
async fn a_page_that_says_nothing_of_the_next_or_not_where_it_is_does_not_end_a_listing() {
    let wrong = async |page: &str, answer: Value| {
        let server = Server::script([json(&answer)]).await;
        match list(&server, &format!("get: /things, page: {page}")).page(None, None).await {
            Err(CallError::BadAnswer(message)) => message,
            other => panic!("{page}: {other:?}"),
        }
    };
    let ends = ["end: { more: $.info.more }", "end: { last: $.info.last }"];
    for end in ends {
        for page in ["kind: number, param: p", "kind: offset, param: p", "kind: cursor, param: c, next: $.next"] {
            let message = wrong(&format!("{{ {page}, {end} }}"), json!({ "items": things(&[1]), "next": "n" })).await;
            assert!(message.contains("no usable `$.info."), "{message}");
        }
    }
    let cursor = "{ kind: cursor, param: c, next: $.next, end: { more: $.more } }";
    let then = "{ kind: number, param: p, end: { more: $.more }, then: { param: c, next: $.next, after: 1 } }";
    for page in [cursor, then] {
        for next in [json!(null), json!("")] {
            let message = wrong(page, json!({ "items": things(&[1]), "more": true, "next": next })).await;
            assert!(message.contains("there is more, and not where"), "{message}");
        }
    }
    let offset = "{ kind: offset, param: p, end: { more: $.more } }";
    let message = wrong(offset, json!({ "items": [], "more": true })).await;
    assert!(message.contains("there is more, and holds no record"), "{message}");

    // Where there is nothing to list, nothing else need be said.
    let server = Server::script([json(&page(&[])), json(&page(&[]))]).await;
    for end in ends {
        let shop = list(&server, &format!("get: /things, page: {{ kind: number, param: p, {end} }}"));
        assert_eq!(ids(&shop.listed(None).await), [""; 0]);
    }
}

#[tokio::test]
async fn a_flag_may_say_that_this_is_the_last_page() {
    let answer = |ids: &[u32], last: &str| json(&json!({ "items": things(ids), "last": last }));
    let server = Server::script([answer(&[1], "N"), answer(&[2], "Y")]).await;
    let shop = list(&server, "get: /things, page: { kind: number, param: p, end: { last: $.last, equals: Y } }");
    assert_eq!(ids(&shop.listed(None).await), ["1", "2"]);
}

#[tokio::test]
async fn numbers_give_way_to_a_token_at_the_remotes_limit() {
    let answer =
        |ids: &[u32], token: Value| json(&json!({ "items": things(ids), "token": token, "more": !token.is_null() }));
    let server = Server::script([
        answer(&[1], json!("unused")),
        answer(&[2], json!("t1")),
        answer(&[3], json!("t2")),
        answer(&[4], Value::Null),
    ])
    .await;
    let shop = list(
        &server,
        "get: /things, page: { kind: number, param: page, end: { more: $.more }, then: { param: page_token, next: $.token, after: 2 } }",
    );
    assert_eq!(ids(&shop.listed(None).await), ["1", "2", "3", "4"]);
    assert_eq!(
        targets(&server),
        ["/things?page=1", "/things?page=2", "/things?page_token=t1", "/things?page_token=t2"]
    );
}

#[tokio::test]
async fn totals_in_headers_end_a_listing() {
    let answer = |ids: &[u32]| say(200, "Result-Pages: 2\r\n", &things(ids).to_string());
    let server = Server::script([answer(&[1]), answer(&[2])]).await;
    let resource =
        "        list: { get: /things, page: { kind: number, param: page, end: { page_count_header: Result-Pages } } }";
    assert_eq!(ids(&shop(&server, "", resource).listed(None).await), ["1", "2"]);
    let server = Server::script([say(200, "", "[]")]).await;
    let error = shop(&server, "", resource).page(None, None).await.unwrap_err();
    assert!(matches!(&error, CallError::BadAnswer(message) if message.contains("Result-Pages")), "{error}");
}

#[tokio::test]
async fn links_are_followed_absolute_or_relative_but_never_to_another_place() {
    let server = Server::start(|number, got| {
        let host = got.header("host").unwrap();
        let next = match number {
            0 => json!(format!("http://{host}/api/things?after=a%20b&x=1")),
            1 => json!("?after=c"),
            2 => json!("/api/things?after=d"),
            _ => Value::Null,
        };
        json(&json!({ "items": things(&[u32::try_from(number).unwrap() + 1]), "links": { "next": next } }))
    })
    .await;
    let shop = list(&server, "get: /things, query: { x: \"1\" }, page: { kind: link, next: $.links.next }");
    assert_eq!(ids(&shop.listed(None).await), ["1", "2", "3", "4"]);
    assert_eq!(targets(&server), ["/things?x=1", "/things?after=a%20b&x=1", "/things?after=c", "/things?after=d"]);

    for elsewhere in ["https://evil.example/api/things", "//evil.example/x", "/other", "http://127.0.0.1:1/api/things"]
    {
        let server = Server::script([json(&json!({ "items": [], "links": { "next": elsewhere } }))]).await;
        let shop = list(&server, "get: /things, page: { kind: link, next: $.links.next }");
        let error = shop.page(None, None).await.unwrap_err();
        assert!(matches!(&error, CallError::BadAnswer(message) if message.contains("not asked for")), "{error}");
    }
}

#[tokio::test]
async fn links_are_taken_for_numbers_unless_the_manifest_says_that_they_hold_a_place() {
    let server = Server::script([]).await;
    for (words, shifts) in [("", true), (", stable: false", true), (", stable: true", false)] {
        let shop = list(&server, &format!("get: /things, page: {{ kind: link, next: $.next{words} }}"));
        assert_eq!(shop.resource.list.unwrap().paging.shifts(), shifts, "{words}");
    }
}

#[tokio::test]
async fn a_link_header_is_followed() {
    let server = Server::script([
        say(200, "Link: </api/things?page=2>; rel=\"next\"\r\n", &page(&[1]).to_string()),
        say(200, "Link: </api/things?page=1>; rel=\"prev\"\r\n", &page(&[2]).to_string()),
    ])
    .await;
    let shop = list(&server, "get: /things, page: { kind: link, next_header: Link }");
    assert_eq!(ids(&shop.listed(None).await), ["1", "2"]);
}

#[tokio::test]
async fn a_keyset_goes_on_after_the_last_record() {
    let server = Server::script([json(&page(&[1, 2])), json(&page(&[3]))]).await;
    let shop = list(
        &server,
        "get: /things, page: { kind: keyset, param: changed_since, id_param: last_seen, size: { value: 2 } }, \
         changed_since: { param: changed_since, format: rfc3339-seconds }",
    );
    assert_eq!(ids(&shop.listed(Some("2026-05-01T00:00:00Z")).await), ["1", "2", "3"]);
    assert_eq!(
        targets(&server),
        [
            "/things?changed_since=2026-05-01T00%3A00%3A00Z",
            "/things?changed_since=2026-06-02T00%3A00%3A00Z&last_seen=2"
        ]
    );
}

#[tokio::test]
async fn newest_first_is_read_until_one_is_older() {
    let server = Server::script([json(&page(&[9, 8])), json(&page(&[7, 6]))]).await;
    let shop = list(
        &server,
        "get: /things, page: { kind: number, param: page, size: { value: 2 } }, changed_since: { newest_first: true }",
    );
    // One of the very instant counts: another may have it that was not there yet.
    assert_eq!(ids(&shop.listed(Some("2026-06-07T00:00:00Z")).await), ["9", "8", "7"]);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn changes_by_local_time_are_asked_for_an_hour_earlier_before_clocks_are_put_back() {
    let server = Server::start(|_, _| json(&page(&[]))).await;
    let shop =
        list(&server, "get: /things, changed_since: { param: since, format: iso-local, zone: Pacific/Auckland }");
    // At 14:00 UTC on 4 April 2026 it is 3:00 in Auckland, and 2:00 for the second time.
    for since in ["2026-04-04T13:54:00Z", "2026-04-04T14:04:00Z", "2026-06-01T00:00:00Z"] {
        shop.listed(Some(since)).await;
    }
    let asked = ["2026-04-05T01%3A54%3A00", "2026-04-05T02%3A04%3A00", "2026-06-01T12%3A00%3A00"];
    assert_eq!(targets(&server), asked.map(|at| format!("/things?since={at}")));
}

#[tokio::test]
async fn windows_of_dates_cover_every_day_once() {
    let server = Server::start(|number, _| json(&page(&[u32::try_from(number).unwrap() + 1]))).await;
    let shop = list(
        &server,
        "get: /jobs, windows: { from: from, to: to, format: compact-date, span: 360d, start: \"2025-01-01\" }",
    );
    assert_eq!(ids(&shop.listed(None).await), ["1", "2"]);
    assert_eq!(targets(&server), ["/jobs?from=20250101&to=20251226", "/jobs?from=20251227&to=20260602"]);
}

#[tokio::test]
async fn an_expired_page_says_so_and_no_other_refusal_does() {
    let answer = || say(400, "", "{\"error\":\"BAD_CONTINUATION\"}");
    let server = Server::script([answer(), say(400, "", "{\"error\":\"other\"}")]).await;
    let shop = list(
        &server,
        "get: /things, page: { kind: cursor, param: c, next: $.next }, expired: { status: 400, text: BAD_CONT }",
    );
    assert!(matches!(shop.page(None, Some("old".to_owned())).await, Err(CallError::PageExpired)));
    assert!(matches!(shop.page(None, Some("old".to_owned())).await, Err(CallError::Refused { status: 400, .. })));
}

#[tokio::test]
async fn a_thin_list_is_read_in_detail() {
    let thin = json!({ "items": [{ "id": "1", "at": "2026-06-01T00:00:00Z" }, { "id": "2" }] });
    let server = Server::script([json(&thin), json(&json!({ "id": "1", "name": "A" })), say(404, "", "")]).await;
    let shop = list(&server, "get: /things, detail: one-by-one");
    let records = shop.listed(None).await;
    assert_eq!(ids(&records), ["1"]);
    assert_eq!(records[0].body["name"], "A");
    assert!(records[0].updated_at.is_some(), "the list's stamp is kept where the record has none");
    assert_eq!(targets(&server), ["/things", "/things/1", "/things/2"]);

    let server = Server::script([
        json(&json!({ "items": [{ "id": "1" }, { "id": "2" }, { "id": "3" }] })),
        json(&json!({ "all": [{ "id": "2", "name": "B" }, { "id": "1", "name": "A" }] })),
        json(&json!({ "all": [{ "id": "3", "name": "C" }] })),
    ])
    .await;
    let shop = list(&server, "get: /things, detail: { get: /many, param: ids, max: 2, records: $.all }");
    assert_eq!(ids(&shop.listed(None).await), ["1", "2", "3"]);
    assert_eq!(targets(&server), ["/things", "/many?ids=1%2C2", "/many?ids=3"]);
}

#[tokio::test]
async fn what_an_answer_to_many_leaves_out_is_read_by_itself() {
    let thin = json(&json!({ "items": [{ "id": "a1" }, { "id": "2" }, { "id": "3" }] }));
    let many = json(&json!({ "items": [{ "id": "A1", "name": "A" }] }));
    let server = Server::script([thin, many, json(&json!({ "id": "2", "name": "B" })), say(404, "", "")]).await;
    let shop = list(&server, "get: /things, detail: { get: /many, param: ids, max: 3 }");
    // The third is gone by now.
    assert_eq!(ids(&shop.listed(None).await), ["A1", "2"]);
    assert_eq!(targets(&server), ["/things", "/many?ids=a1%2C2%2C3", "/things/2", "/things/3"]);

    let thin = json(&json!({ "items": [{ "id": "1" }, { "id": "2" }, { "id": "3" }] }));
    let server = Server::script([thin, json(&page(&[1]))]).await;
    let resource = "        list: { get: /things, records: $.items, detail: { get: /many, param: ids, max: 3 } }";
    let error = crate::yaml::shop(&server, "", resource).page(None, None).await.unwrap_err();
    assert!(
        matches!(&error, CallError::BadAnswer(message) if message.contains("asked for 3 records, it gave 1")),
        "{error}"
    );
}

#[tokio::test]
async fn children_are_listed_per_parent() {
    let server = Server::start(|_, got| match got.line.split(' ').nth(1).unwrap() {
        "/api/groups" => json(&json!([{ "id": "g 1" }, { "id": "g2" }])),
        "/api/groups/g%201/things" => json(&page(&[1, 2])),
        "/api/groups/g2/things" => json(&page(&[3])),
        other => panic!("{other}"),
    })
    .await;
    let resource = "        list: { get: \"/groups/{parent}/things\", records: $.items, parents: { resource: groups, into: $.group } }\n      groups:\n        id: $.id\n        list: { get: /groups }";
    let records = shop(&server, "", resource).listed(None).await;
    assert_eq!(ids(&records), ["1", "2", "3"]);
    assert_eq!(records[1].body["group"], "g 1");
    assert_eq!(records[2].body["group"], "g2");
}

#[tokio::test]
async fn children_whose_remote_gives_the_same_page_for_every_number_are_not_listed_for_ever() {
    let many: Value = (0..20).map(|id| json!({ "id": id })).collect();
    let server = Server::start(move |number, got| match got.line.split(' ').nth(1).unwrap() {
        "/api/groups" => json(&json!([{ "id": "g" }])),
        _ if number > 10 => json(&page(&[])),
        _ => json(&json!({ "items": many })),
    })
    .await;
    let resource = "        list: { get: \"/groups/{parent}/things\", records: $.items, parents: { resource: groups }, page: { kind: number, param: pg, size: { value: 20 } } }\n      groups:\n        id: $.id\n        list: { get: /groups }";
    let listed = shop(&server, "", resource).page(None, None).await;
    assert!(matches!(listed, Err(CallError::BadAnswer(_))), "{listed:?}");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn parents_that_are_read_in_portions_are_still_parents() {
    let groups: Vec<Value> = (0..501).map(|id| json!({ "id": format!("g{id}") })).collect();
    let server = Server::start(move |_, got| {
        let target = got.line.split(' ').nth(1).unwrap();
        match target.strip_prefix("/api/groups/g").and_then(|rest| rest.strip_suffix("/things")) {
            Some(group) => json(&json!({ "items": [{ "id": group }] })),
            None => json(&json!({ "items": groups })),
        }
    })
    .await;
    let resource = "        list: { get: \"/groups/{parent}/things\", records: $.items, parents: { resource: groups, into: $.group } }\n      groups:\n        id: $.id\n        list: { get: /groups, records: $.items }";
    let mut shop = shop(&server, "", resource);
    shop.connector = shop.connector.with_portions_above(1000);
    let first = shop.page(None, None).await.unwrap();
    let second = shop.page(None, first.next).await.unwrap();
    assert_eq!((first.records.len(), second.next), (500, None));
    assert_eq!(ids(&second.records), ["500"], "the child of the last group, not the group");
    assert_eq!(second.records[0].body["group"], "g500");
}

#[tokio::test]
async fn a_feed_of_deleted_records_ends_each_listing_of_changes() {
    let deleted = json!({ "items": [{ "links": { "self": "https://a.example/v1/things/7" } }] });
    let server = Server::script([json(&page(&[1])), json(&deleted), json(&page(&[1]))]).await;
    let shop = list(
        &server,
        "get: /things, changed_since: { param: since, format: epoch-seconds }, deleted: { get: /deleted, id: $.links.self, param: since }",
    );
    let records = shop.listed(Some("2026-06-01T00:00:00Z")).await;
    assert_eq!(ids(&records), ["1", "7"]);
    assert!(records[1].gone && !records[0].gone);
    assert_eq!(targets(&server), ["/things?since=1780272000", "/deleted?since=1780272000"]);
    shop.listed(None).await;
    assert_eq!(server.requests().len(), 3, "a full listing needs no feed");
}

#[tokio::test]
async fn a_feed_of_changes_tells_deletions_page_by_page_as_far_back_as_it_goes() {
    let row = |id: u32, status: &str| json!({ "id": id.to_string(), "status": status });
    let feed = |rows: Value, next: Option<&str>| json!({ "items": rows, "next": next });
    let changes = "get: /things, changed_since: { param: since, format: date }, deleted: { get: /cdc, query: { of: \"things{changed_since}\" }, \
                   text: \" after {since}\", page: { kind: cursor, param: at, next: $.next }, when: { path: $.status, equals: Deleted }, empty: { status: 204 }, reaches: 29d }";
    let server = Server::script([
        json(&page(&[1])),
        json(&feed(json!([row(5, "Deleted"), row(6, "Open")]), Some("b"))),
        json(&feed(json!([row(7, "Deleted")]), None)),
        json(&page(&[1])),
        say(204, "", ""),
        json(&page(&[1])),
    ])
    .await;
    let shop = list(&server, changes);
    let records = shop.listed(Some("2026-05-20T00:00:00Z")).await;
    assert_eq!(ids(&records), ["1", "5", "7"]);
    assert_eq!(
        targets(&server),
        ["/things?since=2026-05-20", "/cdc?of=things%20after%202026-05-20", "/cdc?of=things%20after%202026-05-20&at=b"]
    );
    assert_eq!(ids(&shop.listed(Some("2026-05-20T00:00:00Z")).await), ["1"]);
    // Longer ago than the feed reaches: it is not asked, and a full read finds the rest.
    assert_eq!(ids(&shop.listed(Some("2026-04-20T00:00:00Z")).await), ["1"]);
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn no_content_is_an_empty_list_only_where_the_manifest_says_so() {
    let server = Server::start(|_, _| say(204, "", "")).await;
    assert_eq!(ids(&list(&server, "get: /things, empty: { status: 204 }").listed(None).await), [""; 0]);
    assert!(matches!(list(&server, "get: /things").page(None, None).await, Err(CallError::BadAnswer(_))));
}

#[tokio::test]
async fn a_large_list_is_read_in_portions_and_never_half() {
    let items: Vec<Value> = (0..1201).map(|id| json!({ "id": id.to_string(), "name": "]},{[\"" })).collect();
    let body = json!({ "meta": 1, "items": items }).to_string();
    let whole = say(200, "", &body);
    let cut = say(200, "", &body[..body.len() - 20]);
    let server = Server::script([whole]).await;
    let mut shop = list(&server, "get: /things");
    shop.connector = shop.connector.with_portions_above(1000);
    let first = shop.page(None, None).await.unwrap();
    assert_eq!(first.records.len(), 500);
    let second = shop.page(None, first.next.clone()).await.unwrap();
    let third = shop.page(None, second.next).await.unwrap();
    assert_eq!((second.records.len(), third.records.len(), third.next), (500, 201, None));
    assert_eq!(third.records[200].id.as_str(), "1200");
    assert_eq!(server.requests().len(), 1);
    // What was read to its end is not kept; whoever asks again has to begin again.
    assert!(matches!(shop.page(None, first.next).await, Err(CallError::PageExpired)));

    let server = Server::start(move |_, _| match &cut {
        crate::server::Act::Say(bytes) => crate::server::Act::Say(bytes.clone()),
        _ => crate::server::Act::Drop,
    })
    .await;
    let mut shop = list(&server, "get: /things");
    shop.connector = shop.connector.with_portions_above(1000);
    assert!(matches!(shop.page(None, None).await, Err(CallError::BadAnswer(_))));
}
