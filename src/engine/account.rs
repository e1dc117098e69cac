//! Which accounts the links of a pipeline speak of, and through which versions of their connectors.
//!
//! Ids mean nothing outside of their account. A connection that is pointed at another one (a tenant corrected by hand,
//! a practice system, a copied file) would find none of its linked records, or wrong ones. So a pipeline remembers the
//! accounts of its first run, and under others nothing is read or written for it until a person says that they are the
//! same. A pipeline without a link has nothing to protect: it forgets what it has seen and begins anew.
//!
//! The same goes for the version of a connector: another one may read the same record with other values. A connection
//! that names none (`connector: xero`) stays on the version first used until a person agrees to another; one that does
//! (`xero@2`) says so in the file.

use xxhash_rust::xxh3::xxh3_64;

use super::{EngineError, HeldReport, run::Run};
use crate::{
    config::{Pipeline, PipelineName},
    record::Side,
    store::{Approval, Changes, HeldRun, Hold, PipelineState},
    sync::{Damage, Held},
};

/// The accounts that the connections of a pipeline stand for now: source, target.
fn accounts(pipeline: &Pipeline) -> [String; 2] {
    Side::BOTH.map(|side| pipeline.end(side).connection.account().trim().to_owned())
}

/// A short name for a change of accounts: the same change has the same name.
pub(super) fn hold_id(pipeline: &Pipeline, state: &PipelineState) -> String {
    let known = (&state.accounts, &state.connectors);
    let text = format!("{}:{known:?}:{:?}", pipeline.name, (accounts(pipeline), connectors(pipeline)));
    format!("{:06x}", xxh3_64(text.as_bytes()) & 0xff_ffff)
}

/// What a pipeline speaks through now, with its version (`xero@1`): source, target.
fn connectors(pipeline: &Pipeline) -> [String; 2] {
    Side::BOTH.map(|side| {
        let manifest = &pipeline.end(side).connection.manifest;
        format!("{}@{}", manifest.name, manifest.version)
    })
}

/// Remembers what a pipeline stands for now.
pub(crate) fn bind(pipeline: &Pipeline, state: &mut PipelineState) {
    state.accounts = accounts(pipeline).map(Some);
    state.connectors = connectors(pipeline).map(Some);
}

/// What the links of a pipeline speak of that is another one now: the side, and how that is said.
fn moved(pipeline: &Pipeline, state: &PipelineState) -> Option<(Side, String)> {
    let (accounts, connectors) = (accounts(pipeline), connectors(pipeline));
    let id = hold_id(pipeline, state);
    Side::BOTH.into_iter().find_map(|side| {
        let connection = &pipeline.end(side).connection;
        let (account, connector) = (&accounts[side.index()], &connectors[side.index()]);
        if let Some(known) = state.accounts[side.index()].as_ref().filter(|known| *known != account) {
            let message = format!(
                "its links speak of {known}, and `{}` now stands for {account}; nothing is read or written. If that is the \
                 same account under a new address, `reconciled approve {id}`; if it is another one, put the old one back, \
                 or give the pipeline a new name to begin anew",
                connection.name,
            );
            return Some((side, message));
        }
        let known = state.connectors[side.index()].as_ref().filter(|known| *known != connector && !connection.pinned)?;
        let message = format!(
            "its links were made through {known}, and this program has {connector}; nothing is read or written. Look at \
             what changed between the two; then `reconciled approve {id}`, or say `connector: {connector}` for `{}`, or go \
             back to the program of before",
            connection.name,
        );
        Some((side, message))
    })
}

impl Run<'_> {
    /// Finds the pipelines of this run, and those that would get what it reads, whose links speak of other accounts.
    pub(super) async fn check_accounts(&mut self) -> Result<(), EngineError> {
        let connections = self.connections();
        for (_, pipeline) in self.engine.config.pipelines() {
            let ours = self.pipelines.iter().any(|planned| planned.name == pipeline.name);
            if !ours && !pipeline.ends.iter().any(|end| connections.contains(&end.connection.name)) {
                continue;
            }
            let state = self.state_mut(&pipeline.name).await?.clone();
            let Some((side, message)) = moved(pipeline, &state) else {
                let state = self.state_mut(&pipeline.name).await?;
                if state.connectors != [None, None] && state.connectors != connectors(pipeline).map(Some) {
                    // Another version was asked for: what it reads, it reads in full.
                    state.read = [0, 0];
                }
                bind(pipeline, state);
                if ours && self.engine.ledger.held(&pipeline.name, Hold::Account).await?.is_some() {
                    let mut changes = Changes::new();
                    changes.together(|atomic| atomic.release(&pipeline.name, Hold::Account));
                    self.engine.ledger.commit(changes).await?;
                }
                continue;
            };
            if !self.engine.ledger.has_links(&pipeline.name).await? {
                if ours {
                    self.engine.ledger.forget_unlinked(&pipeline.name).await?;
                    let mut begun = PipelineState::default();
                    bind(pipeline, &mut begun);
                    *self.state_mut(&pipeline.name).await? = begun;
                } else {
                    self.read_nothing_for(&pipeline.name).await?;
                }
                continue;
            }
            self.read_nothing_for(&pipeline.name).await?;
            if ours {
                self.hold_account(pipeline, &state, side, message).await?;
            }
        }
        Ok(())
    }

    /// A pipeline gets nothing of what is read. Its neighbours move the cursors meanwhile: once it gets something again, it
    /// reads everything.
    async fn read_nothing_for(&mut self, name: &PipelineName) -> Result<(), EngineError> {
        self.foreign.insert(name.clone());
        let state = self.state_mut(name).await?;
        if state.read == [0, 0] {
            return Ok(());
        }
        state.read = [0, 0];
        let state = state.clone();
        let mut changes = Changes::new();
        changes.together(|atomic| atomic.pipeline(name, &state));
        Ok(self.engine.ledger.commit(changes).await?)
    }

    async fn hold_account(
        &mut self,
        pipeline: &Pipeline,
        state: &PipelineState,
        side: Side,
        message: String,
    ) -> Result<(), EngineError> {
        let id = hold_id(pipeline, state);
        let connection = &pipeline.end(side).connection;
        tracing::warn!(event = "account.foreign", pipeline = %pipeline.name, connection = %connection.name);
        let old = self.engine.ledger.held(&pipeline.name, Hold::Account).await?.filter(|old| old.id == id);
        let held = HeldRun {
            id: id.clone(),
            pipeline: pipeline.name.clone(),
            what: Hold::Account,
            message: Some(message.clone()),
            since: old.as_ref().map_or_else(|| self.engine.clock.now(), |old| old.since),
            damage: Damage::default(),
            earlier: [Damage::default(); 2],
            guards: vec![Held { guard: "account".to_owned(), count: state.links, allowed: 0 }],
            config: pipeline.hash,
            plan: None,
            except: Vec::new(),
            approval: old.map_or(Approval::Waiting, |old| old.approval),
        };
        let mut changes = Changes::new();
        changes.together(|atomic| atomic.hold(&held));
        self.engine.ledger.commit(changes).await?;
        let (guards, damage) = (held.guards, held.damage);
        let report = HeldReport { id, guards, damage, earlier: damage, message: Some(message) };
        self.report_of(&pipeline.name).held = Some(report);
        Ok(())
    }
}
