//! What a system does by itself when a record changes: it changes others, and tells whoever listens to its hooks.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{super::compare::holds, State, System};
use crate::{
    connector::{Told, id_of},
    record::RecordId,
};

/// What hooks tell.
#[derive(Default)]
pub(super) struct News {
    /// Changed since the last delivery.
    pending: BTreeSet<Told>,
    /// What the last delivery told.
    last: BTreeSet<Told>,
}

impl System {
    /// After all that is there at the beginning: what names a record may have been there before it.
    pub fn work_out(&self) {
        let mut state = self.state();
        let now = self.now(&state);
        let all: Vec<(String, RecordId)> = state
            .collections
            .iter()
            .flat_map(|(resource, all)| all.records.keys().map(|id| (resource.clone(), id.clone())))
            .collect();
        for (resource, id) in all {
            self.follow_up(&mut state, &resource, &id, now);
        }
        state.news = News::default();
    }

    /// A record was made or changed.
    pub(super) fn follow_up(&self, state: &mut State, resource: &str, id: &RecordId, now: DateTime<Utc>) {
        self.note(state, resource, id);
        let body =
            state.collections.get(resource).and_then(|all| all.records.get(id)).map(|stored| stored.body.clone());
        let (Some(body), Some(then)) = (body, state.then.get(resource).cloned()) else { return };
        for one in then {
            let Some(other) = one.of.find(&body).and_then(id_of) else { continue };
            let Some(collection) = state.collections.get_mut(&one.resource.name) else { continue };
            let is_so = collection.records.get(&other).is_some_and(|stored| holds(&stored.body, &one.values));
            if !is_so && collection.edit(&one.resource, &other, &one.values, now).is_some() {
                self.note(state, &one.resource.name, &other);
            }
        }
    }

    /// What a hook tells about a record, if this kind of system has hooks that speak of it.
    pub(super) fn note(&self, state: &mut State, resource: &str, id: &RecordId) {
        let webhooks = self.connection.manifest.webhooks.as_ref();
        if webhooks.is_some_and(|webhooks| webhooks.names.values().any(|name| name == resource)) {
            let account = self.connection.tenant.clone();
            state.news.pending.insert(Told { account, resource: resource.to_owned(), id: id.clone() });
        }
    }

    /// What a hook tells now: all that changed since the last one, or the same once more where nothing did. `None` where
    /// this kind of system has no hooks.
    pub fn tell(&self) -> Option<BTreeSet<Told>> {
        self.connection.manifest.webhooks.as_ref()?;
        let mut state = self.state();
        if !state.news.pending.is_empty() {
            state.news.last = std::mem::take(&mut state.news.pending);
        }
        Some(state.news.last.clone())
    }
}
