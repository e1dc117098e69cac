//! Recording: what the next sync of a real integration is about to do, as a scenario with stand-ins for what records say.
//!
//! 1. [`gather`] takes the records that a plan is about, and those that they need: counterparts, references, and who refers to
//!    them. Each as it is now, and (`before`) as it was when both sides last agreed.
//! 2. `redact` puts stand-ins in place of texts and ids: the same one for the same, and of the same shape.
//! 3. [`told_as_test`] writes it down (`text`): what was there before is given, what happened since are steps, and what a sync
//!    does about it between systems in memory is what it expects.
//!
//! Nothing is written to any system, and nothing is remembered.

mod before;
mod redact;
mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde_json::Value;

pub use text::{Told, told_as_test};

use crate::{
    config::{Config, ConnectionName, Content, End, Integration, Pipeline, PipelineName},
    connector::{CallError, Connector, PullCursor, Resource},
    engine::{Connectors, PipelineReport},
    mapping::parent_of,
    record::{RecordId, Side},
    sync::{FindingKind, Link},
};

/// A resource of a connection.
type Place = (ConnectionName, String);

/// A record of a recording.
#[derive(Clone, Debug)]
struct Stood {
    /// As it was when both sides last agreed; `None` if it is in no link.
    before: Option<Value>,
    /// As it is now; `None` if it is gone.
    now: Option<Value>,
}

/// What a sync is about to work on.
#[derive(Clone, Debug)]
pub struct Recorded {
    integration: Arc<Integration>,
    at: DateTime<Utc>,
    records: BTreeMap<Place, BTreeMap<RecordId, Stood>>,
    resources: BTreeMap<Place, Arc<Resource>>,
    links: Vec<(PipelineName, RecordId, RecordId)>,
    /// What the plan would do beyond it, because there was a limit.
    pub left_out: usize,
}

impl Recorded {
    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.values().map(BTreeMap::len).sum()
    }

    /// Whether there are none: nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A record could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {source}")]
pub struct Unreadable {
    place: String,
    #[source]
    source: CallError,
}

/// What is to be recorded, and from where.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// Everything that may run.
    pub config: &'a Config,
    /// What is recorded.
    pub integration: &'a Arc<Integration>,
    /// What it is about to do.
    pub plan: &'a [PipelineReport],
    /// What is linked.
    pub links: &'a BTreeMap<PipelineName, Vec<Link>>,
    /// Where records are read.
    pub connectors: &'a Connectors,
}

impl std::fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sources").field(&self.integration.name).finish()
    }
}

/// Reads what the first `limit` items of a plan are about, and everything that those records need.
///
/// # Errors
///
/// When a record cannot be read.
pub async fn gather(sources: Sources<'_>, at: DateTime<Utc>, limit: usize) -> Result<Recorded, Unreadable> {
    let mut reading = Reading::new(sources);
    let left_out = reading.begin(limit);
    while let Some(next) = reading.todo.pop() {
        if reading.met.insert(next.clone()) {
            reading.take(&next.0, next.1).await?;
        }
    }
    let (records, resources) = (reading.found, reading.resources);
    let there = |end: &End, id: &RecordId| {
        let place = (end.connection.name.clone(), end.resource.name.clone());
        end.elements.is_none() && records.get(&place).is_some_and(|known| known.contains_key(id))
    };
    let mut links = Vec::new();
    for pipeline in &sources.integration.pipelines {
        for link in sources.links.get(&pipeline.name).into_iter().flatten() {
            if Side::BOTH.into_iter().all(|side| there(pipeline.end(side), link.id(side))) {
                links.push((pipeline.name.clone(), link.source.clone(), link.target.clone()));
            }
        }
    }
    Ok(Recorded { integration: Arc::clone(sources.integration), at, records, resources, links, left_out })
}

