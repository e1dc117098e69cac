//! Connectors described in YAML, as a user would, against servers that answer byte for byte.

use std::{collections::HashMap, fs};

use chrono::{DateTime, Utc};
use reconciled::{
    clock::Clock,
    config,
    connector::{CallError, Connector as _, Page, PullCursor, RemoteRecord},
    record::RecordId,
};

use crate::{server::Server, setup::Shop};

/// A shop whose connector is this YAML, indented by eight; the resource is `things`.
pub fn shop(server: &Server, connector: &str, resource: &str) -> Shop {
    on(Clock::manual("2026-06-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap()), &server.url(), connector, resource)
}

pub fn on(clock: Clock, url: &str, connector: &str, resource: &str) -> Shop {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "connectors:\n  odd:\n    base_url: \"{url}\"\n    auth: {{ kind: none }}\n{connector}\n    resources:\n      things:\n        id: $.id\n{resource}\n\
         connections:\n  shop: {{ connector: odd }}\n",
    );
    fs::write(dir.path().join("odd.yaml"), &text).unwrap();
    let loaded = config::load(dir.path(), &HashMap::<String, String>::new());
    assert!(loaded.diagnostics.is_empty(), "{}\n{text}", loaded.render(false));
    let connection = loaded.config.connections.values().next().expect("a connection");
    let resource = connection.manifest.resources["things"].as_ref().clone();
    Shop::on(clock, connection.as_ref().clone(), resource)
}

impl Shop {
    pub async fn page(&self, since: Option<&str>, page: Option<String>) -> Result<Page, CallError> {
        let since = since.map(|since| since.parse().unwrap());
        self.run(self.connector.pull(&self.resource, &PullCursor { since, page })).await
    }

    /// Everything a listing gives.
    pub async fn listed(&self, since: Option<&str>) -> Vec<RemoteRecord> {
        let (mut page, mut records) = (None, Vec::new());
        loop {
            let read = self.page(since, page).await.unwrap();
            records.extend(read.records);
            page = read.next;
            if page.is_none() {
                return records;
            }
        }
    }

    pub async fn one(&self, id: &str) -> Result<Option<RemoteRecord>, CallError> {
        self.run(self.connector.get(&self.resource, &RecordId::from(id))).await
    }
}

pub fn ids(records: &[RemoteRecord]) -> Vec<String> {
    records.iter().map(|record| record.id.to_string()).collect()
}

pub fn targets(server: &Server) -> Vec<String> {
    let line = |line: String| line.trim_start_matches("GET /api").trim_end_matches(" HTTP/1.1").to_owned();
    server.requests().into_iter().map(|got| line(got.line)).collect()
}
