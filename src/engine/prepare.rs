//! Before a pipeline runs: what is remembered of it is made to fit its present configuration.

use std::sync::Arc;

use super::{
    EngineError,
    deliver::{keys_of_linked, keys_of_unlinked, reindex},
    run::Run,
};
use crate::{
    config::Pipeline,
    record::Side,
    store::{Changes, Due, PipelineState, Stage},
};

/// In place of a configuration's hash: a run under another configuration than before has not come to its end.
const BETWEEN: u64 = 1;

impl Run<'_> {
    /// Loads what is remembered of a pipeline, and has everything looked at again that was put aside under another
    /// configuration.
    pub(super) async fn prepare(&mut self, pipeline: &Arc<Pipeline>) -> Result<(), EngineError> {
        let state = self.state_mut(&pipeline.name).await?.clone();
        // Before its first run, too: what was read may have been remembered under a configuration that no run of it has
        // brought to an end (a plan of a first contact, a pull for a neighbour).
        let edited = state.config != pipeline.hash;
        let first = state.stage == Stage::Unapproved && !pipeline.first_run.approve && !state.put_back;
        // Others' states answer "has that pipeline been read in full".
        for other in &pipeline.referenced_by {
            if !self.states.contains_key(other) {
                let state = self.engine.ledger.pipeline(other).await?;
                self.states.insert(other.clone(), state);
            }
        }
        if edited {
            self.look_at_everything_again(pipeline).await?;
            self.note_references_anew(pipeline).await?;
        }
        let state = self.state_mut(&pipeline.name).await?;
        state.config = pipeline.hash;
        if first {
            state.stage = Stage::Approved;
        }
        Ok(())
    }

    /// Until a run of an edited pipeline has ended, what is remembered fits neither its present configuration nor the former
    /// one, should that come back: records that come are read as it is now, so that nothing counts as read in full for
    /// another.
    pub(super) async fn stand_between(&mut self, pipeline: &Pipeline) -> Result<(), EngineError> {
        let state = self.state_mut(&pipeline.name).await?;
        if state.config == pipeline.hash {
            return Ok(());
        }
        let marks = Side::BOTH.map(|side| pipeline.read_mark(side));
        let read = std::array::from_fn(|at| if state.read[at] == marks[at] { marks[at] } else { 0 });
        let between = PipelineState { config: BETWEEN, read, ..state.clone() };
        if *state == between {
            return Ok(());
        }
        state.clone_from(&between);
        let mut changes = Changes::new();
        changes.together(|atomic| atomic.pipeline(&pipeline.name, &between));
        Ok(self.engine.ledger.commit(changes).await?)
    }

    async fn look_at_everything_again(&mut self, pipeline: &Pipeline) -> Result<(), EngineError> {
        self.stand_between(pipeline).await?;
        // Match keys are kept by the place of their tier: other tiers, other places.
        self.engine.ledger.forget_match_keys(&pipeline.name).await?;
        let due = Due { at: self.engine.clock.now(), why: "the configuration was edited".to_owned() };
        let mut after = None;
        loop {
            let (links, next) = self.engine.ledger.list_links(&pipeline.name, after.as_ref()).await?;
            let mut changes = Changes::new();
            for link in links {
                let keys = keys_of_linked(pipeline, &link);
                changes.together(|atomic| {
                    atomic.due(&pipeline.name, Side::Source, &link.source, &due);
                    reindex(atomic, &pipeline.name, Side::Target, &link.target, &[], &keys);
                });
            }
            self.engine.ledger.commit(changes).await?;
            match next {
                Some(key) => after = Some(key),
                None => break,
            }
        }
        for side in Side::BOTH {
            let mut after = None;
            loop {
                let (records, next) = self.engine.ledger.list_fresh(&pipeline.name, side, after.as_ref()).await?;
                let mut changes = Changes::new();
                for fresh in records {
                    let id = &fresh.observation.id;
                    // Read under another spec it has no keys; this run reads it again.
                    let keys = keys_of_unlinked(pipeline, side, &fresh);
                    changes.together(|atomic| {
                        if pipeline.writes(side.other()) {
                            atomic.due(&pipeline.name, side, id, &due);
                        }
                        reindex(atomic, &pipeline.name, side, id, &[], &keys);
                    });
                }
                self.engine.ledger.commit(changes).await?;
                match next {
                    Some(key) => after = Some(key),
                    None => break,
                }
            }
        }
        Ok(())
    }
}
