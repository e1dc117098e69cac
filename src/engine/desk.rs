//! The person's part: looking at what is remembered, and deciding what only a person can.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    Engine,
    elements::{readings, record_to_read},
    plan::{field_name, second_writer},
};
use crate::{
    config::{IntegrationName, Pipeline, PipelineName},
    connector::{CallError, WriteKind},
    record::{Cell, RecordId, Side},
    store::{Changes, Due, Ledger, RunRecord, StoreError},
    sync::{Born, Context, Fresh, Link, ParkCode, Why, decide_link, link_matched},
};

mod approve;
mod around;
mod find;
mod history;
mod named;
mod status;

pub use around::{Behind, ParkedItem};
pub use find::{Explanation, FieldExplanation, Whereabouts};
pub use history::BeforeImage;
pub(super) use named::two_of_them;
pub(crate) use named::{meant, on_side};
pub use status::{IntegrationStatus, PipelineStatus};

/// Why a person's request could not be carried out.
#[derive(Debug, Error)]
pub enum DeskError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A remote failed.
    #[error("{connection} did not answer")]
    Remote {
        /// The connection.
        connection: String,
        /// What it said.
        #[source]
        source: CallError,
    },
    /// What was named does not exist.
    #[error("{0}")]
    NoSuch(String),
    /// It exists but does not allow what was asked.
    #[error("{0}")]
    NotPossible(String),
}

/// A field whose sides disagree, for a person to decide.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConflictItem {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The link's source id.
    pub source: RecordId,
    /// The link's target id.
    pub target: RecordId,
    /// Name for people.
    pub label: String,
    /// The field.
    pub field: String,
    /// The value on the source.
    pub source_value: Cell,
    /// The value on the target.
    pub target_value: Cell,
    /// Why it is not settled.
    pub message: String,
}

/// What came of looking at parked entries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// Entries that the next run looks at again.
    pub entries: usize,
    /// Fields that stay as they are: a person took them back or left them out, and only a choice ends that.
    pub kept: usize,
}

/// Looks and decides for people.
pub struct Desk<'e> {
    engine: &'e Engine,
}

impl<'e> Desk<'e> {
    /// A desk on this engine.
    #[must_use]
    pub const fn new(engine: &'e Engine) -> Self {
        Self { engine }
    }

