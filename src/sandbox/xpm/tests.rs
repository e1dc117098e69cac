//! What the practice XPM does, as documented.

use serde_json::Value;

use super::{Xpm, XpmOptions};
use crate::{
    clock::Clock,
    sandbox::{XeroLimits, testing::Client},
};

async fn xpm() -> (Xpm, Client, Clock) {
    let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
    let xpm = Xpm::start(XpmOptions::new(clock.clone())).await.unwrap();
    let login = format!("Bearer {}", xpm.token());
    let client = Client::new(xpm.url(), &[("authorization", &login), ("xero-tenant-id", xpm.tenant())]);
    (xpm, client, clock)
}

fn kea(xpm: &Xpm) -> String {
    xpm.insert("clients", "<Client><Name>Kea</Name><TaxNumber>123456789</TaxNumber><Contacts><Contact><Name>Rua</Name><IsPrimary>Yes</IsPrimary></Contact></Contacts></Client>").unwrap()
}

#[tokio::test]
async fn answers_are_xml_unless_two_headers_ask_for_json() {
    let (xpm, client, _) = xpm().await;
    kea(&xpm);
    let got = client.get("/client.api/list").await;
    assert!(
        got.text.starts_with("<?xml") && got.text.contains("<Status>OK</Status><Clients><Client><UUID>"),
        "{}",
        got.text
    );
    assert!(got.text.contains("<TaxNumber>******789</TaxNumber>") && got.text.contains("<Fax />"), "{}", got.text);
    let json = ("accept", "application/json");
    assert_eq!(client.send("GET", "/client.api/list", &[json], Value::Null).await.body, Value::Null);
    let both = [json, ("xero-features", "practice-strict-content-type")];
    let got = client.send("GET", "/client.api/list", &both, Value::Null).await;
    assert_eq!((&got.body["status"], &got.body["clients"][0]["isArchived"]), (&"OK".into(), &"No".into()));
}

#[tokio::test]
async fn refusals_are_a_500_or_a_200_and_only_the_status_says_so() {
    let (_xpm, client, _) = xpm().await;
    let got = client.get("/client.api/get/none").await;
    assert_eq!(got.status, 500);
    assert!(got.text.contains("<Status>ERROR</Status><ErrorDescription>"), "{}", got.text);
    let got = client.send("GET", "/client.api/list", &[("xero-tenant-id", "other")], Value::Null).await;
    assert_eq!(got.status, 403);
    assert_eq!(client.get("/job.api/list").await.status, 400);
    assert_eq!(client.get("/job.api/list?from=20250601&to=20260601").await.status, 400, "a year is too long");
    assert_eq!(client.get("/job.api/list?from=20250602&to=20260601").await.status, 200);
}

#[tokio::test]
async fn the_list_knows_changes_of_clients_but_not_of_their_contacts() {
    let (xpm, client, clock) = xpm().await;
    let id = kea(&xpm);
    clock.advance(std::time::Duration::from_secs(3600));
    let since = "/client.api/list?modifiedsince=2026-06-01T00:30:00";
    assert!(client.get(since).await.text.contains("<Clients />"));
    let contact = xpm.ids("contacts").remove(0);
    xpm.edit("contacts", &contact, "<Contact><Name>Rua Kea</Name></Contact>").unwrap();
    assert!(client.get(since).await.text.contains("<Clients />"));
    xpm.delete("clients", &id);
    let text = client.get(since).await.text;
    assert!(text.contains("<IsDeleted>Yes</IsDeleted>") && text.contains("<Name>Rua Kea</Name>"), "{text}");
}

#[tokio::test]
async fn pages_of_contacts_end_without_a_next_link_and_the_minute_is_limited() {
    let (xpm, client, _) = xpm().await;
    for number in 0..3 {
        xpm.insert("contacts", &format!("<Contact><Name>C{number}</Name></Contact>")).unwrap();
    }
    let first = client.get("/client.api/contacts?pageSize=2").await.text;
    let next =
        first.split("<Next>").nth(1).and_then(|rest| rest.split("</Next>").next()).unwrap().replace("&amp;", "&");
    let second = client.get(next.strip_prefix(client.url()).unwrap()).await.text;
    assert_eq!((first.matches("<Contact>").count(), second.matches("<Contact>").count()), (2, 1));
    assert!(!second.contains("<Next>"));
    xpm.limit(XeroLimits { minute: Some(0), ..XeroLimits::OFF });
    let got = client.get("/staff.api/list").await;
    assert_eq!((got.status, got.header("x-rate-limit-problem")), (429, "minute"));
}
