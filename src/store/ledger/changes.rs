//! Changes gathered, group by group.

use serde::Serialize;

use super::keys::{
    MatchKey, apart_key, cursor_key, due_key, fresh_key, held_key, intent_key, link_key, parked_key, reference_key,
    settling_key, state_key, target_key, wait_key,
};
use crate::{
    config::{ConnectionName, PipelineName},
    record::{RecordId, Side},
    store::{Cursor, Due, Group, HeldRun, Hold, Intent, Key, Parked, PipelineState, Settling, frame},
    sync::{Fresh, Link},
};

/// Changes gathered to be committed together, group by group.
#[derive(Debug, Default)]
pub struct Changes {
    pub(super) groups: Vec<Group>,
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
pub struct Atomic(pub(super) Group);

impl Atomic {
    pub(super) fn put<T: Serialize>(&mut self, key: Key, value: &T) {
        self.0.put(key, frame::encode(value));
    }

    /// Remembers a link and finds it by its target.
    pub fn link(&mut self, pipeline: &PipelineName, link: &Link) {
        self.relink(pipeline, link);
        self.put(target_key(pipeline, &link.target), &link.source);
    }

    /// Remembers a link whose ids are already known.
    pub fn relink(&mut self, pipeline: &PipelineName, link: &Link) {
        self.0.put(link_key(pipeline, &link.source), frame::pack(link));
    }

    /// Forgets a link (only when a person says so, or `on_leave: release`).
    pub fn unlink(&mut self, pipeline: &PipelineName, link: &Link) {
        self.0.delete(link_key(pipeline, &link.source));
        self.0.delete(target_key(pipeline, &link.target));
    }

    /// Remembers that a person took these two apart: they are not linked again by matching.
    pub fn keep_apart(&mut self, pipeline: &PipelineName, link: &Link) {
        self.0.put(apart_key(pipeline, &link.source, &link.target), Vec::new());
    }

    /// Forgets that a person took these two apart.
    pub fn may_join(&mut self, pipeline: &PipelineName, link: &Link) {
        self.0.delete(apart_key(pipeline, &link.source, &link.target));
    }

    /// Remembers a record that is not linked.
    pub fn fresh(&mut self, pipeline: &PipelineName, side: Side, fresh: &Fresh) {
        self.0.put(fresh_key(pipeline, side, &fresh.observation.id), frame::pack(fresh));
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
        self.0.put(intent_key(&intent.connection, number), frame::pack(intent));
    }

    /// Closes an intent.
    pub fn close_intent(&mut self, connection: &ConnectionName, number: &str) {
        self.0.delete(intent_key(connection, number));
    }

    /// Remembers that a record was written lately, and readings of it may be older.
    pub fn settling(&mut self, connection: &ConnectionName, resource: &str, id: &RecordId, settling: &Settling) {
        self.put(settling_key(connection, resource, id), settling);
    }

    /// Readings of a record are newer than our last write by now.
    pub fn settled(&mut self, connection: &ConnectionName, resource: &str, id: &RecordId) {
        self.0.delete(settling_key(connection, resource, id));
    }

    /// Remembers where pulls of a resource stand.
    pub fn cursor(&mut self, connection: &ConnectionName, resource: &str, cursor: &Cursor) {
        self.put(cursor_key(connection, resource), cursor);
    }

    /// Remembers how far a pipeline has come.
    pub fn pipeline(&mut self, pipeline: &PipelineName, state: &PipelineState) {
        self.put(state_key(pipeline), state);
    }

    /// Holds a run.
    pub fn hold(&mut self, held: &HeldRun) {
        self.put(held_key(&held.pipeline, held.what), held);
    }

    /// Lets go what was held for this reason.
    pub fn release(&mut self, pipeline: &PipelineName, what: Hold) {
        self.0.delete(held_key(pipeline, what));
    }
}
