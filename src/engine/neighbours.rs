//! Pipelines that use the same resource: what one of them makes, the others know at once.

use chrono::TimeDelta;

use super::{
    EngineError,
    pull::{Attached, ResourceKey},
    run::Run,
};
use crate::{
    config::{End, Pipeline, PipelineName},
    connector::RemoteRecord,
    record::Side,
};

/// Records that a call made.
#[derive(Default)]
pub(super) struct Births {
    /// As the remote answered them.
    pub told: Vec<RemoteRecord>,
    /// Whether the remote named others by their ids alone.
    pub untold: bool,
}

impl Run<'_> {
    /// Tells the other pipelines of a resource what this one made there, so that they match it instead of making it
    /// once more. Where the answer says nothing but an id, they read what changed before they make anything.
    pub(super) async fn tell_neighbours(
        &mut self,
        pipeline: &Pipeline,
        side: Side,
        births: Births,
    ) -> Result<(), EngineError> {
        if births.told.is_empty() && !births.untold {
            return Ok(());
        }
        let key = resource_of(pipeline.end(side));
        let neighbours = self.neighbours(&pipeline.name, &key);
        if neighbours.is_empty() {
            return Ok(());
        }
        for neighbour in &neighbours {
            if births.untold {
                self.outdated.insert((neighbour.pipeline.name.clone(), key.clone()));
            }
            self.deliver(neighbour, &births.told, TimeDelta::zero()).await?;
        }
        Ok(())
    }

    /// Whether another pipeline made something on a side of which it is not known what became of it.
    pub(super) fn neighbour_in_doubt(&self, pipeline: &Pipeline, side: Side) -> bool {
        let key = resource_of(pipeline.end(side));
        self.open_creates.iter().any(|(name, written, write)| {
            let other = self.engine.config.pipeline(name).map(|(_, other)| other);
            write.is_none()
                && *name != pipeline.name
                && other.is_some_and(|other| resource_of(other.end(*written)) == key)
        })
    }

    fn neighbours(&self, name: &PipelineName, key: &ResourceKey) -> Vec<Attached> {
        let ends = self.ends_using(key).into_iter().filter(|(pipeline, _)| pipeline.name != *name);
        ends.map(|(pipeline, side)| Attached { pipeline, side, spill: false }).collect()
    }
}

fn resource_of(end: &End) -> ResourceKey {
    (end.connection.name.clone(), end.resource.name.clone())
}
