//! The ledger: the store with types. Knows which keys a thing has, so that a link and its indexes are always written
//! in one group.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Cursor, Due, Group, HeldRun, Intent, Key, Parked, PipelineState, RunRecord, Space, Store, StoreError, frame,
};
use crate::{
    config::{ConnectionName, IntegrationName, PipelineName},
    record::{RecordId, Side},
    sync::{Fresh, Link},
};

/// Most entries read in one scan.
const SCAN: usize = 1_000;

/// The store with types.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn Store>,
}

const fn side_part(side: Side) -> &'static str {
    match side {
        Side::Source => "s",
        Side::Target => "t",
    }
}

fn part_side(part: &str) -> Side {
    if part == "t" { Side::Target } else { Side::Source }
}

/// Changes gathered to be committed together, group by group.
#[derive(Debug, Default)]
pub struct Changes {
    groups: Vec<Group>,
}

impl Changes {
    /// No changes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Number of groups gathered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Adds changes that must take effect together.
    pub fn together(&mut self, build: impl FnOnce(&mut Atomic)) {
        let mut atomic = Atomic(Group::default());
        build(&mut atomic);
        if !atomic.0.writes.is_empty() {
            self.groups.push(atomic.0);
        }
    }
}

/// Changes that take effect together.
pub struct Atomic(Group);

impl Atomic {
    fn put<T: Serialize>(&mut self, key: Key, value: &T) {
        self.0.put(key, frame::encode(value));
    }

    /// Remembers a link and finds it by its target.
    pub fn link(&mut self, pipeline: &PipelineName, link: &Link) {
        self.put(link_key(pipeline, &link.source), link);
        self.put(target_key(pipeline, &link.target), &link.source);
    }

    /// Remembers a link whose ids are already known.
    pub fn relink(&mut self, pipeline: &PipelineName, link: &Link) {
        self.put(link_key(pipeline, &link.source), link);
    }

    /// Forgets a link (only when a person says so, or `on_leave: release`).
    pub fn unlink(&mut self, pipeline: &PipelineName, link: &Link) {
        self.0.delete(link_key(pipeline, &link.source));
        self.0.delete(target_key(pipeline, &link.target));
    }

    /// Remembers a record that is not linked.
    pub fn fresh(&mut self, pipeline: &PipelineName, side: Side, fresh: &Fresh) {
        self.put(fresh_key(pipeline, side, &fresh.observation.id), fresh);
    }

    /// Forgets a record that is linked now, or gone.
    pub fn forget_fresh(&mut self, pipeline: &PipelineName, side: Side, id: &RecordId) {
        self.0.delete(fresh_key(pipeline, side, id));
    }

    /// Makes a record findable by a match key.
    pub fn match_key(&mut self, at: &MatchKey<'_>, id: &RecordId) {
        self.0.put(at.key(Some(id)), Vec::new());
    }

    /// Makes a record no longer findable by a match key.
    pub fn forget_match_key(&mut self, at: &MatchKey<'_>, id: &RecordId) {
        self.0.delete(at.key(Some(id)));
    }

    /// Has a record looked at again.
    pub fn due(&mut self, pipeline: &PipelineName, side: Side, id: &RecordId, due: &Due) {
        self.put(due_key(pipeline, side, id), due);
    }

    /// Has a record not looked at again until something happens.
    pub fn done(&mut self, pipeline: &PipelineName, side: Side, id: &RecordId) {
        self.0.delete(due_key(pipeline, side, id));
    }

    /// Lists a record or field as parked.
    pub fn park(&mut self, pipeline: &PipelineName, side: Side, id: &RecordId, parked: &[Parked]) {
        self.put(parked_key(pipeline, side, id), &parked);
    }

    /// Takes a record off the parked list.
    pub fn unpark(&mut self, pipeline: &PipelineName, side: Side, id: &RecordId) {
        self.0.delete(parked_key(pipeline, side, id));
    }

