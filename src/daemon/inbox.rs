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
        let mut parts = visit.rest.splitn(3, '/');
        let (Some(connection), Some(resource), Some(secret)) = (parts.next(), parts.next(), parts.next()) else {
            return nothing();
        };
        let Ok(connection) = ConnectionName::parse(connection) else { return nothing() };
        let connectors = Arc::clone(&self.0.engine().connectors);
        let Some(inbox) = connectors.get(&connection).and_then(|connector| connector.inbox()) else {
            return nothing();
        };
        if visit.method != "POST" && visit.method != "PUT" {
            return Reply::text(405, "records are posted here").with("allow", "POST");
        }
        let header = |name: &str| visit.header(name);
        match inbox.receive(resource, Post { secret, header: &header, body: &visit.body }).await {
            Ok(kept) => {
                self.0.counts.post(&connection, Posted::Accepted, kept.new as u64);
                self.0.counts.post(&connection, Posted::Duplicate, kept.known as u64);
                if kept.new > 0 {
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