/// Records are read until nothing is lacking.
struct Reading<'a> {
    sources: Sources<'a>,
    found: BTreeMap<Place, BTreeMap<RecordId, Stood>>,
    /// Resources that were read as a whole.
    listed: BTreeMap<Place, BTreeMap<RecordId, Value>>,
    todo: Vec<(Place, RecordId)>,
    /// What was looked for, whether it is there or not.
    met: BTreeSet<(Place, RecordId)>,
    resources: BTreeMap<Place, Arc<Resource>>,
}

fn place_of(end: &End) -> Place {
    (end.connection.name.clone(), end.resource.name.clone())
}

impl<'a> Reading<'a> {
    fn new(sources: Sources<'a>) -> Self {
        Self {
            sources,
            found: BTreeMap::new(),
            listed: BTreeMap::new(),
            todo: Vec::new(),
            met: BTreeSet::new(),
            resources: BTreeMap::new(),
        }
    }

    fn want(&mut self, end: &End, id: &RecordId) {
        let id = end.elements.as_ref().and_then(|_| parent_of(id)).unwrap_or_else(|| id.clone());
        self.todo.push((place_of(end), id));
    }

    fn pipelines(&self) -> impl Iterator<Item = &'a Pipeline> + use<'a> {
        self.sources.integration.pipelines.iter().map(AsRef::as_ref)
    }

