//! Looking at a scenario while it plays: which tiers and conditions its records meet, which fields are written.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use super::{FieldKey, Used, conditions};
use crate::{
    config::{Config, ConnectionName, Content, Field, IntegrationName, Pipeline, PipelineName},
    mapping::{Lookups, Verdict, admit, expand, match_key},
    record::{Projection, RecordId, Side},
    rehearse::system::{System, Written},
    sync::Link,
};

/// Everything there is to look at.
pub(in crate::rehearse) struct Look<'s> {
    pub config: &'s Config,
    pub integrations: &'s [IntegrationName],
    pub systems: &'s BTreeMap<ConnectionName, std::sync::Arc<System>>,
    pub now: DateTime<Utc>,
    pub zone: Tz,
}

/// Records of one end of a pipeline, as it reads them.
type Projections = Vec<(RecordId, Projection)>;

impl Look<'_> {
    fn pipelines(&self) -> impl Iterator<Item = &Pipeline> {
        let integrations = self.integrations.iter().filter_map(|name| self.config.integrations.get(name));
        integrations.flat_map(|integration| &integration.pipelines).map(AsRef::as_ref)
    }

    fn projections(&self, pipeline: &Pipeline, side: Side) -> Projections {
        let end = pipeline.end(side);
        let Some(system) = self.systems.get(&end.connection.name) else { return Vec::new() };
        let mut all = Vec::new();
        for (id, body) in system.all(&end.resource.name) {
            match &end.elements {
                None => all.push((id, end.spec.read(&body))),
                Some(elements) => {
                    let found = expand(elements, &id, &body, |element| end.spec.read(element));
                    all.extend(found.elements.into_iter().map(|element| (element.id, element.read)));
                }
            }
        }
        all
    }

    fn today(&self) -> NaiveDate {
        self.now.with_timezone(&self.zone).date_naive()
    }

    /// Notes what the conditions of filters say of the records that are there.
    pub fn conditions(&self, used: &mut Used) {
        let references = self.references();
        let world = World { references, today: self.today() };
        for pipeline in self.pipelines() {
            for side in Side::BOTH {
                let all = conditions(&pipeline.end(side).filter);
                if all.is_empty() {
                    continue;
                }
                for (id, projection) in self.projections(pipeline, side) {
                    for (index, condition) in all.iter().enumerate() {
                        let said = match admit(condition, &id, &projection, &world) {
                            Verdict::Admitted => true,
                            Verdict::Rejected { .. } => false,
                            Verdict::Unknown { .. } => continue,
                        };
                        used.conditions.insert((pipeline.name.clone(), side, index, said));
                    }
                }
            }
        }
    }

    /// For each pipeline that refers to another: the ids that its source records name, where its own filter admits them.
    fn references(&self) -> BTreeMap<PipelineName, BTreeSet<RecordId>> {
        let mut all: BTreeMap<PipelineName, BTreeSet<RecordId>> = BTreeMap::new();
        for pipeline in self.pipelines() {
            let ids = all.entry(pipeline.name.clone()).or_default();
            let refers = |field: &&Field| matches!(&field.content, Content::Mapped { reference: Some(_), .. });
            let slots: Vec<usize> =
                pipeline.fields.iter().filter(refers).flat_map(|field| field.ends[0].slots.clone()).collect();
            if slots.is_empty() {
                continue;
            }
            let filter = &pipeline.end(Side::Source).filter;
            let alone = World { references: BTreeMap::new(), today: self.today() };
            let mut all = self.projections(pipeline, Side::Source);
            all.retain(|(id, projection)| !matches!(admit(filter, id, projection, &alone), Verdict::Rejected { .. }));
            for (_, projection) in all {
                let named = slots.iter().filter_map(|slot| projection.cell(*slot).as_str().map(RecordId::from));
                ids.extend(named);
            }
        }
        all
    }

    /// Notes the tiers by which records find each other that are not linked yet.
    pub fn tiers(&self, links: &BTreeMap<PipelineName, Vec<Link>>, used: &mut Used) {
        for pipeline in self.pipelines() {
            let linked = links.get(&pipeline.name).map(Vec::as_slice).unwrap_or_default();
            let [source, target] = Side::BOTH.map(|side| {
                let known: BTreeSet<&RecordId> = linked.iter().map(|link| id_of(link, side)).collect();
                let mut all = self.projections(pipeline, side);
                all.retain(|(id, _)| !known.contains(id));
                all
            });
            for (index, tier) in pipeline.tiers.iter().enumerate() {
                let keys = |side: Side, of: &Projections| -> BTreeSet<String> {
                    of.iter().filter_map(|(_, projection)| match_key(tier, side, projection)).collect()
                };
                if !keys(Side::Source, &source).is_disjoint(&keys(Side::Target, &target)) {
                    used.tiers.insert((pipeline.name.clone(), index));
                }
            }
        }
    }

    /// Notes the fields that were written.
    pub fn fields(&self, links: &BTreeMap<PipelineName, Vec<Link>>, used: &mut Used) {
        for pipeline in self.pipelines() {
            let linked = links.get(&pipeline.name).map(Vec::as_slice).unwrap_or_default();
            for side in Side::BOTH.into_iter().filter(|side| pipeline.writes(*side)) {
                let end = pipeline.end(side);
                let Some(system) = self.systems.get(&end.connection.name) else { continue };
                let ids: BTreeSet<&RecordId> = linked.iter().map(|link| id_of(link, side)).collect();
                let own = |write: &&Written| write.resource == end.resource.name && ids.contains(&write.id);
                for write in system.written().iter().filter(own) {
                    let keys = pipeline.fields.iter().flat_map(|field| written_fields(field, side, &write.values));
                    used.fields.extend(keys.map(|key| (pipeline.name.clone(), key, side)));
                }
            }
        }
    }
}

const fn id_of(link: &Link, side: Side) -> &RecordId {
    match side {
        Side::Source => &link.source,
        Side::Target => &link.target,
    }
}

/// The field, or those of its elements, that these values hold.
fn written_fields(field: &Field, side: Side, values: &Value) -> Vec<FieldKey> {
    let paths = &field.end(side).paths;
    match &field.content {
        Content::Mapped { .. } | Content::Constant(_) => {
            let hit = paths.iter().any(|path| path.find(values).is_some());
            hit.then_some((field.id, None)).into_iter().collect()
        }
        Content::Each(each) => {
            let lists = paths.iter().filter_map(|path| path.find(values)?.as_array());
            let items: Vec<&Value> = lists.flatten().collect();
            let hit = |inner: &&Field| {
                let paths = &inner.end(side).paths;
                items.iter().any(|item| paths.iter().any(|path| path.find(item).is_some()))
            };
            each.fields.iter().filter(hit).map(|inner| (field.id, Some(inner.id))).collect()
        }
    }
}

/// What filters may ask, from what is there.
struct World {
    references: BTreeMap<PipelineName, BTreeSet<RecordId>>,
    today: NaiveDate,
}

impl Lookups for World {
    fn linked(&self, _: &PipelineName, _: Side, _: &RecordId) -> Option<RecordId> {
        None
    }

    fn referenced(&self, pipeline: &PipelineName, id: &RecordId) -> Option<bool> {
        Some(self.references.get(pipeline)?.contains(id))
    }

    fn today(&self) -> NaiveDate {
        self.today
    }
}
