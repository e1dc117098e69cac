//! What became of records, at the end of a run: whoever handed them over in a file is told, and posts that are old and settled
//! are removed.

use super::{EngineError, pull::ResourceKey, run::Run};
use crate::{
    config::Pipeline,
    connector::{Connector, Outcome, Resource, Standing},
    mapping::{Verdict, prefix},
    record::{RecordId, Side},
    store::Parked,
    sync::{Fresh, Link},
};

/// How a record, or an element of it, stands in a pipeline.
struct Stands {
    id: RecordId,
    standing: Standing,
    message: String,
    /// Nothing more is to be done with it unless it changes.
    rests: bool,
}

impl Run<'_> {
    /// Tells the connectors that what was listed in this run is remembered, and those who asked what became of it.
    pub(super) async fn tell_settled(&self) -> Result<(), EngineError> {
        for key in self.pulled.keys() {
            let connector = self.connector(&key.0)?;
            let Some(resource) = connector.resource(&key.1) else { continue };
            let mut outcomes = Vec::new();
            for of in connector.to_tell(resource) {
                for (pipeline, side) in self.users(key) {
                    let told = |stands: Stands| Outcome {
                        of: of.clone(),
                        id: stands.id,
                        pipeline: pipeline.name.to_string(),
                        standing: stands.standing,
                        message: stands.message,
                    };
                    outcomes.extend(self.standings(pipeline, side, &of).await?.into_iter().map(told));
                }
            }
            connector.settled(resource, &outcomes).await;
            self.remove_old_posts(key, connector.as_ref(), resource).await?;
        }
        Ok(())
    }

    /// The pipelines that have a resource at an end, of whatever integration.
    fn users(&self, (connection, resource): &ResourceKey) -> Vec<(&Pipeline, Side)> {
        let ends =
            self.engine.config.pipelines().flat_map(|(_, pipeline)| Side::BOTH.map(move |side| (&**pipeline, side)));
        let is_end = |(pipeline, side): &(&Pipeline, Side)| {
            let end = pipeline.end(*side);
            end.connection.name == *connection && end.resource.name == *resource
        };
        ends.filter(is_end).collect()
    }

    /// How a record stands in a pipeline, or each of its elements; nothing where the pipeline knows nothing of it.
    async fn standings(&self, pipeline: &Pipeline, side: Side, id: &RecordId) -> Result<Vec<Stands>, EngineError> {
        let ledger = &self.engine.ledger;
        let (mut links, mut unlinked) = (Vec::new(), Vec::new());
        if pipeline.end(side).elements.is_some() {
            let begin = prefix(id);
            links = ledger.links_under(&pipeline.name, &begin).await?;
            unlinked = ledger.fresh_under(&pipeline.name, side, &begin).await?;
        } else if let Some(link) = ledger.link(&pipeline.name, side, id).await? {
            links.push(link);
        } else {
            unlinked.extend(ledger.fresh(&pipeline.name, side, std::slice::from_ref(id)).await?.into_iter().flatten());
        }
        let mut found = Vec::with_capacity(links.len() + unlinked.len());
        for link in &links {
            found.push(self.of_link(pipeline, side, link).await?);
        }
        for fresh in &unlinked {
            found.push(self.of_unlinked(pipeline, side, fresh).await?);
        }
        Ok(found)
    }

    async fn of_link(&self, pipeline: &Pipeline, side: Side, link: &Link) -> Result<Stands, EngineError> {
        let ledger = &self.engine.ledger;
        let parked = ledger.parked(&pipeline.name, Side::Source, &link.source).await?;
        let mut due = None;
        for side in Side::BOTH {
            due = due.or(ledger.due(&pipeline.name, side, link.id(side)).await?);
        }
        let (standing, message) = match &due {
            _ if !parked.is_empty() => (Standing::Parked, told(&parked)),
            Some(due) => (Standing::Waiting, due.why.clone()),
            None => (Standing::Linked, link.id(side.other()).to_string()),
        };
        Ok(Stands { id: link.id(side).clone(), standing, message, rests: standing == Standing::Linked })
    }

    async fn of_unlinked(&self, pipeline: &Pipeline, side: Side, fresh: &Fresh) -> Result<Stands, EngineError> {
        let seen = &fresh.observation;
        let parked = self.engine.ledger.parked(&pipeline.name, side, &seen.id).await?;
        let due = self.engine.ledger.due(&pipeline.name, side, &seen.id).await?;
        // Who may be let in by a reference is not left out for good.
        let out = due.is_none() && pipeline.referenced_by.is_empty();
        let stands = |standing, message| {
            let rests = standing == Standing::LeftOut && out;
            Stands { id: seen.id.clone(), standing, message, rests }
        };
        if !parked.is_empty() {
            return Ok(stands(Standing::Parked, told(&parked)));
        }
        if fresh.spec_hash != pipeline.end(side).spec_hash {
            return Ok(stands(Standing::Waiting, "to be read again: the configuration was edited".to_owned()));
        }
        Ok(match (self.verdict(pipeline, side, seen).await?, &due) {
            (Verdict::Rejected { reason, .. }, _) => stands(Standing::LeftOut, reason),
            (Verdict::Unknown { waits_for }, _) => {
                stands(Standing::Waiting, format!("for {waits_for} to be read in full"))
            }
            (Verdict::Admitted, Some(due)) => stands(Standing::Waiting, due.why.clone()),
            (Verdict::Admitted, None) => {
                let ask = format!("`reconciled explain {} {}` says for what", pipeline.name, seen.id);
                stands(Standing::Waiting, ask)
            }
        })
    }

    /// Removes posts that are older than their resource keeps them and that nobody will want again. Looked for when everything is
    /// read anyway.
    async fn remove_old_posts(
        &self,
        key: &ResourceKey,
        connector: &dyn Connector,
        resource: &Resource,
    ) -> Result<(), EngineError> {
        let in_full = self.pulled.get(key).is_some_and(|pulled| pulled.full);
        let Some(inbox) = connector.inbox().filter(|_| in_full && self.busy.is_empty()) else {
            return Ok(());
        };
        let mut after = None;
        loop {
            let (aged, next) = inbox.aged(resource, after.as_deref()).await?;
            let mut settled = Vec::new();
            for id in aged {
                if self.is_settled(key, &id).await? {
                    settled.push(id);
                }
            }
            if !settled.is_empty() {
                inbox.remove(resource, &settled).await?;
                tracing::info!(event = "inbox.removed", connection = %key.0, resource = %key.1, posts = settled.len());
            }
            match next {
                Some(place) => after = Some(place),
                None => return Ok(()),
            }
        }
    }

    /// Whether a record is linked and at rest, or left out for good, in every pipeline that could use it.
    async fn is_settled(&self, key: &ResourceKey, id: &RecordId) -> Result<bool, EngineError> {
        let users = self.users(key);
        for (pipeline, side) in &users {
            let standings = self.standings(pipeline, *side, id).await?;
            if standings.is_empty() && pipeline.end(*side).elements.is_none() {
                return Ok(false);
            }
            if !standings.iter().all(|stands| stands.rests) {
                return Ok(false);
            }
        }
        Ok(!users.is_empty())
    }
}

/// What is parked of a record, in one text.
fn told(parked: &[Parked]) -> String {
    let one = |parked: &Parked| match &parked.field {
        Some(field) => format!("{field}: {}", parked.message),
        None => parked.message.clone(),
    };
    parked.iter().map(one).collect::<Vec<_>>().join("; ")
}