    /// Remembers that `from` of `pipeline` refers to the record `to` of `referred`.
    pub fn reference(&mut self, pipeline: &PipelineName, referred: &PipelineName, to: &RecordId, from: &RecordId) {
        self.0.put(reference_key(pipeline, referred, to, Some(from)), Vec::new());
    }

    /// Forgets a reference.
    pub fn forget_reference(
        &mut self,
        pipeline: &PipelineName,
        referred: &PipelineName,
        to: &RecordId,
        from: &RecordId,
    ) {
        self.0.delete(reference_key(pipeline, referred, to, Some(from)));
    }

    /// Remembers that a record waits for `awaited` to be linked.
    pub fn wait(&mut self, awaited: (&PipelineName, &RecordId), waiting: (&PipelineName, Side, &RecordId)) {
        self.0.put(wait_key(awaited, Some(waiting)), Vec::new());
    }

    /// Records an intent.
    pub fn intent(&mut self, number: &str, intent: &Intent) {
        self.put(intent_key(&intent.connection, number), intent);
    }

    /// Closes an intent.
    pub fn close_intent(&mut self, connection: &ConnectionName, number: &str) {
        self.0.delete(intent_key(connection, number));
    }

    /// Remembers where pulls of a resource stand.
    pub fn cursor(&mut self, connection: &ConnectionName, resource: &str, cursor: &Cursor) {
        self.put(cursor_key(connection, resource), cursor);
    }

    /// Remembers how far a pipeline has come.
    pub fn pipeline(&mut self, pipeline: &PipelineName, state: &PipelineState) {
        self.put(state_key(pipeline), state);
    }

    /// Remembers a run.
    pub fn run(&mut self, integration: &IntegrationName, run: &RunRecord) {
        let key =
            Key::new(Space::Run, &[integration.as_str(), &run.started.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()]);
        self.put(key, run);
    }

    /// Holds a run.
    pub fn hold(&mut self, held: &HeldRun) {
        self.put(held_key(&held.pipeline), held);
    }

    /// Lets a held run go.
    pub fn release(&mut self, pipeline: &PipelineName) {
        self.0.delete(held_key(pipeline));
    }
}

/// A place in the index of match keys.
#[derive(Clone, Copy, Debug)]
pub struct MatchKey<'a> {
    /// The pipeline.
    pub pipeline: &'a PipelineName,
    /// The side of the records it finds.
    pub side: Side,
    /// Position of the tier.
    pub tier: usize,
    /// The key's text.
    pub text: &'a str,
}

impl MatchKey<'_> {
    fn key(&self, id: Option<&RecordId>) -> Key {
        let tier = self.tier.to_string();
        let mut parts = vec![self.pipeline.as_str(), side_part(self.side), &tier, self.text];
        parts.extend(id.map(RecordId::as_str));
        Key::new(Space::MatchKey, &parts)
    }
}

fn link_key(pipeline: &PipelineName, source: &RecordId) -> Key {
    Key::new(Space::Link, &[pipeline.as_str(), source.as_str()])
}

fn target_key(pipeline: &PipelineName, target: &RecordId) -> Key {
    Key::new(Space::LinkByTarget, &[pipeline.as_str(), target.as_str()])
}

fn fresh_key(pipeline: &PipelineName, side: Side, id: &RecordId) -> Key {
    Key::new(Space::Seen, &[pipeline.as_str(), side_part(side), id.as_str()])
}

fn due_key(pipeline: &PipelineName, side: Side, id: &RecordId) -> Key {
    Key::new(Space::Due, &[pipeline.as_str(), side_part(side), id.as_str()])
}

fn parked_key(pipeline: &PipelineName, side: Side, id: &RecordId) -> Key {
    Key::new(Space::Parked, &[pipeline.as_str(), side_part(side), id.as_str()])
}

fn reference_key(pipeline: &PipelineName, referred: &PipelineName, to: &RecordId, from: Option<&RecordId>) -> Key {
    let mut parts = vec![pipeline.as_str(), referred.as_str(), to.as_str()];
    parts.extend(from.map(RecordId::as_str));
    Key::new(Space::Reference, &parts)
}

