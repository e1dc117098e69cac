//! What the pure core may know of other records, fetched before a chunk is decided.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::{
    config::{Pipeline, PipelineName, Reference},
    mapping::{Lookups, referred, referred_in},
    record::{Projection, RecordId, Side},
    store::{Ledger, PipelineState, StoreError},
    sync::Link,
};

/// Answers for one chunk.
#[derive(Debug, Default)]
pub(super) struct Known {
    linked: HashMap<(PipelineName, Side, RecordId), RecordId>,
    referenced: HashMap<(PipelineName, RecordId), bool>,
    today: NaiveDate,
    zone: Tz,
}

impl Lookups for Known {
    fn linked(&self, pipeline: &PipelineName, side: Side, id: &RecordId) -> Option<RecordId> {
        self.linked.get(&(pipeline.clone(), side, id.clone())).cloned()
    }

    fn referenced(&self, pipeline: &PipelineName, id: &RecordId) -> Option<bool> {
        self.referenced.get(&(pipeline.clone(), id.clone())).copied()
    }

    fn today(&self) -> NaiveDate {
        self.today
    }

    fn day(&self, instant: DateTime<Utc>) -> NaiveDate {
        instant.with_timezone(&self.zone).date_naive()
    }
}

/// Gathers the questions a chunk will ask, then fetches the answers in few calls.
pub(super) struct Questions<'a> {
    pipeline: &'a Pipeline,
    /// In an order of their own: the same history asks the store the same in the same order.
    ids: BTreeSet<(PipelineName, Side, RecordId)>,
    records: BTreeSet<RecordId>,
    asks_references: bool,
}

impl<'a> Questions<'a> {
    /// No questions yet about records of `pipeline`.
    pub fn new(pipeline: &'a Pipeline) -> Self {
        let asks_references = !pipeline.referenced_by.is_empty();
        Self { pipeline, ids: BTreeSet::new(), records: BTreeSet::new(), asks_references }
    }

    /// Asks for what deciding about this reading of `side` needs.
    pub fn about(&mut self, side: Side, id: &RecordId, projection: &Projection) {
        for field in &self.pipeline.fields {
            self.ask(side, referred(field, side, projection));
        }
        if self.asks_references {
            self.records.insert(id.clone());
        }
    }

    /// Asks for what deciding about the present values of a link needs.
    pub fn about_link(&mut self, link: &Link) {
        let pipeline = self.pipeline;
        for field in &pipeline.fields {
            let Some(state) = link.fields.get(&field.id) else { continue };
            for side in Side::BOTH {
                state.present(side).into_iter().for_each(|cell| self.ask(side, referred_in(field, side, cell)));
            }
        }
    }

    fn ask(&mut self, side: Side, referred: Vec<(&Reference, RecordId)>) {
        self.ids.extend(referred.into_iter().map(|(to, id)| (to.pipeline.clone(), to.side(side), id)));
    }

    /// Fetches the answers.
    pub async fn fetch(
        self,
        ledger: &Ledger,
        states: &BTreeMap<PipelineName, PipelineState>,
        mark_of: impl Fn(&PipelineName) -> u32,
        (today, zone): (NaiveDate, Tz),
    ) -> Result<Known, StoreError> {
        let mut known = Known { today, zone, ..Known::default() };
        let mut groups: BTreeMap<(PipelineName, Side), Vec<RecordId>> = BTreeMap::new();
        for (pipeline, side, id) in self.ids {
            groups.entry((pipeline, side)).or_default().push(id);
        }
        for ((pipeline, side), ids) in groups {
            let others: Vec<Option<RecordId>> = match side {
                Side::Source => {
                    ledger.links(&pipeline, &ids).await?.into_iter().map(|link| link.map(|l| l.target)).collect()
                }
                Side::Target => ledger.sources_of(&pipeline, &ids).await?,
            };
            for (id, other) in ids.into_iter().zip(others) {
                if let Some(other) = other {
                    known.linked.insert((pipeline.clone(), side, id), other);
                }
            }
        }
        for referring in &self.pipeline.referenced_by {
            let read =
                states.get(referring).is_some_and(|state| state.read[0] != 0 && state.read[0] == mark_of(referring));
            for id in &self.records {
                let points = ledger.is_referenced(referring, &self.pipeline.name, id).await?;
                // A reference that is there is known for certain; that there is none is known only after a full read.
                if points || read {
                    known.referenced.insert((referring.clone(), id.clone()), points);
                }
            }
        }
        Ok(known)
    }
}
