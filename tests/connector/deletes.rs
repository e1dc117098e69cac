//! Calls that delete, and versions from the `ETag` header.

use reconciled::connector::{
    AnswerKind, BodyIf, Connector as _, Deletion, ItemAnswer, PullCursor, Resource, VersionPlace, Write, WriteItem,
    WriteKind,
};
use serde_json::json;

use crate::{
    server::{Server, json, say},
    setup::{Shop, UPDATE, batched, customers, item, path, write},
};

const DELETE: WriteKind = WriteKind::Delete;

fn plain() -> Resource {
    let deletion = Deletion { gone: vec![404, 410], ..Deletion::default() };
    let version = Some(crate::setup::if_match());
    let write = Write { answer: AnswerKind::Empty, version, ..write("DELETE", "/customers/{id}") };
    Resource { delete: Some(Write { deletion: Some(deletion), idempotency: None, ..write }), ..customers() }
}

async fn told(shop: &Shop, items: &[WriteItem]) -> Vec<String> {
    let call = shop.connector.prepare(&shop.resource, DELETE, items, "k").unwrap();
    let answer = shop.run(shop.connector.send(&shop.resource, &call)).await.unwrap();
    let item = |item: &ItemAnswer| match item {
        ItemAnswer::Written { record, body } => format!("={} {}", record.id, if *body { record.gone } else { false }),
        ItemAnswer::Refused { message, stale, .. } => format!("!{message} {stale}"),
        ItemAnswer::Unknown { .. } => "?".to_owned(),
    };
    answer.items.iter().map(item).collect()
}

#[tokio::test]
async fn a_plain_deletion_has_no_body_and_is_guarded_by_its_version() {
    let server = Server::script([
        say(204, "", ""),
        say(404, "", ""),
        say(410, "", ""),
        say(412, "", ""),
        say(409, "", r#"{"problem": "in use"}"#),
    ])
    .await;
    let shop = Shop::with(&server, plain(), |_| {});
    let gone = WriteItem { version: Some("7".to_owned()), ..item("a b", json!({"name": "Kea"})) };
    for expected in ["=a b false", "=a b false", "=a b false", "!status 412 without a reason true", "!in use false"] {
        assert_eq!(told(&shop, std::slice::from_ref(&gone)).await, [expected]);
    }
    let request = &server.requests()[0];
    assert_eq!((request.line.as_str(), request.body.as_str()), ("DELETE /api/customers/a%20b HTTP/1.1", ""));
    assert_eq!((request.header("if-match"), request.header("content-type")), (Some("\"7\""), None));
    assert_eq!(shop.connector.requests().writes, 5, "a deletion is a write");
}

#[tokio::test]
async fn a_deletion_by_status_depends_on_the_state_of_the_record() {
    let body_if = BodyIf {
        path: path("$.state"),
        values: vec![json!("draft")],
        body: vec![("state".to_owned(), json!("deleted"))],
    };
    let deletion =
        Deletion { body: vec![("state".to_owned(), json!("archived"))], body_if: vec![body_if], gone: vec![404] };
    let write = Write { id_in_body: Some(path("$.id")), deletion: Some(deletion), ..batched("POST") };
    let resource = Resource { delete: Some(write), ..customers() };
    let ok = |id: &str, state: &str| json!({"id": id, "state": state, "status": "OK"});
    let refused = json!({"id": "2", "status": "ERROR", "problems": [{"text": "it is paid"}]});
    let server = Server::script([json(&json!({"items": [ok("1", "archived"), refused]}))]).await;
    let shop = Shop::with(&server, resource, |_| {});
    let read =
        [item("1", json!({"id": "1", "state": "live", "name": "x"})), item("2", json!({"id": "2", "state": "draft"}))];
    assert_eq!(told(&shop, &read).await, ["=1 true", "!it is paid false"]);
    assert_eq!(server.requests()[0].body, r#"{"items":[{"id":"1","state":"archived"},{"id":"2","state":"deleted"}]}"#);
}

#[tokio::test]
async fn a_version_from_the_header_comes_with_single_records_only() {
    let resource = Resource { version: Some(VersionPlace::Etag), ..customers() };
    let tagged = |tag: &str, body: &str| say(200, &format!("etag: {tag}\r\n"), body);
    let server = Server::script([
        tagged("\"list\"", r#"{"items": [{"id": "1"}]}"#),
        tagged("W/\"v1\"", r#"{"id": "1"}"#),
        tagged("\"v2\"", r#"{"id": "1", "name": "x"}"#),
        say(412, "", ""),
    ])
    .await;
    let shop = Shop::with(&server, resource, |_| {});
    let page = shop.run(shop.connector.pull(&shop.resource, &PullCursor { since: None, page: None })).await.unwrap();
    assert_eq!(page.records[0].version, None, "the tag of a list is of the list");
    let one = shop.run(shop.connector.get(&shop.resource, &"1".into())).await.unwrap().unwrap();
    assert_eq!(one.version.as_deref(), Some("W/\"v1\""));
    let update = WriteItem { version: one.version, ..item("1", json!({"name": "x"})) };
    let call = shop.connector.prepare(&shop.resource, UPDATE, &[update], "k").unwrap();
    let answer = shop.run(shop.connector.send(&shop.resource, &call)).await.unwrap();
    let ItemAnswer::Written { record, .. } = &answer.items[0] else { panic!("{answer:?}") };
    assert_eq!(record.version.as_deref(), Some("\"v2\""));
    assert_eq!(server.requests()[2].header("if-match"), Some("W/\"v1\""));
    let answer = shop.run(shop.connector.send(&shop.resource, &call)).await.unwrap();
    assert!(matches!(&answer.items[0], ItemAnswer::Refused { stale: true, .. }), "{answer:?}");
}