    fn pipeline(&self, name: &PipelineName) -> Result<&'e Pipeline, DeskError> {
        match self.engine.config.pipeline(name) {
            Some((_, pipeline)) => Ok(pipeline),
            None => Err(DeskError::NoSuch(format!("there is no pipeline named `{name}`"))),
        }
    }

    /// What is parked, of one pipeline or of all.
    ///
    /// # Errors
    ///
    /// When the store fails or the pipeline does not exist.
    pub async fn parked(&self, only: Option<&PipelineName>) -> Result<Vec<ParkedItem>, DeskError> {
        let mut items = Vec::new();
        for (_, pipeline) in self.engine.config.pipelines().filter(|(_, p)| only.is_none_or(|name| p.name == *name)) {
            let mut after = None;
            loop {
                let (page, next) = self.engine.ledger.list_parked(&pipeline.name, after.as_ref()).await?;
                for (side, id, parked) in page {
                    items.extend(parked.into_iter().map(|parked| ParkedItem {
                        pipeline: pipeline.name.clone(),
                        side,
                        id: id.clone(),
                        remedy: parked.code.remedy().to_owned(),
                        parked,
                        linked_with: None,
                        behind: Vec::new(),
                        more_behind: 0,
                    }));
                }
                match next {
                    Some(key) => after = Some(key),
                    None => break,
                }
            }
        }
        Ok(items)
    }

    /// Has a parked record looked at in the next run, or every one of a pipeline. What a person took back or left out
    /// stays: it would be written, and whoever did that has said that it shall not.
    ///
    /// # Errors
    ///
    /// When the store fails, nothing of that id is parked, or both sides have a parked record of that id.
    pub async fn retry(&self, name: &PipelineName, id: Option<&RecordId>) -> Result<Retried, DeskError> {
        self.pipeline(name)?;
        let parked = match id {
            Some(id) => self.parked_of(name, id).await?,
            None => self.parked(Some(name)).await?,
        };
        if parked.is_empty() {
            return Err(DeskError::NoSuch(format!("nothing is parked in {name} under that id")));
        }
        let at = self.engine.clock.now();
        let (mut changes, mut retried) = (Changes::new(), Retried { entries: 0, kept: 0 });
        let mut unknown = [Vec::new(), Vec::new()];
        for item in &parked {
            if item.parked.code.by_a_person() {
                retried.kept += 1;
                continue;
            }
            retried.entries += 1;
            let due = Due { at, why: "retried by hand".to_owned() };
            changes.together(|atomic| atomic.due(name, item.side, &item.id, &due));
            self.forget_park(&mut changes, name, item).await?;
            if item.parked.code == ParkCode::Unknown {
                unknown[item.side.index()].push(item.id.clone());
            }
        }
        for side in Side::BOTH {
            self.close_unknown(&mut changes, self.pipeline(name)?, side, &unknown[side.index()]).await?;
        }
        self.commit(changes).await?;
        Ok(retried)
    }

    /// A field stays parked while its values stay the same; a person who asks for a retry means it all the same.
    async fn forget_park(
        &self,
        changes: &mut Changes,
        name: &PipelineName,
        item: &ParkedItem,
    ) -> Result<(), DeskError> {
        if let Some(mut link) = self.engine.ledger.link(name, item.side, &item.id).await? {
            for state in link.fields.values_mut() {
                state.parked.take_if(|park| !park.code.by_a_person());
            }
            link.undeleted = None;
            link.revision += 1;
            changes.together(|atomic| atomic.relink(name, &link));
        }
        Ok(())
    }

    /// Keeps a parked record off the list until its trouble changes.
    ///
    /// # Errors
    ///
    /// When the store fails, nothing of that id is parked, or both sides have a parked record of that id.
    pub async fn ignore(&self, name: &PipelineName, id: &RecordId) -> Result<(), DeskError> {
        self.pipeline(name)?;
        let places: BTreeSet<(Side, RecordId)> =
            self.parked_of(name, id).await?.into_iter().map(|item| (item.side, item.id)).collect();
        if places.is_empty() {
            return Err(DeskError::NoSuch(format!("{id} is not parked in {name}")));
        }
        let mut changes = Changes::new();
        for (side, id) in &places {
            let mut parked = self.engine.ledger.parked(name, *side, id).await?;
            for entry in &mut parked {
                entry.ignored = true;
            }
            changes.together(|atomic| atomic.park(name, *side, id, &parked));
        }
        self.commit(changes).await
    }

    /// Fields whose sides disagree.
    ///
    /// # Errors
    ///
    /// When the store fails or the pipeline does not exist.
    pub async fn conflicts(&self, only: Option<&PipelineName>) -> Result<Vec<ConflictItem>, DeskError> {
        let mut items = Vec::new();
        for parked in self.parked(only).await?.into_iter().filter(|item| item.parked.field.is_some()) {
            let pipeline = self.pipeline(&parked.pipeline)?;
            let Some(link) = self.engine.ledger.link(&parked.pipeline, parked.side, &parked.id).await? else {
                continue;
            };
            for (id, state) in &link.fields {
                let Some(park) = &state.parked else { continue };
                let name = field_name(pipeline, *id);
                if parked.parked.field.as_ref() != Some(&name) {
                    continue;
                }
                items.push(ConflictItem {
                    pipeline: parked.pipeline.clone(),
                    source: link.source.clone(),
                    target: link.target.clone(),
                    label: link.label.clone(),
                    field: name,
                    source_value: state.present(Side::Source).cloned().unwrap_or_default(),
                    target_value: state.present(Side::Target).cloned().unwrap_or_default(),
                    message: park.message.clone(),
                });
            }
        }
        Ok(items)
    }

    /// Decides that one side's value wins, for one field of a record or for all that are parked.
    ///
    /// # Errors
    ///
    /// When the store fails, there is no such conflict, or both sides have a linked record of that id.
    pub async fn resolve(
        &self,
        name: &PipelineName,
        id: &RecordId,
        field: Option<&str>,
        winner: Side,
    ) -> Result<usize, DeskError> {
        let pipeline = self.pipeline(name)?;
        let mut link = self.linked(name, id).await?;
        let mut resolved = 0;
        for (field_id, state) in &mut link.fields {
            let wanted = field.is_none_or(|wanted| field_name(pipeline, *field_id) == wanted);
            if state.parked.is_some() && wanted {
                state.parked = None;
                state.winner = Some(winner);
                resolved += 1;
            }
        }
        if resolved == 0 {
            return Err(DeskError::NoSuch(format!("{id} has no parked field of that name in {name}")));
        }
        link.revision += 1;
        let due = Due { at: self.engine.clock.now(), why: format!("a person chose the {winner}") };
        let mut changes = Changes::new();
        changes.together(|atomic| {
            atomic.relink(name, &link);
            atomic.due(name, Side::Source, &link.source, &due);
        });
        self.commit(changes).await?;
        Ok(resolved)
    }

    /// Links two records by hand. Both are read now; what differs follows the pipeline's `differences`.
    ///
    /// # Errors
    ///
    /// When the store or a remote fails, a record does not exist, or one of them is linked already.
    pub async fn add_link(&self, name: &PipelineName, source: &RecordId, target: &RecordId) -> Result<Link, DeskError> {
        let pipeline = self.pipeline(name)?;
        for (side, id) in [(Side::Source, source), (Side::Target, target)] {
            if let Some(link) = self.engine.ledger.link(name, side, id).await? {
                return Err(DeskError::NotPossible(format!(
                    "{id} is linked with {} already; remove that link first: links remove {name} {}",
                    link.id(side.other()),
                    link.source
                )));
            }
        }
        if let Some(finding) = second_writer(&self.engine.ledger, pipeline, [Some(source), Some(target)]).await? {
            return Err(DeskError::NotPossible(format!("{}; {}", finding.message, ParkCode::TwoWriters.remedy())));
        }
        let source = self.read(pipeline, Side::Source, source).await?;
        let target = self.read(pipeline, Side::Target, target).await?;
        let nothing = super::lookups::Known::default();
        let context = Context { pipeline, lookups: &nothing, now: self.engine.clock.now() };
        let mut link = link_matched(&context, &source.observation, &target.observation, Born::ByHand);
        super::deliver::note_keys(pipeline, &mut link, &target.observation.projection);
        let mut state = self.engine.ledger.pipeline(name).await?;
        state.links += 1;
        let due = Due { at: self.engine.clock.now(), why: "linked by hand".to_owned() };
        let mut changes = Changes::new();
        self.wake(&mut changes, name, &link).await?;
        changes.together(|atomic| {
            atomic.link(name, &link);
            atomic.may_join(name, &link);
            for (side, fresh) in [(Side::Source, &source), (Side::Target, &target)] {
                let id = &fresh.observation.id;
                atomic.forget_fresh(name, side, id);
                atomic.unpark(name, side, id);
                atomic.done(name, side, id);
                let keys = super::deliver::keys_of(pipeline, side, &fresh.observation.projection);
                let kept: &[(usize, String)] = if side == Side::Target { &keys } else { &[] };
                super::deliver::reindex(atomic, name, side, id, &keys, kept);
                super::deliver::reindex(atomic, name, side, id, &[], kept);
            }
            atomic.due(name, Side::Source, &link.source, &due);
            atomic.pipeline(name, &state);
        });
        for side in Side::BOTH {
            self.close_unknown(&mut changes, pipeline, side, std::slice::from_ref(link.id(side))).await?;
        }
        self.commit(changes).await?;
        Ok(link)
    }

    /// Has whoever waited for this link looked at by the next run.
    async fn wake(&self, changes: &mut Changes, name: &PipelineName, link: &Link) -> Result<(), DeskError> {
        for side in Side::BOTH {
            let waiting = self.engine.ledger.waiting_for(name, link.id(side)).await?;
            let due = Due { at: self.engine.clock.now(), why: format!("{} is linked now", link.label) };
            for (waiting_name, waiting_side, id) in &waiting {
                changes.together(|atomic| atomic.due(waiting_name, *waiting_side, id, &due));
            }
            Ledger::forget_waits(changes, (name, link.id(side)), &waiting);
        }
        Ok(())
    }

    /// A person knows what became of creates that nobody else could find out: their intents need not be kept open for them.
    async fn close_unknown(
        &self,
        changes: &mut Changes,
        pipeline: &Pipeline,
        side: Side,
        ids: &[RecordId],
    ) -> Result<(), DeskError> {
        if ids.is_empty() {
            return Ok(());
        }
        let connection = &pipeline.end(side.other()).connection.name;
        for (number, mut intent) in self.engine.ledger.intents(connection).await? {
            if intent.pipeline != pipeline.name || intent.side == side || intent.call.kind != WriteKind::Create {
                continue;
            }
            let mut open = intent.items.iter_mut().filter(|item| !item.done && ids.contains(&item.origin)).peekable();
            if open.peek().is_none() {
                continue;
            }
            open.for_each(|item| item.done = true);
            changes.together(|atomic| {
                if intent.items.iter().all(|item| item.done) {
                    atomic.close_intent(connection, &number);
                } else {
                    atomic.intent(&number, &intent);
                }
            });
        }
        Ok(())
    }

    /// Dissolves a link; both records stay as they are.
    ///
    /// # Errors
    ///
    /// When the store fails, there is no such link, or each side has a linked record of that id.
    pub async fn remove_link(&self, name: &PipelineName, id: &RecordId) -> Result<Link, DeskError> {
        let pipeline = self.pipeline(name)?;
        let link = self.linked(name, id).await?;
        let mut state = self.engine.ledger.pipeline(name).await?;
        state.links = state.links.saturating_sub(1);
        // Both records must be read again before they can be matched anew.
        state.read = [0, 0];
        let keys = super::deliver::keys_of_linked(pipeline, &link);
        let mut changes = Changes::new();
        changes.together(|atomic| {
            atomic.unlink(name, &link);
            atomic.keep_apart(name, &link);
            atomic.unpark(name, Side::Source, &link.source);
            atomic.done(name, Side::Source, &link.source);
            super::deliver::reindex(atomic, name, Side::Target, &link.target, &keys, &[]);
            atomic.pipeline(name, &state);
        });
        self.commit(changes).await?;
        Ok(link)
    }

    /// The links of a pipeline.
    ///
    /// # Errors
    ///
    /// When the store fails or the pipeline does not exist.
    pub async fn links(&self, name: &PipelineName) -> Result<Vec<Link>, DeskError> {
        self.pipeline(name)?;
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let (page, next) = self.engine.ledger.list_links(name, after.as_ref()).await?;
            all.extend(page);
            match next {
                Some(key) => after = Some(key),
                None => return Ok(all),
            }
        }
    }

    /// The last runs of an integration, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn runs(&self, integration: &IntegrationName, limit: usize) -> Result<Vec<RunRecord>, DeskError> {
        Ok(self.engine.ledger.runs(integration, limit).await?)
    }

    async fn read(&self, pipeline: &Pipeline, side: Side, id: &RecordId) -> Result<Fresh, DeskError> {
        let end = pipeline.end(side);
        let connection = end.connection.name.to_string();
        let connector = self.engine.connectors.get(&end.connection.name).ok_or_else(|| {
            DeskError::NotPossible(format!("connection `{connection}` cannot be used: its configuration has errors"))
        })?;
        let record = connector
            .get(&end.resource, &record_to_read(end, id))
            .await
            .map_err(|source| DeskError::Remote { connection: connection.clone(), source })?
            .ok_or_else(|| DeskError::NoSuch(format!("{connection}/{} has no record {id}", end.resource.name)))?;
        let (found, _) = readings(pipeline, side, std::slice::from_ref(&record), chrono::TimeDelta::zero());
        let observation = found.into_iter().find(|seen| end.elements.is_none() || seen.id == *id);
        let observation = observation.ok_or_else(|| {
            DeskError::NoSuch(format!("{} of {connection}/{} has no element {id}", record.label, end.resource.name))
        })?;
        Ok(Fresh::new(observation, end.spec_hash))
    }

    async fn commit(&self, changes: Changes) -> Result<(), DeskError> {
        self.engine.ledger.commit(changes).await?;
        Ok(self.engine.ledger.flush().await?)
    }

    /// What would be decided about a link now, in sentences.
    fn next_steps(&self, pipeline: &Pipeline, link: &Link) -> Vec<String> {
        let nothing = super::lookups::Known::default();
        let context = Context { pipeline, lookups: &nothing, now: self.engine.clock.now() };
        let decision = decide_link(&context, link);
        let deletions = decision.writes.iter().filter(|write| write.delete).map(|write| {
            let why = Why::Deleted(write.side.other());
            format!("it will be deleted on the {}: {why}", write.side)
        });
        let writes = decision.writes.iter().filter(|write| !write.delete).flat_map(|write| {
            let side = write.side;
            write.fields.iter().map(move |field| {
                format!("{} will be written to the {side}: {}", field_name(pipeline, field.field), field.why)
            })
        });
        let findings = decision.findings.iter().map(|finding| match &finding.field {
            Some(field) => format!("{field}: {}", finding.message),
            None => finding.message.clone(),
        });
        deletions.chain(writes).chain(findings).collect()
    }
}
