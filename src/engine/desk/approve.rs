//! Answers to what is held: all of it, or but for some records.

use super::{Desk, DeskError};
use crate::{
    config::{Pipeline, PipelineName},
    engine::plan::held_back,
    record::{RecordId, Side},
    store::{Approval, Changes, HeldRun, Hold, PipelineState, Stage},
};

/// What may have become of a plan that somebody wants to answer.
const NOW: &str = "; a plan that changed has another id, which `reconciled status` shows";

impl Desk<'_> {
    /// Runs that wait for a person.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn held(&self) -> Result<Vec<HeldRun>, DeskError> {
        Ok(self.engine.ledger.list_held().await?)
    }

    /// Approves what is held: by its id, a pipeline's name, or an integration's name for its first runs.
    ///
    /// # Errors
    ///
    /// When the store fails, or nothing of that name is held.
    pub async fn approve(&self, what: &str) -> Result<Vec<PipelineName>, DeskError> {
        self.approve_except(what, &[]).await
    }

    /// As [`Desk::approve`], but for these records, by an id of either side: what would be written to them stays held.
    ///
    /// # Errors
    ///
    /// As [`Desk::approve`], and when a record is not known, or what is held allows no exception.
    pub async fn approve_except(&self, what: &str, except: &[RecordId]) -> Result<Vec<PipelineName>, DeskError> {
        let mut approved = Vec::new();
        let mut changes = Changes::new();
        let mut unknown: Vec<&RecordId> = except.iter().collect();
        for (integration, pipeline) in self.engine.config.pipelines() {
            let whole = integration.name.as_str() == what;
            let named = pipeline.name.as_str() == what;
            let mut state = self.engine.ledger.pipeline(&pipeline.name).await?;
            let first = state.stage == Stage::Unapproved;
            let before = changes.len();
            let mut begins = whole || named;
            for mut held in self.engine.ledger.holds(&pipeline.name).await? {
                let by_the_way = match held.what {
                    // What a person left out is let go by its own name alone.
                    Hold::LeftOut => false,
                    // That an account is the same is never meant by the way.
                    Hold::Account => named,
                    Hold::Plan | Hold::Revert | Hold::Listing(_) => named || whole,
                };
                if held.id == what || by_the_way {
                    begins |= held.what == Hold::Plan;
                    if !first {
                        self.in_time(&held)?;
                    }
                    if !except.is_empty() {
                        held.except = self.leave_out(&mut changes, pipeline, &held, (except, &mut unknown)).await?;
                    }
                    approve_hold(&mut changes, pipeline, &mut state, held)?;
                }
            }
            if first && begins && state.stage == Stage::Unapproved {
                state.stage = Stage::Approved;
                state.put_back = false;
                changes.together(|atomic| {
                    atomic.pipeline(&pipeline.name, &state);
                    atomic.release(&pipeline.name, Hold::Plan);
                });
            }
            if changes.len() > before {
                approved.push(pipeline.name.clone());
            }
        }
        if approved.is_empty() {
            return Err(DeskError::NoSuch(format!("nothing named `{what}` waits for approval{NOW}")));
        }
        if let Some(record) = unknown.first() {
            let text = format!("`{record}` is no id of a record that is known of {what}, so it cannot be left out");
            return Err(DeskError::NoSuch(text));
        }
        self.commit(changes).await?;
        Ok(approved)
    }

    /// Holds back what would be written to these records; those that are `unknown` to every pipeline so far remain so if
    /// they are to this one.
    async fn leave_out(
        &self,
        changes: &mut Changes,
        pipeline: &Pipeline,
        held: &HeldRun,
        (except, unknown): (&[RecordId], &mut Vec<&RecordId>),
    ) -> Result<Vec<(Side, RecordId)>, DeskError> {
        if held.what != Hold::Plan {
            let text =
                format!("{} of {} can only be approved as a whole; leave `--except` away", held.id, held.pipeline);
            return Err(DeskError::NotPossible(text));
        }
        let ledger = &self.engine.ledger;
        let mut found = Vec::new();
        for id in except {
            let before = found.len();
            for side in Side::BOTH {
                if let Some(link) = ledger.link(&pipeline.name, side, id).await? {
                    found.extend(Side::BOTH.map(|side| (side, link.id(side).clone())));
                } else if ledger
                    .fresh(&pipeline.name, side, std::slice::from_ref(id))
                    .await?
                    .iter()
                    .any(Option::is_some)
                {
                    found.push((side, id.clone()));
                }
            }
            if found.len() > before {
                unknown.retain(|one| *one != id);
            }
        }
        if !found.is_empty() {
            let before = ledger.held(&pipeline.name, Hold::LeftOut).await?;
            let back = held_back(pipeline, before, &found, self.engine.clock.now());
            changes.together(|atomic| atomic.hold(&back));
        }
        Ok(found)
    }

    /// Whether a plan may still be answered as it was shown.
    fn in_time(&self, held: &HeldRun) -> Result<(), DeskError> {
        let until = held.waits_until(self.engine.config.settings.reload.keep_held);
        if !matches!(held.what, Hold::Plan | Hold::Revert) || until > self.engine.clock.now() {
            return Ok(());
        }
        Err(DeskError::NotPossible(format!(
            "the plan {} of {} waited until {}; the next run plans anew, and asks again if it is still over a guard",
            held.id,
            held.pipeline,
            until.format("%Y-%m-%d %H:%M UTC")
        )))
    }

    /// Rejects what is held: it stays held and is no longer shown as waiting.
    ///
    /// # Errors
    ///
    /// When the store fails, or nothing of that name is held.
    pub async fn reject(&self, what: &str) -> Result<PipelineName, DeskError> {
        for mut held in self.engine.ledger.list_held().await? {
            if held.id == what || held.pipeline.as_str() == what {
                held.approval = Approval::Rejected;
                let mut changes = Changes::new();
                changes.together(|atomic| atomic.hold(&held));
                self.commit(changes).await?;
                return Ok(held.pipeline);
            }
        }
        Err(DeskError::NoSuch(format!("nothing named `{what}` waits for approval{NOW}")))
    }
}

/// Lets what is held go ahead: a plan or listing as long as it is no worse than was shown, an account for good. What was left out
/// is planned by the next run as anything else.
fn approve_hold(
    changes: &mut Changes,
    pipeline: &Pipeline,
    state: &mut PipelineState,
    mut held: HeldRun,
) -> Result<(), DeskError> {
    match held.what {
        Hold::Plan | Hold::Revert | Hold::Listing(_) | Hold::LeftOut => {}
        Hold::Account => {
            if held.id != crate::engine::account::hold_id(pipeline, state) {
                let text = format!("{} stands for yet another account by now; look at `status`", pipeline.name);
                return Err(DeskError::NotPossible(text));
            }
            crate::engine::account::bind(pipeline, state);
        }
    }
    if matches!(held.what, Hold::Account | Hold::Listing(_)) {
        // Both sides are read in full by the next run.
        state.read = [0, 0];
    }
    changes.together(|atomic| {
        atomic.pipeline(&pipeline.name, state);
        if matches!(held.what, Hold::Account | Hold::LeftOut) {
            atomic.release(&pipeline.name, held.what);
        } else {
            held.approval = Approval::Approved;
            atomic.hold(&held);
        }
    });
    Ok(())
}
