//! Bodies that are no JSON, and what answers say apart from their status.

use std::time::Duration;

use reconciled::{
    clock::Clock,
    connector::{CallError, Connector as _, ItemAnswer},
};
use serde_json::{Value, json};

use crate::{
    server::{Server, json, say},
    setup::{CREATE, UPDATE, item, new_item},
    yaml::{ids, on, shop},
};

const XML: &str = "    body: { read: xml, write: xml, lists: { Things: Thing, Contacts: Contact }, repeated: [ Tag ] }
    error_messages: $.ErrorDescription
    refused_when: [ { path: $.Status, not_equals: OK } ]";

const THING: &str = "        fields:
          UUID: { type: id, read_only: true }
          Name: text
          IsArchived: { type: boolean, format: yes-no }
          Active: boolean
          Amount: { type: decimal }
          Start: { type: date, write_format: compact-date }
          Period: { type: text, write_values: { \"2 Monthly\": \"2\" } }
          Manager: { type: object, fields: { UUID: { type: id, write_as: ManagerUUID }, Name: { type: text, read_only: true } } }
          Contacts: { type: list, fields: { Name: text } }
          Tag: list
        gone_when: { path: $.IsArchived, equals: true }
        list: { get: /things, records: $.Things }
        get: { path: \"/things/{id}\", record: $.Thing, missing: { path: $.ErrorDescription, text: could not be found } }
        create: { post: /things, wrap: Thing, record: $.Thing }
        update: { put: /things, wrap: Thing, id_in_body: $.UUID, record: $.Thing, answer: empty, read_back: true }";

fn xml(status: u16, inner: &str) -> crate::server::Act {
    let body = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Response>{inner}</Response>");
    say(status, "content-type: text/xml; charset=utf-8\r\n", &body)
}

fn things() -> String {
    THING.replacen("        fields:", "        label: \"{Name}\"\n        fields:", 1)
}

fn xml_shop(server: &Server) -> crate::setup::Shop {
    let mut shop = shop(server, XML, &things());
    shop.resource.id = crate::setup::path("$.UUID");
    shop
}

#[tokio::test]
async fn xml_records_have_the_kinds_that_were_declared() {
    let server = Server::script([xml(
        200,
        "<Status>OK</Status><Things><Thing><UUID>u1</UUID><Name>Kea &amp; Sons</Name><IsArchived>No</IsArchived><Active>true</Active>\
         <Amount>1.10</Amount><Start>2026-05-11T00:00:00</Start><Contacts><Contact><Name>Rua</Name></Contact></Contacts>\
         <Tag>a</Tag></Thing><Thing><UUID>u2</UUID><IsArchived>Yes</IsArchived><Contacts /></Thing></Things>",
    )])
    .await;
    let records = xml_shop(&server).listed(None).await;
    let expected: Value = serde_json::from_str(
        r#"{ "UUID": "u1", "Name": "Kea & Sons", "IsArchived": false, "Active": true, "Amount": 1.10, "Start": "2026-05-11",
             "Contacts": [{ "Name": "Rua" }], "Tag": ["a"] }"#,
    )
    .unwrap();
    assert_eq!(records[0].body, expected);
    assert_eq!(records[0].label, "Kea & Sons");
    assert!(!records[0].gone && records[1].gone);
    assert_eq!(records[1].body["Contacts"], json!([]));
    assert_eq!(server.requests()[0].header("accept"), Some("application/xml"));
}

#[tokio::test]
async fn an_empty_xml_list_is_no_mistake_and_a_missing_one_is() {
    let server = Server::script([xml(200, "<Status>OK</Status><Things/>"), xml(200, "<Status>OK</Status>")]).await;
    let shop = xml_shop(&server);
    assert_eq!(ids(&shop.listed(None).await), [""; 0]);
    assert!(matches!(shop.page(None, None).await, Err(CallError::BadAnswer(_))));
}

#[tokio::test]
async fn a_large_xml_list_is_read_in_portions() {
    let all: String =
        (0..700).fold(String::new(), |all, id| all + &format!("<Thing><UUID>u{id}</UUID><Name>x</Name></Thing>\n"));
    let server = Server::script([xml(200, &format!("<Status>OK</Status><Things>{all}</Things>"))]).await;
    let mut shop = xml_shop(&server);
    shop.connector = shop.connector.with_portions_above(100);
    let first = shop.page(None, None).await.unwrap();
    let second = shop.page(None, first.next).await.unwrap();
    assert_eq!((first.records.len(), second.records.len(), second.next), (500, 200, None));
    assert_eq!(second.records[199].id.as_str(), "u699");
}

#[tokio::test]
async fn xml_is_written_in_the_words_of_the_remote() {
    let server = Server::script([
        xml(200, "<Status>OK</Status><Thing><UUID>u1</UUID><Name>Kea</Name></Thing>"),
        xml(200, "<Status>OK</Status>"),
        xml(200, "<Status>OK</Status><Thing><UUID>u1</UUID><Name>Kea Ltd</Name></Thing>"),
    ])
    .await;
    let shop = xml_shop(&server);
    let body = json!({ "Name": "Kea", "IsArchived": false, "Start": "2026-06-01", "Period": "2 Monthly",
        "Manager": { "UUID": "m1" }, "Contacts": [{ "Name": "Rua <b>" }] });
    let answer = shop.write(CREATE, &[new_item(body)]).await.unwrap();
    assert!(matches!(&answer.items[0], ItemAnswer::Written { record, body: true } if record.id.as_str() == "u1"));
    let sent = &server.requests()[0];
    assert_eq!(
        sent.body,
        "<Thing><Contacts><Contact><Name>Rua &lt;b&gt;</Name></Contact></Contacts><IsArchived>No</IsArchived>\
         <ManagerUUID>m1</ManagerUUID><Name>Kea</Name><Period>2</Period><Start>20260601</Start></Thing>"
    );
    assert_eq!(sent.header("content-type"), Some("application/xml"));
    // An answer without the record is followed by a read.
    let answer = shop.write(UPDATE, &[item("u1", json!({ "Name": "Kea Ltd" }))]).await.unwrap();
    assert_eq!(server.requests()[1].body, "<Thing><Name>Kea Ltd</Name><UUID>u1</UUID></Thing>");
    assert!(matches!(&answer.items[0], ItemAnswer::Written { record, body: true } if record.body["Name"] == "Kea Ltd"));
}

#[tokio::test]
async fn a_refusal_is_one_whatever_its_status() {
    let no = "<Status>ERROR</Status><ErrorDescription>Name is required</ErrorDescription>";
    for status in [200, 500] {
        let server = Server::script([xml(status, no), xml(status, no)]).await;
        let shop = xml_shop(&server);
        let answer = shop.write(CREATE, &[new_item(json!({}))]).await.unwrap();
        assert!(matches!(&answer.items[0], ItemAnswer::Refused { message, .. } if message == "Name is required"));
        let error = shop.page(None, None).await.unwrap_err();
        assert!(
            matches!(&error, CallError::Refused { message, .. } if message.contains("Name is required")),
            "{error}"
        );
        assert_eq!(server.requests().len(), 2, "a last word is not asked for again");
    }
    // A gateway's own 500 is still unknown.
    let server = Server::script([say(500, "content-type: text/html\r\n", "<html><p>oops</html>")]).await;
    let error = xml_shop(&server).write(CREATE, &[new_item(json!({}))]).await.unwrap_err();
    assert!(matches!(error, CallError::Unknown(_)), "{error}");
}

#[tokio::test]
async fn a_record_that_is_missing_may_be_told_in_words() {
    let gone = "<Status>ERROR</Status><ErrorDescription>The client could not be found</ErrorDescription>";
    let other = "<Status>ERROR</Status><ErrorDescription>Down for maintenance</ErrorDescription>";
    let server = Server::script([xml(500, gone), xml(500, other)]).await;
    let shop = xml_shop(&server);
    assert!(shop.one("u1").await.unwrap().is_none());
    assert!(matches!(shop.one("u1").await, Err(CallError::Refused { .. })));
}

#[tokio::test]
async fn forms_are_written_and_json_is_read() {
    let server = Server::script([json(&json!({ "id": "1" }))]).await;
    let resource = "        fields: { active: { type: boolean }, when: { type: datetime, format: epoch-millis } }\n        open: true\n        create: { post: /things, wrap: thing, constants: { notify: false } }";
    let shop = shop(&server, "    body: { write: form }", resource);
    shop.write(CREATE, &[new_item(json!({ "name": "a b", "active": true, "when": "2026-06-01T00:00:00Z" }))])
        .await
        .unwrap();
    let sent = &server.requests()[0];
    assert_eq!(sent.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(
        sent.body,
        "thing%5Bactive%5D=true&thing%5Bname%5D=a+b&thing%5Bnotify%5D=false&thing%5Bwhen%5D=1780272000000"
    );
}

#[tokio::test]
async fn csv_is_read() {
    let server =
        Server::script([say(200, "content-type: text/csv; charset=iso-8859-1\r\n", "id,total\n1,1.10\n")]).await;
    let resource = "        fields: { id: id, total: decimal }\n        list: { get: /things }";
    let records = shop(&server, "    body: csv", resource).listed(None).await;
    assert_eq!(records[0].body.to_string(), r#"{"id":"1","total":1.10}"#);
}

#[tokio::test]
async fn a_limit_may_be_told_by_status_and_words() {
    let connector = "    throttled: { status: 403, path: \"$.Errors[*].Name\", equals: RateLimitError, wait: 30s }";
    let limit = || say(403, "", "{\"Errors\":[{\"Name\":\"RateLimitError\"}]}");
    let server =
        Server::script([limit(), json(&json!([{ "id": "1" }])), say(403, "", "{\"Errors\":[{\"Name\":\"Rights\"}]}")])
            .await;
    let shop = shop(&server, connector, "        list: { get: /things }");
    let before = shop.clock.now();
    assert_eq!(ids(&shop.listed(None).await), ["1"]);
    assert!(shop.clock.now() - before >= chrono::TimeDelta::seconds(30));
    assert!(matches!(shop.page(None, None).await, Err(CallError::Login { .. })));
}

#[tokio::test]
async fn a_limit_may_end_at_an_instant_of_the_remotes_clock() {
    // The remote's clock is a minute behind ours; only the difference counts.
    let date = "Date: Sun, 31 May 2026 23:59:00 GMT\r\nX-RateLimit-Reset: 1780271980\r\n";
    let server = Server::script([say(429, date, ""), json(&json!([]))]).await;
    let shop = shop(
        &server,
        "    throttled: { status: 429, reset_header: X-RateLimit-Reset }",
        "        list: { get: /things }",
    );
    let before = shop.clock.now();
    shop.listed(None).await;
    let waited = (shop.clock.now() - before).to_std().unwrap();
    assert!(waited >= Duration::from_secs(40) && waited < Duration::from_secs(60), "{waited:?}");
}

#[tokio::test]
async fn an_answer_may_be_worth_another_try() {
    let locked = || say(409, "", "{\"message\":\"The record is locked\"}");
    let server = Server::script([locked(), json(&json!([{ "id": "1" }])), locked()]).await;
    let resource = "        list: { get: /things }\n        create: { post: /things }";
    let shop = shop(&server, "    retry_when: { status: 409, text: locked }", resource);
    assert_eq!(ids(&shop.listed(None).await), ["1"]);
    let error = shop.write(CREATE, &[new_item(json!({}))]).await.unwrap_err();
    assert!(matches!(error, CallError::Unknown(_)), "{error}");
}

#[tokio::test]
async fn a_clock_that_is_shared_moves_the_last_window() {
    let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
    let server = Server::start(|_, _| json(&json!([]))).await;
    let resource = "        list: { get: /jobs, windows: { from: f, to: t, span: 400d, start: \"2026-01-01\" } }";
    let shop = on(clock.clone(), &server.url(), "", resource);
    shop.listed(None).await;
    clock.advance(Duration::from_hours(24 * 500));
    shop.listed(None).await;
    assert_eq!(server.requests().len(), 3);
    let _ = shop.connector.requests();
}