    fn pipeline(&self, name: &PipelineName) -> Option<&'a Pipeline> {
        self.pipelines().find(|pipeline| pipeline.name == *name)
    }

    /// What the plan is about; gives how much of it is left out.
    fn begin(&mut self, limit: usize) -> usize {
        let (mut taken, mut all) = (0, 0);
        for report in self.sources.plan {
            let Some(pipeline) = self.pipeline(&report.pipeline) else { continue };
            // Without them nothing is sent at all.
            let connection = &pipeline.end(Side::Target).connection.name;
            let known = pipeline.known.iter();
            self.todo.extend(known.map(|known| ((connection.clone(), known.resource.name.clone()), known.id.clone())));
            for item in &report.items {
                all += 1;
                if taken < limit {
                    taken += 1;
                    self.want(pipeline.end(item.side.other()), &item.origin);
                    if let Some(id) = &item.id {
                        self.want(pipeline.end(item.side), id);
                    }
                }
            }
            for finding in &report.findings {
                if matches!(finding.kind, FindingKind::Parked(_)) && taken < limit {
                    taken += 1;
                    self.want(pipeline.end(finding.side), &finding.id);
                }
            }
        }
        all.max(taken) - taken
    }

    /// Takes a record in, with what it is linked with, refers to, and is referred to by.
    async fn take(&mut self, place: &Place, id: RecordId) -> Result<(), Unreadable> {
        let now = self.read(place, &id).await?;
        let mut linked = Vec::new();
        for pipeline in self.pipelines() {
            for side in Side::BOTH {
                let end = pipeline.end(side);
                if place_of(end) != *place {
                    continue;
                }
                let links = self.sources.links.get(&pipeline.name).into_iter().flatten();
                for link in links.filter(|link| end.elements.is_none() && *link.id(side) == id) {
                    linked.push((pipeline, side, link));
                    self.want(pipeline.end(side.other()), link.id(side.other()));
                }
                if let Some(body) = &now {
                    self.refers_to(pipeline, side, body);
                }
                if side == Side::Source {
                    for name in &pipeline.referenced_by {
                        self.is_referred_to(name, &pipeline.name, &id).await?;
                    }
                }
            }
        }
        let before = before::before(&linked, &id, now.as_ref());
        if now.is_some() || before.is_some() {
            self.found.entry(place.clone()).or_default().insert(id, Stood { before, now });
        }
        Ok(())
    }

    /// Records that this one names in reference fields.
    fn refers_to(&mut self, pipeline: &Pipeline, side: Side, body: &Value) {
        let projection = pipeline.end(side).spec.read(body);
        for field in &pipeline.fields {
            let Content::Mapped { reference: Some(reference), .. } = &field.content else { continue };
            let Some(other) = self.pipeline(&reference.pipeline) else { continue };
            for slot in &field.end(side).slots {
                if let Some(id) = projection.cell(*slot).as_str().filter(|id| !id.is_empty()) {
                    self.want(other.end(reference.side(side)), &RecordId::from(id));
                }
            }
        }
    }

    /// The first record of a pipeline's source that names this one: without it a filter would not let it in.
    async fn is_referred_to(&mut self, by: &PipelineName, of: &PipelineName, id: &RecordId) -> Result<(), Unreadable> {
        let Some(pipeline) = self.pipeline(by) else { return Ok(()) };
        let end = pipeline.end(Side::Source);
        self.list(&place_of(end), &end.resource).await?;
        let names = |body: &Value| {
            let projection = end.spec.read(body);
            pipeline.fields.iter().any(|field| {
                matches!(&field.content, Content::Mapped { reference: Some(to), .. } if to.pipeline == *of)
                    && field
                        .end(Side::Source)
                        .slots
                        .iter()
                        .any(|slot| projection.cell(*slot).as_str() == Some(id.as_str()))
            })
        };
        let listed = self.listed.get(&place_of(end)).into_iter().flatten();
        let who: Vec<RecordId> = listed.filter(|(_, body)| names(body)).map(|(id, _)| id.clone()).take(1).collect();
        for who in &who {
            self.want(end, who);
        }
        Ok(())
    }

    async fn read(&mut self, place: &Place, id: &RecordId) -> Result<Option<Value>, Unreadable> {
        let Some(resource) = self.resource(place) else { return Ok(None) };
        if let Some(listed) = self.listed.get(place) {
            return Ok(listed.get(id).cloned());
        }
        if resource.get.is_none() && resource.list.is_some() {
            self.list(place, &resource).await?;
            return Ok(self.listed.get(place).and_then(|listed| listed.get(id).cloned()));
        }
        let found = self.connector(place)?.get(&resource, id).await;
        let found = found.map_err(|source| Unreadable { place: format!("{}/{}/{id}", place.0, place.1), source })?;
        Ok(found.map(|record| record.body))
    }

    fn connector(&self, place: &Place) -> Result<&'a Arc<dyn Connector>, Unreadable> {
        // What cannot be read must not look as if it were gone.
        let lacking = || CallError::NotDone("the connection cannot be used here".to_owned());
        let found = self.sources.connectors.get(&place.0);
        found.ok_or_else(|| Unreadable { place: format!("{}/{}", place.0, place.1), source: lacking() })
    }

    fn resource(&mut self, place: &Place) -> Option<Arc<Resource>> {
        let connection = self.sources.config.connections.get(&place.0)?;
        let found = Arc::clone(connection.manifest.resources.get(&place.1)?);
        Some(Arc::clone(self.resources.entry(place.clone()).or_insert(found)))
    }

    /// Reads a resource as a whole, once.
    async fn list(&mut self, place: &Place, resource: &Resource) -> Result<(), Unreadable> {
        if self.listed.contains_key(place) {
            return Ok(());
        }
        let connector = Arc::clone(self.connector(place)?);
        let mut all = BTreeMap::new();
        let mut cursor = PullCursor { since: None, page: None };
        let mut seen = BTreeSet::new();
        loop {
            let page = connector.pull(resource, &cursor).await;
            let page = page.map_err(|source| Unreadable { place: format!("{}/{}", place.0, place.1), source })?;
            all.extend(
                page.records.into_iter().filter(|record| !record.body.is_null()).map(|record| (record.id, record.body)),
            );
            match page.next {
                // A listing that leads back to where it was ends.
                Some(next) if seen.insert(next.clone()) => cursor.page = Some(next),
                _ => break,
            }
        }
        self.listed.insert(place.clone(), all);
        Ok(())
    }
}
