//! Everything that is remembered of one client is erased: proved by looking through the whole store for it.

use std::fs;

use reconciled::{
    config::IntegrationName,
    daemon::{
        Forgotten,
        protocol::{Failure, FailureKind, Request, Response},
    },
    store::{Client, transfer},
};
use serde_json::json;

use crate::rollout::{Agency, CLIENTS, ROLLOUT};

/// Entries that hold a text anywhere, in their key or in their value.
fn with(agency: &Agency, text: &str) -> Vec<String> {
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let all = agency.store.entries().into_iter();
    all.filter(|(key, value)| holds(key.as_bytes()) || holds(value)).map(|(key, _)| format!("{key:?}")).collect()
}

async fn forget(agency: &Agency, sure: bool) -> Result<Forgotten, Failure> {
    let integration = IntegrationName::parse("zeta").unwrap();
    match agency.call(Request::Forget { integration, sure }).await? {
        Response::Forgotten(found) => Ok(*found),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_remembered_of_a_client_is_exported_and_erased_and_nothing_of_the_others() {
    let mut agency = Agency::start(ROLLOUT).await;
    agency.write("zeta.yaml", "integrations:\n  zeta: { template: shop, with: { note: canary-note } }\n");
    agency.reload().await;
    let (shop, books) = (agency.system("zeta", "shop"), agency.system("zeta", "books"));
    for n in 0..30 {
        let email = format!("canary{n}@zeta.example");
        shop.insert("contacts", json!({ "name": format!("Canary {n}"), "email": email, "note": "near" }));
    }
    books.insert("contacts", json!({ "name": "canary-back", "email": "canary-back@y.example" }));
    // The filter keeps this one here: seen, and not linked.
    let kept = json!({ "name": "canary-kept", "email": "canary-kept@x.example", "note": "canary-note" });
    shop.insert("contacts", kept);
    agency.sync("zeta").await;
    // An edit leaves a before-image, a refusal a parked record.
    let id = shop.all("contacts")[0]["id"].as_str().unwrap().to_owned();
    agency.clock.advance(std::time::Duration::from_secs(60));
    shop.edit("contacts", &id, json!({ "name": "canary-edited" }));
    agency.sync("zeta").await;
    books.refuse(|_| Some("canary-refused".to_owned()));
    shop.insert("contacts", json!({ "name": "canary-parked", "email": "canary-p@zeta.example", "note": "near" }));
    agency.sync("zeta").await;
    agency.call(Request::Pause { what: "zeta".into(), by: "jane".into() }).await.unwrap();
    assert!(with(&agency, "canary").len() > 60 && with(&agency, "zeta").len() > 100);
    let others = with(&agency, "alpha").len();

    let why = forget(&agency, true).await.unwrap_err();
    assert_eq!((why.kind, why.message.contains("is in zeta.yaml")), (FailureKind::NotPossible, true), "{why}");
    let file = agency.home.path().join("zeta.jsonl");
    let client = Client::new(IntegrationName::parse("zeta").unwrap());
    let exported = transfer::export_client(agency.store.as_ref(), &file, "now", &client).await.unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert!(exported > 60 && text.contains("canary-edited") && text.contains("canary-parked"));
    assert!(!text.contains("alpha"), "nothing of the others");
    assert!(transfer::import(agency.store.as_ref(), &file, true).await.unwrap_err().to_string().contains("zeta"));

    fs::remove_file(agency.etc.join("zeta.yaml")).unwrap();
    agency.reload().await;
    let counted = forget(&agency, false).await.unwrap();
    // Thirty of the shop, and one that came back from the books.
    assert!(!counted.done && counted.entries["link"] == 31 && counted.entries["parked"] == 1, "{counted:#?}");
    assert!(counted.entries["seen"] > 0 && counted.entries["before"] > 0, "{counted:#?}");
    assert!(with(&agency, "canary").len() > 60, "to count erases nothing");
    let erased = forget(&agency, true).await.unwrap();
    assert!(erased.done && erased.texts > 0, "{erased:#?}");
    for text in ["canary", "Canary", "zeta"] {
        assert_eq!(with(&agency, text), [""; 0], "{text}");
    }
    assert_eq!(forget(&agency, false).await.unwrap_err().kind, FailureKind::NoSuch, "nothing is left");
    assert_eq!(with(&agency, "alpha").len(), others);
    let writes = agency.writes();
    agency.restart().await;
    for client in CLIENTS {
        agency.sync(client).await;
    }
    assert_eq!(agency.writes(), writes, "the others go on as they were");
    assert_eq!(with(&agency, "zeta"), [""; 0], "also after a restart");
}

#[tokio::test]
async fn what_a_client_used_alone_is_forgotten_however_many_edits_came_since() {
    let mut agency = Agency::start(ROLLOUT).await;
    let backup = agency.home.path().join("backup");
    fs::create_dir(&backup).unwrap();
    let snapshots = ["export-20260101T000000Z.jsonl", "reconciled-20260102T000000Z.jsonl"];
    for name in snapshots.iter().chain(&["started-0123456789ab.json", "notes.txt"]) {
        fs::write(backup.join(name), "").unwrap();
    }
    let settings = format!("[reload]\nwatch = false\nsettle = \"1ms\"\n[backup]\ndir = {backup:?}\nkeep = 0\n");
    agency.write("reconciled.toml", &settings);
    agency.restart().await;
    agency.write(
        "zeta.yaml",
        "connections:
  zshop: { connector: shop, auth: { token: a } }
  zbooks: { connector: books, auth: { token: b } }
integrations:
  zeta:
    automatic: false
    first_run: { apply: automatic, differences: source-wins }
    pipelines:
      contacts:
        source: zshop/contacts
        target: zbooks/contacts
        direction: two-way
        match: [ { source: $.email, target: $.email } ]
        fields:
          - { source: $.email, target: $.email, write: on-create }
          - { source: $.name, target: $.name }
",
    );
    agency.reload().await;
    agency.sync("zeta").await;
    fs::remove_file(agency.etc.join("zeta.yaml")).unwrap();
    agency.reload().await;
    // Somebody comes and goes, and comes again.
    for _ in 0..11 {
        agency.write("kappa.yaml", "integrations:\n  kappa: { template: shop }\n");
        agency.reload().await;
        fs::remove_file(agency.etc.join("kappa.yaml")).unwrap();
        agency.reload().await;
    }
    // Former texts are tidied up at a start.
    agency.restart().await;
    assert!(!with(&agency, "zshop").is_empty(), "where its reading stands");
    let counted = forget(&agency, false).await.unwrap();
    assert_eq!(counted.texts, 0, "no former text tells of it any more");
    let connections: Vec<&str> = counted.connections.iter().map(|name| name.as_str()).collect();
    assert_eq!(connections, ["zbooks", "zshop"]);
    let listed: Vec<_> = counted.snapshots.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(listed, snapshots, "the note of the starts is no snapshot");
    forget(&agency, true).await.unwrap();
    for text in ["zeta", "zshop", "zbooks"] {
        assert_eq!(with(&agency, text), [""; 0], "{text}");
    }
    assert_eq!(forget(&agency, false).await.unwrap_err().kind, FailureKind::NoSuch);
}
