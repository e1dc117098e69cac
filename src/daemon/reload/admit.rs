//! The one place that decides whether an edited integration may take the place of the running one.
//!
//! A reload calls [`admit`] once for every integration whose *meaning* changed, was added or was removed (edits of
//! schedules and windows are not asked about), and a start does so for what was edited while no daemon ran. While a
//! daemon runs, the turn of the integration is held meanwhile, so that no run of it is under way and what is remembered of
//! it stands still; everything of the new one has been prepared, and nothing of the old one is given up.
//!
//! An edit is judged by what it does to records ([`EditOf::effect`]), not by the key that was edited. Over
//! `guards.config_edit` it is held: the old integration goes on, and `status` shows the reason. The question is asked
//! again when the files change, at a `reload` by hand, and after a person answered ([`Shared::look_at_config_again`]).
//! An approval is for this edit with exactly what was shown, record by record and value by value, and for a while: what
//! differs or comes later is asked about again.
//!
//! [`Shared::look_at_config_again`]: super::super::control::Shared::look_at_config_again

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    held::{self, HeldEdit},
    moves::memory_of,
};
use crate::{
    config::{Config, Effective, Integration, IntegrationName, Pipeline},
    engine::{EditEffect, EditOf, PipelineEffect, bind, leave_out_of_edit},
    store::{Approval, Changes, HeldRun, Hold, Ledger, Stage, StoreError},
};

/// An edit of one integration, ready to take effect.
pub(in crate::daemon) struct Edit<'e> {
    /// Which.
    pub name: &'e IntegrationName,
    /// Everything that runs now.
    pub running: Vec<&'e Integration>,
    /// What would run, and what it comes to; `None` for one that is removed.
    pub new: Option<(&'e Arc<Integration>, Effective)>,
    /// The configuration as it would be.
    pub config: &'e Config,
}

/// Where edits are judged.
#[derive(Clone, Copy)]
pub(in crate::daemon) struct Bench<'e> {
    /// What is remembered.
    pub ledger: &'e Ledger,
    /// The present.
    pub now: DateTime<Utc>,
    /// How long a held edit waits for an answer.
    pub keep: Duration,
}

/// Whether an edit may take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Verdict {
    /// It may.
    Swap,
    /// The old one goes on; why, and what a person can do about it, in one sentence.
    Hold(String),
}

/// Judges an edit. What is added or removed changes no linked record: a first run asks by itself, and links are kept.
///
/// # Errors
///
/// When the store fails: then the old integration goes on, and the edit is judged again at the next look.
pub(in crate::daemon) async fn admit(bench: Bench<'_>, edit: &Edit<'_>) -> Result<Verdict, StoreError> {
    let Some((new, effective)) = edit.new else { return Ok(Verdict::Swap) };
    if let Some(why) = still_runs(edit, new) {
        return Ok(Verdict::Hold(why));
    }
    let old = memory_of(edit.running.iter().copied(), new);
    let edit_of = EditOf { ledger: bench.ledger, config: edit.config, old, new, now: bench.now };
    let effect = edit_of.effect().await?;
    if !effect.is_over() {
        tracing::info!(event = "config.admitted", integration = %edit.name, %effect);
        return Ok(Verdict::Swap);
    }
    let known = held::of(bench.ledger, edit.name).await?;
    let known = known.filter(|held| held.meaning == effective.meaning && held.expires > bench.now);
    let held = match known {
        Some(held) if held.approval == Approval::Approved && effect.is_what(&held.effect) => {
            carry_out(bench, &edit_of, &held, &effect).await?;
            tracing::info!(event = "config.approved_edit", integration = %edit.name, id = held.id, %effect);
            return Ok(Verdict::Swap);
        }
        Some(held) if held.approval == Approval::Waiting && effect.is_what(&held.effect) => held,
        // A person who said no is not asked again because it does less by now.
        Some(held) if held.approval == Approval::Rejected && effect.no_more_than(&held.effect) => held,
        known => {
            let approved = known.filter(|known| known.approval == Approval::Approved);
            let mut held = HeldEdit::new(edit.name, effective.meaning, effect, bench.now, bench.keep);
            held.approved_before = approved.map(|known| known.effect.to_string());
            held::keep(bench.ledger, &held).await?;
            tracing::warn!(event = "config.held", integration = %edit.name, id = held.id, effect = %held.effect);
            held
        }
    };
    Ok(Verdict::Hold(held.told()))
}

/// A pipeline whose memory another has to go on with cannot run on.
fn still_runs(edit: &Edit<'_>, new: &Integration) -> Option<String> {
    let from = new.pipelines.iter().find_map(|pipeline| {
        let from = pipeline.moved_from.as_ref()?;
        edit.config.pipeline(from).map(|(owner, _)| (from, &owner.name))
    });
    from.map(|(from, owner)| format!("waits for `{owner}`, which goes on with `{from}` as it was"))
}

/// What an approval means for the runs that follow: records that were left out are put aside, and the writes that the
/// edit brings about count as approved.
async fn carry_out(
    bench: Bench<'_>,
    edit_of: &EditOf<'_>,
    held: &HeldEdit,
    effect: &EditEffect,
) -> Result<(), StoreError> {
    if !held.except.is_empty() {
        leave_out_of_edit(edit_of, &held.except).await?;
    }
    let mut changes = Changes::new();
    let of = |found: PipelineEffect| {
        let new = edit_of.new.pipelines.iter().find(|new| new.name == found.pipeline)?;
        Some((found, Arc::clone(new)))
    };
    let found: Vec<(PipelineEffect, Arc<Pipeline>)> = effect.pipelines.iter().cloned().filter_map(of).collect();
    for (found, new) in found {
        let mut state = bench.ledger.pipeline(&found.memory).await?;
        if found.counts.moved > 0 {
            // The person says that the links mean the records of the new account.
            bind(&new, &mut state);
            changes.together(|atomic| atomic.pipeline(&found.memory, &state));
        }
        if state.stage != Stage::Running {
            continue;
        }
        let run = HeldRun {
            id: held.id.clone(),
            pipeline: found.memory.clone(),
            what: Hold::Plan,
            message: None,
            since: bench.now,
            damage: found.damage,
            // What the run meets when it reads is not known here: it is bound to the numbers.
            plan: None,
            guards: Vec::new(),
            earlier: Default::default(),
            config: new.hash,
            except: Vec::new(),
            approval: Approval::Approved,
        };
        changes.together(|atomic| atomic.hold(&run));
    }
    bench.ledger.commit(changes).await?;
    bench.ledger.flush().await
}
