//! What people decided about logins when names of the configuration change, and what is left of those that are forgotten.

use std::{collections::HashMap, fs, sync::Arc, time::Duration};

use reconciled::{
    config::{IntegrationName, load},
    daemon::{
        Daemon, DaemonSettings, execute,
        protocol::{Request, Response},
    },
    grant::ConnectionState::{Connected, Disconnected, NeedsConsent},
    sandbox::{Website, WebsiteOptions},
    store::{Group, Key, Space, Store, frame},
};
use serde_json::json;

use super::setup::Office;

#[tokio::test]
async fn a_connection_that_was_disconnected_stays_so_under_another_name() {
    let mut office = Office::connected().await;
    office.read("acme").await.unwrap();
    office.disconnect(Some("acme")).await;
    let website = Website::start(WebsiteOptions::new(office.clock.clone())).await.unwrap();
    let yaml = format!(
        "{}  shop: {{ connector: website, base_url: \"{}\", auth: {{ token: {} }} }}\n\
         pipelines:\n  people:\n    source: agency/contacts\n    target: shop/contacts\n    direction: source-to-target\n\
         \x20   match: [ {{ source: $.EmailAddress, target: $.email }} ]\n    fields:\n\
         \x20     - {{ source: $.EmailAddress, target: $.email }}\n      - {{ source: $.Name, target: $.last_name }}\n",
        office.yaml("").replace("  acme: {", "  agency: { moved_from: acme,"),
        website.url(),
        website.token(),
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.yaml"), yaml).unwrap();
    let loaded = load(folder.path(), &HashMap::<String, String>::new());
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
    office.config = loaded.config;
    let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_secs(30) };
    Daemon::start(office.engine(), settings).await.unwrap().stop().await;
    for _ in 0..2 {
        let now = office.look("agency").await;
        assert_eq!((now.state, now.parted.unwrap().by.as_str()), (Disconnected, "jane"));
        office.read("agency").await.unwrap_err();
        assert_eq!(office.look("other").await.state, Connected);
        office.restart(office.store.crash(0));
    }
}

#[tokio::test]
async fn of_a_login_that_was_forgotten_no_token_is_held_or_written_back() {
    let office = Office::connected().await;
    office.read("acme").await.unwrap();
    // `acme` was what `bravo` used, which is in no file any more.
    let mut group = Group::default();
    group.put(Key::new(Space::Meta, &["config", "left", "bravo"]), frame::encode(&json!({ "acme": "office" })));
    office.store.commit(vec![group]).await.unwrap();
    let (folder, mut engine) = (tempfile::tempdir().unwrap(), office.engine());
    let mut config = (*engine.config).clone();
    config.connections.clear();
    config.settings.config_dir = folder.path().to_owned();
    engine.config = Arc::new(config);
    let forget = Request::Forget { integration: IntegrationName::parse("bravo").unwrap(), sure: true };
    let Response::Forgotten(done) = execute(&engine, forget).await.unwrap() else { panic!("not forgotten") };
    assert!(done.grants.contains("office"), "{done:?}");
    assert_eq!(office.look("acme").await.state, NeedsConsent);
    office.later();
    office.read("acme").await.unwrap_err();
    let kept = office.store.entries().into_iter().filter(|(key, _)| key.space() == Some(Space::Grant));
    assert_eq!(kept.count(), 0);
}
