//! Every form a write can have, and every way its answer can say what became of it.

use reconciled::connector::{Connector as _, ItemAnswer, WriteItem};
use serde_json::json;

use crate::{
    server::{Server, json, say},
    setup::{CREATE, UPDATE, item, new_item},
    yaml::shop,
};

fn written(item: &ItemAnswer) -> Option<(&str, bool)> {
    match item {
        ItemAnswer::Written { record, body } => Some((record.id.as_str(), *body)),
        _ => None,
    }
}

#[tokio::test]
async fn an_id_may_come_in_a_header_and_the_record_be_read_back() {
    let server = Server::script([
        say(201, "Location: https://a.example/api/things/u%207/\r\n", ""),
        say(201, "Resource-ID: 7\r\n", ""),
        json(&json!({ "id": "7", "name": "A" })),
        say(201, "", ""),
    ])
    .await;
    let located = shop(&server, "", "        create: { post: /things, answer: empty, id_header: Location }");
    let answer = located.write(CREATE, &[new_item(json!({}))]).await.unwrap();
    assert_eq!(written(&answer.items[0]), Some(("u%207", false)));

    let resource = "        get: \"/things/{id}\"\n        create: { post: /things, answer: empty, id_header: Resource-ID, read_back: true }";
    let read = shop(&server, "", resource);
    let answer = read.write(CREATE, &[new_item(json!({}))]).await.unwrap();
    assert_eq!(written(&answer.items[0]), Some(("7", true)));
    // No header: written or not, nobody knows.
    let answer = read.write(CREATE, &[new_item(json!({}))]).await.unwrap();
    assert!(matches!(answer.items[0], ItemAnswer::Unknown { .. }));
}

const OPERATIONS: &str = "        fields: { Id: id, Name: text }
        open: true
        create:
          post: /batch
          batch: { array: BatchItemRequest, wrap: Customer, constants: { operation: create }, max: 30, correlate: number, key: $.bId, items: $.BatchItemResponse, record: $.Customer, messages: \"$.Fault.Error[*].Message\" }
          idempotency: { param: requestid, max: 50, keeps: 24h }";

#[tokio::test]
async fn operations_are_told_apart_by_their_numbers() {
    // In another order, one refused, one missing, one twice.
    let answer = json!({ "BatchItemResponse": [
        { "bId": "3", "Customer": { "id": "c3" } },
        { "bId": "1", "Customer": { "id": "c1" } },
        { "bId": "2", "Fault": { "Error": [{ "Message": "Duplicate Name" }] } },
        { "bId": "5", "Customer": { "id": "c5" } },
        { "bId": "5", "Customer": { "id": "c6" } },
    ] });
    let server = Server::script([json(&answer)]).await;
    let shop = shop(&server, "", OPERATIONS);
    let items: Vec<WriteItem> = ["A", "B", "C", "D", "E"].map(|name| new_item(json!({ "Name": name }))).into();
    let answer = shop.write(CREATE, &items).await.unwrap();
    assert_eq!(written(&answer.items[0]), Some(("c1", true)));
    assert!(matches!(&answer.items[1], ItemAnswer::Refused { message, .. } if message == "Duplicate Name"));
    assert_eq!(written(&answer.items[2]), Some(("c3", true)));
    assert!(matches!(answer.items[3], ItemAnswer::Unknown { .. }));
    assert!(matches!(answer.items[4], ItemAnswer::Unknown { .. }));
    let sent = &server.requests()[0];
    assert!(sent.line.starts_with("POST /api/batch?requestid=run-1%2Fstep-1 "), "{}", sent.line);
    let body: serde_json::Value = serde_json::from_str(&sent.body).unwrap();
    assert_eq!(body["BatchItemRequest"][1], json!({ "bId": "2", "operation": "create", "Customer": { "Name": "B" } }));
}

#[tokio::test]
async fn parts_are_told_apart_by_a_value_or_by_their_names() {
    let items: Vec<WriteItem> = ["x", "y"].map(|code| new_item(json!({ "code": code }))).into();
    let server = Server::script([
        json(&json!([{ "code": "y", "id": "2" }, { "code": "x", "error": "no" }])),
        json(&json!({ "result": { "y": { "id": "2" }, "x": { "error": "no" } } })),
    ])
    .await;
    for batch in [
        "{ max: 9, correlate: field, key: $.code, messages: $.error }",
        "{ max: 9, correlate: object-key, key: $.code, items: $.result, messages: $.error }",
    ] {
        let shop = shop(&server, "", &format!("        create: {{ post: /things, batch: {batch} }}"));
        let answer = shop.write(CREATE, &items).await.unwrap();
        assert!(matches!(&answer.items[0], ItemAnswer::Refused { message, .. } if message == "no"), "{batch}");
        assert_eq!(written(&answer.items[1]), Some(("2", true)), "{batch}");
    }
}

#[tokio::test]
async fn a_version_may_go_back_in_the_body_and_be_stale_by_its_code() {
    let resource = "        update: { post: /things, id_in_body: $.id, constants: { sparse: true }, version: { from: $.token, stale: 400, stale_text: \"\\\"5010\\\"\" } }";
    let server = Server::script([
        say(400, "", "{\"code\":\"5010\",\"message\":\"Stale object\"}"),
        say(400, "", "{\"code\":\"6240\",\"message\":\"Duplicate name\"}"),
    ])
    .await;
    let shop = shop(&server, "", resource);
    let write = WriteItem { version: Some("3".to_owned()), ..item("1", json!({ "name": "A" })) };
    let answer = shop.write(UPDATE, std::slice::from_ref(&write)).await.unwrap();
    assert!(matches!(answer.items[0], ItemAnswer::Refused { stale: true, .. }));
    assert_eq!(server.requests()[0].body, r#"{"id":"1","name":"A","sparse":true,"token":"3"}"#);
    let answer = shop.write(UPDATE, &[write]).await.unwrap();
    assert!(matches!(answer.items[0], ItemAnswer::Refused { stale: false, .. }));
    assert_eq!(shop.connector.requests().writes, 2);
}

#[tokio::test]
async fn digits_in_a_text_field_with_words_of_its_own_are_sent_as_text() {
    let server = Server::start(|_, _| json(&json!({ "id": "7" }))).await;
    let resource = "        fields: { code: { type: text, write_values: { none: \"0\" } }, count: integer }\n        open: true\n        create: { post: /things }";
    let shop = shop(&server, "", resource);
    for (code, sent) in [("12", r#"{"code":"12","count":3}"#), ("none", r#"{"code":"0","count":3}"#)] {
        shop.write(CREATE, &[new_item(json!({ "code": code, "count": "3" }))]).await.unwrap();
        assert_eq!(server.requests().last().unwrap().body, sent);
    }
}
