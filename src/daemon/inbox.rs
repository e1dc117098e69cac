//! The door for what is posted to us: `/inbox/CONNECTION/RESOURCE/SECRET`.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;

use super::{control::Shared, counts::Posted};
use crate::{
    config::ConnectionName,
    connector::{Kept, Post},
    public::{Door, Reply, Visit},
};

/// Answers `/inbox/…`.
pub(super) struct InboxDoor(pub Arc<Shared>);

#[async_trait]
impl Door for InboxDoor {
    fn name(&self) -> &'static str {
        "inbox"
    }

    fn max_body(&self) -> usize {
        1 << 20
    }

    async fn answer(&self, visit: Visit) -> Reply {
        let nothing = || Reply::text(404, "there is nothing here");
        // Before anything is looked up: the answer must not tell which names there are.
        if visit.method != "POST" && visit.method != "PUT" {
            return Reply::text(405, "records are posted here").with("allow", "POST");
        }
        let mut parts = visit.rest.splitn(3, '/');
        let (Some(connection), Some(resource), Some(secret)) = (parts.next(), parts.next(), parts.next()) else {
            return nothing();
        };
        let Ok(connection) = ConnectionName::parse(connection) else { return nothing() };
        let connectors = Arc::clone(&self.0.engine().connectors);
        let Some(inbox) = connectors.get(&connection).and_then(|connector| connector.inbox()) else {
            return nothing();
        };
        let header = |name: &str| visit.header(name);
        match inbox.receive(resource, Post { secret, header: &header, body: &visit.body }).await {
            Ok(kept) => {
                self.0.counts.post(&connection, Posted::Accepted, kept.new as u64);
                self.0.counts.post(&connection, Posted::Duplicate, kept.known as u64);
                // Also for what is known: the first time it may have been told nothing, and so was nobody else.
                if kept.new + kept.known > 0 {
                    self.0.posted(&BTreeSet::from([connection]));
                }
                Reply::text(200, told(kept))
            }
            Err(refusal) => {
                self.0.counts.post(&connection, Posted::Refused, 1);
                Reply::text(refusal.status, refusal.reason)
            }
        }
    }
}

fn told(kept: Kept) -> String {
    match kept {
        Kept { new: 1, known: 0 } => "kept".to_owned(),
        Kept { new, known: 0 } => format!("{new} records kept"),
        Kept { new: 0, .. } => "known already".to_owned(),
        Kept { new, known } => format!("{new} records kept, {known} known already"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::{collections::BTreeMap, path::Path, time::Duration};

    use axum::http::{HeaderMap, Method};
    use chrono::TimeDelta;

    use super::*;
    use crate::{
        clock::Clock,
        config::{Connection, IntegrationName},
        connector::{Connector, FileConnector, InboxConnector},
        daemon::{Daemon, DaemonSettings, Handle},
        engine::Engine,
        store::{Ledger, MemoryStore, Operation, Store},
    };

    const YAML: &str = "connectors:
  hooks: { resources: { notes: { id: $.id, fields: { text: text }, inbox: {} } } }
  list: { resources: { lines: { id: $.id, fields: { id: id, text: text }, file: { path: lines.csv, columns: [id, text], write: true } } } }
connections:
  hooks: { connector: hooks, auth: { token: canary-0123456789abcdef } }
  list: { connector: list, base_url: \"FOLDER\" }
integrations:
  notes:
    debounce: 2m
    schedule: { poll: { hooks: 2h }, sync: { after_idle: 20d } }
    first_run: { apply: automatic }
    pipelines:
      notes:
        source: hooks/notes
        target: list/lines
        direction: source-to-target
        match: [ { source: $.id, target: $.id } ]
        fields: [ { source: $.id, target: $.id, write: on-create }, { source: $.text, target: $.text } ]
";

    /// A daemon of this configuration, with connectors for these of its connections, and its store.
    pub async fn bare(yaml: &str, names: &[&str], folder: &Path) -> (Handle, Arc<MemoryStore>) {
        std::fs::write(folder.join("x.yaml"), yaml.replace("FOLDER", &folder.display().to_string())).unwrap();
        let loaded = crate::config::load(folder, &std::collections::HashMap::<String, String>::new());
        assert!(loaded.diagnostics.is_empty(), "{}", loaded.render(false));
        let store = Arc::new(MemoryStore::new());
        let clock = Clock::manual("2026-06-01T00:00:00Z".parse().unwrap());
        let made = |name: &&str| {
            let name = ConnectionName::parse(name).unwrap();
            let connection: Arc<Connection> = Arc::clone(&loaded.config.connections[&name]);
            let made: Arc<dyn Connector> = if connection.manifest.resources.values().any(|one| one.inbox.is_some()) {
                Arc::new(InboxConnector::new(connection, clock.clone(), Arc::clone(&store) as Arc<dyn Store>))
            } else {
                Arc::new(FileConnector::new(connection, clock.clone()).unwrap())
            };
            (name, made)
        };
        let connectors: BTreeMap<ConnectionName, Arc<dyn Connector>> = names.iter().map(made).collect();
        let engine = Engine {
            config: Arc::new(loaded.config.clone()),
            ledger: Ledger::new(Arc::clone(&store) as Arc<dyn Store>),
            connectors: Arc::new(connectors),
            clock,
            temp: folder.to_path_buf(),
            seed: 1,
        };
        let settings = DaemonSettings { socket: None, stop_deadline: Duration::from_secs(30) };
        (Daemon::start(engine, settings).await.unwrap(), store)
    }

    /// A post whose first answer was no, because it could not be made durable, woke nobody: the second does, although it
    /// is known by then.
    #[tokio::test]
    async fn a_post_that_is_known_wakes_those_whom_the_first_one_did_not() {
        let folder = tempfile::tempdir().unwrap();
        let (daemon, store) = bare(YAML, &["hooks", "list"], folder.path()).await;
        let minutes = async |minutes: i64| {
            let until = daemon.shared.clock.now() + TimeDelta::minutes(minutes);
            tokio::time::timeout(Duration::from_secs(120), daemon.run_until(until)).await.expect("this hangs");
        };
        minutes(5).await;
        let post = async || {
            let visit = Visit {
                method: Method::POST,
                rest: "hooks/notes/canary-0123456789abcdef".to_owned(),
                query: String::new(),
                headers: HeaderMap::new(),
                body: br#"{"id":"1","text":"kea"}"#.as_slice().into(),
                from: [127, 0, 0, 1].into(),
            };
            let reply = InboxDoor(Arc::clone(&daemon.shared)).answer(visit).await;
            (reply.status, reply.body.trim().to_owned())
        };
        let ledger = Ledger::new(Arc::clone(&store) as Arc<dyn Store>);
        let name = IntegrationName::parse("notes").unwrap();
        let runs = async || ledger.runs(&name, 100).await.unwrap().len();
        let before = runs().await;
        store.fail_from(Some(Operation::Flush), 1);
        assert_eq!(post().await.0, 503);
        store.heal();
        minutes(5).await;
        assert_eq!(runs().await, before, "nobody was woken");
        assert_eq!(post().await, (200, "known already".to_owned()));
        minutes(5).await;
        let after = runs().await;
        assert!(after > before, "it was looked at");
        let lines = std::fs::read_to_string(folder.path().join("lines.csv")).unwrap();
        assert!(lines.contains("kea"), "{lines}");
        minutes(600).await;
        assert_eq!(runs().await, after, "and there is nothing more to do");
        daemon.stop().await;
    }
}
