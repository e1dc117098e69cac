//! What is measured when somebody asks: what is open, what is left of the limits, how the store does.

use std::collections::BTreeMap;

use super::{Handle, grants};
use crate::{
    config::ConnectionName,
    connector::{Budget, Traffic},
    grant::Renewals,
    store::Flushes,
};

/// What was found. What the store cannot tell while it fails is left out.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Writes that were announced and of which it is not known yet what came of them, by connection.
    pub open_intents: BTreeMap<ConnectionName, u64>,
    /// What is left of the limits of each connection.
    pub budgets: Vec<(ConnectionName, Vec<Budget>)>,
    /// What each connection was answered, and how long that took; where it is asked over a network.
    pub traffic: Vec<(ConnectionName, Traffic)>,
    /// How often each login was renewed, or was not.
    pub renewals: BTreeMap<String, Renewals>,
    /// Bytes on disk.
    pub store_bytes: Option<u64>,
    /// How long flushes took.
    pub flushes: Flushes,
    /// How often the store began to fail.
    pub store_failures: u64,
}

impl Handle {
    /// Measures.
    pub async fn gauges(&self) -> Gauges {
        let (engine, ledger) = (self.shared.engine(), self.shared.ledger());
        let mut open_intents = BTreeMap::new();
        for name in engine.config.connections.keys() {
            let Ok(intents) = ledger.intents(name).await else { continue };
            let items: usize = intents.iter().map(|(_, intent)| intent.items.len()).sum();
            open_intents.insert(name.clone(), items as u64);
        }
        Gauges {
            open_intents,
            budgets: engine.connectors.iter().map(|(name, one)| (name.clone(), one.budgets())).collect(),
            traffic: engine.connectors.iter().filter_map(|(name, one)| Some((name.clone(), one.traffic()?))).collect(),
            renewals: grants::renewals(&engine),
            store_bytes: ledger.store().size_on_disk().await.ok(),
            flushes: ledger.store().flushes(),
            store_failures: self.shared.health.times_failed(),
        }
    }
}