fn wait_key(awaited: (&PipelineName, &RecordId), waiting: Option<(&PipelineName, Side, &RecordId)>) -> Key {
    let mut parts = vec![awaited.0.as_str(), awaited.1.as_str()];
    if let Some((pipeline, side, id)) = waiting {
        parts.extend([pipeline.as_str(), side_part(side), id.as_str()]);
    }
    Key::new(Space::Wait, &parts)
}

fn intent_key(connection: &ConnectionName, number: &str) -> Key {
    Key::new(Space::Intent, &[connection.as_str(), number])
}

fn cursor_key(connection: &ConnectionName, resource: &str) -> Key {
    Key::new(Space::Cursor, &[connection.as_str(), resource])
}

fn state_key(pipeline: &PipelineName) -> Key {
    Key::new(Space::Pipeline, &[pipeline.as_str()])
}

fn held_key(pipeline: &PipelineName) -> Key {
    Key::new(Space::Held, &[pipeline.as_str()])
}

/// A page of a listing: the entries, and where to go on.
pub type Listed<T> = (Vec<T>, Option<Key>);

impl Ledger {
    /// A ledger in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The store behind it.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Commits changes in the order they were gathered. Not durable before [`Ledger::flush`].
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn commit(&self, changes: Changes) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.store.commit(changes.groups).await
    }

    /// Makes everything committed durable.
    ///
    /// # Errors
    ///
    /// When the store fails; then no remote call may be made.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.store.flush().await
    }

    async fn read<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<Option<T>>, StoreError> {
        let values = self.store.get(keys).await?;
        keys.iter().zip(values).map(|(key, value)| value.map(|bytes| frame::decode(key, &bytes)).transpose()).collect()
    }

    async fn read_one<T: DeserializeOwned>(&self, key: Key) -> Result<Option<T>, StoreError> {
        Ok(self.read(&[key]).await?.into_iter().next().flatten())
    }

    async fn list<T: DeserializeOwned>(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Listed<(Vec<String>, T)>, StoreError> {
        let entries = self.store.scan(prefix, after, limit).await?;
        let next = if entries.len() < limit { None } else { entries.last().map(|(key, _)| key.clone()) };
        let mut listed = Vec::with_capacity(entries.len());
        for (key, bytes) in entries {
            listed.push((key.parts(), frame::decode(&key, &bytes)?));
        }
        Ok((listed, next))
    }

    /// The links of these source records.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn links(&self, pipeline: &PipelineName, sources: &[RecordId]) -> Result<Vec<Option<Link>>, StoreError> {
        let keys: Vec<_> = sources.iter().map(|id| link_key(pipeline, id)).collect();
        self.read(&keys).await
    }

    /// The link of a record of either side.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn link(&self, pipeline: &PipelineName, side: Side, id: &RecordId) -> Result<Option<Link>, StoreError> {
        Ok(self.links_of(pipeline, side, std::slice::from_ref(id)).await?.into_iter().next().flatten())
    }

    /// The links of these records of `side`.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn links_of(
        &self,
        pipeline: &PipelineName,
        side: Side,
        ids: &[RecordId],
    ) -> Result<Vec<Option<Link>>, StoreError> {
        if side == Side::Source {
            return self.links(pipeline, ids).await;
        }
        let sources = self.sources_of(pipeline, ids).await?;
        let known: Vec<RecordId> = sources.iter().flatten().cloned().collect();
        let mut links = self.links(pipeline, &known).await?.into_iter();
        Ok(sources.into_iter().map(|source| source.and_then(|_| links.next().flatten())).collect())
    }

    /// The source ids that these target ids are linked with.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn sources_of(
        &self,
        pipeline: &PipelineName,
        targets: &[RecordId],
    ) -> Result<Vec<Option<RecordId>>, StoreError> {
        let keys: Vec<_> = targets.iter().map(|id| target_key(pipeline, id)).collect();
        self.read(&keys).await
    }

    /// Links in the order of source ids, a page at a time.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn list_links(&self, pipeline: &PipelineName, after: Option<&Key>) -> Result<Listed<Link>, StoreError> {
        let prefix = Key::new(Space::Link, &[pipeline.as_str()]);
        let (entries, next) = self.list(&prefix, after, SCAN).await?;
        Ok((entries.into_iter().map(|(_, link)| link).collect(), next))
    }

    /// What is remembered of these unlinked records.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn fresh(
        &self,
        pipeline: &PipelineName,
        side: Side,
        ids: &[RecordId],
    ) -> Result<Vec<Option<Fresh>>, StoreError> {
        let keys: Vec<_> = ids.iter().map(|id| fresh_key(pipeline, side, id)).collect();
        self.read(&keys).await
    }

    /// Unlinked records of a side, a page at a time.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn list_fresh(
        &self,
        pipeline: &PipelineName,
        side: Side,
        after: Option<&Key>,
    ) -> Result<Listed<Fresh>, StoreError> {
        let prefix = Key::new(Space::Seen, &[pipeline.as_str(), side_part(side)]);
        let (entries, next) = self.list(&prefix, after, SCAN).await?;
        Ok((entries.into_iter().map(|(_, fresh)| fresh).collect(), next))
    }

    /// Up to `limit` records found by a match key.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn matches(&self, at: &MatchKey<'_>, limit: usize) -> Result<Vec<RecordId>, StoreError> {
        let entries = self.store.scan(&at.key(None), None, limit).await?;
        Ok(entries.into_iter().filter_map(|(key, _)| key.parts().pop()).map(RecordId::from).collect())
    }

    /// Forgets all match keys of a pipeline.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn forget_match_keys(&self, pipeline: &PipelineName) -> Result<(), StoreError> {
        let prefix = Key::new(Space::MatchKey, &[pipeline.as_str()]);
        loop {
            let entries = self.store.scan(&prefix, None, SCAN).await?;
            let last = entries.len() < SCAN;
            let mut changes = Changes::new();
            for (key, _) in entries {
                changes.together(|atomic| atomic.0.delete(key));
            }
            self.commit(changes).await?;
            if last {
                return Ok(());
            }
        }
    }

    /// Whether any record of `side` can be found by a match key at all.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn has_match_keys(&self, pipeline: &PipelineName, side: Side) -> Result<bool, StoreError> {
        let prefix = Key::new(Space::MatchKey, &[pipeline.as_str(), side_part(side)]);
        Ok(!self.store.scan(&prefix, None, 1).await?.is_empty())
    }

    /// Records to look at again, a page at a time: side, id, why.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn list_due(
        &self,
        pipeline: &PipelineName,
        after: Option<&Key>,
    ) -> Result<Listed<(Side, RecordId, Due)>, StoreError> {
        let prefix = Key::new(Space::Due, &[pipeline.as_str()]);
        let (entries, next) = self.list::<Due>(&prefix, after, SCAN).await?;
        Ok((
            entries.into_iter().filter_map(|(parts, due)| side_and_id(&parts).map(|(s, id)| (s, id, due))).collect(),
            next,
        ))
    }

    /// When and why a record is looked at again.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn due(&self, pipeline: &PipelineName, side: Side, id: &RecordId) -> Result<Option<Due>, StoreError> {
        self.read_one(due_key(pipeline, side, id)).await
    }

    /// What is parked of a record.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn parked(&self, pipeline: &PipelineName, side: Side, id: &RecordId) -> Result<Vec<Parked>, StoreError> {
        Ok(self.read_one(parked_key(pipeline, side, id)).await?.unwrap_or_default())
    }

    /// What is parked, a page at a time: side, id, why.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn list_parked(
        &self,
        pipeline: &PipelineName,
        after: Option<&Key>,
    ) -> Result<Listed<(Side, RecordId, Vec<Parked>)>, StoreError> {
        let prefix = Key::new(Space::Parked, &[pipeline.as_str()]);
        let (entries, next) = self.list::<Vec<Parked>>(&prefix, after, SCAN).await?;
        let entries =
            entries.into_iter().filter_map(|(parts, parked)| side_and_id(&parts).map(|(s, id)| (s, id, parked)));
        Ok((entries.collect(), next))
    }

    /// Whether any record of `pipeline` refers to the record `to` of `referred`.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn is_referenced(
        &self,
        pipeline: &PipelineName,
        referred: &PipelineName,
        to: &RecordId,
    ) -> Result<bool, StoreError> {
        Ok(!self.store.scan(&reference_key(pipeline, referred, to, None), None, 1).await?.is_empty())
    }

    /// Who waits for the record `id` of `pipeline` to be linked, with the keys to remove once they were woken.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn waiting_for(
        &self,
        pipeline: &PipelineName,
        id: &RecordId,
    ) -> Result<Vec<(PipelineName, Side, RecordId)>, StoreError> {
        let entries = self.store.scan(&wait_key((pipeline, id), None), None, SCAN).await?;
        Ok(entries
            .into_iter()
            .filter_map(|(key, _)| {
                let parts = key.parts();
                let [_, _, waiting, side, id] = parts.as_slice() else { return None };
                Some((PipelineName::parse(waiting).ok()?, part_side(side), RecordId::from(id.as_str())))
            })
            .collect())
    }

    /// Forgets who waited for a record.
    pub fn forget_waits(
        changes: &mut Changes,
        awaited: (&PipelineName, &RecordId),
        waiting: &[(PipelineName, Side, RecordId)],
    ) {
        for (pipeline, side, id) in waiting {
            changes.together(|atomic| atomic.0.delete(wait_key(awaited, Some((pipeline, *side, id)))));
        }
    }

    /// Open intents of a connection, oldest first, with their numbers.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn intents(&self, connection: &ConnectionName) -> Result<Vec<(String, Intent)>, StoreError> {
        let prefix = Key::new(Space::Intent, &[connection.as_str()]);
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let (entries, next) = self.list::<Intent>(&prefix, after.as_ref(), SCAN).await?;
            all.extend(entries.into_iter().filter_map(|(mut parts, intent)| parts.pop().map(|n| (n, intent))));
            match next {
                Some(key) => after = Some(key),
                None => return Ok(all),
            }
        }
    }

    /// Where pulls of a resource stand.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn cursor(&self, connection: &ConnectionName, resource: &str) -> Result<Option<Cursor>, StoreError> {
        self.read_one(cursor_key(connection, resource)).await
    }

    /// How far a pipeline has come.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn pipeline(&self, pipeline: &PipelineName) -> Result<PipelineState, StoreError> {
        Ok(self.read_one(state_key(pipeline)).await?.unwrap_or_default())
    }

    /// The held run of a pipeline.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn held(&self, pipeline: &PipelineName) -> Result<Option<HeldRun>, StoreError> {
        self.read_one(held_key(pipeline)).await
    }

    /// Every held run.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn list_held(&self) -> Result<Vec<HeldRun>, StoreError> {
        let (entries, _) = self.list(&Key::new(Space::Held, &[]), None, SCAN).await?;
        Ok(entries.into_iter().map(|(_, held)| held).collect())
    }

    /// The last `limit` runs of an integration, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn runs(&self, integration: &IntegrationName, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        let prefix = Key::new(Space::Run, &[integration.as_str()]);
        let mut all = std::collections::VecDeque::new();
        let mut after = None;
        loop {
            let (entries, next) = self.list::<RunRecord>(&prefix, after.as_ref(), SCAN).await?;
            for (_, run) in entries {
                all.push_front(run);
            }
            all.truncate(limit);
            match next {
                Some(key) => after = Some(key),
                None => return Ok(all.into()),
            }
        }
    }
}

fn side_and_id(parts: &[String]) -> Option<(Side, RecordId)> {
    match parts {
        [_, side, id] => Some((part_side(side), RecordId::from(id.as_str()))),
        _ => None,
    }
}
